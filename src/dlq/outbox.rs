//! What a replay asks Postgres: what an outbox table looks like, and the row of a letter that was cut.

use crate::decode::Cells;
use crate::decode::copy::{self as text, Lines};
use crate::error::Failure;
use crate::postgres::Error;
use crate::postgres::catalog::{self, CatalogTable};
use crate::postgres::copy::{self, Select};
use crate::postgres::publication::{self, PublishedTable};
use crate::postgres::session::Session;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use std::collections::BTreeMap;
use std::convert::Infallible;
use tokio::runtime::Handle;

/// A table as it is now.
#[derive(Clone, Debug)]
pub struct Look {
    /// OID.
    pub oid: u32,
    /// Its columns.
    pub table: CatalogTable,
}

/// A row's cells by column name; `None` is NULL.
pub type Row = BTreeMap<String, Option<Vec<u8>>>;

/// Rows of one id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// None.
    Gone,
    /// This one.
    One(Row),
    /// Several, of which none is the letter's for certain.
    Several,
}

/// Answers what a replay asks. A test has one that is no server's.
pub trait Outbox {
    /// The table of this name, `schema.table`; `None` when there is none.
    fn look(&mut self, name: &str) -> Result<Option<Look>, Failure>;
    /// The row whose column `id` has this text: these columns of it.
    fn row(&mut self, look: &Look, id: (&str, &str), columns: &[&str]) -> Result<Found, Failure>;
}

/// Asks Postgres, from a thread of its own.
pub struct SqlOutbox {
    session: Session,
    runtime: Handle,
    tables: Vec<PublishedTable>,
}

impl SqlOutbox {
    /// Asks over `session`, which the runtime of the caller drives.
    pub async fn new(session: Session, name: &str) -> Result<SqlOutbox, Failure> {
        let looking = |error: Error| Failure::from_postgres(&error, "looking for the outbox tables");
        let published = publication::find(&session, name).await.map_err(looking)?;
        let mut tables = published.map(|publication| publication.tables).unwrap_or_default();
        // Rows that were written before a table left the publication.
        tables.extend(publication::candidates(&session).await.map_err(looking)?);
        Ok(SqlOutbox { session, runtime: Handle::current(), tables })
    }
}

impl Outbox for SqlOutbox {
    fn look(&mut self, name: &str) -> Result<Option<Look>, Failure> {
        let is_it = |table: &&PublishedTable| format!("{}.{}", table.schema, table.table) == name;
        let Some(oid) = self.tables.iter().find(is_it).map(|table| table.oid) else { return Ok(None) };
        let table = self.runtime.block_on(catalog::describe(&self.session, oid));
        let table =
            table.map_err(|error| Failure::from_postgres(&error, "looking up the outbox's columns"))?;
        Ok(table.map(|table| Look { oid, table }))
    }

    fn row(&mut self, look: &Look, (column, id): (&str, &str), columns: &[&str]) -> Result<Found, Failure> {
        let select = Select {
            schema: look.table.schema.clone(),
            table: look.table.table.clone(),
            only: look.table.kind != "p",
            columns: columns.iter().map(|column| escape_identifier(column)).collect(),
            conditions: vec![format!("{} = {}", escape_identifier(column), escape_literal(id))],
            order: Vec::new(),
        };
        let read = self.runtime.block_on(read(&self.session, &select, columns));
        read.map_err(|error| Failure::from_postgres(&error, "reading an outbox row"))
    }
}

async fn read(session: &Session, select: &Select, columns: &[&str]) -> Result<Found, Error> {
    let (mut lines, mut cells, mut found) = (Lines::default(), Cells::default(), Found::Gone);
    let mut rows = copy::rows(session, select).await?;
    while let Some(piece) = rows.next().await? {
        let Ok(()) = lines.read(&piece, |line| {
            text::row(line, &mut cells);
            found = match found {
                Found::Gone => Found::One(named(&cells, columns)),
                Found::One(_) | Found::Several => Found::Several,
            };
            Ok::<_, Infallible>(())
        });
    }
    Ok(found)
}

fn named(cells: &Cells, columns: &[&str]) -> Row {
    let row = cells.row();
    let cell = |index| match row.get(index) {
        Some(crate::decode::Cell::Text(text)) => Some(text.to_vec()),
        _ => None,
    };
    columns.iter().enumerate().map(|(index, column)| ((*column).to_owned(), cell(index))).collect()
}
