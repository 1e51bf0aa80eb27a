//! One side: each row as the record that walpost would publish, by the very router and encoder.

use super::buckets::{Buckets, Seed};
use super::content::Hasher;
use super::entry::Entry;
use super::finding::{Doubt, Finding, Found, Place, Sink, Tally};
use super::letters::Aside;
use super::{Options, Progress, join, label};
use crate::config::Config;
use crate::decode::copy::{self, Lines};
use crate::decode::{Cell, Cells, Change, Relation, Tuple};
use crate::encode::{self, Converter, Ids, Outgoing};
use crate::error::{Exit, Failure};
use crate::pipeline::schemas::Encoding;
use crate::pipeline::tables::{facts, relation};
use crate::postgres::Error;
use crate::postgres::catalog;
use crate::postgres::copy::Select;
use crate::postgres::publication::PublishedTable;
use crate::postgres::session::Session;
use crate::rejection::{Policy, Rejection};
use crate::route::{Routed, Router};
use postgres_protocol::escape::escape_identifier;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;

/// A table to be read.
#[derive(Debug)]
pub struct Table {
    relation: Arc<Relation>,
    select: Select,
    /// Cells after those of the relation: what to sort by, and then the two below.
    order: usize,
    has_written: bool,
    has_committed: bool,
    /// The first of the cells after all these.
    with: usize,
}

impl Table {
    /// `schema.table`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.relation.schema, self.relation.table)
    }

    /// Looks the table up, teaches the router what it looks like, and says how to read it. `settled` is an SQL expression
    /// that is true for a row whose record must be there by now.
    pub async fn prepare(
        session: &Session,
        config: &Config,
        options: &Options,
        published: &PublishedTable,
        conditions: &[String],
        settled: Option<&str>,
        router: &mut Router,
    ) -> Result<Table, Failure> {
        let table = catalog::describe(session, published.oid)
            .await
            .map_err(|error| Failure::from_postgres(&error, "looking up the outbox's columns"))?
            .ok_or_else(|| gone(published))?;
        let relation = Arc::new(relation(&table, published, config));
        router.learn(&relation, &facts(&table.columns));
        let mut columns: Vec<String> =
            relation.columns.iter().map(|column| escape_identifier(&column.name)).collect();
        let order: Vec<String> = options.order_by.iter().map(|column| escape_identifier(column)).collect();
        columns.extend(order.iter().cloned());
        // A router that reads the time needs no second reading.
        let written = options.time_column.as_deref().map(escape_identifier);
        let written = written.map(|column| format!("(extract(epoch from {column}) * 1000)::int8"));
        columns.extend(written.iter().cloned());
        columns.extend(settled.map(str::to_owned));
        let with = columns.len();
        columns.extend(options.sorted.with.iter().cloned());
        let filter = published.row_filter.iter().cloned();
        let select = Select {
            schema: table.schema,
            table: table.table,
            only: table.kind != "p",
            columns,
            conditions: filter.chain(conditions.iter().cloned()).collect(),
            order: if order.is_empty() { options.sorted.by.clone() } else { order },
        };
        let (order, has_written) = (options.order_by.len(), written.is_some());
        Ok(Table { relation, select, order, has_written, has_committed: settled.is_some(), with })
    }

    /// What its rows are rows of.
    pub fn relation(&self) -> &Arc<Relation> {
        &self.relation
    }

    /// The first cell of what [`super::Sorted::with`] asks for.
    pub fn with(&self) -> usize {
        self.with
    }

    /// What to ask for.
    pub fn select(&self) -> &Select {
        &self.select
    }
}

fn gone(table: &PublishedTable) -> Failure {
    Failure::new(
        Exit::NotFound,
        format!("table {}.{} is gone", table.schema, table.table),
        "it was there a moment ago",
        "run walpost verify again",
    )
}

/// What an operator's range or order makes Postgres refuse is the operator's.
pub fn refused(error: &Error) -> Failure {
    let failure = Failure::from_postgres(error, "reading the outbox's rows");
    let is_theirs = error.sqlstate().is_some_and(|state| {
        let class = state.get(..2);
        class == Some("22") || class == Some("42") && state != "42501"
    });
    match is_theirs {
        false => failure,
        true => Failure {
            exit: Exit::Usage,
            hint: "a range, --where, --order-by or --time-column is not what the table takes".to_owned(),
            ..failure
        },
    }
}

/// The side of the rows.
pub struct RowSide {
    seed: Seed,
    /// The rows so far.
    pub buckets: Buckets,
    router: Router,
    encoding: Encoding,
    outgoing: Outgoing,
    hasher: Hasher,
    topics: Numbers,
    sink: Arc<dyn Sink>,
    progress: Arc<Progress>,
    cells: Cells,
    lines: Lines,
    packed: Vec<u8>,
    ordering: Ordered,
    count: u64,
    aside: Arc<Aside>,
    /// What is not there now will not come.
    is_settled: bool,
    /// Rows that cannot be published, and so have no topic.
    pub without_topic: Tally,
}

