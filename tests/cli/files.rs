//! JSON, properties, a worker's file, placeholders: what is read from where.

use crate::kit::{ENOUGH, Files, with};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Key → value and origin, as `config print` has them.
fn printed(files: &Files, arguments: &str) -> BTreeMap<String, (String, String)> {
    let told = files.run(&format!("config print --output json {arguments}")).expect(0).json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let properties = told["properties"].as_array().expect("a list");
    properties
        .iter()
        .map(|property| (text(&property["key"]), (text(&property["value"]), text(&property["origin"]))))
        .collect()
}

fn values(files: &Files, arguments: &str) -> BTreeMap<String, String> {
    printed(files, arguments).into_iter().map(|(key, (value, _))| (key, value)).collect()
}

#[test]
fn one_configuration_is_the_same_as_wrapped_json_flat_json_and_properties() {
    let properties =
        with("max.batch.size=100\ntransforms.outbox.route.topic.replacement=${routedByValue}.events");
    let pairs = properties.lines().map(|line| line.split_once('=').expect("a property"));
    let flat: Map<String, Value> = pairs.map(|(key, value)| (key.to_owned(), value.into())).collect();
    let mut wrapped = flat.clone();
    let name = wrapped.remove("name").expect("a name");
    let wrapped = serde_json::json!({ "name": name, "config": wrapped });
    let files = Files::new(&[
        ("flat.json", &Value::Object(flat).to_string()),
        ("wrapped.json", &wrapped.to_string()),
        ("c.properties", &properties),
        ("no-ending", &wrapped.to_string()),
    ]);
    let first = values(&files, "--config c.properties");
    assert_eq!(first["name"], "shop");
    assert_eq!(first["transforms.outbox.route.topic.replacement"], "${routedByValue}.events");
    for other in ["flat.json", "wrapped.json", "no-ending"] {
        assert_eq!(values(&files, &format!("--config {other}")), first, "{other}");
    }
}

#[test]
fn what_the_connectors_file_does_not_say_is_taken_from_the_workers() {
    let own = with("bootstrap.servers=127.0.0.1:2").replace("key.converter=", "#");
    let worker = "bootstrap.servers=127.0.0.1:3\nproducer.compression.type=lz4\ngroup.id=connect\n\
                  key.converter=org.apache.kafka.connect.json.JsonConverter\nkey.converter.schemas.enable=false\n\
                  value.converter.schemas.enable=false\n";
    let files = Files::new(&[("c.properties", &own), ("w.properties", worker)]);
    let arguments = "--config c.properties --worker w.properties";
    let found = printed(&files, arguments);
    for (key, value, origin) in [
        ("bootstrap.servers", "127.0.0.1:2", "c.properties:1"),
        ("producer.compression.type", "lz4", "w.properties:2"),
        ("key.converter", "org.apache.kafka.connect.json.JsonConverter", "w.properties:4"),
        ("key.converter.schemas.enable", "false", "w.properties:5"),
        ("snapshot.mode", "no_data", "c.properties:12"),
        ("database.sslmode", "prefer", "default"),
    ] {
        assert_eq!(found.get(key), Some(&(value.to_owned(), origin.to_owned())), "{key}");
    }
    let told = files.run(&format!("config validate {arguments}")).expect(0).stdout;
    assert!(told.contains("w.properties:3: group.id = connect: ignored: "), "{told}");
    // The class stands in the connector's file, and so do its options, as in Connect.
    assert!(told.contains("w.properties:6: value.converter.schemas.enable = false: ignored: "), "{told}");
    assert!(!found.contains_key("value.converter.schemas.enable"), "{found:?}");
}

#[test]
fn both_files_can_be_named_by_the_environment() {
    let worker = "bootstrap.servers=127.0.0.1:3\n";
    let own = ENOUGH.replace("bootstrap.servers", "#");
    let files = Files::new(&[("c.properties", &own), ("w.properties", worker)]);
    let files = files.env("WALPOST_CONFIG", "c.properties").env("WALPOST_WORKER", "w.properties");
    assert_eq!(printed(&files, "")["bootstrap.servers"].1, "w.properties:1");
}

#[test]
fn placeholders_are_filled_in_from_variables_files_and_directories() {
    let own = with(
        "publication.name=${env:PUBLICATION}\ntable.include.list=${file:shop.properties:outbox.table}\n\
         slot.name=${dir:.:slot}_${env:PUBLICATION}",
    );
    let files = Files::new(&[
        ("c.properties", &own),
        ("shop.properties", "outbox.table = shop.events\n"),
        ("slot", "of_the_shop\n"),
    ]);
    let sql = files.env("PUBLICATION", "orders").ask("init", 0).stdout;
    for part in [
        "CREATE PUBLICATION \"orders\" FOR TABLE \"shop\".\"events\"",
        "CREATE TABLE IF NOT EXISTS \"shop\".\"events\"",
        "pg_create_logical_replication_slot('of_the_shop_orders', 'pgoutput')",
    ] {
        assert!(sql.contains(part), "{part}\n{sql}");
    }
}

#[test]
fn a_placeholder_that_gives_nothing_is_named_with_its_line() {
    let own = with(
        "publication.name=${env:NOBODY}\nslot.name=${file:shop.properties:nothing}\n\
         database.user=${file:none.properties:user}\ndatabase.password=${dir:.:no-such-file}",
    );
    let files = Files::new(&[("c.properties", &own), ("shop.properties", "outbox.table=shop.events\n")]);
    files.ask("config validate", 2).silent().says(&[
        "error: the configuration has 4 problems",
        "c.properties:1: publication.name: ${env:NOBODY}: the environment has no NOBODY; set NOBODY",
        "c.properties:2: slot.name: ${file:shop.properties:nothing}: shop.properties has no nothing",
        "c.properties:3: database.user: ${file:none.properties:user}: none.properties cannot be read",
        "c.properties:4: database.password: ${dir:.:no-such-file}: ./no-such-file cannot be read",
    ]);
}

#[test]
fn a_file_that_cannot_be_read_as_what_it_is_is_named_with_the_line_where_it_breaks() {
    let files = Files::new(&[
        ("torn.json", "{\n  \"name\": \"shop\",\n  \"config\": {\n    \"slot.name\": \"s\"\n"),
        ("nested.json", "{\n  \"name\": \"shop\",\n  \"slot.name\": [\"s\"]\n}"),
        ("twice.properties", "slot.name=a\nslot.name=b\n"),
        ("twice.json", "{\n  \"slot.name\": \"a\",\n  \"slot.name\": \"b\"\n}"),
    ]);
    for (file, says) in [
        ("torn.json", "torn.json:"),
        ("nested.json", "nested.json:3: slot.name"),
        ("twice.properties", "twice.properties:2: slot.name: it is written twice, in line 1 and here"),
        ("twice.json", "twice.json:3: slot.name: it is written twice, in line 2 and here"),
        ("none.json", "none.json: cannot be read: No such file or directory"),
    ] {
        files.run(&format!("config validate --config {file}")).expect(2).silent().says(&["error: ", says]);
    }
}
