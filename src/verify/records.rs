//! The other side: what a read_committed consumer finds in the topics.

use super::Progress;
use super::buckets::{Buckets, Seed};
use super::content::Hasher;
use super::entry::Entry;
use super::finding::{Finding, Found, Sink, Tally};
use super::join::{self, Known};
use super::label;
use super::rows::ID;
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::kafka;
use crate::kafka::ErrorKind;
use crate::kafka::admin::Admin;
use crate::kafka::scan::{Scan, Scanned, Span};
use crate::position::Position;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// How long a transaction that is open in a topic is waited for.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);

/// Where each partition ended before the rows were looked at; by topic and partition.
pub type Before = BTreeMap<(Arc<str>, i32), i64>;

/// What went wrong on this side.
#[derive(Debug)]
pub enum Error {
    /// With Kafka.
    Kafka(kafka::Error),
    /// With the files in which more than memory holds is kept.
    Files(io::Error),
}

impl From<kafka::Error> for Error {
    fn from(error: kafka::Error) -> Error {
        Error::Kafka(error)
    }
}

impl Error {
    /// For a person.
    pub fn into_failure(self, directory: &Path) -> Failure {
        match self {
            Error::Kafka(error) => Failure::from_kafka(&error, "comparing the outbox with its topics"),
            Error::Files(error) => files(&error, directory),
        }
    }
}

/// A temporary file that cannot be written or read.
pub fn files(error: &io::Error, directory: &Path) -> Failure {
    Failure::new(
        Exit::Failure,
        format!("a temporary file in {} cannot be used: {error}", directory.display()),
        "about 100 bytes are kept there for each row and each record",
        "name another directory with --temp-dir",
    )
}

/// The topics that may have records of this outbox, by the names that its route gives, and those of `more`.
pub fn topics(scan: &Scan, config: &Config, more: &[String]) -> Result<Vec<Arc<str>>, Failure> {
    let letters = config.dead_letters.as_ref().map(|letters| letters.topic.topic.as_str());
    let is_ours = |name: &String| {
        let own = [&config.publish.position_topic, &config.heartbeat_topic];
        let is_own = own.contains(&name) || letters == Some(name.as_str());
        !name.starts_with("__") && !is_own && config.route.topic.may_give(name)
    };
    let there = scan.topics().map_err(|error| Failure::from_kafka(&error, "listing topics"))?;
    if let Some(missing) = more.iter().find(|name| !there.contains(name)) {
        return Err(Failure::new(
            Exit::NotFound,
            format!("topic {missing} does not exist"),
            "--topic names it",
            "topics that rows name are looked at without being named",
        ));
    }
    let mut names: Vec<String> = there.into_iter().filter(is_ours).chain(more.iter().cloned()).collect();
    names.sort();
    names.dedup();
    Ok(names.into_iter().map(Arc::from).collect())
}

/// Where the topics end now.
pub fn before(scan: &Scan, topics: &[Arc<str>]) -> Result<Before, kafka::Error> {
    let mut before = Before::new();
    for topic in topics {
        let spans = scan.spans(topic, Duration::ZERO)?;
        before.extend(spans.iter().map(|span| ((Arc::clone(topic), span.partition), span.end)));
    }
    Ok(before)
}

/// Every position that Kafka still holds of this connector, in order.
pub fn positions(scan: &Scan, config: &Config) -> Result<Vec<Position>, Error> {
    let topic = &config.publish.position_topic;
    let mut positions = Vec::new();
    scan.read(topic, &scan.spans(topic, OPEN_PATIENCE)?, |record| {
        if record.key() == Some(config.publish.position_key.as_bytes()) {
            let position = record.value().and_then(|value| serde_json::from_slice(value).ok());
            positions.extend(position);
        }
        Ok::<(), Error>(())
    })?;
    Ok(positions)
}

/// The side of the records.
pub struct RecordSide {
    scan: Scan,
    admin: Admin,
    seed: Seed,
    before: Before,
    sink: Arc<dyn Sink>,
    progress: Arc<Progress>,
    /// What was read.
    pub read: Read,
}

/// What was read.
pub struct Read {
    /// The records.
    pub buckets: Buckets,
    /// The topics, in the order of their numbers.
    pub names: Vec<Arc<str>>,
    /// What is known of each.
    pub known: Vec<Known>,
    /// Counts of each: so far, those of other producers.
    pub tallies: Vec<Tally>,
}

impl RecordSide {
    /// Nothing read yet.
    pub fn new(
        (scan, admin): (Scan, Admin),
        buckets: Buckets,
        seed: Seed,
        before: Before,
        (sink, progress): (Arc<dyn Sink>, Arc<Progress>),
    ) -> RecordSide {
        let read = Read { buckets, names: Vec::new(), known: Vec::new(), tallies: Vec::new() };
        RecordSide { scan, admin, seed, before, sink, progress, read }
    }

