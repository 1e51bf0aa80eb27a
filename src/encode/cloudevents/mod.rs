//! CloudEvents 1.0 (`cloudevents/spec`, its Kafka binding and JSON format): an event's attributes, and its data as the value
//! converter writes it.
//!
//! Enters: an event, and how its data is written. Leaves: `ce_` headers beside the data (binary), or one JSON object of
//! attributes and data (structured). Everything is made of the row, so that whoever reads the row again makes the same
//! record.

mod attributes;
mod debezium;
mod envelope;
mod prepared;

pub(super) use debezium::no_struct;
pub use prepared::Form;
pub(super) use prepared::Prepared;

use super::avro::{InvalidName, SchemaText};
use super::framed::Side;

/// `walpost.cloudevents.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudEvents {
    /// `walpost.cloudevents.mode`.
    pub mode: Mode,
    /// `walpost.cloudevents.source`, with [`CloudEvents::TABLE`] where the table goes; a URI reference.
    pub source: String,
    /// `walpost.cloudevents.type.prefix`: stands before an event's type.
    pub type_prefix: String,
    /// `walpost.cloudevents.datacontenttype`; `None`: as converter and column have it.
    pub content_type: Option<String>,
    /// `walpost.cloudevents.dataschema`, with [`CloudEvents::ID`] and [`CloudEvents::TYPE`]; a URI.
    pub data_schema: Option<String>,
    /// Of Debezium's, where the event is in Avro, not in JSON: the full name of its record.
    pub record: Option<String>,
}

/// What an envelope needs beside event and data.
pub(super) struct Outer<'o> {
    /// For what has to be written twice.
    pub(super) scratch: &'o mut Vec<u8>,
    /// The schemas of envelopes, where they have such.
    pub(super) side: Option<&'o mut Side>,
    pub(super) now_ms: i64,
}

/// Where attributes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In headers: the value is the data.
    Binary,
    /// In the value, around the data.
    Structured,
    /// As `io.debezium.converters.CloudEventsConverter` has them.
    Debezium,
}

impl CloudEvents {
    /// What a structured event's `content-type` says.
    pub const STRUCTURED: &'static str = "application/cloudevents+json; charset=UTF-8";
    /// In a source: `schema.table`.
    pub const TABLE: &'static str = "${table}";
    /// In a data schema: the id of the registered schema.
    pub const ID: &'static str = "${id}";
    /// In a data schema: the event's type, without its prefix.
    pub const TYPE: &'static str = "${type}";

    /// Whether an event in Avro may be called so.
    pub fn may_be_called(name: &str) -> bool {
        let record = SchemaText::new(false).record(name, |_| Ok::<_, InvalidName>(()), |_| {});
        record.is_ok()
    }

    /// What Debezium calls the struct of an event's data, whatever it was called before.
    pub(super) fn data_name(&self) -> Option<&'static str> {
        (self.mode == Mode::Debezium).then_some("io.debezium.connector.postgresql.Data")
    }
}

/// Appends text as a part of a URI: what has a meaning there is `%XX`.
pub fn percent_encoded(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'%', HEX[high], HEX[low]]);
            }
        }
    }
}
