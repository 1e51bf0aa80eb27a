//! CloudEvents as the stock Python SDK reads them, in both modes, around data of every kind.

use super::stock::stock as by_client;
use super::{AVRO, TOPIC_RECORD, member, read, subject};
use crate::cli::{ask_json, refused};
use crate::kit::{Router, connector, outbox, run, wait_events};
use crate::support::{Broker, ConnectorBuilder, DatabaseHandle, PATIENCE, Record, Registry, python};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const MODES: [&str; 2] = ["binary", "structured"];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the SDK reads: attributes, data, and the data as its first version has it.
fn stock(record: &Record) -> Value {
    let headers = record.headers.iter().map(|(name, value)| json!([name, value.as_deref().map(hex)]));
    let (key, value) = (record.key.as_deref().map(hex), record.value.as_deref().map(hex));
    let task = json!({ "headers": headers.collect::<Vec<_>>(), "key": key, "value": value });
    python::with_cloudevents(include_str!("read_event.py"), &task)
}

fn cloud(db: &DatabaseHandle, kafka: &Broker, mode: &str) -> ConnectorBuilder {
    connector(db, kafka)
        .set("value.converter", "StringConverter")
        .set("walpost.cloudevents.mode", mode)
        .set("walpost.cloudevents.type.prefix", "com.acme.")
}

/// The record of one event of this payload.
fn one(db: &DatabaseHandle, kafka: &Broker, builder: ConnectorBuilder, payload: &str) -> Record {
    let _running = run(builder);
    db.insert("order", "10711fa5", "OrderPlaced", payload);
    wait_events(kafka, db, &["order"], 1).remove(0)
}

