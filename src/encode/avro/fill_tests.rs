//! Payloads by a schema, read back by another implementation of Avro.

use super::*;
use crate::registry::Referenced;
use apache_avro::Schema;
use apache_avro::types::Value;

fn fill(schema: &str, payload: &str) -> Result<Vec<u8>, String> {
    fill_with(schema, payload, UnknownFields::Refuse)
}

fn fill_with(schema: &str, payload: &str, unknown: UnknownFields) -> Result<Vec<u8>, String> {
    let plan = Plan::new(schema, &[]).unwrap();
    let (mut filler, mut known, mut out) = (Filler::new(), Known::default(), Vec::new());
    // The second time the order of members is known; the third it is not tried straight.
    let mut told = Vec::new();
    for time in 0..3 {
        out.clear();
        let written = match time {
            0 | 1 => write(&plan, &mut filler, &mut known, unknown, payload, &mut out),
            _ => node_by_node(&plan, &mut filler, &mut known.orders, unknown, payload, &mut out),
        };
        told.push(written.map(|()| out.clone()).map_err(|mismatch| mismatch.detail()));
    }
    assert_eq!((&told[0], &told[1]), (&told[2], &told[2]));
    told.remove(0)
}

/// What a reader of the schema makes of it.
fn read(schema: &str, bytes: &[u8]) -> Value {
    let schema = Schema::parse_str(schema).unwrap();
    let reader = apache_avro::reader::datum::GenericDatumReader::builder(&schema).build().unwrap();
    let mut rest = bytes;
    let value = reader.read_value(&mut rest).unwrap();
    assert!(rest.is_empty(), "{} bytes too many", rest.len());
    value
}

fn member(value: &Value, name: &str) -> Value {
    let Value::Record(members) = value else { panic!("no record: {value:?}") };
    members.iter().find(|(known, _)| known == name).unwrap().1.clone()
}

const ORDER: &str = r#"{"type":"record","name":"Order","namespace":"acme","fields":[
    {"name":"id","type":{"type":"string","logicalType":"uuid"}},
    {"name":"placed","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"due","type":["null",{"type":"int","logicalType":"date"}],"default":null},
    {"name":"total","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
    {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID"]},"default":"NEW"},
    {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
        {"name":"sku","type":"string"},{"name":"count","type":"int","default":1}]}}},
    {"name":"notes","type":{"type":"map","values":["null","string"]},"default":{}},
    {"name":"weight","type":"double","default":0.5}]}"#;

#[test]
fn a_payload_is_encoded_by_the_schema_whatever_the_order_of_its_members() {
    let payload = r#" {"lines":[{"sku":"a\u0041","count":2},{"sku":"b"}],"total":12.5,"due":"2024-02-29",
        "placed":"2024-02-29T13:51:30.123+02:00","id":"59a42efd-b015-44a9-9dde-cb36d9002425",
        "notes":{"x":null,"y":"z"},"weight":3} "#;
    let order = read(ORDER, &fill(ORDER, payload).unwrap());
    assert_eq!(member(&order, "placed"), Value::TimestampMillis(1_709_207_490_123));
    assert_eq!(member(&order, "due"), Value::Union(1, Box::new(Value::Date(19_782))));
    assert_eq!(member(&order, "state"), Value::Enum(0, "NEW".into()));
    assert_eq!(member(&order, "weight"), Value::Double(3.0));
    let Value::Decimal(total) = member(&order, "total") else { panic!("no decimal") };
    assert_eq!(<Vec<u8>>::try_from(&total).unwrap(), 1250i16.to_be_bytes());
    let Value::Array(lines) = member(&order, "lines") else { panic!("no array") };
    assert_eq!(member(&lines[0], "sku"), Value::String("aA".into()));
    assert_eq!(member(&lines[1], "count"), Value::Int(1));
    let Value::Map(notes) = member(&order, "notes") else { panic!("no map") };
    assert_eq!(notes["x"], Value::Union(0, Box::new(Value::Null)));
}

