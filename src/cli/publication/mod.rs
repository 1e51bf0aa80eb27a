//! `walpost publication`: which rows the slot sends.

mod accept;

use super::check::{Check, Finding};
use super::console::{Console, Tone};
use super::context::{Context, connect};
use super::tables::publication_findings;
use crate::config::{Config, PublicationAutocreate};
use crate::error::{Exit, Failure};
use crate::pipeline::tables::{operations as operations_of, served_tables};
use crate::postgres::publication::{self, PublicationFacts, Scope, TableName};
use crate::postgres::session::Session;
use clap::Subcommand;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  walpost publication create --config connector.json
  walpost publication show --config connector.json
  walpost publication accept --config connector.json     say what changed, do nothing
";

/// Make, look at or accept the publication: which rows the slot sends
#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub enum Command {
    /// Make it, for inserts, and all else where other tables than an outbox are captured: for the tables of the include lists, or as publication.autocreate.mode says
    #[command(before_help = EXAMPLES)]
    Create,
    /// Its tables, operations and row filters, and what is missing
    #[command(before_help = EXAMPLES)]
    Show,
    Accept(accept::Args),
}

pub(super) fn run(command: &Command, context: &Context<'_>) -> Result<Exit, Failure> {
    let config = context.load_quietly()?;
    match command {
        Command::Create => create(context, &config),
        Command::Show => show(context, &config),
        Command::Accept(args) => accept::run(args, context, &config),
    }
}

fn create(context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let name = &config.source.publication;
    let (created, statement) = context.wait(async {
        let session = connect(config).await?;
        let failed = |error| Failure::from_postgres(&error, "creating the publication");
        if publication::find(&session, name).await.map_err(failed)?.is_some() {
            return Ok((false, String::new()));
        }
        let scope = scope(&session, config).await?;
        let via_root = config.publish_via_partition_root || any_partitioned(&session, &scope).await?;
        let operations = operations_of(config, &scope);
        publication::create(&session, name, &scope, &operations, via_root).await.map_err(failed)?;
        Ok((true, publication::create_statement(name, &scope, &operations, via_root)))
    })?;
    let console = &context.console;
    if console.is_json() {
        console.json("publication", &json!({ "name": name, "created": created }));
    } else if created {
        let statement = statement.lines().filter(|line| !line.starts_with("--"));
        let statement: Vec<&str> = statement.map(str::trim_end).collect();
        console.print(&statement.join("\n"));
    } else {
        console.print(&format!("publication {name:?} exists already; left as it is"));
        console.say("walpost publication show tells what it has and lacks");
    }
    Ok(Exit::Ok)
}

/// What it has. Somebody who asks for it outright wants the tables of the include lists, even where `run` may not.
async fn scope(session: &Session, config: &Config) -> Result<Scope, Failure> {
    match config.publication_autocreate {
        PublicationAutocreate::AllTables => return Ok(Scope::AllTables),
        PublicationAutocreate::NoTables => return Ok(Scope::NoTables),
        PublicationAutocreate::Disabled | PublicationAutocreate::Filtered => {}
    }
    let tables = wanted(session, config).await?;
    if tables.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            "there is no captured table yet",
            "no table of this database matches the include lists",
            "walpost init --apply makes table and publication",
        ));
    }
    Ok(Scope::Tables(tables))
}

/// The captured tables that exist. With no include list at all every table is one.
async fn wanted(session: &Session, config: &Config) -> Result<Vec<TableName>, Failure> {
    served_tables(config, session)
        .await
        .map_err(|error| Failure::from_postgres(&error, "looking for the outbox tables"))
}

async fn any_partitioned(session: &Session, scope: &Scope) -> Result<bool, Failure> {
    let Scope::Tables(tables) = scope else { return Ok(false) };
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    let look = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                WHERE c.relkind = 'p' AND n.nspname || '.' || c.relname = ANY ($1))";
    let row = session
        .query_one(look, &[&names])
        .await
        .map_err(|error| Failure::from_postgres(&error, "looking for the outbox tables"))?;
    Ok(row.get(0))
}

fn show(context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let name = &config.source.publication;
    let (facts, findings) = context.wait(async {
        let session = connect(config).await?;
        let found = publication::find(&session, name)
            .await
            .map_err(|error| Failure::from_postgres(&error, "looking for the publication"))?;
        let facts = found.ok_or_else(|| missing(name))?;
        let wanted = wanted(&session, config).await?;
        let findings = publication_findings(&facts, &wanted, config);
        Ok((facts, findings))
    })?;
    let console = &context.console;
    if console.is_json() {
        console.json_object(json!({ "publication": facts, "findings": findings }));
    } else {
        console.pairs(&[
            ("publication", facts.name.clone()),
            ("owner", facts.owner.clone()),
            ("operations", operations(&facts)),
            ("all tables", if facts.all_tables { "yes" } else { "no" }.into()),
            ("via root", if facts.via_root { "yes" } else { "no" }.into()),
        ]);
        tables(&facts, console);
        for finding in &findings {
            say(finding, console);
        }
    }
    Ok(Exit::Ok)
}

fn tables(facts: &PublicationFacts, console: &Console) {
    if facts.tables.is_empty() {
        return console.say("it has no tables");
    }
    let rows = facts.tables.iter().map(|table| {
        let columns = table.columns.as_ref().map_or_else(|| "all".to_owned(), |columns| columns.join(", "));
        let filter = table.row_filter.clone().unwrap_or_else(|| "-".into());
        vec![format!("{}.{}", table.schema, table.table), columns, filter]
    });
    console.table(&["table", "columns", "row filter"], rows.collect());
}

fn say(finding: &Check, console: &Console) {
    let (tone, word) = match finding.finding {
        Finding::Fail => (Tone::Bad, "fail"),
        _ => (Tone::Doubtful, "warn"),
    };
    console.say(&format!("{}: {}\n  hint: {}", console.toned(tone, word), finding.detail, finding.hint));
}

fn operations(facts: &PublicationFacts) -> String {
    let all = [
        (facts.insert, "insert"),
        (facts.update, "update"),
        (facts.delete, "delete"),
        (facts.truncate, "truncate"),
    ];
    all.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

/// The publication is not there.
pub(super) fn missing(name: &str) -> Failure {
    Failure::new(
        Exit::NotFound,
        format!("publication {name:?} does not exist"),
        "",
        "walpost init --apply or walpost publication create makes it; make it before the slot",
    )
}
