//! Every type of a column as key, header, member of an envelope and payload: not left to chance.

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

/// One case for each type and setting; their numbers go on from `first`.
pub fn batches(first: u64, in_a_batch: usize) -> Vec<Batch> {
    let of_setting = |given: &&[(&str, &str)]| {
        let mut setting: Setting =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        setting.insert("topic.prefix".into(), "app".into());
        setting.insert("extended.headers.enabled".into(), "false".into());
        TYPES.chunks(in_a_batch).map(move |types| (setting.clone(), types)).collect::<Vec<_>>()
    };
    let chunks = SETTINGS.iter().flat_map(of_setting).enumerate();
    chunks
        .map(|(number, (setting, types))| Batch {
            number: first + number as u64,
            setting,
            cases: types.iter().enumerate().map(|(at, of)| case(at, of)).collect(),
        })
        .collect()
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
