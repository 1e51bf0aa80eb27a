//! Which rows a snapshot has, and how they are read: by the snapshot itself, or, when that is gone, by its horizon.
//!
//! An exported snapshot lives no longer than the connection that exported it. So the first position names the transactions
//! that it saw, by which a later reading tells its rows from those that were written since and come by the stream. A row
//! that was deleted before it was read passes no event, as if it had been deleted before the snapshot; one that was
//! updated meanwhile looks like a new one, and passes none either: both are counted and warned of.

use crate::config::Config;
use crate::decode::Relation;
use crate::error::{Exit, Failure};
use crate::pipeline::tables;
use crate::pipeline::trouble::Trouble;
use crate::position::{Snapshot, SnapshotTable};
use crate::postgres::copy::Select;
use crate::postgres::publication::{self, PublishedTable};
use crate::postgres::replication::Exported;
use crate::postgres::session::{self, Session};
use crate::postgres::snapshot::{self, Horizon, KeyColumn};
use crate::postgres::{Error, catalog};
use crate::rejection::Policy;
use crate::route::{Router, TableFacts};
use postgres_protocol::escape::escape_identifier;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at whether all is seen that the first reading saw.
const PAUSE: Duration = Duration::from_millis(200);

/// Rows that can be read.
pub struct Opened {
    /// Sessions that all see the same moment.
    pub readers: Vec<Session>,
    /// What is still to be read.
    pub tables: Vec<Table>,
    /// Tables of the snapshot that are not there any more, by their places in it.
    pub gone: Vec<usize>,
}

impl Opened {
    /// How many rows Postgres expects; `None`: it does not say.
    pub fn estimated(&self) -> Option<u64> {
        self.tables.iter().map(|table| table.estimated).sum()
    }
}

/// A table to be read.
pub struct Table {
    /// Its place in the snapshot.
    pub number: usize,
    /// As the stream would describe it.
    pub relation: Arc<Relation>,
    /// What the router wants to know beside.
    pub facts: TableFacts,
    /// Its rows: the relation's columns, then the key's.
    pub select: Select,
    /// How many rows Postgres expects.
    pub estimated: Option<u64>,
}

impl Table {
    /// `schema.table`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.relation.schema, self.relation.table)
    }
}

fn failed(what: &'static str) -> impl Fn(Error) -> Trouble {
    move |error| Trouble::postgres(&error, what)
}

const CONNECTING: &str = "connecting to read the outbox's rows";
const BEGINNING: &str = "beginning to read the outbox's rows";
const LOOKING: &str = "looking at the outbox's columns";

/// The first reading, by the snapshot that was exported.
pub async fn first(config: &Config, exported: &Exported) -> Result<(Snapshot, Opened), Trouble> {
    let session = session::connect(&config.postgres).await.map_err(failed(CONNECTING))?;
    let horizon = snapshot::begin(&session, Some(&exported.snapshot)).await.map_err(failed(BEGINNING))?;
    let (mut states, mut tables) = (Vec::new(), Vec::new());
    for (published, number) in published(config, &session).await?.iter().zip(0..) {
        let Some((mut table, key)) = describe(config, &session, published, number).await? else { continue };
        let ancient = horizon.may_have_ancients()
            && snapshot::has_ancients(&session, &table.select, &horizon).await.map_err(failed(LOOKING))?;
        if ancient {
            tracing::warn!(
                table = table.name(),
                "it has rows that are more than two thousand million transactions old: should this snapshot be \
                 interrupted, it cannot be gone on with"
            );
        }
        table.estimated = snapshot::estimate(&session, &table.select).await.map_err(failed(LOOKING))?;
        states.push(SnapshotTable {
            oid: published.oid,
            key: key.into_iter().map(|column| column.name).collect(),
            ancient,
            changed: snapshot::changed(&session, published.oid).await.map_err(failed(LOOKING))?,
            ..SnapshotTable::default()
        });
        table.number = tables.len();
        tables.push(table);
    }
    let readers = readers(config, session, &exported.snapshot, tables.len()).await?;
    let state = Snapshot { lsn: exported.lsn, horizon: horizon.text, rows: 0, tables: states };
    Ok((state, Opened { readers, tables, gone: Vec::new() }))
}

