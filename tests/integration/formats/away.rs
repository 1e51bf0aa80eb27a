//! The registry goes away: nothing is lost, nothing comes twice, and nothing is published that is not encoded.

use super::{AVRO, JSON_SCHEMA, PROTOBUF, avro, member, read, registered_by, subject, value};
use crate::kit::{Router, outbox, run, wait_events};
use crate::support::{Record, Registry};
use apache_avro::types::Value;
use serde_json::json;
use std::ops::Range;

/// What one language needs for events that have a number.
struct Language {
    converter: &'static str,
    /// As the registry calls it.
    name: &'static str,
    placed: &'static str,
    shipped: &'static str,
    /// The number in framed bytes.
    number: fn(&Registry, &[u8]) -> u8,
}

const IN_AVRO: Language = Language {
    converter: AVRO,
    name: "AVRO",
    placed: r#"{"type":"record","name":"OrderPlaced","namespace":"acme","fields":[{"name":"n","type":"int"}]}"#,
    shipped: r#"{"type":"record","name":"OrderShipped","namespace":"acme","fields":[{"name":"n","type":"int"},{"name":"to","type":"string"}]}"#,
    number: |registry, bytes| match member(&read(registry, bytes), "n") {
        Value::Int(number) => number as u8,
        other => panic!("no number: {other:?}"),
    },
};

const IN_JSON: Language = Language {
    converter: JSON_SCHEMA,
    name: "JSON",
    placed: r#"{"type":"object","title":"OrderPlaced","properties":{"n":{"type":"integer"}}}"#,
    shipped: r#"{"type":"object","title":"OrderShipped","properties":{"n":{"type":"integer"},"to":{"type":"string"}}}"#,
    number: |_, bytes| {
        assert_eq!(bytes[0], 0, "not framed: {bytes:?}");
        let payload: serde_json::Value = serde_json::from_slice(&bytes[5..]).expect("JSON");
        payload["n"].as_u64().expect("a number") as u8
    },
};

const IN_PROTOBUF: Language = Language {
    converter: PROTOBUF,
    name: "PROTOBUF",
    placed: "syntax = \"proto3\";\npackage acme;\n\nmessage OrderPlaced {\n  int32 n = 1;\n}\n",
    shipped: "syntax = \"proto3\";\npackage acme;\n\nmessage OrderShipped {\n  int32 n = 1;\n  string to = 2;\n}\n",
    // The first message of its file; field 1, which is not written when it is zero.
    number: |_, bytes| match bytes {
        [0, _, _, _, _, 0] => 0,
        [0, _, _, _, _, 0, 0x08, number, ..] => *number,
        other => panic!("not framed: {other:?}"),
    },
};

/// Each number once; in which order, the partitions say.
fn sorted(numbers: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut numbers: Vec<u8> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

fn known_schemas_go_on_and_an_unknown_one_waits(language: &Language) {
    let ((db, kafka), registry) = (outbox(), Registry::start());
    for (kind, schema) in [("OrderPlaced", language.placed), ("OrderShipped", language.shipped)] {
        registry.register_as(language.name, &subject(&db, "order", kind), schema, &json!([]));
    }
    let mut connector = run(registered_by(language.converter, &db, kafka, &registry));
    let place = |numbers: Range<u8>| {
        for n in numbers {
            db.insert("order", &n.to_string(), "OrderPlaced", &format!("{{\"n\":{n}}}"));
        }
    };
    place(0..20);
    wait_events(kafka, &db, &["order"], 20);
    registry.kill();

    // Known: the schema is asked for once, not for each event.
    place(20..40);
    wait_events(kafka, &db, &["order"], 40);

    // Not known: it waits, and what comes after it. What is before it is published.
    place(40..50);
    db.insert("order", "50", "OrderShipped", r#"{"n":50,"to":"Bern"}"#);
    place(51..60);
    wait_events(kafka, &db, &["order"], 50);
    connector.wait_log("the schema registry does not answer");
    assert!(connector.is_running(), "{}", connector.log());
    assert_eq!(wait_events(kafka, &db, &["order"], 50).len(), 50, "nothing behind it is published");

    // A crash forgets the schemas that were known, and the position is kept.
    connector.kill9();
    connector.start_again();
    registry.start_again();
    let records = wait_events(kafka, &db, &["order"], 60);
    let number = |record: &Record| (language.number)(&registry, record.value.as_deref().expect("a value"));
    assert_eq!(sorted(records.iter().map(number)), (0..60).collect::<Vec<_>>());
}

#[test]
fn events_of_known_schemas_go_on_and_one_of_an_unknown_schema_waits_for_the_registry() {
    known_schemas_go_on_and_an_unknown_one_waits(&IN_AVRO);
}

#[test]
fn with_json_schemas_known_ones_go_on_and_an_unknown_one_waits_for_the_registry() {
    known_schemas_go_on_and_an_unknown_one_waits(&IN_JSON);
}

#[test]
fn with_protobuf_known_schemas_go_on_and_an_unknown_one_waits_for_the_registry() {
    known_schemas_go_on_and_an_unknown_one_waits(&IN_PROTOBUF);
}

/// The application goes on writing meanwhile; from number 100 on there is a member more, whose schema is to be registered.
#[test]
fn a_schema_that_changes_under_load_while_the_registry_is_away_is_registered_when_it_is_back() {
    let ((db, kafka), registry) = (outbox(), Registry::start());
    let mut connector = run(avro(&db, kafka, &registry).router("table.expand.json.payload", "true"));
    let records = std::thread::scope(|scope| {
        let place = |numbers: Range<u8>| {
            for n in numbers {
                let more = if n < 100 { "" } else { r#","to":"Bern""# };
                db.insert("order", &n.to_string(), "OrderPlaced", &format!("{{\"n\":{n}{more}}}"));
            }
        };
        place(0..1);
        wait_events(kafka, &db, &["order"], 1);
        registry.kill();
        scope.spawn(move || place(1..200));
        connector.wait_log("the schema registry does not answer");
        assert_eq!(wait_events(kafka, &db, &["order"], 100).len(), 100, "all of the schema that is known");
        registry.start_again();
        wait_events(kafka, &db, &["order"], 200)
    });
    let number = |record: &Record| match member(&value(&registry, record), "n") {
        Value::Union(_, number) => match *number {
            Value::Int(number) => number as u8,
            other => panic!("no number: {other:?}"),
        },
        other => panic!("no number: {other:?}"),
    };
    assert_eq!(sorted(records.iter().map(number)), (0..200).collect::<Vec<_>>());
    assert_eq!(registry.versions(&format!("{}-value", db.topic("order"))), 2);
    assert!(connector.is_running(), "{}", connector.log());
}
