//! The row of a letter, put together again: from its headers, its value, and where it was cut, from the outbox.
//!
//! Enters: a letter with what its record holds, and its table as it is now. Leaves: the row's cells by column, each the
//! text that the stream brought; or why it cannot be had.

use super::outbox::{Found, Look, Outbox, Row};
use super::rebuild::Refusal;
use crate::error::Failure;
use crate::publish::letters::{Letter, Payload};
use crate::route::Config as Router;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// What a letter's record holds beside what is in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// The header `outbox.dlt.row`, where it was not cut.
    pub row: Option<Vec<u8>>,
    /// The prefix of the logical decoding message whose content the value is, where it is one.
    pub prefix: Option<String>,
}

impl Stored {
    /// Of the parts of a record.
    pub fn of<'h>(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Stored {
        let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        let mut stored = Stored { key, value, ..Stored::default() };
        for (name, value) in headers {
            match (name, value) {
                (ROW, Some(row)) => stored.row = Some(row.to_vec()),
                (PREFIX, Some(prefix)) => stored.prefix = Some(String::from_utf8_lossy(prefix).into_owned()),
                _ => {}
            }
        }
        stored
    }
}

/// The header with the row's other columns.
const ROW: &str = "outbox.dlt.row";
/// The header that only letters of messages have.
const PREFIX: &str = "outbox.dlt.message.prefix";

/// OID of bytea.
const BYTEA: u32 = 17;

/// The row's cells, of the columns that the table has now.
pub fn assemble(
    letter: &Letter,
    stored: &Stored,
    look: &Look,
    router: &Router,
    outbox: &mut impl Outbox,
) -> Result<Result<Row, Refusal>, Failure> {
    let mut row = match stored.row.as_deref().map(kept) {
        None => Row::new(),
        Some(Some(row)) => row,
        Some(None) => {
            return Ok(Err(Refusal::broken("the header outbox.dlt.row is no JSON object of texts")));
        }
    };
    let payload = look.table.columns.iter().find(|column| column.name == router.payload);
    // A configuration that names another column than then finds it in the row.
    if let (Some(column), false) = (payload, row.contains_key(&router.payload)) {
        match letter.payload {
            Payload::Null => drop(row.insert(column.name.clone(), None)),
            Payload::Value => {
                let text = stored.value.as_ref().map(|value| match column.type_facts.oid {
                    BYTEA => hex(value),
                    _ => value.clone(),
                });
                row.insert(column.name.clone(), text);
            }
            Payload::Row | Payload::Claim => {}
        }
    }
    let has = |name: &&str| look.table.columns.iter().any(|column| column.name == **name);
    let lacking: Vec<&str> = router.columns().filter(has).filter(|name| !row.contains_key(*name)).collect();
    if lacking.is_empty() {
        return Ok(Ok(row));
    }
    let found = match (&letter.event_id, has(&router.id.as_str())) {
        (Some(id), true) => outbox.row(look, (&router.id, id), &lacking)?,
        _ => Found::Gone,
    };
    Ok(match found {
        Found::One(rest) => match is_changed(letter, rest.get(&router.payload), payload) {
            true => Err(Refusal::changed(letter)),
            false => {
                row.extend(rest);
                Ok(row)
            }
        },
        Found::Several if letter.payload == Payload::Claim => Err(Refusal::several(letter)),
        Found::Gone if letter.payload == Payload::Claim => Err(Refusal::gone(letter)),
        // The columns were not there when the row was written.
        Found::Gone | Found::Several => Ok(row),
    })
}

/// The payload of a cut letter is as long as it was.
fn is_changed(
    letter: &Letter,
    payload: Option<&Option<Vec<u8>>>,
    column: Option<&crate::postgres::catalog::CatalogColumn>,
) -> bool {
    let (Some(before), Some(now), Some(column)) = (letter.payload_bytes, payload, column) else {
        return false;
    };
    let length = now.as_ref().map_or(0, |text| match column.type_facts.oid {
        BYTEA => text.len().saturating_sub(2) / 2,
        _ => text.len(),
    });
    letter.payload == Payload::Claim && length as u64 != before
}

fn kept(header: &[u8]) -> Option<Row> {
    let object: Map<String, Value> = serde_json::from_slice(header).ok()?;
    let cell = |(name, value)| match value {
        Value::Null => Some((name, None)),
        Value::String(text) => Some((name, Some(text.into_bytes()))),
        _ => None,
    };
    object.into_iter().map(cell).collect()
}

/// As Postgres writes bytes.
fn hex(bytes: &[u8]) -> Vec<u8> {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.into_bytes()
}