#[test]
fn what_does_not_fit_is_told_by_its_path_and_never_by_its_value() {
    let one = |members: &str| {
        let id = r#""id":"59a42efd-b015-44a9-9dde-cb36d9002425","placed":0,"total":"1""#;
        fill(ORDER, &format!("{{{id},{members}}}")).unwrap_err()
    };
    for (members, expected) in [
        (r#""lines":[{"sku":"secret","count":"secret"}]"#, "$.lines[0].count is text, not an int"),
        (r#""lines":[{"sku":"a"},{}]"#, "$.lines[1].sku is missing, and the schema has no default for it"),
        (r#""lines":[],"colour":"secret""#, "$.colour is not in the schema"),
        (r#""lines":[],"due":"secret""#, "$.due is no date (YYYY-MM-DD)"),
        (r#""lines":[],"state":"secret""#, "$.state is none of the enum's symbols"),
        (r#""lines":[],"notes":{"secret":4}"#, "$.notes{} is a number, not a string"),
        (r#""lines":[],"placed":1.5"#, "$.placed is a number, but no long"),
        (r#""lines":[],"id":"secret""#, "$.id is no UUID"),
        (r#""lines":[],"total":1.234"#, "$.total has more digits after the point than its type's scale"),
        (r#""lines":[],"weight":null"#, "$.weight is null, not a double"),
        (r#""lines":[{"sku":"\ud83d"}]"#, "$.lines[0].sku has half a surrogate pair in it"),
    ] {
        assert_eq!(one(members), expected);
    }
    assert_eq!(fill(ORDER, "{\"a\":").unwrap_err(), "$ is not JSON");
    assert_eq!(fill(ORDER, "[1]").unwrap_err(), "$ is an array, not a record");
}

#[test]
fn unknown_members_are_left_out_where_that_is_asked_for() {
    let schema = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"int"}]}"#;
    let payload = r#"{"x":{"y":[1]},"a":7,"z":1.5}"#;
    assert_eq!(fill_with(schema, payload, UnknownFields::Drop), Ok(vec![14]));
    assert!(fill(schema, payload).is_err());
}

#[test]
fn a_union_takes_the_first_branch_that_fits() {
    let schema = r#"{"type":"record","name":"A","fields":[{"name":"a","type":["null","int","double","string",
        {"type":"record","name":"B","fields":[{"name":"b","type":"int"}]}]}]}"#;
    for (value, expected) in [
        ("null", &[0][..]),
        ("3", &[2, 6]),
        ("1.5", &[4, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f]),
        ("\"x\"", &[6, 2, b'x']),
        (r#"{"b":1}"#, &[8, 2]),
    ] {
        assert_eq!(fill(schema, &format!("{{\"a\":{value}}}")), Ok(expected.to_vec()), "{value}");
    }
    assert_eq!(fill(schema, r#"{"a":true}"#).unwrap_err(), "$.a fits no branch of the union");
}

#[test]
fn types_may_name_themselves_and_those_of_other_schemas() {
    let list = r#"{"type":"record","name":"acme.List","fields":[{"name":"head","type":"acme.Item"},
        {"name":"tail","type":["null","List"],"default":null}]}"#;
    let item = r#"{"type":"record","name":"acme.Item","fields":[{"name":"n","type":"long"}]}"#;
    let plan =
        Plan::new(list, &[Referenced { name: "acme.Item".to_owned(), schema: item.to_owned() }]).unwrap();
    assert_eq!(plan.name.as_deref(), Some("acme.List"));
    let (mut filler, mut known, mut out) = (Filler::new(), Known::default(), Vec::new());
    let payload = r#"{"head":{"n":1},"tail":{"head":{"n":2}}}"#;
    write(&plan, &mut filler, &mut known, UnknownFields::Refuse, payload, &mut out).unwrap();
    assert_eq!(out, [2, 2, 4, 0]);
    assert!(Plan::new(list, &[]).unwrap_err().contains("acme.Item is not described"));
}

#[test]
fn bytes_are_base64_and_fixed_ones_have_their_size() {
    let schema = r#"{"type":"record","name":"A","fields":[{"name":"b","type":"bytes","default":"\u00ff"},
        {"name":"f","type":{"type":"fixed","name":"F","size":2}},
        {"name":"d","type":{"type":"fixed","name":"D","size":3,"logicalType":"decimal","precision":5,"scale":0}}]}"#;
    assert_eq!(
        fill(schema, r#"{"b":"AP+A","f":"AQI=","d":-2}"#),
        Ok(vec![6, 0, 255, 128, 1, 2, 255, 255, 254])
    );
    assert_eq!(fill(schema, r#"{"f":"AQI=","d":"300"}"#), Ok(vec![2, 255, 1, 2, 0, 1, 44]));
    assert!(fill(schema, r#"{"f":"AQ==","d":1}"#).unwrap_err().starts_with("$.f is not 2 bytes"));
}

#[test]
fn what_is_not_in_the_schema_is_told_first_whatever_else_is_wrong() {
    let wrong = |payload: &str| {
        let schema = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},
            {"name":"b","type":"int","default":7},{"name":"c","type":"int"}]}"#;
        match fill(schema, payload) {
            Ok(bytes) => format!("{bytes:?}"),
            Err(what) => what,
        }
    };
    for (payload, expected) in [
        (r#"{"a":1,"b":2,"c":3}"#, "[2, 4, 6]"),
        (r#"{"a":1,"c":3}"#, "[2, 14, 6]"),
        (r#"{"a":1,"c":3,"b":2}"#, "[2, 4, 6]"),
        (r#"{"c":3,"a":1}"#, "[2, 14, 6]"),
        (r#"{"a":1,"c":3,"a":2}"#, "[4, 14, 6]"),
        (r#"{"a":1,"b":2,"c":3,"x":4}"#, "$.x is not in the schema"),
        (r#"{"a":"1","b":2,"x":3}"#, "$.x is not in the schema"),
        (r#"{"a":"1","c":"3"}"#, "$.a is text, not an int"),
        (r#"{"a":1,"c":"3","b":"2"}"#, "$.b is text, not an int"),
        (r#"{"a":1,"x":"3"}"#, "$.x is not in the schema"),
        (r#"{"a":1,"b":2}"#, "$.c is missing, and the schema has no default for it"),
        (r#"{}"#, "$.a is missing, and the schema has no default for it"),
    ] {
        assert_eq!(wrong(payload), expected, "{payload}");
    }
}
