//! Killed in the middle, again and again, while others write: every row is published once.

use super::{assert_chain, wait_once, with_mode};
use crate::kit::{Stopping, last_position, outbox, positions, run};
use crate::support::{
    ConnectorBuilder, Database, DatabaseHandle, DatabaseOptions, PATIENCE, random, wait_until,
};
use std::sync::atomic::{AtomicBool, Ordering};

fn fill(db: &DatabaseHandle, count: u32) {
    db.execute(&format!(
        "insert into outbox select gen_random_uuid(), 'order', n, 't', '{{}}' from generate_series(1, {count}) n"
    ));
}

/// Transactions of every kind: savepoints that are kept and rolled back, whole ones rolled back, large ones.
const WRITES: &[&str] = &[
    "insert into outbox select gen_random_uuid(), 'order', n, 'one', '{}' from generate_series(1, 3) n",
    "begin; insert into outbox values (gen_random_uuid(), 'order', '1', 'outer', '{}'); savepoint a;
     insert into outbox select gen_random_uuid(), 'order', n, 'inner', '{}' from generate_series(1, 5) n;
     release savepoint a; savepoint b;
     insert into outbox values (gen_random_uuid(), 'order', '1', 'undone', '{}'); rollback to savepoint b; commit",
    "begin; insert into outbox values (gen_random_uuid(), 'order', '1', 'undone', '{}'); rollback",
    "insert into outbox select gen_random_uuid(), 'order', n, 'many', '{}' from generate_series(1, 50) n",
];

#[test]
fn killed_at_any_failpoint_it_publishes_the_rest_and_nothing_twice() {
    let failpoints = [
        "after_slot_create:1",
        "after_snapshot_begin:1",
        "after_begin:3",
        "mid_send:2",
        "before_position:3",
        "after_position:2",
        "before_commit:4",
        "endtxn_sent:3",
        "after_commit:3",
        "before_confirm:2",
        "mid_snapshot:1",
        "mid_snapshot:4",
        "after_snapshot:1",
        "after_start:1",
    ];
    for failpoint in failpoints {
        let (db, kafka) = outbox();
        fill(&db, 1000);
        let builder = with_mode(&db, kafka, "initial").set("walpost.batch.max.events", 150);
        let mut connector = builder.env("WALPOST_FAILPOINT", failpoint).start();
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert!(!exit.success() && log.contains("failpoint "), "{failpoint}: {log}");
        WRITES.iter().for_each(|sql| db.execute(sql));
        connector.start_again_with(|builder| builder.without_env("WALPOST_FAILPOINT"));
        connector.wait_ready();
        WRITES.iter().for_each(|sql| db.execute(sql));
        wait_once(&db, kafka, "outbox");
        connector.sigterm();
        assert_eq!(connector.wait_exit(PATIENCE).0.code(), Some(0), "{failpoint}");
        wait_once(&db, kafka, "outbox");
        assert_chain(&positions(kafka, &db));
    }
}

/// Kills it whenever another part of the snapshot is published, while others write.
fn killed_at_random(
    db: &DatabaseHandle,
    kafka: &crate::support::Broker,
    builder: ConnectorBuilder,
    rows: u64,
) {
    let mut connector = builder.start();
    let done = AtomicBool::new(false);
    let kills = std::thread::scope(|scope| {
        for number in 0..2 {
            let done = &done;
            scope.spawn(move || {
                let client = db.another();
                for sql in WRITES.iter().cycle().skip(number) {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    client.execute(sql);
                    // So many at a time that the connector keeps up.
                    client.execute("select pg_sleep(0.01)");
                }
            });
        }
        let _stopping = Stopping(&done);
        let published = || {
            let position = positions(kafka, db).pop()?;
            position.snapshot.map(|snapshot| if snapshot.is_pending() { snapshot.rows } else { rows })
        };
        let (mut kills, mut reached) = (0, 0);
        while reached < rows {
            let next = reached + 1 + random() % (rows / 6);
            wait_until("some more rows", PATIENCE, || {
                let now = published().unwrap_or(if kills > 0 { rows } else { 0 });
                (now >= next.min(rows)).then_some(())
            });
            connector.kill9();
            kills += 1;
            reached = published().unwrap_or(rows);
            connector.start_again();
        }
        connector.wait_ready();
        kills
    });
    assert!(kills >= 3, "{kills}");
    wait_once(db, kafka, "outbox");
    connector.sigterm();
    assert_eq!(connector.wait_exit(PATIENCE).0.code(), Some(0), "{}", connector.log());
    wait_once(db, kafka, "outbox");
    assert_chain(&positions(kafka, db));
}

#[test]
fn killed_at_random_under_load_it_publishes_every_row_once() {
    let (db, kafka) = outbox();
    fill(&db, 20_000);
    killed_at_random(
        &db,
        kafka,
        with_mode(&db, kafka, "initial").set("walpost.batch.max.events", 300),
        20_000,
    );
}

