//! Numbers, texts and bytes: from JSON, in Protobuf's encoding.

use super::plan::Enum;
use crate::decode::json::{Node, Texts};
use crate::encode::framed::Mismatch;
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The scalar types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
}

/// A value in JSON, as far as scalars are concerned.
#[derive(Clone, Copy)]
pub(super) enum Json<'j> {
    Whole(i64),
    /// A number that is not whole, or beyond 64 bits.
    Number(&'j [u8]),
    Text(&'j [u8]),
    Boolean(bool),
    /// Anything else, by its name.
    Other(&'static str),
}

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, ANY_PADDING);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, ANY_PADDING);

/// A whole number without a sign: seven bits to a byte.
#[inline]
pub(in crate::encode) fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Bytes or a string: the length, then themselves.
#[inline]
pub(in crate::encode) fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Gives the bytes from `at` on their length, for which they begin with a byte.
pub(in crate::encode) fn set_length(at: usize, out: &mut Vec<u8>) {
    let length = out.len() - at - 1;
    match u8::try_from(length).ok().filter(|length| *length < 0x80) {
        Some(length) => out[at] = length,
        None => {
            let mut bytes = [0; 10];
            let mut count = 0;
            let mut rest = length as u64;
            while rest > 0x7f {
                bytes[count] = rest as u8 | 0x80;
                (rest, count) = (rest >> 7, count + 1);
            }
            bytes[count] = rest as u8;
            out.splice(at..=at, bytes[..=count].iter().copied());
        }
    }
}

/// The value of a node that holds no others.
#[inline(always)]
pub(super) fn json<'j>(texts: Texts<'j>, node: Node) -> Result<Json<'j>, Box<Mismatch>> {
    Ok(match node {
        Node::Int(number) => Json::Whole(i64::from(number)),
        Node::Long(number) => Json::Whole(number),
        Node::Number(span) => Json::Number(texts.bytes(span)),
        Node::Text(span) => match texts.utf8(span) {
            Some(text) => Json::Text(text),
            None => return Err(unpaired()),
        },
        Node::Boolean(is) => Json::Boolean(is),
        Node::Null => Json::Other("null"),
        Node::Array { .. } => Json::Other("an array"),
        Node::Object { .. } => Json::Other("an object"),
        Node::Big | Node::Double(_) => Json::Other("a number"),
        Node::Name { .. } | Node::Renamed { .. } | Node::Again => Json::Other("a name"),
    })
}

/// A string that has no UTF-8.
pub(super) fn unpaired() -> Box<Mismatch> {
    Mismatch::new("has half a surrogate pair in it")
}

impl Scalar {
    /// How values of it are told apart on the wire.
    pub(super) fn wire_type(self) -> u32 {
        match self {
            Scalar::Double | Scalar::Fixed64 | Scalar::Sfixed64 => 1,
            Scalar::Float | Scalar::Fixed32 | Scalar::Sfixed32 => 5,
            Scalar::String | Scalar::Bytes => 2,
            _ => 0,
        }
    }

    /// Appends a value, without its key; answers whether it is the type's zero.
    pub(super) fn write(self, value: Json<'_>, out: &mut Vec<u8>) -> Result<bool, Box<Mismatch>> {
        match self {
            Scalar::Double => {
                let number = double(value)?;
                out.extend_from_slice(&number.to_le_bytes());
                Ok(number.to_bits() == 0)
            }
            Scalar::Float => {
                let double = double(value)?;
                let number = double as f32;
                if number.is_infinite() && double.is_finite() {
                    return Err(Mismatch::new("is a number too large for a float"));
                }
                out.extend_from_slice(&number.to_le_bytes());
                Ok(number.to_bits() == 0)
            }
            Scalar::Bool => match value {
                Json::Boolean(is) => {
                    out.push(u8::from(is));
                    Ok(!is)
                }
                other => Err(other.not("a bool")),
            },
            Scalar::String => match value {
                Json::Text(text) => {
                    bytes(text, out);
                    Ok(text.is_empty())
                }
                other => Err(other.not("a string")),
            },
            Scalar::Bytes => match value {
                Json::Text(text) => {
                    let decoded = BASE64.decode(text).or_else(|_| BASE64_URL.decode(text));
                    let decoded =
                        decoded.map_err(|_| Mismatch::new("is not base64, which bytes are in JSON"))?;
                    bytes(&decoded, out);
                    Ok(decoded.is_empty())
                }
                other => Err(other.not("bytes in base64")),
            },
            _ => self.whole(value, out),
        }
    }

