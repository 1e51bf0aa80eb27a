//! Dead letters: events that cannot be published, with everything that is known of them.
//!
//! Enters: a [`Letter`]. Leaves: one more record in [`Outgoing`], whatever the row is like. Promised: key and value are
//! untouched: a text as Postgres sent it, a bytea decoded whatever its notation is to be. What does not fit is cut by
//! claim: it stays in the outbox row, and the headers say so. A replay needs no database for any other. The value of a
//! logical decoding message is its whole content; as it stays in no row, its letter is never cut.

use super::{KeyHash, Outgoing, json, key_hash};
use crate::decode::value::{HexText, Kind};
use crate::decode::{Cell, Relation, Tuple};
use crate::lsn::Lsn;
use crate::rejection::Rejection;
use crate::route::{Field, Outline};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

/// Where dead letters go, and what they tell of their sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `errors.deadletterqueue.topic.name`.
    pub topic: Arc<str>,
    /// `errors.deadletterqueue.context.headers.enable`: the `__connect.errors.*` headers as well.
    pub connect_headers: bool,
    /// `name`.
    pub connector: String,
    /// `slot.name`.
    pub slot: String,
}

/// An event that cannot be published.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// Why not, and where it comes from.
    pub rejection: &'a Rejection,
    /// The topic it would have gone to, where that is known.
    pub topic: Option<&'a str>,
    /// Where in the WAL its change is; of a row that a snapshot read, where that was taken.
    pub lsn: Lsn,
    /// When its transaction was committed, µs since 1970; of a message of none, when it was read.
    pub commit_us: i64,
    /// The row, or what a message is as a row; `None` when it is none.
    pub row: Option<Row<'a>>,
    /// The logical decoding message that it came in.
    pub message: Option<Message<'a>>,
}

/// A row, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Its table.
    pub relation: &'a Relation,
    /// The row itself.
    pub cells: Tuple<'a>,
    /// Where in it the parts of an event are.
    pub outline: &'a Outline,
}

impl Letter<'_> {
    /// Which letters and events it has an order with; `None`: its key is null or not there.
    pub fn key_hash(&self) -> Option<KeyHash> {
        let Row { cells, outline: Outline { key, route_by, .. }, .. } = self.row?;
        hash_of_key(&self.rejection.table, key.as_ref(), route_by.as_ref(), cells)
    }

    /// The route column's text.
    pub fn route(&self) -> Option<&str> {
        let Row { cells, outline, .. } = self.row?;
        match cells.get(outline.route_by.as_ref()?.index) {
            Some(Cell::Text(text)) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }
}

/// A logical decoding message.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Its prefix.
    pub prefix: &'a str,
    /// Where in the WAL it lies.
    pub lsn: Lsn,
    /// What was written, whatever it is.
    pub content: &'a [u8],
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message at {} of {} bytes", self.lsn, self.content.len())
    }
}

/// Writes dead letters.
#[derive(Debug)]
pub struct DeadLetters {
    config: Config,
    max_bytes: usize,
    names: BTreeMap<&'static str, Arc<str>>,
}

/// A header is no place for more of a name or a text that came with the row.
const TEXT_MOST: usize = 1_000;

/// What Debezium calls the column of an event's type unless told otherwise; it never reads it.
const TYPE_COLUMN: &str = "type";

/// How much of a letter is kept, for the first that fits.
const KEPT: [Kept; 4] = [
    Kept { payload: true, row: true, key: true },
    Kept { payload: false, row: true, key: true },
    Kept { payload: false, row: false, key: true },
    Kept { payload: false, row: false, key: false },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    payload: bool,
    row: bool,
    key: bool,
}

impl DeadLetters {
    /// Letters of at most `max_bytes`, as Kafka's producer measures them.
    pub fn new(config: Config, max_bytes: usize) -> DeadLetters {
        DeadLetters { config, max_bytes, names: BTreeMap::new() }
    }

