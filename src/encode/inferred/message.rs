//! Values in Protobuf's binary encoding, as `ProtobufData.fromConnectData` puts them into messages.
//!
//! A field that is NULL is absent, and so is one that is zero or empty, unless the schema can tell the two apart.

use super::Inferring;
use crate::decode::value::{HexText, Kind, Value};
use crate::encode::java;
use crate::encode::protobuf::{set_length, varint};

/// A value for which its field has no place.
#[derive(Debug)]
pub(in crate::encode) struct Unfit;

/// A field: its number, and whether its schema is optional.
#[derive(Clone, Copy, Debug)]
pub(in crate::encode) struct Place {
    pub(in crate::encode) number: u32,
    pub(in crate::encode) optional: bool,
    pub(in crate::encode) how: Inferring,
}

/// How a scalar stands on the wire.
pub(in crate::encode) enum Scalar<'v> {
    Varint(u64),
    Float(f32),
    Double(f64),
    Bytes(&'v [u8]),
    /// Bytes, still in hex.
    Hex(&'v HexText<'v>),
}

impl Scalar<'_> {
    /// A whole number that has a sign.
    pub(in crate::encode) fn whole(number: i64) -> Scalar<'static> {
        Scalar::Varint(number as u64)
    }

    fn is_zero(&self) -> bool {
        match self {
            Scalar::Varint(number) => *number == 0,
            // Minus zero is another.
            Scalar::Float(number) => number.to_bits() == 0,
            Scalar::Double(number) => number.to_bits() == 0,
            Scalar::Bytes(bytes) => bytes.is_empty(),
            Scalar::Hex(hex) => hex.is_empty(),
        }
    }

    fn wire_type(&self) -> u32 {
        match self {
            Scalar::Varint(_) => 0,
            Scalar::Double(_) => 1,
            Scalar::Bytes(_) | Scalar::Hex(_) => 2,
            Scalar::Float(_) => 5,
        }
    }

    /// Without its field.
    pub(in crate::encode) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Scalar::Varint(number) => varint(*number, out),
            Scalar::Float(number) => out.extend_from_slice(&number.to_le_bytes()),
            Scalar::Double(number) => out.extend_from_slice(&number.to_le_bytes()),
            Scalar::Bytes(bytes) => {
                varint(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Scalar::Hex(hex) => {
                varint(hex.len() as u64, out);
                out.extend(hex.bytes());
            }
        }
    }
}

impl Place {
    /// Appends a scalar.
    pub(in crate::encode) fn scalar(self, scalar: &Scalar<'_>, out: &mut Vec<u8>) {
        if self.optional && self.how.wrapper {
            self.message(out, |out| nonzero(1, scalar, out));
        } else if self.optional && self.how.optional {
            always(self.number, scalar, out);
        } else {
            nonzero(self.number, scalar, out);
        }
    }

    /// Appends a text that `write` appends, and that is not empty.
    pub(in crate::encode) fn composed(self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        match self.optional && self.how.wrapper {
            true => self.message(out, |out| Place { number: 1, ..self }.message(out, write)),
            false => self.message(out, write),
        }
    }

    /// Appends an element of a list, which is always there.
    pub(in crate::encode) fn element(self, scalar: &Scalar<'_>, out: &mut Vec<u8>) {
        match self.optional && self.how.wrapper {
            true => self.message(out, |out| nonzero(1, scalar, out)),
            false => always(self.number, scalar, out),
        }
    }

    /// Appends a message, its content by `write`.
    pub(in crate::encode) fn message<T>(self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let at = self.begin(out);
        let written = write(out);
        set_length(at, out);
        written
    }

    /// Begins one whose content is written afterwards: [`set_length`] at what is answered ends it.
    pub(in crate::encode) fn begin(self, out: &mut Vec<u8>) -> usize {
        varint(u64::from(self.number << 3 | 2), out);
        let at = out.len();
        out.push(0);
        at
    }

    /// Appends a column's value.
    pub(in crate::encode) fn value(
        self,
        kind: &Kind,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        match value {
            Value::Null => Ok(()),
            Value::Array(items) => self.array(kind, items, out),
            Value::Map(entries) => {
                for (key, value) in entries {
                    self.message(out, |out| {
                        nonzero(1, &Scalar::Bytes(key.as_bytes()), out);
                        let place = Place {
                            number: 2,
                            optional: true,
                            how: Inferring { optional: false, ..self.how },
                        };
                        if let Some(value) = value {
                            place.scalar(&Scalar::Bytes(value.as_bytes()), out);
                        }
                    });
                }
                Ok(())
            }
            value => match Self::is_message(kind) {
                true => self.message(out, |out| content(kind, value, self.how, out)),
                false => with_scalar(value, |scalar| self.scalar(scalar, out)),
            },
        }
    }

