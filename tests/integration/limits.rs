//! Limits of the machine: a broker's disk that is full, a connector's memory that is not enough, a Postgres that is given
//! no time to stop.

use crate::kit::{connector, run, wait_events};
use crate::support::{Broker, BrokerOptions, Database, MemoryLimit, PATIENCE, wait_until};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;

#[test]
fn a_broker_whose_disk_is_full_halts_and_nothing_is_lost_when_it_is_back() {
    let kafka = Broker::with(BrokerOptions::new().disk(64).setting("log.index.size.max.bytes", 65536));
    let db = Database::shared().fresh_database();
    db.create_outbox();
    let builder = connector(&db, &kafka).set("retriable.restart.connector.wait.ms", 300);
    let mut connector = run(builder.set("producer.override.transaction.timeout.ms", 5_000));
    db.insert("order", "k", "t", "{}");
    wait_events(&kafka, &db, &["order"], 1);
    kafka.disk().fill();
    for _ in 0..10 {
        db.insert("order", "k", "t", "{}");
    }
    kafka.wait_exit();
    // What it still took, before a page more was needed, is safe; this is not.
    db.insert("order", "k", "t", "{}");
    wait_until("it is noticed", PATIENCE, || (!connector.ready()).then_some(()));
    kafka.disk().free();
    kafka.start_again();
    assert_eq!(wait_events(&kafka, &db, &["order"], 12).len(), 12);
    connector.wait_ready();
}

#[test]
fn a_connector_beyond_its_memory_is_killed_by_the_kernel_and_one_within_it_is_not() {
    let kafka = Broker::shared();
    let db = Database::shared().fresh_database();
    db.create_outbox();
    let enough = Arc::new(MemoryLimit::new(512 << 20));
    let mut within = run(connector(&db, kafka).memory(&enough));
    db.insert("order", "k", "t", "{}");
    wait_events(kafka, &db, &["order"], 1);
    assert!(within.is_running());
    assert_eq!(enough.killed(), 0);
    assert!(enough.most().is_none_or(|most| most > 1 << 20), "{:?}", enough.most());
    drop(within);

    let little = Arc::new(MemoryLimit::new(4 << 20));
    let (exit, log) = connector(&db, kafka).memory(&little).start().wait_exit(PATIENCE);
    assert!(!exit.success(), "{log}");
    if little.kills() {
        assert_eq!((exit.signal(), little.killed()), (Some(9), 1), "{log}");
    }
}

#[test]
fn a_database_stopped_at_once_recovers_what_was_committed() {
    let server = Database::start();
    server.execute("create table t (n int)");
    server.execute("insert into t values (1)");
    server.stop_immediate();
    assert!(server.pid().is_none());
    server.start_again();
    assert_eq!(server.query_one_text("select n from t"), "1");
}
