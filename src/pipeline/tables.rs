//! What the catalogue tells of tables, carried from the place that asks to the acts that need it.

use super::road::Catalog;
use crate::config::Config;
use crate::decode::value::TypeFacts;
use crate::decode::{Column, Relation};
use crate::postgres::catalog::{self, CatalogColumn, CatalogTable, CatalogType};
use crate::postgres::publication::PublishedTable;
use crate::postgres::session::Session;
use crate::postgres::{Error, publication};
use crate::route::{ColumnFacts, Router, TableFacts};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Asks the catalogue from the road's thread.
pub struct SqlCatalog {
    session: Arc<Session>,
    runtime: Handle,
}

impl SqlCatalog {
    /// Asks over `session`, which `runtime` drives.
    pub fn new(session: Arc<Session>, runtime: Handle) -> SqlCatalog {
        SqlCatalog { session, runtime }
    }
}

impl Catalog for SqlCatalog {
    fn describe(&mut self, relation: &Relation) -> Result<TableFacts, Error> {
        let table = self.runtime.block_on(catalog::describe(&self.session, relation.oid))?;
        Ok(table.map(|table| facts(&table.columns)).unwrap_or_default())
    }
}

/// The tables that exist now and whose rows are events.
pub async fn outbox_tables(config: &Config, session: &Session) -> Result<Vec<publication::TableName>, Error> {
    let router = Router::new(config.route.clone());
    let tables = catalog::tables(session).await?;
    Ok(tables.into_iter().filter(|table| router.serves(&nameless_columns(table))).collect())
}

/// A relation of that name, for a question about the name.
fn nameless_columns(table: &publication::TableName) -> Relation {
    let (schema, table) = (table.schema.clone(), table.table.clone());
    Relation { oid: 0, schema, table, replica_identity: b'd', columns: Vec::new() }
}

/// The table as the stream would describe it, of the columns that router and encoder read only: for rows that are read
/// from it.
pub fn relation(table: &CatalogTable, published: &PublishedTable, config: &Config) -> Relation {
    let read: Vec<&str> = config.route.columns().collect();
    let mut relation = whole_relation(table, published);
    relation.columns.retain(|column| read.contains(&column.name.as_str()));
    relation
}

/// The table as the stream would describe it.
pub fn whole_relation(table: &CatalogTable, published: &PublishedTable) -> Relation {
    let is_sent = |name: &String| published.columns.as_ref().is_none_or(|columns| columns.contains(name));
    let columns = table.columns.iter().filter(|column| is_sent(&column.name));
    let columns = columns.map(|column| Column {
        key: column.primary_key,
        name: column.name.clone(),
        type_oid: column.type_facts.oid,
        type_modifier: column.type_facts.type_modifier,
    });
    Relation {
        oid: published.oid,
        schema: table.schema.clone(),
        table: table.table.clone(),
        replica_identity: b'd',
        columns: columns.collect(),
    }
}

/// The catalogue's columns as the router reads them.
pub fn facts(columns: &[CatalogColumn]) -> TableFacts {
    let columns = columns
        .iter()
        .map(|column| ColumnFacts {
            name: column.name.clone(),
            type_facts: type_facts(&column.type_facts),
            not_null: column.not_null,
            primary_key: column.primary_key,
            default_expression: column.default_expression.clone(),
        })
        .collect();
    TableFacts { columns }
}

fn type_facts(facts: &CatalogType) -> TypeFacts {
    TypeFacts {
        name: facts.name.clone(),
        oid: facts.oid,
        type_modifier: facts.type_modifier,
        enum_labels: facts.enum_labels.clone(),
        element: facts.element.as_deref().map(|element| Box::new(type_facts(element))),
    }
}
