//! Every type of a column as key, header, member of an envelope and payload, and every text of it as a default: not left to
//! chance.

use super::case::{Case, Column, Row, Setting, literal};
use super::columns::{TYPES, Type};
use super::debezium::Batch;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";

/// The settings under which all types are looked at.
const SETTINGS: &[&[(&str, &str)]] = &[
    &[("key.converter", JSON), ("value.converter", JSON)],
    &[
        ("key.converter", STRING),
        ("value.converter", JSON),
        ("value.converter.schemas.enable", "false"),
        ("header.converter", JSON),
        ("time.precision.mode", "isostring"),
        ("decimal.handling.mode", "string"),
        ("binary.handling.mode", "base64"),
        ("interval.handling.mode", "string"),
        ("hstore.handling.mode", "map"),
    ],
];

/// The settings under which all defaults are, after the first two of those of which Debezium reads any in another way.
const OF_DEFAULTS: &[&[(&str, &str)]] = &[
    &[("value.converter", JSON)],
    &[
        ("value.converter", JSON),
        ("time.precision.mode", "isostring"),
        ("decimal.handling.mode", "string"),
        ("binary.handling.mode", "hex"),
        ("interval.handling.mode", "string"),
    ],
    &[("value.converter", JSON), ("time.precision.mode", "connect"), ("decimal.handling.mode", "double")],
    &[("value.converter", JSON), ("time.precision.mode", "nanoseconds")],
    &[("value.converter", JSON), ("time.precision.mode", "microseconds")],
];

/// One case for each type and setting, and one for its defaults; their numbers go on from `first`.
pub fn batches(first: u64, in_a_batch: usize) -> Vec<Batch> {
    let has_modes = |of: &&Type| ["date", "time", "numeric"].iter().any(|name| of.sql.starts_with(name));
    let all: Vec<&'static Type> = TYPES.iter().collect();
    let some: Vec<&'static Type> = TYPES.iter().filter(has_modes).collect();
    let settings = SETTINGS.iter().map(|given| (given, &all, case as fn(_, _) -> _));
    let of_defaults = OF_DEFAULTS.iter().enumerate();
    let of_defaults =
        of_defaults.map(|(at, given)| (given, if at < 2 { &all } else { &some }, defaults as _));
    let mut batches: Vec<Batch> = Vec::new();
    for (given, types, make) in settings.chain(of_defaults) {
        let mut setting: Setting =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        setting.insert("topic.prefix".into(), "app".into());
        setting.insert("extended.headers.enabled".into(), "false".into());
        for types in types.chunks(in_a_batch) {
            batches.push(Batch {
                number: first + batches.len() as u64,
                setting: setting.clone(),
                cases: types.iter().copied().enumerate().map(|(at, of)| make(at, of)).collect(),
            });
        }
    }
    batches
}

/// A column with each of its texts as a default, and a row of nothing but NULL.
fn defaults(number: usize, of: &'static Type) -> Case {
    let column = |name: &str, sql, default| Column { name: name.to_owned(), sql, default, not_null: false };
    let with_default = of.texts.iter().enumerate().map(|(at, text)| {
        let name = format!("x{at}");
        column(&name, of.sql, Some(literal(text)))
    });
    let mut columns = vec![column("id", "text", None), column("aggregatetype", "text", None)];
    columns.extend(with_default);
    let row = ["'event'", "'User'"].into_iter().chain(of.texts.iter().map(|_| "null"));
    let placed: Vec<String> = columns[2..].iter().map(|column| format!("{}:envelope", column.name)).collect();
    let router = [
        ("table.field.event.key", "id".to_owned()),
        ("table.field.event.payload", "id".to_owned()),
        ("table.fields.additional.placement", placed.join(",")),
    ];
    Case {
        table: format!("t{number}"),
        columns,
        full_identity: false,
        rows: vec![Row::Insert(row.map(str::to_owned).collect())],
        router: router.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        excluded: None,
    }
}

/// Each of its texts in a row, and NULL in the last one.
fn case(number: usize, of: &'static Type) -> Case {
    let column = |name: &str, sql| Column { name: name.to_owned(), sql, default: None, not_null: false };
    let values = of.texts.iter().map(|text| literal(text)).chain(["null".to_owned()]);
    let row = |(at, value)| Row::Insert(vec![literal(&format!("event {at}")), literal("User"), value]);
    let router = [
        ("table.field.event.key", "x"),
        ("table.field.event.payload", "x"),
        ("table.fields.additional.placement", "x:header:h,x:envelope:e"),
    ];
    Case {
        table: format!("t{number}"),
        columns: vec![column("id", "text"), column("aggregatetype", "text"), column("x", of.sql)],
        full_identity: false,
        rows: values.enumerate().map(row).collect(),
        router: router.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        excluded: None,
    }
}
