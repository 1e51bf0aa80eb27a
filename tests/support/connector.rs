//! The walpost program as a process of its own, as an operator would run it.
//!
//! `Connector::new(&db, &kafka)` begins with the Debezium properties that such a user would have; `set` changes one,
//! `start` runs it. Dropped, it is killed.

use super::broker::Broker;
use super::fresh::DatabaseHandle;
use super::memory_limit::MemoryLimit;
use super::paths::Scratch;
use super::process::{Process, cpu_time, status_kb};
use super::{PATIENCE, http, wait_until};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// What to run it with.
#[derive(Clone)]
pub struct ConnectorBuilder {
    properties: BTreeMap<String, String>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    memory: Option<Arc<MemoryLimit>>,
}

impl ConnectorBuilder {
    /// Sets a property of the configuration file.
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.properties.insert(name.into(), value.to_string());
        self
    }

    pub fn unset(mut self, name: &str) -> Self {
        self.properties.remove(name);
        self
    }

    /// A property's value, as it stands.
    pub fn get(&self, name: &str) -> &str {
        &self.properties[name]
    }

    pub fn env(self, name: &str, value: &str) -> Self {
        let mut changed = self.without_env(name);
        changed.environment.push((name.into(), value.into()));
        changed
    }

    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.retain(|(other, _)| other != name);
        self
    }

    /// A further argument of `walpost run`.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// It may use so much memory and no more.
    pub fn memory(mut self, limit: &Arc<MemoryLimit>) -> Self {
        self.memory = Some(Arc::clone(limit));
        self
    }

    /// The configuration file: the properties as one JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(&self.properties).expect("strings")
    }

    /// Starts `walpost run`; does not wait for anything.
    pub fn start(self) -> Connector {
        let scratch = Scratch::new("connector");
        let mut connector = Connector { process: None, runs: 0, builder: self, scratch };
        connector.start_again();
        connector
    }

    /// Runs another command to its end with the same configuration: `command(&["slot", "create"])`.
    pub fn command(&self, command: &[&str]) -> Output {
        let scratch = Scratch::new("command");
        self.prepared(command, &scratch).stdin(Stdio::null()).output().expect("walpost runs")
    }

    /// The same, while others look at what it does; its files are gone with the scratch directory.
    pub(crate) fn begin(&self, command: &[&str], scratch: &Scratch) -> Process {
        Process::spawn(self.prepared(command, scratch), &scratch.join("command.log"))
    }

    /// Starts another command, to be killed: dropped, it is.
    pub fn spawn(&self, command: &[&str]) -> Running {
        let scratch = Scratch::new("command");
        Running { process: self.begin(command, &scratch), scratch }
    }

    fn prepared(&self, command: &[&str], scratch: &Scratch) -> Command {
        let config = scratch.join("connector.json");
        std::fs::write(&config, self.json()).expect("a configuration file");
        let mut walpost = Command::new(binary());
        walpost.args(command).arg("--config").arg(config);
        walpost.envs(self.environment.iter().map(|(name, value)| (name, value)));
        walpost
    }
}

/// A command that was started.
pub struct Running {
    process: Process,
    scratch: Scratch,
}

impl Running {
    /// Until it has ended by itself; how, and what it wrote.
    pub fn wait_exit(mut self, deadline: Duration) -> (ExitStatus, String) {
        let exit = self.process.wait_exit(deadline);
        (exit, std::fs::read_to_string(self.scratch.join("command.log")).unwrap_or_default())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.exit().is_some()
    }
}

/// A connector that was started.
pub struct Connector {
    process: Option<Process>,
    runs: u32,
    builder: ConnectorBuilder,
    scratch: Scratch,
}

