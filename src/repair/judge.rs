//! Which rows are missing for good, and where the position goes. Pure.
//!
//! Enters: rows without a record, and what the slot would still send. Leaves: the events that nothing but a repair will
//! bring. Promised: an event that the slot brings after the new position is never among them, nor one that is doubtful.

use super::coming::Coming;
use super::found::{Inner, Key};
use super::left::{Left, LeftEvent, Why};
use crate::lsn::Lsn;
use crate::verify::label;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Where the position will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// There.
    Known(Lsn),
    /// At a slot that is still to be made: nothing comes but from there on.
    NewSlot,
    /// After the last transaction of the slot of which an event is in the topics, or a dead letter; the slot stands here.
    /// walpost publishes in the order of the slot: of later ones it has published nothing.
    Evidence(Lsn),
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Judged {
    /// Events to publish, and how many rows of each.
    pub missing: HashMap<Key, u32>,
    /// Events that are not there and come by the slot.
    pub coming: HashSet<Key>,
    /// What is left alone.
    pub left: Left,
    /// Rows that are dead letters.
    pub letters: u64,
    /// Rows that a policy passes over.
    pub skipped: u64,
    /// Where the position goes.
    pub end_lsn: Option<Lsn>,
}

/// Judges.
pub fn judge(mut found: Inner, coming: &Coming, numbers: &HashMap<Arc<str>, u32>, at: At) -> Judged {
    let numbered = coming.numbered(numbers);
    let end_lsn = match at {
        At::Known(lsn) => Some(lsn),
        At::NewSlot => None,
        At::Evidence(slot) => {
            let hits =
                numbered.events.iter().filter(|(_, key, _)| key.is_some_and(|key| found.hits.contains(&key)));
            let commits = hits.map(|(commit_lsn, ..)| *commit_lsn).chain(coming.done());
            let last = commits.max();
            Some(last.and_then(|commit_lsn| coming.end_of(commit_lsn)).unwrap_or(slot))
        }
    };
    let is_behind = |commit_lsn: Lsn| end_lsn.is_some_and(|end_lsn| commit_lsn < end_lsn);
    let mut left = std::mem::take(&mut found.nameless);
    let mut sent: HashMap<Key, u32> = HashMap::new();
    for (commit_lsn, key, id) in &numbered.events {
        match key {
            _ if is_behind(*commit_lsn) => {
                let is_known = |key: &Key| {
                    found.missing.contains_key(key)
                        || found.hits.contains(key)
                        || found.doubted.contains_key(key)
                };
                if !key.as_ref().is_some_and(is_known) {
                    let (topic, id) = (key.map(|(topic, _)| topic), label::text(id));
                    left.add(LeftEvent { why: Why::Gone, id, key: None, topic, events: 1 });
                }
            }
            Some(key) => *sent.entry(*key).or_default() += 1,
            None => {}
        }
    }
    for (commit_lsn, id) in &numbered.rejected {
        if !is_behind(*commit_lsn) {
            found.rejected.remove(id);
        }
    }
    let mut missing = HashMap::new();
    for (key, rows) in found.missing {
        match sent.get(&key) {
            Some(sent) if *sent >= rows => {}
            None if !found.shared.contains(&key) => drop(missing.insert(key, rows)),
            // Some of them have a record or come, and others do not.
            _ => {
                let (why, events) = (Why::SharedId, u64::from(rows));
                left.add(LeftEvent { why, id: None, key: None, topic: Some(key.0), events });
            }
        }
    }
    found.doubted.retain(|key, _| !sent.contains_key(key));
    found.doubted.into_values().chain(found.rejected.into_values()).for_each(|event| left.add(event));
    let (letters, skipped) = (found.letters, found.skipped);
    Judged { missing, coming: sent.into_keys().collect(), left, letters, skipped, end_lsn }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Reason;
    use crate::repair::found::hash;
    use crate::verify::finding::Doubt;

    fn key(id: &str) -> Key {
        let mut packed = Vec::new();
        label::pack(Some(id.as_bytes()), &mut packed);
        (0, hash(&packed))
    }

    fn left(why: Why) -> LeftEvent {
        LeftEvent { why, id: None, key: None, topic: Some(0), events: 1 }
    }

    fn judged(found: Inner, coming: &[(u64, u64, &[&str])], at: At) -> Judged {
        let numbers = HashMap::from([(Arc::from("orders"), 0)]);
        judge(found, &Coming::of("orders", coming), &numbers, at)
    }

    fn missing(ids: &[&str]) -> Inner {
        Inner { missing: ids.iter().map(|id| (key(id), 1)).collect(), ..Inner::default() }
    }

    fn is(judged: &Judged, ids: &[&str]) {
        let expected: HashMap<Key, u32> = ids.iter().map(|id| (key(id), 1)).collect();
        assert_eq!(judged.missing, expected);
    }

    const SLOT: &[(u64, u64, &[&str])] = &[(100, 110, &["c"]), (110, 120, &["d", "e"])];

    #[test]
    fn what_the_slot_brings_after_the_position_is_not_missing() {
        let all = judged(missing(&["b", "c", "d", "e"]), SLOT, At::Known(Lsn::new(100)));
        is(&all, &["b"]);
        assert_eq!((all.end_lsn, all.coming.len(), all.left.events()), (Some(Lsn::new(100)), 3, 0));
        is(&judged(missing(&["b", "c", "d", "e"]), SLOT, At::Known(Lsn::new(110))), &["b", "c"]);
        is(&judged(missing(&["b"]), &[], At::NewSlot), &["b"]);
    }

    #[test]
    fn without_a_position_it_is_after_the_last_transaction_that_left_a_record() {
        let with = |hits: &[&str], ids: &[&str]| {
            let hits = hits.iter().map(|id| key(id)).collect();
            judged(Inner { hits, ..missing(ids) }, SLOT, At::Evidence(Lsn::new(90)))
        };
        let none = with(&[], &["b", "c", "d"]);
        assert_eq!(none.end_lsn, Some(Lsn::new(90)));
        is(&none, &["b"]);
        let first = with(&["c"], &["b", "d", "e"]);
        assert_eq!(first.end_lsn, Some(Lsn::new(110)));
        is(&first, &["b"]);
        // A transaction that is published in part: the rest of it does not come.
        let part = with(&["c", "d"], &["e"]);
        assert_eq!((part.end_lsn, part.left.events()), (Some(Lsn::new(120)), 0));
        is(&part, &["e"]);
        // Its row is gone, and so is the event.
        let gone = with(&["d"], &["e"]);
        assert_eq!(gone.left.counts, [("row_gone", 1)].into());
        assert_eq!(gone.left.listed[0].id.as_deref(), Some("c"));
    }

    #[test]
    fn a_dead_letter_tells_where_the_position_was_as_a_record_does() {
        let numbers = HashMap::from([(Arc::from("orders"), 0)]);
        let mut coming = Coming::of("orders", SLOT);
        coming.is_done(Lsn::new(110));
        let found = Inner { letters: 1, ..missing(&["d", "e"]) };
        let all = judge(found, &coming, &numbers, At::Evidence(Lsn::new(90)));
        assert_eq!((all.end_lsn, all.letters), (Some(Lsn::new(120)), 1));
        is(&all, &["d", "e"]);
    }

    #[test]
    fn of_rows_that_share_an_id_all_are_missing_or_none_is_told() {
        let found = |shared: &[&str]| Inner {
            missing: HashMap::from([(key("a"), 2), (key("b"), 1)]),
            shared: shared.iter().map(|id| key(id)).collect(),
            ..Inner::default()
        };
        let none = judged(found(&[]), &[], At::NewSlot);
        assert_eq!((none.missing.len(), none.left.events()), (2, 0));
        let some = judged(found(&["a"]), &[], At::NewSlot);
        is(&some, &["b"]);
        assert_eq!(some.left.counts, [("shared_id", 2)].into());
    }

    #[test]
    fn what_is_doubtful_cannot_be_published_or_shares_an_id_is_left_unless_it_comes() {
        let found = || Inner {
            missing: HashMap::from([(key("c"), 2)]),
            doubted: HashMap::from([
                (key("d"), left(Why::Doubt(Doubt::Open))),
                (key("x"), left(Why::Doubt(Doubt::Compacted))),
            ]),
            rejected: HashMap::from([(key("y").1, left(Why::Unpublishable(Reason::TooLarge)))]),
            ..Inner::default()
        };
        let before = judged(found(), SLOT, At::Known(Lsn::new(100)));
        assert_eq!(before.left.counts, [("compacted", 1), ("shared_id", 2), ("too_large", 1)].into());
        assert!(before.missing.is_empty());
        let after = judged(found(), SLOT, At::Known(Lsn::new(120)));
        assert_eq!(after.missing, HashMap::from([(key("c"), 2)]));
        assert_eq!(
            after.left.counts,
            [("compacted", 1), ("open_transaction", 1), ("row_gone", 1), ("too_large", 1)].into()
        );
    }
}
