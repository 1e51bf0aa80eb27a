//! The messages of `google.protobuf` that JSON has a form of its own for.

use super::fill::Fill;
use super::plan::Form;
use super::scalar::{Json, bytes, varint};
use crate::decode::json::Node;
use crate::encode::avro::logical;
use crate::encode::framed::{Mismatch, Step};

/// Bounds of a Timestamp, seconds since 1970: from year 1 to year 9999.
const MOMENTS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Bound of a Duration, seconds: about 10,000 years.
const LONGEST: i64 = 315_576_000_000;

impl Fill<'_> {
    /// Appends such a message, without its length.
    pub(super) fn well_known(
        &mut self,
        form: Form,
        node: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Mismatch>> {
        match form {
            Form::Struct => self.of_struct(node, out),
            Form::ListValue => self.of_list(node, out),
            Form::Value => self.any_value(node, out),
            form => of_text(form, self.json(node)?, out),
        }
    }

    fn of_struct(&mut self, node: u32, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let document = self.document;
        let Node::Object { .. } = document.node(node) else { return Err(self.json(node)?.not("an object")) };
        for (name, value) in document.own_members(node) {
            let name = self.string(name)?;
            out.push(FIELDS);
            let written = self.sized(out, |fill, out| {
                out.push(ENTRY_KEY);
                bytes(name, out);
                out.push(ENTRY_VALUE);
                fill.sized(out, |fill, out| fill.any_value(value, out))
            });
            written.map_err(|mismatch| mismatch.within(Step::Value))?;
        }
        Ok(())
    }

    fn of_list(&mut self, node: u32, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let document = self.document;
        let Node::Array { .. } = document.node(node) else { return Err(self.json(node)?.not("an array")) };
        for (number, item) in document.items(node).enumerate() {
            out.push(FIELDS);
            let written = self.sized(out, |fill, out| fill.any_value(item, out));
            written.map_err(|mismatch| mismatch.within(Step::Item(number)))?;
        }
        Ok(())
    }

    fn any_value(&mut self, node: u32, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let deeper = |fill: &mut Self, out: &mut Vec<u8>, key, form| {
            out.push(key);
            fill.deeper(|fill| fill.sized(out, |fill, out| fill.well_known(form, node, out)))
        };
        match self.json(node)? {
            Json::Whole(number) => number_value(number as f64, out),
            Json::Number(text) => {
                let number = str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
                let number = number.filter(|number| number.is_finite());
                number_value(number.ok_or_else(|| Mismatch::new("is a number too large for a double"))?, out);
            }
            Json::Text(text) => {
                out.push(3 << 3 | 2);
                bytes(text, out);
            }
            Json::Boolean(is) => out.extend_from_slice(&[4 << 3, u8::from(is)]),
            Json::Other(_) => match self.document.node(node) {
                Node::Object { .. } => return deeper(self, out, 5 << 3 | 2, Form::Struct),
                Node::Array { .. } => return deeper(self, out, 6 << 3 | 2, Form::ListValue),
                _ => out.extend_from_slice(&[1 << 3, 0]),
            },
        }
        Ok(())
    }
}

/// Appends a message whose JSON is a text.
pub(super) fn of_text(form: Form, value: Json<'_>, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
    let is = |expected: &str| match value {
        Json::Text(text) => Ok(text),
        other => Err(other.not(expected)),
    };
    match form {
        Form::Timestamp => {
            let (seconds, nanos) = logical::moment(is("a moment (RFC 3339)")?).map_err(Mismatch::new)?;
            if !MOMENTS.contains(&seconds) {
                return Err(Mismatch::new("is a moment too far away for its type"));
            }
            parts(seconds, nanos, out);
        }
        Form::Duration => {
            let (seconds, nanos) =
                duration(is("a duration (1.5s)")?).ok_or_else(|| Mismatch::new("is no duration (1.5s)"))?;
            parts(seconds, nanos, out);
        }
        Form::FieldMask => mask(is("a mask of fields")?, out)?,
        Form::Any => return Err(Mismatch::new("is a google.protobuf.Any, which is not read here")),
        // Not asked for here.
        Form::Struct | Form::ListValue | Form::Value | Form::Fields | Form::Wrapper => {}
    }
    Ok(())
}

/// `Struct.fields`, and `ListValue.values`.
const FIELDS: u8 = 1 << 3 | 2;
const ENTRY_KEY: u8 = 1 << 3 | 2;
const ENTRY_VALUE: u8 = 2 << 3 | 2;

fn number_value(number: f64, out: &mut Vec<u8>) {
    out.push(2 << 3 | 1);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Seconds and nanoseconds, as Timestamp and Duration have them.
fn parts(seconds: i64, nanos: i64, out: &mut Vec<u8>) {
    for (key, part) in [(1 << 3, seconds), (2 << 3, nanos)] {
        if part != 0 {
            out.push(key);
            varint(part as u64, out);
        }
    }
}

/// `-1.5s`; both parts have its sign.
fn duration(text: &[u8]) -> Option<(i64, i64)> {
    let text = str::from_utf8(text).ok()?.strip_suffix('s')?;
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text),
    };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(seconds) || !is_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let seconds: i64 = seconds.parse().ok().filter(|seconds| *seconds <= LONGEST)?;
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    Some((sign * seconds, sign * nanos))
}

/// `a.b,cD`: each path a string, in the names that schemas have.
fn mask(text: &[u8], out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
    for path in text.split(|byte| *byte == b',').filter(|path| !path.is_empty()) {
        let mut name = Vec::with_capacity(path.len());
        for byte in path {
            match byte {
                b'_' => return Err(Mismatch::new("is no mask of fields in lowerCamelCase")),
                byte if byte.is_ascii_uppercase() => name.extend([b'_', byte.to_ascii_lowercase()]),
                byte => name.push(*byte),
            }
        }
        out.push(1 << 3 | 2);
        bytes(&name, out);
    }
    Ok(())
}
