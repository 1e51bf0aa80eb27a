//! The load: writers that never tire, and whatever else happens to a database while it is written to.

use crate::random::Random;
use crate::support::{Broker, DatabaseHandle};
use std::sync::Arc;

/// Aggregate types; each has its topic, `db.topic(type)`.
pub const TYPES: [&str; 3] = ["order", "customer", "invoice"];
pub const PARTITIONS: i32 = 3;

/// What the connector must be configured with, for the largest events and for the events' own timestamps.
pub const CONNECTOR_SETTINGS: [(&str, &str); 2] = [
    ("transforms.outbox.table.field.event.timestamp", "at"),
    ("producer.override.max.request.size", "4194304"),
];

/// Outbox, truth and what else the load needs; the witness's slot. On a database without open transactions.
pub fn create_tables(db: &DatabaseHandle) {
    db.create_outbox();
}

/// The event topics and the position topic, with the settings that the checker needs. Before the first connector.
pub fn create_topics(kafka: &Broker, db: &DatabaseHandle) {
    for topic in TYPES {
        kafka.create_topic(&db.topic(topic), PARTITIONS, &[]);
    }
}

/// How hard to push.
#[derive(Clone, Debug)]
pub struct Pace {
    pub writers: u32,
    /// Each writer rests up to so long between two transactions.
    pub pause_ms: u64,
    /// Rows of a transaction that is too large for a batch.
    pub large_rows: u64,
    pub megabyte_payloads: bool,
    pub ddl: bool,
    /// The holder's transactions stay open for up to so long.
    pub hold_ms: u64,
}

/// What was done, by kind.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Committed events, as the truth table has them.
    pub events: u64,
    /// Committed transactions, likewise.
    pub transactions: u64,
}

/// The running load.
pub struct Workload;

impl Workload {
    pub fn start(_db: &Arc<DatabaseHandle>, _random: &mut Random, _pace: Pace) -> Workload {
        Workload
    }

    /// So many transactions that are too large for a batch, soon.
    pub fn want_large(&self, _n: u64) {}

    /// Events whose commit was acknowledged and is durable; there may be more.
    pub fn committed(&self) -> u64 {
        0
    }

    /// Ends after the transactions that are under way. The server must be up.
    pub fn stop(&mut self) -> Summary {
        Summary::default()
    }
}
