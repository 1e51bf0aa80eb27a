//! What values have in common: JSON values, one after the other → one JSON Schema.
//!
//! Enters: values, or a schema that was written here before. Leaves: a schema that allows all of them. Promised: no value
//! is kept, of texts only whether all have the form of a date, a time or a UUID; what is kept is bounded; the schema does
//! not depend on the order in which values came. Names of members that are data (numbers, UUIDs, names without end) are
//! not kept either: the object is then a map.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// An object with more names than these is a map.
const NAMES_MOST: usize = 128;

/// What a set of values looks like; of none: like anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    null: bool,
    boolean: bool,
    integer: bool,
    number: bool,
    text: Option<Text>,
    array: Option<Box<Shape>>,
    object: Option<Members>,
}

/// What texts look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Any,
    Date,
    DateTime,
    Uuid,
    /// Bytes, in fact.
    Binary,
}

/// The members of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Members {
    /// By name: whether each object has it, and what it looks like.
    Named(BTreeMap<String, (bool, Shape)>),
    /// Names are data.
    Map(Box<Shape>),
}

/// How many members may still be added.
#[derive(Debug)]
pub struct Room(pub usize);

impl Shape {
    /// That of one value.
    pub fn of(value: &Value, room: &mut Room) -> Shape {
        let mut shape = Shape::default();
        match value {
            Value::Null => shape.null = true,
            Value::Bool(_) => shape.boolean = true,
            Value::Number(number) if number.is_f64() => shape.number = true,
            Value::Number(_) => shape.integer = true,
            Value::String(text) => shape.text = Some(Text::of(text)),
            Value::Array(items) => {
                let mut common = Shape::default();
                items.iter().for_each(|item| common.absorb(Shape::of(item, room), room));
                shape.array = Some(Box::new(common));
            }
            Value::Object(members) => shape.object = Some(Members::of(members, room)),
        }
        shape
    }

    /// That of bytes that are no text.
    pub fn binary() -> Shape {
        Shape { text: Some(Text::Binary), ..Shape::default() }
    }

    /// Allows what `other` allows, too.
    pub fn absorb(&mut self, other: Shape, room: &mut Room) {
        self.null |= other.null;
        self.boolean |= other.boolean;
        self.integer |= other.integer;
        self.number |= other.number;
        self.text = match (self.text, other.text) {
            (Some(one), Some(two)) if one != two => Some(Text::Any),
            (one, two) => one.or(two),
        };
        match (&mut self.array, other.array) {
            (Some(items), Some(others)) => items.absorb(*others, room),
            (items @ None, others) => *items = others,
            (Some(_), None) => {}
        }
        self.object = match (self.object.take(), other.object) {
            (Some(one), Some(two)) => Some(one.with(two, room)),
            (one, two) => one.or(two),
        };
    }

    /// As JSON Schema. Members by name, whatever came first.
    pub fn schema(&self) -> Value {
        let mut schema = Map::new();
        let types = [
            (self.object.is_some(), "object"),
            (self.array.is_some(), "array"),
            (self.text.is_some(), "string"),
            (self.integer && !self.number, "integer"),
            (self.number, "number"),
            (self.boolean, "boolean"),
            (self.null, "null"),
        ];
        let types: Vec<&str> = types.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
        match types.as_slice() {
            [] => {}
            [one] => drop(schema.insert("type".to_owned(), json!(one))),
            several => drop(schema.insert("type".to_owned(), json!(several))),
        }
        if let Some(format) = self.text.and_then(Text::format) {
            schema.insert("format".to_owned(), json!(format));
        }
        match &self.object {
            Some(Members::Named(members)) if !members.is_empty() => {
                let always: Vec<&String> =
                    members.iter().filter(|(_, (always, _))| *always).map(|(name, _)| name).collect();
                if !always.is_empty() {
                    schema.insert("required".to_owned(), json!(always));
                }
                let members = members.iter().map(|(name, (_, shape))| (name.clone(), shape.schema()));
                schema.insert("properties".to_owned(), Value::Object(members.collect()));
            }
            Some(Members::Map(values)) => {
                schema.insert("additionalProperties".to_owned(), values.schema());
            }
            _ => {}
        }
        if let Some(items) = self.array.as_ref().filter(|items| ***items != Shape::default()) {
            schema.insert("items".to_owned(), items.schema());
        }
        Value::Object(schema)
    }

