//! A record's value: the payload alone, or a struct of it and of what is placed beside it; the payload as the column has
//! it, or taken apart.

use super::converter::Converter;
use super::encoder::{self, Refusal, convert, too_large, with_value};
use super::expand::{Expander, Reading, Root, TooMuch};
use super::first::{First, FirstSchemas};
use super::prepared::{Prepared, members};
use super::{Config, java, json, schema};
use crate::decode::value::{Kind, Value};
use crate::rejection::Reason;
use crate::route::{Event, Field};

const REASON: Reason = Reason::PayloadNotEncodable;

/// What is kept from value to value.
#[derive(Debug)]
pub(super) struct Kept {
    expander: Option<Expander>,
    /// For members of logical decoding messages.
    messages: Option<Expander>,
    /// With `debezium.compat=strict`.
    first: Option<FirstSchemas>,
}

/// The payload, decided upon.
pub(super) enum Payload<'p> {
    /// As the column has it.
    Column(&'p Value<'p>),
    /// A struct that the expander has read from this text.
    Struct(&'p mut Expander, &'p str, Root),
    /// A text that has lost its schema.
    Bare(&'p str),
}

impl Kept {
    /// `None` when values are written as they come.
    pub(super) fn new(config: &Config) -> Option<Kept> {
        let expander = config.expand.map(Expander::new);
        let messages = config.messages.map(Expander::of_members);
        let first = config.strict.then(FirstSchemas::default);
        (expander.is_some() || messages.is_some() || first.is_some()).then_some(Kept {
            expander,
            messages,
            first,
        })
    }

    /// The expander, of a message's payload (`is_tree`) its own, and the first schemas, where there are such things.
    pub(super) fn parts(&mut self, is_tree: bool) -> (Option<&mut Expander>, Option<&mut FirstSchemas>) {
        let expander = if is_tree { &mut self.messages } else { &mut self.expander };
        (expander.as_mut(), self.first.as_mut())
    }

    /// A tombstone has no value, but Debezium has made its schema by then, and keeps it.
    pub(super) fn first_of_tombstone(
        &mut self,
        event: &Event<'_>,
        prepared: &Prepared,
    ) -> Result<(), Refusal> {
        let Some(first) = self.first.as_mut().filter(|_| event.plan.envelope.is_some()) else {
            return Ok(());
        };
        first.of(event, prepared, |_| false).map(|_| ())
    }
}

/// Appends the event's value; `Ok(false)` when there are no bytes at all.
pub(super) fn write(
    config: &Config,
    event: &Event<'_>,
    prepared: &Prepared,
    kept: Option<&mut Kept>,
    out: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    let plan = event.plan;
    if let (None, None) = (&kept, &plan.envelope) {
        return convert(REASON, &plan.payload, &event.row, &config.value, &prepared.payload, out);
    }
    let is_tree = plan.payload.kind == Kind::Tree;
    let (expander, first) = kept.map_or((None, None), |kept| kept.parts(is_tree));
    with_value(REASON, &plan.payload, &event.row, |value| {
        let fits = first.as_deref().is_some_and(|first| first.has_text(event, prepared));
        let payload = payload(config, event, expander, fits, value)?;
        match &plan.envelope {
            None => alone(config, event, prepared, payload, out),
            Some(placed) => {
                envelope(config, event, prepared, placed, payload, first, out)?;
                Ok(true)
            }
        }
    })
}

/// Takes the payload apart where that is asked for and can be done. Where `text_fits`, the envelope's schema has a place for
/// a text, whatever was inferred.
pub(super) fn payload<'p>(
    config: &Config,
    event: &Event<'_>,
    expander: Option<&'p mut Expander>,
    text_fits: bool,
    value: &'p Value<'p>,
) -> Result<Payload<'p>, Refusal> {
    let kind = &event.plan.payload.kind;
    let (Some(expander), Value::Text(text), true) =
        (expander, value, kind.is_string() || *kind == Kind::Tree)
    else {
        return Ok(Payload::Column(value));
    };
    let is_member = event.plan.envelope.is_some();
    if *kind == Kind::Tree {
        return match expander.read(text) {
            Reading::Struct(root) => Ok(Payload::Struct(expander, text, root)),
            Reading::Text | Reading::Empty | Reading::Unfit => Err(shapeless(&event.plan.payload)),
        };
    }
    match expander.read(text) {
        Reading::Struct(root) => {
            let root = match config.data_name() {
                Some(name) if !is_member => root.called(name),
                _ => root,
            };
            return Ok(Payload::Struct(expander, text, root));
        }
        Reading::Empty if !is_member => return Ok(Payload::Bare(text)),
        Reading::Text => {}
        // StringConverter alone does not mind a text where the schema has a struct.
        Reading::Empty | Reading::Unfit => {
            let fits = match is_member {
                true => text_fits,
                false => matches!(config.value.of_structs(), Ok(Converter::String)),
            };
            if config.strict && !fits {
                return Err(unfit(&event.plan.payload));
            }
        }
    }
    Ok(Payload::Column(value))
}

