//! Types of JSON values, as sets.

use super::parts::{ANYTHING, Part};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// A set of types. Whole numbers and other numbers are two, so that `number` is both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Types(u8);

/// Each type by itself: a bit, its name, and the schema that takes it alone.
const NAMES: [(u8, &str); 6] =
    [(1, "null"), (2, "boolean"), (4, "integer"), (16, "string"), (32, "array"), (64, "object")];
const FRACTION: u8 = 8;

impl Types {
    pub(super) const ALL: Types = Types(127);
    pub(super) const NUMBER: Types = Types(12);
    pub(super) const INTEGER: Types = Types(4);
    pub(super) const STRING: Types = Types(16);
    pub(super) const ARRAY: Types = Types(32);
    pub(super) const OBJECT: Types = Types(64);

    fn named(name: &str) -> Types {
        match NAMES.iter().find(|(_, known)| *known == name) {
            Some((bit, _)) => Types(*bit),
            None if name == "number" => Types::NUMBER,
            // Nobody knows what it takes.
            None => Types::ALL,
        }
    }

    /// What `type` says; none where it is not there.
    pub(super) fn said(part: Part<'_>) -> Option<Types> {
        match part.get("type")? {
            Value::String(name) => Some(Types::named(name)),
            Value::Array(names) => {
                let names = names.iter().filter_map(Value::as_str);
                Some(names.map(Types::named).fold(Types(0), Types::with))
            }
            _ => None,
        }
    }

    /// What a value may be that fits all of the parts.
    pub(super) fn of(parts: &[Part<'_>]) -> Types {
        let mut types = Types::ALL;
        for part in parts {
            if part.is_nothing() {
                return Types(0);
            }
            types = types.and(Types::said(*part).unwrap_or(Types::ALL));
            if part.number("multipleOf").is_some_and(|of| of >= 1.0 && of.fract() == 0.0) {
                types.0 &= !FRACTION;
            }
        }
        types
    }

    pub(super) fn of_value(value: &Value) -> Types {
        match value {
            Value::Null => Types(1),
            Value::Bool(_) => Types(2),
            Value::Number(number) => match number.as_f64() {
                Some(number) if number.fract() != 0.0 => Types(FRACTION),
                _ => Types::INTEGER,
            },
            Value::String(_) => Types::STRING,
            Value::Array(_) => Types::ARRAY,
            Value::Object(_) => Types::OBJECT,
        }
    }

    pub(super) fn and(self, other: Types) -> Types {
        Types(self.0 & other.0)
    }

    pub(super) fn with(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    pub(super) fn without(self, other: Types) -> Types {
        Types(self.0 & !other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn has(self, other: Types) -> bool {
        !self.and(other).is_empty()
    }

    /// One by one; all numbers are one where all are in it.
    pub(super) fn each(self) -> impl Iterator<Item = Types> {
        let bits = NAMES.map(|(bit, _)| if bit == 4 { Types::NUMBER } else { Types(bit) });
        bits.into_iter().map(move |bit| self.and(bit)).filter(|types| !types.is_empty())
    }
}

impl Types {
    /// The schema that takes just one of [`Types::each`].
    pub(super) fn schema(self) -> &'static Value {
        static SCHEMAS: LazyLock<Vec<(u8, Value)>> = LazyLock::new(|| {
            let of = |bits, name: &str| (bits, json!({ "type": name }));
            let mut all: Vec<_> = NAMES.iter().map(|(bit, name)| of(*bit, name)).collect();
            all.push(of(Types::NUMBER.0, "number"));
            all.push(of(FRACTION, "number"));
            all
        });
        SCHEMAS.iter().find(|(bits, _)| *bits == self.0).map_or(&ANYTHING, |(_, schema)| schema)
    }
}

impl std::fmt::Display for Types {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Types::ALL {
            return out.write_str("anything");
        }
        for (number, types) in self.each().enumerate() {
            let name = match NAMES.iter().find(|(bit, _)| *bit == types.0) {
                Some((_, name)) => name,
                None => "number",
            };
            write!(out, "{}{name}", if number == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}

/// Whether a schema takes a value, as far as its types, values and unions say. What is not known, it takes.
pub(super) fn takes(schema: Part<'_>, value: &Value, depth: usize) -> bool {
    const DEEPEST: usize = 5;
    depth == DEEPEST
        || schema.parts(&ANYTHING).into_iter().all(|part| {
            let types = Types::said(part).is_none_or(|types| types.has(Types::of_value(value)));
            let values = values(part).is_none_or(|values| values.iter().any(|known| is_same(known, value)));
            let unions = ["anyOf", "oneOf"].iter().all(|union| {
                part.list(union).is_none_or(|mut list| list.any(|branch| takes(branch, value, depth + 1)))
            });
            !part.is_nothing() && types && values && unions
        })
}

/// The values that `const` and `enum` leave.
pub(super) fn values(part: Part<'_>) -> Option<Vec<&Value>> {
    match (part.get("const"), part.get("enum")) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(Value::Array(values))) => Some(values.iter().collect()),
        _ => None,
    }
}

/// 1 and 1.0 are the same.
pub(super) fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}
