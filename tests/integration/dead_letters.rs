//! Events that cannot be published: where each goes, once and in its place, and what stops all the same.

use crate::kit::{
    Router, connector, last_position, outbox, positions, run, wait_confirmed_last, wait_events,
};
use crate::support::{
    Broker, Connector, ConnectorBuilder, Database, DatabaseHandle, PATIENCE, Record, wait_until,
};
use std::collections::BTreeMap;
use walpost::lsn::Lsn;

const BYTES: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";

pub fn letters_topic(db: &DatabaseHandle) -> String {
    db.topic("dlt")
}

/// What cannot be published goes to the dead letters.
pub fn forgiving(db: &DatabaseHandle, kafka: &Broker) -> ConnectorBuilder {
    connector(db, kafka)
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", letters_topic(db))
        .set("errors.deadletterqueue.topic.replication.factor", 1)
}

fn letters(db: &DatabaseHandle, kafka: &Broker, n: usize) -> Vec<Record> {
    kafka.wait_records(&[&letters_topic(db)], n, PATIENCE)
}

/// A header that every letter has.
fn told<'r>(letter: &'r Record, name: &str) -> &'r str {
    letter
        .header(&format!("outbox.dlt.{name}"))
        .unwrap_or_else(|| panic!("no {name} in {:?}", letter.headers))
}

fn keys(records: &[Record]) -> Vec<&str> {
    records.iter().map(Record::key_text).collect()
}

