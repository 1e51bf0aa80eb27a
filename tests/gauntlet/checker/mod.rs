//! What happened, against what must.

use crate::support::{Broker, DatabaseHandle};
use std::sync::Arc;
use std::time::Duration;

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// 1 to 12.
    pub property: u8,
    pub what: String,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub violations: Vec<Violation>,
    /// How many items each property was checked on; nothing looked at is a violation already.
    pub looked_at: [u64; 12],
    /// Events delivered to a read_committed consumer.
    pub delivered: u64,
    /// Position records, and those inside a transaction that was split.
    pub positions: u64,
    pub pieces: u64,
}

/// Watches a run and judges it.
pub struct Checker;

impl Checker {
    /// After `create_tables`; begins to watch.
    pub fn new(_db: Arc<DatabaseHandle>, _kafka: Broker) -> Checker {
        Checker
    }

    /// Puts a mark on the run's time line.
    pub fn fault(&self, _class: &str, _detail: &str) {}

    /// The connector has ended by itself, as it should have with this code: from now on no event and no confirmation may
    /// come, until `resumed`.
    pub fn stopped(&self, _code: Option<i32>, _expected: i32) {}

    /// The connector is started again on purpose.
    pub fn resumed(&self) {}

    /// After `Workload::stop`: until everything has arrived, the slot is at the last position and no transaction is open.
    pub fn wait_delivered(&self, _patience: Duration) -> Result<(), String> {
        Ok(())
    }

    pub fn check(self) -> Outcome {
        Outcome::default()
    }
}
