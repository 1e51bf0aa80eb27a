//! Events that cannot be published: which way they go, and where dead letters do.

use super::*;
use crate::rejection::{Policies, Policy, Reason};

const TOPIC: &str = "errors.deadletterqueue.topic.name=shop.outbox.dlt";

fn policy(lines: &str, reason: Reason, table: &str) -> Policy {
    config(lines).policies.of(reason, table)
}

#[test]
fn nothing_written_is_to_stop_and_a_topic_alone_changes_nothing() {
    let config = config("");
    assert_eq!(config.policies, Policies::default());
    assert!(config.dead_letters.is_none());
    let told = notices(TOPIC);
    assert!(told.iter().any(|told| told.contains("ignored: no policy sends anything there")), "{told:?}");
    assert_eq!(policy(TOPIC, Reason::TooLarge, "public.outbox"), Policy::Stop);
}

#[test]
fn tolerance_and_a_topic_are_dead_letters_for_everything() {
    let lines = format!("errors.tolerance=all\n{TOPIC}\nname=orders");
    let config = config(&lines);
    assert!(Reason::ALL.iter().all(|reason| config.policies.of(*reason, "a.b") == Policy::DeadLetter));
    let letters = config.dead_letters.unwrap();
    assert_eq!(letters.topic.topic, "shop.outbox.dlt");
    assert_eq!((letters.topic.replication_factor, letters.writer.connect_headers), (None, false));
    assert_eq!((&*letters.writer.topic, &*letters.writer.connector), ("shop.outbox.dlt", "orders"));
    assert_eq!(letters.writer.slot, "debezium");

    let more = "errors.deadletterqueue.topic.replication.factor=2\nerrors.deadletterqueue.context.headers.enable=true";
    let letters = super::config(&format!("{lines}\n{more}")).dead_letters.unwrap();
    assert_eq!((letters.topic.replication_factor, letters.writer.connect_headers), (Some(2), true));
}

#[test]
fn tolerance_without_a_topic_is_refused_unless_events_are_given_up_by_name() {
    let told = problem("errors.tolerance=all");
    assert!(told.contains("drops what it cannot convert"), "{told}");
    assert!(told.ends_with("write errors.deadletterqueue.topic.name=shop.outbox.dlt; or walpost.errors.any=skip to pass events over"), "{told}");
    let told = problem("walpost.errors.too_large=dead-letter");
    assert!(told.starts_with("errors.deadletterqueue.topic.name: it is missing"), "{told}");
    let given_up = "errors.tolerance=all\nwalpost.errors.any=skip";
    assert_eq!(policy(given_up, Reason::TopicIllegal, "a.b"), Policy::Skip);
}

#[test]
fn what_is_said_of_less_wins() {
    let lines = format!(
        "errors.tolerance=all\n{TOPIC}\nwalpost.errors.too_large=Stop\nwalpost.errors.table.public.audit=skip\n\
         walpost.errors.table.public.audit.column_missing=stop\nwalpost.errors.table.public.orders.too_large=dead-letter"
    );
    for (table, reason, expected) in [
        ("public.any", Reason::TopicIllegal, Policy::DeadLetter),
        ("public.any", Reason::TooLarge, Policy::Stop),
        ("public.audit", Reason::TooLarge, Policy::Skip),
        ("public.audit", Reason::ColumnMissing, Policy::Stop),
        ("public.orders", Reason::TooLarge, Policy::DeadLetter),
        ("public.orders", Reason::ColumnMissing, Policy::DeadLetter),
    ] {
        assert_eq!(policy(&lines, reason, table), expected, "{table}, {reason:?}");
    }
}

#[test]
fn a_misspelt_reason_policy_or_table_is_refused_with_what_to_write() {
    for (line, told) in [
        (
            "walpost.errors.to_large=stop",
            "walpost.errors.to_large = stop: to_large is no reason for which events cannot be published; write too_large",
        ),
        ("walpost.errors.table.public.outbox.to_large=stop", "write too_large"),
        ("walpost.errors.nonsense=stop", "write any, or one of column_missing, topic_illegal"),
        ("walpost.errors.too_large=drop", "there is no such value; write one of stop, dead-letter, skip"),
        (
            "walpost.errors.table.outbox=skip",
            "write walpost.errors.table.schema.table or the same with a reason after it",
        ),
        ("errors.tolerance=some", "there is no such value"),
        ("errors.deadletterqueue.topic.nam=x", "write errors.deadletterqueue.topic.name"),
    ] {
        let problem = problem(line);
        assert!(problem.contains(told), "{line}: {problem}");
    }
    let lines = "errors.tolerance=all\nerrors.deadletterqueue.topic.name=no topic";
    assert!(problem(lines).contains("the topic's name cannot be used"));
    let lines = format!("errors.tolerance=all\n{TOPIC}\nwalpost.position.topic=shop.outbox.dlt");
    assert!(problem(&lines).contains("positions are kept there"));
}

#[test]
fn keys_are_parked_of_the_routes_that_are_named_where_there_are_dead_letters() {
    let letters = format!("errors.tolerance=all\n{TOPIC}");
    assert!(config(&letters).parking.is_none());
    let parking = config(&format!("{letters}\nwalpost.parking.routes=order, inv.*")).parking.unwrap();
    assert_eq!(parking.most_keys, 10_000);
    for (reason, route, is_parked) in [
        ("too_large", Some("order"), true),
        ("parked", Some("invoice"), true),
        ("too_large", Some("orders"), false),
        ("too_large", None, false),
        ("update_refused", Some("order"), false),
    ] {
        assert_eq!(parking.concerns(reason, route), is_parked, "{reason} {route:?}");
    }
    assert!(
        notices("walpost.parking.routes=.*").iter().any(|told| told.contains("no policy sends anything"))
    );
    let told = problem(&format!("{letters}\nwalpost.errors.parked=skip"));
    assert!(told.contains("parked is no reason"), "{told}");
}
