//! Logical decoding messages, from pgoutput to the record: what Debezium 3.6.3 gave for them behind
//! `DecodeLogicalDecodingMessageContent` and its event router.

use super::*;
use crate::decode::{Decoder, testing};
use crate::lsn::Lsn;
use crate::route::{self, MessageRule, Place, Placement, Routed, Router};

const JSON: Converter =
    Converter::Json { schemas: false, decimal: DecimalFormat::Base64, replace_null_with_default: true };
const WITH_SCHEMA: Converter =
    Converter::Json { schemas: true, decimal: DecimalFormat::Base64, replace_null_with_default: true };

struct Asked {
    value: Converter,
    nulls: Nulls,
    expand: bool,
    envelope: bool,
}

impl Default for Asked {
    fn default() -> Asked {
        Asked { value: JSON, nulls: Nulls::Ignore, expand: false, envelope: false }
    }
}

/// The value of the one record; or why there is none.
fn value(asked: Asked, payload: &str) -> Result<String, String> {
    let content = format!(
        r#"{{"id":"59a42efd","aggregatetype":"User","aggregateid":"10711fa5","type":"UserCreated","payload":{payload}}}"#
    );
    let keep_nulls = asked.nulls == Nulls::OptionalBytes;
    let placement = Placement { column: "type".into(), place: Place::Envelope, alias: "type".into() };
    let mut router = Router::new(route::Config {
        messages: Some(MessageRule { keep_nulls, ..MessageRule::default() }),
        placements: asked.envelope.then_some(placement).into_iter().collect(),
        ..route::testing::defaults()
    });
    let mut encoder = Encoder::new(Config {
        key: Converter::String,
        value: asked.value,
        header: HeaderConverter::Simple,
        context: None,
        verify: None,
        cloud: None,
        expand: asked.expand.then(|| Nulls::Ignore.into()),
        messages: Some(asked.nulls),
        strict: false,
        max_record_bytes: 1 << 20,
    });
    let (mut decoder, mut out) = (Decoder::new(), Outgoing::default());
    let message = testing::message(true, Lsn::new(5), "outbox", content.as_bytes());
    let change = decoder.decode(&message).unwrap();
    let event = match router.route(&change) {
        Routed::Event(event) => event,
        Routed::Rejected(rejection) => return Err(rejection.detail),
        other => panic!("{other:?}"),
    };
    encoder.encode(&event, 0, &mut out).map_err(|why| match why {
        NotEncoded::Rejected(rejection) => rejection.detail,
        NotEncoded::Asks(question) => panic!("{question:?}"),
    })?;
    let record = out.iter().next().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!((&**record.topic, record.key), ("outbox.event.User", Some(&b"10711fa5"[..])));
    let headers: Vec<_> = record.headers().map(|(name, value)| (name, value.map(text))).collect();
    assert_eq!(headers, [("id", Some("59a42efd".to_owned()))]);
    Ok(record.value.map(text).unwrap_or_default())
}

#[test]
fn a_payload_that_is_an_object_has_been_taken_apart() {
    let payload = r#"{"a":1,"b":null}"#;
    assert_eq!(value(Asked::default(), payload), Ok(r#"{"a":1}"#.to_owned()));
    let string = Asked { value: Converter::String, ..Asked::default() };
    assert_eq!(value(string, payload), Ok("Struct{a=1}".to_owned()));
    let kept = Asked { nulls: Nulls::OptionalBytes, ..Asked::default() };
    assert_eq!(value(kept, payload), Ok(r#"{"a":1,"b":null}"#.to_owned()));
    let schema = Asked { value: WITH_SCHEMA, ..Asked::default() };
    assert_eq!(
        value(schema, payload).unwrap(),
        r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":true,"field":"a"}],"optional":true,"name":"payload"},"payload":{"a":1}}"#
    );
    let array = Asked { value: WITH_SCHEMA, ..Asked::default() };
    assert_eq!(
        value(array, "[1,null]").unwrap(),
        r#"{"schema":{"type":"array","items":{"type":"int32","optional":true},"optional":true},"payload":[1,null]}"#
    );
}

#[test]
fn an_envelope_is_named_by_the_route_alone() {
    let envelope = |value| Asked { value, envelope: true, ..Asked::default() };
    assert_eq!(
        value(envelope(JSON), r#"{"a":1}"#),
        Ok(r#"{"payload":{"a":1},"type":"UserCreated"}"#.to_owned())
    );
    let with_schema = value(envelope(WITH_SCHEMA), r#"{"a":1}"#).unwrap();
    assert!(
        with_schema.contains(
            r#"{"type":"string","optional":true,"field":"type"}],"optional":false,"name":"User"},"payload":{"#
        ),
        "{with_schema}"
    );
}

#[test]
fn a_payload_that_is_a_text_is_taken_apart_only_on_request() {
    let text = r#""{\"a\":1}""#;
    assert_eq!(value(Asked::default(), text), Ok(r#""{\"a\":1}""#.to_owned()));
    assert_eq!(value(Asked { expand: true, ..Asked::default() }, text), Ok(r#"{"a":1}"#.to_owned()));
    assert_eq!(
        value(Asked { value: Converter::String, ..Asked::default() }, text),
        Ok(r#"{"a":1}"#.to_owned())
    );
    assert_eq!(value(Asked::default(), "7"), Ok("7".to_owned()));
    assert_eq!(value(Asked::default(), "1.50"), Ok("1.5".to_owned()));
}

#[test]
fn a_payload_without_a_schema_is_refused() {
    for payload in [r#"{"a":[1,"x"]}"#, r#"{"a":9223372036854775808}"#, "[null]", r#"[[1],["x"]]"#] {
        let why = value(Asked::default(), payload).unwrap_err();
        assert!(why.contains("member payload has no schema"), "{payload}: {why}");
    }
}
