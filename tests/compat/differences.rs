//! Where walpost differs from Debezium on purpose: the one list, each reason once.
//!
//! It names the golden records that a reason concerns, and tells by what such a row is known among generated ones.

use crate::differential::{self, Met};
use crate::golden::{Expected, Run, text};
use crate::ours::{NOW, Outcome, Record};
use crate::support;
use serde_json::{Value, json};

/// Records that are not Debezium's, for one reason.
pub struct Difference {
    /// Why, for people.
    pub reason: &'static str,
    /// It is one with `debezium.compat=strict` as well.
    pub remains: bool,
    /// The golden records.
    golden: &'static [Golden],
    generated: Generated,
}

/// How a generated row, which is not as Debezium has it, is known to be one of these.
enum Generated {
    /// It is none: Debezium's task died, and walpost refused the row.
    Never,
    /// Debezium has no record of it.
    Failed(fn(&Met<'_>) -> bool),
    /// Both have one, and they are the same when ours is changed so.
    Same(fn(&Met<'_>, &support::Record, &mut Record)),
}

use Generated::{Failed, Never, Same};

/// Golden records of one case.
pub struct Golden {
    case: &'static str,
    /// The router's properties, where only some runs of the case are meant.
    router: Option<&'static str>,
    /// Which record of the run.
    record: u64,
    /// How many golden records it concerns.
    records: usize,
    /// The value's converter, where only its runs are meant.
    converter: Option<&'static str>,
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

use Ours::{Amended, AsText, Published, Refused, Rejected, TopicRejected};

/// All of them.
pub const ALL: &[Difference] = &[
    Difference {
        reason: "a blank value is a property that was not given",
        remains: false,
        golden: &[
            golden("placement_basic", Published(|record| record.headers.len() == 5))
                .with("table.fields.additional.placement="),
            golden("keys", Published(|record| record.key.as_deref() == Some(b"10711fa5")))
                .with("table.field.event.key="),
            golden("timestamp_missing", Published(|record| record.timestamp == NOW))
                .with("table.field.event.timestamp="),
        ],
        generated: Failed(|met| met.died() && met.router().values().any(|value| value.trim().is_empty())),
    },
    Difference {
        reason: "the property's name before Debezium 3.6 still counts",
        remains: false,
        golden: &[golden("placement_basic", Published(|record| record.headers.len() == 5)).with(
            "table.fields.additional.placement=nope:header; table.fields.additional.error.on.missing=false",
        )],
        generated: Failed(|met| {
            met.died() && met.router().contains_key("table.fields.additional.error.on.missing")
        }),
    },
    Difference {
        reason: "a replacement with a group that the regex has not is refused at the start",
        remains: false,
        golden: &[
            golden("route", Refused("the regex has no group \"routedByValue\"")).with("route.topic.regex=My")
        ],
        generated: Failed(|met| met.ours.is_err_and(|problems| problems.contains("the regex has no group"))),
    },
    Difference {
        reason: "a topic that Kafka does not accept is refused with the row named",
        remains: true,
        golden: &[
            golden("route", TopicRejected).records(7),
            golden("route_newline", TopicRejected).records(2),
            golden("route_empty", TopicRejected).with("route.topic.replacement=${routedByValue}"),
        ],
        generated: Never,
    },
    Difference {
        reason: "timestamptz can be the event's time",
        remains: false,
        golden: &[golden("timestamp_tstz", Published(|record| record.timestamp == 1_553_460_779_000))],
        generated: Failed(|met| {
            met.threw("is not of type INT64") && met.column("table.field.event.timestamp").contains("tz")
        }),
    },
    Difference {
        reason: "a timestamp of -1 means none to Kafka's producer, which then asks the clock",
        remains: true,
        golden: &[golden("timestamp_minus1", Amended(|expected| expected["timestamp"] = json!(NOW)))],
        generated: Never,
    },
    Difference {
        reason: "a negative partition, of which Kafka's producer dies, is refused with the row named",
        remains: true,
        golden: &[golden("partition_neg", Rejected("partition_illegal")).records(2)],
        generated: Never,
    },
    Difference {
        reason: "an envelope's schema is named by its own record's route, not by the first there was",
        remains: false,
        golden: &[golden(
            "schema_name_sticky",
            Amended(|expected| {
                let value = text(&expected["value"]).replace("outbox.User.Value", "outbox.Address.Value");
                expected["value"] = json!(value);
            }),
        )
        .record(2)],
        generated: Same(differential::rename),
    },
    Difference {
        reason: "an envelope's schema is its own record's, not that of the first of its version",
        remains: false,
        golden: &[golden(
            "expand_versioned",
            Published(|record| {
                record.value.as_deref() == Some(br#"{"payload":{"b":"x"},"type":"UserCreated"}"#)
            }),
        )
        .record(2)],
        generated: Failed(is_of_another_schema),
    },
    Difference {
        reason: "the schema of a payload that is NULL is its own record's, not that of the first of its version",
        remains: false,
        golden: &[],
        generated: Same(differential::nulls),
    },
    Difference {
        reason: "a row of which Debezium's task dies has not settled the schema of its version for the rows after it",
        remains: true,
        golden: &[],
        generated: Failed(|met| met.follows_an_error() && is_of_another_schema(met)),
    },
    Difference {
        reason: "a row of which Debezium's task dies has not named the schema of the rows after it",
        remains: true,
        golden: &[],
        generated: Same(|met, theirs, ours| {
            if met.follows_an_error() {
                differential::rename(met, theirs, ours);
            }
        }),
    },
    Difference {
        reason: "a NOT NULL column is null, or its default, where Debezium has no number for its value and dies",
        remains: true,
        golden: &[],
        generated: Failed(|met| met.threw("null used for required field")),
    },
    Difference {
        reason: "a float has the digits that it needs; Java before 19 prints more of some",
        remains: true,
        golden: &[],
        generated: Same(differential::digits),
    },
    Difference {
        reason: "an array of several dimensions keeps its elements, each of which Debezium publishes as null",
        remains: false,
        golden: &[],
        generated: Same(|_, theirs, ours| differential::replace(theirs, ours, DIMENSIONS)),
    },
    Difference {
        reason: "an array of an enum with NULL in it is published; Debezium, which requires its elements, has null",
        remains: false,
        golden: &[],
        generated: Same(differential::moods),
    },
    Difference {
        reason: "an array of bits, of which Debezium never has more than null, is no column to be named",
        remains: false,
        golden: &[],
        generated: Failed(|met| {
            met.their_record().is_some()
                && met.refusal().contains("is of type _bit, which has no Connect type")
        }),
    },
    Difference {
        reason: "members of an array's objects that differ come in the order of the text, not in that of a HashMap",
        remains: true,
        golden: &[],
        generated: Same(differential::members),
    },
    Difference {
        reason: "of two types that a member has in an array's objects the first in the text stays, not the first in a HashMap, \
                 and the other may not fit",
        remains: true,
        golden: &[],
        generated: Failed(differential::is_mixed),
    },
    Difference {
        reason: "of two types that a member has in an array's objects the first in the text stays, not the first in a HashMap",
        remains: true,
        golden: &[],
        generated: Same(differential::mixed),
    },
    Difference {
        reason: "a byte[] in a key is printed with the identity 0, which decides another partition than Java's by chance",
        remains: true,
        golden: &[],
        generated: Same(|_, theirs, ours| differential::identities(theirs, ours)),
    },
    Difference {
        reason: "a buffer that another converter was given first, which left it read to its end, is there from its beginning",
        remains: true,
        golden: &[golden(
            "bytea_payload",
            Amended(|expected| expected["value"] = json!("hex:0000000003020600ff80")),
        )
        .with("")
        .converter("AvroConverter")],
        generated: Same(|_, theirs, ours| differential::buffers(theirs, ours)),
    },
    Difference {
        reason: "JSON that does not fit its own schema stays the text it is, as in Debezium 3.7",
        remains: false,
        golden: &[
            golden("expand_bigint", AsText).records(3),
            golden("expand_hugeexp", AsText).records(2),
            golden("expandtext_num_forms", AsText).records(2),
            golden("expand_arr_arr_hetero", AsText).records(2),
            golden("expand_arr_obj_conflict", AsText).records(3),
            golden("expand_arr_obj_int_long", AsText).records(2),
            golden("expand_root_arr_obj", AsText).records(3),
            golden("expand_root_arr_int", AsText).records(2),
            golden("expand_root_arr_empty", AsText),
        ],
        generated: Failed(|met| {
            let thrown = [
                "Invalid type for STRUCT: class java.lang.String",
                "Invalid type for ARRAY: class java.lang.String",
                "class java.lang.String for field: \"payload\"",
                "fieldSchema for field payload cannot be null",
                "because \"key\" is null",
            ];
            let is_expanded = met.router().contains_key("table.expand.json.payload");
            is_expanded && met.record().is_some() && thrown.iter().any(|thrown| met.threw(thrown))
        }),
    },
];

/// One golden record, the first of its run.
const fn golden(case: &'static str, ours: Ours) -> Golden {
    Golden { case, router: None, record: 1, records: 1, converter: None, ours }
}

/// Debezium dies of a row that the first schema of its version does not fit.
fn is_of_another_schema(met: &Met<'_>) -> bool {
    met.router().contains_key("table.field.event.schema.version")
        && (met.threw("Struct schemas do not match") || met.threw("Invalid Java object for schema"))
}

/// Arrays of arrays, as their literal among generated ones is written, and what Debezium has of them.
const DIMENSIONS: &[(&str, &str)] = &[("[[1,2],[3,4]]", "[null,null]"), ("[[1, 2], [3, 4]]", "[null, null]")];

/// Why a generated row is not Debezium's on purpose. More than one reason may have to come together; the first is told.
pub fn of_generated(met: &Met<'_>, strict: bool) -> Option<&'static str> {
    let (mut ours, mut reason) = (met.record().cloned(), None);
    for difference in ALL.iter().filter(|difference| difference.remains || !strict) {
        match (&difference.generated, &mut ours, met.their_record()) {
            (Failed(is_one), None, _) | (Failed(is_one), _, None) if is_one(met) => {
                return Some(difference.reason);
            }
            (Same(change), Some(ours), Some(theirs)) => {
                let before = ours.clone();
                change(met, theirs, ours);
                if *ours != before {
                    reason = reason.or(Some(difference.reason));
                }
            }
            _ => {}
        }
    }
    let is_same = differential::same(met.their_record()?, &ours?).is_ok();
    reason.filter(|_| is_same)
}

impl Difference {
    /// The golden records it concerns.
    pub fn records(&self) -> usize {
        self.golden.iter().map(|golden| golden.records).sum()
    }

    /// The difference that concerns this record.
    pub fn of(
        run: &Run,
        expected: &Expected,
        strict: bool,
    ) -> Option<(&'static Difference, &'static Golden)> {
        let listed = ALL.iter().filter(|difference| difference.remains || !strict);
        let mut golden =
            listed.flat_map(|difference| difference.golden.iter().map(move |golden| (difference, golden)));
        golden.find(|(_, golden)| golden.concerns(run, expected))
    }
}

impl Golden {
    const fn with(mut self, router: &'static str) -> Golden {
        self.router = Some(router);
        self
    }

    const fn record(mut self, record: u64) -> Golden {
        self.record = record;
        self
    }

    const fn converter(mut self, class: &'static str) -> Golden {
        self.converter = Some(class);
        self
    }

    const fn records(mut self, records: usize) -> Golden {
        self.records = records;
        self
    }

    fn concerns(&self, run: &Run, expected: &Expected) -> bool {
        self.case == run.case
            && (expected.error().is_some() || !matches!(self.ours, AsText))
            && self.record == expected.record
            && self.router.is_none_or(|router| router == run.router_text())
            && self.converter.is_none_or(|class| class == run.converter_class("value.converter"))
            && !(matches!(self.ours, TopicRejected) && is_legal(&expected.outcome["topic"]))
    }

    /// Whether ours is what it is said to be; `same` compares records.
    pub fn check(
        &self,
        expected: &Expected,
        ours: &Result<Outcome, String>,
        same: impl FnOnce(&Expected, &Record) -> Result<(), String>,
    ) -> Result<(), String> {
        let as_said = match (&self.ours, ours) {
            (Rejected(reason), Ok(Outcome::Rejected(why))) => why.starts_with(reason),
            (TopicRejected, Ok(Outcome::Rejected(why))) => {
                why.starts_with("topic_illegal")
                    && why.contains(&format!("{:?}", text(&expected.outcome["topic"])))
            }
            (Refused(naming), Err(problems)) => problems.contains(naming),
            (AsText, Ok(Outcome::Record(record))) => is_text(record),
            (Published(holds), Ok(Outcome::Record(record))) => holds(record),
            (Amended(amend), Ok(Outcome::Record(record))) => {
                let mut outcome = expected.outcome.clone();
                amend(&mut outcome);
                return same(&Expected { outcome, ..*expected }, record);
            }
            _ => false,
        };
        if as_said { Ok(()) } else { Err(format!("not as it should be: {ours:?}")) }
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
