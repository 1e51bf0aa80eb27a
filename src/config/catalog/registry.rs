//! Converters that need a schema registry: how it is reached, which schemas they take, how they write them.

use super::Default::{Unset, Value};
use super::Kind::{Boolean, Choice as OneOf, Class, Millis, Password, Path, Text};
use super::{Choice, Property, Section, ignored, int, named, not, refused, word};

/// The schema registry.
pub const SECTION: Section = Section {
    title: "Schema registry (options of AvroConverter, JsonSchemaConverter and ProtobufConverter)",
    named: NAMED,
    others: OTHERS,
};

/// One line of schemas to a topic.
pub const TOPIC: &str = "io.confluent.kafka.serializers.subject.TopicNameStrategy";
/// One to a record type.
pub const RECORD: &str = "io.confluent.kafka.serializers.subject.RecordNameStrategy";
/// One to a record type within a topic.
pub const TOPIC_RECORD: &str = "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy";
/// The id before the bytes.
pub const PREFIX: &str = "io.confluent.kafka.serializers.schema.id.PrefixSchemaIdSerializer";
/// The GUID in a header.
pub const HEADER: &str = "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer";

const WRITE_STRATEGY: &str = "write io.confluent.kafka.serializers.subject.TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy of the same package";
const NO_ASSOCIATIONS: &str = "no registry is asked for associations";
const STRATEGIES: &[Choice] = &[
    word(TOPIC),
    word(RECORD),
    word(TOPIC_RECORD),
    not("io.confluent.kafka.serializers.subject.AssociatedNameStrategy", NO_ASSOCIATIONS, WRITE_STRATEGY),
];
const ID_SERIALIZERS: &[Choice] = &[word(PREFIX), word(HEADER)];
const CREDENTIALS: &[Choice] = &[word("URL"), word("USER_INFO"), word("SASL_INHERIT")];
const NO_TOKENS: &str = "tokens are not fetched";
const WRITE_TOKEN: &str = "write STATIC_TOKEN, and the token in bearer.auth.token";
const TOKENS: &[Choice] = &[
    word("STATIC_TOKEN"),
    not("OAUTHBEARER", NO_TOKENS, WRITE_TOKEN),
    not("SASL_OAUTHBEARER_INHERIT", NO_TOKENS, WRITE_TOKEN),
    not("CUSTOM", NO_TOKENS, WRITE_TOKEN),
];
const PEM: &str = "write PEM: openssl pkcs12 -in STORE.p12 -nodes -out STORE.pem makes it; of a JKS, keytool -importkeystore makes PKCS12 first";
const STORES: &[Choice] = &[
    word("PEM"),
    not("JKS", "Java's stores cannot be read here", PEM),
    not("PKCS12", "Java's stores cannot be read here", PEM),
];
const NO_PASSWORD: &str = "keys with passwords cannot be read here";
const DECRYPT: &str = "decrypt it: openssl pkey -in KEY.pem -out PLAIN.pem";
const CHECKED: &[Choice] = &[word("https")];
const STRICT: &[Choice] = &[
    word("true"),
    not(
        "false",
        "data of one schema would be written by another",
        "leave it out; to have payloads encoded by the newest schema, set walpost.value.schema=registered",
    ),
];
const NO_SCRUBBING: &[Choice] = &[
    word("false"),
    not(
        "true",
        "names are not made over here",
        "leave it out, and set field.name.adjustment.mode=avro of the event router",
    ),
];
const KNOWN_TYPES: &[Choice] = &[
    word("true"),
    not(
        "false",
        "Google's and Confluent's own files are no schemas of the registry: every reader has them",
        "leave it out",
    ),
];
const NO_CHECKS: &[Choice] = &[
    word("DISABLED"),
    not("BEFORE_DOMAIN_RULES", NO_RULES, WITHOUT_RULES),
    not("AFTER_DOMAIN_RULES", NO_RULES, WITHOUT_RULES),
];
const NOT_NULLABLE: &[Choice] = &[
    word("false"),
    not("true", "a column's default stands for its NULL, as Debezium's router has it", "leave it out"),
];
const IN_A_LINE: &[Choice] =
    &[word("false"), not("true", "JSON is written without blanks", "leave it out: no reader minds")];
const DOCUMENTED: &[Choice] =
    &[word("false"), not("true", "schemas are Connect's own, all of them", "leave it out")];

