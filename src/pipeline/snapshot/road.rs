//! The snapshot's own thread: rows become records by the router and encoder of the stream, and records become batches.

use super::open::Table;
use super::progress::Progress;
use super::read::{Chunk, Item};
use super::refused;
use crate::config::SnapshotMode;
use crate::decode::{Cell, Cells, Change, copy};
use crate::encode::Encoder;
use crate::memory::{APART, LARGE};
use crate::observe::metrics::Metrics;
use crate::pipeline::handover::{Downstream, Handover, PublisherEnded};
use crate::pipeline::report::Reporter;
use crate::pipeline::session::Common;
use crate::pipeline::trouble::Trouble;
use crate::position::{Position, Snapshot};
use crate::publish::{Batch, Limits};
use crate::rejection::Rejection;
use crate::route::{Routed, Router};
use crate::shutdown::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;

/// How long the thread waits for rows before it looks up.
const POLL: Duration = Duration::from_millis(100);

/// Where rows come from.
pub struct Rows {
    /// What the readers say.
    pub items: Receiver<Item>,
    /// Where they run.
    pub runtime: Handle,
    /// The tables that are read.
    pub tables: Arc<[Table]>,
    /// Tables of the snapshot that are not there any more.
    pub gone: Vec<usize>,
    /// When to leave.
    pub leave: Shutdown,
}

enum Next {
    Item(Item),
    Nothing,
    /// The readers are gone, and did not say so.
    Broken,
}

impl Rows {
    fn next(&mut self) -> Next {
        let items = &mut self.items;
        match self.runtime.block_on(async { tokio::time::timeout(POLL, items.recv()).await }) {
            Ok(Some(item)) => Next::Item(item),
            Ok(None) => Next::Broken,
            Err(_) => Next::Nothing,
        }
    }
}

/// Makes batches of rows.
pub struct Road<D: Downstream = Handover> {
    rows: Rows,
    router: Router,
    encoder: Encoder,
    limits: Limits,
    handover: Arc<D>,
    reporter: Reporter,
    metrics: Metrics,
    progress: Arc<Progress>,
    /// The position after the last row still says that there was a snapshot: nothing comes after it.
    is_all: bool,
    batch: Batch,
    /// When the first record of the batch came in.
    since: Option<Instant>,
    /// How far the snapshot has come, rows of this batch included; keys are written into it at the hand-over.
    state: Snapshot,
    /// The key of the last row, of each table that is read.
    keys: Vec<Vec<Vec<u8>>>,
    cells: Cells,
}

impl<D: Downstream> Road<D> {
    /// A road that goes on after `position`, whose snapshot is `state`.
    pub fn new(
        common: &Common,
        rows: Rows,
        position: &Position,
        state: Snapshot,
        handover: Arc<D>,
    ) -> Road<D> {
        let config = &common.config;
        let mut router = Router::new(config.route.clone());
        for table in rows.tables.iter() {
            router.learn(&table.relation, &table.facts);
        }
        let keys = rows.tables.iter().map(|_| Vec::new()).collect();
        Road {
            rows,
            router,
            encoder: Encoder::new(config.encode.clone()),
            limits: config.publish.limits,
            handover,
            reporter: Reporter::new(common.metrics.clone(), common.health.clone()),
            metrics: common.metrics.clone(),
            progress: Arc::clone(&common.progress),
            is_all: config.snapshot.mode == SnapshotMode::InitialOnly,
            batch: after(position),
            since: None,
            state,
            keys,
            cells: Cells::default(),
        }
    }

    /// Runs until every row is handed over (`true`), or until it is to leave.
    pub fn run(&mut self) -> Result<bool, Trouble> {
        for &number in &self.rows.gone {
            self.state.tables[number].done = true;
        }
        let mut left = self.rows.tables.len();
        while left > 0 {
            if self.rows.leave.is_asked() {
                self.hand_over(false)?;
                return Ok(false);
            }
            match self.rows.next() {
                Next::Item(Item::Rows(number, chunk)) => self.chunk(number, chunk)?,
                Next::Item(Item::End(number)) => {
                    self.end(number);
                    left -= 1;
                }
                Next::Item(Item::Failed(trouble)) => return Err(trouble),
                Next::Nothing => {}
                Next::Broken => return Err(Trouble::defect("a task that reads rows")),
            }
            // Asked in any case: a publisher that has ended must not leave this thread waiting for rows.
            let is_free = self.handover.publisher_free().map_err(ended)?;
            if is_free && self.is_aged() {
                self.hand_over(false)?;
            }
            self.reporter.turn();
        }
        self.hand_over(true)?;
        Ok(true)
    }

