//! `offsets`: where the connector stands; and the JSON of every command.

use super::{ask, ask_json, refused};
use crate::kit::{
    confirmed, connector, last_position, outbox, position_topic, run, wait_confirmed, wait_events,
};
use crate::postgres::config;
use crate::support::{Broker, DatabaseHandle, PATIENCE};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use walpost::postgres::replication::Connection;

#[test]
fn offsets_show_ends_in_exit_code_5_before_there_is_a_position_and_tells_what_a_start_would_do() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let told = ask_json(&builder, "offsets show", 5);
    assert!(told["position"].is_null(), "{told:#}");
    assert_eq!(told["slot"]["exists"], false);
    assert_eq!(told["next_start"]["does"], "makes the slot and begins there");
    let answer = ask(&builder, "offsets show", 5);
    let says = ["error: Kafka holds no position", &position_topic(&db), "walpost slot create"];
    assert!(says.iter().all(|words| answer.stderr.contains(words)), "{answer:?}");
}

#[test]
fn offsets_show_tells_the_stored_position_beside_the_slot_and_the_server() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let mut connector = run(builder.clone());
    db.execute("insert into outbox select gen_random_uuid(), 'order', n::text, 'placed', '{}' from generate_series(1, 3) n");
    wait_events(kafka, &db, &["order"], 3);
    let running = ask_json(&builder, "offsets show", 0);
    assert_eq!(running["slot"]["exists"], true);
    connector.sigterm();
    connector.wait_exit(PATIENCE);

    let stored = last_position(kafka, &db);
    wait_confirmed(&db, stored.end_lsn);
    let told = ask_json(&builder, "offsets show", 0);
    let told_position: walpost::position::Position =
        serde_json::from_value(told["position"].clone()).expect("a position");
    assert_eq!((&told_position, told_position.events), (&stored, 3));
    assert_eq!(told["slot"]["confirmed_flush_lsn"], confirmed(&db).to_string());
    let system = db.query_one_text("select system_identifier from pg_control_system()");
    assert_eq!(told["server"]["system_id"], system);
    assert_eq!(told["next_start"]["does"], format!("goes on at {}", stored.end_lsn));
    assert!(told["next_start"]["exit_code"].is_null() && told["lag_bytes"].is_u64(), "{told:#}");
    let text = ask(&builder, "offsets show", 0).stdout;
    for line in [&*format!("stored position  {}", stored.end_lsn), "  events         3", &position_topic(&db)]
    {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

/// A position that follows none, as another connector with the same key would write it.
pub fn break_the_chain(kafka: &Broker, db: &DatabaseHandle) {
    let topic = position_topic(db);
    let last = kafka.records(&[&topic]).pop().expect("a position");
    let producer: BaseProducer = kafka.client().create().expect("a producer");
    let (key, value) = (last.key.expect("a key"), last.value.expect("a value"));
    producer.send(BaseRecord::to(&topic).key(&key).payload(&value)).expect("room");
    producer.flush(PATIENCE).expect("acknowledged");
}

#[test]
fn positions_that_contradict_one_another_have_one_exit_code_wherever_they_are_met() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    ask(&builder, "slot create", 0);
    break_the_chain(kafka, &db);
    let words = ["do not follow one another", &position_topic(&db), "walpost offsets forget"];
    let answer = ask(&builder, "offsets show", 27);
    assert!(words.iter().all(|words| answer.stderr.contains(words)), "{answer:?}");
    assert_eq!(ask_json(&builder, "offsets show", 27)["next_start"]["exit_code"], 27);
    let doctor = ask_json(&builder, "doctor", 3);
    let start = doctor["checks"].as_array().and_then(|checks| checks.last()).expect("the start");
    assert!(start["detail"].as_str().is_some_and(|detail| detail.contains("exit code 27")), "{doctor:#}");
    let (exit, log) = builder.clone().start().wait_exit(PATIENCE);
    assert!(exit.code() == Some(27) && words.iter().all(|words| log.contains(words)), "{log}");

    // The way out of it.
    let confirm = format!("offsets forget --confirm {}", db.name());
    refused(&builder, "offsets forget", 4, &["do not follow one another", "is not known", "--adopt slot"]);
    assert!(ask_json(&builder, &confirm, 0)["forgotten"]["position"].is_null());
    let connector = run(builder.arg("--adopt").arg("slot"));
    db.insert("order", "1", "placed", "{}");
    wait_events(kafka, &db, &["order"], 1);
    drop(connector);
}

