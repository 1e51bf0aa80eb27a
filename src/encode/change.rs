//! Change events of tables that are no outbox, as Debezium's connector writes them: envelope, source block, key, tombstones.
//!
//! Enters: a [`Changed`], and when and where it happened ([`At`]). Leaves: its records, one or several, or a rejection and
//! none. Promised: the bytes of Debezium 3.6 with the same converters. What its clock said when it read the row is ours.

use super::blocks::{source, transaction};
use super::cloudevents::Mode;
use super::encoder::{Encoder, NotEncoded, NotWritten, Refusal, fits};
use super::framed::{Side, unfit};
use super::outgoing::Draft;
use super::prepared::schema;
use super::schema::{BLOCKS_SCHEMA, CHANGE_SCHEMA_BEGIN, CHANGE_SCHEMA_END};
use super::sides::Sides;
use super::structs::{Form, Writer};
use super::{Config, Converter, DecimalFormat, Outgoing, json, message};
use crate::decode::Tuple;
use crate::decode::value::ValueError;
use crate::lsn::Lsn;
use crate::rejection::Reason;
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
    /// Appends the records of a change to `out`; without them `out` is as it was.
    pub fn change(
        &mut self,
        changed: &Changed<'_>,
        at: &At<'_>,
        out: &mut Outgoing,
    ) -> Result<(), NotEncoded> {
        let (records, begun) = (out.len(), out.draft());
        let prepared = self.prepare_change(changed.plan);
        let mut sides = std::mem::take(self.sides());
        let written = self.write_change(changed, (prepared, &mut sides), at, out);
        *self.sides() = sides;
        written.map_err(|why| {
            out.truncate(records);
            out.abandon(begun);
            match why {
                NotWritten::Asks(question) => NotEncoded::Asks(question),
                NotWritten::Refused(Refusal { reason, detail, hint }) => {
                    NotEncoded::Rejected(changed.rejected(reason, detail, hint))
                }
            }
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
        (prepared, sides): (usize, &mut Sides),
        at: &At<'_>,
        out: &mut Outgoing,
    ) -> Result<(), NotWritten> {
        if self.config().cloud.as_ref().is_some_and(|cloud| cloud.mode == Mode::Debezium) {
            return Err(Refusal {
                reason: Reason::PayloadNotEncodable,
                detail: "CloudEventsConverter makes CloudEvents of an outbox's events only".to_owned(),
                hint: "capture the outbox only, with table.include.list; or take walpost.cloudevents.mode=structured, with which change events are what the value converter makes",
            }
            .into());
        }
        let Changed { plan, what } = *changed;
        let event = |op, before, after| Event { op, before, after, other: None };
        let mut order = at.order;
        let mut put = |is_skipped: bool, event: Event<'_>| {
            if is_skipped {
                return Ok(());
            }
            self.record(plan, (prepared, &mut *sides), &At { order, ..*at }, event, out)?;
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
            What::Message(prefix, content) => {
                self.message(plan, (prepared, &mut *sides), (prefix, content.0), at, out)
            }
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
        (prepared, sides): (usize, &mut Sides),
        at: &At<'_>,
        event: Event<'_>,
        out: &mut Outgoing,
    ) -> Result<(), NotWritten> {
        let (config, prepared) = (self.config(), &self.prepared_changes()[prepared]);
        for is_tombstone in [false, true] {
            if is_tombstone && !(event.op == "d" && plan.tombstones) {
                break;
            }
            let mut draft = self.change_headers(plan, prepared, &event, out)?;
            let keyed =
                event.after.map(|after| (after, event.before)).or(event.before.map(|row| (row, None)));
            let keyed = keyed.filter(|_| !plan.key.is_empty());
            let now_ms = at.now_ns / 1_000_000;
            if let Some((row, old)) = keyed {
                let part = Part::key(&config.key, sides.key.as_deref_mut(), prepared);
                let written = out.key(&mut draft, |bytes| {
                    let (form, head) = part.begin(plan, now_ms, bytes)?;
                    Ok(key(form, head, &plan.key, row, old, Reason::KeyNotEncodable, bytes)?)
                });
                sides.of_key(written)?;
            }
            if !is_tombstone {
                let part = Part::value(&config.value, sides.value.as_deref_mut(), prepared);
                let written = out.value(&mut draft, |bytes| {
                    let (form, head) = part.begin(plan, now_ms, bytes)?;
                    Ok(value(form, head, plan, at, &event, bytes)?)
                });
                sides.of_value(written)?;
            }
            sides.write_headers([keyed.is_some(), !is_tombstone], out)?;
            fits(out, &draft, config)?;
            out.finish(draft, &plan.topic, None, now_ms);
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

/// A key or a value: its converter, and what is known of its schemas.
pub(super) struct Part<'p> {
    converter: &'p Converter,
    side: Option<&'p mut Side>,
    /// What JsonConverter prints before it; and who writes that for others, who ask for a schema.
    constant: &'p [u8],
    head: fn(&ChangePlan, Option<DecimalFormat>) -> Vec<u8>,
    reason: Reason,
}

impl<'p> Part<'p> {
    pub(super) fn key(
        converter: &'p Converter,
        side: Option<&'p mut Side>,
        prepared: &'p Prepared,
    ) -> Part<'p> {
        let reason = Reason::KeyNotEncodable;
        Part { converter, side, constant: &prepared.key, head: key_head, reason }
    }

    pub(super) fn value(
        converter: &'p Converter,
        side: Option<&'p mut Side>,
        prepared: &'p Prepared,
    ) -> Part<'p> {
        let reason = Reason::PayloadNotEncodable;
        Part { converter, side, constant: &prepared.value, head: value_head, reason }
    }

    /// Appends the frame, where there is one; answers the form of the struct and its head.
    pub(super) fn begin(
        self,
        plan: &ChangePlan,
        now_ms: i64,
        out: &mut Vec<u8>,
    ) -> Result<(Form, &'p [u8]), NotWritten> {
        let Some(side) = self.side else {
            let what = match self.reason {
                Reason::KeyNotEncodable => "the key of a change event is a STRUCT",
                _ => "the value of a change event is a STRUCT",
            };
            let form = Form::of(self.converter).map_err(|unsuited| unsuited.refusal(self.reason, what))?;
            return Ok((form, self.constant));
        };
        let head = |decimals, out: &mut Vec<u8>| out.extend((self.head)(plan, Some(decimals)));
        Ok((side.structs(&plan.topic, (plan.generation, now_ms), head, out)?, b""))
    }
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
        writer.optional = field.optional;
        column
            .with(row, old, |value| writer.value(&field.name, &field.kind, value, field.default.as_ref()))
            .map_err(|error| unreadable(reason, column, &error))?;
        if writer.is_unfit() {
            return Err(unfit(field, reason));
        }
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
                writer.optional().within(name);
                columns_of(&mut writer, &plan.columns, row, old, Reason::PayloadNotEncodable)?;
                writer.close();
            }
        }
    }
    source(&mut writer, plan, at);
    transaction(&mut writer, at);
    writer.text("op", event.op);
    writer.optional().number("ts_ms", at.now_ns / 1_000_000);
    writer.optional().number("ts_us", at.now_ns / 1000);
    writer.optional().number("ts_ns", at.now_ns);
    writer.close();
    close_head(head, out);
    Ok(true)
}

impl Prepared {
    fn new(plan: &ChangePlan, config: &Config) -> Prepared {
        Prepared {
            generation: plan.generation,
            oid: plan.oid,
            key: key_head(plan, config.key.heads()),
            value: value_head(plan, config.value.heads()),
            header: key_head(plan, config.header.heads()),
        }
    }
}

fn key_head(plan: &ChangePlan, heads: Option<DecimalFormat>) -> Vec<u8> {
    let Some(decimals) = heads else { return Vec::new() };
    if plan.is_of_messages() {
        return message::KEY_SCHEMA.as_bytes().to_vec();
    }
    let mut head = br#"{"schema":{"type":"struct","fields":["#.to_vec();
    fields(&plan.key, decimals, &mut head);
    head.extend_from_slice(br#"],"optional":false,"name":""#);
    json::escape(&plan.topic, &mut head);
    head.extend_from_slice(br#".Key"},"payload":"#);
    head
}

fn value_head(plan: &ChangePlan, heads: Option<DecimalFormat>) -> Vec<u8> {
    let Some(decimals) = heads else { return Vec::new() };
    if plan.is_of_messages() {
        return message::value_head(plan, decimals);
    }
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
