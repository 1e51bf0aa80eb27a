//! Logical decoding messages that are events.

use super::*;
use crate::route::{ChangeRule, MessageRule, Prefixes, What};

const CONTENT: &str =
    r#"{"id":"59a4","aggregatetype":"User","aggregateid":7,"type":"UserCreated","payload":{"a":1}}"#;

fn router(rule: MessageRule) -> Config {
    Config { messages: Some(rule), ..defaults() }
}

fn message(transactional: bool, prefix: &str, content: &str) -> Vec<u8> {
    testing::message(transactional, Lsn::new(5), prefix, content.as_bytes())
}

#[test]
fn a_message_is_an_event_of_no_table() {
    let mut outbox = outbox(router(MessageRule::default()), &USER_CREATED);
    let first = message(true, "outbox", CONTENT);
    let Routed::Event(event) = outbox.route(&first) else { panic!("not an event") };
    assert_eq!((event.route, &**event.topic), ("User", "outbox.event.User"));
    assert_eq!((event.plan.key.kind.clone(), event.plan.payload.kind.clone()), (Kind::Int32, Kind::Tree));
    assert!(event.plan.id.optional && event.plan.schema_stem.is_empty() && event.plan.old_key.is_empty());
    let generation = event.plan.generation;
    // Of the same members, the plan stays; a table's rows between them change nothing.
    outbox.insert(&USER_CREATED, |event| assert_eq!(event.plan.table, "public.outbox"));
    let Routed::Event(event) = outbox.route(&first) else { panic!("not an event") };
    assert_eq!(event.plan.generation, generation);
    let other = message(true, "outbox", &CONTENT.replace("{\"a\":1}", "\"text\""));
    let Routed::Event(event) = outbox.route(&other) else { panic!("not an event") };
    assert_eq!(event.plan.payload.kind, Kind::String);
}

#[test]
fn prefixes_say_which_messages_are_events() {
    let regexes = |text: &str| vec![java_regex(text, true).unwrap()];
    for prefixes in [
        Prefixes { include: regexes("out.*"), ..Prefixes::default() },
        Prefixes { exclude: regexes("heart.*"), ..Prefixes::default() },
    ] {
        let mut outbox = outbox(router(MessageRule { prefixes, ..MessageRule::default() }), &USER_CREATED);
        assert!(matches!(outbox.route(&message(true, "OUTBOX", CONTENT)), Routed::Event(_)));
        let heartbeat = message(false, "heartbeat", "now");
        assert!(matches!(outbox.route(&heartbeat), Routed::Skipped(Skipped::Message)));
    }
}

#[test]
fn a_message_without_a_transaction_is_refused_unless_it_is_asked_for() {
    let alone = message(false, "outbox", CONTENT);
    let mut refusing = outbox(router(MessageRule::default()), &USER_CREATED);
    let Routed::Rejected(rejection) = refusing.route(&alone) else { panic!("not rejected") };
    assert!(rejection.detail.contains("belongs to no transaction"), "{}", rejection.detail);
    assert!(rejection.hint.contains("walpost.messages.without.transaction=publish"));
    let mut asking = outbox(router(MessageRule { alone: true, ..MessageRule::default() }), &USER_CREATED);
    assert!(matches!(asking.route(&alone), Routed::Event(_)));
}

#[test]
fn what_the_router_cannot_use_is_rejected_by_prefix_and_member() {
    let mut outbox = outbox(router(MessageRule::default()), &USER_CREATED);
    for (content, reason, detail) in [
        ("hello", Reason::PayloadNotEncodable, "the message of prefix \"outbox\" is not JSON"),
        ("", Reason::PayloadNotEncodable, "is not JSON"),
        ("[{\"a\":1}]", Reason::PayloadNotEncodable, "is a JSON array"),
        ("{}", Reason::ColumnMissing, "column payload is not there"),
        (&CONTENT.replace("{\"a\":1}", "null"), Reason::ColumnMissing, "column payload is not there"),
        (&CONTENT.replace("7", "{\"n\":7}"), Reason::HeaderNotEncodable, "only the payload"),
        (&CONTENT.replace("\"User\"", "1"), Reason::TopicIllegal, "column aggregatetype is INT32"),
        (&CONTENT.replace("\"User\"", "\"a b\""), Reason::TopicIllegal, "no topic"),
    ] {
        let content = message(true, "outbox", content);
        let Routed::Rejected(rejection) = outbox.route(&content) else { panic!("{detail}: not rejected") };
        assert_eq!(rejection.reason, reason, "{}", rejection.detail);
        assert!(rejection.detail.contains(detail), "{}", rejection.detail);
        assert_eq!(rejection.table, "logical decoding messages");
    }
}

#[test]
fn a_message_that_is_not_decoded_is_told_as_it_is_of_a_transaction_or_not() {
    let exclude = vec![java_regex("heart.*", true).unwrap()];
    let messages = Some(Prefixes { exclude, ..Prefixes::default() });
    let changes = Some(ChangeRule { messages, ..ChangeRule::default() });
    let mut outbox = outbox(Config { changes, ..defaults() }, &USER_CREATED);
    for transactional in [true, false] {
        let any = message(transactional, "audit", "no JSON");
        let Routed::Change(changed) = outbox.route(&any) else { panic!("it is not told") };
        assert_eq!(
            (&*changed.plan.topic, &*changed.plan.label),
            ("app.message", "logical decoding messages")
        );
        assert!(matches!(changed.what, What::Message("audit", content) if content.0 == b"no JSON"));
    }
    let heartbeat = message(true, "heartbeat", "now");
    assert!(matches!(outbox.route(&heartbeat), Routed::Skipped(Skipped::Message)));
}
