//! Every column type as a member of an envelope, by inferred schemas, as Confluent's own Python client reads it.

use super::stock::stock;
use super::{AVRO, JSON_SCHEMA, PROTOBUF, by};
use crate::kit::{Router, outbox, run, wait_events};
use crate::support::Registry;
use serde_json::{Map, Value, json};

/// Column, type, and its one value.
const COLUMNS: [(&str, &str, &str); 33] = [
    ("bool", "boolean", "true"),
    ("small", "smallint", "-5"),
    ("int", "int", "42"),
    ("big", "bigint", "9007199254740993"),
    ("real", "real", "3.3"),
    ("double", "double precision", "1e21"),
    ("fixed", "numeric(10,2)", "12345.60"),
    ("free", "numeric", "12.340"),
    ("cash", "money", "1234.5"),
    ("chars", "char(5)", "ab"),
    ("text", "text", "q\"ü\\"),
    ("uuid", "uuid", "59a42efd-b015-44a9-9dde-cb36d9002425"),
    ("json", "json", r#"{ "b":1,  "a":[ 1.50 ]}"#),
    ("jsonb", "jsonb", r#"{ "b":1,  "a":[ 1.50 ]}"#),
    ("xml", "xml", "<a>1</a>"),
    ("bytes", "bytea", r"\x00ff80"),
    ("date", "date", "2024-02-29"),
    ("time", "time", "13:51:30.123456"),
    ("time3", "time(3)", "13:51:30.123"),
    ("timetz", "timetz", "13:51:30.123789+02"),
    ("stamp", "timestamp", "2024-02-29 13:51:30.123456"),
    ("stamp3", "timestamp(3)", "2024-02-29 13:51:30.123"),
    ("stamptz", "timestamptz", "2024-02-29 13:51:30.123456+02"),
    ("span", "interval", "1 year 2 mons 3 days 04:05:06.000007"),
    ("bit", "bit(1)", "1"),
    ("bits", "bit(5)", "10110"),
    ("address", "inet", "10.0.0.1/24"),
    ("ints", "int[]", "{1,-2,3}"),
    ("texts", "text[]", r#"{"a","b \"q\""}"#),
    ("point", "point", "(1.5,2)"),
    ("mood", "mood", "happy"),
    ("range", "int4range", "[1,5)"),
    ("oid", "oid", "4294967295"),
];

/// The value of a row with all of them; and without any, but for the payload.
fn read(converter: &str) -> [Value; 2] {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    db.execute("create type mood as enum ('sad', 'happy')");
    let columns = COLUMNS.map(|(name, sql, _)| format!("add \"{name}\" {sql}"));
    db.execute(&format!("alter table outbox {}", columns.join(", ")));
    let placement = COLUMNS.map(|(name, ..)| format!("{name}:envelope")).join(",");
    let _running =
        run(by(converter, &db, kafka, registry).router("table.fields.additional.placement", &placement));
    let names = COLUMNS.map(|(name, ..)| format!("\"{name}\"")).join(", ");
    let values = COLUMNS.map(|(.., value)| format!("'{value}'")).join(", ");
    let row = "insert into outbox (id, aggregatetype, aggregateid, type, payload";
    db.execute(&format!(
        "{row}, {names}) values (gen_random_uuid(), 'order', '1', 'OrderPlaced', '{{}}', {values})"
    ));
    db.execute(&format!("{row}) values (gen_random_uuid(), 'order', '1', 'OrderPlaced', '{{}}')"));
    let records = wait_events(kafka, &db, &["order"], 2);
    [0, 1].map(|at| {
        let value = records[at].value.as_deref().expect("a value");
        if converter != PROTOBUF {
            return stock(registry, value, None);
        }
        let id = i32::from_be_bytes(value[1..5].try_into().expect("four bytes"));
        // Whoever takes a schema from Confluent's registry has its options, and no import of them.
        let own = "import \"confluent/type/decimal.proto\";\n";
        let file = registry.schema(id).replace(own, &format!("import \"confluent/meta.proto\";\n{own}"));
        let files = [
            ("confluent/meta.proto", META),
            ("confluent/type/decimal.proto", DECIMAL),
            ("order.proto", &file),
        ];
        stock(registry, value, Some((&files, "Value")))
    })
}

const DECIMAL: &str = "syntax = \"proto3\"; package confluent.type;
message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }";
const META: &str = "syntax = \"proto3\"; package confluent; import \"google/protobuf/descriptor.proto\";
message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }";

/// What they are in JSON, numbers as numbers and bytes in base64.
fn members() -> Map<String, Value> {
    let members = json!({
        "payload": "{}", "bool": true, "small": -5, "int": 42, "big": 9_007_199_254_740_993_i64,
        "real": 3.3, "double": 1e21, "fixed": "EtaA", "free": { "scale": 2, "value": "BNI=" },
        "cash": "AeI6", "chars": "ab   ", "text": "q\"ü\\", "uuid": "59a42efd-b015-44a9-9dde-cb36d9002425",
        "json": r#"{ "b":1,  "a":[ 1.50 ]}"#, "jsonb": r#"{"a": [1.50], "b": 1}"#, "xml": "<a>1</a>",
        "bytes": "AP+A", "date": 19_782, "time": 49_890_123_456_i64, "time3": 49_890_123,
        "timetz": "11:51:30.123789Z", "stamp": 1_709_214_690_123_456_i64, "stamp3": 1_709_214_690_123_i64,
        "stamptz": "2024-02-29T11:51:30.123456Z", "span": 37_091_106_000_007_i64, "bit": true,
        "bits": "Fg==", "address": "10.0.0.1/24", "ints": [1, -2, 3], "texts": ["a", "b \"q\""],
        "point": { "x": 1.5, "y": 2.0, "wkb": "AQEAAAAAAAAAAAD4PwAAAAAAAABA", "srid": null },
        "mood": "happy", "range": "[1,5)", "oid": 4_294_967_295_i64
    });
    members.as_object().expect("an object").clone()
}

/// These instead.
fn with(mut members: Map<String, Value>, others: Value) -> Value {
    members.extend(others.as_object().expect("an object").clone());
    Value::Object(members)
}

fn nulls() -> Value {
    let null = members().into_iter().map(|(name, value)| match name == "payload" {
        true => (name, value),
        false => (name, Value::Null),
    });
    Value::Object(null.collect())
}

#[test]
fn avro_has_every_type() {
    let [all, none] = read(AVRO);
    let decimals = json!({ "fixed": "12345.60", "cash": "1234.50", "real": f64::from(3.3_f32) });
    assert_eq!(all, with(members(), decimals));
    assert_eq!(none, nulls());
}

#[test]
fn json_schema_has_every_type() {
    let [all, none] = read(JSON_SCHEMA);
    assert_eq!(all, Value::Object(members()));
    assert_eq!(none, nulls());
}

#[test]
fn protobuf_has_every_type() {
    let [all, none] = read(PROTOBUF);
    // Its JSON has 64-bit numbers as texts, and nothing for NULL. A decimal's precision is the number of its own digits
    // (Confluent's DecimalUtils).
    let others = json!({
        "big": "9007199254740993", "time": "49890123456", "stamp": "1709214690123456",
        "stamp3": "1709214690123", "span": "37091106000007", "oid": "4294967295",
        "fixed": { "value": "EtaA", "precision": 7, "scale": 2 }, "cash": { "value": "AeI6", "precision": 6, "scale": 2 },
        "point": { "x": 1.5, "y": 2.0, "wkb": "AQEAAAAAAAAAAAD4PwAAAAAAAABA" }
    });
    assert_eq!(all, with(members(), others));
    assert_eq!(none, json!({ "payload": "{}" }));
}
