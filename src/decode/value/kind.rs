//! Kinds: the Connect types that Debezium gives columns.

use super::modes::Binary;

/// What the catalogue tells of a column's type, beyond the Relation message.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl Default for TypeFacts {
    fn default() -> TypeFacts {
        TypeFacts { name: String::new(), oid: 0, type_modifier: -1, enum_labels: Vec::new(), element: None }
    }
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
        /// Precision.
        precision: u32,
        /// Scale; negative for a numeric(p,-s).
        scale: i32,
    },
    /// `money`: Decimal of scale 2.
    Money,
    /// `numeric` as STRING, with this many digits after the point where it has a precision.
    DecimalText {
        /// Scale.
        scale: Option<i32>,
    },
    /// `money` as STRING.
    MoneyText,
    /// `money` as FLOAT64.
    MoneyFloat,
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
    /// `ltree`: STRING `io.debezium.data.Ltree`.
    Ltree,
    /// `tsvector`: STRING `io.debezium.data.Tsvector`.
    TsVector,
    /// An enum: STRING `io.debezium.data.Enum` with its labels.
    Enum(Vec<String>),
    /// `bytea`: BYTES.
    Bytes,
    /// `bytea` as STRING.
    BytesText(Binary),
    /// `date`: INT32 `io.debezium.time.Date`, days since 1970.
    Date,
    /// `time(p ≤ 3)`: INT32 `io.debezium.time.Time`, ms.
    Time,
    /// `time`: INT64 `io.debezium.time.MicroTime`, µs.
    MicroTime,
    /// `time`: INT64 `io.debezium.time.NanoTime`, ns.
    NanoTime,
    /// `timetz`: STRING `io.debezium.time.ZonedTime`.
    ZonedTime,
    /// `timestamp(p ≤ 3)`: INT64 `io.debezium.time.Timestamp`, ms.
    Timestamp,
    /// `timestamp`: INT64 `io.debezium.time.MicroTimestamp`, µs.
    MicroTimestamp,
    /// `timestamp`: INT64 `io.debezium.time.NanoTimestamp`, ns.
    NanoTimestamp,
    /// `date`: INT32 `org.apache.kafka.connect.data.Date`.
    ConnectDate,
    /// `time`: INT32 `org.apache.kafka.connect.data.Time`, ms.
    ConnectTime,
    /// `timestamp`: INT64 `org.apache.kafka.connect.data.Timestamp`, ms.
    ConnectTimestamp,
    /// `date`: STRING `io.debezium.time.IsoDate`.
    IsoDate,
    /// `time`: STRING `io.debezium.time.IsoTime`.
    IsoTime,
    /// `timestamp`: STRING `io.debezium.time.IsoTimestamp`.
    IsoTimestamp,
    /// `timestamptz`: STRING `io.debezium.time.ZonedTimestamp` with this many fraction digits.
    ZonedTimestamp {
        /// 0 to 6.
        digits: u8,
    },
    /// `interval`: INT64 `io.debezium.time.MicroDuration`, µs (a month is 2,629,800,000,000).
    MicroDuration,
    /// `interval`: STRING `io.debezium.time.Interval`.
    IntervalText,
    /// `hstore` as a JSON object: STRING `io.debezium.data.Json`.
    HstoreJson,
    /// `hstore`: MAP of optional strings.
    HstoreMap,
    /// `bit(n)`, `bit varying(n)`: BYTES `io.debezium.data.Bits`, little endian.
    Bits {
        /// Declared length; `i32::MAX` for a `bit varying` without one, as the JDBC driver tells it.
        length: u32,
    },
    /// `point`: STRUCT `io.debezium.data.geometry.Point`.
    Point,
    /// A member of a logical decoding message that is an object or an array itself: STRUCT or ARRAY, told by its text.
    Tree,
    /// An array: ARRAY of optional elements.
    Array(Box<Kind>),
    /// A type Debezium does not map: the column is absent from its rows (`include.unknown.datatypes=false`).
    Unknown,
}

impl Kind {
    /// A timestamp, with or without time zone, whatever Connect has for it.
    pub fn is_moment(&self) -> bool {
        matches!(
            self,
            Kind::Timestamp
                | Kind::MicroTimestamp
                | Kind::NanoTimestamp
                | Kind::ConnectTimestamp
                | Kind::IsoTimestamp
                | Kind::ZonedTimestamp { .. }
        )
    }