named! {
    URL = "<converter>.schema.registry.url", Text, Unset, "URLs of the registry's Confluent interface, between commas: asked in this order, until one answers. Apicurio's ends in `/apis/ccompat/v7`.";
    BASIC_SOURCE = "<converter>.basic.auth.credentials.source", OneOf(CREDENTIALS), Value("URL"), "Where user and password are: in the URL, in `basic.auth.user.info`, or those of the Kafka client.";
    BASIC_USER = "<converter>.basic.auth.user.info", Password, Unset, "`USER:PASSWORD`.";
    BEARER_SOURCE = "<converter>.bearer.auth.credentials.source", OneOf(TOKENS), Value("STATIC_TOKEN"), "Where the token is.";
    BEARER_TOKEN = "<converter>.bearer.auth.token", Password, Unset, "The token.";
    TRUSTSTORE = "<converter>.schema.registry.ssl.truststore.location", Path, Unset, "Whom to trust, as PEM; without it the roots of the system.";
    TRUSTSTORE_TYPE = "<converter>.schema.registry.ssl.truststore.type", OneOf(STORES), Value("PEM"), "What that file is.";
    TRUSTSTORE_TEXT = "<converter>.schema.registry.ssl.truststore.certificates", Password, Unset, "The same, here.";
    KEYSTORE = "<converter>.schema.registry.ssl.keystore.location", Path, Unset, "Our own certificate and key, as PEM.";
    KEYSTORE_TYPE = "<converter>.schema.registry.ssl.keystore.type", OneOf(STORES), Value("PEM"), "What that file is.";
    KEYSTORE_CHAIN = "<converter>.schema.registry.ssl.keystore.certificate.chain", Password, Unset, "The certificate, here.";
    KEYSTORE_KEY = "<converter>.schema.registry.ssl.keystore.key", Password, Unset, "Its key, here.";
    CHECK_NAME = "<converter>.schema.registry.ssl.endpoint.identification.algorithm", OneOf(CHECKED), Value("https"), "The certificate is of the name in the URL.";
    REQUEST_HEADER = "<converter>.request.header.<name>", Password, Unset, "A header of every request.";
    CONNECT_TIMEOUT = "<converter>.http.connect.timeout.ms", Millis(1), Value("60000"), "How long connecting may take.";
    READ_TIMEOUT = "<converter>.http.read.timeout.ms", Millis(1), Value("60000"), "How long an answer may take.";
    AUTO_REGISTER = "<converter>.auto.register.schemas", Boolean, Value("true"), "A schema that is not there is checked against its subject, and registered.";
    USE_LATEST = "<converter>.use.latest.version", Boolean, Value("false"), "Without `auto.register.schemas`: the schema is the subject's newest.";
    LATEST_STRICT = "<converter>.latest.compatibility.strict", OneOf(STRICT), Value("true"), "With `use.latest.version`: the schema must be the same as that.";
    USE_ID = "<converter>.use.schema.id", int("", -1, 2_147_483_647), Value("-1"), "Without `auto.register.schemas`: the schema is that of this id.";
    ID_STRICT = "<converter>.id.compatibility.strict", OneOf(STRICT), Value("true"), "With `use.schema.id`: the schema must be the same as that.";
    LATEST_TTL = "<converter>.latest.cache.ttl.sec", int("seconds", -1, 31_536_000), Value("60"), "How long the newest schema counts as that; -1: for ever.";
    NORMALIZE = "<converter>.normalize.schemas", Boolean, Value("false"), "The registry normalizes schemas before it compares them.";
    KEY_STRATEGY = "<converter>.key.subject.name.strategy", Class(STRATEGIES), Value(TOPIC), "Which subject a key's schema belongs to.";
    VALUE_STRATEGY = "<converter>.value.subject.name.strategy", Class(STRATEGIES), Value(TOPIC), "Which subject a value's schema belongs to. For a topic with events of several types, `TopicRecordNameStrategy`.";
    KEY_ID = "<converter>.key.schema.id.serializer", Class(ID_SERIALIZERS), Value(PREFIX), "Where a key's schema is told: its id before the bytes, or its GUID in the header `__key_schema_id`.";
    VALUE_ID = "<converter>.value.schema.id.serializer", Class(ID_SERIALIZERS), Value(PREFIX), "The same of values, and `__value_schema_id`.";
    META_DATA = "<converter>.connect.meta.data", Boolean, Value("true"), "Schemas have Connect's names, versions and parameters in them.";
    ADDITIONAL = "<converter>.object.additional.properties", Boolean, Value("true"), "JsonSchemaConverter: inferred schemas leave it open which further members an object has.";
    OPTIONAL = "<converter>.optional.for.nullables", Boolean, Value("false"), "ProtobufConverter: in inferred schemas fields that may be NULL are `optional`, so that NULL is not zero.";
    WRAPPER = "<converter>.wrapper.for.nullables", Boolean, Value("false"), "ProtobufConverter: in inferred schemas fields that may be NULL are messages, such as `google.protobuf.StringValue`.";
    SKIP_KNOWN = "<converter>.skip.known.types", OneOf(KNOWN_TYPES), Value("true"), "ProtobufConverter: `google/protobuf/timestamp.proto` and the like are imported and not registered.";
    VALIDATION = "<converter>.validation.rules.execution", OneOf(NO_CHECKS), Value("DISABLED"), "Rules that stand in schemas are not carried out.";
    INDENT = "<converter>.json.indent.output", OneOf(IN_A_LINE), Value("false"), "JsonSchemaConverter: JSON in one line.";
    SCRUB = "<converter>.scrub.invalid.names", OneOf(NO_SCRUBBING), Value("false"), "Names that Avro does not allow are refused.";
    IGNORE_DEFAULT = "<converter>.ignore.default.for.nullables", OneOf(NOT_NULLABLE), Value("false"), "A default stands for NULL.";
    DISCARD_DOC = "<converter>.discard.type.doc.default", OneOf(DOCUMENTED), Value("false"), "Documentation and defaults stay in schemas.";
}

