//! Debezium's side: one worker, a connector for each batch of cases, each case a table with an event router of its own.
//!
//! A row is known by its LSN, which Connect's `HeaderFrom` copies out of the change event before the router sees it, and
//! which an error in the worker's log tells. With `errors.tolerance=all` a row that a transform or a converter cannot take
//! is logged and passed over: the next ones go on. What kills the task ends its batch; the cases that were not done with
//! begin anew, without the row that was the last.

use super::case::{Case, Setting, escaped};
use super::rows::{Rows, Written};
use super::tail::{Tail, number_after};
use crate::support::{
    Broker, BrokerOptions, ConnectOptions, ConnectWorker, Database, PATIENCE, Record, unique_name, wait_until,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// The header that tells a record's row.
pub const SOURCE: &str = "walpost.source";
/// Of every topic.
pub const PARTITIONS: i32 = 6;
/// The slot that Debezium reads.
const SLOT: &str = "debezium";

/// Cases that share a connector.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Which one of its seed it comes of.
    pub number: u64,
    pub setting: Setting,
    pub cases: Vec<Case>,
}

/// What Debezium did with a row.
#[derive(Clone, Debug)]
pub enum Theirs {
    Record(Box<Record>),
    /// What a transform or a converter threw, or of what the task died.
    Error(String),
    /// No record, and no error.
    Nothing,
}

/// A case, and what both sides did with it.
pub struct Done {
    /// Of its batch.
    pub number: u64,
    pub case: Case,
    pub setting: Setting,
    /// What was written into its table.
    pub written: Written,
    /// By LSN.
    pub theirs: BTreeMap<u64, Theirs>,
}

/// A worker with its broker, and Postgres.
pub struct Debezium {
    database: Database,
    _broker: Broker,
    worker: ConnectWorker,
    tail: Tail,
}

/// A batch under way.
struct Running {
    name: String,
    batch: Batch,
    rows: Rows,
    /// What the connector or its task died of.
    died: Option<String>,
}

impl Debezium {
    pub fn start() -> Debezium {
        let any_time = i64::MAX;
        let options = BrokerOptions::new()
            .setting("log.message.timestamp.after.max.ms", any_time)
            .setting("log.message.timestamp.before.max.ms", any_time);
        let (database, broker) = (Database::start(), Broker::with(options));
        let worker = ConnectWorker::start(&broker, ConnectOptions::new());
        let tail = Tail::new(&broker);
        Debezium { database, _broker: broker, worker, tail }
    }

    /// All of them, side by side; each case comes back once, in no particular order.
    pub fn run(&mut self, batches: Vec<Batch>) -> Vec<Done> {
        let (mut done, mut left) = (Vec::new(), batches);
        while !left.is_empty() {
            let now = left.split_off(left.len().saturating_sub(SIDE_BY_SIDE));
            let mut running: Vec<Running> = now.into_iter().map(|batch| self.begin(batch)).collect();
            self.wait(&mut running);
            self.end(&running);
            for run in running {
                let (finished, again) = self.sort_out(run);
                done.extend(finished);
                left.extend(again);
            }
        }
        done
    }

    fn begin(&self, batch: Batch) -> Running {
        let name = unique_name("case");
        let rows = Rows::write(&self.database, &name, &batch.cases, SLOT);
        let config = self.config(&name, &batch, rows.database());
        let died = self.worker.try_put(&name, &config).err();
        Running { name, batch, rows, died }
    }

    /// Until every row has a record or an error, and the sentinel has been seen; or the task has died.
    fn wait(&mut self, running: &mut [Running]) {
        let began = Instant::now();
        wait_until("Debezium is done with every row", 4 * PATIENCE, || {
            self.tail.read_on(&self.worker);
            for run in running.iter_mut().filter(|run| run.died.is_none()) {
                if !self.is_through(run) {
                    run.died = self.worker.failure(&run.name);
                }
            }
            let mut open = running.iter().filter(|run| run.died.is_none() && !self.is_through(run));
            let Some(open) = open.next() else { return Some(()) };
            let missing = open.rows.inserts().find(|lsn| !self.has(*lsn));
            let Batch { number, setting, .. } = &open.batch;
            assert!(
                began.elapsed() < 3 * PATIENCE,
                "batch {number}: Debezium has neither record nor error of the row at {missing:?}; {setting:?}\n{}",
                self.worker.log()
            );
            None
        });
    }

    fn is_through(&self, run: &Running) -> bool {
        self.has(run.rows.sentinel()) && run.rows.inserts().all(|lsn| self.has(lsn))
    }

    fn has(&self, lsn: u64) -> bool {
        self.tail.records.contains_key(&lsn) || self.tail.errors.contains_key(&lsn)
    }

    /// A task that has left its slot has flushed its producer before.
    fn end(&mut self, running: &[Running]) {
        for run in running {
            self.worker.delete(&run.name);
        }
        for run in running {
            run.rows.wait_for_slot(SLOT);
        }
        self.tail.read_all(&self.worker);
    }

