//! Keys, values and structs of the connector's own in JSON Schema and Protobuf, by schemas that are inferred.

use super::side::Side;
use super::value::{Around, full, unfit, unnamed};
use crate::decode::value::Value;
use crate::encode::avro;
use crate::encode::body::Payload;
use crate::encode::encoder::{NotWritten, Refusal, with_value};
use crate::encode::expand::{self, Expander, Root};
use crate::encode::inferred::message::{self, Place, Unfit};
use crate::encode::prepared::{members, schema};
use crate::encode::schema::close_envelope;
use crate::encode::structs::Form;
use crate::encode::{DecimalFormat, Inferring, json};
use crate::registry::SchemaType;
use crate::rejection::Reason;
use crate::route::{Event, Field};

const REASON: Reason = Reason::PayloadNotEncodable;

/// What JsonConverter prints before a struct, around its schema.
const BEFORE: &[u8] = br#"{"schema":"#;
const AFTER: &[u8] = br#","payload":"#;

impl Side {
    /// Appends the value of one column, which is all there is; `Ok(false)` when there are no bytes at all.
    pub(super) fn column_of(
        &mut self,
        event: &Event<'_>,
        field: &Field,
        value: &Value<'_>,
        now_ms: i64,
        out: &mut Vec<u8>,
    ) -> Result<bool, NotWritten> {
        // A NULL that may be is JSON's own; there is no such message.
        if value.is_null() && !(field.optional && self.language() == SchemaType::Json) {
            return Ok(false);
        }
        let (decimals, reason, form) = (self.decimals(), self.reason(), self.form());
        self.slot(event.topic, event.plan.generation);
        let in_header = self.in_header();
        let ready =
            self.inferred_of(event.topic, now_ms, |_, out| schema(field, None).write(decimals, out))?;
        Side::frame(in_header, ready, reason, out)?;
        match form {
            Form::Protobuf(how) => {
                message::alone(&field.kind, value, how, out).map_err(|Unfit| unfit(field, reason))?;
            }
            _ => json::write(&field.kind, value, decimals, out),
        }
        Ok(true)
    }

