//! What these tests have in common: files in a directory of their own, and walpost run there.

use serde_json::Value;
use std::process::{Command, Stdio};

/// A configuration that is right, of servers that are not there.
pub const ENOUGH: &str = "\
name=shop
database.hostname=127.0.0.1
database.port=1
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
bootstrap.servers=127.0.0.1:1
";

/// These lines, and what is enough beside them.
pub fn with(lines: &str) -> String {
    over(lines, ENOUGH)
}

/// These lines, and after them those of others that say something else.
pub fn over(lines: &str, others: &str) -> String {
    let key = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
    let written: Vec<String> = lines.lines().map(key).collect();
    let others = others.lines().filter(|line| !written.contains(&key(line)));
    lines.lines().chain(others).fold(String::new(), |text, line| text + line + "\n")
}

/// A directory with some files, in which walpost is run.
pub struct Files {
    directory: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Files {
    pub fn new(files: &[(&str, &str)]) -> Files {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).expect("a file");
        }
        Files { directory, environment: Vec::new() }
    }

    /// `c.properties` with these lines and what is enough beside them.
    pub fn with(lines: &str) -> Files {
        Files::new(&[("c.properties", &with(lines))])
    }

    /// Where a file of this name is, or would be.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    pub fn env(mut self, name: &str, value: &str) -> Files {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs a command line in this directory, and nothing of the tests' own environment with it.
    pub fn run(&self, command_line: &str) -> Answer {
        let arguments: Vec<&str> = command_line.split_whitespace().collect();
        let mut walpost = Command::new(env!("CARGO_BIN_EXE_walpost"));
        walpost.args(&arguments).current_dir(self.directory.path()).stdin(Stdio::null()).env_clear();
        walpost.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = walpost.output().expect("walpost runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Answer {
            what: command_line.to_owned(),
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs a command with `c.properties`, and expects this exit code.
    pub fn ask(&self, command: &str, code: i32) -> Answer {
        self.run(&format!("{command} --config c.properties")).expect(code)
    }
}

/// Runs a command line where there are no files.
pub fn walpost(command_line: &str) -> Answer {
    Files::new(&[]).run(command_line)
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub struct Answer {
    what: String,
    /// `None` when a signal ended it, as a panic that aborts does.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn expect(self, code: i32) -> Answer {
        assert_eq!(self.code, Some(code), "walpost {}\n{}{}", self.what, self.stdout, self.stderr);
        self
    }

    /// Nothing on stdout: who reads data there reads none.
    pub fn silent(self) -> Answer {
        assert_eq!(self.stdout, "", "walpost {}", self.what);
        self
    }

    /// All of stdout as one JSON object.
    pub fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("walpost {}: {error}\n{}", self.what, self.stdout));
        assert_eq!(value["schema_version"], 1, "walpost {}", self.what);
        value
    }

    /// stderr says all of these.
    pub fn says(self, words: &[&str]) -> Answer {
        for word in words {
            assert!(self.stderr.contains(word), "walpost {}: {word:?} is not in\n{}", self.what, self.stderr);
        }
        self
    }

    /// Both streams.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}
