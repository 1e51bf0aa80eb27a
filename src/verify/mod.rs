//! Outbox tables beside their topics: which events are missing, come twice, are out of order or altered.
//!
//! Enters: a configuration and what of it is to be looked at. Leaves: counts in a [`Report`], and every single finding,
//! told to a [`Sink`] as it is found: ids, places and offsets, never a payload. Promised: rows are turned into records
//! by the router and encoder that publish them; rows are read in one snapshot; memory is bounded whatever their number.
//! Nothing is printed here, and nothing changed: `walpost verify` prints, and who repairs builds on the same findings.
//!
//! The rule for rows without a record is in [`reach`], that for records without a row in [`Finding::Unknown`].

pub mod buckets;
pub mod content;
pub mod entry;
pub mod finding;
pub mod join;
pub mod label;
pub mod letters;
pub mod order;
pub mod range;
pub mod reach;
pub mod records;
pub mod rows;
#[cfg(test)]
pub mod testing;

pub use finding::{Finding, Found, Place, Sink, Tally};
pub use range::Range;

use crate::config::Config;
use crate::error::{Exit, Failure, blocking};
use crate::kafka::admin::Admin;
use crate::kafka::scan::Scan;
use crate::lsn::Lsn;
use crate::postgres::Error;
use crate::postgres::copy::{self, Moment};
use crate::postgres::publication::{self, PublishedTable, TableName};
use crate::postgres::session::{self, Session};
use crate::route::Router;
use buckets::{Buckets, Seed};
use join::{Join, Known};
use letters::{Aside, Letters};
use reach::Reach;
use records::{Before, Read, RecordSide};
use rows::{Numbers, RowSide, Table};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What to look at, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// These tables only; none: every outbox table of the publication.
    pub tables: Vec<TableName>,
    /// Which of their rows.
    pub range: Range,
    /// The column that has the time at which a row was written, where the router has none.
    pub time_column: Option<String>,
    /// The columns that say in which order rows were written; none: the order is not looked at.
    pub order_by: Vec<String>,
    /// SQL to sort rows by where their order is not looked at, and SQL to read with each row, by who repairs.
    pub sorted: Sorted,
    /// Topics to look at beside those that rows and route name.
    pub topics: Vec<String>,
    /// How long to wait for the connector to come to the moment of the snapshot.
    pub wait: Duration,
    /// Where temporary files go.
    pub directory: PathBuf,
}

/// Expressions, for each table.
#[derive(Clone, Debug, Default)]
pub struct Sorted {
    /// What rows are sorted by.
    pub by: Vec<String>,
    /// Read with each row, after everything else.
    pub with: Vec<String>,
}

/// How far it has come; for those who watch.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows read.
    pub rows: AtomicU64,
    /// Records read.
    pub records: AtomicU64,
    /// Offsets of the topics known so far.
    pub expected: AtomicU64,
    /// Bytes of both sides that are compared.
    pub compared: AtomicU64,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// The tables, by number, and how many rows of each were read.
    pub tables: Vec<(String, u64)>,
    /// Tables that are no outbox: of their change events nothing is said.
    pub left_out: Vec<String>,
    /// The topics, by number.
    pub topics: Vec<Topic>,
    /// What was found of rows that cannot be published, and so have no topic.
    pub without_topic: Tally,
    /// Every row that was looked at was committed before this point of the WAL.
    pub moment: Lsn,
    /// How far the connector had come when the topics were read.
    pub reach: Reach,
    /// The order was looked at.
    pub is_ordered: bool,
    /// Not every row of every table was looked at.
    pub is_limited: bool,
}

/// A topic.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// What is known of it beside its records.
    pub known: Known,
    /// What was found.
    pub tally: Tally,
}

impl Report {
    /// All topics together.
    pub fn total(&self) -> Tally {
        self.topics.iter().fold(self.without_topic, |total, topic| total.plus(topic.tally))
    }

    /// What is wrong for certain.
    pub fn wrong(&self) -> u64 {
        self.total().wrong()
    }

