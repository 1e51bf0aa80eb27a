//! Whole records: rows as pgoutput sends them, through the encoder.

use super::*;
use crate::decode::{Change, Decoder};
use crate::encode::DecimalFormat;
use crate::route::Plan;

const ID: &str = "59a42efd-b015-44a9-9dde-cb36d9002425";
const NOW: i64 = 1_700_000_000_000;

/// A column of the test table: name, kind, cell.
type Column<'a> = (&'a str, Kind, Option<&'a str>);

/// The default outbox table's row, with `payload` and further columns.
fn row<'a>(payload: Column<'a>, further: &[Column<'a>]) -> Vec<Column<'a>> {
    let mut columns = vec![
        ("id", Kind::Uuid, Some(ID)),
        ("aggregatetype", Kind::String, Some("User")),
        ("aggregateid", Kind::String, Some("10711fa5")),
        payload,
    ];
    columns.extend_from_slice(further);
    columns
}

fn jsonb(text: &str) -> Column<'_> {
    ("payload", Kind::Json, Some(text))
}

fn json(schemas: bool) -> Converter {
    Converter::Json { schemas, decimal: DecimalFormat::Base64, replace_null_with_default: true }
}

fn config(value: Converter) -> Config {
    let header = HeaderConverter::Simple;
    Config {
        key: Converter::String,
        value,
        header,
        context: None,
        verify: None,
        cloud: None,
        expand: None,
        messages: None,
        strict: false,
        max_record_bytes: 1 << 20,
    }
}

