//! What is wrong with one event: a value that travels the road, not an error.
//!
//! A rejection names the row, the reason and what to do; it never carries a payload.

use crate::lsn::Lsn;
use std::fmt;

/// Why an event cannot become a Kafka record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A column that the configuration names is not in the row.
    ColumnMissing,
    /// The route column holds NULL, or the topic it gives is not a legal Kafka topic name.
    TopicIllegal,
    /// The partition column is not an int4, or holds a negative number.
    PartitionIllegal,
    /// The timestamp column is of another type, or gives a negative time.
    TimestampIllegal,
    /// The key cannot be encoded by its converter.
    KeyNotEncodable,
    /// A header cannot be encoded by its converter.
    HeaderNotEncodable,
    /// The payload is refused by its converter.
    PayloadNotEncodable,
    /// Key, value and headers together exceed `max.request.size`.
    TooLarge,
    /// The broker refuses the record: a null key in a compacted topic, an interceptor or a policy of the cluster.
    RefusedByBroker,
    /// An UPDATE of an outbox row, and `table.op.invalid.behavior` is `fatal`.
    UpdateRefused,
}

impl Reason {
    /// The name used in logs, metrics and headers.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::ColumnMissing => "column_missing",
            Reason::TopicIllegal => "topic_illegal",
            Reason::PartitionIllegal => "partition_illegal",
            Reason::TimestampIllegal => "timestamp_illegal",
            Reason::KeyNotEncodable => "key_not_encodable",
            Reason::HeaderNotEncodable => "header_not_encodable",
            Reason::PayloadNotEncodable => "payload_not_encodable",
            Reason::TooLarge => "too_large",
            Reason::RefusedByBroker => "refused_by_broker",
            Reason::UpdateRefused => "update_refused",
        }
    }
}

/// One event that cannot be published as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The class of the trouble.
    pub reason: Reason,
    /// What exactly is wrong: names of columns, types, limits; never a payload.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
    /// `schema.table` of the row.
    pub table: String,
    /// The value of the event id column, where it could be read.
    pub event_id: Option<String>,
    /// The transaction that wrote the row: its commit LSN and id. Filled in by the pipeline.
    pub commit_lsn: Lsn,
    /// The transaction id (xid) that wrote the row. Filled in by the pipeline.
    pub xid: u32,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.event_id.as_deref().unwrap_or("unknown");
        write!(
            f,
            "event {id} of {} cannot be published ({}): {} (transaction {}, commit {})",
            self.table,
            self.reason.name(),
            self.detail,
            self.xid,
            self.commit_lsn
        )
    }
}
