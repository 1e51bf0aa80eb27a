//! Logical decoding messages on the road: events of their transaction, or by themselves; and what becomes of one that
//! cannot be published.

use super::desk::treatment;
use super::*;
use crate::rejection::{Policies, Policy};

/// A logical decoding message of this content.
fn written(transactional: bool, at: u64, content: &str) -> Vec<u8> {
    wal(testing::message(transactional, Lsn::new(at), "outbox", content.as_bytes()))
}

/// A logical decoding message that is an event of this key.
fn message(transactional: bool, at: u64, key: &str) -> Vec<u8> {
    let content = format!(r#"{{"id":"1","aggregatetype":"User","aggregateid":"{key}","payload":"x"}}"#);
    written(transactional, at, &content)
}

#[test]
fn messages_are_events_of_their_transaction_and_others_are_whole_by_themselves() {
    let frames = vec![
        message(false, 1050, "alone"),
        begin(1100, 1),
        message(true, 1060, "a"),
        relation(),
        row("User", "b"),
        message(true, 1070, "c"),
        commit(1100, 1150),
        message(false, 1170, "last"),
    ];
    let outcome = drive(position(), 100, frames.clone());
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), ["alone", "a", "b", "c", "last"]);
    assert_eq!(outcome.batches.last().unwrap().1.end_lsn, Lsn::new(1170));

    // Sent again after a restart, nothing of it is new.
    let stored = Position::first(&Position::creating(1, 1, "test"), Lsn::new(1170));
    let outcome = drive(stored, 100, frames);
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), [""; 0]);
}

#[test]
fn a_transaction_of_many_messages_is_split_and_goes_on_behind_the_last_published() {
    let frames = |first: usize| {
        let messages = ["a", "b", "c", "d", "e"].iter().enumerate().skip(first);
        let messages = messages.map(|(at, key)| message(true, 1050 + at as u64, key));
        [vec![begin(1100, 7)], messages.collect(), vec![commit(1100, 1150)]].concat()
    };
    let outcome = drive(position(), 2, frames(0));
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), ["a", "b", "c", "d", "e"]);
    let partial = outcome.batches[1].1.partial.clone().expect("a piece");
    assert_eq!((partial.xid, partial.ordinal), (7, 4));
    assert_eq!(outcome.batches[1].1.end_lsn, Lsn::new(START));

    let stored = Position { partial: Some(partial), ..position() };
    let outcome = drive(stored.clone(), 2, frames(0));
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), ["e"]);
    let outcome = drive(stored, 2, frames(1));
    assert!(matches!(outcome.result, Err(Error::Order(_))), "{:?}", outcome.result);
}

#[test]
fn a_message_of_no_transaction_inside_one_is_an_error_of_the_stream() {
    let outcome = drive(position(), 100, vec![begin(1100, 1), message(false, 1050, "x"), commit(1100, 1150)]);
    assert!(matches!(outcome.result, Err(Error::Order(_))));
}

const BAD: &str = "not JSON";

/// Good and bad messages, alone and in a transaction.
fn poisoned() -> Vec<Vec<u8>> {
    vec![
        message(false, 1050, "a"),
        written(false, 1060, BAD),
        begin(1100, 7),
        message(true, 1070, "b"),
        written(true, 1080, BAD),
        relation(),
        row("User", "c"),
        commit(1100, 1150),
        message(false, 1170, "d"),
    ]
}

/// With this policy for what is not JSON.
fn with(policy: Policy) -> Outcome {
    let by_reason = [(Reason::PayloadNotEncodable, policy)].into();
    let policies = Policies { by_reason, ..Policies::default() };
    drive_with(position(), 100, poisoned(), treatment(policies), Lessons::default())
}

fn origin(commit_lsn: u64, change: u64, xid: u32) -> Origin {
    Origin { commit_lsn: Lsn::new(commit_lsn), change, xid }
}

#[test]
fn a_bad_message_is_a_dead_letter_in_its_place_with_its_content_and_an_origin_of_its_own() {
    let outcome = with(Policy::DeadLetter);
    outcome.result.as_ref().unwrap();
    let letter = "no key (payload_not_encodable)";
    assert_eq!(outcome.keys(), ["a", letter, "b", letter, "c", "d"]);
    let records = || outcome.batches.iter().flat_map(|(_, batch)| batch.outgoing.iter());
    let origins: Vec<_> = records().map(|record| record.origin).collect();
    let of_transaction = (1..=3).map(|change| origin(1100, change, 7));
    let alone = [1050, 1060].map(|lsn| origin(lsn, 1, 0));
    assert_eq!(
        origins,
        alone.into_iter().chain(of_transaction).chain([origin(1170, 1, 0)]).collect::<Vec<_>>()
    );
    for (letter, lsn) in records().filter(|record| record.letter.is_some()).zip(["0/424", "0/438"]) {
        assert_eq!((letter.value, &**letter.topic), (Some(BAD.as_bytes()), "dlt"));
        for (name, value) in [
            ("outbox.dlt.message.lsn", lsn),
            ("outbox.dlt.message.prefix", "outbox"),
            ("outbox.dlt.table", "logical decoding messages"),
        ] {
            assert!(letter.headers().any(|header| header == (name, Some(value.as_bytes()))), "{name}");
        }
    }
    let last = &outcome.batches.last().unwrap().1;
    assert_eq!((last.end_lsn, last.transactions), (Lsn::new(1170), 4));
}