    /// The slot is past the stored position, and rows are pending that may lie between: these will not come. A start
    /// refuses.
    pub fn gap(&self) -> Option<(Lsn, Lsn)> {
        self.reach.gap().filter(|_| self.reach.position.is_some() && self.total().pending > 0)
    }

    /// What is not there now will not come.
    pub fn is_settled(&self) -> bool {
        self.reach.is_beyond(self.moment)
    }
}

/// Compares.
pub async fn run(
    config: &Config,
    options: &Options,
    sink: Arc<dyn Sink>,
    progress: Arc<Progress>,
) -> Result<Report, Failure> {
    let begun = Begun::new(config, options).await?;
    // From here on the rows stand still. What the connector publishes until the topics are read is beside the point.
    let beginning = |error: Error| Failure::from_postgres(&error, "taking a snapshot");
    let moment = copy::begin(&begun.session).await.map_err(beginning)?;
    let other = session::connect(&config.postgres).await.map_err(connecting)?;
    let reach = reach::wait(config, &other, moment.lsn, options.wait).await?;
    drop(other);
    // After the position was read: of everything before it the letters are there.
    let asked = config.clone();
    let letters = Arc::new(blocking(move || Letters::read(&asked, false)).await?);
    let aside = Arc::new(Aside { letters, policies: config.policies.clone(), tables: begun.tables() });
    let (sides, snapshot) = begun.read(config, options, (moment, reach), aside, (sink, progress)).await?;
    // The snapshot is not needed any more, and would keep the server from cleaning up.
    drop(snapshot);
    sides.compare(options).await
}

fn connecting(error: Error) -> Failure {
    Failure::from_postgres(&error, "connecting to Postgres")
}

/// Who is told, and who watches.
type Told = (Arc<dyn Sink>, Arc<Progress>);

/// What there is before the rows are looked at.
pub struct Begun {
    /// In which the snapshot is to be taken.
    pub session: Session,
    published: Vec<PublishedTable>,
    left_out: Vec<String>,
    router: Router,
    clients: Clients,
    topics: Vec<Arc<str>>,
    before: Before,
    conditions: Vec<String>,
}

/// The rows as they were, for as long as this is kept.
pub struct Snapshot {
    /// In a transaction that sees one moment.
    pub session: Session,
    /// The outbox tables.
    pub published: Vec<PublishedTable>,
}

/// Rows and records, read and not compared.
pub struct Sides {
    rows: RowSide,
    records: Read,
    tables: Vec<(String, u64)>,
    left_out: Vec<String>,
    seed: Seed,
    told: Told,
    moment: Moment,
    reach: Reach,
    aside: Arc<Aside>,
}

impl Begun {
    /// Looks for tables and topics, and where these end now.
    pub async fn new(config: &Config, options: &Options) -> Result<Begun, Failure> {
        let conditions = range::conditions(options, &config.route)?;
        // Not after minutes.
        buckets::try_directory(&options.directory)
            .map_err(|error| Failure { exit: Exit::Usage, ..records::files(&error, &options.directory) })?;
        let session = session::connect(&config.postgres).await.map_err(connecting)?;
        let router = Router::new(config.route.clone());
        let (published, left_out) = published(&session, config, options, &router).await?;
        let clients = connect(config).await?;
        let (clients, topics, before) = topics(config, options, clients).await?;
        Ok(Begun { session, published, left_out, router, clients, topics, before, conditions })
    }

    /// `schema.table` of each table, by number.
    pub fn tables(&self) -> Vec<String> {
        self.published.iter().map(|table| format!("{}.{}", table.schema, table.table)).collect()
    }

