//! Events that cannot be published, on the road: a dead letter, a mark, or the end.

use super::super::super::foresight::{Foresight, TopicLimits, Topics};
use super::super::super::parking::Parking;
use super::*;
use crate::encode::{DeadLetters, dead_letter};
use crate::rejection::{Policies, Policy, TablePolicies, Tally};

/// Everything goes to the dead letters but what `policies` say.
pub(super) fn treatment(policies: Policies) -> Treatment {
    let (connector, slot) = ("app".to_owned(), "walpost".to_owned());
    let config = dead_letter::Config { topic: Arc::from("dlt"), connect_headers: false, connector, slot };
    let letters = Some(DeadLetters::new(config, 1 << 20));
    Treatment {
        policies: Policies { every: Policy::DeadLetter, ..policies },
        letters,
        ..Treatment::default()
    }
}

const ILLEGAL: &str = "no such topic";

fn poisoned() -> Vec<Vec<u8>> {
    vec![
        begin(1100, 1),
        relation(),
        row("User", "a"),
        row(ILLEGAL, "b"),
        row("User", "c"),
        commit(1100, 1150),
        begin(1150, 2),
        row(ILLEGAL, "d"),
        commit(1150, 1180),
    ]
}

#[test]
fn a_dead_letter_stands_in_its_events_place_and_names_where_it_comes_from() {
    let outcome = drive_with(position(), 100, poisoned(), treatment(Policies::default()), Lessons::default());
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), ["a", "b (topic_illegal)", "c", "d (topic_illegal)"]);
    let batches = || outcome.batches.iter().flat_map(|(_, batch)| batch.outgoing.iter());
    let origins: Vec<_> =
        batches().map(|record| record.origin).map(|it| (it.commit_lsn, it.change, it.xid)).collect();
    let (first, second) = (Lsn::new(1100), Lsn::new(1150));
    assert_eq!(origins, [(first, 1, 1), (first, 2, 1), (first, 3, 1), (second, 1, 2)]);
    let letter = batches().nth(1).unwrap();
    assert_eq!((&**letter.topic, letter.value), ("dlt", Some(&b"{}"[..])));
    assert_eq!(outcome.batches.last().unwrap().1.end_lsn, Lsn::new(1180));
}

#[test]
fn an_event_that_is_passed_over_leaves_no_record_and_is_counted_and_its_change_counts() {
    let policies =
        || Policies { by_reason: [(Reason::TopicIllegal, Policy::Skip)].into(), ..Policies::default() };
    let mut frames = vec![begin(1100, 1), relation()];
    let routes = ["User", ILLEGAL, "User", ILLEGAL, "User"];
    frames.extend(routes.iter().enumerate().map(|(n, route)| row(route, &n.to_string())));
    frames.push(commit(1100, 1150));
    let outcome = drive_with(position(), 2, frames, treatment(policies()), Lessons::default());
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), ["0", "2", "4"]);
    let skipped: Vec<Tally> = outcome.batches.iter().map(|(_, batch)| batch.skipped).collect();
    assert_eq!(skipped.iter().map(Tally::total).collect::<Vec<_>>(), [1, 1]);
    let partial = outcome.batches[0].1.partial.as_ref().unwrap();
    assert_eq!(partial.ordinal, 3, "a change passed over is a change");
}

#[test]
fn a_table_may_stop_where_others_go_on_and_what_its_transaction_passed_over_is_not_counted() {
    let by_reason = [(Reason::TopicIllegal, Policy::Skip), (Reason::TooLarge, Policy::Stop)].into();
    let table = TablePolicies { every: None, by_reason };
    let policies = Policies { by_table: [("public.outbox".to_owned(), table)].into(), ..Policies::default() };
    let large = "x".repeat(2 << 20);
    let mut frames = poisoned();
    let too_large = ["59a42efd-b015-44a9-9dde-cb36d9002425", "User", "e", "T", &large];
    frames.extend([
        begin(1180, 3),
        row(ILLEGAL, "x"),
        wal(testing::insert_text(OUTBOX, &too_large)),
        commit(1180, 1190),
    ]);
    let outcome = drive_with(position(), 100, frames, treatment(policies), Lessons::default());
    let Err(Error::Rejected(rejection)) = outcome.result.as_ref() else { panic!("{:?}", outcome.result) };
    assert_eq!((rejection.reason, rejection.origin.change), (Reason::TooLarge, 2));
    assert_eq!(outcome.keys(), ["a", "c"]);
    assert_eq!(outcome.batches.iter().map(|(_, batch)| batch.skipped.total()).sum::<u64>(), 2);
}

