//! The first findings of each kind, by topic and place: as many as are printed, however many there are.

use crate::verify::{Finding, Found, Place, Sink, label};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// By which findings are sorted.
type Key = (Option<u32>, Option<Place>, Option<(i32, u64)>);

/// A finding that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) finding: Finding,
    pub(super) topic: Option<u32>,
    pub(super) id: Option<String>,
    pub(super) key: Option<String>,
    pub(super) place: Option<Place>,
    pub(super) record: Option<(i32, u64)>,
}

/// Keeps the first ones.
#[derive(Debug)]
pub(super) struct First {
    limit: usize,
    kinds: Mutex<BTreeMap<&'static str, BTreeMap<Key, Kept>>>,
}

impl First {
    pub(super) fn new(limit: usize) -> First {
        First { limit, kinds: Mutex::default() }
    }

    /// Those that were kept, the kinds in this order.
    pub(super) fn of(&self, kinds: &[&str]) -> Vec<Kept> {
        let kept = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.iter().filter_map(|kind| kept.get(*kind)).flat_map(BTreeMap::values).cloned().collect()
    }
}

impl Sink for First {
    fn found(&self, found: &Found<'_>) {
        let Found { finding, topic, place, record, .. } = *found;
        let at = (topic, place, record);
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry(finding.name()).or_default();
        let is_full = kind.len() >= self.limit;
        if is_full && kind.last_key_value().is_none_or(|(last, _)| *last <= at) {
            return;
        }
        let (id, key) = (label::text(found.id), label::text(found.key));
        kind.insert(at, Kept { finding, topic, id, key, place, record });
        if kind.len() > self.limit {
            kind.pop_last();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(first: &First, finding: Finding, offset: u64) {
        let record = Some((0, offset));
        first.found(&Found { finding, topic: Some(0), id: b"\x01x", key: b"\x01k", place: None, record });
    }

    fn offsets(first: &First, kind: &str) -> Vec<u64> {
        first.of(&[kind]).iter().map(|kept| kept.record.unwrap().1).collect()
    }

    #[test]
    fn the_first_of_each_kind_are_kept_in_whatever_order_they_come() {
        let first = First::new(3);
        for offset in [7, 3, 9, 1, 8, 2] {
            tell(&first, Finding::Unknown, offset);
        }
        tell(&first, Finding::Newer, 5);
        assert_eq!(offsets(&first, "unknown"), [1, 2, 3]);
        assert_eq!(offsets(&first, "newer"), [5]);
        assert_eq!(first.of(&["newer", "unknown"]).len(), 4);
    }

    #[test]
    fn none_are_kept_where_none_are_wanted() {
        let first = First::new(0);
        tell(&first, Finding::Unknown, 1);
        assert_eq!(offsets(&first, "unknown"), [0; 0]);
    }
}