    /// Appends a dead letter to `out`. `false`: there is none, for it would not hold its message.
    #[must_use]
    pub fn write(&mut self, letter: &Letter<'_>, now_ms: i64, out: &mut Outgoing) -> bool {
        let parts = Parts::of(letter);
        let [.., least] = KEPT;
        let ways = if letter.message.is_some() { 1 } else { KEPT.len() };
        let fits = KEPT.into_iter().take(ways).any(|kept| {
            // What cannot fit is not worth a copy.
            parts.bytes(kept) <= self.max_bytes
                && self.attempt(letter, &parts, kept, self.max_bytes, now_ms, out)
        });
        fits || (letter.message.is_none() && self.attempt(letter, &parts, least, usize::MAX, now_ms, out))
    }

    /// Whether it is not larger than `most`; if it is, `out` is as it was.
    fn attempt(
        &mut self,
        letter: &Letter<'_>,
        parts: &Parts<'_>,
        kept: Kept,
        most: usize,
        now_ms: i64,
        out: &mut Outgoing,
    ) -> bool {
        let mut draft = out.draft();
        draft.letter(letter.rejection.reason);
        self.tell_why(letter, out);
        self.tell_whence(letter, out);
        self.tell_what(letter, parts, kept, out);
        if self.config.connect_headers {
            self.tell_connect(letter, out);
        }
        let Ok(()) = out.key(&mut draft, |bytes| Ok::<_, Infallible>(kept.key && parts.key.write(bytes)));
        let Ok(()) =
            out.value(&mut draft, |bytes| Ok::<_, Infallible>(kept.payload && parts.payload.write(bytes)));
        if out.oversize(&draft, most).is_some() {
            out.abandon(draft);
            return false;
        }
        out.finish(draft, &self.config.topic, None, now_ms);
        true
    }

    fn tell_why(&mut self, letter: &Letter<'_>, out: &mut Outgoing) {
        let Rejection { reason, detail, .. } = letter.rejection;
        self.text("outbox.dlt.reason", reason.name(), out);
        self.text("outbox.dlt.stage", reason.stage(), out);
        self.text("outbox.dlt.detail", shortened(detail), out);
        // Whoever replays a letter counts on.
        self.text("outbox.dlt.attempts", "1", out);
    }

    fn tell_whence(&mut self, letter: &Letter<'_>, out: &mut Outgoing) {
        let Rejection { table, origin, .. } = letter.rejection;
        let slot = self.config.slot.clone();
        self.text("outbox.dlt.slot", &slot, out);
        self.text("outbox.dlt.table", table, out);
        if let Some(Message { prefix, lsn, .. }) = letter.message {
            self.text("outbox.dlt.message.prefix", shortened(prefix), out);
            self.text("outbox.dlt.message.lsn", &lsn.to_string(), out);
        }
        self.text("outbox.dlt.lsn", &letter.lsn.to_string(), out);
        self.text("outbox.dlt.commit.lsn", &origin.commit_lsn.to_string(), out);
        self.text("outbox.dlt.xid", &origin.xid.to_string(), out);
        self.text("outbox.dlt.change", &origin.change.to_string(), out);
        self.text("outbox.dlt.commit.ts", &letter.commit_us.div_euclid(1000).to_string(), out);
    }

    fn tell_what(&mut self, letter: &Letter<'_>, parts: &Parts<'_>, kept: Kept, out: &mut Outgoing) {
        if let Some(topic) = letter.topic {
            self.text("outbox.dlt.topic", topic, out);
        }
        if let Some(row) = &letter.row {
            self.tell_columns(row, out);
            if let Some(hash) = letter.key_hash() {
                self.header("outbox.dlt.key.hash", |bytes| key_hash::write(hash, bytes), out);
            }
        }
        self.text("outbox.dlt.payload", parts.payload_word(kept), out);
        if let Part::There(payload) = &parts.payload {
            self.text("outbox.dlt.payload.bytes", &payload.len().to_string(), out);
        }
        // A message's value has all of it.
        if let (Some(row), None, true) = (&letter.row, letter.message, kept.row) {
            self.header("outbox.dlt.row", |bytes| write_row(row, bytes), out);
        }
    }

