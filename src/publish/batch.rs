//! What goes into one Kafka transaction: whole source transactions, up to a count, a size or an age.

use crate::encode::Outgoing;
use crate::lsn::Lsn;
use crate::position::Partial;
use std::time::Duration;

/// When a batch closes even though more is waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `walpost.batch.max.events`.
    pub events: usize,
    /// `walpost.batch.max.bytes`.
    pub bytes: usize,
    /// `walpost.batch.max.age.ms`.
    pub age: Duration,
}

/// A closed batch: records, and the position after them.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records, in order.
    pub outgoing: Outgoing,
    /// End of the last source transaction that is whole in here or before; the position's `end_lsn`.
    pub end_lsn: Lsn,
    /// Set when the batch ends inside a source transaction.
    pub partial: Option<Partial>,
    /// Source transactions that end in here.
    pub transactions: u64,
    /// The last of them: id and commit time (µs since 1970); unchanged from before when there is none.
    pub last_xid: u32,
    /// Commit time of the last of them, µs since 1970.
    pub last_commit_us: i64,
}

/// Collects records into a batch and knows when it is due.
#[derive(Debug)]
pub struct Batcher {
    limits: Limits,
}

impl Batcher {
    /// A batcher with these limits.
    pub fn new(limits: Limits) -> Batcher {
        Batcher { limits }
    }

    /// The limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}