    fn whole(self, value: Json<'_>, out: &mut Vec<u8>) -> Result<bool, Box<Mismatch>> {
        let number = whole(value, self.name())?;
        let beyond = |_| Mismatch::new(format!("is a number beyond {}", self.name()));
        let (short, long) =
            (|| i32::try_from(number).map_err(beyond), || i64::try_from(number).map_err(beyond));
        match self {
            // A negative one has ten bytes.
            Scalar::Int32 => varint(i64::from(short()?) as u64, out),
            Scalar::Int64 => varint(long()? as u64, out),
            Scalar::Uint32 => varint(u64::from(u32::try_from(number).map_err(beyond)?), out),
            Scalar::Uint64 => varint(u64::try_from(number).map_err(beyond)?, out),
            Scalar::Sint32 => {
                let number = short()?;
                varint(u64::from((number << 1 ^ number >> 31) as u32), out);
            }
            Scalar::Sint64 => {
                let number = long()?;
                varint((number << 1 ^ number >> 63) as u64, out);
            }
            Scalar::Fixed32 => out.extend_from_slice(&u32::try_from(number).map_err(beyond)?.to_le_bytes()),
            Scalar::Fixed64 => out.extend_from_slice(&u64::try_from(number).map_err(beyond)?.to_le_bytes()),
            Scalar::Sfixed32 => out.extend_from_slice(&short()?.to_le_bytes()),
            _ => out.extend_from_slice(&long()?.to_le_bytes()),
        }
        Ok(number == 0)
    }

    /// As schemas have it.
    fn name(self) -> &'static str {
        match self {
            Scalar::Double => "double",
            Scalar::Float => "float",
            Scalar::Int32 => "int32",
            Scalar::Int64 => "int64",
            Scalar::Uint32 => "uint32",
            Scalar::Uint64 => "uint64",
            Scalar::Sint32 => "sint32",
            Scalar::Sint64 => "sint64",
            Scalar::Fixed32 => "fixed32",
            Scalar::Fixed64 => "fixed64",
            Scalar::Sfixed32 => "sfixed32",
            Scalar::Sfixed64 => "sfixed64",
            Scalar::Bool => "bool",
            Scalar::String => "string",
            Scalar::Bytes => "bytes",
        }
    }

    /// A map's key, which is always text in JSON.
    pub(super) fn write_key(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Box<Mismatch>> {
        let value = match (self, text) {
            (Scalar::Bool, b"true") => Json::Boolean(true),
            (Scalar::Bool, b"false") => Json::Boolean(false),
            _ => Json::Text(text),
        };
        let written = self.write(value, out);
        written.map(|_| ()).map_err(|_| Mismatch::new(format!("has a key that is no {}", self.name())))
    }
}

impl Enum {
    /// Appends a value; answers whether it is zero.
    pub(super) fn write(&self, value: Json<'_>, out: &mut Vec<u8>) -> Result<bool, Box<Mismatch>> {
        let found = match value {
            Json::Text(text) => self.values.iter().find(|(name, _)| **name == *text),
            Json::Whole(number) => self.values.iter().find(|(_, known)| i64::from(*known) == number),
            other => return Err(other.not("an enum")),
        };
        let (_, number) = found.ok_or_else(|| Mismatch::new("is none of the enum's values"))?;
        varint(i64::from(*number) as u64, out);
        Ok(*number == 0)
    }
}

impl Json<'_> {
    /// Appends `google.protobuf.NullValue`, which is zero.
    pub(super) fn write_null(self, out: &mut Vec<u8>) -> Result<bool, Box<Mismatch>> {
        match self {
            Json::Other("null") | Json::Text(b"NULL_VALUE") | Json::Whole(0) => {
                out.push(0);
                Ok(true)
            }
            other => Err(other.not("null")),
        }
    }

    /// It is this, and not that.
    pub(super) fn not(self, expected: &str) -> Box<Mismatch> {
        let is = match self {
            Json::Whole(_) | Json::Number(_) => "a number",
            Json::Text(_) => "text",
            Json::Boolean(_) => "a boolean",
            Json::Other(name) => name,
        };
        Mismatch::new(format!("is {is}, not {expected}"))
    }
}

/// A whole number, as a number or as text.
fn whole(value: Json<'_>, expected: &str) -> Result<i128, Box<Mismatch>> {
    let (text, is_text) = match value {
        Json::Whole(number) => return Ok(i128::from(number)),
        Json::Number(text) => (text, false),
        Json::Text(text) => (text, true),
        other => return Err(other.not(expected)),
    };
    let wrong = || match is_text {
        true => Mismatch::new(format!("is text, not {expected}")),
        false => Mismatch::new(format!("is a number, but no {expected}")),
    };
    let text = str::from_utf8(text).ok().filter(|text| !text.starts_with('+')).ok_or_else(wrong)?;
    if let Ok(number) = text.parse::<i64>() {
        return Ok(i128::from(number));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Ok(i128::from(number));
    }
    // 1.0 and 1e3 are whole numbers as well, as far as a double can tell.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match text.parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && number.abs() <= EXACT => Ok(number as i128),
        _ => Err(wrong()),
    }
}

fn double(value: Json<'_>) -> Result<f64, Box<Mismatch>> {
    let text = match value {
        Json::Whole(number) => return Ok(number as f64),
        Json::Text(b"NaN") => return Ok(f64::NAN),
        Json::Text(b"Infinity") => return Ok(f64::INFINITY),
        Json::Text(b"-Infinity") => return Ok(f64::NEG_INFINITY),
        Json::Number(text) | Json::Text(text) => text,
        other => return Err(other.not("a number")),
    };
    let is_number = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let number = str::from_utf8(text).ok().filter(|_| is_number).and_then(|text| text.parse::<f64>().ok());
    match number {
        Some(number) if number.is_finite() => Ok(number),
        Some(_) => Err(Mismatch::new("is a number too large for a double")),
        None => Err(value.not("a number")),
    }
}
