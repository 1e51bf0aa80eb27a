//! The newest records of one key in a topic of one partition, under read_committed, up to the high watermark.
//!
//! Promised: every record committed before the call is seen, or the answer is an error. The end to reach is the high
//! watermark; the last stable offset may lie before one's own last commit while some transaction is open. Reached is
//! what the client's position says: the last offsets are often a transaction's marker, which no consumer is shown.
//! A time-out is never "nothing there". Blocks; from async code, call it through `spawn_blocking`.

use super::consumer::{Consumer, ask, consumer, is_passing};
use super::{Error, ErrorKind};
use crate::mutant::{self, Mutant};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// Offsets read at first; eight times as many when the key is not among them, and so on to the beginning.
const LOOK_BACK: i64 = 2_000;

/// What one attempt to have the end may take.
const SLICE: Duration = Duration::from_secs(2);

/// A record of the key.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// Reads the key's newest records, oldest first, through `each`: at least the last one there is, and some before it.
/// The topic must have one partition. `timeout` holds for the whole.
pub fn read(
    settings: &BTreeMap<String, String>,
    topic: &str,
    key: &[u8],
    timeout: Duration,
    mut each: impl FnMut(Entry<'_>),
) -> Result<(), Error> {
    read_log(&Tail::connect(settings, topic, Instant::now() + timeout)?, topic, key, &mut each)
}

/// Which records a consumer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All: the end is the high watermark.
    Uncommitted,
    /// Those of decided transactions: the end is the last stable offset.
    Committed,
}

/// A topic of one partition, and the patience to read it. A simulation has one that is no server's.
pub trait Log {
    /// First offset, and the one after the last.
    fn ends(&self, isolation: Isolation) -> Result<(i64, i64), Error>;
    /// Reads from there to the last stable offset, and says whether the key was met.
    fn read(&self, from: i64, key: &[u8], each: &mut dyn FnMut(Entry<'_>)) -> Result<bool, Error>;
    /// Waits for a moment.
    fn wait(&self);
}

/// The same, of a topic however it is reached.
pub fn read_log(
    log: &impl Log,
    topic: &str,
    key: &[u8],
    each: &mut dyn FnMut(Entry<'_>),
) -> Result<(), Error> {
    let stable_only = mutant::is_on(Mutant::ReadToStable);
    let (first, end) = log.ends(if stable_only { Isolation::Committed } else { Isolation::Uncommitted })?;
    wait_stable(log, topic, end)?;
    let mut look_back = LOOK_BACK;
    let mut from = first.max(end - look_back);
    while end > first && !log.read(from, key, each)? && from > first {
        look_back = look_back.saturating_mul(8);
        from = first.max(end.saturating_sub(look_back));
    }
    let (_, end_now) = log.ends(Isolation::Uncommitted)?;
    check_end(topic, end_now, end)
}

/// Waits until no transaction is open before `end`; our own are decided, so it would be somebody else's.
fn wait_stable(log: &impl Log, topic: &str, end: i64) -> Result<(), Error> {
    let (_, mut stable) = log.ends(Isolation::Committed)?;
    while stable < end {
        log.wait();
        let again = log.ends(Isolation::Uncommitted).and_then(|(_, now)| {
            check_end(topic, now, end)?;
            log.ends(Isolation::Committed)
        });
        stable = match again {
            Ok((_, stable)) => stable,
            // Out of time, and what was waited for says more than that the last question was not answered.
            Err(error) if error.kind == ErrorKind::Transient => {
                let before = end - stable;
                let message = format!(
                    "reading topic {topic}: a transaction of another producer is open at offset {stable}, {before} \
                     before the end; kafka-transactions.sh find-hanging tells whether it is one that Kafka forgot to end"
                );
                return Err(Error { kind: ErrorKind::Transient, message });
            }
            Err(error) => return Err(error),
        };
    }
    Ok(())
}

/// An end that falls back means that a broker has lost what it had acknowledged.
fn check_end(topic: &str, now: i64, before: i64) -> Result<(), Error> {
    if now >= before {
        return Ok(());
    }
    Err(Error {
        kind: ErrorKind::Topic,
        message: format!(
            "topic {topic} ended at offset {before} and now ends at {now}: its broker has lost records"
        ),
    })
}

struct Tail<'a> {
    topic: &'a str,
    deadline: Instant,
    /// Knows the high watermark.
    uncommitted: Consumer,
    /// Knows the last stable offset, and reads.
    committed: Consumer,
}

impl<'a> Tail<'a> {
    fn connect(
        settings: &BTreeMap<String, String>,
        topic: &'a str,
        deadline: Instant,
    ) -> Result<Tail<'a>, Error> {
        let consumer = |isolation| consumer(settings, isolation, &[]);
        let (uncommitted, committed) = (consumer("read_uncommitted")?, consumer("read_committed")?);
        Ok(Tail { topic, deadline, uncommitted, committed })
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl Log for Tail<'_> {
    fn ends(&self, isolation: Isolation) -> Result<(i64, i64), Error> {
        let consumer = match isolation {
            Isolation::Uncommitted => &self.uncommitted,
            Isolation::Committed => &self.committed,
        };
        let doing = format!("asking for the end of topic {}", self.topic);
        ask(consumer, &doing, self.deadline, SLICE, |consumer, left| {
            consumer.fetch_watermarks(self.topic, 0, left)
        })
    }

    fn read(&self, from: i64, key: &[u8], each: &mut dyn FnMut(Entry<'_>)) -> Result<bool, Error> {
        let doing = || format!("reading topic {}", self.topic);
        let mut partitions = TopicPartitionList::new();
        let added = partitions.add_partition_offset(self.topic, 0, Offset::Offset(from));
        let assigned = added.and_then(|()| self.committed.assign(&partitions));
        assigned.map_err(|error| self.committed.context().error(&doing(), &error))?;
        let mut is_met = false;
        loop {
            let left = self.left();
            match self.committed.poll(left.min(Duration::from_millis(100))) {
                Some(Ok(record)) if record.key() == Some(key) => {
                    is_met = true;
                    each(Entry { offset: record.offset(), value: record.payload() });
                }
                Some(Ok(_)) => {}
                // The position is at a last stable offset, which is no earlier than the one waited for.
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(is_met),
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => return Err(self.committed.context().error(&doing(), &error)),
                None => {}
            }
            if left.is_zero() {
                let message = format!("{}: the end was not reached in time", doing());
                return Err(Error { kind: ErrorKind::Transient, message });
            }
        }
    }

    fn wait(&self) {
        thread::park_timeout(Duration::from_millis(10));
    }
}