/// The samples of a family, by their one label.
fn counted(connector: &mut Connector, family: &str) -> BTreeMap<String, f64> {
    let page = connector.metrics();
    let samples = page.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{'));
    let samples = samples.filter_map(|sample| {
        let (label, value) = sample.split_once("\"} ")?;
        Some((label.split_once('"')?.1.to_owned(), value.parse().ok()?))
    });
    samples.filter(|(_, value)| *value > 0.0).collect()
}

/// An outbox of bytes beside tables whose rows can never be events, and topics that do not take everything.
fn strict_world(kafka: &Broker) -> (DatabaseHandle, ConnectorBuilder) {
    let db = Database::shared().fresh_database();
    let columns = "id uuid primary key default gen_random_uuid(), aggregatetype text, p int, at timestamptz";
    db.execute(&format!(
        "create table outbox ({columns}, aggregateid bytea, payload bytea);
         create table text_keys ({columns}, aggregateid text, payload bytea);
         create table text_payloads ({columns}, aggregateid bytea, payload jsonb);
         create table no_payloads ({columns}, aggregateid bytea, content bytea);
         -- The publication that walpost makes has no updates.
         create publication walpost for table outbox, text_keys, text_payloads, no_payloads"
    ));
    kafka.create_topic(&db.topic("order"), 1, &[]);
    kafka.create_topic(&db.topic("narrow"), 1, &[("max.message.bytes", "20000")]);
    kafka.create_topic(&db.topic("compacted"), 1, &[("cleanup.policy", "compact")]);
    let builder = forgiving(&db, kafka)
        .set("table.include.list", "public\\.(outbox|text_keys|text_payloads|no_payloads)")
        .set("key.converter", BYTES)
        .set("value.converter", BYTES)
        .set("producer.override.max.request.size", 100_000)
        .router("table.field.event.timestamp", "at")
        .router("table.fields.additional.placement", "p:partition")
        .router("table.op.invalid.behavior", "fatal");
    (db, builder)
}

/// Statements that write one event each that cannot be published, and the reason why not.
fn poisons() -> Vec<(&'static str, String)> {
    let into = |table: &str, values: &str| {
        let payload = if table == "no_payloads" { "content" } else { "payload" };
        format!("insert into {table} (aggregatetype, p, at, aggregateid, {payload}) values ({values});")
    };
    let large = |bytes: u32| format!("null, now(), 'bad', convert_to(repeat('x', {bytes}), 'UTF8')");
    // Of Postgres's values there is none that the header converters do not take.
    vec![
        ("topic_illegal", into("outbox", "'no topic', 0, now(), 'bad', 'payload'")),
        ("topic_illegal", into("outbox", "null, 0, now(), 'bad', 'payload'")),
        ("partition_illegal", into("outbox", "'order', -1, now(), 'bad', 'payload'")),
        ("partition_illegal", into("outbox", "'order', 7, now(), 'bad', 'payload'")),
        ("timestamp_illegal", into("outbox", "'order', 0, '1960-01-01', 'bad', 'payload'")),
        ("key_not_encodable", into("text_keys", "'order', 0, now(), 'bad', 'payload'")),
        ("payload_not_encodable", into("text_payloads", "'order', 0, now(), 'bad', '\"payload\"'")),
        ("column_missing", into("no_payloads", "'order', 0, now(), 'bad', 'payload'")),
        ("too_large", into("outbox", &format!("'order', {}", large(150_000)))),
        ("too_large", into("outbox", &format!("'narrow', {}", large(50_000)))),
        ("refused_by_broker", into("outbox", "'compacted', null, now(), null, 'payload'")),
        ("update_refused", "update outbox set p = 0 where aggregateid = 'first';".to_owned()),
    ]
}

#[test]
fn an_event_of_every_reason_is_a_dead_letter_in_its_place_and_nothing_stops() {
    let kafka = Broker::shared();
    let (db, builder) = strict_world(kafka);
    let mut connector = run(builder);
    let good = |key: &str| {
        format!(
            "insert into outbox (aggregatetype, p, aggregateid, payload) values ('order', 0, '{key}', 'good');"
        )
    };
    db.execute(&good("first"));
    let mut expected = vec!["first".to_owned()];
    for (number, (_, poison)) in poisons().iter().enumerate() {
        let (before, after) = (format!("before {number}"), format!("after {number}"));
        db.execute(&format!("begin; {}{poison}{} commit", good(&before), good(&after)));
        expected.extend([before, after]);
    }
    let records = kafka.wait_records(&[&db.topic("order")], expected.len(), PATIENCE);
    assert_eq!(keys(&records), expected, "every good event once, in order");
    let letters = letters(&db, kafka, poisons().len());
    let reasons: Vec<_> = letters.iter().map(|letter| told(letter, "reason")).collect();
    assert_eq!(reasons, poisons().iter().map(|(reason, _)| *reason).collect::<Vec<_>>());
    assert!(kafka.records(&[&db.topic("narrow"), &db.topic("compacted")]).is_empty());

    for letter in &letters {
        let what = told(letter, "payload");
        match (told(letter, "reason"), what) {
            ("too_large", "claim") => {
                assert_eq!((letter.value.as_deref(), told(letter, "payload.bytes")), (None, "150000"));
                let id = told(letter, "event.id");
                let claimed =
                    format!("select length(payload) from {} where id = '{id}'", told(letter, "table"));
                assert_eq!(db.query_one_text(&claimed), "150000");
            }
            ("too_large", _) => assert_eq!(letter.value_text(), "x".repeat(50_000)),
            ("column_missing", "row") => {
                let row: serde_json::Value = serde_json::from_str(told(letter, "row")).expect("JSON");
                assert_eq!((&row["content"], letter.value.as_deref()), (&"\\x7061796c6f6164".into(), None));
            }
            ("payload_not_encodable", "value") => assert_eq!(letter.value_text(), "\"payload\""),
            ("update_refused", "value") => {
                assert_eq!((letter.key_text(), letter.value_text()), ("first", "good"))
            }
            (_, "value") => assert_eq!(letter.value_text(), "payload"),
            other => panic!("{other:?}"),
        }
        let key = (told(letter, "reason") != "refused_by_broker").then_some("bad");
        if told(letter, "reason") != "update_refused" {
            assert_eq!(letter.key.as_deref(), key.map(str::as_bytes));
        }
        assert_eq!(
            (told(letter, "slot"), told(letter, "attempts"), told(letter, "change")),
            (db.name(), "1", "2")
        );
        assert!(letter.header("__connect.errors.stage").is_none());
    }
    let settings = kafka.topic_config(&letters_topic(&db));
    assert_eq!((&*settings["cleanup.policy"], &*settings["retention.ms"]), ("delete", "2592000000"));

    // What was received is published, a letter, or passed over; and Postgres hears of all of it.
    wait_confirmed_last(kafka, &db);
    let by_reason = counted(&mut connector, "walpost_dead_letters_total");
    let mut of_reason = BTreeMap::new();
    poisons().iter().for_each(|(reason, _)| *of_reason.entry((*reason).to_owned()).or_default() += 1.0);
    assert_eq!(by_reason, of_reason);
    let events = counted(&mut connector, "walpost_events_total");
    let (published, dead) = (expected.len() as f64, poisons().len() as f64);
    assert_eq!(events, BTreeMap::from([("published".into(), published), ("dead_letter".into(), dead)]));
    assert_eq!(last_position(kafka, &db).events, expected.len() as u64 + poisons().len() as u64);
    assert!(connector.is_running());
}

#[test]
fn a_letter_is_in_the_kafka_transaction_of_its_neighbours_and_has_connects_headers_on_request() {
    let (db, kafka) = outbox();
    let builder = forgiving(&db, kafka).set("errors.deadletterqueue.context.headers.enable", "true");
    let mut connector = run(builder);
    let before = positions(kafka, &db).len();
    db.execute(
        "begin; insert into outbox values (default, 'order', 'a', 't', '{}');
         insert into outbox values ('59a42efd-b015-44a9-9dde-cb36d9002425', 'not a topic', 'b', 'placed', '{\"n\":  1}');
         insert into outbox values (default, 'order', 'c', 't', '{}'); commit",
    );
    let letters = letters(&db, kafka, 1);
    assert_eq!(wait_events(kafka, &db, &["order"], 2).len(), 2);
    let events: Vec<_> = positions(kafka, &db)[before - 1..].iter().map(|position| position.events).collect();
    assert_eq!(events, [0, 3], "one Kafka transaction");
    let letter = &letters[0];
    assert_eq!((letter.key_text(), letter.value_text()), ("b", "{\"n\": 1}"), "the text as Postgres has it");
    let xid = db.query_one_text("select xmin from outbox where aggregateid = 'b'");
    for (name, value) in [
        ("outbox.dlt.event.id", "59a42efd-b015-44a9-9dde-cb36d9002425"),
        ("outbox.dlt.event.type", "placed"),
        ("outbox.dlt.aggregate.type", "not a topic"),
        ("outbox.dlt.aggregate.id", "b"),
        ("outbox.dlt.table", "public.outbox"),
        ("outbox.dlt.xid", &xid),
        ("outbox.dlt.change", "2"),
        ("__connect.errors.topic", ""),
        ("__connect.errors.connector.name", db.name()),
        ("__connect.errors.stage", "TRANSFORMATION"),
        ("__connect.errors.exception.class.name", "walpost.topic_illegal"),
    ] {
        assert_eq!(letter.header(name), Some(value), "{name}");
    }
    let last = last_position(kafka, &db);
    let [change, commit] =
        ["lsn", "commit.lsn"].map(|name| told(letter, name).parse::<Lsn>().expect("an LSN"));
    assert!(change < commit && commit < last.end_lsn, "{change} {commit} {}", last.end_lsn);
    assert_eq!(told(letter, "commit.ts"), (last.last_commit_us / 1000).to_string());
    assert!(connector.is_running());
}

/// Sizes are not foreseen where records are compressed: the broker refuses what it gets, and does not say which it was.
fn unforeseen(kafka: &Broker) -> (DatabaseHandle, ConnectorBuilder) {
    let (db, builder) = strict_world(kafka);
    kafka.create_topic(&letters_topic(&db), 1, &[]);
    (db, builder.set("producer.override.compression.type", "zstd"))
}

/// So many random bytes, which no codec makes smaller.
fn random(bytes: u32) -> String {
    let blocks = bytes / 16;
    format!(
        "(select decode(string_agg(md5(n || random()::text), ''), 'hex') from generate_series(1, {blocks}) n)"
    )
}

fn narrow(key: &str, bytes: u32) -> String {
    format!(
        "insert into outbox (aggregatetype, aggregateid, payload) values ('narrow', '{key}', {});",
        random(bytes)
    )
}

#[test]
fn what_only_the_broker_refuses_is_found_out_one_by_one_and_its_neighbours_are_published() {
    let kafka = Broker::shared();
    let (db, builder) = unforeseen(kafka);
    let mut connector = run(builder);
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    // All of this is read at once, into one batch: letters, and neighbours that together are too much for the topic.
    let mut expected = Vec::new();
    for number in 0..3 {
        let (before, after) = (format!("before {number}"), format!("after {number}"));
        let good = |key: &str| narrow(key, 8_000);
        db.execute(&format!("begin; {}{}{} commit", good(&before), narrow("bad", 40_000), good(&after)));
        expected.extend([before, after]);
    }
    connector.start_again();
    let letters = letters(&db, kafka, 3);
    assert!(letters.iter().all(|letter| told(letter, "reason") == "too_large"));
    assert!(letters.iter().all(|letter| letter.value.as_ref().is_some_and(|value| value.len() == 40_000)));
    let records = kafka.wait_records(&[&db.topic("narrow")], expected.len(), PATIENCE);
    assert_eq!(keys(&records), expected);
    assert_eq!(
        counted(&mut connector, "walpost_dead_letters_total"),
        BTreeMap::from([("too_large".into(), 3.0)])
    );
    assert!(connector.is_running(), "{}", connector.log());
}

#[test]
fn a_crash_at_any_moment_leaves_one_letter_of_each_event() {
    let kafka = Broker::shared();
    let (db, builder) = unforeseen(kafka);
    let mut connector = run(builder);
    let mut expected = Vec::new();
    let moments = [
        "in_abort",
        "after_begin",
        "mid_send",
        "before_position",
        "before_commit",
        "endtxn_sent",
        "after_commit",
        "before_confirm",
    ];
    for moment in moments {
        connector.sigterm();
        connector.wait_exit(PATIENCE);
        let (before, after) = (format!("before {moment}"), format!("after {moment}"));
        let illegal =
            "insert into outbox (aggregatetype, aggregateid, payload) values ('no topic', 'illegal', 'p');";
        let good = |key: &str| narrow(key, 1_600);
        let bad = narrow("bad", 40_000);
        db.execute(&format!("begin; {}{illegal}{bad}{} commit", good(&before), good(&after)));
        expected.extend([before, after]);
        connector.start_again_with(|builder| builder.env("WALPOST_FAILPOINT", moment));
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert!(exit.code().is_none() && log.contains(&format!("failpoint {moment}")), "{moment}: {log}");
        connector.start_again_with(|builder| builder.without_env("WALPOST_FAILPOINT"));
        connector.wait_ready();
        let records = kafka.wait_records(&[&db.topic("narrow")], expected.len(), PATIENCE);
        assert_eq!(keys(&records), expected, "{moment}");
        let letters = letters(&db, kafka, expected.len());
        let of_each = ["illegal", "bad"].repeat(expected.len() / 2);
        assert_eq!(keys(&letters), of_each, "{moment}");
    }
}

#[test]
fn policies_by_table_and_reason_decide_and_what_is_passed_over_is_counted() {
    let (db, kafka) = outbox();
    db.execute("create table strict (like outbox including all)");
    let builder = connector(&db, kafka)
        .set("table.include.list", "public\\.(outbox|strict)")
        .set("walpost.errors.topic_illegal", "skip")
        .set("walpost.errors.table.public.strict", "stop")
        .set("walpost.idle.position.interval.ms", 100);
    let mut connector = run(builder);
    let insert = |table: &str, kind: &str, key: &str| {
        db.execute(&format!("insert into {table} values (default, '{kind}', '{key}', 't', '{{}}')"));
    };
    insert("outbox", "order", "a");
    insert("outbox", "not a topic", "b");
    insert("strict", "order", "c");
    // Nothing is published for it, and still Postgres hears of it.
    insert("outbox", "not a topic", "d");
    assert_eq!(wait_events(kafka, &db, &["order"], 2).len(), 2);
    wait_until("what was passed over is counted", PATIENCE, || {
        (connector.metric("walpost_events_skipped_total") == Some(2.0)).then_some(())
    });
    assert_eq!(counted(&mut connector, "walpost_events_skipped_total")["topic_illegal"], 2.0);
    let events = counted(&mut connector, "walpost_events_total");
    assert_eq!(events, BTreeMap::from([("published".into(), 2.0), ("skipped".into(), 2.0)]));
    assert!(connector.log().contains("topic_illegal"), "it is told");

    insert("strict", "not a topic", "e");
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(10), "{log}");
    assert!(log.contains("public.strict") && log.contains("topic_illegal"), "{log}");
    wait_confirmed_last(kafka, &db);
}

