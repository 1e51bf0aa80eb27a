//! What Debezium's CloudEventsConverter makes of an outbox event whose attributes it finds in headers (`metadata.source=header`,
//! JSON around JSON, no extension attributes): its members and their order. Debezium takes the time from the source block,
//! which is when the transaction was committed.

use super::Prepared;
use crate::decode::Cell;
use crate::decode::value::civil;
use crate::encode::encoder::{NotWritten, Refusal, describe};
use crate::encode::json;
use crate::rejection::Reason;
use crate::route::Event;
use std::io::Write;

const REASON: Reason = Reason::PayloadNotEncodable;

/// How a value of a struct begins in JSON: without its schema, and with it.
const STRUCTS: [&[u8]; 2] = [b"{", br#"{"schema":{"type":"struct""#];

impl Prepared {
    /// Appends the envelope of the data that `write` appends; `false` when there is none.
    pub(super) fn as_debezium(
        &self,
        event: &Event<'_>,
        scratch: &mut Vec<u8>,
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
        let [_, (_, source)] = &self.constant;
        let mut members = [&b"{\"id\":"[..], b",\"specversion\":\"1.0\",\"type\":"].into_iter();
        for attribute in &self.attributes {
            out.extend_from_slice(members.next().unwrap_or_default());
            scratch.clear();
            attribute.write(&event.row, REASON, scratch)?;
            json::string_bytes(scratch, out);
            if attribute.name == "id" {
                out.extend_from_slice(b",\"source\":");
                json::string_bytes(source, out);
            }
        }
        out.extend_from_slice(b",\"time\":\"");
        time(committed_ms, out);
        out.extend_from_slice(br#"","datacontenttype":"application/json","data":"#);
        let start = out.len();
        write(out)?;
        if !out[start..].starts_with(STRUCTS[usize::from(self.has_schemas)]) {
            return Err(Refusal {
                reason: REASON,
                detail: format!("{}, and CloudEventsConverter takes a STRUCT", describe(&plan.payload)),
                hint: "set table.expand.json.payload=true of the event router, and write JSON objects; or have them in walpost's own \
                       CloudEvents: walpost.cloudevents.mode=structured",
            }
            .into());
        }
        out.push(b'}');
        Ok(true)
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
