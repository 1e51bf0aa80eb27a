//! `make memory`: what walpost takes at most, measured at full doses on throw-away servers.
//!
//! A transaction of ROWS rows; EVENTS events of 20 MB, and ten times as many of 900 KB; a Kafka that stands still for SECONDS seconds, with a producer
//! that outlasts it and with one that does not. Prints a table; ends with an error when a case exceeds the bound, loses
//! or repeats an event, or has a walsender given up. CASES="rows middling large halts" chooses.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::Duration;
use support::memory::{
    Outcome, calm, create_noise, measure, of_20_mb, patient, write_20_mb, write_at_once, write_beside_a_halt,
    writes,
};
use support::{
    Broker, BrokerOptions, Connector, ConnectorBuilder, Database, DatabaseHandle, DatabaseOptions,
};

const PATIENCE: Duration = Duration::from_secs(1800);

fn main() -> ExitCode {
    let options = DatabaseOptions::new()
        .setting("wal_sender_timeout", "5s")
        .setting("max_wal_size", "8GB")
        .setting("logical_decoding_work_mem", "256MB");
    let (postgres, kafka) = (Database::with(options), Broker::with(calm(BrokerOptions::new().fast())));
    println!("{HEAD}");
    let chosen = std::env::var("CASES").unwrap_or_default();
    let cases: [(&str, Case); 4] =
        [("rows", rows), ("middling", middling), ("large", large), ("halts", halts)];
    let mut is_good = true;
    for (_, case) in
        cases.iter().filter(|(name, _)| chosen.is_empty() || chosen.split(' ').any(|one| one == *name))
    {
        is_good &= case(&postgres, &kafka);
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures and tells; whether it went as it should.
type Case = fn(&Database, &Broker) -> bool;

/// One transaction of ten million rows.
fn rows(postgres: &Database, kafka: &Broker) -> bool {
    let (rows, db) = (dose("ROWS", 10_000_000), database(postgres));
    let insert = |_: &_| write_at_once(&db, rows, 100);
    let outcome = measure(&db, kafka, connector(&db, kafka), rows, PATIENCE, insert);
    told("one transaction", rows, true, &outcome)
}

/// Events that are just not large.
fn middling(postgres: &Database, kafka: &Broker) -> bool {
    let (events, db) = (10 * dose("EVENTS", 100), database(postgres));
    let builder = connector(&db, kafka).set("producer.override.compression.type", "lz4");
    let insert = |_: &_| write_at_once(&db, events, 900_000);
    told("900 KB each, lz4", events, true, &measure(&db, kafka, builder, events, PATIENCE, insert))
}

/// Events of 20 MB.
fn large(postgres: &Database, kafka: &Broker) -> bool {
    let events = dose("EVENTS", 100);
    let mut is_good = true;
    for compression in ["none", "lz4"] {
        let db = database(postgres);
        create_noise(&db);
        let builder = of_20_mb(connector(&db, kafka)).set("producer.override.compression.type", compression);
        let outcome = measure(&db, kafka, builder, events, PATIENCE, |_| write_20_mb(&db, events));
        is_good &= told(&format!("20 MB each, {compression}"), events, true, &outcome);
    }
    is_good
}

/// A Kafka that stands still.
fn halts(postgres: &Database, kafka: &Broker) -> bool {
    const EACH: u64 = 500;
    let pause = Duration::from_secs(dose("SECONDS", 60));
    let total = writes(pause) * EACH;
    let mut is_good = true;
    for outlasted in [true, false] {
        let db = database(postgres);
        let builder = connector(&db, kafka);
        let builder = if outlasted { patient(builder, 2 * pause.as_secs()) } else { builder };
        let load = |seen: &_| write_beside_a_halt(&db, kafka, pause, EACH, seen);
        let outcome = measure(&db, kafka, builder, total, PATIENCE, load);
        let name = if outlasted { "Kafka halts, outlasted" } else { "Kafka halts, new sessions" };
        is_good &= told(name, total, outlasted, &outcome);
    }
    is_good
}

/// Prints a line; `goes_on`: in one session, with one walsender.
fn told(name: &str, total: u64, goes_on: bool, outcome: &Outcome) -> bool {
    println!("{}", line(name, outcome));
    outcome.troubles.iter().for_each(|trouble| println!("    a session ended: {trouble}"));
    outcome.is_good(total) && (!goes_on || outcome.went_on())
}

/// A number from the environment.
fn dose(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn database(postgres: &Database) -> DatabaseHandle {
    let db = postgres.fresh_database();
    db.create_outbox();
    db
}

fn connector(db: &DatabaseHandle, kafka: &Broker) -> ConnectorBuilder {
    Connector::new(db, kafka).set("topic.creation.default.replication.factor", 1)
}

const HEAD: &str = "\
case                            events   seconds  peak MB  bound MB  walsender  given up  sessions  lost  twice  damaged";

fn line(name: &str, outcome: &Outcome) -> String {
    let Outcome { found, peak_mb, bound_mb, kept, timed_out, troubles, seconds } = outcome;
    format!(
        "{name:28} {:9} {seconds:9.1} {peak_mb:8.1} {bound_mb:9.1}  {:9}  {:8}  {:8} {:5} {:6} {:8}",
        found.events,
        if *kept { "the same" } else { "another" },
        if *timed_out { "yes" } else { "no" },
        troubles.len() + 1,
        found.lost,
        found.twice,
        found.damaged
    )
}
