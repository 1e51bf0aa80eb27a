//! The converters there are, with their options, and what each makes of one value.

use super::{Framed, java, json, simple};
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
    /// `org.apache.kafka.connect.converters.LongConverter` and the like.
    Number(Number),
    /// `io.debezium.converters.BinaryDataConverter`, with its `delegate.converter.type`.
    Binary {
        /// What encodes anything that is not BYTES.
        delegate: Option<Box<Converter>>,
    },
    /// `io.confluent.connect.avro.AvroConverter`, `io.confluent.connect.json.JsonSchemaConverter`,
    /// `io.confluent.connect.protobuf.ProtobufConverter`.
    Framed(Box<Framed>),
}

/// Which of the converters of one primitive type: its bytes, big endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// `BooleanConverter`: one byte.
    Boolean,
    /// `ShortConverter`: INT16.
    Short,
    /// `IntegerConverter`: INT32.
    Integer,
    /// `LongConverter`: INT64.
    Long,
    /// `FloatConverter`: FLOAT32.
    Float,
    /// `DoubleConverter`: FLOAT64.
    Double,
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

/// A converter does not take values of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsuited {
    /// The converter's name.
    pub(super) converter: &'static str,
    /// The one type that it takes.
    pub(super) takes: &'static str,
}

/// How a converter writes one value.
pub(super) trait Writes {
    /// Appends `value`; `Ok(false)` when there are no bytes at all. `head` is what [`Converter::heads`] says.
    fn write(&self, kind: &Kind, value: &Value<'_>, head: &[u8], out: &mut Vec<u8>)
    -> Result<bool, Unsuited>;

    /// It writes a text as it is.
    fn is_plain(&self) -> bool;
}

impl Writes for Converter {
    fn write(
        &self,
        kind: &Kind,
        value: &Value<'_>,
        head: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Unsuited> {
        match self {
            Converter::String if value.is_null() => return Ok(false),
            Converter::String => java::write(kind, value, out),
            Converter::Json { decimal, .. } => {
                out.extend_from_slice(head);
                json::write(kind, value, *decimal, out);
                if !head.is_empty() {
                    out.push(b'}');
                }
            }
            Converter::Bytes => {
                return raw(kind, value, out)
                    .ok_or(Unsuited { converter: "ByteArrayConverter", takes: "BYTES" });
            }
            Converter::Number(number) => return number.write(kind, value, out),
            // Keys and values have a side each, which knows their schemas; nothing else has one.
            Converter::Framed(_) => {
                return Err(Unsuited { converter: "a converter with a registry", takes: "keys and values" });
            }
            Converter::Binary { delegate } => match (raw(kind, value, out), delegate) {
                (Some(present), _) => return Ok(present),
                (None, Some(delegate)) => return delegate.write(kind, value, head, out),
                (None, None) => {
                    return Err(Unsuited {
                        converter: "BinaryDataConverter without delegate.converter.type",
                        takes: "BYTES",
                    });
                }
            },
        }
        Ok(true)
    }

    fn is_plain(&self) -> bool {
        matches!(self, Converter::String)
    }
}

impl Writes for HeaderConverter {
    fn write(
        &self,
        kind: &Kind,
        value: &Value<'_>,
        head: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Unsuited> {
        match self {
            HeaderConverter::Simple if value.is_null() => Ok(false),
            HeaderConverter::Simple => {
                simple::write(kind, value, out);
                Ok(true)
            }
            HeaderConverter::As(converter) => converter.write(kind, value, head, out),
        }
    }

    fn is_plain(&self) -> bool {
        match self {
            HeaderConverter::Simple => true,
            HeaderConverter::As(converter) => converter.is_plain(),
        }
    }
}

impl Converter {
    /// The format of decimals, when each value is preceded by its schema: `{"schema":…,"payload":`.
    pub(super) fn heads(&self) -> Option<DecimalFormat> {
        match self {
            Converter::Json { schemas: true, decimal, .. } => Some(*decimal),
            Converter::Binary { delegate: Some(delegate) } => delegate.heads(),
            _ => None,
        }
    }

