//! Change events of tables that are no outbox, as Debezium's connector writes them: envelope, source block, key, tombstones.
//!
//! Enters: a [`Changed`], and when and where it happened ([`At`]). Leaves: its records, one or several, or a rejection and
//! none. Promised: the bytes of Debezium 3.6 with the same converters. What its clock said when it read the row is ours.

use super::cloudevents::Mode;
use super::encoder::{Encoder, Refusal, too_large};
use super::outgoing::Draft;
use super::prepared::schema;
use super::schema::{BLOCKS_SCHEMA, CHANGE_SCHEMA_BEGIN, CHANGE_SCHEMA_END};
use super::structs::{Form, Writer};
use super::{Config, Converter, DecimalFormat, Outgoing, json, message};
use crate::decode::Tuple;
use crate::decode::value::ValueError;
use crate::lsn::Lsn;
use crate::rejection::{Reason, Rejection};
use crate::route::change::ChangeColumn;
use crate::route::{ChangePlan, Changed, What};

/// The version of Debezium whose events these are.
pub const VERSION: &str = "3.6.3.Final";

/// When and where a change happened, for its source block.
#[derive(Clone, Copy, Debug, Default)]
pub struct At<'a> {
    /// Where in the WAL the change is.
    pub lsn: Lsn,
    /// Its transaction.
    pub xid: Option<u32>,
    /// When that was committed, µs since 1970.
    pub commit_us: i64,
    /// Where the commit before it ended, if there was one.
    pub committed: Option<Lsn>,
    /// It is a row that a snapshot reads, and which.
    pub snapshot: Option<&'static str>,
    /// The replication origin: its name, and where the commit is there.
    pub origin: Option<(&'a str, Lsn)>,
    /// Its place in its transaction, where that is told.
    pub order: Option<Order>,
    /// The connector's clock, ns since 1970.
    pub now_ns: i64,
}

/// The place of an event in its transaction, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Among all of them.
    pub total: u64,
    /// Among those of its table.
    pub in_table: u64,
}

/// What is the same for every event of a table.
#[derive(Debug)]
pub(super) struct Prepared {
    generation: u64,
    oid: u32,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    header: Vec<u8>,
}

/// A header that names the other key of a row that has another.
#[derive(Clone, Copy)]
struct OtherKey<'a> {
    name: &'static str,
    row: Tuple<'a>,
    old: Option<Tuple<'a>>,
}

/// One record to be.
#[derive(Clone, Copy)]
struct Event<'a> {
    op: &'static str,
    before: Option<Tuple<'a>>,
    after: Option<Tuple<'a>>,
    other: Option<OtherKey<'a>>,
}

impl Encoder {
    /// Appends the records of a change to `out`; after a rejection `out` is as it was.
    pub fn change(
        &mut self,
        changed: &Changed<'_>,
        at: &At<'_>,
        out: &mut Outgoing,
    ) -> Result<(), Rejection> {
        let (records, begun) = (out.len(), out.draft());
        let prepared = self.prepare_change(changed.plan);
        let written = self.write_change(changed, prepared, at, out);
        written.map_err(|refusal| {
            out.truncate(records);
            out.abandon(begun);
            changed.rejected(refusal.reason, refusal.detail, refusal.hint)
        })
    }

    fn prepare_change(&mut self, plan: &ChangePlan) -> usize {
        let (config, prepared) = self.of_changes();
        if let Some(known) = prepared.iter().position(|known| known.generation == plan.generation) {
            return known;
        }
        prepared.retain(|known| known.oid != plan.oid);
        prepared.push(Prepared::new(plan, config));
        prepared.len() - 1
    }

