//! The encoder: converters applied to an event's headers, key and value.

use super::body::{self, Kept};
use super::cloudevents::Outer;
use super::converter::{Unsuited, Writes};
use super::framed::Around;
use super::outgoing::Draft;
use super::prepared::Prepared;
use super::schema::Schema;
use super::sides::Sides;
use super::trace::Trace;
use super::{Config, Context, Converter, HeaderConverter, Outgoing, SharedHeaders, change, old_key};
use crate::decode::value::{self, Kind, Value, ValueError};
use crate::decode::{Cell, Tuple};
use crate::registry::{Answer, Question};
use crate::rejection::{Reason, Rejection};
use crate::route::{Event, Field};
use std::sync::Arc;

/// Encodes events with the configured converters; keeps what can be kept per plan.
#[derive(Debug)]
pub struct Encoder {
    config: Config,
    /// The context headers, or why their converter refuses them.
    context: Result<Arc<SharedHeaders>, Unsuited>,
    id: Arc<str>,
    old_key: Arc<str>,
    /// The headers of a trace context.
    trace: [Arc<str>; 3],
    /// What precedes a STRING in a header.
    string_head: Vec<u8>,
    prepared: Vec<Prepared>,
    /// The same of tables whose changes are told.
    changes: Vec<change::Prepared>,
    /// What is known of schemas.
    sides: Sides,
    /// What values need from event to event; nothing for those that are written as they come.
    kept: Option<Box<Kept>>,
    /// For parts of CloudEvents that are written twice.
    scratch: Vec<u8>,
}

/// Why an event has no record, or none yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotEncoded {
    /// It cannot be published.
    Rejected(Rejection),
    /// The schema registry must be asked first; with its answer the event is to be encoded again.
    Asks(Question),
}

/// Why one part of a record is not written.
#[derive(Debug)]
pub(super) enum NotWritten {
    Refused(Refusal),
    Asks(Question),
}

impl From<Refusal> for NotWritten {
    fn from(refusal: Refusal) -> NotWritten {
        NotWritten::Refused(refusal)
    }
}

/// Why one part of a record cannot be written.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) detail: String,
    pub(super) hint: &'static str,
}

/// What writing an event needs beside it.
struct With<'w> {
    prepared: &'w Prepared,
    kept: Option<&'w mut Kept>,
    sides: &'w mut Sides,
    scratch: &'w mut Vec<u8>,
    now_ms: i64,
}

impl Encoder {
    /// An encoder with these converters.
    pub fn new(config: Config) -> Encoder {
        let context = context_headers(config.context.as_ref(), &config.header).map(Arc::new);
        Encoder {
            context,
            id: Arc::from("id"),
            old_key: Arc::from("__debezium.oldkey"),
            trace: Trace::HEADERS.map(Arc::from),
            string_head: string_head(&config.header),
            prepared: Vec::new(),
            changes: Vec::new(),
            kept: Kept::new(&config).map(Box::new),
            sides: Sides::new(&config),
            scratch: Vec::new(),
            config,
        }
    }

    /// Appends the event's record to `out`; without one `out` is as it was.
    ///
    /// `now_ms` is the connector's clock, for events without a timestamp of their own.
    pub fn encode(&mut self, event: &Event<'_>, now_ms: i64, out: &mut Outgoing) -> Result<(), NotEncoded> {
        let prepared = self.prepare(event);
        // The connector names a row's former key before the context headers.
        let mut draft = match &self.context {
            Ok(shared) if event.old.is_none() => out.draft_with(shared),
            _ => out.draft(),
        };
        let (mut kept, mut sides) = (self.kept.take(), std::mem::take(&mut self.sides));
        let mut scratch = std::mem::take(&mut self.scratch);
        let with = With {
            prepared: &self.prepared[prepared],
            kept: kept.as_deref_mut(),
            sides: &mut sides,
            scratch: &mut scratch,
            now_ms,
        };
        let written = self.write(event, with, &mut draft, out);
        (self.kept, self.sides, self.scratch) = (kept, sides, scratch);
        match written {
            Ok(()) => {
                let timestamp_ms = event.timestamp_ms.unwrap_or(now_ms);
                out.finish(draft, event.topic, event.partition, timestamp_ms);
                Ok(())
            }
            Err(why) => {
                out.abandon(draft);
                Err(match why {
                    NotWritten::Asks(question) => NotEncoded::Asks(question),
                    NotWritten::Refused(Refusal { reason, detail, hint }) => {
                        NotEncoded::Rejected(event.rejected(reason, detail, hint))
                    }
                })
            }
        }
    }

