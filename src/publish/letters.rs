//! What stands in the topic of dead letters: letters, and marks that say what became of them.
//!
//! A mark is a record without a value in its letter's partition, and after it: retention never takes a mark before its
//! letter. It commits in the transaction that replays the letter, so that a letter without a mark was not replayed.

use crate::encode::{KeyHash, Outgoing};
use crate::lsn::Lsn;
use crate::rejection::{Origin, Reason};
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The header by which a mark is known, and what it says.
const MARK: &str = "outbox.dlt.mark";
/// The offset of the letter that a mark is for.
const MARK_OFFSET: &str = "outbox.dlt.mark.offset";
/// Of letters and marks: which letters have an order among each other.
const KEY_HASH: &str = "outbox.dlt.key.hash";
/// Of letters and of records that were replayed: how many times, the first included.
pub const ATTEMPTS: &str = "outbox.dlt.attempts";

/// Where a record stands in the topic of dead letters; in text `PARTITION:OFFSET`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// A record of the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An event that could not be published.
    Letter(Box<Letter>),
    /// What became of one.
    Mark(Mark),
    /// Somebody else's.
    Foreign,
}

/// What a letter's headers say; its key, payload and row are read when they are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Where it stands.
    pub place: Place,
    /// Why it is one, by name: a later version may know more reasons.
    pub reason: String,
    /// What exactly is wrong.
    pub detail: String,
    /// `schema.table`.
    pub table: String,
    /// The slot of the connector that wrote it.
    pub slot: String,
    /// The topic that it was for, where that was known.
    pub topic: Option<String>,
    /// The event id.
    pub event_id: Option<String>,
    /// The column `type`.
    pub event_type: Option<String>,
    /// The route column.
    pub aggregate_type: Option<String>,
    /// The key column, at most a thousand characters of it.
    pub aggregate_id: Option<String>,
    /// Which change it comes of.
    pub origin: Origin,
    /// When that was committed, ms since 1970.
    pub commit_ms: i64,
    /// Which letters it has an order with; none without a key.
    pub key_hash: Option<KeyHash>,
    /// Where its payload is.
    pub payload: Payload,
    /// The payload's size, where there is one and it is known.
    pub payload_bytes: Option<u64>,
    /// 1 for a letter that was never replayed before it became one.
    pub attempts: u32,
}

/// Where a letter's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// It is the record's value.
    Value,
    /// It is NULL.
    Null,
    /// The table had no such column; everything is in the header `row`.
    Row,
    /// In the outbox row.
    Claim,
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was published.
    Replayed,
    /// It was given up.
    Purged,
}

/// Says what became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The letter.
    pub letter: Place,
    /// What became of it.
    pub fate: Fate,
    /// The letter's.
    pub key_hash: Option<KeyHash>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Place, &'static str> {
        let parse = |(partition, offset): (&str, &str)| {
            let place = Place { partition: partition.parse().ok()?, offset: offset.parse().ok()? };
            (place.partition >= 0 && place.offset >= 0).then_some(place)
        };
        text.split_once(':').and_then(parse).ok_or("it is PARTITION:OFFSET, as walpost dlq list shows it")
    }
}

impl Payload {
    /// As the header says it.
    pub const fn word(self) -> &'static str {
        match self {
            Payload::Value => "value",
            Payload::Null => "null",
            Payload::Row => "row",
            Payload::Claim => "claim",
        }
    }
}

impl Fate {
    /// As the header says it.
    pub const fn word(self) -> &'static str {
        match self {
            Fate::Replayed => "replayed",
            Fate::Purged => "purged",
        }
    }
}

impl Letter {
    /// The reason, where this version knows it.
    pub fn known_reason(&self) -> Option<Reason> {
        Reason::named(&self.reason)
    }
}

