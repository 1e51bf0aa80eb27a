//! Where a page's examples are run: each configuration on it begins with a database and topics of its own.
//!
//! What is called `shop` on the page has a name of its own here, and its name on the page again when it is shown. A moment
//! that lies within the run is not shown.

use super::blocks::Part;
use super::show::{self, Framing};
use crate::kit::connector;
use crate::support::{
    Broker, Connector, ConnectorBuilder, Database, DatabaseHandle, PATIENCE, Record, Registry, python,
};
use fancy_regex::Regex;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

const SHOP: &str = "shop";
const REGISTRY: &str = "http://registry:8081";
const LETTERS: &str = "dead-letters";
const PROTOC: &str = "python -m grpc_tools.protoc ";

/// Where the servers of a page are, and what there is one of here.
const HERE: &[&str] = &[
    "database.hostname",
    "database.port",
    "database.user",
    "database.password",
    "bootstrap.servers",
    "topic.creation.default.replication.factor",
    "errors.deadletterqueue.topic.replication.factor",
];

pub(super) struct Stage<'a> {
    registry: Option<&'a Registry>,
    /// What all pages begin with.
    table: String,
    properties: BTreeMap<String, String>,
    files: TempDir,
    act: Option<Act>,
    printed: String,
    shown: Shown,
}

/// How often something of a kind is on the page.
#[derive(Default)]
struct Shown {
    records: usize,
    letters: usize,
}

/// One configuration, and what runs by it.
struct Act {
    /// Before its database: what runs is stopped first.
    running: Option<Connector>,
    builder: ConnectorBuilder,
    db: DatabaseHandle,
    began: String,
    inserted: usize,
    seen: Vec<Record>,
}

impl<'a> Stage<'a> {
    /// With what the pages' README says that they have in common.
    pub(super) fn new(common: &[Part], registry: Option<&'a Registry>) -> Stage<'a> {
        let of = |language: &str| {
            let mut blocks = common.iter().filter_map(|part| match part {
                Part::Block { info, body } if info == language => Some(body.as_str()),
                _ => None,
            });
            blocks.next().unwrap_or_else(|| panic!("{language} in the README of the pages")).to_owned()
        };
        Stage {
            registry,
            table: of("sql"),
            properties: properties(&of("properties")),
            files: tempfile::tempdir().expect("a directory"),
            act: None,
            printed: String::new(),
            shown: Shown::default(),
        }
    }

    /// Does what the block says; what is to stand in it.
    pub(super) fn play(&mut self, info: &str, body: &str) -> String {
        match info.split(' ').collect::<Vec<_>>().as_slice() {
            ["properties"] => self.begin(body),
            ["sql"] => self.act().execute(body),
            [_, file] if file.contains('.') => {
                fs::write(self.files.path().join(file), format!("{body}\n")).expect("a file");
            }
            ["console"] => return self.console(body),
            ["python"] => self.printed = self.consume(body),
            ["text", "printed"] => return std::mem::take(&mut self.printed),
            ["text", "record"] => return self.record("order"),
            ["text", "record", aggregate] => return self.record(aggregate),
            ["text", "letter"] => return self.letter(),
            _ => panic!("```{info} is nothing that can be run"),
        }
        body.to_owned()
    }

    /// The page is over: it has shown what came of each row, and of one that does not fit.
    pub(super) fn end(mut self) {
        self.close();
        assert!(self.shown.records > 0 && self.shown.letters > 0, "a page without a record or a letter");
    }

    fn begin(&mut self, body: &str) {
        self.close();
        let mut written = self.properties.clone();
        written.extend(properties(body));
        self.validate(&written);
        let db = Database::shared().fresh_database();
        db.execute(&self.table);
        let mut builder = connector(&db, Broker::shared()).unset("key.converter").unset("value.converter");
        for (name, value) in &written {
            if !HERE.contains(&name.as_str()) {
                builder = builder.set(name, self.real(&db, value));
            }
        }
        builder = builder.set("errors.deadletterqueue.topic.replication.factor", 1);
        let began = now(&db);
        self.act = Some(Act { running: None, builder, db, began, inserted: 0, seen: Vec::new() });
    }

    /// What is written is a configuration as it stands.
    fn validate(&self, written: &BTreeMap<String, String>) {
        let file = self.files.path().join("shop.properties");
        let lines: Vec<_> = written.iter().map(|(name, value)| format!("{name}={value}")).collect();
        fs::write(&file, lines.join("\n")).expect("a file");
        if let Err(problems) = walpost::config::load(&file, None, &|_| Some("example".to_owned())) {
            panic!("{problems}");
        }
    }

    fn close(&mut self) {
        if let Some(act) = self.act.take() {
            assert_eq!(act.seen.len(), act.inserted, "not each row's record or letter is on the page");
        }
    }

    fn act(&mut self) -> &mut Act {
        self.act.as_mut().expect("properties before it")
    }

    fn real(&self, db: &DatabaseHandle, text: &str) -> String {
        let url = self.registry.map_or_else(|| REGISTRY.to_owned(), Registry::url);
        text.replace(SHOP, db.name()).replace(REGISTRY, &url)
    }

    fn record(&mut self, aggregate: &str) -> String {
        self.shown.records += 1;
        let act = self.act();
        let record = act.next(aggregate);
        let text = show::record(&record, act.framing("key.converter"), act.framing("value.converter"));
        self.page(&text)
    }

    fn letter(&mut self) -> String {
        self.shown.letters += 1;
        let letter = self.act().next(LETTERS);
        let text = show::letter(&letter);
        self.page(&text)
    }

    /// What came, as the page has it.
    fn page(&mut self, text: &str) -> String {
        let url = self.registry.map_or_else(|| REGISTRY.to_owned(), Registry::url);
        let files = format!("{}/", self.files.path().display());
        let act = self.act();
        let text = text.replace(act.db.name(), SHOP).replace(&url, REGISTRY).replace(&files, "");
        let (began, ended) = (&act.began, now(&act.db));
        let moment = Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(?=Z)").expect("a pattern");
        let hidden = moment.replace_all(&text, |found: &fancy_regex::Captures<'_, str>| match &found[0] {
            moment if (began.as_str()..=ended.as_str()).contains(&moment) => {
                "YYYY-MM-DDThh:mm:ss.sss".to_owned()
            }
            moment => moment.to_owned(),
        });
        hidden.trim_end().to_owned()
    }

