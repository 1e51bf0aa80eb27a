//! The families by their names: one list a page, in the order in which it is read.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many topics have a series of their own; the rest are counted under `other`.
pub(super) const TOPICS_MOST: usize = 200;
/// How many error names have a series of their own.
const ERRORS_MOST: usize = 50;

pub(super) type Float = Gauge<f64, AtomicU64>;
pub(super) type Label = [(&'static str, Cow<'static, str>); 1];
pub(super) type Counters = Family<Label, Counter>;
pub(super) type Gauges = Family<Label, Gauge>;

#[derive(Debug)]
pub(super) struct Families {
    pub(super) up: Gauges,
    pub(super) state: Gauges,
    pub(super) events: Counters,
    pub(super) filtered: Counters,
    pub(super) rejections: Counters,
    pub(super) dead_letters: Counters,
    pub(super) skipped: Counters,
    pub(super) letters_waiting: Gauge,
    pub(super) oldest_letter: Float,
    pub(super) published_records: Bounded,
    pub(super) published_bytes: Counter,
    pub(super) transactions: Counters,
    pub(super) source_transactions: Counter,
    pub(super) batch_events: Histogram,
    pub(super) commit_duration: Histogram,
    pub(super) end_to_end: Histogram,
    pub(super) lag_seconds: Float,
    pub(super) lag_bytes: Gauge,
    pub(super) slot_retained: Gauge,
    pub(super) slot_safe: Float,
    pub(super) slot_wal_status: Gauges,
    pub(super) slot_active: Gauge,
    pub(super) slot_inactive: Float,
    pub(super) confirmed_flush_lsn: Gauge,
    pub(super) received_lsn: Gauge,
    pub(super) published_lsn: Gauge,
    pub(super) last_commit: Float,
    pub(super) produce_errors: Bounded,
    pub(super) reconnects: Counters,
    pub(super) inflight_bytes: Gauge,
    pub(super) memory_resident: Gauge,
    pub(super) memory_max: Gauge,
    pub(super) snapshot_running: Gauge,
    pub(super) snapshot_rows: Gauge,
    pub(super) snapshot_estimated: Gauge,
    pub(super) snapshot_rate: Float,
    pub(super) snapshot_tables_left: Gauge,
    pub(super) debezium: Debezium,
    pub(super) debezium_snapshot: DebeziumSnapshot,
}

/// Debezium's names for a snapshot.
#[derive(Debug)]
pub(super) struct DebeziumSnapshot {
    pub(super) running: Gauge,
    pub(super) completed: Gauge,
    pub(super) tables: Gauge,
    pub(super) tables_left: Gauge,
    pub(super) seconds: Gauge,
}

/// The names of Debezium's JMX exporter rules, so that dashboards made for it light up. Gauges, as there.
#[derive(Debug)]
pub(super) struct Debezium {
    pub(super) connected: Gauge,
    pub(super) since_last_event: Gauge,
    pub(super) behind_source: Gauge,
    pub(super) events_seen: Gauge,
    pub(super) committed_transactions: Gauge,
    pub(super) events_filtered: Gauge,
    pub(super) erroneous_events: Gauge,
}

/// Counters by a label whose values come from outside: a known number of them, then `other`.
#[derive(Debug)]
pub(super) struct Bounded {
    counters: Counters,
    label: &'static str,
    room: AtomicUsize,
}

