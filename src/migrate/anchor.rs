//! Debezium's offset → where we go on. Pure.
//!
//! An offset is stored with the record that it belongs to (in one Kafka transaction, if the worker is exactly-once): that
//! record is the last one published. What it says depends on the message that the record came from:
//!
//! | `messageType` | what is published | where we go on |
//! |---|---|---|
//! | `COMMIT` (a heartbeat's) | everything up to the commit's end | after `lsn` = `lsn_proc` = `lsn_commit` |
//! | `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE` | up to the row at `lsn` of transaction `txId`, inclusive | after that row: its place in the transaction is looked up in the stream |
//! | `MESSAGE` outside a transaction | everything before it | after it |
//! | none, no `lsn_proc`, a snapshot that is over | the snapshot's rows | `lsn`, as Debezium does |
//! | none, no `lsn_proc`, `lsn_commit` = `lsn` | what `migrate --back` wrote, and nothing since | `lsn` |
//!
//! Refused, for they have more than one meaning: `BEGIN` (a heartbeat within a transaction: `lsn_proc` may be the end of
//! the transaction before or a row of this one), `MESSAGE` inside a transaction, a row's offset without `txId`.
//!
//! `lsn_commit` alone is no position: after a restart without a commit Debezium fills it with `lsn_proc`.

use super::offset::{Offset, Snapshot};
use super::undecided;
use crate::error::{Exit, Failure};
use crate::lsn::Lsn;

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// After everything that ends here or before.
    After(Lsn),
    /// After a row of this transaction.
    Within {
        /// The transaction.
        xid: u32,
        /// The row's LSN.
        lsn: Lsn,
        /// Which of the rows that share it: the so-manieth; `None`: not told.
        rows_at_lsn: Option<u64>,
    },
}

/// What every refusal ends with.
const ONCE_MORE: &str = "start the old connector once more, wait until it has published another event (an outbox row will do), and stop \
                         it again";

/// Where to go on after this offset, with a slot that has confirmed `confirmed`.
pub fn anchor(offset: &Offset, confirmed: Lsn) -> Result<Anchor, Failure> {
    if offset.incremental {
        return Err(undecided(
            "the old connector is in the middle of an incremental snapshot",
            "its offset names the chunk that it has come to; the rows after it are not published",
            "start it again and let the snapshot end, or stop the snapshot by a signal; then stop the connector and migrate",
        ));
    }
    if offset.snapshot == Snapshot::Running {
        return Err(undecided(
            "the old connector is in the middle of its snapshot",
            "which rows of it are published cannot be told from its offset",
            "start it again and let the snapshot end; then stop the connector and migrate",
        ));
    }
    let Some(lsn) = offset.lsn else {
        return Err(undecided("the old connector's offset has no lsn", "", ONCE_MORE));
    };
    let is_settled = offset.lsn_proc == Some(lsn) && offset.lsn_commit == Some(lsn);
    match (offset.kind.as_deref(), offset.lsn_proc) {
        (_, None) => nothing_streamed(offset, lsn, confirmed),
        (Some("COMMIT"), Some(_)) if is_settled => Ok(Anchor::After(lsn)),
        (Some("MESSAGE"), Some(_)) if is_settled && offset.xid.is_none() => Ok(Anchor::After(lsn)),
        (Some("INSERT" | "UPDATE" | "DELETE" | "TRUNCATE"), Some(done)) if done == lsn => row(offset, lsn),
        // Before there was a messageType: a row, unless its LSN is also the end of a commit.
        (None, Some(done)) if done == lsn && offset.lsn_commit != Some(lsn) => row(offset, lsn),
        (kind, _) => Err(ambiguous(kind)),
    }
}

fn row(offset: &Offset, lsn: Lsn) -> Result<Anchor, Failure> {
    match offset.xid {
        Some(xid) => {
            Ok(Anchor::Within { xid, lsn, rows_at_lsn: offset.rows_at_lsn.filter(|rows| *rows > 0) })
        }
        None => Err(undecided(
            "the old connector's offset does not name the transaction that it lies in",
            format!("it has lsn {lsn} and no txId"),
            ONCE_MORE,
        )),
    }
}

/// No `lsn_proc`: Debezium starts at `lsn` and skips nothing.
fn nothing_streamed(offset: &Offset, lsn: Lsn, confirmed: Lsn) -> Result<Anchor, Failure> {
    let is_ours = offset.lsn_commit == Some(lsn);
    if offset.snapshot == Snapshot::Done || is_ours || lsn == confirmed {
        return Ok(Anchor::After(lsn));
    }
    // Its first heartbeat has the end of the WAL at its start, however far behind the slot was.
    Err(undecided(
        "the old connector has streamed nothing yet",
        format!(
            "its offset has lsn {lsn} and no lsn_proc, the slot stands at {confirmed}: what lies between may be unpublished"
        ),
        ONCE_MORE,
    ))
}

fn ambiguous(kind: Option<&str>) -> Failure {
    let which = match kind {
        Some("BEGIN") => {
            "it is a heartbeat's, written between BEGIN and the first row of a transaction: whether the LSN in it is the \
             end of the transaction before or a row of this one cannot be told"
                .to_owned()
        }
        Some("MESSAGE") => "the last record was a logical decoding message inside a transaction, and those \
                            are not looked for"
            .to_owned(),
        Some(kind) => format!("its messageType is {kind}, and its LSNs are not those that such a message has"),
        None => "it has no messageType, and its lsn may be a row's as well as a commit's".to_owned(),
    };
    undecided("the old connector's offset has more than one meaning", which, ONCE_MORE)
}

