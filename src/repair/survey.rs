//! The first time through the rows: which of the missing events can be published, and in which order.

use super::found::{Key, hash};
use super::judge::Judged;
use super::left::{Left, LeftEvent, Why};
use super::order::Keys;
use super::rows::{Row, Taker};
use crate::encode::Outgoing;
use crate::error::Failure;
use crate::rejection::Reason;
use crate::verify::label;
use crate::verify::letters::Aside;
use std::collections::{BTreeMap, HashSet};

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
    aside: &'j Aside,
    /// What is left alone so far.
    left: Left,
    /// Events whose records Kafka would refuse.
    refused: HashSet<Key>,
    /// What a policy passes over, so far.
    skipped: u64,
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
    /// What a policy passes over.
    pub skipped: u64,
    /// Not to be published, though missing.
    refused: HashSet<Key>,
}

impl<'j> Survey<'j> {
    /// Before the first row.
    pub fn new(judged: &'j Judged, aside: &'j Aside) -> Survey<'j> {
        Survey {
            judged,
            aside,
            left: judged.left.clone(),
            refused: HashSet::new(),
            skipped: judged.skipped,
            keys: Keys::default(),
            topics: BTreeMap::new(),
            first: Vec::new(),
            unused: Outgoing::default(),
        }
    }

    /// After the last row.
    pub fn choose(self) -> Choice {
        let Survey { keys, mut topics, first, mut left, refused, skipped, .. } = self;
        left.add_all(keys.left());
        for (topic, events) in keys.unknown() {
            topics.entry(topic).and_modify(|count| *count -= events);
        }
        let is_chosen = |topic, packed: &Option<Box<[u8]>>| {
            !packed.as_ref().is_some_and(|packed| keys.is_unknown(topic, packed))
        };
        let first = first.into_iter().filter(|(planned, packed)| is_chosen(planned.topic, packed));
        let first = first.map(|(planned, _)| planned).collect();
        Choice { first, topics, late: keys.late(), left, skipped, refused, keys }
    }

    /// What Kafka would refuse is not missing.
    fn refuse(&mut self, reason: Reason, row: &Row<'_>) {
        self.refused.insert((row.topic, hash(row.id)));
        if self.aside.skips(row.place.table, reason) {
            self.skipped += 1;
            return;
        }
        self.left.add(LeftEvent {
            why: Why::Unpublishable(reason),
            id: label::text(row.id),
            key: row.key.and_then(label::text),
            topic: Some(row.topic),
            events: 1,
        });
    }
}

impl Taker for Survey<'_> {
    /// Of rows that share an id, one may be refused and another not: these Kafka may refuse itself.
    fn asks(&self, topic: u32, id: &[u8]) -> bool {
        self.judged.missing.get(&(topic, hash(id))) == Some(&1)
    }

    fn wants(&mut self, row: &Row<'_>) -> bool {
        let key = (row.topic, hash(row.id));
        if !self.judged.missing.contains_key(&key) {
            if let Some(packed) = row.key.filter(|_| !self.judged.coming.contains(&key)) {
                self.keys.there(row.topic, packed, row.place);
            }
            return false;
        }
        if let Some(reason) = row.refused {
            self.refuse(reason, row);
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
        let key = (row.topic, hash(row.id));
        judged.missing.contains_key(&key)
            && !self.refused.contains(&key)
            && !row.key.is_some_and(|packed| self.keys.is_unknown(row.topic, packed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::{Policies, Policy};
    use crate::repair::order::Place;

    fn packed(text: &str) -> Vec<u8> {
        let mut packed = Vec::new();
        label::pack(Some(text.as_bytes()), &mut packed);
        packed
    }

    #[test]
    fn missing_events_are_chosen_unless_their_order_is_not_known() {
        let missing = ["a", "b", "c", "d"].map(|id| ((0, hash(&packed(id))), 1)).into();
        let judged = Judged { missing, ..Judged::default() };
        let aside = Aside::default();
        let mut survey = Survey::new(&judged, &aside);
        let rows = [("a", "1"), ("b", "2"), ("there", "2"), ("c", "2"), ("d", "3"), ("there too", "4")]
            .map(|(id, key)| (packed(id), packed(key)));
        let row = |(id, key): &'static (Vec<u8>, Vec<u8>)| Row {
            topic: 0,
            id,
            key: Some(key),
            place: Place { table: 0, commit_us: None, xmin: id, columns: b"" },
            refused: None,
        };
        let rows: &'static [(Vec<u8>, Vec<u8>)] = Box::leak(Box::new(rows));
        for each in rows {
            assert!(!survey.wants(&row(each)), "nothing is published yet");
        }
        let choice = survey.choose();
        let chosen: Vec<bool> = rows.iter().map(|each| choice.has(&judged, &row(each))).collect();
        assert_eq!(chosen, [true, false, false, false, true, false]);
        assert_eq!((choice.topics[&0], choice.left.counts.clone()), (2, [("order_unknown", 2)].into()));
        let first: Vec<_> = choice.first.iter().filter_map(|planned| planned.id.as_deref()).collect();
        assert_eq!(first, ["a", "d"]);
    }
    #[test]
    fn what_kafka_would_refuse_is_left_alone_or_passed_over_by_policy() {
        let missing = ["a", "b", "c"].map(|id| ((0, hash(&packed(id))), 1)).into();
        let judged = Judged { missing, skipped: 1, ..Judged::default() };
        let by_reason = [(Reason::PartitionIllegal, Policy::Skip)].into();
        let policies = Policies { by_reason, ..Policies::default() };
        let aside = Aside { policies, tables: vec!["public.outbox".into()], ..Aside::default() };
        let mut survey = Survey::new(&judged, &aside);
        let ids = ["a", "b", "c"].map(packed);
        let refused = [None, Some(Reason::TooLarge), Some(Reason::PartitionIllegal)];
        let place = Place { table: 0, commit_us: None, xmin: b"1", columns: b"" };
        let row = |id, refused| Row { topic: 0, id, key: None, place, refused };
        for (id, refused) in ids.iter().zip(refused) {
            assert!(survey.asks(0, id) && !survey.wants(&row(id.as_slice(), refused)));
        }
        let choice = survey.choose();
        assert_eq!((choice.topics[&0], choice.skipped), (1, 2));
        assert_eq!(choice.left.counts, [("too_large", 1)].into());
        // Whatever is foreseen when they are read again.
        let chosen: Vec<bool> = ids.iter().map(|id| choice.has(&judged, &row(id.as_slice(), None))).collect();
        assert_eq!(chosen, [true, false, false]);
    }
}
