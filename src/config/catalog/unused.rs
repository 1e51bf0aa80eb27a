//! What a Debezium connector's file may say that has no meaning here: accepted, and said to be without effect; or, where
//! somebody would wait for what never comes, refused.

use super::Default::{Unset, Value};
use super::{Choice, Kind, Property, Section, Support, ignored, not, refused, word};

/// Accepted, and without effect; and what nothing here would answer to.
pub const SECTION: Section =
    Section { title: "Debezium and Connect properties without effect", named: &[], others: OTHERS };

const WHOLE_TRANSACTIONS: &str = "a Kafka transaction holds whole Postgres transactions";
const BOUNDARIES: &[Choice] = &[
    word("poll"),
    word("interval"),
    not("connector", "Debezium's connector refuses it as well", "leave it out"),
];

const AT_ONCE: &str = "a snapshot begins at once, and the stream right after it";
const ONE_MOMENT: &str = "all rows are read as of one moment, which the slot exports";
const NO_LOCKS: &str = "a snapshot takes no locks";
const BY_COPY: &str = "rows are read by COPY";
const NO_POLLING: &str = "nothing is polled: events are handed on as they arrive";
const NO_SIGNALS: &str = "nothing here listens to signals, and whoever sent one would wait for ever";
const INSTEAD_OF_SIGNALS: &str = "leave it out; to publish rows again, insert them again into the outbox table; to pause, stop the process: the slot keeps what comes meanwhile";
const NO_INCREMENTS: &str = "no incremental snapshot is taken here";
const INSTEAD_OF_INCREMENTS: &str =
    "leave it out; to publish rows again, insert them again into the outbox table";
const NO_NOTICES: &str = "notifications are not sent";
const NO_JMX: &str = "there is no JMX here; see /metrics";
const FOR_EVER: &str = "transient trouble is retried for ever, permanent trouble stops at once";
const NO_JDBC: &str = "there is no JDBC driver here";
const NO_LINEAGE: &str = "lineage is not reported";
const NO_STATEMENTS: &str =
    "the settings of our sessions are fixed; give others to the role, with ALTER ROLE … SET";
const NO_LOG: &str = "a payload is never logged";
const ONE_TASK: &str = "one slot is one stream: there is always one task";