/// A later reading: the rest of a snapshot that was begun.
pub async fn again(config: &Config, begun: &Snapshot) -> Result<Opened, Trouble> {
    let first = Horizon::parse(&begun.horizon)
        .ok_or_else(|| cannot(format!("its horizon {:?} is none", begun.horizon)))?;
    let session = session::connect(&config.postgres).await.map_err(failed(CONNECTING))?;
    let now = see_all(&session, &first).await?;
    if first.is_too_old(&now) {
        return Err(cannot(format!("{} transactions have passed since it was taken", now.xmax - first.xmin)));
    }
    let (mut tables, mut gone) = (Vec::new(), Vec::new());
    let published = published(config, &session).await?;
    for (state, number) in begun.tables.iter().zip(0..).filter(|(state, _)| !state.done) {
        let found = published.iter().find(|table| table.oid == state.oid);
        let described = match found {
            Some(found) => describe(config, &session, found, number).await?,
            None => None,
        };
        let Some((mut table, key)) = described else {
            tracing::warn!(
                oid = state.oid,
                "a table of the snapshot is not in the publication any more: its rows are left out"
            );
            gone.push(number);
            continue;
        };
        is_as_it_was(&table, &key, state)?;
        let after = state.reached.as_ref().map(|reached| snapshot::after(&key, reached));
        table.select.conditions.extend(after);
        table.estimated = snapshot::estimate(&session, &table.select).await.map_err(failed(LOOKING))?;
        table.select.conditions.push(snapshot::seen_by(&first, &now));
        warn_of_changes(&session, &table, state).await?;
        tables.push(table);
    }
    tracing::info!(lsn = %begun.lsn, rows = begun.rows, tables = tables.len(), "going on with the snapshot");
    let exported = snapshot::export(&session).await.map_err(failed(BEGINNING))?;
    let readers = readers(config, session, &exported, tables.len()).await?;
    Ok(Opened { readers, tables, gone })
}

