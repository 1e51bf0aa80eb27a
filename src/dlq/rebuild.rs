//! A letter as the record that the connector would publish now: by its own router and encoder.
//!
//! Enters: a letter and what its record holds. Leaves: one more record in [`Outgoing`], with a header more that counts
//! replays; or why there still can be none. The reason for which an event became a letter is not looked at: what holds
//! still is met again, and what was mended is not.

use super::outbox::{Look, Outbox, Row};
use super::row::{self, Stored};
use crate::decode::{Cells, Change, Column, Content, Relation};
use crate::encode::{self, Outgoing, RecordRef};
use crate::error::Failure;
use crate::pipeline::schemas::Encoding;
use crate::pipeline::tables::facts;
use crate::pipeline::trouble;
use crate::publish::letters::{ATTEMPTS, Letter};
use crate::registry;
use crate::rejection::{Origin, Reason, Rejection};
use crate::route::topic::TopicRule;
use crate::route::{self, Event, Routed, Router};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a letter cannot be published, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The class of the trouble: the reason's name, where it is one.
    pub reason: &'static str,
    /// What exactly is wrong.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

/// Makes records of letters.
pub struct Rebuilder<O> {
    outbox: O,
    config: route::Config,
    router: Router,
    encoding: Encoding,
    /// Tables by name, as far as they were looked at.
    looks: BTreeMap<String, Option<Look>>,
    /// The last letter's table, with the columns that it had.
    relation: Option<Arc<Relation>>,
    to: Option<Arc<str>>,
    max_bytes: usize,
    cells: Cells,
    made: Outgoing,
}

impl<O: Outbox> Rebuilder<O> {
    /// To the topics that the route gives, or all of them to one.
    pub fn new(
        mut route: route::Config,
        (encode, registry): (encode::Config, Option<&registry::Config>),
        to: Option<&str>,
        outbox: O,
    ) -> Rebuilder<O> {
        if let Some(to) = to {
            // Whatever the route column says.
            if let Ok(rule) = TopicRule::new("(?s).*", to) {
                route.topic = rule;
            }
        }
        Rebuilder {
            outbox,
            router: Router::new(route.clone()),
            config: route,
            max_bytes: encode.max_record_bytes,
            encoding: Encoding::new(encode, registry),
            looks: BTreeMap::new(),
            relation: None,
            to: to.map(Arc::from),
            cells: Cells::default(),
            made: Outgoing::default(),
        }
    }

