//! Each way in which position and slot come apart ends in every event once.

use super::{all, begun, insert, is_whole, numbers, on, outbox, pass, plan, repair, run_until};
use crate::cli::{ask_json, refused};
use crate::kit::{confirmed, last_position, position_topic, positions};
use crate::support::{
    Broker, ConnectorBuilder, Database, DatabaseHandle, DatabaseOptions, PATIENCE, wait_until,
};
use walpost::lsn::Lsn;

/// How a start ends, that must end by itself.
fn stops(builder: &ConnectorBuilder, code: i32) {
    let (exit, log) = builder.clone().start().wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(code), "{log}");
}

fn drop_slot(db: &DatabaseHandle) {
    db.execute(&format!("select pg_drop_replication_slot('{}')", db.name()));
}

/// Deletes the position topic.
fn lose_position(db: &DatabaseHandle, kafka: &Broker) {
    let topic = position_topic(db);
    kafka.delete_topic(&topic);
    wait_until("the topic is gone", PATIENCE, || (!kafka.topics().contains(&topic)).then_some(()));
}

#[test]
fn a_slot_that_is_ahead_keeps_what_it_still_has_and_the_rest_is_published_from_the_table() {
    let (db, kafka, builder) = outbox();
    insert(&db, 0, 1, 1);
    begun(&builder);
    insert(&db, 1, 6, 3);
    run_until(&builder, &db, kafka, 6);
    insert(&db, 7, 6, 3);
    pass(&db);
    insert(&db, 13, 6, 3);
    stops(&builder, 20);
    let (stored, slot) = (last_position(kafka, &db), confirmed(&db));
    let told = plan(&builder, "--order-by seq");
    assert_eq!(
        (&told["standing"], &told["missing"], &told["coming"]),
        (&"slot_ahead".into(), &7.into(), &6.into())
    );
    assert_eq!(told["position"], slot.to_string());
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 6, "nothing is done without a word");
    assert_eq!(last_position(kafka, &db), stored);

    // What was there before the first slot is missing like anything else.
    let done = repair(&builder, &db, "--order-by seq");
    assert_eq!((&done["repaired"]["events"], &done["plan"]["late"]), (&7.into(), &1.into()), "{done:#}");
    let position = last_position(kafka, &db);
    assert_eq!((position.end_lsn, position.prev_lsn, position.seq), (slot, stored.end_lsn, stored.seq + 1));
    assert_eq!(position.instance, "walpost repair");
    let audit = position.audit.last().expect("an entry");
    assert_eq!((audit.from, audit.to), (stored.end_lsn, Some(slot)));
    assert_eq!((audit.published, audit.given_up), (7, Some(0)));

    let records = run_until(&builder, &db, kafka, 19);
    assert_eq!(records.len(), 19);
    let mut expected = all(0, 18, 3);
    // It came late: its key had gone on.
    let first = expected.get_mut("key-0").expect("a key");
    first.remove(0);
    first.insert(2, 0);
    assert_eq!(numbers(&records), expected);
    assert_eq!(last_position(kafka, &db).audit.last(), Some(audit), "the trail goes on with the position");
}

#[test]
fn a_slot_that_is_gone_is_made_anew_and_everything_before_it_is_published_from_the_table() {
    let (db, kafka, builder) = outbox();
    begun(&builder);
    insert(&db, 1, 4, 2);
    run_until(&builder, &db, kafka, 4);
    insert(&db, 5, 4, 2);
    drop_slot(&db);
    insert(&db, 9, 4, 2);
    stops(&builder, 25);
    let told = plan(&builder, "--order-by seq");
    assert_eq!((&told["standing"], &told["missing"]), (&"slot_missing".into(), &8.into()), "{told:#}");
    assert_eq!(db.server().slot_confirmed(db.name()), None, "nothing is made without a word");
    repair(&builder, &db, "--order-by seq");
    let position = last_position(kafka, &db);
    assert_eq!((position.end_lsn, position.slot_birth_lsn), (confirmed(&db), confirmed(&db)));
    insert(&db, 13, 2, 2);
    assert_eq!(numbers(&run_until(&builder, &db, kafka, 14)), all(1, 14, 2));
    is_whole(&builder, 14);
}

