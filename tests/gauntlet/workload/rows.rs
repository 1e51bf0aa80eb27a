//! What a row can be: an ordinary event, or one that cannot be published for any reason that a row can have.
//!
//! Two are no rows of their own. An UPDATE is refused; what it updates was there before the slot, and never an event. And of
//! Postgres's values there is none that the header converters do not take: that is a logical decoding message's. No event is
//! parked here.

use super::schemas::{Frame, TYPE};
use crate::random::Random;
use walpost::rejection::Reason;

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
    /// What stands before it.
    pub frame: Frame,
    way: Way,
    table: &'static str,
    aggregatetype: &'static str,
    aggregateid: &'static str,
    payload: &'static str,
    at: &'static str,
    p: &'static str,
}

/// How it comes into the stream.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Inserted,
    /// Over the one row that the table has for its aggregate.
    Updated,
    /// As a logical decoding message, without a table.
    Emitted,
}

/// The prefix of messages that are events.
pub const MESSAGES: &str = "outbox";

/// Whether a server of this major version sends messages.
pub fn sends_messages(major: u32) -> bool {
    major >= 14
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
    frame: Frame::Own,
    way: Way::Inserted,
    table: "outbox",
    aggregatetype: "aggregate_type((t).aggregate)",
    aggregateid: "convert_to((t).aggregate::text, 'UTF8')",
    payload: "framed(t)",
    at: "(t).at",
    p: "null::int",
};

pub const A_MEGABYTE: Row = Row { kilobytes: 1_024, ..GOOD };

/// Large enough for its topic to refuse, and too small to be asked about before: it costs a session.
pub const UNFORESEEN: Row = bad("larger than its topic takes", "too_large");

/// The others: small ones first, and last what only a server from Postgres 14 on sends.
pub const BAD: [Row; 15] = [
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
        frame: Frame::None,
        payload: "payload(t)",
        ..bad("a payload of another type", "payload_not_encodable")
    },
    Row { table: "no_payloads", payload_is: "row", ..bad("no payload column", "column_missing") },
    Row {
        aggregatetype: "'compacted'",
        aggregateid: "null",
        ..bad("a null key in a compacted topic", "refused_by_broker")
    },
    Row { frame: Frame::Another, ..bad("the schema of another subject", "schema_refused") },
    Row { frame: Frame::Unknown, ..bad("a schema that nobody has", "schema_refused") },
    Row { kilobytes: 20, ..UNFORESEEN },
    Row { kilobytes: 300, payload_is: "claim", ..bad("larger than a letter may be", "too_large") },
    Row { way: Way::Updated, table: "updates", ..bad("an update", "update_refused") },
    Row {
        way: Way::Emitted,
        frame: Frame::None,
        aggregateid: "(t).aggregate::text",
        payload: "payload(t)::text",
        p: r#"'{"no": "number"}'::jsonb"#,
        ..bad("an object for a header", "header_not_encodable")
    },
];

const fn bad(what: &'static str, reason: &'static str) -> Row {
    let is_large = matches!(reason.as_bytes(), b"too_large");
    let (aggregatetype, kilobytes) = if is_large { ("'narrow'", 4) } else { (GOOD.aggregatetype, 0) };
    Row { bad: Some(what), reason, aggregatetype, kilobytes, ..GOOD }
}

impl Row {
    /// Any bad one that a server of this major version sends; rarely one that costs a session.
    pub fn draw(random: &mut Random, major: u32) -> &'static Row {
        let sent = BAD.len() as u64 - u64::from(!sends_messages(major));
        if random.below(40) == 0 { &UNFORESEEN } else { &BAD[random.below(sent) as usize] }
    }

    /// The bad one of this name. Of several that differ in nothing but their size: any.
    pub fn named(bad: &str) -> Option<&'static Row> {
        BAD.iter().chain([&UNFORESEEN]).find(|row| row.bad == Some(bad))
    }

    /// It has a key.
    pub fn has_key(&self) -> bool {
        self.aggregateid != "null"
    }

    /// The statement that writes it: its rows of truth are `t` in `twin`.
    pub fn statement(&self) -> String {
        let (table, columns, values) = (self.table, self.columns(), self.values());
        match self.way {
            Way::Inserted => format!("insert into {table} {columns} {values} from twin order by (t).ordinal"),
            Way::Updated => {
                format!("update {table} set {columns} = ({values}) from twin where n = (t).aggregate")
            }
            Way::Emitted => format!(
                "select pg_logical_emit_message(true, '{MESSAGES}', to_jsonb(message)::text)
                 from (select columns.* from twin, lateral ({values}) columns {columns}) message"
            ),
        }
    }

    /// Table and columns, for COPY.
    pub fn place(&self) -> String {
        format!("{} {}", self.table, self.columns())
    }

    fn columns(&self) -> String {
        let payload = if self.table == "no_payloads" { "content" } else { "payload" };
        format!("(id, aggregatetype, aggregateid, type, {payload}, at, p)")
    }

    /// The columns' values.
    pub fn values(&self) -> String {
        let Row { aggregatetype, aggregateid, payload, at, p, .. } = self;
        format!("select (t).id, {aggregatetype}, {aggregateid}, '{TYPE}', {payload}, {at}, {p}")
    }
}

#[test]
fn there_is_a_bad_row_for_every_reason_that_an_event_can_have_here() {
    let given: Vec<&str> = BAD.iter().map(|row| row.reason).collect();
    let missing = Reason::ALL.into_iter().filter(|reason| !given.contains(&reason.name()));
    assert_eq!(missing.collect::<Vec<_>>(), [Reason::Parked]);
}
