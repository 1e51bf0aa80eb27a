//! Finds a place in a slot's stream: who searches sees each transaction's BEGIN, rows and COMMIT, and says when it is found.
//!
//! Here LSNs of rows are looked at, as Debezium's offsets name nothing else. They are read from the stream's own headers,
//! where Debezium's driver reads them.

use super::undecided;
use crate::decode::{Change, Decoder};
use crate::error::{Exit, Failure};
use crate::lsn::Lsn;
use crate::pipeline::resume::change_hash;
use crate::position::Partial;
use crate::source::{Feed, Frame};
use std::time::{Duration, Instant};

/// One step of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A transaction begins.
    Begin {
        /// Where its commit record is.
        commit_lsn: Lsn,
        /// Its id.
        xid: u32,
    },
    /// A change that counts: as the road counts it.
    Change {
        /// Where its WAL record is.
        lsn: Lsn,
        /// The pgoutput message.
        raw: &'a [u8],
    },
    /// It ends.
    Commit {
        /// The end of its commit record.
        end_lsn: Lsn,
    },
}

/// Reads until `each` has found something, or everything that was committed before `until` has come by.
///
/// A server that says nothing for `patience` is an error. Blocks.
pub fn read<T>(
    feed: &mut impl Feed,
    until: Lsn,
    patience: Duration,
    mut each: impl FnMut(Step<'_>) -> Result<Option<T>, Failure>,
) -> Result<Option<T>, Failure> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::new(
            Exit::Stream,
            format!("reading the slot's stream: {error}"),
            "nothing was changed",
            "ask again",
        )
    };
    let mut decoder = Decoder::new();
    let (mut is_open, mut heard) = (false, Instant::now());
    loop {
        let Some(chunk) =
            feed.next(Instant::now() + Duration::from_secs(1)).map_err(|error| broken(&error))?
        else {
            if heard.elapsed() >= patience {
                return Err(broken(&format!("nothing came for {patience:?}")));
            }
            continue;
        };
        heard = Instant::now();
        for placed in chunk.placed() {
            let (lsn, frame) = placed.map_err(|error| broken(&error))?;
            let message = match frame {
                Frame::Wal(message) => message,
                Frame::Keepalive { wal_end, .. } if !is_open && wal_end >= until => return Ok(None),
                Frame::Keepalive { .. } => continue,
            };
            let step = match decoder.decode(message).map_err(|error| broken(&error))? {
                Change::Begin { commit_lsn, .. } if commit_lsn >= until => return Ok(None),
                Change::Begin { commit_lsn, xid, .. } => Step::Begin { commit_lsn, xid },
                Change::Commit { end_lsn, .. } => Step::Commit { end_lsn },
                Change::Insert { .. }
                | Change::Update { .. }
                | Change::Delete { .. }
                | Change::Message { transactional: true, .. }
                | Change::Truncate { .. } => Step::Change { lsn, raw: message },
                Change::Relation(_)
                | Change::Message { .. }
                | Change::Origin { .. }
                | Change::Type { .. } => continue,
            };
            is_open = !matches!(step, Step::Commit { .. });
            if let Some(found) = each(step)? {
                return Ok(Some(found));
            }
        }
    }
}

/// The first byte of a logical decoding message.
pub(super) const MESSAGE: u8 = b'M';

/// Where a row was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// End of the last whole transaction before it; of its own when it is the last row of that.
    pub end_lsn: Lsn,
    /// Its transaction, up to and including it; `None` when nothing follows it there.
    pub partial: Option<Partial>,
}

/// Looks for the row at `lsn` of transaction `xid`.
#[derive(Debug)]
pub struct RowSearch {
    xid: u32,
    lsn: Lsn,
    /// Which of the rows at `lsn`; `None`: not told.
    wanted: Option<u64>,
    /// End of the last whole transaction that has come by; where the slot stands at first.
    end_lsn: Lsn,
    /// Its transaction, when it is the open one.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    commit_lsn: Lsn,
    changes: u64,
    at_lsn: u64,
    /// Ordinal and hash of the wanted row.
    found: Option<(u64, String)>,
}

impl RowSearch {
    /// A search in the stream of a slot that stands at `confirmed`.
    pub fn new(xid: u32, lsn: Lsn, wanted: Option<u64>, confirmed: Lsn) -> RowSearch {
        RowSearch { xid, lsn, wanted, end_lsn: confirmed, open: None }
    }

