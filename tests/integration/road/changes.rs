//! Tables that are no outbox: their changes as change events, beside the outbox of the same connector.

use crate::kit::{connector, outbox, run, wait_events};
use crate::support::{Broker, ConnectorBuilder, DatabaseHandle, PATIENCE, Record};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The connector's outbox under a predicate, and table `customer`.
fn both() -> (DatabaseHandle, &'static Broker, ConnectorBuilder) {
    let (db, kafka) = outbox();
    db.execute("create table customer (id int primary key, name text not null, note text)");
    let builder = connector(&db, kafka)
        .set("table.include.list", "public\\.outbox,public\\.customer")
        .set("publication.autocreate.mode", "filtered")
        .set("predicates", "isOutbox")
        .set("predicates.isOutbox.type", "org.apache.kafka.connect.transforms.predicates.TopicNameMatches")
        .set("predicates.isOutbox.pattern", format!("{}\\.public\\.outbox", db.name()))
        .set("topic.creation.default.partitions", 1)
        .set("transforms.outbox.predicate", "isOutbox")
        .set("key.converter", "org.apache.kafka.connect.storage.StringConverter")
        .set("value.converter", "org.apache.kafka.connect.json.JsonConverter")
        .set("value.converter.schemas.enable", "false");
    (db, kafka, builder)
}

fn value(record: &Record) -> Value {
    match record.value.as_deref() {
        Some(value) => serde_json::from_slice(value).expect("JSON"),
        None => Value::Null,
    }
}