    /// Reads both sides: the rows of the snapshot that was taken, and the topics.
    pub async fn read(
        mut self,
        config: &Config,
        options: &Options,
        (moment, reach): (Moment, Reach),
        aside: Arc<Aside>,
        told: Told,
    ) -> Result<(Sides, Snapshot), Failure> {
        let (clients, in_wal) = in_wal(config, options, &moment, self.clients).await?;
        self.conditions.extend(in_wal);
        let settled = settled(&reach, &moment);
        let mut tables = Vec::new();
        for published in &self.published {
            let (conditions, router) = (&self.conditions, &mut self.router);
            let settled = settled.as_deref();
            let table =
                Table::prepare(&self.session, config, options, published, conditions, settled, router);
            tables.push(table.await?);
        }
        let seed = Seed::default();
        let buckets = || Buckets::new(&options.directory);
        let (send, found) = mpsc::channel();
        let side = RecordSide::new(clients, buckets(), seed.clone(), self.before, told.clone());
        let directory = options.directory.clone();
        let topics = self.topics;
        let numbers = Numbers::new(&topics, send);
        let records =
            blocking(move || side.run(&topics, found).map_err(|error| error.into_failure(&directory)));
        let by_rule = (Arc::clone(&aside), reach.is_beyond(moment.lsn));
        let rows = RowSide::new(config, self.router, buckets(), seed.clone(), numbers, by_rule, told.clone());
        let ((rows, counts), records) =
            tokio::try_join!(read(&self.session, options, rows, &tables), records)?;
        let tables = tables.iter().map(Table::name).zip(counts).collect();
        let snapshot = Snapshot { session: self.session, published: self.published };
        let left_out = self.left_out;
        Ok((Sides { rows, records, tables, left_out, seed, told, moment, reach, aside }, snapshot))
    }
}

impl Sides {
    /// Compares them.
    pub async fn compare(self, options: &Options) -> Result<Report, Failure> {
        let Sides { rows, records, tables, left_out, seed, told, moment, reach, aside } = self;
        let without_topic = rows.without_topic;
        let topics = compare(options, &reach, &moment, (rows.buckets, records), seed, aside, told).await?;
        Ok(Report {
            tables,
            left_out,
            topics,
            without_topic,
            moment: moment.lsn,
            reach,
            is_ordered: !options.order_by.is_empty(),
            is_limited: options.range.is_limited() || !options.tables.is_empty(),
        })
    }
}

/// The outbox tables, as the publication has them; and the names of those that are captured and no outbox.
async fn published(
    session: &Session,
    config: &Config,
    options: &Options,
    router: &Router,
) -> Result<(Vec<PublishedTable>, Vec<String>), Failure> {
    let looking = |error: Error| Failure::from_postgres(&error, "looking for the outbox tables");
    let found = publication::find(session, &config.source.publication).await.map_err(looking)?;
    let found = match found {
        Some(publication) => publication.tables,
        // The publication is gone, which is no reason not to compare.
        None => publication::candidates(session).await.map_err(looking)?,
    };
    let is_asked = |table: &PublishedTable| {
        let name = TableName { schema: table.schema.clone(), table: table.table.clone() };
        options.tables.is_empty() || options.tables.contains(&name)
    };
    let is_left_out = |table: &&PublishedTable| {
        router.serves_table(&table.schema, &table.table) && !router.is_outbox(&table.schema, &table.table)
    };
    let left_out = found.iter().filter(is_left_out);
    let left_out = left_out.map(|table| format!("{}.{}", table.schema, table.table)).collect();
    let found: Vec<PublishedTable> = found
        .into_iter()
        .filter(|table| router.is_outbox(&table.schema, &table.table) && is_asked(table))
        .collect();
    let has = |name: &TableName| found.iter().any(|it| it.schema == name.schema && it.table == name.table);
    let missing = options.tables.iter().find(|name| !has(name)).map(ToString::to_string);
    if found.is_empty() || missing.is_some() {
        return Err(Failure::new(
            Exit::NotFound,
            match missing {
                Some(name) => {
                    format!("{name} is no outbox table of publication {:?}", config.source.publication)
                }
                None => format!("publication {:?} has no outbox table", config.source.publication),
            },
            "outbox tables are those that the include lists name and the publication has",
            "walpost publication show and walpost doctor tell of both",
        ));
    }
    Ok((found, left_out))
}

type Clients = (Scan, Admin);

async fn connect(config: &Config) -> Result<Clients, Failure> {
    let settings = config.kafka.admin.clone();
    blocking(move || {
        let connecting = |error| Failure::from_kafka(&error, "connecting to Kafka");
        let admin = Admin::connect(&settings, reach::PATIENCE).map_err(connecting)?;
        Ok((Scan::connect(&settings).map_err(connecting)?, admin))
    })
    .await
}

