//! What Postgres is told, and when: never more than Kafka holds, and no less, idle included.

use crate::kit::{
    Stopping, confirmed, connector, last_position, outbox, pausable, positions, run, wait_confirmed,
    wait_confirmed_last, wait_events,
};
use crate::support::{Broker, Database, DatabaseHandle, PATIENCE, wait_until};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use walpost::lsn::Lsn;

#[test]
fn the_slot_is_confirmed_exactly_at_the_end_of_the_last_published_transaction() {
    // By itself on its server: what others write behind a commit may be told of before its batch is closed, and then the
    // position is stored as the end of that.
    let server = Database::start();
    let (db, kafka) = (server.fresh_database(), Broker::shared());
    db.create_outbox();
    let builder = connector(&db, kafka).set("walpost.idle.position.interval.ms", 600_000);
    let _connector = run(builder.set("walpost.idle.position.bytes", 1_u64 << 40));
    let witness = format!("{}_witness", db.name());
    db.execute(&format!("select pg_create_logical_replication_slot('{witness}', 'pgoutput')"));
    for n in 1..=3 {
        db.insert("order", "k", "t", "{}");
        wait_events(kafka, &db, &["order"], n);
        // Byte 11 to 18 of a pgoutput Commit message is its end_lsn.
        let end: Lsn = wait_until("the witness sees the commit", PATIENCE, || {
            let hex = db.query_one_text(&format!(
                "select encode(substr(data, 11, 8), 'hex') from pg_logical_slot_get_binary_changes('{witness}', null, null,
                 'proto_version', '1', 'publication_names', 'walpost') where get_byte(data, 0) = ascii('C')"
            ));
            Some(Lsn::new(u64::from_str_radix(&hex, 16).ok()?))
        });
        wait_confirmed(&db, end);
        assert_eq!(last_position(kafka, &db).end_lsn, end);
    }
}

#[test]
fn under_load_the_slot_only_ever_stands_where_a_stored_position_does() {
    let (db, kafka) = outbox();
    let _connector = run(connector(&db, kafka).set("walpost.batch.max.events", 50));
    let (done, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    let samples: BTreeSet<Lsn> = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut samples = BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                samples.insert(confirmed(&db));
                seen.store(samples.len(), Ordering::Relaxed);
            }
            samples
        });
        let _stopping = Stopping(&done);
        // As long as it takes: how often the slot moves meanwhile is a matter of the machine.
        let began = Instant::now();
        for n in 1.. {
            if n > 400 && (seen.load(Ordering::Relaxed) > 10 || began.elapsed() > PATIENCE) {
                break;
            }
            db.execute(&format!(
                "insert into outbox select gen_random_uuid(), 'order', g, 't', '{{}}' from generate_series(1, {}) g",
                n % 9
            ));
        }
        let rows = db.query_one_text("select count(*) from outbox").parse().expect("a number");
        assert_eq!(wait_events(kafka, &db, &["order"], rows).len(), rows);
        wait_confirmed_last(kafka, &db);
        done.store(true, Ordering::Relaxed);
        sampler.join().expect("the sampler")
    });
    let stored: BTreeSet<Lsn> = positions(kafka, &db).iter().map(|position| position.end_lsn).collect();
    let elsewhere: Vec<_> = samples.difference(&stored).collect();
    assert!(elsewhere.is_empty(), "confirmed at {elsewhere:?}, where no position was ever stored");
    assert!(samples.len() > 10, "only {} different samples", samples.len());
}