    fn array(self, kind: &Kind, items: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Unfit> {
        let element = java::element_of(kind);
        let place = Place { optional: !matches!(element, Kind::Enum(_)), ..self };
        let is_packed = !Self::is_message(element)
            && matches!(
                element.connect_type(),
                "BOOLEAN" | "INT16" | "INT32" | "INT64" | "FLOAT32" | "FLOAT64"
            )
            && !(place.optional && self.how.wrapper);
        if is_packed && !items.is_empty() {
            return self.message(out, |out| {
                items.iter().try_for_each(|item| with_scalar(item, |scalar| scalar.write(out)))
            });
        }
        items.iter().try_for_each(|item| match item {
            Value::Null | Value::Array(_) | Value::Map(_) => Err(Unfit),
            item if Self::is_message(element) => {
                place.message(out, |out| content(element, item, self.how, out))
            }
            item => with_scalar(item, |scalar| place.element(scalar, out)),
        })
    }

    /// Whether values of this kind are messages.
    fn is_message(kind: &Kind) -> bool {
        matches!(
            kind,
            Kind::Decimal { .. }
                | Kind::Money
                | Kind::VariableScaleDecimal
                | Kind::Point
                | Kind::ConnectDate
                | Kind::ConnectTime
                | Kind::ConnectTimestamp
        )
    }
}

/// Appends a value that is a record by itself: a struct, or the message that has one field for it.
pub(in crate::encode) fn alone(
    kind: &Kind,
    value: &Value<'_>,
    how: Inferring,
    out: &mut Vec<u8>,
) -> Result<(), Unfit> {
    match kind {
        Kind::VariableScaleDecimal | Kind::Point => content(kind, value, how, out),
        _ => with_scalar(value, |scalar| nonzero(1, scalar, out)),
    }
}

/// The content of a message that a column's value is.
fn content(kind: &Kind, value: &Value<'_>, how: Inferring, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let mut whole = |number, value: i64| nonzero(number, &Scalar::whole(value), out);
    match (kind, value) {
        (Kind::ConnectDate, Value::Integer(days)) => {
            for (number, part) in (1..).zip(date(*days)) {
                whole(number, part);
            }
        }
        (Kind::ConnectTime, Value::Integer(ms)) => {
            if !(0..=DAY_MS).contains(ms) {
                return Err(Unfit);
            }
            let of_day = ms % DAY_MS;
            whole(1, of_day / 3_600_000);
            whole(2, of_day / 60_000 % 60);
            whole(3, of_day / 1000 % 60);
            whole(4, of_day % 1000 * 1_000_000);
        }
        (Kind::ConnectTimestamp, Value::Integer(ms)) => {
            // From the year 1 to 9999.
            if !(-62_135_596_800_000..253_402_300_800_000).contains(ms) {
                return Err(Unfit);
            }
            whole(1, ms.div_euclid(1000));
            whole(2, ms.rem_euclid(1000) * 1_000_000);
        }
        (Kind::VariableScaleDecimal, Value::Decimal { unscaled, scale }) => {
            whole(1, i64::from(*scale));
            nonzero(2, &Scalar::Bytes(&java::unscaled_bytes(unscaled)), out);
        }
        (_, Value::Decimal { unscaled, scale }) => {
            nonzero(1, &Scalar::Bytes(&java::unscaled_bytes(unscaled)), out);
            let digits = unscaled.strip_prefix('-').unwrap_or(unscaled).len();
            nonzero(2, &Scalar::Varint(digits as u64), out);
            nonzero(3, &Scalar::whole(i64::from(*scale)), out);
        }
        (Kind::Point, Value::Point { x, y }) => {
            nonzero(1, &Scalar::Double(*x), out);
            nonzero(2, &Scalar::Double(*y), out);
            // Well-known binary, little endian; and no SRID.
            let mut wkb = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            wkb[5..13].copy_from_slice(&x.to_le_bytes());
            wkb[13..].copy_from_slice(&y.to_le_bytes());
            Place { number: 3, optional: true, how }.scalar(&Scalar::Bytes(&wkb), out);
        }
        _ => return Err(Unfit),
    }
    Ok(())
}

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Year, month and day as Java's GregorianCalendar has them: Julian before 15 October 1582, and without an era.
fn date(days: i64) -> [i64; 3] {
    const GREGORIAN: i64 = -141_427;
    // Days since 1 March of the year 0, and years that begin in March, so that the leap day is their last.
    let (era, year_of_era, of_year) = match days {
        GREGORIAN.. => {
            let days = days + 719_468;
            let of_era = days.rem_euclid(146_097);
            let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
            (days.div_euclid(146_097) * 400, year, of_era - (365 * year + year / 4 - year / 100))
        }
        _ => {
            let days = days + 719_470;
            let of_era = days.rem_euclid(1461);
            let year = (of_era - of_era / 1460) / 365;
            (days.div_euclid(1461) * 4, year, of_era - 365 * year)
        }
    };
    let march = (5 * of_year + 2) / 153;
    let (month, day) = (if march < 10 { march + 3 } else { march - 9 }, of_year - (153 * march + 2) / 5 + 1);
    let year = era + year_of_era + i64::from(month <= 2);
    [if year > 0 { year } else { 1 - year }, month, day]
}

/// Hands a scalar to `write`.
fn with_scalar(value: &Value<'_>, write: impl FnOnce(&Scalar<'_>)) -> Result<(), Unfit> {
    write(&match value {
        Value::Boolean(is) => Scalar::Varint(u64::from(*is)),
        Value::Integer(number) => Scalar::whole(*number),
        Value::Float32(number) => Scalar::Float(*number),
        Value::Float64(number) => Scalar::Double(*number),
        Value::Text(text) => Scalar::Bytes(text.as_bytes()),
        Value::Bytes(bytes) => Scalar::Bytes(bytes),
        Value::Hex(hex) => Scalar::Hex(hex),
        _ => return Err(Unfit),
    });
    Ok(())
}

