//! What a row can be: an ordinary event, or one that cannot be published for any reason that a row can have.
//!
//! Of Postgres's values there is none that the header converters do not take, and an UPDATE is no row of its own.

use crate::random::Random;

/// How a row is made of its row of truth `t`: SQL for each column.
#[derive(Debug, PartialEq)]
pub struct Row {
    /// What is bad about it, as the truth has it; nothing about an ordinary one.
    pub bad: Option<&'static str>,
    /// The reason that its dead letter must give.
    pub reason: &'static str,
    /// Where its letter must say that the payload is.
    pub payload_is: &'static str,
    /// Of the payload.
    pub kilobytes: u32,
    table: &'static str,
    aggregatetype: &'static str,
    aggregateid: &'static str,
    payload: &'static str,
    at: &'static str,
    p: &'static str,
}

/// Into topics of its own goes only what these do not take: so many bytes at most.
pub const NARROW: &str = "2000";
/// And so much a topic of dead letters takes.
pub const LETTERS_MOST: &str = "200000";

pub const GOOD: Row = Row {
    bad: None,
    reason: "",
    payload_is: "value",
    kilobytes: 0,
    table: "outbox",
    aggregatetype: "aggregate_type((t).aggregate)",
    aggregateid: "convert_to((t).aggregate::text, 'UTF8')",
    payload: "convert_to(payload(t)::text, 'UTF8')",
    at: "(t).at",
    p: "null",
};

pub const A_MEGABYTE: Row = Row { kilobytes: 1_024, ..GOOD };

/// Large enough for its topic to refuse, and too small to be asked about before: it costs a session.
pub const UNFORESEEN: Row = bad("larger than its topic takes", "too_large");

/// The others.
pub const BAD: [Row; 11] = [
    Row { aggregatetype: "null", ..bad("no topic", "topic_illegal") },
    Row { aggregatetype: "'no topic'", ..bad("no legal topic", "topic_illegal") },
    Row { p: "-1", ..bad("a negative partition", "partition_illegal") },
    Row { p: "7", ..bad("no such partition", "partition_illegal") },
    Row { at: "'1960-01-01'", ..bad("before its time", "timestamp_illegal") },
    Row {
        table: "text_keys",
        aggregateid: "(t).aggregate::text",
        ..bad("a key of another type", "key_not_encodable")
    },
    Row {
        table: "text_payloads",
        payload: "payload(t)",
        ..bad("a payload of another type", "payload_not_encodable")
    },
    Row { table: "no_payloads", payload_is: "row", ..bad("no payload column", "column_missing") },
    Row {
        aggregatetype: "'compacted'",
        aggregateid: "null",
        ..bad("a null key in a compacted topic", "refused_by_broker")
    },
    Row { kilobytes: 20, ..UNFORESEEN },
    Row { kilobytes: 300, payload_is: "claim", ..bad("larger than a letter may be", "too_large") },
];

const fn bad(what: &'static str, reason: &'static str) -> Row {
    let is_large = matches!(reason.as_bytes(), b"too_large");
    let (aggregatetype, kilobytes) = if is_large { ("'narrow'", 4) } else { (GOOD.aggregatetype, 0) };
    Row { bad: Some(what), reason, aggregatetype, kilobytes, ..GOOD }
}

impl Row {
    /// Any bad one; rarely one that costs a session.
    pub fn draw(random: &mut Random) -> &'static Row {
        if random.below(40) == 0 { &UNFORESEEN } else { &BAD[random.below(BAD.len() as u64) as usize] }
    }

    /// The bad one of this name. Of several that differ in nothing but their size: any.
    pub fn named(bad: &str) -> Option<&'static Row> {
        BAD.iter().chain([&UNFORESEEN]).find(|row| row.bad == Some(bad))
    }

    /// It has a key.
    pub fn has_key(&self) -> bool {
        self.aggregateid != "null"
    }

    /// Table and columns, for INSERT and COPY.
    pub fn place(&self) -> String {
        let payload = if self.table == "no_payloads" { "content" } else { "payload" };
        format!("{} (id, aggregatetype, aggregateid, type, {payload}, at, p)", self.table)
    }

    /// The columns' values.
    pub fn values(&self) -> String {
        let Row { aggregatetype, aggregateid, payload, at, p, .. } = self;
        format!("select (t).id, {aggregatetype}, {aggregateid}, 'changed', {payload}, {at}, {p}")
    }
}
