//! The straight road against the other, by which it is measured.

use super::super::{fill, plan::Plan};
use super::*;
use crate::encode::framed::UnknownFields;
use crate::encode::framed::filler::{Filler, Orders};
use crate::encode::framed::straight::{Haste, Straight};
use crate::encode::framed::testing::{Choices, Field, Kind, Manner};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What both roads write after what is there already: the straight one, if it does not give up, and the other.
fn both(plan: &Plan, unknown: UnknownFields, text: &str) -> (Option<Vec<u8>>, Result<Vec<u8>, String>) {
    let mut filler = Filler::new();
    let before = b"before".to_vec();
    let mut straight = before.clone();
    let mut road = |text: &str| {
        let write =
            |to: Straight<'_>, out: &mut Vec<u8>| Writer { types: &plan.types, to }.payload(plan.root, out);
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

/// The schema of a type.
fn schema(kind: &Kind, number: &mut usize) -> Value {
    let mut named = |of: Value| {
        *number += 1;
        let mut of = of;
        of["name"] = format!("T{number}").into();
        of
    };
    match kind {
        Kind::Bool => json!("boolean"),
        Kind::Int => json!("int"),
        Kind::Long => json!("long"),
        Kind::Double => json!("double"),
        Kind::Text => json!("string"),
        Kind::Bytes => json!("bytes"),
        Kind::Enum => named(json!({"type": "enum", "symbols": ["NONE", "SOME", "ALL"]})),
        Kind::Moment => json!({"type": "long", "logicalType": "timestamp-millis"}),
        Kind::List(item) => json!({"type": "array", "items": schema(item, number)}),
        Kind::Map(value) => json!({"type": "map", "values": schema(value, number)}),
        Kind::Maybe(kind) => json!(["null", schema(kind, number)]),
        Kind::Any(kinds) => {
            let mut branches = vec![json!("null")];
            branches.extend(kinds.iter().map(|kind| schema(kind, number)));
            json!(branches)
        }
        Kind::Record(fields) => {
            let mut record = named(json!({"type": "record"}));
            let field = |field: &Field| {
                let mut of = json!({"name": field.name, "type": schema(&field.kind, number)});
                match (&field.kind, field.optional) {
                    (_, false) => {}
                    (Kind::Maybe(_) | Kind::Any(_), true) => of["default"] = Value::Null,
                    (_, true) => {
                        of["type"] = json!([of["type"], "null"]);
                        of["default"] = Value::Null;
                    }
                }
                of
            };
            record["fields"] = fields.iter().map(field).collect();
            record
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_straight_is_what_the_other_road_writes(
        choices in proptest::collection::vec(any::<u16>(), 0..300), tame in any::<bool>(), drop in any::<bool>(),
    ) {
        let mut choices = Choices::new(choices);
        let kind = Kind::record(&mut choices, 3, false);
        let schema = schema(&kind, &mut 0).to_string();
        let payload = kind.payload(&mut choices, Manner { tame, others: drop, camel: false });
        let unknown = if drop { UnknownFields::Drop } else { UnknownFields::Refuse };
        let (straight, other) = both(&Plan::new(&schema, &[]).unwrap(), unknown, &payload);
        if tame {
            prop_assert!(straight.is_some() && other.is_ok(), "{other:?} {payload} {schema}");
        }
        if let Some(straight) = straight {
            prop_assert_eq!(Ok(straight), other, "{} {}", payload, schema);
        }
    }
}

/// What the straight road writes, which must be what the other does.
fn straight(schema: &str, unknown: UnknownFields, text: &str) -> Option<Vec<u8>> {
    let (straight, other) = both(&Plan::new(schema, &[]).unwrap(), unknown, text);
    if let Some(straight) = &straight {
        assert_eq!(Ok(straight), other.as_ref(), "{text}");
    }
    straight
}

const ORDER: &str = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},
    {"name":"note","type":["null","string"],"default":null},{"name":"sum","type":"double"},
    {"name":"tags","type":{"type":"map","values":"int"},"default":{}},
    {"name":"next","type":["null","Order"],"default":null}]}"#;

#[test]
fn what_mostly_comes_is_written_straight_and_what_may_be_doubted_is_not() {
    for (text, is_straight) in [
        (r#"{"id":1,"note":"a","sum":1.5,"tags":{"k":1},"next":null}"#, true),
        (r#"{"id": 1, "sum": 2}"#, true),
        (r#"{"sum":2,"id":1}"#, true),
        (r#"{"next":{"tags":{},"sum":1,"id":2},"sum":2,"note":"\u00e9","id":1}"#, true),
        (r#"{"id":1,"sum":2} and more"#, true),
        (r#"{"id":1,"sum":2,"id":3}"#, false),
        (r#"{"sum":2,"id":1,"sum":3}"#, false),
        (r#"{"id":1,"tags":{"k":1,"k":2},"sum":2}"#, false),
        (r#"{"\u0069d":1,"sum":2}"#, false),
        (r#"{"id":1,"sum":2,"other":3}"#, false),
        (r#"{"id":1,"sum":2,}"#, false),
        (r#"{"id":1,"sum":2"#, false),
        (r#"{"id":1}"#, false),
        (r#"{"id":"1","sum":2}"#, false),
        (r#"{"id":1,"note":"\ud83d","sum":2}"#, false),
        ("", false),
    ] {
        assert_eq!(straight(ORDER, UnknownFields::Refuse, text).is_some(), is_straight, "{text}");
    }
    for (text, is_straight) in [
        (r#"{"other":[{"a":"\ud83d"}],"id":1,"note":"x","sum":2}"#, true),
        (r#"{"other":[{"a":1,}],"id":1,"sum":2}"#, false),
        (r#"{"n\u006fte":"x","id":1,"sum":2}"#, false),
    ] {
        assert_eq!(straight(ORDER, UnknownFields::Drop, text).is_some(), is_straight, "{text}");
    }
}

#[test]
fn very_deep_and_very_many_values_are_the_same_on_both_roads() {
    let deep = |depth: usize, inner: &str| {
        let open = r#"{"id":1,"sum":2,"next":"#;
        format!("{}{inner}{}", open.repeat(depth), "}".repeat(depth))
    };
    let straight = |text: &str| straight(ORDER, UnknownFields::Drop, text).is_some();
    assert!(straight(&deep(60, "null")) && !straight(&deep(70, "null")));
    // Jackson reads a thousand containers within each other, and no more: two are outside, of one more is the item.
    let dropped =
        |depth: usize| format!(r#"{{"id":1,"x":{}{},"sum":2}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(straight(&dropped(999)) && !straight(&dropped(1000)));
    let keys: Vec<String> = (0..100).map(|number| format!("\"k{number}\":{number}")).collect();
    assert!(!straight(&format!(r#"{{"id":1,"sum":2,"tags":{{{}}}}}"#, keys.join(","))));
}

#[test]
fn a_field_whose_name_is_none_of_a_texts_is_not_looked_for() {
    for name in [r#"a\"b"#, r"a\\b", r"a\nb"] {
        let schema = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"{name}","type":"int"}}]}}"#);
        assert_eq!(straight(&schema, UnknownFields::Refuse, &format!("{{\"{name}\":1}}")), None);
        assert_eq!(straight(&schema, UnknownFields::Drop, "{\"x\":1}"), None);
    }
    let twice =
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#;
    assert_eq!(straight(twice, UnknownFields::Refuse, r#"{"a":1,"a":2}"#), None);
}
