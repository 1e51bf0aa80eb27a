//! What a read_committed consumer has at the end, against what was committed in Postgres.

use crate::support::{Broker, Connector, DatabaseHandle, PATIENCE, Record, wait_until};
use crate::writer::TYPES;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use walpost::lsn::Lsn;
use walpost::position::Position;

/// What is known of one run.
pub struct Checker {
    db: Arc<DatabaseHandle>,
    kafka: &'static Broker,
    /// Where the slot stood after each death.
    slots: BTreeSet<Lsn>,
}

/// What a run came to.
pub struct Report {
    pub transactions: u64,
    pub positions: usize,
    /// Position records inside a transaction that was split.
    pub pieces: usize,
}

/// An event as its payload tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Event {
    session: u64,
    tx: u64,
    ordinal: u64,
    version: u64,
}

impl Checker {
    pub fn new(db: Arc<DatabaseHandle>, kafka: &'static Broker) -> Checker {
        Checker { db, kafka, slots: BTreeSet::new() }
    }

    pub fn db(&self) -> &DatabaseHandle {
        &self.db
    }

    /// The connector has just been killed.
    pub fn died(&mut self) {
        self.slots.insert(self.confirmed());
    }

    /// How many events were committed.
    pub fn committed(&self) -> usize {
        self.db.query_one_text("select count(*) from truth").parse().expect("a number")
    }

    /// Until so many have arrived and the slot stands at the last position.
    pub fn wait_delivered(&self, events: usize, connector: &mut Connector) {
        let topics = self.topics();
        let mut reader = self.kafka.reader(&topics.iter().map(String::as_str).collect::<Vec<_>>());
        let (mut seen, began) = (0, Instant::now());
        while seen < events {
            seen += reader.read_on().len();
            assert!(connector.is_running(), "it ended after {seen} of {events} events:\n{}", connector.log());
            let waited = began.elapsed();
            assert!(
                waited < 2 * PATIENCE,
                "{seen} of {events} events after {waited:?}:\n{}",
                connector.log()
            );
        }
    }

    /// Panics with the first thing that is not as it must be.
    pub fn check(&self) -> Report {
        let topics = self.topics();
        self.no_transaction_is_open(&topics);
        let records = self.kafka.records(&topics.iter().map(String::as_str).collect::<Vec<_>>());
        self.all_once(&records);
        in_order(&records);
        let positions = self.positions();
        is_a_chain(&positions);
        let last = positions.last().expect("a position");
        assert_eq!(last.events, records.len() as u64, "the position counts what was delivered");
        let transactions = "select count(*) from (select distinct session, tx from truth) committed";
        let transactions = self.db.query_one_text(transactions).parse().expect("a number");
        // Older servers also send transactions that have nothing for us.
        if self.db.server().major() >= 15 {
            assert_eq!(last.transactions, transactions, "the position counts whole transactions");
        }
        self.slot_was_never_ahead(&positions);
        let pieces = positions.iter().filter(|position| position.partial.is_some()).count();
        Report { transactions, positions: positions.len(), pieces }
    }

    fn topics(&self) -> Vec<String> {
        TYPES.iter().map(|aggregate| self.db.topic(aggregate)).collect()
    }

    fn position_topic(&self) -> String {
        format!("__walpost.position.{0}.{0}", self.db.name())
    }

    fn positions(&self) -> Vec<Position> {
        let records = self.kafka.records(&[&self.position_topic()]);
        records.iter().map(|record| serde_json::from_str(record.value_text()).expect("a position")).collect()
    }

    fn confirmed(&self) -> Lsn {
        self.db.server().slot_confirmed(self.db.name()).expect("the slot").parse().expect("an LSN")
    }

    /// The last stable offset is the high watermark, everywhere.
    fn no_transaction_is_open(&self, topics: &[String]) {
        let end = |isolation: &str, topic: &str, partition: i32| {
            let mut config = self.kafka.client();
            let consumer: BaseConsumer =
                config.set("isolation.level", isolation).create().expect("a consumer");
            consumer
                .fetch_watermarks(topic, partition, Duration::from_secs(10))
                .expect("the end of a partition")
                .1
        };
        let position_topic = [self.position_topic()];
        for topic in topics.iter().chain(&position_topic) {
            for partition in 0..if *topic == position_topic[0] { 1 } else { 3 } {
                wait_until(&format!("no transaction is open in {topic}/{partition}"), PATIENCE, || {
                    let ends =
                        ["read_committed", "read_uncommitted"].map(|level| end(level, topic, partition));
                    (ends[0] == ends[1]).then_some(())
                });
            }
        }
    }