/// The topics to look at, and where they end before the rows are looked at.
async fn topics(
    config: &Config,
    options: &Options,
    (scan, admin): Clients,
) -> Result<(Clients, Vec<Arc<str>>, Before), Failure> {
    let (config, more) = (config.clone(), options.topics.clone());
    blocking(move || {
        let topics = records::topics(&scan, &config, &more)?;
        let before = records::before(&scan, &topics)
            .map_err(|error| Failure::from_kafka(&error, "asking for the ends of topics"))?;
        Ok(((scan, admin), topics, before))
    })
    .await
}

/// The conditions for points of the WAL, where there are any.
async fn in_wal(
    config: &Config,
    options: &Options,
    moment: &Moment,
    (scan, admin): Clients,
) -> Result<(Clients, Vec<String>), Failure> {
    if !options.range.has_lsn() {
        return Ok(((scan, admin), Vec::new()));
    }
    if !moment.commit_times {
        return Err(range::no_commit_times());
    }
    let (config, options) = (config.clone(), options.clone());
    blocking(move || {
        let positions =
            records::positions(&scan, &config).map_err(|error| error.into_failure(&options.directory))?;
        Ok(((scan, admin), range::of_positions(&options.range, &positions)))
    })
    .await
}

/// Where some rows may still come: an expression that tells those that must have come.
fn settled(reach: &Reach, moment: &Moment) -> Option<String> {
    let last = reach.position.as_ref().map_or(0, |position| position.last_commit_us);
    let is_of_use =
        !reach.has_rows_to_come() && !reach.is_beyond(moment.lsn) && moment.commit_times && last > 0;
    is_of_use.then(|| range::committed_before(last))
}

/// Reads all rows, and counts those of each table.
async fn read(
    session: &Session,
    options: &Options,
    mut rows: RowSide,
    tables: &[Table],
) -> Result<(RowSide, Vec<u64>), Failure> {
    let mut counts = Vec::new();
    for (table, number) in tables.iter().zip(0..) {
        let before = rows.count();
        rows.begin();
        let mut stream = copy::rows(session, table.select()).await.map_err(|error| rows::refused(&error))?;
        while let Some(piece) = stream.next().await.map_err(|error| rows::refused(&error))? {
            let read = rows.read(number, table, &piece);
            read.map_err(|error| records::files(&error, &options.directory))?;
        }
        counts.push(rows.count() - before);
    }
    rows.end();
    Ok((rows, counts))
}

/// Joins both sides, and looks at the order.
async fn compare(
    options: &Options,
    reach: &Reach,
    moment: &Moment,
    (mut rows, mut records): (Buckets, Read),
    seed: Seed,
    aside: Arc<Aside>,
    (sink, progress): (Arc<dyn Sink>, Arc<Progress>),
) -> Result<Vec<Topic>, Failure> {
    let (is_settled, is_ordered) = (reach.is_beyond(moment.lsn), !options.order_by.is_empty());
    let directory = options.directory.clone();
    blocking(move || {
        let failed = |error| records::files(&error, &directory);
        let placed = is_ordered.then(|| Mutex::new(Buckets::new(&directory)));
        let (known, placed_in) = (&records.known[..], placed.as_ref());
        let join = Join { seed: &seed, known, is_settled, aside: &aside, placed: placed_in, sink: &*sink };
        let done = |bytes| {
            progress.compared.fetch_add(bytes, Ordering::Relaxed);
        };
        join.run(&mut rows, &mut records.buckets, &mut records.tallies, &done).map_err(failed)?;
        if let Some(placed) = placed {
            let mut placed = placed.into_inner().unwrap_or_else(PoisonError::into_inner);
            order::check(&seed, &mut placed, &mut records.tallies, &*sink).map_err(failed)?;
        }
        let topics = records.names.into_iter().zip(records.known).zip(records.tallies);
        Ok(topics.map(|((name, known), tally)| Topic { name, known, tally }).collect())
    })
    .await
}