    /// The next step; the place once its transaction has ended.
    pub fn step(&mut self, step: Step<'_>) -> Result<Option<Place>, Failure> {
        match step {
            Step::Begin { commit_lsn, xid } => {
                let is_it = xid == self.xid;
                self.open = is_it.then_some(Open { commit_lsn, changes: 0, at_lsn: 0, found: None });
            }
            Step::Change { lsn, raw } => {
                let Some(open) = &mut self.open else { return Ok(None) };
                open.changes += 1;
                // A message lies where it ends, which may be where a row begins.
                if lsn == self.lsn && raw.first() != Some(&MESSAGE) {
                    open.at_lsn += 1;
                    if open.at_lsn == self.wanted.unwrap_or(1) {
                        open.found = Some((open.changes, change_hash(raw)));
                    }
                }
            }
            Step::Commit { end_lsn } => match self.open.take() {
                None => self.end_lsn = end_lsn,
                Some(open) => return self.place(open, end_lsn).map(Some),
            },
        }
        Ok(None)
    }

    fn place(&self, open: Open, end_lsn: Lsn) -> Result<Place, Failure> {
        let (xid, lsn) = (self.xid, self.lsn);
        if self.wanted.is_none() && open.at_lsn > 1 {
            return Err(undecided(
                "how much of a COPY is published cannot be told from the old connector's offset",
                format!(
                    "{} rows of transaction {xid} share LSN {lsn}, as rows of a COPY do, and the offset does not say how many of \
                     them are published (Debezium does from 3.7 on)",
                    open.at_lsn
                ),
                "count the records of these rows in their topics (walpost verify --config … lists what is missing), and say \
                 --published-at-lsn N",
            ));
        }
        let Some((ordinal, change_hash)) = open.found else {
            let detail = match (open.at_lsn, self.wanted) {
                (0, _) => format!("transaction {xid} has no row at LSN {lsn}"),
                (rows, wanted) => {
                    format!(
                        "{} rows of transaction {xid} at LSN {lsn} should be published, and there are {rows}",
                        wanted.unwrap_or(1)
                    )
                }
            };
            return Err(undecided(
                "the old connector's offset does not fit the slot's stream",
                detail,
                "is it this connector's slot and publication, and was the publication changed since? Otherwise walpost verify \
                 tells what is published",
            ));
        };
        if ordinal == open.changes {
            return Ok(Place { end_lsn, partial: None });
        }
        let partial = Partial { commit_lsn: open.commit_lsn, xid, ordinal, change_hash };
        Ok(Place { end_lsn: self.end_lsn, partial: Some(partial) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Chunk, Error, Nudge, recorded};

    fn begin(commit: u64, xid: u32) -> Step<'static> {
        Step::Begin { commit_lsn: Lsn::new(commit), xid }
    }

    fn row(lsn: u64, raw: &'static [u8]) -> Step<'static> {
        Step::Change { lsn: Lsn::new(lsn), raw }
    }

    fn commit(end: u64) -> Step<'static> {
        Step::Commit { end_lsn: Lsn::new(end) }
    }

    /// T6 was published before; T7 lies around it in the WAL; T8 follows directly upon T7.
    fn stream() -> Vec<Step<'static>> {
        vec![
            begin(120, 6),
            row(105, b"x"),
            commit(130),
            begin(170, 7),
            row(100, b"a"),
            row(110, b"b"),
            row(140, b"c"),
            row(150, b"d"),
            commit(180),
            begin(200, 8),
            row(180, b"e"),
            commit(210),
        ]
    }