    /// Takes the answer to what was asked last, at this time of the connector's clock.
    pub fn answer(&mut self, answer: Answer, now_ms: i64) {
        self.sides.answer(answer, now_ms);
    }

    /// There is no answer: whether what was known before will do for a while.
    pub fn go_on(&mut self, now_ms: i64) -> bool {
        self.sides.go_on(now_ms)
    }

    /// What is known of schemas.
    pub(super) fn sides(&mut self) -> &mut Sides {
        &mut self.sides
    }

    /// Key and value converter.
    pub(super) fn converters(&self) -> (&Converter, &Converter) {
        (&self.config.key, &self.config.value)
    }

    /// Converters and limits.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// What is constant in change events, to be filled.
    pub(super) fn of_changes(&mut self) -> (&Config, &mut Vec<change::Prepared>) {
        (&self.config, &mut self.changes)
    }

    /// What is constant in change events.
    pub(super) fn prepared_changes(&self) -> &[change::Prepared] {
        &self.changes
    }

    /// The context headers.
    pub(super) fn context_headers(&self) -> Result<&Arc<SharedHeaders>, Refusal> {
        self.context.as_ref().map_err(|unsuited| {
            unsuited.refusal(Reason::HeaderNotEncodable, "the context headers are STRING")
        })
    }

    /// Appends the context headers as if they were the record's own.
    pub(super) fn context_once(&self, out: &mut Outgoing) -> Result<(), Refusal> {
        for (name, value) in self.context_headers()?.iter() {
            out.header(&name.into(), |bytes| {
                bytes.extend_from_slice(value.unwrap_or_default());
                Ok::<_, Refusal>(value.is_some())
            })?;
        }
        Ok(())
    }

    /// Index of the plan's constant bytes.
    fn prepare(&mut self, event: &Event<'_>) -> usize {
        let plan = event.plan;
        if let Some(known) = self.prepared.iter().position(|known| known.generation == plan.generation) {
            return known;
        }
        self.prepared.retain(|known| known.oid != plan.oid);
        self.prepared.push(Prepared::new(plan, &self.config));
        self.prepared.len() - 1
    }

    fn write(
        &self,
        event: &Event<'_>,
        with: With<'_>,
        draft: &mut Draft,
        out: &mut Outgoing,
    ) -> Result<(), NotWritten> {
        let With { prepared, kept, sides, scratch, now_ms } = with;
        let (payload, most) = (length(event, &event.plan.payload), self.config.max_record_bytes);
        // In whatever form: bytes come as hex. It is not worth a copy.
        if payload / 2 > most {
            return Err(too_large(payload, most).into());
        }
        self.write_headers(event, prepared, out)?;
        let mut parts = [false; 2];
        let written = out.key(draft, |bytes| {
            parts[0] = self.key(event, prepared, sides, now_ms, bytes)?;
            Ok(parts[0])
        });
        sides.of_key(written)?;
        if !event.tombstone {
            let mut around = sides.event.take();
            let written = out.value(draft, |bytes| {
                let data = |bytes: &mut Vec<u8>| {
                    let written = self.value(event, prepared, kept, sides, now_ms, bytes);
                    parts[1] = sides.of_value(written)?;
                    Ok(parts[1])
                };
                match prepared.cloud.as_ref().filter(|cloud| cloud.is_structured()) {
                    Some(cloud) => {
                        let outer = Outer { scratch, side: around.as_deref_mut(), now_ms };
                        cloud.envelope(event, outer, bytes, data)
                    }
                    None => data(bytes),
                }
            });
            sides.event = around;
            sides.of_event(written)?;
        } else if let Some(kept) = kept {
            kept.first_of_tombstone(event, prepared)?;
        }
        if let Some(cloud) = &prepared.cloud {
            let value = out.written_value(draft);
            let (id, has_value) = (cloud.schema_id(value), value.is_some());
            cloud.write_headers(event, id, has_value, out)?;
        }
        sides.write_headers(parts, out)?;
        Ok(fits(out, draft, &self.config)?)
    }

