//! What becomes of another connector's configuration, and what is written of it.

use crate::kit::{Files, over};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

const CONNECTOR: &str = "\
connector.class=io.debezium.connector.postgresql.PostgresConnector
tasks.max=1
database.hostname=127.0.0.1
database.port=1
database.user=debezium
database.password=hush
database.dbname=app
topic.prefix=app
slot.name=shop
publication.name=dbz
table.include.list=public.outbox
plugin.name=pgoutput
transforms=outbox
transforms.outbox.type=io.debezium.transforms.outbox.EventRouter
key.converter=org.apache.kafka.connect.storage.StringConverter
";

const WORKER: &str = "bootstrap.servers=127.0.0.1:1\ngroup.id=connect\noffset.storage.topic=offsets\n";

/// `d.json` as Connect takes it, and the worker's file.
fn files(lines: &str) -> Files {
    let text = over(lines, CONNECTOR);
    let config: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let connector = json!({ "name": "shop", "config": config });
    Files::new(&[("d.json", &connector.to_string()), ("worker.properties", WORKER)])
}

const MIGRATE: &str = "migrate --from d.json --worker worker.properties";

#[test]
fn a_report_names_every_property_and_changes_nothing() {
    let files = files("max.batch.size=9");
    let told = files.run(MIGRATE).expect(0);
    for (becomes, key, value) in [
        ("honoured", "slot.name", "shop"),
        ("ignored", "max.batch.size", "9"),
        ("changed", "snapshot.mode", "(not written)"),
        ("honoured", "bootstrap.servers", "127.0.0.1:1"),
        ("ignored", "group.id", "connect"),
    ] {
        let line = told.stdout.lines().find(|line| line.split_whitespace().nth(1) == Some(key));
        let line = line.unwrap_or_else(|| panic!("{key}: {}", told.stdout));
        assert!(line.starts_with(becomes) && line.contains(value), "{line}");
    }
    assert!(told.stdout.contains("0 refused, 2 changed"), "{}", told.stdout);
    assert!(!told.all().contains("hush"), "{}", told.all());

    let told = files.run(&format!("{MIGRATE} --output json")).expect(0).json();
    let migration = &told["migration"];
    assert_eq!((&migration["counts"]["refused"], &migration["position"]), (&json!(0), &Value::Null));
    let properties = migration["properties"].as_array().expect("a list");
    let queue = properties.iter().find(|property| property["key"] == "max.batch.size").expect("its line");
    assert_eq!(queue["becomes"], "ignored");
    assert!(queue["why"].as_str().is_some_and(|why| why.contains("walpost.batch.max.events")), "{queue}");
}

#[test]
fn what_is_written_is_a_configuration_for_its_owner_alone_and_never_over_another() {
    for name in ["walpost.properties", "walpost.json"] {
        let files = files("");
        files.run(&format!("{MIGRATE} --write {name}")).expect(0).says(&[&format!("wrote {name}")]);
        files.run(&format!("config validate --config {name}")).expect(0);
        let printed = files.run(&format!("config print --output json --config {name}")).expect(0).json();
        let properties = printed["properties"].as_array().expect("a list");
        let slot = properties.iter().find(|property| property["key"] == "slot.name").expect("slot.name");
        assert_eq!(slot["value"], "shop");
        files.run(&format!("{MIGRATE} --write {name}")).expect(1).says(&["File exists", "name another"]);
        let list = std::process::Command::new("stat").args(["-c", "%a"]).arg(files.path(name)).output();
        assert_eq!(String::from_utf8_lossy(&list.expect("stat").stdout).trim(), "600");
    }
}

#[test]
fn what_cannot_be_moved_is_told_with_what_to_write_and_nothing_is_written() {
    let files = files("column.truncate.to.9.chars=public.outbox.payload\nlsn.flush.mode=manual");
    let command = format!("{MIGRATE} --write walpost.json");
    let told =
        files.run(&command).expect(2).says(&["2 properties are refused or missing", "--set KEY=VALUE"]);
    let refused: Vec<&str> = told.stdout.lines().filter(|line| line.starts_with("refused")).collect();
    assert_eq!(refused.len(), 2, "{}", told.stdout);
    assert!(refused.iter().any(|line| line.contains("before the event router sees it")), "{refused:?}");
    assert!(!files.path("walpost.json").exists());
    files
        .run(&format!("{command} --set column.truncate.to.9.chars= --set lsn.flush.mode=connector"))
        .expect(0);
    assert!(files.path("walpost.json").exists());
    files.run("migrate --from d.json").expect(2).says(&["refused or missing"]);
}

#[test]
fn a_take_over_wants_to_know_where_the_position_and_the_offset_are() {
    let files = files("");
    let take_over = format!("{MIGRATE} --take-over");
    files.run(&take_over).expect(2).says(&["walpost's own configuration is not named", "--write FILE"]);
    files.run(&format!("{MIGRATE} --write walpost.json")).expect(0);
    let command = "migrate --from d.json --set bootstrap.servers=x:1 --take-over --config walpost.json";
    files.run(command).expect(6).says(&["connecting to Postgres"]);
    let command = "migrate --from d.json --set bootstrap.servers=x:1 --take-over --write other.json";
    files.run(command).expect(2).says(&["is not known", "--offsets-topic"]);
    let command = format!("{take_over} --config walpost.json --set slot.name=another");
    files.run(&command).expect(2).says(&["\"shop\" where the old connector has \"another\""]);
    files.run("migrate").expect(2).says(&["--from"]);
    files.run("migrate --back --take-over --from d.json").expect(2).says(&["cannot be used with"]);
}

#[test]
fn the_way_back_wants_to_know_where_the_offset_is_and_our_file_tells() {
    let files = files("");
    files.run(&format!("{MIGRATE} --write walpost.json")).expect(0);
    files.run("migrate --back --config walpost.json").expect(6).says(&["connecting to Postgres"]);
    files.run("migrate --write bare.json --from d.json --set bootstrap.servers=x:1").expect(0);
    files.run("migrate --back --config bare.json").expect(2).says(&["is not known", "--offsets-file"]);
}

/// A worker that answers so many requests, each with this.
fn worker(answers: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for body in answers {
            let (mut stream, _) = listener.accept().expect("a request");
            let mut lines = BufReader::new(stream.try_clone().expect("a handle")).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
        }
    });
    format!("http://127.0.0.1:{port}/connectors/shop")
}

#[test]
fn a_worker_is_asked_for_the_connector_and_whether_it_is_stopped() {
    let files = files("");
    let connector = std::fs::read_to_string(files.path("d.json")).expect("the file");
    let running = r#"{"connector":{"state":"RUNNING"},"tasks":[{"id":0,"state":"RUNNING"}],"type":"source"}"#;
    let url = worker(vec![connector.clone(), connector, running.to_owned()]);
    files.run(&format!("migrate --from {url} --worker worker.properties --write walpost.json")).expect(0);
    let command =
        format!("migrate --from {url} --worker worker.properties --take-over --config walpost.json");
    let words = ["the old connector is not stopped", "RUNNING, tasks RUNNING", "/connectors/shop/stop"];
    files.run(&command).expect(1).says(&words);
    files.run("migrate --from http://127.0.0.1:1/connectors/shop").expect(5).says(&["does not answer"]);
    files.run("migrate --from https://connect/connectors/shop").expect(2).says(&["curl"]);
}
