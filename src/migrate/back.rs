//! Our position → the offset from which Debezium goes on. Pure.
//!
//! A Debezium without `lsn_proc` in its offset starts the stream at `lsn` and skips nothing; so after whole transactions the
//! offset is `lsn` = `lsn_commit` = their end. `lsn_commit` is there so that the next offsets have one. With `lsn_proc` it
//! looks for that LSN in the stream first (`WalPositionLocator`), and is misled when a row of the next transaction has the
//! LSN of the last commit's end (dbz#51, dbz#76, mended in 3.7).
//!
//! Inside a transaction there is no other way: `lsn` = `lsn_proc` = the last published row's, `messageType` a row's. The
//! locator then skips every message up to the first whose LSN differs. Two things must hold for that to be exact:
//!
//! - No other transaction is sent before: its COMMIT may have the LSN at which skipping ends. So the slot is moved to the
//!   last commit's end first.
//! - The next row has another LSN. Rows of a COPY share one; Debezium before 3.7 then skips them all, and later versions
//!   count BEGIN among them. That is refused.
//!
//! A TRUNCATE is hidden from the locator, so the last row before it stands for it.

use super::offset::Offset;
use super::search::{MESSAGE, Step};
use super::undecided;
use crate::error::{Exit, Failure};
use crate::lsn::Lsn;
use crate::pipeline::resume::change_hash;
use crate::position::{Partial, Position};

/// pgoutput's TRUNCATE.
const TRUNCATE: u8 = b'T';

/// The offset after everything that ends at the position.
pub fn after(position: &Position) -> Offset {
    Offset {
        lsn: Some(position.end_lsn),
        lsn_commit: Some(position.end_lsn),
        xid: (position.last_xid > 0).then_some(position.last_xid),
        commit_us: Some(position.last_commit_us),
        ..Offset::default()
    }
}

/// The offset within a transaction, after its row at `lsn`; `None`: after nothing that Debezium could name.
pub fn within(position: &Position, partial: &Partial, lsn: Option<Lsn>) -> Offset {
    let Some(lsn) = lsn else { return after(position) };
    Offset {
        lsn: Some(lsn),
        lsn_proc: Some(lsn),
        lsn_commit: Some(position.end_lsn),
        xid: Some(partial.xid),
        commit_us: Some(position.last_commit_us),
        kind: Some("INSERT".to_owned()),
        ..Offset::default()
    }
}

/// Looks up the LSN of the last published row of a transaction.
#[derive(Debug)]
pub struct LastRow {
    partial: Partial,
    is_open: bool,
    changes: u64,
    /// Of the last row that is published and that Debezium can see.
    last: Option<Lsn>,
}

impl LastRow {
    /// A search for what the position remembers.
    pub fn new(partial: &Partial) -> LastRow {
        LastRow { partial: partial.clone(), is_open: false, changes: 0, last: None }
    }

    /// The next step; the answer once the row after it, or the end, has come by.
    pub fn step(&mut self, step: Step<'_>) -> Result<Option<Option<Lsn>>, Failure> {
        match step {
            Step::Begin { commit_lsn, xid } => {
                self.is_open = (commit_lsn, xid) == (self.partial.commit_lsn, self.partial.xid);
                // The position's own rule: this transaction is the next one.
                if self.is_open {
                    Ok(None)
                } else {
                    Err(self.other(format!("it continues with transaction {xid}")))
                }
            }
            Step::Change { lsn, raw } => self.change(lsn, raw),
            Step::Commit { .. } if self.changes < self.partial.ordinal => {
                Err(self.other(format!("the transaction has {} changes", self.changes)))
            }
            Step::Commit { .. } => Ok(Some(self.last)),
        }
    }

