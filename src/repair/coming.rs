//! Events that the slot would still send: they are not missing, whatever is in the topics.

use super::found::{Key, hash};
use crate::config::Config;
use crate::decode::Relation;
use crate::error::Failure;
use crate::lsn::Lsn;
use crate::pipeline::unsent::{self, Fate, Told, Unsent};
use crate::position::Position;
use crate::verify::content::Digest;
use crate::verify::label;
use crate::verify::letters::Letters;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What is in the slot. Takes some 60 bytes of memory for each event.
#[derive(Debug, Default)]
pub struct Coming {
    events: Vec<Event>,
    topics: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, u32>,
    /// Where each transaction ends, by where its commit begins.
    ends: BTreeMap<Lsn, Lsn>,
    /// Commits of which a dead letter tells that walpost is done with them.
    done: BTreeSet<Lsn>,
}

#[derive(Debug)]
struct Event {
    commit_lsn: Lsn,
    /// Place in `topics`; `None`: it cannot be published.
    topic: Option<u32>,
    /// Packed.
    id: Box<[u8]>,
}

/// The same, by the numbers of topics.
#[derive(Debug, Default)]
pub struct Numbered<'c> {
    /// Commit, event, and the packed id.
    pub events: Vec<(Lsn, Option<Key>, &'c [u8])>,
    /// Those that cannot be published: commit, and hash of the id.
    pub rejected: Vec<(Lsn, Digest)>,
}

impl Coming {
    /// Looks into the slot up to `upto`; what `after` says is published is not coming, nor what is a dead letter.
    pub async fn look(
        config: &Config,
        upto: Lsn,
        after: Option<&Position>,
        letters: &Letters,
    ) -> Result<Coming, Failure> {
        let mut coming = Coming::default();
        unsent::read(config, upto, after, |told| coming.take(told, letters)).await?;
        Ok(coming)
    }

    fn take(&mut self, told: Told<'_>, letters: &Letters) {
        match told {
            // Of a table that is no outbox: nothing is looked for in its topic, and nothing of it is published here.
            Told::Event(Unsent { fate: Fate::Change, .. }) => {}
            Told::Event(unsent) => {
                let mut id = Vec::new();
                let topic = match &unsent.fate {
                    Fate::Record { topic, id: header } => {
                        label::pack(*header, &mut id);
                        Some(self.topic(topic))
                    }
                    Fate::Rejected(rejection) => {
                        label::pack(rejection.event_id.as_deref().map(str::as_bytes), &mut id);
                        None
                    }
                    Fate::Change => return,
                };
                let (commit_lsn, relation) = (unsent.commit_lsn, unsent.relation);
                let has_letter = |relation: &Relation| {
                    letters.has_change(commit_lsn, &format!("{}.{}", relation.schema, relation.table), &id)
                };
                if !letters.is_empty() && relation.is_some_and(has_letter) {
                    self.done.insert(commit_lsn);
                    return;
                }
                self.events.push(Event { commit_lsn, topic, id: id.into() });
            }
            Told::End { commit_lsn, end_lsn } => {
                self.ends.insert(commit_lsn, end_lsn);
            }
        }
    }

    fn topic(&mut self, name: &Arc<str>) -> u32 {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        let number = self.topics.len() as u32;
        self.topics.push(Arc::clone(name));
        self.by_name.insert(Arc::clone(name), number);
        number
    }

    /// The ids of all of them.
    pub fn ids(&self) -> HashSet<Digest> {
        self.events.iter().map(|event| hash(&event.id)).collect()
    }

    /// Commits of which something is a dead letter.
    pub fn done(&self) -> impl Iterator<Item = Lsn> {
        self.done.iter().copied()
    }

    /// Where the transaction ends whose commit begins there.
    pub fn end_of(&self, commit_lsn: Lsn) -> Option<Lsn> {
        self.ends.get(&commit_lsn).copied()
    }

    /// By the numbers that a comparison gave to topics. One that it did not meet has neither rows nor records.
    pub fn numbered(&self, numbers: &HashMap<Arc<str>, u32>) -> Numbered<'_> {
        let numbers: Vec<Option<u32>> = self.topics.iter().map(|name| numbers.get(name).copied()).collect();
        let mut numbered = Numbered::default();
        for Event { commit_lsn, topic, id } in &self.events {
            match topic {
                None => numbered.rejected.push((*commit_lsn, hash(id))),
                Some(topic) => {
                    let key = numbers[*topic as usize].map(|number| (number, hash(id)));
                    numbered.events.push((*commit_lsn, key, &**id));
                }
            }
        }
        numbered
    }
}

#[cfg(test)]
impl Coming {
    /// A dead letter is of this commit.
    pub(super) fn is_done(&mut self, commit_lsn: Lsn) {
        self.done.insert(commit_lsn);
    }

    /// Events of one topic: commit, end and ids of each transaction.
    pub(super) fn of(topic: &str, transactions: &[(u64, u64, &[&str])]) -> Coming {
        let mut coming = Coming::default();
        let topic = coming.topic(&Arc::from(topic));
        for (commit, end, ids) in transactions {
            let commit_lsn = Lsn::new(*commit);
            for id in *ids {
                let mut packed = Vec::new();
                label::pack(Some(id.as_bytes()), &mut packed);
                coming.events.push(Event { commit_lsn, topic: Some(topic), id: packed.into() });
            }
            coming.ends.insert(commit_lsn, Lsn::new(*end));
        }
        coming
    }
}
