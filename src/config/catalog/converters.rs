//! Converters: what turns keys, values and headers into bytes, and their options.

use super::Default::{Derived, Unset, Value};
use super::Kind::{Boolean, Choice as OneOf, Class, Text};
use super::{Choice, Property, Section, ignored, named, not, word};

/// Converters.
pub const SECTION: Section = Section { title: "Converters", named: NAMED, others: OTHERS };

/// The placeholder that stands for one of [`PLACES`].
pub const PLACEHOLDER: &str = "converter";

/// Where a converter can be named: longer ones first, so that one is not taken for another's option.
pub const PLACES: &[&str] = &[
    "key.converter.delegate.converter.type",
    "value.converter.delegate.converter.type",
    CLOUD_EVENTS_AVRO,
    "key.converter",
    "value.converter",
    "header.converter",
];

/// Text.
pub const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
/// JSON.
pub const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
/// Bytes as they are.
pub const BYTES: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
/// Bytes as they are, anything else by a delegate.
pub const BINARY: &str = "io.debezium.converters.BinaryDataConverter";
/// A boolean's byte.
pub const BOOLEAN: &str = "org.apache.kafka.connect.converters.BooleanConverter";
/// The bytes of a smallint.
pub const SHORT: &str = "org.apache.kafka.connect.converters.ShortConverter";
/// The bytes of an integer.
pub const INTEGER: &str = "org.apache.kafka.connect.converters.IntegerConverter";
/// The bytes of a bigint.
pub const LONG: &str = "org.apache.kafka.connect.converters.LongConverter";
/// The bytes of a real.
pub const FLOAT: &str = "org.apache.kafka.connect.converters.FloatConverter";
/// The bytes of a double precision.
pub const DOUBLE: &str = "org.apache.kafka.connect.converters.DoubleConverter";
/// Header values as Connect prints them.
pub const SIMPLE_HEADER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// Debezium's CloudEvents.
pub const CLOUD_EVENTS: &str = "io.debezium.converters.CloudEventsConverter";
/// Where its AvroConverter is configured.
pub const CLOUD_EVENTS_AVRO: &str = "value.converter.avro";

/// Avro, with a schema registry.
pub const AVRO: &str = "io.confluent.connect.avro.AvroConverter";

/// JSON Schema, with a schema registry.
pub const JSON_SCHEMA: &str = "io.confluent.connect.json.JsonSchemaConverter";

/// Protobuf, with a schema registry.
pub const PROTOBUF: &str = "io.confluent.connect.protobuf.ProtobufConverter";

const LATER: &str = "it comes with a later release";
const WRITE_CONVERTER: &str = "write io.confluent.connect.avro.AvroConverter, io.confluent.connect.json.JsonSchemaConverter, io.confluent.connect.protobuf.ProtobufConverter, org.apache.kafka.connect.storage.StringConverter, org.apache.kafka.connect.json.JsonConverter, org.apache.kafka.connect.converters.ByteArrayConverter or io.debezium.converters.BinaryDataConverter";
const WRITE_BINARY: &str = "write io.debezium.converters.BinaryDataConverter";

const CONVERTERS: &[Choice] = &[
    word(STRING),
    word(JSON),
    word(BYTES),
    word(BINARY),
    word(BOOLEAN),
    word(SHORT),
    word(INTEGER),
    word(LONG),
    word(FLOAT),
    word(DOUBLE),
    not("io.debezium.converters.ByteArrayConverter", "Debezium's own fails on bytea", WRITE_BINARY),
    not("io.debezium.converters.ByteBufferConverter", "Debezium has renamed it", WRITE_BINARY),
    word(CLOUD_EVENTS),
    word(AVRO),
    word(PROTOBUF),
    word(JSON_SCHEMA),
    not("io.apicurio.registry.utils.converter.AvroConverter", LATER, WRITE_CONVERTER),
    not("io.apicurio.registry.utils.converter.ExtJsonConverter", LATER, WRITE_CONVERTER),
    not("io.apicurio.registry.utils.converter.ProtobufConverter", LATER, WRITE_CONVERTER),
    not("com.amazonaws.services.schemaregistry.kafkaconnect.AWSKafkaAvroConverter", LATER, WRITE_CONVERTER),
    not("com.blueapron.connect.protobuf.ProtobufConverter", LATER, WRITE_CONVERTER),
    not(SIMPLE_HEADER, "it is for headers only", WRITE_CONVERTER),
];

