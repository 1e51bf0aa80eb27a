//! A schema registry, Apicurio by its Confluent interface: start, crash, start again.
//!
//! What it knows is in a file, so that one that is started again has it still. Dropped, it is killed.

use super::paths::{self, Scratch};
use super::process::{Process, free_port};
use super::{PATIENCE, http, wait_until};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

/// A registry that was started.
pub struct Registry {
    process: Mutex<Option<Process>>,
    port: u16,
    scratch: Scratch,
}

impl Registry {
    /// One registry for all tests of this binary; it ends with the process.
    pub fn shared() -> &'static Registry {
        static SHARED: OnceLock<Registry> = OnceLock::new();
        SHARED.get_or_init(Registry::start)
    }

    /// A registry of one's own; returns when it answers.
    pub fn start() -> Registry {
        let registry =
            Registry { process: Mutex::new(None), port: free_port(), scratch: Scratch::new("registry") };
        registry.start_again();
        registry
    }

    /// `schema.registry.url`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// On the same port and with what it knew; returns when it answers.
    pub fn start_again(&self) {
        assert!(self.process().is_none(), "it still runs");
        let mut java = Command::new("java");
        java.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        java.arg("-jar").arg(paths::registry()).current_dir(self.scratch.path());
        // Whatever was answered is on disk: a crash forgets nothing.
        let database = self.scratch.join("known").display().to_string();
        let database = format!("jdbc:h2:file:{database};DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0");
        java.env("QUARKUS_HTTP_HOST", "127.0.0.1").env("QUARKUS_HTTP_PORT", self.port.to_string());
        java.env("APICURIO_DATASOURCE_URL", database);
        *self.process() = Some(Process::spawn(java, &self.scratch.join("registry.log")));
        wait_until("the registry answers", 2 * PATIENCE, || {
            let ended = self.process().as_mut().is_some_and(|process| process.exit().is_some());
            assert!(!ended, "the registry did not start:\n{}", self.log());
            (self.request("GET", "/subjects", "")?.0 == 200).then_some(())
        });
    }

    /// A crash.
    pub fn kill(&self) {
        let process = self.process().take();
        drop(process);
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.join("registry.log")).unwrap_or_default()
    }

    /// Makes a schema the subject's newest; its id.
    pub fn register(&self, subject: &str, schema: &str) -> i64 {
        self.register_as("AVRO", subject, schema, &json!([]))
    }

    /// The same in another language, and with what it refers to.
    pub fn register_as(&self, language: &str, subject: &str, schema: &str, references: &Value) -> i64 {
        let body = json!({ "schema": schema, "schemaType": language, "references": references }).to_string();
        let answer = self.ask("POST", &format!("/subjects/{subject}/versions"), &body);
        answer["id"].as_i64().unwrap_or_else(|| panic!("{subject}: {answer}"))
    }

    /// Sets the subject's level of compatibility.
    pub fn set_level(&self, subject: &str, level: &str) {
        let body = json!({ "compatibility": level }).to_string();
        let answer = self.ask("PUT", &format!("/config/{subject}"), &body);
        assert_eq!(answer["compatibilityLevel"], level, "{answer}");
    }

    /// The schema of this id.
    pub fn schema(&self, id: i32) -> String {
        let answer = self.ask("GET", &format!("/schemas/ids/{id}"), "");
        answer["schema"].as_str().unwrap_or_else(|| panic!("schema {id}: {answer}")).to_owned()
    }

    /// The versions a subject has; none that is not there.
    pub fn versions(&self, subject: &str) -> usize {
        let answer = self.ask("GET", &format!("/subjects/{subject}/versions"), "");
        answer.as_array().map_or(0, Vec::len)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let (_, answer) = self.request(method, path, body).expect("the registry answers");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{method} {path}: {error}: {answer}"))
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        http::request(address, method, &format!("{PATH}{path}"), body, Duration::from_secs(30))
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Where Confluent's interface is.
const PATH: &str = "/apis/ccompat/v7";
