//! Payloads that do not fit their schema, and schemas that do not fit those before them.

use super::{avro, registered, subject};
use crate::kit::{Router, outbox, run, wait_events};
use crate::support::{Broker, ConnectorBuilder, DatabaseHandle, PATIENCE, Record, Registry};

fn forgiving(builder: ConnectorBuilder, db: &DatabaseHandle) -> ConnectorBuilder {
    builder
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", db.topic("dlt"))
        .set("errors.deadletterqueue.topic.replication.factor", 1)
}

fn letter(kafka: &Broker, db: &DatabaseHandle) -> Record {
    let mut letters = kafka.wait_records(&[&db.topic("dlt")], 1, PATIENCE);
    assert_eq!(letters.len(), 1);
    letters.remove(0)
}

/// All that the letter's headers say.
fn told(letter: &Record) -> String {
    let texts = letter.headers.iter().filter_map(|(_, value)| value.as_deref());
    texts.map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_payload_that_does_not_fit_is_a_dead_letter_that_says_where_and_not_what() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    let schema = r#"{"type":"record","name":"OrderPlaced","namespace":"acme","fields":[
        {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
            {"name":"count","type":"int"}]}}}]}"#;
    registry.register(&subject(&db, "order", "OrderPlaced"), schema);
    let _running = run(forgiving(registered(&db, kafka, registry), &db));
    db.insert("order", "1", "OrderPlaced", r#"{"lines":[{"count":1}]}"#);
    db.insert("order", "2", "OrderPlaced", r#"{"lines":[{"count":1},{"count":"hush-hush"}]}"#);
    db.insert("order", "3", "OrderPlaced", r#"{"lines":[]}"#);
    let events = wait_events(kafka, &db, &["order"], 2);
    assert_eq!(events.iter().map(Record::key_text).collect::<Vec<_>>().len(), 2);
    let told = told(&letter(kafka, &db));
    assert!(told.contains("$.lines[1].count is text, not an int"), "{told}");
    assert!(told.contains("payload_not_encodable") && !told.contains("hush-hush"), "{told}");
}

#[test]
fn a_schema_that_is_not_compatible_is_refused_with_the_rule_and_not_registered() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    let value = format!("{}-value", db.topic("order"));
    let expanding = avro(&db, kafka, registry).router("table.expand.json.payload", "true");
    let _running = run(forgiving(expanding, &db));
    db.insert("order", "1", "OrderPlaced", r#"{"count": 1}"#);
    wait_events(kafka, &db, &["order"], 1);
    registry.set_level(&value, "BACKWARD");
    db.insert("order", "2", "OrderPlaced", r#"{"count": "many"}"#);
    db.insert("order", "3", "OrderPlaced", r#"{"count": 2, "colour": "red"}"#);
    wait_events(kafka, &db, &["order"], 2);
    let told = told(&letter(kafka, &db));
    assert!(
        told.contains("schema_refused") && told.contains(&format!("subject {value} by BACKWARD")),
        "{told}"
    );
    assert_eq!(registry.versions(&value), 2);
}

#[test]
fn an_event_without_a_registered_schema_stops_the_connector_by_default() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    let mut connector = run(registered(&db, kafka, registry));
    db.insert("order", "1", "NobodyKnows", "{}");
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(10), "{log}");
    assert!(log.contains(&subject(&db, "order", "NobodyKnows")), "{log}");
}