/// Options of converters that ask a registry, by whether they say how it is reached.
pub const OPTIONS: &[Property] = NAMED;

/// Those of JsonSchemaConverter alone.
pub const OF_JSON_SCHEMA: &[&Property] = &[&ADDITIONAL, &INDENT];
/// Those of ProtobufConverter alone.
pub const OF_PROTOBUF: &[&Property] = &[&OPTIONAL, &WRAPPER, &SKIP_KNOWN];
/// Those of AvroConverter alone.
pub const OF_AVRO: &[&Property] = &[&META_DATA, &DISCARD_DOC];

/// Those that say how it is reached.
pub const REACHING: &[&Property] = &[
    &URL,
    &BASIC_SOURCE,
    &BASIC_USER,
    &BEARER_SOURCE,
    &BEARER_TOKEN,
    &TRUSTSTORE,
    &TRUSTSTORE_TYPE,
    &TRUSTSTORE_TEXT,
    &KEYSTORE,
    &KEYSTORE_TYPE,
    &KEYSTORE_CHAIN,
    &KEYSTORE_KEY,
    &CHECK_NAME,
    &REQUEST_HEADER,
    &CONNECT_TIMEOUT,
    &READ_TIMEOUT,
];

const FOR_EVER: &str = "a registry that does not answer is asked again for ever";
const WHEN_READING: &str = "it is about reading";
const NONE_HERE: &str = "what it is about does not come up in a row's schema";
const OF_CLASSES: &str = "it is about objects of Java classes";
const NO_SECOND_NAME: &str = "credentials have one name here";
const NO_RULES: &str = "rules of the registry are not carried out";
const WITHOUT_RULES: &str = "leave it out, and have the application encrypt or check what it writes";

