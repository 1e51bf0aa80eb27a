//! `slot`: created, listed, shown, dropped, moved; nothing is lost without being asked for by name.

use super::{ask, ask_json, refused};
use crate::kit::{
    confirmed, connector, last_position, outbox, position_topic, run, wait_confirmed_last, wait_events,
};
use crate::support::{ConnectorBuilder, DatabaseHandle, PATIENCE};
use walpost::lsn::Lsn;

fn lsn(value: &serde_json::Value) -> Lsn {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no LSN"))
}

/// How a start ends, that must end by itself.
fn ends(builder: &ConnectorBuilder, code: i32) -> String {
    let (exit, log) = builder.clone().start().wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(code), "{log}");
    log
}

fn exists(db: &DatabaseHandle) -> bool {
    db.server().slot_confirmed(db.name()).is_some()
}

#[test]
fn slot_create_makes_slot_and_first_position_and_events_are_kept_from_there_on() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    db.insert("order", "too early", "placed", "{}");
    let created = ask_json(&builder, "slot create", 0);
    let (created, position) = (&created["created"], last_position(kafka, &db));
    assert_eq!(created["slot"], db.name());
    assert_eq!(created["position_topic"], position_topic(&db));
    assert_eq!((lsn(&created["position"]["end_lsn"]), position.end_lsn), (confirmed(&db), confirmed(&db)));
    assert_eq!((position.creating, position.events), (false, 0));

    db.insert("order", "kept", "placed", "{}");
    refused(&builder, "slot create", 1, &["and Kafka holds its position", "walpost run goes on there"]);
    assert_eq!(last_position(kafka, &db).end_lsn, position.end_lsn, "refused means untouched");

    let connector = run(builder.clone());
    let records = wait_events(kafka, &db, &["order"], 1);
    assert_eq!(records.iter().map(|record| record.key_text()).collect::<Vec<_>>(), ["kept"]);
    refused(&builder, "slot create", 1, &["a connector runs on this slot", "Nothing was done"]);
    drop(connector);
}

#[test]
fn slot_list_and_show_tell_who_has_a_slot_and_what_it_holds() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    refused(
        &builder,
        "slot show",
        5,
        &[&format!("slot \"{}\" does not exist", db.name()), "walpost slot list"],
    );
    let connector = run(builder.clone());
    db.insert("order", "1", "placed", "{}");
    wait_events(kafka, &db, &["order"], 1);
    wait_confirmed_last(kafka, &db);

    let told = ask_json(&builder, "slot list", 0);
    let slots = told["slots"].as_array().expect("a list");
    let ours = slots.iter().find(|slot| slot["name"] == db.name()).expect("ours");
    assert_eq!((&ours["plugin"], &ours["database"]), (&"pgoutput".into(), &db.name().into()));
    assert_eq!(ours["active"], true);
    assert!(lsn(&ours["confirmed_flush_lsn"]) >= last_position(kafka, &db).slot_birth_lsn);
    let shown = ask_json(&builder, "slot show", 0);
    assert_eq!(shown["slot"]["name"], db.name());

    let list = ask(&builder, "slot list", 0).stdout;
    let header: Vec<&str> = list.lines().next().expect("a header").split_whitespace().collect();
    assert_eq!(
        header,
        ["slot", "plugin", "database", "active", "confirmed", "retained", "pending", "safe", "wal", "status"]
    );
    let row = list.lines().find(|line| line.starts_with(db.name())).expect("a row");
    assert!(row.contains("pgoutput") && row.contains("yes pid ") && row.contains("reserved"), "{row}");
    let show = ask(&builder, &format!("slot show {}", db.name()), 0).stdout;
    assert!(show.contains("streaming") && show.contains("unlimited"), "{show}");
    drop(connector);
}

