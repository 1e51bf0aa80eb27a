//! Dead letters: events that the connector is done with, though their topics have no record of them.
//!
//! Enters: the topic of dead letters. Leaves: whether an event of a table is in it, by its id. Not seen: letters that the
//! topic has not any more, and those of other slots, whose tables may have the same names and ids.

use super::content::{self, Digest};
use super::label;
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::kafka;
use crate::kafka::scan::Scan;
use crate::lsn::Lsn;
use crate::rejection::{Policies, Policy, Reason};
use std::collections::HashSet;
use std::str::from_utf8;
use std::sync::Arc;
use std::time::Duration;

/// How long a transaction that is open in the topic is waited for.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);

/// Which events are dead letters.
#[derive(Debug, Default)]
pub struct Letters {
    /// By table and id.
    events: HashSet<Digest>,
    /// The same, with the commit that they come of.
    changes: HashSet<(Lsn, Digest)>,
    /// A transaction is open in their topic, and hides what comes after.
    is_hidden: bool,
}

impl Letters {
    /// Reads them all. Blocks. If they are to be final, and a transaction that is open hides some, that is an error.
    pub fn read(config: &Config, is_final: bool) -> Result<Letters, Failure> {
        let mut letters = Letters::default();
        let Some(dead_letters) = &config.dead_letters else { return Ok(letters) };
        let topic = dead_letters.topic.topic.as_str();
        let failed = |error: kafka::Error| Failure::from_kafka(&error, "reading the dead letters");
        let scan = Scan::connect(&config.kafka.admin).map_err(failed)?;
        let spans = scan.spans(topic, OPEN_PATIENCE).map_err(failed)?;
        letters.is_hidden = spans.iter().any(|span| span.is_open);
        if is_final && letters.is_hidden {
            return Err(hidden(topic));
        }
        scan.read(topic, &spans, |record| {
            letters.take(&config.source.slot, record.headers());
            Ok::<(), kafka::Error>(())
        })
        .map_err(failed)?;
        Ok(letters)
    }

    /// There may be more of them.
    pub fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether the event of this packed id is one, of `schema.table`.
    pub fn has(&self, table: &str, id: &[u8]) -> bool {
        !self.is_empty() && label::text(id).is_some_and(|id| self.events.contains(&hash(table, &id)))
    }

    /// Whether it is one by what this transaction did.
    pub fn has_change(&self, commit_lsn: Lsn, table: &str, id: &[u8]) -> bool {
        let is_change = |id: String| self.changes.contains(&(commit_lsn, hash(table, &id)));
        label::text(id).is_some_and(is_change)
    }

    fn take<'h>(&mut self, slot: &str, headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>) {
        let (mut of, mut table, mut id, mut reason, mut commit_lsn) = (None, None, None, None, None);
        for (name, value) in headers {
            let text = value.and_then(|value| from_utf8(value).ok());
            match name {
                "outbox.dlt.slot" => of = text,
                "outbox.dlt.table" => table = text,
                "outbox.dlt.event.id" => id = text,
                "outbox.dlt.reason" => reason = text,
                "outbox.dlt.commit.lsn" => commit_lsn = text.and_then(|text| text.parse::<Lsn>().ok()),
                _ => {}
            }
        }
        let (Some(table), Some(id), Some(commit_lsn)) = (table, id, commit_lsn) else { return };
        if of != Some(slot) {
            return;
        }
        // As ids of records are printed.
        let mut packed = Vec::new();
        label::pack(Some(id.as_bytes()), &mut packed);
        let event = hash(table, &label::text(&packed).unwrap_or_default());
        self.changes.insert((commit_lsn, event));
        // An UPDATE that is refused says nothing of the event that the row was when it was written.
        if reason != Some(Reason::UpdateRefused.name()) {
            self.events.insert(event);
        }
    }
}

#[cfg(test)]
impl Letters {
    /// Letters of this table: commits and ids.
    pub fn of(table: &str, letters: &[(u64, &str)]) -> Letters {
        let mut of = Letters::default();
        for (commit, id) in letters {
            let event = hash(table, id);
            of.events.insert(event);
            of.changes.insert((Lsn::new(*commit), event));
        }
        of
    }
}

