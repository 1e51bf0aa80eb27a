//! The encoder: converters applied to an event's headers, key and value.

use super::converter::OnlyBytes;
use super::outgoing::Draft;
use super::prepared::{Prepared, members};
use super::schema::{self, Schema};
use super::{Config, Context, Converter, HeaderConverter, Outgoing, SharedHeaders, java};
use crate::decode::value::{self, Kind, Value, ValueError};
use crate::decode::{Cell, Tuple};
use crate::rejection::{Reason, Rejection};
use crate::route::{Event, Field};
use std::sync::Arc;

/// Encodes events with the configured converters; keeps what can be kept per plan.
#[derive(Debug)]
pub struct Encoder {
    config: Config,
    /// The context headers, or why their converter refuses them.
    context: Result<Arc<SharedHeaders>, OnlyBytes>,
    id: Arc<str>,
    prepared: Vec<Prepared>,
}

/// Why one part of a record cannot be written.
struct Refusal {
    reason: Reason,
    detail: String,
    hint: &'static str,
}

impl Encoder {
    /// An encoder with these converters.
    pub fn new(config: Config) -> Encoder {
        let context = context_headers(config.context.as_ref(), &config.header).map(Arc::new);
        Encoder { config, context, id: Arc::from("id"), prepared: Vec::new() }
    }

    /// Appends the event's record to `out`; after a rejection `out` is as it was.
    ///
    /// `now_ms` is the connector's clock, for events without a timestamp of their own.
    pub fn encode(&mut self, event: &Event<'_>, now_ms: i64, out: &mut Outgoing) -> Result<(), Rejection> {
        let prepared = self.prepare(event);
        let mut draft = match &self.context {
            Ok(shared) => out.draft_with(shared),
            Err(_) => out.draft(),
        };
        match self.write(event, &self.prepared[prepared], &mut draft, out) {
            Ok(()) => {
                let timestamp_ms = event.timestamp_ms.unwrap_or(now_ms);
                out.finish(draft, event.topic, event.partition, timestamp_ms);
                Ok(())
            }
            Err(refusal) => {
                out.abandon(draft);
                Err(event.rejected(refusal.reason, refusal.detail, refusal.hint))
            }
        }
    }

    /// Key and value converter.
    pub(super) fn converters(&self) -> (&Converter, &Converter) {
        (&self.config.key, &self.config.value)
    }

    /// Index of the plan's constant bytes.
    fn prepare(&mut self, event: &Event<'_>) -> usize {
        let plan = event.plan;
        if let Some(known) = self.prepared.iter().position(|known| known.generation == plan.generation) {
            return known;
        }
        self.prepared.retain(|known| known.table != plan.table);
        self.prepared.push(Prepared::new(plan, &self.config));
        self.prepared.len() - 1
    }

    fn write(
        &self,
        event: &Event<'_>,
        prepared: &Prepared,
        draft: &mut Draft,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        let (payload, most) = (length(event, &event.plan.payload), self.config.max_record_bytes);
        // In whatever form: bytes come as hex. It is not worth a copy.
        if payload / 2 > most {
            return Err(too_large(payload, most));
        }
        self.write_headers(event, prepared, out)?;
        let key = &event.plan.key;
        out.key(draft, |bytes| {
            convert(Reason::KeyNotEncodable, key, &event.row, |value| {
                self.config.key.write(&key.kind, value, &prepared.key, bytes)
            })
        })?;
        if !event.tombstone {
            out.value(draft, |bytes| self.write_value(event, prepared, bytes))?;
        }
        match out.size(draft) {
            size if size > self.config.max_record_bytes => Err(too_large(size, self.config.max_record_bytes)),
            _ => Ok(()),
        }
    }

    fn write_headers(
        &self,
        event: &Event<'_>,
        prepared: &Prepared,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        if let Err(only_bytes) = self.context {
            let what = "the context headers are STRING";
            return Err(only_bytes.refusal(Reason::HeaderNotEncodable, what));
        }
        let id = [(&self.id, &event.plan.id, &prepared.id)];
        let placed = event.plan.headers.iter().zip(&prepared.headers);
        let placed = placed.map(|((alias, field), head)| (alias, field, head));
        for (name, field, head) in id.into_iter().chain(placed) {
            out.header(name, |bytes| {
                convert(Reason::HeaderNotEncodable, field, &event.row, |value| {
                    self.config.header.write(&field.kind, value, head, bytes)
                })
            })?;
        }
        Ok(())
    }