/// Begins once all that the first reading saw can be seen: what the WAL has as committed may still wait for a standby.
async fn see_all(session: &Session, first: &Horizon) -> Result<Horizon, Trouble> {
    let mut waited = false;
    loop {
        if let Some(now) = snapshot::begin_after(session, first).await.map_err(failed(BEGINNING))? {
            return Ok(now);
        }
        if !std::mem::replace(&mut waited, true) {
            tracing::info!("waiting for transactions whose commit is written and cannot be seen yet");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The outbox tables as the publication has them, but for those that a snapshot leaves out.
async fn published(config: &Config, session: &Session) -> Result<Vec<PublishedTable>, Trouble> {
    let publication =
        publication::find(session, &config.source.publication).await.map_err(failed(LOOKING))?;
    let router = Router::new(config.route.clone());
    let is_wanted = |table: &PublishedTable| {
        let name = format!("{}.{}", table.schema, table.table);
        // A regex that gives up counts for the table, as it does in the include lists.
        let mut included = config.snapshot.tables.iter();
        router.serves_table(&table.schema, &table.table)
            && (config.snapshot.tables.is_empty() || included.any(|it| it.is_match(&name).unwrap_or(true)))
    };
    let tables = publication.map(|publication| publication.tables).unwrap_or_default();
    Ok(tables.into_iter().filter(is_wanted).collect())
}

/// How a table is read, and by which key; `None`: it is gone.
async fn describe(
    config: &Config,
    session: &Session,
    published: &PublishedTable,
    number: usize,
) -> Result<Option<(Table, Vec<KeyColumn>)>, Trouble> {
    let Some(table) = catalog::describe(session, published.oid).await.map_err(failed(LOOKING))? else {
        return Ok(None);
    };
    let key = snapshot::key(session, published.oid).await.map_err(failed(LOOKING))?;
    if key.is_empty() {
        return Err(no_key(published));
    }
    // A dead letter tells of all columns, and so does a change event.
    let is_outbox = Router::new(config.route.clone()).is_outbox(&table.schema, &table.table);
    let relation = match config.policies.has(Policy::DeadLetter) || !is_outbox {
        true => tables::whole_relation(&table, published),
        false => tables::relation(&table, published, config),
    };
    let order: Vec<String> = key.iter().map(|column| escape_identifier(&column.name)).collect();
    let columns = relation.columns.iter().map(|column| escape_identifier(&column.name));
    let select = Select {
        schema: table.schema.clone(),
        table: table.table.clone(),
        only: table.kind != "p",
        columns: columns.chain(order.iter().cloned()).collect(),
        conditions: published.row_filter.iter().cloned().collect(),
        order,
    };
    let facts = tables::facts(&table.columns);
    Ok(Some((Table { number, relation: Arc::new(relation), facts, select, estimated: None }, key)))
}

/// As many sessions as there is use for and the server has connections for; at least the first.
async fn readers(
    config: &Config,
    first: Session,
    exported: &str,
    tables: usize,
) -> Result<Vec<Session>, Trouble> {
    let wanted = config.snapshot.threads.min(tables);
    let mut readers = vec![first];
    while readers.len() < wanted {
        match session::connect(&config.postgres).await {
            Ok(session) => {
                snapshot::begin(&session, Some(exported)).await.map_err(failed(BEGINNING))?;
                readers.push(session);
            }
            Err(error) if error.sqlstate().is_some_and(|state| state.starts_with("53")) => {
                tracing::warn!(%error, sessions = readers.len(), "reading fewer tables at a time");
                break;
            }
            Err(error) => return Err(Trouble::postgres(&error, CONNECTING)),
        }
    }
    Ok(readers)
}

/// The rows are sorted as they were, and their ids tell which of them belong to the snapshot.
fn is_as_it_was(table: &Table, key: &[KeyColumn], state: &SnapshotTable) -> Result<(), Trouble> {
    if !key.iter().map(|column| &column.name).eq(&state.key) {
        return Err(cannot(format!(
            "the key of table {} was ({}), and is another one now",
            table.name(),
            state.key.join(", ")
        )));
    }
    if state.ancient {
        return Err(cannot(format!(
            "table {} has rows more than two thousand million transactions old, which cannot be told from new ones",
            table.name()
        )));
    }
    Ok(())
}

/// Rows that were updated look like new ones, and deleted ones are not there: nobody can tell how many of them the
/// snapshot still had to publish.
async fn warn_of_changes(session: &Session, table: &Table, state: &SnapshotTable) -> Result<(), Trouble> {
    let (updated, deleted) = snapshot::changed(session, table.relation.oid).await.map_err(failed(LOOKING))?;
    let (updated, deleted) = (updated - state.changed.0, deleted - state.changed.1);
    if updated != 0 || deleted != 0 {
        tracing::warn!(
            table = table.name(),
            updated,
            deleted,
            "rows were updated or deleted since the snapshot was taken: those that it had not come to are not published. \
             walpost verify finds updated ones"
        );
    }
    Ok(())
}

fn cannot(why: String) -> Trouble {
    Trouble::Halt(Failure::new(
        Exit::Snapshot,
        "the snapshot that was interrupted cannot be gone on with",
        why,
        "walpost verify tells which rows are not published. To stream without the rest, set the mode to no_data; to \
         publish every row again: walpost slot drop, walpost offsets forget, and walpost run",
    ))
}

fn no_key(table: &PublishedTable) -> Trouble {
    Trouble::Halt(Failure::new(
        Exit::Snapshot,
        format!("table {}.{} has no key by which a snapshot could sort its rows", table.schema, table.table),
        "without one it could not be said which rows are published when a crash interrupts it",
        "give the table a primary key, or a unique index of columns that are NOT NULL; or leave it out of the snapshot, \
         or set the mode to no_data",
    ))
}
