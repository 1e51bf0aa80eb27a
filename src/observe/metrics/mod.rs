//! What is counted and measured, and the page that shows it.
//!
//! Enters: typed words from the pipeline, per batch, per sample or per change of state, never per event. Leaves: the
//! page of `/metrics`. Promised: names, types and help as in `tests/golden/metrics.txt`; a bounded number of label
//! values; no key, id or payload. What depends on the time of day (lag, idle time) is computed when the page is read.

mod families;

use crate::clock::unix_us;
use crate::lsn::Lsn;
use crate::rejection::{Reason, Tally};
use families::{Counters, Families, label};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A server on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Postgres.
    Postgres,
    /// Kafka.
    Kafka,
    /// The schema registry.
    Registry,
}

impl Component {
    /// The label value.
    pub const fn name(self) -> &'static str {
        match self {
            Component::Postgres => "postgres",
            Component::Kafka => "kafka",
            Component::Registry => "registry",
        }
    }
}

/// One Kafka transaction that is committed.
#[derive(Debug)]
pub struct BatchStats<'a> {
    /// Records in it, dead letters included.
    pub events: u64,
    /// Bytes of their keys, values and headers.
    pub bytes: u64,
    /// Source transactions that end in it.
    pub transactions: u64,
    /// Records by topic.
    pub topics: &'a TopicTally,
    /// Dead letters among them.
    pub dead_letters: Tally,
    /// Events that were passed over, as they cannot be published.
    pub skipped: Tally,
    /// The position's `end_lsn`.
    pub end_lsn: Lsn,
    /// Commit time of the first source transaction in it, µs since 1970; 0: none.
    pub oldest_commit_us: i64,
    /// Commit time of the last one, µs since 1970; 0: none.
    pub newest_commit_us: i64,
    /// How long the Kafka commit took, the wait for outstanding records included.
    pub commit_duration: Duration,
}

/// Counts records by topic while a batch is sent. Cleared and filled again.
#[derive(Debug, Default)]
pub struct TopicTally {
    counts: HashMap<Arc<str>, u64>,
    last: Option<(Arc<str>, u64)>,
}

impl TopicTally {
    /// One more record for `topic`. Runs of the same `Arc` cost a comparison of pointers.
    pub fn add(&mut self, topic: &Arc<str>) {
        match &mut self.last {
            Some((last, count)) if Arc::ptr_eq(last, topic) => *count += 1,
            _ => {
                self.settle();
                self.last = Some((Arc::clone(topic), 1));
            }
        }
    }

    /// Forgets all counts, keeps the memory.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.last = None;
    }

    fn settle(&mut self) {
        if let Some((topic, count)) = self.last.take() {
            *self.counts.entry(topic).or_default() += count;
        }
    }

    fn each(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        let last = self.last.iter().map(|(topic, count)| (topic, *count));
        self.counts.iter().map(|(topic, count)| (topic, *count)).chain(last)
    }
}

/// The slot and the server's WAL, as last looked at.
#[derive(Clone, Debug, Default)]
pub struct SlotSample {
    /// A walsender has it.
    pub active: bool,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// Bytes of WAL it holds.
    pub retained_bytes: Option<i64>,
    /// Bytes that may still be written before it is lost; `None`: unlimited.
    pub safe_wal_bytes: Option<i64>,
    /// What it has been told.
    pub confirmed_flush_lsn: Option<Lsn>,
    /// The server's WAL flush position.
    pub server_lsn: Lsn,
}

/// How far a snapshot has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct SnapshotStats {
    /// It has not come to its end.
    pub is_running: bool,
    /// Rows handed to the publisher, by this run or one before it.
    pub rows: u64,
    /// Rows there will be, as Postgres estimates; `None`: it does not say.
    pub rows_estimated: Option<u64>,
    /// Rows a second, of this run.
    pub per_second: f64,
    /// Tables.
    pub tables: usize,
    /// Tables that are not read to their end.
    pub tables_left: usize,
    /// How long this run has been reading.
    pub seconds: u64,
}

