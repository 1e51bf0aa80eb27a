//! `walpost asyncapi` on real topics: the document is valid by AsyncAPI's own parser, and comes out the same again; a
//! file of it holds until something is published that it does not say.

use crate::cli::{ask, ask_json, refused};
use crate::kit::{Router, connector, outbox, run, wait_events};
use crate::support::{ConnectorBuilder, Registry, parsed};
use serde_json::Value;
use std::path::{Path, PathBuf};

const AVRO: &str = "io.confluent.connect.avro.AvroConverter";
const TOPIC_RECORD: &str = "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy";
const PLACED: &str =
    r#"{"type":"record","name":"OrderPlaced","namespace":"acme","fields":[{"name":"n","type":"int"}]}"#;
const WIDER: &str = r#"{"type":"record","name":"OrderPlaced","namespace":"acme","fields":[{"name":"n","type":"int"},{"name":"note","type":["null","string"],"default":null}]}"#;
const SHIPPED: &str =
    r#"{"type":"record","name":"OrderShipped","namespace":"acme","fields":[{"name":"n","type":"int"}]}"#;

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a document")
}

fn written(builder: &ConnectorBuilder, flags: &str, path: &Path) -> PathBuf {
    ask(builder, &format!("asyncapi --write {} {flags}", path.display()), 0);
    path.to_owned()
}

fn check(builder: &ConnectorBuilder, path: &Path, code: i32) -> String {
    ask(builder, &format!("asyncapi --check {}", path.display()), code).stdout
}

/// The channel of this topic, as the parser understands it.
fn channel<'v>(parsed: &'v Value, topic: &str) -> &'v Value {
    let mut channels = parsed["channels"].as_array().expect("channels").iter();
    channels.find(|channel| channel["address"] == topic).unwrap_or_else(|| panic!("no {topic}: {parsed:#}"))
}

fn names(channel: &Value) -> Vec<&str> {
    let messages = channel["messages"].as_array().expect("messages").iter();
    messages.map(|message| message["name"].as_str().expect("a name")).collect()
}

