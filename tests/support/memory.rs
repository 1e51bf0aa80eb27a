//! What memory tests have in common: events with order numbers, a check of them that itself takes little memory, and
//! what a process had resident at most.

use super::broker::{Broker, BrokerOptions};
use super::connector::ConnectorBuilder;
use super::fresh::DatabaseHandle;
use super::{PATIENCE, wait_until};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Event `n` has the key `n % KEYS`.
pub const KEYS: u64 = 100;

/// Inserts the events from `first` to `last` as one statement, each with a payload of about so many bytes.
pub fn numbered(first: u64, last: u64, bytes: u64) -> String {
    format!(
        "insert into outbox (id, aggregatetype, aggregateid, type, payload)
         select gen_random_uuid(), 'order', (n % {KEYS})::text, 'Placed',
                jsonb_build_object('n', n, 'pad', repeat(lpad((n % 10000000)::text, 8, '0'), {}))
         from generate_series({first}::bigint, {last}) n",
        bytes.saturating_sub(24) / 8
    )
}

/// All of these in one transaction, statement by statement: one alone would take longer than anybody waits for it.
pub fn write_at_once(db: &DatabaseHandle, total: u64, bytes: u64) {
    const STATEMENT: u64 = 200_000;
    db.execute("begin");
    for first in (1..=total).step_by(STATEMENT as usize) {
        db.execute(&numbered(first, total.min(first + STATEMENT - 1), bytes));
    }
    db.execute("commit");
}

/// Makes 20 MB that no compression makes smaller, for the events of `write_20_mb`; before the connector starts.
pub fn create_noise(db: &DatabaseHandle) {
    db.execute(
        "create table noise as
         select string_agg(encode(sha256(g::text::bytea), 'base64'), '') pad from generate_series(1, 454546) g",
    );
}

/// As `numbered`, each with all of the noise.
fn noisy(first: u64, last: u64) -> String {
    format!(
        "insert into outbox (id, aggregatetype, aggregateid, type, payload)
         select gen_random_uuid(), 'order', (n % {KEYS})::text, 'Placed', jsonb_build_object('n', n, 'pad', pad)
         from generate_series({first}::bigint, {last}) n, noise"
    )
}

/// What a reader found of the events `1..=total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Records.
    pub events: u64,
    /// Numbers that are missing.
    pub lost: u64,
    /// Records whose number is not greater than that of the record before it of the same key.
    pub twice: u64,
    /// Records that are not what was written.
    pub damaged: u64,
}

/// Reads a topic under read_committed and remembers one number for each key.
pub struct Numbers {
    consumer: BaseConsumer,
    topic: String,
    /// Next offset of each partition.
    next: Vec<i64>,
    tally: Tally,
}

/// What was seen so far.
#[derive(Default)]
struct Tally {
    /// The last number of each key.
    last: Vec<u64>,
    found: Found,
    /// What the payloads of large events are made of.
    noise: Vec<u8>,
}

impl Numbers {
    pub fn of(kafka: &Broker, topic: &str, partitions: i32) -> Numbers {
        let consumer = kafka
            .client()
            .set("group.id", "numbers")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("queued.max.messages.kbytes", "65536")
            .create()
            .expect("a consumer");
        let tally = Tally { last: vec![0; KEYS as usize], ..Tally::default() };
        Numbers { consumer, topic: topic.to_owned(), next: vec![0; partitions as usize], tally }
    }

