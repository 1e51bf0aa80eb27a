//! The registry goes away: nothing is lost, nothing comes twice, and nothing is published that is not encoded.

use super::{member, registered, subject, value};
use crate::kit::{outbox, run, wait_events};
use crate::support::{Record, Registry};
use apache_avro::types::Value;
use std::collections::BTreeSet;

const PLACED: &str =
    r#"{"type":"record","name":"OrderPlaced","namespace":"acme","fields":[{"name":"n","type":"int"}]}"#;
const SHIPPED: &str = r#"{"type":"record","name":"OrderShipped","namespace":"acme","fields":[{"name":"n","type":"int"},{"name":"to","type":"string"}]}"#;

/// The number in each event, all of them encoded.
fn numbers(registry: &Registry, records: &[Record]) -> Vec<i32> {
    let number = |record: &Record| match member(&value(registry, record), "n") {
        Value::Int(number) => number,
        other => panic!("no number: {other:?}"),
    };
    records.iter().map(number).collect()
}

#[test]
fn events_of_known_schemas_go_on_and_one_of_an_unknown_schema_waits_for_the_registry() {
    let ((db, kafka), registry) = (outbox(), Registry::start());
    registry.register(&subject(&db, "order", "OrderPlaced"), PLACED);
    registry.register(&subject(&db, "order", "OrderShipped"), SHIPPED);
    let mut connector = run(registered(&db, kafka, &registry));
    let place = |numbers: std::ops::Range<i32>| {
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
    let numbers = numbers(&registry, &records);
    assert_eq!(numbers.len(), 60, "{numbers:?}");
    assert_eq!(numbers.iter().copied().collect::<BTreeSet<_>>(), (0..60).collect());
}
