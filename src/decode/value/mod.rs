//! A cell read by its Postgres type: the Connect type Debezium gives a column, and the value of a cell in it.
//!
//! Enters: type OID, type modifier, what the catalogue tells ([`TypeFacts`]), and a cell's text. Leaves: a [`Kind`]
//! (Connect type, semantic name and parameters) and a [`Value`]. The table is Debezium's (connector documentation,
//! "Data type mappings"), in the [`Modes`] that are configured.

mod array;
pub mod base64;
mod bytes;
mod default;
mod hstore;
mod kind;
pub mod lossy;
mod mapping;
mod modes;
mod number;
mod time;

pub use self::bytes::{HexText, of_bytes};
pub use self::default::{default_value, zero};
pub use self::hstore::as_a_hash_map;
pub use self::kind::{Kind, TypeFacts};
pub use self::mapping::kind_of;
pub use self::modes::{Binary, Decimals, Hstore, Intervals, Modes, Times};
pub use self::time::{civil, utc};

use std::borrow::Cow;

/// A cell's value in its Connect type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// INT16, INT32 or INT64, by the kind.
    Integer(i64),
    /// FLOAT32.
    Float32(f32),
    /// FLOAT64.
    Float64(f64),
    /// STRING.
    Text(Cow<'a, str>),
    /// BYTES, as they are.
    Bytes(Cow<'a, [u8]>),
    /// BYTES, still in hex: decoded where they are wanted.
    Hex(HexText<'a>),
    /// Decimal: `unscaled` × 10^-`scale`.
    Decimal {
        /// The unscaled value in decimal digits, `-` first when negative, no superfluous zeros.
        unscaled: String,
        /// Digits after the point; may be negative for a numeric(p,-s).
        scale: i32,
    },
    /// Point.
    Point {
        /// x
        x: f64,
        /// y
        y: f64,
    },
    /// ARRAY.
    Array(Vec<Value<'a>>),
    /// MAP, in the order of a Java HashMap.
    Map(Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>),
}

impl Value<'_> {
    /// It is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The same value, owning its text and bytes.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Boolean(value) => Value::Boolean(value),
            Value::Integer(value) => Value::Integer(value),
            Value::Float32(value) => Value::Float32(value),
            Value::Float64(value) => Value::Float64(value),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
            Value::Hex(hex) => Value::Bytes(Cow::Owned(hex.to_vec())),
            Value::Decimal { unscaled, scale } => Value::Decimal { unscaled, scale },
            Value::Point { x, y } => Value::Point { x, y },
            Value::Array(items) => Value::Array(items.into_iter().map(Value::into_owned).collect()),
            Value::Map(entries) => {
                let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
                Value::Map(entries.into_iter().map(|(key, value)| (owned(key), value.map(owned))).collect())
            }
        }
    }
}

/// A cell that is not what its type's text format allows. Names the type, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a value of type {type_name}: {what}")]
pub struct ValueError {
    /// The Connect type, with its semantic name.
    pub type_name: &'static str,
    /// What is wrong.
    pub what: &'static str,
}

/// Reads a cell's text, as a session with [`crate::postgres::PINNED_SETTINGS`] writes it. Strings are borrowed.
///
/// `Value::Null` where Debezium has no value either: a numeric NaN or infinity, nanoseconds beyond 64 bits.
pub fn parse<'a>(kind: &Kind, text: &'a [u8]) -> Result<Value<'a>, ValueError> {
    read(kind, text).map_err(|what| ValueError { type_name: kind.type_name(), what })
}

/// Whether `parse` would make a text of this cell, and the very same: of most cells nobody needs a [`Value`].
pub fn is_text(kind: &Kind, text: &[u8]) -> bool {
    let is_verbatim = matches!(
        kind,
        Kind::String | Kind::Uuid | Kind::Json | Kind::Xml | Kind::Ltree | Kind::TsVector | Kind::Enum(_)
    );
    // Byte by byte otherwise.
    let is_short = text.len() < 64;
    is_verbatim && (is_short && text.is_ascii() || utf8(text).is_ok())
}

