//! What Kafka holds and what the slot says do not fit: each case stops with a code of its own, and neither publishes
//! nor confirms anything.

use crate::kit::{
    confirmed, connector, last_position, outbox, position_topic, positions, run, wait_confirmed, wait_events,
};
use crate::support::{Broker, Connector, Database, DatabaseHandle, DatabaseOptions, PATIENCE};
use rdkafka::admin::AdminOptions;

/// A connector that has published three events and left, and a fourth that waits for it.
struct Stopped {
    connector: Connector,
    db: DatabaseHandle,
    kafka: &'static Broker,
}

impl Stopped {
    fn new() -> Stopped {
        let (db, kafka) = outbox();
        Stopped::with(db, kafka)
    }

    fn with(db: DatabaseHandle, kafka: &'static Broker) -> Stopped {
        let mut connector = run(connector(&db, kafka));
        for _ in 0..3 {
            db.insert("order", "k", "published", "{}");
        }
        wait_events(kafka, &db, &["order"], 3);
        connector.sigterm();
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(0), "{log}");
        db.insert("order", "k", "waits", "{}");
        Stopped { connector, db, kafka }
    }

    /// Starts it again: it refuses with this code, in three parts that have these words, and changes nothing.
    fn refuses(&mut self, code: i32, words: &[&str]) {
        let (positions_before, confirmed_before) = (positions(self.kafka, &self.db), self.slot());
        self.connector.start_again();
        let (exit, log) = self.connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(code), "{log}");
        for part in ["\"what\":", "\"detail\":", "\"hint\":"].iter().chain(words) {
            assert!(log.contains(part), "{part:?} is not in\n{log}");
        }
        assert_eq!(self.kafka.records(&[&self.db.topic("order")]).len(), 3, "nothing is published");
        assert_eq!(positions(self.kafka, &self.db), positions_before, "no position is written");
        assert_eq!(self.slot(), confirmed_before, "nothing is confirmed");
    }

    fn slot(&self) -> Option<String> {
        self.db.server().slot_confirmed(self.db.name())
    }

    fn execute(&self, sql: &str) {
        self.db.execute(&sql.replace("SLOT", self.db.name()));
    }
}

#[test]
fn a_slot_that_was_advanced_behind_our_back_is_refused_naming_both_positions() {
    let mut stopped = Stopped::new();
    let stored = last_position(stopped.kafka, &stopped.db).end_lsn.to_string();
    stopped.execute("select pg_replication_slot_advance('SLOT', pg_current_wal_lsn())");
    let slot = stopped.slot().expect("the slot");
    assert_ne!(slot, stored);
    stopped.refuses(20, &[&stored, &slot]);
}

#[test]
fn a_slot_that_was_dropped_is_refused_and_not_made_again() {
    let mut stopped = Stopped::new();
    stopped.execute("select pg_drop_replication_slot('SLOT')");
    stopped.refuses(25, &[]);
    assert_eq!(stopped.slot(), None);
}

#[test]
fn a_slot_that_was_dropped_and_created_again_is_refused() {
    let mut stopped = Stopped::new();
    stopped.execute("select pg_drop_replication_slot('SLOT')");
    stopped.execute("select pg_create_logical_replication_slot('SLOT', 'pgoutput')");
    stopped.refuses(20, &[]);
}

#[test]
fn a_slot_whose_position_topic_was_deleted_is_refused() {
    let mut stopped = Stopped::new();
    let topic = position_topic(&stopped.db);
    let admin = stopped.kafka.admin();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async { admin.delete_topics(&[&topic], &AdminOptions::new()).await }).expect("deleted");
    crate::support::wait_until("the topic is gone", PATIENCE, || {
        (!stopped.kafka.topics().contains(&topic)).then_some(())
    });
    stopped.refuses(27, &[]);
}

#[test]
fn a_slot_of_somebody_else_is_refused_until_it_is_adopted_and_adoption_has_no_effect_afterwards() {
    let (db, kafka) = outbox();
    db.execute("create publication walpost for table outbox");
    db.insert("order", "k", "before the slot", "{}");
    db.execute(&format!("select pg_create_logical_replication_slot('{}', 'pgoutput')", db.name()));
    db.insert("order", "k", "since the slot", "{}");
    let at = confirmed(&db);
    let mut connector = connector(&db, kafka).start();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(27), "{log}");
    assert!(log.contains("adopt"), "{log}");
    assert_eq!((positions(kafka, &db).len(), confirmed(&db)), (0, at));

    connector.start_again_with(|builder| builder.set("walpost.adopt", "slot"));
    assert_eq!(wait_events(kafka, &db, &["order"], 1).len(), 1);
    assert_eq!(positions(kafka, &db)[0].end_lsn, at, "the slot's own position is written before any event");
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    db.insert("order", "k", "skipped", "{}");
    db.execute(&format!("select pg_replication_slot_advance('{}', pg_current_wal_lsn())", db.name()));
    connector.start_again();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(20), "a position is there: walpost.adopt does not overrule it\n{log}");
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 1);
}

#[test]
fn another_cluster_is_refused() {
    let mut stopped = Stopped::new();
    let other = Database::with(DatabaseOptions::new().stranger());
    other.create_database(stopped.db.name());
    let (host, port) = (other.host(), other.port());
    stopped
        .connector
        .start_again_with(|builder| builder.set("database.hostname", host).set("database.port", port));
    let (exit, log) = stopped.connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(24), "{log}");
    assert_eq!(other.slot_confirmed(stopped.db.name()), None);
    assert_eq!(stopped.kafka.records(&[&stopped.db.topic("order")]).len(), 3);
}

#[test]
fn a_slot_that_the_server_invalidated_is_refused() {
    let server = Database::with(DatabaseOptions::new().setting("max_slot_wal_keep_size", "1MB"));
    let db = server.fresh_database();
    db.create_outbox();
    let mut stopped = Stopped::with(db, Broker::shared());
    for _ in 0..4 {
        stopped.execute("create table t (); drop table t; select pg_switch_wal()");
    }
    stopped.execute("checkpoint");
    let lost = "select wal_status = 'lost' from pg_replication_slots where slot_name = 'SLOT'";
    server.wait_for(&lost.replace("SLOT", stopped.db.name()));
    stopped.refuses(26, &[]);
}

#[test]
fn a_publication_that_was_dropped_is_refused_and_not_made_again() {
    let mut stopped = Stopped::new();
    stopped.execute("drop publication walpost");
    stopped.refuses(29, &["walpost"]);
    assert_eq!(stopped.db.query_one_text("select count(*) from pg_publication"), "0");
}

#[test]
fn a_publication_that_is_dropped_under_a_running_connector_stops_it() {
    let (db, kafka) = outbox();
    let mut connector = run(connector(&db, kafka));
    db.insert("order", "k", "published", "{}");
    wait_events(kafka, &db, &["order"], 1);
    let before = last_position(kafka, &db).end_lsn;
    wait_confirmed(&db, before);
    db.execute("drop publication walpost");
    db.insert("order", "k", "cannot be decoded", "{}");
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(29), "{log}");
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 1);
}