    /// Nothing lost, nothing twice, nothing that was not committed.
    fn all_once(&self, records: &[Record]) {
        let truth = self.db.query_one_text(
            "select string_agg(concat_ws(' ', id, aggregate, version, session, tx, ordinal), e'\\n') from truth",
        );
        let mut truth: HashMap<&str, &str> = truth.lines().filter_map(|line| line.split_once(' ')).collect();
        let (mut twice, mut phantom) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for record in records {
            let id = record.header("id").expect("an id");
            let Event { session, tx, ordinal, version } = event(record);
            match truth.remove(id) {
                Some(row) => {
                    assert_eq!(
                        row,
                        format!("{} {version} {session} {tx} {ordinal}", record.key_text()),
                        "{id}"
                    );
                    seen.insert(id);
                }
                None if seen.contains(id) => twice.push(id),
                None => phantom.push(id),
            }
        }
        let lost: Vec<_> = truth.keys().take(10).collect();
        let count = (truth.len(), twice.len(), phantom.len());
        assert!(
            count == (0, 0, 0),
            "lost {}: {lost:?}, twice {}: {twice:?}, never committed {}: {phantom:?}",
            count.0,
            count.1,
            count.2
        );
    }

    /// It stood where a position was stored, each time and at the end; a start would have refused anything else.
    fn slot_was_never_ahead(&self, positions: &[Position]) {
        let stored: BTreeSet<Lsn> = positions.iter().map(|position| position.end_lsn).collect();
        let elsewhere: Vec<_> = self.slots.difference(&stored).collect();
        assert!(elsewhere.is_empty(), "the slot stood at {elsewhere:?}, where no position was stored");
        assert_eq!(
            Some(&self.confirmed()),
            stored.last(),
            "after a drain the slot stands at the last position"
        );
    }
}

fn event(record: &Record) -> Event {
    let payload: serde_json::Value = serde_json::from_str(record.value_text()).expect("JSON");
    let number = |name: &str| payload[name].as_u64().unwrap_or_else(|| panic!("{name} in {payload}"));
    Event {
        session: number("session"),
        tx: number("tx"),
        ordinal: number("ordinal"),
        version: number("version"),
    }
}

/// In each partition: an aggregate's versions follow one another, and a transaction's events stand together in their
/// order. Each aggregate keeps to one partition.
fn in_order(records: &[Record]) {
    let mut versions: BTreeMap<&str, (i32, u64)> = BTreeMap::new();
    let mut partitions: BTreeMap<(&str, i32), Vec<Event>> = BTreeMap::new();
    for record in records {
        let event = event(record);
        let (partition, version) = versions.entry(record.key_text()).or_insert((record.partition, 0));
        assert_eq!(
            *partition,
            record.partition,
            "aggregate {} moved to another partition",
            record.key_text()
        );
        assert_eq!(event.version, *version + 1, "aggregate {} in {}", record.key_text(), record.topic);
        *version = event.version;
        partitions.entry((&record.topic, record.partition)).or_default().push(event);
    }
    for (partition, events) in partitions {
        let mut closed = BTreeSet::new();
        for pair in events.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            if (before.session, before.tx) == (after.session, after.tx) {
                assert!(before.ordinal < after.ordinal, "{partition:?}: {before:?} before {after:?}");
            } else {
                closed.insert((before.session, before.tx));
                let again = closed.contains(&(after.session, after.tx));
                assert!(!again, "{partition:?}: {after:?} is apart from its transaction");
            }
        }
    }
}

/// Each record names the one before it, and nothing ever falls.
fn is_a_chain(positions: &[Position]) {
    for pair in positions.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert_eq!(after.seq, before.seq + 1, "{before:?}\n{after:?}");
        assert_eq!(after.prev_lsn, before.end_lsn, "{before:?}\n{after:?}");
        assert!(after.end_lsn >= before.end_lsn, "{before:?}\n{after:?}");
        assert!(after.events >= before.events && after.transactions >= before.transactions);
        if let (Some(first), Some(second)) = (&before.partial, &after.partial)
            && first.xid == second.xid
        {
            assert!(second.ordinal > first.ordinal, "{before:?}\n{after:?}");
        }
    }
}