    /// That of which `schema` was written; what else it says is not read.
    pub fn read(schema: &Value) -> Shape {
        let types = match &schema["type"] {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect::<Vec<_>>(),
        };
        let mut shape = Shape::default();
        for name in types {
            match name {
                "null" => shape.null = true,
                "boolean" => shape.boolean = true,
                "integer" => shape.integer = true,
                "number" => shape.number = true,
                "string" => shape.text = Some(schema["format"].as_str().map_or(Text::Any, Text::named)),
                "array" => shape.array = Some(Box::new(Shape::read(&schema["items"]))),
                "object" => shape.object = Some(Members::read(schema)),
                _ => {}
            }
        }
        shape
    }
}

impl Members {
    fn of(members: &Map<String, Value>, room: &mut Room) -> Members {
        if members.len() > NAMES_MOST || members.keys().any(|name| is_data(name)) {
            let mut common = Shape::default();
            members.values().for_each(|value| common.absorb(Shape::of(value, room), room));
            return Members::Map(Box::new(common));
        }
        let members = members.iter().map(|(name, value)| (name.clone(), (true, Shape::of(value, room))));
        Members::Named(members.collect())
    }

    fn with(self, other: Members, room: &mut Room) -> Members {
        let (mut one, two) = match (self, other) {
            (Members::Named(one), Members::Named(two)) => (one, two),
            (one, two) => {
                let mut common = one.common(room);
                common.absorb(two.common(room), room);
                return Members::Map(Box::new(common));
            }
        };
        for (name, (always, _)) in &mut one {
            *always &= two.contains_key(name);
        }
        for (name, (always, shape)) in two {
            if let Some((known, common)) = one.get_mut(&name) {
                *known &= always;
                common.absorb(shape, room);
            } else if room.0 > 0 {
                room.0 -= 1;
                one.insert(name, (false, shape));
            }
        }
        if one.len() > NAMES_MOST {
            return Members::Map(Box::new(Members::Named(one).common(room)));
        }
        Members::Named(one)
    }

    /// What the values of all members have in common.
    fn common(self, room: &mut Room) -> Shape {
        match self {
            Members::Map(values) => *values,
            Members::Named(members) => members.into_values().fold(Shape::default(), |mut common, (_, it)| {
                common.absorb(it, room);
                common
            }),
        }
    }

    fn read(schema: &Value) -> Members {
        if schema["additionalProperties"].is_object() {
            return Members::Map(Box::new(Shape::read(&schema["additionalProperties"])));
        }
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let members = schema["properties"].as_object().into_iter().flatten();
        let members = members
            .map(|(name, schema)| (name.clone(), (required.contains(&name.as_str()), Shape::read(schema))));
        Members::Named(members.collect())
    }
}

impl Text {
    fn of(text: &str) -> Text {
        if uuid::Uuid::parse_str(text).is_ok_and(|uuid| uuid.to_string().eq_ignore_ascii_case(text)) {
            return Text::Uuid;
        }
        match text.split_once(['T', 't']) {
            None if is_date(text) => Text::Date,
            Some((date, time)) if is_date(date) && is_time(time) => Text::DateTime,
            _ => Text::Any,
        }
    }

    fn format(self) -> Option<&'static str> {
        match self {
            Text::Any => None,
            Text::Date => Some("date"),
            Text::DateTime => Some("date-time"),
            Text::Uuid => Some("uuid"),
            Text::Binary => Some("binary"),
        }
    }

    fn named(name: &str) -> Text {
        let all = [Text::Date, Text::DateTime, Text::Uuid, Text::Binary];
        all.into_iter().find(|text| text.format() == Some(name)).unwrap_or(Text::Any)
    }
}

/// Whether a member's name is somebody's number or UUID rather than a name.
fn is_data(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) || Text::of(name) != Text::Any
}

/// `0000-00-00`, where 0 is any digit.
fn is_date(text: &str) -> bool {
    is_like(text, "0000-00-00")
}

/// A time of RFC 3339 with its zone.
fn is_time(text: &str) -> bool {
    let Some((time, rest)) = text.split_at_checked(8) else { return false };
    let zone =
        rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let is_zone = matches!(zone, "Z" | "z") || is_like(zone, "+00:00") || is_like(zone, "-00:00");
    is_like(time, "00:00:00") && is_zone
}