/// Reads a record of the topic by its headers.
pub fn read<'h>(place: Place, headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>) -> Entry {
    let headers: Vec<(&str, &str)> = headers
        .filter(|(name, _)| name.starts_with("outbox.dlt."))
        .filter_map(|(name, value)| Some((name, std::str::from_utf8(value?).ok()?)))
        .collect();
    let told = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    if let Some(fate) = told(MARK) {
        let key_hash = told(KEY_HASH).and_then(|hash| hash.parse().ok());
        return mark(place, fate, told(MARK_OFFSET), key_hash).map_or(Entry::Foreign, Entry::Mark);
    }
    letter(place, told).map_or(Entry::Foreign, |letter| Entry::Letter(Box::new(letter)))
}

fn mark(place: Place, fate: &str, offset: Option<&str>, key_hash: Option<KeyHash>) -> Option<Mark> {
    let fate = [Fate::Replayed, Fate::Purged].into_iter().find(|known| known.word() == fate)?;
    let offset = offset?.parse().ok()?;
    Some(Mark { letter: Place { offset, ..place }, fate, key_hash })
}

fn letter<'h>(place: Place, told: impl Fn(&str) -> Option<&'h str>) -> Option<Letter> {
    let owned = |name: &str| told(name).map(str::to_owned);
    let payload = told("outbox.dlt.payload")?;
    let payloads = [Payload::Value, Payload::Null, Payload::Row, Payload::Claim];
    Some(Letter {
        place,
        reason: owned("outbox.dlt.reason")?,
        detail: owned("outbox.dlt.detail").unwrap_or_default(),
        table: owned("outbox.dlt.table")?,
        slot: owned("outbox.dlt.slot")?,
        topic: owned("outbox.dlt.topic"),
        event_id: owned("outbox.dlt.event.id"),
        event_type: owned("outbox.dlt.event.type"),
        aggregate_type: owned("outbox.dlt.aggregate.type"),
        aggregate_id: owned("outbox.dlt.aggregate.id"),
        origin: Origin {
            commit_lsn: told("outbox.dlt.commit.lsn")?.parse::<Lsn>().ok()?,
            change: told("outbox.dlt.change")?.parse().ok()?,
            xid: told("outbox.dlt.xid")?.parse().ok()?,
        },
        commit_ms: told("outbox.dlt.commit.ts")?.parse().ok()?,
        key_hash: told(KEY_HASH).and_then(|hash| hash.parse().ok()),
        payload: payloads.into_iter().find(|known| known.word() == payload)?,
        payload_bytes: told("outbox.dlt.payload.bytes").and_then(|bytes| bytes.parse().ok()),
        attempts: told(ATTEMPTS).and_then(|attempts| attempts.parse().ok()).unwrap_or(1),
    })
}

/// Appends a letter's mark. `key` is the letter's own; `published` the topic of its record, and how many times the letter
/// was published with it.
pub fn write_mark(
    topic: &Arc<str>,
    letter: &Letter,
    key: Option<&[u8]>,
    (fate, published): (Fate, Option<(&str, u32)>),
    now_ms: i64,
    out: &mut Outgoing,
) {
    out.at(letter.origin);
    let mut draft = out.draft();
    let mut text = |name: &str, text: &str| {
        let Ok(()) = out.header(&Arc::from(name), |bytes| {
            bytes.extend_from_slice(text.as_bytes());
            Ok::<_, Infallible>(true)
        });
    };
    text(MARK, fate.word());
    text(MARK_OFFSET, &letter.place.offset.to_string());
    text("outbox.dlt.slot", &letter.slot);
    text("outbox.dlt.table", &letter.table);
    if let Some(id) = &letter.event_id {
        text("outbox.dlt.event.id", id);
    }
    if let Some(hash) = letter.key_hash {
        text(KEY_HASH, &hash.to_string());
    }
    if let Some((topic, attempts)) = published {
        text("outbox.dlt.topic", topic);
        text(ATTEMPTS, &attempts.to_string());
    }
    let Ok(()) = out.key(&mut draft, |bytes| {
        bytes.extend_from_slice(key.unwrap_or_default());
        Ok::<_, Infallible>(key.is_some())
    });
    out.finish(draft, topic, Some(letter.place.partition), now_ms);
}

#[cfg(test)]
#[path = "letters_tests.rs"]
mod tests;
