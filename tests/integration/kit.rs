//! What these tests have in common: a connector that makes its topics, and the questions asked of it.

use crate::support::{
    Broker, Connector, ConnectorBuilder, Database, DatabaseHandle, PATIENCE, Record, wait_until,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use walpost::lsn::Lsn;
use walpost::position::Position;

/// A database with an outbox on the shared server, and the shared broker.
pub fn outbox() -> (DatabaseHandle, &'static Broker) {
    let db = Database::shared().fresh_database();
    db.create_outbox();
    (db, Broker::shared())
}

/// A connector that makes missing topics, with three partitions.
pub fn connector(db: &DatabaseHandle, kafka: &Broker) -> ConnectorBuilder {
    Connector::new(db, kafka)
        .set("topic.creation.default.partitions", 3)
        .set("topic.creation.default.replication.factor", 1)
}

/// Sets a property of the event router.
pub trait Router {
    /// `transforms.outbox.` and this.
    fn router(self, name: &str, value: &str) -> Self;
}

impl Router for ConnectorBuilder {
    fn router(self, name: &str, value: &str) -> Self {
        self.set(&format!("transforms.outbox.{name}"), value)
    }
}

/// Starts it and waits until it streams.
pub fn run(builder: ConnectorBuilder) -> Connector {
    let mut connector = builder.start();
    connector.wait_ready();
    connector
}

/// Where the connector of this database keeps its positions.
pub fn position_topic(db: &DatabaseHandle) -> String {
    format!("__walpost.position.{0}.{0}", db.name())
}

/// All position records there are, in order; tombstones aside.
pub fn positions(kafka: &Broker, db: &DatabaseHandle) -> Vec<Position> {
    let records = kafka.records(&[&position_topic(db)]);
    let records = records.iter().filter(|record| record.value.is_some());
    records.map(|record| serde_json::from_str(record.value_text()).expect("a position")).collect()
}

/// The last of them.
pub fn last_position(kafka: &Broker, db: &DatabaseHandle) -> Position {
    positions(kafka, db).pop().expect("a position")
}

/// The slot's confirmed position.
pub fn confirmed(db: &DatabaseHandle) -> Lsn {
    db.server().slot_confirmed(db.name()).expect("the slot").parse().expect("an LSN")
}

/// Until the slot of this database has exactly this position.
pub fn wait_confirmed(db: &DatabaseHandle, lsn: Lsn) {
    wait_until(&format!("the slot is confirmed up to {lsn}"), PATIENCE, || {
        (confirmed(db) == lsn).then_some(())
    });
}

/// Until it has the last stored position, whichever that is by then: an idle connector stores one too, for what others write.
pub fn wait_confirmed_last(kafka: &Broker, db: &DatabaseHandle) -> Lsn {
    wait_until("the slot is confirmed up to the last stored position", PATIENCE, || {
        let stored = last_position(kafka, db).end_lsn;
        (confirmed(db) == stored).then_some(stored)
    })
}

/// Until `n` records of these aggregates are there.
pub fn wait_events(kafka: &Broker, db: &DatabaseHandle, aggregates: &[&str], n: usize) -> Vec<Record> {
    let topics: Vec<_> = aggregates.iter().map(|aggregate| db.topic(aggregate)).collect();
    let topics: Vec<_> = topics.iter().map(String::as_str).collect();
    kafka.wait_records(&topics, n, PATIENCE)
}

/// Tells a test's other threads to end when it does, a failing one too: a scope waits for them.
pub struct Stopping<'a>(pub &'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A broker that may be halted and crashed; the tests that do so take turns.
pub fn pausable() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    static BROKER: OnceLock<Broker> = OnceLock::new();
    let guard = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let turn = Turn { broker: BROKER.get_or_init(Broker::start), _guard: guard };
    // A test that failed may have left it halted or down.
    if turn.pid().is_none() {
        turn.start_again();
    }
    turn.resume();
    turn
}

/// One test's time with the broker.
pub struct Turn {
    broker: &'static Broker,
    _guard: MutexGuard<'static, ()>,
}

impl std::ops::Deref for Turn {
    type Target = Broker;

    fn deref(&self) -> &Broker {
        self.broker
    }
}
