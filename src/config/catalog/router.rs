//! The outbox event router, as a transform of the connector, and the predicate that may stand before it.

use super::Default::{Required, Unset, Value};
use super::Kind::{Boolean, Choice as OneOf, Class, List, Regex, Text};
use super::{Choice, Property, Section, ignored, named, not, refused, word};

/// The event router.
pub const SECTION: Section = Section { title: "Event router", named: NAMED, others: OTHERS };

/// The one transform there is.
pub const EVENT_ROUTER: &str = "io.debezium.transforms.outbox.EventRouter";

/// What makes rows of logical decoding messages, before the router.
pub const DECODER: &str = "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent";

/// The predicate on a row's table.
pub const TOPIC_NAME_MATCHES: &str = "org.apache.kafka.connect.transforms.predicates.TopicNameMatches";

/// The predicate that no row fulfils.
pub const RECORD_IS_TOMBSTONE: &str = "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone";

/// What all keys of transforms begin with.
pub const TRANSFORM_KEYS: &str = "transforms.";

/// What all keys of predicates begin with.
pub const PREDICATE_KEYS: &str = "predicates.";

const TRANSFORM_CLASSES: &[Choice] = &[word(EVENT_ROUTER), word(DECODER)];

const OTHER_PREDICATE: &str = "rows are told apart by their table only";
const WRITE_TOPIC_NAME: &str = "write org.apache.kafka.connect.transforms.predicates.TopicNameMatches with a pattern on prefix.schema.table, or name the outbox tables in table.include.list";
const PREDICATE_CLASSES: &[Choice] = &[
    word(TOPIC_NAME_MATCHES),
    not("org.apache.kafka.connect.transforms.predicates.HasHeaderKey", OTHER_PREDICATE, WRITE_TOPIC_NAME),
    word(RECORD_IS_TOMBSTONE),
];

const MISSING: &[Choice] = &[word("error"), word("ignore")];
const UPDATES: &[Choice] = &[word("warn"), word("error"), word("fatal")];
const NULLS: &[Choice] = &[word("ignore"), word("optional_bytes")];
const RENAMINGS: &[Choice] = &[word("none"), word("avro"), word("avro_unicode")];

