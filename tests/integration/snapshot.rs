//! Rows that were there before the slot: published once, whatever is written and whoever dies meanwhile.
//!
//! - `modes`   what each `snapshot.mode` publishes, on a first start and on later ones
//! - `tables`  several tables, keys of every kind, partitions, and what is refused
//! - `letters` rows that cannot be published, by policy
//! - `crash`   killed at every failpoint and at random, under load: nothing lost, nothing twice
//! - `rows`    which rows a later reading takes, asked of Postgres itself

mod crash;
mod letters;
mod modes;
mod rows;
mod tables;

use crate::kit::connector;
use crate::support::{Broker, ConnectorBuilder, DatabaseHandle, PATIENCE, Record};
use std::collections::BTreeMap;
use walpost::position::Position;

/// A connector with this `snapshot.mode`, whose topics have one partition, so that all events have an order.
fn with_mode(db: &DatabaseHandle, kafka: &Broker, mode: &str) -> ConnectorBuilder {
    connector(db, kafka).set("snapshot.mode", mode).set("topic.creation.default.partitions", 1)
}

/// The event ids of these records, in their order.
fn ids(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.header("id").expect("an id").to_owned()).collect()
}

/// Every row that `truth` names, and no other, has come once.
fn assert_once(db: &DatabaseHandle, records: &[Record], truth: &str) {
    let expected = db.query_one_text(&format!("select coalesce(string_agg(id::text, ','), '') from {truth}"));
    let mut count: BTreeMap<String, i64> = BTreeMap::new();
    for id in expected.split(',').filter(|id| !id.is_empty()) {
        *count.entry(id.to_owned()).or_default() -= 1;
    }
    for id in ids(records) {
        *count.entry(id).or_default() += 1;
    }
    let lost: Vec<_> = count.iter().filter(|(_, count)| **count < 0).map(|(id, _)| id).collect();
    let doubled: Vec<_> = count.iter().filter(|(_, count)| **count > 0).map(|(id, _)| id).collect();
    assert!(lost.is_empty() && doubled.is_empty(), "lost {lost:?}, too often {doubled:?}");
}

/// Waits for as many events as `truth` has rows; each has come once.
fn wait_once(db: &DatabaseHandle, kafka: &Broker, truth: &str) -> Vec<Record> {
    let count: usize = db.query_one_text(&format!("select count(*) from {truth}")).parse().expect("a number");
    let records = kafka.wait_records(&[&db.topic("order")], count, PATIENCE);
    assert_once(db, &records, truth);
    records
}

/// Each position follows the one before it.
fn assert_chain(positions: &[Position]) {
    for pair in positions.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert!(after.seq == before.seq + 1 && after.prev_lsn == before.end_lsn, "{before:?}\n{after:?}");
        assert!(after.end_lsn >= before.end_lsn || before.creating, "{before:?}\n{after:?}");
    }
}
