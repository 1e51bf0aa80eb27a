//! Asks Kafka, and judges what it answers.

use super::dead_letters;
use crate::cli::check::Check;
use crate::cli::context::KAFKA_PATIENCE;
use crate::cli::offsets::stored_position;
use crate::config::Config;
use crate::error::Failure;
use crate::kafka::admin::{Admin, TopicFacts, cleaned_by};
use crate::kafka::transactional::Transactional;
use crate::kafka::{Error, ErrorKind};
use crate::position::Position;
use std::collections::{BTreeMap, BTreeSet};

const TRANSACTION_LOG: &str = "__transaction_state";

type Settings = BTreeMap<String, String>;

/// What was found, and the stored position or why it could not be read.
pub(super) struct Found {
    pub checks: Vec<Check>,
    pub stored: Result<Option<Position>, Failure>,
}

/// Blocks. `topics` are those that rows in the outbox would go to.
pub(super) fn look(config: &Config, topics: &BTreeSet<String>) -> Found {
    let reached = Admin::connect(&config.kafka.admin, KAFKA_PATIENCE)
        .and_then(|admin| admin.cluster().map(|cluster| (admin, cluster)));
    let (admin, cluster) = match reached {
        Ok(reached) => reached,
        Err(error) => {
            let failure = Failure::from_kafka(&error, "asking Kafka");
            let checks = vec![
                Check::failed("kafka.connect", &failure),
                Check::skipped("kafka", "nothing more can be asked without a connection"),
            ];
            return Found { checks, stored: Err(failure) };
        }
    };
    let brokers: Vec<&str> = cluster.brokers.iter().map(|(_, address)| address.as_str()).collect();
    let id = cluster.id.as_deref().unwrap_or("without an id");
    let mut checks = vec![Check::ok("kafka.connect", format!("cluster {id}: {}", brokers.join(", ")))];
    if let Some((broker, _)) = cluster.brokers.first() {
        checks.extend(broker_checks(&admin, *broker, config));
    }
    checks.extend(position_topic(&admin, config));
    checks.extend(dead_letters::look(&admin, config));
    checks.extend(targets(&admin, topics, config));
    checks.push(trial(config));
    let stored = stored_position(config);
    if let Err(failure) = &stored {
        checks.push(Check::failed("kafka.position", failure));
    }
    Found { checks, stored }
}

fn broker_checks(admin: &Admin, broker: i32, config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    match admin.describe_broker(broker) {
        Ok(settings) => checks.push(transaction_timeout(&settings, config)),
        Err(error) => checks.push(unseen("kafka.transaction_timeout", &error)),
    }
    match admin.topic(TRANSACTION_LOG) {
        Ok(Some(facts)) => match admin.describe_topic(TRANSACTION_LOG) {
            Ok(settings) => {
                checks.push(durability("kafka.transaction_log", TRANSACTION_LOG, facts, &settings))
            }
            Err(error) => checks.push(unseen("kafka.transaction_log", &error)),
        },
        Ok(None) => {
            checks.push(Check::ok("kafka.transaction_log", "not there yet; the first transaction makes it"))
        }
        Err(error) => checks.push(unseen("kafka.transaction_log", &error)),
    }
    checks
}

/// The broker refuses producers whose transactions might last longer than it allows.
fn transaction_timeout(broker: &Settings, config: &Config) -> Check {
    let name = "kafka.transaction_timeout";
    let number =
        |settings: &Settings, key: &str| settings.get(key).and_then(|value| value.parse::<u64>().ok());
    let ours = number(&config.kafka.producer, "transaction.timeout.ms").unwrap_or(60_000);
    match number(broker, "transaction.max.timeout.ms") {
        Some(most) if ours > most => Check::fail(
            name,
            format!("transaction.timeout.ms is {ours}, but the broker allows {most}"),
            format!(
                "lower transaction.timeout.ms to {most}, or raise transaction.max.timeout.ms of the brokers"
            ),
        ),
        _ => Check::ok(name, format!("{ours} ms")),
    }
}

fn position_topic(admin: &Admin, config: &Config) -> Vec<Check> {
    let (name, topic) = ("kafka.position_topic", config.publish.position_topic.as_str());
    let facts = match admin.topic(topic) {
        Ok(Some(facts)) => facts,
        Ok(None) => {
            return vec![Check::ok(name, format!("{topic} does not exist yet; the first start makes it"))];
        }
        Err(error) => return vec![failed(name, &error)],
    };
    match admin.describe_topic(topic) {
        Ok(settings) => vec![
            position_keeping(topic, facts, &settings),
            durability("kafka.position_durability", topic, facts, &settings),
        ],
        Err(error) => vec![unseen(name, &error)],
    }
}