#[test]
fn what_kafka_refused_is_not_sent_again_but_treated_by_its_policy() {
    let refused = |policies: Policies| {
        let sent = drive(
            position(),
            100,
            vec![begin(1100, 1), relation(), row("User", "a"), row("User", "b"), commit(1100, 1150)],
        );
        let origin = sent.batches[0].1.outgoing.iter().nth(1).unwrap().origin;
        let (detail, hint, table) = ("the broker says no".to_owned(), String::new(), "topic t".to_owned());
        let mut lessons = Lessons::default();
        lessons.learn(Rejection {
            reason: Reason::RefusedByBroker,
            detail,
            hint,
            table,
            event_id: None,
            origin,
        });
        let frames = vec![
            begin(1050, 9),
            relation(),
            row("User", "before"),
            commit(1050, 1100),
            begin(1100, 1),
            row("User", "a"),
            row("User", "b"),
            row("User", "c"),
            commit(1100, 1150),
        ];
        drive_with(position(), 100, frames, treatment(policies), lessons)
    };
    let outcome = refused(Policies::default());
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), ["before", "a", "b (refused_by_broker)", "c"]);
    let letter = outcome.batches.iter().flat_map(|(_, batch)| batch.outgoing.iter()).nth(2).unwrap();
    let topic = letter.headers().find(|(name, _)| *name == "outbox.dlt.topic").unwrap();
    assert_eq!(topic.1, Some(&b"outbox.event.User"[..]));

    let stop = [(Reason::RefusedByBroker, Policy::Stop)].into();
    let outcome = refused(Policies { by_reason: stop, ..Policies::default() });
    let Err(Error::Rejected(rejection)) = outcome.result.as_ref() else { panic!("{:?}", outcome.result) };
    assert_eq!(rejection.table, "public.outbox", "the row is known now");
    assert_eq!(rejection.event_id.as_deref(), Some("59a42efd-b015-44a9-9dde-cb36d9002425"));
    assert_eq!(outcome.keys(), ["before"]);
}

#[test]
fn what_a_topic_would_refuse_is_treated_before_it_is_sent() {
    let large = "x".repeat(30_000);
    let too_large = ["59a42efd-b015-44a9-9dde-cb36d9002425", "User", "b", "T", &large];
    let frames = vec![
        begin(1100, 1),
        relation(),
        row("User", "a"),
        wal(testing::insert_text(OUTBOX, &too_large)),
        row("User", "c"),
        commit(1100, 1150),
    ];
    let foresight = Foresight::new(Box::new(NarrowTopics));
    let treatment = Treatment { foresight, ..treatment(Policies::default()) };
    let outcome = drive_with(position(), 100, frames, treatment, Lessons::default());
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), ["a", "b (too_large)", "c"]);
}

/// Foresees that records of 20,000 bytes are refused.
struct NarrowTopics;

impl Topics for NarrowTopics {
    fn limits(&mut self, _: &str) -> Option<TopicLimits> {
        Some(TopicLimits { partitions: 1, keys_only: false, max_bytes: 20_000 })
    }
}

/// Large events become letters, and keys of the route `User` are parked: so many at most.
fn parking(most_keys: usize) -> Treatment {
    let routes = vec![fancy_regex::Regex::new("^User$").unwrap()];
    let parking = Some(Parking::new(crate::config::Parking { routes, most_keys }, "walpost"));
    let foresight = Foresight::new(Box::new(NarrowTopics));
    Treatment { foresight, parking, ..treatment(Policies::default()) }
}

fn large(route: &str, key: &str) -> Vec<u8> {
    let payload = "x".repeat(30_000);
    wal(testing::insert_text(OUTBOX, &["59a42efd-b015-44a9-9dde-cb36d9002425", route, key, "T", &payload]))
}

#[test]
fn events_of_a_parked_key_follow_its_letter_and_others_do_not() {
    let frames = vec![
        begin(1100, 1),
        relation(),
        row("User", "a"),
        large("User", "a"),
        row("User", "b"),
        row("User", "a"),
        commit(1100, 1150),
        begin(1150, 2),
        row("Other", "a"),
        large("Other", "b"),
        row("Other", "b"),
        row("User", "a"),
        commit(1150, 1180),
    ];
    let outcome = drive_with(position(), 100, frames, parking(1), Lessons::default());
    outcome.result.as_ref().unwrap();
    let expected = ["a", "a (too_large)", "b", "a (parked)", "a", "b (too_large)", "b", "a (parked)"];
    assert_eq!(outcome.keys(), expected, "of the route that is not named, nothing is parked");
    let parked = outcome.batches.iter().flat_map(|(_, batch)| batch.outgoing.iter()).nth(3).unwrap();
    let told = |name: &str| parked.headers().find(|(header, _)| *header == name).unwrap().1;
    assert_eq!(told("outbox.dlt.topic"), Some(&b"outbox.event.User"[..]));
    assert_eq!(parked.value, Some(&b"{}"[..]));
}

#[test]
fn a_key_more_than_may_be_parked_stops_the_road_before_its_transaction() {
    let frames = vec![
        begin(1100, 1),
        relation(),
        large("User", "a"),
        commit(1100, 1150),
        begin(1150, 2),
        row("User", "c"),
        large("User", "b"),
        commit(1150, 1180),
    ];
    let outcome = drive_with(position(), 100, frames, parking(1), Lessons::default());
    assert!(matches!(&outcome.result, Err(Error::NoRoom(full)) if full.most == 1), "{:?}", outcome.result);
    assert_eq!(outcome.keys(), ["a (too_large)"]);
    assert_eq!(outcome.batches.last().unwrap().1.end_lsn, Lsn::new(1150));
}
