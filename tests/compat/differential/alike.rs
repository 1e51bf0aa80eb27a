//! Records that are not equal and yet the same: each function changes ours where it differs from theirs in one way, and leaves
//! it alone where it differs in another.

use super::debezium::topic_of;
use super::judge::Met;
use super::rows::texts;
use crate::ours;
use crate::support::Record;
use serde_json::Value;

/// Gives the schema of our envelope the name that theirs has, where that differs in its route alone.
pub fn rename(met: &Met<'_>, theirs: &Record, ours: &mut ours::Record) {
    let (Some((_, their_name)), Some((text, our_name))) = (envelope(&theirs.value), envelope(&ours.value))
    else {
        return;
    };
    let table = topic_of(&met.done.case.table);
    let before = format!("{}.public.{table}.", met.done.setting["topic.prefix"]);
    let is_routed = |name: &str| name.starts_with(&before) && name.ends_with(".Value");
    if is_routed(&their_name) && is_routed(&our_name) {
        ours.value = Some(text.replace(&json_text(&our_name), &json_text(&their_name)).into_bytes());
    }
}

/// Gives a payload that is NULL the schema that theirs has.
pub fn nulls(met: &Met<'_>, theirs: &Record, ours: &mut ours::Record) {
    rename(met, theirs, ours);
    let json = |value: &Option<Vec<u8>>| serde_json::from_slice::<Value>(value.as_deref()?).ok();
    let (Some(their_value), Some(mut value)) = (json(&theirs.value), json(&ours.value)) else { return };
    let place = |value: &Value| {
        let fields = value["schema"]["fields"].as_array()?;
        fields.iter().position(|field| field["field"] == "payload")
    };
    let (Some(from), Some(to)) = (place(&their_value), place(&value)) else { return };
    if value["payload"]["payload"].is_null() {
        value["schema"]["fields"][to] = their_value["schema"]["fields"][from].clone();
    }
    if value == their_value {
        ours.value.clone_from(&theirs.value);
    }
}

/// A value with its schema, and that one's name.
fn envelope(value: &Option<Vec<u8>>) -> Option<(String, String)> {
    let text = std::str::from_utf8(value.as_deref()?).ok()?;
    let value: Value = serde_json::from_str(text).ok()?;
    Some((text.to_owned(), value["schema"]["name"].as_str()?.to_owned()))
}

fn json_text(text: &str) -> String {
    Value::from(text).to_string()
}

/// Each part of theirs that has bytes, and the same of ours.
fn parts<'r>(
    theirs: &'r Record,
    ours: &'r mut ours::Record,
) -> impl Iterator<Item = (&'r Option<Vec<u8>>, &'r mut Option<Vec<u8>>)> {
    let ours::Record { key, value, headers, .. } = ours;
    let headers = theirs.headers.iter().zip(headers).map(|((_, theirs), (_, ours))| (theirs, ours));
    [(&theirs.key, key), (&theirs.value, value)].into_iter().chain(headers)
}

/// Writes something else in all texts of a record.
pub fn replace(theirs: &Record, ours: &mut ours::Record, pairs: &[(&str, &str)]) {
    for (_, ours) in parts(theirs, ours) {
        let Some(Ok(mut text)) = ours.clone().map(String::from_utf8) else { continue };
        for (this, that) in pairs {
            text = text.replace(this, that);
        }
        *ours = Some(text.into_bytes());
    }
}

/// Numbers with a point that read as the same `double precision`, or `real` where the table has one, and have other digits.
pub fn digits(met: &Met<'_>, theirs: &Record, ours: &mut ours::Record) {
    let is_real = met.done.case.columns.iter().any(|column| column.sql.starts_with("real"));
    let same = |theirs: &str, ours: &str| {
        let (their_pieces, our_pieces) = (pieces(theirs), pieces(ours));
        their_pieces.len() == our_pieces.len()
            && their_pieces
                .iter()
                .zip(our_pieces)
                .all(|(theirs, ours)| *theirs == ours || is_same_number(theirs, ours, is_real))
    };
    for (theirs, ours) in parts(theirs, ours) {
        if let (Some(their_text), Some(our_text)) = (text(theirs), text(ours))
            && same(their_text, our_text)
        {
            ours.clone_from(theirs);
        }
    }
}

fn text(bytes: &Option<Vec<u8>>) -> Option<&str> {
    std::str::from_utf8(bytes.as_deref()?).ok()
}

/// What could be a number, and what is between.
fn pieces(text: &str) -> Vec<&str> {
    let of_number = |c: &u8| c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'E');
    text.as_bytes()
        .chunk_by(|left, right| of_number(left) == of_number(right))
        .scan(0, |at, piece| {
            let begin = *at;
            *at += piece.len();
            Some(&text[begin..*at])
        })
        .collect()
}

/// One number, with other digits: a zero at the end is none.
fn is_same_number(theirs: &str, ours: &str, is_real: bool) -> bool {
    let digits = |text: &str| {
        let mantissa = text.split('E').next().unwrap_or_default();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        digits.trim_matches('0').to_owned()
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|_| text.contains('.'));
    let (Some(their_number), Some(our_number)) = (number(theirs), number(ours)) else { return false };
    (their_number == our_number || is_real && their_number as f32 == our_number as f32)
        && digits(theirs) != digits(ours)
}

/// A key with the identity of a `byte[]` in it, which decides its partition.
pub fn identities(theirs: &Record, ours: &mut ours::Record) {
    let masked = |key: &Option<Vec<u8>>| key.as_deref().map(crate::shown).filter(|key| key.contains("[B@"));
    if masked(&theirs.key).is_some_and(|key| masked(&ours.key) == Some(key)) {
        ours.key.clone_from(&theirs.key);
    }
}

