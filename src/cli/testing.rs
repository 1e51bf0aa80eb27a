//! A configuration for the tests of commands, read as a user's would be.

use crate::config::{self, Config, Loaded};
use std::collections::BTreeMap;

/// A plain outbox connector.
pub(super) fn config() -> Config {
    config_with(&[])
}

/// The same with further or other properties.
pub(super) fn config_with(properties: &[(&str, &str)]) -> Config {
    load(properties).config
}

/// The same with all that is known of it.
pub(super) fn load(properties: &[(&str, &str)]) -> Loaded {
    let plain = [
        ("name", "shop"),
        ("connector.class", "io.debezium.connector.postgresql.PostgresConnector"),
        ("database.hostname", "localhost"),
        ("database.user", "walpost"),
        ("database.dbname", "app"),
        ("topic.prefix", "app"),
        ("slot.name", "walpost"),
        ("publication.name", "walpost"),
        ("table.include.list", "public.outbox"),
        ("snapshot.mode", "no_data"),
        ("transforms", "outbox"),
        ("transforms.outbox.type", "io.debezium.transforms.outbox.EventRouter"),
        ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("bootstrap.servers", "localhost:9092"),
    ];
    let all: BTreeMap<&str, &str> = plain.iter().chain(properties).copied().collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("connector.json");
    std::fs::write(&file, serde_json::to_string(&all).unwrap()).unwrap();
    match config::load(&file, None, &|_| None) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{problems}"),
    }
}