    fn chunk(&mut self, number: usize, mut chunk: Chunk) -> Result<(), Trouble> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let share = chunk.share.take();
        for line in chunk.lines() {
            if share.is_some() {
                self.batch.outgoing.reserve(line.len(), APART);
            }
            if let Err(rejection) = self.row(number, line, now_ms) {
                self.reporter.rejected(rejection.reason);
                self.hand_over(false)?;
                return Err(refused(&rejection));
            }
            let outgoing = &self.batch.outgoing;
            if outgoing.len() >= self.limits.events || outgoing.bytes() >= self.limits.bytes {
                self.hand_over(false)?;
            }
        }
        self.since.get_or_insert_with(Instant::now);
        if let Some(share) = share {
            self.batch.shares.push(share);
            self.hand_over(false)?;
        }
        Ok(())
    }

    fn row(&mut self, number: usize, line: &[u8], now_ms: i64) -> Result<(), Rejection> {
        if line.len() <= LARGE {
            self.cells.clear();
        } else {
            self.cells = Cells::default();
        }
        copy::row(line, &mut self.cells);
        let table = &self.rows.tables[number];
        let row = self.cells.row();
        match self.router.route(&Change::Insert { relation: &table.relation, new: row }) {
            Routed::Event(event) => self.encoder.encode(&event, now_ms, &mut self.batch.outgoing)?,
            Routed::Skipped(reason) => self.reporter.skipped(reason),
            Routed::Rejected(rejection) => return Err(rejection),
        }
        let columns = table.relation.columns.len();
        let key = &mut self.keys[number];
        key.resize(row.len().saturating_sub(columns), Vec::new());
        for (value, index) in key.iter_mut().zip(columns..) {
            value.clear();
            if let Some(Cell::Text(text)) = row.get(index) {
                value.extend_from_slice(text);
            }
        }
        self.state.rows += 1;
        Ok(())
    }

    fn end(&mut self, number: usize) {
        let table = &self.rows.tables[number];
        self.keys[number].clear();
        let state = &mut self.state.tables[table.number];
        (state.done, state.reached) = (true, None);
        self.progress.table_done();
        tracing::debug!(table = table.name(), "read");
    }

    fn is_aged(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= self.limits.age)
    }

    /// Hands over what there is, once the publisher is free, with the position after it. `is_last`: of all rows.
    fn hand_over(&mut self, is_last: bool) -> Result<(), Trouble> {
        while !self.handover.wait_free(Duration::from_secs(1)).map_err(ended)? {
            self.reporter.turn();
        }
        for (table, key) in self.rows.tables.iter().zip(&self.keys).filter(|(_, key)| !key.is_empty()) {
            let text = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
            self.state.tables[table.number].reached = Some(key.iter().map(text).collect());
        }
        self.batch.snapshot = (!is_last || self.is_all).then(|| self.state.clone());
        let next = Batch {
            end_lsn: self.batch.end_lsn,
            partial: self.batch.partial.clone(),
            last_xid: self.batch.last_xid,
            last_commit_us: self.batch.last_commit_us,
            ..Batch::default()
        };
        let mut spare = self.handover.give(std::mem::replace(&mut self.batch, next));
        spare.outgoing.clear(2 * self.limits.bytes);
        self.batch.outgoing = spare.outgoing;
        self.since = None;
        self.progress.come_to(self.state.rows, &self.metrics);
        Ok(())
    }
}

/// An empty batch after this position.
fn after(position: &Position) -> Batch {
    Batch {
        end_lsn: position.end_lsn,
        partial: position.partial.clone(),
        last_xid: position.last_xid,
        last_commit_us: position.last_commit_us,
        ..Batch::default()
    }
}

/// Its own result says why.
fn ended(_: PublisherEnded) -> Trouble {
    Trouble::defect("the publisher")
}
