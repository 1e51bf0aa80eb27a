//! What the road and the publisher tell of themselves: counted on their threads, handed to the metrics per batch.

use crate::decode::Relation;
use crate::lsn::Lsn;
use crate::observe::health::Health;
use crate::observe::metrics::{BatchStats, Metrics, TopicTally};
use crate::publish::{Batch, Receipt};
use crate::rejection::{Reason, Rejection, Tally};
use crate::route::{OnUpdate, Skipped};
use std::sync::Arc;
use std::time::Instant;

/// One thread's reporter.
pub struct Reporter {
    metrics: Metrics,
    health: Health,
    skipped: [u64; SKIPPED.len()],
    /// Updated rows dropped since the last turn: of which table (the last one's), how many, how loudly.
    updates: Option<(Arc<Relation>, u64, OnUpdate)>,
    /// Events that cannot be published, set aside since the last turn: the last one, how many.
    set_aside: Option<(Rejection, u64)>,
    tally: TopicTally,
    letters: Tally,
    publishing_since: Instant,
}

const SKIPPED: [(Skipped, &str); 8] = [
    (Skipped::OtherTable, "other_table"),
    (Skipped::Delete, "delete"),
    (Skipped::Update, "update"),
    (Skipped::Truncate, "truncate"),
    (Skipped::Operation, "operation"),
    (Skipped::Unchanged, "unchanged"),
    (Skipped::Message, "message"),
    (Skipped::NotARow, "not_a_row"),
];

impl Reporter {
    /// A reporter into these metrics.
    pub fn new(metrics: Metrics, health: Health) -> Reporter {
        let publishing_since = Instant::now();
        Reporter {
            metrics,
            health,
            skipped: [0; SKIPPED.len()],
            updates: None,
            set_aside: None,
            tally: TopicTally::default(),
            letters: Tally::default(),
            publishing_since,
        }
    }

    /// The thread is alive.
    pub fn turn(&mut self) {
        self.health.turn();
        self.flush();
    }

    /// A change passed no event.
    pub fn skipped(&mut self, reason: Skipped) {
        if let Some(index) = SKIPPED.iter().position(|(skipped, _)| *skipped == reason) {
            self.skipped[index] += 1;
        }
    }

    /// An updated outbox row was dropped; told once a turn, or a table that is often updated would fill the log.
    pub fn update_dropped(&mut self, relation: &Arc<Relation>, loudness: OnUpdate) {
        let before = self.updates.take().map_or(0, |(_, count, _)| count);
        self.updates = Some((Arc::clone(relation), before + 1, loudness));
    }

    /// An event that cannot be published is a dead letter now, or passed over; told once a turn.
    pub fn set_aside(&mut self, rejection: Rejection) {
        let before = self.set_aside.take().map_or(0, |(_, count)| count);
        self.set_aside = Some((rejection, before + 1));
    }

    /// The road has come to `lsn`.
    pub fn received(&mut self, lsn: Lsn) {
        self.metrics.received(lsn);
    }

    /// The server says its WAL goes to `lsn`.
    pub fn server_at(&mut self, lsn: Lsn) {
        self.metrics.server_at(lsn);
    }

    /// A batch goes to the publisher.
    pub fn handed_over(&mut self) {
        self.flush();
    }

    /// The publisher takes a batch up.
    pub fn publishing(&mut self, batch: &Batch) {
        self.publishing_since = Instant::now();
        self.tally.clear();
        self.letters = Tally::default();
        for record in batch.outgoing.iter() {
            self.tally.add(record.topic);
            if let Some(reason) = record.letter {
                self.letters.add(reason);
            }
        }
        self.metrics.batch_taken(batch.outgoing.bytes() as u64, batch.oldest_commit_us);
    }

    /// The batch is committed and confirmed.
    pub fn published(&mut self, batch: &Batch, receipt: &Receipt) {
        self.metrics.batch_published(&BatchStats {
            events: receipt.events,
            bytes: receipt.bytes,
            transactions: batch.transactions,
            topics: &self.tally,
            dead_letters: self.letters,
            skipped: batch.skipped,
            end_lsn: receipt.end_lsn,
            oldest_commit_us: batch.oldest_commit_us,
            newest_commit_us: batch.last_commit_us,
            commit_duration: self.publishing_since.elapsed(),
        });
    }

    /// The batch was not committed, or nobody knows.
    pub fn failed(&mut self) {
        self.metrics.batch_failed();
    }

    /// An event cannot be published, and stops the connector.
    pub fn rejected(&mut self, reason: Reason) {
        self.metrics.rejected(reason.name());
    }

    fn flush(&mut self) {
        if let Some((last, events)) = self.set_aside.take() {
            let hint = &last.hint;
            tracing::warn!(events, %last, hint, "events that cannot be published are set aside, by policy");
        }
        if let Some((relation, updates, loudness)) = self.updates.take() {
            let (table, what) =
                (format!("{}.{}", relation.schema, relation.table), "updated rows are no events: dropped");
            match loudness {
                OnUpdate::Warn => tracing::warn!(table, updates, "{what}"),
                OnUpdate::Error | OnUpdate::Fatal => tracing::error!(table, updates, "{what}"),
            }
        }
        for (count, (_, name)) in self.skipped.iter_mut().zip(SKIPPED) {
            if *count > 0 {
                self.metrics.filtered(name, std::mem::take(count));
            }
        }
    }
}