#[test]
fn json_with_all_attributes_is_read_by_the_stock_sdk() {
    for mode in MODES {
        let (db, kafka) = outbox();
        db.execute(
            "alter table outbox add occurred_at timestamptz default '2024-02-29 13:51:30.5+02', add tenant_id text default 'Zürich',
             add nth bigint default 42, add context text, add nothing text",
        );
        db.execute(&format!("alter table outbox alter context set default '{PARENT}'"));
        // The SDK's first version takes every header of a structured event for an attribute: there, `id` is to be text.
        let header = if mode == "binary" { "json.JsonConverter" } else { "storage.StringConverter" };
        let builder = cloud(&db, kafka, mode)
            .set("header.converter", format!("org.apache.kafka.connect.{header}"))
            .set("walpost.cloudevents.time", "occurred_at")
            .set("walpost.cloudevents.sequence", "nth")
            .set("walpost.cloudevents.source", "https://acme.example/${table}")
            .set("walpost.cloudevents.dataschema", "https://acme.example/schemas/${type}")
            .router("tracing.span.context.field", "context")
            .router("table.fields.additional.placement", "tenant_id:ce:tenant,nothing:ce");
        let record = one(&db, kafka, builder, r#"{"n": 1, "name": "Zürich"}"#);
        let told = stock(&record);
        let id = db.query_one_text("select id::text from outbox");
        assert_eq!(
            told["attributes"],
            json!({
                "specversion": "1.0", "id": id, "source": "https://acme.example/public.outbox",
                "type": "com.acme.OrderPlaced", "subject": "10711fa5", "time": "2024-02-29 11:51:30.500000+00:00",
                "datacontenttype": "application/json", "dataschema": "https://acme.example/schemas/OrderPlaced",
                "sequence": "0000000000000000042", "tenant": "Zürich", "traceparent": PARENT,
                // The SDK takes the record's key for it.
                "partitionkey": "10711fa5",
            }),
            "{mode}"
        );
        assert_eq!(told["data"], json!({ "n": 1, "name": "Zürich" }), "{mode}");
        assert_eq!(record.header("ce_id").is_some(), mode == "binary");
        // Debezium's own header is there as well, by the header converter.
        let header = record.header("id").expect("a header");
        assert_eq!((header == id, header.contains(r#""payload":"#)), (mode != "binary", mode == "binary"));
    }
}

#[test]
fn bytes_are_read_by_the_stock_sdk_as_they_were_written() {
    for mode in MODES {
        let (db, kafka) = outbox();
        db.execute("alter table outbox alter payload type bytea using null");
        let builder = cloud(&db, kafka, mode)
            .set("value.converter", "io.debezium.converters.BinaryDataConverter")
            .set("walpost.cloudevents.datacontenttype", "image/png");
        let told = stock(&one(&db, kafka, builder, r"\x89504e470d0a1a0aff00"));
        assert_eq!(
            (&told["hex"], &told["v1"]["hex"]),
            (&json!("89504e470d0a1a0aff00"), &json!("89504e470d0a1a0aff00"))
        );
        assert_eq!(told["attributes"]["source"], format!("/{}/public.outbox", db.name()));
        if mode == "binary" {
            assert_eq!(told["attributes"]["datacontenttype"], "image/png");
        }
    }
}

#[test]
fn avro_by_a_registered_schema_is_in_the_event_as_it_would_be_in_the_topic() {
    let registry = Registry::shared();
    for mode in MODES {
        let (db, kafka) = outbox();
        let schema = r#"{"type":"record","name":"OrderPlaced","namespace":"acme","fields":[{"name":"n","type":"long"}]}"#;
        let id = registry.register(&subject(&db, "order", "OrderPlaced"), schema);
        let builder = cloud(&db, kafka, mode)
            .set("value.converter", AVRO)
            .set("value.converter.schema.registry.url", registry.url())
            .set("value.converter.value.subject.name.strategy", TOPIC_RECORD)
            .set("walpost.value.schema", "registered")
            .set("walpost.value.schema.name", "acme.${type}")
            .set("walpost.cloudevents.dataschema", format!("{}/schemas/ids/${{id}}", registry.url()));
        let told = stock(&one(&db, kafka, builder, r#"{"n": 9007199254740993}"#));
        let data = told["v1"]["hex"].as_str().expect("bytes");
        let bytes: Vec<u8> = (0..data.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&data[at..at + 2], 16).expect("hex"))
            .collect();
        let value = member(&read(registry, &bytes), "n");
        assert_eq!(value, apache_avro::types::Value::Long(9_007_199_254_740_993), "{mode}");
        assert_eq!(told["attributes"]["datacontenttype"], "application/avro", "{mode}");
        assert_eq!(
            told["attributes"]["dataschema"],
            format!("{}/schemas/ids/{id}", registry.url()),
            "{mode}"
        );
    }
}

/// A row that lacks a required attribute is a dead letter; the others go on, and `verify` makes the same records of them.
#[test]
fn rows_that_are_no_cloudevents_are_dead_letters_and_verify_knows_the_others() {
    for mode in MODES {
        let (db, kafka) = outbox();
        let builder = cloud(&db, kafka, mode)
            .set("errors.tolerance", "all")
            .set("errors.deadletterqueue.topic.name", db.topic("dlt"))
            .set("errors.deadletterqueue.topic.replication.factor", 1);
        let connector = run(builder.clone());
        db.insert("order", "1", "OrderPlaced", "{}");
        db.insert("order", "2", "", r#"{"hush": "hush"}"#);
        db.execute(
            "insert into outbox (aggregatetype, aggregateid, type) values ('order', '3', 'OrderGone')",
        );
        let records = wait_events(kafka, &db, &["order"], 2);
        assert_eq!(
            records.iter().filter(|record| record.value.is_none()).count(),
            usize::from(mode == "binary")
        );
        let letters = kafka.wait_records(&[&db.topic("dlt")], 1, PATIENCE);
        let detail = letters[0].header("outbox.dlt.detail").expect("a detail");
        assert_eq!(detail, "a CloudEvent must have the attribute type, and column type is NULL or empty");
        let told = ask_json(&builder, "verify", 0);
        let total = ["matched", "altered", "dead_letter"].map(|name| told["total"][name].as_i64());
        assert_eq!(total, [Some(2), Some(0), Some(1)], "{mode} {told:#}");
        drop(connector);
    }
}

fn debezium(db: &DatabaseHandle, kafka: &Broker) -> ConnectorBuilder {
    connector(db, kafka)
        .set("transforms", "meta,outbox")
        .set("transforms.meta.type", "org.apache.kafka.connect.transforms.HeaderFrom$Value")
        .set("transforms.meta.fields", "source,op,transaction")
        .set("transforms.meta.headers", "source,op,transaction")
        .set("transforms.meta.operation", "copy")
        .router("table.expand.json.payload", "true")
        .router("table.fields.additional.placement", "type:header")
        .set("value.converter", "io.debezium.converters.CloudEventsConverter")
        .set("value.converter.metadata.source", "header")
        .set("value.converter.extension.attributes.enable", "false")
}

/// Debezium's converter, configured as Debezium's documentation has it for the event router, but for the header converter: the
/// SDK's first version takes headers for attributes.
#[test]
fn debeziums_converter_makes_events_that_the_stock_sdk_reads_with_the_time_of_their_commit() {
    let (db, kafka) = outbox();
    let builder = debezium(&db, kafka).set("value.converter.json.schemas.enable", "false");
    let began = db.query_one_text(
        "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS')",
    );
    let record = one(&db, kafka, builder.clone(), r#"{"n": 1}"#);
    let told = stock(&record);
    let ended = db.query_one_text(
        "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS')",
    );
    assert_eq!((&told["data"], &told["attributes"]["type"]), (&json!({ "n": 1 }), &json!("OrderPlaced")));
    assert_eq!(told["attributes"]["source"], format!("/debezium/postgresql/{}", db.name()));
    let value: Value = serde_json::from_str(record.value_text()).expect("JSON");
    let time = value["time"].as_str().and_then(|time| time.strip_suffix('Z')).expect("a time");
    assert!(began.as_str() <= time && time <= ended.as_str(), "{began} {time} {ended}");
    // A row does not tell when it was committed.
    refused(&builder, "verify", 2, &["a row does not tell that", "walpost.cloudevents.mode=structured"]);
    refused(&builder, "repair", 2, &["a row does not tell that"]);
}

/// The data's schema, and the event's, are registered by subjects of their own, and Confluent's client reads both.
#[test]
fn debeziums_converter_writes_data_in_avro_and_the_stock_client_reads_it_by_the_schema_that_the_event_names()
{
    let registry = Registry::shared();
    for is_avro in [false, true] {
        let (db, kafka) = outbox();
        let builder = debezium(&db, kafka)
            .set("value.converter.serializer.type", if is_avro { "avro" } else { "json" })
            .set("value.converter.data.serializer.type", "avro")
            .set("value.converter.avro.schema.registry.url", registry.url());
        let record = one(&db, kafka, builder, r#"{"n": 9007199254740993, "in": {"note": "Zürich"}}"#);
        let value = record.value.as_deref().expect("a value");
        let event: Value = match is_avro {
            true => by_client(registry, value, None),
            false => serde_json::from_slice(value).expect("JSON"),
        };
        let data = STANDARD.decode(event["data"].as_str().expect("a text")).expect("base64");
        let read = by_client(registry, &data, None);
        assert_eq!(read, json!({ "n": 9_007_199_254_740_993_i64, "in": { "note": "Zürich" } }));
        let id = i32::from_be_bytes(data[1..5].try_into().expect("four bytes"));
        assert_eq!(event["dataschema"], format!("{}/schemas/ids/{id}", registry.url()));
        assert_eq!(
            (&event["datacontenttype"], &event["specversion"], &event["type"], &event["id"]),
            (&json!("application/avro"), &json!("1.0"), &json!("OrderPlaced"), &json!(record.header("id")))
        );
        assert!(
            event["time"].as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 24),
            "{event}"
        );
        let versions = |subject: &str| registry.versions(&format!("{}{subject}", db.topic("order")));
        assert_eq!(versions("-value"), 1);
        if is_avro {
            assert_eq!(versions("-data-value"), 1);
            let id = i32::from_be_bytes(value[1..5].try_into().expect("four bytes"));
            let name = format!(r#""namespace":"{}.{}.CloudEvents""#, db.name(), db.name());
            assert!(registry.schema(id).contains(&name), "{}", registry.schema(id));
        }
    }
}
