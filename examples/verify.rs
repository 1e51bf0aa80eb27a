//! What `walpost verify` takes: time and memory for ROWS rows and as many records, on throw-away servers.
//!
//! `cargo build --release && cargo run --release --example verify`. Prints rows a second and the most that was resident;
//! ends with an error when a row is not found, more than 256 MB were, or less than 200,000 rows a second were compared.
//! FLAGS are further flags of the command.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use support::{Broker, BrokerOptions, Connector, Database, DatabaseOptions, status_kb};

const PATIENCE: Duration = Duration::from_secs(3600);
/// What the command promises.
const MOST_KB: u64 = 256 * 1024;
/// Rows a second, on two cores.
const LEAST: f64 = 200_000.0;

fn main() -> ExitCode {
    let rows: u64 = std::env::var("ROWS").map_or(10_000_000, |rows| rows.parse().expect("a number"));
    let options = DatabaseOptions::new().setting("max_wal_size", "8GB").setting("shared_buffers", "512MB");
    let (postgres, kafka) = (Database::with(options), Broker::with(BrokerOptions::new().fast()));
    let db = postgres.fresh_database();
    db.create_outbox();
    db.execute("alter table outbox add seq bigint generated always as identity");
    let builder = Connector::new(&db, &kafka)
        .set("topic.creation.default.partitions", 4)
        .set("topic.creation.default.replication.factor", 1)
        .set("walpost.idle.position.interval.ms", 200);
    let mut connector = builder.clone().start();
    connector.wait_ready();
    let began = Instant::now();
    for first in (0..rows).step_by(500_000) {
        let last = rows.min(first + 500_000) - 1;
        db.execute(&format!(
            "insert into outbox (aggregatetype, aggregateid, type, payload)
             select (array['order', 'user'])[1 + n % 2], (n % 100000)::text, 'placed',
                    jsonb_build_object('number', n, 'customer', md5(n::text), 'note', repeat('x', 60))
             from generate_series({first}, {last}) n"
        ));
    }
    println!("{rows} rows written in {:.0} s", began.elapsed().as_secs_f64());
    wait_published(&mut connector, rows);
    println!("published after {:.0} s", began.elapsed().as_secs_f64());
    db.execute("vacuum analyze outbox");
    let directory = std::env::temp_dir().join(format!("walpost-verify-{}.json", std::process::id()));
    std::fs::write(&directory, builder.json()).expect("a configuration file");
    let flags = std::env::var("FLAGS").unwrap_or_default();
    let beside = std::env::current_exe().expect("this program").with_file_name("../walpost");
    let mut command = Command::new(std::env::var_os("WALPOST_BIN").map_or(beside, Into::into));
    command.args(["verify", "--output", "json", "--config"]).arg(&directory).args(flags.split_whitespace());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("walpost");
    let mut most_kb = 0;
    while child.try_wait().expect("our own child").is_none() {
        most_kb = most_kb.max(status_kb(child.id(), "VmHWM:").unwrap_or(0));
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let output = child.wait_with_output().expect("its output");
    std::fs::remove_file(&directory).expect("it is there");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let (seconds, matched) = (told["seconds"].as_f64().expect("a number"), &told["total"]["matched"]);
    println!(
        "{matched} of {rows} matched in {seconds:.1} s: {:.0} rows/s, {LEAST:.0} expected; at most {} MB resident",
        rows as f64 / seconds,
        most_kb / 1024
    );
    println!("{}", told["total"]);
    match output.status.success() && *matched == rows && most_kb <= MOST_KB && rows as f64 / seconds >= LEAST
    {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn wait_published(connector: &mut Connector, rows: u64) {
    support::wait_until("everything is published", PATIENCE, || {
        let page = connector.metrics();
        let line =
            page.lines().find_map(|line| line.strip_prefix("walpost_events_total{result=\"published\"} "));
        line.and_then(|count| count.parse::<f64>().ok()).filter(|count| *count >= rows as f64)
    });
}
