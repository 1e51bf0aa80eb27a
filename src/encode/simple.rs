//! SimpleHeaderConverter: text, with lists and structs in something like JSON (`org.apache.kafka.connect.data.Values`).

use super::moment::moment;
use super::{java, json};
use crate::decode::value::{Kind, Value, base64};

/// Appends the text of a value; NULL must not come here, it is a header without a value.
pub(super) fn write(kind: &Kind, value: &Value<'_>, out: &mut Vec<u8>) {
    part(kind, value, false, out);
}

/// Appends the text of a value inside a struct.
pub(super) fn embedded(kind: &Kind, value: &Value<'_>, out: &mut Vec<u8>) {
    part(kind, value, true, out);
}

/// Appends the name of a struct's member, and the colon.
pub(super) fn member(name: &str, out: &mut Vec<u8>) {
    quoted(name, out);
    out.push(b':');
}

/// Inside lists and structs, strings and bytes are in quotes.
fn part(kind: &Kind, value: &Value<'_>, embedded: bool, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => match moment(kind, *number) {
            Some(moment) => moment.simple(out),
            None => java::integer(*number, out),
        },
        Value::Map(entries) => {
            out.push(b'{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                member(key, out);
                match value {
                    Some(value) => quoted(value, out),
                    None => out.extend_from_slice(b"null"),
                }
            }
            out.push(b'}');
        }
        Value::Null | Value::Boolean(_) | Value::Float32(_) | Value::Float64(_) => {
            java::write(kind, value, out)
        }
        Value::Decimal { .. } if *kind != Kind::VariableScaleDecimal => java::write(kind, value, out),
        // Structs of numbers and bytes look the same here and in JSON.
        Value::Decimal { .. } => json::write(kind, value, super::DecimalFormat::Base64, out),
        Value::Point { x, y } => json::point(*x, *y, java::double, out),
        Value::Text(text) if embedded => quoted(text, out),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Hex(hex) => bytes(hex.bytes(), embedded, out),
        Value::Bytes(raw) => bytes(raw.iter().copied(), embedded, out),
        Value::Array(items) => {
            let element = java::element_of(kind);
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                part(if matches!(item, Value::Array(_)) { kind } else { element }, item, true, out);
            }
            out.push(b']');
        }
    }
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn bytes(raw: impl Iterator<Item = u8>, embedded: bool, out: &mut Vec<u8>) {
    let quote: &[u8] = if embedded { b"\"" } else { b"" };
    out.extend_from_slice(quote);
    base64::write(raw, out);
    out.extend_from_slice(quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: Kind, value: Value<'_>) -> String {
        let mut out = Vec::new();
        write(&kind, &value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_plain_text_and_only_inside_lists_in_quotes() {
        assert_eq!(header(Kind::String, Value::Text("q\"ü\\".into())), "q\"ü\\");
        assert_eq!(header(Kind::Bytes, Value::Bytes(vec![0, 255, 128].into())), "AP+A");
        assert_eq!(header(Kind::Float64, Value::Float64(f64::NAN)), "NaN");
        assert_eq!(header(Kind::Boolean, Value::Boolean(false)), "false");
        let strings =
            Value::Array(vec![Value::Text("a".into()), Value::Null, Value::Text("b \"q\" \\".into())]);
        assert_eq!(header(Kind::Array(Box::new(Kind::String)), strings), r#"["a",null,"b \"q\" \\"]"#);
        let blobs = Value::Array(vec![Value::Bytes(vec![0].into())]);
        assert_eq!(header(Kind::Array(Box::new(Kind::Bytes)), blobs), r#"["AA=="]"#);
    }

    #[test]
    fn decimals_are_numbers_and_those_without_scale_structs() {
        let number = || Value::Decimal { unscaled: "1234".into(), scale: 2 };
        assert_eq!(header(Kind::Decimal { precision: 4, scale: 2 }, number()), "12.34");
        assert_eq!(header(Kind::Money, number()), "12.34");
        assert_eq!(header(Kind::VariableScaleDecimal, number()), r#"{"scale":2,"value":"BNI="}"#);
        assert_eq!(
            header(Kind::Point, Value::Point { x: 1.5, y: 2.0 }),
            r#"{"x":1.5,"y":2.0,"wkb":"AQEAAAAAAAAAAAD4PwAAAAAAAABA","srid":null}"#
        );
        // What is no number has no quotes here.
        assert_eq!(
            header(Kind::Point, Value::Point { x: 1e300, y: f64::NAN }),
            r#"{"x":1.0E300,"y":NaN,"wkb":"AQEAAACcdQCIPOQ3fgAAAAAAAPh/","srid":null}"#
        );
    }
}
