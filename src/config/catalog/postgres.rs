//! Postgres: how to connect, slot and publication, tables, and how types are read.

use super::Default::{Derived, Required, Unset, Value};
use super::Kind::{Boolean, Choice as OneOf, Class, Millis, Password, Path, RegexList, Text};
use super::{Choice, Property, Section, int, named, not, refused, word};

/// Postgres.
pub const SECTION: Section = Section { title: "Postgres", named: NAMED, others: OTHERS };

/// Names of converters of columns, each with keys of its own.
pub const CUSTOM_CONVERTERS: &str = "converters";

/// Names of post-processors, each with keys of its own.
pub const POST_PROCESSORS: &str = "post.processors";

/// Options of START_REPLICATION that say what the stream is; they are not the user's.
pub const OWN_STREAM_PARAMS: &[&str] =
    &["proto_version", "publication_names", "messages", "binary", "streaming", "two_phase"];

const SSL_MODES: &[Choice] = &[
    word("disable"),
    word("allow"),
    word("prefer"),
    word("require"),
    word("verify-ca"),
    word("verify-full"),
];

const PLUGINS: &[Choice] = &[
    word("pgoutput"),
    not("decoderbufs", "only Postgres's own output plugin is read", "write plugin.name=pgoutput"),
];

const AUTOCREATE_MODES: &[Choice] =
    &[word("disabled"), word("all_tables"), word("filtered"), word("no_tables")];

const NO_DROP: &[Choice] = &[
    word("false"),
    not("true", "a dropped slot loses every event until the next start", "write slot.drop.on.stop=false"),
];

const NO_JAVA: &str = "there is no Java here to ask";
const WRITE_INITIAL: &str = "write snapshot.mode=initial";
const SNAPSHOT_MODES: &[Choice] = &[
    word("no_data"),
    word("never"),
    word("initial"),
    word("initial_only"),
    word("when_needed"),
    word("always"),
    not("configuration_based", "it says in five properties what one word does", WRITE_INITIAL),
    not("custom", NO_JAVA, WRITE_INITIAL),
    not(
        "schema_only",
        "that is the name other Debezium connectors had for it",
        "write snapshot.mode=no_data",
    ),
];

const LSN_FLUSH_MODES: &[Choice] = &[
    word("connector"),
    word("connector_and_driver"),
    not("manual", "the slot would never move and retain WAL for ever", "write lsn.flush.mode=connector"),
];

const FLUSH_LSN: &[Choice] = &[
    word("true"),
    not("false", "the slot would never move and retain WAL for ever", "write flush.lsn.source=true"),
];

const TRUSTS_SLOT: &str = "a slot ahead of the stored position means lost events: that stops the connector";
const MISMATCH_STRATEGIES: &[Choice] = &[
    word("no_validation"),
    word("trust_offset"),
    not("trust_slot", TRUSTS_SLOT, "write offset.mismatch.strategy=trust_offset"),
    not("trust_greater_lsn", TRUSTS_SLOT, "write offset.mismatch.strategy=trust_offset"),
];

const OTHER_BYTES: &str =
    "it would change the bytes of keys, values and headers; it comes with a later release";
const TIME_MODES: &[Choice] = &[
    word("adaptive"),
    word("adaptive_time_microseconds"),
    word("connect"),
    word("isostring"),
    word("microseconds"),
    word("nanoseconds"),
    not("structured", "Debezium has it from 3.7 on", "write time.precision.mode=adaptive or another one"),
];

const DECIMAL_MODES: &[Choice] = &[word("precise"), word("double"), word("string")];
const BINARY_MODES: &[Choice] = &[word("bytes"), word("base64"), word("base64-url-safe"), word("hex")];
const INTERVAL_MODES: &[Choice] = &[word("numeric"), word("string")];
const HSTORE_MODES: &[Choice] = &[word("json"), word("map")];

const NO_UNKNOWN: &[Choice] =
    &[word("false"), not("true", OTHER_BYTES, "write include.unknown.datatypes=false")];

const SCHEMA_ADJUSTMENTS: &[Choice] = &[
    word("none"),
    not("avro", OTHER_BYTES, "write schema.name.adjustment.mode=none"),
    not("avro_unicode", OTHER_BYTES, "write schema.name.adjustment.mode=none"),
];

const FIELD_ADJUSTMENTS: &[Choice] = &[
    word("none"),
    not("avro", OTHER_BYTES, "write field.name.adjustment.mode=none"),
    not("avro_unicode", OTHER_BYTES, "write field.name.adjustment.mode=none"),
];

const NAMING_STRATEGY: &str = "io.debezium.schema.SchemaTopicNamingStrategy";
const NAMING_STRATEGIES: &[Choice] = &[word(NAMING_STRATEGY)];
const DELIMITERS: &[Choice] = &[word(".")];

