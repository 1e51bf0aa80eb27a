//! A JSON value that is no container, by a type of the schema.

use super::binary;
use super::logical;
use super::plan::{Reading, Type};
use crate::decode::json::{Node, Span, Texts};
use crate::encode::framed::Mismatch;
use base64::Engine;

/// Writes such values: those of a text.
pub(super) struct Scalars<'s>(pub(super) Texts<'s>);

impl<'s> Scalars<'s> {
    /// Appends a value. A container, or a type of containers, does not fit.
    #[inline(always)]
    pub(super) fn write(&self, type_: &Type, value: Node, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        match (type_, value) {
            (Type::Text(reading), Node::Text(span)) => {
                let text = self.string(span)?;
                if *reading == Reading::Uuid {
                    logical::uuid(text).map_err(Mismatch::new)?;
                }
                binary::bytes(text, out);
            }
            (Type::Long(reading), value) => return self.long(*reading, value, out),
            (Type::Int(reading), value) => return self.int(*reading, value, out),
            (Type::Double, Node::Int(number)) => binary::double(f64::from(number), out),
            (Type::Double, value @ (Node::Long(_) | Node::Number(_) | Node::Text(_))) => {
                binary::double(self.double(value)?, out);
            }
            (Type::Float, Node::Int(number)) => out.extend_from_slice(&(number as f32).to_le_bytes()),
            (Type::Float, value @ (Node::Long(_) | Node::Number(_) | Node::Text(_))) => {
                out.extend_from_slice(&(self.double(value)? as f32).to_le_bytes());
            }
            (Type::Boolean, Node::Boolean(is)) => out.push(u8::from(is)),
            (Type::Null, Node::Null) => {}
            (Type::Enum(symbols), Node::Text(span)) => {
                let text = self.string(span)?;
                let place = symbols.iter().position(|symbol| **symbol == *text);
                let place = place.ok_or_else(|| Mismatch::new("is none of the enum's symbols"))?;
                binary::long(place as i64, out);
            }
            (Type::Bytes(reading), value) => return self.bytes(*reading, value, out),
            (Type::Fixed { size, reading }, value) => return self.fixed(*size, *reading, value, out),
            (expected, value) => return Err(not(value, expected)),
        }
        Ok(())
    }

    fn int(&self, reading: Reading, value: Node, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let number = match (value, reading) {
            (Node::Int(number), _) => i64::from(number),
            (Node::Text(span), Reading::Date) => self.text(span, logical::date)?,
            (Node::Text(span), Reading::TimeMillis) => self.text(span, |text| logical::time(text, 1_000))?,
            (Node::Long(_) | Node::Number(_), _) => return Err(Mismatch::new("is a number, but no int")),
            (value, _) => return Err(not(value, &Type::Int(reading))),
        };
        binary::long(number, out);
        Ok(())
    }

    fn long(&self, reading: Reading, value: Node, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let number = match (value, reading) {
            (Node::Int(number), _) => i64::from(number),
            (Node::Long(number), _) => number,
            (Node::Text(span), Reading::TimeMicros) => {
                self.text(span, |text| logical::time(text, 1_000_000))?
            }
            (Node::Text(span), Reading::Timestamp { per_second, local }) => {
                self.text(span, |text| logical::timestamp(text, per_second, local))?
            }
            (Node::Number(_), _) => return Err(Mismatch::new("is a number, but no long")),
            (value, _) => return Err(not(value, &Type::Long(reading))),
        };
        binary::long(number, out);
        Ok(())
    }

    fn double(&self, value: Node) -> Result<f64, Box<Mismatch>> {
        match value {
            Node::Long(number) => Ok(number as f64),
            Node::Number(span) => {
                let text = str::from_utf8(self.0.bytes(span)).unwrap_or_default();
                text.parse().map_err(|_| Mismatch::new("is no number"))
            }
            Node::Text(span) => match self.0.bytes(span) {
                b"NaN" => Ok(f64::NAN),
                b"Infinity" => Ok(f64::INFINITY),
                b"-Infinity" => Ok(f64::NEG_INFINITY),
                _ => Err(Mismatch::new("is text, not a number")),
            },
            value => Err(not(value, &Type::Double)),
        }
    }

    fn bytes(&self, reading: Reading, value: Node, out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        if let Reading::Decimal { precision, scale } = reading {
            // Its length comes first, and is one byte up to a precision of more than 150 digits.
            let start = out.len();
            out.push(0);
            let length = self.decimal(precision, scale, value, out)?;
            match u8::try_from(length).ok().filter(|length| *length < 64) {
                Some(length) => out[start] = length << 1,
                None => {
                    let long = out.split_off(start + 1);
                    out.truncate(start);
                    binary::bytes(&long, out);
                }
            }
            return Ok(());
        }
        let Node::Text(span) = value else { return Err(not(value, &Type::Bytes(reading))) };
        binary::bytes(&self.base64(span)?, out);
        Ok(())
    }

