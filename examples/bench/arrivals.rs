//! What a read_committed consumer sees: when an event arrives, how far a topic reaches, and whether all came once.

use crate::support::{Broker, Reader, Record, wait_until};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// For how long nothing may arrive that was written.
const PATIENCE: Duration = Duration::from_secs(180);

/// What writer, reader and whoever waits for them tell each other.
pub struct Progress {
    /// How many events were written in all; the most there is, while it is not known.
    written: AtomicU64,
    /// How many different ones have arrived.
    arrived: AtomicU64,
    /// When the youngest of them was written: microseconds of the run's clock.
    youngest_us: AtomicU64,
}

impl Progress {
    pub fn new() -> Progress {
        Progress {
            written: AtomicU64::new(u64::MAX),
            arrived: AtomicU64::new(0),
            youngest_us: AtomicU64::new(0),
        }
    }

    pub fn set_written(&self, events: u64) {
        self.written.store(events, Ordering::Relaxed);
    }

    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Whether an event has arrived that was written after this time of the run's clock, in seconds.
    pub fn is_past(&self, seconds: f64) -> bool {
        self.youngest_us.load(Ordering::Relaxed) as f64 > seconds * 1e6
    }

    fn all_arrived(&self) -> bool {
        self.arrived() >= self.written.load(Ordering::Relaxed)
    }
}

/// One event: when it was written and when it was seen first, in seconds of the run's clock.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub written: f64,
    pub seen: f64,
}

/// Sees every event, by its number, until all that were written have arrived. At-least-once delivery may repeat some
/// after a crash: the first counts.
pub fn follow(
    kafka: &Broker,
    topic: &str,
    partitions: i32,
    epoch: Instant,
    progress: &Progress,
) -> Vec<Arrival> {
    let consumer = consumer(kafka);
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&assignment).expect("an assignment");
    let mut arrivals: Vec<Option<Arrival>> = Vec::new();
    let mut heard = Instant::now();
    while !progress.all_arrived() {
        let message = consumer.poll(Duration::from_millis(100));
        let seen = epoch.elapsed().as_secs_f64();
        let Some(message) = message else {
            assert!(heard.elapsed() < PATIENCE, "{topic}: {} events, and no more", progress.arrived());
            continue;
        };
        heard = Instant::now();
        // Trouble that the client sees to by itself.
        let Ok(message) = message.inspect_err(|why| eprintln!("reading {topic}: {why}")) else { continue };
        let (n, written) = stamp(message.payload().unwrap_or_default()).expect("a stamped event");
        if arrivals.len() <= n {
            arrivals.resize(n + 1, None);
        }
        if arrivals[n].is_none() {
            arrivals[n] = Some(Arrival { written, seen });
            progress.arrived.fetch_add(1, Ordering::Relaxed);
            progress.youngest_us.fetch_max((written * 1e6) as u64, Ordering::Relaxed);
        }
    }
    arrivals.into_iter().map(|arrival| arrival.expect("every number arrived")).collect()
}

/// The number of an event, and when it was written, from its payload's beginning.
pub fn stamp(payload: &[u8]) -> Option<(usize, f64)> {
    let head = &payload[..payload.len().min(80)];
    // The rest may be of any bytes.
    let end = head.iter().rposition(|byte| *byte == b',')?;
    let text = std::str::from_utf8(&head[..end]).ok()?;
    let (n, rest) = text.strip_prefix("{\"n\": ")?.split_once(", \"at\": ")?;
    Some((n.parse().ok()?, rest.split(',').next()?.parse().ok()?))
}

/// How far a topic reaches, asked without reading it: reading would take the machine's time from whoever is measured.
pub struct Reach {
    consumer: BaseConsumer,
    topic: String,
    partitions: i32,
}

impl Reach {
    pub fn of(kafka: &Broker, topic: &str, partitions: i32) -> Reach {
        Reach { consumer: consumer(kafka), topic: topic.to_owned(), partitions }
    }

    /// The sum of the last stable offsets: at least as many as there are visible records, for the ends of
    /// transactions take offsets too.
    pub fn sum(&self) -> u64 {
        let end = |partition| {
            // To a read_committed consumer the high watermark is the last stable offset.
            wait_until("the end of a partition", PATIENCE, || {
                let ends = self.consumer.fetch_watermarks(&self.topic, partition, Duration::from_secs(30));
                Some(ends.ok()?.1 as u64)
            })
        };
        (0..self.partitions).map(end).sum()
    }

    /// How long to wait before asking again: a hundred questions a second are not felt.
    pub fn pause(&self) -> Duration {
        Duration::from_millis(10 * self.partitions.clamp(2, 10) as u64)
    }
}

/// The records of a topic and their ids, counted as they come.
pub struct Count {
    reader: Reader,
    records: u64,
    ids: HashSet<u128>,
}

impl Count {
    pub fn of(kafka: &Broker, topic: &str) -> Count {
        Count { reader: kafka.reader(&[topic]), records: 0, ids: HashSet::new() }
    }

    /// Records and distinct ids by now.
    pub fn read_on(&mut self) -> (u64, u64) {
        let id = |record: &Record| Uuid::parse_str(record.header("id")?).ok().map(|id| id.as_u128());
        let (records, ids) = (&mut self.records, &mut self.ids);
        self.reader.visit(|record| {
            *records += 1;
            ids.extend(id(&record));
        });
        (self.records, self.ids.len() as u64)
    }
}

fn consumer(kafka: &Broker) -> BaseConsumer {
    let mut config = kafka.client();
    config
        .set("group.id", "bench") // never joined
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed");
    config.create().expect("a consumer")
}