#[test]
fn slot_drop_says_what_would_be_lost_and_does_it_only_when_the_slot_is_named_again() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let name = db.name();
    let mut connector = run(builder.clone());
    let confirm = format!("slot drop --confirm {name}");
    refused(&builder, &confirm, 1, &["is active", "Nothing was done", "pg_terminate_backend"]);
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    db.insert("order", "not yet sent", "placed", "{}");

    let unpublished = [
        "an event that is not published would be passed over",
        "one event is not published in 0/",
        "of public.outbox (commit 0/",
        "walpost run publishes them",
    ];
    refused(&builder, "slot drop", 4, &unpublished);
    refused(&builder, &confirm, 4, &unpublished);
    refused(
        &builder,
        &format!("{confirm} --accept-loss 0/1..0/2"),
        4,
        &["--accept-loss names 0/1..0/2, not 0/"],
    );
    let topic = position_topic(&db);
    let pending =
        ["of WAL after", "not yet in Kafka", "exit code 25", &topic, "walpost repair makes another slot"];
    let accept = accepted(&builder, "slot drop");
    refused(
        &builder,
        &format!("slot drop {accept}"),
        4,
        &[&pending[..], &["was not touched", &format!("--confirm {name}")]].concat(),
    );
    refused(&builder, &format!("slot drop {accept} --confirm yes"), 4, &pending);
    refused(&builder, "slot drop nobodys --confirm nobodys", 5, &["slot \"nobodys\" does not exist"]);
    assert!(exists(&db), "nothing was done so far");
    let stored = last_position(kafka, &db);

    let dropped = ask(&builder, &format!("{confirm} {accept}"), 0);
    assert_eq!(dropped.stdout, format!("dropped slot \"{name}\"\n"));
    assert!(dropped.stderr.contains("gone with it: ") && !exists(&db), "{dropped:?}");
    let position = last_position(kafka, &db);
    let audit = position.audit.last().expect("an entry");
    assert_eq!((position.end_lsn, position.seq), (stored.end_lsn, stored.seq + 1));
    assert_eq!((audit.by.as_str(), audit.given_up), ("walpost slot drop", Some(1)));
    assert_eq!(accept, format!("--accept-loss {}..{}", audit.from, audit.to.expect("an end")));
    let id = db.query_one_text("select id from outbox");
    assert_eq!(audit.ids, Some((id.clone(), id)));
    let log = ends(&builder, 25);
    assert!(log.contains(name), "what was foretold: {log}");
}

/// The flag that a refusal asks for.
fn accepted(builder: &ConnectorBuilder, command: &str) -> String {
    let refusal = ask(builder, command, 4).stderr;
    let (_, after) = refusal.split_once("--accept-loss ").unwrap_or_else(|| panic!("no range in {refusal}"));
    format!("--accept-loss {}", after.split_whitespace().next().expect("a range"))
}

#[test]
fn a_slot_that_belongs_to_something_else_is_not_dropped_by_its_name_alone() {
    let ((db, kafka), (other, _)) = (outbox(), outbox());
    let name = other.name();
    ask(&connector(&other, kafka), "slot create", 0);
    let builder = connector(&db, kafka);
    let command = format!("slot drop {name} --confirm {name}");
    refused(&builder, &command, 4, &["it belongs to something else", "Nothing was done", "--force"]);
    assert!(exists(&other));
    ask(&builder, &format!("{command} --force"), 0);
    assert!(!exists(&other));
}

#[test]
fn slot_advance_goes_to_the_stored_position_without_loss_and_neither_back_nor_past_the_wal() {
    let (db, kafka) = outbox();
    let idle = i32::MAX;
    let builder = connector(&db, kafka)
        .set("walpost.idle.position.interval.ms", idle)
        .set("walpost.idle.position.bytes", idle);
    let name = db.name();
    ask(&builder, "slot create", 0);
    db.insert("order", "1", "placed", "{}");
    // Published, and Postgres was not told.
    let mut crashed = builder.clone().env("WALPOST_FAILPOINT", "before_confirm:1").start();
    crashed.wait_exit(PATIENCE);
    wait_events(kafka, &db, &["order"], 1);
    let (before, stored) = (confirmed(&db), last_position(kafka, &db).end_lsn);
    assert!(before < stored, "{before} {stored}");
    db.wait_for(&format!("select not active from pg_replication_slots where slot_name = '{name}'"));

    refused(&builder, "slot advance --to stored", 4, &["so nothing is lost", &format!("--confirm {name}")]);
    refused(&builder, "slot advance --to stored --confirm other", 4, &["names \"other\""]);
    for (to, says) in [("0/1", "only moves forward"), ("FFFFFFFF/0", "beyond the end of the WAL")] {
        refused(
            &builder,
            &format!("slot advance --to {to} --confirm {name}"),
            2,
            &[says, "Nothing was done"],
        );
    }
    assert_eq!(confirmed(&db), before, "nothing was done so far");

    let moved = ask_json(&builder, &format!("slot advance --to stored --confirm {name}"), 0);
    assert_eq!((lsn(&moved["advanced"]["from"]), lsn(&moved["advanced"]["to"])), (before, stored));
    assert_eq!(confirmed(&db), stored);
    refused(&builder, &format!("slot advance --to stored --confirm {name}"), 2, &["is not ahead of it"]);
    let connector = run(builder);
    db.insert("order", "2", "placed", "{}");
    assert_eq!(wait_events(kafka, &db, &["order"], 2).len(), 2, "nothing was lost and nothing doubled");
    drop(connector);
}

