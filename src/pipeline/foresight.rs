//! What Kafka would refuse, known before it is sent: a refusal costs a transaction and a session, a look at the topic
//! costs a question now and then.
//!
//! Only records that a topic might refuse are looked at: with a partition of their own, without a key, or large. What is
//! foreseen wrongly as fit is found out by Kafka all the same.

use crate::config::KafkaConfig;
use crate::encode::RecordRef;
use crate::kafka;
use crate::kafka::admin::{Admin, Patience};
use crate::rejection::Reason;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Smaller records are not looked at for their size.
const LARGE: usize = 8 * 1024;

/// What a producer's estimate of a record may be above the record's size in a batch.
const ESTIMATE: usize = 21;

/// An answer is good for so long where it would refuse an event.
const FRESH: Duration = Duration::from_secs(1);

/// How long a question may take: whoever asks keeps the road waiting.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a topic takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicLimits {
    /// Its partitions.
    pub partitions: i32,
    /// It is compacted: a record without a key is refused.
    pub keys_only: bool,
    /// `max.message.bytes`.
    pub max_bytes: usize,
}

/// Answers what topics take.
pub trait Topics: Send {
    /// The topic's limits; `None` where they cannot be had.
    fn limits(&mut self, topic: &str) -> Option<TopicLimits>;
}

/// Knows what topics take, as far as that was asked for.
#[derive(Default)]
pub struct Foresight {
    topics: Option<Box<dyn Topics>>,
    known: HashMap<Arc<str>, Known>,
    /// No record is too ordinary to be looked at.
    is_thorough: bool,
}

#[derive(Clone, Copy)]
struct Known {
    limits: Option<TopicLimits>,
    asked: Instant,
}

/// Why a record would be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The class of the trouble.
    pub reason: Reason,
    /// What exactly is wrong.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
}

impl Foresight {
    /// One that asks.
    pub fn new(topics: Box<dyn Topics>) -> Foresight {
        Foresight { topics: Some(topics), known: HashMap::new(), is_thorough: false }
    }

    /// The same for who has the time to look at every record.
    pub fn thorough(self) -> Foresight {
        Foresight { is_thorough: true, ..self }
    }

    /// Why Kafka would refuse the record, if that can be told.
    pub fn refuses(&mut self, record: &RecordRef<'_>) -> Option<Foreseen> {
        let large = record.value.is_some_and(|value| value.len() >= LARGE);
        if record.partition.is_none() && record.key.is_some() && !large && !self.is_thorough {
            return None;
        }
        let topics = self.topics.as_mut()?;
        let known = self.known.get(record.topic).copied();
        let is_settled = |known: &Known| known.asked.elapsed() < FRESH || is_fit(known.limits, record);
        let limits = match known.filter(is_settled) {
            Some(known) => known.limits,
            None => {
                let known = Known { limits: topics.limits(record.topic), asked: Instant::now() };
                self.known.insert(Arc::clone(record.topic), known);
                known.limits
            }
        };
        refuses(limits?, record)
    }
}

/// Limits that are known take the record.
fn is_fit(limits: Option<TopicLimits>, record: &RecordRef<'_>) -> bool {
    limits.is_some_and(|limits| refuses(limits, record).is_none())
}

fn refuses(limits: TopicLimits, record: &RecordRef<'_>) -> Option<Foreseen> {
    let topic = &record.topic;
    let TopicLimits { partitions, keys_only, max_bytes } = limits;
    if let Some(partition) = record.partition.filter(|partition| *partition >= partitions) {
        return Some(Foreseen {
            reason: Reason::PartitionIllegal,
            detail: format!("partition {partition} of topic {topic}, which has {partitions}"),
            hint: format!("give topic {topic} more partitions, or let the column name one that it has"),
        });
    }
    if keys_only && record.key.is_none() {
        return Some(Foreseen {
            reason: Reason::RefusedByBroker,
            detail: format!("the key is null, and topic {topic} is compacted"),
            hint: format!("write a key, or give topic {topic} cleanup.policy=delete"),
        });
    }
    let size = record.size().saturating_sub(ESTIMATE);
    (size > max_bytes).then(|| Foreseen {
        reason: Reason::TooLarge,
        detail: format!(
            "the record is {size} bytes at least, and max.message.bytes of topic {topic} is {max_bytes}"
        ),
        hint: format!("raise max.message.bytes of topic {topic}, or publish smaller events"),
    })
}

/// Asks the cluster, over a connection that is made when it is first needed.
pub struct ClusterTopics {
    settings: BTreeMap<String, String>,
    /// What is compressed may be smaller than it looks.
    compressed: bool,
    admin: Option<Admin>,
}

impl ClusterTopics {
    /// Asks with these settings.
    pub fn new(kafka: &KafkaConfig) -> ClusterTopics {
        ClusterTopics { settings: kafka.admin.clone(), compressed: is_compressed(kafka), admin: None }
    }