named! {
    HOSTNAME = "database.hostname", Text, Required, "Host, or the directory of a unix socket.";
    PORT = "database.port", int("", 1, 65535), Value("5432"), "Port.";
    USER = "database.user", Text, Required, "Role to log in as; it needs REPLICATION.";
    PASSWORD = "database.password", Password, Unset, "Its password.";
    DBNAME = "database.dbname", Text, Required, "Database.";
    SSLMODE = "database.sslmode", OneOf(SSL_MODES), Value("prefer"), "TLS, meaning what libpq means.";
    SSLROOTCERT = "database.sslrootcert", Path, Unset, "Certificates of the authorities to trust, PEM; the system's when unset.";
    SSLCERT = "database.sslcert", Path, Unset, "Client certificate, PEM.";
    SSLKEY = "database.sslkey", Path, Unset, "Its key, PEM, unencrypted.";
    TCP_KEEPALIVE = "database.tcpKeepAlive", Boolean, Value("true"), "TCP keepalive on every connection.";
    PLUGIN_NAME = "plugin.name", OneOf(PLUGINS), Value("pgoutput"), "Output plugin. Debezium's default is `decoderbufs`.";
    SLOT_NAME = "slot.name", Text, Value("debezium"), "Replication slot: lower-case letters, digits, underscores.";
    SLOT_FAILOVER = "slot.failover", Boolean, Value("false"), "Create the slot so that standbys keep a copy; Postgres 17 and later.";
    SLOT_STREAM_PARAMS = "slot.stream.params", Text, Unset, "Further options of START_REPLICATION: `name=value;name=value`.";
    SLOT_DROP_ON_STOP = "slot.drop.on.stop", OneOf(NO_DROP), Value("false"), "The slot outlives the connector.";
    PUBLICATION_NAME = "publication.name", Text, Value("dbz_publication"), "Publication.";
    PUBLICATION_AUTOCREATE_MODE = "publication.autocreate.mode", OneOf(AUTOCREATE_MODES), Value("all_tables"), "How a missing publication is made.";
    PUBLISH_VIA_PARTITION_ROOT = "publish.via.partition.root", Boolean, Value("false"), "Make it so that a partitioned table's rows carry the root's name.";
    SCHEMA_INCLUDE_LIST = "schema.include.list", RegexList, Unset, "Schemas whose tables are outbox tables: Java regexes that match the whole name.";
    SCHEMA_EXCLUDE_LIST = "schema.exclude.list", RegexList, Unset, "Schemas whose tables are not.";
    TABLE_INCLUDE_LIST = "table.include.list", RegexList, Unset, "Outbox tables: Java regexes that match the whole of `schema.table`.";
    TABLE_EXCLUDE_LIST = "table.exclude.list", RegexList, Unset, "Tables that are not outbox tables.";
    COLUMN_INCLUDE_LIST = "column.include.list", RegexList, Unset, "Columns that a row has: Java regexes that match the whole of `schema.table.column`.";
    COLUMN_EXCLUDE_LIST = "column.exclude.list", RegexList, Unset, "Columns that a row has not.";
    MESSAGE_PREFIX_INCLUDE_LIST = "message.prefix.include.list", RegexList, Unset, "Prefixes of logical decoding messages that are published: Java regexes that match the whole prefix.";
    MESSAGE_PREFIX_EXCLUDE_LIST = "message.prefix.exclude.list", RegexList, Unset, "Prefixes of messages that are not.";
    SNAPSHOT_MODE = "snapshot.mode", OneOf(SNAPSHOT_MODES), Value("no_data"), "Which rows that were there before the slot are published (see Snapshots). Debezium's default is `initial`.";
    SNAPSHOT_MAX_THREADS = "snapshot.max.threads", int("tables", 1, 64), Derived("4, or as many as the server has connections for"), "Tables that a snapshot reads at a time, at most.";
    SNAPSHOT_INCLUDE = "snapshot.include.collection.list", RegexList, Unset, "Outbox tables whose rows a snapshot publishes: Java regexes that match the whole of `schema.table`; all when unset.";
    STATUS_UPDATE_INTERVAL = "status.update.interval.ms", Millis(1), Value("10000"), "How often Postgres hears from us when nothing changes.";
    LSN_FLUSH_MODE = "lsn.flush.mode", OneOf(LSN_FLUSH_MODES), Value("connector"), "The slot follows what Kafka has committed, idle included.";
    FLUSH_LSN_SOURCE = "flush.lsn.source", OneOf(FLUSH_LSN), Value("true"), "Older name of `lsn.flush.mode`.";
    OFFSET_MISMATCH_STRATEGY = "offset.mismatch.strategy", OneOf(MISMATCH_STRATEGIES), Value("no_validation"), "Position and slot are always compared; a mismatch stops the connector.";
    TIME_PRECISION_MODE = "time.precision.mode", OneOf(TIME_MODES), Value("adaptive"), "Dates, times and timestamps: numbers as fine as the column, numbers of one precision, Connect's own types, or text.";
    DECIMAL_HANDLING_MODE = "decimal.handling.mode", OneOf(DECIMAL_MODES), Value("precise"), "numeric and money: decimals, floating point, or text.";
    BINARY_HANDLING_MODE = "binary.handling.mode", OneOf(BINARY_MODES), Value("bytes"), "bytea: bytes, or text in one of these notations.";
    INTERVAL_HANDLING_MODE = "interval.handling.mode", OneOf(INTERVAL_MODES), Value("numeric"), "Intervals: microseconds, or text such as `P1Y2M3DT4H5M6S`.";
    HSTORE_HANDLING_MODE = "hstore.handling.mode", OneOf(HSTORE_MODES), Value("json"), "hstore: a text of JSON, or a map.";
    MONEY_FRACTION_DIGITS = "money.fraction.digits", int("digits", 2, 2), Value("2"), "Scale of money.";
    INCLUDE_UNKNOWN_DATATYPES = "include.unknown.datatypes", OneOf(NO_UNKNOWN), Value("false"), "Columns of types Debezium does not know are absent.";
    SCHEMA_NAME_ADJUSTMENT_MODE = "schema.name.adjustment.mode", OneOf(SCHEMA_ADJUSTMENTS), Value("none"), "Schema names are used as they are.";
    FIELD_NAME_ADJUSTMENT_MODE = "field.name.adjustment.mode", OneOf(FIELD_ADJUSTMENTS), Value("none"), "Column names are used as they are.";
    TOPIC_NAMING_STRATEGY = "topic.naming.strategy", Class(NAMING_STRATEGIES), Value(NAMING_STRATEGY), "Schema names begin with `topic.prefix`, schema and table.";
    TOPIC_DELIMITER = "topic.delimiter", OneOf(DELIMITERS), Value("."), "What stands between them.";
}