#[test]
fn slot_advance_does_not_pass_messages_that_would_be_published() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka).set("message.prefix.exclude.list", "chatter");
    ask(&builder, "slot create", 0);
    db.execute("select pg_logical_emit_message(true, 'chatter', 'x')");
    db.execute("select pg_logical_emit_message(true, 'audit', 'in a transaction')");
    db.execute("select pg_logical_emit_message(false, 'audit', 'in none')");
    db.execute("select pg_switch_wal()");
    let says = ["2 events that are not published would be passed over", "of pg_logical_emit_message"];
    refused(&builder, "slot advance --to current", 4, &says);
}

#[test]
fn slot_advance_does_not_pass_an_event_that_is_not_published_until_its_range_is_named() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    ask(&builder, "slot create", 0);
    db.insert("order", "skipped 1", "placed", "{}");
    db.execute("begin; insert into outbox values (default, 'order', 'rolled back', 't', '{}'); rollback");
    db.insert("order", "skipped 2", "placed", "{}");
    let (before, stored) = (confirmed(&db), last_position(kafka, &db));
    let command = format!("slot advance --to current --confirm {}", db.name());
    let ids = db.query_one_text("select string_agg(id::text, ' ' order by aggregateid) from outbox");
    let (first, last) = ids.split_once(' ').expect("two");
    let says = [
        "2 events that are not published would be passed over",
        &*format!("the first is {first} of public.outbox (commit 0/"),
        &*format!("the last {last} of public.outbox"),
    ];
    refused(&builder, "slot advance --to current", 4, &says);
    refused(&builder, &command, 4, &says);
    let accept = accepted(&builder, &command);
    // Another one came meanwhile: that range is not what would be lost.
    db.insert("order", "skipped 3", "placed", "{}");
    refused(
        &builder,
        &format!("{command} {accept}"),
        4,
        &["--accept-loss names", "3 events are not published"],
    );
    assert_eq!((confirmed(&db), last_position(kafka, &db)), (before, stored), "nothing was done so far");

    let accept = accepted(&builder, &command);
    let moved = ask_json(&builder, &format!("{command} {accept}"), 0);
    assert_eq!(
        (&moved["advanced"]["lost"]["events"], lsn(&moved["advanced"]["to"])),
        (&3.into(), confirmed(&db))
    );
    let position = last_position(kafka, &db);
    assert!(position.end_lsn == confirmed(&db) && confirmed(&db) > before, "{position:?}");
    let audit = position.audit.last().expect("an entry");
    assert_eq!((audit.given_up, audit.by.as_str()), (Some(3), "walpost slot advance"));
    assert_eq!(accept, format!("--accept-loss {}..{}", audit.from, audit.to.expect("an end")));

    // The next start goes on, and the trail with it.
    let connector = run(builder.clone());
    db.insert("order", "goes on", "placed", "{}");
    let records = wait_events(kafka, &db, &["order"], 1);
    assert_eq!(records.iter().map(|record| record.key_text()).collect::<Vec<_>>(), ["goes on"]);
    assert_eq!(last_position(kafka, &db).audit, position.audit);
    refused(&builder, &command, 1, &["is active"]);
    drop(connector);
}

#[test]
fn slot_advance_over_nothing_takes_the_position_along() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    ask(&builder, "slot create", 0);
    db.execute("create table t (); drop table t");
    let command = format!("slot advance --to current --confirm {}", db.name());
    refused(&builder, "slot advance --to current", 4, &["has no event, so nothing is lost", "goes along"]);
    refused(&builder, &format!("{command} --accept-loss 0/1..0/2"), 4, &["nothing would be lost"]);
    ask(&builder, &command, 0);
    assert_eq!(last_position(kafka, &db).end_lsn, confirmed(&db));
    assert!(ask_json(&builder, "offsets show", 0)["next_start"]["exit_code"].is_null());
    // Without a position, what is published is not known, and nothing can be noted down.
    ask(&builder, &format!("offsets forget --confirm {}", db.name()), 0);
    db.insert("order", "1", "placed", "{}");
    refused(
        &builder,
        &command,
        27,
        &["Kafka holds no position", "one event is not published", "walpost repair"],
    );
}
