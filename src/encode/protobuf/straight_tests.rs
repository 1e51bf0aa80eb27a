//! The straight road against the other, by which it is measured.

use super::super::fill;
use super::*;
use crate::encode::framed::UnknownFields;
use crate::encode::framed::filler::{Filler, Orders};
use crate::encode::framed::straight::Haste;
use crate::encode::framed::testing::{self, Choices, Kind, Manner};
use proptest::prelude::*;
use std::fmt::Write as _;

/// What both roads write after what is there already: the straight one, if it does not give up, and the other.
fn both(plan: &Plan, unknown: UnknownFields, text: &str) -> (Option<Vec<u8>>, Result<Vec<u8>, String>) {
    let mut filler = Filler::new();
    let before = b"before".to_vec();
    let mut straight = before.clone();
    let mut road = |text: &str| {
        let write = |to: Straight<'_>, out: &mut Vec<u8>| Writer { plan, to }.payload(out);
        straight.clone_from(&before);
        let is_written = filler.straight(&mut Haste::default(), unknown, text, &mut straight, write);
        assert!(is_written || straight == before, "something is left of what was given up");
        is_written
    };
    // What a payload leaves behind does not bother the next.
    road("{\"other\":[[{\"\\ud83d\":");
    let is_written = road(text);
    let mut other = before;
    let written = fill::node_by_node(plan, &mut Filler::new(), &mut Orders::new(), unknown, text, &mut other);
    (is_written.then_some(straight), written.map(|()| other).map_err(|mismatch| mismatch.detail()))
}

/// Declares what a field needs, and answers its type.
fn type_of(kind: &Kind, number: &mut usize, out: &mut String) -> String {
    match kind {
        Kind::Bool => "bool".into(),
        Kind::Int => "sint32".into(),
        Kind::Long => "int64".into(),
        Kind::Double => "double".into(),
        Kind::Text => "string".into(),
        Kind::Bytes => "bytes".into(),
        Kind::Enum => "E".into(),
        Kind::Moment => "google.protobuf.Timestamp".into(),
        Kind::List(item) => format!("repeated {}", type_of(item, number, out)),
        Kind::Map(value) => format!("map<string, {}>", type_of(value, number, out)),
        Kind::Record(fields) => message(fields, number, out),
        Kind::Maybe(_) | Kind::Any(_) => panic!("none of these"),
    }
}

/// Declares a message, and answers its name.
fn message(fields: &[testing::Field], number: &mut usize, out: &mut String) -> String {
    let name = format!("M{number}");
    *number += 1;
    let mut body = String::new();
    for (at, field) in fields.iter().enumerate() {
        let label = match field.kind {
            Kind::List(_) | Kind::Map(_) => "",
            _ if field.optional => "optional ",
            _ => "",
        };
        let of = type_of(&field.kind, number, out);
        let _ = write!(body, "{label}{of} {} = {};", field.name, at * 7 + 1);
    }
    let _ = write!(out, "message {name} {{{body}}}");
    name
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_straight_is_what_the_other_road_writes(
        choices in proptest::collection::vec(any::<u16>(), 0..300), tame in any::<bool>(), drop in any::<bool>(),
    ) {
        let mut choices = Choices::new(choices);
        let kind = Kind::record(&mut choices, 3, true);
        let Kind::Record(fields) = &kind else { panic!("no record") };
        let mut text = "syntax = \"proto3\"; import \"google/protobuf/timestamp.proto\";
            enum E { NONE = 0; SOME = 1; ALL = -2; }".to_owned();
        message(fields, &mut 0, &mut text);
        let payload = kind.payload(&mut choices, Manner { tame, others: drop, camel: true });
        let unknown = if drop { UnknownFields::Drop } else { UnknownFields::Refuse };
        let (straight, other) = both(&Plan::new(&text, &[], "M0").unwrap(), unknown, &payload);
        if tame {
            prop_assert!(straight.is_some() && other.is_ok(), "{other:?} {payload} {text}");
        }
        if let Some(straight) = straight {
            prop_assert_eq!(Ok(straight), other, "{} {}", payload, text);
        }
    }
}

const ORDER: &str = r#"syntax = "proto2"; import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto"; import "google/protobuf/duration.proto";
    message Order {
        required int64 order_id = 1; optional string note = 2; repeated int32 many = 3; repeated int32 packed = 4 [packed = true];
        map<int32, Order> parts = 5; oneof way { string post = 6; google.protobuf.NullValue none = 7; Order next = 8; }
        optional google.protobuf.Int32Value boxed = 9; repeated google.protobuf.StringValue boxes = 10;
        optional google.protobuf.Struct more = 11; optional google.protobuf.Duration within = 12; }"#;

#[test]
fn what_mostly_comes_is_written_straight_and_what_may_be_doubted_is_not() {
    let plan = Plan::new(ORDER, &[], "Order").unwrap();
    for (text, is_straight) in [
        (r#"{"orderId":1,"note":"a","many":[1,2],"packed":[3,-4]}"#, true),
        (r#"{"order_id":1,"many":[],"packed":[],"parts":{}}"#, true),
        (r#"{"parts":{"7":{"orderId":2},"-1":{"note":"","orderId":3}},"orderId":1}"#, true),
        (r#"{"within":"1.5s","next":{"none":null,"orderId":1},"boxed":3,"orderId":1}"#, true),
        (r#"{"orderId":1,"post":null,"none":null,"boxed":null,"boxes":["","a"]}"#, true),
        (r#"{"orderId":1,"more":null}"#, true),
        (r#"{"orderId":1,"more":{}}"#, false),
        (r#"{"orderId":1,"post":"a","none":null}"#, false),
        (r#"{"orderId":1,"none":null,"post":"a"}"#, false),
        (r#"{"orderId":1,"boxes":[null]}"#, false),
        (r#"{"orderId":1,"order_id":1}"#, false),
        (r#"{"orderId":1,"orderId":1}"#, false),
        (r#"{"note":"a"}"#, false),
        (r#"{"note":"a","orderId":null}"#, false),
        (r#"{"orderId":1,"many":[null]}"#, false),
        (r#"{"orderId":1,"many":{}}"#, false),
        (r#"{"orderId":1,"parts":{"1":{"orderId":2},"1":{"orderId":3}}}"#, false),
        (r#"{"orderId":1,"parts":{"x":{"orderId":2}}}"#, false),
        (r#"{"orderId":1,"other":1}"#, false),
        (r#"{"orderId":1} and more"#, true),
        (r#"{"orderId":1,"#, false),
        ("[]", false),
        ("", false),
    ] {
        let (straight, other) = both(&plan, UnknownFields::Refuse, text);
        assert_eq!(straight.is_some(), is_straight, "{text}");
        if let Some(straight) = straight {
            assert_eq!(Ok(straight), other, "{text}");
        }
    }
}