impl Families {
    #[rustfmt::skip]
    pub(super) fn register(root: &mut Registry, topic_prefix: &str) -> Families {
        let r = root.sub_registry_with_prefix("walpost");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        r.register("build", "What runs here", build);
        let commits = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
        let ages = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
        let sizes = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0];
        Families {
            up: add(r, "up", "Whether a server can be used", Gauges::default()),
            state: add(r, "state", "What the connector is doing: 1 for the state it is in", Gauges::default()),
            events: add(r, "events", "Row changes by what became of them", Counters::default()),
            filtered: add(r, "events_filtered", "Row changes that pass no event, by reason", Counters::default()),
            rejections: add(r, "rejections", "Events that cannot be published and stopped the connector, by reason", Counters::default()),
            dead_letters: add(r, "dead_letters", "Events that cannot be published and went to the dead letters, by reason", Counters::default()),
            skipped: add(r, "events_skipped", "Events that cannot be published and were passed over, by reason", Counters::default()),
            letters_waiting: add(r, "dead_letters_waiting", "Dead letters that were neither replayed nor given up", Gauge::default()),
            oldest_letter: unit(r, "dead_letters_oldest_age", Unit::Seconds, "How long the oldest of them has waited", Float::default()),
            published_records: Bounded::add(r, "published_records", "Records committed in Kafka, by topic (the first 200; then other)", "topic", TOPICS_MOST),
            published_bytes: unit(r, "published", Unit::Bytes, "Keys, values and headers committed in Kafka", Counter::default()),
            transactions: add(r, "transactions", "Kafka transactions by result", Counters::default()),
            source_transactions: add(r, "source_transactions", "Postgres transactions committed whole in Kafka", Counter::default()),
            batch_events: add(r, "batch_events", "Events in a Kafka transaction that has any", Histogram::new(sizes)),
            commit_duration: unit(r, "commit_duration", Unit::Seconds, "Time to settle and commit a Kafka transaction", Histogram::new(commits)),
            end_to_end: unit(r, "end_to_end_latency", Unit::Seconds, "From the Postgres commit of the oldest event of a Kafka transaction to that transaction's commit", Histogram::new(ages)),
            lag_seconds: unit(r, "lag", Unit::Seconds, "Age of the oldest transaction that the publisher has taken up and Kafka has not committed", Float::default()),
            lag_bytes: unit(r, "lag", Unit::Bytes, "WAL written and not covered by the position in Kafka", Gauge::default()),
            slot_retained: unit(r, "slot_retained_wal", Unit::Bytes, "WAL the server keeps for the slot", Gauge::default()),
            slot_safe: unit(r, "slot_safe_wal", Unit::Bytes, "WAL that may still be written before the slot is lost; +Inf: unlimited", Float::default()),
            slot_wal_status: add(r, "slot_wal_status", "1 for the wal_status the slot has", Gauges::default()),
            slot_active: add(r, "slot_active", "Whether a walsender has the slot", Gauge::default()),
            slot_inactive: unit(r, "slot_inactive", Unit::Seconds, "How long no walsender has had the slot", Float::default()),
            confirmed_flush_lsn: add(r, "confirmed_flush_lsn", "What the slot has been told, as a byte position", Gauge::default()),
            received_lsn: add(r, "received_lsn", "Furthest position received, as a byte position", Gauge::default()),
            published_lsn: add(r, "published_lsn", "Position that Kafka holds, as a byte position", Gauge::default()),
            last_commit: unit(r, "last_commit_timestamp", Unit::Seconds, "Postgres commit time of the last transaction committed in Kafka", Float::default()),
            produce_errors: Bounded::add(r, "kafka_produce_errors", "Errors of the Kafka producer, by name", "error", ERRORS_MOST),
            reconnects: add(r, "reconnects", "Connections lost and made again", Counters::default()),
            inflight_bytes: unit(r, "inflight", Unit::Bytes, "Records of the batch that Kafka has not yet committed", Gauge::default()),
            memory_resident: unit(r, "memory_resident", Unit::Bytes, "Memory of this process that is resident", Gauge::default()),
            memory_max: unit(r, "memory_max", Unit::Bytes, "The bound on it", Gauge::default()),
            snapshot_running: add(r, "snapshot_running", "Whether rows that were there before the slot are being published", Gauge::default()),
            snapshot_rows: add(r, "snapshot_rows", "Rows of the last snapshot that were handed to the publisher", Gauge::default()),
            snapshot_estimated: add(r, "snapshot_rows_estimated", "Rows of the last snapshot, as Postgres estimates; 0: it does not say", Gauge::default()),
            snapshot_rate: add(r, "snapshot_rows_per_second", "Rows a second since this run began to read them", Float::default()),
            snapshot_tables_left: add(r, "snapshot_tables_left", "Tables of the snapshot that are not read to their end", Gauge::default()),
            debezium: Debezium::register(root, topic_prefix),
            debezium_snapshot: DebeziumSnapshot::register(root, topic_prefix),
        }
    }
}