#[test]
fn offsets_forget_says_what_is_at_risk_and_does_it_only_when_the_slot_is_named() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let name = db.name();
    let confirm = format!("offsets forget --confirm {name}");
    refused(&builder, &confirm, 5, &["Kafka holds no position"]);
    let mut connector = run(builder.clone());
    db.insert("order", "1", "placed", "{}");
    wait_events(kafka, &db, &["order"], 1);
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    let stored = last_position(kafka, &db);

    let risk =
        [&*format!("position {}, up to which 1 events", stored.end_lsn), "exit code 27", "--adopt slot"];
    let meant = [&*format!("the position of slot \"{name}\" was not touched"), &format!("--confirm {name}")];
    refused(&builder, "offsets forget", 4, &[&risk[..], &meant].concat());
    refused(&builder, "offsets forget --confirm yes", 4, &risk);
    assert_eq!(last_position(kafka, &db), stored, "nothing was done so far");
    ask(&builder, "offsets show", 0);

    let forgotten = ask(&builder, &confirm, 0);
    assert!(
        forgotten.stdout.starts_with(&format!("forgot the position of slot \"{name}\"")),
        "{forgotten:?}"
    );
    assert!(risk.iter().all(|words| forgotten.stderr.contains(words)), "{forgotten:?}");
    assert_eq!(ask_json(&builder, "offsets show", 5)["next_start"]["exit_code"], 27, "as was said");
    let (exit, log) = builder.start().wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(27), "{log}");
}

#[test]
fn after_slot_drop_and_offsets_forget_the_next_start_is_a_clean_first_one() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let drop_it = format!("slot drop --confirm {}", db.name());
    let forget = format!("offsets forget --confirm {}", db.name());
    // Once by `slot create`, once by `run`.
    ask(&builder, "slot create", 0);
    ask(&builder, &drop_it, 0);
    refused(&builder, "slot create", 25, &["walpost offsets forget and walpost slot create"]);
    refused(&builder, "offsets forget", 4, &["There is no slot"]);
    ask(&builder, &forget, 0);
    ask(&builder, "slot create", 0);
    ask(&builder, &drop_it, 0);
    ask(&builder, &forget, 0);
    assert_eq!(
        ask_json(&builder, "offsets show", 5)["next_start"]["does"],
        "makes the slot and begins there"
    );
    let connector = run(builder.clone());
    let first = last_position(kafka, &db);
    assert_eq!((first.seq, first.end_lsn, first.events), (1, confirmed(&db), 0), "a chain of its own");
    db.insert("order", "1", "placed", "{}");
    let records = wait_events(kafka, &db, &["order"], 1);
    assert_eq!(records.len(), 1);
    drop(connector);
}

#[test]
fn offsets_forget_is_refused_beside_a_running_connector_which_does_not_notice() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let mut connector = run(builder.clone());
    db.insert("order", "1", "placed", "{}");
    wait_events(kafka, &db, &["order"], 1);
    let confirm = format!("offsets forget --confirm {}", db.name());
    for command in ["offsets forget", &confirm] {
        refused(&builder, command, 1, &["a connector runs on this slot", "Nothing was done"]);
    }
    let before = last_position(kafka, &db);
    db.insert("order", "2", "placed", "{}");
    wait_events(kafka, &db, &["order"], 2);
    let after = last_position(kafka, &db);
    assert_eq!((after.instance, after.events), (before.instance, 2));
    assert!(connector.is_running() && !connector.log().contains("retrying"), "{}", connector.log());
}

#[test]
fn offsets_forget_is_refused_while_somebody_has_the_slot_whose_lock_is_not_seen() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    ask(&builder, "slot create", 0);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stream = runtime.block_on(async {
        let connection = Connection::connect(&config(&db)).await.expect("a replication connection");
        let from = last_position(kafka, &db).end_lsn;
        connection.start_replication(db.name(), from, "walpost", &[], PATIENCE).await.expect("a stream")
    });
    let confirm = format!("offsets forget --confirm {}", db.name());
    refused(&builder, &confirm, 1, &["is active", "Nothing was done", "pg_terminate_backend"]);
    ask(&builder, "offsets show", 0);
    drop(stream);
}