    fn key(
        &self,
        event: &Event<'_>,
        prepared: &Prepared,
        sides: &mut Sides,
        now_ms: i64,
        bytes: &mut Vec<u8>,
    ) -> Result<bool, NotWritten> {
        let key = &event.plan.key;
        let Some(side) = &mut sides.key else {
            let (converter, head) = (&self.config.key, &prepared.key);
            return Ok(convert(Reason::KeyNotEncodable, key, &event.row, converter, head, bytes)?);
        };
        let mut written = Ok(false);
        with_value(Reason::KeyNotEncodable, key, &event.row, |value| {
            written = side.column(event, key, value, now_ms, bytes);
            Ok(())
        })?;
        written
    }

    fn value(
        &self,
        event: &Event<'_>,
        prepared: &Prepared,
        kept: Option<&mut Kept>,
        sides: &mut Sides,
        now_ms: i64,
        bytes: &mut Vec<u8>,
    ) -> Result<bool, NotWritten> {
        if let Some(side) = &mut sides.value {
            let around = Around { config: &self.config, prepared, now_ms };
            return side.value(around, event, kept, bytes);
        }
        let start = bytes.len();
        let is_there = body::write(&self.config, event, prepared, kept, bytes)?;
        if is_there && self.config.verify.is_some() {
            sides.verify(event, &bytes[start..], now_ms)?;
        }
        Ok(is_there)
    }

    fn write_headers(
        &self,
        event: &Event<'_>,
        prepared: &Prepared,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        self.context_headers()?;
        if let Some(old) = &event.old {
            let write =
                |bytes: &mut Vec<u8>| old_key::write(&self.config.header, event.plan, old, prepared, bytes);
            out.header(&self.old_key, write)?;
            self.context_once(out)?;
        }
        if let Some(field) = &event.plan.trace {
            self.write_trace(event, field, out)?;
        }
        let id = [(&self.id, &event.plan.id, &prepared.id)];
        let placed = event.plan.headers.iter().zip(&prepared.headers);
        let placed = placed.map(|((alias, field), head)| (alias, field, head));
        for (name, field, head) in id.into_iter().chain(placed) {
            out.header(name, |bytes| {
                convert(Reason::HeaderNotEncodable, field, &event.row, &self.config.header, head, bytes)
            })?;
        }
        Ok(())
    }
}

impl Encoder {
    /// The headers of the row's trace context. What is no such thing stops no event.
    fn write_trace(&self, event: &Event<'_>, field: &Field, out: &mut Outgoing) -> Result<(), Refusal> {
        const REASON: Reason = Reason::HeaderNotEncodable;
        with_trace(event, field, |trace| {
            for (name, text) in self.trace.iter().zip(trace.values()) {
                let Some(text) = text else { continue };
                out.header(name, |bytes| {
                    let value = Value::Text(text.into());
                    let written = self.config.header.write(&Kind::String, &value, &self.string_head, bytes);
                    written.map_err(|unsuited| unsuited.refusal(REASON, "a trace context is STRING"))
                })?;
            }
            Ok(())
        })
    }
}

