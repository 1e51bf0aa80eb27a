//! The rows once more, in the order in which they are published, each as its record.

use super::order::{Place, Rule};
use crate::clock::unix_ms;
use crate::config::Config;
use crate::decode::copy::{self, Lines};
use crate::decode::{Cell, Cells, Change, Tuple};
use crate::encode::Outgoing;
use crate::error::Failure;
use crate::pipeline::foresight::{ClusterTopics, Foresight};
use crate::pipeline::schemas::Encoding;
use crate::pipeline::trouble;
use crate::postgres::Error;
use crate::postgres::catalog;
use crate::postgres::copy::rows;
use crate::postgres::publication::PublishedTable;
use crate::postgres::session::Session;
use crate::registry;
use crate::rejection::Reason;
use crate::route::{Routed, Router};
use crate::verify::letters::Letters;
use crate::verify::rows::{ID, Table, refused};
use crate::verify::{Options, Snapshot, label};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::block_in_place;

/// A row that can be published.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Number of its topic.
    pub topic: u32,
    /// The event id, packed.
    pub id: &'a [u8],
    /// The key, packed; `None`: it has none, and no order.
    pub key: Option<&'a [u8]>,
    /// Where it stands.
    pub place: Place<'a>,
    /// Why Kafka would refuse its record, where that was asked.
    pub refused: Option<Reason>,
}

/// Is shown every row, and takes some.
pub trait Taker {
    /// Whether to find out if Kafka would refuse the record of this event, as far as that can be foreseen.
    fn asks(&self, _topic: u32, _id: &[u8]) -> bool {
        false
    }
    /// Whether it is to be put into `room`.
    fn wants(&mut self, row: &Row<'_>) -> bool;
    /// Where to put it; may take its time.
    fn room(&mut self) -> Result<&mut Outgoing, Failure>;
}

/// Reads them, as often as is asked for.
pub struct Rows {
    tables: Vec<(Table, Rule)>,
    letters: Arc<Letters>,
    foresight: Foresight,
    numbers: HashMap<Arc<str>, u32>,
    router: Router,
    encoding: Encoding,
    scratch: Outgoing,
    cells: Cells,
    packed: Vec<u8>,
    columns: Vec<u8>,
}

impl Rows {
    /// Looks up the tables of a snapshot; dead letters are not shown.
    pub async fn new(
        config: &Config,
        snapshot: &Snapshot,
        options: &Options,
        commit_times: bool,
        letters: Arc<Letters>,
        numbers: HashMap<Arc<str>, u32>,
    ) -> Result<Rows, Failure> {
        let mut router = Router::new(config.route.clone());
        let mut tables = Vec::new();
        for published in &snapshot.published {
            let id_type = id_type(&snapshot.session, published, &config.route.id).await?;
            let rule = Rule::new(commit_times, &options.order_by, &config.route.id, id_type);
            let options = Options { order_by: Vec::new(), sorted: rule.sorted(), ..options.clone() };
            let table =
                Table::prepare(&snapshot.session, config, &options, published, &[], None, &mut router);
            tables.push((table.await?, rule));
        }
        Ok(Rows {
            tables,
            letters,
            foresight: Foresight::new(Box::new(ClusterTopics::new(&config.kafka))),
            numbers,
            router,
            encoding: Encoding::new(config.encode.clone(), config.registry.as_ref()),
            scratch: Outgoing::default(),
            cells: Cells::default(),
            packed: Vec::new(),
            columns: Vec::new(),
        })
    }

    /// By what the rows of each table are put in order.
    pub fn rules(&self) -> Vec<(String, Rule)> {
        self.tables.iter().map(|(table, rule)| (table.name(), rule.clone())).collect()
    }

    /// Shows all rows, one table after the other.
    pub async fn read(&mut self, session: &Session, taker: &mut dyn Taker) -> Result<(), Failure> {
        for number in 0..self.tables.len() {
            let mut lines = Lines::default();
            let select = self.tables[number].0.select().clone();
            let mut stream = rows(session, &select).await.map_err(|error| refused(&error))?;
            while let Some(piece) = stream.next().await.map_err(|error| refused(&error))? {
                lines.read(&piece, |line| self.row(number, line, taker))?;
            }
        }
        Ok(())
    }

    fn row(&mut self, number: usize, line: &[u8], taker: &mut dyn Taker) -> Result<(), Failure> {
        copy::row(line, &mut self.cells);
        let row = self.cells.row();
        let (table, _) = &self.tables[number];
        let change = Change::Insert { relation: table.relation(), new: row };
        // What is no event, or cannot be one, was told by the comparison.
        let Routed::Event(event) = self.router.route(&change) else { return Ok(()) };
        self.scratch.clear(KEPT);
        if self.encoding.event(&event, 0, &mut self.scratch).map_err(unanswered)?.is_err() {
            return Ok(());
        }
        let Some(record) = self.scratch.iter().next() else { return Ok(()) };
        let Some(topic) = self.numbers.get(record.topic).copied() else { return Ok(()) };
        self.packed.clear();
        let id = record.headers().find(|(name, _)| *name == ID).and_then(|(_, value)| value);
        label::pack(id, &mut self.packed);
        let key_at = self.packed.len();
        label::pack_key(record.key, &mut self.packed);
        let (id, key) = self.packed.split_at(key_at);
        if !self.letters.is_empty() && self.letters.has(&table.name(), id) {
            return Ok(());
        }
        let foresight = &mut self.foresight;
        let refused = match taker.asks(topic, id) {
            true => block_in_place(|| foresight.refuses(&record)).map(|foreseen| foreseen.reason),
            false => None,
        };
        let first = table.with();
        self.columns.clear();
        (first + 2..row.len()).for_each(|index| join(row.get(index), &mut self.columns));
        let place = Place {
            table: number as u16,
            commit_us: text(row, first).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()),
            xmin: text(row, first + 1).unwrap_or_default(),
            columns: &self.columns,
        };
        if taker.wants(&Row { topic, id, key: record.key.is_some().then_some(key), place, refused }) {
            let encoded = self.encoding.event(&event, unix_ms(), taker.room()?).map_err(unanswered)?;
            debug_assert!(encoded.is_ok(), "it was encoded a moment ago");
        }
        Ok(())
    }
}

fn unanswered(error: registry::Error) -> Failure {
    trouble::registry(&error).into_failure()
}

/// What one large record leaves behind.
const KEPT: usize = 1 << 20;

/// The type of the event id; 0 where the table has no such column.
async fn id_type(session: &Session, table: &PublishedTable, id: &str) -> Result<u32, Failure> {
    let looking = |error: Error| Failure::from_postgres(&error, "looking up the outbox's columns");
    let table = catalog::describe(session, table.oid).await.map_err(looking)?;
    let columns = table.map(|table| table.columns).unwrap_or_default();
    Ok(columns.iter().find(|column| column.name == id).map_or(0, |column| column.type_facts.oid))
}

fn text<'a>(row: Tuple<'a>, index: usize) -> Option<&'a [u8]> {
    match row.get(index) {
        Some(Cell::Text(text)) => Some(text),
        _ => None,
    }
}

fn join(cell: Option<Cell<'_>>, out: &mut Vec<u8>) {
    match cell {
        Some(Cell::Text(text)) => {
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text);
        }
        _ => out.extend_from_slice(&u32::MAX.to_le_bytes()),
    }
}