/// The payload alone.
fn alone(
    config: &Config,
    event: &Event<'_>,
    prepared: &Prepared,
    payload: Payload<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    let field = &event.plan.payload;
    let structs = || {
        let what = "the payload is a STRUCT, as it is taken apart";
        config.value.of_structs().map_err(|unsuited| unsuited.refusal(REASON, what))
    };
    let head: &[u8] = match (&payload, config.value.heads()) {
        (Payload::Column(value), _) => {
            return encoder::write(REASON, field, value, &config.value, &prepared.payload, out);
        }
        (_, None) => b"",
        (Payload::Bare(_), Some(_)) => br#"{"schema":null,"payload":"#,
        (Payload::Struct(..), Some(_)) => br#"{"schema":"#,
    };
    let converter = structs()?;
    out.extend_from_slice(head);
    match payload {
        Payload::Struct(expander, text, root) => {
            if !head.is_empty() {
                expander.schema(text, root, &field.name, None, out);
                out.extend_from_slice(br#","payload":"#);
            }
            expanded(config, converter, expander, text, root, out)?;
        }
        Payload::Bare(text) if matches!(converter, Converter::Json { .. }) => json::string(text, out),
        Payload::Bare(text) => out.extend_from_slice(text.as_bytes()),
        Payload::Column(_) => {}
    }
    if !head.is_empty() {
        out.push(b'}');
    }
    Ok(true)
}

/// The payload and what is placed beside it.
fn envelope(
    config: &Config,
    event: &Event<'_>,
    prepared: &Prepared,
    placed: &[(String, Field)],
    mut payload: Payload<'_>,
    first: Option<&mut FirstSchemas>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let converter = config
        .value
        .of_structs()
        .map_err(|unsuited| unsuited.refusal(REASON, "the value is a STRUCT, as columns are placed in it"))?;
    let mut schema = |out: &mut Vec<u8>| schema_of(&mut payload, event, out);
    let First { route, schema: earlier } = match first {
        Some(first) => first.of(event, prepared, &mut schema)?,
        None => First { route: event.route, schema: None },
    };
    if !matches!(converter, Converter::Json { .. }) {
        return java_struct(config, event, placed, payload, out);
    }
    let constant = &prepared.envelope;
    let has_schema = !constant.fields.is_empty();
    if has_schema {
        let start = out.len();
        out.extend_from_slice(Prepared::ENVELOPE);
        let is_written = match earlier {
            Some(earlier) => {
                out.extend_from_slice(earlier);
                true
            }
            None => schema(out),
        };
        if is_written {
            out.extend_from_slice(&constant.fields[constant.payload_end..]);
        } else {
            out.truncate(start);
            out.extend_from_slice(&constant.fields);
        }
        match config.data_name() {
            Some(name) => schema::close_envelope(b"", name, None, out),
            None => schema::close_envelope(&constant.stem, route, event.schema_version, out),
        }
    }
    let mut payload = Some(payload);
    for (member, (_, field)) in constant.members.iter().zip(members(event.plan, placed)) {
        out.extend_from_slice(member);
        match payload.take() {
            Some(Payload::Struct(expander, text, root)) => {
                expanded(config, converter, expander, text, root, out)?;
            }
            Some(Payload::Column(value)) => {
                encoder::write(REASON, field, value, converter, b"", out)?;
            }
            Some(Payload::Bare(_)) | None => {
                convert(REASON, field, &event.row, converter, b"", out)?;
            }
        }
    }
    out.extend_from_slice(if has_schema { b"}}" } else { b"}" });
    Ok(())
}

/// Appends the schema of a payload that is taken apart, as a member of an envelope; answers whether it is.
pub(super) fn schema_of(payload: &mut Payload<'_>, event: &Event<'_>, out: &mut Vec<u8>) -> bool {
    match payload {
        Payload::Struct(expander, text, root) => {
            expander.schema(text, *root, &event.plan.payload.name, Some("payload"), out);
            true
        }
        Payload::Column(_) | Payload::Bare(_) => false,
    }
}

/// `Struct.toString`: members that are null are left out.
fn java_struct(
    config: &Config,
    event: &Event<'_>,
    placed: &[(String, Field)],
    payload: Payload<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    out.extend_from_slice(b"Struct{");
    let mut separator: &[u8] = b"";
    let mut write = |name: &str, kind: &Kind, value: &Value<'_>, out: &mut Vec<u8>| {
        if !value.is_null() {
            out.extend_from_slice(std::mem::replace(&mut separator, b","));
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            java::write(kind, value, out);
        }
    };
    let mut payload = Some(payload);
    for (name, field) in members(event.plan, placed) {
        match payload.take() {
            Some(Payload::Struct(expander, text, root)) => {
                write(name, &Kind::String, &Value::Text("".into()), out);
                expanded(config, &Converter::String, expander, text, root, out)?;
            }
            Some(Payload::Column(value)) => write(name, &field.kind, value, out),
            Some(Payload::Bare(_)) | None => with_value(REASON, field, &event.row, |value| {
                write(name, &field.kind, value, out);
                Ok(())
            })?,
        }
    }
    out.push(b'}');
    Ok(())
}

/// The struct itself.
fn expanded(
    config: &Config,
    converter: &Converter,
    expander: &Expander,
    text: &str,
    root: Root,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let most = config.max_record_bytes;
    let written = match converter {
        Converter::Json { .. } => expander.json(text, root, most, out),
        _ => expander.java(text, root, most, out),
    };
    written.map_err(|TooMuch| too_large(most.saturating_add(1), most))
}

fn shapeless(field: &Field) -> Refusal {
    Refusal {
        reason: REASON,
        detail: format!(
            "the message's member {} has no schema: a whole number beyond 64 bits in it, or an array of elements that \
             differ in type or are all null",
            field.name
        ),
        hint: "write such a value as a text",
    }
}

fn unfit(field: &Field) -> Refusal {
    Refusal {
        reason: REASON,
        detail: format!(
            "column {} holds JSON to which its own schema does not fit: an array at the root, a whole number beyond \
             64 bits, or an array of elements that differ in type",
            field.name
        ),
        hint: "Debezium 3.6 dies of it, and debezium.compat is strict: leave that out to publish the text as it is",
    }
}
