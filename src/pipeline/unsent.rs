//! What the slot would still send, by the road's own decoder, router and encoder, without moving it.
//!
//! Enters: a slot nobody has, and a point of the WAL. Leaves: each event of the transactions whose commit begins before
//! that point, in the order in which they would come, and each transaction's end. Promised: what the stored position says
//! is published is left out, to the change, and so is what a policy passes over. Nothing of an event is kept.

use super::schemas::Encoding;
use super::tables;
use super::trouble::{self, Trouble};
use crate::config::Config;
use crate::decode::{Change, Decoder, Relation};
use crate::encode::{self, Outgoing};
use crate::error::{Exit, Failure};
use crate::lsn::Lsn;
use crate::position::Position;
use crate::postgres::Error;
use crate::postgres::catalog;
use crate::postgres::peek::{self, Peek};
use crate::postgres::session;
use crate::rejection::{Policies, Policy, Rejection};
use crate::route::{Event, Routed, Router};
use crate::source;
use std::sync::Arc;

/// The header by which events are told apart.
const ID: &str = "id";

/// An event that the slot would still send.
#[derive(Debug)]
pub struct Unsent<'a> {
    /// Where its transaction's commit begins.
    pub commit_lsn: Lsn,
    /// The transaction.
    pub xid: u32,
    /// Its table; none of a logical decoding message.
    pub relation: Option<&'a Relation>,
    /// What would become of it.
    pub fate: Fate<'a>,
}

/// What becomes of an event.
#[derive(Debug)]
pub enum Fate<'a> {
    /// A record of this topic, with this header `id`.
    Record {
        /// Its topic.
        topic: &'a Arc<str>,
        /// The header's bytes.
        id: Option<&'a [u8]>,
    },
    /// A change event of a table that is no outbox, or a message that is told as it is.
    Change,
    /// It cannot be published.
    Rejected(&'a Rejection),
}

/// What is told of the slot.
#[derive(Debug)]
pub enum Told<'a> {
    /// An event.
    Event(Unsent<'a>),
    /// A transaction, with events or without, is over.
    End {
        /// Where its commit begins.
        commit_lsn: Lsn,
        /// Where it ends.
        end_lsn: Lsn,
    },
}

/// Tells everything in the slot up to `upto` that is not published by `after`; without that, everything.
pub async fn read(
    config: &Config,
    upto: Lsn,
    after: Option<&Position>,
    mut tell: impl FnMut(Told<'_>),
) -> Result<(), Failure> {
    let failed = |error| failure(&error);
    let session = session::connect(&config.postgres).await.map_err(failed)?;
    // Its answers come beside the messages.
    let catalogue = session::connect(&config.postgres).await.map_err(failed)?;
    let source = &config.source;
    let peek = Peek {
        slot: &source.slot,
        upto,
        publication: &source.publication,
        parameters: &source.stream_params,
    };
    let mut messages = peek::messages(&session, peek).await.map_err(failed)?;
    let mut reading = Reading::new(config, after);
    while let Some(message) = messages.next().await.map_err(failed)? {
        let described = reading.message(&message, &mut tell)?;
        if let Some(relation) = described.filter(|relation| reading.router.serves(relation)) {
            let table = catalog::describe(&catalogue, relation.oid).await.map_err(failed)?;
            let facts = table.map(|table| tables::facts(&table.columns)).unwrap_or_default();
            reading.router.learn(&relation, &facts);
        }
    }
    Ok(())
}

fn failure(error: &Error) -> Failure {
    match error {
        // The publication is younger than what the slot has.
        Error::Server(server) if server.sqlstate == "42704" => {
            Trouble::from(source::Error::Server(server.clone())).into_failure()
        }
        error => Trouble::postgres(error, "looking at what the slot would still send").into_failure(),
    }
}

struct Reading<'p> {
    decoder: Decoder,
    router: Router,
    encoding: Encoding,
    outgoing: Outgoing,
    policies: Policies,
    after: Option<&'p Position>,
    /// Commit LSN, xid and changes so far of the open transaction.
    open: Option<(Lsn, u32, u64)>,
}

