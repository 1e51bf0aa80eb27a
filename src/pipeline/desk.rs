//! Where the change of a row, or a logical decoding message, becomes a record, a dead letter or a mark: acts ③ and ④, and
//! what becomes of an event that cannot be published.
//!
//! Enters: one change of an open transaction; a message of none counts as one by itself. Leaves: a record more in the
//! batch, in the change's place, or, of a table that is no outbox, all its records; or the rejection for which the connector stops.

use super::foresight::{ClusterTopics, Foreseen, Foresight};
use super::lessons::Lessons;
use super::parking::{Full, Parking};
use super::report::Reporter;
use super::schemas::{self, Schemas};
use crate::config::Config;
use crate::decode::message::MessageRow;
use crate::decode::{Change, Relation, Tuple};
use crate::encode::change::At;
use crate::encode::dead_letter::{Letter, Message, Row, hash_of_key};
use crate::encode::{DeadLetters, Encoder, Outgoing};
use crate::lsn::Lsn;
use crate::memory::{APART, Share};
use crate::mutant::{self, Mutant};
use crate::publish::Batcher;
use crate::registry;
use crate::rejection::{Origin, Policies, Policy, Reason, Rejection};
use crate::route::{Changed, Event, Outline, Routed, Router, Skipped, What};
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
    /// Keys whose events follow a dead letter, where that is asked for.
    pub parking: Option<Parking>,
}

impl Treatment {
    /// As it is configured; dead letters of at most `letter_bytes`, and the keys that wait for theirs.
    pub fn new(config: &Config, letter_bytes: usize, parking: Option<Parking>) -> Treatment {
        let letters = config.dead_letters.as_ref().map(|letters| letters.writer.clone());
        // A connector that stops for whatever Kafka refuses can hear it from Kafka.
        let goes_on = config.policies.has(Policy::DeadLetter) || config.policies.has(Policy::Skip);
        Treatment {
            policies: config.policies.clone(),
            letters: letters.map(|letters| DeadLetters::new(letters, letter_bytes)),
            foresight: match goes_on {
                true => Foresight::new(Box::new(ClusterTopics::new(&config.kafka))),
                false => Foresight::default(),
            },
            parking,
        }
    }
}

/// Why the connector stops before an event's transaction.
#[derive(Debug)]
pub enum Stop {
    /// By policy.
    Rejected(Box<Rejection>),
    /// It is a dead letter, and there is no room for its key.
    NoRoom(Full),
    /// Its schema is not known, and the registry does not tell.
    Registry(registry::Error),
}

/// Everything an event meets between decoder and batch.
pub struct Desk<'r> {
    /// ③
    pub router: &'r mut Router,
    /// ④
    pub encoder: &'r mut Encoder,
    /// For schemas that it does not know.
    pub schemas: &'r mut dyn Schemas,
    /// Where records go.
    pub batcher: &'r mut Batcher,
    /// For what cannot be published.
    pub treatment: &'r mut Treatment,
    /// What Kafka refused before.
    pub lessons: &'r Lessons,
    /// Counts.
    pub reporter: &'r mut Reporter,
    /// When and where the change happened.
    pub at: At<'r>,
}