    /// The cases that are done with, and batches of those that are not.
    fn sort_out(&mut self, run: Running) -> (Vec<Done>, Vec<Batch>) {
        let Running { batch: Batch { number, setting, cases }, rows, died, .. } = run;
        let (mut done, mut again) = (Vec::new(), Vec::new());
        let is_alone = cases.len() == 1;
        let killer = died.as_ref().and_then(|died| self.killer(&rows, died));
        for (case, written) in cases.into_iter().zip(rows.of_cases()) {
            let mut finished = |case, written, theirs| {
                done.push(Done { number, case, setting: setting.clone(), written, theirs });
            };
            let is_last_insert = written.changes().last().is_none_or(|change| change.is_insert);
            let is_whole = is_last_insert && written.inserts().all(|lsn| self.has(lsn));
            match (&died, killer) {
                (died, _) if died.is_none() || is_whole => {
                    let theirs = written.changes().map(|change| (change.lsn, self.theirs(change.lsn)));
                    let theirs = theirs.collect();
                    finished(case, written, theirs);
                }
                (Some(died), Some(lsn)) if written.changes().any(|change| change.lsn == lsn) => {
                    again.extend(case.without(written.row_of(lsn)));
                    finished(case, written, BTreeMap::from([(lsn, Theirs::Error(died.clone()))]));
                }
                (Some(_), Some(_)) => again.push(case),
                // It did not even start, for the sake of one of them.
                (Some(_), None) if !is_alone => again.push(case),
                (died, _) => {
                    let died = died.clone().unwrap_or_default();
                    let all = written.inserts().map(|lsn| (lsn, Theirs::Error(died.clone()))).collect();
                    finished(case, written, all);
                }
            }
        }
        let batch = |cases| Batch { number, setting: setting.clone(), cases };
        let again = match killer {
            None => again.into_iter().map(|case| batch(vec![case])).collect(),
            Some(_) if again.is_empty() => Vec::new(),
            Some(_) => vec![batch(again)],
        };
        (done, again)
    }

    /// The row that a task died of: the one that it names, by its offset or its topic, or the first of which there is nothing.
    /// Of rows before it there may be nothing yet.
    fn killer(&self, rows: &Rows, died: &str) -> Option<u64> {
        const NAMES: &str = "Error while processing event at offset {";
        const TOPIC: &str = "describe topics '";
        let named = died.find(NAMES).and_then(|at| number_after(died[at..].lines().next()?, "lsn="));
        let is_started = rows.inserts().any(|lsn| self.has(lsn));
        let missing: Vec<u64> = rows.inserts().filter(|lsn| !self.has(*lsn)).collect();
        let topic = died.split_once(TOPIC).map(|(_, after)| after.split_once("'\n").map_or(after, |it| it.0));
        let of_topic = topic.and_then(|topic| {
            let share = |lsn: &&u64| rows.share_in(**lsn, topic);
            missing.iter().rev().max_by_key(share).filter(|lsn| share(lsn) > 0)
        });
        named.or(of_topic.copied()).or(missing.first().copied().filter(|_| is_started))
    }

    fn theirs(&mut self, lsn: u64) -> Theirs {
        match (self.tail.records.remove(&lsn), self.tail.errors.get(&lsn)) {
            (Some(mut records), _) if records.len() == 1 => Theirs::Record(Box::new(records.remove(0))),
            (Some(records), _) => panic!("more than one record of a row: {records:?}"),
            (None, Some(error)) => Theirs::Error(error.clone()),
            (None, None) => Theirs::Nothing,
        }
    }

    fn config(&self, name: &str, batch: &Batch, database: &str) -> Value {
        let mut properties = Map::new();
        let base = json!({
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "tasks.max": "1",
            "plugin.name": "pgoutput",
            "database.hostname": self.database.host(),
            "database.port": self.database.port().to_string(),
            "database.user": "postgres",
            "database.dbname": database,
            "slot.name": format!("{SLOT}_{name}"),
            "publication.name": "golden",
            "publication.autocreate.mode": "disabled",
            "snapshot.mode": "no_data",
            "tombstones.on.delete": "false",
            "poll.interval.ms": "5",
            "custom.metric.tags": format!("case={name}"),
            "errors.tolerance": "all",
            "errors.log.enable": "true",
            "errors.log.include.messages": "true",
            "topic.creation.default.replication.factor": "1",
            "topic.creation.default.partitions": PARTITIONS.to_string(),
            "transforms.source.type": "org.apache.kafka.connect.transforms.HeaderFrom$Value",
            "transforms.source.fields": "source",
            "transforms.source.headers": SOURCE,
            "transforms.source.operation": "copy",
        });
        properties.extend(base.as_object().expect("an object").clone());
        properties.extend(batch.setting.iter().map(|(name, value)| (name.clone(), json!(value))));
        let (mut transforms, mut predicates) = (vec!["source".to_owned()], Vec::new());
        let prefix = escaped(&batch.setting["topic.prefix"]);
        for (at, case) in batch.cases.iter().enumerate() {
            transforms.push(format!("r{at}"));
            predicates.push(format!("p{at}"));
            let mut set = |key: String, value: &str| drop(properties.insert(key, json!(value)));
            set(format!("transforms.r{at}.type"), "io.debezium.transforms.outbox.EventRouter");
            set(format!("transforms.r{at}.predicate"), &format!("p{at}"));
            set(
                format!("predicates.p{at}.type"),
                "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
            );
            set(
                format!("predicates.p{at}.pattern"),
                &format!("{prefix}\\.public\\.{}", escaped(&topic_of(&case.table))),
            );
            for (name, value) in &case.router {
                set(format!("transforms.r{at}.{name}"), value);
            }
        }
        let excluded: Vec<String> = batch.cases.iter().filter_map(Case::excluded_regex).collect();
        if !excluded.is_empty() {
            properties.insert("column.exclude.list".into(), json!(excluded.join(",")));
        }
        properties.insert("transforms".into(), json!(transforms.join(",")));
        properties.insert("predicates".into(), json!(predicates.join(",")));
        Value::Object(properties)
    }
}

/// So many connectors at a time.
const SIDE_BY_SIDE: usize = 6;

/// A table's part of the raw topic, in which Debezium replaces what Kafka does not take.
pub fn topic_of(table: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    table.chars().map(legal).collect()
}
