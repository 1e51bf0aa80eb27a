//! What these tests have in common: a configuration as a file gives it, and an outbox's columns.

use super::columns::{Column, Columns};
use crate::config::{self, Config};
use crate::decode::value::Kind;

const ENOUGH: &str = "\
name=shop
database.hostname=127.0.0.1
database.user=walpost
database.dbname=app
topic.prefix=app
slot.name=walpost
publication.name=walpost
table.include.list=public.outbox
plugin.name=pgoutput
snapshot.mode=no_data
transforms=outbox
transforms.outbox.type=io.debezium.transforms.outbox.EventRouter
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
bootstrap.servers=127.0.0.1:9092
";

/// These lines, and what is enough beside them.
pub(super) fn config(lines: &str) -> Config {
    let key = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
    let written: Vec<String> = lines.lines().map(key).collect();
    let others = ENOUGH.lines().filter(|line| !written.contains(&key(line)));
    let text: String = lines.lines().chain(others).map(|line| line.to_owned() + "\n").collect();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("c.properties");
    std::fs::write(&path, text).expect("a file");
    config::load(&path, None, &|_| None).unwrap_or_else(|problems| panic!("{problems}")).config
}

/// Those of an ordinary outbox.
pub(super) fn columns() -> Columns {
    let column = |name: &str, kind, optional| (name.to_owned(), Column { kind: Some(kind), optional });
    let columns = [
        column("id", Kind::Uuid, false),
        column("aggregatetype", Kind::String, false),
        column("aggregateid", Kind::String, false),
        column("type", Kind::String, false),
        column("payload", Kind::Json, true),
        column("seq", Kind::Int64, false),
        column("tenant", Kind::String, true),
    ];
    Columns(columns.into_iter().collect())
}
