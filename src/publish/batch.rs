//! What goes into one Kafka transaction: whole source transactions, up to a count, a size or an age.
//!
//! A source transaction is split only when it is itself too large for a batch; then the position carries how many of its
//! changes are done with, and its LSN waits for the last piece. Pure: the clock is handed in.

use crate::encode::Outgoing;
use crate::lsn::Lsn;
use crate::memory::Share;
use crate::position::{Partial, Position, Snapshot};
use crate::rejection::{Origin, Reason, Tally};
use std::time::{Duration, Instant};

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
    /// Set when the batch is of rows of a snapshot: how far that has come with it.
    pub snapshot: Option<Snapshot>,
    /// Source transactions that end in here, and events that belong to none.
    pub transactions: u64,
    /// The last of them; unchanged from before when there is none.
    pub last_xid: u32,
    /// Its commit LSN; zero when none ends in here.
    pub last_commit_lsn: Lsn,
    /// Commit time of the last of them, µs since 1970.
    pub last_commit_us: i64,
    /// Commit time of the first source transaction with a record in here, µs since 1970; 0: none.
    pub oldest_commit_us: i64,
    /// Events of these transactions that were passed over, as they cannot be published.
    pub skipped: Tally,
    /// Room taken by large events in here.
    pub shares: Vec<Share>,
}

impl Batch {
    /// It is published: gives back what large events took, memory and room.
    pub fn let_go(&mut self) {
        if !self.shares.is_empty() {
            self.outgoing = Outgoing::default();
            self.shares.clear();
        }
    }
}

/// Collects records into a batch and knows when it is due.
#[derive(Debug)]
pub struct Batcher {
    limits: Limits,
    batch: Batch,
    open: Option<OpenTransaction>,
    /// When the first record of the batch came in.
    since: Option<Instant>,
    /// What the batch before this one will have made of the position.
    handed_over: Lsn,
    /// When `end_lsn` first moved past that without a record.
    idle_since: Option<Instant>,
}

#[derive(Debug)]
struct OpenTransaction {
    commit_lsn: Lsn,
    xid: u32,
    commit_us: i64,
    /// Raw changes so far, those of earlier batches included.
    ordinal: u64,
    /// What the batch held when the transaction, or this piece of it, began.
    records_before: usize,
    bytes_before: usize,
    /// The same of events passed over, once there is one more.
    skipped_before: Option<Tally>,
}

impl Batcher {
    /// A batcher that goes on after `position`.
    pub fn new(limits: Limits, position: &Position) -> Batcher {
        let batch = Batch {
            end_lsn: position.end_lsn,
            last_xid: position.last_xid,
            last_commit_us: position.last_commit_us,
            ..Batch::default()
        };
        Batcher { limits, batch, open: None, since: None, handed_over: position.end_lsn, idle_since: None }
    }