#[test]
fn a_slot_that_the_server_invalidated_is_replaced() {
    let server = Database::with(DatabaseOptions::new().setting("max_slot_wal_keep_size", "1MB"));
    let (db, kafka, builder) = on(&server);
    begun(&builder);
    insert(&db, 1, 3, 3);
    for _ in 0..4 {
        db.execute("create table t (); drop table t; select pg_switch_wal()");
    }
    db.execute("checkpoint");
    db.wait_for("select wal_status = 'lost' from pg_replication_slots");
    stops(&builder, 26);
    assert_eq!(plan(&builder, "")["standing"], "slot_lost");
    repair(&builder, &db, "");
    assert_eq!(numbers(&run_until(&builder, &db, kafka, 3)), all(1, 3, 3));
    is_whole(&builder, 3);
}

#[test]
fn a_position_that_is_lost_is_found_again_by_what_is_published() {
    let (db, kafka, builder) = outbox();
    let builder = builder.set("walpost.batch.max.events", 10);
    begun(&builder);
    // A transaction of 35, of which two batches are published when it dies; the slot has heard of nothing.
    db.execute(
        "insert into outbox (aggregatetype, aggregateid, type, payload)
         select 'order', 'key-' || n % 2, 'placed', jsonb_build_object('n', n) from generate_series(1, 35) n",
    );
    let (exit, _) = builder.clone().env("WALPOST_FAILPOINT", "mid_split:2").start().wait_exit(PATIENCE);
    assert_eq!(exit.code(), None);
    db.wait_for("select not active from pg_replication_slots where slot_name = current_database()");
    insert(&db, 36, 5, 2);
    lose_position(&db, kafka);
    stops(&builder, 27);
    let told = plan(&builder, "");
    assert_eq!(
        (&told["standing"], &told["missing"], &told["coming"]),
        (&"position_missing".into(), &15.into(), &5.into())
    );
    let done = repair(&builder, &db, "");
    assert_eq!(done["repaired"]["transactions"], 2, "{done:#}");
    assert_eq!(numbers(&run_until(&builder, &db, kafka, 40)), all(1, 40, 2));
    is_whole(&builder, 40);
}

#[test]
fn positions_that_contradict_one_another_give_way_to_a_new_chain() {
    let (db, kafka, builder) = outbox();
    begun(&builder);
    insert(&db, 1, 2, 1);
    run_until(&builder, &db, kafka, 2);
    insert(&db, 3, 2, 1);
    crate::cli::offsets::break_the_chain(kafka, &db);
    stops(&builder, 27);
    repair(&builder, &db, "");
    assert_eq!(last_position(kafka, &db).seq, 0, "a chain of its own");
    assert_eq!(numbers(&run_until(&builder, &db, kafka, 4)), all(1, 4, 1));
    is_whole(&builder, 4);
}

#[test]
fn what_is_missing_behind_a_position_that_is_fine_is_published_and_the_position_stays() {
    let (db, kafka, builder) = outbox();
    begun(&builder);
    insert(&db, 1, 2, 1);
    pass(&db);
    let name = db.name();
    crate::cli::ask(&builder, &format!("offsets forget --confirm {name}"), 0);
    insert(&db, 3, 2, 1);
    run_until(&builder.clone().arg("--adopt").arg("slot"), &db, kafka, 2);
    let before = last_position(kafka, &db);
    let told = plan(&builder, "--order-by seq");
    assert_eq!((&told["standing"], &told["missing"], &told["late"]), (&"fine".into(), &2.into(), &2.into()));
    insert(&db, 5, 2, 1);
    repair(&builder, &db, "--order-by seq");
    let after = last_position(kafka, &db);
    assert_eq!((after.end_lsn, after.seq, after.events), (before.end_lsn, before.seq + 1, before.events + 2));
    assert_eq!(numbers(&run_until(&builder, &db, kafka, 6))["key-0"], [3, 4, 1, 2, 5, 6]);
    let told = crate::cli::ask_json(&builder, "repair", 0);
    assert_eq!((&told["plan"]["missing"], &told["repaired"]), (&0.into(), &serde_json::Value::Null));
    assert!(
        positions(kafka, &db).iter().filter(|position| position.instance == "walpost repair").count() == 1
    );
}

