//! How far a snapshot has come: in the log now and then, in the metrics, and for a terminal.

use super::Opened;
use crate::observe::metrics::{Metrics, SnapshotStats};
use crate::position::Snapshot;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines of the log.
const INTERVAL: Duration = Duration::from_secs(10);

/// One snapshot at a time, or none.
#[derive(Debug, Default)]
pub struct Progress {
    running: Mutex<Option<Running>>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    began: Instant,
    told: Instant,
    /// Rows that were published before this process went on.
    before: u64,
    rows: u64,
    estimated: Option<u64>,
    tables: usize,
    done: usize,
}

impl Running {
    fn per_second(&self) -> f64 {
        (self.rows - self.before) as f64 / self.began.elapsed().as_secs_f64().max(0.001)
    }

    fn text(&self) -> String {
        let Running { rows, done, tables, .. } = *self;
        let of = match self.estimated {
            Some(estimated) if estimated > rows => {
                format!(" of about {estimated} ({} %)", rows * 100 / estimated.max(1))
            }
            _ => String::new(),
        };
        let tables = if tables > 1 { format!(", {done} of {tables} tables") } else { String::new() };
        format!("snapshot: {rows} rows{of}, {:.0} a second{tables}", self.per_second())
    }
}

impl Progress {
    /// Rows are going to be read.
    pub fn begin(&self, state: &Snapshot, opened: &Opened) {
        let (began, rows) = (Instant::now(), state.rows);
        let done = state.tables.iter().filter(|table| table.done).count() + opened.gone.len();
        let estimated = opened.estimated().map(|rest| rest + rows);
        let running =
            Running { began, told: began, before: rows, rows, estimated, tables: state.tables.len(), done };
        *self.lock() = Some(running);
    }

    /// So many rows are handed over.
    pub fn come_to(&self, rows: u64, metrics: &Metrics) {
        let mut lock = self.lock();
        let Some(running) = lock.as_mut() else { return };
        running.rows = rows;
        metrics.snapshot(&stats(running, true));
        if running.told.elapsed() >= INTERVAL {
            running.told = Instant::now();
            let Running { rows, estimated, tables, done, .. } = *running;
            let per_second = running.per_second() as u64;
            tracing::info!(
                rows,
                rows_estimated = estimated,
                per_second,
                tables,
                tables_done = done,
                "snapshot"
            );
        }
    }

    /// One more table is read.
    pub fn table_done(&self) {
        if let Some(running) = self.lock().as_mut() {
            running.done += 1;
        }
    }

    /// No rows are read any more. `whole`: all of them are published.
    pub fn end(&self, metrics: &Metrics, whole: bool) {
        if let Some(running) = self.lock().take() {
            metrics.snapshot(&stats(&running, false));
            let Running { rows, before, tables, done, .. } = running;
            let (per_second, seconds) = (running.per_second() as u64, running.began.elapsed().as_secs_f64());
            let published = rows - before;
            let what = if whole { "the snapshot is published" } else { "the snapshot is interrupted" };
            tracing::info!(rows, published, per_second, seconds, tables, tables_done = done, "{what}");
        }
    }

    /// A line for a terminal; `None` when there is no snapshot.
    pub fn text(&self) -> Option<String> {
        self.lock().as_ref().map(Running::text)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stats(running: &Running, is_running: bool) -> SnapshotStats {
    SnapshotStats {
        is_running,
        rows: running.rows,
        rows_estimated: running.estimated,
        per_second: if is_running { running.per_second() } else { 0.0 },
        tables: running.tables,
        tables_left: running.tables.saturating_sub(running.done),
        seconds: running.began.elapsed().as_secs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_rows_share_and_rate() {
        let began = Instant::now() - Duration::from_secs(10);
        let running = Running {
            began,
            told: began,
            before: 100,
            rows: 1_100,
            estimated: Some(2_200),
            tables: 1,
            done: 0,
        };
        assert_eq!(running.text(), "snapshot: 1100 rows of about 2200 (50 %), 100 a second");
        let several = Running { estimated: Some(900), tables: 3, done: 1, ..running };
        assert_eq!(several.text(), "snapshot: 1100 rows, 100 a second, 1 of 3 tables");
    }
}