    /// Where records are appended.
    pub fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.batch.outgoing
    }

    /// The next change of the open transaction is looked at: what is appended now comes of it.
    pub fn next_change(&mut self) -> Origin {
        let Some(OpenTransaction { commit_lsn, xid, ordinal, .. }) = self.open else {
            return Origin::default();
        };
        let origin = Origin { commit_lsn, change: ordinal + 1, xid };
        self.batch.outgoing.at(origin);
        origin
    }

    /// When the open transaction was committed, µs since 1970.
    pub fn commit_us(&self) -> i64 {
        self.open.as_ref().map_or(0, |open| open.commit_us)
    }

    /// An event of the open transaction is passed over.
    pub fn skip(&mut self, reason: Reason) {
        if let Some(open) = &mut self.open {
            open.skipped_before.get_or_insert(self.batch.skipped);
        }
        self.batch.skipped.add(reason);
    }

    /// A source transaction begins; or an event of none, which is one by itself and ends where it begins.
    pub fn begin(&mut self, commit_lsn: Lsn, xid: u32, commit_us: i64) {
        let (records_before, bytes_before) = (self.batch.outgoing.len(), self.batch.outgoing.bytes());
        self.open = Some(OpenTransaction {
            commit_lsn,
            xid,
            commit_us,
            ordinal: 0,
            records_before,
            bytes_before,
            skipped_before: None,
        });
    }

    /// The last record is large: the batch is due, and keeps the event's share until it is published.
    pub fn hold(&mut self, share: Share) {
        self.batch.shares.push(share);
    }

    /// One more raw change of the open transaction is done with. Whether the transaction has outgrown the batch, which
    /// then must be closed with [`split`](Batcher::split).
    pub fn changed(&mut self, now: Instant) -> bool {
        let (records, bytes) = (self.batch.outgoing.len(), self.batch.outgoing.bytes());
        if self.since.is_none() && records > 0 {
            self.since = Some(now);
        }
        let Some(open) = &mut self.open else { return false };
        open.ordinal += 1;
        if self.batch.oldest_commit_us == 0 && records > 0 {
            self.batch.oldest_commit_us = open.commit_us;
        }
        records - open.records_before >= self.limits.events
            || bytes - open.bytes_before >= self.limits.bytes
            || !self.batch.shares.is_empty()
    }

    /// Ends the batch inside the open transaction; `change_hash` is that of the change just counted.
    pub fn split(&mut self, change_hash: String) {
        if let Some(OpenTransaction { commit_lsn, xid, ordinal, .. }) = self.open {
            self.batch.partial = Some(Partial { commit_lsn, xid, ordinal, change_hash });
        }
    }

    /// The open transaction ends at `end_lsn`.
    pub fn commit(&mut self, end_lsn: Lsn, now: Instant) {
        if let Some(open) = self.open.take() {
            self.batch.transactions += 1;
            self.batch.last_xid = open.xid;
            self.batch.last_commit_lsn = open.commit_lsn;
            self.batch.last_commit_us = open.commit_us;
        }
        self.advance(end_lsn, now);
    }

    /// What the batch holds are rows of a snapshot, which has come so far with them; `None`: to its end. The stream stays
    /// where it is, in the middle of a transaction or not.
    pub fn at_rows(&mut self, snapshot: Option<Snapshot>, partial: Option<Partial>) {
        (self.batch.snapshot, self.batch.partial) = (snapshot, partial);
    }

    /// A transaction that was published before: nothing of it counts.
    pub fn forget(&mut self) {
        self.open = None;
    }

    /// Gives up what the open transaction put into the batch.
    pub fn abandon(&mut self) {
        if let Some(open) = self.open.take() {
            self.batch.outgoing.truncate(open.records_before);
            self.batch.skipped = open.skipped_before.unwrap_or(self.batch.skipped);
        }
    }

    /// Between transactions, the server has sent everything up to `lsn`.
    pub fn keepalive(&mut self, lsn: Lsn, now: Instant) {
        debug_assert!(self.open.is_none());
        self.advance(lsn, now);
    }

    fn advance(&mut self, lsn: Lsn, now: Instant) {
        self.batch.end_lsn = self.batch.end_lsn.max(lsn);
        if self.idle_since.is_none() && self.batch.end_lsn > self.handed_over {
            self.idle_since = Some(now);
        }
    }

    /// In the middle of a source transaction, where a batch may end only by a split.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// There are records to publish.
    pub fn has_records(&self) -> bool {
        !self.batch.outgoing.is_empty()
    }

    /// The position has moved, though there may be no record.
    pub fn has_progress(&self) -> bool {
        self.batch.end_lsn > self.handed_over
    }

    /// The batch holds as much as it may.
    pub fn is_full(&self) -> bool {
        let outgoing = &self.batch.outgoing;
        outgoing.len() >= self.limits.events
            || outgoing.bytes() >= self.limits.bytes
            || !self.batch.shares.is_empty()
    }

    /// The batch has waited as long as it may.
    pub fn is_aged(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.duration_since(since) >= self.limits.age)
    }

    /// When a position without records has waited for `interval`, or stands `bytes` of WAL ahead of the last.
    pub fn idle_due(&self, interval: Duration, bytes: u64, now: Instant) -> Option<Instant> {
        let since = self.idle_since.filter(|_| self.has_progress())?;
        let far = self.batch.end_lsn.bytes_since(self.handed_over) >= bytes;
        Some(if far { now } else { since + interval })
    }

    /// The end of what the batch would publish now.
    pub fn end_lsn(&self) -> Lsn {
        self.batch.end_lsn
    }

    /// Closes the batch; `fill` becomes the next one.
    pub fn close(&mut self, fill: impl FnOnce(Batch) -> Batch) {
        let next = Batch {
            end_lsn: self.batch.end_lsn,
            last_xid: self.batch.last_xid,
            last_commit_us: self.batch.last_commit_us,
            ..Batch::default()
        };
        self.handed_over = self.batch.end_lsn;
        (self.since, self.idle_since) = (None, None);
        let mut spare = fill(std::mem::replace(&mut self.batch, next));
        spare.outgoing.clear(2 * self.limits.bytes);
        self.batch.outgoing = spare.outgoing;
        if let Some(open) = &mut self.open {
            (open.records_before, open.bytes_before, open.skipped_before) = (0, 0, None);
        }
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
