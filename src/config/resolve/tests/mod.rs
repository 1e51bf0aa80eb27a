//! What a configuration promises, from files to [`Config`].

mod chain;
mod cloudevents;
mod compat;
mod debezium_events;
mod errors;
mod files;
mod registry;
mod taken;
mod wrong;

use super::*;
use crate::config::{Adopt, ProducerKind, PublicationAutocreate, SnapshotMode};
use crate::encode::{Converter, DecimalFormat, HeaderConverter};
use crate::observe::logging::Format;
use crate::postgres::SslMode;
use crate::route::{OnUpdate, Place};
use std::fmt::Write as _;
use std::time::Duration;

const ENOUGH: &str = "
    topic.prefix=shop
    database.hostname=db.example
    database.user=walpost
    database.password=hush
    database.dbname=shop
    bootstrap.servers=kafka:9092
    plugin.name=pgoutput
    snapshot.mode=no_data
    transforms=outbox
    transforms.outbox.type=io.debezium.transforms.outbox.EventRouter
";

/// Files in a directory of their own.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Files {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Files(directory)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn load(&self, config: &str, worker: Option<&str>) -> Result<Loaded, Problems> {
        let environment = |name: &str| match name {
            "PORT" => Some("none".to_owned()),
            "HOST" => Some("db.example".to_owned()),
            _ => None,
        };
        let worker = worker.map(|worker| self.0.path().join(worker));
        load(&self.0.path().join(config), worker.as_deref(), &environment)
    }

    /// Each problem or notice without the directory's name.
    fn short(&self, text: impl ToString) -> String {
        text.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// What is enough, and these lines over it.
fn with(lines: &str) -> Result<Loaded, Problems> {
    let key = |line: &str| line.trim().split('=').next().unwrap_or_default().to_owned();
    let written: Vec<String> = lines.lines().map(key).collect();
    let mut text = lines.to_owned();
    for line in ENOUGH.lines().filter(|line| !written.contains(&key(line))) {
        let _ = write!(text, "\n{line}");
    }
    Files::new(&[("c.properties", &text)]).load("c.properties", None)
}

fn config(lines: &str) -> Config {
    match with(lines) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems}"),
    }
}

/// The problems of these lines, each without file and line.
fn problems(lines: &str) -> Vec<String> {
    let Err(problems) = with(lines) else { panic!("nothing is wrong with {lines}") };
    let short = |problem: &crate::config::Problem| {
        let text = problem.to_string();
        text.strip_prefix(&format!("{}: ", problem.origin)).unwrap_or(&text).to_owned()
    };
    problems.0.iter().map(short).collect()
}

/// The one problem of these lines.
fn problem(lines: &str) -> String {
    let problems = problems(lines);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].clone()
}

fn notices(lines: &str) -> Vec<String> {
    let loaded = with(lines).unwrap_or_else(|problems| panic!("{problems}"));
    loaded.notices.iter().map(|notice| format!("{}: {}", notice.key, notice.text)).collect()
}
