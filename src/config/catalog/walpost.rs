//! What only walpost knows.

use super::Default::{Derived, Unset, Value};
use super::Kind::{Choice as OneOf, Millis, Text};
use super::{Choice, Section, int, named, word};

/// What only walpost knows.
pub const SECTION: Section = Section { title: "walpost", named: NAMED, others: &[] };

const COMPATIBILITIES: &[Choice] = &[word("default"), word("strict")];
const ALONE: &[Choice] = &[word("refuse"), word("publish")];
const ADOPTIONS: &[Choice] = &[word("slot")];
const PRODUCERS: &[Choice] = &[word("librdkafka"), word("native")];
const LOG_FORMATS: &[Choice] = &[word("text"), word("json")];
const SCHEMAS: &[Choice] = &[word("inferred"), word("registered")];
const UNKNOWN_FIELDS: &[Choice] = &[word("refuse"), word("drop")];
const VERIFICATIONS: &[Choice] = &[word("none"), word("id"), word("subject")];
const MIB: i64 = 1024 * 1024;

named! {
    COMPAT = "debezium.compat", OneOf(COMPATIBILITIES), Value("default"), "`strict`: what walpost does otherwise than Debezium 3.6 on purpose, it does as Debezium does; where Debezium's task dies, it stops.";
    HTTP_LISTEN = "walpost.http.listen", Text, Unset, "Address and port of `/metrics`, `/livez`, `/readyz`; port 0 takes a free one and logs it.";
    ADOPT = "walpost.adopt", OneOf(ADOPTIONS), Unset, "`slot`: when Kafka holds no position yet, begin where the existing slot stands. Without effect afterwards.";
    MESSAGES_WITHOUT_TRANSACTION = "walpost.messages.without.transaction", OneOf(ALONE), Value("refuse"), "Logical decoding messages that are events of the outbox and were emitted without a transaction, and are there even if what was done beside them is rolled back: they cannot be published (`payload_not_encodable`, with which the connector stops unless a policy says otherwise), or they are. With `debezium.compat=strict` they are published.";
    POSITION_TOPIC = "walpost.position.topic", Text, Derived("`__walpost.position.<topic.prefix>.<slot.name>`"), "Where positions are kept: one partition, compacted, this connector's alone.";
    TRANSACTIONAL_ID = "walpost.transactional.id", Text, Derived("`walpost-<topic.prefix>-<slot.name>`"), "The producer's transactional id; `producer.override.transactional.id` means the same.";
    KAFKA_PRODUCER = "walpost.kafka.producer", OneOf(PRODUCERS), Derived("`native`, or `librdkafka` where a setting needs it"), "Who speaks to Kafka when events are published: walpost itself, or librdkafka, which is slower and has what the other has not: PKCS12 keystores, keys with passwords, a choice of cipher suites, levels of lz4, canonical names, metrics for brokers.";
    MEMORY_MAX = "walpost.memory.max.bytes", int("bytes", 64 * MIB, 1024 * 1024 * MIB), Value("134217728"), "Bytes of memory that the process may take; the shares of its parts follow from it. An event of 20 MB fits into the default; larger ones need more (see Memory).";
    VALUE_SCHEMA = "walpost.value.schema", OneOf(SCHEMAS), Value("inferred"), "AvroConverter, JsonSchemaConverter, ProtobufConverter: `inferred`, the schema is Connect's; `registered`, a JSON payload is written by the schema that the registry has for its event type: checked and, in Avro and Protobuf, encoded.";
    VALUE_SCHEMA_NAME = "walpost.value.schema.name", Text, Value("${type}"), "The full name of an event's record, by which `RecordNameStrategy` and `TopicRecordNameStrategy` find the registered schema, and which message of a Protobuf file is meant; `${type}` is the event's type.";
    VALUE_SCHEMA_UNKNOWN = "walpost.value.schema.unknown.fields", OneOf(UNKNOWN_FIELDS), Value("refuse"), "What becomes of an event whose payload has members that the registered schema has not.";
    VALUE_VERIFY = "walpost.value.verify", OneOf(VERIFICATIONS), Value("none"), "BinaryDataConverter, ByteArrayConverter: payloads are framed by the application; `id`: the registry has the schema of their id, `subject`: it is one of the value's subject.";
    EVENT_TYPE_COLUMN = "walpost.event.type.column", Text, Value("type"), "The column with an event's type.";
    BATCH_MAX_EVENTS = "walpost.batch.max.events", int("events", 1, 1_000_000), Value("10000"), "Events in one Kafka transaction at most.";
    BATCH_MAX_BYTES = "walpost.batch.max.bytes", int("bytes", 1024, 1024 * MIB), Derived("a sixteenth of `walpost.memory.max.bytes`, at most 8388608"), "Bytes of keys, values and headers after which a Kafka transaction ends.";
    BATCH_MAX_AGE = "walpost.batch.max.age.ms", Millis(0), Value("100"), "How long a Kafka transaction waits for more at most; it never waits when nothing more has arrived.";
    SOURCE_QUEUE_BYTES = "walpost.source.queue.bytes", int("bytes", 64 * 1024, 1024 * MIB), Derived("half of that"), "Bytes that may wait between the replication connection and the decoder.";
    SOURCE_SILENCE_TIMEOUT = "walpost.source.silence.timeout.ms", Millis(1000), Value("60000"), "A Postgres that says nothing for so long is taken for dead.";
    DATABASE_CONNECT_TIMEOUT = "walpost.database.connect.timeout.ms", Millis(1), Value("10000"), "How long connecting to Postgres may take.";
    IDLE_POSITION_INTERVAL = "walpost.idle.position.interval.ms", Millis(1), Value("30000"), "With no events to publish, how often the position is moved on all the same.";
    IDLE_POSITION_BYTES = "walpost.idle.position.bytes", int("bytes", 1, 1024 * 1024 * MIB), Value("16777216"), "With no events to publish, how far the WAL may run ahead of the position.";
    SHUTDOWN_TIMEOUT = "walpost.shutdown.timeout.ms", Millis(0), Value("15000"), "How long finishing the open transaction may take on SIGTERM.";
    LOG_FORMAT = "walpost.log.format", OneOf(LOG_FORMATS), Value("text"), "Logs as text or as JSON, one object a line.";
    LOG_LEVEL = "walpost.log.level", Text, Value("info"), "`error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,walpost::source=debug`.";
}