#[test]
fn killed_without_a_slot_it_publishes_the_rows_of_the_first_moment_once_and_no_other() {
    let (db, kafka) = outbox();
    fill(&db, 2000);
    db.execute("create table truth as select id from outbox");
    let builder = with_mode(&db, kafka, "initial_only").set("walpost.batch.max.events", 100);
    let mut connector = builder.env("WALPOST_FAILPOINT", "mid_snapshot:3").start();
    for (nth, failpoint) in ["after_commit:5", "before_commit:5", "none"].iter().enumerate() {
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert!(!exit.success() && log.contains("failpoint "), "{nth}: {log}");
        WRITES.iter().for_each(|sql| db.execute(sql));
        db.execute("vacuum freeze outbox");
        connector.start_again_with(|builder| match *failpoint {
            "none" => builder.without_env("WALPOST_FAILPOINT"),
            failpoint => builder.env("WALPOST_FAILPOINT", failpoint),
        });
    }
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(0), "{log}");
    wait_once(&db, kafka, "truth");
}

#[test]
fn kafka_and_postgres_may_go_away_in_the_middle() {
    let db = Database::with(DatabaseOptions::new()).fresh_database();
    db.create_outbox();
    let kafka = crate::kit::pausable();
    fill(&db, 5000);
    let mut connector = with_mode(&db, &kafka, "initial").set("walpost.batch.max.events", 50).start();
    let published = |count: u64| {
        wait_until("some rows", PATIENCE, || {
            let position = positions(&kafka, &db).pop()?;
            position.snapshot.filter(|snapshot| snapshot.rows >= count)
        })
    };
    published(100);
    db.server().kill();
    db.server().start_again();
    WRITES.iter().for_each(|sql| db.execute(sql));
    published(500);
    kafka.kill();
    kafka.start_again();
    WRITES.iter().for_each(|sql| db.execute(sql));
    wait_once(&db, &kafka, "outbox");
    connector.sigterm();
    assert_eq!(connector.wait_exit(PATIENCE).0.code(), Some(0));
    wait_once(&db, &kafka, "outbox");
}

/// A server whose transaction ids begin again: all there is is frozen, and the next id is `back` before what it was, one
/// epoch on.
fn second_epoch(db: &DatabaseHandle, back: u64) {
    db.execute("vacuum freeze");
    let next: u64 =
        db.query_one_text("select txid_snapshot_xmax(txid_current_snapshot())").parse().expect("an id");
    db.server().stop_fast();
    db.server().reset_wal(&["--epoch", "1", "--next-transaction-id", &(next - back).to_string()]);
    db.server().start_again();
}

#[test]
fn an_interrupted_snapshot_is_gone_on_with_in_a_later_epoch_of_transaction_ids() {
    let db = Database::start().fresh_database();
    db.create_outbox();
    let kafka = crate::support::Broker::shared();
    fill(&db, 500);
    second_epoch(&db, 0);
    fill(&db, 500);
    let builder = with_mode(&db, kafka, "initial").set("walpost.batch.max.events", 100);
    let mut connector = builder.env("WALPOST_FAILPOINT", "mid_snapshot:3").start();
    assert!(!connector.wait_exit(PATIENCE).0.success());
    let begun = last_position(kafka, &db).snapshot.expect("a snapshot");
    assert!(begun.horizon.split(':').next().expect("xmin").parse::<u64>().expect("a number") > 1 << 32);
    assert!(!begun.tables[0].ancient);
    WRITES.iter().for_each(|sql| db.execute(sql));
    db.execute("vacuum freeze outbox");
    connector.start_again_with(|builder| builder.without_env("WALPOST_FAILPOINT"));
    connector.wait_ready();
    wait_once(&db, kafka, "outbox");
}

#[test]
fn rows_whose_ids_may_be_given_out_again_are_published_and_not_gone_on_with_by_guess() {
    let db = Database::start().fresh_database();
    db.create_outbox();
    let kafka = crate::support::Broker::shared();
    for _ in 0..30 {
        fill(&db, 10);
    }
    second_epoch(&db, 20);
    let builder = with_mode(&db, kafka, "initial").set("walpost.batch.max.events", 100);
    let mut connector = builder.clone().env("WALPOST_FAILPOINT", "mid_snapshot:2").start();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert!(!exit.success() && log.contains("two thousand million transactions old"), "{log}");
    connector.start_again_with(|builder| builder.without_env("WALPOST_FAILPOINT"));
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(30), "{log}");
    assert!(log.contains("cannot be told from new ones"), "{log}");
    // Not interrupted, it is exact all the same.
    for command in ["slot drop", "offsets forget"] {
        let words: Vec<&str> = command.split(' ').chain(["--confirm", db.name()]).collect();
        let said = builder.command(&words);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
    let before = kafka.records(&[&db.topic("order")]).len();
    let _connector = run(builder);
    kafka.wait_records(&[&db.topic("order")], before + 300, PATIENCE);
}