    /// Reads what comes until `done`, and counts along.
    pub fn follow(&mut self, done: &AtomicBool, seen: &AtomicU64) {
        self.assign();
        while !done.load(Ordering::Relaxed) {
            if let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(100)) {
                self.next[message.partition() as usize] = message.offset() + 1;
                self.tally.take(&message);
                seen.store(self.tally.found.events, Ordering::Relaxed);
            }
        }
    }

    /// Reads to the end of each partition; what became of the events `1..=total`.
    pub fn read_rest(&mut self, total: u64) -> Found {
        self.assign();
        let mut open: BTreeSet<i32> = (0..self.next.len() as i32).collect();
        wait_until("the end of the topic", 4 * PATIENCE, || {
            for _ in 0..10_000 {
                match self.consumer.poll(Duration::from_millis(100)) {
                    Some(Ok(message)) => self.tally.take(&message),
                    Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
                    _ if open.is_empty() => return Some(()),
                    _ => {}
                }
            }
            None
        });
        let found = self.tally.found;
        Found { lost: total.saturating_sub(found.events - found.twice - found.damaged), ..found }
    }

    fn assign(&self) {
        let mut partitions = TopicPartitionList::new();
        for (partition, next) in (0..).zip(&self.next) {
            let from = Offset::Offset(*next);
            partitions.add_partition_offset(&self.topic, partition, from).expect("a partition");
        }
        self.consumer.assign(&partitions).expect("an assignment");
    }
}

impl Tally {
    fn take(&mut self, message: &impl Message) {
        self.found.events += 1;
        let key = message.key().and_then(|key| std::str::from_utf8(key).ok()?.parse::<u64>().ok());
        match (key, message.payload().and_then(|payload| self.number(payload))) {
            (Some(key), Some(n)) if n % KEYS == key => {
                let last = &mut self.last[key as usize];
                if n <= *last {
                    self.found.twice += 1;
                } else {
                    // A gap shows in the sum; an order that is not the writer's shows as twice.
                    *last = n;
                }
            }
            _ => self.found.damaged += 1,
        }
    }

    /// The number of a payload, when the rest of it is as it was written.
    fn number(&self, payload: &[u8]) -> Option<u64> {
        let rest = payload.strip_prefix(b"{\"n\": ")?;
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        let n: u64 = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        let pad = rest[digits..].strip_prefix(b", \"pad\": \"")?.strip_suffix(b"\"}")?;
        let piece = format!("{:08}", n % 10_000_000);
        let is_numbered = || pad.chunks(8).all(|chunk| chunk == piece.as_bytes());
        (pad == self.noise || is_numbered()).then_some(n)
    }
}

/// The process that sends the slot of this name.
pub fn walsender(db: &DatabaseHandle, slot: &str) -> String {
    db.query_one_text(&format!(
        "select active_pid::text from pg_replication_slots where slot_name = '{slot}'"
    ))
}

/// Whether the server gave a walsender up because it heard nothing.
pub fn timed_out(db: &DatabaseHandle) -> bool {
    db.server().log().contains("due to replication timeout")
}

/// How a case went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub found: Found,
    /// The most that was ever resident, and the bound.
    pub peak_mb: f64,
    pub bound_mb: f64,
    /// The walsender at the end is that of the beginning.
    pub kept: bool,
    /// Some walsender of the server heard nothing for too long.
    pub timed_out: bool,
    /// Why sessions ended before the last.
    pub troubles: Vec<String>,
    pub seconds: f64,
}

impl Outcome {
    /// All of `total` once, as written, within the bound, and no walsender given up.
    pub fn is_good(&self, total: u64) -> bool {
        let found = Found { events: total, ..Found::default() };
        self.found == found && self.peak_mb <= self.bound_mb && !self.timed_out
    }

    /// The stream was not broken off; or only because a busy Kafka took so long to commit that the answer is not
    /// definite, which must end a session.
    pub fn went_on(&self) -> bool {
        let slow = |trouble: &String| trouble.contains("may have been sent twice");
        (self.kept && self.troubles.is_empty())
            || (!self.troubles.is_empty() && self.troubles.iter().all(slow))
    }
}