/// The slot has gone past what the offset says: what lies between is not sent again.
pub fn slot_ahead(slot: &str, published: Lsn, confirmed: Lsn) -> Failure {
    Failure::new(
        Exit::SlotAhead,
        format!("slot {slot:?} is ahead of the old connector's offset"),
        format!(
            "the offset ends at {published}, the slot has confirmed {confirmed}: events committed between the two may never \
             have been published. (With lsn.flush.mode=connector_and_driver an idle connector confirms more than it stores)"
        ),
        format!(
            "{ONCE_MORE}. If it cannot: walpost verify compares the outbox with its topics; when nothing is missing, walpost \
             run --adopt slot goes on where the slot stands"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `lsn`, `lsn_proc`, `lsn_commit` (0: absent), `messageType` (empty: absent), `txId` (0: absent).
    fn offset(lsn: u64, done: u64, commit: u64, kind: &str, xid: u32) -> Offset {
        let some = |number: u64| (number > 0).then(|| Lsn::new(number));
        Offset {
            lsn: some(lsn),
            lsn_proc: some(done),
            lsn_commit: some(commit),
            kind: (!kind.is_empty()).then(|| kind.to_owned()),
            xid: (xid > 0).then_some(xid),
            ..Offset::default()
        }
    }

    const fn within(lsn: u64, xid: u32) -> Anchor {
        Anchor::Within { xid, lsn: Lsn::new(lsn), rows_at_lsn: None }
    }

    #[test]
    fn each_kind_of_offset_has_its_one_meaning() {
        for (given, expected) in [
            (offset(100, 100, 100, "COMMIT", 7), Anchor::After(Lsn::new(100))),
            (offset(140, 140, 100, "INSERT", 7), within(140, 7)),
            (offset(140, 140, 100, "UPDATE", 7), within(140, 7)),
            (offset(140, 140, 100, "DELETE", 7), within(140, 7)),
            (offset(140, 140, 100, "TRUNCATE", 7), within(140, 7)),
            // The first rows of all, before any commit; after a restart lsn_commit is filled with lsn_proc.
            (offset(140, 140, 0, "INSERT", 7), within(140, 7)),
            (offset(140, 140, 110, "INSERT", 7), within(140, 7)),
            // A commit's end is the next row's LSN: it is the row.
            (offset(140, 140, 140, "INSERT", 8), within(140, 8)),
            (offset(140, 140, 100, "", 7), within(140, 7)),
            (offset(150, 150, 150, "MESSAGE", 0), Anchor::After(Lsn::new(150))),
            // What `back` writes, before Debezium has gone on from there.
            (offset(100, 0, 100, "", 7), Anchor::After(Lsn::new(100))),
            // Nothing was streamed, and the slot stands there.
            (offset(90, 0, 0, "", 7), Anchor::After(Lsn::new(90))),
        ] {
            assert_eq!(anchor(&given, Lsn::new(90)), Ok(expected), "{given:?}");
        }
        let done = Offset { snapshot: Snapshot::Done, ..offset(200, 0, 0, "", 7) };
        assert_eq!(anchor(&done, Lsn::new(90)), Ok(Anchor::After(Lsn::new(200))));
        let counted = Offset { rows_at_lsn: Some(3), ..offset(140, 140, 100, "INSERT", 7) };
        let expected = Anchor::Within { xid: 7, lsn: Lsn::new(140), rows_at_lsn: Some(3) };
        assert_eq!(anchor(&counted, Lsn::new(90)), Ok(expected));
    }

    #[test]
    fn what_has_more_than_one_meaning_is_refused_with_what_to_do() {
        let running = Offset { snapshot: Snapshot::Running, ..offset(200, 0, 0, "", 7) };
        let incremental = Offset { incremental: true, ..offset(100, 100, 100, "COMMIT", 7) };
        for (given, why) in [
            (offset(110, 100, 100, "BEGIN", 7), "between BEGIN and the first row"),
            (offset(100, 100, 100, "BEGIN", 7), "between BEGIN and the first row"),
            (offset(130, 100, 100, "MESSAGE", 7), "inside a transaction"),
            (offset(100, 100, 100, "MESSAGE", 7), "inside a transaction"),
            (offset(140, 130, 100, "INSERT", 7), "not those that such a message has"),
            (offset(140, 140, 100, "COMMIT", 7), "not those that such a message has"),
            (offset(140, 140, 100, "ORIGIN", 7), "not those that such a message has"),
            (offset(140, 140, 140, "", 7), "a row's as well as a commit's"),
            (offset(140, 140, 100, "INSERT", 0), "no txId"),
            (offset(200, 0, 0, "", 7), "may be unpublished"),
            (offset(0, 0, 0, "", 0), ""),
            (running, "which rows of it are published"),
            (incremental, "the chunk"),
        ] {
            let failure = anchor(&given, Lsn::new(90)).unwrap_err();
            assert_eq!(failure.exit, Exit::PositionMissing, "{given:?}");
            assert!(failure.detail.contains(why) && failure.hint.contains("start"), "{given:?}: {failure}");
        }
    }
}
