//! CloudEvents of rows: attributes in headers and in envelopes, around data of every kind.

use super::*;
use crate::encode::Framed;
use crate::encode::cloudevents::{CloudEvents, Mode, percent_encoded};
use crate::registry::{Registered, SchemaType};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn cloud(mode: Mode) -> CloudEvents {
    CloudEvents {
        mode,
        source: "/app/${table}".to_owned(),
        type_prefix: "com.acme.".to_owned(),
        content_type: None,
        data_schema: None,
        record: None,
    }
}

/// A row with columns for every attribute, and the plan of it.
fn event<'a>(payload: Column<'a>, further: &[Column<'a>]) -> (Vec<Column<'a>>, Plan) {
    let mut columns = row(payload, &[("type", Kind::String, Some("UserCreated"))]);
    columns.extend_from_slice(further);
    let mut plan = plan(&columns);
    let mut attributes = vec![
        ("id".to_owned(), place(&plan, &columns, "id")),
        ("type".to_owned(), place(&plan, &columns, "type")),
        ("subject".to_owned(), place(&plan, &columns, "aggregateid")),
    ];
    for (name, ..) in further.iter().filter(|(name, ..)| *name != "context") {
        attributes.push(((*name).to_owned(), place(&plan, &columns, name)));
    }
    plan.attributes = Some(attributes);
    (columns, plan)
}

fn of(mode: Mode, value: Converter) -> Config {
    Config { cloud: Some(cloud(mode)), ..config(value) }
}

