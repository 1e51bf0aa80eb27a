//! Avro, JSON Schema and Protobuf, and the schema registry.
//!
//! - `login`      TLS, with certificates of our own
//! - `read_back`  what a consumer reads that asks the registry for the schema of the id in front
//! - `refused`    payloads and schemas that do not fit
//! - `commands`   `walpost schema`
//! - `cloudevents` CloudEvents around any of them, read by the stock SDK
//! - `stock`      JSON Schema and Protobuf, read by the stock client
//! - `inferred`   the same by schemas that are inferred
//! - `types`      every column type by inferred schemas, read by the stock client
//! - `away`       the registry goes away, with and without a schema that is not known yet
//! - `pages`      docs/formats: each page's example, run

mod away;
mod cloudevents;
mod commands;
mod inferred;
mod login;
mod pages;
mod read_back;
mod refused;
mod stock;
mod types;

use crate::kit::connector;
use crate::support::{Broker, ConnectorBuilder, DatabaseHandle, Record, Registry};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;

const AVRO: &str = "io.confluent.connect.avro.AvroConverter";
const JSON_SCHEMA: &str = "io.confluent.connect.json.JsonSchemaConverter";
const PROTOBUF: &str = "io.confluent.connect.protobuf.ProtobufConverter";
const TOPIC_RECORD: &str = "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy";

/// A connector whose values are Avro, and that asks this registry.
fn avro(db: &DatabaseHandle, kafka: &Broker, registry: &Registry) -> ConnectorBuilder {
    by(AVRO, db, kafka, registry)
}

fn by(converter: &str, db: &DatabaseHandle, kafka: &Broker, registry: &Registry) -> ConnectorBuilder {
    connector(db, kafka)
        .set("value.converter", converter)
        .set("value.converter.schema.registry.url", registry.url())
        .set("retriable.restart.connector.wait.ms", 300)
}

/// The same, by the schemas that are registered for the events' types.
fn registered(db: &DatabaseHandle, kafka: &Broker, registry: &Registry) -> ConnectorBuilder {
    registered_by(AVRO, db, kafka, registry)
}

fn registered_by(
    converter: &str,
    db: &DatabaseHandle,
    kafka: &Broker,
    registry: &Registry,
) -> ConnectorBuilder {
    by(converter, db, kafka, registry)
        .set("value.converter.value.subject.name.strategy", TOPIC_RECORD)
        .set("walpost.value.schema", "registered")
        .set("walpost.value.schema.name", "acme.${type}")
}

/// The subject of this type's events in the topic of this aggregate.
fn subject(db: &DatabaseHandle, aggregate: &str, kind: &str) -> String {
    format!("{}-acme.{kind}", db.topic(aggregate))
}

/// What a consumer makes of framed bytes, by the schema that the registry has for their id.
fn read(registry: &Registry, bytes: &[u8]) -> Value {
    assert_eq!(bytes[0], 0, "not framed: {bytes:?}");
    let id = i32::from_be_bytes(bytes[1..5].try_into().expect("four bytes"));
    let schema = Schema::parse_str(&registry.schema(id)).expect("a schema");
    let mut rest = &bytes[5..];
    let reader = GenericDatumReader::builder(&schema).build().expect("a reader");
    let value = reader.read_value(&mut rest).expect("a value");
    assert!(rest.is_empty(), "{} bytes too many", rest.len());
    value
}

fn value(registry: &Registry, record: &Record) -> Value {
    read(registry, record.value.as_deref().expect("a value"))
}

fn member(value: &Value, name: &str) -> Value {
    match value {
        Value::Union(_, inner) => member(inner, name),
        Value::Record(members) => members.iter().find(|(known, _)| known == name).expect(name).1.clone(),
        other => panic!("no record: {other:?}"),
    }
}
