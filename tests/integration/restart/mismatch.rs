//! What Kafka holds and what the slot says do not fit: each case stops with a code of its own, and neither publishes
//! nor confirms anything. Rows 2, 7, 8, 9, 11 and 13 of the start-up matrix; the others are in `matrix`.

use super::stopped::Stopped;
use crate::kit::{
    confirmed, connector, last_position, outbox, position_topic, positions, run, wait_confirmed_last,
    wait_events,
};
use crate::support::{Broker, Database, DatabaseOptions, PATIENCE};
use rdkafka::admin::AdminOptions;

#[test]
fn a_slot_that_was_advanced_behind_our_back_is_refused_naming_both_positions() {
    let mut stopped = Stopped::new();
    let stored = last_position(stopped.kafka, &stopped.db).end_lsn.to_string();
    stopped.execute("select pg_replication_slot_advance('SLOT', pg_current_wal_lsn())");
    let slot = stopped.slot().expect("the slot");
    assert_ne!(slot, stored);
    stopped.refuses(20, &[&stored, &slot]);
}

#[test]
fn a_slot_that_was_dropped_is_refused_and_not_made_again() {
    let mut stopped = Stopped::new();
    let stored = stopped.stored().end_lsn;
    stopped.execute("select pg_drop_replication_slot('SLOT')");
    stopped.refuses(25, &[&format!("holds position {stored}"), "WAL goes to 0/"]);
    assert_eq!(stopped.slot(), None);
}

#[test]
fn a_slot_that_was_dropped_and_created_again_is_refused() {
    let mut stopped = Stopped::new();
    let stored = stopped.stored().end_lsn;
    stopped.execute("select pg_drop_replication_slot('SLOT')");
    stopped.execute("select pg_create_logical_replication_slot('SLOT', 'pgoutput')");
    let slot = stopped.confirmed();
    stopped.refuses(20, &[&format!("stored position {stored}, slot confirmed {slot}")]);
}

#[test]
fn a_slot_whose_position_topic_was_deleted_is_refused() {
    let mut stopped = Stopped::new();
    let topic = position_topic(&stopped.db);
    let admin = stopped.kafka.admin();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async { admin.delete_topics(&[&topic], &AdminOptions::new()).await }).expect("deleted");
    crate::support::wait_until("the topic is gone", PATIENCE, || {
        (!stopped.kafka.topics().contains(&topic)).then_some(())
    });
    stopped.refuses(27, &[&format!("the slot stands at {}", stopped.confirmed())]);
}

#[test]
fn a_slot_of_somebody_else_is_refused_until_it_is_adopted_and_adoption_has_no_effect_afterwards() {
    let (db, kafka) = outbox();
    db.execute("create publication walpost for table outbox");
    db.insert("order", "k", "before the slot", "{}");
    db.execute(&format!("select pg_create_logical_replication_slot('{}', 'pgoutput')", db.name()));
    db.insert("order", "k", "since the slot", "{}");
    let at = confirmed(&db);
    let mut connector = connector(&db, kafka).start();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(27), "{log}");
    assert!(log.contains("adopt"), "{log}");
    assert_eq!((positions(kafka, &db).len(), confirmed(&db)), (0, at));

    connector.start_again_with(|builder| builder.set("walpost.adopt", "slot"));
    assert_eq!(wait_events(kafka, &db, &["order"], 1).len(), 1);
    assert_eq!(positions(kafka, &db)[0].end_lsn, at, "the slot's own position is written before any event");
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    db.insert("order", "k", "skipped", "{}");
    db.execute(&format!("select pg_replication_slot_advance('{}', pg_current_wal_lsn())", db.name()));
    connector.start_again();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(20), "a position is there: walpost.adopt does not overrule it\n{log}");
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 1);
}

#[test]
fn another_cluster_is_refused() {
    let mut stopped = Stopped::new();
    let other = Database::with(DatabaseOptions::new().stranger());
    other.create_database(stopped.db.name());
    let (host, port) = (other.host(), other.port());
    stopped
        .connector
        .start_again_with(|builder| builder.set("database.hostname", host).set("database.port", port));
    let (exit, log) = stopped.connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(24), "{log}");
    let system = |db: &Database| db.query_one_text("select system_identifier from pg_control_system()");
    for names in [system(stopped.db.server()), system(&other), "check database.hostname".into()] {
        assert!(log.contains(&names), "{names} is not in\n{log}");
    }
    assert_eq!(other.slot_confirmed(stopped.db.name()), None);
    assert_eq!(stopped.kafka.records(&[&stopped.db.topic("order")]).len(), 3);
}

#[test]
fn a_slot_that_the_server_invalidated_is_refused() {
    let server = Database::with(DatabaseOptions::new().setting("max_slot_wal_keep_size", "1MB"));
    let db = server.fresh_database();
    db.create_outbox();
    let mut stopped = Stopped::with(db, Broker::shared());
    let stored = stopped.stored().end_lsn;
    for _ in 0..4 {
        stopped.execute("create table t (); drop table t; select pg_switch_wal()");
    }
    stopped.execute("checkpoint");
    let lost = "select wal_status = 'lost' from pg_replication_slots where slot_name = 'SLOT'";
    server.wait_for(&lost.replace("SLOT", stopped.db.name()));
    stopped.refuses(26, &[&format!("stored position {stored}, server flushed 0/")]);
}

#[test]
fn a_publication_that_was_dropped_is_refused_and_not_made_again() {
    let mut stopped = Stopped::new();
    stopped.execute("drop publication walpost");
    stopped
        .refuses(29, &["walpost", "sent rows of public.outbox", "at risk is what was committed between 0/"]);
    assert_eq!(stopped.db.query_one_text("select count(*) from pg_publication"), "0");
}

#[test]
fn a_publication_that_is_dropped_under_a_running_connector_stops_it() {
    let (db, kafka) = outbox();
    let mut connector = run(connector(&db, kafka));
    db.insert("order", "k", "published", "{}");
    wait_events(kafka, &db, &["order"], 1);
    wait_confirmed_last(kafka, &db);
    db.execute("drop publication walpost");
    db.insert("order", "k", "cannot be decoded", "{}");
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(29), "{log}");
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 1);
}