/// Gives topics numbers, and tells the other side of new ones.
pub struct Numbers {
    known: HashMap<Arc<str>, u32>,
    last: Option<(Arc<str>, u32)>,
    /// Gone when all rows are read.
    found: Option<Sender<Arc<str>>>,
}

impl Numbers {
    /// The topics known before have the numbers of their places.
    pub fn new(known: &[Arc<str>], found: Sender<Arc<str>>) -> Numbers {
        let known = known.iter().zip(0..).map(|(name, number)| (Arc::clone(name), number)).collect();
        Numbers { known, last: None, found: Some(found) }
    }

    fn of(&mut self, topic: &Arc<str>) -> u32 {
        if let Some((_, number)) = self.last.as_ref().filter(|(last, _)| Arc::ptr_eq(last, topic)) {
            return *number;
        }
        let number = match self.known.get(topic) {
            Some(number) => *number,
            None => {
                let number = self.known.len() as u32;
                self.known.insert(Arc::clone(topic), number);
                // When the other side has failed, its own error tells.
                let _ = self.found.as_ref().map(|found| found.send(Arc::clone(topic)));
                number
            }
        };
        self.last = Some((Arc::clone(topic), number));
        number
    }
}

/// The rank of rows that come sorted: equal values are of one rank.
#[derive(Debug, Default)]
struct Ordered {
    rank: u64,
    last: Vec<u8>,
    this: Vec<u8>,
}

impl Ordered {
    fn rank(&mut self, row: Tuple<'_>, columns: std::ops::Range<usize>) -> u64 {
        self.this.clear();
        let is_sorted = !columns.is_empty();
        for cell in columns.filter_map(|index| row.get(index)) {
            match cell {
                Cell::Text(text) => {
                    self.this.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    self.this.extend_from_slice(text);
                }
                _ => self.this.extend_from_slice(&u32::MAX.to_le_bytes()),
            }
        }
        if !is_sorted || self.this != self.last {
            self.rank += 1;
            std::mem::swap(&mut self.this, &mut self.last);
        }
        self.rank
    }
}

impl RowSide {
    /// Nothing read yet.
    pub fn new(
        config: &Config,
        router: Router,
        buckets: Buckets,
        seed: Seed,
        topics: Numbers,
        (aside, is_settled): (Arc<Aside>, bool),
        (sink, progress): (Arc<dyn Sink>, Arc<Progress>),
    ) -> RowSide {
        // The connector's own headers differ from run to run and do not count.
        let mut encode = encode::Config { context: None, ..config.encode.clone() };
        for converter in [&mut encode.key, &mut encode.value] {
            // Who compares registers nothing.
            if let Converter::Framed(avro) = converter
                && avro.ids == Ids::Register
            {
                avro.ids = Ids::Find;
            }
        }
        RowSide {
            seed,
            buckets,
            router,
            encoding: Encoding::new(encode, config.registry.as_ref()),
            outgoing: Outgoing::default(),
            hasher: Hasher::default(),
            topics,
            sink,
            progress,
            cells: Cells::default(),
            lines: Lines::default(),
            packed: Vec::new(),
            ordering: Ordered::default(),
            count: 0,
            aside,
            is_settled,
            without_topic: Tally::default(),
        }
    }

    /// The next rows are of another table.
    pub fn begin(&mut self) {
        (self.ordering, self.lines) = (Ordered::default(), Lines::default());
    }

    /// Rows so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// No more rows: the other side has heard of every topic.
    pub fn end(&mut self) {
        self.topics.found = None;
    }

    /// Takes in what Postgres sent of a table.
    pub fn read(&mut self, number: u16, table: &Table, piece: &[u8]) -> io::Result<()> {
        let mut lines = std::mem::take(&mut self.lines);
        let mut count = 0;
        let done = lines.read(piece, |line| {
            count += 1;
            self.row(number, table, line)
        });
        self.lines = lines;
        self.count += count;
        self.progress.rows.fetch_add(count, Ordering::Relaxed);
        done
    }

