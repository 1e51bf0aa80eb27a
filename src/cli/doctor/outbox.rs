//! The outbox tables, judged by what the router and the converters are configured to do with them. Pure.

use crate::cli::check::Check;
use crate::cli::tables::needed;
use crate::config::Config;
use crate::decode::value::{Kind, kind_of};
use crate::encode::Converter;
use crate::pipeline::tables::facts;
use crate::postgres::catalog::CatalogTable;
use crate::route::Place;

/// A column as it will be read.
struct Column {
    name: String,
    kind: Kind,
}

pub(super) fn checks(table: &CatalogTable, config: &Config) -> Vec<Check> {
    let full = format!("{}.{}", table.schema, table.table);
    let columns: Vec<Column> = facts(&table.columns)
        .columns
        .into_iter()
        .filter(|column| config.route.tables.columns.has(&table.schema, &table.table, &column.name))
        .map(|column| Column { name: column.name, kind: kind_of(&column.type_facts, &config.route.types) })
        .collect();
    let missing: Vec<String> = needed(&config.route)
        .into_iter()
        .filter(|needed| !columns.iter().any(|column| column.name == *needed))
        .collect();
    let mut checks = Vec::new();
    if missing.is_empty() {
        checks.push(Check::ok("outbox.columns", format!("{full} has every column that the router reads")));
    } else {
        checks.push(Check::fail(
            "outbox.columns",
            format!("{full} lacks {}: every row of it would be rejected", missing.join(", ")),
            format!(
                "ALTER TABLE {full} ADD COLUMN …, or name its columns with transforms.*.table.field.event.*"
            ),
        ));
    }
    let types = wrong_types(&columns, config);
    if types.is_empty() {
        checks.push(Check::ok("outbox.types", format!("{full}: the types suit router and converters")));
    }
    checks.extend(
        types.into_iter().map(|(what, how)| Check::fail("outbox.types", format!("{full}: {what}"), how)),
    );
    checks
}

/// What is wrong with types, and what to do.
fn wrong_types(columns: &[Column], config: &Config) -> Vec<(String, String)> {
    let route = &config.route;
    let find = |name: &str| columns.iter().find(|column| column.name == name);
    let mut wrong = Vec::new();
    let mut expect = |name: &str, fits: &dyn Fn(&Kind) -> bool, purpose: &str, instead: &str| {
        if let Some(column) = find(name).filter(|column| !fits(&column.kind)) {
            let what = format!("column {name} is {}, and cannot be {purpose}", column.kind.type_name());
            wrong.push((what, format!("make it {instead}, or name another column")));
        }
    };
    expect(&route.route_by, &Kind::is_string, "what the topic is made from", "text");
    let is_timestamp =
        |kind: &Kind| matches!(kind, Kind::Timestamp | Kind::MicroTimestamp | Kind::NanoTimestamp);
    if let Some(name) = &route.timestamp {
        expect(name, &is_timestamp, "the record's timestamp", "timestamp (without time zone)");
    }
    let is_integer = |kind: &Kind| *kind == Kind::Int32;
    if let Some(name) = &route.schema_version {
        expect(name, &is_integer, "the schema's version", "integer");
    }
    for placement in route.placements.iter().filter(|placement| placement.place == Place::Partition) {
        expect(&placement.column, &is_integer, "the partition", "integer");
    }
    let is_bytes = |kind: &Kind| *kind == Kind::Bytes;
    if unsuited(&config.encode.key) {
        expect(&route.key, &is_bytes, "a key for the configured key.converter", "bytea");
    }
    if unsuited(&config.encode.value) && !has_envelope(config) {
        expect(&route.payload, &is_bytes, "a value for the configured value.converter", "bytea");
    }
    wrong
}

/// Converters that refuse whatever is not bytes.
fn unsuited(converter: &Converter) -> bool {
    matches!(converter, Converter::Bytes | Converter::Binary { delegate: None })
}

fn has_envelope(config: &Config) -> bool {
    config.route.placements.iter().any(|placement| placement.place == Place::Envelope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Finding;
    use crate::config::testing;
    use crate::postgres::catalog::{CatalogColumn, CatalogType};

    fn table(columns: &[(&str, u32)]) -> CatalogTable {
        let column = |(name, oid): &(&str, u32)| CatalogColumn {
            name: (*name).into(),
            type_facts: CatalogType { oid: *oid, type_modifier: -1, ..CatalogType::default() },
            ..CatalogColumn::default()
        };
        CatalogTable {
            schema: "public".into(),
            table: "outbox".into(),
            kind: "r".into(),
            columns: columns.iter().map(column).collect(),
        }
    }

    const UUID: u32 = 2950;
    const VARCHAR: u32 = 1043;
    const JSONB: u32 = 3802;
    const INT8: u32 = 20;
    const TIMESTAMPTZ: u32 = 1184;

    const DEFAULT: [(&str, u32); 4] =
        [("id", UUID), ("aggregatetype", VARCHAR), ("aggregateid", VARCHAR), ("payload", JSONB)];

    fn wrong(columns: &[(&str, u32)], properties: &str) -> Vec<String> {
        let checks = checks(&table(columns), &testing::config_with(properties));
        checks.into_iter().filter(|check| check.finding != Finding::Ok).map(|check| check.detail).collect()
    }

    #[test]
    fn the_default_outbox_suits_the_default_router() {
        assert_eq!(wrong(&DEFAULT, ""), Vec::<String>::new());
    }

    #[test]
    fn missing_columns_are_named() {
        let wrong = wrong(&DEFAULT, "transforms.outbox.table.fields.additional.placement=kind:header");
        assert!(wrong.len() == 1 && wrong[0].contains("lacks kind"), "{wrong:?}");
    }

    #[test]
    fn types_that_the_router_refuses_are_named() {
        let mut columns = DEFAULT.to_vec();
        columns[1].1 = INT8;
        columns.extend([("at", TIMESTAMPTZ), ("shard", INT8)]);
        let wrong = wrong(
            &columns,
            "transforms.outbox.table.field.event.timestamp=at\n\
             transforms.outbox.table.fields.additional.placement=shard:partition",
        );
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        for (wrong, column) in wrong.iter().zip(["aggregatetype", "at", "shard"]) {
            assert!(wrong.contains(&format!("column {column} is")), "{wrong}");
        }
    }

    #[test]
    fn a_converter_for_bytes_needs_bytes() {
        let wrong = wrong(&DEFAULT, "value.converter=org.apache.kafka.connect.converters.ByteArrayConverter");
        assert!(
            wrong.len() == 1 && wrong[0].contains("column payload is io.debezium.data.Json"),
            "{wrong:?}"
        );
    }
}
