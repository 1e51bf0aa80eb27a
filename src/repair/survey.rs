//! The first time through the rows: which of the missing events can be published, and in which order.

use super::found::hash;
use super::judge::Judged;
use super::left::Left;
use super::order::Keys;
use super::rows::{Row, Taker};
use crate::encode::Outgoing;
use crate::error::Failure;
use crate::verify::label;
use std::collections::BTreeMap;

/// An event that is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its id.
    pub id: Option<String>,
    /// Its key.
    pub key: Option<String>,
    /// Number of its topic.
    pub topic: u32,
    /// Number of its table.
    pub table: u16,
}

/// How many are listed, whatever there are.
const LISTED_MOST: usize = 1000;

/// Looks at the rows.
pub struct Survey<'j> {
    judged: &'j Judged,
    keys: Keys,
    /// Rows of missing events, by the number of their topic.
    topics: BTreeMap<u32, u64>,
    /// The first ones, with their packed keys; some of them may be left alone in the end.
    first: Vec<(Planned, Option<Box<[u8]>>)>,
    unused: Outgoing,
}

/// What is to be published.
pub struct Choice {
    keys: Keys,
    /// The first ones.
    pub first: Vec<Planned>,
    /// How many, by the number of their topic.
    pub topics: BTreeMap<u32, u64>,
    /// Those that come after later ones of their key.
    pub late: u64,
    /// What is left alone.
    pub left: Left,
}

impl<'j> Survey<'j> {
    /// Before the first row.
    pub fn new(judged: &'j Judged) -> Survey<'j> {
        Survey {
            judged,
            keys: Keys::default(),
            topics: BTreeMap::new(),
            first: Vec::new(),
            unused: Outgoing::default(),
        }
    }

    /// After the last row.
    pub fn choose(self) -> Choice {
        let Survey { judged, keys, mut topics, first, .. } = self;
        let mut left = judged.left.clone();
        left.add_all(keys.left());
        for (topic, events) in keys.unknown() {
            topics.entry(topic).and_modify(|count| *count -= events);
        }
        let is_chosen = |topic, packed: &Option<Box<[u8]>>| {
            !packed.as_ref().is_some_and(|packed| keys.is_unknown(topic, packed))
        };
        let first = first.into_iter().filter(|(planned, packed)| is_chosen(planned.topic, packed));
        let first = first.map(|(planned, _)| planned).collect();
        Choice { first, topics, late: keys.late(), left, keys }
    }
}

impl Taker for Survey<'_> {
    fn wants(&mut self, row: &Row<'_>) -> bool {
        let key = (row.topic, hash(row.id));
        if !self.judged.missing.contains_key(&key) {
            if let Some(packed) = row.key.filter(|_| !self.judged.coming.contains(&key)) {
                self.keys.there(row.topic, packed, row.place);
            }
            return false;
        }
        *self.topics.entry(row.topic).or_default() += 1;
        if let Some(packed) = row.key {
            self.keys.missing(row.topic, packed, row.place);
        }
        if self.first.len() < LISTED_MOST {
            let (id, text) = (label::text(row.id), row.key.and_then(label::text));
            let planned = Planned { id, key: text, topic: row.topic, table: row.place.table };
            self.first.push((planned, row.key.map(Box::from)));
        }
        false
    }

    fn room(&mut self) -> Result<&mut Outgoing, Failure> {
        Ok(&mut self.unused)
    }
}

impl Choice {
    /// Whether a row is to be published.
    pub fn has(&self, judged: &Judged, row: &Row<'_>) -> bool {
        judged.missing.contains_key(&(row.topic, hash(row.id)))
            && !row.key.is_some_and(|packed| self.keys.is_unknown(row.topic, packed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::order::Place;
    use std::collections::HashSet;

    fn packed(text: &str) -> Vec<u8> {
        let mut packed = Vec::new();
        label::pack(Some(text.as_bytes()), &mut packed);
        packed
    }

    #[test]
    fn missing_events_are_chosen_unless_their_order_is_not_known() {
        let missing = ["a", "b", "c", "d"].map(|id| ((0, hash(&packed(id))), 1)).into();
        let judged = Judged { missing, coming: HashSet::new(), left: Left::default(), end_lsn: None };
        let mut survey = Survey::new(&judged);
        let rows = [("a", "1"), ("b", "2"), ("there", "2"), ("c", "2"), ("d", "3")]
            .map(|(id, key)| (packed(id), packed(key)));
        let row = |(id, key): &'static (Vec<u8>, Vec<u8>)| Row {
            topic: 0,
            id,
            key: Some(key),
            place: Place { table: 0, commit_us: None, xmin: id, columns: b"" },
        };
        let rows: &'static [(Vec<u8>, Vec<u8>)] = Box::leak(Box::new(rows));
        for each in rows {
            assert!(!survey.wants(&row(each)), "nothing is published yet");
        }
        let choice = survey.choose();
        let chosen: Vec<bool> = rows.iter().map(|each| choice.has(&judged, &row(each))).collect();
        assert_eq!(chosen, [true, false, false, false, true]);
        assert_eq!((choice.topics[&0], choice.left.counts.clone()), (2, [("order_unknown", 2)].into()));
        let first: Vec<_> = choice.first.iter().filter_map(|planned| planned.id.as_deref()).collect();
        assert_eq!(first, ["a", "d"]);
    }
}
