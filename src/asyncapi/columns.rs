//! The outbox's columns, as the catalogue has them: what types keys, headers and payloads are of.

use crate::config::Config;
use crate::decode::value::{Kind, TypeFacts, kind_of};
use crate::error::{Exit, Failure};
use crate::pipeline::tables::facts;
use crate::postgres::publication::{self, PublishedTable};
use crate::postgres::session::{self, Session};
use crate::postgres::{Error, catalog};
use crate::route::Router;
use std::collections::BTreeMap;

/// Columns by name, over all outbox tables.
#[derive(Clone, Debug, Default)]
pub struct Columns(pub BTreeMap<String, Column>);

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its type; `None` where tables differ.
    pub kind: Option<Kind>,
    /// May be NULL, in one of the tables at least.
    pub optional: bool,
}

impl Columns {
    /// Asks Postgres for those of the outbox tables in the publication, or of all where there is no publication.
    pub async fn ask(config: &Config) -> Result<Columns, Failure> {
        let session = session::connect(&config.postgres)
            .await
            .map_err(|error| Failure::from_postgres(&error, "connecting to Postgres"))?;
        let tables = outbox_tables(&session, config)
            .await
            .map_err(|error| Failure::from_postgres(&error, "looking for the outbox tables"))?;
        // Events that are messages have no table.
        if tables.is_empty() && config.route.messages.is_none() {
            return Err(Failure::new(
                Exit::NotFound,
                format!("publication {:?} has no outbox table", config.source.publication),
                "the types of keys and headers are those of its columns",
                "walpost publication show and walpost doctor tell which tables there are",
            ));
        }
        let mut columns = Columns::default();
        for table in &tables {
            let known = catalog::describe(&session, table.oid)
                .await
                .map_err(|error| Failure::from_postgres(&error, "looking up the outbox's columns"))?;
            let known = known.map(|table| facts(&table.columns)).unwrap_or_default();
            for column in known.columns {
                columns.add(config, &column.name, &column.type_facts, !column.not_null);
            }
        }
        Ok(columns)
    }

    fn add(&mut self, config: &Config, name: &str, facts: &TypeFacts, optional: bool) {
        let kind = Some(kind_of(facts, &config.route.types));
        let column = self.0.entry(name.to_owned()).or_insert(Column { kind: kind.clone(), optional });
        column.optional |= optional;
        if column.kind != kind {
            column.kind = None;
        }
    }

    /// The column, where some table has it.
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.0.get(name)
    }
}

async fn outbox_tables(session: &Session, config: &Config) -> Result<Vec<PublishedTable>, Error> {
    let router = Router::new(config.route.clone());
    let found = match publication::find(session, &config.source.publication).await? {
        Some(publication) => publication.tables,
        None => publication::candidates(session).await?,
    };
    Ok(found.into_iter().filter(|table| router.is_outbox(&table.schema, &table.table)).collect())
}
