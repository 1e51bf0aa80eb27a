//! Whole topics, from the first record to an end that is known before, under read_committed.
//!
//! Promised: every record of a transaction committed before the end was asked for is shown, none of an aborted one, and
//! a read that did not come to the end is an error. The end to reach is the high watermark, once no transaction is open
//! before it; where one stays open, the last stable offset, and the span says so. Blocks; from async code, call it
//! through `spawn_blocking`.

use super::consumer::{Consumer, ask, consumer, is_passing};
use super::{Error, ErrorKind};
use rdkafka::Timestamp;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// How long one question, or the next record, may keep waiting.
const PATIENCE: Duration = Duration::from_secs(60);
/// What one attempt at an answer may take.
const SLICE: Duration = Duration::from_secs(5);

/// One partition, as far as it is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Partition.
    pub partition: i32,
    /// First offset there is.
    pub first: i64,
    /// The offset after the last one to read.
    pub end: i64,
    /// A transaction of some producer is open before the high watermark, and hides what comes after.
    pub is_open: bool,
}

/// A record, borrowed from the client.
pub struct Scanned<'a>(&'a BorrowedMessage<'a>);

impl Scanned<'_> {
    /// Partition.
    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    /// Offset.
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// The timestamp that its producer gave it, ms since 1970; `None` where the topic has the broker's.
    pub fn created_ms(&self) -> Option<i64> {
        match self.0.timestamp() {
            Timestamp::CreateTime(ms) => Some(ms),
            Timestamp::LogAppendTime(_) | Timestamp::NotAvailable => None,
        }
    }

    /// The timestamp, whoever gave it.
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.0.timestamp().to_millis()
    }

    /// Key.
    pub fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    /// Value; `None` is a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    /// Headers in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let headers = self.0.headers();
        headers.into_iter().flat_map(|headers| headers.iter().map(|header| (header.key, header.value)))
    }
}

/// What comes into a topic after a reading of it ended.
pub struct Tail {
    consumer: Consumer,
    topic: String,
}

impl Tail {
    /// Goes on where these spans end, with the settings of consumers, by librdkafka's names.
    pub fn begin(settings: &BTreeMap<String, String>, topic: &str, spans: &[Span]) -> Result<Tail, Error> {
        let more = [("enable.auto.offset.store", "false"), ("fetch.wait.max.ms", "100")];
        let consumer = consumer(settings, "read_committed", &more)?;
        let tail = Tail { consumer, topic: topic.to_owned() };
        let mut assignment = TopicPartitionList::new();
        for span in spans {
            let added = assignment.add_partition_offset(topic, span.partition, Offset::Offset(span.end));
            added.map_err(|error| tail.error(&error))?;
        }
        tail.consumer.assign(&assignment).map_err(|error| tail.error(&error))?;
        Ok(tail)
    }