#[test]
fn a_bad_message_that_is_passed_over_is_counted_and_the_position_goes_past_it() {
    let outcome = with(Policy::Skip);
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), ["a", "b", "c", "d"]);
    let last = &outcome.batches.last().unwrap().1;
    assert_eq!((last.skipped.total(), last.end_lsn, last.transactions), (2, Lsn::new(1170), 4));
}

#[test]
fn a_bad_message_stops_the_road_after_what_was_before_it() {
    let outcome = with(Policy::Stop);
    let Err(Error::Rejected(rejection)) = outcome.result.as_ref() else { panic!("{:?}", outcome.result) };
    assert_eq!((rejection.reason, rejection.origin), (Reason::PayloadNotEncodable, origin(1060, 1, 0)));
    assert_eq!(outcome.keys(), ["a"]);
    assert_eq!(outcome.batches.last().unwrap().1.end_lsn, Lsn::new(1050));
}

#[test]
fn a_message_too_large_for_a_letter_stops_the_road_as_no_row_keeps_it() {
    let content = format!(
        r#"{{"id":"1","aggregatetype":"User","aggregateid":"k","payload":"{}"}}"#,
        "x".repeat(2 << 20)
    );
    let frames =
        || vec![message(false, 1050, "a"), written(false, 1060, &content), message(false, 1070, "b")];
    let treated = |policies| drive_with(position(), 100, frames(), treatment(policies), Lessons::default());
    let outcome = treated(Policies::default());
    let Err(Error::Rejected(rejection)) = outcome.result.as_ref() else { panic!("{:?}", outcome.result) };
    assert_eq!((rejection.reason, rejection.origin), (Reason::TooLarge, origin(1060, 1, 0)));
    assert!(rejection.detail.contains("too large for a dead letter"), "{}", rejection.detail);
    assert_eq!(outcome.keys(), ["a"]);

    let skip = [(Reason::TooLarge, Policy::Skip)].into();
    let outcome = treated(Policies { by_reason: skip, ..Policies::default() });
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), ["a", "b"]);
}

#[test]
fn what_kafka_refused_of_a_message_is_known_by_its_origin() {
    let mut lessons = Lessons::default();
    for refused in [origin(1050, 1, 0), origin(1100, 1, 7)] {
        let (detail, hint, table) = ("no".to_owned(), String::new(), "topic t".to_owned());
        let reason = Reason::RefusedByBroker;
        lessons.learn(Rejection { reason, detail, hint, table, event_id: None, origin: refused });
    }
    let outcome = drive_with(position(), 100, poisoned(), treatment(Policies::default()), lessons);
    outcome.result.as_ref().unwrap();
    let (refused, bad) = (|key: &str| format!("{key} (refused_by_broker)"), "no key (payload_not_encodable)");
    assert_eq!(outcome.keys(), [&*refused("a"), bad, &*refused("b"), bad, "c", "d"]);
}

#[test]
fn what_is_published_singly_is_a_message_of_no_transaction_at_a_time() {
    let frames = [1050, 1060, 1070].map(|lsn| message(false, lsn, &lsn.to_string())).to_vec();
    let mut lessons = Lessons::default();
    lessons.singly_until = Lsn::new(1060);
    let outcome = drive_with(position(), 100, frames, Treatment::default(), lessons);
    outcome.result.as_ref().unwrap();
    let ends: Vec<_> =
        outcome.batches.iter().map(|(keys, batch)| (keys.len(), batch.end_lsn.as_u64())).collect();
    assert_eq!(ends, [(1, 1050), (1, 1060), (1, 1070)]);
}

#[test]
fn a_message_that_is_told_and_cannot_be_encoded_is_a_letter_without_a_row() {
    let content = r#"{"id":"1","aggregatetype":"User","aggregateid":"k","payload":"x"}"#;
    let frames = vec![begin(1100, 7), written(true, 1050, content), commit(1100, 1150)];
    let outcome = drive_as(position(), 100, frames, |road| {
        let messages = Some(route::Prefixes::default());
        let changes = Some(route::ChangeRule { messages, ..route::ChangeRule::default() });
        road.router = Router::new(route::Config { changes, ..route::testing::defaults() });
        road.encoder = Encoder::new(EncodeConfig { value: Converter::Bytes, ..encode() });
        let by_reason = [(Reason::PayloadNotEncodable, Policy::DeadLetter)].into();
        road.treatment = treatment(Policies { by_reason, ..Policies::default() });
    });
    outcome.result.as_ref().unwrap();
    // As an outbox's event its key would be k.
    assert_eq!(outcome.keys(), ["no key (payload_not_encodable)"]);
    let letter = outcome.batches[0].1.outgoing.iter().next().expect("a letter");
    assert_eq!(letter.value, Some(content.as_bytes()));
    assert!(letter.headers().any(|header| header == ("outbox.dlt.message.prefix", Some(&b"outbox"[..]))));
}