    fn write_change(
        &self,
        changed: &Changed<'_>,
        prepared: usize,
        at: &At<'_>,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        if self.config().cloud.as_ref().is_some_and(|cloud| cloud.mode == Mode::Debezium) {
            return Err(Refusal {
                reason: Reason::PayloadNotEncodable,
                detail: "CloudEventsConverter makes CloudEvents of an outbox's events only".to_owned(),
                hint: "capture the outbox only, with table.include.list; or take walpost.cloudevents.mode=structured, with which change events are what the value converter makes",
            });
        }
        let Changed { plan, what } = *changed;
        let event = |op, before, after| Event { op, before, after, other: None };
        let mut order = at.order;
        let mut put = |is_skipped: bool, event: Event<'_>| {
            if is_skipped {
                return Ok(());
            }
            self.record(plan, prepared, &At { order, ..*at }, event, out)?;
            if let Some(order) = &mut order {
                (order.total, order.in_table) = (order.total + 1, order.in_table + 1);
            }
            Ok(())
        };
        match what {
            What::Created(new) if at.snapshot.is_some() => put(false, event("r", None, Some(new))),
            What::Created(new) => put(plan.skipped.create, event("c", None, Some(new))),
            What::Updated(old, new) => put(plan.skipped.update, event("u", old, Some(new))),
            What::Deleted(old) => put(plan.skipped.delete, event("d", Some(old), None)),
            What::Truncated => put(plan.skipped.truncate, event("t", None, None)),
            What::Message(prefix, content) => self.message(plan, prepared, (prefix, content.0), at, out),
            What::Moved(old, new) => {
                let to = OtherKey { name: "__debezium.newkey", row: new, old: Some(old) };
                let from = OtherKey { name: "__debezium.oldkey", row: old, old: None };
                let deleted = Event { other: Some(to), ..event("d", Some(old), None) };
                put(plan.skipped.delete, deleted)?;
                // What an update left alone is the old row's, which the event of the new one does not tell.
                let created = Event { other: Some(from), ..event("c", Some(old), Some(new)) };
                put(plan.skipped.create, created)
            }
        }
    }

    /// One record, and the tombstone after it.
    fn record(
        &self,
        plan: &ChangePlan,
        prepared: usize,
        at: &At<'_>,
        event: Event<'_>,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        let (config, prepared) = (self.config(), &self.prepared_changes()[prepared]);
        for is_tombstone in [false, true] {
            if is_tombstone && !(event.op == "d" && plan.tombstones) {
                break;
            }
            let mut draft = self.change_headers(plan, prepared, &event, out)?;
            let keyed =
                event.after.map(|after| (after, event.before)).or(event.before.map(|row| (row, None)));
            if let Some((row, old)) = keyed.filter(|_| !plan.key.is_empty()) {
                let form = form(&config.key, Reason::KeyNotEncodable, "key")?;
                out.key(&mut draft, |bytes| {
                    key(form, &prepared.key, &plan.key, row, old, Reason::KeyNotEncodable, bytes)
                })?;
            }
            if !is_tombstone {
                let form = form(&config.value, Reason::PayloadNotEncodable, "value")?;
                out.value(&mut draft, |bytes| value(form, &prepared.value, plan, at, &event, bytes))?;
            }
            match out.size(&draft) {
                size if size > config.max_record_bytes => {
                    return Err(too_large(size, config.max_record_bytes));
                }
                _ => out.finish(draft, &plan.topic, None, at.now_ns / 1_000_000),
            }
        }
        Ok(())
    }

    /// What is known of the row's other key comes before the context headers.
    fn change_headers(
        &self,
        plan: &ChangePlan,
        prepared: &Prepared,
        event: &Event<'_>,
        out: &mut Outgoing,
    ) -> Result<Draft, Refusal> {
        const REASON: Reason = Reason::HeaderNotEncodable;
        let shared = self.context_headers()?;
        let Some(OtherKey { name, row, old }) = event.other else { return Ok(out.draft_with(shared)) };
        let form = Form::of_header(&self.config().header)
            .map_err(|unsuited| unsuited.refusal(REASON, "a row's other key is a STRUCT"))?;
        let draft = out.draft();
        out.header(&name.into(), |bytes| key(form, &prepared.header, &plan.key, row, old, REASON, bytes))?;
        self.context_once(out)?;
        Ok(draft)
    }
}