const OTHERS: &[Property] = &[
    ignored("<converter>.enhanced.avro.schema.support", Value("false"), NONE_HERE),
    ignored("<converter>.generalized.sum.type.support", Value("false"), NONE_HERE),
    ignored("<converter>.allow.optional.map.keys", Value("false"), NONE_HERE),
    ignored("<converter>.flatten.unions", Value("false"), WHEN_READING),
    ignored("<converter>.flatten.singleton.unions", Value("true"), WHEN_READING),
    ignored("<converter>.specific.avro.<option>", Unset, WHEN_READING),
    ignored("<converter>.avro.<option>", Unset, WHEN_READING),
    ignored("<converter>.avro.reflection.allow.null", Value("false"), OF_CLASSES),
    ignored("<converter>.avro.remove.java.properties", Value("false"), OF_CLASSES),
    ignored("<converter>.json.<option>", Unset, WHEN_READING),
    ignored("<converter>.json.write.dates.iso8601", Value("false"), OF_CLASSES),
    ignored("<converter>.json.schema.spec.version", Value("draft_7"), OF_CLASSES),
    ignored("<converter>.json.schema.scan.packages", Unset, OF_CLASSES),
    ignored("<converter>.json.oneof.for.nullables", Value("true"), OF_CLASSES),
    ignored("<converter>.json.default.property.inclusion", Unset, OF_CLASSES),
    ignored("<converter>.json.validate.before.domain.rules", Value("false"), NO_RULES),
    ignored("<converter>.type.property", Value("javaType"), WHEN_READING),
    ignored("<converter>.derive.type", Value("false"), WHEN_READING),
    ignored("<converter>.specific.protobuf.<option>", Unset, WHEN_READING),
    ignored("<converter>.key.schema.id.deserializer", Unset, WHEN_READING),
    ignored("<converter>.value.schema.id.deserializer", Unset, WHEN_READING),
    ignored("<converter>.preserve.additional.properties", Value("false"), NONE_HERE),
    ignored("<converter>.ignore.modern.dialects", Value("false"), WHEN_READING),
    ignored("<converter>.use.optional.for.nonrequired", Value("false"), WHEN_READING),
    ignored("<converter>.enhanced.protobuf.schema.support", Value("false"), WHEN_READING),
    ignored("<converter>.optional.for.proto2", Value("true"), WHEN_READING),
    ignored("<converter>.wrapper.for.raw.primitives", Value("true"), WHEN_READING),
    ignored("<converter>.int.for.enums", Value("false"), WHEN_READING),
    ignored("<converter>.generate.<option>", Value("false"), NONE_HERE),
    refused(
        "<converter>.schema.format",
        "schemas are registered as Connect's converters print them",
        "leave it out",
    ),
    ignored("<converter>.schema.backup.<option>", Unset, NONE_HERE),
    ignored("<converter>.schema.reflection", Value("false"), NONE_HERE),
    ignored("<converter>.reference.subject.name.strategy", Unset, NONE_HERE),
    ignored("<converter>.reference.lookup.only", Value("false"), NONE_HERE),
    refused("<converter>.subject.name.strategy.<option>", NO_ASSOCIATIONS, WRITE_STRATEGY),
    ignored("<converter>.propagate.schema.tags", Value("false"), NONE_HERE),
    ignored("<converter>.max.schemas.per.subject", Value("1000"), "every schema is kept"),
    ignored("<converter>.schemas.cache.config", Value("1000"), "every schema is kept"),
    ignored("<converter>.latest.cache.size", Value("1000"), "every schema is kept"),
    ignored("<converter>.missing.<option>", Unset, "what is missing is asked for again after ten seconds"),
    ignored("<converter>.max.retries", Value("3"), FOR_EVER),
    ignored("<converter>.retries.wait.ms", Value("1000"), FOR_EVER),
    ignored("<converter>.retries.max.wait.ms", Value("20000"), FOR_EVER),
    ignored("<converter>.schema.registry.url.randomize", Value("false"), "URLs are asked in their order"),
    ignored("<converter>.use.apache.http.client", Value("false"), "the registry is asked by walpost itself"),
    refused("<converter>.use.schema.guid", "a schema is named by its id", "write the id in use.schema.id"),
    refused(
        "<converter>.use.latest.with.metadata",
        "schemas are not chosen by metadata",
        "write use.latest.version=true, or the id in use.schema.id",
    ),
    refused(
        "<converter>.context.name.strategy",
        "contexts are not made",
        "write the context into the URL: /contexts/NAME",
    ),
    refused("<converter>.rule.<option>", NO_RULES, WITHOUT_RULES),
    refused("<converter>.execution.environment", NO_RULES, WITHOUT_RULES),
    ignored("<converter>.validation.rules.executor.class", Unset, NO_RULES),
    ignored("<converter>.validation.rules.fail.fast", Value("false"), NO_RULES),
    refused("<converter>.bearer.auth.<option>", NO_TOKENS, WRITE_TOKEN),
    refused("<converter>.proxy.host", "the registry is asked directly", "leave it out"),
    refused("<converter>.proxy.port", "the registry is asked directly", "leave it out"),
    refused("<converter>.schema.registry.ssl.key.password", NO_PASSWORD, DECRYPT),
    refused("<converter>.schema.registry.ssl.keystore.password", NO_PASSWORD, DECRYPT),
    ignored("<converter>.schema.registry.ssl.truststore.password", Unset, "PEM has no password"),
    refused(
        "<converter>.schema.registry.basic.auth.<option>",
        NO_SECOND_NAME,
        "leave schema.registry out of its name",
    ),
    refused(
        "<converter>.schema.registry.bearer.auth.<option>",
        NO_SECOND_NAME,
        "leave schema.registry out of its name",
    ),
    ignored("<converter>.schema.registry.<option>", Unset, "the registry is asked without it"),
];
