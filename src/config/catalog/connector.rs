//! The connector itself: its name, its heartbeats, its patience.

use super::Default::{Derived, Required, Unset, Value};
use super::Kind::{Boolean, Choice as OneOf, Class, List, Millis, Text};
use super::{Choice, Section, named, not, word};

/// The connector itself.
pub const SECTION: Section = Section { title: "Connector", named: NAMED, others: &[] };

/// The one connector class there is.
pub const POSTGRES_CONNECTOR: &str = "io.debezium.connector.postgresql.PostgresConnector";

const CONNECTORS: &[Choice] = &[word(POSTGRES_CONNECTOR)];

const EXACTLY_ONCE: &[Choice] = &[word("requested"), word("required")];

const DROPS_EVENTS: &str = "no event is dropped but those that walpost.errors.* gives up by name";
const WRITE_FAIL: &str = "write event.processing.failure.handling.mode=fail";
const EVENT_FAILURES: &[Choice] = &[
    word("fail"),
    not("warn", DROPS_EVENTS, WRITE_FAIL),
    not("skip", DROPS_EVENTS, WRITE_FAIL),
    not("ignore", DROPS_EVENTS, WRITE_FAIL),
];

named! {
    NAME = "name", Text, Derived("`topic.prefix`"), "Name of the connector, in logs and metrics.";
    CONNECTOR_CLASS = "connector.class", Class(CONNECTORS), Value(POSTGRES_CONNECTOR), "Debezium's Postgres connector.";
    TOPIC_PREFIX = "topic.prefix", Text, Required, "Logical name: part of schema names, of the position's key and of heartbeat topics.";
    EXTENDED_HEADERS_ENABLED = "extended.headers.enabled", Boolean, Value("true"), "Add the `__debezium.context.*` headers to every event.";
    SKIPPED_OPERATIONS = "skipped.operations", List, Value("t"), "Operations to pass over: `u`, `d`, `t`, `r` or `none`; with `u`, updated rows are dropped whatever `table.op.invalid.behavior` says.";
    TOMBSTONES_ON_DELETE = "tombstones.on.delete", Boolean, Value("true"), "Change events: a deleted row's is followed by a tombstone. Outbox rows that are deleted publish nothing.";
    MESSAGE_KEY_COLUMNS = "message.key.columns", Text, Unset, "Change events: columns of the key in place of the primary key's, `schema.table:column,column`, between semicolons; table and columns are Java regexes.";
    SKIP_UNCHANGED = "skip.messages.without.change", Boolean, Value("false"), "Change events: updates that changed no column of the event are passed over, where REPLICA IDENTITY FULL tells.";
    UNAVAILABLE_VALUE_PLACEHOLDER = "unavailable.value.placeholder", Text, Value("__debezium_unavailable_value"), "Change events: what stands for a large value that an update left alone and Postgres does not send.";
    PROVIDE_TRANSACTIONS = "provide.transaction.metadata", Boolean, Value("false"), "Publish each transaction's begin and end, and number change events within it.";
    TOPIC_TRANSACTION = "topic.transaction", Text, Value("transaction"), "Where begins and ends are published: `topic.prefix`, a dot and this.";
    HEARTBEAT_INTERVAL = "heartbeat.interval.ms", Millis(0), Value("0"), "How often a heartbeat record is published, and `heartbeat.action.query` run; 0 never. An idle slot moves without.";
    HEARTBEAT_ACTION_QUERY = "heartbeat.action.query", Text, Unset, "SQL to run at each heartbeat.";
    TOPIC_HEARTBEAT_PREFIX = "topic.heartbeat.prefix", Text, Value("__debezium-heartbeat"), "Heartbeat topics are called this, a dot and `topic.prefix`.";
    TOPIC_HEARTBEAT_NAME = "topic.heartbeat.name", Text, Unset, "Name of the heartbeat topic, in place of prefix and `topic.prefix`.";
    EXACTLY_ONCE_SUPPORT = "exactly.once.support", OneOf(EXACTLY_ONCE), Value("requested"), "Exactly-once is always on, with either value.";
    EVENT_FAILURE_MODE = "event.processing.failure.handling.mode", OneOf(EVENT_FAILURES), Value("fail"), "What cannot be processed stops the connector.";
    RETRY_WAIT = "retriable.restart.connector.wait.ms", Millis(1), Value("10000"), "Longest wait between two attempts after transient trouble; attempts are made for ever.";
}
