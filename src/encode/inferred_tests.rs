//! Keys and values in JSON Schema and Protobuf by inferred schemas. Expected bytes are those that `JsonSchemaConverter` and
//! `ProtobufConverter` of schema-registry 8.5 made of the same Connect records, and so are schemas.

use super::*;
use crate::encode::{Expand, Framed, Inferring, Nulls, Renaming};
use crate::registry::{Answer, Registered, SchemaType, What};

const ENVELOPED: &str = r#"{"orderId": 1, "lines": [{"sku": "a"}]}"#;

fn framed(language: SchemaType) -> Framed {
    Framed { language, ..Framed::avro() }
}

fn of(framed: Framed) -> Converter {
    Converter::Framed(Box::new(framed))
}

fn known(question: &Question) -> Answer {
    let What::Register { schema_type, .. } = &question.what else { panic!("{question:?}") };
    let schema_type = *schema_type;
    Ok(Registered { id: 258, guid: None, schema_type, schema: String::new(), references: Vec::new() })
}

/// What was registered, and key and value.
type Written = (Vec<String>, Option<Vec<u8>>, Option<Vec<u8>>);

fn written(config: Config, plan: &Plan, columns: &[Column<'_>]) -> Result<Written, Rejection> {
    let (mut encoder, mut out, mut asked) = (Encoder::new(config), Outgoing::default(), Vec::new());
    loop {
        match with_event(plan, columns, |event| encoder.encode(event, NOW, &mut out)) {
            Ok(()) => break,
            Err(NotEncoded::Rejected(rejection)) => return Err(rejection),
            Err(NotEncoded::Asks(question)) => {
                encoder.answer(known(&question), NOW);
                let What::Register { schema, .. } = question.what else { panic!("{:?}", question.what) };
                asked.push(schema);
            }
        }
    }
    let record = out.iter().next().unwrap();
    let bytes = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    Ok((asked, bytes(record.key), bytes(record.value)))
}

/// The value's schema and bytes without the frame.
fn value(config: Config, plan: &Plan, columns: &[Column<'_>]) -> (String, Vec<u8>) {
    let (mut asked, _, value) = written(config, plan, columns).unwrap();
    let value = value.unwrap();
    assert_eq!(value[..5], [0, 0, 0, 1, 2]);
    (asked.pop().unwrap(), value[5..].to_vec())
}

fn alone(framed: Framed, payload: Column<'_>) -> (String, Vec<u8>) {
    let columns = row(payload, &[]);
    value(config(of(framed)), &plan(&columns), &columns)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn a_payload_alone_is_json_with_the_columns_schema() {
    let json = || framed(SchemaType::Json);
    let (schema, bytes) = alone(json(), jsonb(r#"{"n": 1}"#));
    assert_eq!(
        schema,
        r#"{"oneOf":[{"type":"null"},{"type":"string","title":"io.debezium.data.Json","connect.version":1}]}"#
    );
    assert_eq!(text(&bytes), r#""{\"n\": 1}""#);
    let (schema, bytes) = alone(json(), ("payload", Kind::Bytes, Some("\\x00ff80")));
    assert_eq!(schema, r#"{"oneOf":[{"type":"null"},{"type":"string","connect.type":"bytes"}]}"#);
    assert_eq!(text(&bytes), r#""AP+A""#);
    // `JsonSchemaData.fromConnectData` makes a NullNode of a NULL that may be.
    let (_, bytes) = alone(json(), ("payload", Kind::Json, None));
    assert_eq!(text(&bytes), "null");
    let (_, bytes) = alone(json(), ("payload", Kind::String, Some("😀")));
    assert_eq!(text(&bytes), r#""\uD83D\uDE00""#);
    let numeric = Inferring { decimals: DecimalFormat::Numeric, ..Inferring::default() };
    let decimal = || ("payload", Kind::Decimal { precision: 10, scale: 2 }, Some("12345.60"));
    assert_eq!(text(&alone(json(), decimal()).1), r#""EtaA""#);
    let (schema, bytes) = alone(Framed { inferring: numeric, ..json() }, decimal());
    assert!(
        schema.contains(r#"{"type":"number","title":"org.apache.kafka.connect.data.Decimal""#),
        "{schema}"
    );
    assert_eq!(text(&bytes), "12345.60");
}

#[test]
fn a_payload_alone_is_the_one_field_of_a_message() {
    let protobuf = |payload| {
        let columns = row(payload, &[]);
        written(config(of(framed(SchemaType::Protobuf))), &plan(&columns), &columns)
    };
    for (payload, frame, bytes) in [
        (("payload", Kind::String, Some("a😀")), "000000010202 0e", "0a0561f09f9880"),
        (("payload", Kind::String, Some("")), "000000010202 0e", ""),
        (("payload", Kind::Int64, Some("5")), "000000010202 04", "0805"),
        (("payload", Kind::Int32, Some("-1")), "000000010202 08", "08ffffffffffffffffff01"),
        (("payload", Kind::Boolean, Some("t")), "000000010202 0c", "0801"),
        (("payload", Kind::Float64, Some("1.5")), "0000000102 00", "09000000000000f83f"),
        (("payload", Kind::Bytes, Some("\\x00ff80")), "000000010202 10", "0a0300ff80"),
        (("payload", Kind::VariableScaleDecimal, Some("12.34")), "0000000102 00", "0802120204d2"),
    ] {
        let told = format!("{payload:?}");
        let (asked, _, value) = protobuf(payload).unwrap();
        assert!(asked[0].starts_with("syntax = \"proto3\";\npackage "), "{}", asked[0]);
        assert_eq!(hex(&value.unwrap()), format!("{frame}{bytes}").replace(' ', ""), "{told}");
    }
    assert_eq!(protobuf(("payload", Kind::Json, None)).unwrap().2, None);
    let moment = ("payload", Kind::ConnectTimestamp, Some("2024-02-29 13:51:30"));
    let refused = protobuf(moment).unwrap_err();
    assert!(refused.detail.contains("its type alone is no message"), "{}", refused.detail);
}

#[test]
fn keys_have_schemas_of_their_own() {
    for (language, kind, cell, schema, key) in [
        (
            SchemaType::Json,
            Kind::String,
            "10711fa5",
            r#"{"type":"string"}"#,
            &b"\0\0\0\x01\x02\"10711fa5\""[..],
        ),
        (
            SchemaType::Json,
            Kind::Int64,
            "7",
            r#"{"type":"integer","connect.type":"int64"}"#,
            b"\0\0\0\x01\x027",
        ),
        (
            SchemaType::Json,
            Kind::Uuid,
            ID,
            r#"{"type":"string","title":"io.debezium.data.Uuid","connect.version":1}"#,
            b"\0\0\0\x01\x02\"59a42efd-b015-44a9-9dde-cb36d9002425\"",
        ),
        (
            SchemaType::Protobuf,
            Kind::Int64,
            "5",
            "message Int64Value {\n  int64 value = 1",
            b"\0\0\0\x01\x02\x02\x04\x08\x05",
        ),
    ] {
        let mut columns = row(jsonb("{}"), &[]);
        columns[2] = ("aggregateid", kind, Some(cell));
        let config = Config { key: of(framed(language)), ..config(Converter::String) };
        let (asked, written, _) = written(config, &plan(&columns), &columns).unwrap();
        assert!(asked[0].contains(schema), "{}", asked[0]);
        assert_eq!(written.as_deref(), Some(key));
    }
}

/// `public.outbox.Order.Value`: the payload taken apart, and columns beside it.
fn enveloped(framed: Framed, payload: &'static str) -> Result<(String, Vec<u8>), Rejection> {
    let columns = row(
        jsonb(payload),
        &[
            ("type", Kind::Enum(vec!["a".into(), "b".into()]), Some("a")),
            ("at", Kind::ConnectTimestamp, Some("2026-11-23 04:47:10.698")),
            ("small", Kind::Int16, Some("0")),
            ("h", Kind::HstoreMap, Some("\"k\"=>NULL, \"l\"=>\"x\"")),
        ],
    );
    let mut plan = plan(&columns);
    plan.schema_stem = "public.outbox".to_owned();
    let required = |name: &str| Field { optional: false, ..place(&plan, &columns, name) };
    let kind = Field { default: Some(crate::decode::value::Value::Text("a".into())), ..required("type") };
    let small = Field { default: Some(crate::decode::value::Value::Integer(7)), ..required("small") };
    plan.envelope = Some(vec![
        ("type".to_owned(), kind),
        ("at".to_owned(), place(&plan, &columns, "at")),
        ("small".to_owned(), small),
        ("h".to_owned(), place(&plan, &columns, "h")),
    ]);
    let expand = Expand { nulls: Nulls::Ignore, renaming: Renaming::Never };
    let config = Config { expand: Some(expand), ..config(of(framed)) };
    let (mut asked, _, value) = written(config, &plan, &columns)?;
    Ok((asked.pop().unwrap(), value.unwrap()))
}

#[test]
fn an_envelope_is_a_struct_in_both_languages() {
    let (schema, value) = enveloped(framed(SchemaType::Json), ENVELOPED).unwrap();
    assert_eq!(
        schema,
        r#"{"type":"object","title":"public.outbox.User.Value","properties":{"small":{"type":"integer","default":7,"connect.index":3,"connect.type":"int16"},"at":{"connect.index":2,"oneOf":[{"type":"null"},{"type":"integer","title":"org.apache.kafka.connect.data.Timestamp","connect.version":1,"connect.type":"int64"}]},"payload":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"object","title":"payload","properties":{"orderId":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int32"}]},"lines":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"object","title":"payload.lines","properties":{"sku":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"string"}]}}}]}}]}}}]},"h":{"connect.index":4,"oneOf":[{"type":"null"},{"type":"object","connect.type":"map","additionalProperties":{"oneOf":[{"type":"null"},{"type":"string"}]}}]},"type":{"type":"string","title":"io.debezium.data.Enum","default":"a","connect.index":1,"connect.version":1,"connect.parameters":{"allowed":"a,b"}}}}"#
    );
    assert_eq!(
        text(&value[5..]),
        r#"{"payload":{"orderId":1,"lines":[{"sku":"a"}]},"type":"a","at":1795409230698,"small":0,"h":{"k":null,"l":"x"}}"#
    );
    let (schema, value) = enveloped(framed(SchemaType::Protobuf), ENVELOPED).unwrap();
    assert_eq!(
        schema,
        r#"syntax = "proto3";
package public.outbox.User;

import "google/protobuf/timestamp.proto";

message Value {
  payloadMessage payload = 1;
  string type = 2;
  google.protobuf.Timestamp at = 3;
  int32 small = 4 [(confluent.field_meta) = {
    params: [
      {
        key: "connect.type",
        value: "int16"
      }
    ]
  }];
  repeated ConnectDefault1Entry h = 5;

  message payloadMessage {
    int32 orderId = 1;
    repeated linesMessage lines = 2;
  
    message linesMessage {
      string sku = 1;
    }
  }
  message ConnectDefault1Entry {
    string key = 1;
    string value = 2;
  }
}
"#
    );
    assert_eq!(
        hex(&value),
        "000000010200\
         0a07080112030a01611201611a0c08ce8a8fd8061080c5eacc022a030a016b2a060a016c120178"
    );
}

/// `optional.for.nullables` and `wrapper.for.nullables` of `ProtobufDataConfig`.
#[test]
fn what_may_be_null_is_told_from_zero_where_that_is_asked_for() {
    const PAYLOAD: &str = r#"{"s":"é","b":true,"i":-1,"l":3000000000,"d":1.5,"is":[1,0,300],"ss":["x",""],"o":{"t":""},"z":""}"#;
    for (optional, wrapper, bytes) in [
        (
            false,
            false,
            "0a2d0a02c3a9100118ffffffffffffffffff012080bcc1960b29000000000000f83f32040100ac023a01783a004200",
        ),
        (
            true,
            false,
            "0a310a02c3a9100118ffffffffffffffffff012080bcc1960b29000000000000f83f32040100ac023a01783a0042020a004a00",
        ),
        (
            false,
            true,
            "0a420a040a02c3a9120208011a0b08ffffffffffffffffff0122060880bcc1960b2a0909000000000000f83f320208013200320308ac023a030a01783a0042020a004a00",
        ),
    ] {
        let inferring = Inferring { optional, wrapper, ..Inferring::default() };
        let framed = Framed { inferring, ..framed(SchemaType::Protobuf) };
        let (_, value) = enveloped(framed, PAYLOAD).unwrap();
        // Up to the next column.
        assert_eq!(hex(&value[6..]).split("1201611a0c").next(), Some(bytes), "{optional} {wrapper}");
    }
}

#[test]
fn a_payload_that_is_taken_apart_has_its_schema_and_each_schema_is_asked_for_once() {
    let columns = |payload| row(jsonb(payload), &[]);
    let expand = Expand { nulls: Nulls::Ignore, renaming: Renaming::Never };
    let config = |language| Config { expand: Some(expand), ..config(of(framed(language))) };
    let (schema, bytes) =
        value(config(SchemaType::Json), &plan(&columns("")), &columns(r#"{"a":[{"b":1.0}]}"#));
    assert_eq!(
        schema,
        r#"{"oneOf":[{"type":"null"},{"type":"object","title":"payload","properties":{"a":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"object","title":"payload.a","properties":{"b":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"number","connect.type":"float64"}]}}}]}}]}}}]}"#
    );
    assert_eq!(text(&bytes), r#"{"a":[{"b":1.0}]}"#);
    let plan = plan(&columns(""));
    let (asked, _, bytes) =
        written(config(SchemaType::Protobuf), &plan, &columns(r#"{"a":[{"b":1.0}]}"#)).unwrap();
    assert_eq!(
        asked,
        [
            "syntax = \"proto3\";\n\nmessage payload {\n  repeated aMessage a = 1;\n\n  message aMessage {\n    double b = 1;\n  }\n}\n"
        ]
    );
    assert_eq!(hex(&bytes.unwrap()), "0000000102000a0909000000000000f03f");
    for (payload, why) in [
        (r#"{"a":["x",null]}"#, "does not fit the schema"),
        (r#"{"a":[["x"]]}"#, "array of arrays"),
        (r#"{"a-b":1}"#, "a name in its schema"),
    ] {
        let refused = written(config(SchemaType::Protobuf), &plan, &columns(payload)).unwrap_err();
        assert_eq!(refused.reason, Reason::PayloadNotEncodable);
        assert!(refused.detail.contains(why), "{}", refused.detail);
    }
    let (mut encoder, mut out) = (Encoder::new(config(SchemaType::Json)), Outgoing::default());
    let mut asks = |payload: &'static str| {
        let columns = columns(payload);
        match with_event(&plan, &columns, |event| encoder.encode(event, NOW, &mut out)) {
            Err(NotEncoded::Asks(question)) => {
                encoder.answer(known(&question), NOW);
                true
            }
            other => other.is_err(),
        }
    };
    let told = [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":"x"}"#, r#"{"a":3}"#].map(&mut asks);
    assert_eq!(told, [true, false, true, false]);
}