    fn ask(&mut self, topic: &str) -> Result<Option<TopicLimits>, kafka::Error> {
        let admin = match self.admin.take() {
            Some(admin) => admin,
            None => Admin::connect(&self.settings, Patience::from(PATIENCE))?,
        };
        let admin = self.admin.insert(admin);
        let Some(facts) = admin.topic(topic)? else { return Ok(None) };
        let settings = admin.describe_topic(topic).unwrap_or_else(|error| {
            tracing::debug!(topic, %error, "the topic's settings are not to be seen");
            BTreeMap::new()
        });
        let policy = settings.get("cleanup.policy").map_or("", String::as_str);
        let max_bytes = settings.get("max.message.bytes").and_then(|bytes| bytes.parse().ok());
        Ok(Some(TopicLimits {
            partitions: facts.partitions,
            keys_only: policy.split(',').any(|policy| policy.trim() == "compact"),
            max_bytes: max_bytes.filter(|_| !self.compressed).unwrap_or(usize::MAX),
        }))
    }
}

impl Topics for ClusterTopics {
    fn limits(&mut self, topic: &str) -> Option<TopicLimits> {
        self.ask(topic).unwrap_or_else(|error| {
            tracing::debug!(topic, %error, "what the topic takes is not known");
            None
        })
    }
}

/// Whether the producer compresses what it sends.
pub fn is_compressed(kafka: &KafkaConfig) -> bool {
    let codecs = ["compression.type", "compression.codec"];
    codecs.into_iter().filter_map(|name| kafka.producer.get(name)).any(|codec| codec != "none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Outgoing;
    use std::sync::Mutex;

    /// Answers in turn, and counts.
    struct Script(Arc<Mutex<Vec<Option<TopicLimits>>>>);

    impl Topics for Script {
        fn limits(&mut self, _: &str) -> Option<TopicLimits> {
            self.0.lock().unwrap().remove(0)
        }
    }

    const LIMITS: TopicLimits = TopicLimits { partitions: 3, keys_only: true, max_bytes: 20_000 };

    fn record(key: Option<&str>, bytes: usize, partition: Option<i32>) -> Outgoing {
        let mut out = Outgoing::default();
        let mut draft = out.draft();
        let put = |text: String| {
            move |bytes: &mut Vec<u8>| {
                bytes.extend_from_slice(text.as_bytes());
                Ok::<_, ()>(true)
            }
        };
        if let Some(key) = key {
            out.key(&mut draft, put(key.to_owned())).unwrap();
        }
        out.value(&mut draft, put("x".repeat(bytes))).unwrap();
        out.finish(draft, &Arc::from("t"), partition, 1);
        out
    }

    fn foresee(foresight: &mut Foresight, out: &Outgoing) -> Option<Reason> {
        foresight.refuses(&out.last().unwrap()).map(|foreseen| foreseen.reason)
    }

    #[test]
    fn an_ordinary_record_is_not_asked_about() {
        let mut foresight = Foresight::new(Box::new(Script(Arc::default())));
        assert_eq!(foresee(&mut foresight, &record(Some("k"), LARGE - 1, None)), None);
        assert_eq!(foresee(&mut Foresight::default(), &record(None, LARGE, Some(9))), None);
    }

    #[test]
    fn whoever_is_thorough_asks_about_ordinary_ones_too() {
        let narrow = TopicLimits { max_bytes: 100, ..LIMITS };
        let answers = Arc::new(Mutex::new(vec![Some(narrow)]));
        let mut foresight = Foresight::new(Box::new(Script(answers))).thorough();
        assert_eq!(foresee(&mut foresight, &record(Some("k"), 200, None)), Some(Reason::TooLarge));
    }

    #[test]
    fn what_the_topic_refuses_is_foreseen_and_what_it_takes_is_not() {
        let answers = Arc::new(Mutex::new(vec![Some(LIMITS)]));
        let mut foresight = Foresight::new(Box::new(Script(Arc::clone(&answers))));
        for (out, reason) in [
            (record(Some("k"), 10, Some(2)), None),
            (record(Some("k"), 10, Some(3)), Some(Reason::PartitionIllegal)),
            (record(None, 10, None), Some(Reason::RefusedByBroker)),
            (record(Some("k"), 19_900, None), None),
            (record(Some("k"), 20_000, None), Some(Reason::TooLarge)),
        ] {
            assert_eq!(foresee(&mut foresight, &out), reason);
        }
        assert!(answers.lock().unwrap().is_empty(), "asked once");
    }

    #[test]
    fn an_old_answer_that_would_refuse_is_asked_for_again() {
        let wider = TopicLimits { partitions: 9, ..LIMITS };
        let answers = Arc::new(Mutex::new(vec![None, Some(LIMITS), Some(wider)]));
        let mut foresight = Foresight::new(Box::new(Script(Arc::clone(&answers))));
        let out = record(Some("k"), 10, Some(5));
        let age = |foresight: &mut Foresight| {
            for known in foresight.known.values_mut() {
                known.asked -= FRESH;
            }
        };
        assert_eq!(foresee(&mut foresight, &out), None, "nobody knows the topic");
        age(&mut foresight);
        assert_eq!(foresee(&mut foresight, &out), Some(Reason::PartitionIllegal));
        assert_eq!(foresee(&mut foresight, &out), Some(Reason::PartitionIllegal), "asked a moment ago");
        age(&mut foresight);
        assert_eq!(foresee(&mut foresight, &out), None);
        assert!(answers.lock().unwrap().is_empty());
    }
}