fn plan(columns: &[Column<'_>]) -> Plan {
    let field = |name: &str| {
        let index = columns.iter().position(|(column, ..)| *column == name).unwrap();
        let optional = !matches!(name, "id" | "aggregatetype" | "aggregateid" | "type");
        Field {
            index,
            name: name.to_owned(),
            kind: columns[index].1.clone(),
            optional,
            default: None,
            strict: false,
        }
    };
    Plan {
        generation: 1,
        oid: 1,
        table: "public.outbox".to_owned(),
        schema_stem: "app.public.outbox".to_owned(),
        id: field("id"),
        key: field("aggregateid"),
        payload: field("payload"),
        route_by: field("aggregatetype"),
        timestamp: None,
        schema_version: None,
        headers: Vec::new(),
        envelope: None,
        partition: None,
        trace: None,
        event_type: None,
        attributes: None,
        old_key: Vec::new(),
    }
}

fn place(plan: &Plan, columns: &[Column<'_>], name: &str) -> Field {
    let index = columns.iter().position(|(column, ..)| *column == name).unwrap();
    Field { index, name: name.to_owned(), kind: columns[index].1.clone(), ..plan.payload.clone() }
}

/// Relation and Insert messages of the row (manual, "Logical Replication Message Formats").
fn messages(columns: &[Column<'_>]) -> [Vec<u8>; 2] {
    let count = (columns.len() as u16).to_be_bytes();
    let mut relation = b"R\0\0\0\x01public\0outbox\0d".to_vec();
    relation.extend(count);
    for (name, ..) in columns {
        relation.push(0);
        relation.extend(name.bytes());
        relation.extend([0, 0, 0, 0, 25, 255, 255, 255, 255]);
    }
    let mut insert = b"I\0\0\0\x01N".to_vec();
    insert.extend(count);
    for (_, _, cell) in columns {
        match cell {
            Some(text) => {
                insert.push(b't');
                insert.extend((text.len() as u32).to_be_bytes());
                insert.extend(text.bytes());
            }
            None => insert.push(b'n'),
        }
    }
    [relation, insert]
}

fn encode(
    encoder: &mut Encoder,
    plan: &Plan,
    columns: &[Column<'_>],
    change: impl FnOnce(&mut Event<'_>),
    out: &mut Outgoing,
) -> Result<(), Rejection> {
    let written = with_event(plan, columns, |event| {
        let mut event = *event;
        change(&mut event);
        encoder.encode(&event, NOW, out)
    });
    match written {
        Ok(()) => Ok(()),
        Err(NotEncoded::Rejected(rejection)) => Err(rejection),
        Err(NotEncoded::Asks(question)) => panic!("{question:?}"),
    }
}

fn with_event<T>(plan: &Plan, columns: &[Column<'_>], use_it: impl FnOnce(&Event<'_>) -> T) -> T {
    let [relation, insert] = messages(columns);
    let mut decoder = Decoder::new();
    decoder.decode(&relation).unwrap();
    let Ok(Change::Insert { new, .. }) = decoder.decode(&insert) else { panic!("not an insert") };
    use_it(&Event {
        plan,
        row: new,
        route: "User",
        topic: &Arc::from("outbox.event.User"),
        partition: None,
        timestamp_ms: None,
        schema_version: None,
        old: None,
        committed_ms: None,
        tombstone: false,
    })
}

fn one(config: Config, plan: &Plan, columns: &[Column<'_>]) -> Result<Outgoing, Rejection> {
    let mut out = Outgoing::default();
    encode(&mut Encoder::new(config), plan, columns, |_| {}, &mut out).map(|()| out)
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    bytes.map(|bytes| std::str::from_utf8(bytes).unwrap())
}

fn value_of(out: &Outgoing) -> Option<String> {
    text(out.iter().next().unwrap().value).map(str::to_owned)
}

fn headers_of(out: &Outgoing) -> Vec<(String, Option<String>)> {
    let record = out.iter().next().unwrap();
    record.headers().map(|(name, value)| (name.to_owned(), text(value).map(str::to_owned))).collect()
}

#[test]
fn the_payload_alone_is_verbatim_with_string_converter() {
    let columns = row(jsonb("{\"a\": 1}"), &[]);
    let out = one(config(Converter::String), &plan(&columns), &columns).unwrap();
    let record = out.iter().next().unwrap();
    assert_eq!(&**record.topic, "outbox.event.User");
    assert_eq!(text(record.key), Some("10711fa5"));
    assert_eq!(text(record.value), Some("{\"a\": 1}"));
    assert_eq!((record.timestamp_ms, record.partition), (NOW, None));
    assert_eq!(headers_of(&out), [("id".into(), Some(ID.into()))]);
}

#[test]
fn the_payload_is_a_json_string_with_json_converter_and_has_its_schema_on_request() {
    let columns = row(jsonb("{\"a\": 1}"), &[]);
    let out = one(config(json(false)), &plan(&columns), &columns).unwrap();
    assert_eq!(value_of(&out).unwrap(), r#""{\"a\": 1}""#);
    let out = one(config(json(true)), &plan(&columns), &columns).unwrap();
    assert_eq!(
        value_of(&out).unwrap(),
        r#"{"schema":{"type":"string","optional":true,"name":"io.debezium.data.Json","version":1},"payload":"{\"a\": 1}"}"#
    );
}

#[test]
fn bytea_is_decoded_for_the_converters_of_bytes() {
    let columns = row(("payload", Kind::Bytes, Some("\\x00ff80")), &[]);
    for converter in [Converter::Bytes, Converter::Binary { delegate: None }] {
        let out = one(config(converter), &plan(&columns), &columns).unwrap();
        assert_eq!(out.iter().next().unwrap().value, Some(&[0, 0xff, 0x80][..]));
    }
    let out = one(config(json(false)), &plan(&columns), &columns).unwrap();
    assert_eq!(value_of(&out).unwrap(), "\"AP+A\"");
}

#[test]
fn a_trace_context_is_passed_on_before_the_id_and_stops_no_event() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let stored = format!("tracestate=a\\=b\ntraceparent={PARENT}");
    let headers = |context: Option<&str>, header: HeaderConverter| {
        let columns = row(jsonb("{}"), &[("context", Kind::String, context)]);
        let mut plan = plan(&columns);
        plan.trace = Some(place(&plan, &columns, "context"));
        headers_of(&one(Config { header, ..config(json(false)) }, &plan, &columns).unwrap())
    };
    let owned = |(name, value): (&str, &str)| (name.to_owned(), Some(value.to_owned()));
    let expected = [("traceparent", PARENT), ("tracestate", "a=b"), ("id", ID)].map(owned);
    assert_eq!(headers(Some(&stored), HeaderConverter::Simple), expected);
    for nothing in [None, Some("hello"), Some("")] {
        assert_eq!(headers(nothing, HeaderConverter::Simple), [owned(("id", ID))]);
    }
    let with_schema = headers(Some(PARENT), HeaderConverter::As(json(true)));
    let value = format!(r#"{{"schema":{{"type":"string","optional":false}},"payload":"{PARENT}"}}"#);
    assert_eq!(with_schema[0], owned(("traceparent", &value)));
}

#[test]
fn headers_come_in_order_context_first_and_keep_null() {
    let columns = row(jsonb("{}"), &[("type", Kind::String, Some("UserCreated")), ("v", Kind::Int32, None)]);
    let mut plan = plan(&columns);
    for (alias, name) in [("eventType", "type"), ("v", "v"), ("eventType", "v")] {
        let field = place(&plan, &columns, name);
        plan.headers.push((Arc::from(alias), field));
    }
    let context = Some(Context { logical_name: "app".into(), run_id: "run".into() });
    let out = one(Config { context: context.clone(), ..config(json(false)) }, &plan, &columns).unwrap();
    let expected = [
        ("__debezium.context.connectorLogicalName", Some("app")),
        ("__debezium.context.taskId", Some("0")),
        ("__debezium.context.connectorName", Some("postgresql")),
        ("__debezium.context.runId", Some("run")),
        ("id", Some(ID)),
        ("eventType", Some("UserCreated")),
        ("v", None),
        ("eventType", None),
    ];
    let owned = |(name, value): (&str, Option<&str>)| (name.to_owned(), value.map(str::to_owned));
    assert_eq!(headers_of(&out), expected.map(owned));

    let header = HeaderConverter::As(json(true));
    let out = one(Config { context, header, ..config(json(false)) }, &plan, &columns).unwrap();
    let headers = headers_of(&out);
    assert_eq!(
        headers[1].1.as_deref(),
        Some(r#"{"schema":{"type":"string","optional":false},"payload":"0"}"#)
    );
    assert_eq!(
        headers[6].1.as_deref(),
        Some(r#"{"schema":{"type":"int32","optional":true},"payload":null}"#)
    );
}

#[test]
fn an_envelope_is_a_struct_named_by_the_records_own_route() {
    let columns = row(jsonb("{}"), &[("type", Kind::String, Some("UserCreated")), ("v", Kind::Int32, None)]);
    let mut plan = plan(&columns);
    let placed = [("eventType", "type"), ("v", "v")];
    plan.envelope = Some(
        placed.iter().map(|(alias, name)| ((*alias).to_owned(), place(&plan, &columns, name))).collect(),
    );

    let out = one(config(Converter::String), &plan, &columns).unwrap();
    assert_eq!(value_of(&out).unwrap(), "Struct{payload={},eventType=UserCreated}");
    let out = one(config(json(false)), &plan, &columns).unwrap();
    assert_eq!(value_of(&out).unwrap(), r#"{"payload":"{}","eventType":"UserCreated","v":null}"#);

    let (mut encoder, mut out) = (Encoder::new(config(json(true))), Outgoing::default());
    for (route, version) in [("User", None), ("Ad\"dress", Some(3))] {
        let change = |event: &mut Event<'_>| (event.route, event.schema_version) = (route, version);
        encode(&mut encoder, &plan, &columns, change, &mut out).unwrap();
    }
    let fields = r#"[{"type":"string","optional":true,"name":"io.debezium.data.Json","version":1,"field":"payload"},{"type":"string","optional":true,"field":"eventType"},{"type":"int32","optional":true,"field":"v"}]"#;
    let payload = r#"{"payload":"{}","eventType":"UserCreated","v":null}"#;
    let values: Vec<&str> = out.iter().map(|record| text(record.value).unwrap()).collect();
    for (value, tail) in [
        (values[0], r#""name":"app.public.outbox.User.Value""#),
        (values[1], r#""name":"app.public.outbox.Ad\"dress.Value","version":3"#),
    ] {
        let expected = format!(
            r#"{{"schema":{{"type":"struct","fields":{fields},"optional":false,{tail}}},"payload":{payload}}}"#
        );
        assert_eq!(value, expected);
    }
}

#[test]
fn null_gives_way_to_the_columns_default() {
    let columns = row(("payload", Kind::Json, None), &[("v", Kind::Int32, None)]);
    let mut plan = plan(&columns);
    plan.payload.default = Some(Value::Text("{\"d\": 1}".into()));
    let field = Field { default: Some(Value::Integer(7)), ..place(&plan, &columns, "v") };
    plan.headers.push((Arc::from("v"), field));
    let out = one(config(json(false)), &plan, &columns).unwrap();
    assert_eq!(value_of(&out).unwrap(), r#""{\"d\": 1}""#);
    assert_eq!(headers_of(&out)[1], ("v".into(), Some("7".into())));
    let out = one(config(json(true)), &plan, &columns).unwrap();
    let schema = r#"{"type":"string","optional":true,"name":"io.debezium.data.Json","version":1,"default":"{\"d\": 1}"}"#;
    assert_eq!(value_of(&out).unwrap(), format!(r#"{{"schema":{schema},"payload":"{{\"d\": 1}}"}}"#));
}

#[test]
fn a_null_payload_is_no_bytes_or_the_word_null() {
    let columns = row(("payload", Kind::Json, None), &[]);
    let plan = plan(&columns);
    assert_eq!(value_of(&one(config(Converter::String), &plan, &columns).unwrap()), None);
    assert_eq!(value_of(&one(config(json(false)), &plan, &columns).unwrap()).unwrap(), "null");
}

#[test]
fn a_tombstone_keeps_key_headers_timestamp_and_partition() {
    let columns = row(("payload", Kind::Json, None), &[]);
    let plan = plan(&columns);
    let (mut encoder, mut out) = (Encoder::new(config(json(true))), Outgoing::default());
    let change = |event: &mut Event<'_>| {
        (event.tombstone, event.timestamp_ms, event.partition) = (true, Some(5), Some(2));
    };
    encode(&mut encoder, &plan, &columns, change, &mut out).unwrap();
    let record = out.iter().next().unwrap();
    assert_eq!((text(record.key), record.value), (Some("10711fa5"), None));
    assert_eq!((record.timestamp_ms, record.partition, record.headers().len()), (5, Some(2), 1));
}

#[test]
fn a_changed_table_has_new_schemas() {
    let columns = row(jsonb("{}"), &[]);
    let first = plan(&columns);
    let text_columns = row(("payload", Kind::String, Some("x")), &[]);
    let second = Plan { generation: 2, ..plan(&text_columns) };
    let (mut encoder, mut out) = (Encoder::new(config(json(true))), Outgoing::default());
    encode(&mut encoder, &first, &columns, |_| {}, &mut out).unwrap();
    encode(&mut encoder, &second, &text_columns, |_| {}, &mut out).unwrap();
    let last = out.iter().last().unwrap();
    assert_eq!(text(last.value), Some(r#"{"schema":{"type":"string","optional":true},"payload":"x"}"#));
    assert_eq!(encoder.prepared.len(), 1);
}

#[test]
fn what_a_converter_refuses_is_a_rejection_that_names_column_type_and_converter() {
    let columns = row(jsonb("{\"secret\": 1}"), &[("type", Kind::String, Some("UserCreated"))]);
    let good = plan(&columns);
    let rejection = one(config(Converter::Bytes), &good, &columns).unwrap_err();
    assert_eq!(rejection.reason, Reason::PayloadNotEncodable);
    assert_eq!(
        rejection.detail,
        "column payload is STRING (io.debezium.data.Json), and ByteArrayConverter takes BYTES only"
    );
    assert!(rejection.hint.contains("StringConverter"), "{}", rejection.hint);
    assert_eq!((rejection.event_id.as_deref(), rejection.table.as_str()), (Some(ID), "public.outbox"));
    assert!(!format!("{rejection:?}").contains("secret"));

    let refused = |config: Config, plan: &Plan| one(config, plan, &columns).unwrap_err().reason;
    let key = Config { key: Converter::Bytes, ..config(json(false)) };
    assert_eq!(refused(key, &good), Reason::KeyNotEncodable);
    let header = || HeaderConverter::As(Converter::Bytes);
    let headers = Config { header: header(), ..config(json(false)) };
    assert_eq!(refused(headers, &good), Reason::HeaderNotEncodable);
    let context = Some(Context { logical_name: "app".into(), run_id: "run".into() });
    let contexts = Config { header: header(), context, ..config(json(false)) };
    assert_eq!(refused(contexts, &good), Reason::HeaderNotEncodable);
    let mut enveloped = plan(&columns);
    enveloped.envelope = Some(vec![("type".to_owned(), place(&enveloped, &columns, "type"))]);
    assert_eq!(
        refused(config(Converter::Binary { delegate: None }), &enveloped),
        Reason::PayloadNotEncodable
    );

    let broken = row(("payload", Kind::MicroTimestamp, Some("secret")), &[]);
    let rejection = one(config(json(false)), &plan(&broken), &broken).unwrap_err();
    assert_eq!(rejection.reason, Reason::PayloadNotEncodable);
    assert!(!format!("{rejection:?}").contains("secret"));
}

#[test]
fn a_record_over_the_limit_is_rejected_with_both_numbers() {
    let payload = format!("\"{}\"", "x".repeat(1000));
    let columns = row(jsonb(&payload), &[]);
    let most = Config { max_record_bytes: 1000, ..config(Converter::String) };
    let rejection = one(most, &plan(&columns), &columns).unwrap_err();
    assert_eq!(rejection.reason, Reason::TooLarge);
    // 82 of framing, key 1 + 8, value 2 + 1002, one header of 1 + 2 and 1 + 36, and their count.
    assert_eq!(rejection.detail, "the record is 1136 bytes, and max.request.size is 1000");
    let enough = Config { max_record_bytes: 1136, ..config(Converter::String) };
    assert!(one(enough, &plan(&columns), &columns).is_ok());
}

#[test]
fn after_a_rejection_outgoing_is_as_it_was() {
    let columns = row(jsonb("{}"), &[]);
    let plan = plan(&columns);
    let mut out = Outgoing::default();
    encode(&mut Encoder::new(config(json(false))), &plan, &columns, |_| {}, &mut out).unwrap();
    let before = format!("{:?}", out.iter().map(|r| (r.key, r.value)).collect::<Vec<_>>());
    let bytes = out.bytes();
    encode(&mut Encoder::new(config(Converter::Bytes)), &plan, &columns, |_| {}, &mut out).unwrap_err();
    assert_eq!((out.len(), out.bytes()), (1, bytes));
    assert_eq!(format!("{:?}", out.iter().map(|r| (r.key, r.value)).collect::<Vec<_>>()), before);
}

#[path = "body_tests.rs"]
mod body_tests;

#[path = "cloudevents_tests.rs"]
mod cloudevents_tests;

#[path = "framed_tests.rs"]
mod framed_tests;

#[path = "inferred_tests.rs"]
mod inferred_tests;
