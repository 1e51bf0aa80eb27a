//! Avro's binary encoding, and a column's value in it as Connect's converter writes it.

use crate::decode::value::{Kind, Value};
use crate::encode::java;

/// A whole number: zigzag, seven bits to a byte.
#[inline]
pub(in crate::encode) fn long(number: i64, out: &mut Vec<u8>) {
    let mut rest = (number << 1 ^ number >> 63) as u64;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Bytes or a string: the length, then themselves.
#[inline]
pub(in crate::encode) fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

/// FLOAT64.
pub(in crate::encode) fn double(number: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Where a value stands: what union there is around its type.
#[derive(Clone, Copy, Debug)]
pub(in crate::encode) struct Place {
    /// It may be NULL.
    pub(in crate::encode) optional: bool,
    /// Its schema has a default, and its type then comes before null in the union.
    pub(in crate::encode) default: bool,
}

impl Place {
    /// Appends which branch follows.
    pub(in crate::encode) fn branch(self, is_null: bool, out: &mut Vec<u8>) {
        if self.optional {
            long(i64::from(is_null == self.default), out);
        }
    }
}

/// A value that its own schema does not take: NULL where it is required, an array within an array.
pub(in crate::encode) struct Unfit;

/// Appends a value of this kind.
pub(in crate::encode) fn value(
    kind: &Kind,
    value: &Value<'_>,
    place: Place,
    out: &mut Vec<u8>,
) -> Result<(), Unfit> {
    if value.is_null() && !place.optional {
        return Err(Unfit);
    }
    place.branch(value.is_null(), out);
    match value {
        Value::Null => {}
        Value::Boolean(is) => out.push(u8::from(*is)),
        Value::Integer(number) => long(*number, out),
        Value::Float32(number) => out.extend_from_slice(&number.to_le_bytes()),
        Value::Float64(number) => double(*number, out),
        Value::Text(text) => bytes(text.as_bytes(), out),
        Value::Bytes(content) => bytes(content, out),
        Value::Hex(hex) => {
            long(hex.len() as i64, out);
            out.extend(hex.bytes());
        }
        Value::Decimal { unscaled, scale } => {
            if *kind == Kind::VariableScaleDecimal {
                long(i64::from(*scale), out);
            }
            bytes(&java::unscaled_bytes(unscaled), out);
        }
        Value::Point { x, y } => {
            double(*x, out);
            double(*y, out);
            // Well-known binary of a point, little endian; and no SRID.
            long(1, out);
            long(21, out);
            out.extend_from_slice(&[1, 1, 0, 0, 0]);
            double(*x, out);
            double(*y, out);
            long(0, out);
        }
        Value::Map(entries) => {
            if !entries.is_empty() {
                long(entries.len() as i64, out);
            }
            for (key, value) in entries {
                bytes(key.as_bytes(), out);
                long(i64::from(value.is_some()), out);
                if let Some(value) = value {
                    bytes(value.as_bytes(), out);
                }
            }
            long(0, out);
        }
        Value::Array(items) => {
            let element = java::element_of(kind);
            let place = Place { optional: !matches!(element, Kind::Enum(_)), default: false };
            if !items.is_empty() {
                long(items.len() as i64, out);
            }
            for item in items {
                if matches!(item, Value::Array(_)) {
                    return Err(Unfit);
                }
                self::value(element, item, place, out)?;
            }
            long(0, out);
        }
    }
    Ok(())
}

/// Appends a value that is all there is: one of plain bytes has no length before it.
pub(in crate::encode) fn alone(
    kind: &Kind,
    value: &Value<'_>,
    place: Place,
    out: &mut Vec<u8>,
) -> Result<(), Unfit> {
    match value {
        _ if place.optional || kind.connect_type() != "BYTES" => return self::value(kind, value, place, out),
        Value::Bytes(content) => out.extend_from_slice(content),
        Value::Hex(hex) => out.extend(hex.bytes()),
        Value::Decimal { unscaled, .. } => out.extend(java::unscaled_bytes(unscaled)),
        _ => return Err(Unfit),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_zigzag_and_as_short_as_they_can_be() {
        for (number, expected) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
            (9_007_199_254_740_993, &[0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            let mut out = Vec::new();
            long(number, &mut out);
            assert_eq!(out, expected, "{number}");
        }
    }

    #[test]
    fn bytes_alone_have_no_length_unless_they_may_be_null() {
        let content = Value::Bytes(vec![1, 2].into());
        for (optional, expected) in [(false, &[1, 2][..]), (true, &[2, 4, 1, 2])] {
            let mut out = Vec::new();
            let place = Place { optional, default: false };
            assert!(alone(&Kind::Bytes, &content, place, &mut out).is_ok());
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn a_default_turns_the_branches_round_and_null_where_it_is_required_is_unfit() {
        let mut out = Vec::new();
        let place = Place { optional: true, default: true };
        assert!(value(&Kind::Int32, &Value::Integer(3), place, &mut out).is_ok());
        assert!(value(&Kind::Int32, &Value::Null, place, &mut out).is_ok());
        assert_eq!(out, [0, 6, 2]);
        let required = Place { optional: false, default: false };
        assert!(value(&Kind::Int32, &Value::Null, required, &mut out).is_err());
    }
}