fn is_like(text: &str, pattern: &str) -> bool {
    let is_one = |(byte, like): (u8, u8)| if like == b'0' { byte.is_ascii_digit() } else { byte == like };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(values: &[Value]) -> Shape {
        let mut room = Room(1000);
        values.iter().fold(Shape::default(), |mut shape, value| {
            shape.absorb(Shape::of(value, &mut room), &mut room);
            shape
        })
    }

    fn schema(values: &[Value]) -> Value {
        // The first is as good as any other: nothing is not a value.
        shape(values).schema()
    }

    #[test]
    fn what_every_object_has_is_required_and_what_some_have_is_not() {
        let told = schema(&[json!({"id": 1, "note": "a"}), json!({"id": 2, "total": 1.5})]);
        let properties =
            json!({"id": {"type": "integer"}, "note": {"type": "string"}, "total": {"type": "number"}});
        assert_eq!(told, json!({"type": "object", "required": ["id"], "properties": properties}));
    }

    #[test]
    fn types_that_differ_are_all_there_and_a_whole_number_is_a_number_too() {
        assert_eq!(schema(&[json!(1), json!(1.5)]), json!({"type": "number"}));
        assert_eq!(
            schema(&[json!("a"), json!(null), json!(true)]),
            json!({"type": ["string", "boolean", "null"]})
        );
        assert_eq!(schema(&[json!([]), json!([1, "a"])])["items"], json!({"type": ["string", "integer"]}));
        assert_eq!(schema(&[json!([])]), json!({"type": "array"}));
        assert_eq!(schema(&[]), json!({}));
    }

    #[test]
    fn a_format_is_told_while_every_text_has_it() {
        let uuid = "10711fa5-0e7f-4f0c-9d1e-2a7f6b1d9c11";
        let format = |texts: &[&str]| {
            let texts: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
            schema(&texts)["format"].as_str().unwrap_or("none").to_owned()
        };
        assert_eq!(format(&["2024-02-29T13:51:30.123+02:00", "2024-02-29T13:51:30Z"]), "date-time");
        assert_eq!(format(&["2024-02-29"]), "date");
        assert_eq!(format(&[uuid]), "uuid");
        assert_eq!(format(&[uuid, "x"]), "none");
        for text in ["2024-02-29T", "2024-02-29T13:51:30", "2024-02-29T13:51:30+2", "2024", "ééééééééT1"]
        {
            assert_eq!(format(&[text]), "none", "{text}");
        }
    }

    #[test]
    fn names_that_are_data_are_not_written_down() {
        let uuid = "10711fa5-0e7f-4f0c-9d1e-2a7f6b1d9c11";
        for name in [uuid, "4711", "2024-02-29"] {
            let told = schema(&[json!({"balance": 1}), json!({ name: 1.5 })]);
            assert_eq!(told, json!({"type": "object", "additionalProperties": {"type": "number"}}), "{name}");
        }
        let many: Map<String, Value> = (0..=NAMES_MOST).map(|n| (format!("user{n}"), json!(n))).collect();
        assert_eq!(schema(&[many.into()])["additionalProperties"], json!({"type": "integer"}));
        let mut one_by_one = (0..=NAMES_MOST).map(|n| json!({ format!("user{n}"): n })).collect::<Vec<_>>();
        assert_eq!(schema(&one_by_one)["additionalProperties"], json!({"type": "integer"}));
        one_by_one.pop();
        assert!(schema(&one_by_one)["properties"].is_object());
    }

    #[test]
    fn members_without_end_find_no_more_room() {
        let mut room = Room(3);
        let mut shape = Shape::of(&json!({"a": {}}), &mut room);
        for n in 0..100 {
            shape.absorb(Shape::of(&json!({"a": { format!("x{n}"): 1 }}), &mut room), &mut room);
        }
        assert_eq!(shape.schema()["properties"]["a"]["properties"].as_object().map(Map::len), Some(3));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            "[a-c]{0,2}|2024-02-29".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-d]|7", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_order_of_values_does_not_matter_and_what_is_known_says_nothing_new(
            values in prop::collection::vec(any_json(), 1..5),
        ) {
            let told = schema(&values);
            let mut reversed = values.clone();
            reversed.reverse();
            prop_assert_eq!(&schema(&reversed), &told);
            let mut again = Shape::read(&told);
            prop_assert_eq!(again.schema(), told.clone());
            let mut room = Room(1000);
            again.absorb(shape(&values), &mut room);
            prop_assert_eq!(again.schema(), told);
        }
    }
}
