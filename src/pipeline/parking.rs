//! Keys whose events follow a dead letter into the dead letters, so that none of them overtakes it.
//!
//! The rule: a key is parked while a letter of it waits, that is, while the topic of dead letters has no mark for it. A
//! mark commits in the transaction that publishes its letter, so who has seen the marks of all letters of a key sends
//! what comes after them. Letters that this session wrote and that have not been read back yet wait, too. What the topic
//! says is taken in between two source transactions only.
//!
//! Nothing of this is kept but in that topic: a session begins by reading it, after the fence, to the high watermark.

use crate::config;
use crate::encode::KeyHash;
use crate::kafka;
use crate::kafka::scan::{Scan, Tail};
use crate::publish::letters::{self, Entry, Letter, Place};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The parked keys.
pub struct Parking {
    rule: config::Parking,
    /// Letters of other connectors in the same topic are theirs.
    slot: String,
    keys: HashMap<KeyHash, Waiting>,
    news: Option<Arc<News>>,
}

/// What a parked key waits for.
#[derive(Debug, Default)]
struct Waiting {
    /// Letters without a mark.
    letters: BTreeSet<Place>,
    /// Letters that were written and not read back.
    under_way: u32,
}

/// There is no room for one more parked key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// `walpost.parking.max.keys`.
    pub most: usize,
}

/// Why the parked keys are not known.
#[derive(Debug)]
pub enum Error {
    /// They could not be read.
    Kafka(kafka::Error),
    /// There are too many.
    Full(Full),
}

impl From<kafka::Error> for Error {
    fn from(error: kafka::Error) -> Error {
        Error::Kafka(error)
    }
}

/// What was read of the topic and not yet taken in.
#[derive(Debug, Default)]
struct News {
    is_there: AtomicBool,
    told: Mutex<Told>,
    /// Nobody wants to know any more.
    is_over: AtomicBool,
}

#[derive(Debug, Default)]
struct Told {
    entries: Vec<(Place, Entry)>,
    failed: Option<kafka::Error>,
}

/// How long a transaction that hides letters is waited for: longer than any may be open unless somebody says otherwise.
const OPEN_PATIENCE: Duration = Duration::from_secs(60);

impl Parking {
    /// Nothing is parked, and nobody tells.
    pub fn new(rule: config::Parking, slot: impl Into<String>) -> Parking {
        Parking { rule, slot: slot.into(), keys: HashMap::new(), news: None }
    }

    /// Reads what is parked, and follows the topic from there. Blocks. Who asks for this has fenced.
    pub fn read(self, settings: &BTreeMap<String, String>, topic: &str) -> Result<Parking, Error> {
        let scan = Scan::connect(settings)?;
        let spans = scan.spans(topic, OPEN_PATIENCE)?;
        if let Some(open) = spans.iter().find(|span| span.is_open) {
            let message = format!(
                "a transaction of another producer is open in topic {topic} at offset {}: what is parked cannot be read",
                open.end
            );
            return Err(Error::Kafka(kafka::Error { kind: kafka::ErrorKind::Transient, message }));
        }
        let mut parking = self;
        scan.read(topic, &spans, |record| {
            let place = Place { partition: record.partition(), offset: record.offset() };
            parking.put(place, letters::read(place, record.headers()));
            Ok::<(), Error>(())
        })?;
        parking.keys.retain(|_, waiting| !waiting.is_done());
        if parking.keys.len() > parking.rule.most_keys {
            return Err(Error::Full(Full { most: parking.rule.most_keys }));
        }
        parking.news = Some(follow(Tail::begin(settings, topic, &spans)?));
        Ok(parking)
    }

    /// Nothing is parked.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Events of this key follow a letter.
    pub fn is_parked(&self, key: KeyHash) -> bool {
        self.keys.contains_key(&key)
    }

    /// A letter goes into the batch: what comes after it of its key follows it.
    pub fn park(&mut self, key: KeyHash) -> Result<(), Full> {
        let most = self.rule.most_keys;
        if self.keys.len() >= most && !self.is_parked(key) {
            return Err(Full { most });
        }
        self.keys.entry(key).or_default().under_way += 1;
        Ok(())
    }

