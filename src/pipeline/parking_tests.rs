//! When a key is parked, and when it is not any more.

use super::*;
use crate::lsn::Lsn;
use crate::publish::letters::{Fate, Mark, Payload};
use crate::rejection::Origin;
use fancy_regex::Regex;

const MOST: usize = 3;

fn parking() -> Parking {
    let rule = config::Parking { routes: vec![Regex::new("^order$").unwrap()], most_keys: MOST };
    Parking::new(rule, "walpost")
}

fn hash(key: &str) -> KeyHash {
    KeyHash::of("public.outbox", Some(b"order"), key.as_bytes())
}

fn at(offset: i64) -> Place {
    Place { partition: 0, offset }
}

fn letter(offset: i64, key: &str) -> (Place, Entry) {
    let letter = Letter {
        place: at(offset),
        reason: "too_large".into(),
        detail: String::new(),
        table: "public.outbox".into(),
        slot: "walpost".into(),
        topic: None,
        event_id: None,
        event_type: None,
        aggregate_type: Some("order".into()),
        aggregate_id: Some(key.into()),
        origin: Origin { commit_lsn: Lsn::new(7), change: 1, xid: 7 },
        commit_ms: 1,
        key_hash: Some(hash(key)),
        payload: Payload::Value,
        payload_bytes: None,
        attempts: 1,
    };
    (letter.place, Entry::Letter(Box::new(letter)))
}

fn changed(offset: i64, key: &str, change: impl FnOnce(&mut Letter)) -> (Place, Entry) {
    let (place, Entry::Letter(mut it)) = letter(offset, key) else { panic!("a letter") };
    change(&mut it);
    (place, Entry::Letter(it))
}

fn mark(letter: i64, key: &str) -> (Place, Entry) {
    let mark = Mark { letter: at(letter), fate: Fate::Replayed, key_hash: Some(hash(key)) };
    (at(letter + 100), Entry::Mark(mark))
}

fn take(parking: &mut Parking, (place, entry): (Place, Entry)) {
    parking.take(place, entry);
}

#[test]
fn a_key_is_parked_until_the_marks_of_all_its_letters_are_seen() {
    let mut parking = parking();
    parking.park(hash("a")).unwrap();
    take(&mut parking, letter(1, "a"));
    parking.park(hash("a")).unwrap();
    // The replay of the first letter, while the second is not yet to be seen.
    take(&mut parking, mark(1, "a"));
    assert!(parking.is_parked(hash("a")), "one is under way");
    take(&mut parking, letter(2, "a"));
    assert!(parking.is_parked(hash("a")), "one waits");
    take(&mut parking, mark(2, "b"));
    assert!(parking.is_parked(hash("a")), "another key's mark");
    take(&mut parking, mark(2, "a"));
    assert!(!parking.is_parked(hash("a")) && parking.is_empty());
}

#[test]
fn what_stood_in_the_topic_is_parked_unless_it_was_dealt_with() {
    let mut parking = parking();
    for (place, entry) in [letter(1, "a"), letter(2, "a"), letter(3, "b"), mark(1, "a"), mark(3, "b")] {
        parking.put(place, entry);
    }
    parking.keys.retain(|_, waiting| !waiting.is_done());
    assert!(parking.is_parked(hash("a")) && !parking.is_parked(hash("b")));
    take(&mut parking, mark(2, "a"));
    assert!(parking.is_empty());
}

#[test]
fn only_letters_of_our_own_and_of_the_routes_that_are_named_park() {
    let mut parking = parking();
    for (place, entry) in [
        changed(1, "a", |letter| letter.slot = "other".into()),
        changed(2, "a", |letter| letter.aggregate_type = Some("customer".into())),
        changed(3, "a", |letter| letter.aggregate_type = None),
        changed(4, "a", |letter| letter.reason = "update_refused".into()),
        changed(5, "a", |letter| letter.key_hash = None),
        (at(6), Entry::Foreign),
    ] {
        parking.put(place, entry);
    }
    assert!(parking.is_empty(), "{:?}", parking.keys);
}

#[test]
fn there_is_room_for_so_many_keys_and_for_any_number_of_letters() {
    let mut parking = parking();
    for key in ["a", "b", "c", "a", "b"] {
        parking.park(hash(key)).unwrap();
    }
    assert_eq!((parking.len(), parking.park(hash("d"))), (MOST, Err(Full { most: MOST })));
    parking.park(hash("c")).unwrap();
}

#[test]
fn news_are_taken_in_when_they_are_asked_for_and_a_failure_is_told() {
    let mut parking = parking();
    let news = Arc::new(News::default());
    parking.news = Some(Arc::clone(&news));
    parking.park(hash("a")).unwrap();
    tell(&news, |told| told.entries.extend([letter(1, "a"), mark(1, "a")]));
    assert!(parking.is_parked(hash("a")));
    assert_eq!(parking.catch_up(), Ok(()));
    assert!(!parking.is_parked(hash("a")));
    let failed = kafka::Error { kind: kafka::ErrorKind::Denied, message: "no".into() };
    tell(&news, |told| told.failed = Some(failed.clone()));
    assert_eq!(parking.catch_up(), Err(failed));
    drop(parking);
    assert!(news.is_over.load(Ordering::Acquire), "the thread that reads is told to end");
}
