//! Where the change of a row becomes a record, a dead letter or a mark: acts ③ and ④, and what becomes of an event that
//! cannot be published.
//!
//! Enters: one change of an open transaction. Leaves: at most one record more in the batch, in the change's place; or the
//! rejection for which the connector stops.

use super::foresight::{Foreseen, Foresight};
use super::lessons::Lessons;
use super::report::Reporter;
use crate::decode::Change;
use crate::encode::{DeadLetters, Encoder, Letter, Outgoing};
use crate::memory::{APART, Share};
use crate::mutant::{self, Mutant};
use crate::publish::Batcher;
use crate::rejection::{Policies, Policy, Rejection};
use crate::route::{Event, Routed, Router, Skipped};
use std::sync::Arc;

/// What becomes of events that cannot be published.
#[derive(Default)]
pub struct Treatment {
    /// Which way they go.
    pub policies: Policies,
    /// Writes dead letters, where any policy asks for them.
    pub letters: Option<DeadLetters>,
    /// What Kafka would refuse.
    pub foresight: Foresight,
}

/// Everything a row meets between decoder and batch.
pub struct Desk<'r> {
    /// ③
    pub router: &'r mut Router,
    /// ④
    pub encoder: &'r mut Encoder,
    /// Where records go.
    pub batcher: &'r mut Batcher,
    /// For what cannot be published.
    pub treatment: &'r mut Treatment,
    /// What Kafka refused before.
    pub lessons: &'r Lessons,
    /// Counts.
    pub reporter: &'r mut Reporter,
}

impl Desk<'_> {
    /// Deals with one change of `bytes`; a large one's share goes where its copy goes. Whether the change counts.
    pub fn take(
        &mut self,
        change: &Change<'_>,
        bytes: usize,
        share: &mut Option<Share>,
        now_ms: i64,
    ) -> Result<bool, Box<Rejection>> {
        let origin = self.batcher.next_change();
        let (rejection, topic) = match self.router.route(change) {
            Routed::Event(event) => {
                let out = self.batcher.outgoing();
                if share.is_some() {
                    out.reserve(bytes, APART);
                }
                let (foresight, known) = (&mut self.treatment.foresight, self.lessons.refused(origin));
                let rejection = record(&event, known, self.encoder, foresight, now_ms, out).err();
                let topic = rejection.as_ref().map(|_| Arc::clone(event.topic));
                share.take().into_iter().for_each(|share| self.batcher.hold(share));
                match rejection {
                    Some(rejection) => (rejection, topic),
                    None => return Ok(true),
                }
            }
            Routed::Skipped(_) if mutant::is_on(Mutant::CountEvents) => return Ok(false),
            Routed::Skipped(reason) => {
                self.reporter.skipped(reason);
                if let (Skipped::Update, Change::Update { relation, .. }) = (reason, change) {
                    self.reporter.update_dropped(relation, self.router.on_update());
                }
                return Ok(true);
            }
            Routed::Rejected(rejection) => (rejection, None),
        };
        let rejection = Box::new(Rejection { origin, ..rejection });
        self.treat(rejection, topic.as_deref(), change, bytes, share, now_ms)?;
        Ok(true)
    }

    /// By policy; an `Err` stops.
    fn treat(
        &mut self,
        rejection: Box<Rejection>,
        topic: Option<&str>,
        change: &Change<'_>,
        bytes: usize,
        share: &mut Option<Share>,
        now_ms: i64,
    ) -> Result<(), Box<Rejection>> {
        let (Change::Insert { relation, new } | Change::Update { relation, new, .. }) = change else {
            return Err(rejection);
        };
        match (self.treatment.policies.of(rejection.reason, &rejection.table), &mut self.treatment.letters) {
            (Policy::Stop, _) | (Policy::DeadLetter, None) => return Err(rejection),
            (Policy::Skip, _) => self.batcher.skip(rejection.reason),
            (Policy::DeadLetter, Some(letters)) => {
                let outline = self.router.outline(relation);
                let commit_us = self.batcher.commit_us();
                let letter = Letter {
                    rejection: &rejection,
                    topic,
                    commit_us,
                    relation,
                    row: *new,
                    outline: &outline,
                };
                let out = self.batcher.outgoing();
                if share.is_some() {
                    out.reserve(bytes, APART);
                }
                letters.write(&letter, now_ms, out);
                share.take().into_iter().for_each(|share| self.batcher.hold(share));
            }
        }
        self.reporter.set_aside(*rejection);
        Ok(())
    }
}

/// Appends the event's record, unless Kafka has refused or would refuse it.
fn record(
    event: &Event<'_>,
    known: Option<&Rejection>,
    encoder: &mut Encoder,
    foresight: &mut Foresight,
    now_ms: i64,
    out: &mut Outgoing,
) -> Result<(), Rejection> {
    if let Some(Rejection { reason, detail, hint, .. }) = known {
        return Err(event.rejected(*reason, detail.clone(), hint));
    }
    encoder.encode(event, now_ms, out)?;
    let foreseen = out.last().and_then(|record| foresight.refuses(&record));
    match foreseen {
        None => Ok(()),
        Some(Foreseen { reason, detail, hint }) => {
            out.pop();
            Err(event.rejected(reason, detail, hint))
        }
    }
}