/// The headers but for `id`, in one line each, and the value.
fn made(config: Config, columns: &[Column<'_>], plan: &Plan) -> (Vec<String>, Option<String>) {
    let out = one(config, plan, columns).unwrap();
    let headers = headers_of(&out).into_iter().filter(|(name, _)| name != "id");
    (headers.map(|(name, value)| format!("{name}={}", value.unwrap())).collect(), value_of(&out))
}

fn enveloped(config: Config, columns: &[Column<'_>], plan: &Plan) -> String {
    let (headers, value) = made(config, columns, plan);
    assert_eq!(headers, ["content-type=application/cloudevents+json; charset=UTF-8"]);
    value.unwrap()
}

#[test]
fn attributes_are_headers_and_the_data_is_as_the_converter_has_it() {
    let (columns, plan) = event(jsonb(r#"{"a": 1}"#), &[]);
    let config = Config { header: HeaderConverter::As(json(true)), ..of(Mode::Binary, Converter::String) };
    let (headers, value) = made(config, &columns, &plan);
    assert_eq!(
        headers,
        [
            "content-type=application/json",
            "ce_specversion=1.0",
            "ce_source=/app/public.outbox",
            &format!("ce_id={ID}"),
            "ce_type=com.acme.UserCreated",
            "ce_subject=10711fa5",
        ]
    );
    assert_eq!(value.as_deref(), Some(r#"{"a": 1}"#));
}

#[test]
fn the_content_type_is_what_converter_and_column_make() {
    let bytes = Converter::Binary { delegate: Some(Box::new(json(false))) };
    for (converter, payload, expected) in [
        (Converter::String, jsonb("1"), "application/json"),
        (Converter::String, ("payload", Kind::String, Some("x")), "text/plain; charset=UTF-8"),
        (json(true), ("payload", Kind::String, Some("x")), "application/json"),
        (bytes.clone(), ("payload", Kind::Bytes, Some("\\x00")), "application/octet-stream"),
        (bytes, jsonb("1"), "application/json"),
    ] {
        let (columns, plan) = event(payload, &[]);
        let (headers, _) = made(of(Mode::Binary, converter.clone()), &columns, &plan);
        assert_eq!(headers[0], format!("content-type={expected}"), "{converter:?}");
    }
    let (columns, plan) = event(jsonb("1"), &[]);
    let expanding = Config {
        expand: Some(crate::encode::Expand {
            nulls: crate::encode::Nulls::Ignore,
            renaming: crate::encode::Renaming::Never,
        }),
        ..of(Mode::Binary, Converter::String)
    };
    assert_eq!(made(expanding, &columns, &plan).0[0], "content-type=text/plain; charset=UTF-8");
}

#[test]
fn an_event_without_data_is_a_tombstone_in_binary_mode_only() {
    let (columns, plan) = event(("payload", Kind::Json, None), &[]);
    let (headers, value) = made(of(Mode::Binary, Converter::String), &columns, &plan);
    assert_eq!((headers[0].as_str(), headers.len(), value), ("ce_specversion=1.0", 5, None));
    let envelope = enveloped(of(Mode::Structured, Converter::String), &columns, &plan);
    assert_eq!(
        envelope,
        format!(
            r#"{{"specversion":"1.0","source":"/app/public.outbox","id":"{ID}","type":"com.acme.UserCreated","subject":"10711fa5"}}"#
        )
    );
    let mut out = Outgoing::default();
    let mut encoder = Encoder::new(of(Mode::Structured, Converter::String));
    encode(&mut encoder, &plan, &columns, |event| event.tombstone = true, &mut out).unwrap();
    assert_eq!(value_of(&out), None);
    assert_eq!(headers_of(&out)[1], ("ce_specversion".to_owned(), Some("1.0".to_owned())));
}

#[test]
fn data_is_json_text_or_base64_in_an_envelope() {
    let binary = || Converter::Binary { delegate: None };
    for (converter, payload, content_type, expected) in [
        (Converter::String, jsonb(r#"{"a": "ü"}"#), None, r#""application/json","data":{"a": "ü"}}"#),
        (json(false), ("payload", Kind::String, Some("a\"b")), None, r#""application/json","data":"a\"b"}"#),
        (
            Converter::String,
            ("payload", Kind::String, Some("a\"b\n")),
            None,
            r#""text/plain; charset=UTF-8","data":"a\"b\n"}"#,
        ),
        (Converter::String, jsonb("[1]"), Some("text/csv"), r#""text/csv","data":"[1]"}"#),
        (
            Converter::String,
            ("payload", Kind::String, Some(" {\"a\":1}")),
            Some("application/x+json"),
            "\"application/x+json\",\"data\": {\"a\":1}}",
        ),
        (
            binary(),
            ("payload", Kind::Bytes, Some("\\x00ff")),
            None,
            r#""application/octet-stream","data_base64":"AP8="}"#,
        ),
        (
            binary(),
            ("payload", Kind::Bytes, Some("\\x5b315d")),
            Some("text/json"),
            r#""text/json","data":[1]}"#,
        ),
        (json(false), ("payload", Kind::Json, None), None, r#""application/json","data":null}"#),
    ] {
        let (columns, plan) = event(payload, &[]);
        let cloud = CloudEvents { content_type: content_type.map(str::to_owned), ..cloud(Mode::Structured) };
        let config = Config { cloud: Some(cloud), ..config(converter) };
        let envelope = enveloped(config, &columns, &plan);
        let (_, data) = envelope.split_once(r#","datacontenttype":"#).expect(&envelope);
        assert_eq!(data, expected);
        serde_json::from_str::<serde_json::Value>(&envelope).unwrap();
    }
}

#[test]
fn what_is_called_json_and_is_not_is_refused_without_its_text() {
    let (columns, plan) = event(("payload", Kind::String, Some("{hush}")), &[]);
    let cloud = CloudEvents { content_type: Some("application/json".into()), ..cloud(Mode::Structured) };
    let rejection =
        one(Config { cloud: Some(cloud), ..config(Converter::String) }, &plan, &columns).unwrap_err();
    assert_eq!(rejection.reason, Reason::PayloadNotEncodable);
    assert!(rejection.detail.contains("the payload is not") && !format!("{rejection:?}").contains("hush"));
}

#[test]
fn columns_are_attributes_as_text_and_moments_as_rfc_3339() {
    let further = [
        ("time", Kind::MicroTimestamp, Some("2024-02-29 13:51:30.5")),
        ("sequence", Kind::Int64, Some("42")),
        ("partitionkey", Kind::Bytes, Some("\\x00ff")),
        ("flag", Kind::Boolean, Some("t")),
        ("seen", Kind::ZonedTimestamp { digits: 6 }, Some("2024-02-29 13:51:30+02")),
        ("tenant", Kind::String, Some("Zürich \"1\"")),
        ("none", Kind::String, None),
        ("empty", Kind::String, Some("")),
    ];
    let (columns, plan) = event(jsonb("1"), &further);
    let (headers, _) = made(of(Mode::Binary, Converter::String), &columns, &plan);
    assert_eq!(
        headers[6..],
        [
            "ce_time=2024-02-29T13:51:30.5Z",
            "ce_sequence=0000000000000000042",
            "ce_partitionkey=AP8=",
            "ce_flag=true",
            "ce_seen=2024-02-29T11:51:30Z",
            "ce_tenant=Zürich \"1\"",
        ]
    );
    let envelope = enveloped(of(Mode::Structured, Converter::String), &columns, &plan);
    assert!(
        envelope.contains(r#","flag":"true","seen":"2024-02-29T11:51:30Z","tenant":"Zürich \"1\"","data"#),
        "{envelope}"
    );
}

#[test]
fn a_trace_is_in_both_its_attributes() {
    let context = format!("tracestate=a\\=b\ntraceparent={PARENT}");
    let (columns, mut plan) = event(jsonb("1"), &[("context", Kind::String, Some(&context))]);
    plan.trace = Some(place(&plan, &columns, "context"));
    let (headers, _) = made(of(Mode::Binary, Converter::String), &columns, &plan);
    assert_eq!(headers[..2], [format!("traceparent={PARENT}"), "tracestate=a=b".to_owned()]);
    assert_eq!(headers[8..], [format!("ce_traceparent={PARENT}"), "ce_tracestate=a=b".to_owned()]);
    let (_, envelope) = made(of(Mode::Structured, Converter::String), &columns, &plan);
    assert!(envelope.unwrap().contains(&format!(r#","traceparent":"{PARENT}","tracestate":"a=b","#)));
}

#[test]
fn without_a_required_attribute_there_is_no_event() {
    for (mode, reason) in
        [(Mode::Binary, Reason::HeaderNotEncodable), (Mode::Structured, Reason::PayloadNotEncodable)]
    {
        for cell in [None, Some("")] {
            let (mut columns, plan) = event(jsonb("1"), &[]);
            columns[4].2 = cell;
            let rejection = one(of(mode, Converter::String), &plan, &columns).unwrap_err();
            assert_eq!(rejection.reason, reason);
            assert_eq!(
                rejection.detail,
                "a CloudEvent must have the attribute type, and column type is NULL or empty"
            );
            assert!(rejection.hint.contains("walpost.event.type.column"));
        }
    }
    for (name, kind, cell, detail) in [
        ("sequence", Kind::Int64, "-1", "column sequence is the attribute sequence, and negative"),
        (
            "time",
            Kind::MicroTimestamp,
            "infinity",
            "column time is STRING (io.debezium.time.ZonedTimestamp), and beyond the years that RFC 3339 has",
        ),
    ] {
        let (columns, plan) = event(jsonb("1"), &[(name, kind, Some(cell))]);
        let rejection = one(of(Mode::Binary, Converter::String), &plan, &columns).unwrap_err();
        assert_eq!(rejection.detail, detail);
    }
}

#[test]
fn a_frame_is_bytes_and_its_schema_the_data_schema() {
    for mode in [Mode::Binary, Mode::Structured] {
        let (columns, plan) = event(("payload", Kind::String, Some("a")), &[]);
        let cloud = CloudEvents {
            data_schema: Some("http://r/schemas/ids/${id}?t=${type}".to_owned()),
            ..cloud(mode)
        };
        let value = Converter::Framed(Box::new(Framed::avro()));
        let mut encoder = Encoder::new(Config { cloud: Some(cloud), ..config(value) });
        let mut out = Outgoing::default();
        let asked = with_event(&plan, &columns, |event| encoder.encode(event, 0, &mut out));
        assert!(matches!(asked, Err(NotEncoded::Asks(_))) && out.is_empty() && out.bytes() == 0);
        let (schema_type, schema) = (SchemaType::Avro, "{}".to_owned());
        encoder
            .answer(Ok(Registered { id: 258, guid: None, schema_type, schema, references: Vec::new() }), 0);
        with_event(&plan, &columns, |event| encoder.encode(event, 0, &mut out)).unwrap();
        let value = value_of(&out).unwrap();
        if mode == Mode::Structured {
            let expected = r#","datacontenttype":"application/avro","dataschema":"http://r/schemas/ids/258?t=UserCreated","data_base64":"AAAAAQICAmE="}"#;
            assert!(value.ends_with(expected), "{value}");
        } else {
            assert_eq!(value.as_bytes(), b"\0\0\0\x01\x02\x02\x02a");
            let headers = headers_of(&out);
            let last = headers.last().unwrap();
            assert_eq!(last.0, "ce_dataschema");
            assert_eq!(last.1.as_deref(), Some("http://r/schemas/ids/258?t=UserCreated"));
        }
    }
}

#[test]
fn what_has_a_meaning_in_a_uri_is_encoded() {
    let mut out = Vec::new();
    percent_encoded("a-Z_0.~/ü %".as_bytes(), &mut out);
    assert_eq!(out, b"a-Z_0.~%2F%C3%BC%20%25");
}

#[test]
fn the_readmes_example_is_what_comes_out() {
    let further = [
        ("time", Kind::ZonedTimestamp { digits: 6 }, Some("2024-02-29 13:51:30.5+02")),
        ("tenant", Kind::String, Some("ch")),
    ];
    let (mut columns, plan) = event(jsonb(r#"{"n": 1}"#), &further);
    columns[4].2 = Some("OrderPlaced");
    let readme = include_str!("../../README.md").replace(",\n ", ",");
    for mode in [Mode::Binary, Mode::Structured] {
        let cloud = CloudEvents { source: "/shop/${table}".to_owned(), ..cloud(mode) };
        let (headers, value) =
            made(Config { cloud: Some(cloud), ..config(Converter::String) }, &columns, &plan);
        let headers: Vec<String> = headers.iter().map(|line| line.replacen('=', ": ", 1)).collect();
        assert!(readme.contains(&headers.join("\n")), "{headers:?}");
        assert!(readme.contains(&value.clone().unwrap()), "{value:?}");
    }
}

#[path = "cloudevents_debezium_tests.rs"]
mod debezium_tests;