/// The families of Debezium's metrics, of its streaming or its snapshot.
fn debezium<'r>(root: &'r mut Registry, topic_prefix: &str, context: &str) -> &'r mut Registry {
    let labels = [("plugin", "postgres"), ("name", topic_prefix), ("context", context)];
    root.sub_registry_with_labels(
        labels.into_iter().map(|(name, value)| (name.into(), value.to_owned().into())),
    )
    .sub_registry_with_prefix("debezium_metrics")
}

impl DebeziumSnapshot {
    #[rustfmt::skip]
    fn register(root: &mut Registry, topic_prefix: &str) -> DebeziumSnapshot {
        let r = debezium(root, topic_prefix, "snapshot");
        DebeziumSnapshot {
            running: add(r, "SnapshotRunning", "Whether a snapshot is being published", Gauge::default()),
            completed: add(r, "SnapshotCompleted", "Whether the last snapshot of this run was published whole", Gauge::default()),
            tables: add(r, "TotalTableCount", "Tables of the last snapshot", Gauge::default()),
            tables_left: add(r, "RemainingTableCount", "Tables of it that are not read to their end", Gauge::default()),
            seconds: add(r, "SnapshotDurationInSeconds", "How long this run has read rows", Gauge::default()),
        }
    }
}

impl Debezium {
    #[rustfmt::skip]
    fn register(root: &mut Registry, topic_prefix: &str) -> Debezium {
        let r = debezium(root, topic_prefix, "streaming");
        Debezium {
            connected: add(r, "Connected", "Whether Postgres is connected", Gauge::default()),
            since_last_event: add(r, "MilliSecondsSinceLastEvent", "Since the last event; -1: none yet", Gauge::default()),
            behind_source: add(r, "MilliSecondsBehindSource", "Age of the last event when it was published; -1: none yet", Gauge::default()),
            events_seen: add(r, "TotalNumberOfEventsSeen", "Row changes seen", Gauge::default()),
            committed_transactions: add(r, "NumberOfCommittedTransactions", "Postgres transactions committed whole in Kafka", Gauge::default()),
            events_filtered: add(r, "NumberOfEventsFiltered", "Row changes that pass no event", Gauge::default()),
            erroneous_events: add(r, "NumberOfErroneousEvents", "Events that cannot be published", Gauge::default()),
        }
    }
}

impl Bounded {
    fn add(registry: &mut Registry, name: &str, help: &str, label: &'static str, most: usize) -> Bounded {
        Bounded {
            counters: add(registry, name, help, Counters::default()),
            label,
            room: AtomicUsize::new(most),
        }
    }

    /// The series of `value`, or that of `other` once there is no more room.
    pub(super) fn of(&self, value: &str) -> Counter {
        let own = [(self.label, Cow::Owned(value.to_owned()))];
        if let Some(known) = self.counters.get(&own) {
            return known.clone();
        }
        let taken = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1));
        let label = if taken.is_ok() { own } else { label(self.label, "other") };
        self.counters.get_or_create_owned(&label)
    }
}

fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn unit<M: Metric + Clone>(registry: &mut Registry, name: &str, unit: Unit, help: &str, metric: M) -> M {
    registry.register_with_unit(name, help, unit, metric.clone());
    metric
}

pub(super) fn label(name: &'static str, value: &'static str) -> Label {
    [(name, Cow::Borrowed(value))]
}
