//! Transforms that a chain may have beside the event router: none of them runs here. What one would do to an event, or to
//! a heartbeat, decides whether it can be left out in silence.

/// A transform of Debezium or of Connect.
#[derive(Clone, Copy, Debug)]
pub struct Transform {
    /// Its class; `$Key` and `$Value` come after it where there are two.
    pub class: &'static str,
    /// What it changes.
    pub changes: Changes,
    /// Why it has no place here.
    pub why: &'static str,
    /// What to do instead; empty: to take it out is all there is.
    pub instead: &'static str,
}

/// What a transform changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Nothing that a Postgres connector publishes.
    Nothing,
    /// A record's topic and no more: of an event, the router sets it anew.
    Topic,
    /// Change events, of which the router leaves none.
    ChangeEvents,
    /// Any record.
    Records,
}

use Changes::{ChangeEvents, Nothing, Records, Topic};

const WRITE_ROUTE: &str = "write route.topic.regex and route.topic.replacement of the event router";
const WRITE_PLACEMENT: &str =
    "place columns as headers or beside the payload with table.fields.additional.placement";
const WRITE_ROW: &str = "write the finished value into the outbox row";
const NO_CHANGE_EVENTS: &str =
    "it is for change events, and what the event router makes of a row is none any more";
const OTHER_DATABASE: &str = "it is for another database";
const OTHER_RECORD: &str = "it would change the event that the event router makes";

/// Debezium's CloudEventsConverter finds metadata where this one has copied it to.
pub const HEADER_FROM: &str = "org.apache.kafka.connect.transforms.HeaderFrom";

/// Those that are known by name.
pub const TRANSFORMS: &[Transform] = &[
    of("io.debezium.transforms.SchemaChangeEventFilter", Nothing, "Postgres has no schema change events", ""),
    of(
        "io.debezium.transforms.tracing.ActivateTracingSpan",
        Nothing,
        "no spans are made here; the event router passes trace contexts on",
        "",
    ),
    of("org.apache.kafka.connect.transforms.RegexRouter", Topic, "it would rename topics", WRITE_ROUTE),
    of("org.apache.kafka.connect.transforms.TimestampRouter", Topic, "it would rename topics", WRITE_ROUTE),
    of("io.debezium.transforms.ByLogicalTableRouter", ChangeEvents, NO_CHANGE_EVENTS, WRITE_ROUTE),
    of("io.debezium.transforms.ExtractNewRecordState", ChangeEvents, NO_CHANGE_EVENTS, ""),
    of("io.debezium.transforms.ExtractChangedRecordState", ChangeEvents, NO_CHANGE_EVENTS, ""),
    of("io.debezium.transforms.ExtractSchemaToNewRecord", ChangeEvents, NO_CHANGE_EVENTS, ""),
    of("io.debezium.transforms.HeaderToValue", ChangeEvents, NO_CHANGE_EVENTS, WRITE_PLACEMENT),
    of("io.debezium.transforms.TimezoneConverter", ChangeEvents, NO_CHANGE_EVENTS, WRITE_ROW),
    of("io.debezium.transforms.VectorToJsonConverter", ChangeEvents, NO_CHANGE_EVENTS, WRITE_ROW),
    of("io.debezium.transforms.partitions.PartitionRouting", ChangeEvents, NO_CHANGE_EVENTS, WRITE_PLACEMENT),
    of(
        "io.debezium.connector.postgresql.transforms.timescaledb.TimescaleDb",
        ChangeEvents,
        NO_CHANGE_EVENTS,
        "keep the outbox in an ordinary table",
    ),
    of(
        "io.debezium.transforms.Filter",
        Records,
        "it would drop events",
        "insert no row that is not to be published, or tell tables apart with a predicate of the event router",
    ),
    of("io.debezium.transforms.ContentBasedRouter", Records, "it would rename topics", WRITE_ROUTE),
    of(
        "io.debezium.connector.mongodb.transforms.outbox.MongoEventRouter",
        Records,
        OTHER_DATABASE,
        "write io.debezium.transforms.outbox.EventRouter",
    ),
    of("io.debezium.connector.mongodb.transforms.ExtractNewDocumentState", Records, OTHER_DATABASE, ""),
    of("io.debezium.connector.mysql.transforms.ReadToInsertEvent", Records, OTHER_DATABASE, ""),
    of("org.apache.kafka.connect.transforms.Cast", Records, OTHER_RECORD, WRITE_ROW),
    of(
        "org.apache.kafka.connect.transforms.DropHeaders",
        Records,
        OTHER_RECORD,
        "write extended.headers.enabled=false to be without the __debezium.context headers",
    ),
    of("org.apache.kafka.connect.transforms.ExtractField", Records, OTHER_RECORD, WRITE_ROW),
    of(
        "org.apache.kafka.connect.transforms.Filter",
        Records,
        "it would drop events",
        "insert no row that is not to be published, or tell tables apart with a predicate of the event router",
    ),
    of("org.apache.kafka.connect.transforms.Flatten", Records, OTHER_RECORD, WRITE_ROW),
    of(HEADER_FROM, Records, OTHER_RECORD, WRITE_PLACEMENT),
    of("org.apache.kafka.connect.transforms.HoistField", Records, OTHER_RECORD, WRITE_PLACEMENT),
    of("org.apache.kafka.connect.transforms.InsertField", Records, OTHER_RECORD, WRITE_PLACEMENT),
    of("org.apache.kafka.connect.transforms.InsertHeader", Records, OTHER_RECORD, WRITE_PLACEMENT),
    of("org.apache.kafka.connect.transforms.MaskField", Records, OTHER_RECORD, WRITE_ROW),
    of("org.apache.kafka.connect.transforms.ReplaceField", Records, OTHER_RECORD, WRITE_ROW),
    of("org.apache.kafka.connect.transforms.SetSchemaMetadata", Records, OTHER_RECORD, ""),
    of("org.apache.kafka.connect.transforms.TimestampConverter", Records, OTHER_RECORD, WRITE_ROW),
    of(
        "org.apache.kafka.connect.transforms.ValueToKey",
        Records,
        OTHER_RECORD,
        "write table.field.event.key",
    ),
];

const fn of(class: &'static str, changes: Changes, why: &'static str, instead: &'static str) -> Transform {
    Transform { class, changes, why, instead }
}

/// The transform that `value` names: in full or by its simple name, with or without `$Key` and `$Value`.
pub fn named(value: &str) -> Option<&'static Transform> {
    let value = value.trim();
    let value = value.strip_suffix("$Key").or(value.strip_suffix("$Value")).unwrap_or(value);
    TRANSFORMS.iter().find(|known| {
        known.class == value || (!value.contains('.') && known.class.rsplit('.').next() == Some(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_are_known_by_class_and_by_simple_name() {
        let changes = |value: &str| named(value).map(|known| known.changes);
        assert_eq!(changes("io.debezium.transforms.ExtractNewRecordState"), Some(ChangeEvents));
        assert_eq!(changes(" ExtractNewRecordState "), Some(ChangeEvents));
        assert_eq!(changes("org.apache.kafka.connect.transforms.ExtractField$Value"), Some(Records));
        assert_eq!(changes("RegexRouter"), Some(Topic));
        assert_eq!(changes("com.example.RegexRouter"), None);
        for (at, known) in TRANSFORMS.iter().enumerate() {
            assert!(!known.why.is_empty());
            assert!(TRANSFORMS[at + 1..].iter().all(|other| other.class != known.class), "{}", known.class);
        }
    }
}
