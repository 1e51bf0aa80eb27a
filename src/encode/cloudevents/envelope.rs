//! The structured mode: one JSON object of attributes and data.

use super::prepared::Form;
use super::{Mode, Outer, Prepared};
use crate::decode::value::base64;
use crate::encode::encoder::{NotWritten, Refusal};
use crate::encode::json;
use crate::rejection::Reason;
use crate::route::Event;

const REASON: Reason = Reason::PayloadNotEncodable;

/// As much is kept from event to event.
const KEPT: usize = 1 << 20;

impl Prepared {
    /// Values are envelopes.
    pub(in crate::encode) fn is_structured(&self) -> bool {
        self.mode != Mode::Binary
    }

    /// Appends the envelope of the data that `write` appends, if there is any; answers whether there is an envelope.
    pub(in crate::encode) fn envelope(
        &self,
        event: &Event<'_>,
        outer: Outer<'_>,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<bool, NotWritten>,
    ) -> Result<bool, NotWritten> {
        if self.mode == Mode::Debezium {
            return self.as_debezium(event, outer, out, write);
        }
        let scratch = outer.scratch;
        out.extend_from_slice(&self.head);
        self.each(event, REASON, |attribute, text| {
            scratch.clear();
            if text(scratch)? {
                out.extend_from_slice(&attribute.member);
                json::string_bytes(scratch, out);
            }
            Ok(())
        })?;
        let end = out.len();
        match self.form {
            Form::Json { checked } => {
                self.about_data(event, None, out);
                out.extend_from_slice(br#","data":"#);
                let start = out.len();
                match write(out)? {
                    true if checked => check(&out[start..])?,
                    true => {}
                    false => out.truncate(end),
                }
            }
            form => {
                let is_there = write(out)?;
                scratch.clear();
                scratch.extend_from_slice(&out[end..]);
                out.truncate(end);
                if is_there {
                    self.about_data(event, self.schema_id(Some(scratch)), out);
                    quoted(form, scratch, out);
                }
            }
        }
        out.push(b'}');
        bound(scratch);
        Ok(true)
    }

    /// What is said of the data only where there is some.
    fn about_data(&self, event: &Event<'_>, id: Option<i32>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.data_type_member);
        if let Some((attribute, uri)) = &self.data_schema {
            let start = out.len();
            out.extend_from_slice(&attribute.member);
            out.push(b'"');
            // A URI has nothing that JSON would escape.
            match self.write_data_schema(event, uri, id, out) {
                true => out.push(b'"'),
                false => out.truncate(start),
            }
        }
    }
}

/// Gives back what one large event has needed.
pub(super) fn bound(scratch: &mut Vec<u8>) {
    if scratch.capacity() > KEPT {
        *scratch = Vec::new();
    }
}

/// Data that is not JSON.
fn quoted(form: Form, data: &[u8], out: &mut Vec<u8>) {
    match form {
        Form::Bytes => {
            out.reserve(data.len().div_ceil(3) * 4 + 20);
            out.extend_from_slice(br#","data_base64":""#);
            base64::write(data.iter().copied(), out);
            out.push(b'"');
        }
        _ => {
            out.extend_from_slice(br#","data":"#);
            json::string_bytes(data, out);
        }
    }
}

/// What is called JSON has to be it, or nobody can read the envelope.
fn check(data: &[u8]) -> Result<(), Refusal> {
    let text = str::from_utf8(data).ok();
    match text.map(serde_json::from_str::<serde::de::IgnoredAny>) {
        Some(Ok(_)) => Ok(()),
        _ => Err(Refusal {
            reason: REASON,
            detail: "walpost.cloudevents.datacontenttype says that the data is JSON, and the payload is not"
                .to_owned(),
            hint: "make the column json or jsonb, which take nothing else; or name another content type",
        }),
    }
}
