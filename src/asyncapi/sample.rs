//! What topics carry: some records of each, read under read_committed → what their types, keys, headers and values have in
//! common. Of a record nothing is kept but its event type and the shape of its parts.

use super::shape::{Room, Shape};
use super::wire::{Form, Wire};
use crate::encode::{Converter, HeaderConverter};
use crate::kafka::Error;
use crate::kafka::scan::{Scan, Scanned, Span};
use crate::registry::wire;
use crate::route::Place;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a transaction that is open in a topic is waited for.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);
/// More types of events than these in one topic are no types.
const TYPES_MOST: usize = 256;
/// Names of members that are kept for one topic.
const NAMES_MOST: usize = 20_000;
/// A type's name is no longer.
const NAME_LONGEST: usize = 200;

/// What events of one type look like.
#[derive(Debug, Default)]
pub struct Seen {
    /// Its records were read, too; else only a file tells of it.
    pub is_sampled: bool,
    /// Their keys.
    pub key: Shape,
    /// Their headers, as an object.
    pub headers: Shape,
    /// Their values, where they are not framed.
    pub value: Shape,
    /// A value was not JSON.
    pub is_text: bool,
    /// A value was not even text.
    pub is_binary: bool,
    /// The greatest id of a schema before a value.
    pub id: Option<i32>,
}

impl Seen {
    /// These records look like that, too.
    pub fn absorb(&mut self, other: Seen, room: &mut Room) {
        self.is_sampled |= other.is_sampled;
        self.key.absorb(other.key, room);
        self.headers.absorb(other.headers, room);
        self.value.absorb(other.value, room);
        self.is_text |= other.is_text;
        self.is_binary |= other.is_binary;
        self.id = self.id.max(other.id);
    }
}

/// Types by name. The empty name is that of events without a type; framed ones are told apart by [`unnamed`].
pub type Types = BTreeMap<String, Seen>;

/// What events without a type are called whose values are framed by the schema of this id, until its name is known.
pub fn unnamed(id: i32) -> String {
    format!("\u{1}{id}")
}

/// The last records of a topic, `most` at most, added to what is known. Blocks.
pub fn read(scan: &Scan, wire: Wire<'_>, topic: &str, most: u64, known: Types) -> Result<Types, Error> {
    let spans = newest(scan.spans(topic, OPEN_PATIENCE)?, most);
    let mut sample = Sample { wire, room: Room(NAMES_MOST), types: known };
    scan.read(topic, &spans, |record| {
        sample.see(record);
        Ok::<(), Error>(())
    })?;
    Ok(sample.types)
}

/// The ends of partitions, with as many offsets together; a partition that has few leaves its share to the others.
fn newest(mut spans: Vec<Span>, most: u64) -> Vec<Span> {
    let (mut left, mut others) = (i64::try_from(most).unwrap_or(i64::MAX), spans.len() as i64);
    spans.sort_by_key(|span| (span.end - span.first, span.partition));
    for span in &mut spans {
        let share = (span.end - span.first).min(left / others + i64::from(left % others > 0));
        span.first = span.end - share;
        left -= share;
        others -= 1;
    }
    spans
}

struct Sample<'a> {
    wire: Wire<'a>,
    room: Room,
    types: Types,
}