impl Connector {
    /// With the outbox `public.outbox` of this database; each aggregate goes to `db.topic(aggregate)`. WALPOST_TEST_PRODUCER
    /// is the producer, where the test does not choose.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(db: &DatabaseHandle, kafka: &Broker) -> ConnectorBuilder {
        let port = db.server().port().to_string();
        let topics = db.topic("${routedByValue}");
        let properties = [
            ("name", db.name()),
            ("connector.class", "io.debezium.connector.postgresql.PostgresConnector"),
            ("plugin.name", "pgoutput"),
            ("database.hostname", db.server().host()),
            ("database.port", &port),
            ("database.user", "postgres"),
            ("database.password", "postgres"),
            ("database.dbname", db.name()),
            ("topic.prefix", db.name()),
            ("slot.name", db.name()),
            ("publication.name", "walpost"),
            ("publication.autocreate.mode", "filtered"),
            ("table.include.list", "public.outbox"),
            ("snapshot.mode", "no_data"),
            ("transforms", "outbox"),
            ("transforms.outbox.type", "io.debezium.transforms.outbox.EventRouter"),
            ("transforms.outbox.route.topic.replacement", &topics),
            ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("extended.headers.enabled", "false"),
            ("bootstrap.servers", &kafka.bootstrap()),
            ("walpost.http.listen", "127.0.0.1:0"),
        ];
        let mut properties: BTreeMap<String, String> =
            properties.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        if let Ok(producer) = std::env::var("WALPOST_TEST_PRODUCER") {
            properties.insert("walpost.kafka.producer".into(), producer);
        }
        ConnectorBuilder { properties, environment: Vec::new(), arguments: Vec::new(), memory: None }
    }

    /// Another run of the same configuration, after this one has ended.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it still runs");
        self.runs += 1;
        let config = self.scratch.join("connector.json");
        std::fs::write(&config, self.builder.json()).expect("a configuration file");
        let mut command = Command::new(binary());
        command.args(["run", "--log-format", "json", "--config"]).arg(&config).args(&self.builder.arguments);
        command.envs(self.builder.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.scratch.path());
        if let Some(limit) = &self.builder.memory {
            command = limit.wrap(&command);
        }
        self.process = Some(Process::spawn(command, &self.log_file()));
    }

    /// The same with a changed configuration.
    pub fn start_again_with(&mut self, change: impl FnOnce(ConnectorBuilder) -> ConnectorBuilder) {
        self.builder = change(self.builder.clone());
        self.start_again();
    }

    /// What this run wrote to stdout and stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Until the log of this run has this text.
    pub fn wait_log(&mut self, text: &str) {
        self.wait_running(&format!("{text:?} in the log"), |connector| {
            connector.log().contains(text).then_some(())
        });
    }

    /// Where it serves metrics and health, once it has said so.
    pub fn http_address(&mut self) -> SocketAddr {
        self.wait_running("http_listen in the log", |connector| {
            let log = connector.log();
            log.lines().find_map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                let field = line.get("http_listen").or_else(|| line.get("fields")?.get("http_listen"))?;
                field.as_str()?.parse().ok()
            })
        })
    }

    /// The page for Prometheus.
    pub fn metrics(&mut self) -> String {
        let address = self.http_address();
        let answer = wait_until("/metrics answers", PATIENCE, || http::get(address, "/metrics"));
        assert_eq!(answer.0, 200, "/metrics: {}", answer.1);
        answer.1
    }

    /// The sum over all labels of the samples with this name; none without one.
    pub fn metric(&mut self, name: &str) -> Option<f64> {
        let page = self.metrics();
        let samples = page.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        samples
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .reduce(|sum, value| sum + value)
    }

    /// Any page: (status, body).
    pub fn get(&mut self, path: &str) -> Option<(u16, String)> {
        let address = self.http_address();
        http::get(address, path)
    }

    pub fn ready(&mut self) -> bool {
        self.get("/readyz").is_some_and(|(status, _)| status == 200)
    }

    /// Panics with its log when it ends instead.
    pub fn wait_ready(&mut self) {
        self.http_address();
        self.wait_running("readiness", |connector| connector.ready().then_some(()));
    }

    /// kill -9, and gone.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Asks it to stop; `wait_exit` waits for that.
    pub fn sigterm(&mut self) {
        self.running().signal(Signal::TERM);
    }

    pub fn sigstop(&mut self) {
        self.running().signal(Signal::STOP);
    }

    pub fn sigcont(&mut self) {
        self.running().signal(Signal::CONT);
    }

    /// Until it ends by itself; how, and what it wrote. Can be started again then.
    pub fn wait_exit(&mut self, deadline: Duration) -> (ExitStatus, String) {
        let mut process = self.process.take().expect("it runs");
        let exit = wait_until("walpost ends", deadline, || process.exit());
        (exit, self.log())
    }

    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.exit().is_none())
    }

    /// How it ended, if it was started and has ended by itself.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut()?.exit()
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Resident memory in KiB.
    pub fn rss_kb(&self) -> u64 {
        self.status_kb("VmRSS:")
    }

    /// The most that was ever resident, in KiB.
    pub fn peak_kb(&self) -> u64 {
        self.status_kb("VmHWM:")
    }

    fn status_kb(&self, name: &str) -> u64 {
        status_kb(self.pid(), name).expect(name)
    }

    /// User and system time so far.
    pub fn cpu_time(&self) -> Duration {
        cpu_time(self.pid()).expect("it runs")
    }

    pub fn config_file(&self) -> PathBuf {
        self.scratch.join("connector.json")
    }

    fn log_file(&self) -> PathBuf {
        self.scratch.join(format!("walpost-{}.log", self.runs))
    }

    fn running(&mut self) -> &mut Process {
        self.process.as_mut().expect("it runs")
    }

    fn wait_running<T>(&mut self, what: &str, mut ask: impl FnMut(&mut Connector) -> Option<T>) -> T {
        wait_until(what, PATIENCE, || {
            let answer = ask(self);
            if answer.is_none() {
                assert!(self.is_running(), "walpost ended before {what}:\n{}", self.log());
            }
            answer
        })
    }
}

/// A test that failed tells what its connector wrote last.
impl Drop for Connector {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the last lines of {}:", self.log_file().display());
            lines[lines.len().saturating_sub(30)..].iter().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Cargo tells tests where it is; others find it beside themselves, or where WALPOST_BIN says.
pub fn binary() -> PathBuf {
    if let Some(binary) = std::env::var_os("WALPOST_BIN") {
        return binary.into();
    }
    if let Some(binary) = option_env!("CARGO_BIN_EXE_walpost") {
        return binary.into();
    }
    let here = std::env::current_exe().expect("our own path");
    let beside = here.ancestors().skip(1).take(2).map(|directory| directory.join("walpost"));
    let found = beside.into_iter().find(|path| Path::exists(path));
    found.expect("walpost beside this program; WALPOST_BIN can name another")
}
