//! Kinds: from a column's Postgres type to the Connect type Debezium's adaptive mapping gives it.

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
        /// Declared length; `i32::MAX` for a `bit varying` without one, as the JDBC driver tells it.
        length: u32,
    },
    /// `point`: STRUCT `io.debezium.data.geometry.Point`.
    Point,
    /// An array: ARRAY of optional elements.
    Array(Box<Kind>),
    /// A type Debezium does not map: the column is absent from its rows (`include.unknown.datatypes=false`).
    Unknown,
}

impl Kind {
    /// Connect knows it as STRING: what a route column must be.
    pub fn is_string(&self) -> bool {
        self.connect_type() == "STRING"
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
            | Kind::Ltree
            | Kind::TsVector
            | Kind::Enum(_)
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
            Kind::Json => "io.debezium.data.Json",
            Kind::Xml => "io.debezium.data.Xml",
            Kind::Ltree => "io.debezium.data.Ltree",
            Kind::TsVector => "io.debezium.data.Tsvector",
            Kind::Enum(_) => "io.debezium.data.Enum",
            Kind::Date => "io.debezium.time.Date",
            Kind::Time => "io.debezium.time.Time",
            Kind::MicroTime => "io.debezium.time.MicroTime",
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

/// The kind of a column, as Debezium maps its type.
pub fn kind_of(facts: &TypeFacts) -> Kind {
    if let Some(element) = &facts.element {
        return array_of(element, facts.type_modifier);
    }
    if !facts.enum_labels.is_empty() {
        return Kind::Enum(facts.enum_labels.clone());
    }
    built_in(facts.oid, facts.type_modifier).unwrap_or_else(|| extension(&facts.name))
}

/// An array column's type modifier is its elements'.
fn array_of(element: &TypeFacts, modifier: i32) -> Kind {
    let mut element = element.clone();
    if element.type_modifier < 0 {
        element.type_modifier = modifier;
    }
    const NAME: u32 = 19;
    match kind_of(&element) {
        // Debezium leaves out arrays of these.
        _ if element.oid == NAME => Kind::Unknown,
        Kind::Money | Kind::MicroDuration | Kind::Bits { .. } | Kind::Xml | Kind::Point => Kind::Unknown,
        Kind::Unknown | Kind::Array(_) => Kind::Unknown,
        kind => Kind::Array(Box::new(kind)),
    }
}

/// Types with fixed OIDs (`pg_type.dat` of the Postgres sources), and arrays of them for want of facts.
fn built_in(oid: u32, modifier: i32) -> Option<Kind> {
    Some(match oid {
        16 => Kind::Boolean,
        17 => Kind::Bytes,
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
        790 => Kind::Money,
        1082 => Kind::Date,
        1083 if (0..=3).contains(&modifier) => Kind::Time,
        1083 => Kind::MicroTime,
        1114 if (0..=3).contains(&modifier) => Kind::Timestamp,
        1114 => Kind::MicroTimestamp,
        1184 => Kind::ZonedTimestamp { digits: u8::try_from(modifier).map_or(6, |digits| digits.min(6)) },
        1186 => Kind::MicroDuration,
        1266 => Kind::ZonedTime,
        1560 | 1562 => bits(oid, modifier),
        1700 => numeric(modifier),
        2950 => Kind::Uuid,
        3614 => Kind::TsVector,
        // Ranges: int4, num, ts, tstz, date, int8.
        3904 | 3906 | 3908 | 3910 | 3912 | 3926 => Kind::String,
        _ => {
            return array_oid(oid).map(|element| match built_in(element, modifier) {
                Some(kind) => Kind::Array(Box::new(kind)),
                None => Kind::Unknown,
            });
        }
    })
}

/// Types that come with extensions have OIDs of their own in every database.
fn extension(name: &str) -> Kind {
    match name {
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
fn numeric(modifier: i32) -> Kind {
    if modifier < 4 {
        return Kind::VariableScaleDecimal;
    }
    let packed = modifier - 4;
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    Kind::Decimal { precision: (packed >> 16) as u32 & 0xffff, scale }
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
