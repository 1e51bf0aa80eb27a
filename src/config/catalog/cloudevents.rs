//! CloudEvents: which attributes an event has, and where they are.

use super::Default::{Derived, Unset, Value};
use super::Kind::{Choice as OneOf, Text};
use super::{Choice, Section, named, word};

/// CloudEvents.
pub const SECTION: Section = Section { title: "CloudEvents", named: NAMED, others: &[] };

/// What all keys begin with.
pub const KEYS: &str = "walpost.cloudevents.";

const MODES: &[Choice] = &[word("none"), word("binary"), word("structured")];

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
}
