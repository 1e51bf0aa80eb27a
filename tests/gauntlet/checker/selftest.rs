//! The checker on real servers: a small run has every property, and what is tampered with after it is seen.

use super::{Checker, Outcome};
use crate::random::Random;
use crate::report::{FaultClass, Report};
use crate::support::{Broker, Connector, Database, PATIENCE, wait_until};
use crate::workload::{self, Pace, Summary, Workload};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Enough for a transaction of every kind.
const EVENTS: u64 = 4_000;

/// A load, a connector that is stopped once and killed once, a standby that leaves, a drain; `afterwards` comes between the end and the judgement.
fn small_run(afterwards: impl FnOnce(&Checker)) -> (Summary, Outcome) {
    let mut random = Random::from_environment();
    let (server, kafka) = (Database::start(), Broker::start());
    let db = Arc::new(server.fresh_database());
    workload::create_tables(&db);
    workload::create_topics(&kafka, &db);
    let builder = Connector::new(&db, &kafka)
        .set("walpost.batch.max.events", 500)
        .set("walpost.idle.position.interval.ms", 200);
    let builder = workload::configured(builder, &db);
    let mut connector = builder.clone().start();
    connector.wait_ready();
    let checker = Checker::new(db.clone(), kafka.clone());
    let pace = Pace {
        writers: 8,
        pause_ms: 10,
        large_rows: 1_200,
        megabyte_payloads: true,
        ddl: true,
        neighbours_pause_ms: 100,
        hold_ms: 500,
    };
    let mut load = Workload::start(&db, &mut random, pace);
    load.want_large(1);
    let until = |events: u64| {
        wait_until("the load goes on", PATIENCE, || (load.committed() >= events).then_some(()));
    };
    until(EVENTS / 3);
    let mut standby = builder.start();
    standby.http_address();
    standby.sigterm();
    checker.one_stopped(standby.wait_exit(PATIENCE).0.code(), 0);
    connector.sigterm();
    checker.stopped(connector.wait_exit(PATIENCE).0.code(), 0);
    until(EVENTS / 2);
    checker.resumed();
    connector.start_again();
    connector.wait_ready();
    checker.fault("kill -9", "");
    connector.kill9();
    connector.start_again();
    until(EVENTS);
    let committed = load.committed();
    let summary = load.stop();
    assert!(committed <= summary.events, "{committed} acknowledged of {summary:?}");
    let drained = checker.wait_delivered(PATIENCE);
    assert!(drained.is_ok(), "{drained:?}:\n{}", connector.log());
    connector.sigterm();
    let (exit, _) = connector.wait_exit(PATIENCE);
    checker.stopped(exit.code(), 0);
    afterwards(&checker);
    (summary, checker.check())
}

#[test]
fn a_run_with_a_kill_has_every_property_and_a_report() {
    let (summary, outcome) = small_run(|_| {});
    assert_eq!(outcome.violations, []);
    assert_eq!(outcome.looked_at[10], 3);
    assert!(outcome.pieces > 0 && outcome.timeline.recoveries["kill -9"].len() == 1);
    assert!(summary.kinds.len() >= 6, "{:?}", summary.kinds);
    let mut report = Report::new("a seed".to_owned());
    let kill = FaultClass { class: "kill -9".to_owned(), injected: 1, fired: 1, ..FaultClass::default() };
    report.world("small", summary, vec![kill], outcome);
    let directory = tempfile::tempdir().expect("a directory");
    report.write(directory.path()).expect("a report");
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect("a file");
    assert!(read("gauntlet.txt").contains("1 faults, 0 violations"), "{}", report.text());
    let json: serde_json::Value = serde_json::from_str(&read("gauntlet.json")).expect("JSON");
    assert_eq!(json["worlds"][0]["faults"][0]["class"], "kill -9");
    assert!(json["worlds"][0]["properties"][11]["items"].as_u64() >= Some(EVENTS));
    let picture = read("gauntlet.svg");
    assert!(picture.starts_with("<svg") && picture.contains("kill -9") && picture.ends_with("</svg>\n"));
}

/// A stranger's record is a phantom, a second writer's and a word after the end; a slot moved by hand is ahead.
#[test]
fn what_somebody_else_does_to_topic_and_slot_is_seen() {
    let (_, outcome) = small_run(|checker| {
        let Checker { db, kafka, watch, .. } = checker;
        let producer: BaseProducer = kafka.client().create().expect("a producer");
        let id = uuid::Uuid::now_v7().to_string();
        let headers = OwnedHeaders::new().insert(Header { key: "id", value: Some(&id) });
        let topic = db.topic(workload::TYPES[0]);
        let record = BaseRecord::to(&topic).key("3").payload("{}").headers(headers);
        producer.send(record).expect("a record is taken");
        producer.flush(PATIENCE).expect("it is written");
        let advance = "select pg_replication_slot_advance(current_database(), pg_current_wal_lsn())";
        db.execute("insert into busy default values");
        db.execute(advance);
        let sampled = watch.sampled();
        wait_until("two more samples", PATIENCE, || (watch.sampled() > sampled + 1).then_some(()));
    });
    let seen: BTreeSet<u8> = outcome.violations.iter().map(|violation| violation.property).collect();
    assert_eq!(seen, BTreeSet::from([3, 8, 9, 11]), "{:#?}", outcome.violations);
}