#[test]
fn while_kafka_does_not_answer_postgres_hears_nothing_new() {
    let kafka = pausable();
    let db = Database::shared().fresh_database();
    db.create_outbox();
    let builder = connector(&db, &kafka).set("status.update.interval.ms", 50);
    let connector =
        run(builder.set("walpost.idle.position.interval.ms", 50).set("walpost.idle.position.bytes", 1));
    db.insert("order", "k", "t", "{}");
    wait_events(&kafka, &db, &["order"], 1);
    kafka.pause();
    // Whatever was under way when it froze is confirmed by now; from here on nothing can be.
    let frozen = settled(&db);
    db.insert("order", "k", "t", "{}");
    db.execute("create table busy as select repeat('x', 1000) from generate_series(1, 1000)");
    for _ in 0..20 {
        let heard = reply_time(&db);
        db.wait_for(&format!(
            "select max(reply_time)::text > '{heard}' from pg_stat_replication {}",
            of(&db)
        ));
        assert_eq!(confirmed(&db), frozen);
    }
    kafka.resume();
    // A broker that stood still may first have to find its way back into its own cluster.
    assert_eq!(kafka.wait_records(&[&db.topic("order")], 2, 4 * PATIENCE).len(), 2);
    wait_until("the slot moves again", PATIENCE, || (confirmed(&db) > frozen).then_some(()));
    drop(connector);
}

/// The slot's position once it has stayed the same over some replies.
fn settled(db: &DatabaseHandle) -> Lsn {
    let (mut at, mut same) = (confirmed(db), 0);
    while same < 5 {
        let heard = reply_time(db);
        db.wait_for(&format!("select max(reply_time)::text > '{heard}' from pg_stat_replication {}", of(db)));
        let now = confirmed(db);
        same = if now == at { same + 1 } else { 0 };
        at = now;
    }
    at
}

fn reply_time(db: &DatabaseHandle) -> String {
    db.query_one_text(&format!("select max(reply_time)::text from pg_stat_replication {}", of(db)))
}

fn of(db: &DatabaseHandle) -> String {
    format!("where pid = (select active_pid from pg_replication_slots where slot_name = '{}')", db.name())
}

#[test]
fn an_idle_outbox_beside_busy_tables_retains_no_wal() {
    // A server of its own: whoever else writes would move the WAL's end.
    let server = Database::start();
    let (db, kafka) = (server.fresh_database(), Broker::shared());
    db.create_outbox();
    db.execute("create table busy (n int, text text); create table public_busy (n int, text text)");
    db.execute("create publication walpost for table outbox, public_busy");
    let builder = connector(&db, kafka).set("walpost.idle.position.interval.ms", 600_000);
    let mut connector = run(builder.set("walpost.idle.position.bytes", 1 << 20));
    db.insert("order", "k", "t", "{}");
    wait_events(kafka, &db, &["order"], 1);
    let before = positions(kafka, &db).len();
    for table in ["busy", "public_busy"] {
        for _ in 0..25 {
            db.execute(&format!(
                "insert into {table} select n, repeat('x', 1000) from generate_series(1, 1000) n"
            ));
        }
    }
    let written = db
        .query_one_text("select sum(pg_table_size(oid)) / 1000000 from pg_class where relname like '%busy'");
    assert!(written.parse::<f64>().expect("MB") >= 50.0, "{written} MB");
    let slot = format!("from pg_replication_slots where slot_name = '{}'", db.name());
    db.wait_for(&format!("select pg_current_wal_lsn() - confirmed_flush_lsn < 2 << 20 {slot}"));
    let after = positions(kafka, &db);
    assert!(after.len() - before <= 60, "{} position records for 50 MB", after.len() - before);
    assert_eq!(
        (after.last().expect("a position").events, kafka.records(&[&db.topic("order")]).len()),
        (1, 1)
    );

    // The other bound: little WAL, but some time.
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    connector.start_again_with(|builder| {
        builder.set("walpost.idle.position.interval.ms", 200).set("walpost.idle.position.bytes", 1_u64 << 30)
    });
    connector.wait_ready();
    db.execute("insert into busy select n, 'x' from generate_series(1, 1000) n");
    let end = db.query_one_text("select pg_current_wal_lsn()");
    db.wait_for(&format!("select confirmed_flush_lsn >= '{end}' {slot}"));
}
