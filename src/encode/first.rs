//! Schemas of envelopes as Debezium's router keeps them (`debezium.compat=strict`): the first event of its payload's
//! schema, or of its version, names the schema for all that come later in the same run.

use super::encoder::Refusal;
use super::prepared::Prepared;
use crate::decode::Cell;
use crate::rejection::Reason;
use crate::route::Event;
use std::collections::HashMap;

/// How many schemas are remembered; one more, and all are forgotten. Debezium forgets the one that was used least.
const MOST: usize = 10_000;

/// The schemas there were. Its `Debug` shows numbers only: a schema tells a payload's names.
#[derive(Default)]
pub(super) struct FirstSchemas {
    /// By the payload's schema: the route that named it.
    by_payload: HashMap<Vec<u8>, String>,
    /// By version: the payload's schema and the route.
    by_version: HashMap<Option<i32>, (Vec<u8>, String)>,
    /// The payload's schema at hand.
    schema: Vec<u8>,
}

impl std::fmt::Debug for FirstSchemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FirstSchemas({}, {})", self.by_payload.len(), self.by_version.len())
    }
}

/// What an event's envelope has of an earlier one.
pub(super) struct First<'s> {
    /// The route that names its schema.
    pub(super) route: &'s str,
    /// The schema of its payload, where that is NULL and the first one of its version was taken apart.
    pub(super) schema: Option<&'s [u8]>,
}

impl FirstSchemas {
    /// What this event's envelope is to have. `write` appends the schema of a payload that is taken apart, and answers
    /// whether it is.
    pub(super) fn of<'s>(
        &'s mut self,
        event: &Event<'s>,
        prepared: &Prepared,
        mut write: impl FnMut(&mut Vec<u8>) -> bool,
    ) -> Result<First<'s>, Refusal> {
        self.schema.clear();
        if !write(&mut self.schema) {
            self.schema.extend_from_slice(&prepared.payload_schema);
        }
        if event.plan.schema_version.is_none() {
            if !self.by_payload.contains_key(&self.schema) {
                if self.by_payload.len() == MOST {
                    self.by_payload.clear();
                }
                self.by_payload.insert(self.schema.clone(), event.route.to_owned());
            }
            let route = self.by_payload.get(&self.schema).map_or(event.route, String::as_str);
            return Ok(First { route, schema: None });
        }
        if self.by_version.len() == MOST {
            self.by_version.clear();
        }
        let known = self.by_version.entry(event.schema_version);
        let (schema, route) = known.or_insert_with(|| (self.schema.clone(), event.route.to_owned()));
        // A NULL has any schema.
        let is_null = event.plan.payload.default.is_none()
            && event.row.get(event.plan.payload.index) == Some(Cell::Null);
        match *schema == self.schema {
            true => Ok(First { route, schema: None }),
            false if is_null => Ok(First { route, schema: Some(schema) }),
            false => Err(other_schema()),
        }
    }

    /// Whether the first payload of this event's version was left as the column has it, so that a text fits its schema.
    pub(super) fn has_text(&self, event: &Event<'_>, prepared: &Prepared) -> bool {
        event.plan.schema_version.is_some()
            && self
                .by_version
                .get(&event.schema_version)
                .is_some_and(|(schema, _)| *schema == prepared.payload_schema)
    }
}

/// A payload that the first schema of its version does not fit.
pub(super) fn other_schema() -> Refusal {
    Refusal {
        reason: Reason::PayloadNotEncodable,
        detail: "the payload has another schema than the first one of its schema version".to_owned(),
        hint: "Debezium 3.6 dies of it, and debezium.compat is strict: leave that out, or write another version \
               for each shape of the payload",
    }
}
