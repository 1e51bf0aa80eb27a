//! Dead letters after they were written, on real servers.
//!
//! Contents
//! - `list`     each filter, and what is told of a letter
//! - `replay`   published after all: once, in order, byte for byte; what stays behind and why
//! - `kills`    a replay that is killed at any point and run again loses and doubles nothing
//! - `parking`  what follows a dead letter of its key, until that is dealt with
//! - `purge`    nothing that waits is taken away unless it is given up
//! - `waiting`  how many wait, and for how long, is measured

mod kills;
mod list;
mod parking;
mod purge;
mod replay;
mod waiting;

use crate::cli::{ask, ask_json};
use crate::dead_letters::{forgiving, letters_topic};
use crate::kit::{connector, outbox, run, wait_events};
use crate::support::{Broker, Connector, ConnectorBuilder, DatabaseHandle, PATIENCE, Record};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::Value;

const NARROW: &[(&str, &str)] = &[("max.message.bytes", "9000")];

/// An outbox whose topic `order` takes small records only, and a connector that sends the others to the dead letters.
fn narrow() -> (DatabaseHandle, &'static Broker, ConnectorBuilder) {
    let (db, kafka) = outbox();
    kafka.create_topic(&db.topic("order"), 3, NARROW);
    let builder = forgiving(&db, kafka);
    (db, kafka, builder)
}

/// The topic takes large records from now on.
fn mend(db: &DatabaseHandle, kafka: &Broker) {
    kafka.alter_topic(&db.topic("order"), &[]);
}

/// An event of the aggregate `order` that is too large for a narrow topic.
fn large(db: &DatabaseHandle, key: &str) -> String {
    insert(db, "order", key, 10_000)
}

/// An event with a payload of so many characters; its id.
fn insert(db: &DatabaseHandle, aggregate: &str, key: &str, bytes: usize) -> String {
    db.query_one_text(&format!(
        "insert into outbox (aggregatetype, aggregateid, type, payload)
         values ('{aggregate}', '{key}', 'placed', to_jsonb(repeat('x', {bytes}))) returning id"
    ))
}

/// Until so many letters and marks are there.
fn letters(db: &DatabaseHandle, kafka: &Broker, n: usize) -> Vec<Record> {
    kafka.wait_records(&[&letters_topic(db)], n, PATIENCE)
}

fn stop(mut connector: Connector) {
    connector.sigterm();
    connector.wait_exit(PATIENCE);
}

/// Really replays.
fn replay(builder: &ConnectorBuilder, db: &DatabaseHandle, flags: &str, code: i32) -> Value {
    ask_json(builder, &format!("dlq replay --confirm {} {flags}", letters_topic(db)), code)
}

/// What is told of these letters: event ids of those with this result.
fn ids_of(told: &Value, result: &str) -> Vec<String> {
    let all = told["letters"].as_array().expect("a list").iter();
    all.filter(|letter| letter["result"] == result).map(id_of).collect()
}

fn id_of(letter: &Value) -> String {
    letter["event_id"].as_str().expect("an id").to_owned()
}

/// The ids that `dlq list` shows.
fn listed(builder: &ConnectorBuilder, flags: &str) -> Vec<String> {
    let told = ask_json(builder, &format!("dlq list {flags}"), 0);
    told["letters"].as_array().expect("a list").iter().map(id_of).collect()
}

/// The header `id` of each record.
fn ids(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.header("id").expect("an id").to_owned()).collect()
}

/// Where all partitions of a topic end: markers of transactions count.
fn ends(kafka: &Broker, topic: &str) -> Vec<i64> {
    let consumer: BaseConsumer = kafka.client().create().expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("metadata");
    let partitions = metadata.topics()[0].partitions().len() as i32;
    let end = |partition| consumer.fetch_watermarks(topic, partition, PATIENCE).expect("an end").1;
    (0..partitions).map(end).collect()
}