/// One partition, and records that stay.
fn position_keeping(topic: &str, facts: TopicFacts, settings: &Settings) -> Check {
    let name = "kafka.position_topic";
    if facts.partitions != 1 {
        return Check::fail(
            name,
            format!("{topic} has {} partitions and must have one", facts.partitions),
            "name another one with walpost.position.topic, or delete it while it holds no position",
        );
    }
    if let Some(policy) = cleaned_by(settings, "delete") {
        return Check::fail(
            name,
            format!("{topic} has cleanup.policy={policy}: the position would be deleted in time"),
            format!(
                "kafka-configs.sh --bootstrap-server … --alter --entity-type topics --entity-name {topic} --add-config \
                 cleanup.policy=compact"
            ),
        );
    }
    Check::ok(name, format!("{topic}: one partition, compacted"))
}

fn targets(admin: &Admin, topics: &BTreeSet<String>, config: &Config) -> Vec<Check> {
    if topics.is_empty() {
        let creation = match &config.kafka.topic_creation {
            Some(_) => "topics that are missing are made",
            None => "topics that are missing are refused (topic.creation.enable is false)",
        };
        return vec![Check::ok("kafka.topics", format!("no row in the outbox names one; {creation}"))];
    }
    topics.iter().flat_map(|topic| target(admin, topic, config)).collect()
}

fn target(admin: &Admin, topic: &str, config: &Config) -> Vec<Check> {
    let name = "kafka.topics";
    match (admin.topic(topic), &config.kafka.topic_creation) {
        (Ok(Some(facts)), _) => match admin.describe_topic(topic) {
            Ok(settings) => vec![
                durability(name, topic, facts, &settings),
                record_size(topic, &settings, config.encode.max_record_bytes),
                retention(topic, &settings, config.route.timestamp.as_deref()),
            ],
            Err(error) => vec![unseen(name, &error)],
        },
        (Ok(None), Some(_)) => {
            vec![Check::ok(name, format!("{topic} does not exist yet; its first event makes it"))]
        }
        (Ok(None), None) => vec![Check::fail(
            name,
            format!("{topic} does not exist, and rows in the outbox go there"),
            format!(
                "kafka-topics.sh --bootstrap-server … --create --topic {topic}, or topic.creation.enable=true with \
                 topic.creation.default.partitions and topic.creation.default.replication.factor"
            ),
        )],
        (Err(error), _) => vec![failed(name, &error)],
    }
}

/// What an acknowledged record survives.
fn durability(name: &'static str, topic: &str, facts: TopicFacts, settings: &Settings) -> Check {
    let replicas = facts.replication;
    let in_sync: i32 = settings.get("min.insync.replicas").and_then(|value| value.parse().ok()).unwrap_or(1);
    let detail = format!(
        "{topic}: {} partitions, {replicas} replicas, min.insync.replicas {in_sync}",
        facts.partitions
    );
    let alter = |setting: &str| {
        format!(
            "kafka-configs.sh --bootstrap-server … --alter --entity-type topics --entity-name {topic} --add-config {setting}"
        )
    };
    if in_sync > replicas {
        return Check::fail(
            name,
            format!("{detail}: nothing can be written"),
            alter("min.insync.replicas=1"),
        );
    }
    if settings.get("unclean.leader.election.enable").is_some_and(|value| value == "true") {
        return Check::warn(
            name,
            format!("{detail}; an out-of-date replica may become leader: committed events can be lost"),
            alter("unclean.leader.election.enable=false"),
        );
    }
    if replicas < 2 {
        return Check::warn(
            name,
            format!("{detail}: an event is as safe as that broker's disk"),
            "give topics that matter three replicas and min.insync.replicas=2 (kafka-reassign-partitions.sh)",
        );
    }
    if in_sync < 2 {
        return Check::warn(
            name,
            format!("{detail}: a committed event may be on one broker only"),
            alter("min.insync.replicas=2"),
        );
    }
    Check::ok(name, detail)
}

/// A topic that takes smaller records than the connector sends refuses some of them.
fn record_size(topic: &str, settings: &Settings, most: usize) -> Check {
    let name = "kafka.record_size";
    match settings.get("max.message.bytes").and_then(|value| value.parse::<usize>().ok()) {
        Some(limit) if limit < most => Check::warn(
            name,
            format!("{topic} takes records of {limit} bytes, but max.request.size lets {most} pass"),
            format!(
                "kafka-configs.sh --bootstrap-server … --alter --entity-type topics --entity-name {topic} --add-config \
                 max.message.bytes={most}, or lower max.request.size to {limit}"
            ),
        ),
        _ => Check::ok(name, format!("{topic} takes what max.request.size lets pass")),
    }
}

