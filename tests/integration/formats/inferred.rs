//! Avro, JSON Schema and Protobuf by inferred schemas, as the stock Python client of Confluent reads them.

use super::stock::stock;
use super::{AVRO, JSON_SCHEMA, PROTOBUF, by};
use crate::kit::{Router, outbox, run, wait_events};
use crate::support::{Broker, ConnectorBuilder, DatabaseHandle, PATIENCE, Registry};
use serde_json::json;

/// Keys and values by this converter: an envelope of the payload, taken apart, and of the type.
fn inferred(converter: &str, db: &DatabaseHandle, kafka: &Broker, registry: &Registry) -> ConnectorBuilder {
    by(converter, db, kafka, registry)
        .set("key.converter", converter)
        .set("key.converter.schema.registry.url", registry.url())
        .router("table.expand.json.payload", "true")
        .router("table.fields.additional.placement", "type:envelope:kind")
}

const PAYLOAD: &str =
    r#"{"total": 12.5, "note": "Zürich", "lines": [{"sku": "a", "count": 3}, {"sku": "b", "count": 0}]}"#;

#[test]
fn inferred_json_schemas_are_registered_and_the_stock_client_reads_by_them() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    // Apicurio takes no schema of a text alone for JSON Schema.
    let _running = run(inferred(JSON_SCHEMA, &db, kafka, registry)
        .set("key.converter", "org.apache.kafka.connect.storage.StringConverter"));
    db.insert("order", "10711fa5", "OrderPlaced", PAYLOAD);
    let records = wait_events(kafka, &db, &["order"], 1);
    let payload = json!({ "total": 12.5, "note": "Zürich",
        "lines": [{ "sku": "a", "count": 3 }, { "sku": "b", "count": 0 }] });
    let value = records[0].value.as_deref().expect("a value");
    assert_eq!(stock(registry, value, None), json!({ "payload": payload, "kind": "OrderPlaced" }));
    assert_eq!(registry.versions(&format!("{}-value", db.topic("order"))), 1);
}

#[test]
fn inferred_messages_are_registered_and_the_stock_client_reads_them_with_classes_of_the_registered_file() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    let _running = run(inferred(PROTOBUF, &db, kafka, registry));
    db.insert("order", "10711fa5", "OrderPlaced", PAYLOAD);
    let records = wait_events(kafka, &db, &["order"], 1);
    let value = records[0].value.as_deref().expect("a value");
    let id = i32::from_be_bytes(value[1..5].try_into().expect("four bytes"));
    assert_eq!(value[5], 0, "the first message of its file");
    let file = registry.schema(id);
    let files = [("order.proto", file.as_str())];
    assert_eq!(
        stock(registry, value, Some((&files, "Value"))),
        json!({ "payload": { "total": 12.5, "note": "Zürich",
            "lines": [{ "sku": "a", "count": 3 }, { "sku": "b" }] }, "kind": "OrderPlaced" })
    );
    // The seventh message of google/protobuf/wrappers.proto, counted from 0.
    let key = records[0].key.as_deref().expect("a key");
    assert_eq!(key[5..], [&[2, 14, 10, 8][..], b"10711fa5"].concat());
    for part in ["key", "value"] {
        assert_eq!(registry.versions(&format!("{}-{part}", db.topic("order"))), 1);
    }
}

#[test]
fn change_events_beside_an_outbox_are_read_by_the_stock_client() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    db.execute("create table customer (id int primary key, name text not null, note text default 'none')");
    for converter in [AVRO, JSON_SCHEMA] {
        let name = format!("{}_{}", db.name(), if converter == AVRO { "avro" } else { "json" });
        let mut connector = run(by(converter, &db, kafka, registry)
            .set("topic.prefix", &name)
            .set("slot.name", &name)
            .set("table.include.list", "public\\.outbox,public\\.customer")
            .set("publication.autocreate.mode", "filtered")
            .set("predicates", "isOutbox")
            .set(
                "predicates.isOutbox.type",
                "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
            )
            .set("predicates.isOutbox.pattern", format!("{name}\\.public\\.outbox"))
            .set("transforms.outbox.predicate", "isOutbox")
            .set("key.converter", converter)
            .set("key.converter.schema.registry.url", registry.url()));
        db.execute("insert into customer values (1, 'Anna', null); delete from customer");
        let records = kafka.wait_records(&[&format!("{name}.public.customer")], 3, PATIENCE);
        let read = |bytes: &Option<Vec<u8>>| stock(registry, bytes.as_deref().expect("bytes"), None);
        assert_eq!(
            records.iter().map(|record| read(&record.key)["id"].clone()).collect::<Vec<_>>(),
            [1, 1, 1]
        );
        assert!(records[2].value.is_none(), "a tombstone");
        let [created, deleted] = [0, 1].map(|at| read(&records[at].value));
        // NULL is the default, to Connect.
        assert_eq!(created["after"], json!({ "id": 1, "name": "Anna", "note": "none" }));
        assert_eq!((&created["op"], &created["before"]), (&json!("c"), &json!(null)));
        assert_eq!((&deleted["op"], &deleted["before"]["id"]), (&json!("d"), &json!(1)));
        let source = &created["source"];
        assert_eq!((&source["table"], &source["snapshot"]), (&json!("customer"), &json!("false")));
        assert_eq!(source["db"], db.name());
        connector.sigterm();
        connector.wait_exit(PATIENCE);
    }
}
