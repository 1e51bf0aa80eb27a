//! Keys and values by converter, whatever the server's settings; large ones.

use crate::kit::{Router, connector, outbox, run, wait_events};
use crate::support::{Broker, Connector, ConnectorBuilder, DatabaseHandle, PATIENCE, Record};

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const BYTES: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
const BINARY: &str = "io.debezium.converters.BinaryDataConverter";

/// One more connector on the same outbox, with a slot and topics of its own.
fn beside(db: &DatabaseHandle, kafka: &Broker, name: &str) -> ConnectorBuilder {
    connector(db, kafka)
        .set("slot.name", format!("{}_{name}", db.name()))
        .router("route.topic.replacement", &db.topic(&format!("{name}.${{routedByValue}}")))
}

fn only_record(kafka: &Broker, db: &DatabaseHandle, name: &str) -> Record {
    let mut records = wait_events(kafka, db, &[&format!("{name}.order")], 1);
    assert_eq!(records.len(), 1);
    records.remove(0)
}

#[test]
fn json_converters_write_what_connects_write_with_and_without_schemas() {
    let (db, kafka) = outbox();
    let placement = "type:envelope:eventType,version:envelope";
    db.execute("alter table outbox add column version int not null default 1");
    let with = |name: &str, schemas: &str| {
        beside(&db, kafka, name)
            .set("key.converter", JSON)
            .set("key.converter.schemas.enable", schemas)
            .set("value.converter", JSON)
            .set("value.converter.schemas.enable", schemas)
    };
    let _running: [Connector; 4] = [
        run(with("plain", "false")),
        run(with("schemas", "true").set("header.converter", JSON)),
        run(with("envelope", "false").router("table.fields.additional.placement", placement)),
        run(with("envelope_schemas", "true").router("table.fields.additional.placement", placement)),
    ];
    db.execute(
        r#"insert into outbox values ('59a42efd-b015-44a9-9dde-cb36d9002425', 'order', '10711fa5', 'OrderPlaced', '{"a":1}', 3)"#,
    );
    let plain = only_record(kafka, &db, "plain");
    assert_eq!((plain.key_text(), plain.value_text()), (r#""10711fa5""#, r#""{\"a\": 1}""#));

    let schemas = only_record(kafka, &db, "schemas");
    assert_eq!(schemas.key_text(), r#"{"schema":{"type":"string","optional":false},"payload":"10711fa5"}"#);
    assert_eq!(
        schemas.value_text(),
        r#"{"schema":{"type":"string","optional":true,"name":"io.debezium.data.Json","version":1},"payload":"{\"a\": 1}"}"#
    );
    assert_eq!(
        schemas.header("id"),
        Some(
            r#"{"schema":{"type":"string","optional":false,"name":"io.debezium.data.Uuid","version":1,"default":"00000000-0000-0000-0000-000000000000"},"payload":"59a42efd-b015-44a9-9dde-cb36d9002425"}"#
        )
    );

    let envelope = only_record(kafka, &db, "envelope");
    assert_eq!(envelope.value_text(), r#"{"payload":"{\"a\": 1}","eventType":"OrderPlaced","version":3}"#);

    let value = only_record(kafka, &db, "envelope_schemas");
    let value: serde_json::Value = serde_json::from_str(value.value_text()).expect("JSON");
    assert_eq!(value["payload"]["eventType"], "OrderPlaced");
    assert_eq!(value["schema"]["name"], format!("{}.public.outbox.order.Value", db.name()));
    let fields: Vec<_> =
        value["schema"]["fields"].as_array().expect("fields").iter().map(|f| &f["field"]).collect();
    assert_eq!(fields, ["payload", "eventType", "version"]);
}

#[test]
fn binary_converters_pass_bytea_through_unchanged() {
    let (db, kafka) = outbox();
    db.execute("alter table outbox alter column payload type bytea using null");
    let _running =
        [BYTES, BINARY, "org.apache.kafka.connect.storage.StringConverter", JSON].map(|converter| {
            let name = converter.rsplit('.').next().expect("a name").to_lowercase();
            run(beside(&db, kafka, &name)
                .set("value.converter", converter)
                .set("value.converter.schemas.enable", "false"))
        });
    db.execute("insert into outbox values (default, 'order', 'k', 't', '\\x00ff80')");
    assert_eq!(only_record(kafka, &db, "bytearrayconverter").value, Some(vec![0x00, 0xff, 0x80]));
    assert_eq!(only_record(kafka, &db, "binarydataconverter").value, Some(vec![0x00, 0xff, 0x80]));
    assert_eq!(
        only_record(kafka, &db, "stringconverter").value_text(),
        "java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]"
    );
    assert_eq!(only_record(kafka, &db, "jsonconverter").value_text(), r#""AP+A""#);
}

/// Column, type, literal, and the header that Debezium makes of it.
const VALUES: [(&str, &str, &str, &str); 7] = [
    ("tz", "timestamptz", "'2024-02-29 13:51:30.123456+02'", "2024-02-29T11:51:30.123456Z"),
    ("ts", "timestamp", "'2024-02-29 13:51:30.123456'", "1709214690123456"),
    ("d", "date", "'2024-02-29'", "19782"),
    ("f", "float8", "0.1::float8 + 0.2::float8", "0.30000000000000004"),
    ("r", "float4", "3.3", "3.3"),
    ("i", "interval", "'1 year 2 mons 3 days 04:05:06.000007'", "37091106000007"),
    ("b", "bytea", "'\\x00ff80'", "AP+A"),
];

#[test]
fn no_setting_of_the_server_changes_a_byte() {
    let (db, kafka) = outbox();
    for setting in [
        "datestyle = 'German, DMY'",
        "timezone = 'Asia/Kathmandu'",
        "bytea_output = 'escape'",
        "extra_float_digits = -10",
        "intervalstyle = 'sql_standard'",
        "standard_conforming_strings = off",
        "search_path = pg_temp",
    ] {
        db.execute(&format!(
            "alter database {0} set {setting}; alter role postgres in database {0} set {setting}",
            db.name()
        ));
    }
    let columns: String =
        VALUES.iter().map(|(name, kind, ..)| format!(", add column {name} {kind}")).collect();
    let placements: Vec<_> = VALUES.iter().map(|(name, ..)| format!("{name}:header")).collect();
    db.execute(&format!("alter table outbox {}", &columns[1..]));
    let _connector =
        run(connector(&db, kafka).router("table.fields.additional.placement", &placements.join(",")));
    let literals: Vec<_> = VALUES.iter().map(|(_, _, literal, _)| *literal).collect();
    db.execute(&format!(
        "insert into outbox values (default, 'order', 'k', 't', '{{}}', {})",
        literals.join(", ")
    ));
    let record = &wait_events(kafka, &db, &["order"], 1)[0];
    let headers = VALUES.map(|(name, ..)| record.header(name).expect(name).to_owned());
    assert_eq!(headers, VALUES.map(|(.., header)| header.to_owned()));
}

#[test]
fn a_payload_of_a_megabyte_arrives_whole() {
    let (db, kafka) = outbox();
    db.execute("alter table outbox alter column payload type text");
    let _connector = run(connector(&db, kafka));
    let payload = "select string_agg(md5(n::text), '') from generate_series(1, 31250) n";
    db.execute(&format!("insert into outbox select gen_random_uuid(), 'order', 'k', 't', ({payload})"));
    let record = &wait_events(kafka, &db, &["order"], 1)[0];
    assert_eq!(record.value_text().len(), 1_000_000);
    assert!(record.value_text() == db.query_one_text(payload), "the payload is not what was inserted");
}

#[test]
fn a_larger_payload_is_refused_until_the_producer_may_send_it() {
    let (db, kafka) = outbox();
    db.execute("alter table outbox alter column payload type text");
    kafka.create_topic(&db.topic("order"), 1, &[("max.message.bytes", "4000000")]);
    let mut connector = run(connector(&db, kafka));
    db.insert("order", "k", "before", "small");
    db.execute(
        "insert into outbox select gen_random_uuid(), 'order', 'k', 't', repeat('0123456789', 150000)",
    );
    db.insert("order", "k", "after", "small");
    let id = db.query_one_text("select id from outbox where type = 't'");
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(10), "{log}");
    assert!(log.contains(&id) && !log.contains("0123456789"), "{log}");
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 1);
    connector.start_again_with(|builder| builder.set("producer.override.max.request.size", 3_000_000));
    let lengths: Vec<_> =
        wait_events(kafka, &db, &["order"], 3).iter().map(|record| record.value_text().len()).collect();
    assert_eq!(lengths, [5, 1_500_000, 5]);
}
