//! The load: writers that never tire, and whatever else happens to a database while it is written to.
//!
//! Beside each event its transaction writes the truth about it. Who asks for a commit and gets no answer does not guess:
//! at the end the truth tells. Writers outlive their server: they connect again, finish what they had prepared, go on.

mod neighbours;
pub mod rows;
mod schemas;
mod session;

use crate::random::Random;
use crate::support::{Broker, ConnectorBuilder, DatabaseHandle, PATIENCE, wait_until};
use neighbours::Neighbours;
use session::Session;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Aggregate types; each has its topic, `db.topic(type)`. Aggregate `n` is of type `n % 3`.
pub const TYPES: [&str; 3] = ["order", "customer", "invoice"];
pub const PARTITIONS: i32 = 3;

/// What the connector must be configured with: for the largest events, for the events' own timestamps, for the bad ones, and
/// for the registry that knows what payloads are framed by.
pub fn configured(builder: ConnectorBuilder, db: &DatabaseHandle) -> ConnectorBuilder {
    let bytes = "org.apache.kafka.connect.converters.ByteArrayConverter";
    let settings = [
        ("table.include.list", r"public\.(outbox|text_keys|text_payloads|no_payloads|updates)"),
        ("transforms.outbox.table.field.event.timestamp", "at"),
        ("transforms.outbox.table.fields.additional.placement", "p:partition"),
        ("transforms.outbox.table.op.invalid.behavior", "fatal"),
        ("key.converter", bytes),
        ("value.converter", bytes),
        ("producer.override.max.request.size", "4194304"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
    ];
    let builder = builder.set("errors.deadletterqueue.topic.name", letters_topic(db));
    let messages = [
        ("transforms", "decode,outbox"),
        ("transforms.decode.type", DECODE),
        ("message.prefix.include.list", rows::MESSAGES),
    ];
    let messages = messages.into_iter().filter(|_| rows::sends_messages(db.server().major()));
    let builder =
        schemas::settings().into_iter().fold(builder, |builder, (name, value)| builder.set(name, value));
    settings.into_iter().chain(messages).fold(builder, |builder, (name, value)| builder.set(name, value))
}

/// The transform by which logical decoding messages are events.
const DECODE: &str = "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent";

/// Of the event topics: room for the largest events, and nothing goes because its timestamp is old.
const EVENT_TOPICS: [(&str, &str); 2] = [("max.message.bytes", "4194304"), ("retention.ms", "-1")];

/// Of the topics to which only bad events go, and of the dead letters.
const BAD_TOPICS: [(&str, (&str, &str)); 3] = [
    ("narrow", ("max.message.bytes", rows::NARROW)),
    ("compacted", ("cleanup.policy", "compact")),
    ("letters", ("max.message.bytes", rows::LETTERS_MOST)),
];

/// Of the position topic: compacted, as it must be, but not before the checker has seen every record.
const POSITION_TOPIC: [(&str, &str); 3] = [
    ("cleanup.policy", "compact"),
    ("min.compaction.lag.ms", "86400000"),
    ("min.cleanable.dirty.ratio", "1.0"),
];

/// Outbox, truth and what else the load needs, and the witness's slot. On a server without open transactions.
pub fn create_tables(db: &DatabaseHandle) {
    db.execute(include_str!("schema.sql"));
    db.execute(&format!("select pg_create_logical_replication_slot('{}', 'pgoutput')", witness_slot(db)));
}

/// The event topics and the position topic, with the settings that the checker needs. Before the first connector.
pub fn create_topics(kafka: &Broker, db: &DatabaseHandle) {
    for topic in event_topics(db) {
        kafka.create_topic(&topic, PARTITIONS, &EVENT_TOPICS);
    }
    for (topic, setting) in BAD_TOPICS {
        kafka.create_topic(&db.topic(topic), 1, &[setting, EVENT_TOPICS[1]]);
    }
    kafka.create_topic(&position_topic(db), 1, &POSITION_TOPIC);
}

pub fn event_topics(db: &DatabaseHandle) -> [String; 3] {
    TYPES.map(|aggregate| db.topic(aggregate))
}

/// One partition.
pub fn letters_topic(db: &DatabaseHandle) -> String {
    db.topic("letters")
}

/// Topics to which events may go, with their numbers of partitions: those of `TYPES` in their order, the dead letters, and
/// two in which there may never be any.
pub fn topics(db: &DatabaseHandle) -> Vec<(String, i32)> {
    let good = event_topics(db).map(|topic| (topic, PARTITIONS));
    let rest = ["letters", "narrow", "compacted"].map(|topic| (db.topic(topic), 1));
    good.into_iter().chain(rest).collect()
}

pub fn position_topic(db: &DatabaseHandle) -> String {
    format!("__walpost.position.{0}.{0}", db.name())
}

pub fn witness_slot(db: &DatabaseHandle) -> String {
    format!("{}_witness", db.name())
}

/// How hard to push.
#[derive(Clone, Debug)]
pub struct Pace {
    pub writers: u32,
    /// Each writer rests up to so long between two transactions.
    pub pause_ms: u64,
    /// Rows of a transaction that is too large for a batch.
    pub large_rows: u64,
    /// One transaction in a hundred has an event of a megabyte.
    pub megabyte_payloads: bool,
    /// Who writes to other tables rests up to so long between two statements, and who alters tables ten times as long.
    pub neighbours_pause_ms: u64,
    /// The outbox table is altered, indexed, analyzed and vacuumed all the while.
    pub ddl: bool,
    /// A transaction that does nothing stays open for up to so long, again and again. A slot that is made waits for it.
    pub hold_ms: u64,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Committed events, as the truth table has them.
    pub events: u64,
    /// Committed transactions, likewise.
    pub transactions: u64,
    /// Committed transactions by what is special about them; one may be of several kinds. And bad events by kind.
    pub kinds: BTreeMap<String, u64>,
    /// What else happened: rollbacks, lost sessions, unknown outcomes and how they were settled, DDL, ….
    pub happened: BTreeMap<String, u64>,
}

/// The running load.
pub struct Workload {
    db: Arc<DatabaseHandle>,
    threads: Vec<JoinHandle<()>>,
    orders: Arc<Orders>,
}

/// What all the load's threads share.
#[derive(Default)]
pub(crate) struct Orders {
    stop: AtomicBool,
    /// Large transactions that are wanted and not yet taken up.
    large: AtomicU64,
    /// Likewise events that only Kafka can refuse.
    refused: AtomicU64,
    committed: AtomicU64,
    happened: Mutex<BTreeMap<&'static str, u64>>,
    /// Transactions whose commit was asked for and not answered: (writer, tx).
    unknown: Mutex<Vec<(u64, u64)>>,
    /// Acknowledged without being durable, and then the session was lost.
    doubtful: Mutex<Vec<(u64, u64)>>,
}

impl Orders {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn count(&self, what: &'static str) {
        *locked(&self.happened).entry(what).or_default() += 1;
    }

    fn takes(wanted: &AtomicU64) -> bool {
        let less = |left: u64| left.checked_sub(1);
        wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Workload {
    pub fn start(db: &Arc<DatabaseHandle>, random: &mut Random, pace: Pace) -> Workload {
        let orders = Arc::new(Orders::default());
        let mut threads = Vec::new();
        for number in 0..pace.writers {
            let session = Session::new(db, &orders, u64::from(number), Random::new(random.next()), &pace);
            threads.push(thread(session.run()));
        }
        let mut neighbours = || Neighbours::new(db, &orders, Random::new(random.next()));
        threads.push(thread(neighbours().be_busy(pace.neighbours_pause_ms)));
        threads.push(thread(neighbours().hold(pace.hold_ms)));
        if pace.ddl {
            threads.push(thread(neighbours().alter(10 * pace.neighbours_pause_ms)));
        }
        Workload { db: db.clone(), threads, orders }
    }

    /// So many transactions that are too large for a batch, soon.
    pub fn want_large(&self, n: u64) {
        self.orders.large.fetch_max(n, Ordering::Relaxed);
    }

    /// So many events that Kafka refuses and nobody foresees, soon.
    pub fn want_refused(&self, n: u64) {
        self.orders.refused.fetch_max(n, Ordering::Relaxed);
    }

    /// Events whose commit was acknowledged and is durable; there may be more.
    pub fn committed(&self) -> u64 {
        self.orders.committed.load(Ordering::Relaxed)
    }

    /// Each session ends after the transaction that it is in. The server must be up.
    pub fn stop(&mut self) -> Summary {
        self.orders.stop.store(true, Ordering::Relaxed);
        wait_until("the load ends", 2 * PATIENCE, || {
            self.threads.iter().all(JoinHandle::is_finished).then_some(())
        });
        for thread in self.threads.drain(..) {
            thread.join().expect("a thread of the load");
        }
        self.summary()
    }

    fn summary(&self) -> Summary {
        let mut happened: BTreeMap<String, u64> =
            locked(&self.orders.happened).iter().map(|(what, times)| (what.to_string(), *times)).collect();
        for (what, transactions) in
            [("unknown", locked(&self.orders.unknown)), ("doubtful", locked(&self.orders.doubtful))]
        {
            let committed = transactions.iter().filter(|(writer, tx)| {
                let asked = format!("select count(*) from done where (writer, tx) = ({writer}, {tx})");
                self.number(&asked) == 1
            });
            happened.insert(format!("{what}, was committed"), committed.count() as u64);
            happened.insert(what.to_owned(), transactions.len() as u64);
        }
        let kinds = "select string_agg(kind || ' ' || n, e'\\n') from (
            select kind, count(*) n from done, unnest(kinds) kind group by 1
            union all select 'bad: ' || bad, count(*) from truth where bad is not null group by 1) kinds";
        let kinds = self.db.query_one_text(kinds);
        let kinds = kinds.lines().filter_map(|line| line.rsplit_once(' '));
        Summary {
            events: self.number("select count(*) from truth"),
            transactions: self.number("select count(*) from done"),
            kinds: kinds.map(|(kind, n)| (kind.to_owned(), n.parse().expect("a number"))).collect(),
            happened,
        }
    }

    fn number(&self, sql: &str) -> u64 {
        self.db.query_one_text(sql).parse().expect("a number")
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.orders.stop.store(true, Ordering::Relaxed);
    }
}

fn thread(load: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(load);
    })
}
