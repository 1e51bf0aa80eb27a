//! What the configuration says about the outbox tables, and what a publication should have for them.

use super::check::Check;
use crate::config::Config;
use crate::pipeline::tables::operations;
use crate::postgres::publication::{PublicationFacts, PublishedTable, Scope, TableName};
use crate::route::{self, Config as Router, Place};

/// The tables that an include list names outright: its items without anything of a regular expression but escaped or
/// bare dots.
pub(super) fn literal_tables(include_list: &str) -> Vec<TableName> {
    include_list.split(',').filter_map(|item| literal(item.trim())).collect()
}

fn literal(regex: &str) -> Option<TableName> {
    let (schema, table) = regex.split_once('.')?;
    let schema = schema.strip_suffix('\\').unwrap_or(schema);
    let plain =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    (plain(schema) && plain(table)).then(|| TableName { schema: schema.into(), table: table.into() })
}

/// The column for the kind of event: `type` by custom, unless another purpose has taken that name.
pub(super) fn type_column(router: &Router) -> Option<String> {
    let taken = [&router.id, &router.key, &router.route_by, &router.payload];
    (!taken.iter().any(|name| *name == "type")).then(|| "type".to_owned())
}

/// Columns that the router reads beyond those of the default outbox, with a type that suits.
pub(super) fn columns_beyond_defaults(router: &Router) -> Vec<(String, &'static str)> {
    let mut known =
        vec![router.id.clone(), router.key.clone(), router.route_by.clone(), router.payload.clone()];
    known.extend(type_column(router));
    let timestamp =
        router.timestamp.iter().map(|name| (name, "timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')"));
    let version = router.schema_version.iter().map(|name| (name, "integer"));
    let placed = router.placements.iter().map(|placement| match placement.place {
        Place::Partition => (&placement.column, "integer"),
        Place::Header | Place::Envelope | Place::Attribute => (&placement.column, "text"),
    });
    let attributes = router.attributes.iter().flatten().map(|(attribute, column)| match *attribute {
        "time" => (column, "timestamptz NOT NULL DEFAULT now()"),
        "type" => (column, "text NOT NULL"),
        _ => (column, "text"),
    });
    let mut columns = Vec::new();
    for (name, sql_type) in timestamp.chain(version).chain(attributes).chain(placed) {
        if !known.contains(name) {
            known.push(name.clone());
            columns.push((name.clone(), sql_type));
        }
    }
    columns
}

/// What is doubtful or wrong about a publication that should have `wanted`.
pub(super) fn publication_findings(
    found: &PublicationFacts,
    wanted: &[TableName],
    config: &Config,
) -> Vec<Check> {
    let mut findings = Vec::new();
    let name = &found.name;
    let quoted = postgres_protocol::escape::escape_identifier(name);
    let router = route::Router::new(config.route.clone());
    let is_told = |table: &&PublishedTable| {
        router.serves_table(&table.schema, &table.table) && !router.is_outbox(&table.schema, &table.table)
    };
    let told: Vec<String> = found
        .tables
        .iter()
        .filter(is_told)
        .map(|table| format!("{}.{}", table.schema, table.table))
        .collect();
    if !found.insert {
        findings.push(Check::fail(
            "publication.operations",
            format!("publication {name:?} does not publish inserts: no event would ever be sent"),
            format!("ALTER PUBLICATION {quoted} SET (publish = 'insert')"),
        ));
    } else if !told.is_empty() {
        let skipped = config.route.changes.as_ref().map(|changes| changes.skipped).unwrap_or_default();
        let lacks = (!found.update && !skipped.update) || (!found.delete && !skipped.delete);
        if lacks {
            findings.push(Check::warn(
                "publication.operations",
                format!(
                    "publication {name:?} does not publish all that happens to {}: its change events leave that out",
                    told.join(", ")
                ),
                format!(
                    "ALTER PUBLICATION {quoted} SET (publish = '{}')",
                    operations(config, &Scope::AllTables)
                ),
            ));
        }
    } else if found.update || found.delete || found.truncate {
        findings.push(Check::warn(
            "publication.operations",
            format!("publication {name:?} publishes more than inserts: the housekeeping of the outbox is sent for nothing"),
            format!("ALTER PUBLICATION {quoted} SET (publish = 'insert')"),
        ));
    }
    let has = |table: &TableName| {
        found.all_tables
            || found.tables.iter().any(|have| have.schema == table.schema && have.table == table.table)
    };
    for table in wanted.iter().filter(|table| !has(table)) {
        let table_sql = super::init::quoted(std::slice::from_ref(table));
        findings.push(Check::fail(
            "publication.tables",
            format!("publication {name:?} does not have table {table}: its events are never sent"),
            format!(
                "ALTER PUBLICATION {quoted} ADD TABLE {table_sql}. Rows that were written before that are not sent \
                 afterwards"
            ),
        ));
    }
    for table in &found.tables {
        let full = format!("{}.{}", table.schema, table.table);
        if let Some(filter) = &table.row_filter {
            findings.push(Check::warn(
                "publication.row_filter",
                format!("rows of {full} are sent only where {filter}"),
                "make sure that this is meant: rows that do not match are no events",
            ));
        }
        if let Some(columns) = &table.columns {
            let hidden = needed(&config.route).into_iter().filter(|needed| !columns.contains(needed));
            let hidden: Vec<String> = hidden.collect();
            let ours = router.is_outbox(&table.schema, &table.table)
                && wanted.iter().any(|wanted| wanted.to_string() == full);
            if ours && !hidden.is_empty() {
                findings.push(Check::fail(
                    "publication.columns",
                    format!(
                        "columns that the router needs are not published for {full}: {}",
                        hidden.join(", ")
                    ),
                    format!("ALTER PUBLICATION {quoted} SET TABLE … without a column list"),
                ));
            }
        }
        if table.kind == "p" && !found.via_root {
            findings.push(Check::fail(
                "publication.via_root",
                format!("{full} is partitioned, but its rows are sent under the names of its partitions"),
                format!("ALTER PUBLICATION {quoted} SET (publish_via_partition_root = true)"),
            ));
        }
    }
    findings
}