/// All families. Cheap to clone: clones count into the same registry.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    families: Families,
    moments: Mutex<Moments>,
}

/// What the page needs to know to tell the time that has passed. µs since 1970; 0: never.
#[derive(Debug, Default)]
struct Moments {
    /// Commit time of the oldest source transaction that the publisher has taken up and Kafka has not committed.
    waiting: Option<i64>,
    last_event: i64,
    /// When the oldest dead letter that waits was written.
    oldest_letter: i64,
    slot_last_active: i64,
    slot_active: bool,
    server_lsn: Lsn,
    published_lsn: Lsn,
}

impl Metrics {
    /// Fresh families; `topic_prefix` is the `name` of Debezium's metrics.
    pub fn new(topic_prefix: &str) -> Metrics {
        let mut registry = Registry::default();
        let families = Families::register(&mut registry, topic_prefix);
        let metrics = Metrics(Arc::new(Inner { registry, families, moments: Mutex::default() }));
        metrics.begin();
        metrics
    }

    /// Series that must be there before anything happens, so that rates and alerts see a zero.
    fn begin(&self) {
        let of = &self.0.families;
        for component in [Component::Postgres, Component::Kafka] {
            drop(of.up.get_or_create(&label("component", component.name())));
            drop(of.reconnects.get_or_create(&label("component", component.name())));
        }
        for result in ["published", "filtered", "rejected", "dead_letter", "skipped"] {
            drop(of.events.get_or_create(&label("result", result)));
        }
        for reason in Reason::ALL {
            drop(of.dead_letters.get_or_create(&label("reason", reason.name())));
            // What is parked is never passed over.
            if reason != Reason::Parked {
                drop(of.skipped.get_or_create(&label("reason", reason.name())));
            }
        }
        for result in ["committed", "failed"] {
            drop(of.transactions.get_or_create(&label("result", result)));
        }
        of.slot_safe.set(f64::NAN);
        of.debezium.since_last_event.set(-1);
        of.debezium.behind_source.set(-1);
    }

    /// A server can be used, or not.
    pub fn up(&self, component: Component, up: bool) {
        self.0.families.up.get_or_create(&label("component", component.name())).set(up.into());
        if component == Component::Postgres {
            self.0.families.debezium.connected.set(up.into());
        }
    }

