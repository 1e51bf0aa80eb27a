//! A row of an outbox table read as an event: route, topic, partition, timestamp, version, tombstone.
//!
//! Enters: the plan of its table and the row. Leaves: an [`Event`] that borrows both, or why there can be none. As in
//! Debezium, route, partition, timestamp and version are what the row says; id, key, payload and placed columns are
//! their DEFAULT where the row says NULL.

use super::plan::{Field, Plan, Refusal, describe};
use super::topics::Topics;
use super::{Config, Event};
use crate::decode::value::{self, Kind, Value};
use crate::decode::{Cell, Tuple};
use crate::rejection::Reason;
use std::borrow::Cow;

/// Reads a row. `text` holds the route value where it is not a cell's text as it stands.
pub(super) fn event<'s>(
    config: &Config,
    plan: &'s Plan,
    topics: &'s mut Topics,
    text: &'s mut String,
    row: Tuple<'s>,
) -> Result<Event<'s>, Refusal> {
    let route = route(plan, row, text)?;
    let topic = topics.of(&config.topic, route).map_err(|problem| {
        let from = format!("column {}", plan.route_by.name);
        let name = problem.name.filter(|_| plan.route_by.name != plan.payload.name);
        let name = name.map(|name| format!(" {:?}", shortened(&name))).unwrap_or_default();
        Refusal {
            reason: Reason::TopicIllegal,
            detail: format!("{from} gives no topic Kafka accepts{name}: {}", problem.why),
            hint: "write other values there, or have route.topic.regex and route.topic.replacement make a legal name \
                   of them"
                .to_owned(),
        }
    })?;
    Ok(Event {
        plan,
        row,
        route,
        topic,
        partition: plan.partition.as_ref().map_or(Ok(None), |field| partition(field, row))?,
        timestamp_ms: plan.timestamp.as_ref().map_or(Ok(None), |field| timestamp(field, row))?,
        schema_version: plan.schema_version.as_ref().map_or(Ok(None), |field| version(field, row))?,
        old: None,
        committed_ms: None,
        tombstone: config.tombstone_on_empty && is_empty(&plan.payload, row),
    })
}

/// The event id as text, for those who look for the row.
pub(super) fn event_id(id: &Field, row: Tuple<'_>) -> Option<String> {
    match row.get(id.index)? {
        Cell::Text(text) => Some(shortened(&String::from_utf8_lossy(text))),
        Cell::Null => match id.default.as_ref()? {
            Value::Text(text) => Some(shortened(text)),
            Value::Integer(number) => Some(number.to_string()),
            _ => None,
        },
        Cell::Unchanged | Cell::Binary(_) => None,
    }
}

fn route<'s>(plan: &Plan, row: Tuple<'s>, text: &'s mut String) -> Result<&'s str, Refusal> {
    let field = &plan.route_by;
    let bytes = cell(field, row, Reason::TopicIllegal)?.ok_or_else(|| Refusal {
        reason: Reason::TopicIllegal,
        detail: format!("column {} is NULL, and names no topic", field.name),
        hint: "declare the column NOT NULL; a DEFAULT does not help where NULL is written".to_owned(),
    })?;
    match value::parse(&field.kind, bytes).map_err(|error| unreadable(field, &error, Reason::TopicIllegal))? {
        Value::Text(Cow::Borrowed(route)) => Ok(route),
        Value::Text(Cow::Owned(route)) => {
            *text = route;
            Ok(text)
        }
        _ => Err(Refusal {
            reason: Reason::TopicIllegal,
            detail: format!("column {} is {}, not a STRING", field.name, describe(&field.kind)),
            hint: "route by a column of type varchar, text, uuid or an enum".to_owned(),
        }),
    }
}

fn partition(field: &Field, row: Tuple<'_>) -> Result<Option<i32>, Refusal> {
    let partition = integer(field, row, Reason::PartitionIllegal)?;
    if let Some(negative) = partition.filter(|&partition| partition < 0) {
        return Err(Refusal {
            reason: Reason::PartitionIllegal,
            detail: format!("column {} names partition {negative}", field.name),
            hint: "write a partition's number, from 0, or NULL to leave the choice to the key".to_owned(),
        });
    }
    Ok(partition)
}