    fn change(&mut self, lsn: Lsn, raw: &[u8]) -> Result<Option<Option<Lsn>>, Failure> {
        self.changes += 1;
        if self.changes == self.partial.ordinal && change_hash(raw) != self.partial.change_hash {
            return Err(self.other(format!("change {} is another one", self.changes)));
        }
        if matches!(raw.first(), Some(&(TRUNCATE | MESSAGE))) {
            return Ok(None);
        }
        if self.changes <= self.partial.ordinal {
            self.last = Some(lsn);
            return Ok(None);
        }
        if self.last == Some(lsn) {
            return Err(undecided(
                "Debezium cannot go on within a COPY",
                format!(
                    "the last published row of transaction {} and the one after it share LSN {lsn}, and by an LSN is all that \
                     Debezium's offsets name a row",
                    self.partial.xid
                ),
                "start walpost once more, let it come to the end of the transaction (walpost offsets show has no line \"in \
                 part\" then), stop it, and go back",
            ));
        }
        Ok(Some(self.last))
    }

    fn other(&self, what: String) -> Failure {
        let Partial { xid, commit_lsn, ordinal, .. } = &self.partial;
        Failure::new(
            Exit::Stream,
            "the slot's stream is not the one that the position was made from",
            format!(
                "{ordinal} changes of transaction {xid} (commit {commit_lsn}) are published; in the stream, {what}"
            ),
            "walpost verify tells what is published; nothing was changed",
        )
    }
}

/// What is left of a snapshot would be published by nobody: Debezium's offset has no place for it.
pub fn check_whole(position: &Position) -> Result<(), Failure> {
    let Some(begun) = position.snapshot.as_ref().filter(|snapshot| snapshot.is_pending()) else {
        return Ok(());
    };
    Err(Failure::new(
        Exit::Failure,
        "walpost is in the middle of its snapshot",
        format!(
            "{} rows are published; which they are is not in Debezium's offset. Nothing was done",
            begun.rows
        ),
        "start walpost once more, and let the snapshot end",
    ))
}

