//! `walpost init`: the SQL that a database needs before its first event, printed or run.

use super::context::{Context, connect};
use super::sql::{self, Variables, render};
use super::tables::{self, columns_beyond_defaults, literal_tables};
use crate::config::{Config, Loaded, catalog};
use crate::error::{Exit, Failure};
use crate::postgres::publication::{self, TableName};
use crate::postgres::session::Session;
use postgres_protocol::escape::escape_identifier;
use serde::Serialize;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  walpost init --config connector.json > setup.sql        to read, change and run by hand
  walpost init --config connector.json | psql service=shop
  walpost init --config connector.json --apply            idempotent: says what existed already
  walpost init --config connector.json --apply --with-roles --app-role shop
";

/// Print the SQL that sets a database up for the connector, or run it with --apply
///
/// The outbox table with the columns that the configuration names, a publication of its inserts, and least-privilege
/// roles. The slot comes last, by walpost slot create or by the first walpost run.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Run it, on the database and as the role of the configuration; what exists already is left as it is
    #[arg(long)]
    apply: bool,
    /// The roles too
    #[arg(long)]
    with_roles: bool,
    /// An outbox table; can be repeated [default: the names in table.include.list, else public.outbox]
    #[arg(long = "table", value_name = "SCHEMA.TABLE")]
    tables: Vec<TableArg>,
    /// The role that writes events: it is granted INSERT
    #[arg(long, value_name = "ROLE", requires = "with_roles")]
    app_role: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct TableArg(pub(super) TableName);

impl std::str::FromStr for TableArg {
    type Err = String;

    fn from_str(text: &str) -> Result<TableArg, String> {
        match text.split_once('.') {
            Some((schema, table)) if !schema.is_empty() && !table.is_empty() => {
                Ok(TableArg(TableName { schema: schema.into(), table: table.into() }))
            }
            _ => Err(format!("{text:?} is not SCHEMA.TABLE")),
        }
    }
}

/// What a step of --apply did.
#[derive(Debug, Serialize)]
struct Step {
    object: String,
    result: Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Done {
    Created,
    Existed,
    Granted,
}

pub(super) fn run(args: &Args, context: &Context<'_>) -> Result<Exit, Failure> {
    let loaded = context.load()?;
    let tables = outbox_tables(args, include_list(&loaded))?;
    let config = context.quietly(loaded)?;
    if !args.apply {
        let script = script(args, &config, &tables);
        if context.console.is_json() {
            context.console.json("sql", &script);
        } else {
            context.console.print(script.trim_end());
        }
        return Ok(Exit::Ok);
    }
    let steps = context.wait(apply(args, context, &config, &tables))?;
    if context.console.is_json() {
        context.console.json_object(json!({ "steps": steps }));
    } else {
        for step in &steps {
            context.console.print(&match step.result {
                Done::Created => format!("created {}", step.object),
                Done::Existed => format!("{} exists already; left as it is", step.object),
                Done::Granted => format!("granted what is needed to {}", step.object),
            });
        }
        context.console.say("next: walpost slot create, or just walpost run");
    }
    Ok(Exit::Ok)
}

/// table.include.list as it was written.
fn include_list(loaded: &Loaded) -> &str {
    loaded.written(&catalog::postgres::TABLE_INCLUDE_LIST).unwrap_or_default().trim()
}

fn outbox_tables(args: &Args, include_list: &str) -> Result<Vec<TableName>, Failure> {
    if !args.tables.is_empty() {
        return Ok(args.tables.iter().map(|table| table.0.clone()).collect());
    }
    let named = literal_tables(include_list);
    if named.is_empty() && !include_list.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "which table is the outbox cannot be told from table.include.list",
            "it names none outright, only by pattern",
            "name it: --table SCHEMA.TABLE",
        ));
    }
    let default = TableName { schema: "public".into(), table: "outbox".into() };
    Ok(if named.is_empty() { vec![default] } else { named })
}

/// Everything as one script. Roles and slot are comments unless they are asked for.
fn script(args: &Args, config: &Config, tables: &[TableName]) -> String {
    let mut parts = vec![format!(
        "-- What database {:?} needs for connector {:?}. Read it, then run it with psql, or with walpost init --apply.\n",
        config.postgres.database, config.name
    )];
    for table in tables {
        parts.extend(table_sql(config, table, table.schema != "public"));
    }
    parts.push(publication_sql(config, tables));
    let roles = roles_sql(args, config, tables, &Missing::everything());
    parts.push(if args.with_roles {
        roles
    } else {
        commented(&format!("-- Roles; --with-roles makes this part of the script.\n{roles}"))
    });
    let slot = [("slot", config.source.slot.clone()), ("slot_missing", "true".to_owned())];
    parts.push(commented(&render(sql::SLOT, &Variables::from(slot))));
    parts.join("\n")
}

