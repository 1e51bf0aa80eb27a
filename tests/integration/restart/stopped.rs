//! A connector that has published A1, A2 and A3 and left, and B that waits for it.

use crate::kit::{connector, last_position, outbox, positions, run, wait_events};
use crate::support::{Broker, Connector, DatabaseHandle, PATIENCE};
use walpost::lsn::Lsn;
use walpost::position::Position;

pub struct Stopped {
    pub connector: Connector,
    pub db: DatabaseHandle,
    pub kafka: &'static Broker,
}

impl Stopped {
    pub fn new() -> Stopped {
        let (db, kafka) = outbox();
        Stopped::with(db, kafka)
    }

    pub fn with(db: DatabaseHandle, kafka: &'static Broker) -> Stopped {
        let mut connector = run(connector(&db, kafka));
        for key in ["A1", "A2", "A3"] {
            db.insert("order", key, "published", "{}");
        }
        wait_events(kafka, &db, &["order"], 3);
        connector.sigterm();
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(0), "{log}");
        db.insert("order", "B", "waits", "{}");
        Stopped { connector, db, kafka }
    }

    /// Starts it again: it refuses with this code, in three parts that have these words, and changes nothing.
    pub fn refuses(&mut self, code: i32, words: &[&str]) {
        let (positions_before, confirmed_before) = (positions(self.kafka, &self.db), self.slot());
        let events_before = self.events().len();
        self.connector.start_again();
        let (exit, log) = self.connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(code), "{log}");
        for part in ["\"what\":", "\"detail\":", "\"hint\":"].iter().chain(words) {
            assert!(log.contains(part), "{part:?} is not in\n{log}");
        }
        assert_eq!(self.events().len(), events_before, "nothing is published");
        assert_eq!(positions(self.kafka, &self.db), positions_before, "no position is written");
        assert_eq!(self.slot(), confirmed_before, "nothing is confirmed");
    }

    /// The key of each event that is published, sorted.
    pub fn events(&self) -> Vec<String> {
        let records = self.kafka.records(&[&self.db.topic("order")]);
        let mut keys: Vec<String> = records.iter().map(|record| record.key_text().to_owned()).collect();
        keys.sort();
        keys
    }

    pub fn slot(&self) -> Option<String> {
        self.db.server().slot_confirmed(self.db.name())
    }

    pub fn confirmed(&self) -> Lsn {
        self.slot().expect("the slot").parse().expect("an LSN")
    }

    /// `SLOT` stands for the slot's name.
    pub fn execute(&self, sql: &str) {
        self.db.execute(&sql.replace("SLOT", self.db.name()));
    }

    /// Inserts an event of this key.
    pub fn insert(&self, key: &str) {
        self.db.insert("order", key, "t", "{}");
    }

    /// Runs until these events are published, and leaves; what it logged.
    pub fn publishes(&mut self, events: &[&str]) -> String {
        self.connector.start_again();
        wait_events(self.kafka, &self.db, &["order"], events.len());
        self.connector.sigterm();
        let (exit, log) = self.connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(0), "{log}");
        assert_eq!(self.events(), events, "each once, and no other");
        log
    }

    pub fn stored(&self) -> Position {
        last_position(self.kafka, &self.db)
    }
}
