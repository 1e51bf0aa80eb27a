//! What the worker does: the records in its broker, and the errors in its log, each known by the LSN of its row.

use super::debezium::SOURCE;
use crate::support::{Broker, ConnectWorker, PATIENCE, Record, wait_until};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// What one question may take.
const ONE_ANSWER: Duration = Duration::from_secs(5);

/// Reads on, from all topics.
pub struct Tail {
    consumer: BaseConsumer,
    assigned: BTreeSet<(String, i32)>,
    /// By the row's LSN, without the header that tells it.
    pub records: HashMap<u64, Vec<Record>>,
    /// What stopped a row on its way, by its LSN.
    pub errors: HashMap<u64, String>,
    /// Where in the worker's log to go on.
    read: usize,
}

impl Tail {
    pub fn new(broker: &Broker) -> Tail {
        let consumer = broker
            .client()
            .set("group.id", "read by position")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "5")
            .set("auto.offset.reset", "earliest")
            .create()
            .expect("a consumer");
        Tail { consumer, assigned: BTreeSet::new(), records: HashMap::new(), errors: HashMap::new(), read: 0 }
    }

    /// What has come since.
    pub fn read_on(&mut self, worker: &ConnectWorker) {
        self.look_for_topics();
        let mut patience = Duration::from_millis(60);
        while let Some(message) = self.consumer.poll(patience) {
            patience = Duration::from_millis(10);
            let Ok(message) = message else { continue }; // the client tries again by itself
            let mut record = Record::read(&message);
            let Some(at) = record.headers.iter().position(|(name, _)| name == SOURCE) else { continue };
            let (_, source) = record.headers.remove(at);
            let source = String::from_utf8(source.unwrap_or_default()).expect("a text");
            let lsn = ["\"lsn\":", "lsn="].iter().find_map(|name| number_after(&source, name));
            let lsn = lsn.unwrap_or_else(|| panic!("no LSN in {source}"));
            self.records.entry(lsn).or_default().push(record);
        }
        self.read_log(&worker.log());
    }

    /// All that is there. A busy broker may keep the reader of a new topic waiting for longer than anybody waits who reads on.
    pub fn read_all(&mut self, worker: &ConnectWorker) {
        wait_until("all topics are read", PATIENCE, || {
            self.read_on(worker);
            let mut asked = TopicPartitionList::new();
            for (topic, partition) in &self.assigned {
                asked.add_partition_offset(topic, *partition, Offset::End).expect("an offset");
            }
            let ends = self.consumer.offsets_for_times(asked, ONE_ANSWER).ok()?;
            let at = self.consumer.position().expect("positions");
            let is_read = |topic: &str, partition, end: Offset| {
                let at = at.find_partition(topic, partition).and_then(|at| at.offset().to_raw());
                end.to_raw().is_none_or(|end| at.is_some_and(|at| at >= end) || end <= 0)
            };
            let all = ends.elements().iter().all(|of| is_read(of.topic(), of.partition(), of.offset()));
            all.then_some(())
        });
    }

    fn look_for_topics(&mut self) {
        let Ok(metadata) = self.consumer.fetch_metadata(None, ONE_ANSWER) else { return };
        let mut new = TopicPartitionList::new();
        for topic in metadata.topics().iter().filter(|topic| !topic.name().starts_with("connect_")) {
            for partition in topic.partitions().iter().filter(|partition| partition.leader() >= 0) {
                if self.assigned.insert((topic.name().to_owned(), partition.id())) {
                    // All are new. Where the beginning is would have to be asked of a leader that may not know it yet.
                    let first = Offset::Offset(0);
                    new.add_partition_offset(topic.name(), partition.id(), first).expect("an offset");
                }
            }
        }
        if new.count() > 0 {
            self.consumer.incremental_assign(&new).expect("an assignment");
        }
    }

    /// `Error encountered in task …: Executing stage … where source record is = …` and then what was thrown.
    fn read_log(&mut self, log: &str) {
        const BEGINNING: &str = "Error encountered in task ";
        while let Some(at) = log[self.read..].find(BEGINNING) {
            let begin = self.read + at;
            let end = match log[begin..].find("\n20") {
                Some(end) => begin + end,
                None if log.ends_with('\n') => log.len(),
                None => return,
            };
            let entry = &log[begin..end];
            let lsn = number_after(entry, ", lsn=").or(number_after(entry, "{lsn="));
            let lsn = lsn.unwrap_or_else(|| panic!("no LSN in {entry}"));
            self.errors.entry(lsn).or_insert_with(|| thrown(entry));
            self.read = begin + BEGINNING.len();
        }
    }
}

/// Every exception of the chain, without the places that they passed.
fn thrown(entry: &str) -> String {
    let of_chain =
        |line: &&str| !line.starts_with('\t') && (line.contains("Exception") || line.contains("Error:"));
    entry.lines().skip(1).filter(of_chain).collect::<Vec<_>>().join("; ")
}

/// The last number that follows this name.
pub fn number_after(text: &str, name: &str) -> Option<u64> {
    let after = &text[text.rfind(name)? + name.len()..];
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}
