//! The topic of transactions as Debezium writes it (`provide.transaction.metadata`): a record where one begins, and one where
//! it ends that counts its events by table.

use super::blocks::transaction_id;
use super::encoder::{Encoder, NotEncoded, NotWritten, Refusal, fits};
use super::framed::Side;
use super::sides::Sides;
use super::structs::{Form, Writer};
use super::{Converter, Outgoing};
use crate::lsn::Lsn;
use crate::rejection::{Origin, Reason, Rejection};
use std::sync::Arc;

/// `io.debezium.connector.common.TransactionMetadataKey` and `…Value`, as JsonConverter prints their schemas.
const KEY_SCHEMA: &str = r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"}],"optional":false,"name":"io.debezium.connector.common.TransactionMetadataKey","version":1},"payload":"#;
const VALUE_SCHEMA: &str = r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"status"},{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":true,"field":"event_count"},{"type":"array","items":{"type":"struct","fields":[{"type":"string","optional":false,"field":"data_collection"},{"type":"int64","optional":false,"field":"event_count"}],"optional":true,"name":"event.collection","version":1},"optional":true,"field":"data_collections"},{"type":"int64","optional":false,"field":"ts_ms"}],"optional":false,"name":"io.debezium.connector.common.TransactionMetadataValue","version":1},"payload":"#;

/// The begin or the end of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Boundary<'a> {
    /// The topic of transactions.
    pub topic: &'a Arc<str>,
    /// The transaction.
    pub xid: u32,
    /// Where in the WAL its begin or its end is, as the stream tells.
    pub lsn: Lsn,
    /// When it was committed, µs since 1970.
    pub commit_us: i64,
    /// At its end: each table of which it has events, and how many.
    pub counts: Option<&'a [(String, u64)]>,
    /// The connector's clock, ms since 1970.
    pub now_ms: i64,
}

impl Encoder {
    /// Appends the record of a transaction's begin or end.
    pub fn boundary(&mut self, boundary: &Boundary<'_>, out: &mut Outgoing) -> Result<(), NotEncoded> {
        let begun = out.draft();
        let mut sides = std::mem::take(self.sides());
        let written = self.write_boundary(boundary, &mut sides, out);
        *self.sides() = sides;
        written.map_err(|why| {
            out.abandon(begun);
            match why {
                NotWritten::Asks(question) => NotEncoded::Asks(question),
                NotWritten::Refused(Refusal { reason, detail, hint }) => NotEncoded::Rejected(Rejection {
                    reason,
                    detail,
                    hint: hint.to_owned(),
                    table: boundary.topic.to_string(),
                    event_id: None,
                    origin: Origin::default(),
                }),
            }
        })
    }

    fn write_boundary(
        &self,
        boundary: &Boundary<'_>,
        sides: &mut Sides,
        out: &mut Outgoing,
    ) -> Result<(), NotWritten> {
        let (config, mut draft) = (self.config(), out.draft());
        let id = transaction_id(Some(boundary.xid), boundary.lsn);
        let side = sides.key.as_deref_mut();
        let written = out.key(&mut draft, |bytes| {
            let of = (&config.key, Reason::KeyNotEncodable, KEY_SCHEMA);
            framed(of, side, boundary, bytes, |writer| writer.text("id", &id))
        });
        sides.of_key(written)?;
        let side = sides.value.as_deref_mut();
        let written = out.value(&mut draft, |bytes| {
            let of = (&config.value, Reason::PayloadNotEncodable, VALUE_SCHEMA);
            framed(of, side, boundary, bytes, |writer| value(writer, boundary, &id))
        });
        sides.of_value(written)?;
        sides.write_headers([true, true], out)?;
        fits(out, &draft, config)?;
        out.finish(draft, boundary.topic, None, boundary.now_ms);
        Ok(())
    }
}

fn value(writer: &mut Writer<'_>, boundary: &Boundary<'_>, id: &str) {
    writer.text("status", if boundary.counts.is_some() { "END" } else { "BEGIN" });
    writer.text("id", id);
    match boundary.counts {
        None => {
            writer.null("event_count");
            writer.null("data_collections");
        }
        Some(counts) => {
            let all = counts.iter().map(|(_, count)| *count as i64).sum();
            writer.optional().number("event_count", all);
            writer.optional().list("data_collections", counts.iter(), |writer, (table, count)| {
                writer.text("data_collection", table);
                writer.number("event_count", *count as i64);
            });
        }
    }
    writer.number("ts_ms", boundary.commit_us.div_euclid(1000));
}

/// A struct, with what stands before it.
fn framed(
    (converter, reason, schema): (&Converter, Reason, &str),
    side: Option<&mut Side>,
    boundary: &Boundary<'_>,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Writer<'_>),
) -> Result<bool, NotWritten> {
    let mut has_schema = false;
    let form = match side {
        Some(side) => {
            let head = |_, out: &mut Vec<u8>| out.extend_from_slice(schema.as_bytes());
            side.structs(boundary.topic, (0, boundary.now_ms), head, out)?
        }
        None => {
            let what = "of a transaction's begin and end, key and value are STRUCTs";
            let form = Form::of(converter).map_err(|unsuited| unsuited.refusal(reason, what))?;
            has_schema = converter.heads().is_some();
            out.extend_from_slice(if has_schema { schema.as_bytes() } else { b"" });
            form
        }
    };
    let mut writer = Writer::open(form, out);
    write(&mut writer);
    writer.close();
    if has_schema {
        out.push(b'}');
    }
    Ok(true)
}