/// Every column that the router cannot do without.
pub(super) fn needed(router: &Router) -> Vec<String> {
    let mut needed =
        vec![router.id.clone(), router.key.clone(), router.payload.clone(), router.route_by.clone()];
    needed.extend(router.timestamp.clone());
    needed.extend(router.schema_version.clone());
    if !router.ignore_missing {
        needed.extend(router.placements.iter().map(|placement| placement.column.clone()));
    }
    needed.dedup();
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Finding;
    use crate::config::testing;

    fn name(schema: &str, table: &str) -> TableName {
        TableName { schema: schema.into(), table: table.into() }
    }

    fn published(kind: &str) -> PublicationFacts {
        let table = PublishedTable {
            schema: "public".into(),
            table: "outbox".into(),
            oid: 1,
            kind: kind.into(),
            replica_identity: "d".into(),
            columns: None,
            row_filter: None,
        };
        PublicationFacts {
            oid: 2,
            name: "walpost".into(),
            owner: "o".into(),
            all_tables: false,
            insert: true,
            update: false,
            delete: false,
            truncate: false,
            via_root: false,
            tables: vec![table],
        }
    }

    fn findings(facts: &PublicationFacts) -> Vec<(Finding, &'static str)> {
        let config = testing::config();
        let found = publication_findings(facts, &[name("public", "outbox")], &config);
        found.iter().map(|check| (check.finding, check.name)).collect()
    }

    #[test]
    fn names_are_read_from_an_include_list_and_patterns_are_not() {
        for (item, table) in [
            ("public.outbox", Some(name("public", "outbox"))),
            ("app\\.order_outbox", Some(name("app", "order_outbox"))),
            ("app\\..*", None),
            ("(a|b).outbox", None),
            ("outbox", None),
        ] {
            assert_eq!(literal(item), table, "{item}");
        }
        assert_eq!(literal_tables("a.b, c.d,e.*"), [name("a", "b"), name("c", "d")]);
    }

    #[test]
    fn a_publication_as_it_should_be_gives_no_cause_for_words() {
        assert_eq!(findings(&published("r")), []);
    }

    #[test]
    fn what_a_publication_lacks_is_found() {
        let no_inserts = PublicationFacts { insert: false, ..published("r") };
        assert_eq!(findings(&no_inserts), [(Finding::Fail, "publication.operations")]);
        let more = PublicationFacts { delete: true, ..published("r") };
        assert_eq!(findings(&more), [(Finding::Warn, "publication.operations")]);
        let empty = PublicationFacts { tables: Vec::new(), ..published("r") };
        assert_eq!(findings(&empty), [(Finding::Fail, "publication.tables")]);
        let everything = PublicationFacts { all_tables: true, tables: Vec::new(), ..published("r") };
        assert_eq!(findings(&everything), []);
        assert_eq!(findings(&published("p")), [(Finding::Fail, "publication.via_root")]);
    }

    #[test]
    fn hidden_columns_and_row_filters_are_found() {
        let mut facts = published("r");
        facts.tables[0].columns = Some(vec!["id".into(), "aggregateid".into(), "aggregatetype".into()]);
        facts.tables[0].row_filter = Some("(type = 'x')".into());
        assert_eq!(
            findings(&facts),
            [(Finding::Warn, "publication.row_filter"), (Finding::Fail, "publication.columns")]
        );
    }
}