    /// Lines that begin with `$` are commands; what each prints follows it.
    fn console(&mut self, body: &str) -> String {
        let commands: Vec<_> = body.lines().filter(|line| line.starts_with("$ ")).collect();
        let mut lines = Vec::new();
        for command in commands {
            let printed = self.command(&command[2..]);
            lines.extend([command.to_owned(), self.page(&printed)]);
        }
        lines.retain(|line| !line.is_empty());
        lines.join("\n")
    }

    fn command(&mut self, line: &str) -> String {
        let directory = self.files.path().to_owned();
        let output = if let Some(arguments) = line.strip_prefix(PROTOC) {
            let mut protoc = Command::new(python::interpreter());
            protoc.args(["-m", "grpc_tools.protoc"]).args(arguments.split(' ')).current_dir(directory);
            protoc.output().expect("Python runs")
        } else {
            let line = line.strip_prefix("walpost ").expect("a command of walpost");
            let line = line.strip_suffix(" --config shop.properties").expect("with the page's properties");
            let act = self.act.as_ref().expect("properties before it");
            let arguments = line.split(' ').map(|argument| match directory.join(argument) {
                file if file.exists() => file.display().to_string(),
                _ => self.real(&act.db, argument),
            });
            let arguments: Vec<_> = arguments.collect();
            act.builder.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().filter(|code| *code != 0);
        let code = code.map(|code| format!("[exit code {code}]")).unwrap_or_default();
        text(&output.stdout) + &text(&output.stderr) + &code
    }

    /// What this prints that a consumer does with the record shown last.
    fn consume(&mut self, script: &str) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let act = self.act.as_ref().expect("properties before it");
        let record = act.seen.last().expect("a record before it");
        let headers = record.headers.iter().map(|(name, value)| json!([name, value.as_deref().map(hex)]));
        let task = json!({
            "script": self.real(&act.db, script), "directory": self.files.path(), "topic": record.topic,
            "key": record.key.as_deref().map(hex), "value": record.value.as_deref().map(hex),
            "headers": headers.collect::<Vec<_>>(),
        });
        let run = if script.contains("cloudevents") { python::with_cloudevents } else { python::run };
        let printed = run(include_str!("consumer.py"), &task);
        self.page(printed.as_str().expect("a text"))
    }
}

impl Act {
    /// A first event needs a connector that streams.
    fn execute(&mut self, sql: &str) {
        let rows = sql.matches("insert into outbox").count();
        if rows > 0 && self.running.is_none() {
            self.running = Some(crate::kit::run(self.builder.clone()));
        }
        self.db.execute(sql);
        self.inserted += rows;
    }

    /// The next record in the topic of this aggregate.
    fn next(&mut self, aggregate: &str) -> Record {
        let topic = self.db.topic(aggregate);
        let before = self.seen.iter().filter(|record| record.topic == topic).count();
        let records = Broker::shared().wait_records(&[&topic], before + 1, PATIENCE);
        let record = records.into_iter().find(|record| !self.seen.contains(record)).expect("a new one");
        self.seen.push(record.clone());
        record
    }

    fn framing(&self, side: &str) -> Framing {
        let properties: BTreeMap<String, String> = serde_json::from_str(&self.builder.json()).expect("JSON");
        let framed = properties.contains_key(&format!("{side}.schema.registry.url"));
        match properties[side].rsplit('.').next() {
            _ if !framed => Framing::None,
            Some("ProtobufConverter") => Framing::Message,
            Some("JsonSchemaConverter") => Framing::Json,
            _ => Framing::Bytes,
        }
    }
}

/// Lines `name=value`, without what needs more of the grammar than that.
fn properties(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| {
        assert!(!line.contains('\\') && !line.contains(" #"), "{line}");
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no property: {line}"));
        (name.to_owned(), value.to_owned())
    });
    pairs.collect()
}

fn now(db: &DatabaseHandle) -> String {
    let moment = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS'";
    db.query_one_text(&format!("select to_char(clock_timestamp() at time zone 'UTC', {moment})"))
}