impl<'p> Reading<'p> {
    fn new(config: &Config, after: Option<&'p Position>) -> Reading<'p> {
        // Headers of the connector's own run do not tell events apart.
        let encode = encode::Config { context: None, ..config.encode.clone() };
        Reading {
            decoder: Decoder::new(),
            router: Router::new(config.route.clone()),
            encoding: Encoding::new(encode, config.registry.as_ref()),
            outgoing: Outgoing::default(),
            policies: config.policies.clone(),
            after,
            open: None,
        }
    }

    /// Takes in a message; a table that it describes is the caller's to look up.
    fn message(
        &mut self,
        message: &[u8],
        tell: &mut impl FnMut(Told<'_>),
    ) -> Result<Option<Arc<Relation>>, Failure> {
        let change = self.decoder.decode(message).map_err(|error| undecodable(&error.to_string()))?;
        match &change {
            Change::Begin { commit_lsn, xid, .. } => self.open = Some((*commit_lsn, *xid, 0)),
            Change::Commit { commit_lsn, end_lsn, .. } => {
                self.open = None;
                tell(Told::End { commit_lsn: *commit_lsn, end_lsn: *end_lsn });
            }
            Change::Relation(relation) => return Ok(Some(Arc::clone(relation))),
            Change::Insert { .. }
            | Change::Update { .. }
            | Change::Delete { .. }
            | Change::Message { .. } => {
                let relation = match &change {
                    Change::Insert { relation, .. }
                    | Change::Update { relation, .. }
                    | Change::Delete { relation, .. } => Some(relation.as_ref()),
                    _ => None,
                };
                let (commit_lsn, xid) = match (&change, &mut self.open) {
                    (Change::Message { transactional: false, lsn, .. }, _) => {
                        if is_published_alone(self.after, *lsn) {
                            return Ok(None);
                        }
                        (*lsn, 0)
                    }
                    (_, Some((commit_lsn, xid, ordinal))) => {
                        *ordinal += 1;
                        if is_published(self.after, *commit_lsn, *xid, *ordinal) {
                            return Ok(None);
                        }
                        (*commit_lsn, *xid)
                    }
                    (_, None) => return Err(undecodable("a change outside a transaction")),
                };
                let rejection = match self.router.route(&change) {
                    Routed::Event(event) => {
                        // Only its topic and its id are told.
                        let event = Event { committed_ms: Some(0), ..event };
                        let written = self.encoding.event(&event, 0, &mut self.outgoing);
                        written.map_err(|error| trouble::registry(&error).into_failure())?.err()
                    }
                    Routed::Change(_) => {
                        let fate = Fate::Change;
                        tell(Told::Event(Unsent { commit_lsn, xid, relation, fate }));
                        return Ok(None);
                    }
                    Routed::Skipped(_) | Routed::Truncated(_) => return Ok(None),
                    Routed::Rejected(rejection) => Some(rejection),
                };
                let is_told = |rejection: &Rejection| {
                    self.policies.of(rejection.reason, &rejection.table) != Policy::Skip
                };
                let rejection = rejection.filter(is_told);
                let mut tell_fate = |fate| tell(Told::Event(Unsent { commit_lsn, xid, relation, fate }));
                for record in self.outgoing.iter() {
                    let id = record.headers().find(|(name, _)| *name == ID).and_then(|(_, value)| value);
                    tell_fate(Fate::Record { topic: record.topic, id });
                }
                rejection.iter().for_each(|rejection| tell_fate(Fate::Rejected(rejection)));
                self.outgoing.clear(1 << 20);
            }
            Change::Truncate { .. } => {
                if let Some((_, _, ordinal)) = &mut self.open {
                    *ordinal += 1;
                }
            }
            Change::Origin { .. } | Change::Type { .. } => {}
        }
        Ok(None)
    }
}

/// Whether the position stands for that change of that transaction.
fn is_published(position: Option<&Position>, commit_lsn: Lsn, xid: u32, ordinal: u64) -> bool {
    let Some(position) = position else { return false };
    let is_in_part = |partial: &crate::position::Partial| {
        partial.commit_lsn == commit_lsn && partial.xid == xid && ordinal <= partial.ordinal
    };
    commit_lsn < position.end_lsn || position.partial.as_ref().is_some_and(is_in_part)
}

/// Whether the position stands for the message of no transaction that lies there.
fn is_published_alone(position: Option<&Position>, lsn: Lsn) -> bool {
    let Some(position) = position else { return false };
    lsn <= position.end_lsn || position.partial.as_ref().is_some_and(|partial| lsn < partial.commit_lsn)
}

fn undecodable(what: &str) -> Failure {
    Failure::new(
        Exit::Stream,
        "what the slot would send is not what it must be",
        format!("{what}. Nothing was done"),
        "please report it with the server's version",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Partial;

    #[test]
    fn what_a_position_stands_for_is_told_to_the_change() {
        let stored = Position::first(&Position::creating(7, 1, "run"), Lsn::new(100));
        let partial = Partial { commit_lsn: Lsn::new(150), xid: 9, ordinal: 2, change_hash: "00".into() };
        let in_part = Position { partial: Some(partial), ..stored.clone() };
        for (position, commit, xid, ordinal, published) in [
            (None, 1, 1, 1, false),
            (Some(&stored), 99, 1, 1, true),
            // A commit that begins where the last one ended.
            (Some(&stored), 100, 1, 1, false),
            (Some(&in_part), 150, 9, 2, true),
            (Some(&in_part), 150, 9, 3, false),
            (Some(&in_part), 150, 8, 1, false),
        ] {
            assert_eq!(
                is_published(position, Lsn::new(commit), xid, ordinal),
                published,
                "{commit} {ordinal}"
            );
        }
    }
}
