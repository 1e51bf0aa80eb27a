//! The bound on memory: what is resident stays under it, whatever comes; nothing is lost, nothing comes twice, and the
//! walsender is never given up. `make memory` runs the same with larger doses.

use crate::kit::{connector, last_position, outbox, run, wait_events};
use crate::support::memory::{
    Outcome, calm, create_noise, measure, numbered, of_20_mb, patient, write_20_mb, write_at_once,
    write_beside_a_halt, writes,
};
use crate::support::{Broker, BrokerOptions, Database, DatabaseHandle, DatabaseOptions, PATIENCE};
use std::sync::OnceLock;
use std::time::Duration;

/// A database on a server that gives a walsender up after three seconds.
fn impatient() -> DatabaseHandle {
    static SERVER: OnceLock<Database> = OnceLock::new();
    let start = || Database::with(DatabaseOptions::new().setting("wal_sender_timeout", "3s"));
    let db = SERVER.get_or_init(start).fresh_database();
    db.create_outbox();
    db
}

fn assert_good(outcome: &Outcome, total: u64) {
    println!("{outcome:?}");
    assert!(outcome.is_good(total), "of {total}: {outcome:?}");
    assert!(outcome.went_on(), "the stream went on: {outcome:?}");
}

#[test]
fn a_transaction_of_300_000_rows_is_published_within_the_bound() {
    const ROWS: u64 = 300_000;
    let (db, kafka) = (impatient(), Broker::shared());
    let insert = |_: &_| write_at_once(&db, ROWS, 100);
    assert_good(&measure(&db, kafka, connector(&db, kafka), ROWS, 2 * PATIENCE, insert), ROWS);
}

#[test]
fn events_of_20_mb_are_published_within_the_bound_by_themselves_and_several_in_a_transaction() {
    const EVENTS: u64 = 12;
    let (db, kafka) = (impatient(), Broker::shared());
    create_noise(&db);
    let builder = of_20_mb(connector(&db, kafka)).set("producer.override.compression.type", "lz4");
    assert_good(&measure(&db, kafka, builder, EVENTS, 2 * PATIENCE, |_| write_20_mb(&db, EVENTS)), EVENTS);
}

#[test]
fn a_kafka_that_stands_still_under_load_costs_neither_memory_nor_events_nor_the_walsender() {
    const EACH: u64 = 200;
    let pause = Duration::from_secs(15);
    let (db, kafka) = (impatient(), Broker::with(calm(BrokerOptions::new())));
    let total = writes(pause) * EACH;
    let builder = patient(connector(&db, &kafka), 60);
    let load = |seen: &_| write_beside_a_halt(&db, &kafka, pause, EACH, seen);
    assert_good(&measure(&db, &kafka, builder, total, 2 * PATIENCE, load), total);
}

#[test]
fn a_row_without_room_within_the_bound_is_refused_by_its_size_and_passes_with_a_higher_one() {
    let (db, kafka) = outbox();
    kafka.create_topic(&db.topic("order"), 1, &[("max.message.bytes", "104857600")]);
    let mut connector = run(connector(&db, kafka));
    db.insert("order", "0", "Placed", "{\"n\": 1}");
    db.execute(&format!("begin; {}; {}; commit", numbered(2, 2, 100), numbered(3, 3, 90_000_000)));
    let (status, log) = connector.wait_exit(PATIENCE);
    assert_eq!(status.code(), Some(10), "{log}");
    assert!(log.contains("a message of 9000") && log.contains("walpost.memory.max.bytes"), "{log}");
    assert_eq!(
        wait_events(kafka, &db, &["order"], 1).len(),
        1,
        "what is before its transaction, and no more"
    );

    connector.start_again_with(|builder| {
        let builder = builder.set("walpost.memory.max.bytes", 512 << 20);
        builder.set("producer.override.max.request.size", 100_000_000)
    });
    let records = wait_events(kafka, &db, &["order"], 3);
    assert_eq!(records.len(), 3);
    assert_eq!(last_position(kafka, &db).events, 3);
    assert!(connector.peak_kb() <= 512 << 10, "{} KiB", connector.peak_kb());
}