fn hash(table: &str, id: &str) -> Digest {
    content::hash(Some(format!("{table}\0{id}").as_bytes()))
}

fn hidden(topic: &str) -> Failure {
    Failure::new(
        Exit::Kafka,
        format!("a transaction is open in topic {topic}, and hides dead letters"),
        "it is another producer's. An event whose letter is not seen might be published all the same. Nothing was done",
        "ask again once it has ended: at the latest when its transaction.timeout.ms is over",
    )
}

/// Which rows are without a record on purpose: dead letters, and what a policy passes over.
#[derive(Clone, Debug, Default)]
pub struct Aside {
    /// Dead letters.
    pub letters: Arc<Letters>,
    /// What becomes of events that cannot be published.
    pub policies: Policies,
    /// `schema.table` of each table, by number.
    pub tables: Vec<String>,
}

impl Aside {
    /// Whether a row's event is a dead letter.
    pub fn has_letter(&self, table: Option<u16>, id: &[u8]) -> bool {
        self.table(table).is_some_and(|table| self.letters.has(table, id))
    }

    /// What becomes of a row that cannot be published.
    pub fn policy(&self, table: u16, reason: Reason) -> Policy {
        self.table(Some(table)).map_or(self.policies.every, |table| self.policies.of(reason, table))
    }

    /// Whether a row that cannot be published is passed over for that.
    pub fn skips(&self, table: u16, reason: Reason) -> bool {
        self.policy(table, reason) == Policy::Skip
    }

    fn table(&self, number: Option<u16>) -> Option<&str> {
        self.tables.get(usize::from(number?)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "public.outbox";

    fn packed(id: &str) -> Vec<u8> {
        let mut packed = Vec::new();
        label::pack(Some(id.as_bytes()), &mut packed);
        packed
    }

    fn letters(headers: &[[&str; 5]]) -> Letters {
        let mut letters = Letters::default();
        for [slot, table, id, reason, commit_lsn] in headers {
            let headers = [
                ("outbox.dlt.reason", *reason),
                ("outbox.dlt.slot", *slot),
                ("outbox.dlt.table", *table),
                ("outbox.dlt.commit.lsn", *commit_lsn),
                ("outbox.dlt.event.id", *id),
            ];
            letters.take("ours", headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))));
        }
        letters
    }

    #[test]
    fn a_letter_is_one_of_its_slot_and_table_by_id_whatever_writes_it() {
        let id = "59a42efd-b015-44a9-9dde-cb36d9002425";
        let letters = letters(&[
            ["ours", TABLE, id, "too_large", "0/10"],
            ["ours", TABLE, "7", "topic_illegal", "0/20"],
            ["theirs", TABLE, "8", "topic_illegal", "0/20"],
        ]);
        let has = |id: &str| letters.has(TABLE, &packed(id));
        assert!(has(id) && has("7") && has(r#"{"schema":{"type":"int64"},"payload":7}"#));
        assert!(!has("8") && !has("9") && !letters.has("public.other", &packed("7")));
        let mut null = Vec::new();
        label::pack(None, &mut null);
        assert!(!letters.has(TABLE, &null));
        let at = |commit, id: &str| letters.has_change(Lsn::new(commit), TABLE, &packed(id));
        assert!(at(0x10, id) && at(0x20, "7") && !at(0x10, "7"));
    }

    #[test]
    fn a_refused_update_is_no_letter_of_the_event_that_the_row_was() {
        let letters = letters(&[["ours", TABLE, "7", "update_refused", "0/20"]]);
        assert!(!letters.has(TABLE, &packed("7")) && letters.has_change(Lsn::new(0x20), TABLE, &packed("7")));
    }

    #[test]
    fn what_is_no_letter_of_ours_is_passed_over() {
        let mut letters = Letters::default();
        letters.take("ours", [("id", Some(b"7".as_slice())), ("outbox.dlt.slot", None)].into_iter());
        assert!(letters.is_empty());
    }
}