/// How a side of a change event is written.
pub(super) fn form(converter: &Converter, reason: Reason, part: &str) -> Result<Form, Refusal> {
    Form::of(converter)
        .map_err(|unsuited| unsuited.refusal(reason, &format!("the {part} of a change event is a STRUCT")))
}

fn unreadable(reason: Reason, column: &ChangeColumn, error: &ValueError) -> Refusal {
    Refusal {
        reason,
        detail: format!("column {} cannot be read: {error}", column.field.name),
        hint: "if Postgres shows a proper value, please report it with the column's type",
    }
}

/// The struct of the key's columns.
fn key(
    form: Form,
    head: &[u8],
    columns: &[ChangeColumn],
    row: Tuple<'_>,
    old: Option<Tuple<'_>>,
    reason: Reason,
    out: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    out.extend_from_slice(head);
    let mut writer = Writer::open(form, out);
    columns_of(&mut writer, columns, row, old, reason)?;
    writer.close();
    close_head(head, out);
    Ok(true)
}

fn columns_of(
    writer: &mut Writer<'_>,
    columns: &[ChangeColumn],
    row: Tuple<'_>,
    old: Option<Tuple<'_>>,
    reason: Reason,
) -> Result<(), Refusal> {
    for column in columns {
        let field = &column.field;
        column
            .with(row, old, |value| writer.value(&field.name, &field.kind, value, field.default.as_ref()))
            .map_err(|error| unreadable(reason, column, &error))?;
    }
    Ok(())
}

pub(super) fn close_head(head: &[u8], out: &mut Vec<u8>) {
    if !head.is_empty() {
        out.push(b'}');
    }
}

/// The envelope.
fn value(
    form: Form,
    head: &[u8],
    plan: &ChangePlan,
    at: &At<'_>,
    event: &Event<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    out.extend_from_slice(head);
    let mut writer = Writer::open(form, out);
    // The old row of one that is created anew is in the event before.
    let before = event.before.filter(|_| event.op != "c");
    for (name, row, old) in [("before", before, None), ("after", event.after, event.before)] {
        match row {
            None => writer.null(name),
            Some(row) => {
                writer.within(name);
                columns_of(&mut writer, &plan.columns, row, old, Reason::PayloadNotEncodable)?;
                writer.close();
            }
        }
    }
    source(&mut writer, form, plan, at);
    transaction(&mut writer, at);
    writer.text("op", event.op);
    writer.number("ts_ms", at.now_ns / 1_000_000);
    writer.number("ts_us", at.now_ns / 1000);
    writer.number("ts_ns", at.now_ns);
    writer.close();
    close_head(head, out);
    Ok(true)
}

/// The place of an event in its transaction.
pub(super) fn transaction(writer: &mut Writer<'_>, at: &At<'_>) {
    let Some(Order { total, in_table }) = at.order else { return writer.null("transaction") };
    writer.within("transaction");
    writer.text("id", &transaction_id(at.xid, at.lsn));
    writer.number("total_order", total as i64);
    writer.number("data_collection_order", in_table as i64);
    writer.close();
}

/// Debezium's name for a transaction, which is another one at each LSN.
pub(super) fn transaction_id(xid: Option<u32>, lsn: Lsn) -> String {
    format!("{}:{}", xid.unwrap_or_default(), lsn.as_u64())
}

