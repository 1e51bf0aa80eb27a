//! The golden records: what Debezium 3.6.3 published, or threw, for rows and properties.
//!
//! One line of `tests/golden/debezium-3.6.3.jsonl` is one record; lines that share rows, properties and converters are
//! one run of the connector.

use serde_json::{Map, Value};

/// Left out: the payload is taken apart.
pub const EXPANSION: &str = "JSON expansion";
/// Left out: a converter that is not there yet.
pub const CONVERTERS: &str = "other converters";

/// One run of Debezium's connector.
pub struct Run {
    pub case: String,
    /// Everything that was configured or written, as it stands in the file.
    given: Map<String, Value>,
    /// What came out, in order.
    pub expected: Vec<Expected>,
}

/// One record that was published, or that was not.
pub struct Expected {
    /// Which of the run's records it is, from 1.
    pub record: u64,
    /// The context headers were there, and are left out here.
    pub without_context: bool,
    pub outcome: Value,
}

impl Run {
    /// All runs, in the order of the file.
    pub fn all() -> Vec<Run> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/debezium-3.6.3.jsonl");
        let text = std::fs::read_to_string(path).expect("the golden records");
        let mut runs: Vec<Run> = Vec::new();
        for line in text.lines() {
            let Ok(Value::Object(mut given)) = serde_json::from_str(line) else {
                panic!("not an object: {line}")
            };
            let expected = Expected {
                record: given.remove("record").and_then(|record| record.as_u64()).expect("a number"),
                without_context: given.remove("headers_without_context").is_some_and(|is| is == true),
                outcome: given.remove("expected").expect("an outcome"),
            };
            match runs.iter_mut().find(|run| run.given == given) {
                Some(run) => run.expected.push(expected),
                None => {
                    let case = given["case"].as_str().expect("a name").to_owned();
                    runs.push(Run { case, given, expected: vec![expected] });
                }
            }
        }
        runs
    }

    /// Statements before the connector starts.
    pub fn before(&self) -> Vec<&str> {
        self.texts("before")
    }

    /// The outbox table.
    pub fn ddl(&self) -> &str {
        self.given["ddl"].as_str().expect("a statement")
    }

    /// Statements whose effect is published.
    pub fn sql(&self) -> Vec<&str> {
        self.texts("sql")
    }

    /// The event router's properties, if there was one.
    pub fn router(&self) -> Option<&Map<String, Value>> {
        self.given["router"].as_object()
    }

    /// The rows hold random values.
    pub fn is_random(&self) -> bool {
        self.sql().iter().any(|statement| statement.contains("random"))
    }

    /// The router's properties in one line, to know the run by.
    pub fn router_text(&self) -> String {
        let properties = self.router().into_iter().flatten();
        properties.map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join("; ")
    }

    /// The connector's properties beyond the base.
    pub fn connector(&self) -> &Map<String, Value> {
        self.given["connector"].as_object().expect("properties")
    }

    /// Class and options of `key.converter`, `value.converter` or `header.converter`.
    pub fn converter(&self, place: &str) -> &Map<String, Value> {
        self.given[place].as_object().expect("a converter")
    }

    /// The converter's class without its package.
    pub fn converter_class(&self, place: &str) -> &str {
        text(&self.converter(place)["class"]).rsplit('.').next().expect("a class")
    }

    /// Why this release does not cover the run; `None` if it does.
    pub fn left_out(&self) -> Option<&'static str> {
        const OURS: [&str; 5] = [
            "StringConverter",
            "JsonConverter",
            "ByteArrayConverter",
            "BinaryDataConverter",
            "SimpleHeaderConverter",
        ];
        const MODES: [&str; 4] = [
            "decimal.handling.mode",
            "interval.handling.mode",
            "binary.handling.mode",
            "time.precision.mode",
        ];
        let Some(router) = self.router() else { return Some("no event router") };
        let is = |map: &Map<String, Value>, key: &str, value: &str| {
            map.get(key).is_some_and(|given| text(given).eq_ignore_ascii_case(value))
        };
        let given =
            |key: &str| self.given.get(key).is_some_and(|given| *given != Value::Null && *given != false);
        let known = |place: &str| {
            let debezium_bytes = "io.debezium.converters.ByteArrayConverter";
            OURS.contains(&self.converter_class(place)) && self.converter(place)["class"] != debezium_bytes
        };
        if given("decode") {
            Some("logical messages decoded")
        } else if given("headerFrom") {
            Some("HeaderFrom")
        } else if !["key.converter", "value.converter", "header.converter"].into_iter().all(known) {
            Some(CONVERTERS)
        } else if is(router, "table.expand.json.payload", "true") {
            Some(EXPANSION)
        } else if is(self.connector(), "snapshot.mode", "initial") {
            Some("snapshot")
        } else if self.connector().contains_key("provide.transaction.metadata") && self.case != "txmeta" {
            // Its columns do not depend on the modes; of these runs it alone has events of the outbox.
            Some("transaction metadata and heartbeats")
        } else if self.case != "txmeta" && MODES.iter().any(|mode| self.connector().contains_key(*mode)) {
            Some("type modes")
        } else {
            None
        }
    }

    fn texts(&self, key: &str) -> Vec<&str> {
        self.given[key].as_array().expect("statements").iter().map(text).collect()
    }
}

/// The text of a JSON string.
pub fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}
