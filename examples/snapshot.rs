//! `make snapshot`: how fast ROWS rows of an outbox are published by a snapshot, on throw-away servers.
//!
//! Once with random keys (uuid) and once with rising ones (bigint), ROUNDS times each. Every topic is counted by its end
//! offsets; prints a table, and ends with an error when a row is missing, or when the median of a kind is below the bar of
//! 100,000 rows a second.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::{Broker, BrokerOptions, Connector, Database, DatabaseHandle, DatabaseOptions};

const PATIENCE: Duration = Duration::from_secs(1800);
const BAR: f64 = 100_000.0;

fn main() -> ExitCode {
    let dose = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (rows, rounds) = (dose("ROWS", 1_000_000), dose("ROUNDS", 3));
    let options = DatabaseOptions::new().setting("max_wal_size", "8GB").setting("shared_buffers", "512MB");
    let (postgres, kafka) = (Database::with(options), Broker::with(BrokerOptions::new().fast()));
    println!(
        "| key | rows | rows a second, each round | median | from start to exit, s | most resident, MB |"
    );
    println!("|---|---|---|---|---|---|");
    let mut is_good = true;
    for key in ["uuid", "bigint"] {
        let db = outbox(&postgres, key, rows);
        let results: Vec<Outcome> = (0..rounds).map(|_| measure(&db, &kafka, rows)).collect();
        let mut rates: Vec<f64> = results.iter().map(|it| it.per_second).collect();
        let each: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
        rates.sort_by(f64::total_cmp);
        let median = rates[rates.len() / 2];
        let slowest = results.iter().map(|it| it.seconds).fold(0.0, f64::max);
        let most_kb = results.iter().map(|it| it.most_kb).max().unwrap_or_default();
        println!(
            "| {key} | {rows} | {} | {median:.0} | {slowest:.1} | {} |",
            each.join(", "),
            most_kb / 1024
        );
        is_good &= median >= BAR && results.iter().all(|it| it.is_whole);
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Outcome {
    /// As the connector says: from the first row read to the last one committed.
    per_second: f64,
    /// From its start to its exit.
    seconds: f64,
    most_kb: u64,
    is_whole: bool,
}

/// An outbox with payloads of some 300 bytes.
fn outbox(postgres: &Database, key: &str, rows: u64) -> DatabaseHandle {
    let db = postgres.fresh_database();
    let id = match key {
        "uuid" => "uuid primary key default gen_random_uuid()",
        _ => "bigint generated always as identity primary key",
    };
    db.execute(&format!(
        "create table outbox (id {id}, aggregatetype varchar(255) not null, aggregateid varchar(255) not null,
         type varchar(255) not null, payload jsonb)"
    ));
    for first in (0..rows).step_by(250_000) {
        let last = rows.min(first + 250_000) - 1;
        db.execute(&format!(
            "insert into outbox (aggregatetype, aggregateid, type, payload)
             select (array['order', 'user'])[1 + n % 2], (n % 100000)::text, 'placed',
                    jsonb_build_object('number', n, 'customer', md5(n::text), 'note', repeat('x', 200))
             from generate_series({first}, {last}) n"
        ));
    }
    db.execute("vacuum analyze outbox");
    db
}

/// One snapshot of a connector that was never there before.
fn measure(db: &DatabaseHandle, kafka: &Broker, rows: u64) -> Outcome {
    let name = support::unique_name("snapshot");
    let builder = Connector::new(db, kafka)
        .set("name", &name)
        .set("topic.prefix", &name)
        .set("slot.name", &name)
        .set("snapshot.mode", "initial_only")
        .set("transforms.outbox.route.topic.replacement", format!("{name}.${{routedByValue}}"))
        .set("topic.creation.default.partitions", 4)
        .set("topic.creation.default.replication.factor", 1);
    let began = Instant::now();
    let mut connector = builder.start();
    let mut most_kb = 0;
    while connector.has_ended().is_none() {
        most_kb = most_kb.max(support::status_kb(connector.pid(), "VmHWM:").unwrap_or(0));
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let (exit, log) = connector.wait_exit(PATIENCE);
    let seconds = began.elapsed().as_secs_f64();
    assert!(exit.success(), "{log}");
    let told = log.lines().filter(|line| line.contains("the snapshot is published"));
    let told: Vec<serde_json::Value> = told.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let field = |name: &str| told[0].get(name).or(told[0]["fields"].get(name)).and_then(|it| it.as_f64());
    let topics = ["order", "user"].map(|aggregate| format!("{name}.{aggregate}"));
    let count = |topic: &String| kafka.records(&[topic]).len() as u64;
    let published: u64 = topics.iter().map(count).sum();
    topics.iter().for_each(|topic| kafka.delete_topic(topic));
    Outcome {
        per_second: field("per_second").expect("a rate"),
        seconds,
        most_kb,
        is_whole: published == rows && field("rows") == Some(rows as f64),
    }
}