    /// The connector is in `state`, one of `all`. Called by [`Health`](super::health::Health).
    pub(super) fn state(&self, all: &[&'static str], state: &str) {
        for &each in all {
            self.0.families.state.get_or_create(&label("state", each)).set((each == state).into());
        }
    }

    /// A connection was lost and is to be made again.
    pub fn reconnect(&self, component: Component) {
        self.0.families.reconnects.get_or_create(&label("component", component.name())).inc();
    }

    /// The publisher takes up a batch of so many bytes, whose first source transaction was committed at
    /// `oldest_commit_us` (0: it has none). Until it is published this is the lag; one that failed and is read again
    /// keeps its age.
    pub fn batch_taken(&self, bytes: u64, oldest_commit_us: i64) {
        self.0.families.inflight_bytes.set(signed(bytes));
        if oldest_commit_us > 0 {
            let mut moments = self.moments();
            let oldest = moments.waiting.map_or(oldest_commit_us, |waiting| waiting.min(oldest_commit_us));
            moments.waiting = Some(oldest);
        }
    }

    /// What the process may take.
    pub fn memory_most(&self, bytes: usize) {
        self.0.families.memory_max.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Kafka has committed a batch.
    pub fn batch_published(&self, batch: &BatchStats<'_>) {
        self.batch_published_at(batch, unix_us());
    }

    fn batch_published_at(&self, batch: &BatchStats<'_>, now_us: i64) {
        let of = &self.0.families;
        of.inflight_bytes.set(0);
        of.transactions.get_or_create(&label("result", "committed")).inc();
        of.commit_duration.observe(batch.commit_duration.as_secs_f64());
        of.source_transactions.inc_by(batch.transactions);
        of.debezium.committed_transactions.inc_by(signed(batch.transactions));
        if batch.events > 0 {
            self.count_events(batch, now_us);
        }
        self.count_set_aside(&batch.dead_letters, "dead_letter", &of.dead_letters);
        self.count_set_aside(&batch.skipped, "skipped", &of.skipped);
        if batch.newest_commit_us > 0 {
            of.last_commit.set(seconds(batch.newest_commit_us));
        }
        let mut moments = self.moments();
        moments.published_lsn = moments.published_lsn.max(batch.end_lsn);
        of.published_lsn.set(signed(moments.published_lsn.as_u64()));
        moments.waiting = None;
        if batch.events > 0 {
            moments.last_event = now_us;
        }
    }

    /// Events that cannot be published: what became of so many of them, by reason.
    fn count_set_aside(&self, tally: &Tally, result: &'static str, by_reason: &Counters) {
        let (of, total) = (&self.0.families, tally.total());
        for (reason, count) in tally.each() {
            by_reason.get_or_create(&label("reason", reason.name())).inc_by(count);
        }
        of.events.get_or_create(&label("result", result)).inc_by(total);
        of.debezium.erroneous_events.inc_by(signed(total));
        of.debezium.events_seen.inc_by(signed(total));
    }

    fn count_events(&self, batch: &BatchStats<'_>, now_us: i64) {
        let of = &self.0.families;
        let published = batch.events.saturating_sub(batch.dead_letters.total());
        of.events.get_or_create(&label("result", "published")).inc_by(published);
        of.debezium.events_seen.inc_by(signed(published));
        of.published_bytes.inc_by(batch.bytes);
        of.batch_events.observe(batch.events as f64);
        for (topic, count) in batch.topics.each() {
            of.published_records.of(topic).inc_by(count);
        }
        if batch.oldest_commit_us > 0 {
            of.end_to_end.observe(seconds(now_us - batch.oldest_commit_us).max(0.0));
        }
        if batch.newest_commit_us > 0 {
            of.debezium.behind_source.set(((now_us - batch.newest_commit_us) / 1000).max(0));
        }
    }

    /// So many dead letters wait; the oldest was written at `oldest_us` (0: there is none, or it is not known).
    pub fn letters_waiting(&self, count: u64, oldest_us: i64) {
        self.0.families.letters_waiting.set(signed(count));
        self.moments().oldest_letter = oldest_us;
    }

    /// A Kafka transaction was not committed, or nobody knows.
    pub fn batch_failed(&self) {
        self.0.families.transactions.get_or_create(&label("result", "failed")).inc();
    }

    /// `count` changes passed no event, for a reason such as `other_table`.
    pub fn filtered(&self, reason: &'static str, count: u64) {
        let of = &self.0.families;
        of.filtered.get_or_create(&label("reason", reason)).inc_by(count);
        of.events.get_or_create(&label("result", "filtered")).inc_by(count);
        of.debezium.events_filtered.inc_by(signed(count));
        of.debezium.events_seen.inc_by(signed(count));
    }

    /// An event that cannot be published stops the connector, for one of [`Reason`](crate::rejection::Reason)'s names.
    pub fn rejected(&self, reason: &'static str) {
        let of = &self.0.families;
        of.rejections.get_or_create(&label("reason", reason)).inc();
        of.events.get_or_create(&label("result", "rejected")).inc();
        of.debezium.erroneous_events.inc();
        of.debezium.events_seen.inc();
    }

    /// The road has come to the end of a transaction, or to a keepalive, at `lsn`.
    pub fn received(&self, lsn: Lsn) {
        self.0.families.received_lsn.set(signed(lsn.as_u64()));
        self.server_at(lsn);
    }

    /// The server says that its WAL goes to `lsn`.
    pub fn server_at(&self, lsn: Lsn) {
        let mut moments = self.moments();
        moments.server_lsn = moments.server_lsn.max(lsn);
    }

    /// librdkafka reported an error, by its name such as `MessageTimedOut`.
    pub fn produce_error(&self, error: &str) {
        self.0.families.produce_errors.of(error).inc();
    }

    /// Somebody looked at the slot.
    pub fn slot(&self, sample: &SlotSample) {
        self.slot_at(sample, unix_us());
    }

    fn slot_at(&self, sample: &SlotSample, now_us: i64) {
        let of = &self.0.families;
        of.slot_active.set(sample.active.into());
        of.slot_retained.set(sample.retained_bytes.unwrap_or(0));
        of.slot_safe.set(sample.safe_wal_bytes.map_or(f64::INFINITY, |bytes| bytes as f64));
        for status in ["reserved", "extended", "unreserved", "lost"] {
            let is = sample.wal_status.as_deref() == Some(status);
            of.slot_wal_status.get_or_create(&label("status", status)).set(is.into());
        }
        if let Some(confirmed) = sample.confirmed_flush_lsn {
            of.confirmed_flush_lsn.set(signed(confirmed.as_u64()));
        }
        let mut moments = self.moments();
        moments.server_lsn = moments.server_lsn.max(sample.server_lsn);
        // The first look at an idle slot begins its idle time as far as this run can tell.
        if sample.active || moments.slot_active || moments.slot_last_active == 0 {
            moments.slot_last_active = now_us;
        }
        moments.slot_active = sample.active;
    }

    /// A snapshot goes on, or ends.
    pub fn snapshot(&self, stats: &SnapshotStats) {
        let of = &self.0.families;
        of.snapshot_running.set(stats.is_running.into());
        of.snapshot_rows.set(signed(stats.rows));
        of.snapshot_estimated.set(signed(stats.rows_estimated.unwrap_or(0)));
        of.snapshot_rate.set(stats.per_second);
        of.snapshot_tables_left.set(signed(stats.tables_left as u64));
        let of = &of.debezium_snapshot;
        of.running.set(stats.is_running.into());
        of.completed.set((!stats.is_running && stats.tables_left == 0).into());
        of.tables.set(signed(stats.tables as u64));
        of.tables_left.set(signed(stats.tables_left as u64));
        of.seconds.set(signed(stats.seconds));
    }

    /// The page in OpenMetrics 1.0.
    pub fn page(&self) -> String {
        self.0.families.memory_resident.set(signed(resident_bytes()));
        self.page_at(unix_us())
    }

    fn page_at(&self, now_us: i64) -> String {
        self.tell_the_time(now_us);
        let mut page = String::with_capacity(16 * 1024);
        // Writing into a String cannot fail.
        let _ = text::encode(&mut page, &self.0.registry);
        // The encoder writes Rust's "inf", the format wants this.
        page.replace(" inf\n", " +Inf\n")
    }

    fn tell_the_time(&self, now_us: i64) {
        let of = &self.0.families;
        let moments = self.moments();
        let since = |moment: i64| seconds(now_us - moment).max(0.0);
        of.lag_seconds.set(moments.waiting.map_or(0.0, since));
        of.oldest_letter.set(if moments.oldest_letter > 0 { since(moments.oldest_letter) } else { 0.0 });
        let published = moments.published_lsn;
        let behind = if published == Lsn::ZERO { 0 } else { moments.server_lsn.bytes_since(published) };
        of.lag_bytes.set(signed(behind));
        let idle = !moments.slot_active && moments.slot_last_active > 0;
        of.slot_inactive.set(if idle { since(moments.slot_last_active) } else { 0.0 });
        if moments.last_event > 0 {
            of.debezium.since_last_event.set(((now_us - moments.last_event) / 1000).max(0));
        }
    }

    fn moments(&self) -> MutexGuard<'_, Moments> {
        self.0.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// proc(5), `VmRSS`; 0 where there is no such file.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kbytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kbytes.unwrap_or_default() * 1024
}

fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
