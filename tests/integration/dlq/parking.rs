//! Parked keys: after a dead letter, nothing of its key overtakes it, across restarts and replays under load.

use super::*;
use crate::kit::Stopping;
use crate::support::wait_until;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

fn parking() -> (DatabaseHandle, &'static Broker, ConnectorBuilder) {
    let (db, kafka, builder) = narrow();
    (db, kafka, builder.set("walpost.parking.routes", "order"))
}

fn small(db: &DatabaseHandle, key: &str) -> String {
    insert(db, "order", key, 10)
}

/// The reasons of all letters, in order; of marks, what they say.
fn reasons(db: &DatabaseHandle, kafka: &Broker, n: usize) -> Vec<String> {
    let told = |record: &Record| {
        let of = |name: &str| record.header(&format!("outbox.dlt.{name}")).map(str::to_owned);
        of("reason").or_else(|| of("mark")).expect("a letter or a mark")
    };
    letters(db, kafka, n).iter().map(told).collect()
}

/// Until events of the key go to their topic again: the events that it took, in order. One that comes before the
/// connector has seen the marks is parked, and replayed.
fn wait_unparked(builder: &ConnectorBuilder, db: &DatabaseHandle, kafka: &Broker, key: &str) -> Vec<String> {
    let (topic, letters) = (db.topic("order"), letters_topic(db));
    let count = |topics: &[&str]| kafka.records(topics).len();
    let mut sent = Vec::new();
    wait_until("the key is parked no longer", PATIENCE, || {
        let (direct, all) = (count(&[&topic]), count(&[&topic, &letters]));
        sent.push(small(db, key));
        kafka.wait_records(&[&topic, &letters], all + 1, PATIENCE);
        let is_direct = count(&[&topic]) > direct;
        if !is_direct {
            replay(builder, db, "", 0);
        }
        is_direct.then_some(())
    });
    sent
}

#[test]
fn events_follow_a_dead_letter_of_their_key_until_it_is_replayed_and_others_do_not() {
    let (db, kafka, builder) = parking();
    let mut connector = run(builder.clone());
    let first = small(&db, "a");
    let dead = large(&db, "a");
    let (follows, other) = (small(&db, "a"), small(&db, "b"));
    let elsewhere = insert(&db, "customer", "a", 10);
    assert_eq!(reasons(&db, kafka, 2), ["too_large", "parked"]);
    assert_eq!(ids(&wait_events(kafka, &db, &["customer"], 1)), [elsewhere], "another route's key");
    let mut direct = ids(&wait_events(kafka, &db, &["order"], 2));
    direct.sort();
    let mut expected = vec![first.clone(), other.clone()];
    expected.sort();
    assert_eq!(direct, expected);
    let told = ask_json(&builder, "dlq list", 0);
    assert_eq!((&told["parked_keys"], &told["waiting_by_reason"]["parked"]), (&1.into(), &1.into()));

    // It is read from the topic anew.
    connector.kill9();
    connector.start_again();
    connector.wait_ready();
    assert!(connector.log().contains("events of these keys wait"), "{}", connector.log());
    let later = small(&db, "a");
    assert_eq!(reasons(&db, kafka, 3), ["too_large", "parked", "parked"]);

    mend(&db, kafka);
    // What follows goes with what it follows.
    let told = replay(&builder, &db, "--reason too_large", 0);
    assert_eq!(ids_of(&told, "replayed"), [&*dead, &*follows, &*later]);
    let after = wait_unparked(&builder, &db, kafka, "a");
    let records = kafka.records(&[&db.topic("order")]);
    let of_a: Vec<_> = records.iter().filter(|record| record.key_text() == "a").cloned().collect();
    assert_eq!(ids(&of_a), [vec![first, dead, follows, later], after].concat());
    assert_eq!(ask_json(&builder, "dlq list", 0)["parked_keys"], 0);
    stop(connector);
}

#[test]
fn a_key_whose_letter_is_given_up_is_parked_no_longer() {
    let (db, kafka, builder) = parking();
    let connector = run(builder.clone());
    large(&db, "a");
    small(&db, "a");
    letters(&db, kafka, 2);
    ask_json(&builder, &format!("dlq purge --accept-loss --confirm {}", letters_topic(&db)), 0);
    mend(&db, kafka);
    wait_unparked(&builder, &db, kafka, "a");
    stop(connector);
}

