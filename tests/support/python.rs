//! Python with Confluent's client or the SDK of CloudEvents, as deploy/local/install has them.

use super::paths;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Runs a script with Confluent's client.
pub fn run(script: &str, task: &Value) -> Value {
    run_in(paths::python(), script, task)
}

/// The Python that has Confluent's client, and the compiler of .proto files.
pub fn interpreter() -> PathBuf {
    paths::python()
}

/// Runs a script with the SDK of CloudEvents.
pub fn with_cloudevents(script: &str, task: &Value) -> Value {
    run_in(paths::cloudevents(), script, task)
}

/// Runs a script that reads a task as JSON and prints its answer as JSON.
fn run_in(python: PathBuf, script: &str, task: &Value) -> Value {
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let mut stdin = child.stdin.take().expect("its stdin");
    stdin.write_all(task.to_string().as_bytes()).expect("it listens");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
}