/// Hands the row's trace context to `use_it`, if it has one.
pub(super) fn with_trace(
    event: &Event<'_>,
    field: &Field,
    use_it: impl FnOnce(&Trace<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let Some(Cell::Text(cell)) = event.row.get(field.index) else { return Ok(()) };
    let Ok(Value::Text(text)) = value::parse(&field.kind, cell) else { return Ok(()) };
    Trace::read(&text).map_or(Ok(()), |trace| use_it(&trace))
}

impl Unsuited {
    pub(super) fn refusal(self, reason: Reason, what: &str) -> Refusal {
        let detail = format!("{what}, and {} takes {} only", self.converter, self.takes);
        Refusal { reason, detail, hint: BYTES_HINT }
    }
}

/// Length of the field's cell as it came.
fn length(event: &Event<'_>, field: &Field) -> usize {
    match event.row.get(field.index) {
        Some(Cell::Text(text)) => text.len(),
        _ => 0,
    }
}

const BYTES_HINT: &str = "configure StringConverter or JsonConverter, or BinaryDataConverter with one of them as \
     delegate.converter.type; or make the column bytea";

/// Appends what the converter makes of the field's cell; `head` is what it says of itself ([`Converter::heads`]).
/// NULL is the column's default, where it has one.
pub(super) fn convert(
    reason: Reason,
    field: &Field,
    row: &Tuple<'_>,
    converter: &impl Writes,
    head: &[u8],
    out: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    if converter.is_plain()
        && let Some(Cell::Text(text)) = row.get(field.index)
        && value::is_text(&field.kind, text)
    {
        out.extend_from_slice(text);
        return Ok(true);
    }
    with_value(reason, field, row, |value| write(reason, field, value, converter, head, out))
}

/// As [`convert`], of the field's value.
pub(super) fn write(
    reason: Reason,
    field: &Field,
    value: &Value<'_>,
    converter: &impl Writes,
    head: &[u8],
    out: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    let written = converter.write(&field.kind, value, head, out);
    written.map_err(|unsuited| unsuited.refusal(reason, &describe(field)))
}

/// Reads the field's cell and hands its value to `use_it`. NULL is the column's default, where it has one.
pub(super) fn with_value<T>(
    reason: Reason,
    field: &Field,
    row: &Tuple<'_>,
    use_it: impl FnOnce(&Value<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    match (row.get(field.index), &field.default) {
        (Some(Cell::Text(text)), default) => match field.read(text) {
            Ok(Value::Null) => use_it(default.as_ref().unwrap_or(&Value::Null)),
            Ok(value) => use_it(&value),
            Err(error) => Err(unreadable(reason, field, &error)),
        },
        (Some(Cell::Null), Some(default)) => use_it(default),
        (Some(Cell::Null), None) => use_it(&Value::Null),
        (Some(Cell::Unchanged), _) => Err(Refusal {
            reason,
            detail: format!("{} is not in the stream: an update left it alone", describe(field)),
            hint: "insert a new row for each event instead of updating one",
        }),
        (Some(Cell::Binary(_)), _) => Err(Refusal {
            reason,
            detail: format!("{} came in binary format", describe(field)),
            hint: "do not ask for binary in slot.stream.params",
        }),
        (None, _) => Err(Refusal {
            reason: Reason::ColumnMissing,
            detail: format!("{} is not in the row", describe(field)),
            hint: "this should not happen: please report it with the table's definition",
        }),
    }
}

fn unreadable(reason: Reason, field: &Field, error: &ValueError) -> Refusal {
    Refusal {
        reason,
        detail: format!("{} cannot be read: {error}", describe(field)),
        hint: "if Postgres shows a proper value, please report it with the column's type",
    }
}

pub(super) fn describe(field: &Field) -> String {
    match field.kind.semantic_name() {
        Some(name) => format!("column {} is {} ({name})", field.name, field.kind.connect_type()),
        None => format!("column {} is {}", field.name, field.kind.connect_type()),
    }
}

fn context_headers(
    context: Option<&Context>,
    converter: &HeaderConverter,
) -> Result<SharedHeaders, Unsuited> {
    let Some(context) = context else { return Ok(SharedHeaders::default()) };
    let head = string_head(converter);
    let values = [
        ("connectorLogicalName", context.logical_name.as_str()),
        ("taskId", "0"),
        ("connectorName", "postgresql"),
        ("runId", context.run_id.as_str()),
    ];
    let headers = values.into_iter().map(|(name, text)| {
        let mut value = Vec::new();
        converter.write(&Kind::String, &Value::Text(text.into()), &head, &mut value)?;
        Ok((format!("__debezium.context.{name}"), Some(value)))
    });
    headers.collect::<Result<Vec<_>, Unsuited>>().map(SharedHeaders::new)
}

/// What precedes a STRING that is always there, when a header has its schema with it.
fn string_head(converter: &HeaderConverter) -> Vec<u8> {
    let mut head = Vec::new();
    if let Some(decimals) = converter.heads() {
        head.extend_from_slice(br#"{"schema":"#);
        Schema { kind: &Kind::String, optional: false, default: None, field: None }
            .write(decimals, &mut head);
        head.extend_from_slice(br#","payload":"#);
    }
    head
}

/// Whether Kafka's producer takes the record.
pub(super) fn fits(out: &Outgoing, draft: &Draft, config: &Config) -> Result<(), Refusal> {
    let most = config.max_record_bytes;
    out.oversize(draft, most).map_or(Ok(()), |size| Err(too_large(size, most)))
}

pub(super) fn too_large(size: usize, most: usize) -> Refusal {
    Refusal {
        reason: Reason::TooLarge,
        detail: format!("the record is {size} bytes, and max.request.size is {most}"),
        hint: "raise max.request.size, and the topic's max.message.bytes with it; or keep large contents elsewhere \
               and publish a reference",
    }
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
