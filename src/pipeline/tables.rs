//! What the catalogue tells of tables, carried from the place that asks to the acts that need it.

use super::road::Catalog;
use crate::config::Config;
use crate::decode::value::TypeFacts;
use crate::decode::{Column, Relation};
use crate::postgres::Error;
use crate::postgres::catalog::{self, CatalogColumn, CatalogTable, CatalogType};
use crate::postgres::publication::{PublishedTable, Scope, TableName};
use crate::postgres::session::Session;
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

/// The tables that exist now and whose rows are events, of whichever kind.
pub async fn served_tables(config: &Config, session: &Session) -> Result<Vec<TableName>, Error> {
    let router = Router::new(config.route.clone());
    let tables = catalog::tables(session).await?;
    Ok(tables.into_iter().filter(|table| router.serves_table(&table.schema, &table.table)).collect())
}

/// The operations that a publication of this sends: inserts, and, where it has tables that are no outbox, all that the
/// configuration does not pass over.
pub fn operations(config: &Config, scope: &Scope) -> String {
    let router = Router::new(config.route.clone());
    let (rule, changes) = (&config.route.tables, config.route.changes.as_ref());
    let is_of_changes = |table: &TableName| !router.is_outbox(&table.schema, &table.table);
    let has_changes = match scope {
        Scope::Tables(tables) => tables.iter().any(is_of_changes),
        Scope::AllTables | Scope::NoTables => rule.unrouted || rule.predicate.is_some(),
    };
    let mut operations = vec!["insert"];
    if let Some(changes) = changes.filter(|_| has_changes) {
        let skipped = changes.skipped;
        let others = [(skipped.update, "update"), (skipped.delete, "delete"), (skipped.truncate, "truncate")];
        operations.extend(others.iter().filter(|(is_skipped, _)| !is_skipped).map(|(_, name)| *name));
    }
    operations.join(", ")
}

/// The outbox tables that exist now.
pub async fn outbox_tables(config: &Config, session: &Session) -> Result<Vec<TableName>, Error> {
    let router = Router::new(config.route.clone());
    let tables = catalog::tables(session).await?;
    Ok(tables.into_iter().filter(|table| router.is_outbox(&table.schema, &table.table)).collect())
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
            key_position: column.key_position,
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
