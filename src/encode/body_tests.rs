//! Values that are taken apart, and what `debezium.compat=strict` makes of them; and the header of a row's former key.

use super::*;
use crate::decode::Old;
use crate::encode::Nulls;

fn expanding(value: Converter) -> Config {
    Config { expand: Some(Nulls::Ignore.into()), ..config(value) }
}

fn strict(value: Converter) -> Config {
    Config { strict: true, ..expanding(value) }
}

fn envelope(plan: &mut Plan, columns: &[Column<'_>], name: &str) {
    plan.envelope = Some(vec![(name.to_owned(), place(plan, columns, name))]);
}

const TYPE: Column<'_> = ("type", Kind::String, Some("UserCreated"));

#[test]
fn a_payload_taken_apart_is_a_struct_in_the_converters_form() {
    let columns = row(jsonb(r#"{"a": {"b": 1}}"#), &[]);
    let value = |converter| value_of(&one(expanding(converter), &plan(&columns), &columns).unwrap()).unwrap();
    assert_eq!(value(Converter::String), "Struct{a=Struct{b=1}}");
    assert_eq!(value(json(false)), r#"{"a":{"b":1}}"#);
    assert_eq!(value(Converter::Binary { delegate: Some(Box::new(json(false))) }), r#"{"a":{"b":1}}"#);
    assert_eq!(
        value(json(true)),
        r#"{"schema":{"type":"struct","fields":[{"type":"struct","fields":[{"type":"int32","optional":true,"field":"b"}],"optional":true,"name":"payload.a","field":"a"}],"optional":true,"name":"payload"},"payload":{"a":{"b":1}}}"#
    );
    let refused = one(expanding(Converter::Bytes), &plan(&columns), &columns).unwrap_err();
    assert_eq!(refused.reason, Reason::PayloadNotEncodable);
}

#[test]
fn what_is_not_taken_apart_is_what_it_would_be_anyway() {
    for payload in [r#""x""#, "null", "1", r#"{"a": [1, "x"]}"#, "  {}"] {
        let columns = row(jsonb(payload), &[]);
        for converter in [Converter::String, json(false), json(true)] {
            let plain = one(config(converter.clone()), &plan(&columns), &columns).unwrap();
            let ours = one(strict(converter), &plan(&columns), &columns).unwrap();
            assert_eq!(value_of(&ours), value_of(&plain), "{payload}");
        }
    }
    let bytes = row(("payload", Kind::Bytes, Some("\\x7b7d")), &[]);
    let out = one(expanding(Converter::Bytes), &plan(&bytes), &bytes).unwrap();
    assert_eq!(value_of(&out).as_deref(), Some("{}"));
    let null = row(("payload", Kind::Json, None), &[]);
    let out = one(expanding(json(false)), &plan(&null), &null).unwrap();
    assert_eq!(value_of(&out).as_deref(), Some("null"));
}

#[test]
fn a_column_default_is_taken_apart_as_well() {
    let columns = row(("payload", Kind::Json, None), &[]);
    let mut plan = plan(&columns);
    plan.payload.default = Some(Value::Text(r#"{"d": 1}"#.into()));
    let out = one(expanding(json(false)), &plan, &columns).unwrap();
    assert_eq!(value_of(&out).as_deref(), Some(r#"{"d":1}"#));
}

#[test]
fn an_array_without_elements_loses_its_schema() {
    let columns = row(jsonb("[]"), &[]);
    let value = |converter| value_of(&one(strict(converter), &plan(&columns), &columns).unwrap()).unwrap();
    assert_eq!(value(Converter::String), "[]");
    assert_eq!(value(json(false)), "\"[]\"");
    assert_eq!(value(json(true)), r#"{"schema":null,"payload":"[]"}"#);
}

#[test]
fn the_payload_of_an_envelope_is_taken_apart() {
    let columns = row(jsonb(r#"{"a": 1}"#), &[TYPE]);
    let mut plan = plan(&columns);
    envelope(&mut plan, &columns, "type");
    let value = |converter| value_of(&one(expanding(converter), &plan, &columns).unwrap()).unwrap();
    assert_eq!(value(json(false)), r#"{"payload":{"a":1},"type":"UserCreated"}"#);
    assert_eq!(value(Converter::String), "Struct{payload=Struct{a=1},type=UserCreated}");
    let with_schema = value(json(true));
    assert!(
        with_schema.starts_with(
            r#"{"schema":{"type":"struct","fields":[{"type":"struct","fields":[{"type":"int32","optional":true,"field":"a"}],"optional":true,"name":"payload","field":"payload"},{"type":"string","optional":true,"field":"type"}],"optional":false,"name":"app.public.outbox.User.Value"},"payload":{"payload":{"a":1},"#
        ),
        "{with_schema}"
    );
}

#[test]
fn what_debezium_dies_of_stays_a_text_unless_it_is_to_be_strict() {
    for payload in ["[1, 2]", r#"{"a": 9223372036854775808}"#, r#"{"a": [[1], ["x"]]}"#] {
        let columns = row(jsonb(payload), &[TYPE]);
        let alone = plan(&columns);
        let mut placed = plan(&columns);
        envelope(&mut placed, &columns, "type");
        let text = serde_json::to_string(payload).unwrap();
        let out = one(expanding(json(false)), &alone, &columns).unwrap();
        assert_eq!(value_of(&out).as_deref(), Some(&*text));
        let out = one(expanding(json(false)), &placed, &columns).unwrap();
        assert_eq!(value_of(&out).unwrap(), format!(r#"{{"payload":{text},"type":"UserCreated"}}"#));
        for plan in [&alone, &placed] {
            let rejection = one(strict(json(false)), plan, &columns).unwrap_err();
            assert!(rejection.detail.contains("column payload"), "{}", rejection.detail);
            assert!(!rejection.detail.contains(payload) && rejection.hint.contains("debezium.compat"));
        }
        // StringConverter prints the text, unless an envelope has to hold it.
        assert_eq!(value_of(&one(strict(Converter::String), &alone, &columns).unwrap()).unwrap(), payload);
        assert!(one(strict(Converter::String), &placed, &columns).is_err());
    }
    let columns = row(jsonb("[]"), &[TYPE]);
    let mut plan = plan(&columns);
    envelope(&mut plan, &columns, "type");
    assert!(one(strict(json(false)), &plan, &columns).is_err());
    assert!(one(expanding(json(false)), &plan, &columns).is_ok());
}

/// Names of the schemas of rows with these routes and payloads, one after another through one encoder.
fn names(
    config: Config,
    version: bool,
    rows: &[(&'static str, Option<i32>, &str)],
) -> Vec<Result<String, String>> {
    let mut encoder = Encoder::new(config);
    let mut names = Vec::new();
    for &(route, number, payload) in rows {
        let columns = row(jsonb(payload), &[TYPE]);
        let mut plan = plan(&columns);
        envelope(&mut plan, &columns, "type");
        plan.schema_version = version.then(|| plan.payload.clone());
        let mut out = Outgoing::default();
        let change = |event: &mut Event<'_>| (event.route, event.schema_version) = (route, number);
        let encoded = encode(&mut encoder, &plan, &columns, change, &mut out);
        names.push(encoded.map_err(|rejection| rejection.detail).map(|()| {
            let value: serde_json::Value = serde_json::from_str(&value_of(&out).unwrap()).unwrap();
            value["schema"]["name"].as_str().unwrap().to_owned()
        }));
    }
    names
}

#[test]
fn an_envelopes_schema_is_named_by_its_own_route_unless_it_is_to_be_strict() {
    let rows = [("User", None, "{}"), ("Address", None, "{}"), ("Order", None, r#"{"a": 1}"#)];
    let name = |route: &str| Ok(format!("app.public.outbox.{route}.Value"));
    assert_eq!(names(expanding(json(true)), false, &rows), [name("User"), name("Address"), name("Order")]);
    assert_eq!(names(strict(json(true)), false, &rows), [name("User"), name("User"), name("Order")]);
}

#[test]
fn two_payloads_of_one_version_are_refused_only_when_it_is_to_be_strict() {
    let rows = [("User", Some(1), "{}"), ("User", Some(2), r#"{"a": 1}"#), ("Order", Some(1), r#"{"a": 1}"#)];
    assert!(names(expanding(json(true)), true, &rows).iter().all(Result::is_ok));
    let strictly = names(strict(json(true)), true, &rows);
    assert_eq!(strictly[1].as_deref(), Ok("app.public.outbox.User.Value"));
    assert!(strictly[2].as_ref().is_err_and(|detail| detail.contains("schema version")));
}

/// As Debezium 3.6.3 published them.
#[test]
fn with_compat_strict_a_null_has_the_schema_of_its_versions_first_payload() {
    let (mut encoder, mut values) = (Encoder::new(strict(json(true))), Vec::new());
    for payload in [Some(r#"{"a": 1}"#), None] {
        let columns = row(("payload", Kind::Json, payload), &[TYPE]);
        let mut plan = plan(&columns);
        envelope(&mut plan, &columns, "type");
        plan.schema_version = Some(plan.payload.clone());
        let mut out = Outgoing::default();
        let change = |event: &mut Event<'_>| event.schema_version = Some(1);
        encode(&mut encoder, &plan, &columns, change, &mut out).unwrap();
        values.push(serde_json::from_str::<serde_json::Value>(&value_of(&out).unwrap()).unwrap());
    }
    assert_eq!(values[1]["schema"], values[0]["schema"]);
    assert_eq!(values[1]["schema"]["fields"][0]["fields"][0]["field"], "a");
    assert!(values[1]["payload"]["payload"].is_null());
}

/// As Debezium 3.6.3 published them: the schema is the first payload's, which was not JSON.
#[test]
fn with_compat_strict_a_text_fits_the_schema_of_its_version_where_that_has_a_text() {
    let rows = [("User", Some(1), "-"), ("Order", Some(1), "[1]"), ("Order", Some(2), "[1]")];
    let strictly = names(strict(json(true)), true, &rows);
    assert_eq!(strictly[1].as_deref(), Ok("app.public.outbox.User.Value"));
    assert!(strictly[2].as_ref().is_err_and(|detail| detail.contains("an array at the root")));
}

#[test]
fn a_struct_that_would_be_too_large_is_refused_before_it_is_written() {
    let objects: Vec<String> = (0..3000).map(|n| format!(r#"{{"m{n}":1}}"#)).collect();
    let payload = format!(r#"{{"a":[{}]}}"#, objects.join(","));
    let columns = row(jsonb(&payload), &[]);
    let rejection = one(expanding(json(false)), &plan(&columns), &columns).unwrap_err();
    assert_eq!(rejection.reason, Reason::TooLarge);
}

#[test]
fn an_encoders_debug_shows_no_payload() {
    let columns = row(jsonb(r#"{"secretName": {"x": "secret-value\n"}}"#), &[TYPE]);
    let mut plan = plan(&columns);
    envelope(&mut plan, &columns, "type");
    let (mut encoder, mut out) = (Encoder::new(strict(json(true))), Outgoing::default());
    encode(&mut encoder, &plan, &columns, |_| {}, &mut out).unwrap();
    let shown = format!("{encoder:?}");
    assert!(!shown.contains("secret") && shown.contains("Expander"), "{shown}");
}

/// The headers of a row that an UPDATE has given another key.
fn headers_of_update(header: HeaderConverter) -> Vec<(String, Option<String>)> {
    headers_of_update_in(header, None)
}

fn headers_of_update_in(header: HeaderConverter, context: Option<Context>) -> Vec<(String, Option<String>)> {
    let columns = row(jsonb("{}"), &[]);
    let mut plan = plan(&columns);
    plan.old_key = vec![plan.id.clone()];
    let [relation, insert] = messages(&columns);
    let mut update = b"U\0\0\0\x01K\0\x04t\0\0\0\x03old".to_vec();
    update.extend(b"nnn");
    update.extend(&insert[5..]);
    let mut decoder = Decoder::new();
    decoder.decode(&relation).unwrap();
    let Ok(Change::Update { old: Some(Old::Key(old)), new, .. }) = decoder.decode(&update) else {
        panic!("not an update")
    };
    let topic = Arc::from("t");
    let event = Event {
        plan: &plan,
        row: new,
        route: "User",
        topic: &topic,
        partition: None,
        timestamp_ms: None,
        schema_version: None,
        old: Some(old),
        committed_ms: None,
        tombstone: false,
    };
    let mut out = Outgoing::default();
    Encoder::new(Config { header, context, ..config(json(false)) }).encode(&event, NOW, &mut out).unwrap();
    headers_of(&out)
}

#[test]
fn the_former_key_of_a_row_comes_before_the_context() {
    let context = Context { logical_name: "app".into(), run_id: "run".into() };
    let headers = headers_of_update_in(HeaderConverter::Simple, Some(context));
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.rsplit('.').next().unwrap()).collect();
    assert_eq!(names, ["oldkey", "connectorLogicalName", "taskId", "connectorName", "runId", "id"]);
    assert_eq!(headers[1].1.as_deref(), Some("app"));
}

#[test]
fn the_former_key_of_a_row_is_a_header_before_the_id() {
    let name = "__debezium.oldkey";
    let headers = headers_of_update(HeaderConverter::Simple);
    assert_eq!(headers[0], (name.into(), Some(r#"{"id":"old"}"#.into())));
    assert_eq!(headers[1].0, "id");
    let headers = headers_of_update(HeaderConverter::As(Converter::String));
    assert_eq!(headers[0], (name.into(), Some("Struct{id=old}".into())));
    let headers = headers_of_update(HeaderConverter::As(json(false)));
    assert_eq!(headers[0], (name.into(), Some(r#"{"id":"old"}"#.into())));
    let headers = headers_of_update(HeaderConverter::As(json(true)));
    assert_eq!(
        headers[0].1.as_deref(),
        Some(
            r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"name":"io.debezium.data.Uuid","version":1,"field":"id"}],"optional":false,"name":"app.public.outbox.Key"},"payload":{"id":"old"}}"#
        )
    );
}