    /// Shows the next record to `each`, if it comes within `patience`, and those that came with it. Trouble that passes
    /// is waited out.
    pub fn next(&self, patience: Duration, mut each: impl FnMut(&Scanned<'_>)) -> Result<(), Error> {
        let mut patience = patience;
        loop {
            match self.consumer.poll(patience) {
                Some(Ok(message)) => {
                    each(&Scanned(&message));
                    patience = Duration::ZERO;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if is_passing(&error) => return Ok(()),
                Some(Err(error)) => return Err(self.error(&error)),
                None => return Ok(()),
            }
        }
    }

    /// The first offset that a partition has now.
    pub fn first(&self, partition: i32) -> Result<i64, Error> {
        let doing = format!("asking where topic {}, partition {partition}, begins", self.topic);
        let ends = within_patience(&self.consumer, &doing, |consumer, left| {
            consumer.fetch_watermarks(&self.topic, partition, left)
        });
        Ok(ends?.0)
    }

    fn error(&self, error: &KafkaError) -> Error {
        self.consumer.context().error(&format!("following topic {}", self.topic), error)
    }
}

/// A reader of topics.
pub struct Scan {
    /// Knows the high watermark.
    uncommitted: Consumer,
    /// Knows the last stable offset, and reads.
    committed: Consumer,
}

impl Scan {
    /// Connects with the settings of consumers, by librdkafka's names.
    pub fn connect(settings: &BTreeMap<String, String>) -> Result<Scan, Error> {
        let consumer = |isolation| {
            let more = [
                ("enable.auto.offset.store", "false"),
                // What waits in the client at most: each small record costs several times its size there.
                ("queued.min.messages", "20000"),
                ("queued.max.messages.kbytes", "16384"),
                ("fetch.message.max.bytes", "1048576"),
                ("fetch.max.bytes", "16777216"),
                // With a full queue the client stands still for so long, a second unless told otherwise.
                ("fetch.queue.backoff.ms", "1"),
            ];
            consumer(settings, isolation, &more)
        };
        Ok(Scan { uncommitted: consumer("read_uncommitted")?, committed: consumer("read_committed")? })
    }

    /// The names of all topics, Kafka's own included.
    pub fn topics(&self) -> Result<Vec<String>, Error> {
        let metadata = within_patience(&self.uncommitted, "listing topics", |consumer, patience| {
            consumer.fetch_metadata(None, patience)
        })?;
        Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
    }

    /// The partitions of a topic as far as they reach now; none when there is no such topic. Waits up to `patience` for
    /// transactions that are open.
    pub fn spans(&self, topic: &str, patience: Duration) -> Result<Vec<Span>, Error> {
        let metadata = within_patience(
            &self.uncommitted,
            &format!("looking up topic {topic}"),
            |consumer, patience| consumer.fetch_metadata(Some(topic), patience),
        )?;
        let found = metadata.topics().iter().filter(|found| found.name() == topic && found.error().is_none());
        let numbers = found.flat_map(|topic| topic.partitions()).map(|partition| partition.id());
        let mut spans = Vec::new();
        for partition in numbers {
            let (first, end) = self.ends(&self.uncommitted, topic, partition)?;
            spans.push(Span { partition, first, end, is_open: false });
        }
        let deadline = Instant::now() + patience;
        for span in spans.iter_mut().filter(|span| span.end > span.first) {
            loop {
                let (_, stable) = self.ends(&self.committed, topic, span.partition)?;
                if stable >= span.end {
                    break;
                }
                if Instant::now() >= deadline {
                    (span.end, span.is_open) = (stable, true);
                    break;
                }
                thread::park_timeout(Duration::from_millis(10));
            }
        }
        Ok(spans)
    }

    /// Shows every record of these partitions to `each`, each partition's in order.
    pub fn read<E: From<Error>>(
        &self,
        topic: &str,
        spans: &[Span],
        mut each: impl FnMut(&Scanned<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let doing = || format!("reading topic {topic}");
        let failed = |error: &KafkaError| E::from(self.committed.context().error(&doing(), error));
        // By partition number: where it ends, and whether that is reached.
        let mut open: BTreeMap<i32, i64> = BTreeMap::new();
        let mut assignment = TopicPartitionList::new();
        for span in spans.iter().filter(|span| span.first < span.end) {
            open.insert(span.partition, span.end);
            assignment
                .add_partition_offset(topic, span.partition, Offset::Offset(span.first))
                .map_err(|error| failed(&error))?;
        }
        if open.is_empty() {
            return Ok(());
        }
        self.committed.assign(&assignment).map_err(|error| failed(&error))?;
        // A partition that an earlier reading was done with is still at rest.
        self.committed.resume(&assignment).map_err(|error| failed(&error))?;
        // Asked for only while there is silence: a clock costs more than a record's share of anything else.
        let mut silent_since = None;
        while !open.is_empty() {
            match self.committed.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    silent_since = None;
                    let Some(&end) = open.get(&message.partition()) else { continue };
                    if message.offset() < end {
                        each(&Scanned(&message))?;
                    }
                    if message.offset() + 1 >= end {
                        open.remove(&message.partition());
                        self.rest(topic, message.partition()).map_err(|error| failed(&error))?;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    silent_since = None;
                    open.remove(&partition);
                }
                Some(Err(error)) if !is_passing(&error) => return Err(failed(&error)),
                Some(Err(_)) | None => {
                    if silent_since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                        let message = format!("{}: the end was not reached in time", doing());
                        return Err(Error { kind: ErrorKind::Transient, message }.into());
                    }
                }
            }
        }
        self.committed.unassign().map_err(|error| failed(&error))
    }

    /// No more of this partition.
    fn rest(&self, topic: &str, partition: i32) -> Result<(), KafkaError> {
        let mut read = TopicPartitionList::new();
        read.add_partition(topic, partition);
        self.committed.pause(&read)
    }

    fn ends(&self, consumer: &Consumer, topic: &str, partition: i32) -> Result<(i64, i64), Error> {
        let doing = format!("asking for the ends of topic {topic}, partition {partition}");
        within_patience(consumer, &doing, |consumer, left| {
            let ends = consumer.fetch_watermarks(topic, partition, left);
            if matches!(&ends, Err(error) if error.rdkafka_error_code() == Some(Code::UnknownPartition)) {
                // The client has been seen not to find a partition that there is, in what it keeps of the topic; by itself
                // it asks again after minutes.
                consumer.fetch_metadata(Some(topic), left)?;
            }
            ends
        })
    }
}

fn within_patience<T>(
    consumer: &Consumer,
    doing: &str,
    question: impl Fn(&Consumer, Duration) -> Result<T, KafkaError>,
) -> Result<T, Error> {
    ask(consumer, doing, Instant::now() + PATIENCE, SLICE, question)
}
