//! The schema registry beside the load: the application frames its payloads, and the connector makes sure of the frames.
//!
//! One registry serves all worlds and knows nothing of them: the subject is the events' type, whatever the topic. No fault is
//! aimed at it. A connector that was killed asks it again.

use crate::support::Registry;
use serde_json::json;
use std::sync::OnceLock;

/// The type of all events, and so the subject of their schema.
pub const TYPE: &str = "changed";

/// What stands before a payload: a zero and the id of a schema.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Frame {
    /// Nothing: it is of no type that can be framed.
    None,
    /// The schema of the events' subject.
    Own,
    /// One of another subject.
    Another,
    /// An id that no schema has.
    Unknown,
}

impl Frame {
    /// As SQL.
    pub fn literal(self) -> String {
        let [own, another] = ids();
        let id = match self {
            Frame::None => return r"'\x'::bytea".to_owned(),
            Frame::Own => own,
            Frame::Another => another,
            Frame::Unknown => i64::from(i32::MAX),
        };
        format!(r"'\x00{id:08x}'::bytea")
    }
}

/// What the connector must be configured with; the schemas are there when this returns.
pub fn settings() -> [(&'static str, String); 3] {
    ids();
    let by_record = "io.confluent.kafka.serializers.subject.RecordNameStrategy";
    [
        ("value.converter.schema.registry.url", Registry::shared().url()),
        ("value.converter.value.subject.name.strategy", by_record.to_owned()),
        ("walpost.value.verify", "subject".to_owned()),
    ]
}

/// Of the events' schema and of another one, which are registered the first time. They are JSON Schemas: payloads are JSON.
fn ids() -> [i64; 2] {
    static IDS: OnceLock<[i64; 2]> = OnceLock::new();
    *IDS.get_or_init(|| {
        [(TYPE, "version"), ("another", "number")].map(|(subject, member)| {
            let properties = json!({ member: { "type": "integer" } });
            let schema =
                json!({ "type": "object", "properties": properties, "required": [member] }).to_string();
            Registry::shared().register_as("JSON", subject, &schema, &json!([]))
        })
    })
}
