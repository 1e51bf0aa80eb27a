//! Where walpost differs from Debezium on purpose.

use crate::golden::{Expected, Run, text};
use crate::ours::{NOW, Outcome, Record};
use serde_json::{Value, json};

/// Records that are not Debezium's.
pub struct Difference {
    /// The golden case.
    case: &'static str,
    /// The router's properties, where only some runs of the case are meant.
    router: Option<&'static str>,
    /// Which record of the run.
    record: u64,
    /// How many golden records it concerns.
    pub records: usize,
    /// Why, for people.
    pub reason: &'static str,
    /// It is one with `debezium.compat=strict` as well: what Debezium hands to Kafka's producer is refused there.
    pub remains: bool,
    ours: Ours,
}

/// What walpost does instead.
enum Ours {
    /// Refuses the row, for the reason of this name.
    Rejected(&'static str),
    /// Refuses the row for its topic, which is the one Debezium hands to a producer that must refuse it.
    TopicRejected,
    /// Refuses the configuration, naming this.
    Refused(&'static str),
    /// Publishes Debezium's record with these changes.
    Amended(fn(&mut Value)),
    /// Publishes the payload as a text, where Debezium has a struct's schema for it and dies.
    AsText,
    /// Publishes, where Debezium dies, a record of which this is true.
    Published(fn(&Record) -> bool),
}

/// All of them.
pub const ALL: &[Difference] = &[
    Difference {
        case: "placement_basic",
        router: Some("table.fields.additional.placement="),
        record: 1,
        records: 1,
        reason: "a blank value is a property that was not given",
        remains: false,
        ours: Ours::Published(|record| record.headers.len() == 5),
    },
    Difference {
        case: "keys",
        router: Some("table.field.event.key="),
        record: 1,
        records: 1,
        reason: "a blank value is a property that was not given",
        remains: false,
        ours: Ours::Published(|record| record.key.as_deref() == Some(b"10711fa5")),
    },
    Difference {
        case: "timestamp_missing",
        router: Some("table.field.event.timestamp="),
        record: 1,
        records: 1,
        reason: "a blank value is a property that was not given",
        remains: false,
        ours: Ours::Published(|record| record.timestamp == NOW),
    },
    Difference {
        case: "placement_basic",
        router: Some(
            "table.fields.additional.placement=nope:header; table.fields.additional.error.on.missing=false",
        ),
        record: 1,
        records: 1,
        reason: "the property's name before Debezium 3.6 still counts",
        remains: false,
        ours: Ours::Published(|record| record.headers.len() == 5),
    },
    Difference {
        case: "route",
        router: Some("route.topic.regex=My"),
        record: 1,
        records: 1,
        reason: "a replacement with a group that the regex has not is refused at the start",
        remains: false,
        ours: Ours::Refused("the regex has no group \"routedByValue\""),
    },
    Difference {
        case: "route",
        router: None,
        record: 1,
        records: 7,
        reason: "a topic that Kafka does not accept is refused with the row named",
        remains: true,
        ours: Ours::TopicRejected,
    },
    Difference {
        case: "route_newline",
        router: None,
        record: 1,
        records: 2,
        reason: "a topic that Kafka does not accept is refused with the row named",
        remains: true,
        ours: Ours::TopicRejected,
    },
    Difference {
        case: "route_empty",
        router: Some("route.topic.replacement=${routedByValue}"),
        record: 1,
        records: 1,
        reason: "a topic that Kafka does not accept is refused with the row named",
        remains: true,
        ours: Ours::TopicRejected,
    },
    Difference {
        case: "timestamp_tstz",
        router: None,
        record: 1,
        records: 1,
        reason: "timestamptz can be the event's time",
        remains: false,
        ours: Ours::Published(|record| record.timestamp == 1_553_460_779_000),
    },
    Difference {
        case: "timestamp_minus1",
        router: None,
        record: 1,
        records: 1,
        reason: "a timestamp of -1 means none to Kafka's producer, which then asks the clock",
        remains: true,
        ours: Ours::Amended(|expected| expected["timestamp"] = json!(NOW)),
    },
    Difference {
        case: "partition_neg",
        router: None,
        record: 1,
        records: 2,
        reason: "a negative partition, of which Kafka's producer dies, is refused with the row named",
        remains: true,
        ours: Ours::Rejected("partition_illegal"),
    },
    Difference {
        case: "schema_name_sticky",
        router: None,
        record: 2,
        records: 1,
        reason: "an envelope's schema is named by its own record's route, not by the first there was",
        remains: false,
        ours: Ours::Amended(|expected| {
            let value = text(&expected["value"]).replace("outbox.User.Value", "outbox.Address.Value");
            expected["value"] = json!(value);
        }),
    },
    Difference {
        case: "expand_versioned",
        router: None,
        record: 2,
        records: 1,
        reason: "an envelope's schema is its own record's, not that of the first of its version",
        remains: false,
        ours: Ours::Published(|record| {
            record.value.as_deref() == Some(br#"{"payload":{"b":"x"},"type":"UserCreated"}"#)
        }),
    },
    Difference {
        case: "bytea_payload",
        router: Some(""),
        record: 1,
        records: 1,
        reason: "the golden run had given the same buffer to another converter first, which left it read to its end",
        remains: true,
        ours: Ours::Amended(|expected| expected["value"] = json!("hex:0000000003020600ff80")),
    },
    unfit("expand_bigint", 3),
    unfit("expand_hugeexp", 2),
    unfit("expandtext_num_forms", 2),
    unfit("expand_arr_arr_hetero", 2),
    unfit("expand_arr_obj_conflict", 3),
    unfit("expand_arr_obj_int_long", 2),
    unfit("expand_root_arr_obj", 3),
    unfit("expand_root_arr_int", 2),
    unfit("expand_root_arr_empty", 1),
];

/// A JSON payload that its own schema does not fit; StringConverter prints it all the same.
const fn unfit(case: &'static str, records: usize) -> Difference {
    let reason = "JSON that does not fit its own schema stays the text it is, as in Debezium 3.7";
    Difference { case, router: None, record: 1, records, reason, remains: false, ours: Ours::AsText }
}

impl Difference {
    /// The difference that concerns this record.
    pub fn of(run: &Run, expected: &Expected, strict: bool) -> Option<&'static Difference> {
        let given = run.router_text();
        ALL.iter().find(|difference| {
            difference.case == run.case
                && (difference.case != "bytea_payload"
                    || run.converter_class("value.converter") == "AvroConverter")
                && (difference.remains || !strict)
                && (expected.error().is_some() || !matches!(difference.ours, Ours::AsText))
                && difference.record == expected.record
                && difference.router.is_none_or(|router| router == given)
                && !(matches!(difference.ours, Ours::TopicRejected) && is_legal(&expected.outcome["topic"]))
        })
    }

    /// Whether ours is what it is said to be; `same` compares records.
    pub fn check(
        &self,
        expected: &Expected,
        ours: &Result<Outcome, String>,
        same: impl FnOnce(&Expected, &Record) -> Result<(), String>,
    ) -> Result<(), String> {
        let as_said = match (&self.ours, ours) {
            (Ours::Rejected(reason), Ok(Outcome::Rejected(why))) => why.starts_with(reason),
            (Ours::TopicRejected, Ok(Outcome::Rejected(why))) => {
                why.starts_with("topic_illegal")
                    && why.contains(&format!("{:?}", text(&expected.outcome["topic"])))
            }
            (Ours::Refused(naming), Err(problems)) => problems.contains(naming),
            (Ours::AsText, Ok(Outcome::Record(record))) => is_text(record),
            (Ours::Published(holds), Ok(Outcome::Record(record))) => holds(record),
            (Ours::Amended(amend), Ok(Outcome::Record(record))) => {
                let mut outcome = expected.outcome.clone();
                amend(&mut outcome);
                return same(&Expected { outcome, ..*expected }, record);
            }
            _ => false,
        };
        if as_said { Ok(()) } else { Err(format!("not as it should be ({}): {ours:?}", self.reason)) }
    }
}

/// The payload is a JSON string that holds JSON, wherever it stands.
fn is_text(record: &Record) -> bool {
    let value: Value =
        serde_json::from_slice(record.value.as_deref().unwrap_or_default()).unwrap_or_default();
    let payload = value.get("payload").unwrap_or(&value);
    payload.as_str().is_some_and(|text| text.starts_with(['{', '[']))
}

/// Kafka accepts a topic of this name; where there is none, Debezium died of something else.
fn is_legal(topic: &Value) -> bool {
    let Some(topic) = topic.as_str() else { return true };
    let characters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !topic.is_empty() && topic.len() <= 249 && topic.chars().all(characters)
}