named! {
    TRANSFORMS = "transforms", List, Unset, "Names of the transforms; one of them is the event router, before which `DecodeLogicalDecodingMessageContent` may stand. Others are refused unless they change nothing. With none, no table is an outbox: all changes are published as change events.";
    TYPE = "transforms.<name>.type", Class(TRANSFORM_CLASSES), Required, "The event router's class; or, before it, the one with which logical decoding messages are events as well.";
    DECODER_NULLS = "transforms.<name>.fields.null.include", Boolean, Value("false"), "DecodeLogicalDecodingMessageContent: members of a message that are null are there, as optional bytes.";
    PREDICATE = "transforms.<name>.predicate", Text, Unset, "Predicate that a row's `prefix.schema.table` must fulfil to be an event of the outbox; changes of other captured tables are published as change events.";
    NEGATE = "transforms.<name>.negate", Boolean, Value("false"), "It must not be fulfilled.";
    PREDICATES = "predicates", List, Unset, "Names of the predicates.";
    PREDICATE_TYPE = "predicates.<name>.type", Class(PREDICATE_CLASSES), Required, "A predicate's class.";
    PREDICATE_PATTERN = "predicates.<name>.pattern", Regex, Required, "Java regex that matches the whole of `prefix.schema.table`.";
    EVENT_ID = "transforms.<name>.table.field.event.id", Text, Value("id"), "Column for the header `id`.";
    EVENT_KEY = "transforms.<name>.table.field.event.key", Text, Value("aggregateid"), "Column for the record key.";
    EVENT_PAYLOAD = "transforms.<name>.table.field.event.payload", Text, Value("payload"), "Column for the value.";
    EVENT_TIMESTAMP = "transforms.<name>.table.field.event.timestamp", Text, Unset, "Column for the record timestamp; the connector's clock when unset. Kafka's retention goes by it: a record that is older than its topic's `retention.ms` may be gone soon after it was published.";
    EVENT_SCHEMA_VERSION = "transforms.<name>.table.field.event.schema.version", Text, Unset, "Column for the value schema's version.";
    ADDITIONAL_PLACEMENT = "transforms.<name>.table.fields.additional.placement", List, Unset, "Further columns: `column:header|envelope|partition|ce[:alias]`, between commas; `ce` is an extension attribute of the CloudEvent, named by lowercase letters and digits.";
    ADDITIONAL_MISSING = "transforms.<name>.table.field.additional.missing", OneOf(MISSING), Value("error"), "A column named there that a table does not have: an error, or passed over.";
    ADDITIONAL_ERROR_ON_MISSING = "transforms.<name>.table.fields.additional.error.on.missing", Boolean, Value("true"), "The same before Debezium 3.6.";
    EXPAND_JSON = "transforms.<name>.table.expand.json.payload", Boolean, Value("false"), "Take JSON payloads apart: a struct with a schema of its own, where JSON has one.";
    JSON_NULLS = "transforms.<name>.table.json.payload.null.behavior", OneOf(NULLS), Value("ignore"), "Members of such a payload that are null: dropped, or kept as optional bytes.";
    JSON_RENAMING = "transforms.<name>.field.name.adjustment.mode", OneOf(RENAMINGS), Value("none"), "Members of such a payload whose names Avro does not know: kept, or renamed, and as in Debezium without their values.";
    OP_INVALID_BEHAVIOR = "transforms.<name>.table.op.invalid.behavior", OneOf(UPDATES), Value("warn"), "An updated outbox row: log it as a warning, as an error, or stop.";
    ROUTE_BY_FIELD = "transforms.<name>.route.by.field", Text, Value("aggregatetype"), "Column for the topic.";
    ROUTE_TOPIC_REGEX = "transforms.<name>.route.topic.regex", Regex, Value("(?<routedByValue>.*)"), "Java regex for its value.";
    ROUTE_TOPIC_REPLACEMENT = "transforms.<name>.route.topic.replacement", Text, Value("outbox.event.${routedByValue}"), "The topic, in Java's replacement syntax.";
    TRACING_FIELD = "transforms.<name>.tracing.span.context.field", Text, Unset, "Column with a trace context (Java properties, JSON, or a `traceparent` alone), passed on in the headers `traceparent`, `tracestate` and `baggage`. Debezium's default is `tracingspancontext`, without effect unless OpenTelemetry was added.";
    ROUTE_TOMBSTONE = "transforms.<name>.route.tombstone.on.empty.payload", Boolean, Value("false"), "An empty payload becomes a tombstone.";
}

const NOT_TRACED: &str = "no spans are made; the context is passed on as it is";

const OTHERS: &[Property] = &[
    ignored(
        "transforms.<name>.table.field.event.type",
        Value("type"),
        "Debezium never reads it; place the column with table.fields.additional.placement",
    ),
    ignored(
        "transforms.<name>.table.json.payload.empty.array.behavior",
        Value("ignore"),
        "Debezium knows it from 3.7 on; an empty array is dropped",
    ),
    ignored("transforms.<name>.tracing.operation.name", Value("debezium-read"), NOT_TRACED),
    ignored("transforms.<name>.tracing.with.context.field.only", Value("true"), NOT_TRACED),
    ignored("transforms.<name>.plugin.version", Unset, "the event router is built in"),
    ignored("predicates.<name>.name", Unset, "only HasHeaderKey reads it"),
    ignored("predicates.<name>.plugin.version", Unset, "the predicate is built in"),
    refused(
        "transforms.<name>.table.field.event.payload.id",
        "Debezium 2.0 took it away",
        "write table.field.event.key",
    ),
    refused(
        "transforms.<name>.debezium.op.invalid.behavior",
        "Debezium 2.0 gave it another name",
        "write table.op.invalid.behavior",
    ),
];
