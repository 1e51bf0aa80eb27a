//! What a read_committed consumer sees, read to the end and not a record further.
//!
//! The end of a partition is known by position, not by its last record: behind that there may be aborted records
//! and control records, which no consumer is ever shown.

use super::{PATIENCE, wait_until};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// In the order in which they were written.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// The first header of this name, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// As text; empty for null.
    pub fn key_text(&self) -> &str {
        self.key.as_deref().map_or("", |key| std::str::from_utf8(key).expect("a key in UTF-8"))
    }

    /// As text; empty for null.
    pub fn value_text(&self) -> &str {
        self.value.as_deref().map_or("", |value| std::str::from_utf8(value).expect("a value in UTF-8"))
    }

    pub(crate) fn read(message: &impl Message) -> Record {
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        Record {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers
                .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                .collect(),
        }
    }
}

/// Reads some topics, again and again, each time from where it ended to the end.
pub struct Reader {
    consumer: BaseConsumer,
    topics: Vec<String>,
    /// The next offset of each partition.
    reached: BTreeMap<(String, i32), i64>,
}

impl Reader {
    pub(crate) fn new(client: &ClientConfig, topics: &[&str]) -> Reader {
        let consumer = client
            .clone()
            .set("group.id", "read by position") // never joined; librdkafka wants one to be named
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "5")
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            .create()
            .expect("a consumer");
        Reader {
            consumer,
            topics: topics.iter().map(|topic| topic.to_string()).collect(),
            reached: BTreeMap::new(),
        }
    }

    /// What has become visible since the last call.
    pub fn read_on(&mut self) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        for topic in self.topics.clone() {
            let before = records.len();
            self.read_topic(&topic, &mut |record| records.push(record));
            records[before..].sort_by_key(|record| (record.partition, record.offset));
        }
        records
    }

    /// The same, one by one and each partition's in order: there may be more than memory should hold.
    pub fn visit(&mut self, mut each: impl FnMut(Record)) {
        for topic in self.topics.clone() {
            self.read_topic(&topic, &mut each);
        }
    }

    /// The next offset to read; none where nothing was ever visible.
    pub fn reached(&self, topic: &str, partition: i32) -> Option<i64> {
        self.reached.get(&(topic.to_owned(), partition)).copied()
    }

    /// One topic at a time: the end of a partition is announced with its number alone.
    fn read_topic(&mut self, topic: &str, each: &mut impl FnMut(Record)) {
        let mut ends = BTreeMap::new();
        let mut unread = TopicPartitionList::new();
        for partition in self.partitions(topic) {
            // To a read_committed consumer the high watermark is the last stable offset.
            let (low, high) = wait_until("the ends of a partition", PATIENCE, || {
                self.consumer.fetch_watermarks(topic, partition, Duration::from_secs(5)).ok()
            });
            let next = self.reached.get(&(topic.to_owned(), partition)).copied().unwrap_or(low).max(low);
            if next < high {
                ends.insert(partition, high);
                unread.add_partition_offset(topic, partition, Offset::Offset(next)).expect("a partition");
            }
        }
        if ends.is_empty() {
            return;
        }
        // A new assignment discards what was fetched for an old one: an end announced now is not before `high`.
        self.consumer.assign(&unread).expect("an assignment");
        let mut open = ends.clone();
        let mut heard = Instant::now();
        while !open.is_empty() {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let record = Record::read(&message);
                    let end = ends.get_mut(&record.partition).expect("an assigned partition");
                    *end = (*end).max(record.offset + 1);
                    heard = Instant::now();
                    each(record);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
                Some(Err(why)) => eprintln!("reading {topic}: {why}"), // the client tries again by itself
                None => {}
            }
            assert!(heard.elapsed() < 2 * PATIENCE, "no end of {topic} in partitions {:?}", open.keys());
        }
        self.consumer.unassign().expect("nothing assigned");
        self.reached.extend(ends.into_iter().map(|(partition, end)| ((topic.to_owned(), partition), end)));
    }

    /// None for a topic that does not exist (yet).
    fn partitions(&self, topic: &str) -> Vec<i32> {
        let metadata = wait_until("metadata", PATIENCE, || {
            self.consumer.fetch_metadata(Some(topic), Duration::from_secs(5)).ok()
        });
        metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions())
            .map(|partition| partition.id())
            .collect()
    }
}