fn version(field: &Field, row: Tuple<'_>) -> Result<Option<i32>, Refusal> {
    integer(field, row, Reason::PayloadNotEncodable)
}

fn integer(field: &Field, row: Tuple<'_>, reason: Reason) -> Result<Option<i32>, Refusal> {
    let Some(bytes) = cell(field, row, reason)? else { return Ok(None) };
    match value::parse(&field.kind, bytes).map_err(|error| unreadable(field, &error, reason))? {
        Value::Integer(number) => Ok(i32::try_from(number).ok()),
        _ => Ok(None),
    }
}

fn timestamp(field: &Field, row: Tuple<'_>) -> Result<Option<i64>, Refusal> {
    const REASON: Reason = Reason::TimestampIllegal;
    let Some(bytes) = cell(field, row, REASON)? else { return Ok(None) };
    match field.kind {
        Kind::Timestamp | Kind::MicroTimestamp | Kind::NanoTimestamp | Kind::ZonedTimestamp { .. } => {}
        _ => return Err(field.no_timestamp()),
    }
    // Debezium has no value for a time that has no nanoseconds in 64 bits.
    if field.kind == Kind::NanoTimestamp && value::parse(&field.kind, bytes) == Ok(Value::Null) {
        return Ok(None);
    }
    match value::epoch_ms(&field.kind, bytes).map_err(|error| unreadable(field, &error, REASON))? {
        // Kafka's word for "none": the producer takes its own clock.
        -1 => Ok(None),
        ms if ms >= 0 => Ok(Some(ms)),
        ms => Err(Refusal {
            reason: REASON,
            detail: format!("column {} gives {ms} ms, before 1970", field.name),
            hint: "Kafka has no such timestamps: write a later one, or NULL for the time of publishing"
                .to_owned(),
        }),
    }
}

/// Debezium's emptiness: nothing, or text of nothing but blanks (Java's `trim`: up to U+0020). Bytes, numbers and
/// JSON's own null are something.
fn is_empty(field: &Field, row: Tuple<'_>) -> bool {
    let blank = |text: &[u8]| text.iter().all(|&byte| byte <= b' ');
    let default_is_empty = || match &field.default {
        None | Some(Value::Null) => true,
        Some(Value::Text(text)) => blank(text.as_bytes()),
        Some(_) => false,
    };
    match row.get(field.index) {
        None | Some(Cell::Null) => default_is_empty(),
        // Whatever the notation, no byte is no letter.
        Some(Cell::Text(text)) if matches!(field.kind, Kind::BytesText(_)) => text == b"\\x",
        Some(Cell::Text(text)) if field.kind.is_string() => blank(text),
        // A numeric may be NaN, and a time too far for nanoseconds: neither has a value in Connect.
        Some(Cell::Text(text)) if field.strict || may_be_nothing(&field.kind) => {
            field.read(text) == Ok(Value::Null) && default_is_empty()
        }
        Some(_) => false,
    }
}

/// Some cells of this kind have no value, whatever is in them.
fn may_be_nothing(kind: &Kind) -> bool {
    matches!(kind, Kind::Decimal { .. } | Kind::VariableScaleDecimal | Kind::NanoTimestamp)
}

/// A cell's text; `None` is NULL.
fn cell<'s>(field: &Field, row: Tuple<'s>, reason: Reason) -> Result<Option<&'s [u8]>, Refusal> {
    match row.get(field.index) {
        Some(Cell::Text(text)) => Ok(Some(text)),
        None | Some(Cell::Null) => Ok(None),
        Some(Cell::Unchanged | Cell::Binary(_)) => Err(Refusal {
            reason,
            detail: format!("the value of column {} is not in the stream as text", field.name),
            hint: "this should not happen: please report it with the table's definition".to_owned(),
        }),
    }
}

fn unreadable(field: &Field, error: &value::ValueError, reason: Reason) -> Refusal {
    Refusal {
        reason,
        detail: format!("column {} cannot be read: {error}", field.name),
        hint: "if Postgres shows a proper value, please report it with the column's type".to_owned(),
    }
}

/// At most a line of it.
fn shortened(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
