//! CloudEvents: which attributes an event has, and where they are.

use super::Default::{Derived, Unset, Value};
use super::Kind::{Boolean, Choice as OneOf, List, Text};
use super::converters::DECIMAL_FORMATS;
use super::{Choice, Property, Section, ignored, named, not, word};

/// CloudEvents.
pub const SECTION: Section =
    Section { title: "CloudEvents (and options of CloudEventsConverter)", named: NAMED, others: OTHERS };

/// What all keys begin with.
pub const KEYS: &str = "walpost.cloudevents.";

const MODES: &[Choice] = &[word("none"), word("binary"), word("structured")];

const SERIALIZERS: &[Choice] = &[word("json"), word("avro")];
const ADJUSTMENTS: &[Choice] = &[
    word("avro"),
    word("none"),
    not(
        "avro_unicode",
        "letters are not written as their numbers here",
        "write avro, or the whole name in schema.cloudevents.name",
    ),
];

named! {
    MODE = "walpost.cloudevents.mode", OneOf(MODES), Value("none"), "Events are CloudEvents 1.0: `binary`, attributes in `ce_` headers beside the data; `structured`, both in one JSON object.";
    SOURCE = "walpost.cloudevents.source", Text, Value("/${prefix}/${table}"), "The attribute `source`, a URI reference; `${prefix}` is `topic.prefix`, `${table}` the table with its schema.";
    TYPE_PREFIX = "walpost.cloudevents.type.prefix", Text, Unset, "What stands before an event's type (`walpost.event.type.column`) in the attribute `type`, such as `com.acme.`.";
    SUBJECT = "walpost.cloudevents.subject", Text, Derived("the column of the record key"), "Column for the attribute `subject`.";
    TIME = "walpost.cloudevents.time", Text, Derived("the column of the record timestamp, if there is one"), "Column for the attribute `time`, a timestamp.";
    CONTENT_TYPE = "walpost.cloudevents.datacontenttype", Text, Derived("`application/json`, `application/avro`, `application/protobuf`, `text/plain; charset=UTF-8` or `application/octet-stream`, as converter and column have it"), "The attribute `datacontenttype`.";
    PARTITION_KEY = "walpost.cloudevents.partitionkey", Text, Unset, "Column for the attribute `partitionkey`. The record's key is `table.field.event.key`, whatever this is.";
    SEQUENCE = "walpost.cloudevents.sequence", Text, Unset, "Column for the attribute `sequence`; a whole number has 19 digits, so that it sorts as text.";
    DATA_SCHEMA = "walpost.cloudevents.dataschema", Text, Unset, "The attribute `dataschema`, a URI; `${id}` is the id of the data's schema in the registry, `${type}` the event's type.";
    SERIALIZER = "<converter>.serializer.type", OneOf(SERIALIZERS), Value("json"), "CloudEventsConverter: what the event is written in; `avro` with data in Avro only.";
    DATA_SERIALIZER = "<converter>.data.serializer.type", OneOf(SERIALIZERS), Value("json"), "CloudEventsConverter: what its data is written in; of `avro`, the options of AvroConverter are written behind `value.converter.avro.`.";
    SCHEMA_NAME = "<converter>.schema.cloudevents.name", Text, Derived("`topic.prefix`, `database.dbname` and `CloudEvents.Envelope`, dots between them"), "CloudEventsConverter: the full name of the event's schema, where it is in Avro.";
    ADJUSTMENT = "<converter>.schema.name.adjustment.mode", OneOf(ADJUSTMENTS), Value("avro"), "CloudEventsConverter: what Avro does not allow in that name is made `_`, or is refused.";
    JSON_SCHEMAS = "<converter>.json.schemas.enable", Boolean, Value("true"), "CloudEventsConverter: data is schema and payload, or the payload alone.";
    JSON_DECIMALS = "<converter>.json.decimal.format", OneOf(DECIMAL_FORMATS), Value("BASE64"), "CloudEventsConverter: decimals as their bytes or as numbers.";
    JSON_NULLS = "<converter>.json.replace.null.with.default", Boolean, Value("true"), "CloudEventsConverter: a NULL is published as the column's default.";
    METADATA = "<converter>.metadata.source", List, Value("value,id:generate,type:generate,traceparent:header,dataSchemaName:generate"), "CloudEventsConverter: where attributes come from; of an outbox event, `header`, and nothing else is taken.";
    EXTENSIONS = "<converter>.extension.attributes.enable", Boolean, Value("true"), "CloudEventsConverter: `iodebezium…` attributes; `false`, and nothing else is taken.";
    TRACING = "<converter>.opentelemetry.tracing.attributes.enable", Boolean, Value("false"), "CloudEventsConverter: the attribute `traceparent`; `false`, and nothing else is taken.";
    SCHEMA_HEADER = "<converter>.schema.data.name.source.header.enable", Boolean, Value("false"), "CloudEventsConverter: the data's schema named by a header; `false`, and nothing else is taken.";
}

/// Those that make no difference to data in Avro.
pub const OF_JSON: &[&Property] = &[&JSON_SCHEMAS, &JSON_DECIMALS, &JSON_NULLS];
/// Those that make no difference to an event in JSON.
pub const OF_AVRO: &[&Property] = &[&SCHEMA_NAME, &ADJUSTMENT];

/// Options of CloudEventsConverter.
pub const OPTIONS: &[Property] = &[
    SERIALIZER,
    DATA_SERIALIZER,
    SCHEMA_NAME,
    ADJUSTMENT,
    JSON_SCHEMAS,
    JSON_DECIMALS,
    JSON_NULLS,
    METADATA,
    EXTENSIONS,
    TRACING,
    SCHEMA_HEADER,
];

const OTHERS: &[Property] =
    &[ignored("<converter>.json.schemas.cache.size", Value("1000"), "every schema is kept")];
