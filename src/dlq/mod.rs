//! The dead letters after they were written: what there is, what became of it, and publishing it after all.
//!
//! Enters: a configuration and what of its dead letters is meant. Leaves: an [`Index`] of them, and a report of what was
//! done. Promised: a letter is published in the Kafka transaction that marks it, under a transactional id of its own
//! (`<transactional.id>-dlq`) whose marks are read back after the fence, so that a replay that is killed and run again
//! publishes nothing twice; letters of one key in their order. Nothing is printed here: `walpost dlq` prints.

pub mod filter;
pub mod index;
pub mod outbox;
pub mod plan;
pub mod purge;
pub mod rebuild;
pub mod replay;
pub mod row;
#[cfg(test)]
pub mod testing;

pub use filter::Filter;
pub use index::{Index, State};

use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::failpoint;
use crate::kafka::admin::{Admin, Patience};
use crate::kafka::scan::Scan;
use crate::kafka::transactional::Transactional;
use crate::kafka::{self, ErrorKind};
use crate::pipeline::trouble::left_open;
use crate::publish;
use crate::publish::kafka_outlet::KafkaOutlet;
use crate::publish::left_open::LeftOpen;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// How long the fence may take: it waits for a predecessor's transaction to be ended.
const FENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a transaction that hides letters is waited for by who only looks.
pub const LOOK_PATIENCE: Duration = Duration::from_secs(5);
/// The same by who is about to write: longer than any transaction may be open unless somebody says otherwise.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// Which dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Their topic.
    pub topic: Arc<str>,
    /// The slot of the connector whose they are; others may write there, too.
    pub slot: String,
}

impl Source {
    /// Those of this connector, in `topic` or where it is configured to write them.
    pub fn of(config: &Config, topic: Option<&str>) -> Result<Source, Failure> {
        let configured = config.dead_letters.as_ref().map(|letters| letters.topic.topic.as_str());
        let topic = topic.or(configured).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "it is not known where the dead letters are",
                "no policy of the configuration sends events there",
                "name their topic: --topic NAME",
            )
        })?;
        if topic == config.publish.position_topic {
            let hint = "name the topic of the dead letters";
            return Err(Failure::new(Exit::Usage, format!("{topic} is where positions are kept"), "", hint));
        }
        Ok(Source { topic: Arc::from(topic), slot: config.source.slot.clone() })
    }
}

/// How far it has come; for those who watch.
#[derive(Debug, Default)]
pub struct Progress {
    /// Letters that are meant.
    pub chosen: AtomicU64,
    /// Of them, those that are dealt with.
    pub done: AtomicU64,
    /// Of these, those that stay behind.
    pub stayed: AtomicU64,
}

/// Connects to read. Blocks.
pub fn scan(config: &Config) -> Result<Scan, Failure> {
    Scan::connect(&config.kafka.admin).map_err(|error| Failure::from_kafka(&error, "connecting to Kafka"))
}

/// Connects to ask. Blocks.
pub fn admin(config: &Config, patience: Patience) -> Result<Admin, Failure> {
    Admin::connect(&config.kafka.admin, patience)
        .map_err(|error| Failure::from_kafka(&error, "connecting to Kafka"))
}

/// The transactional id under which letters are replayed and marked.
pub fn transactional_id(config: &Config) -> String {
    format!("{}-dlq", config.publish.transactional_id)
}

/// Fences everybody else who replays or purges letters of this connector. Blocks.
fn fence(config: &Config, patience: Patience) -> Result<KafkaOutlet, kafka::Error> {
    let kafka = &config.kafka;
    let mut producer = Transactional::new(kafka.kind, &kafka.producer, &transactional_id(config))?;
    let admin = Admin::connect(&kafka.admin, patience)?;
    producer.fence(FENCE_TIMEOUT)?;
    failpoint::hit("after_fence");
    let topic = config.publish.position_topic.as_str();
    let left_open = LeftOpen::new(&kafka.producer, transactional_id(config), producer.decided());
    let outlet = KafkaOutlet::new(producer, admin, topic, kafka.topic_creation.clone());
    Ok(outlet.looking(left_open))
}

/// Why a run came to an early end.
#[derive(Debug)]
enum Ended {
    /// Beginning anew, with a fence and the marks as Kafka holds them, may help.
    Again(Failure),
    /// It will not.
    Failed(Failure),
}

impl Ended {
    fn of_kafka(error: &kafka::Error, what: &str) -> Ended {
        let failure = Failure::from_kafka(error, what);
        match error.kind {
            ErrorKind::Transient | ErrorKind::Other => Ended::Again(failure),
            ErrorKind::Fenced => Ended::Failed(another()),
            ErrorKind::Denied | ErrorKind::Settings | ErrorKind::Topic => Ended::Failed(failure),
        }
    }
}

impl From<kafka::Error> for Ended {
    fn from(error: kafka::Error) -> Ended {
        Ended::of_kafka(&error, "reading the dead letters")
    }
}

impl From<publish::Error> for Ended {
    fn from(error: publish::Error) -> Ended {
        let kind = match &error {
            publish::Error::Fenced(_) => return Ended::Failed(another()),
            publish::Error::LeftOpen(error) => return Ended::Failed(left_open(error)),
            publish::Error::NotCommitted(_) | publish::Error::Unknown(_) => ErrorKind::Transient,
            publish::Error::Denied(_) => ErrorKind::Denied,
            publish::Error::Topic(_) | publish::Error::DeadLetters(_) | publish::Error::Refused(..) => {
                ErrorKind::Topic
            }
        };
        Ended::of_kafka(&kafka::Error { kind, message: error.to_string() }, "writing to Kafka")
    }
}

fn another() -> Failure {
    Failure::new(
        Exit::Kafka,
        "another walpost dlq works on these dead letters",
        "it began later and has fenced this one: what this one had not committed is void, and the other one knows what it had",
        "let one of them run at a time",
    )
}
