//! Keys, values and heartbeats.

use super::filler::Filler;
use super::ready::Ready;
use super::side::{Side, event_type};
use crate::decode::value::{Kind, Value};
use crate::encode::Config;
use crate::encode::avro::binary::{self, Place};
use crate::encode::avro::{InvalidName, SchemaText};
use crate::encode::body::{self, Kept, Payload};
use crate::encode::cloudevents::no_struct;
use crate::encode::encoder::{NotWritten, Refusal, describe, too_large, with_value};
use crate::encode::first::other_schema;
use crate::encode::prepared::{Prepared, members};
use crate::encode::schema::member;
use crate::registry::SchemaType;
use crate::rejection::Reason;
use crate::route::{Event, Field};

const REASON: Reason = Reason::PayloadNotEncodable;

/// What writing an event needs beside it.
#[derive(Clone, Copy)]
pub(in crate::encode) struct Around<'a> {
    pub(in crate::encode) config: &'a Config,
    pub(in crate::encode) prepared: &'a Prepared,
    pub(in crate::encode) now_ms: i64,
}

impl Around<'_> {
    /// A record may have so many bytes.
    pub(super) fn most(&self) -> usize {
        self.config.max_record_bytes
    }
}

impl Side {
    /// Appends the value of one column, which is all there is; `Ok(false)` when it is NULL.
    pub(in crate::encode) fn column(
        &mut self,
        event: &Event<'_>,
        field: &Field,
        value: &Value<'_>,
        now_ms: i64,
        out: &mut Vec<u8>,
    ) -> Result<bool, NotWritten> {
        if self.language() != SchemaType::Avro {
            return self.column_of(event, field, value, now_ms, out);
        }
        if value.is_null() {
            return Ok(false);
        }
        let (reason, in_header) = (self.reason(), self.framed.in_header);
        self.slot(event.topic, event.plan.generation);
        let Field { kind, optional, default, .. } = field;
        let ready = self.inferred(event.topic, now_ms, |text| {
            let written = text.column(kind, *optional, default.as_ref());
            written.map_err(|invalid| unnamed(&invalid, reason))?;
            Ok(record_name(kind, *optional))
        })?;
        Side::frame(in_header, ready, reason, out)?;
        let place = Place { optional: *optional, default: default.is_some() };
        binary::alone(kind, value, place, out).map_err(|binary::Unfit| unfit(field, reason))?;
        Ok(true)
    }

    /// Appends the event's value; `Ok(false)` when there is none.
    pub(in crate::encode) fn value(
        &mut self,
        around: Around<'_>,
        event: &Event<'_>,
        kept: Option<&mut Kept>,
        out: &mut Vec<u8>,
    ) -> Result<bool, NotWritten> {
        let field = &event.plan.payload;
        let mut written = Ok(false);
        with_value(REASON, field, &event.row, |value| {
            written = self.of_payload(around, event, kept, value, out);
            Ok(())
        })?;
        written
    }

