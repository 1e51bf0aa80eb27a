//! The gauntlet's workload and checker, alone.
#![allow(dead_code)]

#[path = "../support/mod.rs"]
mod support;

mod checker;
mod random;
mod report;
mod workload;

use checker::Checker;
use random::Random;
use std::sync::Arc;
use std::time::Duration;
use support::{Broker, Connector, Database, PATIENCE, wait_until};
use workload::{Pace, Workload};

#[test]
fn an_undisturbed_run_has_every_property() {
    let seconds = std::env::var("SECONDS_OF_LOAD").map_or(6, |s| s.parse().unwrap());
    let mut random = Random::from_environment();
    let (server, kafka) = (Database::start(), Broker::start());
    let db = Arc::new(server.fresh_database());
    workload::create_tables(&db);
    workload::create_topics(&kafka, &db);
    let mut builder = Connector::new(&db, &kafka)
        .set("walpost.batch.max.events", 500)
        .set("walpost.idle.position.interval.ms", 200);
    for (name, value) in workload::CONNECTOR_SETTINGS {
        builder = builder.set(name, value);
    }
    let mut connector = builder.start();
    connector.wait_ready();
    let checker = Checker::new(db.clone(), kafka.clone());
    let pace = Pace {
        writers: 8,
        pause_ms: 30,
        large_rows: 3000,
        megabyte_payloads: true,
        ddl: true,
        hold_ms: 2000,
    };
    let mut load = Workload::start(&db, &mut random, pace);
    let began = std::time::Instant::now();
    load.want_large(2);
    let rounds = 12;
    for round in 0..rounds {
        let until = Duration::from_secs(seconds) * (round + 1) / (rounds + 1);
        wait_until("load", 10 * PATIENCE, || (began.elapsed() > until).then_some(()));
        match round % 6 {
            0 | 3 => {
                checker.fault("kill -9", "");
                connector.kill9();
                connector.start_again();
            }
            1 => {
                checker.fault("postgres killed", "");
                server.kill();
                server.start_again();
            }
            2 => {
                checker.fault("walsenders terminated", "");
                server.terminate_walsenders();
            }
            4 => {
                checker.fault("postgres restarted", "");
                server.restart();
            }
            _ => {
                checker.fault("kafka killed", "");
                kafka.kill();
                kafka.start_again();
            }
        }
        connector.wait_ready();
    }
    wait_until("load", 10 * PATIENCE, || (began.elapsed() > Duration::from_secs(seconds)).then_some(()));
    let committed = load.committed();
    let summary = load.stop();
    println!("{committed} {summary:#?}");
    assert!(committed <= summary.events && committed > 0);
    checker.wait_delivered(PATIENCE).unwrap_or_else(|what| panic!("{what}\n{}", connector.log()));
    connector.sigterm();
    let (exit, log) = connector.wait_exit(PATIENCE);
    checker.stopped(exit.code(), 0);
    let began = std::time::Instant::now();
    let outcome = checker.check();
    println!("checked in {:?}", began.elapsed());
    let mut report = report::Report::new(random.seed());
    println!("{:#?} {:?} {}", outcome.violations, outcome.looked_at, outcome.delivered);
    let (violations, wrong) = (outcome.violations.clone(), !outcome.violations.is_empty());
    report.world("alone", summary, Vec::new(), outcome);
    println!("{}", report.text());
    report.write(std::path::Path::new("target/gauntlet")).unwrap();
    assert!(!wrong, "{violations:#?}\n{log}");
}
