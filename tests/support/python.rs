//! Python with Confluent's client, as deploy/local/install has it.

use super::paths;
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs a script that reads a task as JSON and prints its answer as JSON.
pub fn run(script: &str, task: &Value) -> Value {
    let mut child = Command::new(paths::python())
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