fn commented(sql: &str) -> String {
    let comment = |line: &str| if line.starts_with("--") { line.to_owned() } else { format!("-- {line}") };
    sql.lines().map(|line| comment(line).trim_end().to_owned() + "\n").collect()
}

/// The table, and each further column that the router is configured to read.
fn table_sql(config: &Config, table: &TableName, schema_missing: bool) -> Vec<String> {
    let route = &config.route;
    let name = [("schema", table.schema.clone()), ("table", table.table.clone())];
    let type_column = tables::type_column(route);
    let mut variables = Variables::from(name.clone());
    variables.extend([
        ("schema_missing", schema_missing.to_string()),
        ("id", route.id.clone()),
        ("key", route.key.clone()),
        ("route", route.route_by.clone()),
        ("type", type_column.clone().unwrap_or_default()),
        ("payload", route.payload.clone()),
        ("with_key", (route.key != route.id && route.key != route.route_by).to_string()),
        ("with_type", type_column.is_some().to_string()),
    ]);
    let mut parts = vec![render(sql::OUTBOX, &variables)];
    for (column, sql_type) in columns_beyond_defaults(route) {
        let mut variables = Variables::from(name.clone());
        variables.extend([("column", column), ("type", sql_type.to_owned())]);
        parts.push(render(sql::COLUMN, &variables));
    }
    parts
}

fn publication_sql(config: &Config, tables: &[TableName]) -> String {
    let variables = [
        ("publication", config.source.publication.clone()),
        ("publication_missing", "true".to_owned()),
        ("tables", quoted(tables)),
    ];
    render(sql::PUBLICATION, &Variables::from(variables))
}

/// What the catalogue says of the roles that roles.sql makes.
struct Missing {
    setup: bool,
    cdc: bool,
    monitor: bool,
    on_rds: bool,
}

impl Missing {
    fn everything() -> Missing {
        Missing { setup: true, cdc: true, monitor: true, on_rds: false }
    }
}

const SETUP_ROLE: &str = "walpost_setup";
const MONITOR_ROLE: &str = "walpost_monitor";

fn roles_sql(args: &Args, config: &Config, tables: &[TableName], missing: &Missing) -> String {
    let mut variables = Variables::from([
        ("setup_role", SETUP_ROLE.to_owned()),
        ("cdc_role", cdc_role(config)),
        ("monitor_role", MONITOR_ROLE.to_owned()),
        ("tables", quoted(tables)),
        ("database", config.postgres.database.clone()),
        ("setup_role_missing", missing.setup.to_string()),
        ("cdc_role_missing", missing.cdc.to_string()),
        ("monitor_role_missing", missing.monitor.to_string()),
        ("on_rds", missing.on_rds.to_string()),
    ]);
    if let Some(role) = &args.app_role {
        variables.insert("app_role", role.clone());
    }
    render(sql::ROLES, &variables)
}

/// The role that the connector logs in as; a superuser's name is not taken for it.
fn cdc_role(config: &Config) -> String {
    let user = &config.postgres.user;
    if user == "postgres" { "walpost".to_owned() } else { user.clone() }
}

pub(super) fn quoted(tables: &[TableName]) -> String {
    let quoted = |table: &TableName| {
        format!("{}.{}", escape_identifier(&table.schema), escape_identifier(&table.table))
    };
    tables.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

async fn apply(
    args: &Args,
    context: &Context<'_>,
    config: &Config,
    tables: &[TableName],
) -> Result<Vec<Step>, Failure> {
    let session = connect(config).await?;
    let mut steps = Vec::new();
    for table in tables {
        steps.push(apply_table(&session, config, table).await?);
    }
    steps.push(apply_publication(&session, context, config, tables).await?);
    if args.with_roles {
        steps.extend(apply_roles(&session, args, config, tables).await?);
    }
    Ok(steps)
}

async fn apply_table(session: &Session, config: &Config, table: &TableName) -> Result<Step, Failure> {
    let object = format!("table {table}");
    let during = format!("creating {object}");
    let failed = |error| Failure::from_postgres(&error, &during);
    let look = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1), EXISTS (SELECT FROM \
                pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND \
                c.relname = $2)";
    let row = session.query_one(look, &[&table.schema, &table.table]).await.map_err(failed)?;
    let (schema_exists, table_exists): (bool, bool) = (row.get(0), row.get(1));
    if table_exists {
        return Ok(Step { object, result: Done::Existed });
    }
    // One simple query is one transaction: a table is made with all its columns, or not at all.
    let statements = table_sql(config, table, !schema_exists).join("\n");
    session.execute(&statements).await.map_err(failed)?;
    Ok(Step { object, result: Done::Created })
}

