//! Logical decoding messages that are events: no table, exactly once, and stopped at where they belong to no transaction.

use crate::kit::{connector, last_position, outbox, run, wait_events};
use crate::support::{Broker, ConnectorBuilder, DatabaseHandle, PATIENCE, Record, wait_until};

/// The configuration that Debezium's users have for it.
fn decoding(builder: ConnectorBuilder) -> ConnectorBuilder {
    builder
        .set("transforms", "decode,outbox")
        .set(
            "transforms.decode.type",
            "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent",
        )
        .set("message.prefix.include.list", "outbox")
        .set("value.converter", "org.apache.kafka.connect.json.JsonConverter")
        .set("value.converter.schemas.enable", "false")
}

fn emit(transactional: bool, prefix: &str, key: &str) -> String {
    format!(
        r#"select pg_logical_emit_message({transactional}, '{prefix}',
           '{{"id":"{key}-1","aggregatetype":"order","aggregateid":"{key}","type":"placed","payload":{{"n":1,"o":null}}}}')"#
    )
}

#[test]
fn a_message_is_published_with_its_transaction_and_not_without() {
    let (db, kafka) = outbox();
    let _connector = run(decoding(connector(&db, kafka)));
    db.execute(&format!(
        "begin; {}; insert into outbox values (default, 'order', 'row', 'placed', '{{}}'); {}; {}; commit",
        emit(true, "outbox", "a"),
        emit(true, "outbox", "b"),
        emit(true, "another", "c"),
    ));
    db.execute(&format!("begin; {}; rollback", emit(true, "outbox", "rolled back")));
    db.execute(&emit(true, "outbox", "last"));
    let records = wait_events(kafka, &db, &["order"], 4);
    let mut keys: Vec<_> = records.iter().map(|record| record.key_text()).collect();
    keys.sort();
    assert_eq!(keys, ["a", "b", "last", "row"]);
    let message = records.iter().find(|record| record.key_text() == "a").expect("it");
    assert_eq!((message.value_text(), message.header("id")), (r#"{"n":1}"#, Some("a-1")));
    assert_eq!(last_position(kafka, &db).events, 4);
}

/// Events, each once, in the order of their keys.
fn assert_each_once(db: &DatabaseHandle, kafka: &Broker, events: usize) {
    let records = wait_events(kafka, db, &["order"], events);
    let mut keys: Vec<usize> =
        records.iter().map(|record| record.key_text().parse().expect("a number")).collect();
    keys.sort_unstable();
    assert_eq!(keys, (0..events).collect::<Vec<_>>());
}

#[test]
fn messages_are_published_once_however_often_the_connector_is_killed() {
    let (db, kafka) = outbox();
    let builder = decoding(connector(&db, kafka))
        .set("walpost.batch.max.events", 7)
        .set("walpost.messages.without.transaction", "publish");
    let mut connector = run(builder);
    let (rounds, each) = (5, 40);
    for round in 0..rounds {
        let first = round * each;
        // One transaction that is split, and messages of none between others.
        let many: Vec<String> =
            (first..first + each / 2).map(|key| emit(true, "outbox", &key.to_string())).collect();
        db.execute(&format!("begin; {}; commit", many.join("; ")));
        for key in first + each / 2..first + each {
            db.execute(&emit(key % 2 == 0, "outbox", &key.to_string()));
        }
        kafka.wait_records(&[&db.topic("order")], first + each / 4, PATIENCE);
        connector.kill9();
        connector.start_again();
    }
    assert_each_once(&db, kafka, rounds * each);
    connector.wait_ready();
    connector.sigterm();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert!(exit.success(), "{log}");
    assert_each_once(&db, kafka, rounds * each);
}

#[test]
fn a_message_of_no_transaction_stops_the_connector_until_it_is_asked_for() {
    let (db, kafka) = outbox();
    let mut connector = run(decoding(connector(&db, kafka)));
    db.execute(&emit(true, "outbox", "before"));
    wait_events(kafka, &db, &["order"], 1);
    db.execute(&emit(false, "another", "not ours"));
    db.execute(&emit(false, "outbox", "alone"));
    db.execute(&emit(true, "outbox", "after"));
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(10), "{log}");
    for named in ["belongs to no transaction", "walpost.messages.without.transaction=publish"] {
        assert!(log.contains(named), "{named:?} is not in\n{log}");
    }
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 1);
    connector.start_again_with(|builder| builder.set("walpost.messages.without.transaction", "publish"));
    let records = wait_events(kafka, &db, &["order"], 3);
    let mut keys: Vec<_> = records.iter().map(|record| record.key_text()).collect();
    keys.sort();
    assert_eq!(keys, ["after", "alone", "before"]);
}

/// The dead letters, once there are so many.
fn letters(db: &DatabaseHandle, kafka: &Broker, n: usize) -> Vec<Record> {
    kafka.wait_records(&[&db.topic("dlt")], n, PATIENCE)
}

/// What cannot be published goes to the dead letters.
pub fn forgiving(db: &DatabaseHandle, kafka: &Broker) -> ConnectorBuilder {
    decoding(connector(db, kafka))
        .set("walpost.messages.without.transaction", "publish")
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", db.topic("dlt"))
        .set("errors.deadletterqueue.topic.replication.factor", 1)
}

