//! JsonConverter's payloads: values as Jackson writes them.

use super::{DecimalFormat, java};
use crate::decode::json::words;
use crate::decode::value::{Kind, Value, base64};

/// Appends a value of this kind as JSON.
pub(super) fn write(kind: &Kind, value: &Value<'_>, decimals: DecimalFormat, out: &mut Vec<u8>) {
    match value {
        Value::Null | Value::Boolean(_) => java::write(kind, value, out),
        Value::Integer(number) => java::integer(*number, out),
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
        Value::Point { x, y } => point(*x, *y, double, out),
        Value::Map(entries) => {
            out.push(b'{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                string(key, out);
                out.push(b':');
                match value {
                    Some(value) => string(value, out),
                    None => out.extend_from_slice(b"null"),
                }
            }
            out.push(b'}');
        }
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

/// Appends a JSON string. Only what must be escaped is: quote, backslash and control characters; and, as Jackson does
/// where it writes UTF-8, every character beyond U+FFFF, as two surrogates.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    string_bytes(text.as_bytes(), out);
}

/// The same of UTF-8 in which there may be surrogates that have lost their other half.
pub(super) fn string_bytes(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    escape_bytes(text, out);
    out.push(b'"');
}

/// The inside of a JSON string.
pub(super) fn escape(text: &str, out: &mut Vec<u8>) {
    escape_bytes(text.as_bytes(), out);
}

/// The inside of a JSON string, of what [`string_bytes`] takes.
pub(super) fn escape_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let (mut plain, mut next) = (0, 0);
    while let Some(at) = escaped(bytes, next) {
        next = at + 1;
        let byte = bytes[at];
        let letter = ESCAPES[byte as usize];
        let length = match letter {
            WIDE => 4,
            SURROGATE if bytes.get(next).is_some_and(|next| *next >= 0xa0) => 3,
            SURROGATE => continue,
            _ => 1,
        };
        out.extend_from_slice(&bytes[plain..at]);
        plain = (at + length).min(bytes.len());
        match letter {
            WIDE | SURROGATE => units(&bytes[at..plain], out),
            b'u' => unit(u32::from(byte), out),
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
    }
    out.extend_from_slice(&bytes[plain..]);
}

/// Where the next byte is, from this on, that may have to be escaped.
fn escaped(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(word) = words::at(bytes, at) {
        let marks = words::stops(word) | words::wide(word);
        if marks == 0 {
            at += 8;
            continue;
        }
        at += words::before(marks);
        if ESCAPES[bytes[at] as usize] != 0 {
            return Some(at);
        }
        at += 1;
    }
    bytes.get(at..)?.iter().position(|&byte| ESCAPES[byte as usize] != 0).map(|found| at + found)
}

/// The UTF-16 of one character of three or four bytes, escaped.
fn units(character: &[u8], out: &mut Vec<u8>) {
    let bits = |byte: &u8| u32::from(byte & 0x3f);
    match character {
        [first, second, third, fourth] => {
            let code = u32::from(first & 7) << 18 | bits(second) << 12 | bits(third) << 6 | bits(fourth);
            let above = code.wrapping_sub(0x10000);
            unit(0xd800 | above >> 10 & 0x3ff, out);
            unit(0xdc00 | above & 0x3ff, out);
        }
        [first, second, third] => unit(u32::from(first & 15) << 12 | bits(second) << 6 | bits(third), out),
        _ => {}
    }
}

/// `\uXXXX`.
fn unit(unit: u32, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |shift: u32| HEX[(unit >> shift & 15) as usize];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

/// Characters that begin with bytes below this are not escaped for what they are.
pub(super) const WIDE_FROM: u8 = 0xed;

/// In [`ESCAPES`]: the first of four bytes.
const WIDE: u8 = 1;
/// In [`ESCAPES`]: the first of three bytes that may be a surrogate.
const SURROGATE: u8 = 2;

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
    let mut wide = 0xf0;
    while wide < 0xf5 {
        table[wide] = WIDE;
        wide += 1;
    }
    table[0xed] = SURROGATE;
    table
};

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// JSON has no words for NaN and the infinities: they are strings.
pub(super) fn double(number: f64, out: &mut Vec<u8>) {
    match number.is_finite() {
        true => java::double(number, out),
        false => quoted(out, |out| java::double(number, out)),
    }
}

fn unscaled_base64(unscaled: &str, out: &mut Vec<u8>) {
    quoted(out, |out| base64::write(java::unscaled_bytes(unscaled).into_iter(), out));
}

/// Debezium's Point: the coordinates, then the same as well-known binary, then no SRID. `number` writes a coordinate.
pub(super) fn point(x: f64, y: f64, number: fn(f64, &mut Vec<u8>), out: &mut Vec<u8>) {
    let wkb = [1u8, 1, 0, 0, 0].into_iter().chain(x.to_le_bytes()).chain(y.to_le_bytes());
    out.extend_from_slice(b"{\"x\":");
    number(x, out);
    out.extend_from_slice(b",\"y\":");
    number(y, out);
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
        let text = "a\"b\\c/\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}ü日\u{d7ff}\u{2028}";
        let expected = "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001F\u{7f}ü日\u{d7ff}\u{2028}\"";
        assert_eq!(json(Kind::String, Value::Text(text.into())), expected);
    }

    /// `UTF8JsonGenerator`, as long as COMBINE_UNICODE_SURROGATES_IN_UTF8 is off, which it is in Jackson 2.
    #[test]
    fn characters_beyond_the_basic_plane_are_two_surrogates() {
        let wide = "<😀\u{10000}\u{10ffff}>";
        assert_eq!(
            json(Kind::String, Value::Text(wide.into())),
            r#""<\uD83D\uDE00\uD800\uDC00\uDBFF\uDFFF>""#
        );
        let mut out = Vec::new();
        string_bytes(b"\xed\xa0\xbd, \xed\xbf\xbf", &mut out);
        assert_eq!(out, br#""\uD83D, \uDFFF""#);
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
