//! ④ An event becomes bytes, as the Connect converters would have written them. Pure.
//!
//! Enters: an [`Event`](crate::route::Event). Leaves: one more record in [`Outgoing`]. Promised: key, value and header
//! bytes equal those of Debezium 3.6 with the same converters. Where there can be no such record, a dead letter instead.
//! Not done here: asking the schema registry. An encoder that needs to know a schema says what it asks.

mod avro;
mod blocks;
mod body;
pub mod change;
pub mod cloudevents;
pub mod converter;
pub mod dead_letter;
pub mod encoder;
mod expand;
mod first;
mod framed;
mod heartbeat;
mod inferred;
mod interned;
mod java;
mod json;
mod json_schema;
pub mod key_hash;
mod message;
mod moment;
mod old_key;
pub mod outgoing;
mod prepared;
mod protobuf;
mod schema;
mod sides;
mod simple;
mod structs;
mod trace;
pub mod transactions;

pub use cloudevents::CloudEvents;
pub use converter::{Converter, DecimalFormat, HeaderConverter, Number};
pub use dead_letter::DeadLetters;
pub use encoder::{Encoder, NotEncoded};
pub use expand::{Expand, Nulls, Renaming};
pub use framed::{ByRegistered, Framed, Ids, UnknownFields};
pub use inferred::Inferring;
pub use key_hash::KeyHash;
pub use outgoing::{Outgoing, RecordRef, SharedHeaders};

use crate::registry::Strategy;

/// Converters, context headers and the size limit.
#[derive(Clone, Debug)]
pub struct Config {
    /// `key.converter`.
    pub key: Converter,
    /// `value.converter`.
    pub value: Converter,
    /// `header.converter`.
    pub header: HeaderConverter,
    /// The `__debezium.context.*` headers, when `extended.headers.enabled`.
    pub context: Option<Context>,
    /// `walpost.value.verify`: what is made sure of framed bytes that are passed on as they are.
    pub verify: Option<Verify>,
    /// `walpost.cloudevents.mode`: events are CloudEvents; `None`: they are not.
    pub cloud: Option<CloudEvents>,
    /// How JSON payloads are taken apart (`table.expand.json.payload`); `None`: they are not.
    pub expand: Option<Expand>,
    /// How the payloads of logical decoding messages are taken apart, where such are events.
    pub messages: Option<Nulls>,
    /// `debezium.compat` is `strict`: what differs from Debezium on purpose does not.
    pub strict: bool,
    /// `max.request.size` of the producer, bytes: a larger record is rejected.
    pub max_record_bytes: usize,
}

impl Config {
    /// What the struct of an event's data is called, where that is not as its payload has it.
    fn data_name(&self) -> Option<&'static str> {
        self.cloud.as_ref().and_then(CloudEvents::data_name)
    }
}

/// What is made sure of bytes that the application has framed itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// The schema of their id is one of the subject's, not just any.
    pub own: bool,
    /// `value.subject.name.strategy`.
    pub subject: Strategy,
    /// `walpost.value.schema.name`.
    pub name: String,
}

/// The connector's own headers (`extended.headers.enabled`).
#[derive(Clone, Debug)]
pub struct Context {
    /// `__debezium.context.connectorLogicalName`: `topic.prefix`.
    pub logical_name: String,
    /// `__debezium.context.runId`: a UUIDv7 per start.
    pub run_id: String,
}

#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod types_tests;