    fn search(xid: u32, lsn: u64, wanted: Option<u64>, steps: &[Step<'_>]) -> Result<Option<Place>, Failure> {
        let mut search = RowSearch::new(xid, Lsn::new(lsn), wanted, Lsn::new(90));
        for step in steps {
            if let Some(place) = search.step(*step)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    fn place(end: u64, partial: Option<(u64, u32, u64, &[u8])>) -> Place {
        let partial = partial.map(|(commit, xid, ordinal, raw)| Partial {
            commit_lsn: Lsn::new(commit),
            xid,
            ordinal,
            change_hash: change_hash(raw),
        });
        Place { end_lsn: Lsn::new(end), partial }
    }

    #[test]
    fn a_row_is_found_by_transaction_and_lsn_and_named_by_its_number() {
        for (xid, lsn, expected) in [
            (6, 105, place(130, None)),
            (7, 100, place(130, Some((170, 7, 1, b"a")))),
            (7, 110, place(130, Some((170, 7, 2, b"b")))),
            (7, 140, place(130, Some((170, 7, 3, b"c")))),
            (7, 150, place(180, None)),
            // Its LSN is also the end of the transaction before.
            (8, 180, place(210, None)),
        ] {
            assert_eq!(search(xid, lsn, None, &stream()), Ok(Some(expected)), "{xid} {lsn}");
        }
        let first = [begin(170, 7), row(100, b"a"), row(110, b"b"), commit(180)];
        assert_eq!(
            search(7, 100, None, &first),
            Ok(Some(place(90, Some((170, 7, 1, b"a"))))),
            "the slot's own place"
        );
    }

    #[test]
    fn rows_that_share_an_lsn_are_counted_when_the_offset_counts_them_and_refused_when_it_does_not() {
        let copy =
            [begin(170, 7), row(140, b"a"), row(140, b"b"), row(140, b"c"), row(150, b"d"), commit(180)];
        assert_eq!(search(7, 140, Some(1), &copy), Ok(Some(place(90, Some((170, 7, 1, b"a"))))));
        assert_eq!(search(7, 140, Some(3), &copy), Ok(Some(place(90, Some((170, 7, 3, b"c"))))));
        assert_eq!(search(7, 140, Some(3), &copy[..4]), Ok(None), "not before its end");
        let failure = search(7, 140, None, &copy).unwrap_err();
        assert!(
            failure.detail.contains("3 rows") && failure.hint.contains("--published-at-lsn"),
            "{failure}"
        );
        let failure = search(7, 140, Some(4), &copy).unwrap_err();
        assert!(
            failure.detail.contains("4 rows of transaction 7 at LSN 0/8C should be published"),
            "{failure}"
        );
    }

    #[test]
    fn a_message_counts_and_is_no_row_though_it_lies_where_one_begins() {
        let stream = [begin(170, 7), row(100, b"M.."), row(100, b"a"), row(110, b"b"), commit(180)];
        assert_eq!(search(7, 100, None, &stream), Ok(Some(place(90, Some((170, 7, 2, b"a"))))));
    }

    #[test]
    fn an_offset_that_the_stream_does_not_know_is_refused_or_not_found() {
        let failure = search(7, 105, None, &stream()).unwrap_err();
        assert!(failure.detail.contains("no row at LSN 0/69"), "{failure}");
        assert_eq!(search(9, 105, None, &stream()), Ok(None));
    }

    /// One chunk, then silence.
    struct Recorded(Option<Vec<u8>>);

    impl Feed for Recorded {
        fn next(&mut self, _: Instant) -> Result<Option<Chunk>, Error> {
            Ok(self.0.take().map(|bytes| Chunk::new(bytes.into(), None)))
        }
        fn nudge(&self) -> Nudge {
            Nudge::new(|| {})
        }
    }

    fn messages(until: u64, bytes: Vec<u8>) -> Result<(Option<()>, usize), Failure> {
        let mut steps = 0;
        let found = read(&mut Recorded(Some(bytes)), Lsn::new(until), Duration::ZERO, |_| {
            steps += 1;
            Ok(None)
        })?;
        Ok((found, steps))
    }

    /// Begin of a transaction whose commit record is there.
    fn begin_message(commit: u64) -> Vec<u8> {
        let mut begin = vec![b'B'];
        begin.extend(commit.to_be_bytes());
        begin.extend(0_u64.to_be_bytes());
        begin.extend(7_u32.to_be_bytes());
        recorded::wal(Lsn::new(1), &begin)
    }

    #[test]
    fn a_search_ends_where_everything_committed_before_has_come_by() {
        let mut bytes = recorded::keepalive(Lsn::new(99), false);
        bytes.extend(begin_message(90));
        assert!(messages(100, bytes.clone()).is_err(), "what comes next is waited for");
        // A keepalive within a transaction tells of it, not of its end.
        bytes.extend(recorded::keepalive(Lsn::new(100), false));
        assert!(messages(100, bytes).is_err());
        assert_eq!(messages(100, recorded::keepalive(Lsn::new(100), false)), Ok((None, 0)));
        assert_eq!(messages(100, begin_message(100)), Ok((None, 0)));
        assert!(messages(100, recorded::wal(Lsn::new(1), b"?")).unwrap_err().what.contains("stream"));
    }
}