/// Where an event comes from.
pub(super) fn source(writer: &mut Writer<'_>, form: Form, plan: &ChangePlan, at: &At<'_>) {
    writer.within("source");
    writer.text("version", VERSION);
    writer.text("connector", "postgresql");
    writer.text("name", &plan.logical_name);
    writer.number("ts_ms", at.commit_us.div_euclid(1000));
    writer.text("snapshot", at.snapshot.unwrap_or("false"));
    writer.text("db", &plan.database);
    writer.name("sequence");
    // A text that is JSON itself.
    let (quote, quotes): (&[u8], &[u8]) = if form == Form::Java { (b"", b"\"") } else { (b"\"", b"\\\"") };
    let lsn = |lsn: Option<Lsn>, out: &mut Vec<u8>| match lsn {
        None => out.extend_from_slice(b"null"),
        Some(lsn) => {
            out.extend_from_slice(quotes);
            super::java::integer(lsn.as_u64() as i64, out);
            out.extend_from_slice(quotes);
        }
    };
    writer.out.extend_from_slice(quote);
    writer.out.push(b'[');
    lsn(at.committed, writer.out);
    writer.out.push(b',');
    lsn(Some(at.lsn), writer.out);
    writer.out.push(b']');
    writer.out.extend_from_slice(quote);
    writer.number("ts_us", at.commit_us);
    writer.number("ts_ns", at.commit_us.saturating_mul(1000));
    writer.text("schema", &plan.schema);
    writer.text("table", &plan.table);
    match at.xid {
        Some(xid) => writer.number("txId", i64::from(xid)),
        None => writer.null("txId"),
    }
    writer.number("lsn", at.lsn.as_u64() as i64);
    writer.null("xmin");
    match at.origin {
        None => {
            writer.null("origin");
            writer.null("origin_lsn");
        }
        Some((name, lsn)) => {
            writer.text("origin", name);
            writer.number("origin_lsn", lsn.as_u64() as i64);
        }
    }
    writer.close();
}

impl Prepared {
    fn new(plan: &ChangePlan, config: &Config) -> Prepared {
        Prepared {
            generation: plan.generation,
            oid: plan.oid,
            key: match plan.is_of_messages() {
                true => message::key_head(config.key.heads()),
                false => key_head(plan, config.key.heads()),
            },
            value: match plan.is_of_messages() {
                true => message::value_head(plan, config.value.heads()),
                false => value_head(plan, config.value.heads()),
            },
            header: key_head(plan, config.header.heads()),
        }
    }
}

fn key_head(plan: &ChangePlan, heads: Option<DecimalFormat>) -> Vec<u8> {
    let Some(decimals) = heads else { return Vec::new() };
    let mut head = br#"{"schema":{"type":"struct","fields":["#.to_vec();
    fields(&plan.key, decimals, &mut head);
    head.extend_from_slice(br#"],"optional":false,"name":""#);
    json::escape(&plan.topic, &mut head);
    head.extend_from_slice(br#".Key"},"payload":"#);
    head
}

fn value_head(plan: &ChangePlan, heads: Option<DecimalFormat>) -> Vec<u8> {
    let Some(decimals) = heads else { return Vec::new() };
    let mut head = br#"{"schema":{"type":"struct","fields":["#.to_vec();
    for member in ["before", "after"] {
        head.extend_from_slice(br#"{"type":"struct","fields":["#);
        fields(&plan.columns, decimals, &mut head);
        head.extend_from_slice(br#"],"optional":true,"name":""#);
        json::escape(&plan.topic, &mut head);
        head.extend_from_slice(br#".Value","field":""#);
        head.extend_from_slice(member.as_bytes());
        head.extend_from_slice(br#""},"#);
    }
    head.extend_from_slice(BLOCKS_SCHEMA.as_bytes());
    head.extend_from_slice(CHANGE_SCHEMA_BEGIN.as_bytes());
    json::escape(&plan.topic, &mut head);
    head.extend_from_slice(CHANGE_SCHEMA_END.as_bytes());
    head
}

pub(super) fn fields(columns: &[ChangeColumn], decimals: DecimalFormat, out: &mut Vec<u8>) {
    for (index, ChangeColumn { field, .. }) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        schema(field, Some(&field.name)).write(decimals, out);
    }
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