fn nonzero(number: u32, scalar: &Scalar<'_>, out: &mut Vec<u8>) {
    if !scalar.is_zero() {
        always(number, scalar, out);
    }
}

fn always(number: u32, scalar: &Scalar<'_>, out: &mut Vec<u8>) {
    varint(u64::from(number << 3 | scalar.wire_type()), out);
    scalar.write(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Years, months and days of `java.util.GregorianCalendar`.
    #[test]
    fn days_are_those_of_javas_calendar() {
        for (days, expected) in [
            (0, [1970, 1, 1]),
            (-1, [1969, 12, 31]),
            (19_782, [2024, 2, 29]),
            (11_016, [2000, 2, 29]),
            (-25_509, [1900, 2, 28]),
            (2_932_896, [9999, 12, 31]),
            (-141_427, [1582, 10, 15]),
            (-141_428, [1582, 10, 4]),
            (-719_162, [1, 1, 3]),
            (-719_529, [1, 1, 2]),
            (-1_000_000, [769, 2, 12]),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
    }

    /// `com.google.protobuf.util.Timestamps.fromMillis`, `DecimalUtils.fromBigDecimal`, `com.google.type.TimeOfDay`.
    #[test]
    fn connects_own_types_are_messages() {
        let how = Inferring::default();
        let place = Place { number: 1, optional: true, how };
        let written = |kind: Kind, value: Value<'_>| {
            let mut out = Vec::new();
            place.value(&kind, &value, &mut out).ok().map(|()| out)
        };
        let decimal = Value::Decimal { unscaled: "1234560".into(), scale: 2 };
        let money = Kind::Decimal { precision: 10, scale: 2 };
        assert_eq!(written(money.clone(), decimal), Some(vec![10, 9, 10, 3, 0x12, 0xd6, 0x80, 16, 7, 24, 2]));
        let zero = Value::Decimal { unscaled: "0".into(), scale: 0 };
        assert_eq!(written(money, zero), Some(vec![10, 5, 10, 1, 0, 16, 1]));
        let before =
            [10, 17, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 16, 0xc0, 0x8f, 0xae, 0xdc, 3];
        assert_eq!(written(Kind::ConnectTimestamp, Value::Integer(-1)), Some(before.to_vec()));
        assert_eq!(written(Kind::ConnectTimestamp, Value::Integer(i64::MAX)), None);
        let time = [10, 11, 8, 13, 16, 51, 24, 30, 32, 0xc0, 0xa9, 0xd3, 58];
        assert_eq!(written(Kind::ConnectTime, Value::Integer(49_890_123)), Some(time.to_vec()));
        assert_eq!(written(Kind::ConnectTime, Value::Integer(86_400_000)), Some(vec![10, 0]));
        assert_eq!(
            written(Kind::ConnectDate, Value::Integer(19_782)),
            Some(vec![10, 7, 8, 0xe8, 15, 16, 2, 24, 29])
        );
    }

    #[test]
    fn a_long_message_has_its_length_before_it() {
        let mut out = Vec::new();
        let place = Place { number: 2, optional: false, how: Inferring::default() };
        place.message(&mut out, |out| out.resize(out.len() + 300, 7));
        assert_eq!((&out[..3], out.len()), (&[18, 0xac, 2][..], 303));
    }
}
