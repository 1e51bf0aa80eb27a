//! What each `snapshot.mode` publishes.

use super::{assert_chain, ids, wait_once, with_mode};
use crate::kit::{confirmed, last_position, outbox, positions, run, wait_events};
use crate::support::{Connector, PATIENCE};

fn leave(connector: &mut Connector) -> String {
    connector.sigterm();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(0), "{log}");
    log
}

fn id(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

fn insert(db: &crate::support::DatabaseHandle, number: u32) {
    let id = id(number);
    db.execute(&format!("insert into outbox values ('{id}', 'order', 'k', 't', '{{\"a\": 1}}')"));
}

#[test]
fn initial_publishes_the_rows_that_are_there_by_key_and_then_what_is_inserted_and_only_once() {
    let (db, kafka) = outbox();
    for number in [3, 1, 5, 2, 4] {
        insert(&db, number);
    }
    let mut connector = run(with_mode(&db, kafka, "initial"));
    wait_events(kafka, &db, &["order"], 5);
    insert(&db, 0);
    let records = wait_events(kafka, &db, &["order"], 6);
    assert_eq!(ids(&records), [1, 2, 3, 4, 5, 0].map(id), "rows by key, then the stream");
    let (row, streamed) = (&records[0], &records[5]);
    assert_eq!((&row.key, &row.value), (&streamed.key, &streamed.value), "to the byte");
    let names = |record: &crate::support::Record| -> Vec<String> {
        record.headers.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(row), names(streamed));
    let log = leave(&mut connector);
    assert!(log.contains("took a snapshot") && log.contains("the snapshot is published"), "{log}");
    connector.start_again();
    connector.wait_ready();
    insert(&db, 6);
    wait_once(&db, kafka, "outbox");
    assert!(!leave(&mut connector).contains("took a snapshot"), "not on a later start");
    let positions = positions(kafka, &db);
    assert_chain(&positions);
    assert!(positions[0].creating && positions[1].snapshot.as_ref().is_some_and(|it| it.is_pending()));
    assert_eq!(last_position(kafka, &db).snapshot, None);
    assert_eq!(confirmed(&db), last_position(kafka, &db).end_lsn);
}

#[test]
fn an_outbox_without_rows_is_streamed_at_once() {
    let (db, kafka) = outbox();
    let _connector = run(with_mode(&db, kafka, "initial"));
    insert(&db, 1);
    wait_once(&db, kafka, "outbox");
}

#[test]
fn initial_only_publishes_the_rows_leaves_and_needs_no_slot() {
    let (db, kafka) = outbox();
    for number in 1..=5 {
        insert(&db, number);
    }
    let mut connector = with_mode(&db, kafka, "initial_only").start();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(0), "{log}");
    wait_once(&db, kafka, "outbox");
    assert_eq!(db.server().slot_confirmed(db.name()), None, "no slot is left behind");
    let temporary =
        "select count(*) from pg_replication_slots where temporary and database = current_database()";
    assert_eq!(db.query_one_text(temporary), "0");
    insert(&db, 6);
    connector.start_again();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(0), "{log}");
    wait_once(&db, kafka, "outbox where id <> '00000000-0000-0000-0000-000000000006'");

    // To stream from here on would leave out what was inserted since.
    connector.start_again_with(|builder| builder.set("snapshot.mode", "initial"));
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(25), "{log}");
}

#[test]
fn always_publishes_the_rows_on_every_start_and_loses_nothing_in_between() {
    let (db, kafka) = outbox();
    insert(&db, 1);
    let mut connector = run(with_mode(&db, kafka, "always"));
    insert(&db, 2);
    wait_events(kafka, &db, &["order"], 2);
    leave(&mut connector);
    insert(&db, 3);
    db.execute("delete from outbox");
    insert(&db, 4);
    connector.start_again();
    connector.wait_ready();
    // By the snapshot: 4. By the stream: 3, whose row is gone, and 4.
    let records = wait_events(kafka, &db, &["order"], 5);
    assert_eq!(ids(&records), [1, 2, 4, 3, 4].map(id));
    leave(&mut connector);
    assert_chain(&positions(kafka, &db));
}

