//! The golden records: what Debezium 3.6.3 published, or threw, for rows and properties.
//!
//! One line of `tests/golden/debezium-3.6.3.jsonl` is one record; lines that share rows, properties and converters are
//! one run of the connector.

use serde_json::{Map, Value};

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

impl Expected {
    /// It tells of a transaction, not of a row.
    pub fn is_boundary(&self) -> bool {
        self.outcome["topic"] == "app.transaction"
    }

    /// It is no event, but a sign of life.
    pub fn is_heartbeat(&self) -> bool {
        self.outcome["topic"].as_str().is_some_and(|topic| topic.starts_with("__debezium-heartbeat."))
    }

    /// What Debezium died of, if it did.
    pub fn error(&self) -> Option<&str> {
        const STAGES: [&str; 5] =
            ["configure_error", "apply_error", "key_error", "value_error", "timestamp_error"];
        STAGES.into_iter().find_map(|stage| self.outcome[stage].as_str())
    }
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
            // The same record once more is another run with the same rows and properties.
            let goes_on = |run: &&mut Run| {
                run.given == given && run.expected.last().is_none_or(|last| last.record < expected.record)
            };
            match runs.iter_mut().find(goes_on) {
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

    /// The schemas that were registered for keys and values, with their ids: those of the records that have bytes.
    pub fn schemas(&self) -> Vec<(&str, i32)> {
        let mut schemas = Vec::new();
        for Expected { outcome, .. } in &self.expected {
            for (part, schema) in [("key", "avroKeySchema"), ("value", "avroValueSchema")] {
                let framed = outcome[part].as_str().and_then(|bytes| bytes.strip_prefix("hex:00")?.get(..8));
                let id = framed.and_then(|id| i32::from_str_radix(id, 16).ok());
                if let (Some(id), Some(schema)) = (id, outcome[schema].as_str()) {
                    schemas.push((schema, id));
                }
            }
        }
        schemas
    }

    /// Rows that were there before are published.
    pub fn is_snapshot(&self) -> bool {
        self.connector().get("snapshot.mode").is_some_and(|mode| mode == "initial")
    }

    fn texts(&self, key: &str) -> Vec<&str> {
        self.given[key].as_array().expect("statements").iter().map(text).collect()
    }
}

/// The text of a JSON string.
pub fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}