impl Desk<'_> {
    /// Deals with one change of `bytes`; a large one's share goes where its copy goes. Whether the change counts.
    pub fn take(
        &mut self,
        change: &Change<'_>,
        bytes: usize,
        share: &mut Option<Share>,
        now_ms: i64,
    ) -> Result<bool, Stop> {
        let origin = self.batcher.next_change();
        self.take_from(origin, change, bytes, share, now_ms)
    }

    /// The same of what comes from elsewhere than the next change of an open transaction.
    pub fn take_from(
        &mut self,
        origin: Origin,
        change: &Change<'_>,
        bytes: usize,
        share: &mut Option<Share>,
        now_ms: i64,
    ) -> Result<bool, Stop> {
        let (rejection, topic) = match self.router.route(change) {
            Routed::Event(event) if is_parked(self.treatment.parking.as_ref(), &event) => {
                (event.rejected(Reason::Parked, PARKED.to_owned(), REPLAY), Some(Arc::clone(event.topic)))
            }
            Routed::Event(mut event) => {
                let commit_us = match self.at.commit_us {
                    0 => self.batcher.commit_us(),
                    known => known,
                };
                event.committed_ms = Some(commit_us.div_euclid(1000));
                let out = self.batcher.outgoing();
                if share.is_some() {
                    out.reserve(bytes, APART);
                }
                let (foresight, known) = (&mut self.treatment.foresight, self.lessons.refused(origin));
                let encoding = (&mut *self.encoder, &mut *self.schemas);
                let rejection =
                    record(&event, known, encoding, foresight, now_ms, out).map_err(Stop::Registry)?.err();
                let topic = rejection.as_ref().map(|_| Arc::clone(event.topic));
                share.take().into_iter().for_each(|share| self.batcher.hold(share));
                match rejection {
                    Some(rejection) => (rejection, topic),
                    None => return Ok(true),
                }
            }
            Routed::Change(changed) => {
                let known = self.lessons.refused(origin);
                let taken = changes(
                    &[changed],
                    known,
                    &self.at,
                    (&mut *self.encoder, &mut *self.schemas),
                    &mut self.treatment.foresight,
                    self.batcher,
                );
                if let Err(rejection) = taken.map_err(Stop::Registry)? {
                    (rejection, None)
                } else {
                    share.take().into_iter().for_each(|share| self.batcher.hold(share));
                    return Ok(true);
                }
            }
            Routed::Truncated(plans) => {
                let known = self.lessons.refused(origin);
                let told = plans.iter().map(|plan| Changed { plan, what: What::Truncated });
                let told: Vec<Changed<'_>> = told.collect();
                let taken = changes(
                    &told,
                    known,
                    &self.at,
                    (&mut *self.encoder, &mut *self.schemas),
                    &mut self.treatment.foresight,
                    self.batcher,
                );
                match taken.map_err(Stop::Registry)? {
                    Ok(()) => return Ok(true),
                    Err(rejection) => (rejection, None),
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
    ) -> Result<(), Stop> {
        let policy = match rejection.reason {
            Reason::Parked => Policy::DeadLetter,
            reason => self.treatment.policies.of(reason, &rejection.table),
        };
        match (policy, &mut self.treatment.letters) {
            (Policy::Stop, _) | (Policy::DeadLetter, None) => return Err(Stop::Rejected(rejection)),
            (Policy::Skip, _) => self.batcher.skip(rejection.reason),
            (Policy::DeadLetter, Some(letters)) => {
                let Some(source) = Source::of(change, self.router) else {
                    return Err(Stop::Rejected(without_a_letter(rejection)));
                };
                let whence = (self.at.lsn, self.batcher.commit_us());
                let letter = source.letter(&rejection, topic, whence);
                if let Some(parking) = &mut self.treatment.parking
                    && parking.concerns(rejection.reason.name(), letter.route())
                    && let Some(key) = letter.key_hash()
                {
                    parking.park(key).map_err(Stop::NoRoom)?;
                }
                let out = self.batcher.outgoing();
                if share.is_some() {
                    out.reserve(bytes, APART);
                }
                if !letters.write(&letter, now_ms, out) {
                    return Err(Stop::Rejected(without_a_row(rejection)));
                }
                share.take().into_iter().for_each(|share| self.batcher.hold(share));
            }
        }
        self.reporter.set_aside(*rejection);
        Ok(())
    }
}

/// What an event came in that becomes a letter.
struct Source<'a> {
    row: Option<(Arc<Relation>, Outline, Tuple<'a>)>,
    message: Option<Message<'a>>,
}

impl<'a> Source<'a> {
    /// `None` of a change that is no event.
    fn of(change: &Change<'a>, router: &'a mut Router) -> Option<Source<'a>> {
        match *change {
            Change::Insert { relation, new } | Change::Update { relation, new, .. } => {
                let row = (Arc::clone(relation), router.outline(relation), new);
                Some(Source { row: Some(row), message: None })
            }
            Change::Message { lsn, prefix, content, .. } => {
                let is_row = router.takes_as_rows(prefix);
                let row = if is_row { router.row_of(content).ok() } else { None };
                let row = row.map(|(MessageRow { relation, row, .. }, outline)| (relation, outline, row));
                Some(Source { row, message: Some(Message { prefix, lsn, content: content.0 }) })
            }
            _ => None,
        }
    }

    fn letter<'l>(
        &'l self,
        rejection: &'l Rejection,
        topic: Option<&'l str>,
        (lsn, commit_us): (Lsn, i64),
    ) -> Letter<'l> {
        let row = self.row.as_ref();
        let row = row.map(|(relation, outline, cells)| Row { relation, cells: *cells, outline });
        Letter { rejection, topic, lsn, commit_us, row, message: self.message }
    }
}

