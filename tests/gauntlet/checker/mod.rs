//! What happened, against what must: watches a run, reads everything when it is over, and judges it by thirteen properties.
//!
//! `watch` and `read` ask the servers, `log` the broker's files; what they find is a `dump`. `story` and `judge` are pure:
//! `doctored` dumps show that they find what is wrong.

#[cfg(test)]
mod doctored;
mod dump;
mod judge;
mod log;
mod read;
#[cfg(test)]
mod selftest;
mod story;
mod timeline;
mod watch;

use crate::support::{Broker, DatabaseHandle, Reader};
use crate::workload::position_topic;
use dump::{Dump, Ends, Mark, Stop};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use walpost::lsn::Lsn;
use walpost::position::Position;
use watch::{Watch, now_ms};

pub use timeline::Timeline;

/// Of the thirteen properties, for people.
pub const PROPERTIES: [&str; 13] = [
    "no loss",
    "no duplicate",
    "no phantom",
    "order per key",
    "order of commits and within them",
    "chain of positions",
    "atomic at each position",
    "slot never ahead",
    "single writer",
    "not stuck",
    "honest stops",
    "byte fidelity",
    "dead letters",
];

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// 1 to 13.
    pub property: u8,
    pub what: String,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub violations: Vec<Violation>,
    /// On how many items each property was checked; to have looked at nothing is a violation already.
    pub looked_at: [u64; PROPERTIES.len()],
    /// Events and transactions committed in Postgres.
    pub truth: u64,
    pub transactions: u64,
    /// Events delivered to a read_committed consumer.
    pub delivered: u64,
    /// What a read_uncommitted consumer would be given beyond that.
    pub uncommitted: u64,
    /// Position records, and those inside a transaction that was split.
    pub positions: u64,
    pub pieces: u64,
    pub drain_ms: Option<u64>,
    pub timeline: Timeline,
    /// Of the servers.
    pub postgres: String,
    pub kafka: String,
}

/// Watches a run and judges it.
pub struct Checker {
    db: Arc<DatabaseHandle>,
    kafka: Broker,
    watch: Watch,
    marks: Mutex<Vec<Mark>>,
    stops: Mutex<Vec<Stop>>,
    drain: Mutex<Option<Result<u64, String>>>,
}

impl Checker {
    /// After `create_tables` and `create_topics`; begins to watch the slot, and to ask the witness.
    pub fn new(db: Arc<DatabaseHandle>, kafka: Broker) -> Checker {
        let watch = Watch::start(&db);
        let (marks, stops, drain) = (Mutex::default(), Mutex::default(), Mutex::default());
        Checker { db, kafka, watch, marks, stops, drain }
    }

    /// Puts a mark on the run's time line.
    pub fn fault(&self, class: &str, detail: &str) {
        let mark = Mark { at_ms: now_ms(), class: class.to_owned(), detail: detail.to_owned() };
        locked(&self.marks).push(mark);
    }

    /// The last connector has ended by itself, and should have with this code: no event and no confirmation may come
    /// until `resumed`. The servers must be up.
    pub fn stopped(&self, code: Option<i32>, expected: i32) {
        let ends = self.ends();
        locked(&self.stops).push(Stop { code, expected, quiet: Some((ends, Ends::default())) });
    }

    /// A connector is about to be started again.
    pub fn resumed(&self) {
        self.end_quiet(&mut locked(&self.stops));
    }

    /// One of several instances has ended by itself; others may go on.
    pub fn one_stopped(&self, code: Option<i32>, expected: i32) {
        locked(&self.stops).push(Stop { code, expected, quiet: None });
    }

    /// After `Workload::stop`: until everything has arrived, the slot is at the last position and no transaction is open.
    pub fn wait_delivered(&self, patience: Duration) -> Result<(), String> {
        let began = Instant::now();
        let last = self.watch.ask_witness();
        let position_topic = position_topic(&self.db);
        let mut positions = self.kafka.reader(&[&position_topic]);
        let mut position = None;
        let drained = loop {
            let missing = match &last {
                Ok(last) => self.missing(*last, &mut positions, &mut position),
                Err(what) => Some(what.clone()),
            };
            match missing {
                None => break Ok(began.elapsed().as_millis() as u64),
                Some(what) if last.is_err() || began.elapsed() > patience => break Err(what),
                Some(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        *locked(&self.drain) = Some(drained.clone());
        drained.map(drop)
    }

    /// Judges the run. The servers must be up, and the connector at rest or gone.
    pub fn check(self) -> Outcome {
        self.end_quiet(&mut locked(&self.stops));
        let mut dump = Dump {
            marks: std::mem::take(&mut locked(&self.marks)),
            stops: std::mem::take(&mut locked(&self.stops)),
            drain: locked(&self.drain).take(),
            ..Dump::default()
        };
        self.watch.end(&mut dump);
        read::read(&self.db, &self.kafka, &mut dump);
        let postgres = self.db.query_one_text("select split_part(current_setting('server_version'), ' ', 1)");
        Outcome { postgres, kafka: read::kafka_version(&self.kafka), ..judge::judge(&dump) }
    }

    /// What has not arrived yet.
    fn missing(&self, last: Lsn, reader: &mut Reader, position: &mut Option<Position>) -> Option<String> {
        if let Some(record) = reader.read_on().last() {
            *position = serde_json::from_str(record.value_text()).ok();
        }
        let position = position.as_ref()?;
        if position.end_lsn < last || position.partial.is_some() {
            return Some(format!("the position is {}, the last commit ends at {last}", position.end_lsn));
        }
        let confirmed = self.confirmed();
        if confirmed != Some(position.end_lsn) {
            return Some(format!("the slot stands at {confirmed:?}, the position is {}", position.end_lsn));
        }
        read::ends(&self.db, &self.kafka)
            .into_iter()
            .find(|end| end.high != end.stable)
            .map(|end| format!("{} is stable up to {} of {}", end.name(), end.stable, end.high))
    }

    fn end_quiet(&self, stops: &mut [Stop]) {
        if let Some((_, later)) = stops.last_mut().and_then(|stop| stop.quiet.as_mut())
            && later.high.is_empty()
        {
            *later = self.ends();
        }
    }

    fn ends(&self) -> Ends {
        let high = read::ends(&self.db, &self.kafka).into_iter().map(|end| end.high).collect();
        Ends { high, confirmed: self.confirmed() }
    }

    fn confirmed(&self) -> Option<Lsn> {
        self.db.server().slot_confirmed(self.db.name())?.parse().ok()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
