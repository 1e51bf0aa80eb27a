//! The same rows and properties as Debezium, and the records it published.
//!
//! Contents
//! - `golden`       the records of `tests/golden/debezium-3.6.3.jsonl`, as runs of a connector
//! - `capture`      a real Postgres turns a run's statements into pgoutput messages
//! - `ours`         walpost turns the messages into records, with the run's properties read as a user writes them
//! - `differences`  where walpost differs on purpose, by name, with the reason
//! - `properties`   what becomes of each of Debezium's properties
//! - `messages`     messages that nothing decodes, of the real Debezium and of walpost
//! - `differential` the real Debezium beside walpost, on rows and properties that are generated
//!
//! Topic, partition, timestamp, headers in order, key and value must be equal, byte for byte.

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "its seed has another name here")]
#[path = "../gauntlet/random.rs"]
mod random;

mod capture;
mod differences;
mod differential;
mod golden;
mod messages;
mod ours;
mod properties;

use capture::Capturer;
use differences::Difference;
use golden::{Expected, Run, text};
use ours::{NOW, Outcome, Record};
use serde_json::Value;
use support::Database;
use walpost::config::Config;

/// Records in the golden file.
const ALL: usize = 426;

#[test]
fn records_are_those_that_debezium_publishes() {
    let deliberate = compare_all(false);
    assert_eq!(deliberate, differences::ALL.iter().map(Difference::records).sum::<usize>());
}

#[test]
fn in_strict_mode_only_what_the_producer_refuses_is_not_debeziums() {
    let deliberate = compare_all(true);
    let remaining = differences::ALL.iter().filter(|difference| difference.remains);
    // And the record whose replacement is refused at the start otherwise: its topic has a blank in it.
    assert_eq!(deliberate, remaining.map(Difference::records).sum::<usize>() + 1);
}

/// Compares every record, and answers how many differ on purpose.
fn compare_all(strict: bool) -> usize {
    let directory = tempfile::tempdir().expect("a directory");
    let database = Database::shared().fresh_database();
    let (mut covered, mut deliberate, mut mismatches) = (0, 0, Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let session = session(&database).await;
        let mut capturer = Capturer::new(&session).await;
        for run in &Run::all() {
            covered += run.expected.len();
            let config = ours::configure(run, strict, directory.path());
            mismatches.extend(heartbeats(run, &config));
            let ours = match config {
                Err(problems) => vec![Err(problems)],
                // A run of nothing but heartbeats has no rows.
                Ok(_) if run.expected.iter().all(Expected::is_heartbeat) => Vec::new(),
                Ok(config) => {
                    let capture = capturer.capture(run).await;
                    ours::outcomes(run, config, &capture).into_iter().map(Ok).collect()
                }
            };
            let compared = compare(run, strict, &ours);
            deliberate += compared.deliberate;
            mismatches.extend(compared.mismatches);
        }
    });
    println!("covered: {covered} records, of which {deliberate} differ on purpose (strict: {strict})");
    assert!(mismatches.is_empty(), "{} mismatches:\n{}", mismatches.len(), mismatches.join("\n"));
    assert_eq!(covered, ALL);
    deliberate
}

/// What differs in the run's heartbeats, whose time is that of the golden one.
fn heartbeats(run: &Run, config: &Result<Config, String>) -> Vec<String> {
    let mut mismatches = Vec::new();
    for expected in run.expected.iter().filter(|expected| expected.is_heartbeat()) {
        let outcome = &expected.outcome;
        let value = text(&outcome["value"]);
        let at = value.rfind("\"ts_ms\":").map_or(0, |at| at + 8);
        let now = value[at..].trim_end_matches('}').parse().unwrap_or_default();
        let ours = config.clone().and_then(|config| ours::heartbeat(config, now));
        let theirs = Record {
            topic: text(&outcome["topic"]).to_owned(),
            partition: Some(0),
            timestamp: now,
            headers: Vec::new(),
            key: bytes(&outcome["key"]),
            value: bytes(&outcome["value"]),
        };
        if ours.as_ref() != Ok(&theirs) {
            mismatches.push(format!("{}: {ours:?}, where Debezium has {theirs:?}", name(run, expected)));
        }
    }
    mismatches
}

async fn session(database: &support::DatabaseHandle) -> walpost::postgres::session::Session {
    let config = walpost::postgres::Config {
        host: "127.0.0.1".into(),
        port: database.server().port(),
        user: "postgres".into(),
        password: None,
        database: database.name().into(),
        ssl_mode: walpost::postgres::SslMode::Disable,
        ssl_root_cert: None,
        ssl_cert: None,
        ssl_key: None,
        connect_timeout: support::PATIENCE,
        tcp_keepalive: true,
        application_name: "compat".into(),
    };
    walpost::postgres::session::connect(&config).await.expect("a session")
}

#[derive(Default)]
struct Compared {
    deliberate: usize,
    mismatches: Vec<String>,
}

