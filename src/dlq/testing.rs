//! Letters and indexes for tests.

use super::Index;
use crate::encode::KeyHash;
use crate::lsn::Lsn;
use crate::publish::letters::{Entry, Fate, Letter, Mark, Payload, Place};
use crate::rejection::Origin;
use std::sync::Arc;

/// The letter at `0:offset`, of the slot `walpost`, committed at so many seconds.
pub fn letter(offset: i64, key: Option<&str>) -> Letter {
    Letter {
        place: Place { partition: 0, offset },
        reason: "too_large".into(),
        detail: "the record is large".into(),
        table: "public.outbox".into(),
        slot: "walpost".into(),
        topic: Some("order".into()),
        event_id: Some(format!("e-{offset}")),
        event_type: Some("placed".into()),
        aggregate_type: Some("order".into()),
        aggregate_id: key.map(str::to_owned),
        origin: Origin { commit_lsn: Lsn::new(100 + offset as u64), change: 1, xid: 7 },
        commit_ms: 1000 * offset,
        key_hash: key.map(|key| KeyHash::of("public.outbox", Some(b"order"), key.as_bytes())),
        payload: Payload::Value,
        payload_bytes: Some(2),
        attempts: 1,
    }
}

/// The mark of the letter at `0:offset`.
pub fn mark(offset: i64, fate: Fate) -> Entry {
    Entry::Mark(Mark { letter: Place { partition: 0, offset }, fate, key_hash: None })
}

/// An index of these, each entry at the offset that it has here unless it is a letter.
pub fn index(entries: Vec<Entry>) -> Index {
    let mut index = Index::empty(Arc::from("dlt"));
    for (offset, entry) in entries.into_iter().enumerate() {
        let place = match &entry {
            Entry::Letter(letter) => letter.place,
            _ => Place { partition: 0, offset: offset as i64 },
        };
        index.put(place, entry);
    }
    index
}

/// The same of letters alone.
pub fn letters(letters: Vec<Letter>) -> Vec<Entry> {
    letters.into_iter().map(|letter| Entry::Letter(Box::new(letter))).collect()
}
