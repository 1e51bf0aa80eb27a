//! What was published before the restart is not published again. Pure.
//!
//! Enters: the stored position, then every Begin, raw change and Commit of the stream. Leaves: for each change whether
//! it is to be published. Promised: a stream that is not the one the position was made from is an error, not a guess.

use crate::lsn::Lsn;
use crate::mutant::{self, Mutant};
use crate::position::{Partial, Position};

/// Compares the stream with the stored position until the two have met.
#[derive(Debug)]
pub struct Resume {
    end_lsn: Lsn,
    partial: Option<Partial>,
    open: Open,
}

#[derive(Debug)]
enum Open {
    /// Between transactions, or in one that is published from its next change on.
    Fresh,
    /// In a transaction that ends at or before the stored position: the server sent it again.
    Repeated,
    /// In the transaction that was published in part: so many of its changes have come by.
    Resuming { seen: u64 },
}

/// The stream does not continue what was published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Mismatch {
    what: String,
}

impl Resume {
    /// Begins at what Kafka holds.
    pub fn new(stored: &Position) -> Resume {
        Resume { end_lsn: stored.end_lsn, partial: stored.partial.clone(), open: Open::Fresh }
    }

    /// A transaction begins.
    pub fn begin(&mut self, commit_lsn: Lsn, xid: u32) -> Result<(), Mismatch> {
        self.open = match &self.partial {
            _ if commit_lsn < self.end_lsn => Open::Repeated,
            None => Open::Fresh,
            Some(partial) if partial.commit_lsn == commit_lsn && partial.xid == xid => {
                Open::Resuming { seen: 0 }
            }
            Some(partial) => {
                return mismatch(format!(
                    "transaction {} (commit {}) was published in part, but the stream continues with transaction {xid} \
                     (commit {commit_lsn})",
                    partial.xid, partial.commit_lsn
                ));
            }
        };
        Ok(())
    }

    /// A row change of any table: whether it is to be looked at at all. `raw` is its pgoutput message.
    pub fn change(&mut self, raw: &[u8]) -> Result<bool, Mismatch> {
        let Open::Resuming { seen } = &mut self.open else {
            return Ok(matches!(self.open, Open::Fresh) && !mutant::row_repeats());
        };
        *seen += 1;
        let partial = self.partial.as_ref().expect("resuming only with a partial position");
        if *seen == partial.ordinal {
            if change_hash(raw) != partial.change_hash && !mutant::is_on(Mutant::ResumeUnchecked) {
                return mismatch(format!(
                    "change {} of transaction {} is not the one that was published before the restart",
                    partial.ordinal, partial.xid
                ));
            }
            self.partial = None;
            self.open = Open::Fresh;
        }
        Ok(false)
    }

    /// A message that belongs to no transaction and is whole at `lsn`: whether it is to be published. While part of a
    /// transaction is still to come it is not: it lies before that one, and was looked at before.
    pub fn alone(&mut self, lsn: Lsn) -> bool {
        if lsn <= self.end_lsn || !self.settled() {
            return false;
        }
        self.end_lsn = lsn;
        true
    }

    /// The transaction ends: whether it counts as published here (it does not when the server sent it again).
    pub fn commit(&mut self, end_lsn: Lsn) -> Result<bool, Mismatch> {
        match std::mem::replace(&mut self.open, Open::Fresh) {
            Open::Fresh => {
                self.end_lsn = self.end_lsn.max(end_lsn);
                Ok(true)
            }
            Open::Repeated if end_lsn <= self.end_lsn => Ok(false),
            Open::Repeated => mismatch(format!(
                "a transaction that begins its commit before the stored position {} ends after it, at {end_lsn}",
                self.end_lsn
            )),
            Open::Resuming { seen } => {
                mismatch(format!("a transaction that was published in part has only {seen} changes now"))
            }
        }
    }

    /// Whether what comes next is to be published: nothing of the open transaction was before.
    pub fn is_new(&self) -> bool {
        matches!(self.open, Open::Fresh)
    }

    /// Whether a keepalive may move the position: not while part of a transaction is still to come.
    pub fn settled(&self) -> bool {
        self.partial.is_none()
    }
}

fn mismatch<T>(what: String) -> Result<T, Mismatch> {
    Err(Mismatch { what })
}

/// What a position remembers of the last change it covers: SHA-256 of its pgoutput message, first 16 hex digits.
pub fn change_hash(raw: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, raw);
    digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(end_lsn: u64, partial: Option<(u64, u32, u64, &[u8])>) -> Resume {
        let mut position = Position::first(&Position::creating(1, 1, "test"), Lsn::new(end_lsn));
        position.partial = partial.map(|(commit, xid, ordinal, raw)| Partial {
            commit_lsn: Lsn::new(commit),
            xid,
            ordinal,
            change_hash: change_hash(raw),
        });
        Resume::new(&position)
    }

    #[test]
    fn a_transaction_at_the_stored_position_is_new_and_one_before_it_is_not() {
        let mut resume = at(100, None);
        resume.begin(Lsn::new(60), 7).unwrap();
        assert_eq!(resume.change(b"a"), Ok(false));
        assert_eq!(resume.commit(Lsn::new(100)), Ok(false));
        resume.begin(Lsn::new(100), 8).unwrap();
        assert_eq!(resume.change(b"b"), Ok(true));
        assert_eq!(resume.commit(Lsn::new(130)), Ok(true));
    }

    #[test]
    fn a_transaction_that_straddles_the_stored_position_is_refused() {
        let mut resume = at(100, None);
        resume.begin(Lsn::new(99), 7).unwrap();
        assert!(resume.commit(Lsn::new(101)).is_err());
    }

    #[test]
    fn a_partly_published_transaction_goes_on_after_its_last_published_change() {
        let mut resume = at(100, Some((150, 7, 2, b"two")));
        assert!(!resume.settled());
        resume.begin(Lsn::new(150), 7).unwrap();
        let published: Vec<bool> = [b"one".as_slice(), b"two", b"tri", b"for"]
            .iter()
            .map(|raw| resume.change(raw).unwrap())
            .collect();
        assert_eq!(published, [false, false, true, true]);
        assert!(resume.settled());
        assert_eq!(resume.commit(Lsn::new(180)), Ok(true));
    }

    #[test]
    fn a_message_of_no_transaction_is_new_after_the_stored_position_only() {
        let mut resume = at(100, None);
        assert!(!resume.alone(Lsn::new(90)) && !resume.alone(Lsn::new(100)));
        assert!(resume.alone(Lsn::new(101)));
        assert!(!resume.alone(Lsn::new(101)));
        assert!(!at(100, Some((150, 7, 2, b"two"))).alone(Lsn::new(140)));
    }

    #[test]
    fn another_transaction_another_change_or_a_shorter_transaction_is_refused() {
        assert!(at(100, Some((150, 7, 2, b"two"))).begin(Lsn::new(150), 8).is_err());
        assert!(at(100, Some((150, 7, 2, b"two"))).begin(Lsn::new(160), 7).is_err());

        let mut resume = at(100, Some((150, 7, 2, b"two")));
        resume.begin(Lsn::new(150), 7).unwrap();
        resume.change(b"one").unwrap();
        assert!(resume.change(b"another").is_err());

        let mut resume = at(100, Some((150, 7, 2, b"two")));
        resume.begin(Lsn::new(150), 7).unwrap();
        resume.change(b"one").unwrap();
        assert!(resume.commit(Lsn::new(180)).is_err());
    }
}
