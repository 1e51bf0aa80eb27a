//! Attributes of one event: their text, and the headers of the binary mode.

use super::prepared::{Attribute, Rule};
use super::{CloudEvents, Mode, Prepared, percent_encoded};
use crate::decode::value::{Kind, Value, base64};
use crate::decode::{Cell, Tuple};
use crate::encode::encoder::{Refusal, describe, with_trace, with_value};
use crate::encode::{Outgoing, java};
use crate::registry::wire;
use crate::rejection::Reason;
use crate::route::{Event, Field};
use std::io::Write;

impl Prepared {
    /// Appends the headers. Without a value all attributes are headers, for there is no envelope; `id` is the schema's.
    pub(in crate::encode) fn write_headers(
        &self,
        event: &Event<'_>,
        id: Option<i32>,
        has_value: bool,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        if self.mode == Mode::Debezium {
            return Ok(());
        }
        if self.mode == Mode::Structured && has_value {
            return out.header(&self.content_type, |bytes| copied(CloudEvents::STRUCTURED.as_bytes(), bytes));
        }
        if has_value {
            out.header(&self.content_type, |bytes| copied(&self.data_type, bytes))?;
        }
        for (name, value) in &self.constant {
            out.header(name, |bytes| copied(value, bytes))?;
        }
        self.each(event, Reason::HeaderNotEncodable, |attribute, write| {
            out.header_if_any(&attribute.header, write)
        })?;
        match self.data_schema.as_ref().filter(|_| has_value) {
            Some((attribute, uri)) => out
                .header_if_any(&attribute.header, |bytes| Ok(self.write_data_schema(event, uri, id, bytes))),
            None => Ok(()),
        }
    }

    /// Hands each attribute of a column, and those of the trace, to `use_it`, with what writes its text: that answers
    /// whether there is one.
    pub(super) fn each(
        &self,
        event: &Event<'_>,
        reason: Reason,
        mut use_it: impl FnMut(
            &Attribute,
            &mut dyn FnMut(&mut Vec<u8>) -> Result<bool, Refusal>,
        ) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        for attribute in &self.attributes {
            use_it(attribute, &mut |out| attribute.write(&event.row, reason, out))?;
        }
        let Some(field) = &event.plan.trace else { return Ok(()) };
        with_trace(event, field, |trace| {
            for (attribute, text) in self.trace.iter().zip(trace.values()) {
                let Some(text) = text else { continue };
                use_it(attribute, &mut |out| copied(text.as_bytes(), out))?;
            }
            Ok(())
        })
    }

    /// Appends the data schema's URI; `false`: there is none, as no schema's id is known.
    pub(super) fn write_data_schema(
        &self,
        event: &Event<'_>,
        uri: &str,
        id: Option<i32>,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        let mut rest = uri;
        while let Some(at) = rest.find("${") {
            out.extend_from_slice(&rest.as_bytes()[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix(CloudEvents::ID) {
                let Some(id) = id else {
                    out.truncate(start);
                    return false;
                };
                java::integer(i64::from(id), out);
                rest = after;
            } else if let Some(after) = rest.strip_prefix(CloudEvents::TYPE) {
                percent_encoded(event_type(event).unwrap_or_default(), out);
                rest = after;
            } else {
                out.extend_from_slice(b"${");
                rest = &rest[2..];
            }
        }
        out.extend_from_slice(rest.as_bytes());
        true
    }

    /// The id of the schema that a frame names, where one is asked for.
    pub(in crate::encode) fn schema_id(&self, value: Option<&[u8]>) -> Option<i32> {
        let (_, uri) = self.data_schema.as_ref()?;
        value.filter(|_| uri.contains(CloudEvents::ID)).and_then(wire::id)
    }
}

fn event_type<'e>(event: &Event<'e>) -> Option<&'e [u8]> {
    let mut columns = event.plan.attributes.iter().flatten();
    let (_, field) = columns.find(|(name, _)| name == "type")?;
    match event.row.get(field.index) {
        Some(Cell::Text(text)) => Some(text),
        _ => None,
    }
}

impl Attribute {
    /// Appends its text; `false` when there is none.
    pub(super) fn write(&self, row: &Tuple<'_>, reason: Reason, out: &mut Vec<u8>) -> Result<bool, Refusal> {
        let Some(field) = &self.field else { return Ok(false) };
        let start = out.len();
        out.extend_from_slice(&self.prefix);
        let is_there = with_value(reason, field, row, |value| match (self.rule, value) {
            (Rule::Moment, value) => moment(field, value, reason, out),
            (Rule::Sequence, Value::Integer(number)) => sequence(field, *number, reason, out),
            (_, value) => Ok(plain(&field.kind, value, out)),
        })?;
        if !is_there {
            out.truncate(start);
            if self.rule == Rule::Required {
                return Err(self.absent(field, reason));
            }
        }
        Ok(is_there)
    }

    fn absent(&self, field: &Field, reason: Reason) -> Refusal {
        Refusal {
            reason,
            detail: format!(
                "a CloudEvent must have the attribute {}, and column {} is NULL or empty",
                self.name, field.name
            ),
            hint: match self.name.as_str() {
                "type" => "declare the column NOT NULL, or name another in walpost.event.type.column",
                _ => "declare the column NOT NULL, or name another in table.field.event.id",
            },
        }
    }
}

/// As the router's text; bytes as base64.
fn plain(kind: &Kind, value: &Value<'_>, out: &mut Vec<u8>) -> bool {
    match value {
        Value::Null => return false,
        Value::Text(text) => {
            out.extend_from_slice(text.as_bytes());
            return !text.is_empty();
        }
        Value::Hex(hex) => base64::write(hex.bytes(), out),
        Value::Bytes(bytes) => base64::write(bytes.iter().copied(), out),
        value => java::write(kind, value, out),
    }
    true
}

/// RFC 3339, in UTC: the text that a timestamp with time zone has.
fn moment(field: &Field, value: &Value<'_>, reason: Reason, out: &mut Vec<u8>) -> Result<bool, Refusal> {
    let Value::Text(text) = value else { return Ok(false) };
    // Its years have four digits.
    if text.as_bytes().get(4) != Some(&b'-') || text.starts_with('-') {
        return Err(Refusal {
            reason,
            detail: format!("{}, and beyond the years that RFC 3339 has", describe(field)),
            hint: "write a time between the years 0 and 9999, or NULL",
        });
    }
    out.extend_from_slice(text.as_bytes());
    Ok(true)
}

/// As many digits as the largest number has.
fn sequence(field: &Field, number: i64, reason: Reason, out: &mut Vec<u8>) -> Result<bool, Refusal> {
    if number < 0 {
        return Err(Refusal {
            reason,
            detail: format!("column {} is the attribute sequence, and negative", field.name),
            hint: "a sequence sorts as text: take a column that counts from 0 up, or a text",
        });
    }
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{number:019}");
    Ok(true)
}

fn copied(bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Refusal> {
    out.extend_from_slice(bytes);
    Ok(true)
}