/// Somebody has gone on from the old offset: writing ours would take that back.
pub fn check_older(stored: &Offset, ours: &Offset) -> Result<(), Failure> {
    let (theirs, limit) = (stored.furthest(), ours.furthest());
    if theirs <= limit {
        return Ok(());
    }
    Err(Failure::new(
        Exit::SlotAhead,
        "the old connector's offset is ahead of our position",
        format!(
            "it ends at {theirs}, our position at {limit}: the connector has run since, or it is not the one that was moved"
        ),
        "nothing was changed. walpost verify tells whether events are missing or there twice",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Snapshot, SnapshotTable};
    use serde_json::json;

    fn partial(ordinal: u64, raw: &[u8]) -> Partial {
        Partial { commit_lsn: Lsn::new(170), xid: 7, ordinal, change_hash: change_hash(raw) }
    }

    fn position(end: u64) -> Position {
        let mark = Position::creating(7, 1, "run");
        Position { last_xid: 6, last_commit_us: 1_000, ..Position::first(&mark, Lsn::new(end)) }
    }

    const BEGIN: Step<'_> = Step::Begin { commit_lsn: Lsn::new(170), xid: 7 };
    const COMMIT: Step<'_> = Step::Commit { end_lsn: Lsn::new(180) };

    fn row(lsn: u64, raw: &'static [u8]) -> Step<'static> {
        Step::Change { lsn: Lsn::new(lsn), raw }
    }

    fn last(partial: &Partial, steps: &[Step<'_>]) -> Result<Option<Option<Lsn>>, Failure> {
        let mut search = LastRow::new(partial);
        for step in steps {
            if let Some(found) = search.step(*step)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    #[test]
    fn after_whole_transactions_debezium_is_told_where_to_start_and_nothing_to_skip() {
        let json = after(&position(100)).json();
        assert_eq!(json, json!({ "lsn_commit": 100, "lsn": 100, "txId": 6, "ts_usec": 1000 }));
        let unborn = Position { last_xid: 0, ..position(100) };
        assert!(after(&unborn).json().get("txId").is_none());
    }

    #[test]
    fn a_snapshot_that_is_not_published_whole_is_not_handed_back() {
        let table = |done| SnapshotTable { done, ..SnapshotTable::default() };
        let with = |done| {
            let (horizon, tables) = ("7:7:".to_owned(), vec![table(true), table(done)]);
            let snapshot = Some(Snapshot { lsn: Lsn::new(100), horizon, rows: 3, tables });
            Position { snapshot, ..position(100) }
        };
        assert_eq!(check_whole(&position(100)), Ok(()));
        assert_eq!(check_whole(&with(true)), Ok(()));
        assert!(check_whole(&with(false)).unwrap_err().detail.contains("3 rows"));
    }

    #[test]
    fn within_a_transaction_debezium_is_told_the_last_row() {
        let json = within(&position(100), &partial(2, b"Ib"), Some(Lsn::new(140))).json();
        let expected = json!({
            "lsn_proc": 140, "lsn_commit": 100, "lsn": 140, "txId": 7, "ts_usec": 1000, "messageType": "INSERT",
        });
        assert_eq!(json, expected);
        assert_eq!(within(&position(100), &partial(1, b"T"), None), after(&position(100)));
    }

    #[test]
    fn the_last_row_is_looked_up_by_its_number() {
        let steps = [BEGIN, row(90, b"Ia"), row(140, b"Ib"), row(150, b"Ic"), COMMIT];
        for (ordinal, raw, lsn) in [(1, b"Ia", 90), (2, b"Ib", 140), (3, b"Ic", 150)] {
            assert_eq!(last(&partial(ordinal, raw), &steps), Ok(Some(Some(Lsn::new(lsn)))), "{ordinal}");
        }
        assert_eq!(last(&partial(2, b"Ib"), &steps[..3]), Ok(None), "not before the next");
    }

    #[test]
    fn a_truncate_is_stood_for_by_the_row_before_it() {
        let steps = [BEGIN, row(90, b"Ia"), row(100, b"T1"), row(140, b"Ib"), COMMIT];
        assert_eq!(last(&partial(2, b"T1"), &steps), Ok(Some(Some(Lsn::new(90)))));
        let steps = [BEGIN, row(100, b"T1"), row(140, b"Ib"), COMMIT];
        assert_eq!(last(&partial(1, b"T1"), &steps), Ok(Some(None)));
    }

    #[test]
    fn rows_that_share_an_lsn_can_be_left_behind_together_only() {
        let steps = [BEGIN, row(140, b"Ia"), row(140, b"Ib"), row(150, b"Ic"), COMMIT];
        assert_eq!(last(&partial(2, b"Ib"), &steps), Ok(Some(Some(Lsn::new(140)))));
        let failure = last(&partial(1, b"Ia"), &steps).unwrap_err();
        assert!(
            failure.what.contains("COPY") && failure.hint.contains("start walpost once more"),
            "{failure}"
        );
    }

    #[test]
    fn another_stream_is_refused() {
        let steps = [BEGIN, row(90, b"Ia"), row(140, b"Ib"), COMMIT];
        let other = Step::Begin { commit_lsn: Lsn::new(160), xid: 5 };
        for (partial, steps) in [
            (partial(2, b"Ix"), &steps[..]),
            (partial(3, b"Ic"), &steps[..]),
            (partial(1, b"Ia"), &[other][..]),
        ] {
            assert_eq!(last(&partial, steps).unwrap_err().exit, Exit::Stream, "{partial:?}");
        }
    }

    #[test]
    fn an_offset_that_has_gone_on_is_not_overwritten() {
        let ours = after(&position(100));
        assert_eq!(check_older(&after(&position(100)), &ours), Ok(()));
        assert_eq!(check_older(&Offset::default(), &ours), Ok(()));
        let theirs = Offset { lsn_proc: Some(Lsn::new(101)), ..after(&position(90)) };
        assert_eq!(check_older(&theirs, &ours).unwrap_err().exit, Exit::SlotAhead);
    }
}
