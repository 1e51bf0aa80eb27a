//! The snapshot's own thread: rows become records, or what their policies say, at the desk of the stream, and records
//! become batches.

use super::open::Table;
use super::progress::Progress;
use super::read::{Chunk, Item};
use crate::clock::unix_us;
use crate::config::SnapshotMode;
use crate::decode::{Cell, Cells, Change, copy};
use crate::encode::Encoder;
use crate::encode::change::At;
use crate::lsn::Lsn;
use crate::memory::{LARGE, Share};
use crate::observe::metrics::Metrics;
use crate::pipeline::desk::{Desk, Stop, Treatment};
use crate::pipeline::handover::{Downstream, Handover, PublisherEnded};
use crate::pipeline::lessons::Lessons;
use crate::pipeline::report::Reporter;
use crate::pipeline::schemas::Schemas;
use crate::pipeline::session::Common;
use crate::pipeline::trouble::{self, Trouble};
use crate::position::{Partial, Position, Snapshot};
use crate::postgres::snapshot::Horizon;
use crate::publish::Batcher;
use crate::rejection::Origin;
use crate::route::Router;
use crate::shutdown::Shutdown;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};
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
    schemas: Box<dyn Schemas>,
    treatment: Treatment,
    lessons: Lessons,
    batcher: Batcher,
    /// A batch is handed over at this age, if the publisher is free.
    age: Duration,
    handover: Arc<D>,
    reporter: Reporter,
    metrics: Metrics,
    progress: Arc<Progress>,
    /// The position after the last row still says that there was a snapshot: nothing comes after it.
    is_all: bool,
    /// When the first rows of the batch came in.
    since: Option<Instant>,
    /// Where the snapshot was taken, as its rows tell it: not before the position.
    taken: Lsn,
    /// The first transaction that the snapshot does not see, and when its reading began, µs since 1970.
    xid: Option<u32>,
    taken_us: i64,
    /// Where in a transaction the stream stands meanwhile.
    partial: Option<Partial>,
    /// How far the snapshot has come, rows of this batch included; keys are written into it at the hand-over.
    state: Snapshot,
    /// The key of the last row, of each table that is read.
    keys: Vec<Vec<Vec<u8>>>,
    cells: Cells,
}

impl<D: Downstream> Road<D> {
    /// A road that goes on after a position, whose snapshot is `state`.
    pub fn new(
        common: &Common,
        rows: Rows,
        (position, state): (&Position, Snapshot),
        (treatment, schemas): (Treatment, Box<dyn Schemas>),
        lessons: Lessons,
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
            schemas,
            treatment,
            lessons,
            batcher: Batcher::new(config.publish.limits, position),
            age: config.publish.limits.age,
            handover,
            reporter: Reporter::new(common.metrics.clone(), common.health.clone()),
            metrics: common.metrics.clone(),
            progress: Arc::clone(&common.progress),
            is_all: config.snapshot.mode == SnapshotMode::InitialOnly,
            since: None,
            taken: state.lsn.max(position.end_lsn),
            xid: Horizon::parse(&state.horizon).map(|horizon| horizon.xmax as u32),
            taken_us: unix_us(),
            partial: position.partial.clone(),
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
        let now_ms = unix_us() / 1000;
        let mut share = chunk.share.take();
        if let Some(parking) = &mut self.treatment.parking {
            parking.catch_up().map_err(|error| Trouble::kafka(&error, "following the dead letters"))?;
        }
        for line in chunk.lines() {
            if let Err(stop) = self.row(number, line, &mut share, now_ms) {
                if let Stop::Rejected(rejection) = &stop {
                    self.reporter.rejected(rejection.reason);
                }
                self.hand_over(false)?;
                return Err(match stop {
                    Stop::Rejected(rejection) => Trouble::Halt(trouble::rejected(&rejection)),
                    Stop::NoRoom(full) => Trouble::Halt(trouble::parking_full(full)),
                    Stop::Registry(error) => trouble::registry(&error),
                });
            }
            if self.batcher.is_full() {
                self.hand_over(false)?;
            }
        }
        self.since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Deals with one row; a large one's share goes where its copy goes.
    fn row(
        &mut self,
        number: usize,
        line: &[u8],
        share: &mut Option<Share>,
        now_ms: i64,
    ) -> Result<(), Stop> {
        if line.len() <= LARGE {
            self.cells.clear();
        } else {
            self.cells = Cells::default();
        }
        copy::row(line, &mut self.cells);
        let table = &self.rows.tables[number];
        let (row, columns) = (self.cells.row(), table.relation.columns.len());
        let key = || {
            (columns..row.len()).map(move |index| match row.get(index) {
                Some(Cell::Text(text)) => text,
                _ => &[],
            })
        };
        let origin = Origin::of_row(self.taken, number_of(table.relation.oid, key()));
        self.batcher.outgoing().at(origin);
        let at = self.at(now_ms);
        let mut desk = Desk {
            router: &mut self.router,
            encoder: &mut self.encoder,
            schemas: &mut *self.schemas,
            batcher: &mut self.batcher,
            treatment: &mut self.treatment,
            lessons: &self.lessons,
            reporter: &mut self.reporter,
            at,
        };
        let change = Change::Insert { relation: &table.relation, new: row };
        desk.take_from(origin, &change, line.len(), share, now_ms)?;
        let reached = &mut self.keys[number];
        reached.resize(row.len().saturating_sub(columns), Vec::new());
        for (value, text) in reached.iter_mut().zip(key()) {
            value.clear();
            value.extend_from_slice(text);
        }
        self.state.rows += 1;
        Ok(())
    }

    /// What a row's change event tells of where it comes from.
    fn at(&self, now_ms: i64) -> At<'static> {
        At {
            lsn: self.state.lsn,
            xid: self.xid,
            commit_us: self.taken_us,
            // Which one is the last of several that are read at once, nobody knows before.
            snapshot: Some(if self.state.rows == 0 { "first" } else { "true" }),
            now_ns: now_ms.saturating_mul(1_000_000),
            ..At::default()
        }
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
        self.since.is_some_and(|since| since.elapsed() >= self.age)
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
        let state = (!is_last || self.is_all).then(|| self.state.clone());
        self.batcher.at_rows(state, self.partial.clone());
        self.batcher.close(|batch| self.handover.give(batch));
        self.since = None;
        self.progress.come_to(self.state.rows, &self.metrics);
        Ok(())
    }
}

/// What tells a row from the others of its snapshot, in this process: Kafka's refusal of it is remembered by that.
fn number_of<'k>(table: u32, key: impl Iterator<Item = &'k [u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    table.hash(&mut hasher);
    key.for_each(|value| value.hash(&mut hasher));
    hasher.finish()
}

/// Its own result says why.
fn ended(_: PublisherEnded) -> Trouble {
    Trouble::defect("the publisher")
}