    fn fixed(
        &self,
        size: usize,
        reading: Reading,
        value: Node,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Mismatch>> {
        match (reading, value) {
            (Reading::Decimal { precision, scale }, value) => {
                let start = out.len();
                let length = self.decimal(precision, scale, value, out)?;
                let missing =
                    size.checked_sub(length).ok_or_else(|| Mismatch::new("does not fit its fixed"))?;
                let sign = if out[start] & 0x80 == 0 { 0 } else { 0xff };
                out.splice(start..start, std::iter::repeat_n(sign, missing));
            }
            (Reading::Uuid, Node::Text(span)) if size == 16 => {
                let uuid = logical::uuid(self.0.bytes(span)).map_err(Mismatch::new)?;
                out.extend_from_slice(&uuid);
            }
            (_, Node::Text(span)) => {
                let bytes = self.base64(span)?;
                if bytes.len() != size {
                    return Err(Mismatch::new(format!("is not {size} bytes in base64")));
                }
                out.extend_from_slice(&bytes);
            }
            (reading, value) => return Err(not(value, &Type::Fixed { size, reading })),
        }
        Ok(())
    }

    fn decimal(
        &self,
        precision: u32,
        scale: u32,
        value: Node,
        out: &mut Vec<u8>,
    ) -> Result<usize, Box<Mismatch>> {
        let mut digits = [0; 20];
        let text = match value {
            Node::Int(number) => short(i64::from(number), &mut digits),
            Node::Long(number) => short(number, &mut digits),
            Node::Number(span) | Node::Text(span) => self.0.bytes(span),
            value => return Err(not(value, &Type::Bytes(Reading::Decimal { precision, scale }))),
        };
        logical::decimal(text, precision, scale, out).map_err(Mismatch::new)
    }

    fn base64(&self, span: Span) -> Result<Vec<u8>, Box<Mismatch>> {
        let text = self.0.bytes(span);
        let decoded = base64::engine::general_purpose::STANDARD.decode(text);
        decoded.map_err(|_| Mismatch::new("is not base64, which bytes are in JSON"))
    }

    fn text(
        &self,
        span: Span,
        read: impl FnOnce(&[u8]) -> Result<i64, &'static str>,
    ) -> Result<i64, Box<Mismatch>> {
        read(self.0.bytes(span)).map_err(Mismatch::new)
    }

    /// A string's UTF-8. Half a surrogate pair has none.
    pub(super) fn string(&self, span: Span) -> Result<&'s [u8], Box<Mismatch>> {
        self.0.utf8(span).ok_or_else(|| Mismatch::new("has half a surrogate pair in it"))
    }
}

/// A number's digits.
fn short(number: i64, digits: &mut [u8; 20]) -> &[u8] {
    let mut cursor = std::io::Cursor::new(&mut digits[..]);
    let _ = std::io::Write::write_fmt(&mut cursor, format_args!("{number}"));
    let length = cursor.position() as usize;
    &digits[..length]
}

fn not(value: Node, expected: &Type) -> Box<Mismatch> {
    let value = match value {
        Node::Null => "null",
        Node::Boolean(_) => "a boolean",
        Node::Int(_) | Node::Long(_) | Node::Big | Node::Double(_) | Node::Number(_) => "a number",
        Node::Text(_) => "text",
        Node::Array { .. } => "an array",
        Node::Object { .. } => "an object",
        Node::Name { .. } | Node::Renamed { .. } | Node::Again => "a name",
    };
    let expected = match expected {
        Type::Null => "null",
        Type::Boolean => "a boolean",
        Type::Int(Reading::Date) => "a date",
        Type::Int(Reading::TimeMillis) | Type::Long(Reading::TimeMicros) => "a time",
        Type::Int(_) => "an int",
        Type::Long(Reading::Timestamp { .. }) => "a moment",
        Type::Long(_) => "a long",
        Type::Float => "a float",
        Type::Double => "a double",
        Type::Bytes(Reading::Decimal { .. }) => "a decimal",
        Type::Bytes(_) => "bytes in base64",
        Type::Text(_) => "a string",
        Type::Fixed { .. } => "a fixed in base64",
        Type::Enum(_) => "an enum",
        Type::Array(_) => "an array",
        Type::Map(_) => "a map",
        Type::Union(_) => "a union",
        Type::Record(_) | Type::Open => "a record",
    };
    Mismatch::new(format!("is {value}, not {expected}"))
}