    /// The columns by which an event is known.
    fn tell_columns(&mut self, row: &Row<'_>, out: &mut Outgoing) {
        let Row { relation, cells, outline } = *row;
        let of = |field: &Option<Field>| field.as_ref().map(|field| field.index);
        let type_column = relation.columns.iter().position(|column| column.name == TYPE_COLUMN);
        let type_column = type_column.filter(|index| !outline.left_out.contains(index));
        for (name, column) in [
            ("outbox.dlt.event.id", of(&outline.id)),
            ("outbox.dlt.event.type", type_column),
            ("outbox.dlt.aggregate.type", of(&outline.route_by)),
            ("outbox.dlt.aggregate.id", of(&outline.key)),
        ] {
            if let Some(Cell::Text(text)) = column.and_then(|column| cells.get(column)) {
                self.text(name, shortened(&String::from_utf8_lossy(text)), out);
            }
        }
    }

    /// What Connect writes into the dead letters of a sink, as far as a source has it.
    fn tell_connect(&mut self, letter: &Letter<'_>, out: &mut Outgoing) {
        let Rejection { reason, detail, .. } = letter.rejection;
        let connector = self.config.connector.clone();
        self.text("__connect.errors.topic", letter.topic.unwrap_or_default(), out);
        self.text("__connect.errors.connector.name", &connector, out);
        self.text("__connect.errors.task.id", "0", out);
        self.text("__connect.errors.stage", reason.stage(), out);
        self.text("__connect.errors.class.name", "walpost", out);
        self.text("__connect.errors.exception.class.name", &format!("walpost.{}", reason.name()), out);
        self.text("__connect.errors.exception.message", shortened(detail), out);
    }

    fn text(&mut self, name: &'static str, text: &str, out: &mut Outgoing) {
        self.header(name, |bytes| bytes.extend_from_slice(text.as_bytes()), out);
    }

    fn header(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>), out: &mut Outgoing) {
        let name = self.names.entry(name).or_insert_with(|| Arc::from(name));
        let Ok(()) = out.header(name, |bytes| {
            write(bytes);
            Ok::<_, Infallible>(true)
        });
    }
}

/// Which events this row's has an order with; `None`: its key is null or not there.
pub fn hash_of_key(
    table: &str,
    key: Option<&Field>,
    route_by: Option<&Field>,
    row: Tuple<'_>,
) -> Option<KeyHash> {
    let Part::There(key) = Part::of(key, row) else { return None };
    let route = match route_by.and_then(|field| row.get(field.index)) {
        Some(Cell::Text(text)) => Some(text),
        _ => None,
    };
    Some(match key {
        Content::Plain(key) => KeyHash::of(table, route, key),
        Content::Hex(hex) => KeyHash::of(table, route, &hex.to_vec()),
    })
}

/// What of the row goes elsewhere than into a header.
struct Parts<'a> {
    key: Part<'a>,
    payload: Part<'a>,
    /// Bytes of all other cells.
    others: usize,
}

/// A column's cell.
enum Part<'a> {
    /// The table has no such column.
    NoColumn,
    Null,
    /// An UPDATE left it alone, and it is not in the stream.
    Unsent,
    There(Content<'a>),
}