    /// Appends the letter's record to `out`, as its replay of this number; after a refusal `out` is as it was.
    pub fn record(
        &mut self,
        letter: &Letter,
        stored: &Stored,
        (attempts, now_ms): (u32, i64),
        out: &mut Outgoing,
    ) -> Result<Result<(), Refusal>, Failure> {
        if let Some(prefix) = &stored.prefix {
            return self.message(letter, prefix, stored, (attempts, now_ms), out);
        }
        let Some(look) = self.look(&letter.table)? else { return Ok(Err(Refusal::no_table(letter))) };
        if !self.router.is_outbox(&look.table.schema, &look.table.table) {
            return Ok(Err(Refusal::not_served(letter)));
        }
        let mut row = match row::assemble(letter, stored, &look, &self.config, &mut self.outbox)? {
            Ok(row) => row,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if self.to.is_some()
            && let Some(route @ None) = row.get_mut(&self.config.route_by)
        {
            *route = Some(Vec::new());
        }
        self.encode(letter, &look, &row, (attempts, now_ms), out)
    }

    fn look(&mut self, name: &str) -> Result<Option<Look>, Failure> {
        if let Some(look) = self.looks.get(name) {
            return Ok(look.clone());
        }
        let look = self.outbox.look(name)?;
        self.looks.insert(name.to_owned(), look.clone());
        Ok(look)
    }

    fn encode(
        &mut self,
        letter: &Letter,
        look: &Look,
        row: &Row,
        (attempts, now_ms): (u32, i64),
        out: &mut Outgoing,
    ) -> Result<Result<(), Refusal>, Failure> {
        let relation = self.relation(look, row);
        self.cells.clear();
        for column in &relation.columns {
            match row.get(&column.name) {
                Some(Some(text)) => self.cells.text(|bytes| bytes.extend_from_slice(text)),
                _ => self.cells.null(),
            }
        }
        let cells = std::mem::take(&mut self.cells);
        let change = Change::Insert { relation: &relation, new: cells.row() };
        let made = self.publish(letter, &change, Refusal::not_served(letter), (attempts, now_ms), out);
        self.cells = cells;
        made
    }

    /// A logical decoding message is read from its content, as from the stream.
    fn message(
        &mut self,
        letter: &Letter,
        prefix: &str,
        stored: &Stored,
        (attempts, now_ms): (u32, i64),
        out: &mut Outgoing,
    ) -> Result<Result<(), Refusal>, Failure> {
        let Origin { commit_lsn: lsn, xid, .. } = letter.origin;
        let content = Content(stored.value.as_deref().unwrap_or_default());
        // One of no transaction has none.
        let change = Change::Message { transactional: xid != 0, lsn, prefix, content };
        self.publish(letter, &change, Refusal::not_taken(prefix), (attempts, now_ms), out)
    }

    /// Appends the record of a change; `skipped` says why there is none of one that is no event.
    fn publish(
        &mut self,
        letter: &Letter,
        change: &Change<'_>,
        skipped: Refusal,
        (attempts, now_ms): (u32, i64),
        out: &mut Outgoing,
    ) -> Result<Result<(), Refusal>, Failure> {
        let to = self.to.as_deref();
        let refused = |rejection: Rejection| {
            let Rejection { reason, detail, hint, .. } = rejection;
            Refusal::of(reason, detail, hint, to)
        };
        let event = match self.router.route(change) {
            Routed::Event(event) => Event { committed_ms: Some(letter.commit_ms), ..event },
            Routed::Rejected(rejection) => return Ok(Err(refused(rejection))),
            Routed::Skipped(_) | Routed::Change(_) | Routed::Truncated(_) => return Ok(Err(skipped)),
        };
        self.made.clear(KEPT);
        self.made.at(letter.origin);
        let made = self.encoding.event(&event, now_ms, &mut self.made);
        if let Err(rejection) = made.map_err(|error| trouble::registry(&error).into_failure())? {
            return Ok(Err(refused(rejection)));
        }
        let count = attempts.to_string();
        let headers: &[(&str, &[u8])] = &[(ATTEMPTS, count.as_bytes())];
        if let Some(record) = self.made.last() {
            // What only just fits goes without the count.
            let fits = record.size() + HEADER_BYTES + count.len() <= self.max_bytes;
            out.append(&record, if fits { headers } else { &[] });
        }
        Ok(Ok(()))
    }

    /// The table with the letter's columns, known to the router.
    fn relation(&mut self, look: &Look, row: &Row) -> Arc<Relation> {
        let columns = look.table.columns.iter().filter(|column| row.contains_key(&column.name));
        let relation = Relation {
            oid: look.oid,
            schema: look.table.schema.clone(),
            table: look.table.table.clone(),
            replica_identity: b'd',
            columns: columns
                .map(|column| Column {
                    key: column.primary_key,
                    name: column.name.clone(),
                    type_oid: column.type_facts.oid,
                    type_modifier: column.type_facts.type_modifier,
                })
                .collect(),
        };
        match &self.relation {
            Some(known) if **known == relation => Arc::clone(known),
            _ => {
                self.router.learn(&relation, &facts(&look.table.columns));
                Arc::clone(self.relation.insert(Arc::new(relation)))
            }
        }
    }
}

/// What one large record leaves behind.
const KEPT: usize = 1 << 20;
/// What the header that counts replays takes beside the count, at most.
const HEADER_BYTES: usize = ATTEMPTS.len() + 4;

/// What the foresight says of a record, and what of its topic.
pub fn is_forbidden(record: &RecordRef<'_>, letters: &str, positions: &str) -> Option<Refusal> {
    (**record.topic == *letters || **record.topic == *positions).then(|| Refusal {
        reason: "topic_forbidden",
        detail: format!("its topic would be {}, where letters and positions are kept", record.topic),
        hint: "let the route give another topic, or name one: --to-topic".to_owned(),
    })
}

impl Refusal {
    /// The reason holds still, or another one does.
    pub fn of(reason: Reason, detail: String, hint: String, to: Option<&str>) -> Refusal {
        let hint = match reason {
            Reason::TopicIllegal if to.is_none() => {
                format!("{hint}; or replay it to a topic that you name: --to-topic TOPIC")
            }
            _ => hint,
        };
        Refusal { reason: reason.name(), detail, hint }
    }

    pub(super) fn broken(detail: &str) -> Refusal {
        Refusal {
            reason: "letter_broken",
            detail: detail.to_owned(),
            hint: "walpost dlq show has what is left of it".to_owned(),
        }
    }

    pub(super) fn gone(letter: &Letter) -> Refusal {
        Refusal {
            reason: "row_gone",
            detail: format!(
                "the letter was too large for its payload, and the row is not in {} any more (event {})",
                letter.table,
                letter.event_id.as_deref().unwrap_or("without an id")
            ),
            hint: "put the row back with its id, or give the letter up: walpost dlq purge --accept-loss"
                .to_owned(),
        }
    }

    pub(super) fn several(letter: &Letter) -> Refusal {
        Refusal {
            reason: "row_ambiguous",
            detail: format!("{} has several rows with the letter's event id", letter.table),
            hint: "leave the one that the letter is of".to_owned(),
        }
    }

    pub(super) fn changed(letter: &Letter) -> Refusal {
        Refusal {
            reason: "row_changed",
            detail: format!(
                "the letter was too large for its payload of {} bytes, and the row in {} has another one now",
                letter.payload_bytes.unwrap_or_default(),
                letter.table
            ),
            hint: "put the payload back as it was, or insert the event anew and give the letter up"
                .to_owned(),
        }
    }

    fn no_table(letter: &Letter) -> Refusal {
        Refusal {
            reason: "table_gone",
            detail: format!("table {} does not exist: the types of its columns are not known", letter.table),
            hint: "make the table again, be it without rows; or give the letter up".to_owned(),
        }
    }

    fn not_taken(prefix: &str) -> Refusal {
        Refusal {
            reason: "message_not_taken",
            detail: format!(
                "messages of prefix {prefix:?} are no events of the outbox in this configuration"
            ),
            hint: "message.prefix.include.list and the transform that decodes messages decide that"
                .to_owned(),
        }
    }

    fn not_served(letter: &Letter) -> Refusal {
        Refusal {
            reason: "table_not_served",
            detail: format!("{} is no outbox table of this configuration any more", letter.table),
            hint: "table.include.list and its like decide that".to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "rebuild_tests.rs"]
mod tests;
