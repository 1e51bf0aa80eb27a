//! What an encoder asks of a schema registry, how often, and what it makes of the answers.

use super::*;
use crate::encode::{Avro, ByRegistered, Ids, UnknownFields, Verify};
use crate::registry::{Refused, Registered, SchemaType, Strategy, What};

const ORDER: &str =
    r#"{"type":"record","name":"Order","namespace":"acme","fields":[{"name":"n","type":"int"}]}"#;
const PLAIN: &str =
    r#"["null",{"type":"string","connect.version":1,"connect.name":"io.debezium.data.Json"}]"#;

fn avro() -> Avro {
    Avro {
        subject: Strategy::Topic,
        ids: Ids::Register,
        normalize: false,
        meta: true,
        registered: None,
        in_header: false,
        latest_ttl_ms: Some(60_000),
    }
}

fn registered() -> Avro {
    let by = ByRegistered { name: "acme.${type}".to_owned(), unknown: UnknownFields::Refuse };
    Avro { subject: Strategy::TopicRecord, registered: Some(by), ..avro() }
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

    fn of(avro: Avro) -> World {
        World::new(Converter::Avro(Box::new(avro)), jsonb(r#"{"n": 1}"#))
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
    let latest = || World::of(Avro { ids: Ids::Latest, ..avro() });
    let mut world = latest();
    assert_eq!(world.asks(0).what, What::Latest);
    world.encoder.answer(known(7, r#"["null","string"]"#), 0);
    assert_eq!(world.encode(0).unwrap()[..5], [0, 0, 0, 0, 7]);
    let mut world = latest();
    world.asks(0);
    world.encoder.answer(known(7, ORDER), 0);
    assert!(world.refuses(0).detail.contains("is not schema 7"), "{:?}", world.refuses(0));
    let mut world = World::of(Avro { ids: Ids::Given(9), ..avro() });
    assert_eq!(world.asks(0).what, What::Id(9));
    assert!(matches!(World::of(Avro { ids: Ids::Find, ..avro() }).asks(0).what, What::Find { .. }));
}

#[test]
fn a_guid_in_a_header_leaves_the_bytes_alone() {
    let mut world = World::of(Avro { in_header: true, ..registered() });
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

    let mut world = World::of(Avro { in_header: true, ..registered() });
    world.asks(0);
    world.encoder.answer(known(1, ORDER), 0);
    assert!(world.refuses(0).detail.contains("no GUID"));
}

#[test]
fn a_subject_named_by_records_needs_a_record_and_a_type() {
    let mut world = World::of(Avro { subject: Strategy::Record, ..avro() });
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
    let mut any = world(false, framed());
    assert_eq!(any.asks(0).what, What::Id(9));
    any.encoder.answer(refused(), 0);
    assert_eq!(any.refuses(0).reason, Reason::SchemaRefused);
    let mut bare = world(true, ("payload", Kind::Bytes, Some("\\x7b7d")));
    assert!(bare.refuses(0).detail.contains("is not framed"));
}
