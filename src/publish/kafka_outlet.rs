//! The outlet that is Kafka: a transactional producer behind [`Outlet`].
//!
//! Topics are looked at, and made where that is allowed, before the transaction in which they first occur begins: a
//! missing topic then costs no abort. They are also searched for what Kafka forgot to end.

use super::left_open::LeftOpen;
use super::{Class, Outlet, OutletError, dead_letters};
use crate::encode::{Outgoing, RecordRef};
use crate::kafka::admin::{Admin, TopicCreation};
use crate::kafka::producer::{Failure, Framed, Headers, Record};
use crate::kafka::transactional::Transactional;
use crate::kafka::{self, ErrorKind};
use crate::rejection::Reason;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A fenced producer, and what it needs to know about topics.
pub struct KafkaOutlet {
    producer: Transactional,
    admin: Admin,
    creation: Option<TopicCreation>,
    position_topic: String,
    /// Partitions of the topics seen so far.
    topics: HashMap<Arc<str>, i32>,
    /// Those of them that nothing was sent to yet.
    new: Vec<(Arc<str>, i32)>,
    left_open: Option<LeftOpen>,
}

impl KafkaOutlet {
    /// An outlet over a producer that has fenced its predecessors. Without `creation`, missing topics are refused.
    pub fn new(
        producer: impl Into<Transactional>,
        admin: Admin,
        position_topic: impl Into<String>,
        creation: Option<TopicCreation>,
    ) -> KafkaOutlet {
        KafkaOutlet {
            producer: producer.into(),
            admin,
            creation,
            position_topic: position_topic.into(),
            topics: HashMap::new(),
            new: Vec::new(),
            left_open: None,
        }
    }

    /// The same, and no topic is written to in which a transaction of this producer was left open.
    pub fn looking(self, left_open: LeftOpen) -> KafkaOutlet {
        KafkaOutlet { left_open: Some(left_open), ..self }
    }

    /// Sees to it that the topic of dead letters is there: the bytes of the largest batch that it takes, if known.
    pub fn ensure_dead_letters(
        &mut self,
        config: &dead_letters::Config,
    ) -> Result<Option<usize>, kafka::Error> {
        let (partitions, most) = dead_letters::ensure_topic(&self.admin, config, self.creation.as_ref())?;
        // One that goes missing later is not made like any other.
        self.meet(&Arc::from(config.topic.as_str()), partitions);
        Ok(most)
    }

    /// The topic's partitions; asks the cluster when it is new here, or should have more than it had.
    fn partitions(&mut self, topic: &Arc<str>, at_least: i32) -> Result<i32, OutletError> {
        match self.topics.get(topic) {
            Some(&partitions) if partitions >= at_least => return Ok(partitions),
            _ => {}
        }
        let facts = self
            .admin
            .ensure_topic(topic, self.creation.as_ref())
            .map_err(|error| unprepared(error, topic))?;
        self.meet(topic, facts.partitions);
        Ok(facts.partitions)
    }

    fn meet(&mut self, topic: &Arc<str>, partitions: i32) {
        // One that has grown was written to before, and what is open in it may be what was just committed.
        if self.topics.insert(Arc::clone(topic), partitions).is_none() {
            self.new.push((Arc::clone(topic), partitions));
        }
    }
}

impl Outlet for KafkaOutlet {
    fn prepare(&mut self, outgoing: &Outgoing) -> Result<(), OutletError> {
        // Neighbours mostly share a topic, and then its very allocation.
        let mut last: Option<(&Arc<str>, i32)> = None;
        for (number, (topic, partition)) in outgoing.places().enumerate() {
            let needed = partition.map_or(1, |partition| partition.saturating_add(1));
            let partitions = match last {
                Some((last, partitions)) if Arc::ptr_eq(last, topic) && partitions >= needed => partitions,
                _ => self.partitions(topic, needed)?,
            };
            if needed > partitions || partition.is_some_and(|partition| partition < 0) {
                return Err(OutletError {
                    class: Class::RecordRefused(Reason::PartitionIllegal),
                    message: format!(
                        "partition {} of topic {topic}, which has {partitions}",
                        needed.saturating_sub(1)
                    ),
                    topic: Some(topic.to_string()),
                    record: Some(number),
                });
            }
            last = Some((topic, partitions));
        }
        if !self.new.is_empty() {
            self.producer.prepare(self.new.iter().map(|(topic, _)| &**topic))?;
            self.left_open.as_ref().map_or(Ok(()), |left_open| left_open.look(&self.new))?;
            self.new.clear();
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), OutletError> {
        Ok(self.producer.begin()?)
    }

    fn send(&mut self, record: &RecordRef<'_>) -> Result<(), OutletError> {
        let to_send = Record {
            topic: record.topic,
            partition: record.partition,
            timestamp_ms: Some(record.timestamp_ms),
            key: record.key,
            value: record.value,
        };
        let (count, bytes) = record.framed_headers();
        let framed = Framed { count, bytes };
        let headers = Headers { all: record.headers(), framed, own: record.own_headers() };
        Ok(self.producer.send(to_send, headers)?)
    }

    fn send_position(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), OutletError> {
        let position = Record {
            topic: &self.position_topic,
            partition: Some(0),
            timestamp_ms: None,
            key: Some(key),
            value,
        };
        let none = std::iter::empty;
        let headers = Headers { all: none(), framed: Framed::default(), own: none() };
        Ok(self.producer.send(position, headers)?)
    }

    fn settle(&mut self) -> Result<(), OutletError> {
        Ok(self.producer.settle()?)
    }

    fn commit(&mut self) -> Result<(), OutletError> {
        Ok(self.producer.commit()?)
    }

    fn abort(&mut self) -> Result<(), OutletError> {
        Ok(self.producer.abort()?)
    }

    fn rest(&self) -> Duration {
        self.producer.rest()
    }
}

impl From<Failure> for OutletError {
    fn from(failure: Failure) -> OutletError {
        let Failure { class, message, topic, record } = failure;
        OutletError { class, message, topic, record }
    }
}

fn unprepared(error: kafka::Error, topic: &str) -> OutletError {
    let class = match error.kind {
        ErrorKind::Transient => Class::Retriable,
        ErrorKind::Denied => Class::Denied,
        ErrorKind::Topic => Class::Topic,
        ErrorKind::Fenced => Class::Fenced,
        ErrorKind::Settings | ErrorKind::Other => Class::Fatal,
    };
    OutletError { class, message: error.message, topic: Some(topic.to_owned()), record: None }
}
