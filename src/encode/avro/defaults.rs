//! A field's default, encoded. Defaults have a JSON of their own: a union's is of its first branch, and bytes are the
//! characters of these numbers.

use super::binary;
use super::plan::Type;
use serde_json::Value;

/// Deeper than this, a default is nobody's.
const DEEPEST: usize = 64;

/// Appends the default of the type of this number.
pub(super) fn write(
    types: &[Type],
    type_: u32,
    default: &Value,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    if depth == DEEPEST {
        return Err("it has no end".to_owned());
    }
    let wrong = || "it is not of the field's type".to_owned();
    match (&types[type_ as usize], default) {
        (Type::Null, Value::Null) => {}
        (Type::Boolean, Value::Bool(is)) => out.push(u8::from(*is)),
        (Type::Int(_) | Type::Long(_), Value::Number(number)) => {
            binary::long(number.as_i64().ok_or_else(wrong)?, out);
        }
        (Type::Float, Value::Number(number)) => {
            let number = number.as_f64().ok_or_else(wrong)? as f32;
            out.extend_from_slice(&number.to_le_bytes());
        }
        (Type::Double, Value::Number(number)) => binary::double(number.as_f64().ok_or_else(wrong)?, out),
        (Type::Text(_), Value::String(text)) => binary::bytes(text.as_bytes(), out),
        (Type::Bytes(_), Value::String(text)) => binary::bytes(&bytes(text).ok_or_else(wrong)?, out),
        (Type::Fixed { size, .. }, Value::String(text)) => {
            let bytes = bytes(text).filter(|bytes| bytes.len() == *size).ok_or_else(wrong)?;
            out.extend_from_slice(&bytes);
        }
        (Type::Enum(symbols), Value::String(text)) => {
            let place = symbols.iter().position(|symbol| **symbol == *text.as_bytes());
            binary::long(place.ok_or_else(wrong)? as i64, out);
        }
        (Type::Array(element), Value::Array(items)) => {
            if !items.is_empty() {
                binary::long(items.len() as i64, out);
            }
            for item in items {
                write(types, *element, item, depth + 1, out)?;
            }
            binary::long(0, out);
        }
        (Type::Map(element), Value::Object(members)) => {
            if !members.is_empty() {
                binary::long(members.len() as i64, out);
            }
            for (key, value) in members {
                binary::bytes(key.as_bytes(), out);
                write(types, *element, value, depth + 1, out)?;
            }
            binary::long(0, out);
        }
        // Avro before 1.12 has the first branch only; of later ones any.
        (Type::Union(branches), default) => {
            let start = out.len();
            for (number, branch) in branches.iter().enumerate() {
                binary::long(number as i64, out);
                if write(types, *branch, default, depth + 1, out).is_ok() {
                    return Ok(());
                }
                out.truncate(start);
            }
            return Err(wrong());
        }
        (Type::Record(record), Value::Object(members)) => {
            for field in &record.fields {
                match (members.get(&*field.name), &field.default) {
                    (Some(value), _) => write(types, field.type_, value, depth + 1, out)?,
                    (None, Some(default)) => out.extend_from_slice(default),
                    (None, None) => return Err(wrong()),
                }
            }
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}