impl Sample<'_> {
    fn see(&mut self, record: &Scanned<'_>) {
        // A tombstone is no message of its own.
        let Some(bytes) = record.value() else { return };
        let headers: Map<String, Value> = record
            .headers()
            .map(|(name, value)| {
                let text = value.map_or(Value::Null, |value| String::from_utf8_lossy(value).into());
                (name.to_owned(), text)
            })
            .collect();
        let form = self.wire.value_form();
        let value = match form {
            Form::Framed(_) => None,
            _ => serde_json::from_slice::<Value>(bytes).ok(),
        };
        let id =
            if matches!(form, Form::Framed(framed) if !framed.in_header) { wire::id(bytes) } else { None };
        let name = self.event_type(&headers, value.as_ref());
        let name = name.or(id.map(unnamed)).unwrap_or_default();
        if !self.types.contains_key(&name) && self.types.len() >= TYPES_MOST {
            return;
        }
        let Sample { wire, room, types } = self;
        let seen = types.entry(name).or_default();
        seen.is_sampled = true;
        seen.headers.absorb(Shape::of(&headers.into(), room), room);
        seen.key.absorb(key(*wire, record.key(), room), room);
        match (form, value) {
            (Form::Framed(_), _) => seen.id = seen.id.max(id),
            (form, Some(value)) => seen.value.absorb(shape(form, &value, room), room),
            (_, None) => {
                let is_text = std::str::from_utf8(bytes).is_ok();
                (seen.is_text, seen.is_binary) = (seen.is_text | is_text, seen.is_binary | !is_text);
                let text = if is_text { Shape::of(&"".into(), room) } else { Shape::binary() };
                seen.value.absorb(text, room);
            }
        }
    }

    /// The event's type, where the configuration places it.
    fn event_type(&self, headers: &Map<String, Value>, value: Option<&Value>) -> Option<String> {
        let Some(placement) = self.wire.event_type() else {
            let name = self.wire.attribute_type(headers, value)?;
            return Some(name.to_owned()).filter(|name| name.len() <= NAME_LONGEST);
        };
        let is_enveloped = self.wire.is_enveloped();
        let name = match placement.place {
            Place::Header => unquoted(&self.wire.config.encode.header, headers.get(&placement.alias)?),
            Place::Envelope => {
                let value = if is_enveloped { value?.get("data")? } else { value? };
                value.get(&placement.alias).or_else(|| value.get("payload")?.get(&placement.alias)).cloned()
            }
            Place::Attribute if is_enveloped => value?.get(&placement.alias).cloned(),
            Place::Attribute => headers.get(&format!("ce_{}", placement.alias)).cloned(),
            Place::Partition => None,
        };
        name?.as_str().filter(|name| name.len() <= NAME_LONGEST).map(str::to_owned)
    }
}

/// A header's text, out of the JSON that its converter has written.
fn unquoted(converter: &HeaderConverter, header: &Value) -> Option<Value> {
    let text = header.as_str()?;
    match converter {
        HeaderConverter::As(Converter::Json { schemas, .. }) => {
            let value: Value = serde_json::from_str(text).ok()?;
            if *schemas { value.get("payload").cloned() } else { Some(value) }
        }
        _ => Some(header.clone()),
    }
}

/// A value's shape, without the Connect schema that it may have beside it.
fn shape(form: Form, value: &Value, room: &mut Room) -> Shape {
    match (form, value) {
        (Form::JsonBesideSchema(_), Value::Object(both)) if both.contains_key("schema") => {
            let mut both = both.clone();
            both.insert("schema".to_owned(), Value::Object(Map::new()));
            Shape::of(&both.into(), room)
        }
        _ => Shape::of(value, room),
    }
}

fn key(wire: Wire<'_>, key: Option<&[u8]>, room: &mut Room) -> Shape {
    let Some(bytes) = key else { return Shape::of(&Value::Null, room) };
    let Ok(text) = std::str::from_utf8(bytes) else { return Shape::binary() };
    match wire.key_form() {
        form @ (Form::Json(_) | Form::JsonBesideSchema(_)) => match serde_json::from_str(text) {
            Ok(value) => shape(form, &value, room),
            Err(_) => Shape::of(&text.into(), room),
        },
        _ => Shape::of(&text.into(), room),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(of: &[i64], most: u64) -> Vec<(i32, i64)> {
        let span = |(partition, length): (usize, &i64)| Span {
            partition: partition as i32,
            first: 100,
            end: 100 + length,
            is_open: false,
        };
        let mut spans = newest(of.iter().enumerate().map(span).collect(), most);
        assert!(spans.iter().all(|span| span.first >= 100));
        spans.sort_by_key(|span| span.partition);
        spans.iter().map(|span| (span.partition, span.end - span.first)).collect()
    }

    #[test]
    fn what_is_read_is_shared_by_the_partitions_that_have_something() {
        assert_eq!(lengths(&[1000, 0, 10], 100), [(0, 90), (1, 0), (2, 10)]);
        assert_eq!(lengths(&[5, 5], 100), [(0, 5), (1, 5)]);
        assert_eq!(lengths(&[50, 50, 50], 10).iter().map(|(_, length)| length).sum::<i64>(), 10);
        assert_eq!(lengths(&[], 10), []);
        assert_eq!(lengths(&[7], u64::MAX), [(0, 7)]);
    }
}
