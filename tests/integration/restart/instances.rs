//! Stops by signal, a second instance, a crash while the slot is made.

use crate::kit::{
    Stopping, confirmed, connector, last_position, outbox, pausable, positions, run, wait_confirmed_last,
    wait_events,
};
use crate::support::{Broker, Database, DatabaseHandle, DatabaseOptions, PATIENCE, wait_until};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// Every row's id is delivered once, and nothing else.
fn all_once(kafka: &Broker, db: &DatabaseHandle) {
    let rows: usize = db.query_one_text("select count(*) from outbox").parse().expect("a number");
    let records = wait_events(kafka, db, &["order"], rows);
    let delivered: BTreeSet<_> = records.iter().filter_map(|record| record.header("id")).collect();
    assert_eq!((records.len(), delivered.len()), (rows, rows));
    let ids = db.query_one_text("select coalesce(string_agg(id::text, ' '), '') from outbox");
    assert!(delivered == ids.split(' ').collect(), "what is delivered is not what was inserted");
}

#[test]
fn a_second_instance_stands_by_and_takes_over_when_the_first_is_killed() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let mut first = run(builder.clone());
    db.insert("order", "k", "t", "{}");
    wait_events(kafka, &db, &["order"], 1);
    let mut second = builder.start();
    second.wait_ready();
    let role = |connector: &mut crate::support::Connector| {
        let (_, body) = connector.get("/readyz").expect("an answer");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        body["state"].as_str().expect("a state").to_owned()
    };
    assert_eq!((role(&mut first), role(&mut second)), ("streaming".into(), "standby".into()));
    db.execute(
        "insert into outbox select gen_random_uuid(), 'order', n, 't', '{}' from generate_series(1, 5000) n",
    );
    first.kill9();
    db.insert("order", "k", "t", "{}");
    wait_until("the second leads", PATIENCE, || (role(&mut second) == "streaming").then_some(()));
    all_once(kafka, &db);
}

#[test]
fn a_second_instance_takes_over_from_one_that_is_frozen_and_the_first_stands_by_when_it_thaws() {
    // The server ends the frozen one's stream after this, and the session with its lock after 15 s.
    let server = Database::with(DatabaseOptions::new().setting("wal_sender_timeout", "2s"));
    let (db, kafka) = (server.fresh_database(), Broker::shared());
    db.create_outbox();
    let builder = connector(&db, kafka).set("retriable.restart.connector.wait.ms", 300);
    let mut first = run(builder.clone());
    db.insert("order", "k", "t", "{}");
    wait_events(kafka, &db, &["order"], 1);
    let mut second = builder.start();
    second.wait_log("standing by");
    first.sigstop();
    db.insert("order", "k", "t", "{}");
    wait_events(kafka, &db, &["order"], 2);
    first.sigcont();
    first.wait_log("standing by");
    db.insert("order", "k", "t", "{}");
    all_once(kafka, &db);
    assert!(second.ready() && last_position(kafka, &db).events == 3);
}

#[test]
fn sigterm_drains_leaves_with_0_and_the_slot_stands_exactly_at_the_position() {
    let (db, kafka) = outbox();
    let mut connector = run(connector(&db, kafka));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                db.execute("insert into outbox select gen_random_uuid(), 'order', n, 't', '{}' from generate_series(1, 50) n");
            }
        });
        let _stopping = Stopping(&done);
        for _ in 0..3 {
            let seen = kafka.records(&[&db.topic("order")]).len();
            wait_events(kafka, &db, &["order"], seen + 500);
            connector.sigterm();
            let (exit, log) = connector.wait_exit(PATIENCE);
            assert_eq!(exit.code(), Some(0), "{log}");
            let position = last_position(kafka, &db);
            assert_eq!(confirmed(&db), position.end_lsn);
            assert_eq!(position.events, kafka.records(&[&db.topic("order")]).len() as u64);
            assert_eq!(position.partial, None);
            connector.start_again();
            connector.wait_ready();
        }
    });
    all_once(kafka, &db);
    wait_confirmed_last(kafka, &db);
}

#[test]
fn a_drain_that_cannot_end_is_left_by_a_second_signal_or_its_deadline_with_12_and_loses_nothing() {
    let kafka = pausable();
    let db = Database::shared().fresh_database();
    db.create_outbox();
    let mut connector = run(connector(&db, &kafka).set("walpost.shutdown.timeout.ms", 60_000));
    db.insert("order", "k", "t", "{}");
    wait_events(&kafka, &db, &["order"], 1);
    let in_flight = |connector: &mut crate::support::Connector| {
        kafka.pause();
        db.insert("order", "k", "t", "{}");
        wait_until("a batch is under way", PATIENCE, || {
            (connector.metric("walpost_inflight_bytes")? > 0.0).then_some(())
        });
        connector.sigterm();
        connector.wait_log("draining");
    };
    in_flight(&mut connector);
    assert!(connector.is_running(), "it waits for Kafka");
    connector.sigterm();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(12), "{log}");
    kafka.resume();

    connector.start_again_with(|builder| builder.set("walpost.shutdown.timeout.ms", 300));
    connector.wait_ready();
    assert_eq!(wait_events(&kafka, &db, &["order"], 2).len(), 2);
    in_flight(&mut connector);
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(12), "{log}");
    kafka.resume();

    connector.start_again();
    connector.wait_ready();
    all_once(&kafka, &db);
}

#[test]
fn a_crash_while_the_slot_is_made_loses_no_row_inserted_since() {
    let (db, kafka) = outbox();
    let mut connector = connector(&db, kafka).env("WALPOST_FAILPOINT", "after_slot_create:1").start();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert!(!exit.success() && log.contains("failpoint after_slot_create"), "{log}");
    let mark = positions(kafka, &db);
    assert!(mark.len() == 1 && mark[0].creating, "{mark:?}");
    let at = confirmed(&db);
    db.execute(
        "insert into outbox select gen_random_uuid(), 'order', n, 't', '{}' from generate_series(1, 100) n",
    );
    connector.start_again_with(|builder| builder.without_env("WALPOST_FAILPOINT"));
    all_once(kafka, &db);
    assert_eq!(positions(kafka, &db)[1].end_lsn, at);
}