#[test]
fn what_topics_carry_becomes_a_valid_document_that_holds_until_something_new_is_published() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka)
        .set("client.id", "shop")
        .router("table.fields.additional.placement", "type:header:eventType");
    let _running = run(builder.clone());
    db.insert(
        "order",
        "1",
        "OrderPlaced",
        r#"{"total": 12.5, "at": "2024-02-29T13:51:30Z", "by": {"name": "Mallory"}}"#,
    );
    db.insert(
        "order",
        "2",
        "OrderPlaced",
        r#"{"total": 7, "at": "2024-03-01T00:00:00Z", "by": {"name": "Trent"}}"#,
    );
    db.insert("order", "1", "OrderShipped", r#"{"parcels": [1, 2]}"#);
    wait_events(kafka, &db, &["order"], 3);
    let (topic, files) = (db.topic("order"), tempfile::tempdir().expect("a directory"));
    let file = |name: &str| files.path().join(name);
    let flags = "--sample 100 --title Shop --api-version 2.1.0";
    let yaml = written(&builder, flags, &file("a.yaml"));

    let understood = parsed(&yaml);
    assert_eq!((&understood["title"], &understood["version"]), (&"Shop".into(), &"3.0.0".into()));
    assert_eq!(understood["servers"][0][1], kafka.bootstrap());
    let orders = channel(&understood, &topic);
    assert_eq!((&orders["kafka"]["partitions"], &orders["kafka"]["replicas"]), (&3.into(), &1.into()));
    assert_eq!(orders["kafka"]["topicConfiguration"]["cleanup.policy"][0], "delete");
    assert_eq!(names(orders), ["OrderPlaced", "OrderShipped"]);
    assert_eq!(orders["messages"][0]["members"], serde_json::json!(["at", "by", "total"]));
    assert_eq!(orders["messages"][0]["headers"], serde_json::json!(["id", "eventType"]));
    assert_eq!(orders["messages"][0]["kafka"]["key"]["type"], "string");
    let operation = understood["operations"].as_array().expect("operations").iter();
    let operation =
        operation.into_iter().find(|it| it["id"] == format!("send-{topic}")).expect("an operation");
    assert_eq!(operation["messages"], serde_json::json!(["OrderPlaced", "OrderShipped"]));
    for value in ["Mallory", "Trent", "12.5", "2024-02"] {
        assert!(!text(&yaml).contains(value), "{value} is in\n{}", text(&yaml));
    }

    // Again: the same to the byte; as JSON: the same document.
    assert_eq!(text(&written(&builder, flags, &file("b.yaml"))), text(&yaml));
    assert_eq!(parsed(&written(&builder, flags, &file("a.json"))), understood);
    let before = text(&yaml);
    let again = ask(&builder, &format!("asyncapi --write {}", yaml.display()), 0).stdout;
    assert!(again.contains("as it was") && text(&yaml) == before, "{again}");
    assert!(check(&builder, &yaml, 0).contains("holds"));

    // What people write into it stays, and is no difference.
    let titled =
        before.replace(&format!("address: {topic}\n"), &format!("address: {topic}\n    title: All orders\n"));
    assert_ne!(titled, before);
    std::fs::write(&yaml, &titled).expect("the file");
    check(&builder, &yaml, 0);

    // An event with a member more, and a topic that was not there.
    db.insert(
        "order",
        "3",
        "OrderPlaced",
        r#"{"total": 1, "at": "2024-03-01T00:00:00Z", "by": {"name": "Eve", "vip": true}}"#,
    );
    db.insert("invoice", "1", "InvoiceSent", "{}");
    wait_events(kafka, &db, &["order", "invoice"], 5);
    let told = check(&builder, &yaml, 3);
    let path = format!("/channels/{topic}/messages/OrderPlaced/payload/properties/by/properties/vip");
    for line in [
        format!("added    {path}: the file does not have it; it is {{\"type\":\"boolean\"}}"),
        format!("added    /channels/{}: ", db.topic("invoice")),
        format!("added    /operations/send-{}: ", db.topic("invoice")),
    ] {
        assert!(told.lines().any(|told| told.starts_with(&line)), "{line} is not in\n{told}");
    }
    assert!(told.contains(": 3 differences;"), "{told}");
    let json = ask_json(&builder, &format!("asyncapi --check {}", yaml.display()), 3);
    assert!(json["differences"].as_array().expect("a list").iter().any(|it| it["path"] == path), "{json:#}");

    written(&builder, "", &yaml);
    check(&builder, &yaml, 0);
    assert!(text(&yaml).contains("title: All orders"));
    assert_eq!(names(channel(&parsed(&yaml), &db.topic("invoice"))), ["InvoiceSent"]);
    // A topic that is set otherwise, and one that is gone.
    kafka.alter_topic(&topic, &[("retention.ms", "1000000")]);
    kafka.delete_topic(&db.topic("invoice"));
    let told = check(&builder, &yaml, 3);
    let retention =
        format!("changed  /channels/{topic}/bindings/kafka/topicConfiguration/retention.ms: it was ");
    assert!(told.contains(&retention) && told.contains("and is 1000000"), "{told}");
    assert!(told.contains(&format!("removed  /channels/{}: ", db.topic("invoice"))), "{told}");
}

#[test]
fn registered_schemas_are_the_payloads_with_a_sample_and_without() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    let builder = connector(&db, kafka)
        .set("value.converter", AVRO)
        .set("value.converter.schema.registry.url", registry.url())
        .set("value.converter.value.subject.name.strategy", TOPIC_RECORD)
        .set("walpost.value.schema", "registered")
        .set("walpost.value.schema.name", "acme.${type}");
    let topic = db.topic("order");
    registry.register(&format!("{topic}-acme.OrderPlaced"), PLACED);
    registry.register(&format!("{topic}-acme.OrderShipped"), SHIPPED);
    let _running = run(builder.clone());
    db.insert("order", "1", "OrderPlaced", r#"{"n": 1}"#);
    wait_events(kafka, &db, &["order"], 1);
    let files = tempfile::tempdir().expect("a directory");
    let subjects = written(&builder, "", &files.path().join("subjects.yaml"));
    let understood = parsed(&subjects);
    let orders = channel(&understood, &topic);
    assert_eq!(names(orders), ["OrderPlaced", "OrderShipped"]);
    let placed = &orders["messages"][0];
    assert_eq!(placed["format"], "application/vnd.apache.avro;version=1.9.0");
    assert_eq!(placed["members"], serde_json::json!(["n"]));
    assert_eq!(placed["kafka"]["schemaLookupStrategy"], "TopicRecordNameStrategy");
    assert!(text(&subjects).contains(&format!("schemaRegistryUrl: {}", registry.url())));
    // A sample shows the one that was published, by the id before its bytes.
    let sample = written(&builder, "--sample 10", &files.path().join("sample.yaml"));
    let sampled = parsed(&sample);
    assert_eq!(names(channel(&sampled, &topic)), ["OrderPlaced"]);
    assert_eq!(channel(&sampled, &topic)["messages"][0]["members"], serde_json::json!(["n"]));

    check(&builder, &subjects, 0);
    registry.register(&format!("{topic}-acme.OrderPlaced"), WIDER);
    let told = check(&builder, &subjects, 3);
    let path = format!("added    /channels/{topic}/messages/OrderPlaced/payload/schema/fields/note: ");
    assert!(told.contains(&path) && told.contains("1 difference;"), "{told}");
    check(&builder, &sample, 0);
    registry_is_needed(&builder, &subjects);
}

