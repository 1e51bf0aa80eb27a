//! From a column's Postgres type to its kind, as the connector's properties would have it.

use super::modes::{Binary, Decimals, Hstore, Intervals, Modes, Times};
use super::{Kind, TypeFacts};
use crate::decode::message::TREE;

/// The kind of a column, as Debezium maps its type.
pub fn kind_of(facts: &TypeFacts, modes: &Modes) -> Kind {
    if let Some(element) = &facts.element {
        return array_of(element, facts.type_modifier, modes);
    }
    if !facts.enum_labels.is_empty() {
        return Kind::Enum(facts.enum_labels.clone());
    }
    built_in(facts.oid, facts.type_modifier, modes).unwrap_or_else(|| extension(&facts.name, modes))
}

/// An array column's type modifier is its elements'.
fn array_of(element: &TypeFacts, modifier: i32, modes: &Modes) -> Kind {
    let mut element = element.clone();
    if element.type_modifier < 0 {
        element.type_modifier = modifier;
    }
    const NAME: u32 = 19;
    const MONEY: u32 = 790;
    const INTERVAL: u32 = 1186;
    match kind_of(&element, modes) {
        // Debezium leaves out arrays of these.
        _ if matches!(element.oid, NAME | MONEY | INTERVAL) => Kind::Unknown,
        Kind::Bits { .. } | Kind::Xml | Kind::Point => Kind::Unknown,
        Kind::Unknown | Kind::Array(_) => Kind::Unknown,
        kind => Kind::Array(Box::new(kind)),
    }
}

/// Types with fixed OIDs (`pg_type.dat` of the Postgres sources), and arrays of them for want of facts.
fn built_in(oid: u32, modifier: i32, modes: &Modes) -> Option<Kind> {
    Some(match oid {
        16 => Kind::Boolean,
        17 => bytes(modes),
        18 | 19 | 25 | 1042 | 1043 => Kind::String,
        20 | 26 => Kind::Int64,
        21 => Kind::Int16,
        23 => Kind::Int32,
        114 | 3802 => Kind::Json,
        142 => Kind::Xml,
        600 => Kind::Point,
        650 | 869 | 829 | 774 => Kind::String,
        700 => Kind::Float32,
        701 => Kind::Float64,
        790 => money(modes),
        1082 => date(modes),
        1083 => time(modifier, modes),
        1114 => timestamp(modifier, modes),
        1184 => Kind::ZonedTimestamp { digits: u8::try_from(modifier).map_or(6, |digits| digits.min(6)) },
        1186 if modes.intervals == Intervals::Text => Kind::IntervalText,
        1186 => Kind::MicroDuration,
        1266 => Kind::ZonedTime,
        1560 | 1562 => bits(oid, modifier),
        1700 => numeric(modifier, modes),
        2950 => Kind::Uuid,
        3614 => Kind::TsVector,
        // Ranges: int4, num, ts, tstz, date, int8.
        3904 | 3906 | 3908 | 3910 | 3912 | 3926 => Kind::String,
        TREE => Kind::Tree,
        _ => {
            return array_oid(oid).map(|element| match built_in(element, modifier, modes) {
                Some(kind) => Kind::Array(Box::new(kind)),
                None => Kind::Unknown,
            });
        }
    })
}

/// Types that come with extensions have OIDs of their own in every database.
fn extension(name: &str, modes: &Modes) -> Kind {
    match name {
        "hstore" if modes.hstore == Hstore::Map => Kind::HstoreMap,
        "hstore" => Kind::HstoreJson,
        "citext" | "isbn" => Kind::String,
        "ltree" => Kind::Ltree,
        _ => Kind::Unknown,
    }
}

/// `bit(n)` holds n in its modifier as it is.
fn bits(oid: u32, modifier: i32) -> Kind {
    const VARBIT: u32 = 1562;
    match u32::try_from(modifier) {
        Err(_) if oid == VARBIT => Kind::Bits { length: i32::MAX as u32 },
        Ok(length) if length > 1 => Kind::Bits { length },
        _ => Kind::Boolean,
    }
}

/// `numeric(p,s)` holds p in the upper and s, of 11 bits with sign, in the lower half of its modifier, plus 4.
fn numeric(modifier: i32, modes: &Modes) -> Kind {
    let packed = modifier - 4;
    let scale = (packed >= 0).then_some(((packed & 0x7ff) ^ 1024) - 1024);
    match (modes.decimals, scale) {
        (Decimals::Precise, None) => Kind::VariableScaleDecimal,
        (Decimals::Precise, Some(scale)) => {
            Kind::Decimal { precision: (packed >> 16) as u32 & 0xffff, scale }
        }
        (Decimals::Double, _) => Kind::Float64,
        (Decimals::Text, scale) => Kind::DecimalText { scale },
    }
}

fn money(modes: &Modes) -> Kind {
    match modes.decimals {
        Decimals::Precise => Kind::Money,
        Decimals::Double => Kind::MoneyFloat,
        Decimals::Text => Kind::MoneyText,
    }
}

fn bytes(modes: &Modes) -> Kind {
    match modes.binary {
        Binary::Bytes => Kind::Bytes,
        text => Kind::BytesText(text),
    }
}

fn date(modes: &Modes) -> Kind {
    match modes.times {
        Times::Connect => Kind::ConnectDate,
        Times::Iso => Kind::IsoDate,
        _ => Kind::Date,
    }
}

fn time(modifier: i32, modes: &Modes) -> Kind {
    match modes.times {
        Times::Adaptive if (0..=3).contains(&modifier) => Kind::Time,
        Times::Adaptive | Times::AdaptiveTimeMicroseconds | Times::Microseconds => Kind::MicroTime,
        Times::Nanoseconds => Kind::NanoTime,
        Times::Connect => Kind::ConnectTime,
        Times::Iso => Kind::IsoTime,
    }
}

fn timestamp(modifier: i32, modes: &Modes) -> Kind {
    match modes.times {
        Times::Adaptive | Times::AdaptiveTimeMicroseconds if (0..=3).contains(&modifier) => Kind::Timestamp,
        Times::Adaptive | Times::AdaptiveTimeMicroseconds | Times::Microseconds => Kind::MicroTimestamp,
        Times::Nanoseconds => Kind::NanoTimestamp,
        Times::Connect => Kind::ConnectTimestamp,
        Times::Iso => Kind::IsoTimestamp,
    }
}

/// The element type of the arrays Debezium maps, for a column whose facts are not known.
fn array_oid(oid: u32) -> Option<u32> {
    Some(match oid {
        1000 => 16,
        1001 => 17,
        1002 => 18,
        1005 => 21,
        1007 => 23,
        1009 => 25,
        1014 => 1042,
        1015 => 1043,
        1016 => 20,
        1021 => 700,
        1022 => 701,
        1028 => 26,
        1115 => 1114,
        1182 => 1082,
        1183 => 1083,
        1185 => 1184,
        1231 => 1700,
        1270 => 1266,
        199 => 114,
        3807 => 3802,
        2951 => 2950,
        1041 => 869,
        651 => 650,
        1040 => 829,
        775 => 774,
        3905 => 3904,
        3907 => 3906,
        3909 => 3908,
        3911 => 3910,
        3913 => 3912,
        3927 => 3926,
        _ => return None,
    })
}
