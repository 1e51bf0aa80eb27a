//! Events and topics that stop the connector, each by its name, and how it goes on once that is mended.

use crate::kit::{Router, connector, last_position, outbox, run, wait_confirmed_last, wait_events};
use crate::support::PATIENCE;

const SECRET: &str = "a-payload-that-nobody-may-read";

#[test]
fn an_event_that_cannot_be_routed_stops_the_connector_by_its_id_and_waits_for_a_better_route() {
    let (db, kafka) = outbox();
    let mut connector = run(connector(&db, kafka));
    for n in 0..20 {
        db.insert("order", &format!("{n}"), "placed", "{}");
    }
    db.execute(&format!(
        "begin; insert into outbox values (default, 'order', 'same transaction', 'placed', '{{}}');
         insert into outbox values ('59a42efd-b015-44a9-9dde-cb36d9002425', 'not a topic', 'k', 'placed', '\"{SECRET}\"');
         commit"
    ));
    db.insert("order", "after", "placed", "{}");
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(10), "{log}");
    for named in ["59a42efd-b015-44a9-9dde-cb36d9002425", "public.outbox", "topic_illegal"] {
        assert!(log.contains(named), "{named:?} is not in\n{log}");
    }
    assert!(!log.contains(SECRET), "{log}");
    assert_eq!(
        kafka.records(&[&db.topic("order")]).len(),
        20,
        "all before its transaction, and nothing of it or after"
    );
    wait_confirmed_last(kafka, &db);

    // It does not go away by itself.
    connector.start_again();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(10), "{log}");
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 20);

    connector.start_again_with(|builder| builder.router("route.topic.replacement", &db.topic("any")));
    let records = wait_events(kafka, &db, &["any"], 3);
    let mut keys: Vec<_> = records.iter().map(|record| record.key_text()).collect();
    keys.sort();
    assert_eq!(keys, ["after", "k", "same transaction"]);
    assert_eq!(last_position(kafka, &db).events, 23);
}

#[test]
fn a_negative_partition_and_an_update_under_fatal_are_refused() {
    let cases = [
        ("partition_illegal", "insert into outbox values (default, 'order', 'k', 't', '{}', -1)"),
        ("update_refused", "update outbox set type = 'changed'"),
    ];
    for (reason, trouble) in cases {
        let (db, kafka) = outbox();
        db.execute("alter table outbox add column p int; create publication walpost for table outbox");
        let builder = connector(&db, kafka)
            .router("table.fields.additional.placement", "p:partition")
            .router("table.op.invalid.behavior", "fatal");
        let mut connector = run(builder);
        db.execute("insert into outbox values (default, 'order', 'k', 't', '{}', 1)");
        wait_events(kafka, &db, &["order"], 1);
        db.execute(trouble);
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(10), "{log}");
        assert!(log.contains(reason), "{log}");
        assert_eq!(kafka.records(&[&db.topic("order")]).len(), 1);
    }
}

#[test]
fn a_partition_that_the_topic_lacks_is_refused_and_all_that_came_before_is_published() {
    let (db, kafka) = outbox();
    db.execute("alter table outbox add column p int");
    let mut connector = run(connector(&db, kafka).router("table.fields.additional.placement", "p:partition"));
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    // All of this is read at once, into one batch.
    for (kind, partition) in [("before", 0), ("refused", 99), ("after", 0)] {
        db.execute(&format!(
            "insert into outbox values (default, 'order', '{kind}', 't', '\"{SECRET}\"', {partition})"
        ));
    }
    for _ in 0..2 {
        connector.start_again();
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(10), "{log}");
        let id = db.query_one_text("select id from outbox where aggregateid = 'refused'");
        assert!(log.contains(&id) && !log.contains(SECRET), "{log}");
        let records = kafka.records(&[&db.topic("order")]);
        assert_eq!(records.iter().map(|record| record.key_text()).collect::<Vec<_>>(), ["before"]);
    }
}

#[test]
fn missing_topics_are_made_with_the_configured_partitions_and_settings() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka)
        .set("topic.creation.default.partitions", 5)
        .set("topic.creation.default.cleanup.policy", "compact,delete")
        .set("topic.creation.default.retention.ms", 1_234_567)
        .set("topic.creation.default.compression.type", "producer");
    let _connector = run(builder);
    db.insert("order", "k", "t", "{}");
    wait_events(kafka, &db, &["order"], 1);
    let settings = kafka.topic_config(&db.topic("order"));
    assert_eq!((&*settings["retention.ms"], &*settings["cleanup.policy"]), ("1234567", "compact,delete"));
    // Spread widely enough to meet every partition.
    db.execute(
        "insert into outbox select gen_random_uuid(), 'order', n, 't', '{}' from generate_series(1, 200) n",
    );
    let records = wait_events(kafka, &db, &["order"], 201);
    let partitions: std::collections::BTreeSet<_> = records.iter().map(|record| record.partition).collect();
    assert_eq!(partitions.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);

    let settings = kafka.topic_config(&crate::kit::position_topic(&db));
    assert_eq!(settings["cleanup.policy"], "compact", "positions never expire");
}

#[test]
fn a_missing_topic_that_may_not_be_made_is_refused_by_name() {
    let (db, kafka) = outbox();
    kafka.create_topic(&db.topic("order"), 1, &[]);
    let mut connector = run(connector(&db, kafka).set("topic.creation.enable", "false"));
    db.insert("order", "k", "t", "{}");
    wait_events(kafka, &db, &["order"], 1);
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    // Both are read at once, into one batch.
    db.insert("order", "k", "t", "{}");
    db.insert("unheard-of", "k", "t", "{}");
    connector.start_again();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(7), "{log}");
    assert!(log.contains(&db.topic("unheard-of")), "{log}");
    assert!(!kafka.topics().contains(&db.topic("unheard-of")));
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 2, "what came before is published");

    kafka.create_topic(&db.topic("unheard-of"), 1, &[]);
    connector.start_again();
    assert_eq!(wait_events(kafka, &db, &["unheard-of"], 1).len(), 1);
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 2);
}
