//! A configuration for tests, read as a user's would be.

use super::{Config, Loaded};

const PLAIN: &str = "\
name=shop
connector.class=io.debezium.connector.postgresql.PostgresConnector
database.hostname=localhost
database.user=walpost
database.dbname=app
topic.prefix=app
slot.name=walpost
publication.name=walpost
table.include.list=public.outbox
snapshot.mode=no_data
transforms=outbox
transforms.outbox.type=io.debezium.transforms.outbox.EventRouter
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
bootstrap.servers=localhost:9092
";

/// A plain outbox connector.
pub(crate) fn config() -> Config {
    config_with("")
}

/// The same with further or other properties, one a line.
pub(crate) fn config_with(lines: &str) -> Config {
    load(lines).config
}

/// The same with all that is known of it.
pub(crate) fn load(lines: &str) -> Loaded {
    let key = |line: &str| line.split('=').next().map(str::to_owned);
    let replaced: Vec<_> = lines.lines().map(key).collect();
    let kept: Vec<&str> = PLAIN.lines().filter(|line| !replaced.contains(&key(line))).collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("connector.properties");
    std::fs::write(&file, format!("{}\n{lines}\n", kept.join("\n"))).unwrap();
    match super::load(&file, None, &|_| None) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{problems}"),
    }
}