/// Ours: an outcome per row, or the problems of a configuration that was refused.
fn compare(run: &Run, strict: bool, ours: &[Result<Outcome, String>]) -> Compared {
    let mut compared = Compared::default();
    let mut rows = ours.iter();
    for expected in run.expected.iter().filter(|expected| !is_passed_over(expected)) {
        // A configuration that is refused answers for every record.
        let ours = match ours {
            [refused @ Err(_)] => Some(refused),
            _ => rows.next(),
        };
        let difference = Difference::of(run, expected, strict);
        let verdict = match (ours, difference) {
            (Some(ours), Some((difference, golden))) => {
                compared.deliberate += 1;
                let same = |expected: &_, record: &_| same(run, expected, record);
                golden.check(expected, ours, same).map_err(|what| format!("{what} ({})", difference.reason))
            }
            (Some(ours), None) => check(run, expected, ours),
            (None, _) => Err("nothing came out".to_owned()),
        };
        if let Err(what) = verdict {
            compared.mismatches.push(format!("{}: {what}", name(run, expected)));
        }
    }
    if !matches!(ours, [Err(_)]) {
        // Of some runs the file has no more than where the transaction begins.
        let begins = run.expected.iter().all(Expected::is_boundary);
        for extra in rows.filter(|_| !begins) {
            compared.mismatches.push(format!("{}: more than expected: {extra:?}", run.case));
        }
    }
    compared
}

/// Nothing was published, or something that is no event of the outbox.
fn is_passed_over(expected: &Expected) -> bool {
    expected.outcome["result"] == "dropped" || expected.is_heartbeat()
}

fn name(run: &Run, expected: &Expected) -> String {
    let converters = ["key.converter", "value.converter", "header.converter"].map(|place| {
        let schemas = run.converter(place).get("schemas.enable").map_or("", |_| "(no schemas)");
        format!("{}{schemas}", run.converter_class(place))
    });
    format!("{}/{} [{}] {}", run.case, expected.record, run.router_text(), converters.join(" "))
}

/// Equal, or refused where Debezium dies.
fn check(run: &Run, expected: &Expected, ours: &Result<Outcome, String>) -> Result<(), String> {
    match (expected.error(), ours) {
        (Some(_), Err(_) | Ok(Outcome::Rejected(_))) => Ok(()),
        (Some(error), Ok(Outcome::Record(record))) => {
            Err(format!("published {record:?}, where Debezium has {error}"))
        }
        (None, Err(problems)) => Err(format!("configuration refused: {problems}")),
        (None, Ok(Outcome::Rejected(why))) => Err(format!("rejected: {why}")),
        (None, Ok(Outcome::Record(record))) => same(run, expected, record),
    }
}

fn same(run: &Run, expected: &Expected, ours: &Record) -> Result<(), String> {
    let outcome = &expected.outcome;
    let is_of_run = outcome["topic"].as_str().is_some_and(|topic| topic.starts_with("app."));
    let shown = |bytes: &[u8]| match shown(bytes) {
        shown if run.is_random() => shape(&shown),
        shown if is_of_run => masked(&shown),
        shown => shown,
    };
    let partition = outcome["partition"].as_i64().map(|partition| partition as i32);
    let timestamp = outcome["timestamp"].as_i64().unwrap_or(NOW);
    let mut headers: Vec<(String, Option<String>)> = Vec::new();
    for header in outcome["headers"].as_array().expect("headers") {
        headers.push((text(&header[0]).to_owned(), bytes(&header[1]).map(|bytes| shown(&bytes))));
    }
    let is_told = |name: &str| !(expected.without_context && name.starts_with("__debezium.context."));
    let our_headers: Vec<_> = ours
        .headers
        .iter()
        .filter(|(name, _)| is_told(name))
        .map(|(name, value)| (name.clone(), value.as_deref().map(&shown)))
        .collect();
    let mut wrong = Vec::new();
    let mut expect = |what: &str, expected: String, ours: String| {
        if expected != ours {
            wrong.push(format!("{what}\n    expected {expected}\n    ours     {ours}"));
        }
    };
    expect("topic", text(&outcome["topic"]).to_owned(), ours.topic.clone());
    expect("partition", format!("{partition:?}"), format!("{:?}", ours.partition));
    expect("timestamp", timestamp.to_string(), ours.timestamp.to_string());
    expect("headers", format!("{headers:?}"), format!("{our_headers:?}"));
    let part = |bytes: Option<&[u8]>| format!("{:?}", bytes.map(&shown));
    expect("key", part(bytes(&outcome["key"]).as_deref()), part(ours.key.as_deref()));
    expect("value", part(bytes(&outcome["value"]).as_deref()), part(ours.value.as_deref()));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n  ")) }
}

/// Golden bytes: text, `hex:…`, or null.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    Some(match text.strip_prefix("hex:") {
        Some(hex) => (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex"))
            .collect(),
        None => text.as_bytes().to_vec(),
    })
}

/// Bytes for people, and without the identity that Java prints of a `byte[]`.
fn shown(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("hex:{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    };
    let mut parts = text.split("[B@");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("[B@");
        shown.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    shown
}

/// A change event, or a transaction's begin or end, without what is another in every run: LSNs, transactions, clocks.
fn masked(text: &str) -> String {
    const BEFORE: [&str; 6] = ["\"ts_ms\":", "\"ts_us\":", "\"ts_ns\":", "\"txId\":", "\"lsn\":", "\\\""];
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        masked.push_str(&rest[..at]);
        let end = rest[at..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| at + end);
        let (number, after) = (&rest[at..end], &rest[end..]);
        // A transaction is named by its id, a colon and an LSN.
        let is_named = masked.ends_with("#:")
            || (["\"id\":\"", "{id="].iter().any(|before| masked.ends_with(before))
                && after.starts_with(':'));
        match is_named || BEFORE.iter().any(|before| masked.ends_with(before)) {
            true => masked.push('#'),
            false => masked.push_str(number),
        }
        rest = after;
    }
    masked + rest
}

/// A random value's shape: what could be a hex digit is one.
fn shape(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect()
}