#[test]
fn a_slot_that_is_adopted_is_streamed_from_and_no_rows_are_read() {
    let (db, kafka) = outbox();
    insert(&db, 1);
    db.execute("create publication walpost for table outbox");
    db.execute(&format!("select pg_create_logical_replication_slot('{}', 'pgoutput')", db.name()));
    insert(&db, 2);
    let _connector = run(with_mode(&db, kafka, "initial").set("walpost.adopt", "slot"));
    let records = wait_events(kafka, &db, &["order"], 1);
    assert_eq!(ids(&records), [id(2)], "what came before was the former connector's");
}

#[test]
fn slot_create_fixes_the_rows_and_a_later_run_publishes_them() {
    let (db, kafka) = outbox();
    let builder = with_mode(&db, kafka, "initial");
    db.execute("create table truth (id uuid)");
    insert(&db, 1);
    insert(&db, 2);
    let created = builder.command(&["slot", "create"]);
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    insert(&db, 3);
    db.execute("insert into truth select id from outbox");
    db.execute(&format!("delete from outbox where id = '{}'", id(3)));
    insert(&db, 4);
    db.execute(&format!("insert into truth values ('{}')", id(4)));
    let shown = builder.command(&["offsets", "show"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("goes on with the rows of its snapshot"), "{shown}");
    let mut connector = run(builder);
    wait_once(&db, kafka, "truth");
    let log = leave(&mut connector);
    assert!(log.contains("going on with the snapshot"), "{log}");
}

#[test]
fn a_crash_between_slot_and_position_takes_the_rows_anew_beside_the_slot() {
    let (db, kafka) = outbox();
    insert(&db, 1);
    let mut connector =
        with_mode(&db, kafka, "initial").env("WALPOST_FAILPOINT", "after_slot_create:1").start();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert!(!exit.success() && log.contains("failpoint after_slot_create"), "{log}");
    insert(&db, 2);
    connector.start_again_with(|builder| builder.without_env("WALPOST_FAILPOINT"));
    connector.wait_ready();
    insert(&db, 3);
    wait_once(&db, kafka, "outbox");
    leave(&mut connector);
    let positions = positions(kafka, &db);
    assert_chain(&positions);
    assert!(positions[1].end_lsn > positions[1].slot_birth_lsn, "the slot stays, the stream begins later");
    wait_once(&db, kafka, "outbox");
}

#[test]
fn progress_is_told_in_the_metrics_and_in_the_log() {
    let (db, kafka) = outbox();
    db.execute(
        "insert into outbox select gen_random_uuid(), 'order', n, 't', '{}' from generate_series(1, 3000) n",
    );
    db.execute("analyze outbox");
    let mut connector = run(with_mode(&db, kafka, "initial").set("walpost.batch.max.events", 500));
    wait_once(&db, kafka, "outbox");
    connector.wait_log("\"message\":\"streaming\"");
    for (name, value) in [
        ("walpost_snapshot_running", 0.0),
        ("walpost_snapshot_rows", 3000.0),
        ("walpost_snapshot_rows_estimated", 3000.0),
        ("walpost_snapshot_tables_left", 0.0),
        ("debezium_metrics_SnapshotCompleted", 1.0),
        ("debezium_metrics_TotalTableCount", 1.0),
    ] {
        assert_eq!(connector.metric(name), Some(value), "{name}");
    }
    let log = leave(&mut connector);
    for field in ["\"rows_estimated\":3000", "\"rows\":3000", "\"per_second\":"] {
        assert!(log.contains(field), "{field} in {log}");
    }
    let largest = positions(kafka, &db).windows(2).map(|pair| pair[1].events - pair[0].events).max();
    assert_eq!(largest, Some(500), "transactions of bounded size");
}