const CHANGES_ROWS: &str = "it would change the row before the event router sees it";
const NO_MASKS: &str = "leave it out; write the masked value into the outbox row";
const CHANGES_SCHEMAS: &str = "it would add parameters to every schema";
const NO_JVM: &str = "there is no Java here to load it";

const OTHERS: &[Property] = &[
    refused(
        "database.sslpassword",
        "an encrypted key cannot be read",
        "decrypt it: openssl pkey -in KEY -out PLAIN, and name PLAIN as database.sslkey",
    ),
    refused("database.sslfactory", NO_JVM, "leave it out; database.sslmode says what is checked"),
    refused(
        "database.connection.factory.class",
        NO_JVM,
        "leave it out and log in by password or certificate",
    ),
    refused("column.mask.hash.<algorithm>.with.salt.<salt>", CHANGES_ROWS, NO_MASKS),
    refused("column.mask.hash.v2.<algorithm>.with.salt.<salt>", CHANGES_ROWS, NO_MASKS),
    refused("column.mask.with.<length>.chars", CHANGES_ROWS, NO_MASKS),
    refused("column.truncate.to.<length>.chars", CHANGES_ROWS, NO_MASKS),
    refused("column.propagate.source.type", CHANGES_SCHEMAS, "leave it out"),
    refused(
        "snapshot.select.statement.overrides",
        "a snapshot publishes every row that the stream would have",
        "leave it out; publish fewer rows with CREATE PUBLICATION … WHERE (condition), or fewer tables with \
         snapshot.include.collection.list",
    ),
    refused(
        "snapshot.select.statement.overrides.<table>",
        "a snapshot publishes every row that the stream would have",
        "leave it out, as snapshot.select.statement.overrides",
    ),
    refused("datatype.propagate.source.type", CHANGES_SCHEMAS, "leave it out"),
    refused(CUSTOM_CONVERTERS, NO_JVM, "leave it out; cast the column in the outbox table instead"),
    refused(POST_PROCESSORS, NO_JVM, "leave it out; write the finished event into the outbox row"),
    refused("database.server.name", "Debezium 2.0 gave it another name", "write topic.prefix"),
    refused("schema.whitelist", "Debezium 2.0 gave it another name", "write schema.include.list"),
    refused("schema.blacklist", "Debezium 2.0 gave it another name", "write schema.exclude.list"),
    refused("table.whitelist", "Debezium 2.0 gave it another name", "write table.include.list"),
    refused("table.blacklist", "Debezium 2.0 gave it another name", "write table.exclude.list"),
];