/// A cell as a letter has it.
enum Content<'a> {
    Plain(&'a [u8]),
    Hex(HexText<'a>),
}

impl<'a> Parts<'a> {
    fn of(letter: &Letter<'a>) -> Parts<'a> {
        let key = letter.row.map_or(Part::NoColumn, |row| Part::of(row.outline.key.as_ref(), row.cells));
        if let Some(message) = letter.message {
            return Parts { key, payload: Part::There(Content::Plain(message.content)), others: 0 };
        }
        let Some(Row { cells, outline, .. }) = letter.row else {
            return Parts { key, payload: Part::NoColumn, others: 0 };
        };
        let payload = outline.payload.as_ref();
        let others = (0..cells.len()).filter(|column| outline.is_in_row(*column));
        let others = others.map(|column| cells.get(column).map_or(0, length)).sum();
        Parts { key, payload: Part::of(payload, cells), others }
    }

    /// What these parts take at least.
    fn bytes(&self, kept: Kept) -> usize {
        let of = |part: &Part<'_>| if let Part::There(content) = part { content.len() } else { 0 };
        let parts = [(kept.row, self.others), (kept.payload, of(&self.payload)), (kept.key, of(&self.key))];
        parts.into_iter().filter(|(is_kept, _)| *is_kept).map(|(_, bytes)| bytes).sum()
    }

    /// Where the payload is.
    fn payload_word(&self, kept: Kept) -> &'static str {
        match &self.payload {
            _ if !kept.row => "claim",
            Part::Unsent => "claim",
            Part::There(_) if !kept.payload => "claim",
            Part::There(_) => "value",
            Part::Null => "null",
            Part::NoColumn => "row",
        }
    }
}

impl<'a> Part<'a> {
    fn of(field: Option<&Field>, row: Tuple<'a>) -> Part<'a> {
        let Some(field) = field else { return Part::NoColumn };
        match row.get(field.index) {
            None => Part::NoColumn,
            Some(Cell::Null) => Part::Null,
            Some(Cell::Unchanged) => Part::Unsent,
            Some(Cell::Binary(bytes)) => Part::There(Content::Plain(bytes)),
            Some(Cell::Text(text)) => Part::There(match HexText::new(text) {
                Ok(hex) if matches!(field.kind, Kind::Bytes | Kind::BytesText(_)) => Content::Hex(hex),
                _ => Content::Plain(text),
            }),
        }
    }

    /// Appends it; `false` where there is nothing.
    fn write(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Part::NoColumn | Part::Null | Part::Unsent => return false,
            Part::There(Content::Plain(bytes)) => out.extend_from_slice(bytes),
            Part::There(Content::Hex(hex)) => out.extend(hex.bytes()),
        }
        true
    }
}

impl Content<'_> {
    fn len(&self) -> usize {
        match self {
            Content::Plain(bytes) => bytes.len(),
            Content::Hex(hex) => hex.len(),
        }
    }
}

fn length(cell: Cell<'_>) -> usize {
    match cell {
        Cell::Null | Cell::Unchanged => 0,
        Cell::Text(bytes) | Cell::Binary(bytes) => bytes.len(),
    }
}

/// The row as a JSON object of texts, as they would stand in an INSERT; without the payload, which is elsewhere, and
/// columns that nobody is to be shown.
fn write_row(row: &Row<'_>, out: &mut Vec<u8>) {
    let Row { relation, cells, outline } = *row;
    let mut before = b'{';
    for (index, column) in relation.columns.iter().enumerate().filter(|(index, _)| outline.is_in_row(*index))
    {
        let text = match cells.get(index) {
            None | Some(Cell::Unchanged) => continue,
            Some(Cell::Null) => None,
            Some(Cell::Text(text)) => Some(String::from_utf8_lossy(text)),
            Some(Cell::Binary(bytes)) => {
                Some(bytes.iter().fold("\\x".to_owned(), |hex, byte| format!("{hex}{byte:02x}")).into())
            }
        };
        out.push(before);
        before = b',';
        json::string(&column.name, out);
        out.push(b':');
        match text {
            Some(text) => json::string(&text, out),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.extend_from_slice(if before == b'{' { b"{}" } else { b"}" });
}

fn shortened(text: &str) -> &str {
    text.char_indices().nth(TEXT_MOST).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
#[path = "dead_letter_tests.rs"]
mod tests;