const WRITE_HEADER: &str = "write org.apache.kafka.connect.storage.SimpleHeaderConverter, org.apache.kafka.connect.storage.StringConverter or org.apache.kafka.connect.json.JsonConverter";
const NO_TEXT: &str = "it refuses a header that is not binary, as `id` is";
const HEADER_CONVERTERS: &[Choice] = &[
    word(SIMPLE_HEADER),
    word(STRING),
    word(JSON),
    not(BYTES, NO_TEXT, WRITE_HEADER),
    not(BINARY, NO_TEXT, WRITE_HEADER),
    not("io.debezium.converters.ByteArrayConverter", NO_TEXT, WRITE_HEADER),
    not("io.confluent.connect.avro.AvroConverter", LATER, WRITE_HEADER),
    not("io.confluent.connect.protobuf.ProtobufConverter", LATER, WRITE_HEADER),
    not("io.confluent.connect.json.JsonSchemaConverter", LATER, WRITE_HEADER),
    not("io.debezium.converters.CloudEventsConverter", LATER, WRITE_HEADER),
];

const DELEGATES: &[Choice] = &[
    word(STRING),
    word(JSON),
    word(BYTES),
    not(BINARY, "a delegate that delegates", "write org.apache.kafka.connect.json.JsonConverter"),
    not(
        "io.confluent.connect.avro.AvroConverter",
        LATER,
        "write org.apache.kafka.connect.json.JsonConverter",
    ),
];

pub(super) const DECIMAL_FORMATS: &[Choice] = &[word("BASE64"), word("NUMERIC")];
const ENCODINGS: &[Choice] = &[word("UTF-8"), word("UTF8")];

named! {
    KEY = "key.converter", Class(CONVERTERS), Value(JSON), "What turns keys into bytes.";
    VALUE = "value.converter", Class(CONVERTERS), Value(JSON), "What turns values into bytes.";
    HEADER = "header.converter", Class(HEADER_CONVERTERS), Value(SIMPLE_HEADER), "What turns header values into bytes.";
    DELEGATE = "<converter>.delegate.converter.type", Class(DELEGATES), Unset, "BinaryDataConverter: what encodes anything that is not binary.";
    SCHEMAS_ENABLE = "<converter>.schemas.enable", Boolean, Value("true"), "JsonConverter: schema and payload, or the payload alone.";
    DECIMAL_FORMAT = "<converter>.decimal.format", OneOf(DECIMAL_FORMATS), Value("BASE64"), "JsonConverter, JsonSchemaConverter: decimals as their bytes or as numbers.";
    REPLACE_NULL = "<converter>.replace.null.with.default", Boolean, Value("true"), "JsonConverter: a NULL is published as the column's default.";
    ENCODING = "<converter>.converter.encoding", OneOf(ENCODINGS), Value("UTF-8"), "StringConverter: UTF-8 and no other.";
    CONVERTER_TYPE = "<converter>.converter.type", Text, Derived("where it is named"), "Set by Connect itself.";
}

/// Options that belong to one converter and not to another.
pub const OPTIONS: &[Property] = &[DELEGATE, SCHEMAS_ENABLE, DECIMAL_FORMAT, REPLACE_NULL, ENCODING];

const OTHERS: &[Property] = &[
    ignored("<converter>.schemas.cache.size", Value("1000"), "every schema is kept"),
    ignored("<converter>.plugin.version", Unset, "the converters are built in"),
];
