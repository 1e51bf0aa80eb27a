//! Kafka: the clients by their Java names, and how topics are made.

use super::Default::{Required, Unset, Value};
use super::Kind::{Boolean, List, Text};
use super::{Property, Section, honoured, int, named, refused};

/// Kafka.
pub const SECTION: Section = Section { title: "Kafka", named: NAMED, others: OTHERS };

/// Any client property without a prefix: what it matches, only the clients know.
pub const ANY_CLIENT: &str = "<client property>";

/// The prefixes of producer properties, the weaker first.
pub const PRODUCER_PREFIXES: &[&str] = &["producer.", "producer.override."];

/// The prefixes of properties of consumers and admin clients, the weaker first.
pub const ADMIN_PREFIXES: &[&str] = &["consumer.", "admin.", "consumer.override.", "admin.override."];

/// The client property that names the transactional id.
pub const TRANSACTIONAL_ID: &str = "transactional.id";

/// The client property that limits a record.
pub const MAX_REQUEST_SIZE: &str = "max.request.size";

/// The client property that limits what waits to be sent.
pub const BUFFER_MEMORY: &str = "buffer.memory";

/// Its default, bytes.
pub const MAX_REQUEST_SIZE_DEFAULT: usize = 1_048_576;

/// The topic properties of Apache Kafka; other makes have further ones.
pub const TOPIC_PROPERTIES: &[&str] = &[
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

/// Consumer properties that have no producer's twin: `consumer.*` in a worker's file is for sinks.
pub const CONSUMER_ONLY: &[&str] = &[
    "allow.auto.create.topics",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "default.api.timeout.ms",
    "enable.auto.commit",
    "exclude.internal.topics",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "key.deserializer",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "value.deserializer",
];

named! {
    BOOTSTRAP_SERVERS = "bootstrap.servers", List, Required, "Brokers to ask first: `host:port`, between commas.";
    TOPIC_CREATION_ENABLE = "topic.creation.enable", Boolean, Value("true"), "Make topics that are missing; with `false` they are refused by name.";
    TOPIC_CREATION_PARTITIONS = "topic.creation.default.partitions", int("partitions", -1, 1_000_000), Value("-1"), "Partitions of a new topic; -1 leaves it to the broker.";
    TOPIC_CREATION_REPLICATION = "topic.creation.default.replication.factor", int("replicas", -1, 32_767), Value("-1"), "Its replication factor; -1 leaves it to the broker.";
    TOPIC_CREATION_SETTING = "topic.creation.default.<topic property>", Text, Unset, "Its further configuration, `cleanup.policy` for instance.";
}

const OTHERS: &[Property] = &[
    honoured(
        "<client property>",
        Text,
        Unset,
        "For every Kafka client, by its Java name: `security.protocol`, `ssl.*`, `sasl.*`, `client.id` and the rest.",
    ),
    honoured("producer.<client property>", Text, Unset, "For the producer, over the bare one."),
    honoured("producer.override.<client property>", Text, Unset, "For the producer, over both."),
    honoured(
        "consumer.<client property>",
        Text,
        Unset,
        "For reading positions and managing topics, over the bare one.",
    ),
    honoured(
        "consumer.override.<client property>",
        Text,
        Unset,
        "The same, over `consumer.*` and `admin.*`.",
    ),
    honoured("admin.<client property>", Text, Unset, "The same, over `consumer.*`."),
    honoured("admin.override.<client property>", Text, Unset, "The same, over all of these."),
    refused(
        "topic.creation.groups",
        "topics are made by one rule",
        "leave it out, and write topic.creation.default.*, or make those topics beforehand",
    ),
];
