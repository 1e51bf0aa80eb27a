//! What an encoder asks of a schema registry, how often, and what it makes of the answers.

use super::*;
use crate::encode::{ByRegistered, Framed, Ids, UnknownFields, Verify};
use crate::registry::{Refused, Registered, SchemaType, Strategy, What};

const ORDER: &str =
    r#"{"type":"record","name":"Order","namespace":"acme","fields":[{"name":"n","type":"int"}]}"#;
const PLAIN: &str =
    r#"["null",{"type":"string","connect.version":1,"connect.name":"io.debezium.data.Json"}]"#;

fn avro() -> Framed {
    Framed { latest_ttl_ms: Some(60_000), ..Framed::avro() }
}

fn registered() -> Framed {
    let by = ByRegistered { name: "acme.${type}".to_owned(), unknown: UnknownFields::Refuse };
    Framed { subject: Strategy::TopicRecord, registered: Some(by), ..avro() }
}

/// An encoder and the row that it encodes, at whatever time.
struct World {
    encoder: Encoder,
    plan: Plan,
    columns: Vec<Column<'static>>,
}

impl World {
    fn new(value: Converter, payload: Column<'static>) -> World {
        let columns = row(payload, &[("type", Kind::String, Some("Order"))]);
        let mut plan = plan(&columns);
        plan.event_type = Some(place(&plan, &columns, "type"));
        World { encoder: Encoder::new(config(value)), plan, columns }
    }

