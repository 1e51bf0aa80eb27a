//! Keys and values as a consumer reads them.

use super::{AVRO, TOPIC_RECORD, avro, member, read, registered, subject, value};
use crate::kit::{Router, connector, outbox, run, wait_events};
use crate::support::Registry;
use apache_avro::types::Value;

#[test]
fn inferred_schemas_are_registered_and_read_back() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    let _running = run(avro(&db, kafka, registry)
        .set("key.converter", AVRO)
        .set("key.converter.schema.registry.url", registry.url())
        .router("table.expand.json.payload", "true")
        .router("table.fields.additional.placement", "type:envelope:kind"));
    db.insert("order", "10711fa5", "OrderPlaced", r#"{"total": 12.5, "lines": [{"sku": "a"}]}"#);
    let records = wait_events(kafka, &db, &["order"], 1);
    let key = read(registry, records[0].key.as_deref().expect("a key"));
    assert_eq!(key, Value::String("10711fa5".into()));
    let envelope = value(registry, &records[0]);
    assert_eq!(member(&envelope, "kind"), Value::String("OrderPlaced".into()));
    let payload = member(&envelope, "payload");
    assert_eq!(member(&payload, "total"), Value::Union(1, Box::new(Value::Double(12.5))));
    assert_eq!(registry.versions(&format!("{}-value", db.topic("order"))), 1);
    assert_eq!(registry.versions(&format!("{}-key", db.topic("order"))), 1);
}

#[test]
fn payloads_are_encoded_by_the_schemas_registered_for_their_types() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    let placed = r#"{"type":"record","name":"OrderPlaced","namespace":"acme","fields":[
        {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"total","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
        {"name":"note","type":["null","string"],"default":null},
        {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
            {"name":"sku","type":"string"},{"name":"count","type":"int","default":1}]}}}]}"#;
    let shipped = r#"{"type":"record","name":"OrderShipped","namespace":"acme","fields":[{"name":"parcel","type":"long"}]}"#;
    registry.register(&subject(&db, "order", "OrderPlaced"), placed);
    registry.register(&subject(&db, "order", "OrderShipped"), shipped);
    let _running = run(registered(&db, kafka, registry));
    db.insert(
        "order",
        "1",
        "OrderPlaced",
        r#"{"at":"2024-02-29T13:51:30.123+02:00","total":12.5,"lines":[{"sku":"a","count":3},{"sku":"b"}]}"#,
    );
    db.insert("order", "1", "OrderShipped", r#"{"parcel": 9007199254740993}"#);
    let records = wait_events(kafka, &db, &["order"], 2);
    let placed = value(registry, &records[0]);
    assert_eq!(member(&placed, "at"), Value::TimestampMillis(1_709_207_490_123));
    assert_eq!(member(&placed, "note"), Value::Union(0, Box::new(Value::Null)));
    let Value::Array(lines) = member(&placed, "lines") else { panic!("no array") };
    assert_eq!(member(&lines[1], "count"), Value::Int(1));
    let shipped = value(registry, &records[1]);
    assert_eq!(member(&shipped, "parcel"), Value::Long(9_007_199_254_740_993));
}

#[test]
fn bytes_that_the_application_has_framed_pass_if_the_registry_knows_their_schema() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    db.execute("alter table outbox alter payload type bytea using null");
    let schema =
        r#"{"type":"record","name":"OrderPlaced","namespace":"acme","fields":[{"name":"n","type":"int"}]}"#;
    let id = registry.register(&subject(&db, "order", "OrderPlaced"), schema);
    let mut connector = run(connector(&db, kafka)
        .set("value.converter", "io.debezium.converters.BinaryDataConverter")
        .set("value.converter.schema.registry.url", registry.url())
        .set("value.converter.value.subject.name.strategy", TOPIC_RECORD)
        .set("walpost.value.schema.name", "acme.${type}")
        .set("walpost.value.verify", "subject"));
    let insert = |payload: &str, kind: &str| {
        db.execute(&format!(
            "insert into outbox (aggregatetype, aggregateid, type, payload) values ('order', '1', '{kind}', '\\x{payload}')"
        ));
    };
    insert(&format!("00{id:08x}54"), "OrderPlaced");
    let records = wait_events(kafka, &db, &["order"], 1);
    assert_eq!(member(&value(registry, &records[0]), "n"), Value::Int(42));
    // The schema is not one of this type's subject.
    insert(&format!("00{id:08x}54"), "OrderShipped");
    let (exit, log) = connector.wait_exit(crate::support::PATIENCE);
    assert_eq!(exit.code(), Some(10), "{log}");
    assert!(log.contains("is not one of subject") && log.contains("schema_refused"), "{log}");
}