/// Kafka counts retention from the records' own timestamps, and those may be a column's.
fn retention(topic: &str, settings: &Settings, column: Option<&str>) -> Check {
    let name = "kafka.retention";
    let kept_ms = settings.get("retention.ms").and_then(|ms| ms.parse::<i64>().ok()).filter(|ms| *ms >= 0);
    let Some(kept_ms) = kept_ms.filter(|_| cleaned_by(settings, "delete").is_some()) else {
        return Check::ok(name, format!("no record of {topic} is taken for its age"));
    };
    let by_append = settings.get("message.timestamp.type").is_some_and(|kind| kind == "LogAppendTime");
    let from = column.filter(|_| !by_append).map_or_else(String::new, |column| {
        format!(" from the time in column {column}: an older row may soon be gone from it")
    });
    Check::ok(name, format!("{topic} keeps a record for {} h{from}", kept_ms / 3_600_000))
}

/// Fences a transactional id of its own: the connector's would throw a running connector out.
fn trial(config: &Config) -> Check {
    let name = "kafka.transactions";
    let id = format!("{}-doctor", config.publish.transactional_id);
    let tried = Transactional::new(config.kafka.kind, &config.kafka.producer, &id)
        .and_then(|mut producer| producer.fence(KAFKA_PATIENCE.answer));
    match tried {
        Ok(()) => Check::ok(name, format!("a trial with transactional id {id} went well")),
        Err(error) if error.kind == ErrorKind::Denied => Check::warn(
            name,
            format!("transactional id {id}: {error}"),
            format!(
                "if the ACL is for {} alone this means nothing; else grant Write and Describe on TransactionalId {}",
                config.publish.transactional_id, config.publish.transactional_id
            ),
        ),
        Err(error) => failed(name, &error),
    }
}

/// Not being allowed to see a setting is no fault of the setting.
fn unseen(name: &'static str, error: &Error) -> Check {
    if error.kind == ErrorKind::Denied {
        return Check::warn(name, error.to_string(), "grant DescribeConfigs to have it checked");
    }
    failed(name, error)
}

fn failed(name: &'static str, error: &Error) -> Check {
    Check::failed(name, &Failure::from_kafka(error, "asking Kafka"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Finding;
    use crate::config::testing;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn durable(replication: i32, pairs: &[(&str, &str)]) -> Finding {
        durability("kafka.topics", "t", TopicFacts { partitions: 6, replication }, &settings(pairs)).finding
    }

    #[test]
    fn what_an_acknowledged_record_survives_is_told() {
        assert_eq!(durable(3, &[("min.insync.replicas", "2")]), Finding::Ok);
        assert_eq!(durable(3, &[("min.insync.replicas", "1")]), Finding::Warn);
        assert_eq!(durable(1, &[("min.insync.replicas", "1")]), Finding::Warn);
        assert_eq!(durable(1, &[("min.insync.replicas", "2")]), Finding::Fail);
        let unclean = [("min.insync.replicas", "2"), ("unclean.leader.election.enable", "true")];
        assert_eq!(durable(3, &unclean), Finding::Warn);
    }

    #[test]
    fn a_position_topic_that_forgets_or_splits_fails() {
        let one = TopicFacts { partitions: 1, replication: 3 };
        let keeping =
            |facts, policy| position_keeping("p", facts, &settings(&[("cleanup.policy", policy)])).finding;
        assert_eq!(keeping(one, "compact"), Finding::Ok);
        assert_eq!(keeping(one, "compact,delete"), Finding::Fail);
        assert_eq!(keeping(one, "delete"), Finding::Fail);
        assert_eq!(keeping(TopicFacts { partitions: 3, ..one }, "compact"), Finding::Fail);
    }

    #[test]
    fn transactions_longer_than_the_broker_allows_fail() {
        let config = testing::config_with("producer.override.transaction.timeout.ms=120000");
        let finding =
            |most| transaction_timeout(&settings(&[("transaction.max.timeout.ms", most)]), &config).finding;
        assert_eq!(finding("60000"), Finding::Fail);
        assert_eq!(finding("900000"), Finding::Ok);
    }

    #[test]
    fn a_topic_for_smaller_records_is_pointed_out() {
        let finding = |limit| record_size("t", &settings(&[("max.message.bytes", limit)]), 1_048_576).finding;
        assert_eq!(finding("1000"), Finding::Warn);
        assert_eq!(finding("1048588"), Finding::Ok);
    }
}
