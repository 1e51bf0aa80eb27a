//! Schemas as Confluent's JsonSchemaConverter and ProtobufConverter make them of Connect's.
//!
//! Enters: a Connect schema, as JsonConverter prints it. Leaves: the text that is registered, byte for byte, since a registry
//! that does not normalize knows a schema by its text. Of Avro, this is [`super::avro`]'s.

mod json_schema;
pub(super) mod message;
mod protobuf;

use super::DecimalFormat;
use super::encoder::Refusal;
use crate::registry::SchemaType;
use crate::rejection::Reason;
use serde_json::Value;

/// Names are in it, and one may be half a surrogate pair.
const NO_JSON: NoSchema = NoSchema {
    what: "the schema that Connect gives it cannot be written: one of its names is no text",
    hint: "use other names in the payload",
};

/// What of a converter's options decides its schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inferring {
    /// `decimal.format` of JsonSchemaConverter.
    pub decimals: DecimalFormat,
    /// `object.additional.properties` of JsonSchemaConverter.
    pub additional: bool,
    /// `optional.for.nullables` of ProtobufConverter.
    pub optional: bool,
    /// `wrapper.for.nullables` of ProtobufConverter.
    pub wrapper: bool,
}

impl Default for Inferring {
    fn default() -> Inferring {
        Inferring { decimals: DecimalFormat::Base64, additional: true, optional: false, wrapper: false }
    }
}

/// A schema to be registered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inferred {
    pub(super) text: String,
    /// The record's full name, by which a subject may be named.
    pub(super) name: Option<String>,
    /// Which message of its file, as it stands after the id.
    pub(super) indexes: Vec<u8>,
}

/// Why there is no schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSchema {
    what: &'static str,
    hint: &'static str,
}

impl NoSchema {
    /// As why the event is refused.
    pub(super) fn refusal(self, reason: Reason) -> Refusal {
        Refusal { reason, detail: self.what.to_owned(), hint: self.hint }
    }
}

/// Makes the schema in this language; `connect` is what JsonConverter prints.
pub(super) fn schema(
    language: SchemaType,
    inferring: Inferring,
    connect: &[u8],
) -> Result<Inferred, NoSchema> {
    let connect: Value = serde_json::from_slice(connect).map_err(|_| NO_JSON)?;
    match language {
        SchemaType::Json => {
            let text = json_schema::text(&connect, inferring);
            let is_record = connect["optional"] == Value::Bool(false);
            let name = connect["name"].as_str().filter(|_| is_record).map(str::to_owned);
            Ok(Inferred { text, name, indexes: Vec::new() })
        }
        SchemaType::Protobuf => {
            let protobuf::File { text, name, index } = protobuf::file(&connect, inferring)?;
            // One index, that of the first message shorter than others.
            let indexes = if index == 0 { vec![0] } else { vec![2, index * 2] };
            Ok(Inferred { text, name: Some(name), indexes })
        }
        SchemaType::Avro => Err(NO_JSON),
    }
}

#[cfg(test)]
mod tests;
