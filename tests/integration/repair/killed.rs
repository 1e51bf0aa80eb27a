//! A repair that is killed anywhere and run again neither loses nor doubles.

use super::{all, begun, insert, is_whole, numbers, outbox, run_until};
use crate::cli::ask_json;
use crate::kit::last_position;
use crate::support::{Broker, ConnectorBuilder, DatabaseHandle, PATIENCE, Scratch, random, wait_until};

/// Where it dies: each of them a first passing or a later one, as chance has it.
const POINTS: &[&str] = &[
    "after_fence",
    "after_position_read",
    "after_slot_create",
    "after_begin",
    "mid_send",
    "before_position",
    "after_position",
    "before_commit",
    "endtxn_sent",
    "after_commit",
    "mid_send",
    "endtxn_sent",
    "endtxn_sent",
    "after_commit",
];
/// Killed from outside, at any moment.
const AT_RANDOM: usize = 6;
/// Rows that are missing: more than twenty deaths let through.
const ROWS: u32 = 4_000;
const KEYS: u32 = 13;

/// Dies at a failpoint, of which these are passed once in a process.
fn dies_at(builder: &ConnectorBuilder, db: &DatabaseHandle, name: &str) {
    let once = matches!(name, "after_fence" | "after_position_read" | "after_slot_create");
    let passing = if once { 1 } else { 1 + random() % 3 };
    let armed = builder.clone().env("WALPOST_FAILPOINT", &format!("{name}:{passing}"));
    let output = armed.command(&["repair", "--order-by", "seq", "--confirm", db.name()]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), None, "{name}:{passing}: {log}");
    assert!(log.contains(&format!("failpoint {name}\n")), "{name}:{passing}: {log}");
}

/// Killed when some more events than before are there, or when it would have ended.
fn dies_at_random(builder: &ConnectorBuilder, db: &DatabaseHandle, kafka: &Broker) {
    let topic = db.topic("order");
    let before = kafka.records(&[&topic]).len();
    let more = (random() % 60) as usize;
    let scratch = Scratch::new("repair");
    let mut repair = builder.begin(&["repair", "--order-by", "seq", "--confirm", db.name()], &scratch);
    wait_until("a random moment", PATIENCE, || {
        let is_there = kafka.records(&[&topic]).len() >= before + more;
        (is_there || repair.exit().is_some()).then_some(())
    });
    repair.kill();
}

#[test]
fn a_repair_that_is_killed_at_twenty_points_and_run_again_loses_and_doubles_nothing() {
    let (db, kafka, builder) = outbox();
    let builder = builder.set("walpost.batch.max.events", 5);
    begun(&builder);
    insert(&db, 1, 20, KEYS);
    run_until(&builder, &db, kafka, 20);
    db.execute(&format!(
        "insert into outbox (aggregatetype, aggregateid, type, payload)
         select 'order', 'key-' || n % {KEYS}, 'placed', jsonb_build_object('n', n)
         from generate_series(21, {}) n",
        20 + ROWS
    ));
    db.execute(&format!("select pg_drop_replication_slot('{}')", db.name()));
    for point in POINTS {
        dies_at(&builder, &db, point);
    }
    for _ in 0..AT_RANDOM {
        dies_at_random(&builder, &db, kafka);
    }
    let died = kafka.records(&[&db.topic("order")]).len();
    assert!(died > 20 && died < 20 + ROWS as usize, "{died} events: it died too early, or too late");
    let stored = last_position(kafka, &db);
    let done = ask_json(&builder, &format!("repair --order-by seq --confirm {}", db.name()), 0);
    assert_eq!(done["repaired"]["events"], 20 + ROWS - died as u32, "{done:#}");
    assert!(last_position(kafka, &db).end_lsn > stored.end_lsn);
    insert(&db, 21 + ROWS, 5, KEYS);
    let records = run_until(&builder, &db, kafka, 25 + ROWS as usize);
    assert_eq!(numbers(&records), all(1, 25 + ROWS, KEYS));
    is_whole(&builder, u64::from(25 + ROWS));
}
