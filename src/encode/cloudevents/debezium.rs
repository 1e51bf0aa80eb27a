//! What Debezium's CloudEventsConverter makes of an outbox event whose attributes it finds in headers (`metadata.source=header`,
//! no extension attributes): its members and their order, of JSON around JSON, JSON around Avro and Avro around Avro. Debezium
//! takes the time from the source block, which is when the transaction was committed.

use super::envelope::bound;
use super::prepared::Form;
use super::{Outer, Prepared};
use crate::decode::Cell;
use crate::decode::value::{Kind, base64, civil};
use crate::encode::avro::{SchemaText, binary};
use crate::encode::encoder::{NotWritten, Refusal, describe};
use crate::encode::schema::member;
use crate::encode::{Converter, json};
use crate::registry::wire;
use crate::rejection::Reason;
use crate::route::{Event, Field};
use std::io::Write;

const REASON: Reason = Reason::PayloadNotEncodable;

/// How a value of a struct begins in JSON: without its schema, and with it.
const STRUCTS: [&[u8]; 2] = [b"{", br#"{"schema":{"type":"struct""#];

/// Members of an event in Avro that are texts; `data` comes after them.
const TEXTS: [&str; 7] = ["id", "source", "specversion", "type", "time", "datacontenttype", "dataschema"];

impl Prepared {
    /// Appends the envelope of the data that `write` appends; `false` when there is none.
    pub(super) fn as_debezium(
        &self,
        event: &Event<'_>,
        outer: Outer<'_>,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<bool, NotWritten>,
    ) -> Result<bool, NotWritten> {
        let plan = event.plan;
        let is_null =
            || event.row.get(plan.payload.index) == Some(Cell::Null) && plan.payload.default.is_none();
        if plan.envelope.is_none() && is_null() {
            return Ok(false);
        }
        let Some(committed_ms) = event.committed_ms else { return Err(timeless().into()) };
        if self.form == Form::Bytes {
            self.around_avro(event, committed_ms, outer, out, write)?;
            return Ok(true);
        }
        outer.scratch.clear();
        self.head(event, committed_ms, outer.scratch, out)?;
        out.extend_from_slice(b",\"data\":");
        let start = out.len();
        write(out)?;
        if !out[start..].starts_with(STRUCTS[usize::from(self.has_schemas)]) {
            return Err(no_struct(&plan.payload).into());
        }
        out.push(b'}');
        Ok(true)
    }

    /// Data in Avro, in an event in JSON or in Avro. Its schema's id is an attribute: it is written first, and kept.
    fn around_avro(
        &self,
        event: &Event<'_>,
        committed_ms: i64,
        outer: Outer<'_>,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<bool, NotWritten>,
    ) -> Result<(), NotWritten> {
        let Outer { scratch, side, now_ms } = outer;
        let start = out.len();
        write(out)?;
        scratch.clear();
        scratch.extend_from_slice(&out[start..]);
        out.truncate(start);
        let (data, id) = (scratch.len(), wire::id(scratch));
        let uri = self.data_schema.as_ref().map(|(_, uri)| uri.as_str()).unwrap_or_default();
        let schema = |scratch: &mut Vec<u8>| Ok(self.write_data_schema(event, uri, id, scratch));
        match (side, &self.record) {
            (Some(side), Some((record, name))) => {
                side.record(event.topic, (record, name), now_ms, out)?;
                self.texts(event, committed_ms, scratch, out)?;
                kept_aside(scratch, schema, |text| binary::bytes(text, out))?;
                binary::bytes(&scratch[..data], out);
            }
            _ => {
                self.head(event, committed_ms, scratch, out)?;
                out.extend_from_slice(b",\"dataschema\":");
                kept_aside(scratch, schema, |text| json::string_bytes(text, out))?;
                out.extend_from_slice(b",\"data\":\"");
                base64::write(scratch[..data].iter().copied(), out);
                out.extend_from_slice(b"\"}");
            }
        }
        bound(scratch);
        Ok(())
    }

    /// The beginning of an event in JSON.
    fn head(
        &self,
        event: &Event<'_>,
        committed_ms: i64,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let [_, (_, source)] = &self.constant;
        let mut members = [&b"{\"id\":"[..], b",\"specversion\":\"1.0\",\"type\":"].into_iter();
        self.each_column(event, scratch, |name, text| {
            out.extend_from_slice(members.next().unwrap_or_default());
            json::string_bytes(text, out);
            if name == "id" {
                out.extend_from_slice(b",\"source\":");
                json::string_bytes(source, out);
            }
        })?;
        out.extend_from_slice(b",\"time\":\"");
        time(committed_ms, out);
        out.push(b'"');
        out.extend_from_slice(&self.data_type_member);
        Ok(())
    }

    /// The texts of an event in Avro, but for the last.
    fn texts(
        &self,
        event: &Event<'_>,
        committed_ms: i64,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let [(_, version), (_, source)] = &self.constant;
        self.each_column(event, scratch, |name, text| {
            binary::bytes(text, out);
            if name == "id" {
                binary::bytes(source, out);
                binary::bytes(version, out);
            }
        })?;
        let write = |text: &mut Vec<u8>| {
            time(committed_ms, text);
            Ok(true)
        };
        kept_aside(scratch, write, |text| binary::bytes(text, out))?;
        binary::bytes(&self.data_type, out);
        Ok(())
    }

    /// Hands over each attribute that a column is: its name, and its text.
    fn each_column(
        &self,
        event: &Event<'_>,
        scratch: &mut Vec<u8>,
        mut use_it: impl FnMut(&str, &[u8]),
    ) -> Result<(), Refusal> {
        self.attributes.iter().try_for_each(|attribute| {
            let write = |text: &mut Vec<u8>| attribute.write(&event.row, REASON, text);
            kept_aside(scratch, write, |text| use_it(&attribute.name, text))
        })
    }
}

/// Hands to `use_it` what `write` appends, and takes it away again.
fn kept_aside(
    scratch: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<bool, Refusal>,
    use_it: impl FnOnce(&[u8]),
) -> Result<(), Refusal> {
    let start = scratch.len();
    write(scratch)?;
    use_it(&scratch[start..]);
    scratch.truncate(start);
    Ok(())
}

/// The schema of events in Avro, as Connect's AvroConverter has it of Debezium's struct; its name was looked at before.
pub(super) fn schema(name: &str, converter: &Converter) -> String {
    let meta = matches!(converter, Converter::Framed(framed) if framed.meta);
    let mut text = SchemaText::new(meta);
    let fields = |text: &mut SchemaText| {
        for name in TEXTS {
            text.column_field(name, &Kind::String, false, None)?;
        }
        text.column_field("data", &Kind::Bytes, false, None)
    };
    let written = text.record(name, fields, |out| member("connect.name", name, out));
    debug_assert_eq!(written, Ok(()), "the name was looked at");
    String::from_utf8(text.out).unwrap_or_default()
}

/// Its data would be no struct.
pub(in crate::encode) fn no_struct(payload: &Field) -> Refusal {
    Refusal {
        reason: REASON,
        detail: format!("{}, and CloudEventsConverter takes a STRUCT", describe(payload)),
        hint: "set table.expand.json.payload=true of the event router, and write JSON objects; or have them in walpost's own \
               CloudEvents: walpost.cloudevents.mode=structured",
    }
}

/// `yyyy-MM-dd'T'HH:mm:ss.SSSXXX` in UTC.
fn time(ms: i64, out: &mut Vec<u8>) {
    const DAY_MS: i64 = 86_400_000;
    let ((year, month, day), of_day) = (civil(ms.div_euclid(DAY_MS)), ms.rem_euclid(DAY_MS));
    let (hours, minutes, seconds) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    // Writing into a Vec cannot fail.
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z",
        of_day % 1000
    );
}

fn timeless() -> Refusal {
    Refusal {
        reason: REASON,
        detail:
            "the time of CloudEventsConverter is when the event was committed, which its row does not tell"
                .to_owned(),
        hint: "walpost.cloudevents.mode=structured makes everything of the row",
    }
}
