//! Messages of one connection, each with its length (two bytes, big endian) before it, through one decoder and router.
//!
//! Sought: a panic, or a decoder that accepts a message and the same message cut short by a byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use walpost::decode::{Change, Decoder, Old, Tuple};
use walpost::route::{self, OnUpdate, Router, TableFacts};

static CONFIG: LazyLock<route::Config> = LazyLock::new(config);

fuzz_target!(|input: &[u8]| {
    let mut decoder = Decoder::new();
    let mut router = Router::new(CONFIG.clone());
    for message in messages(input) {
        match decoder.decode(message) {
            Ok(change) => {
                look(&change);
                if let Change::Relation(relation) = &change {
                    router.learn(relation, &TableFacts::default());
                }
                router.route(&change);
            }
            Err(error) => {
                assert!(error.offset <= message.len(), "{error}");
                continue;
            }
        }
        // A Relation would be replaced by what is left of it, if that were one.
        let (_, cut) = message.split_last().expect("an empty message is an error");
        assert!(decoder.decode(cut).is_err(), "accepted a byte short");
    }
});

/// What the length bytes make of the input; the last message may be shorter than it should.
fn messages(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (message, after) = after.split_at(length);
        rest = after;
        Some(message)
    })
}

fn look(change: &Change<'_>) {
    let cells = |row: Tuple<'_>| (0..row.len()).for_each(|index| assert!(row.get(index).is_some()));
    match change {
        Change::Insert { new, .. } => cells(*new),
        Change::Update { old, new, .. } => {
            if let Some(Old::Key(old) | Old::Row(old)) = old {
                cells(*old);
            }
            cells(*new);
        }
        Change::Delete { old: Old::Key(old) | Old::Row(old), .. } => cells(*old),
        Change::Truncate { relations, .. } => assert!(relations.oids().count() <= u16::MAX.into()),
        _ => {}
    }
}

fn config() -> route::Config {
    route::Config {
        ignore_missing: true,
        on_update: OnUpdate::Fatal,
        tombstone_on_empty: true,
        ..route::testing::defaults()
    }
}