#[test]
fn letters_that_have_nowhere_to_go_stop_the_connector_and_nothing_is_passed_over() {
    let (db, kafka) = outbox();
    kafka.create_topic(&db.topic("order"), 1, &[]);
    let letters = letters_topic(&db);
    let stops = |connector: &mut Connector, why: &[&str]| {
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(7), "{log}");
        for why in why.iter().copied().chain([&*letters, "the dead letters cannot be written"]) {
            assert!(log.contains(why), "{why} is not in\n{log}");
        }
    };
    // It may not be made.
    let mut connector = forgiving(&db, kafka).set("topic.creation.enable", "false").start();
    stops(&mut connector, &["does not exist"]);
    assert!(!kafka.topics().contains(&letters));
    // It would lose letters.
    kafka.create_topic(&letters, 1, &[("cleanup.policy", "compact,delete")]);
    connector.start_again();
    stops(&mut connector, &["cleanup.policy=compact,delete"]);
    kafka.alter_topic(&letters, &[]);
    connector.start_again();
    connector.wait_ready();
    db.insert("order", "a", "t", "{}");
    wait_events(kafka, &db, &["order"], 1);
    // It takes no letter any more, however much of it is cut.
    kafka.alter_topic(&letters, &[("max.message.bytes", "200")]);
    db.insert("order", "b", "t", "{}");
    wait_events(kafka, &db, &["order"], 2);
    db.insert("not a topic", "c", "t", "{}");
    db.insert("order", "d", "t", "{}");
    stops(&mut connector, &["waits in Postgres"]);
    connector.start_again();
    stops(&mut connector, &["waits in Postgres"]);
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 2);
    assert!(kafka.records(&[&letters]).is_empty());

    kafka.alter_topic(&letters, &[]);
    connector.start_again();
    assert_eq!(wait_events(kafka, &db, &["order"], 3).len(), 3);
    assert_eq!(keys(&self::letters(&db, kafka, 1)), ["c"]);
}

#[test]
fn a_letter_too_large_for_its_topic_is_cut_by_claim_and_many_small_ones_are_not() {
    let (db, kafka) = outbox();
    kafka.create_topic(&letters_topic(&db), 1, &[("max.message.bytes", "3000")]);
    let mut connector = run(forgiving(&db, kafka));
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    // In one batch they are more than the topic takes at once.
    for number in 0..10 {
        let bytes = if number == 5 { 5_000 } else { 500 };
        db.execute(&format!(
            "insert into outbox values (default, 'not a topic', '{number}', 't', to_jsonb(repeat('x', {bytes})))"
        ));
    }
    connector.start_again();
    let letters = letters(&db, kafka, 10);
    assert_eq!(keys(&letters), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let cut: Vec<_> = letters.iter().filter(|letter| letter.value.is_none()).collect();
    assert_eq!(keys(&cut.iter().map(|letter| (*letter).clone()).collect::<Vec<_>>()), ["5"]);
    assert_eq!((told(cut[0], "payload"), told(cut[0], "payload.bytes")), ("claim", "5002"));
    assert!(connector.is_running());
}
