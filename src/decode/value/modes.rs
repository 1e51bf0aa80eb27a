//! How types are to be read: the connector's `….mode` properties.

/// All of them; the default is Debezium's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// `time.precision.mode`.
    pub times: Times,
    /// `decimal.handling.mode`.
    pub decimals: Decimals,
    /// `binary.handling.mode`.
    pub binary: Binary,
    /// `interval.handling.mode`.
    pub intervals: Intervals,
    /// `hstore.handling.mode`.
    pub hstore: Hstore,
}

/// `time.precision.mode`: dates, times and timestamps without time zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    /// In milliseconds where the column has no more than three digits of a second, else in microseconds.
    #[default]
    Adaptive,
    /// The same, but times of day always in microseconds.
    AdaptiveTimeMicroseconds,
    /// Connect's own types, in milliseconds.
    Connect,
    /// Text.
    Iso,
    /// In microseconds.
    Microseconds,
    /// In nanoseconds.
    Nanoseconds,
}

/// `decimal.handling.mode`: numeric and money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decimals {
    /// Decimal.
    #[default]
    Precise,
    /// FLOAT64.
    Double,
    /// Text.
    Text,
}

/// `binary.handling.mode`: bytea.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binary {
    /// BYTES.
    #[default]
    Bytes,
    /// Base64 with `+` and `/`.
    Base64,
    /// Base64 with `-` and `_`.
    Base64UrlSafe,
    /// Hex digits.
    Hex,
}

/// `interval.handling.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intervals {
    /// Microseconds, of months of 30.4375 days.
    #[default]
    Numeric,
    /// `P1Y2M3DT4H5M6.000007S`.
    Text,
}

/// `hstore.handling.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hstore {
    /// A JSON object in a STRING.
    #[default]
    Json,
    /// MAP.
    Map,
}
