//! What Debezium loses of arrays: `debezium.compat=strict` loses it, too.

use super::{Kind, Modes, TypeFacts, Value, ValueError};

/// The kind of a column that has none otherwise: a `bit(n)[]` has that of its elements, and never a value or a default.
pub fn kind_of(facts: &TypeFacts, modes: &Modes) -> Kind {
    const BIT: u32 = 1560;
    const BITS: u32 = 1561;
    match facts.oid {
        BITS => super::kind_of(&TypeFacts { oid: BIT, element: None, ..facts.clone() }, modes),
        _ => Kind::Unknown,
    }
}

/// As [`super::parse`], but for what Debezium has no value of: an array of bits, an array of an enum with NULL in it,
/// and within an array, an array.
pub fn parse<'a>(kind: &Kind, text: &'a [u8]) -> Result<Value<'a>, ValueError> {
    if matches!(kind, Kind::Bits { .. } | Kind::Boolean) && text.starts_with(b"{") {
        return Ok(Value::Null);
    }
    let (element, mut items) = match (kind, super::parse(kind, text)?) {
        (Kind::Array(element), Value::Array(items)) => (element, items),
        (_, value) => return Ok(value),
    };
    for item in &mut items {
        if matches!(item, Value::Array(_)) {
            *item = Value::Null;
        }
    }
    // Its elements are required.
    let is_lost = matches!(**element, Kind::Enum(_)) && items.contains(&Value::Null);
    Ok(if is_lost { Value::Null } else { Value::Array(items) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_debezium_has_no_value_of_is_null() {
        let integers = Kind::Array(Box::new(Kind::Int32));
        let moods = Kind::Array(Box::new(Kind::Enum(vec!["sad".into(), "ok".into()])));
        let (null, list) = (Value::Null, |items: &[Value<'static>]| Value::Array(items.to_vec()));
        let (one, sad) = (Value::Integer(1), Value::Text("sad".into()));
        for (kind, text, expected) in [
            (&integers, "{1,NULL}", list(&[one.clone(), null.clone()])),
            (&integers, "{{1,2},{3,4}}", list(&[null.clone(), null.clone()])),
            (&moods, "{sad}", list(&[sad])),
            (&moods, "{sad,NULL}", null.clone()),
            (&moods, "{{sad}}", null.clone()),
            (&Kind::Bits { length: 3 }, "{101}", null.clone()),
            (&Kind::Bits { length: 3 }, "101", Value::Bytes(vec![5].into())),
            (&Kind::Boolean, "{1}", null),
            (&Kind::Int32, "1", one),
        ] {
            assert_eq!(parse(kind, text.as_bytes()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_array_of_bits_has_its_elements_kind() {
        let kind = |oid, type_modifier| {
            kind_of(&TypeFacts { oid, type_modifier, ..TypeFacts::default() }, &Modes::default())
        };
        assert_eq!(kind(1561, 3), Kind::Bits { length: 3 });
        assert_eq!(kind(1561, 1), Kind::Boolean);
        // Of bit varying, and of money.
        assert_eq!(kind(1563, 9), Kind::Unknown);
        assert_eq!(kind(791, -1), Kind::Unknown);
    }
}
