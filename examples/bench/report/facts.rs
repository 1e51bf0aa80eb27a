//! On what and with what it was measured: machine, versions, configuration, doses.

use crate::doses::{self, Doses};
use crate::servers::Servers;
use crate::support::{DEBEZIUM_VERSION, KAFKA_VERSION, binary};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

pub struct Facts {
    pub date: String,
    pub machine: String,
    pub versions: Vec<(&'static str, String)>,
    pub configuration: Vec<(&'static str, String)>,
    pub doses: String,
}

impl Facts {
    pub fn gather(doses: &Doses, servers: &Servers) -> Facts {
        let date =
            servers.postgres.query_one_text("select to_char(now() at time zone 'UTC', 'YYYY-MM-DD HH24:MI')");
        Facts {
            date: date + " UTC",
            machine: machine(),
            versions: versions(servers),
            configuration: configuration(),
            doses: told(doses),
        }
    }

    /// Its version, commit and build.
    pub fn walpost(&self) -> &str {
        self.versions.iter().find(|(name, _)| *name == "walpost").map_or("", |(_, version)| version)
    }

    pub fn json(&self) -> Value {
        let object = |pairs: &[(&'static str, String)]| -> Value {
            pairs.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect()
        };
        json!({
            "date": self.date, "machine": self.machine, "versions": object(&self.versions),
            "configuration": object(&self.configuration), "doses": self.doses,
        })
    }
}

fn machine() -> String {
    let of = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
        line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let kib: u64 = of("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (memory, model) = (kib.div_ceil(1 << 20), of("/proc/cpuinfo", "model name"));
    format!("{cores} cores ({model}) shared by everything, {memory} GiB, Linux {}, loopback", kernel.trim())
}

fn versions(servers: &Servers) -> Vec<(&'static str, String)> {
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    vec![
        ("walpost", walpost()),
        ("Debezium", DEBEZIUM_VERSION.to_owned()),
        ("Kafka, Kafka Connect", KAFKA_VERSION.to_owned()),
        ("PostgreSQL", servers.postgres.query_one_text("show server_version")),
        ("librdkafka", librdkafka),
        ("Java", said("java", &["-version"], "version")),
    ]
}

/// Its version, the last commit that changed it (those of results do not), and how it was built.
fn walpost() -> String {
    const SOURCES: [&str; 4] = ["--", "src", "Cargo.toml", "Cargo.lock"];
    let git = |words: &[&str]| said("git", &[words, &SOURCES].concat(), "");
    let commit = git(&["log", "-1", "--format=%h"]);
    let changed = if git(&["status", "--porcelain"]).is_empty() { "" } else { ", changed" };
    // Cargo names the folder by the profile.
    let path = binary();
    let build = match path.parent().and_then(Path::file_name).and_then(OsStr::to_str) {
        Some("debug") => "a DEVELOPMENT build",
        Some(profile @ ("release" | "dist")) => profile,
        _ => "built elsewhere",
    };
    format!("{} {commit}{changed} ({build})", env!("CARGO_PKG_VERSION"))
}

fn configuration() -> Vec<(&'static str, String)> {
    let walposts = match doses::producers_are_alike() {
        true => "compression.type=lz4, linger.ms=5, batch.size=1 MiB; all else by default",
        false => "compression.type=lz4; all else by default",
    };
    let pad = match doses::pad_is_noise() {
        true => "JSON, padded with text that hardly compresses",
        false => "JSON, padded with one letter; stored uncompressed in Postgres",
    };
    let tuned = "poll.interval.ms=10, max.batch.size=16384, max.queue.size=131072, transaction.boundary=poll, \
                 linger.ms=5, batch.size=1 MiB, compression.type=lz4, StringConverter; heap 2 GB; one worker of Kafka \
                 Connect, kept for all rounds of a cell; clock and CPU begin when its slot is streamed from";
    let lines = [
        ("walpost", walposts),
        ("Debezium", tuned),
        (
            "kafka-producer-perf-test",
            "transactions of 100 ms (drains) and 10 ms (rates), linger.ms=5, batch.size=1 MiB, lz4; payload + 50 B",
        ),
        (
            "bare librdkafka",
            "transactions of 10,000 records (drains) and of what is due (rates), linger.ms=0, lz4",
        ),
        (
            "PostgreSQL",
            "fsync=off, shared_buffers=256MB, logical_decoding_work_mem=256MB, pgoutput version 1",
        ),
        (
            "Kafka",
            "one KRaft node, replication factor 1, heap and options of the JVM as Kafka's own scripts give them (1 GB, G1)",
        ),
        ("payload", pad),
        (
            "latency",
            "from just before the INSERT to a read_committed consumer; the load is in the same machine",
        ),
        (
            "drain",
            "from the start of the process to the last event visible to a read_committed consumer; records = distinct ids = rows, checked",
        ),
    ];
    lines.map(|(name, text)| (name, text.to_owned())).to_vec()
}

fn told(doses: &Doses) -> String {
    format!(
        "{}drains of {} rows, median of {}; fixed rates for {} s after a warm-up of {} s, median of {}; restarts, median of {}",
        if doses.quick { "the short form: " } else { "" },
        doses.rows,
        doses.rounds,
        doses.seconds,
        doses.warm_up,
        doses.spells,
        doses.restarts
    )
}

/// The line of a program's output that has this text.
fn said(program: &str, arguments: &[&str], text: &str) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else { return String::new() };
    let both = [output.stdout, output.stderr].concat();
    let both = String::from_utf8_lossy(&both).into_owned();
    both.lines().find(|line| line.contains(text)).unwrap_or_default().trim().to_owned()
}