    /// Appends a payload that was taken apart. Its schema is known by JsonConverter's text of it, which is written each time.
    pub(super) fn expanded_of(
        &mut self,
        event: &Event<'_>,
        (expander, text, root): (&mut Expander, &str, Root),
        around: Around<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, NotWritten> {
        self.slot(event.topic, 0);
        let start = self.slot.len();
        expander.schema(text, root, &event.plan.payload.name, None, &mut self.slot);
        let (in_header, form) = (self.in_header(), self.form());
        let ready = self.inferred_of(event.topic, around.now_ms, |slot, out| {
            out.extend_from_slice(&slot[start..]);
        })?;
        Side::frame(in_header, ready, REASON, out)?;
        let field = &event.plan.payload;
        match form {
            Form::Protobuf(how) => {
                let written = expander.protobuf(text, root, (around.most(), how), out);
                written.map_err(|why| not_written(why, field, around))?;
            }
            _ => expander.json(text, root, around.most(), out).map_err(|_| full(around.most()))?,
        }
        Ok(true)
    }

    /// Appends the payload and what is placed beside it.
    pub(super) fn envelope_of(
        &mut self,
        event: &Event<'_>,
        placed: &[(String, Field)],
        payload: Payload<'_>,
        route: &str,
        around: Around<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), NotWritten> {
        let (plan, form, decimals, in_header) = (event.plan, self.form(), self.decimals(), self.in_header());
        self.slot(event.topic, plan.generation);
        self.slot.extend_from_slice(route.as_bytes());
        self.slot.extend_from_slice(&event.schema_version.unwrap_or(-1).to_be_bytes());
        let start = self.slot.len();
        let mut payload = payload;
        if let Payload::Struct(expander, text, root) = &mut payload {
            // Known by the struct's own schema, too.
            expander.schema(text, *root, &plan.payload.name, Some("payload"), &mut self.slot);
        }
        let ready = self.inferred_of(event.topic, around.now_ms, |slot, out| {
            out.extend_from_slice(br#"{"type":"struct","fields":["#);
            for (index, (name, field)) in members(plan, placed).enumerate() {
                match &slot[start..] {
                    expanded @ [_, ..] if index == 0 => out.extend_from_slice(expanded),
                    _ => schema(field, Some(name)).write(decimals, out),
                }
                out.push(b',');
            }
            out.pop();
            close_envelope(&around.prepared.envelope.stem, route, event.schema_version, out);
            out.truncate(out.len() - AFTER.len());
        })?;
        Side::frame(in_header, ready, REASON, out)?;
        match form {
            Form::Protobuf(how) => members_in_protobuf(event, placed, payload, (around, how), out),
            _ => members_in_json(event, placed, payload, (around, decimals), out),
        }
    }

    /// Appends what stands before a struct of the connector's own, and tells in which form it is to follow. `head` writes
    /// what JsonConverter prints before it.
    pub(in crate::encode) fn structs(
        &mut self,
        topic: &str,
        (generation, now_ms): (u64, i64),
        head: impl FnOnce(DecimalFormat, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<Form, NotWritten> {
        let (reason, decimals, in_header) = (self.reason(), self.decimals(), self.in_header());
        let form = self.form();
        self.slot(topic, generation);
        let schema = |out: &mut Vec<u8>| {
            head(decimals, out);
            out.drain(..BEFORE.len());
            out.truncate(out.len() - AFTER.len());
        };
        let ready = match form {
            Form::Avro => self.inferred(topic, now_ms, |text| {
                let mut connect = Vec::new();
                schema(&mut connect);
                avro::of_connect(&connect, text).map_err(|invalid| unnamed(&invalid, reason))
            })?,
            _ => self.inferred_of(topic, now_ms, |_, out| schema(out))?,
        };
        Side::frame(in_header, ready, reason, out)?;
        Ok(form)
    }

    /// How structs are written.
    fn form(&self) -> Form {
        let inferring = self.framed.inferring;
        match self.language() {
            SchemaType::Protobuf => Form::Protobuf(inferring),
            SchemaType::Avro => Form::Avro,
            SchemaType::Json => Form::Json { decimals: inferring.decimals, replace: true },
        }
    }

    fn decimals(&self) -> DecimalFormat {
        self.framed.inferring.decimals
    }
}

fn members_in_json(
    event: &Event<'_>,
    placed: &[(String, Field)],
    payload: Payload<'_>,
    (around, decimals): (Around<'_>, DecimalFormat),
    out: &mut Vec<u8>,
) -> Result<(), NotWritten> {
    let (mut payload, names) = (Some(payload), &around.prepared.envelope.members);
    for (name, (_, field)) in names.iter().zip(members(event.plan, placed)) {
        out.extend_from_slice(name);
        match payload.take() {
            Some(Payload::Struct(expander, text, root)) => {
                expander.json(text, root, around.most(), out).map_err(|_| full(around.most()))?;
            }
            Some(Payload::Column(value)) => json::write(&field.kind, value, decimals, out),
            Some(Payload::Bare(_)) => return Err(unfit(field, REASON).into()),
            None => with_value(REASON, field, &event.row, |value| {
                json::write(&field.kind, value, decimals, out);
                Ok(())
            })?,
        }
    }
    out.push(b'}');
    Ok(())
}

fn members_in_protobuf(
    event: &Event<'_>,
    placed: &[(String, Field)],
    payload: Payload<'_>,
    (around, how): (Around<'_>, Inferring),
    out: &mut Vec<u8>,
) -> Result<(), NotWritten> {
    let mut payload = Some(payload);
    for (number, (_, field)) in (1..).zip(members(event.plan, placed)) {
        let place = Place { number, optional: field.optional, how };
        let column = |value: &Value<'_>, out: &mut Vec<u8>| {
            place.value(&field.kind, value, out).map_err(|Unfit| unfit(field, REASON))
        };
        match payload.take() {
            Some(Payload::Struct(expander, text, root)) => {
                let most = around.most();
                let written = expander.protobuf_field(text, root, (most, place), out);
                written.map_err(|why| not_written(why, field, around))?;
            }
            Some(Payload::Column(value)) => column(value, out)?,
            Some(Payload::Bare(_)) => return Err(unfit(field, REASON).into()),
            None => with_value(REASON, field, &event.row, |value| column(value, out))?,
        }
    }
    Ok(())
}

fn not_written(why: expand::NotWritten, field: &Field, around: Around<'_>) -> Refusal {
    match why {
        expand::NotWritten::TooMuch => full(around.most()),
        expand::NotWritten::Unfit => unfit(field, REASON),
    }
}
