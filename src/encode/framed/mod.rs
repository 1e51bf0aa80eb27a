//! Keys and values as Confluent's converters frame them: the schema's id, then the bytes.
//!
//! Enters: an event. Leaves: bytes, or a [`Question`](crate::registry::Question) for the schema registry, which is asked
//! once for each schema; with its answer the event is encoded again. Two ways: a schema inferred as Kafka Connect does it; or
//! a JSON payload by the schema that is registered for its event type, checked field by field.

pub(super) mod filler;
mod inferred;
mod mismatch;
mod ready;
mod side;
pub(super) mod straight;
#[cfg(test)]
pub(super) mod testing;
mod value;

pub(super) use mismatch::{Mismatch, Step};
pub(super) use side::Side;
pub(super) use value::{Around, unfit};

use super::inferred::Inferring;
use crate::registry::{SchemaType, Strategy};

/// A converter with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    /// What it writes: `io.confluent.connect.avro.AvroConverter`, `io.confluent.connect.json.JsonSchemaConverter`,
    /// `io.confluent.connect.protobuf.ProtobufConverter`.
    pub language: SchemaType,
    /// `key.subject.name.strategy`, `value.subject.name.strategy`.
    pub subject: Strategy,
    /// Where a schema's id comes from.
    pub ids: Ids,
    /// `normalize.schemas`.
    pub normalize: bool,
    /// `connect.meta.data`.
    pub meta: bool,
    /// What else decides an inferred schema.
    pub inferring: Inferring,
    /// `walpost.value.schema=registered`; `None`: schemas are inferred.
    pub registered: Option<ByRegistered>,
    /// `key.schema.id.serializer`, `value.schema.id.serializer`: the schema's GUID in a header, and no id before the bytes.
    pub in_header: bool,
    /// `latest.cache.ttl.sec`, ms: how long the newest schema counts as that; `None`: for ever.
    pub latest_ttl_ms: Option<i64>,
}

/// Where the id of an inferred schema comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// `auto.register.schemas`: it is registered if it is not there.
    Register,
    /// `use.schema.id`: it is this.
    Given(i32),
    /// `use.latest.version`: the subject's newest, which must be the same.
    Latest,
    /// It must be there.
    Find,
}

/// How JSON payloads are encoded by registered schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByRegistered {
    /// `walpost.value.schema.name`: the record's full name, with `${type}` where the event's type goes.
    pub name: String,
    /// `walpost.value.schema.unknown.fields`.
    pub unknown: UnknownFields,
}

/// What becomes of members that the schema does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownFields {
    /// The event is refused.
    Refuse,
    /// They are left out.
    Drop,
}

#[cfg(test)]
impl Framed {
    /// AvroConverter as it is by default, but that the newest schema counts as that for ever.
    pub(crate) fn avro() -> Framed {
        Framed {
            language: SchemaType::Avro,
            subject: Strategy::Topic,
            ids: Ids::Register,
            normalize: false,
            meta: true,
            inferring: Inferring::default(),
            registered: None,
            in_header: false,
            latest_ttl_ms: None,
        }
    }
}