/// A cell's moment in ms since 1970-01-01 UTC, for `Timestamp`, `MicroTimestamp`, `NanoTimestamp` and `ZonedTimestamp`;
/// what is less is cut off toward zero, as Debezium does. An error for any other kind.
pub fn epoch_ms(kind: &Kind, text: &[u8]) -> Result<i64, ValueError> {
    let millis = match kind {
        Kind::Timestamp | Kind::MicroTimestamp | Kind::ZonedTimestamp { .. } => {
            utf8(text).and_then(time::epoch_micros).map(|micros| micros / 1000)
        }
        Kind::NanoTimestamp => utf8(text)
            .and_then(time::epoch_nanos)
            .and_then(|nanos| nanos.ok_or("it has no nanoseconds in 64 bits"))
            .map(|nanos| nanos / 1_000_000),
        _ => Err("it holds no moment in time"),
    };
    millis.map_err(|what| ValueError { type_name: kind.type_name(), what })
}

fn read<'a>(kind: &Kind, text: &'a [u8]) -> Result<Value<'a>, &'static str> {
    let string = utf8(text)?;
    Ok(match kind {
        Kind::String | Kind::Uuid | Kind::Json | Kind::Xml | Kind::Ltree | Kind::TsVector | Kind::Enum(_) => {
            Value::Text(Cow::Borrowed(string))
        }
        Kind::Boolean => Value::Boolean(number::boolean(string)?),
        Kind::Int16 => Value::Integer(number::integer::<i16>(string)?),
        Kind::Int32 => Value::Integer(number::integer::<i32>(string)?),
        Kind::Int64 => Value::Integer(number::integer::<i64>(string)?),
        Kind::Float32 => Value::Float32(string.parse().map_err(|_| "not a number")?),
        Kind::Float64 => Value::Float64(string.parse().map_err(|_| "not a number")?),
        Kind::Decimal { scale, .. } => number::decimal(string, Some(*scale))?,
        Kind::VariableScaleDecimal => number::decimal(string, None)?,
        Kind::Money => number::money(string)?,
        Kind::DecimalText { scale } => Value::Text(number::plain(string, *scale)?),
        Kind::MoneyText => Value::Text(number::plain_money(string)?.into()),
        Kind::MoneyFloat => {
            Value::Float64(number::plain_money(string)?.parse().map_err(|_| "not an amount")?)
        }
        Kind::Bytes => Value::Hex(HexText::new(text)?),
        Kind::BytesText(binary) => Value::Text(self::bytes::text(HexText::new(text)?, string, *binary)),
        Kind::Bits { .. } => Value::Bytes(Cow::Owned(self::bytes::bits(text)?)),
        Kind::Date => Value::Integer(time::epoch_days(string)?),
        Kind::Time => Value::Integer(time::micros_of_day(string)? / 1000),
        Kind::MicroTime => Value::Integer(time::micros_of_day(string)?),
        Kind::NanoTime => Value::Integer(time::micros_of_day(string)? * 1000),
        Kind::ConnectDate => Value::Integer(time::epoch_days(string)?),
        Kind::ConnectTime => Value::Integer(time::micros_of_day(string)? / 1000),
        Kind::IsoDate => Value::Text(Cow::Owned(time::iso_date(string)?)),
        Kind::IsoTime => Value::Text(Cow::Owned(time::iso_time(string)?)),
        Kind::ZonedTime => Value::Text(Cow::Owned(time::zoned_time(string)?)),
        Kind::Timestamp | Kind::ConnectTimestamp => {
            Value::Integer(time::epoch_micros(string)?.div_euclid(1000))
        }
        Kind::NanoTimestamp => {
            // Beyond 64 bits, Debezium has no value.
            time::epoch_nanos(string)?.map_or(Value::Null, Value::Integer)
        }
        Kind::IsoTimestamp => Value::Text(Cow::Owned(time::iso_timestamp(string)?)),
        Kind::MicroTimestamp => Value::Integer(time::epoch_micros(string)?),
        Kind::ZonedTimestamp { digits } => Value::Text(time::zoned_timestamp(string, *digits)?),
        Kind::MicroDuration => Value::Integer(time::duration_micros(string)?),
        Kind::IntervalText => Value::Text(Cow::Owned(time::iso_interval(string)?)),
        Kind::HstoreJson => Value::Text(Cow::Owned(hstore::json(string)?)),
        Kind::HstoreMap => Value::Map(hstore::entries(string)?),
        Kind::Tree => Value::Text(Cow::Borrowed(string)),
        Kind::Point => number::point(string)?,
        Kind::Array(element) => array::read(element, string)?,
        Kind::Unknown => return Err("the type is not mapped"),
    })
}

fn utf8(text: &[u8]) -> Result<&str, &'static str> {
    simdutf8::basic::from_utf8(text).map_err(|_| "not UTF-8")
}

#[cfg(test)]
mod mode_tests;
#[cfg(test)]
mod tests;
