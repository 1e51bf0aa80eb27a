//! JSON Schema and Protobuf, as the stock Python client of Confluent reads them.

use super::{JSON_SCHEMA, PROTOBUF, registered_by, subject};
use crate::kit::{outbox, run, wait_events};
use crate::support::{Broker, ConnectorBuilder, DatabaseHandle, PATIENCE, Registry, python};
use serde_json::{Value, json};

fn forgiving(converter: &str, db: &DatabaseHandle, kafka: &Broker, registry: &Registry) -> ConnectorBuilder {
    registered_by(converter, db, kafka, registry)
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", db.topic("dlt"))
        .set("errors.deadletterqueue.topic.replication.factor", 1)
}

/// What Confluent's deserializer makes of these bytes; `files` and `message` for Protobuf.
pub fn stock(registry: &Registry, value: &[u8], protobuf: Option<(&[(&str, &str)], &str)>) -> Value {
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let (files, message) = protobuf.unwrap_or((&[], ""));
    let task = json!({ "url": registry.url(), "value": hex, "files": files, "message": message });
    python::run(include_str!("stock.py"), &task)
}

fn letter(kafka: &Broker, db: &DatabaseHandle) -> String {
    let letters = kafka.wait_records(&[&db.topic("dlt")], 1, PATIENCE);
    let texts = letters[0].headers.iter().filter_map(|(_, value)| value.as_deref());
    texts.map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn payloads_that_fit_their_json_schema_are_read_by_the_stock_client_and_others_are_dead_letters() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    let schema = r#"{"type":"object","title":"OrderPlaced","required":["n"],"properties":{
        "n":{"type":"integer"},"lines":{"type":"array","items":{"type":"object","properties":{
            "count":{"type":"integer"}}}}}}"#;
    let id = registry.register_as("JSON", &subject(&db, "order", "OrderPlaced"), schema, &json!([]));
    let _running = run(forgiving(JSON_SCHEMA, &db, kafka, registry));
    db.insert("order", "1", "OrderPlaced", r#"{"n": 9007199254740993, "lines": [{"count": 1}]}"#);
    db.insert("order", "2", "OrderPlaced", r#"{"n": 1, "lines": [{"count": 1}, {"count": "hush-hush"}]}"#);
    let records = wait_events(kafka, &db, &["order"], 1);
    let value = records[0].value.as_deref().expect("a value");
    assert_eq!(value[..5], [&[0][..], &(id as i32).to_be_bytes()].concat());
    assert_eq!(&value[5..], br#"{"n": 9007199254740993, "lines": [{"count": 1}]}"#);
    let read = stock(registry, value, None);
    assert_eq!(read, json!({ "n": 9_007_199_254_740_993_u64, "lines": [{ "count": 1 }] }));
    let told = letter(kafka, &db);
    assert!(told.contains("$.lines[1].count is text, not integer"), "{told}");
    assert!(told.contains("payload_not_encodable") && !told.contains("hush-hush"), "{told}");
}

#[test]
fn payloads_are_messages_of_their_schema_with_its_imports_and_the_stock_client_reads_them() {
    const MONEY: &str = "syntax = \"proto3\";\npackage acme;\n\nmessage Money {\n  string currency = 1;\n  int64 cents = 2;\n}\n";
    const ORDER: &str = "syntax = \"proto3\";\npackage acme;\n\nimport \"acme/money.proto\";\n\
        import \"google/protobuf/timestamp.proto\";\n\nmessage Unused {\n  int32 n = 1;\n}\nmessage OrderPlaced {\n  \
        int64 order_id = 1;\n  Money total = 2;\n  google.protobuf.Timestamp at = 3;\n  repeated string tags = 4;\n}\n";
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    let money = format!("{}-money", db.topic("order"));
    registry.register_as("PROTOBUF", &money, MONEY, &json!([]));
    let reference = json!([{ "name": "acme/money.proto", "subject": money, "version": 1 }]);
    registry.register_as("PROTOBUF", &subject(&db, "order", "OrderPlaced"), ORDER, &reference);
    let _running = run(forgiving(PROTOBUF, &db, kafka, registry));
    db.insert(
        "order",
        "1",
        "OrderPlaced",
        r#"{"orderId": 9007199254740993, "total": {"currency": "CHF", "cents": 1250},
            "at": "2024-02-29T13:51:30.5+02:00", "tags": ["a", "Zürich"]}"#,
    );
    db.insert("order", "2", "OrderPlaced", r#"{"total": {"hush": 1}}"#);
    let records = wait_events(kafka, &db, &["order"], 1);
    // The second message of the file.
    let value = records[0].value.as_deref().expect("a value");
    assert_eq!(value[5..7], [2, 2]);
    let files = [("acme/money.proto", MONEY), ("order.proto", ORDER)];
    let read = stock(registry, value, Some((&files, "acme.OrderPlaced")));
    assert_eq!(
        read,
        json!({ "orderId": "9007199254740993", "total": { "currency": "CHF", "cents": "1250" },
            "at": "2024-02-29T11:51:30.500Z", "tags": ["a", "Zürich"] })
    );
    let told = letter(kafka, &db);
    assert!(told.contains("$.total.hush is not in the schema"), "{told}");
}

#[test]
fn schemas_of_both_languages_are_checked_and_registered_from_files() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    let builder = forgiving(PROTOBUF, &db, kafka, registry);
    let files = tempfile::tempdir().expect("a directory");
    let run = |arguments: &[&str]| {
        let output = builder.command(&[&["schema"][..], arguments].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    for (name, language, schema, [(broken, why), (strict, why_strict)]) in [
        (
            "order.json",
            "JSON",
            r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#,
            [
                (
                    r#"{"type":"object","properties":{"n":{"type":"string"}}}"#,
                    "what version 1 wrote could not be read by the schema: $.n is integer in version 1, and string in the \
                     schema",
                ),
                (
                    r#"{"type":"object","properties":{"n":{"type":["integer","null"]}}}"#,
                    "not every registry lets the schema read what version 1 wrote: $.n is integer in version 1, and null or \
                     integer in the schema",
                ),
            ],
        ),
        (
            "order.proto",
            "PROTOBUF",
            "syntax = \"proto3\";\n\nmessage Order {\n  int32 n = 1;\n}\n",
            [
                (
                    "syntax = \"proto3\";\n\nmessage Order {\n  string n = 1;\n}\n",
                    "what version 1 wrote could not be read by the schema: Order.n (number 1) is int32 in version 1, and \
                     string in the schema",
                ),
                (
                    "syntax = \"proto3\";\n\nmessage Order {\n  int32 m = 1;\n}\n",
                    "not every registry lets the schema read what version 1 wrote: Order.n (number 1) is called m in the \
                     schema",
                ),
            ],
        ),
    ] {
        let path = files.path().join(name).display().to_string();
        std::fs::write(&path, schema).expect("a file");
        let subject = format!("{}-{name}", db.topic("order"));
        assert_eq!(run(&["check", &subject, &path]).0, Some(0));
        let (code, told) = run(&["register", &subject, &path]);
        assert_eq!(code, Some(0), "{told}");
        let (_, told) = run(&["list"]);
        let line = told.lines().find(|line| line.contains(&subject)).expect("the subject");
        assert!(line.contains(language), "{line}");
        assert_eq!(run(&["enforce", "BACKWARD", &subject]).0, Some(0));
        for (refused, why) in [(broken, why), (strict, why_strict)] {
            // Why, Apicurio does not say.
            std::fs::write(&path, refused).expect("a file");
            let (code, told) = run(&["check", &subject, &path]);
            assert!(
                code == Some(3) && told.contains("not compatible") && told.contains("by BACKWARD"),
                "{told}"
            );
            assert!(told.contains(&format!(":\n  {why}\n")), "{told}");
            let (code, told) = run(&["register", &subject, &path]);
            assert!(code == Some(3) && told.contains(why), "{told}");
        }
        assert_eq!(registry.versions(&subject), 1);
    }
}
