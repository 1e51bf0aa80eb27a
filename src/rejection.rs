//! What is wrong with one event: a value that travels the road, not an error.
//!
//! A rejection names the row, the reason and what to do; it never carries a payload. What becomes of its event is a
//! matter of [`Policies`].

mod policy;

pub use policy::{Policies, Policy, TablePolicies};

use crate::lsn::Lsn;
use std::fmt;

/// Why an event cannot become a Kafka record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// The schema registry refuses the schema, or has none for the event.
    SchemaRefused,
    /// Key, value and headers together exceed `max.request.size`.
    TooLarge,
    /// The broker refuses the record: a null key in a compacted topic, an interceptor or a policy of the cluster.
    RefusedByBroker,
    /// An UPDATE of an outbox row, and `table.op.invalid.behavior` is `fatal`.
    UpdateRefused,
    /// Nothing is wrong with it, but an earlier event of its key is a dead letter, and it must not overtake that. No
    /// policy is asked.
    Parked,
}

impl Reason {
    /// All of them, in the order of their declaration.
    pub const ALL: [Reason; 12] = [
        Reason::ColumnMissing,
        Reason::TopicIllegal,
        Reason::PartitionIllegal,
        Reason::TimestampIllegal,
        Reason::KeyNotEncodable,
        Reason::HeaderNotEncodable,
        Reason::PayloadNotEncodable,
        Reason::SchemaRefused,
        Reason::TooLarge,
        Reason::RefusedByBroker,
        Reason::UpdateRefused,
        Reason::Parked,
    ];

    /// The reason of this name.
    pub fn named(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// Where Kafka Connect would have met it: a name of its `Stage`.
    pub const fn stage(self) -> &'static str {
        match self {
            Reason::ColumnMissing
            | Reason::TopicIllegal
            | Reason::PartitionIllegal
            | Reason::TimestampIllegal
            | Reason::UpdateRefused
            | Reason::Parked => "TRANSFORMATION",
            Reason::KeyNotEncodable => "KEY_CONVERTER",
            Reason::HeaderNotEncodable => "HEADER_CONVERTER",
            Reason::PayloadNotEncodable | Reason::SchemaRefused => "VALUE_CONVERTER",
            Reason::TooLarge | Reason::RefusedByBroker => "KAFKA_PRODUCE",
        }
    }

    /// The name used in logs, metrics, headers and properties.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::ColumnMissing => "column_missing",
            Reason::TopicIllegal => "topic_illegal",
            Reason::PartitionIllegal => "partition_illegal",
            Reason::TimestampIllegal => "timestamp_illegal",
            Reason::KeyNotEncodable => "key_not_encodable",
            Reason::HeaderNotEncodable => "header_not_encodable",
            Reason::PayloadNotEncodable => "payload_not_encodable",
            Reason::SchemaRefused => "schema_refused",
            Reason::TooLarge => "too_large",
            Reason::RefusedByBroker => "refused_by_broker",
            Reason::UpdateRefused => "update_refused",
            Reason::Parked => "parked",
        }
    }
}

/// Which change of which transaction an event comes of. No two events of a stream have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Commit LSN of the transaction that wrote the row; zero where there is none, as for a heartbeat.
    pub commit_lsn: Lsn,
    /// Number of the row's change among all changes of that transaction in the stream, from 1.
    pub change: u64,
    /// The transaction's id (xid).
    pub xid: u32,
}

impl Origin {
    /// A row that a snapshot read: where that was taken, and a number that is made of the row's table and key. No transaction
    /// has the id 0.
    pub fn of_row(taken: Lsn, number: u64) -> Origin {
        Origin { commit_lsn: taken, change: number, xid: 0 }
    }

    /// Whether it is a row that a snapshot read.
    pub fn is_row(&self) -> bool {
        self.xid == 0 && self.commit_lsn != Lsn::ZERO
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_row() {
            true => write!(f, "in the snapshot at {}", self.commit_lsn),
            false => write!(f, "transaction {}, commit {}", self.xid, self.commit_lsn),
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
    /// Where it comes from. Filled in by the pipeline.
    pub origin: Origin,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.event_id.as_deref().unwrap_or("unknown");
        write!(
            f,
            "event {id} of {} cannot be published ({}): {} ({})",
            self.table,
            self.reason.name(),
            self.detail,
            self.origin
        )
    }
}

/// How many events, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; Reason::ALL.len()]);

impl Tally {
    /// One more.
    pub fn add(&mut self, reason: Reason) {
        self.0[reason as usize] += 1;
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each reason that there is one of.
    pub fn each(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_snapshot_is_no_change_of_a_transaction() {
        let (row, change) =
            (Origin::of_row(Lsn::new(0x20), 7), Origin { xid: 3, ..Origin::of_row(Lsn::new(0x20), 7) });
        assert_eq!(row.to_string(), "in the snapshot at 0/20");
        assert_eq!(change.to_string(), "transaction 3, commit 0/20");
        assert!(row.is_row() && !change.is_row() && !Origin::default().is_row());
    }

    #[test]
    fn every_reason_is_known_by_its_name_and_counted_by_itself() {
        let mut tally = Tally::default();
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert_eq!(Reason::named(reason.name()), Some(reason));
            tally.add(reason);
        }
        tally.add(Reason::TooLarge);
        assert_eq!(tally.total(), Reason::ALL.len() as u64 + 1);
        let counted: Vec<_> = tally.each().filter(|(_, count)| *count == 2).collect();
        assert_eq!(counted, [(Reason::TooLarge, 2)]);
        assert_eq!(Reason::named("too large"), None);
    }
}
