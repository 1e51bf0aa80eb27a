//! All letters of a topic, and what became of each.
//!
//! Promised: what was committed before the reading began is in it. Letters of other connectors are, too: nobody deletes
//! what is not his.

use crate::error::{Exit, Failure};
use crate::kafka;
use crate::kafka::scan::{Scan, Span};
use crate::publish::letters::{self, Entry, Fate, Letter, Place};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What became of a letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How many times it was published.
    pub replays: u32,
    /// It was given up.
    pub purged: bool,
}

impl State {
    /// Nobody has dealt with it.
    pub fn is_waiting(self) -> bool {
        self == State::default()
    }

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            State { replays: 1.., .. } => Fate::Replayed.word(),
            State { purged: true, .. } => Fate::Purged.word(),
            _ => "waiting",
        }
    }
}

/// The letters, in the order of their places.
#[derive(Debug)]
pub struct Index {
    /// Their topic.
    pub topic: Arc<str>,
    /// Partitions as far as they were read; `first` is what there was first.
    pub spans: Vec<Span>,
    /// Records that are neither letters nor marks.
    pub foreign: u64,
    letters: BTreeMap<Place, Letter>,
    states: BTreeMap<Place, State>,
    first_foreign: BTreeMap<i32, i64>,
}

impl Index {
    pub(super) fn empty(topic: Arc<str>) -> Index {
        Index {
            topic,
            spans: Vec::new(),
            foreign: 0,
            letters: BTreeMap::new(),
            states: BTreeMap::new(),
            first_foreign: BTreeMap::new(),
        }
    }

    /// Reads the topic, waiting up to `patience` for transactions that hide its end. Blocks.
    pub fn read(scan: &Scan, topic: &Arc<str>, patience: Duration) -> Result<Index, kafka::Error> {
        let mut index = Index::empty(Arc::clone(topic));
        index.read_on(scan, patience)?;
        Ok(index)
    }

    /// Reads what has come since. Blocks.
    pub fn read_on(&mut self, scan: &Scan, patience: Duration) -> Result<(), kafka::Error> {
        let topic = Arc::clone(&self.topic);
        let spans = scan.spans(&topic, patience)?;
        let known = std::mem::replace(&mut self.spans, spans.clone());
        let reached = |span: &Span| {
            let known = known.iter().find(|known| known.partition == span.partition);
            Span { first: known.map_or(span.first, |known| known.end.max(span.first)), ..*span }
        };
        let new: Vec<Span> = spans.iter().map(reached).collect();
        scan.read(&topic, &new, |record| {
            let place = Place { partition: record.partition(), offset: record.offset() };
            self.put(place, letters::read(place, record.headers()));
            Ok(())
        })
    }

    pub(super) fn put(&mut self, place: Place, entry: Entry) {
        match entry {
            Entry::Letter(letter) => {
                self.letters.insert(place, *letter);
            }
            Entry::Mark(mark) => {
                let state = self.states.entry(mark.letter).or_default();
                match mark.fate {
                    Fate::Replayed => state.replays += 1,
                    Fate::Purged => state.purged = true,
                }
            }
            Entry::Foreign => {
                self.foreign += 1;
                self.first_foreign.entry(place.partition).or_insert(place.offset);
            }
        }
    }

    /// As if the letter's mark were read already.
    pub(super) fn give_up(&mut self, place: Place) {
        self.states.entry(place).or_default().purged = true;
    }

    /// The first offset that there was of a partition.
    pub fn first(&self, partition: i32) -> Option<i64> {
        self.spans.iter().find(|span| span.partition == partition).map(|span| span.first)
    }

    /// A transaction is open, and what comes after its beginning was not read.
    pub fn is_open(&self) -> bool {
        self.spans.iter().any(|span| span.is_open)
    }

    /// There is no such topic.
    pub fn is_missing(&self) -> bool {
        self.spans.is_empty()
    }

    /// What became of the letter at this place.
    pub fn state(&self, place: Place) -> State {
        self.states.get(&place).copied().unwrap_or_default()
    }

    /// The letter at this place.
    pub fn letter(&self, place: Place) -> Option<&Letter> {
        self.letters.get(&place)
    }

    /// The letters of this slot's connector, and what became of each.
    pub fn of<'i>(&'i self, slot: &'i str) -> impl Iterator<Item = (&'i Letter, State)> {
        let ours = self.letters.values().filter(move |letter| letter.slot == slot);
        ours.map(|letter| (letter, self.state(letter.place)))
    }

    /// Letters of other connectors.
    pub fn others(&self, slot: &str) -> usize {
        self.letters.values().filter(|letter| letter.slot != slot).count()
    }

    /// Of each partition, up to where nothing is left to be dealt with, whoever wrote it; and how many letters that are.
    pub fn dealt_with(&self) -> Vec<(i32, i64, usize)> {
        let of = |span: &Span| {
            let all = || self.letters.values().filter(|letter| letter.place.partition == span.partition);
            let waiting = all().find(|letter| self.state(letter.place).is_waiting());
            let waiting = waiting.map(|letter| letter.place.offset);
            let foreign = self.first_foreign.get(&span.partition).copied();
            let up_to = waiting.into_iter().chain(foreign).min().unwrap_or(span.end);
            let letters = all().filter(|letter| letter.place.offset < up_to).count();
            (span.partition, up_to, letters)
        };
        self.spans.iter().map(of).collect()
    }
}

/// The topic does not exist.
pub fn missing(topic: &str) -> Failure {
    Failure::new(
        Exit::NotFound,
        format!("topic {topic} does not exist"),
        "the connector makes it when it starts: there are no dead letters",
        "errors.deadletterqueue.topic.name or --topic names it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlq::testing::{index, letter, letters, mark};

    #[test]
    fn marks_say_what_became_of_letters_and_none_says_that_nothing_did() {
        let mut entries = letters((0..4).map(|offset| letter(offset, Some("k"))).collect());
        entries.extend([mark(1, Fate::Replayed), mark(2, Fate::Purged), mark(1, Fate::Replayed)]);
        let index = index(entries);
        let words: Vec<_> = index.of("walpost").map(|(_, state)| (state.word(), state.replays)).collect();
        assert_eq!(words, [("waiting", 0), ("replayed", 2), ("purged", 0), ("waiting", 0)]);
        assert_eq!((index.of("other").count(), index.others("other")), (0, 4));
    }

    #[test]
    fn a_partition_is_dealt_with_up_to_what_waits_or_is_not_ours() {
        let span = |end| Span { partition: 0, first: 0, end, is_open: false };
        let with = |more: Vec<Entry>| {
            let mut entries = letters((0..3).map(|offset| letter(offset, None)).collect());
            entries.extend(more);
            let mut index = index(entries);
            index.spans = vec![span(9)];
            index.dealt_with()[0]
        };
        assert_eq!(with(vec![]), (0, 0, 0));
        assert_eq!(with(vec![mark(0, Fate::Replayed), mark(2, Fate::Purged)]), (0, 1, 1));
        let all = || vec![mark(0, Fate::Replayed), mark(1, Fate::Purged), mark(2, Fate::Replayed)];
        assert_eq!(with(all()), (0, 9, 3));
        let mut other = letter(5, None);
        other.slot = "other".into();
        assert_eq!(
            with([all(), letters(vec![other])].concat()),
            (0, 5, 3),
            "another connector's letter waits"
        );
        assert_eq!(with([all(), vec![Entry::Foreign]].concat()), (0, 6, 3));
    }
}
