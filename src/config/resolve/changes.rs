//! Change events of tables that are no outbox.

use super::connector::check_topic;
use super::report::Report;
use super::values::View;
use crate::config::catalog::{connector as declared, postgres};
use crate::config::raw::Entry;
use crate::route::{ChangeRule, Operations, java_regex};
use fancy_regex::Regex;

/// What change events are made of.
pub(super) fn changes(view: View<'_>, report: &mut Report) -> ChangeRule {
    let skipped = view.list(&declared::SKIPPED_OPERATIONS);
    let is_skipped = |word: &str| skipped.contains(&word);
    ChangeRule {
        database: view.text(&postgres::DBNAME).to_owned(),
        tombstones: view.flag(&declared::TOMBSTONES_ON_DELETE),
        skipped: Operations {
            create: is_skipped("c"),
            update: is_skipped("u"),
            delete: is_skipped("d"),
            truncate: is_skipped("t"),
        },
        only_changed: view.flag(&declared::SKIP_UNCHANGED),
        keys: view.entry(&declared::MESSAGE_KEY_COLUMNS).map(|entry| keys(entry, report)).unwrap_or_default(),
        messages: None,
        placeholder: view.text(&declared::UNAVAILABLE_VALUE_PLACEHOLDER).to_owned(),
        transactions: view.flag(&declared::PROVIDE_TRANSACTIONS).then(|| transactions(view, report).into()),
    }
}

fn transactions(view: View<'_>, report: &mut Report) -> String {
    let name = view.text(&declared::TOPIC_TRANSACTION);
    let topic = format!("{}.{name}", view.text(&declared::TOPIC_PREFIX));
    if let Some(entry) = view.entry(&declared::TOPIC_TRANSACTION) {
        check_topic(entry, &topic, report);
    }
    topic
}

/// `table:column,column` between semicolons, as one regex for each column.
fn keys(entry: &Entry, report: &mut Report) -> Vec<Regex> {
    let mut keys = Vec::new();
    for item in entry.value.split(';').filter(|item| !item.trim().is_empty()) {
        let columns = item.split_once(':').filter(|(table, columns)| {
            !table.trim().is_empty()
                && columns.split(',').all(|it| !it.trim().is_empty() && !it.contains(':'))
        });
        let Some((table, columns)) = columns else {
            report.wrong(
                entry,
                "an item is not table:column,column",
                "write schema.table:column, more columns after commas, more tables after semicolons",
            );
            continue;
        };
        for column in columns.split(',') {
            match java_regex(&format!("{}.{}", table.trim(), column.trim()), true) {
                Ok(regex) => keys.push(regex),
                Err(error) => {
                    let what = format!("it is not a Java regular expression: {error}");
                    report.wrong(entry, what, "write one that Java's Pattern takes");
                }
            }
        }
    }
    keys
}