/// Runs a connector while `act` writes the events `1..=total`, until all of them are seen; it can look how many are.
pub fn measure(
    db: &DatabaseHandle,
    kafka: &Broker,
    builder: ConnectorBuilder,
    total: u64,
    patience: Duration,
    act: impl FnOnce(&AtomicU64),
) -> Outcome {
    const PARTITIONS: i32 = 3;
    let topic = db.topic("order");
    kafka.create_topic(&topic, PARTITIONS, &[("max.message.bytes", "104857600")]);
    let mut connector = builder.start();
    connector.wait_ready();
    let (sender, began) = (walsender(db, db.name()), Instant::now());
    let mut numbers = Numbers::of(kafka, &topic, PARTITIONS);
    if db.query_one_text("select to_regclass('noise') is not null") == "t" {
        numbers.tally.noise = db.query_one_text("select pad from noise").into_bytes();
    }
    let (done, seen) = (AtomicBool::new(false), AtomicU64::new(0));
    let (kept, peak_kb, seconds) = std::thread::scope(|scope| {
        scope.spawn(|| numbers.follow(&done, &seen));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            act(&seen);
            wait_until("all events are seen", patience, || {
                assert!(connector.is_running(), "{}", connector.log());
                (seen.load(Ordering::Relaxed) >= total).then_some(())
            });
            let seconds = began.elapsed().as_secs_f64();
            connector.wait_ready();
            let kept = walsender(db, db.name()) == sender;
            (kept, connector.peak_kb(), seconds)
        }));
        done.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| {
            eprintln!(
                "{} of {total}; the connector's log:\n{}",
                seen.load(Ordering::Relaxed),
                connector.log()
            );
            std::panic::resume_unwind(panic)
        })
    });
    let bound = connector.metric("walpost_memory_max_bytes").expect("the bound");
    connector.sigterm();
    let (status, log) = connector.wait_exit(PATIENCE);
    assert!(status.success(), "{log}");
    let mb = 1024.0 * 1024.0;
    Outcome {
        found: numbers.read_rest(total),
        peak_mb: peak_kb as f64 / 1024.0,
        bound_mb: bound / mb,
        kept,
        timed_out: timed_out(db),
        troubles: troubles(&log),
        seconds,
    }
}

/// What the connector said of each session that it began anew after.
fn troubles(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let retried = lines.filter(|line| line["message"] == "retrying");
    retried.map(|line| line["what"].as_str().unwrap_or_default().to_owned()).collect()
}

/// With room for events of 20 MB, as an operator would make it.
pub fn of_20_mb(builder: ConnectorBuilder) -> ConnectorBuilder {
    builder.set("producer.override.max.request.size", 20_500_000)
}

/// With a producer that outlasts a Kafka that stands still for less than so many seconds.
pub fn patient(builder: ConnectorBuilder, seconds: u64) -> ConnectorBuilder {
    builder
        .set("producer.override.request.timeout.ms", seconds * 1000)
        .set("producer.override.transaction.timeout.ms", seconds * 1000)
        .set("producer.override.delivery.timeout.ms", seconds * 1000)
}

/// `count` events of 20 MB, of noise: one half each in a transaction of its own, the other half in one.
pub fn write_20_mb(db: &DatabaseHandle, count: u64) {
    for n in 1..=count / 2 {
        db.execute(&noisy(n, n));
    }
    db.execute(&noisy(count / 2 + 1, count));
}

/// A broker that may stand still without being given up by its own controller, which stands still with it.
pub fn calm(options: BrokerOptions<'_>) -> BrokerOptions<'_> {
    options.setting("broker.session.timeout.ms", 300_000)
}

/// Writes, halts Kafka when that is seen, writes ten times a second while it stands still and for a while after.
///
/// Nothing is under way in the moment of the halt: a commit that it strikes has no definite answer, and rightly ends the
/// session.
pub fn write_beside_a_halt(
    db: &DatabaseHandle,
    kafka: &Broker,
    pause: Duration,
    each: u64,
    seen: &AtomicU64,
) {
    db.execute(&numbered(1, each, 2000));
    wait_until("the first events", PATIENCE, || (seen.load(Ordering::Relaxed) >= each).then_some(()));
    kafka.pause();
    let began = Instant::now();
    let mut resumed = false;
    for nth in 1..writes(pause) {
        db.execute(&numbered(nth * each + 1, (nth + 1) * each, 2000));
        let due = Duration::from_millis(100 * nth);
        // The pace of the load; nothing waits for it.
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        if !resumed && began.elapsed() >= pause {
            kafka.resume();
            resumed = true;
        }
    }
    kafka.resume();
}

/// How often `write_beside_a_halt` writes.
pub fn writes(pause: Duration) -> u64 {
    10 * (pause.as_secs() + 2)
}