    fn write_value(
        &self,
        event: &Event<'_>,
        prepared: &Prepared,
        out: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        let plan = event.plan;
        let Some(placed) = &plan.envelope else {
            return convert(Reason::PayloadNotEncodable, &plan.payload, &event.row, |value| {
                self.config.value.write(&plan.payload.kind, value, &prepared.payload, out)
            });
        };
        let converter = self.config.value.of_structs().map_err(|only_bytes| {
            only_bytes
                .refusal(Reason::PayloadNotEncodable, "the value is a STRUCT, as columns are placed in it")
        })?;
        match converter {
            Converter::Json { .. } => json_envelope(event, placed, prepared, converter, out)?,
            _ => java_struct(event, placed, out)?,
        }
        Ok(true)
    }
}

impl OnlyBytes {
    fn refusal(self, reason: Reason, what: &str) -> Refusal {
        let detail = format!("{what}, and {} takes BYTES only", self.converter);
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

/// Reads the field's cell and hands its value to `write`. NULL is the column's default, where it has one.
fn convert(
    reason: Reason,
    field: &Field,
    row: &Tuple<'_>,
    write: impl FnOnce(&Value<'_>) -> Result<bool, OnlyBytes>,
) -> Result<bool, Refusal> {
    with_value(reason, field, row, |value| {
        write(value).map_err(|only_bytes| only_bytes.refusal(reason, &describe(field)))
    })
}

fn with_value<T>(
    reason: Reason,
    field: &Field,
    row: &Tuple<'_>,
    use_it: impl FnOnce(&Value<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    match (row.get(field.index), &field.default) {
        (Some(Cell::Text(text)), default) => match value::parse(&field.kind, text) {
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

fn describe(field: &Field) -> String {
    match field.kind.semantic_name() {
        Some(name) => format!("column {} is {} ({name})", field.name, field.kind.connect_type()),
        None => format!("column {} is {}", field.name, field.kind.connect_type()),
    }
}

fn json_envelope(
    event: &Event<'_>,
    placed: &[(String, Field)],
    prepared: &Prepared,
    converter: &Converter,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let envelope = &prepared.envelope;
    if !envelope.fields.is_empty() {
        out.extend_from_slice(&envelope.fields);
        schema::close_envelope(&envelope.stem, event.route, event.schema_version, out);
    }
    for (member, (_, field)) in envelope.members.iter().zip(members(event.plan, placed)) {
        out.extend_from_slice(member);
        convert(Reason::PayloadNotEncodable, field, &event.row, |value| {
            converter.write(&field.kind, value, b"", out)
        })?;
    }
    out.push(b'}');
    if !envelope.fields.is_empty() {
        out.push(b'}');
    }
    Ok(())
}

/// `Struct.toString`: members that are null are left out.
fn java_struct(event: &Event<'_>, placed: &[(String, Field)], out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.extend_from_slice(b"Struct{");
    let mut first = true;
    for (name, field) in members(event.plan, placed) {
        with_value(Reason::PayloadNotEncodable, field, &event.row, |value| {
            if *value != Value::Null {
                out.extend_from_slice(if first { b"" } else { b"," });
                first = false;
                out.extend_from_slice(name.as_bytes());
                out.push(b'=');
                java::write(&field.kind, value, out);
            }
            Ok(())
        })?;
    }
    out.push(b'}');
    Ok(())
}

fn context_headers(
    context: Option<&Context>,
    converter: &HeaderConverter,
) -> Result<SharedHeaders, OnlyBytes> {
    let Some(context) = context else { return Ok(SharedHeaders::default()) };
    let mut head = Vec::new();
    if let Some(decimals) = converter.heads() {
        head.extend_from_slice(br#"{"schema":"#);
        Schema { kind: &Kind::String, optional: false, default: None, field: None }
            .write(decimals, &mut head);
        head.extend_from_slice(br#","payload":"#);
    }
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
    headers.collect::<Result<Vec<_>, OnlyBytes>>().map(SharedHeaders::new)
}

fn too_large(size: usize, most: usize) -> Refusal {
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
