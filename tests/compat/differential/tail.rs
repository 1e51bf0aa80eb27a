//! What the worker does: the records in its broker, and the errors in its log, each known by the LSN of its row.

use super::debezium::SOURCE;
use crate::support::{Broker, ConnectWorker, PATIENCE, Record, wait_until};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// What one question may take.
const ONE_ANSWER: Duration = Duration::from_secs(5);
/// After so long without a record, the broker is asked whether there are any.
const SILENCE: Duration = Duration::from_secs(3);

/// Reads on, from all topics.
pub struct Tail {
    client: ClientConfig,
    consumer: BaseConsumer,
    /// The next offset of each partition.
    reached: BTreeMap<(String, i32), i64>,
    heard: Instant,
    /// By the row's LSN, without the header that tells it.
    pub records: HashMap<u64, Vec<Record>>,
    /// What stopped a row on its way, by its LSN.
    pub errors: HashMap<u64, String>,
    /// Where in the worker's log to go on.
    read: usize,
}

impl Tail {
    pub fn new(broker: &Broker) -> Tail {
        let mut client = broker.client();
        client
            .set("group.id", "read by position")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "5")
            .set("auto.offset.reset", "earliest");
        Tail {
            consumer: client.create().expect("a consumer"),
            client,
            reached: BTreeMap::new(),
            heard: Instant::now(),
            records: HashMap::new(),
            errors: HashMap::new(),
            read: 0,
        }
    }

    /// What has come since.
    pub fn read_on(&mut self, worker: &ConnectWorker) {
        self.look_for_topics();
        let mut patience = Duration::from_millis(60);
        while let Some(message) = self.consumer.poll(patience) {
            patience = Duration::from_millis(10);
            let Ok(message) = message else { continue }; // the client tries again by itself
            let mut record = Record::read(&message);
            self.heard = Instant::now();
            self.reached.insert((record.topic.clone(), record.partition), record.offset + 1);
            let Some(at) = record.headers.iter().position(|(name, _)| name == SOURCE) else { continue };
            let (_, source) = record.headers.remove(at);
            let source = String::from_utf8(source.unwrap_or_default()).expect("a text");
            let lsn = ["\"lsn\":", "lsn="].iter().find_map(|name| number_after(&source, name));
            let lsn = lsn.unwrap_or_else(|| panic!("no LSN in {source}"));
            self.records.entry(lsn).or_default().push(record);
        }
        if self.heard.elapsed() > SILENCE && self.has_read_all() == Some(false) {
            self.begin_again();
        }
        self.read_log(&worker.log());
    }

    /// All that is there.
    pub fn read_all(&mut self, worker: &ConnectWorker) {
        wait_until("all topics are read", PATIENCE, || {
            self.read_on(worker);
            self.has_read_all()?.then_some(())
        });
    }

    /// None if the broker does not say.
    fn has_read_all(&self) -> Option<bool> {
        let mut asked = TopicPartitionList::new();
        for (topic, partition) in self.reached.keys() {
            asked.add_partition_offset(topic, *partition, Offset::End).expect("an offset");
        }
        let ends = self.consumer.offsets_for_times(asked, ONE_ANSWER).ok()?;
        let is_read = |(partition, next): (&(String, i32), &i64)| {
            let end = ends.find_partition(&partition.0, partition.1)?;
            end.error().ok()?;
            Some(*next >= end.offset().to_raw()?)
        };
        self.reached.iter().map(is_read).try_fold(true, |all, one| Some(all & one?))
    }

    /// With a client that has not known the topics while they were being made: librdkafka 2.12 now and then fetches nothing
    /// of a partition that was assigned just then, and says nothing.
    fn begin_again(&mut self) {
        println!("a reader that fetches nothing makes room for a new one");
        self.consumer = self.client.create().expect("a consumer");
        let mut all = TopicPartitionList::new();
        for ((topic, partition), next) in &self.reached {
            all.add_partition_offset(topic, *partition, Offset::Offset(*next)).expect("an offset");
        }
        self.consumer.assign(&all).expect("an assignment");
        self.heard = Instant::now();
    }

    fn look_for_topics(&mut self) {
        let Ok(metadata) = self.consumer.fetch_metadata(None, ONE_ANSWER) else { return };
        let mut new = TopicPartitionList::new();
        for topic in metadata.topics().iter().filter(|topic| !topic.name().starts_with("connect_")) {
            for partition in topic.partitions().iter().filter(|partition| partition.leader() >= 0) {
                let Entry::Vacant(unknown) = self.reached.entry((topic.name().to_owned(), partition.id()))
                else {
                    continue;
                };
                // All are new. Where the beginning is would have to be asked of a leader that may not know it yet.
                let first = Offset::Offset(*unknown.insert(0));
                new.add_partition_offset(topic.name(), partition.id(), first).expect("an offset");
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
