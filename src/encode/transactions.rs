//! The topic of transactions as Debezium writes it (`provide.transaction.metadata`): a record where one begins, and one where
//! it ends that counts its events by table.

use super::change::transaction_id;
use super::encoder::{Encoder, Refusal, too_large};
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
    pub fn boundary(&mut self, boundary: &Boundary<'_>, out: &mut Outgoing) -> Result<(), Rejection> {
        let begun = out.draft();
        self.write_boundary(boundary, out).map_err(|refusal| {
            out.abandon(begun);
            Rejection {
                reason: refusal.reason,
                detail: refusal.detail,
                hint: refusal.hint.to_owned(),
                table: boundary.topic.to_string(),
                event_id: None,
                origin: Origin::default(),
            }
        })
    }

    fn write_boundary(&self, boundary: &Boundary<'_>, out: &mut Outgoing) -> Result<(), Refusal> {
        let (config, mut draft) = (self.config(), out.draft());
        let structs = |converter: &Converter, reason| {
            let what = "of a transaction's begin and end, key and value are STRUCTs";
            Form::of(converter).map_err(|unsuited| unsuited.refusal(reason, what))
        };
        let id = transaction_id(Some(boundary.xid), boundary.lsn);
        let form = structs(&config.key, Reason::KeyNotEncodable)?;
        let Ok(()) = out.key(&mut draft, |bytes| {
            framed(config.key.heads().map(|_| KEY_SCHEMA), form, bytes, |writer| writer.text("id", &id));
            Ok::<_, std::convert::Infallible>(true)
        });
        let form = structs(&config.value, Reason::PayloadNotEncodable)?;
        let Ok(()) = out.value(&mut draft, |bytes| {
            let head = config.value.heads().map(|_| VALUE_SCHEMA);
            framed(head, form, bytes, |writer| value(writer, form, boundary, &id));
            Ok::<_, std::convert::Infallible>(true)
        });
        match out.size(&draft) {
            size if size > config.max_record_bytes => Err(too_large(size, config.max_record_bytes)),
            _ => {
                out.finish(draft, boundary.topic, None, boundary.now_ms);
                Ok(())
            }
        }
    }
}

fn value(writer: &mut Writer<'_>, form: Form, boundary: &Boundary<'_>, id: &str) {
    writer.text("status", if boundary.counts.is_some() { "END" } else { "BEGIN" });
    writer.text("id", id);
    match boundary.counts {
        None => {
            writer.null("event_count");
            writer.null("data_collections");
        }
        Some(counts) => {
            writer.number("event_count", counts.iter().map(|(_, count)| *count as i64).sum());
            writer.name("data_collections");
            writer.out.push(b'[');
            let separator: &[u8] = if form == Form::Java { b", " } else { b"," };
            for (index, (table, count)) in counts.iter().enumerate() {
                writer.out.extend_from_slice(if index > 0 { separator } else { b"" });
                writer.begin();
                writer.text("data_collection", table);
                writer.number("event_count", *count as i64);
                writer.close();
            }
            writer.out.push(b']');
        }
    }
    writer.number("ts_ms", boundary.commit_us.div_euclid(1000));
}

fn framed(head: Option<&str>, form: Form, out: &mut Vec<u8>, write: impl FnOnce(&mut Writer<'_>)) {
    out.extend_from_slice(head.unwrap_or_default().as_bytes());
    let mut writer = Writer::open(form, out);
    write(&mut writer);
    writer.close();
    if head.is_some() {
        out.push(b'}');
    }
}