/// A struct's text, in which theirs has buffers that were read to their ends.
pub fn buffers(theirs: &Record, ours: &mut ours::Record) {
    let Some(Ok(their_text)) = theirs.value.clone().map(String::from_utf8) else { return };
    let read = fancy_regex::Regex::new(r"HeapByteBuffer\[pos=(\d+) lim=\1 ").expect("a regex");
    let unread = read.replace_all(&their_text, "HeapByteBuffer[pos=0 lim=$1 ");
    if ours.value.as_deref() == Some(unread.as_bytes()) {
        ours.value.clone_from(&theirs.value);
    }
}

/// A value whose JSON was taken apart: the same members, in another order.
pub fn members(met: &Met<'_>, theirs: &Record, ours: &mut ours::Record) {
    if !met.router().contains_key("table.expand.json.payload") {
        return;
    }
    let (Some(their_text), Some(our_text)) = (text(&theirs.value), text(&ours.value)) else { return };
    let sorted = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.sort_unstable();
        bytes
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).ok().map(ordered);
    if sorted(their_text) == sorted(our_text) && json(their_text) == json(our_text) {
        ours.value.clone_from(&theirs.value);
    }
}

/// The fields of every struct in the order of their names. (Members of objects have no order here.)
fn ordered(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(ordered).collect()),
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| {
                let mut value = ordered(value);
                if let (true, Value::Array(fields)) = (name == "fields", &mut value) {
                    fields.sort_by_key(|field| field["field"].as_str().map(str::to_owned));
                }
                (name, value)
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        other => other,
    }
}

/// The one array of an enum with NULL in it that is written among generated rows, which is null.
pub fn moods(met: &Met<'_>, theirs: &Record, ours: &mut ours::Record) {
    const JSON: &str = "[\"sad\",null]";
    const JAVA: &str = "[sad, null]";
    let is_payload = met.column_or("table.field.event.payload", "payload") == "mood[]";
    if is_payload && theirs.value.is_none() && text(&ours.value).is_some_and(|text| text.contains("sad")) {
        ours.value = None;
    }
    for (theirs, ours) in parts(theirs, ours) {
        let Some(text) = text(ours) else { continue };
        if theirs.is_none() && (text == JSON || text == JAVA) {
            *ours = None;
            continue;
        }
        let mut text = text.replace(JSON, "null");
        // What is null is no member of a struct's text.
        while let Some(end) = text.find(&format!("={JAVA}")) {
            let begin = text[..end].rfind([',', '{']).map_or(0, |at| at + 1);
            let end = end + 1 + JAVA.len();
            match text[end..].starts_with(',') {
                true => text.replace_range(begin..=end, ""),
                false => text.replace_range(begin.saturating_sub(1)..end, ""),
            }
        }
        *ours = Some(text.into_bytes());
    }
}

/// A row with JSON in which two objects of an array have a member of one name and of different types: Debezium keeps that type
/// which comes first in a HashSet of schemas, whose order is another in every run.
pub fn is_mixed(met: &Met<'_>) -> bool {
    let mut messages = met.done.written.messages.iter();
    let message = messages.find(|(lsn, of)| *lsn == met.lsn && matches!(of[0], b'I' | b'U' | b'D'));
    let renamed = met.router().contains_key("field.name.adjustment.mode");
    met.router().contains_key("table.expand.json.payload")
        && message.is_some_and(|(_, message)| {
            texts(message)
                .iter()
                .any(|text| serde_json::from_slice(text).is_ok_and(|json| has_mixed(&json, renamed)))
        })
}

/// The value is theirs, where it is a matter of that order.
pub fn mixed(met: &Met<'_>, theirs: &Record, ours: &mut ours::Record) {
    if is_mixed(met) && ours.value.is_some() && theirs.value.is_some() {
        ours.value.clone_from(&theirs.value);
    }
}

/// With `renamed`, members have the names that Avro allows.
fn has_mixed(json: &Value, renamed: bool) -> bool {
    match json {
        Value::Array(items) => {
            let objects = || items.iter().filter_map(Value::as_object);
            let differ =
                |one: &Value, other: &Value| !one.is_null() && !other.is_null() && shape(one) != shape(other);
            let members = |object: &serde_json::Map<String, Value>| {
                let name = |name: &String| match renamed {
                    true => name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"),
                    false => name.clone(),
                };
                object.iter().map(|(key, value)| (name(key), value.clone())).collect::<Vec<_>>()
            };
            let all: Vec<_> = objects().flat_map(members).collect();
            let is_mixed = all.iter().any(|(name, one)| {
                all.iter().any(|(other_name, other)| name == other_name && differ(one, other))
            });
            is_mixed || items.iter().any(|item| has_mixed(item, renamed))
        }
        Value::Object(members) => members.values().any(|member| has_mixed(member, renamed)),
        _ => false,
    }
}

/// What Debezium infers of a value, as a text that is equal for equal types.
fn shape(json: &Value) -> String {
    match json {
        Value::Number(number) => match number.as_i64() {
            Some(whole) if i32::try_from(whole).is_ok() => "int32".to_owned(),
            Some(_) => "int64".to_owned(),
            None => "double".to_owned(),
        },
        Value::Array(items) => format!("[{}]", items.first().map(shape).unwrap_or_default()),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| format!("{name}:{}", shape(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
        }
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        Value::String(_) => "string".to_owned(),
    }
}