    /// Connect knows it as STRING: what a route column must be.
    pub fn is_string(&self) -> bool {
        self.connect_type() == "STRING"
    }

    /// The Connect type as Connect spells it: `STRING`, `INT32`, ….
    pub fn connect_type(&self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::Int16 => "INT16",
            Kind::Int32 | Kind::Date | Kind::Time | Kind::ConnectDate | Kind::ConnectTime => "INT32",
            Kind::Int64
            | Kind::MicroTime
            | Kind::NanoTime
            | Kind::Timestamp
            | Kind::MicroTimestamp
            | Kind::NanoTimestamp
            | Kind::ConnectTimestamp
            | Kind::MicroDuration => "INT64",
            Kind::Float32 => "FLOAT32",
            Kind::Float64 | Kind::MoneyFloat => "FLOAT64",
            Kind::Decimal { .. } | Kind::Money | Kind::Bytes | Kind::Bits { .. } => "BYTES",
            Kind::VariableScaleDecimal | Kind::Point | Kind::Tree => "STRUCT",
            Kind::Array(_) => "ARRAY",
            Kind::HstoreMap => "MAP",
            Kind::Unknown => "UNKNOWN",
            Kind::String
            | Kind::Uuid
            | Kind::Json
            | Kind::Xml
            | Kind::Ltree
            | Kind::TsVector
            | Kind::Enum(_)
            | Kind::DecimalText { .. }
            | Kind::MoneyText
            | Kind::BytesText(_)
            | Kind::IsoDate
            | Kind::IsoTime
            | Kind::IsoTimestamp
            | Kind::IntervalText
            | Kind::HstoreJson
            | Kind::ZonedTime
            | Kind::ZonedTimestamp { .. } => "STRING",
        }
    }

    /// The name of the Connect schema, for those that have one.
    pub fn semantic_name(&self) -> Option<&'static str> {
        Some(match self {
            Kind::Decimal { .. } | Kind::Money => "org.apache.kafka.connect.data.Decimal",
            Kind::VariableScaleDecimal => "io.debezium.data.VariableScaleDecimal",
            Kind::Uuid => "io.debezium.data.Uuid",
            Kind::Json | Kind::HstoreJson => "io.debezium.data.Json",
            Kind::Xml => "io.debezium.data.Xml",
            Kind::Ltree => "io.debezium.data.Ltree",
            Kind::TsVector => "io.debezium.data.Tsvector",
            Kind::Enum(_) => "io.debezium.data.Enum",
            Kind::Date => "io.debezium.time.Date",
            Kind::Time => "io.debezium.time.Time",
            Kind::MicroTime => "io.debezium.time.MicroTime",
            Kind::NanoTime => "io.debezium.time.NanoTime",
            Kind::NanoTimestamp => "io.debezium.time.NanoTimestamp",
            Kind::ConnectDate => "org.apache.kafka.connect.data.Date",
            Kind::ConnectTime => "org.apache.kafka.connect.data.Time",
            Kind::ConnectTimestamp => "org.apache.kafka.connect.data.Timestamp",
            Kind::IsoDate => "io.debezium.time.IsoDate",
            Kind::IsoTime => "io.debezium.time.IsoTime",
            Kind::IsoTimestamp => "io.debezium.time.IsoTimestamp",
            Kind::IntervalText => "io.debezium.time.Interval",
            Kind::ZonedTime => "io.debezium.time.ZonedTime",
            Kind::Timestamp => "io.debezium.time.Timestamp",
            Kind::MicroTimestamp => "io.debezium.time.MicroTimestamp",
            Kind::ZonedTimestamp { .. } => "io.debezium.time.ZonedTimestamp",
            Kind::MicroDuration => "io.debezium.time.MicroDuration",
            Kind::Bits { .. } => "io.debezium.data.Bits",
            Kind::Point => "io.debezium.data.geometry.Point",
            _ => return None,
        })
    }

    /// What to call it in a message: the semantic name, or the Connect type where there is none.
    pub fn type_name(&self) -> &'static str {
        self.semantic_name().unwrap_or_else(|| self.connect_type())
    }
}
