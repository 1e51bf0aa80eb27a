//! How many dead letters wait for somebody, and since when the oldest does.
//!
//! Enters: the topic of dead letters, read on a thread of its own from its beginning, once in a run, and followed from there.
//! Leaves: two metrics. A letter waits while the topic has no mark for it and retention has not taken it. Memory is bounded:
//! of more letters than are kept, the later ones are only counted, and read once more when their turn comes. Nothing
//! depends on any of this: trouble is told, and the topic read again.

use crate::config::Config;
use crate::kafka::scan::{Scan, Scanned, Tail};
use crate::kafka::{self, ErrorKind};
use crate::observe::metrics::Metrics;
use crate::publish::letters::{self, Entry, Place};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Letters of which more is known than that they are there.
const KEPT_MOST: usize = 100_000;
/// How often it is looked whether anybody still wants to know.
const TURN: Duration = Duration::from_millis(200);
/// How often it is asked what retention has left.
const RETENTION: Duration = Duration::from_secs(60);
/// Before the topic is read again after trouble.
const REST: Duration = Duration::from_secs(30);
/// How long a transaction that hides letters is waited for; what it hides is seen when it ends.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);

/// The letters without a mark.
#[derive(Debug, Default)]
struct Waiting {
    most: usize,
    /// When each was written, ms since 1970; the first in each partition.
    kept: BTreeMap<Place, i64>,
    /// Letters after those that are kept, by partition.
    beyond: BTreeMap<i32, u64>,
}

impl Waiting {
    fn new(most: usize) -> Waiting {
        Waiting { most, ..Waiting::default() }
    }

    fn letter(&mut self, place: Place, written_ms: i64) {
        match self.beyond.get_mut(&place.partition) {
            Some(beyond) => *beyond += 1,
            None if self.kept.len() >= self.most => drop(self.beyond.insert(place.partition, 1)),
            None => drop(self.kept.insert(place, written_ms)),
        }
    }

    fn mark(&mut self, letter: Place) {
        let Place { partition, .. } = letter;
        if self.kept.remove(&letter).is_none()
            && self.kept_of(partition).next_back().is_none_or(|(last, _)| *last < letter)
            && let Some(beyond) = self.beyond.get_mut(&partition)
        {
            *beyond = beyond.saturating_sub(1);
        }
    }

    /// The partition begins here now.
    fn begins(&mut self, partition: i32, offset: i64) {
        let gone: Vec<Place> = self
            .kept_of(partition)
            .map(|(place, _)| *place)
            .take_while(|place| place.offset < offset)
            .collect();
        for place in gone {
            self.kept.remove(&place);
        }
    }

    fn kept_of(&self, partition: i32) -> impl DoubleEndedIterator<Item = (&Place, &i64)> {
        let whole = |offset| Place { partition, offset };
        self.kept.range(whole(0)..=whole(i64::MAX))
    }

    /// How many, and since when the oldest, ms since 1970.
    fn told(&self) -> (u64, Option<i64>) {
        let count = self.kept.len() as u64 + self.beyond.values().sum::<u64>();
        (count, self.kept.values().min().copied())
    }

    /// The next of a partition are known by their number only, and there is room to know more.
    fn is_blind(&self) -> bool {
        let has_room = self.kept.len() < self.most.div_ceil(2);
        has_room
            && self
                .beyond
                .iter()
                .any(|(partition, beyond)| *beyond > 0 && self.kept_of(*partition).next().is_none())
    }
}

/// Follows the topic until it is dropped.
#[derive(Debug, Default)]
pub struct Follower(Arc<AtomicBool>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Follower {
    /// Begins, where there are dead letters. The topic is there.
    pub fn begin(config: &Config, metrics: &Metrics) -> Follower {
        let follower = Follower::default();
        let Some(letters) = &config.dead_letters else { return follower };
        let following = Following {
            settings: config.kafka.admin.clone(),
            topic: letters.topic.topic.clone(),
            slot: config.source.slot.clone(),
            metrics: metrics.clone(),
            is_over: Arc::clone(&follower.0),
        };
        let spawned = std::thread::Builder::new().name("letters".into()).spawn(move || following.run());
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread to count the dead letters that wait");
        }
        follower
    }
}

