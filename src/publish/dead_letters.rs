//! The topic of dead letters: made if it is missing and may be, refused if it would lose letters.
//!
//! One partition keeps them in the order of their transactions; they are deleted in time, and by nothing else.

use crate::kafka::admin::{self, Admin, TopicCreation};
use crate::kafka::{self, ErrorKind};
use std::collections::BTreeMap;

/// What the topic is made with: a month to look at a letter.
const SETTINGS: &[(&str, &str)] = &[("cleanup.policy", "delete"), ("retention.ms", "2592000000")];

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `errors.deadletterqueue.topic.name`.
    pub topic: String,
    /// `errors.deadletterqueue.topic.replication.factor`; `None`: as for other topics.
    pub replication_factor: Option<i32>,
}

/// Sees to it that the topic is there. Leaves: its partitions, and the bytes of the largest batch that it takes, where
/// that can be seen.
pub fn ensure_topic(
    admin: &Admin,
    config: &Config,
    creation: Option<&TopicCreation>,
) -> Result<(i32, Option<usize>), kafka::Error> {
    let topic = config.topic.as_str();
    let creation = creation.map(|creation| as_created(config, creation));
    let facts = admin.ensure_topic(topic, creation.as_ref())?;
    let settings = match admin.describe_topic(topic) {
        Ok(settings) => settings,
        Err(error) if error.kind == ErrorKind::Denied => {
            tracing::warn!(topic, %error, "not allowed to see how the topic of dead letters keeps them");
            return Ok((facts.partitions, None));
        }
        Err(error) => return Err(error),
    };
    if let Some(policy) = compacts(&settings) {
        return Err(kafka::Error {
            kind: ErrorKind::Topic,
            message: format!(
                "topic {topic} has cleanup.policy={policy}, which keeps one letter of each key, and takes none without \
                 a key; mend it with kafka-configs.sh --bootstrap-server HOST:9092 --alter --entity-type topics \
                 --entity-name {topic} --add-config cleanup.policy=delete"
            ),
        });
    }
    let most = settings.get("max.message.bytes").and_then(|bytes| bytes.parse().ok());
    Ok((facts.partitions, most))
}

/// A `cleanup.policy` that would lose letters, among a topic's settings.
pub fn compacts(settings: &BTreeMap<String, String>) -> Option<&str> {
    admin::cleaned_by(settings, "compact")
}

/// How the topic is made: like the others, but for what letters need.
fn as_created(config: &Config, creation: &TopicCreation) -> TopicCreation {
    let replication_factor = config.replication_factor.unwrap_or(creation.replication_factor);
    let alike = ["min.insync.replicas", "unclean.leader.election.enable", "max.message.bytes"];
    let kept = creation.settings.iter().filter(|(name, _)| alike.contains(&name.as_str()));
    let mut settings: BTreeMap<_, _> = SETTINGS.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    settings.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
    TopicCreation { partitions: 1, replication_factor, settings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_is_made_with_one_partition_that_keeps_letters_as_safe_and_as_large_as_the_others() {
        let mut creation =
            TopicCreation { partitions: 12, replication_factor: 3, ..TopicCreation::default() };
        creation.settings.insert("min.insync.replicas".into(), "2".into());
        creation.settings.insert("max.message.bytes".into(), "20500000".into());
        creation.settings.insert("cleanup.policy".into(), "compact".into());
        let mut config = Config { topic: "dlt".into(), replication_factor: None };
        let made = as_created(&config, &creation);
        assert_eq!((made.partitions, made.replication_factor), (1, 3));
        assert_eq!(made.settings["cleanup.policy"], "delete");
        assert_eq!(
            (&*made.settings["min.insync.replicas"], &*made.settings["max.message.bytes"]),
            ("2", "20500000")
        );
        config.replication_factor = Some(1);
        assert_eq!(as_created(&config, &creation).replication_factor, 1);
    }
}