#[test]
fn every_change_of_another_table_is_told_as_debezium_tells_it() {
    let (db, kafka, builder) = both();
    let topic = format!("{}.public.customer", builder.get("topic.prefix"));
    let _connector = run(builder.set("skipped.operations", "none"));
    db.execute(
        "insert into customer values (1, 'Anna');
         update customer set note = 'x';
         update customer set id = 2;
         delete from customer;
         truncate customer;
         insert into outbox values (default, 'order', 'k', 't', '{}')",
    );
    let records = kafka.wait_records(&[&topic], 8, PATIENCE);
    assert_eq!(wait_events(kafka, &db, &["order"], 1).len(), 1);
    let told: Vec<Value> = records
        .iter()
        .filter(|record| record.value.is_some())
        .map(|record| {
            let value = value(record);
            json!([record.key_text(), value["op"], value["before"], value["after"]])
        })
        .collect();
    let row = |id: i32, note: Value| json!({"id": id, "name": "Anna", "note": note});
    let of_key = |id: i32| json!({"id": id, "name": "", "note": null});
    assert_eq!(
        told,
        [
            json!(["Struct{id=1}", "c", null, row(1, Value::Null)]),
            json!(["Struct{id=1}", "u", null, row(1, json!("x"))]),
            json!(["Struct{id=1}", "d", of_key(1), null]),
            json!(["Struct{id=2}", "c", null, row(2, json!("x"))]),
            json!(["Struct{id=2}", "d", of_key(2), null]),
            json!(["", "t", null, null]),
        ]
    );
    let tombstones: Vec<&str> =
        records.iter().filter(|record| record.value.is_none()).map(Record::key_text).collect();
    assert_eq!(tombstones, ["Struct{id=1}", "Struct{id=2}"]);
    let source = value(&records[1])["source"].clone();
    let expected = (&json!(db.name()), &json!("customer"), &json!("false"));
    assert_eq!((&source["db"], &source["table"], &source["snapshot"]), expected);
    assert_eq!(records[2].header("__debezium.newkey"), Some(r#"{"id":2}"#));
}

/// Rows of both tables in one transaction, too many for a batch, then more of them changed, and one gone.
fn write(db: &DatabaseHandle, round: i32) {
    let from = round * 1000;
    db.execute(&format!(
        "begin;
         insert into customer select n, 'c', n from generate_series({from}, {from} + 299) n;
         insert into outbox select gen_random_uuid(), 'order', n, 't', '{{}}' from generate_series({from}, {from} + 299) n;
         update customer set id = id + 500 where id between {from} and {from} + 99;
         delete from customer where id = {from} + 200;
         commit"
    ));
}

#[test]
fn killed_at_any_failpoint_both_kinds_are_published_once() {
    for failpoint in [
        "mid_split:2",
        "mid_send:3",
        "before_commit:3",
        "endtxn_sent:2",
        "after_commit:2",
        "before_confirm:2",
    ] {
        let (db, kafka, builder) = both();
        let topic = format!("{}.public.customer", builder.get("topic.prefix"));
        let transactions = format!("{}.transaction", builder.get("topic.prefix"));
        let builder = builder.set("walpost.batch.max.events", 150).set("provide.transaction.metadata", true);
        let mut connector = run(builder);
        connector.sigterm();
        assert_eq!(connector.wait_exit(PATIENCE).0.code(), Some(0), "{}", connector.log());
        connector.start_again_with(|builder| builder.env("WALPOST_FAILPOINT", failpoint));
        write(&db, 1);
        write(&db, 2);
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert!(!exit.success() && log.contains("failpoint "), "{failpoint}: {log}");
        connector.start_again_with(|builder| builder.without_env("WALPOST_FAILPOINT"));
        connector.wait_ready();
        write(&db, 3);
        // Of each round: 300 new rows, 100 that move (deleted, tombstone, created), one that is deleted (and its tombstone).
        let records = kafka.wait_records(&[&topic], 3 * 602, PATIENCE);
        wait_events(kafka, &db, &["order"], 3 * 300);
        connector.sigterm();
        assert_eq!(connector.wait_exit(PATIENCE).0.code(), Some(0), "{failpoint}");
        assert_eq!(kafka.records(&[&topic]).len(), 3 * 602, "{failpoint}");
        assert_eq!(wait_events(kafka, &db, &["order"], 3 * 300).len(), 3 * 300, "{failpoint}");
        in_order(&records, failpoint);
        boundaries(&kafka.records(&[&transactions]), failpoint);
    }
}

/// Each event has the next number of its transaction and table; and there is none twice.
fn in_order(records: &[Record], failpoint: &str) {
    let mut reached: BTreeMap<i64, i64> = BTreeMap::new();
    for value in records.iter().map(value).filter(|value| !value.is_null()) {
        let xid = value["source"]["txId"].as_i64().expect("a transaction");
        let last = reached.entry(xid).or_default();
        *last += 1;
        assert_eq!(value["transaction"]["data_collection_order"], json!(*last), "{failpoint}: {value}");
    }
    assert_eq!(reached.values().copied().collect::<Vec<_>>(), [501, 501, 501], "{failpoint}");
}

/// Each transaction begins and ends once, and counts the events of both tables.
fn boundaries(records: &[Record], failpoint: &str) {
    let told: Vec<Value> = records
        .iter()
        .map(value)
        .map(|value| {
            json!([value["status"], value["event_count"], value["data_collections"].as_array().map(Vec::len)])
        })
        .filter(|told| told != &json!(["END", 0, 0]))
        .collect();
    let ends = told.iter().filter(|told| **told == json!(["END", 801, 2])).count();
    let begins = told.iter().filter(|told| told[0] == "BEGIN").count();
    assert_eq!(ends, 3, "{failpoint}: {told:?}");
    assert!(begins >= 3, "{failpoint}: {told:?}");
}

#[test]
fn rows_that_were_there_before_are_read_and_the_stream_goes_on() {
    let (db, kafka, builder) = both();
    let topic = format!("{}.public.customer", builder.get("topic.prefix"));
    db.execute("insert into customer select n, 'before' from generate_series(1, 20) n");
    let _connector = run(builder.set("snapshot.mode", "initial"));
    db.execute("insert into customer values (21, 'after')");
    let records = kafka.wait_records(&[&topic], 21, PATIENCE);
    let ops: Vec<String> =
        records.iter().map(|it| value(it)["op"].as_str().expect("op").to_owned()).collect();
    assert_eq!(ops.iter().filter(|op| *op == "r").count(), 20);
    let snapshot = |record: &Record| value(record)["source"]["snapshot"].as_str().map(str::to_owned);
    assert_eq!(records.iter().filter(|it| snapshot(it).as_deref() == Some("first")).count(), 1);
    assert_eq!(records.iter().filter(|it| snapshot(it).as_deref() == Some("true")).count(), 19);
}

#[test]
fn a_truncate_that_cannot_be_published_stops_as_no_dead_letter_could_carry_it_and_is_passed_over_on_request()
{
    let (db, kafka, builder) = both();
    let topic = format!("{}.public.customer", builder.get("topic.prefix"));
    // It takes no record without a key.
    kafka.create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
    let forgiving = builder
        .set("skipped.operations", "none")
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", db.topic("dlt"))
        .set("errors.deadletterqueue.topic.replication.factor", 1);
    let mut connector = run(forgiving);
    db.execute(
        "insert into customer values (1, 'Anna'); truncate customer; insert into customer values (2, 'Ben')",
    );
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(10), "{log}");
    for words in ["refused_by_broker", "no row that a dead letter could carry", "with skip for this reason"] {
        assert!(log.contains(words), "{words} is not in\n{log}");
    }
    assert_eq!(kafka.records(&[&topic, &db.topic("dlt")]).len(), 0, "its transaction waits");
    connector.start_again_with(|builder| builder.set("walpost.errors.refused_by_broker", "skip"));
    assert_eq!(kafka.wait_records(&[&topic], 2, PATIENCE).len(), 2);
}
