//! The converters there are, with their options, and what each makes of one value.

use super::{java, json, simple};
use crate::decode::value::{Kind, Value};

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
        /// `replace.null.with.default`. Without effect on an outbox: the router has replaced them by then.
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

/// A converter does not take values of the type: it is for bytes only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OnlyBytes {
    /// The converter's name.
    pub(super) converter: &'static str,
}

impl Converter {
    /// Appends `value`; `Ok(false)` when there are no bytes at all. `head` is what [`Converter::heads`] says.
    pub(super) fn write(
        &self,
        kind: &Kind,
        value: &Value<'_>,
        head: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, OnlyBytes> {
        match self {
            Converter::String if *value == Value::Null => return Ok(false),
            Converter::String => java::write(kind, value, out),
            Converter::Json { decimal, .. } => {
                out.extend_from_slice(head);
                json::write(kind, value, *decimal, out);
                if !head.is_empty() {
                    out.push(b'}');
                }
            }
            Converter::Bytes => {
                return raw(kind, value, out).ok_or(OnlyBytes { converter: "ByteArrayConverter" });
            }
            Converter::Binary { delegate } => match (raw(kind, value, out), delegate) {
                (Some(present), _) => return Ok(present),
                (None, Some(delegate)) => return delegate.write(kind, value, head, out),
                (None, None) => {
                    return Err(OnlyBytes {
                        converter: "BinaryDataConverter without delegate.converter.type",
                    });
                }
            },
        }
        Ok(true)
    }

    /// The format of decimals, when each value is preceded by its schema: `{"schema":…,"payload":`.
    pub(super) fn heads(&self) -> Option<DecimalFormat> {
        match self {
            Converter::Json { schemas: true, decimal, .. } => Some(*decimal),
            Converter::Binary { delegate: Some(delegate) } => delegate.heads(),
            _ => None,
        }
    }

    /// The converter that encodes structs: itself, or its delegate.
    pub(super) fn of_structs(&self) -> Result<&Converter, OnlyBytes> {
        match self {
            Converter::String | Converter::Json { .. } => Ok(self),
            Converter::Bytes => Err(OnlyBytes { converter: "ByteArrayConverter" }),
            Converter::Binary { delegate: Some(delegate) } => delegate.of_structs(),
            Converter::Binary { delegate: None } => {
                Err(OnlyBytes { converter: "BinaryDataConverter without delegate.converter.type" })
            }
        }
    }
}

impl HeaderConverter {
    /// Appends `value`, as [`Converter::write`] does.
    pub(super) fn write(
        &self,
        kind: &Kind,
        value: &Value<'_>,
        head: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, OnlyBytes> {
        match self {
            HeaderConverter::Simple if *value == Value::Null => Ok(false),
            HeaderConverter::Simple => {
                simple::write(kind, value, out);
                Ok(true)
            }
            HeaderConverter::As(converter) => converter.write(kind, value, head, out),
        }
    }

    /// As [`Converter::heads`].
    pub(super) fn heads(&self) -> Option<DecimalFormat> {
        match self {
            HeaderConverter::Simple => None,
            HeaderConverter::As(converter) => converter.heads(),
        }
    }
}

/// Bytes as they are; `None` for what is not BYTES. (A Decimal is BYTES in its schema only.)
fn raw(kind: &Kind, value: &Value<'_>, out: &mut Vec<u8>) -> Option<bool> {
    match value {
        Value::Hex(hex) => out.extend(hex.bytes()),
        Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::Null if kind.connect_type() == "BYTES" => return Some(false),
        _ => return None,
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(schemas: bool) -> Converter {
        Converter::Json { schemas, decimal: DecimalFormat::Base64, replace_null_with_default: true }
    }

    fn convert(converter: &Converter, kind: &Kind, value: Value<'_>) -> Result<Option<Vec<u8>>, OnlyBytes> {
        let mut out = Vec::new();
        converter.write(kind, &value, b"", &mut out).map(|present| present.then_some(out))
    }

    #[test]
    fn each_converter_has_its_own_idea_of_null() {
        let (text, bytes) = (Kind::Json, Kind::Bytes);
        let binary = Converter::Binary { delegate: Some(Box::new(json(false))) };
        assert_eq!(convert(&Converter::String, &text, Value::Null), Ok(None));
        assert_eq!(convert(&json(false), &text, Value::Null), Ok(Some(b"null".to_vec())));
        assert_eq!(convert(&Converter::Bytes, &bytes, Value::Null), Ok(None));
        assert_eq!(convert(&binary, &bytes, Value::Null), Ok(None));
        assert_eq!(convert(&binary, &text, Value::Null), Ok(Some(b"null".to_vec())));
    }

    #[test]
    fn bytes_pass_as_they_are_and_text_is_refused_or_delegated() {
        let hex = || crate::decode::value::parse(&Kind::Bytes, b"\\x00ff80").unwrap();
        let text = || Value::Text("a\"".into());
        let plain = Converter::Binary { delegate: None };
        let delegating = Converter::Binary { delegate: Some(Box::new(json(false))) };
        for converter in [&Converter::Bytes, &plain, &delegating] {
            assert_eq!(convert(converter, &Kind::Bytes, hex()), Ok(Some(vec![0, 255, 128])));
        }
        assert_eq!(
            convert(&Converter::Bytes, &Kind::String, text()),
            Err(OnlyBytes { converter: "ByteArrayConverter" })
        );
        assert_eq!(
            convert(&Converter::Bytes, &Kind::String, Value::Null),
            Err(OnlyBytes { converter: "ByteArrayConverter" })
        );
        assert!(convert(&plain, &Kind::String, text()).is_err());
        assert_eq!(convert(&delegating, &Kind::String, text()), Ok(Some(br#""a\"""#.to_vec())));
        let decimal = Value::Decimal { unscaled: "1".into(), scale: 0 };
        assert!(convert(&Converter::Bytes, &Kind::Money, decimal).is_err());
    }

    #[test]
    fn strings_are_verbatim_and_bytes_a_java_object() {
        assert_eq!(
            convert(&Converter::String, &Kind::Json, Value::Text("{\"a\": 1}".into())),
            Ok(Some(b"{\"a\": 1}".to_vec()))
        );
        let hex = crate::decode::value::parse(&Kind::Bytes, b"\\x00ff80").unwrap();
        let printed = convert(&Converter::String, &Kind::Bytes, hex).unwrap().unwrap();
        assert_eq!(printed, b"java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]");
    }
}
