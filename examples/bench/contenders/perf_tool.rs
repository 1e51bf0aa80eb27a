//! `kafka-producer-perf-test`: Kafka's own tool, with transactions. What the broker can take from a Java producer.

use crate::arrivals::Count;
use crate::process::{Meter, Reading};
use crate::results::{Drain, Spell};
use crate::servers::Servers;
use crate::statistics::Percentiles;
use crate::support::{Jvm, Process, Scratch, java, unique_name};
use std::thread;
use std::time::Duration;

/// What a record has beside its payload: a key and an id.
const BESIDE: u64 = 50;

/// As many records as the backlog has rows, as fast as they go.
pub fn drain(servers: &Servers, topic: &str, events: u64, payload: u64) -> Drain {
    let (output, reading) = run(
        servers,
        topic,
        payload,
        &[
            ("--num-records", events.to_string()),
            ("--throughput", "-1".to_owned()),
            ("--transaction-duration-ms", "100".to_owned()),
        ],
    );
    let summary = Summary::last(&output);
    let (records, _) = Count::of(&servers.kafka, topic).read_on();
    assert_eq!(records, events, "{output}");
    let reading = Reading { seconds: events as f64 / summary.rate, ..reading };
    Drain { events, reading, disk: Some(servers.bytes_on_disk(topic)), commits: None }
}

/// At a rate, with short transactions; its own latencies, which end when a record is acknowledged.
pub fn hold(servers: &Servers, topic: &str, rate: u64, warm_up: u64, seconds: u64, payload: u64) -> Spell {
    let all = rate * (warm_up + seconds);
    let (output, reading) = run(
        servers,
        topic,
        payload,
        &[
            ("--num-records", all.to_string()),
            ("--warmup-records", (rate * warm_up).to_string()),
            ("--throughput", rate.to_string()),
            ("--transaction-duration-ms", "10".to_owned()),
        ],
    );
    Spell { events: all, reading, latency: Summary::last(&output).latency }
}

/// What it wrote, and what it used.
fn run(servers: &Servers, topic: &str, payload: u64, doses: &[(&str, String)]) -> (String, Reading) {
    let scratch = Scratch::new("perf");
    let mut tool = java(Jvm::Fast, "256m", "512m");
    tool.arg(format!("-Dkafka.log.file={}", scratch.join("tool.log").display()));
    tool.arg("org.apache.kafka.tools.ProducerPerformance");
    tool.args(["--topic", topic, "--bootstrap-server", &servers.kafka.bootstrap()]);
    tool.args(["--record-size", &(payload + BESIDE).to_string()]);
    tool.args(["--transactional-id", &unique_name("perf")]);
    tool.args(doses.iter().flat_map(|(name, dose)| [*name, dose.as_str()]));
    tool.args(["--command-property", "linger.ms=5", "batch.size=1048576", "compression.type=lz4"]);
    let mut meter = Meter::start(servers.kafka.pid());
    let mut process = Process::spawn(tool, &scratch.join("out.log"));
    meter.own_since_birth(process.id());
    let mut reading = meter.look();
    let status = loop {
        match process.exit() {
            Some(status) => break status,
            None => reading = meter.look(),
        }
        thread::sleep(Duration::from_millis(20));
    };
    let output = std::fs::read_to_string(scratch.join("out.log")).unwrap_or_default();
    assert!(status.success(), "{output}");
    (output, reading)
}

/// Its last line: "… records sent, … records/sec (… MB/sec), … ms avg latency, … ms max latency, … ms 50th, …".
struct Summary {
    rate: f64,
    latency: Percentiles,
}

impl Summary {
    fn last(output: &str) -> Summary {
        let read = |line: &str| {
            let before =
                |unit: &str| line.split(", ").find(|part| part.contains(unit)).and_then(first_number);
            let latency = Percentiles {
                p50: before("ms 50th")?,
                p95: before("ms 95th")?,
                p99: before("ms 99th")?,
                max: before("ms max")?,
            };
            Some(Summary { rate: before("records/sec")?, latency })
        };
        output.lines().filter_map(read).next_back().unwrap_or_else(|| panic!("no summary in {output}"))
    }
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}
