//! Asks Kafka for the topic of dead letters, where a policy sends events there.

use crate::cli::check::Check;
use crate::config::Config;
use crate::error::Failure;
use crate::kafka::admin::Admin;
use crate::kafka::{Error, ErrorKind};
use crate::publish::dead_letters::compacts;

const NAME: &str = "kafka.dead_letters";

/// Blocks.
pub(super) fn look(admin: &Admin, config: &Config) -> Option<Check> {
    let topic = config.dead_letters.as_ref()?.topic.topic.as_str();
    let creation = config.kafka.topic_creation.is_some();
    Some(match admin.topic(topic) {
        Ok(None) if creation => {
            Check::ok(NAME, format!("{topic} does not exist yet; the first start makes it"))
        }
        Ok(None) => Check::fail(
            NAME,
            format!("{topic} does not exist, and the connector does not start without it"),
            format!(
                "kafka-topics.sh --bootstrap-server … --create --topic {topic} --partitions 1 --config \
                 retention.ms=2592000000, or topic.creation.enable=true"
            ),
        ),
        Ok(Some(facts)) => match admin.describe_topic(topic) {
            Ok(settings) => match compacts(&settings) {
                Some(policy) => Check::fail(
                    NAME,
                    format!("{topic} has cleanup.policy={policy}: it would keep one letter of each key"),
                    format!(
                        "kafka-configs.sh --bootstrap-server … --alter --entity-type topics --entity-name {topic} \
                         --add-config cleanup.policy=delete"
                    ),
                ),
                None => Check::ok(NAME, format!("{topic}: {} partitions", facts.partitions)),
            },
            Err(error) => unseen(&error),
        },
        Err(error) => unseen(&error),
    })
}

fn unseen(error: &Error) -> Check {
    match error.kind {
        ErrorKind::Denied => Check::warn(NAME, error.to_string(), "grant DescribeConfigs to have it checked"),
        _ => Check::failed(NAME, &Failure::from_kafka(error, "asking Kafka")),
    }
}
