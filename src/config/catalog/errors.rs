//! Events that cannot be published: stop, dead letters, or pass over. Connect's names where it has one.

use super::Default::{Derived, Unset, Value};
use super::Kind::{Boolean, Choice as OneOf, RegexList, Text};
use super::{Choice, Section, int, named, word};

/// Events that cannot be published.
pub const SECTION: Section = Section { title: "Events that cannot be published", named: NAMED, others: &[] };

const TOLERANCES: &[Choice] = &[word("none"), word("all")];
const POLICIES: &[Choice] = &[word("stop"), word("dead-letter"), word("skip")];

named! {
    TOLERANCE = "errors.tolerance", OneOf(TOLERANCES), Value("none"), "`none`: they stop the connector. `all`: they go to the dead letters, whose topic must then be named.";
    TOPIC_NAME = "errors.deadletterqueue.topic.name", Text, Unset, "Topic of the dead letters; made if it is missing, with one partition and a retention of 30 days.";
    TOPIC_REPLICATION = "errors.deadletterqueue.topic.replication.factor", int("replicas", -1, 32_767), Derived("`topic.creation.default.replication.factor`"), "Its replication factor when it is made. Connect's default is 3.";
    CONTEXT_HEADERS = "errors.deadletterqueue.context.headers.enable", Boolean, Value("false"), "Write Connect's headers, `__connect.errors.*`, into dead letters as well; `outbox.dlt.*` are always there.";
    ANY = "walpost.errors.any", OneOf(POLICIES), Derived("as `errors.tolerance` says"), "What becomes of them, in one word; wins over `errors.tolerance`.";
    BY_REASON = "walpost.errors.<reason>", OneOf(POLICIES), Unset, "The same for one reason: `column_missing`, `topic_illegal`, `partition_illegal`, `timestamp_illegal`, `key_not_encodable`, `header_not_encodable`, `payload_not_encodable`, `schema_refused`, `too_large`, `refused_by_broker` or `update_refused`.";
    PARKING_ROUTES = "walpost.parking.routes", RegexList, Unset, "Regular expressions of route values, separated by commas: of their events, those that come after a dead letter of the same key go to the dead letters as well, and are published in order by `walpost dlq replay`. Unset: none.";
    PARKING_MAX_KEYS = "walpost.parking.max.keys", int("keys", 1, 10_000_000), Value("10000"), "Keys that may be parked at a time; one more stops the connector.";
    BY_TABLE = "walpost.errors.table.<schema.table>", OneOf(POLICIES), Unset, "The same for one table; with `.<reason>` after it, for one reason in that table. What is said of less wins.";
}