    /// The converter that encodes structs: itself, or its delegate.
    pub(super) fn of_structs(&self) -> Result<&Converter, Unsuited> {
        match self {
            Converter::String | Converter::Json { .. } | Converter::Framed(_) => Ok(self),
            Converter::Bytes => Err(Unsuited { converter: "ByteArrayConverter", takes: "BYTES" }),
            Converter::Number(number) => Err(number.unsuited()),
            Converter::Binary { delegate: Some(delegate) } => delegate.of_structs(),
            Converter::Binary { delegate: None } => {
                let converter = "BinaryDataConverter without delegate.converter.type";
                Err(Unsuited { converter, takes: "BYTES" })
            }
        }
    }
}

impl Number {
    /// Appends the value's bytes; NULL has none. What counts is the class that Java has for a value.
    fn write(self, kind: &Kind, value: &Value<'_>, out: &mut Vec<u8>) -> Result<bool, Unsuited> {
        // Connect's own dates are objects, whatever their schema says.
        let connect_type = match kind {
            Kind::ConnectDate | Kind::ConnectTime | Kind::ConnectTimestamp => "",
            kind => kind.connect_type(),
        };
        match (self, value) {
            // It alone looks at the schema of a NULL.
            (Number::Boolean, Value::Null) if connect_type != "BOOLEAN" => return Err(self.unsuited()),
            (_, Value::Null) => return Ok(false),
            (Number::Boolean, Value::Boolean(is)) => out.push(u8::from(*is)),
            (Number::Short, Value::Integer(number)) if connect_type == "INT16" => {
                out.extend_from_slice(&number.to_be_bytes()[6..]);
            }
            (Number::Integer, Value::Integer(number)) if connect_type == "INT32" => {
                out.extend_from_slice(&number.to_be_bytes()[4..]);
            }
            (Number::Long, Value::Integer(number)) if connect_type == "INT64" => {
                out.extend_from_slice(&number.to_be_bytes());
            }
            (Number::Float, Value::Float32(number)) => out.extend_from_slice(&number.to_be_bytes()),
            (Number::Double, Value::Float64(number)) => out.extend_from_slice(&number.to_be_bytes()),
            _ => return Err(self.unsuited()),
        }
        Ok(true)
    }

    fn unsuited(self) -> Unsuited {
        let (converter, takes) = match self {
            Number::Boolean => ("BooleanConverter", "BOOLEAN"),
            Number::Short => ("ShortConverter", "INT16"),
            Number::Integer => ("IntegerConverter", "INT32"),
            Number::Long => ("LongConverter", "INT64"),
            Number::Float => ("FloatConverter", "FLOAT32"),
            Number::Double => ("DoubleConverter", "FLOAT64"),
        };
        Unsuited { converter, takes }
    }
}

impl HeaderConverter {
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

    fn convert(converter: &Converter, kind: &Kind, value: Value<'_>) -> Result<Option<Vec<u8>>, Unsuited> {
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
    fn numbers_are_their_bytes_and_of_one_type_only() {
        let number =
            |number, kind: Kind, value| convert(&Converter::Number(number), &kind, value).ok().flatten();
        let key = Value::Integer(9_007_199_254_740_993);
        assert_eq!(number(Number::Long, Kind::Int64, key.clone()), Some(vec![0, 32, 0, 0, 0, 0, 0, 1]));
        assert_eq!(number(Number::Integer, Kind::Int64, key), None);
        assert_eq!(number(Number::Integer, Kind::Date, Value::Integer(-1)), Some(vec![255; 4]));
        assert_eq!(number(Number::Integer, Kind::ConnectDate, Value::Integer(-1)), None);
        assert_eq!(number(Number::Short, Kind::Int16, Value::Integer(258)), Some(vec![1, 2]));
        assert_eq!(number(Number::Boolean, Kind::Boolean, Value::Boolean(true)), Some(vec![1]));
        assert_eq!(number(Number::Float, Kind::Float32, Value::Float32(1.0)), Some(vec![0x3f, 0x80, 0, 0]));
        assert_eq!(
            number(Number::Double, Kind::Float64, Value::Float64(1.0)),
            Some(vec![0x3f, 0xf0, 0, 0, 0, 0, 0, 0])
        );
        assert_eq!(convert(&Converter::Number(Number::Long), &Kind::Int64, Value::Null), Ok(None));
        assert_eq!(convert(&Converter::Number(Number::Long), &Kind::String, Value::Null), Ok(None));
        let boolean = Converter::Number(Number::Boolean);
        assert_eq!(convert(&boolean, &Kind::Boolean, Value::Null), Ok(None));
        assert!(convert(&boolean, &Kind::String, Value::Null).is_err());
        assert!(Converter::Number(Number::Long).of_structs().is_err());
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
            Err(Unsuited { converter: "ByteArrayConverter", takes: "BYTES" })
        );
        assert_eq!(
            convert(&Converter::Bytes, &Kind::String, Value::Null),
            Err(Unsuited { converter: "ByteArrayConverter", takes: "BYTES" })
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
