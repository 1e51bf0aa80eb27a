//! What becomes of whole connectors.

use super::*;

/// A connector as it stands in many a repository.
const CONNECTOR: &str = r#"{
  "name": "shop",
  "config": {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "tasks.max": "1",
    "plugin.name": "pgoutput",
    "database.hostname": "db",
    "database.user": "debezium",
    "database.password": "${env:DB_PASSWORD}",
    "database.dbname": "shop",
    "topic.prefix": "app",
    "slot.name": "shop",
    "table.include.list": "public.outbox",
    "transforms": "outbox",
    "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
    "transforms.outbox.route.topic.replacement": "${routedByValue}.events",
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    "max.batch.size": "4096"
  }
}"#;

const WORKER: &str = "bootstrap.servers=kafka:9092\ngroup.id=connect\noffset.storage.topic=connect-offsets\n\
                      exactly.once.source.support=enabled\nsecurity.protocol=PLAINTEXT\nrest.port=8083\n";

fn with(text: &str, worker: &str, set: &[(&str, &str)]) -> Migrated {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("worker.properties");
    std::fs::write(&path, worker).unwrap();
    let set: Vec<_> = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let environment = |name: &str| (name == "DB_PASSWORD").then(|| "hush".to_owned());
    migrate("connector", text.as_bytes(), Some(&path), &set, &environment)
}

fn verdict<'a>(migrated: &'a Migrated, key: &str) -> &'a Verdict {
    let found = migrated.verdicts.iter().find(|verdict| verdict.key == key);
    found.unwrap_or_else(|| panic!("{key}: {:#?}", migrated.verdicts))
}