    /// Reads these topics and then those that are still to be told of. Blocks.
    pub fn run(mut self, topics: &[Arc<str>], found: Receiver<Arc<str>>) -> Result<Read, Error> {
        for topic in topics.iter().cloned().chain(found) {
            self.topic(topic)?;
        }
        Ok(self.read)
    }

    fn topic(&mut self, topic: Arc<str>) -> Result<(), Error> {
        let number = self.read.names.len() as u32;
        let spans = self.scan.spans(&topic, OPEN_PATIENCE)?;
        let size: i64 = spans.iter().map(|span| span.end - span.first).sum();
        self.progress.expected.fetch_add(size.max(0) as u64, Ordering::Relaxed);
        self.read.names.push(Arc::clone(&topic));
        self.read.tallies.push(Tally::default());
        let mut begins = Begins::new(&spans);
        let before: BTreeMap<i32, i64> = spans
            .iter()
            .filter_map(|span| {
                Some((span.partition, *self.before.get(&(Arc::clone(&topic), span.partition))?))
            })
            .collect();
        // A topic that was not known before the rows were has nothing that is newer, as far as can be told.
        let is_known = !before.is_empty();
        let (mut hasher, mut packed) = (Hasher::default(), Vec::new());
        let RecordSide { scan, read, seed, sink, progress, .. } = self;
        scan.read(&topic, &spans, |record| {
            begins.see(record);
            progress.records.fetch_add(1, Ordering::Relaxed);
            let Some(id) = record.headers().find(|(name, _)| *name == ID).map(|(_, value)| value) else {
                let tally = &mut read.tallies[number as usize];
                foreign(&**sink, number, record, tally);
                return Ok(());
            };
            packed.clear();
            label::pack(id, &mut packed);
            let key_at = packed.len();
            label::pack_key(record.key(), &mut packed);
            let (id, key) = packed.split_at(key_at);
            let is_new = |end: Option<&i64>| end.is_none_or(|end| record.offset() >= *end);
            let entry = Entry {
                topic: number,
                id,
                key,
                content: hasher.content(record.value(), record.headers()),
                place: record.offset() as u64,
                partition: Some(record.partition()),
                time_ms: record.created_ms(),
                written_ms: None,
                marked: is_known && is_new(before.get(&record.partition())),
            };
            let hash = join::hash(seed, number, entry.id);
            read.buckets.put(hash, |out| entry.write(out)).map_err(Error::Files)
        })?;
        let is_open = spans.iter().any(|span| span.is_open);
        // Of a topic that does not exist there is nothing to ask.
        let is_compacted = !spans.is_empty() && self.is_compacted(&topic)?;
        let known = Known { is_open, is_compacted, begins_ms: begins.at() };
        self.read.known.push(known);
        Ok(())
    }

    fn is_compacted(&self, topic: &str) -> Result<bool, kafka::Error> {
        match self.admin.describe_topic(topic) {
            Ok(settings) => Ok(settings.get("cleanup.policy").is_some_and(|it| it.contains("compact"))),
            // Not there, or not allowed to be looked at.
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Topic) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn foreign(sink: &dyn Sink, topic: u32, at: &Scanned<'_>, tally: &mut Tally) {
    let finding = Finding::Foreign;
    tally.count(finding);
    let record = Some((at.partition(), at.offset() as u64));
    let mut key = Vec::new();
    label::pack_key(at.key(), &mut key);
    sink.found(&Found { finding, topic: Some(topic), id: &[], key: &key, place: None, record });
}

/// The oldest records that are left where older ones are gone.
#[derive(Debug)]
struct Begins {
    /// By partition: the timestamp of the first record, once it was seen.
    first_ms: BTreeMap<i32, Option<i64>>,
}

impl Begins {
    fn new(spans: &[Span]) -> Begins {
        let cut = spans.iter().filter(|span| span.first > 0);
        Begins { first_ms: cut.map(|span| (span.partition, None)).collect() }
    }

    fn see(&mut self, record: &Scanned<'_>) {
        if self.first_ms.is_empty() {
            return;
        }
        if let Some(first @ None) = self.first_ms.get_mut(&record.partition()) {
            *first = record.timestamp_ms();
        }
    }

    /// Younger rows have their records still. Of a partition that is empty, nothing is known.
    fn at(&self) -> Option<i64> {
        self.first_ms.values().map(|first| first.unwrap_or(i64::MAX)).max()
    }
}