    fn row(&mut self, number: u16, table: &Table, line: &[u8]) -> io::Result<()> {
        copy::row(line, &mut self.cells);
        let row = self.cells.row();
        let first_extra = table.relation.columns.len();
        let after_order = first_extra + table.order;
        let place = Place::new(number, self.ordering.rank(row, first_extra..after_order));
        let written_ms = if table.has_written { integer(row.get(after_order)) } else { None };
        let committed = row.get(after_order + usize::from(table.has_written));
        let marked = table.has_committed && committed == Some(Cell::Text(b"t"));

        let change = Change::Insert { relation: &table.relation, new: row };
        let event = match self.router.route(&change) {
            Routed::Event(event) => event,
            // A predicate or an include list does not take it: it is no event.
            Routed::Skipped(_) | Routed::Change(_) | Routed::Truncated(_) => return Ok(()),
            Routed::Rejected(rejection) => {
                self.rejected(&rejection, place, marked);
                return Ok(());
            }
        };
        let (time_ms, partition) = (event.timestamp_ms, event.partition);
        let written = self.encoding.event(&event, 0, &mut self.outgoing);
        if let Err(rejection) = written.map_err(io::Error::other)? {
            self.rejected(&rejection, place, marked);
            return Ok(());
        }
        let mut result = Ok(());
        for record in self.outgoing.iter() {
            self.packed.clear();
            let mut ids = record.headers().filter(|(name, _)| *name == ID);
            label::pack(ids.next().and_then(|(_, value)| value), &mut self.packed);
            let key_at = self.packed.len();
            label::pack_key(record.key, &mut self.packed);
            let (id, key) = self.packed.split_at(key_at);
            let topic = self.topics.of(record.topic);
            let entry = Entry {
                topic,
                id,
                key,
                content: self.hasher.content(record.value, record.headers()),
                place: place.as_u64(),
                partition,
                time_ms,
                written_ms: written_ms.or(time_ms),
                marked,
            };
            let hash = join::hash(&self.seed, topic, entry.id);
            result = result.and_then(|()| self.buckets.put(hash, |out| entry.write(out)));
        }
        self.outgoing.clear(KEPT);
        result
    }

    /// A row that cannot be published: by policy that is as it should be, or it is not.
    fn rejected(&mut self, rejection: &Rejection, place: Place, marked: bool) {
        let mut id = Vec::new();
        label::pack(rejection.event_id.as_deref().map(str::as_bytes), &mut id);
        let finding = match self.aside.policy(place.table(), rejection.reason) {
            _ if self.aside.has_letter(Some(place.table()), &id) => Finding::DeadLetter,
            Policy::Skip => Finding::Skipped(rejection.reason),
            // It becomes one.
            Policy::DeadLetter if !(self.is_settled || marked) => Finding::Pending,
            Policy::DeadLetter if self.aside.letters.is_hidden() => Finding::Undecided(Doubt::Open),
            Policy::DeadLetter | Policy::Stop => Finding::Unpublishable(rejection.reason),
        };
        self.without_topic.count(finding);
        self.sink.found(&Found { finding, topic: None, id: &id, key: &[], place: Some(place), record: None });
    }
}

/// The header by which events are told apart.
pub const ID: &str = "id";
/// What one large record leaves behind.
const KEPT: usize = 1 << 20;

fn integer(cell: Option<Cell<'_>>) -> Option<i64> {
    match cell {
        Some(Cell::Text(text)) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(ordered: &mut Ordered, line: &[u8], columns: std::ops::Range<usize>) -> u64 {
        let mut cells = Cells::default();
        copy::row(line, &mut cells);
        ordered.rank(cells.row(), columns)
    }

    #[test]
    fn rows_with_equal_values_are_of_one_rank_and_unsorted_ones_are_numbered() {
        let mut ordered = Ordered::default();
        let lines: [&[u8]; 6] = [b"x\t1\ta", b"y\t1\ta", b"x\t1\tb", b"x\t\\N\tb", b"x\t\\N\tb", b"x\t\tb"];
        let ranks = lines.map(|line| rank(&mut ordered, line, 1..3));
        assert_eq!(ranks, [1, 1, 2, 3, 3, 4]);
        let mut unsorted = Ordered::default();
        assert_eq!([b"a", b"a", b"a"].map(|line| rank(&mut unsorted, line, 1..1)), [1, 2, 3]);
    }

    #[test]
    fn topics_are_numbered_once_and_new_ones_are_told() {
        let (send, receive) = std::sync::mpsc::channel();
        let names: Vec<Arc<str>> = ["a", "b", "c"].map(Arc::from).to_vec();
        let mut numbers = Numbers::new(&names[..1], send);
        let given: Vec<u32> = [0, 1, 1, 0, 2, 1].map(|index: usize| numbers.of(&names[index])).to_vec();
        assert_eq!(given, [0, 1, 1, 0, 2, 1]);
        assert_eq!(numbers.of(&Arc::from("c")), 2, "by name, whoever holds it");
        assert_eq!(receive.try_iter().collect::<Vec<_>>(), names[1..]);
    }

    #[test]
    fn what_the_range_is_to_blame_for_is_a_usage_error() {
        let error = |state: &str| {
            let (sqlstate, message) = (state.to_owned(), "no".to_owned());
            Error::Server(crate::postgres::ServerError { sqlstate, message, ..Default::default() })
        };
        for (state, exit) in [
            ("42703", Exit::Usage),
            ("42601", Exit::Usage),
            ("22007", Exit::Usage),
            ("42501", Exit::Postgres),
            ("57014", Exit::Postgres),
        ] {
            assert_eq!(refused(&error(state)).exit, exit, "{state}");
        }
    }
}
