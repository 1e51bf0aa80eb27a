//! What becomes of each property, printed; and our file, written.

use crate::cli::console::{Console, Tone};
use crate::config::foreign::{Migrated, Verdict, as_properties};
use crate::error::{Exit, Failure};
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// In this order: what needs attention first.
const ORDER: &[(&str, Tone)] = &[
    ("refused", Tone::Bad),
    ("changed", Tone::Doubtful),
    ("ignored", Tone::Doubtful),
    ("noted", Tone::Doubtful),
    ("honoured", Tone::Good),
];

/// Prints every property and what becomes of it.
pub(super) fn print(console: &Console, migrated: &Migrated) {
    let mut rows = Vec::new();
    for (becomes, tone) in ORDER {
        for verdict in migrated.verdicts.iter().filter(|verdict| verdict.becomes == *becomes) {
            let value = verdict.value.clone().unwrap_or_else(|| "(not written)".to_owned());
            rows.push(vec![console.toned(*tone, becomes), verdict.key.clone(), value, verdict.note.clone()]);
        }
    }
    console.table(&["becomes", "property", "value", "why"], rows);
    let counts: Vec<String> =
        ORDER.iter().map(|(becomes, _)| format!("{} {becomes}", count(migrated, becomes))).collect();
    console.print(&counts.join(", "));
}

/// The same for programs.
pub(super) fn json(migrated: &Migrated) -> Value {
    let counts: Map<String, Value> =
        ORDER.iter().map(|(becomes, _)| ((*becomes).to_owned(), json!(count(migrated, becomes)))).collect();
    let properties: Vec<Value> = migrated.verdicts.iter().map(of).collect();
    json!({ "counts": counts, "properties": properties, "server": migrated.old.is_server })
}

fn of(verdict: &Verdict) -> Value {
    let Verdict { key, value, origin, becomes, note } = verdict;
    json!({ "key": key, "value": value, "origin": origin, "becomes": becomes, "why": note })
}

fn count(migrated: &Migrated, becomes: &str) -> usize {
    migrated.verdicts.iter().filter(|verdict| verdict.becomes == becomes).count()
}

/// Refuses when a property is refused.
pub(super) fn require_movable(migrated: &Migrated) -> Result<(), Failure> {
    let Err(problems) = &migrated.outcome else { return Ok(()) };
    let what = match problems.0.len() {
        1 => "the connector cannot be moved as it is: a property is refused or missing".to_owned(),
        count => format!("the connector cannot be moved as it is: {count} properties are refused or missing"),
    };
    Err(Failure::new(
        Exit::Usage,
        what,
        "",
        "each refused line says what to write instead: in a copy of the file, or with --set KEY=VALUE (an empty value takes a \
         property out). What the worker's file has is read with --worker",
    ))
}

/// Writes our file, for its owner's eyes: it may hold a password. One that exists is left alone.
pub(super) fn write(path: &Path, from: &str, migrated: &Migrated) -> Result<(), Failure> {
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let text = if is_json {
        let members: Map<String, Value> =
            migrated.file.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect();
        serde_json::to_string_pretty(&members).unwrap_or_default() + "\n"
    } else {
        as_properties(&format!("Written by walpost migrate from {from}."), &migrated.file)
    };
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        let hint = "a file that exists is left alone: remove it, or name another";
        Failure::new(Exit::Failure, format!("writing {}: {error}", path.display()), "", hint)
    })
}