async fn apply_publication(
    session: &Session,
    context: &Context<'_>,
    config: &Config,
    tables: &[TableName],
) -> Result<Step, Failure> {
    let name = &config.source.publication;
    let object = format!("publication {name}");
    let failed = |error| Failure::from_postgres(&error, "creating the publication");
    let Some(found) = publication::find(session, name).await.map_err(failed)? else {
        session.execute(&publication_sql(config, tables)).await.map_err(failed)?;
        return Ok(Step { object, result: Done::Created });
    };
    for finding in tables::publication_findings(&found, tables, config) {
        context.console.say(&format!("{}: {}\n  hint: {}", finding.name, finding.detail, finding.hint));
    }
    Ok(Step { object, result: Done::Existed })
}

async fn apply_roles(
    session: &Session,
    args: &Args,
    config: &Config,
    tables: &[TableName],
) -> Result<Vec<Step>, Failure> {
    let failed = |error| Failure::from_postgres(&error, "creating the roles");
    let rows = session.query("SELECT rolname::text FROM pg_catalog.pg_roles", &[]).await.map_err(failed)?;
    let known: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let has = |role: &str| known.iter().any(|known| known == role);
    let cdc = cdc_role(config);
    let missing = Missing {
        setup: !has(SETUP_ROLE),
        cdc: !has(&cdc),
        monitor: !has(MONITOR_ROLE),
        on_rds: has("rds_replication"),
    };
    session.execute(&roles_sql(args, config, tables, &missing)).await.map_err(failed)?;
    let step = |role: &str, missing: bool| Step {
        object: format!("role {role}"),
        result: if missing { Done::Created } else { Done::Granted },
    };
    let mut steps =
        vec![step(SETUP_ROLE, missing.setup), step(&cdc, missing.cdc), step(MONITOR_ROLE, missing.monitor)];
    steps.extend(args.app_role.as_deref().map(|role| step(role, false)));
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing;

    fn args() -> Args {
        Args { apply: false, with_roles: false, tables: Vec::new(), app_role: None }
    }

    fn printed(args: &Args, config: &Config) -> String {
        script(args, config, &outbox_tables(args, "public.outbox").unwrap())
    }

    /// The statements, without comments.
    fn statements(script: &str) -> String {
        script.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_script_makes_table_and_publication_and_neither_roles_nor_slot() {
        let script = printed(&args(), &testing::config());
        let statements = statements(&script);
        assert!(statements.contains("CREATE TABLE IF NOT EXISTS \"public\".\"outbox\""), "{script}");
        assert!(statements.contains("FOR TABLE \"public\".\"outbox\""), "{script}");
        assert!(statements.contains("publish = 'insert'"), "{script}");
        assert!(!statements.contains("ROLE") && !statements.contains("slot"), "{script}");
        assert!(script.contains("-- CREATE ROLE") && script.contains("walpost slot create"), "{script}");
    }

    #[test]
    fn columns_are_those_that_the_router_is_configured_to_read() {
        let config = testing::config_with(
            "transforms.outbox.table.field.event.key=aggregate\ntransforms.outbox.table.field.event.timestamp=at\ntransforms.outbox.table.fields.additional.placement=kind:header,shard:partition,type:header:t",
        );
        let statements = statements(&printed(&args(), &config));
        for part in [
            "\"aggregate\" varchar(255)",
            "COLUMN IF NOT EXISTS \"at\" timestamp",
            "EXISTS \"kind\" text",
            "\"shard\" integer",
        ] {
            assert!(statements.contains(part), "{part}\n{statements}");
        }
        assert!(!statements.contains("COLUMN IF NOT EXISTS \"type\""), "{statements}");
    }

    #[test]
    fn one_column_for_two_purposes_is_made_once() {
        let config = testing::config_with("transforms.outbox.table.field.event.key=id");
        let statements = statements(&printed(&args(), &config));
        assert_eq!(statements.matches("\"id\"").count(), 1, "{statements}");
    }

    #[test]
    fn roles_are_part_of_the_script_when_asked_for() {
        let args = Args { with_roles: true, app_role: Some("shop".into()), ..args() };
        let statements = statements(&printed(&args, &testing::config()));
        assert!(statements.contains("ALTER ROLE \"walpost\" REPLICATION"), "{statements}");
        assert!(statements.contains("GRANT INSERT ON \"public\".\"outbox\" TO \"shop\""), "{statements}");
    }

    #[test]
    fn a_table_that_only_a_regex_names_must_be_named() {
        let list = "app\\..*_outbox";
        assert_eq!(outbox_tables(&args(), list).unwrap_err().exit, Exit::Usage);
        let args = Args { tables: vec!["app.orders_outbox".parse().unwrap()], ..args() };
        let tables = outbox_tables(&args, list).unwrap();
        assert!(statements(&script(&args, &testing::config(), &tables)).contains("CREATE SCHEMA \"app\""));
    }

    #[test]
    fn the_include_list_is_read_as_it_was_written() {
        let loaded = testing::load("table.include.list=a.b, c\\\\.d");
        let tables = outbox_tables(&args(), include_list(&loaded)).unwrap();
        assert_eq!(quoted(&tables), "\"a\".\"b\", \"c\".\"d\"");
    }
}
