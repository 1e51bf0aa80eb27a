//! What only other connectors' files say: older names, values that a move changes, and Debezium Server's form.

use super::{connector, converters, kafka, postgres};

/// What Debezium 1 called it, and what it is called now.
pub const RENAMED: &[(&str, &str)] = &[
    ("database.server.name", connector::TOPIC_PREFIX.name),
    ("schema.whitelist", postgres::SCHEMA_INCLUDE_LIST.name),
    ("schema.blacklist", postgres::SCHEMA_EXCLUDE_LIST.name),
    ("table.whitelist", postgres::TABLE_INCLUDE_LIST.name),
    ("table.blacklist", postgres::TABLE_EXCLUDE_LIST.name),
];

/// A value that means something else after the move.
pub struct Revalued {
    /// The key.
    pub key: &'static str,
    /// Values that are changed, whatever their case.
    pub from: &'static [&'static str],
    /// What they become.
    pub to: &'static str,
    /// Why.
    pub why: &'static str,
}

/// All of them.
pub const REVALUED: &[Revalued] = &[Revalued {
    key: postgres::OFFSET_MISMATCH_STRATEGY.name,
    from: &["trust_slot", "trust_greater_lsn"],
    to: "trust_offset",
    why: "a slot ahead of the position means lost events, and stops the connector",
}];

/// A value that means the same after the move, and what is to be said of it.
pub struct Kept {
    /// The key.
    pub key: &'static str,
    /// Values of which it is said, whatever their case.
    pub values: &'static [&'static str],
    /// Debezium's default, which is one of them and not the one here.
    pub default: &'static str,
    /// What is said.
    pub why: &'static str,
}

/// All of them.
pub const KEPT: &[Kept] = &[Kept {
    key: postgres::SNAPSHOT_MODE.name,
    values: &["initial", "when_needed"],
    default: "initial",
    why: "a connector that takes over an offset begins no snapshot: it goes on where the old one stopped",
}];

/// Where a worker keeps offsets.
pub const WORKER_OFFSETS_TOPIC: &str = "offset.storage.topic";
/// Where this connector's are kept, if not there.
pub const OFFSETS_TOPIC: &str = "offsets.storage.topic";
/// The file of a standalone worker's offsets, and of Debezium Server's.
pub const OFFSETS_FILE: &str = "offset.storage.file.filename";
/// The worker group: the transactional ids of its connectors begin with it.
pub const GROUP_ID: &str = "group.id";
/// Whether the worker publishes in transactions, and the word that says so.
pub const EXACTLY_ONCE: (&str, &str) = ("exactly.once.source.support", "enabled");

/// What Debezium Server puts before the connector's own names.
pub const SERVER_SOURCE: &str = "debezium.source.";
/// What it puts before transforms, predicates and formats.
pub const SERVER: &str = "debezium.";
/// Which sink it writes to, and the one there is here.
pub const SERVER_SINK: (&str, &str) = ("debezium.sink.type", "kafka");
/// What it puts before the Kafka producer's names.
pub const SERVER_PRODUCER: &str = "debezium.sink.kafka.producer.";
/// Where these go.
pub const PRODUCER_OVERRIDE: &str = "producer.override.";
/// Names of the producer that concern every client.
pub const EVERY_CLIENT: &[&str] = &[kafka::BOOTSTRAP_SERVERS.name, "security.", "sasl.", "ssl."];
/// Names of the producer that say what a converter says here.
pub const SERIALIZERS: &[&str] = &["key.serializer", "value.serializer"];

/// What Debezium Server calls a format, and the converter of it.
pub const FORMATS: &[(&str, &str)] = &[
    ("json", converters::JSON),
    ("jsonbytearray", converters::JSON),
    ("simplestring", converters::STRING),
    ("binary", converters::BINARY),
    ("avro", "io.confluent.connect.avro.AvroConverter"),
    ("protobuf", "io.confluent.connect.protobuf.ProtobufConverter"),
    ("cloudevents", converters::CLOUD_EVENTS),
];

/// `debezium.format.` and one of these, and the converter that it speaks of.
pub const FORMATTED: &[(&str, &str)] = &[
    ("debezium.format.key", converters::KEY.name),
    ("debezium.format.value", converters::VALUE.name),
    ("debezium.format.header", converters::HEADER.name),
];

/// Keys of Debezium Server that have no meaning here, and why.
pub const SERVER_IGNORED: &[(&str, &str)] = &[
    ("quarkus.", "logs and probes are walpost.log.* and walpost.http.listen"),
    ("debezium.source.offset.", "positions are kept in walpost.position.topic; migrate reads the old one"),
    ("debezium.source.schema.history.", "Postgres needs none"),
    ("debezium.source.database.history.", "Postgres needs none"),
    ("debezium.sink.kafka.wait.message.delivery.timeout.ms", "the deadline is transaction.timeout.ms"),
];