/// A registry that is away is no drift.
fn registry_is_needed(builder: &ConnectorBuilder, file: &Path) {
    let nobody = builder.clone().set("value.converter.schema.registry.url", "http://127.0.0.1:1");
    refused(&nobody, &format!("asyncapi --check {}", file.display()), 8, &["does not answer", "hint: "]);
}

#[test]
fn topics_that_look_like_nothing_are_named_and_remembered() {
    let (db, kafka) = outbox();
    let topic = format!("events-of-{}", db.name());
    let builder = connector(&db, kafka)
        .router("route.topic.replacement", &format!("${{routedByValue}}-of-{}", db.name()));
    let _running = run(builder.clone());
    db.insert("events", "1", "OrderPlaced", "{}");
    kafka.wait_records(&[&topic], 1, crate::support::PATIENCE);
    let files = tempfile::tempdir().expect("a directory");
    let answer = ask(&builder, "asyncapi", 0);
    assert!(answer.stderr.contains("--topic names others") && !answer.stdout.contains(&topic), "{answer:?}");
    let file = written(&builder, &format!("--topic {topic}"), &files.path().join("a.yaml"));
    assert_eq!(names(channel(&parsed(&file), &topic)), [topic.as_str()]);
    check(&builder, &file, 0);
    refused(&builder, "asyncapi --topic nobody-knows", 5, &["nobody-knows", "does not exist"]);
}

/// By the configuration alone, before anything is published; then the records are as the document says.
#[test]
fn attributes_of_cloudevents_are_in_the_document_and_records_are_as_it_says() {
    let files = tempfile::tempdir().expect("a directory");
    for (mode, media) in [("binary", "application/json"), ("structured", "application/cloudevents+json")] {
        let (db, kafka) = outbox();
        db.execute("alter table outbox add at timestamptz not null default now(), add tenant text");
        let builder = connector(&db, kafka)
            .set("walpost.cloudevents.mode", mode)
            .set("walpost.cloudevents.time", "at")
            .router("table.fields.additional.placement", "tenant:ce");
        kafka.create_topic(&db.topic("order"), 1, &[]);
        let name = db.topic("order");
        let json = written(&builder, "", &files.path().join(format!("{mode}.json")));
        let understood = parsed(&json);
        assert_eq!(names(channel(&understood, &name)), [name.as_str()]);
        let document: Value = serde_json::from_str(&text(&json)).expect("JSON");
        let message = &document["channels"][&name]["messages"][&name];
        assert_eq!(message["contentType"], media);
        let _running = run(builder.clone());
        db.insert("order", "1", "OrderPlaced", r#"{"n": 1}"#);
        db.execute("insert into outbox (aggregatetype, aggregateid, type, payload, tenant) values ('order', '', 'OrderPlaced', '2', 'ch')");
        for record in wait_events(kafka, &db, &["order"], 2) {
            let headers = record.headers.iter().map(|(name, value)| {
                (
                    name.clone(),
                    String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned().into(),
                )
            });
            let headers = Value::Object(headers.collect());
            let payload = serde_json::from_str(record.value_text()).expect("JSON");
            for (part, value) in [("headers", headers), ("payload", payload)] {
                let mut schema = message[part].clone();
                // Nothing that it does not speak of.
                if schema["type"] == "object" {
                    schema["additionalProperties"] = false.into();
                }
                let judged = jsonschema::validate(&schema, &value);
                assert!(judged.is_ok(), "{mode} {part}: {judged:?}\n{schema:#}\n{value:#}");
            }
        }
        check(&builder, &json, 0);
        let sample = written(&builder, "--sample 10", &files.path().join(format!("{mode}.yaml")));
        assert_eq!(names(channel(&parsed(&sample), &name)), ["OrderPlaced"]);
        check(&builder, &sample, 0);
    }
}