    /// Whether letters for this reason, of events with this route value, park their key.
    pub fn concerns(&self, reason: &str, route: Option<&str>) -> bool {
        self.rule.concerns(reason, route)
    }

    /// Takes in what the topic says, between two source transactions.
    pub fn catch_up(&mut self) -> Result<(), kafka::Error> {
        let Some(news) = &self.news else { return Ok(()) };
        if !news.is_there.swap(false, Ordering::Acquire) {
            return Ok(());
        }
        let told = std::mem::take(&mut *news.told.lock().unwrap_or_else(PoisonError::into_inner));
        for (place, entry) in told.entries {
            self.take(place, entry);
        }
        told.failed.map_or(Ok(()), Err)
    }

    /// What stood there when the session began.
    fn put(&mut self, place: Place, entry: Entry) {
        match entry {
            Entry::Letter(letter) => {
                if let Some(key) = self.key_of(&letter) {
                    self.keys.entry(key).or_default().letters.insert(place);
                }
            }
            Entry::Mark(mark) => self.remove(mark.letter, mark.key_hash),
            Entry::Foreign => {}
        }
    }

    /// What has come since: letters are this session's own.
    fn take(&mut self, place: Place, entry: Entry) {
        match entry {
            Entry::Letter(letter) => {
                let Some(key) = self.key_of(&letter) else { return };
                let waiting = self.keys.entry(key).or_default();
                waiting.under_way = waiting.under_way.saturating_sub(1);
                waiting.letters.insert(place);
            }
            Entry::Mark(mark) => {
                self.remove(mark.letter, mark.key_hash);
                if let Some(key) = mark.key_hash
                    && self.keys.get(&key).is_some_and(Waiting::is_done)
                {
                    self.keys.remove(&key);
                }
            }
            Entry::Foreign => {}
        }
    }

    fn remove(&mut self, letter: Place, key: Option<KeyHash>) {
        if let Some(waiting) = key.and_then(|key| self.keys.get_mut(&key)) {
            waiting.letters.remove(&letter);
        }
    }

    fn key_of(&self, letter: &Letter) -> Option<KeyHash> {
        let is_ours = letter.slot == self.slot;
        letter.key_hash.filter(|_| is_ours && self.concerns(&letter.reason, letter.aggregate_type.as_deref()))
    }
}

impl Waiting {
    fn is_done(&self) -> bool {
        self.letters.is_empty() && self.under_way == 0
    }
}

impl Drop for Parking {
    fn drop(&mut self) {
        if let Some(news) = &self.news {
            news.is_over.store(true, Ordering::Release);
        }
    }
}

/// Reads on, on a thread of its own, until nobody wants to know.
fn follow(tail: Tail) -> Arc<News> {
    let news = Arc::new(News::default());
    let told = Arc::clone(&news);
    let spawned = std::thread::Builder::new().name("parking".into()).spawn(move || {
        while !told.is_over.load(Ordering::Acquire) {
            let read = tail.next(TURN, |record| {
                let place = Place { partition: record.partition(), offset: record.offset() };
                tell(&told, |news| news.entries.push((place, letters::read(place, record.headers()))));
            });
            if let Err(error) = read {
                tell(&told, |news| news.failed = Some(error));
                return;
            }
        }
    });
    if let Err(error) = spawned {
        let message = format!("no thread to follow the dead letters: {error}");
        let failed = kafka::Error { kind: kafka::ErrorKind::Other, message };
        tell(&news, |news| news.failed = Some(failed));
    }
    news
}

fn tell(news: &News, what: impl FnOnce(&mut Told)) {
    what(&mut news.told.lock().unwrap_or_else(PoisonError::into_inner));
    news.is_there.store(true, Ordering::Release);
}

/// How often it is looked whether anybody still wants to know.
const TURN: Duration = Duration::from_millis(200);

#[cfg(test)]
#[path = "parking_tests.rs"]
mod tests;
