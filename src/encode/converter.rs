//! The converters there are, with their options.

/// A key or value converter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Converter {
    /// `org.apache.kafka.connect.storage.StringConverter`.
    String,
    /// `org.apache.kafka.connect.json.JsonConverter`.
    Json {
        /// `schemas.enable`.
        schemas: bool,
        /// `decimal.format`.
        decimal: DecimalFormat,
        /// `replace.null.with.default`.
        replace_null_with_default: bool,
    },
    /// `org.apache.kafka.connect.converters.ByteArrayConverter`.
    Bytes,
    /// `io.debezium.converters.BinaryDataConverter`, with its `delegate.converter.type`.
    Binary {
        /// What encodes anything that is not BYTES.
        delegate: Option<Box<Converter>>,
    },
}

/// `decimal.format` of JsonConverter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalFormat {
    /// Base64 of the unscaled bytes.
    Base64,
    /// A JSON number.
    Numeric,
}

/// A header converter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderConverter {
    /// `org.apache.kafka.connect.storage.SimpleHeaderConverter`.
    Simple,
    /// `StringConverter` or `JsonConverter`.
    As(Converter),
}
