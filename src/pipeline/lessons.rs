//! What one session learns from a refusal by Kafka, and the next ones need: it is all that outlives a session.
//!
//! After a crash none of it is left, and the same refusal teaches it again: the stream from the stored position is the
//! same, and nothing of what was refused is visible.

use crate::lsn::Lsn;
use crate::position::Position;
use crate::rejection::{Origin, Rejection};
use std::collections::BTreeMap;

/// What was learnt.
#[derive(Clone, Debug, Default)]
pub struct Lessons {
    /// Up to here each source transaction is published by itself, and record by record.
    pub singly_until: Lsn,
    refused: BTreeMap<Origin, Rejection>,
    /// The timeline whose LSNs these are.
    timeline: Option<u32>,
}

impl Lessons {
    /// Kafka refuses the record of this event: its next one is not sent. Whether that is news.
    pub fn learn(&mut self, rejection: Rejection) -> bool {
        // All rows of a snapshot stand at one LSN: the rest of them need not be sent one by one.
        if rejection.origin.is_row() {
            self.singly_until = Lsn::ZERO;
        }
        self.refused.insert(rejection.origin, rejection).is_none()
    }

    /// Why Kafka refuses the record of this event.
    pub fn refused(&self, origin: Origin) -> Option<&Rejection> {
        if self.refused.is_empty() { None } else { self.refused.get(&origin) }
    }

    /// A session begins at this position: what comes before it is done with, and on another timeline the same LSN may
    /// be another event's.
    pub fn begin(&mut self, position: &Position) {
        if self.timeline.replace(position.timeline).is_some_and(|before| before != position.timeline) {
            *self = Lessons { timeline: self.timeline, ..Lessons::default() };
        }
        self.refused.retain(|origin, _| origin.commit_lsn >= position.end_lsn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Reason;

    fn at(commit: u64, change: u64) -> Origin {
        Origin { commit_lsn: Lsn::new(commit), change, xid: 7 }
    }

    fn refused(origin: Origin) -> Rejection {
        let (detail, hint, table) = ("no".to_owned(), String::new(), "topic t".to_owned());
        Rejection { reason: Reason::TooLarge, detail, hint, table, event_id: None, origin }
    }

    #[test]
    fn what_was_refused_is_known_by_its_change_until_its_transaction_is_published() {
        let mut lessons = Lessons::default();
        assert!(lessons.refused(at(100, 1)).is_none());
        assert!(lessons.learn(refused(at(100, 1))));
        assert!(lessons.learn(refused(at(150, 3))));
        assert!(!lessons.learn(refused(at(100, 1))), "it was sent although it was known");
        assert!(lessons.refused(at(100, 2)).is_none());
        // A commit at the position itself is the next transaction's.
        let position = Position::first(&Position::creating(1, 4, "test"), Lsn::new(150));
        lessons.begin(&position);
        assert!(lessons.refused(at(100, 1)).is_none());
        assert_eq!(lessons.refused(at(150, 3)).unwrap().origin, at(150, 3));

        lessons.begin(&Position { timeline: 5, ..position });
        assert!(lessons.refused(at(150, 3)).is_none(), "that LSN was another timeline's");
    }

    #[test]
    fn a_row_of_a_snapshot_that_was_refused_is_known_until_the_snapshot_is_published() {
        let position = |end| Position::first(&Position::creating(1, 4, "test"), Lsn::new(end));
        let row = |number| Origin::of_row(Lsn::new(150), number);
        let mut lessons = Lessons { singly_until: Lsn::new(150), ..Lessons::default() };
        assert!(lessons.learn(refused(row(7))));
        assert_eq!(lessons.singly_until, Lsn::ZERO, "the other rows are sent together again");
        lessons.begin(&position(150));
        assert!(lessons.refused(row(7)).is_some() && lessons.refused(row(8)).is_none());
        assert!(lessons.refused(at(150, 7)).is_none(), "a change of a transaction that begins there");
        lessons.begin(&position(200));
        assert!(lessons.refused(row(7)).is_none());
    }
}
