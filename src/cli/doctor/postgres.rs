//! Asks Postgres, and hands the answers to those who judge them.

use super::{outbox, server, slot};
use crate::cli::check::Check;
use crate::cli::context::connect;
use crate::cli::offsets;
use crate::cli::tables::publication_findings;
use crate::config::Config;
use crate::error::Failure;
use crate::lsn::Lsn;
use crate::pipeline::facts::{Facts, find_publication};
use crate::pipeline::startup::Publication;
use crate::pipeline::tables::{outbox_tables, served_tables};
use crate::postgres::publication::TableName;
use crate::postgres::session::Session;
use crate::postgres::{Error, catalog, facts, publication};
use postgres_protocol::escape::escape_identifier;
use std::collections::BTreeSet;

/// How many rows are looked at for route values, and how many topics they may make.
const ROUTES_LOOKED_AT: u32 = 10_000;
const TOPICS_MOST: usize = 50;

/// What was found, and what others want to know of it.
#[derive(Default)]
pub(super) struct Found {
    pub checks: Vec<Check>,
    /// What a start asks; `None` when it could not be had.
    pub facts: Option<Facts>,
    /// Topics that rows in the outbox would go to.
    pub topics: BTreeSet<String>,
}

pub(super) async fn look(config: &Config) -> Found {
    let mut found = Found::default();
    let session = match connect(config).await {
        Ok(session) => session,
        Err(failure) => {
            found.checks.push(Check::failed("postgres.connect", &failure));
            found.checks.push(Check::skipped("postgres", "nothing more can be asked without a connection"));
            return found;
        }
    };
    let at = format!(
        "{}@{}:{}/{}",
        config.postgres.user, config.postgres.host, config.postgres.port, config.postgres.database
    );
    found.checks.push(Check::ok("postgres.connect", at));
    let start = offsets::ask(config).await;
    match &start {
        Ok(start) => found.checks.push(Check::ok(
            "postgres.replication",
            format!(
                "system {}, timeline {}, WAL to {}",
                start.server.system_id, start.server.timeline, start.server.flush_lsn
            ),
        )),
        Err(failure) => found.checks.push(Check::failed("postgres.replication", failure)),
    }
    let known_slot = start.as_ref().ok().and_then(|start| start.slot.as_ref());
    let mut keep_size_mb = -1;
    match asked(&session).await {
        Ok((facts, about)) => {
            keep_size_mb = facts.max_slot_wal_keep_size_mb;
            found.checks.extend(server::checks(&facts, &about, config, known_slot.is_some()));
        }
        Err(error) => found.checks.push(failed("postgres.settings", &error)),
    }
    if start.is_ok() {
        found.checks.extend(slot::checks(known_slot, keep_size_mb, config));
    } else {
        found.checks.push(Check::skipped("slot", "see postgres.replication"));
    }
    look_at_tables(config, &session, known_slot.is_some(), &mut found).await;
    found.facts = start.ok();
    found
}

async fn asked(session: &Session) -> Result<(facts::ServerFacts, server::Circumstances), Error> {
    Ok((facts::server(session).await?, server::Circumstances::ask(session).await?))
}

async fn look_at_tables(config: &Config, session: &Session, slot_exists: bool, found: &mut Found) {
    let tables = match outbox_tables(config, session).await {
        Ok(tables) => tables,
        Err(error) => return found.checks.push(failed("outbox.tables", &error)),
    };
    let served = match served_tables(config, session).await {
        Ok(served) => served,
        Err(error) => return found.checks.push(failed("change.tables", &error)),
    };
    let told: Vec<&TableName> = served.iter().filter(|table| !tables.contains(table)).collect();
    if tables.is_empty() && !told.is_empty() {
        found.checks.push(Check::ok("outbox.tables", "none"));
    } else {
        found.checks.push(which_tables(config, &tables));
    }
    if !told.is_empty() {
        found.checks.push(Check::ok("change.tables", told_tables(&told)));
    }
    match publication_checks(config, session, &served, slot_exists).await {
        Ok(checks) => found.checks.extend(checks),
        Err(error) => found.checks.push(failed("publication.exists", &error)),
    }
    for table in &tables {
        match described(session, table).await {
            Ok(Some(table)) => found.checks.extend(outbox::checks(&table, config)),
            Ok(None) => {}
            Err(error) => found.checks.push(failed("outbox.columns", &error)),
        }
        match topics(config, session, table).await {
            Ok(topics) => found.topics.extend(topics),
            // Reading the outbox is more than the connector needs: not being allowed to is no finding. Nor is a column
            // that is missing one more.
            Err(error) if matches!(error.sqlstate(), Some("42501" | "42703")) => {}
            Err(error) => found.checks.push(failed("outbox.rows", &error)),
        }
    }
    while found.topics.len() > TOPICS_MOST {
        found.topics.pop_last();
    }
}