    fn of_payload(
        &mut self,
        around: Around<'_>,
        event: &Event<'_>,
        kept: Option<&mut Kept>,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, NotWritten> {
        let field = &event.plan.payload;
        let is_tree = field.kind == Kind::Tree;
        let (expander, first) = kept.map_or((None, None), |kept| kept.parts(is_tree));
        if let (Some(_), Value::Text(text), None) = (&self.framed.registered, value, &event.plan.envelope) {
            return self.by_registered(event, text, around, out);
        }
        if self.language() != SchemaType::Avro && self.framed.registered.is_some() {
            return match value {
                Value::Null => Ok(false),
                _ => Err(no_json(field, self.language()).into()),
            };
        }
        let fits = first.as_deref().is_some_and(|first| first.has_text(event, around.prepared));
        let payload = body::payload(around.config, event, expander, fits, value)?;
        let Some(placed) = &event.plan.envelope else {
            return match payload {
                Payload::Struct(expander, text, root) if self.language() != SchemaType::Avro => {
                    self.expanded_of(event, (expander, text, root), around, out)
                }
                Payload::Struct(expander, text, root) => {
                    self.slot(event.topic, 0);
                    let called = around.config.data_name().unwrap_or(&field.name);
                    let (ready, in_header) = self.expanded(event, called, around.now_ms, |to| {
                        expander.avro_schema(text, root, &field.name, to)
                    })?;
                    Side::frame(in_header, ready, REASON, out)?;
                    expander.avro(text, root, around.most(), out).map_err(|_| full(around.most()))?;
                    Ok(true)
                }
                Payload::Column(_) if around.config.data_name().is_some() => Err(no_struct(field).into()),
                Payload::Column(value) => self.column(event, field, value, around.now_ms, out),
                Payload::Bare(_) => Err(unfit(field, REASON).into()),
            };
        };
        let mut payload = payload;
        let first = match first {
            None => None,
            Some(first) => {
                let schema = |out: &mut Vec<u8>| body::schema_of(&mut payload, event, out);
                let first = first.of(event, around.prepared, schema)?;
                if first.schema.is_some() {
                    return Err(other_schema().into());
                }
                Some(first.route.to_owned())
            }
        };
        let route = first.as_deref().unwrap_or(event.route);
        match self.language() {
            SchemaType::Avro => self.envelope(event, placed, payload, route, around, out)?,
            _ => self.envelope_of(event, placed, payload, route, around, out)?,
        }
        Ok(true)
    }

    /// The schema of a struct that was taken apart: known by its text, which is written each time.
    fn expanded(
        &mut self,
        event: &Event<'_>,
        name: &str,
        now_ms: i64,
        write: impl FnOnce(&mut SchemaText) -> Result<(), InvalidName>,
    ) -> Result<(&mut Ready, bool), NotWritten> {
        let in_header = self.framed.in_header;
        let mut text = SchemaText::new(self.framed.meta);
        write(&mut text).map_err(|invalid| unnamed(&invalid, REASON))?;
        self.slot.extend_from_slice(&text.out);
        let ready = self.inferred(event.topic, now_ms, |to| {
            to.out = text.out;
            Ok(Some(name.to_owned()))
        })?;
        Ok((ready, in_header))
    }

    /// The payload and what is placed beside it.
    fn envelope(
        &mut self,
        event: &Event<'_>,
        placed: &[(String, Field)],
        mut payload: Payload<'_>,
        route: &str,
        around: Around<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), NotWritten> {
        let (plan, meta, in_header) = (event.plan, self.framed.meta, self.framed.in_header);
        self.slot(event.topic, plan.generation);
        self.slot.extend_from_slice(route.as_bytes());
        self.slot.extend_from_slice(&event.schema_version.unwrap_or(-1).to_be_bytes());
        if let Payload::Struct(expander, text, root) = &mut payload {
            // Known by the struct's own schema, too.
            let mut schema = SchemaText::new(meta);
            expander
                .avro_schema(text, *root, &plan.payload.name, &mut schema)
                .map_err(|invalid| unnamed(&invalid, REASON))?;
            self.slot.extend_from_slice(&schema.out);
        }
        let ready = self.inferred(event.topic, around.now_ms, |to| {
            let data = around.config.data_name();
            let name = data.map_or_else(|| format!("{}.{route}.Value", plan.schema_stem), str::to_owned);
            let fields = |to: &mut SchemaText| fields(event, placed, &mut payload, to);
            let written = to.record(&name, fields, |out| {
                if let Some(version) = event.schema_version.filter(|_| data.is_none()) {
                    out.extend_from_slice(format!(",\"connect.version\":{version}").as_bytes());
                }
                member("connect.name", &name, out);
            });
            written.map_err(|invalid| unnamed(&invalid, REASON))?;
            Ok(Some(name))
        })?;
        Side::frame(in_header, ready, REASON, out)?;
        match payload {
            Payload::Struct(expander, text, root) => {
                expander.avro(text, root, around.most(), out).map_err(|_| full(around.most()))?;
            }
            Payload::Column(value) => of_field(&plan.payload, value, out)?,
            Payload::Bare(_) => return Err(unfit(&plan.payload, REASON).into()),
        }
        for (_, field) in placed {
            with_value(REASON, field, &event.row, |value| of_field(field, value, out))?;
        }
        Ok(())
    }

    /// A JSON payload by the schema that is registered for it.
    fn by_registered(
        &mut self,
        event: &Event<'_>,
        text: &str,
        around: Around<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, NotWritten> {
        let Some(by) = &self.framed.registered else { return Ok(false) };
        let (unknown, event_type) = (by.unknown, event_type(event));
        if event_type.is_none() && by.names_types() && self.framed.subject.names_records() {
            return Err(Refusal {
                reason: REASON,
                detail: "the event has no type, by which its schema would be found".to_owned(),
                hint: "walpost.event.type.column names the column; its rows must not be NULL",
            }
            .into());
        }
        let in_header = self.framed.in_header;
        let event_type = event_type.unwrap_or_default();
        let mut filler = self.filler.take().unwrap_or_else(|| Box::new(Filler::new()));
        let written = self.registered(event.topic, event_type, around.now_ms).and_then(|ready| {
            Side::frame(in_header, ready, REASON, out)?;
            let Ready { plan: Some(plan), id, .. } = ready else { return Ok(()) };
            plan.write(&mut filler, unknown, text, out).map_err(|mismatch| {
                let name = plan.name().unwrap_or(event_type);
                NotWritten::from(Refusal {
                    reason: REASON,
                    detail: format!("the payload does not fit schema {id} ({name}): {}", mismatch.detail()),
                    hint: "mend who writes the event, or register a schema that it fits",
                })
            })
        });
        self.filler = Some(filler);
        written.map(|()| true)
    }

    /// Appends what stands before a record of this schema in Avro.
    pub(in crate::encode) fn record(
        &mut self,
        topic: &str,
        (schema, name): (&str, &str),
        now_ms: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), NotWritten> {
        self.slot(topic, 0);
        let (reason, in_header) = (self.reason(), self.framed.in_header);
        let ready = self.inferred(topic, now_ms, |text| {
            text.out.extend_from_slice(schema.as_bytes());
            Ok(Some(name.to_owned()))
        })?;
        Side::frame(in_header, ready, reason, out)?;
        Ok(())
    }
}

/// The fields of an envelope.
fn fields(
    event: &Event<'_>,
    placed: &[(String, Field)],
    payload: &mut Payload<'_>,
    to: &mut SchemaText,
) -> Result<(), InvalidName> {
    for (index, (name, field)) in members(event.plan, placed).enumerate() {
        match payload {
            Payload::Struct(expander, text, root) if index == 0 => {
                let null = |out: &mut Vec<u8>| out.extend_from_slice(b"null");
                let payload = &event.plan.payload.name;
                to.field(name, |to| expander.avro_schema(text, *root, payload, to), Some(&null))?;
            }
            _ => to.column_field(name, &field.kind, field.optional, field.default.as_ref())?,
        }
    }
    Ok(())
}

fn of_field(field: &Field, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let place = Place { optional: field.optional, default: field.default.is_some() };
    binary::value(&field.kind, value, place, out).map_err(|binary::Unfit| unfit(field, REASON))
}

/// The full name of a column's schema, where that is a record.
fn record_name(kind: &Kind, optional: bool) -> Option<String> {
    match kind {
        Kind::VariableScaleDecimal | Kind::Point if !optional => kind.semantic_name().map(str::to_owned),
        _ => None,
    }
}

pub(super) fn unnamed(invalid: &InvalidName, reason: Reason) -> Refusal {
    Refusal {
        reason,
        detail: invalid.detail(),
        hint: "Avro's names are letters, digits and underscores: set field.name.adjustment.mode=avro of the router, or use \
               other names",
    }
}

pub(in crate::encode) fn unfit(field: &Field, reason: Reason) -> Refusal {
    Refusal {
        reason,
        detail: format!("{}, and its value does not fit the schema that Connect gives it", describe(field)),
        hint: "an array of arrays, an empty array taken apart, and NULL where it is required have no place in it; nor has, in \
               Protobuf, NULL in an array, or a moment beyond the years 1 to 9999",
    }
}

fn no_json(field: &Field, language: SchemaType) -> Refusal {
    Refusal {
        reason: REASON,
        detail: format!(
            "{}, and a payload is to be JSON to be written by a schema of {}",
            describe(field),
            language.name()
        ),
        hint: "make the column json, jsonb or text; or have the application frame its bytes, with \
               io.debezium.converters.BinaryDataConverter",
    }
}

pub(super) fn full(most: usize) -> Refusal {
    too_large(most.saturating_add(1), most)
}
