//! JsonConverter's payloads: values as Jackson writes them.

use super::{DecimalFormat, base64, java};
use crate::decode::value::{Kind, Value};

/// Appends a value of this kind as JSON.
pub(super) fn write(kind: &Kind, value: &Value<'_>, decimals: DecimalFormat, out: &mut Vec<u8>) {
    match value {
        Value::Null | Value::Boolean(_) | Value::Integer(_) => java::write(kind, value, out),
        Value::Float32(number) if number.is_finite() => java::float(*number, out),
        Value::Float32(number) => quoted(out, |out| java::float(*number, out)),
        Value::Float64(number) => double(*number, out),
        Value::Text(text) => string(text, out),
        Value::Hex(hex) => quoted(out, |out| base64::write(hex.bytes(), out)),
        Value::Bytes(bytes) => quoted(out, |out| base64::write(bytes.iter().copied(), out)),
        Value::Decimal { unscaled, scale } => match (kind, decimals) {
            (Kind::VariableScaleDecimal, _) => {
                out.extend_from_slice(b"{\"scale\":");
                java::integer(i64::from(*scale), out);
                out.extend_from_slice(b",\"value\":");
                unscaled_base64(unscaled, out);
                out.push(b'}');
            }
            (_, DecimalFormat::Base64) => unscaled_base64(unscaled, out),
            (_, DecimalFormat::Numeric) => java::decimal(unscaled, *scale, out),
        },
        Value::Point { x, y } => point(*x, *y, out),
        Value::Array(items) => {
            let element = java::element_of(kind);
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(if matches!(item, Value::Array(_)) { kind } else { element }, item, decimals, out);
            }
            out.push(b']');
        }
    }
}

/// Appends a JSON string. Only what must be escaped is: quote, backslash and control characters.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// The inside of a JSON string.
pub(super) fn escape(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let letter = ESCAPES[byte as usize];
        if letter == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        out.extend_from_slice(&[b'\\', letter]);
        if letter == b'u' {
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    out.extend_from_slice(&bytes[plain..]);
}

/// The letter after the backslash, or 0 where none is needed.
static ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = b'u';
        control += 1;
    }
    table[0x08] = b'b';
    table[b'\t' as usize] = b't';
    table[b'\n' as usize] = b'n';
    table[0x0c] = b'f';
    table[b'\r' as usize] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// JSON has no words for NaN and the infinities: they are strings.
fn double(number: f64, out: &mut Vec<u8>) {
    match number.is_finite() {
        true => java::double(number, out),
        false => quoted(out, |out| java::double(number, out)),
    }
}

fn unscaled_base64(unscaled: &str, out: &mut Vec<u8>) {
    quoted(out, |out| base64::write(java::unscaled_bytes(unscaled).into_iter(), out));
}

/// Debezium's Point: the coordinates, then the same as well-known binary, then no SRID.
pub(super) fn point(x: f64, y: f64, out: &mut Vec<u8>) {
    let wkb = [1u8, 1, 0, 0, 0].into_iter().chain(x.to_le_bytes()).chain(y.to_le_bytes());
    out.extend_from_slice(b"{\"x\":");
    double(x, out);
    out.extend_from_slice(b",\"y\":");
    double(y, out);
    out.extend_from_slice(b",\"wkb\":");
    quoted(out, |out| base64::write(wkb, out));
    out.extend_from_slice(b",\"srid\":null}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(kind: Kind, value: Value<'_>) -> String {
        let mut out = Vec::new();
        write(&kind, &value, DecimalFormat::Base64, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_jackson_escapes_them() {
        let text = "a\"b\\c/\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}ü日😀\u{2028}";
        let expected = "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001F\u{7f}ü日😀\u{2028}\"";
        assert_eq!(json(Kind::String, Value::Text(text.into())), expected);
    }

    #[test]
    fn values_have_their_json_forms() {
        assert_eq!(json(Kind::Boolean, Value::Boolean(true)), "true");
        assert_eq!(json(Kind::Int64, Value::Integer(-9007199254740993)), "-9007199254740993");
        assert_eq!(json(Kind::Float64, Value::Float64(1e21)), "1.0E21");
        assert_eq!(json(Kind::Float64, Value::Float64(f64::NAN)), "\"NaN\"");
        assert_eq!(json(Kind::Float32, Value::Float32(f32::NEG_INFINITY)), "\"-Infinity\"");
        assert_eq!(json(Kind::Bytes, Value::Bytes(vec![0, 255, 128].into())), "\"AP+A\"");
        assert_eq!(json(Kind::Bits { length: 5 }, Value::Bytes(vec![0x16].into())), "\"Fg==\"");
        assert_eq!(json(Kind::String, Value::Null), "null");
        assert_eq!(
            json(Kind::Point, Value::Point { x: 1.5, y: 2.0 }),
            r#"{"x":1.5,"y":2.0,"wkb":"AQEAAAAAAAAAAAD4PwAAAAAAAABA","srid":null}"#
        );
        let list = Value::Array(vec![Value::Text("a".into()), Value::Null, Value::Text("\"".into())]);
        assert_eq!(json(Kind::Array(Box::new(Kind::String)), list), r#"["a",null,"\""]"#);
    }

    #[test]
    fn decimals_are_base64_or_numbers() {
        let fixed = Kind::Decimal { precision: 10, scale: 2 };
        let value = || Value::Decimal { unscaled: "1234560".into(), scale: 2 };
        assert_eq!(json(fixed.clone(), value()), "\"EtaA\"");
        let free = Value::Decimal { unscaled: "1234".into(), scale: 2 };
        assert_eq!(json(Kind::VariableScaleDecimal, free), r#"{"scale":2,"value":"BNI="}"#);
        let mut out = Vec::new();
        write(&fixed, &value(), DecimalFormat::Numeric, &mut out);
        assert_eq!(out, b"12345.60");
    }
}
