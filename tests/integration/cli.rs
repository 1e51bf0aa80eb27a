//! The commands, on real servers.
//!
//! Contents
//! - `init`         the SQL that is printed, and what --apply does; the roles are enough to run with
//! - `slot`         created, listed, shown, dropped, moved; nothing is lost without being asked for by name
//! - `publication`  created and shown
//! - `offsets`      where the connector stands, how that is set and forgotten; and the JSON of every command
//! - `doctor`       a healthy setup, and each fault by its finding

mod doctor;
mod init;
pub mod offsets;
mod publication;
mod slot;

use crate::support::ConnectorBuilder;
use serde_json::Value;

/// What a command printed.
#[derive(Debug)]
pub struct Answer {
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command with the connector's configuration, and expects this exit code.
pub fn ask(builder: &ConnectorBuilder, command: &str, code: i32) -> Answer {
    let output = builder.command(&command.split_whitespace().collect::<Vec<_>>());
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let answer = Answer { stdout: text(output.stdout), stderr: text(output.stderr) };
    assert_eq!(output.status.code(), Some(code), "walpost {command}: {answer:?}");
    answer
}

/// The same for programs: all of stdout is one JSON object.
pub fn ask_json(builder: &ConnectorBuilder, command: &str, code: i32) -> Value {
    let answer = ask(builder, &format!("{command} --output json"), code);
    let value: Value = serde_json::from_str(&answer.stdout)
        .unwrap_or_else(|error| panic!("walpost {command}: {error}: {answer:?}"));
    assert_eq!(value["schema_version"], 1, "walpost {command}: {value:#}");
    value
}

/// Refused with this exit code, these words and nothing on stdout.
pub fn refused(builder: &ConnectorBuilder, command: &str, code: i32, words: &[&str]) {
    let answer = ask(builder, command, code);
    assert_eq!(answer.stdout, "", "walpost {command}");
    for word in words {
        assert!(answer.stderr.contains(word), "walpost {command}: {word:?} is not in\n{}", answer.stderr);
    }
}
