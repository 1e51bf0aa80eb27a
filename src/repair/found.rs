//! Rows that have no record, gathered while a comparison runs, and records of events that the slot would send again.

use super::left::{Left, LeftEvent, Why};
use crate::verify::content::{self, Digest};
use crate::verify::{Finding, Found, Sink, label};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// An event: number of its topic, and the hash of its id.
pub type Key = (u32, Digest);

/// The hash by which ids are known here.
pub fn hash(id: &[u8]) -> Digest {
    content::hash(Some(id))
}

/// What a comparison tells.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Ids whose records are to be noticed.
    wanted: HashSet<Digest>,
    found: Mutex<Inner>,
}

/// What was told so far.
#[derive(Debug, Default)]
pub struct Inner {
    /// Rows without a record, by event; more than one where rows share an id.
    pub missing: HashMap<Key, u32>,
    /// Rows of which cannot be told whether they have one: why, by event.
    pub doubted: HashMap<Key, LeftEvent>,
    /// Rows that cannot be published, by the hash of their id.
    pub rejected: HashMap<Digest, LeftEvent>,
    /// Rows without a record and without an id.
    pub nameless: Left,
    /// Wanted ones that have a record.
    pub hits: HashSet<Key>,
    /// Those that have a record and more rows than one.
    pub shared: HashSet<Key>,
    /// Rows without a record that are dead letters.
    pub letters: u64,
    /// Rows that cannot be published, and are passed over by policy.
    pub skipped: u64,
}

impl Gathered {
    /// Nothing yet; records of these ids are to be noticed.
    pub fn new(wanted: HashSet<Digest>) -> Gathered {
        Gathered { wanted, found: Mutex::default() }
    }

    /// Everything, when the comparison is over.
    pub fn take(&self) -> Inner {
        std::mem::take(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hit(&self, topic: u32, id: &[u8]) {
        if self.wanted.is_empty() {
            return;
        }
        let hash = hash(id);
        if self.wanted.contains(&hash) {
            self.found.lock().unwrap_or_else(PoisonError::into_inner).hits.insert((topic, hash));
        }
    }
}

impl Sink for Gathered {
    fn found(&self, found: &Found<'_>) {
        let left = |why| LeftEvent {
            why,
            id: label::text(found.id),
            key: label::text(found.key),
            topic: found.topic,
            events: 1,
        };
        let inner = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let reject = |why| {
            let mut inner = inner();
            let known = inner.rejected.entry(hash(found.id));
            known.and_modify(|known| known.events += 1).or_insert_with(|| left(why));
        };
        match (found.finding, found.topic) {
            (Finding::Missing | Finding::Pending | Finding::Undecided(_), Some(_))
                if label::is_null(found.id) =>
            {
                inner().nameless.add(left(Why::NoId));
            }
            (Finding::Missing | Finding::Pending, Some(topic)) => {
                *inner().missing.entry((topic, hash(found.id))).or_default() += 1;
            }
            (Finding::Undecided(doubt), Some(topic)) => {
                inner()
                    .doubted
                    .entry((topic, hash(found.id)))
                    .and_modify(|known| known.events += 1)
                    .or_insert_with(|| left(Why::Doubt(doubt)));
            }
            (Finding::DeadLetter, _) => inner().letters += 1,
            (Finding::Skipped(_), _) => inner().skipped += 1,
            (Finding::Unpublishable(reason), _) => reject(Why::Unpublishable(reason)),
            // It would be a dead letter, and may be one that is hidden.
            (Finding::Undecided(doubt), None) => reject(Why::Doubt(doubt)),
            (Finding::Unknown | Finding::Newer, Some(topic)) => self.hit(topic, found.id),
            _ => {}
        }
    }

    fn paired(&self, topic: u32, id: &[u8], rows: usize) {
        self.hit(topic, id);
        if rows > 1 {
            self.found.lock().unwrap_or_else(PoisonError::into_inner).shared.insert((topic, hash(id)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Reason;
    use crate::verify::finding::Doubt;

    #[test]
    fn dead_letters_and_what_a_policy_passes_over_are_neither_missing_nor_left() {
        let gathered = Gathered::new(HashSet::new());
        let tell = |finding, topic, id: &str| {
            let mut packed = Vec::new();
            label::pack(Some(id.as_bytes()), &mut packed);
            gathered.found(&Found { finding, topic, id: &packed, key: &[], place: None, record: None });
        };
        tell(Finding::DeadLetter, Some(0), "letter");
        tell(Finding::DeadLetter, None, "illegal letter");
        tell(Finding::Skipped(Reason::TopicIllegal), None, "passed over");
        tell(Finding::Pending, Some(0), "a");
        tell(Finding::Missing, Some(0), "b");
        tell(Finding::Unpublishable(Reason::TooLarge), None, "bad");
        tell(Finding::Undecided(Doubt::Open), None, "perhaps a letter");
        let found = gathered.take();
        assert_eq!((found.letters, found.skipped), (2, 1));
        assert_eq!((found.missing.len(), found.rejected.len(), found.doubted.len()), (2, 2, 0));
    }
}