#[test]
fn a_message_that_cannot_be_published_is_a_dead_letter_or_passed_over_by_policy() {
    let (db, kafka) = outbox();
    let mut connector = run(forgiving(&db, kafka).set("walpost.errors.topic_illegal", "skip"));
    db.execute(&format!(
        "begin; {}; select pg_logical_emit_message(true, 'outbox', 'no JSON'); {}; commit",
        emit(true, "outbox", "a"),
        emit(true, "outbox", "b"),
    ));
    db.execute("select pg_logical_emit_message(false, 'outbox', '[1]')");
    db.execute("select pg_logical_emit_message(false, 'outbox', '\\xff00'::bytea)");
    db.execute(&emit(false, "outbox", "passed over").replace("\"order\"", "\"no topic\""));
    db.execute(&emit(false, "outbox", "c"));
    let records = wait_events(kafka, &db, &["order"], 3);
    let mut keys: Vec<_> = records.iter().map(|record| record.key_text()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["a", "b", "c"]);
    let letters = letters(&db, kafka, 3);
    let values: Vec<_> = letters.iter().map(|letter| letter.value.as_deref()).collect();
    assert_eq!(values, [Some(&b"no JSON"[..]), Some(b"[1]"), Some(b"\xff\x00")]);
    for letter in &letters {
        assert_eq!(letter.header("outbox.dlt.message.prefix"), Some("outbox"));
        assert_eq!(letter.header("outbox.dlt.reason"), Some("payload_not_encodable"));
    }
    let (first, second) = (&letters[0], &letters[1]);
    assert_eq!(first.header("outbox.dlt.change"), Some("2"));
    assert_ne!(first.header("outbox.dlt.commit.lsn"), first.header("outbox.dlt.message.lsn"));
    assert_eq!(second.header("outbox.dlt.xid"), Some("0"));
    assert_eq!(second.header("outbox.dlt.commit.lsn"), second.header("outbox.dlt.message.lsn"));
    wait_until("what was passed over is counted", PATIENCE, || {
        (connector.metric("walpost_events_skipped_total") == Some(1.0)).then_some(())
    });
}

#[test]
fn a_message_that_only_the_broker_refuses_is_found_out_and_its_neighbours_are_published() {
    let (db, kafka) = outbox();
    kafka.create_topic(&db.topic("narrow"), 1, &[("max.message.bytes", "2000")]);
    let mut connector = run(forgiving(&db, kafka).set("producer.override.compression.type", "zstd"));
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    // All of this is read at once, into one batch. Sizes are not foreseen where records are compressed.
    let emit = |key: &str, digests: u32| {
        db.execute(&format!(
            "select pg_logical_emit_message(false, 'outbox', json_build_object('id', '{key}', 'aggregatetype', 'narrow',
             'aggregateid', '{key}', 'payload', (select string_agg(md5(n || random()::text), '')
             from generate_series(1, {digests}) n))::text)"
        ));
    };
    for number in 0..3 {
        emit(&format!("before {number}"), 1);
        emit("bad", 500);
    }
    emit("after", 1);
    connector.start_again();
    let letters = letters(&db, kafka, 3);
    assert!(letters.iter().all(|letter| letter.key_text() == "bad"));
    assert!(letters.iter().all(|letter| letter.value_text().len() > 16_000));
    let records = kafka.wait_records(&[&db.topic("narrow")], 4, PATIENCE);
    let keys: Vec<_> = records.iter().map(|record| record.key_text()).collect();
    assert_eq!(keys, ["before 0", "before 1", "before 2", "after"]);
    assert!(connector.is_running(), "{}", connector.log());
}

#[test]
fn messages_that_nothing_decodes_are_told_once_however_often_the_connector_is_killed() {
    let (db, kafka) = outbox();
    let topic = format!("{}.message", db.name());
    let builder = connector(&db, kafka).set("walpost.batch.max.events", 7);
    let builder =
        builder.set("message.prefix.include.list", "audit").set("topic.creation.default.partitions", 1);
    let mut connector = run(builder.set("value.converter", "org.apache.kafka.connect.json.JsonConverter"));
    let (rounds, each) = (4, 40);
    for round in 0..rounds {
        let first = round * each;
        let emit = |transactional: bool, key: usize| {
            format!("select pg_logical_emit_message({transactional}, 'audit', '{key}')")
        };
        // One transaction that is split, with what is not meant between, and messages of none between others.
        let many =
            (first..first + each / 2).map(|key| emit(true, key) + &emit(true, key).replace("audit", "other"));
        let many: Vec<String> = many.map(|both| both.replacen(")select", "); select", 1)).collect();
        db.execute(&format!("begin; {}; commit", many.join("; ")));
        for key in first + each / 2..first + each {
            db.execute(&emit(key % 2 == 0, key));
        }
        kafka.wait_records(&[&topic], first + each / 4, PATIENCE);
        connector.kill9();
        connector.start_again();
    }
    db.execute("insert into outbox values (default, 'order', 'k', 'placed', '{}')");
    wait_events(kafka, &db, &["order"], 1);
    let records = kafka.wait_records(&[&topic], rounds * each, PATIENCE);
    let content = |record: &Record| {
        let value: serde_json::Value = serde_json::from_str(record.value_text()).expect("JSON");
        value["payload"]["message"]["content"].as_str().expect("base64").to_owned()
    };
    let mut contents: Vec<String> = records.iter().map(content).collect();
    contents.sort_unstable();
    contents.dedup();
    assert_eq!((records.len(), contents.len()), (rounds * each, rounds * each));
    assert!(records.iter().all(|record| record.key_text() == "Struct{prefix=audit}"));
}