#[test]
fn offsets_set_goes_forward_and_past_an_event_only_when_its_range_is_named() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let name = db.name();
    ask(&builder, "slot create", 0);
    let stored = last_position(kafka, &db);
    db.insert("order", "given up", "placed", "{}");
    let command = format!("offsets set --to current --confirm {name}");
    refused(
        &builder,
        &command,
        4,
        &["an event that is not published would be passed over", "walpost run publishes"],
    );
    let told = ask(&builder, &command, 4).stderr;
    let (_, range) = told.split_once("--accept-loss ").expect("a range");
    let accept = format!("--accept-loss {}", range.split_whitespace().next().expect("a range"));
    refused(
        &builder,
        &format!("offsets set --to current {accept}"),
        4,
        &["was not touched: this needs --confirm"],
    );
    for (to, says) in [
        ("0/1", "a second time"),
        (&*stored.end_lsn.to_string(), "already"),
        ("FFFFFFFF/0", "beyond the end of the WAL"),
    ] {
        refused(&builder, &format!("offsets set --to {to} --confirm {name}"), 2, &[says, "Nothing was done"]);
    }
    assert_eq!(last_position(kafka, &db), stored, "nothing was done so far");
    let set = ask_json(&builder, &format!("{command} {accept}"), 0);
    let position = last_position(kafka, &db);
    assert_eq!(set["set"]["position"]["end_lsn"], position.end_lsn.to_string());
    let audit = position.audit.last().expect("an entry");
    assert_eq!((audit.by.as_str(), audit.given_up), ("walpost offsets set", Some(1)));
    assert_eq!(accept, format!("--accept-loss {}..{}", audit.from, audit.to.expect("an end")));
    let mut connector = run(builder.clone());
    db.insert("order", "goes on", "placed", "{}");
    let records = wait_events(kafka, &db, &["order"], 1);
    assert_eq!(records.iter().map(|record| record.key_text()).collect::<Vec<_>>(), ["goes on"]);
    refused(&builder, &command, 1, &["a connector runs on this slot"]);
    connector.sigterm();
    connector.wait_exit(PATIENCE);

    // The slot is ahead: what lies between cannot be counted, and is given up all the same.
    db.insert("order", "passed", "placed", "{}");
    db.execute(&format!("select pg_replication_slot_advance('{name}', pg_current_wal_lsn())"));
    db.insert("order", "sent", "placed", "{}");
    let (stored, slot) = (last_position(kafka, &db).end_lsn, confirmed(&db));
    let to_slot = format!("offsets set --to slot --confirm {name}");
    let range = format!("--accept-loss {stored}..{slot}");
    refused(&builder, &to_slot, 4, &[&range, "walpost repair", "may be passed over"]);
    ask(&builder, &format!("{to_slot} {range}"), 0);
    let position = last_position(kafka, &db);
    assert_eq!((position.end_lsn, position.audit.len()), (slot, 2));
    assert_eq!(position.audit[1].given_up, None);
    let connector = run(builder.clone());
    assert_eq!(wait_events(kafka, &db, &["order"], 2).len(), 2);
    drop(connector);
    ask_until_idle(&db);
    db.execute(&format!("select pg_drop_replication_slot('{name}')"));
    refused(&builder, &to_slot, 25, &["no slot from which a start could go on", "walpost repair"]);
}

fn ask_until_idle(db: &DatabaseHandle) {
    db.wait_for("select not active from pg_replication_slots where slot_name = current_database()");
}

#[test]
fn offsets_set_begins_where_the_slot_stands_when_there_is_no_position() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let name = db.name();
    ask(&builder, "slot create", 0);
    db.insert("order", "1", "placed", "{}");
    break_the_chain(kafka, &db);
    let command = format!("offsets set --to slot --confirm {name}");
    refused(&builder, "offsets set --to slot", 4, &["is not known", &format!("--confirm {name}")]);
    ask(&builder, &command, 0);
    let position = last_position(kafka, &db);
    assert_eq!(
        (position.seq, position.end_lsn, position.instance.as_str()),
        (0, confirmed(&db), "walpost offsets set")
    );
    let connector = run(builder.clone());
    assert_eq!(wait_events(kafka, &db, &["order"], 1).len(), 1);
    drop(connector);
}

#[test]
fn every_command_prints_one_json_object_and_its_words_on_stderr() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let give_up = format!("slot drop --confirm {}", db.name());
    let advance = format!("slot advance --to current --confirm {}", db.name());
    let set = format!("offsets set --to current --confirm {}", db.name());
    let forget = format!("offsets forget --confirm {}", db.name());
    for (command, member) in [
        ("config validate", "notices"),
        ("config print", "properties"),
        ("init", "sql"),
        ("init --apply", "steps"),
        ("publication create", "publication"),
        ("publication show", "publication"),
        ("slot create", "created"),
        ("slot list", "slots"),
        ("slot show", "slot"),
        ("offsets show", "position"),
        ("doctor", "checks"),
        ("verify", "findings"),
        ("repair", "plan"),
        (&advance, "advanced"),
        (&set, "set"),
        (&give_up, "dropped"),
        (&forget, "forgotten"),
    ] {
        if command == advance || command == set {
            // There is something to go over.
            db.execute("create table t (); drop table t");
        }
        let told = ask_json(&builder, &format!("{command} --log-level trace"), 0);
        assert!(!told[member].is_null(), "walpost {command}: {told:#}");
    }
}
