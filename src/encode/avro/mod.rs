//! Avro, as Confluent's converter frames it: the schema's id, then the bytes.
//!
//! Enters: an event. Leaves: bytes, or a [`Question`] for the schema registry, which is asked once for each schema; with
//! its answer the event is encoded again. Two ways: a schema inferred as Kafka Connect does it, byte for byte; or a JSON
//! payload by the schema that is registered for its event type, checked field by field.

pub(super) mod binary;
mod defaults;
mod fill;
mod infer;
mod logical;
mod names;
mod plan;
mod side;
mod value;

pub use fill::UnknownFields;
pub(super) use infer::SchemaText;
pub(super) use names::InvalidName;
pub(super) use side::Side;
pub(super) use value::Around;

use crate::registry::Strategy;

/// `io.confluent.connect.avro.AvroConverter` with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avro {
    /// `key.subject.name.strategy`, `value.subject.name.strategy`.
    pub subject: Strategy,
    /// Where a schema's id comes from.
    pub ids: Ids,
    /// `normalize.schemas`.
    pub normalize: bool,
    /// `connect.meta.data`.
    pub meta: bool,
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
