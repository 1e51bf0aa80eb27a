//! A cell read by its Postgres type: the Connect type Debezium gives a column, and the value of a cell in it.
//!
//! Enters: type OID, type modifier, what the catalogue tells ([`TypeFacts`]), and a cell's text. Leaves: a [`Kind`]
//! (Connect type, semantic name and parameters) and a [`Value`]. The table is Debezium's (connector documentation,
//! "Data type mappings"), with `time.precision.mode=adaptive`, `decimal.handling.mode=precise`,
//! `binary.handling.mode=bytes`, `interval.handling.mode=numeric`.

use std::borrow::Cow;

/// What the catalogue tells of a column's type, beyond the Relation message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeFacts {
    /// Type name without schema (`pg_type.typname`), domains resolved to their base type.
    pub name: String,
    /// OID of the type, domains resolved.
    pub oid: u32,
    /// Type modifier, taken from the domain where the column has none.
    pub type_modifier: i32,
    /// Labels in order, when it is an enum.
    pub enum_labels: Vec<String>,
    /// The element type, when it is an array.
    pub element: Option<Box<TypeFacts>>,
}

/// The Connect type of a column, as Debezium maps it. One variant per way of reading text and of naming the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `boolean`, `bit(1)`: Connect BOOLEAN.
    Boolean,
    /// `smallint`: INT16.
    Int16,
    /// `integer`: INT32.
    Int32,
    /// `bigint`, `oid`: INT64.
    Int64,
    /// `real`: FLOAT32.
    Float32,
    /// `double precision`: FLOAT64.
    Float64,
    /// `numeric(p,s)`: BYTES `org.apache.kafka.connect.data.Decimal`.
    Decimal {
        /// Precision; money has none.
        precision: Option<u32>,
        /// Scale.
        scale: u32,
    },
    /// `money`: Decimal of scale 2.
    Money,
    /// `numeric` without precision: STRUCT `io.debezium.data.VariableScaleDecimal`.
    VariableScaleDecimal,
    /// Any type that Connect knows as a plain STRING.
    String,
    /// `uuid`: STRING `io.debezium.data.Uuid`.
    Uuid,
    /// `json`, `jsonb`: STRING `io.debezium.data.Json`.
    Json,
    /// `xml`: STRING `io.debezium.data.Xml`.
    Xml,
    /// An enum: STRING `io.debezium.data.Enum` with its labels.
    Enum(Vec<String>),
    /// `bytea`: BYTES.
    Bytes,
    /// `date`: INT32 `io.debezium.time.Date`, days since 1970.
    Date,
    /// `time(p ≤ 3)`: INT32 `io.debezium.time.Time`, ms.
    Time,
    /// `time`: INT64 `io.debezium.time.MicroTime`, µs.
    MicroTime,
    /// `timetz`: STRING `io.debezium.time.ZonedTime`.
    ZonedTime,
    /// `timestamp(p ≤ 3)`: INT64 `io.debezium.time.Timestamp`, ms.
    Timestamp,
    /// `timestamp`: INT64 `io.debezium.time.MicroTimestamp`, µs.
    MicroTimestamp,
    /// `timestamptz`: STRING `io.debezium.time.ZonedTimestamp` with this many fraction digits.
    ZonedTimestamp {
        /// 0 to 6.
        digits: u8,
    },
    /// `interval`: INT64 `io.debezium.time.MicroDuration`, µs (a month is 2,629,800,000,000).
    MicroDuration,
    /// `bit(n)`, `bit varying(n)`: BYTES `io.debezium.data.Bits`, little endian.
    Bits {
        /// Declared length.
        length: u32,
    },
    /// `point`: STRUCT `io.debezium.data.geometry.Point`.
    Point,
    /// An array: ARRAY of optional elements.
    Array(Box<Kind>),
    /// A type Debezium does not map: the column is absent from its rows (`include.unknown.datatypes=false`).
    Unknown,
}

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
    /// BYTES, decoded.
    Bytes(Cow<'a, [u8]>),
    /// Decimal: unscaled value as big-endian two's complement, and its scale.
    Decimal {
        /// Unscaled big-endian two's complement, shortest form.
        unscaled: Vec<u8>,
        /// Digits after the point; may be negative for VariableScaleDecimal.
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

impl Kind {
    /// Connect knows it as STRING: what a route column must be.
    pub fn is_string(&self) -> bool {
        matches!(
            self,
            Kind::String
                | Kind::Uuid
                | Kind::Json
                | Kind::Xml
                | Kind::Enum(_)
                | Kind::ZonedTime
                | Kind::ZonedTimestamp { .. }
        )
    }

    /// The Connect type as Connect spells it: `STRING`, `INT32`, ….
    pub fn connect_type(&self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::Int16 => "INT16",
            Kind::Int32 | Kind::Date | Kind::Time => "INT32",
            Kind::Int64 | Kind::MicroTime | Kind::Timestamp | Kind::MicroTimestamp | Kind::MicroDuration => {
                "INT64"
            }
            Kind::Float32 => "FLOAT32",
            Kind::Float64 => "FLOAT64",
            Kind::Decimal { .. } | Kind::Money | Kind::Bytes | Kind::Bits { .. } => "BYTES",
            Kind::VariableScaleDecimal | Kind::Point => "STRUCT",
            Kind::Array(_) => "ARRAY",
            Kind::Unknown => "UNKNOWN",
            Kind::String
            | Kind::Uuid
            | Kind::Json
            | Kind::Xml
            | Kind::Enum(_)
            | Kind::ZonedTime
            | Kind::ZonedTimestamp { .. } => "STRING",
        }
    }
}

/// The kind of a column, as Debezium maps its type.
pub fn kind_of(facts: &TypeFacts) -> Kind {
    let _ = facts;
    Kind::Unknown
}

/// Reads a cell's text, as a session with [`crate::postgres::PINNED_SETTINGS`] writes it. Strings are borrowed.
///
/// `Value::Null` where Debezium has no value either: a numeric NaN or infinity.
pub fn parse<'a>(kind: &Kind, text: &'a [u8]) -> Result<Value<'a>, ValueError> {
    let _ = text;
    Err(ValueError { type_name: kind.connect_type(), what: "not read yet" })
}

/// A cell's moment in ms since 1970-01-01 UTC, for `Timestamp`, `MicroTimestamp` and `ZonedTimestamp`; µs are cut off
/// toward zero, as Debezium does. An error for any other kind.
pub fn epoch_ms(kind: &Kind, text: &[u8]) -> Result<i64, ValueError> {
    let _ = text;
    Err(ValueError { type_name: kind.connect_type(), what: "not read yet" })
}

/// What a column's DEFAULT gives, as Debezium evaluates it: constants are read, functions give the kind's zero value.
/// `None` when there is no default worth the name (NULL).
pub fn default_value(kind: &Kind, expression: &str) -> Option<Value<'static>> {
    let _ = (kind, expression);
    None
}
