//! Topic, partition, headers, timestamp, tombstones: as Debezium's event router would have them.

use crate::kit::{Router, connector, outbox, run, wait_events};
use crate::support::Record;
use std::collections::BTreeMap;

const ID: &str = "59a42efd-b015-44a9-9dde-cb36d9002425";

#[test]
fn an_event_goes_to_the_topic_of_its_aggregate_type_with_its_key_payload_and_id() {
    let (db, kafka) = outbox();
    let _connector = run(connector(&db, kafka));
    db.execute(&format!(
        r#"insert into outbox values ('{ID}', 'order', '10711fa5', 'OrderPlaced', '{{"a":  1}}')"#
    ));
    db.insert("customer", "7bdf2e9e", "CustomerMoved", "{}");
    let orders = wait_events(kafka, &db, &["order"], 1);
    let customers = wait_events(kafka, &db, &["customer"], 1);
    assert_eq!((orders.len(), customers.len()), (1, 1));
    assert_eq!((orders[0].key_text(), orders[0].value_text()), ("10711fa5", r#"{"a": 1}"#));
    assert_eq!(orders[0].headers, [("id".to_owned(), Some(ID.as_bytes().to_vec()))]);
    assert_eq!(customers[0].key_text(), "7bdf2e9e");
    assert_eq!(
        customers[0].header("id"),
        Some(&*db.query_one_text("select id from outbox where aggregatetype = 'customer'"))
    );
}

#[test]
fn headers_are_the_context_then_the_id_then_the_placements_in_their_order() {
    let (db, kafka) = outbox();
    db.execute("alter table outbox add column version int, add column note text");
    let connector = connector(&db, kafka).set("extended.headers.enabled", "true").router(
        "table.fields.additional.placement",
        "version:header, type:header:eventType,note:header,type:header:again",
    );
    let _connector = run(connector);
    db.execute(&format!("insert into outbox values ('{ID}', 'order', 'k', 'OrderPlaced', '{{}}', 7, null)"));
    let records = wait_events(kafka, &db, &["order"], 1);
    let headers: Vec<_> = records[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    let context = "__debezium.context.";
    assert_eq!(
        headers,
        [
            &format!("{context}connectorLogicalName"),
            &format!("{context}taskId"),
            &format!("{context}connectorName"),
            &format!("{context}runId"),
            "id",
            "version",
            "eventType",
            "note",
            "again"
        ]
    );
    let value = |name: &str| records[0].header(name);
    assert_eq!(value("__debezium.context.connectorLogicalName"), Some(db.name()));
    assert_eq!(value("__debezium.context.taskId"), Some("0"));
    assert_eq!(value("__debezium.context.connectorName"), Some("postgresql"));
    let run_id = value("__debezium.context.runId").expect("the run's id");
    assert_eq!((run_id.len(), &run_id[14..15]), (36, "7"), "a UUIDv7: {run_id}");
    assert_eq!(
        (value("id"), value("version"), value("eventType")),
        (Some(ID), Some("7"), Some("OrderPlaced"))
    );
    assert_eq!((&records[0].headers[7].1, value("again")), (&None, Some("OrderPlaced")), "null stays null");
}

#[test]
fn a_partition_column_decides_the_partition_and_null_leaves_it_to_the_key() {
    let (db, kafka) = outbox();
    db.execute("alter table outbox add column p int");
    let _connector = run(connector(&db, kafka).router("table.fields.additional.placement", "p:partition"));
    for partition in ["2", "0", "1", "null"] {
        db.execute(&format!(
            "insert into outbox (aggregatetype, aggregateid, type, payload, p)
             values ('order', '10711fa5', '{partition}', '{{\"p\": \"{partition}\"}}', {partition})"
        ));
    }
    let records = wait_events(kafka, &db, &["order"], 4);
    let placed: BTreeMap<_, _> = records.iter().map(|r| (r.value_text(), r.partition)).collect();
    let expected =
        [(r#"{"p": "0"}"#, 0), (r#"{"p": "1"}"#, 1), (r#"{"p": "2"}"#, 2), (r#"{"p": "null"}"#, 2)];
    assert_eq!(placed, BTreeMap::from(expected), "murmur2 puts 10711fa5 into partition 2 of 3");
}

/// Of each key in UTF-8, the partition among 3, 6 and 12 that `org.apache.kafka.common.utils.Utils.murmur2` gives.
const MURMUR2: [(&str, [i32; 3]); 12] = [
    ("10711fa5", [2, 5, 11]),
    ("7bdf2e9e", [2, 2, 8]),
    ("a", [1, 4, 4]),
    ("", [0, 3, 9]),
    ("42", [1, 4, 4]),
    ("59a42efd-b015-44a9-9dde-cb36d9002425", [1, 1, 7]),
    ("\"10711fa5\"", [0, 3, 3]),
    ("null", [2, 5, 11]),
    ("zürich", [2, 2, 8]),
    ("日本", [0, 3, 3]),
    ("9007199254740993", [0, 3, 3]),
    ("customer-000001", [2, 2, 2]),
];

/// The same of keys that are no text.
const MURMUR2_BYTES: [(&str, [i32; 3]); 3] =
    [("00ff", [1, 1, 1]), ("0020000000000001", [2, 2, 8]), ("fffefdfcfb", [1, 1, 7])];

const PARTITIONS: [i32; 3] = [3, 6, 12];

#[test]
fn keys_go_to_the_partitions_that_javas_murmur2_gives() {
    let (db, kafka) = outbox();
    for partitions in PARTITIONS {
        kafka.create_topic(&db.topic(&format!("of{partitions}")), partitions, &[]);
    }
    let _connector = run(connector(&db, kafka));
    for (key, _) in MURMUR2 {
        for partitions in PARTITIONS {
            db.insert(&format!("of{partitions}"), key, "placed", "{}");
        }
    }
    for (column, partitions) in PARTITIONS.into_iter().enumerate() {
        let records = wait_events(kafka, &db, &[&format!("of{partitions}")], MURMUR2.len());
        let found: BTreeMap<_, _> = records.iter().map(|r| (r.key_text(), r.partition)).collect();
        assert_eq!(
            found,
            MURMUR2.into_iter().map(|(key, of)| (key, of[column])).collect(),
            "of {partitions}"
        );
    }
}

#[test]
fn binary_keys_go_to_the_partitions_that_javas_murmur2_gives() {
    let (db, kafka) = outbox();
    db.execute("alter table outbox add column k bytea");
    kafka.create_topic(&db.topic("of12"), 12, &[]);
    let builder = connector(&db, kafka).router("table.field.event.key", "k");
    let _connector =
        run(builder.set("key.converter", "org.apache.kafka.connect.converters.ByteArrayConverter"));
    for (key, _) in MURMUR2_BYTES {
        db.execute(&format!(
            "insert into outbox (aggregatetype, aggregateid, type, k) values ('of12', 'x', 'placed', '\\x{key}')"
        ));
    }
    let records = wait_events(kafka, &db, &["of12"], MURMUR2_BYTES.len());
    let hex =
        |record: &Record| record.key.iter().flatten().map(|byte| format!("{byte:02x}")).collect::<String>();
    let found: BTreeMap<_, _> = records.iter().map(|record| (hex(record), record.partition)).collect();
    assert_eq!(found, MURMUR2_BYTES.into_iter().map(|(key, of)| (key.to_owned(), of[2])).collect());
}

#[test]
fn an_empty_payload_is_a_tombstone_with_its_key_and_headers_when_asked_for() {
    let (db, kafka) = outbox();
    db.execute("alter table outbox alter column payload type text");
    let placement = "type:header:eventType,type:envelope:kind";
    let builder = connector(&db, kafka)
        .router("route.tombstone.on.empty.payload", "true")
        .router("table.fields.additional.placement", placement)
        .set("value.converter", "org.apache.kafka.connect.json.JsonConverter")
        .set("value.converter.schemas.enable", "false");
    let _connector = run(builder);
    for payload in ["null", "''", "' \t'", "'x'"] {
        db.execute(&format!(
            "insert into outbox (aggregatetype, aggregateid, type, payload) values ('order', 'k', 'Gone', {payload})"
        ));
    }
    let records = wait_events(kafka, &db, &["order"], 4);
    let values: Vec<_> =
        records.iter().map(|record| record.value.as_ref().map(|_| record.value_text())).collect();
    assert_eq!(values, [None, None, None, Some(r#"{"payload":"x","kind":"Gone"}"#)]);
    for record in &records {
        assert_eq!((record.key_text(), record.header("eventType")), ("k", Some("Gone")));
        assert!(record.header("id").is_some());
    }
}

#[test]
fn the_records_timestamp_is_the_columns_or_else_the_connectors_clock() {
    let (db, kafka) = outbox();
    db.execute("alter table outbox add column createdat timestamp");
    let _connector = run(connector(&db, kafka).router("table.field.event.timestamp", "createdat"));
    let clock = || {
        db.query_one_text("select floor(extract(epoch from clock_timestamp()) * 1000)::bigint").parse::<i64>()
    };
    let before = clock().expect("milliseconds");
    for created in ["'2019-03-24 20:52:59.123999'", "null"] {
        db.execute(&format!(
            "insert into outbox (aggregatetype, aggregateid, type, payload, createdat)
             values ('order', 'k', 'placed', '{{}}', {created})"
        ));
    }
    let records = wait_events(kafka, &db, &["order"], 2);
    assert_eq!(records[0].timestamp_ms, 1_553_460_779_123);
    let after = clock().expect("milliseconds");
    assert!(
        (before..=after).contains(&records[1].timestamp_ms),
        "{before} {} {after}",
        records[1].timestamp_ms
    );
}

#[test]
fn a_null_is_published_as_the_columns_default() {
    let (db, kafka) = outbox();
    db.execute(
        "alter table outbox alter column payload set default '{\"d\": 1}', alter column aggregateid drop not null,
         alter column aggregateid set default 'nobody', add column version int default 7, add column free text",
    );
    let builder =
        connector(&db, kafka).router("table.fields.additional.placement", "version:header,free:header");
    let _connector = run(builder.router("route.tombstone.on.empty.payload", "true"));
    db.execute(
        "insert into outbox (aggregatetype, aggregateid, type, payload, version) values ('order', null, 't', null, null)",
    );
    let records = wait_events(kafka, &db, &["order"], 1);
    assert_eq!((records[0].key_text(), records[0].value_text()), ("nobody", r#"{"d": 1}"#));
    assert_eq!((records[0].header("version"), records[0].header("free")), (Some("7"), None));
}

#[test]
fn the_topic_follows_the_regex_and_javas_replacement() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka)
        .router("route.by.field", "type")
        .router("route.topic.regex", "(?<domain>[a-z]+)[.](?<entity>[a-z]+)(?=[.]v)[.]v([0-9]+)")
        .router("route.topic.replacement", &format!("{}.${{entity}}.v$3", db.name()));
    let _connector = run(builder);
    db.insert("ignored", "k", "sales.order.v12", "{}");
    let records = kafka.wait_records(&[&format!("{}.order.v12", db.name())], 1, crate::support::PATIENCE);
    assert_eq!(records[0].key_text(), "k");
}

#[test]
fn a_trace_context_is_passed_on_and_columns_that_are_left_out_are_missing() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (db, kafka) = outbox();
    db.execute("alter table outbox add column tracingspancontext varchar(256), add column secret text");
    let builder = connector(&db, kafka)
        .set("column.exclude.list", "public.outbox.secret")
        .router("table.fields.additional.placement", "secret:header")
        .router("table.field.additional.missing", "ignore")
        .router("tracing.span.context.field", "tracingspancontext");
    let _connector = run(builder);
    db.execute(&format!(
        "insert into outbox values ('{ID}', 'order', 'k', 'placed', '{{}}', E'#\\ntraceparent={PARENT}\\n', 'x')"
    ));
    let records = wait_events(kafka, &db, &["order"], 1);
    let headers: Vec<_> = records[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["traceparent", "id"]);
    assert_eq!(records[0].header("traceparent"), Some(PARENT));
}