    fn of(avro: Framed) -> World {
        World::new(Converter::Framed(Box::new(avro)), jsonb(r#"{"n": 1}"#))
    }

    fn encode(&mut self, now_ms: i64) -> Result<Vec<u8>, NotEncoded> {
        let mut out = Outgoing::default();
        let World { encoder, plan, columns } = self;
        with_event(plan, columns, |event| encoder.encode(event, now_ms, &mut out))?;
        Ok(out.iter().next().unwrap().value.unwrap().to_vec())
    }

    fn asks(&mut self, now_ms: i64) -> Question {
        match self.encode(now_ms) {
            Err(NotEncoded::Asks(question)) => question,
            other => panic!("no question: {other:?}"),
        }
    }

    fn refuses(&mut self, now_ms: i64) -> Rejection {
        match self.encode(now_ms) {
            Err(NotEncoded::Rejected(rejection)) => rejection,
            other => panic!("no rejection: {other:?}"),
        }
    }
}

fn known(id: i32, schema: &str) -> Answer {
    let (schema_type, schema) = (SchemaType::Avro, schema.to_owned());
    Ok(Registered { id, guid: None, schema_type, schema, references: Vec::new() })
}

fn refused() -> Answer {
    Err(Refused { what: "no".to_owned(), hint: "yes" })
}

#[test]
fn the_registry_is_asked_once_for_a_schema() {
    let mut world = World::of(avro());
    let question = world.asks(0);
    assert_eq!(question.subject, "outbox.event.User-value");
    let What::Register { schema, .. } = question.what else { panic!("{question:?}") };
    assert_eq!(schema, PLAIN);
    world.encoder.answer(known(258, &schema), 0);
    for now_ms in [0, 1_000_000_000] {
        assert_eq!(world.encode(now_ms).unwrap(), b"\0\0\0\x01\x02\x02\x10{\"n\": 1}");
    }
}

#[test]
fn what_is_refused_is_asked_for_again_after_a_while() {
    let mut world = World::of(avro());
    world.asks(0);
    world.encoder.answer(refused(), 0);
    let rejection = world.refuses(9_999);
    assert_eq!((rejection.reason, rejection.detail.as_str()), (Reason::SchemaRefused, "no"));
    world.asks(10_000);
    assert!(!world.encoder.go_on(10_000), "what is refused is nothing to go on with");
}

#[test]
fn the_newest_schema_is_asked_for_again_and_goes_on_when_nobody_answers() {
    let mut world = World::of(registered());
    let question = world.asks(0);
    assert_eq!((question.subject.as_str(), question.what), ("outbox.event.User-acme.Order", What::Latest));
    world.encoder.answer(known(1, ORDER), 0);
    assert_eq!(world.encode(59_999).unwrap(), [0, 0, 0, 0, 1, 2]);
    world.asks(60_000);
    assert!(world.encoder.go_on(60_000));
    assert_eq!(world.encode(119_999).unwrap(), [0, 0, 0, 0, 1, 2]);
    world.asks(120_000);
    let newer = ORDER.replace("]}", r#",{"name":"m","type":"string","default":"x"}]}"#);
    world.encoder.answer(known(2, &newer), 120_000);
    assert_eq!(world.encode(120_000).unwrap(), [0, 0, 0, 0, 2, 2, 2, b'x']);
}

#[test]
fn the_newest_schema_must_be_the_inferred_one_where_that_is_asked_for() {
    let latest = || World::of(Framed { ids: Ids::Latest, ..avro() });
    let mut world = latest();
    assert_eq!(world.asks(0).what, What::Latest);
    world.encoder.answer(known(7, r#"["null","string"]"#), 0);
    assert_eq!(world.encode(0).unwrap()[..5], [0, 0, 0, 0, 7]);
    let mut world = latest();
    world.asks(0);
    world.encoder.answer(known(7, ORDER), 0);
    assert!(world.refuses(0).detail.contains("is not schema 7"), "{:?}", world.refuses(0));
    let mut world = World::of(Framed { ids: Ids::Given(9), ..avro() });
    assert_eq!(world.asks(0).what, What::Id(9));
    assert!(matches!(World::of(Framed { ids: Ids::Find, ..avro() }).asks(0).what, What::Find { .. }));
}

#[test]
fn a_guid_in_a_header_leaves_the_bytes_alone() {
    let mut world = World::of(Framed { in_header: true, ..registered() });
    world.asks(0);
    let answer = known(1, ORDER).map(|known| Registered { guid: Some([7; 16]), ..known });
    world.encoder.answer(answer, 0);
    let mut out = Outgoing::default();
    let World { encoder, plan, columns } = &mut world;
    with_event(plan, columns, |event| encoder.encode(event, 0, &mut out)).unwrap();
    let record = out.iter().next().unwrap();
    assert_eq!(record.value.unwrap(), [2]);
    let (name, value) = record.headers().last().unwrap();
    assert_eq!((name, value.unwrap()), ("__value_schema_id", &[&[1][..], &[7; 16]].concat()[..]));

    let mut world = World::of(Framed { in_header: true, ..registered() });
    world.asks(0);
    world.encoder.answer(known(1, ORDER), 0);
    assert!(world.refuses(0).detail.contains("no GUID"));
}

#[test]
fn a_subject_named_by_records_needs_a_record_and_a_type() {
    let mut world = World::of(Framed { subject: Strategy::Record, ..avro() });
    assert!(world.refuses(0).detail.contains("is no record"));
    let mut world = World::of(registered());
    world.plan.event_type = None;
    assert!(world.refuses(0).detail.contains("has no type"));
}

#[test]
fn a_registered_schema_in_another_language_or_of_nothing_known_is_refused() {
    for (answer, why) in [
        (known(3, ORDER).map(|known| Registered { schema_type: SchemaType::Protobuf, ..known }), "PROTOBUF"),
        (known(3, r#"{"type":"acme.Unheard"}"#), "acme.Unheard is not described"),
        (known(3, "{"), "not JSON"),
    ] {
        let mut world = World::of(registered());
        world.asks(0);
        world.encoder.answer(answer, 0);
        assert!(world.refuses(0).detail.contains(why), "{why}");
    }
}

#[test]
fn bytes_that_are_framed_are_made_sure_of_once() {
    let framed = || ("payload", Kind::Bytes, Some("\\x000000000902"));
    let verify = |own| Verify { own, subject: Strategy::Topic, name: "${type}".to_owned() };
    let world = |own, payload| {
        let mut world = World::new(Converter::Bytes, payload);
        world.encoder = Encoder::new(Config { verify: Some(verify(own)), ..config(Converter::Bytes) });
        world
    };
    let mut own = world(true, framed());
    assert_eq!(own.asks(0), Question { subject: "outbox.event.User-value".into(), what: What::Own(9) });
    own.encoder.answer(known(9, ORDER), 0);
    assert_eq!(own.encode(0).unwrap(), [0, 0, 0, 0, 9, 2]);
    for language in [SchemaType::Json, SchemaType::Protobuf] {
        let mut other = world(true, framed());
        other.asks(0);
        other.encoder.answer(answered(language, "whatever it is", None), 0);
        assert_eq!(other.encode(0).unwrap(), [0, 0, 0, 0, 9, 2]);
    }
    let mut any = world(false, framed());
    assert_eq!(any.asks(0).what, What::Id(9));
    any.encoder.answer(refused(), 0);
    assert_eq!(any.refuses(0).reason, Reason::SchemaRefused);
    let mut bare = world(true, ("payload", Kind::Bytes, Some("\\x7b7d")));
    assert!(bare.refuses(0).detail.contains("is not framed"));
}

fn of(language: SchemaType, name: &str) -> Framed {
    let by = ByRegistered { name: name.to_owned(), unknown: UnknownFields::Refuse };
    Framed { language, registered: Some(by), ..registered() }
}

fn answered(schema_type: SchemaType, schema: &str, guid: Option<[u8; 16]>) -> Answer {
    Ok(Registered { id: 258, guid, schema_type, schema: schema.to_owned(), references: Vec::new() })
}

#[test]
fn a_payload_that_fits_its_json_schema_is_published_as_it_is() {
    let mut world = World::of(of(SchemaType::Json, "${type}"));
    assert_eq!(world.asks(0).what, What::Latest);
    world.encoder.answer(answered(SchemaType::Json, r#"{"required":["n"]}"#, None), 0);
    assert_eq!(world.encode(0).unwrap(), b"\0\0\0\x01\x02{\"n\": 1}");
    world.asks(60_000);
    world.encoder.answer(answered(SchemaType::Json, r#"{"required":["m"]}"#, None), 60_000);
    let rejection = world.refuses(60_000);
    assert_eq!(rejection.reason, Reason::PayloadNotEncodable);
    assert!(rejection.detail.contains("schema 258 (Order): $.m is missing"), "{}", rejection.detail);
}

#[test]
fn a_message_has_its_place_in_the_file_after_the_id_or_after_the_guid() {
    let two =
        r#"syntax = "proto3"; package acme; message Other { int32 n = 1; } message Order { int32 n = 1; }"#;
    let mut world = World::of(of(SchemaType::Protobuf, "acme.${type}"));
    world.asks(0);
    world.encoder.answer(answered(SchemaType::Protobuf, two, None), 0);
    assert_eq!(world.encode(0).unwrap(), [0, 0, 0, 1, 2, 2, 2, 8, 1]);
    let in_header = Framed { in_header: true, ..of(SchemaType::Protobuf, "acme.${type}") };
    let mut world = World::of(in_header);
    world.asks(0);
    world.encoder.answer(answered(SchemaType::Protobuf, two, Some([7; 16])), 0);
    let mut out = Outgoing::default();
    let World { encoder, plan, columns } = &mut world;
    with_event(plan, columns, |event| encoder.encode(event, 0, &mut out)).unwrap();
    let record = out.iter().next().unwrap();
    assert_eq!(record.value.unwrap(), [8, 1]);
    let header = record.headers().find(|(name, _)| *name == "__value_schema_id").unwrap().1.unwrap();
    assert_eq!(header, [&[1][..], &[7; 16], &[2, 2]].concat());
}

#[test]
fn a_schema_of_another_language_is_refused() {
    for (ours, theirs) in [(SchemaType::Json, SchemaType::Avro), (SchemaType::Protobuf, SchemaType::Json)] {
        let mut world = World::of(of(ours, "${type}"));
        world.asks(0);
        world.encoder.answer(answered(theirs, "{}", None), 0);
        let detail = world.refuses(0).detail;
        assert!(detail.contains(&format!("it is {}", theirs.name())), "{detail}");
    }
}

#[test]
fn bytes_are_no_payload_to_be_written_by_a_schema() {
    for language in [SchemaType::Json, SchemaType::Protobuf] {
        let value = Converter::Framed(Box::new(of(language, "${type}")));
        let mut world = World::new(value, ("payload", Kind::Bytes, Some("\\x7b7d")));
        assert!(world.refuses(0).detail.contains("is to be JSON"));
    }
}

#[test]
fn a_heartbeat_is_in_the_language_of_its_converter() {
    for (language, said) in [(SchemaType::Json, &b"{\"ts_ms\":5}"[..]), (SchemaType::Protobuf, &[0, 8, 5])] {
        let mut encoder = Encoder::new(config(Converter::Framed(Box::new(of(language, "${type}")))));
        let (topic, mut out) = (Arc::from("heartbeats"), Outgoing::default());
        let asked = encoder.heartbeat(&topic, "app", 5, &mut out);
        let Err(NotEncoded::Asks(Question { what: What::Register { schema, schema_type, .. }, .. })) = asked
        else {
            panic!("{asked:?}")
        };
        assert_eq!(schema_type, language);
        encoder.answer(answered(language, &schema, None), 5);
        encoder.heartbeat(&topic, "app", 5, &mut out).unwrap();
        let value = out.iter().next().unwrap().value.unwrap();
        assert_eq!(value, [&[0, 0, 0, 1, 2], said].concat());
    }
}