/// A row that is deleted is not sent, and a truncate is none.
fn without_a_letter(mut rejection: Box<Rejection>) -> Box<Rejection> {
    rejection
        .detail
        .push_str("; it is a deletion or a truncate, which has no row that a dead letter could carry");
    rejection.hint.push_str("; or pass it over, with skip for this reason");
    rejection
}

/// A row that is too large for its letter stays in its table. A message stays nowhere.
fn without_a_row(mut rejection: Box<Rejection>) -> Box<Rejection> {
    rejection
        .detail
        .push_str("; it is too large for a dead letter too, and a message has no row that keeps it");
    rejection.hint.push_str(
        "; or let max.request.size, and max.message.bytes of the dead letters' topic, allow a letter of it; or pass it \
         over, with skip for this reason",
    );
    rejection
}

/// Whether an earlier event of its key is a dead letter.
fn is_parked(parking: Option<&Parking>, event: &Event<'_>) -> bool {
    let Some(parking) = parking.filter(|parking| !parking.is_empty()) else { return false };
    let plan = event.plan;
    let key = hash_of_key(&plan.table, Some(&plan.key), Some(&plan.route_by), event.row);
    key.is_some_and(|key| parking.is_parked(key))
}

/// What is said of events that follow a dead letter.
const PARKED: &str = "an earlier event of its key is a dead letter, and it must not overtake that";
const REPLAY: &str = "walpost dlq replay publishes the dead letters of a key in their order, and then its events go on as before";

/// Appends the event's record, unless Kafka has refused or would refuse it.
fn record(
    event: &Event<'_>,
    known: Option<&Rejection>,
    (encoder, schemas): (&mut Encoder, &mut (dyn Schemas + '_)),
    foresight: &mut Foresight,
    now_ms: i64,
    out: &mut Outgoing,
) -> Result<Result<(), Rejection>, registry::Error> {
    if let Some(Rejection { reason, detail, hint, .. }) = known {
        return Ok(Err(event.rejected(*reason, detail.clone(), hint)));
    }
    let written = schemas::encode(encoder, schemas, now_ms, |encoder| encoder.encode(event, now_ms, out))?;
    if written.is_err() {
        return Ok(written);
    }
    let foreseen = out.last().and_then(|record| foresight.refuses(&record));
    match foreseen {
        None => Ok(Ok(())),
        Some(Foreseen { reason, detail, hint }) => {
            out.pop();
            Ok(Err(event.rejected(reason, detail, hint)))
        }
    }
}

/// Appends the records of a change of a table that is no outbox, all of them or none.
fn changes(
    changed: &[Changed<'_>],
    known: Option<&Rejection>,
    at: &At<'_>,
    (encoder, schemas): (&mut Encoder, &mut (dyn Schemas + '_)),
    foresight: &mut Foresight,
    batcher: &mut Batcher,
) -> Result<Result<(), Rejection>, registry::Error> {
    let (out, now_ms) = (batcher.outgoing(), at.now_ns / 1_000_000);
    let before = out.len();
    for changed in changed {
        let records = out.len();
        let taken = match known {
            Some(Rejection { reason, detail, hint, .. }) => {
                Err(changed.rejected(*reason, detail.clone(), hint))
            }
            None => {
                let written =
                    schemas::encode(encoder, schemas, now_ms, |encoder| encoder.change(changed, at, out));
                // All of them or none, also when the session ends here.
                written.inspect_err(|_| out.truncate(before))?
            }
        };
        let taken = taken.and_then(|()| {
            let foreseen = out.iter().skip(records).find_map(|record| foresight.refuses(&record));
            match foreseen {
                None => Ok(()),
                Some(Foreseen { reason, detail, hint }) => Err(changed.rejected(reason, detail, hint)),
            }
        });
        if let Err(rejection) = taken {
            out.truncate(before);
            return Ok(Err(rejection));
        }
    }
    Ok(Ok(()))
}
