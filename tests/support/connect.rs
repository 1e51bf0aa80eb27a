//! A Kafka Connect worker with Debezium's Postgres connector: start, stop, crash, start again on the same topics.
//!
//! A distributed worker, the only one of its group: its topics are its own, so that a broker can have several. Connectors
//! come and go over its REST interface. Dropped, it is killed.

use super::broker::Broker;
use super::connector::ConnectorBuilder;
use super::java::{Jvm, java};
use super::paths::{self, Scratch};
use super::process::{Process, free_port};
use super::{PATIENCE, http, unique_name, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// What differs from the default worker, which is quick to start and delivers at least once.
#[derive(Default)]
pub struct ConnectOptions {
    exactly_once: bool,
    jvm: Jvm,
    settings: Vec<(String, String)>,
}

impl ConnectOptions {
    pub fn new() -> Self {
        Self::default()
    }

    /// `exactly.once.source.support`.
    pub fn exactly_once(mut self) -> Self {
        self.exactly_once = true;
        self
    }

    /// For measuring: a heap of 2 GB, as the distribution's script gives it, and quick for long.
    pub fn fast(mut self) -> Self {
        self.jvm = Jvm::Fast;
        self
    }

    /// A line of the worker's properties; wins over the default.
    pub fn setting(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }
}

/// A worker that was started.
pub struct ConnectWorker {
    process: Mutex<Option<Process>>,
    starts: Mutex<u32>,
    port: u16,
    jvm: Jvm,
    scratch: Scratch,
}

impl ConnectWorker {
    /// Starts it, and returns when it takes connectors.
    pub fn start(kafka: &Broker, options: ConnectOptions) -> ConnectWorker {
        let (scratch, port) = (Scratch::new("connect"), free_port());
        std::fs::write(scratch.join("worker.properties"), properties(kafka, port, &options)).expect("write");
        let (process, starts) = (Mutex::new(None), Mutex::new(0));
        let worker = ConnectWorker { process, starts, port, jvm: options.jvm, scratch };
        worker.start_again();
        worker
    }

    /// On the same topics, after it has ended; does not wait for anything.
    pub fn spawn(&self) {
        assert!(self.process().is_none(), "it still runs");
        *self.starts.lock().expect("no panic while held") += 1;
        let most = if let Jvm::Fast = self.jvm { "2g" } else { "512m" };
        let mut java = java(self.jvm, "256m", most);
        java.arg(format!("-Dkafka.log.file={}", self.scratch.join(self.log_name("worker")).display()));
        java.args(["org.apache.kafka.connect.cli.ConnectDistributed", "worker.properties"]);
        java.current_dir(self.scratch.path());
        *self.process() = Some(Process::spawn(java, &self.scratch.join(self.log_name("out"))));
    }

    /// The same; returns when it takes connectors.
    pub fn start_again(&self) {
        self.spawn();
        wait_until("Kafka Connect serves", 2 * PATIENCE, || {
            assert!(self.is_running(), "Kafka Connect did not start:\n{}", self.log());
            (self.request("GET", "/connectors", "")?.0 == 200).then_some(())
        });
    }

    /// An orderly stop.
    pub fn stop(&self) {
        if let Some(mut process) = self.process().take() {
            process.signal(Signal::TERM);
            process.wait_exit(PATIENCE);
        }
    }

    /// kill -9, and gone.
    pub fn kill9(&self) {
        let process = self.process().take();
        drop(process);
    }

    pub fn is_running(&self) -> bool {
        self.process().as_mut().is_some_and(|process| process.exit().is_none())
    }

    pub fn pid(&self) -> u32 {
        self.process().as_ref().expect("it runs").id()
    }

    /// What it wrote since it was last started.
    pub fn log(&self) -> String {
        let of = |name: &str| std::fs::read_to_string(self.scratch.join(self.log_name(name)));
        of("worker").unwrap_or_default() + &of("out").unwrap_or_default()
    }

    /// Gives it this connector, or gives the connector this configuration, as `for_connect` writes it.
    pub fn put(&self, name: &str, config: &Value) {
        let path = format!("/connectors/{name}/config");
        wait_until("the connector is taken", PATIENCE, || {
            match self.request("PUT", &path, &config.to_string())? {
                (200 | 201, _) => Some(()),
                (409, _) => None, // the group is rebalancing
                (status, body) => panic!("{name}: {status}: {body}"),
            }
        });
    }

    /// The same of a configuration that the worker may refuse; then what it says.
    pub fn try_put(&self, name: &str, config: &Value) -> Result<(), String> {
        let path = format!("/connectors/{name}/config");
        wait_until("the connector is taken or refused", PATIENCE, || {
            match self.request("PUT", &path, &config.to_string())? {
                (200 | 201, _) => Some(Ok(())),
                (409, _) => None, // the group is rebalancing
                (_, body) => Some(Err(body)),
            }
        })
    }

    /// What the connector or its task has died of.
    pub fn failure(&self, name: &str) -> Option<String> {
        assert!(self.is_running(), "Kafka Connect has ended:\n{}", self.log());
        let (_, status) = self.request("GET", &format!("/connectors/{name}/status"), "")?;
        let status: Value = serde_json::from_str(&status).ok()?;
        let mut all = status["tasks"].as_array()?.iter().chain([&status["connector"]]);
        let failed = all.find(|one| one["state"] == "FAILED")?;
        Some(failed["trace"].as_str().unwrap_or_default().to_owned())
    }

    /// Until connector and task run; panics with what it says when one of them has failed.
    pub fn wait_running(&self, name: &str) {
        wait_until("the connector runs", PATIENCE, || {
            self.assert_healthy(name);
            let states = self.states(name)?;
            (states.len() >= 2 && states.iter().all(|state| state == "RUNNING")).then_some(())
        });
    }

    /// Panics with what it says when the worker has ended, or connector or task have failed.
    pub fn assert_healthy(&self, name: &str) {
        assert!(self.is_running(), "Kafka Connect has ended:\n{}", self.log());
        let Some((200, status)) = self.request("GET", &format!("/connectors/{name}/status"), "") else {
            return;
        };
        assert!(!status.contains("\"FAILED\""), "{name}: {status}\n{}", self.log());
    }

    /// Stops it until it is resumed: no task is left, slot and offsets stay.
    pub fn stop_connector(&self, name: &str) {
        self.ask_for(name, "stop");
        wait_until("the connector is stopped", PATIENCE, || {
            let states = self.states(name)?;
            (states == ["STOPPED"]).then_some(())
        });
    }

    /// Lets it go on.
    pub fn resume_connector(&self, name: &str) {
        self.ask_for(name, "resume");
        self.wait_running(name);
    }

    fn ask_for(&self, name: &str, what: &str) {
        let path = format!("/connectors/{name}/{what}");
        wait_until(&format!("the worker takes {what}"), PATIENCE, || {
            match self.request("PUT", &path, "")? {
                (202 | 204, _) => Some(()),
                (409, _) => None,
                (status, body) => panic!("{name}: {status}: {body}"),
            }
        });
    }

    /// Where a connector is asked for.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/connectors/{name}", self.port)
    }

    /// The worker's own file.
    pub fn file(&self) -> PathBuf {
        self.scratch.join("worker.properties")
    }

    /// Until it is gone; its slot and its offsets stay.
    pub fn delete(&self, name: &str) {
        let path = format!("/connectors/{name}");
        wait_until("the connector is gone", PATIENCE, || match self.request("DELETE", &path, "")? {
            (204 | 404, _) => Some(()),
            (409, _) => None,
            (status, body) => panic!("{name}: {status}: {body}"),
        });
        wait_until("nothing is left of it", PATIENCE, || {
            (self.request("GET", &format!("{path}/status"), "")?.0 == 404).then_some(())
        });
    }

    /// Of the connector and of its tasks.
    fn states(&self, name: &str) -> Option<Vec<String>> {
        let (_, status) = self.request("GET", &format!("/connectors/{name}/status"), "")?;
        let status: Value = serde_json::from_str(&status).ok()?;
        let tasks = status["tasks"].as_array()?.iter().map(|task| &task["state"]);
        [&status["connector"]["state"]]
            .into_iter()
            .chain(tasks)
            .map(|state| state.as_str().map(str::to_owned))
            .collect()
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        http::request(address, method, path, body, Duration::from_secs(30))
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn log_name(&self, what: &str) -> String {
        format!("{what}-{}.log", self.starts.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

/// A connector's configuration as a worker takes it: what is walpost's own, or the worker's, is left out.
pub fn for_connect(builder: &ConnectorBuilder) -> Value {
    let mut config: Value = serde_json::from_str(&builder.json()).expect("our own JSON");
    let properties = config.as_object_mut().expect("an object");
    properties.retain(|name, _| name != "bootstrap.servers" && !name.starts_with("walpost."));
    properties.insert("tasks.max".into(), json!("1"));
    config
}

fn properties(kafka: &Broker, port: u16, options: &ConnectOptions) -> String {
    let group = unique_name("connect");
    let exactly_once = if options.exactly_once { "enabled" } else { "disabled" };
    let mut text = format!(
        "bootstrap.servers={}
group.id={group}
listeners=http://127.0.0.1:{port}
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
offset.storage.topic={group}-offsets
offset.storage.replication.factor=1
offset.storage.partitions=1
config.storage.topic={group}-configs
config.storage.replication.factor=1
status.storage.topic={group}-status
status.storage.replication.factor=1
status.storage.partitions=1
exactly.once.source.support={exactly_once}
scheduled.rebalance.max.delay.ms=0
connector.client.config.override.policy=All
plugin.path={}
plugin.discovery=service_load
",
        kafka.bootstrap(),
        paths::debezium().display()
    );
    for (name, value) in &options.settings {
        let _ = writeln!(text, "{name}={value}");
    }
    text
}
