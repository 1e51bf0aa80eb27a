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

pub(super) use prepared::Prepared;

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
    /// In a source: `schema.table`.
    pub const TABLE: &'static str = "${table}";
    /// In a data schema: the id of the registered schema.
    pub const ID: &'static str = "${id}";
    /// In a data schema: the event's type, without its prefix.
    pub const TYPE: &'static str = "${type}";
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