struct Following {
    settings: BTreeMap<String, String>,
    topic: String,
    /// Letters of other connectors in the same topic are theirs.
    slot: String,
    metrics: Metrics,
    is_over: Arc<AtomicBool>,
}

impl Following {
    fn run(&self) {
        while !self.is_over() {
            if let Err(error) = self.follow() {
                tracing::warn!(topic = %self.topic, %error, "cannot tell how many dead letters wait");
                // Who may only write letters can do without.
                if error.kind == ErrorKind::Denied {
                    return;
                }
                let until = Instant::now() + REST;
                while !self.is_over() && Instant::now() < until {
                    std::thread::park_timeout(TURN);
                }
            }
        }
    }

    /// From the topic's beginning, until nobody wants to know or it has to be read again.
    fn follow(&self) -> Result<(), kafka::Error> {
        let mut waiting = Waiting::new(KEPT_MOST);
        let scan = Scan::connect(&self.settings)?;
        let spans = scan.spans(&self.topic, OPEN_PATIENCE)?;
        scan.read(&self.topic, &spans, |record| {
            self.take(record, &mut waiting);
            Ok::<(), kafka::Error>(())
        })?;
        let tail = Tail::begin(&self.settings, &self.topic, &spans)?;
        drop(scan);
        let mut asked = Instant::now();
        while !self.is_over() && !waiting.is_blind() {
            self.tell(&waiting);
            tail.next(TURN, |record| self.take(record, &mut waiting))?;
            if asked.elapsed() >= RETENTION {
                asked = Instant::now();
                for span in &spans {
                    waiting.begins(span.partition, tail.first(span.partition)?);
                }
            }
        }
        Ok(())
    }

    fn take(&self, record: &Scanned<'_>, waiting: &mut Waiting) {
        let place = Place { partition: record.partition(), offset: record.offset() };
        match letters::read(place, record.headers()) {
            Entry::Letter(letter) if letter.slot == self.slot => {
                waiting.letter(place, record.timestamp_ms().unwrap_or(letter.commit_ms));
            }
            Entry::Mark(mark) => waiting.mark(mark.letter),
            Entry::Letter(_) | Entry::Foreign => {}
        }
    }

    fn tell(&self, waiting: &Waiting) {
        let (count, oldest_ms) = waiting.told();
        self.metrics.letters_waiting(count, oldest_ms.map_or(0, |ms| ms.saturating_mul(1000)));
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> Place {
        Place { partition, offset }
    }

    #[test]
    fn letters_wait_until_they_are_marked_or_gone_and_the_oldest_is_known() {
        let mut waiting = Waiting::new(10);
        assert_eq!(waiting.told(), (0, None));
        for (place, ms) in [(at(0, 3), 300), (at(0, 5), 500), (at(1, 0), 400), (at(1, 7), 700)] {
            waiting.letter(place, ms);
        }
        assert_eq!(waiting.told(), (4, Some(300)));
        waiting.mark(at(0, 3));
        waiting.mark(at(0, 3));
        assert_eq!(waiting.told(), (3, Some(400)), "one letter has one mark, or two that say the same");
        waiting.begins(1, 7);
        assert_eq!(waiting.told(), (2, Some(500)), "retention took one");
        waiting.begins(0, 6);
        waiting.mark(at(1, 7));
        assert_eq!(waiting.told(), (0, None));
        assert!(!waiting.is_blind());
    }

    #[test]
    fn of_more_letters_than_are_kept_the_later_ones_are_counted() {
        let mut waiting = Waiting::new(3);
        (0..10).for_each(|offset| waiting.letter(at(0, offset), 100 * offset));
        waiting.letter(at(1, 0), 5_000);
        assert_eq!((waiting.told(), waiting.kept.len()), ((11, Some(0)), 3));
        waiting.mark(at(0, 8));
        waiting.mark(at(0, 1));
        assert_eq!(waiting.told(), (9, Some(0)));
        waiting.letter(at(0, 10), 1_000);
        assert_eq!(
            (waiting.told(), waiting.kept.len()),
            ((10, Some(0)), 2),
            "no gap among those that are kept"
        );
        assert!(!waiting.is_blind(), "of the second partition nothing is known, but there is no room");
        waiting.mark(at(1, 0));
        waiting.begins(0, 3);
        assert!(waiting.is_blind(), "those that come next are to be read again");
        assert_eq!(waiting.told(), (7, None));
    }
}