const OTHERS: &[Property] = &[
    ignored("tasks.max", Value("1"), ONE_TASK),
    ignored("tasks.max.enforce", Value("true"), ONE_TASK),
    ignored("task.id", Unset, ONE_TASK),
    ignored("connector.plugin.version", Unset, "the connector is built in"),
    ignored("config.action.reload", Value("restart"), "the file is read once, at the start"),
    ignored(
        "max.batch.size",
        Value("2048"),
        "batches follow walpost.batch.max.events and walpost.batch.max.bytes",
    ),
    ignored("max.queue.size", Value("8192"), "the queue is bounded by walpost.source.queue.bytes"),
    ignored("max.queue.size.in.bytes", Value("0"), "the queue is bounded by walpost.source.queue.bytes"),
    ignored("queue.provider.<option>", Unset, "the queue is bounded by walpost.source.queue.bytes"),
    ignored("poll.interval.ms", Value("500"), NO_POLLING),
    ignored("poll.dispatch.interval.ms", Unset, NO_POLLING),
    ignored("query.fetch.size", Unset, NO_POLLING),
    Property {
        name: "transaction.boundary",
        kind: Kind::Choice(BOUNDARIES),
        default: Value("poll"),
        support: Support::Ignored(WHOLE_TRANSACTIONS),
        doc: "",
    },
    ignored("transaction.boundary.interval.ms", Unset, "a Kafka transaction ends as walpost.batch.* says"),
    ignored(
        "offsets.storage.topic",
        Unset,
        "positions are kept in walpost.position.topic; `walpost migrate --back` writes Debezium's offset there",
    ),
    ignored(
        "replica.identity.autoset.values",
        Unset,
        "no table is altered here; ALTER TABLE … REPLICA IDENTITY does it",
    ),
    ignored("schema.refresh.mode", Value("columns_diff"), "every change of a table is followed"),
    ignored("table.ignore.builtin", Value("true"), "the publication says which tables there are"),
    ignored("database.include.list", Unset, "a slot belongs to one database"),
    ignored("database.exclude.list", Unset, "a slot belongs to one database"),
    ignored(
        "event.converting.failure.handling.mode",
        Value("warn"),
        "a value that cannot be read stops the connector; it is never published as NULL",
    ),
    ignored("transaction.metadata.factory", Unset, "transactions are told in Debezium's default form"),
    ignored("topic.cache.size", Value("10000"), "topic names are kept per route value"),
    ignored("sourceinfo.struct.maker", Unset, "source blocks have Debezium's default form"),
    ignored("include.schema.comments", Value("false"), "comments of columns are not read"),
    ignored("include.schema.changes", Value("true"), "Debezium has it for other databases"),
    ignored("schema.history.<option>", Unset, "a Postgres connector keeps no history of schemas"),
    ignored("xmin.fetch.interval.ms", Value("0"), "xmin of source blocks is always null, as it is with 0"),
    ignored("slot.max.retries", Value("6"), FOR_EVER),
    ignored("slot.retry.delay.ms", Value("10000"), FOR_EVER),
    ignored("errors.max.retries", Value("-1"), FOR_EVER),
    ignored("errors.retry.timeout", Value("0"), FOR_EVER),
    ignored("errors.retry.delay.max.ms", Value("60000"), FOR_EVER),
    ignored("errors.log.enable", Value("false"), "what cannot be published is always logged"),
    ignored("errors.log.include.messages", Value("false"), NO_LOG),
    ignored("lsn.flush.timeout.ms", Value("30000"), "the slot is told on its own time and never waited for"),
    ignored(
        "lsn.flush.timeout.action",
        Value("fail"),
        "the slot is told on its own time and never waited for",
    ),
    ignored("streaming.delay.ms", Value("0"), AT_ONCE),
    ignored("snapshot.delay.ms", Value("0"), AT_ONCE),
    ignored("snapshot.isolation.mode", Value("serializable"), ONE_MOMENT),
    ignored("snapshot.locking.mode", Value("none"), NO_LOCKS),
    ignored("snapshot.locking.mode.custom.name", Unset, NO_LOCKS),
    ignored("snapshot.lock.timeout.ms", Value("10000"), NO_LOCKS),
    ignored("snapshot.query.mode", Value("select_all"), BY_COPY),
    ignored("snapshot.query.mode.custom.name", Unset, BY_COPY),
    ignored("snapshot.fetch.size", Value("10240"), BY_COPY),
    ignored("snapshot.mode.custom.name", Unset, "it goes with snapshot.mode=custom"),
    ignored(
        "snapshot.mode.configuration.based.<option>",
        Unset,
        "it goes with snapshot.mode=configuration_based",
    ),
    ignored("snapshot.max.threads.multiplier", Value("1"), "one session reads one table"),
    ignored("legacy.snapshot.max.threads", Value("false"), "one session reads one table"),
    ignored(
        "snapshot.tables.order.by.row.count",
        Value("disabled"),
        "tables are read by name, several at a time",
    ),
    refused("incremental.snapshot.<option>", NO_INCREMENTS, INSTEAD_OF_INCREMENTS),
    ignored("read.only", Value("false"), "it goes with incremental snapshots"),
    refused("signal.<option>", NO_SIGNALS, INSTEAD_OF_SIGNALS),
    ignored("notification.<option>", Unset, NO_NOTICES),
    ignored("custom.metric.tags", Unset, NO_JMX),
    ignored("statistics.metrics.enabled", Value("false"), NO_JMX),
    ignored("custom.sanitize.pattern", Unset, "secrets are known by their keys and placeholders"),
    ignored("guardrail.collections.<option>", Unset, "tables outside the publication cost nothing"),
    ignored("executor.shutdown.timeout.ms", Value("4000"), "the deadline is walpost.shutdown.timeout.ms"),
    ignored("openlineage.integration.<option>", Unset, NO_LINEAGE),
    ignored("memory.management.<option>", Unset, "schemas are small here"),
    ignored("internal.<option>", Unset, "it belongs to Debezium's inside"),
    ignored("database.initial.statements", Unset, NO_STATEMENTS),
    ignored("database.query.timeout.ms", Value("600000"), "our queries are short"),
    ignored("database.connection.timeout.ms", Unset, "the deadline is walpost.database.connect.timeout.ms"),
    ignored(
        "connection.validation.timeout.ms",
        Value("60000"),
        "the deadline is walpost.database.connect.timeout.ms",
    ),
    ignored("driver.<JDBC property>", Unset, NO_JDBC),
];