#[test]
fn more_keys_than_may_be_parked_stop_the_connector_with_words_of_their_own() {
    let (db, kafka, builder) = parking();
    let builder = builder.set("walpost.parking.max.keys", 2);
    let mut connector = run(builder.clone());
    for key in ["a", "b", "a", "c"] {
        large(&db, key);
    }
    let stops = |connector: &mut Connector| {
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(10), "{log}");
        for words in
            ["more than 2 keys wait for dead letters", "walpost.parking.max.keys", "walpost dlq list"]
        {
            assert!(log.contains(words), "{words} is not in\n{log}");
        }
    };
    stops(&mut connector);
    assert_eq!(reasons(&db, kafka, 3).len(), 3);
    connector.start_again();
    stops(&mut connector);
    // With less room than there are parked keys, a start says so, too.
    connector.start_again_with(|builder| builder.set("walpost.parking.max.keys", 1));
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert!(exit.code() == Some(10) && log.contains("more than 1 keys"), "{log}");
    connector.start_again_with(|builder| builder.set("walpost.parking.max.keys", 3));
    assert_eq!(reasons(&db, kafka, 4).len(), 4);
    stop(connector);
}

#[test]
fn every_key_keeps_its_order_across_replays_and_crashes_under_load() {
    const KEYS: usize = 12;
    let (db, kafka, builder) = parking();
    let mut connector = run(builder.clone());
    let over = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let writer = scope.spawn(|| write(&db, KEYS, &over));
        let _stopping = Stopping(&over);
        for round in 0..4 {
            letters(&db, kafka, 1 + round);
            if round == 1 {
                connector.kill9();
                connector.start_again();
                connector.wait_ready();
            }
            mend(&db, kafka);
            replay(&builder, &db, "--rate 0", 0);
            // Some are too large again from here on.
            kafka.alter_topic(&db.topic("order"), &[("max.message.bytes", "9000")]);
            wait_more(kafka, &db);
        }
        over.store(true, Ordering::Relaxed);
        writer.join().expect("the writer")
    });
    mend(&db, kafka);
    wait_until("everything is dealt with", PATIENCE, || {
        replay(&builder, &db, "--rate 0", 0);
        (kafka.records(&[&db.topic("order")]).len() >= written).then_some(())
    });
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), written, "nothing twice");
    let numbers: BTreeMap<String, usize> = kills::rows(&db).into_iter().collect();
    let mut last = BTreeMap::<String, usize>::new();
    let mut parked = 0;
    for record in kafka.records(&[&db.topic("order")]) {
        let number = numbers[record.header("id").expect("an id")];
        let before = last.insert(record.key_text().to_owned(), number);
        assert!(
            before.is_none_or(|before| before < number),
            "{}: {before:?} before {number}",
            record.key_text()
        );
    }
    for letter in kafka.records(&[&letters_topic(&db)]) {
        parked += usize::from(letter.header("outbox.dlt.reason") == Some("parked"));
    }
    assert!(last.len() == KEYS && parked > 50, "{parked} were parked");
    stop(connector);
}

/// Writes numbered events of many keys until it is told to end, some two hundred a second, one in forty of them large;
/// how many.
fn write(db: &DatabaseHandle, keys: usize, over: &AtomicBool) -> usize {
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        number += 1;
        let (key, bytes) = (number % keys, if number % 40 == 7 { 10_000 } else { 10 });
        db.execute(&format!(
            "insert into outbox (aggregatetype, aggregateid, type, payload)
             values ('order', 'k{key}', 'n{number}', to_jsonb(repeat('x', {bytes})));
             select pg_sleep(0.003)"
        ));
    }
    number
}

/// Until some more letters are there.
fn wait_more(kafka: &Broker, db: &DatabaseHandle) {
    let count = || kafka.records(&[&letters_topic(db)]).len();
    let before = count();
    wait_until("some more letters", PATIENCE, || (count() > before + 20).then_some(()));
}