#[test]
fn a_slot_that_went_past_nothing_costs_one_position() {
    let (db, kafka, builder) = outbox();
    begun(&builder);
    insert(&db, 1, 2, 1);
    run_until(&builder, &db, kafka, 2);
    db.execute("create table t (); drop table t");
    pass(&db);
    stops(&builder, 20);
    let told = repair(&builder, &db, "");
    assert_eq!((&told["repaired"]["events"], &told["repaired"]["transactions"]), (&0.into(), &1.into()));
    let stored: Lsn = last_position(kafka, &db).end_lsn;
    assert_eq!(stored, confirmed(&db));
    insert(&db, 3, 1, 1);
    assert_eq!(numbers(&run_until(&builder, &db, kafka, 3)), all(1, 3, 1));
    is_whole(&builder, 3);
}

#[test]
fn what_a_snapshot_had_not_come_to_is_published_by_the_repair_and_by_it_alone() {
    let (db, kafka, builder) = outbox();
    db.execute("alter table outbox drop constraint outbox_pkey, add primary key (seq)");
    let builder = builder.set("snapshot.mode", "initial").set("walpost.batch.max.events", 2);
    insert(&db, 0, 12, 3);
    let dies = builder.clone().env("WALPOST_FAILPOINT", "mid_snapshot:3");
    let (exit, log) = dies.start().wait_exit(PATIENCE);
    assert!(!exit.success() && log.contains("failpoint "), "{log}");
    let published = kafka.records(&[&db.topic("order")]).len();
    assert!((1..12).contains(&published), "{published}");
    refused(
        &builder,
        &format!("repair --confirm {}", db.name()),
        1,
        &["not all published yet", "walpost run"],
    );

    drop_slot(&db);
    insert(&db, 12, 3, 3);
    stops(&builder, 25);
    let done = repair(&builder, &db, "--order-by seq");
    assert_eq!(done["repaired"]["events"], 15 - published, "{done:#}");
    insert(&db, 15, 3, 3);
    let records = run_until(&builder, &db, kafka, 18);
    assert_eq!((records.len(), numbers(&records)), (18, all(0, 17, 3)));
    is_whole(&builder, 18);
}

/// Row 12 of the start-up matrix.
#[test]
fn what_a_slot_lacks_that_was_made_on_a_server_that_had_been_set_back_is_published_from_the_table() {
    let (server, much_wal) = (Database::start(), "create table t (); drop table t; select pg_switch_wal()");
    let (db, kafka, builder) = on(&server);
    server.stop_fast();
    server.save("young");
    server.start_again();
    db.execute(much_wal);
    begun(&builder);
    insert(&db, 1, 4, 2);
    run_until(&builder, &db, kafka, 4);
    let stored = last_position(kafka, &db);
    server.stop_fast();
    server.put_back("young");
    server.start_again();
    // All that was published is rows no more. Of what comes now the slot has but the last.
    db.execute("create publication walpost for table outbox with (publish = 'insert')");
    insert(&db, 5, 4, 2);
    db.execute("select pg_create_logical_replication_slot(current_database(), 'pgoutput')");
    let slot = confirmed(&db);
    assert!(slot < stored.slot_birth_lsn, "{slot}, {stored:?}");
    insert(&db, 9, 4, 2);
    // Until the server has as much WAL as Kafka knows of: a start then sees nothing but the slot.
    wait_until("the WAL has caught up", PATIENCE, || {
        db.execute(much_wal);
        let flushed: Lsn = db.query_one_text("select pg_current_wal_flush_lsn()").parse().expect("an LSN");
        (flushed > stored.end_lsn).then_some(())
    });
    let (exit, log) = builder.clone().start().wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(28), "{log}");
    for named in [format!("slot confirmed {slot}"), format!("stored position {}", stored.end_lsn)] {
        assert!(log.contains(&named), "{named:?} is not in\n{log}");
    }
    // Which of the rows the slot still has, a comparison cannot say.
    let told = ask_json(&builder, "verify --wait 0 --order-by seq", 3);
    assert_eq!((&told["total"]["pending"], &told["total"]["duplicate"]), (&8.into(), &0.into()), "{told:#}");
    assert_eq!(
        (&told["gap"]["from"], &told["gap"]["to"]),
        (&"0/0".into(), &slot.to_string().into()),
        "{told:#}"
    );
    let told = plan(&builder, "--order-by seq");
    assert_eq!((&told["missing"], &told["coming"]), (&4.into(), &4.into()), "{told:#}");
    repair(&builder, &db, "--order-by seq");
    let position = last_position(kafka, &db);
    assert_eq!((position.end_lsn, position.slot_birth_lsn), (slot, slot));
    assert_eq!(numbers(&run_until(&builder, &db, kafka, 12)), all(1, 12, 2));
    is_whole(&builder, 8);
}