/// Tables whose changes are published as change events.
fn told_tables(tables: &[&TableName]) -> String {
    const MOST: usize = 5;
    let names: Vec<String> = tables.iter().take(MOST).map(ToString::to_string).collect();
    match tables.len().saturating_sub(MOST) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn which_tables(config: &Config, tables: &[TableName]) -> Check {
    let name = "outbox.tables";
    let rule = &config.route.tables;
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    if tables.is_empty() {
        return Check::fail(
            name,
            "no table of this database matches the include lists: there are no events",
            "check table.include.list and database.dbname; walpost init prints the SQL of an outbox",
        );
    }
    if rule.include.is_empty() && rule.schema_include.is_empty() && rule.predicate.is_none() {
        return Check::warn(
            name,
            format!(
                "table.include.list is empty: every published table counts as an outbox ({} here)",
                tables.len()
            ),
            "name the outbox in table.include.list",
        );
    }
    Check::ok(name, names.join(", "))
}

async fn publication_checks(
    config: &Config,
    session: &Session,
    tables: &[TableName],
    slot_exists: bool,
) -> Result<Vec<Check>, Error> {
    let (check, name) = ("publication.exists", &config.source.publication);
    if let Some(facts) = publication::find(session, name).await? {
        let mut checks = vec![Check::ok(check, format!("{name:?}, owned by {}", facts.owner))];
        checks.extend(publication_findings(&facts, tables, config));
        return Ok(checks);
    }
    let absent = find_publication(config, session, Lsn::ZERO).await?;
    Ok(vec![publication_absent(&absent, config, slot_exists)])
}

fn publication_absent(absent: &Publication, config: &Config, slot_exists: bool) -> Check {
    let (check, name) = ("publication.exists", &config.source.publication);
    if slot_exists {
        return Check::fail(
            check,
            format!("{name:?} does not exist, and the slot does: rows written meanwhile cannot be decoded"),
            "check publication.name. If it was dropped: compare the outbox with its topics; then walpost slot drop, walpost \
             publication create, and walpost repair makes another slot and publishes what is missing",
        );
    }
    match absent {
        Publication::Exists(_) | Publication::ToBeMade(_) => {
            Check::ok(check, format!("{name:?} does not exist yet; the first walpost run makes it"))
        }
        Publication::NotAllowed(lacking) => Check::fail(
            check,
            format!(
                "{name:?} does not exist, and {} may not make it: the role lacks {lacking}",
                config.postgres.user
            ),
            "have it made before the slot, by a role that may: walpost publication create with that role as database.user, \
             or the SQL that walpost init prints",
        ),
        Publication::Missing => Check::fail(
            check,
            format!("{name:?} does not exist, and publication.autocreate.mode is disabled"),
            "walpost init --apply or walpost publication create; make it before the slot",
        ),
    }
}

async fn described(session: &Session, table: &TableName) -> Result<Option<catalog::CatalogTable>, Error> {
    let look = "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                WHERE n.nspname = $1 AND c.relname = $2";
    let Some(row) = session.query_opt(look, &[&table.schema, &table.table]).await? else { return Ok(None) };
    catalog::describe(session, row.get(0)).await
}

/// Topics of rows that are still in the table.
async fn topics(config: &Config, session: &Session, table: &TableName) -> Result<Vec<String>, Error> {
    let route = escape_identifier(&config.route.route_by);
    let from = crate::cli::init::quoted(std::slice::from_ref(table));
    let look = format!(
        "SELECT DISTINCT looked_at.route FROM (SELECT {route}::text AS route FROM {from} LIMIT {ROUTES_LOOKED_AT}) \
         AS looked_at WHERE looked_at.route IS NOT NULL LIMIT {TOPICS_MOST}"
    );
    let rows = session.query(&look, &[]).await?;
    let topic = |row: &tokio_postgres::Row| {
        let mut topic = String::new();
        config.route.topic.apply(row.get(0), &mut topic).ok().map(|_| topic)
    };
    Ok(rows.iter().filter_map(topic).collect())
}

fn failed(name: &'static str, error: &Error) -> Check {
    Check::failed(name, &Failure::from_postgres(error, "asking Postgres"))
}