fn problems(migrated: &Migrated) -> String {
    migrated.outcome.as_ref().err().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn a_connector_and_its_worker_become_one_file_that_means_the_same() {
    let migrated = with(CONNECTOR, WORKER, &[]);
    assert_eq!(problems(&migrated), "");
    let loaded = migrated.outcome.as_ref().unwrap();
    assert_eq!(loaded.config.source.slot, "shop");
    assert_eq!(loaded.config.postgres.password.as_ref().unwrap().reveal(), "hush");
    let file = &migrated.file;
    for (key, value) in [
        ("name", "shop"),
        ("database.password", "${env:DB_PASSWORD}"),
        ("transforms.outbox.route.topic.replacement", "${routedByValue}.events"),
        ("bootstrap.servers", "kafka:9092"),
        ("security.protocol", "PLAINTEXT"),
        ("snapshot.mode", "initial"),
        ("offsets.storage.topic", "connect-offsets"),
    ] {
        assert_eq!(file.get(key).map(String::as_str), Some(value), "{key}");
    }
    for key in ["tasks.max", "max.batch.size", "group.id", "offset.storage.topic", "rest.port"] {
        assert!(!file.contains_key(key), "{key} has no effect here");
    }
    let expected = Old {
        is_server: false,
        name: Some("shop".into()),
        prefix: Some("app".into()),
        offsets_topic: Some("connect-offsets".into()),
        offsets_file: None,
        transactional_id: Some("connect-shop-0".into()),
    };
    assert_eq!(migrated.old, expected);

    // What was written is read as what was meant.
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("walpost.properties");
    std::fs::write(&path, as_properties("a\nb", file)).unwrap();
    let again =
        crate::config::load(&path, None, &|_| Some("hush".into())).unwrap_or_else(|error| panic!("{error}"));
    // Each run has an id of its own.
    let (mut again, mut meant) = (again.config, loaded.config.clone());
    (again.encode.context, meant.encode.context) = (None, None);
    assert_eq!(format!("{again:?}"), format!("{meant:?}"));
}

#[test]
fn every_property_is_told_what_becomes_of_it() {
    let migrated = with(CONNECTOR, WORKER, &[]);
    for (key, becomes, why) in [
        ("slot.name", "honoured", ""),
        ("max.batch.size", "ignored", "walpost.batch.max.events"),
        ("group.id", "ignored", "no group of workers"),
        ("snapshot.mode", "changed", "written as initial, Debezium's default; a connector that takes over"),
        ("offsets.storage.topic", "changed", "the way back"),
    ] {
        let verdict = verdict(&migrated, key);
        assert_eq!(verdict.becomes, becomes, "{verdict:?}");
        assert!(verdict.note.contains(why), "{verdict:?}");
    }
    let told = format!("{:?}", migrated.verdicts);
    assert!(!told.contains("hush"), "{told}");
}

#[test]
fn what_would_change_events_is_refused_and_not_written() {
    let text = CONNECTOR.replace(
        "\"max.batch.size\": \"4096\"",
        "\"column.truncate.to.9.chars\": \"a.b.c\", \"errors.tolerance\": \"all\"",
    );
    let migrated = with(&text, "group.id=connect\n", &[]);
    for (key, why) in [
        ("column.truncate.to.9.chars", "leave it out"),
        ("errors.tolerance", "errors.deadletterqueue.topic.name=app.outbox.dlt"),
        ("bootstrap.servers", "it is missing"),
    ] {
        let verdict = verdict(&migrated, key);
        assert!(verdict.becomes == "refused" && verdict.note.contains(why), "{verdict:?}");
        assert!(!migrated.file.contains_key(key), "{key}");
    }
    assert_eq!(migrated.outcome.as_ref().unwrap_err().0.len(), 3);
    let set =
        [("column.truncate.to.9.chars", ""), ("errors.tolerance", "none"), ("bootstrap.servers", "k:1")];
    assert_eq!(problems(&with(&text, "group.id=connect\n", &set)), "", "--set mends it");
}

#[test]
fn older_names_and_values_are_brought_up_to_date() {
    let text = CONNECTOR
        .replace("topic.prefix", "database.server.name")
        .replace("table.include.list", "table.whitelist")
        .replace(
            "\"max.batch.size\": \"4096\"",
            "\"snapshot.mode\": \"INITIAL\", \"offset.mismatch.strategy\": \"trust_slot\"",
        );
    let migrated = with(&text, WORKER, &[]);
    assert_eq!(problems(&migrated), "");
    assert_eq!(migrated.old.prefix.as_deref(), Some("app"));
    for (key, value) in [
        ("topic.prefix", "app"),
        ("table.include.list", "public.outbox"),
        ("snapshot.mode", "INITIAL"),
        ("offset.mismatch.strategy", "trust_offset"),
    ] {
        assert_eq!(migrated.file[key], value, "{key}");
    }
    let renamed = verdict(&migrated, "database.server.name");
    assert!(renamed.becomes == "changed" && renamed.note.contains("topic.prefix"), "{renamed:?}");
    for (mode, note) in [
        ("initial", "begins no snapshot"),
        ("When_Needed", "begins no snapshot"),
        ("always", ""),
        ("never", ""),
    ] {
        let text =
            CONNECTOR.replace("\"max.batch.size\": \"4096\"", &format!("\"snapshot.mode\": \"{mode}\""));
        let migrated = with(&text, WORKER, &[]);
        let verdict = verdict(&migrated, "snapshot.mode");
        assert_eq!((verdict.becomes, migrated.file["snapshot.mode"].as_str()), ("honoured", mode));
        assert!(verdict.note.contains(note) && verdict.note.is_empty() == note.is_empty(), "{verdict:?}");
    }
}

const SERVER: &str = r"
debezium.sink.type=kafka
debezium.sink.kafka.producer.bootstrap.servers=kafka:9092
debezium.sink.kafka.producer.security.protocol=PLAINTEXT
debezium.sink.kafka.producer.key.serializer=org.apache.kafka.common.serialization.StringSerializer
debezium.sink.kafka.producer.compression.type=lz4
debezium.source.connector.class=io.debezium.connector.postgresql.PostgresConnector
debezium.source.offset.storage.file.filename=data/offsets.dat
debezium.source.offset.flush.interval.ms=0
debezium.source.database.hostname=db
debezium.source.database.user=debezium
debezium.source.database.password=${DB_PASSWORD}
debezium.source.database.dbname=shop
debezium.source.topic.prefix=app
debezium.source.plugin.name=pgoutput
debezium.source.slot.name=shop
debezium.source.table.include.list=public.outbox
debezium.transforms=outbox
debezium.transforms.outbox.type=io.debezium.transforms.outbox.EventRouter
debezium.transforms.outbox.route.topic.replacement=\\${routedByValue}.events
debezium.format.value=json
debezium.format.value.schemas.enable=false
debezium.format.key=simplestring
quarkus.http.port=8080
";

#[test]
fn a_debezium_server_becomes_the_connector_that_it_runs() {
    let migrated = with(SERVER, "", &[]);
    assert_eq!(problems(&migrated), "");
    for (key, value) in [
        ("bootstrap.servers", "kafka:9092"),
        ("security.protocol", "PLAINTEXT"),
        ("producer.override.compression.type", "lz4"),
        ("database.password", "${env:DB_PASSWORD}"),
        ("transforms.outbox.route.topic.replacement", "${routedByValue}.events"),
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter.schemas.enable", "false"),
        ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
    ] {
        assert_eq!(migrated.file.get(key).map(String::as_str), Some(value), "{key}");
    }
    let loaded = migrated.outcome.as_ref().unwrap();
    assert_eq!(loaded.config.postgres.password.as_ref().unwrap().reveal(), "hush");
    let old = &migrated.old;
    assert!(old.is_server && old.name.is_none() && old.transactional_id.is_none(), "{old:?}");
    assert_eq!(old.offsets_file, Some("data/offsets.dat".into()));
    for (key, becomes) in [
        ("debezium.source.slot.name", "changed"),
        ("debezium.source.offset.flush.interval.ms", "ignored"),
        ("debezium.sink.kafka.producer.key.serializer", "ignored"),
        ("debezium.sink.type", "honoured"),
        ("quarkus.http.port", "ignored"),
    ] {
        assert_eq!(verdict(&migrated, key).becomes, becomes, "{key}");
    }
}

#[test]
fn another_sink_than_kafka_is_refused() {
    let text = SERVER.replace("debezium.sink.type=kafka", "debezium.sink.type=pulsar");
    let migrated = with(&text, "", &[]);
    assert_eq!(verdict(&migrated, "debezium.sink.type").becomes, "refused");
}

#[test]
fn what_is_written_reads_back_whatever_it_is() {
    let entries = [(" a=b:c#", " x\\y\n\t"), ("!k", "${a:b} ü #"), ("plain", "")];
    let file: BTreeMap<String, String> =
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut gathered = Gathered::default();
    let read = gathered.text("x.properties", as_properties("one\ntwo", &file).as_bytes());
    let read: BTreeMap<String, String> = read.into_iter().map(|(key, entry)| (key, entry.value)).collect();
    assert_eq!(read, file);
}
