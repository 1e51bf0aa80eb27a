//! The road's own thread: reads, decodes, routes and encodes until shutdown, and hands over batches. Connects the acts;
//! decides only when a batch is due.

use super::desk::{Desk, Stop, Treatment};
use super::handover::{Downstream, Handover, PublisherEnded};
use super::lessons::Lessons;
use super::parking::Full;
use super::place::Moment;
use super::resume::{Mismatch, Resume, change_hash};
use super::schemas::{self, Schemas};
use super::telling::Telling;
use crate::clock::{unix_ms, unix_ns};
use crate::confirm::Ledger;
use crate::decode::{self, Change, Decoder, Relation};
use crate::encode::Encoder;
use crate::encode::change::Order;
use crate::encode::transactions::Boundary;
use crate::failpoint;
use crate::kafka;
use crate::lsn::Lsn;
use crate::memory::Share;
use crate::mutant::{self, Mutant};
use crate::publish::Batcher;
use crate::registry;
use crate::rejection::{Origin, Rejection};
use crate::route::{Router, Skipped, TableFacts};
use crate::shutdown::Shutdown;
use crate::source::{self, Chunk, Feed, Frame};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use super::place::Place;

/// Answers what the stream does not tell of a table.
pub trait Catalog: Send {
    /// Nullability, defaults and types of the relation's columns, as of now.
    fn describe(&mut self, relation: &Relation) -> Result<TableFacts, crate::postgres::Error>;
}

/// What the road thread needs beyond the acts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a position without events may wait.
    pub idle_interval: Duration,
    /// How far the WAL may run ahead of it, bytes.
    pub idle_bytes: u64,
    /// What earlier sessions of this run have learnt.
    pub lessons: Lessons,
    /// How often a heartbeat record is published; `None`: never.
    pub heartbeat: Option<Heartbeat>,
}

/// `heartbeat.interval.ms` and where heartbeats go.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// Time between two.
    pub interval: Duration,
    /// The heartbeat topic.
    pub topic: Arc<str>,
    /// `topic.prefix`.
    pub server: String,
}

/// Why the road ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream broke or was ended.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// A message that is not pgoutput.
    #[error(transparent)]
    Decode(#[from] decode::Error),
    /// The stream does not continue what was published, or breaks the order of its messages.
    #[error("{0}")]
    Order(String),
    /// The catalogue could not be asked.
    #[error("reading the catalogue: {0}")]
    Catalog(crate::postgres::Error),
    /// The schema registry is away, or does not let us in.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// An event cannot be published, and the policy is to stop.
    #[error("{0}")]
    Rejected(Box<Rejection>),
    /// There is no room for the key of a dead letter.
    #[error("no more than {} keys may be parked", .0.most)]
    NoRoom(Full),
    /// What became of dead letters could not be followed.
    #[error("{0}")]
    Parking(kafka::Error),
    /// The publisher ended; its own result says why.
    #[error("the publisher ended")]
    PublisherEnded,
}

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Error {
        Error::Order(mismatch.to_string())
    }
}

impl From<PublisherEnded> for Error {
    fn from(_: PublisherEnded) -> Error {
        Error::PublisherEnded
    }
}

/// The acts in the order an event meets them, and what stands between two of them.
pub struct Road<F: Feed, D: Downstream = Handover> {
    /// ①
    pub feed: F,
    /// ②
    pub decoder: Decoder,
    /// ③
    pub router: Router,
    /// ④
    pub encoder: Encoder,
    /// What becomes of events that cannot be published.
    pub treatment: Treatment,
    /// What waits to be handed to ⑤.
    pub batcher: Batcher,
    /// What of the stream is not new.
    pub resume: Resume,
    /// For schemas that the encoder does not know.
    pub schemas: Box<dyn Schemas>,
    /// For Relation messages.
    pub catalog: Box<dyn Catalog>,
    /// To the publisher.
    pub handover: Arc<D>,
    /// What was received, for the publisher to check against.
    pub ledger: Arc<Mutex<Ledger>>,
    /// When to leave.
    pub shutdown: Shutdown,
    /// What the road tells of itself.
    pub reporter: super::report::Reporter,
    /// Intervals.
    pub settings: Settings,
    /// Where the road is within the stream.
    pub place: Place,
}

impl<F: Feed, D: Downstream> Road<F, D> {
    /// Runs until shutdown is asked for and everything read so far is handed over.
    pub fn run(&mut self) -> Result<(), Error> {
        self.handover.ring_when_free(self.feed.nudge());
        loop {
            let now = Instant::now();
            match self.next_chunk(now)? {
                Some(mut chunk) => {
                    let now = Instant::now();
                    let ns = unix_ns();
                    // A large message; its share goes where its copy goes, and back when there is none.
                    let mut share = chunk.take_share();
                    for placed in chunk.placed() {
                        let (lsn, frame) = placed?;
                        match frame {
                            Frame::Wal(message) => {
                                self.message(message, &mut share, Moment { now, ns, lsn })?;
                            }
                            Frame::Keepalive { wal_end, reply_requested } => {
                                self.keepalive(wal_end, reply_requested, now)
                            }
                        }
                    }
                    self.reporter.received(self.place.received);
                }
                None => self.idle(now)?,
            }
            self.reporter.turn();
            if self.shutdown.is_asked() && !self.batcher.is_open() {
                return self.leave();
            }
        }
    }

    /// What comes next. Everything before a message that there is no room for is published first.
    fn next_chunk(&mut self, now: Instant) -> Result<Option<Chunk>, Error> {
        let next = self.feed.next(self.wake_at(now));
        if let Err(source::Error::TooLarge { .. }) = next {
            self.batcher.abandon();
            self.leave()?;
        }
        Ok(next?)
    }

    /// When to look up even if nothing comes: now, if a batch could be handed over, else when something falls due. While
    /// the publisher is busy nothing does, and it rings when it is free.
    fn wake_at(&self, now: Instant) -> Instant {
        let Settings { idle_interval, idle_bytes, .. } = self.settings;
        let mut turn = now + Duration::from_secs(1);
        if !self.handover.publisher_free().unwrap_or(true) || self.batcher.is_open() {
            return turn;
        }
        if self.batcher.has_records() {
            return now;
        }
        if let Some(heartbeat) = &self.settings.heartbeat
            && self.resume.settled()
        {
            turn = turn.min(self.place.last_heartbeat.map_or(now, |last| last + heartbeat.interval));
        }
        self.batcher.idle_due(idle_interval, idle_bytes, now).map_or(turn, |due| due.min(turn))
    }

    /// Nothing is waiting to be read: what there is may go out, if the publisher is free.
    fn idle(&mut self, now: Instant) -> Result<(), Error> {
        if !self.handover.publisher_free()? || self.batcher.is_open() {
            return Ok(());
        }
        let Settings { idle_interval, idle_bytes, .. } = self.settings;
        self.beat(now)?;
        let due = self.batcher.idle_due(idle_interval, idle_bytes, now).is_some_and(|due| due <= now);
        let urgent = std::mem::take(&mut self.place.urgent) && self.batcher.has_progress();
        if self.batcher.has_records() || due || urgent {
            self.hand_over()?;
        }
        Ok(())
    }

    /// Appends a heartbeat record when one is due.
    fn beat(&mut self, now: Instant) -> Result<(), Error> {
        let Some(heartbeat) = &self.settings.heartbeat else { return Ok(()) };
        let due = self.place.last_heartbeat.is_none_or(|last| now.duration_since(last) >= heartbeat.interval);
        if due && self.resume.settled() {
            self.place.last_heartbeat = Some(now);
            let Heartbeat { topic, server, .. } = heartbeat;
            let out = self.batcher.outgoing();
            out.at(Origin::default());
            let (now_ms, schemas) = (unix_ms(), &mut *self.schemas);
            let written = schemas::encode(&mut self.encoder, schemas, now_ms, |encoder| {
                encoder.heartbeat(topic, server, now_ms, out)
            })?;
            written.map_err(|rejection| Error::Rejected(Box::new(rejection)))?;
        }
        Ok(())
    }

    /// Gives the batch to the publisher, waiting for it as long as it takes.
    fn hand_over(&mut self) -> Result<(), Error> {
        while !self.handover.wait_free(Duration::from_secs(1))? {
            self.reporter.turn();
        }
        self.reporter.handed_over();
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).receive(self.place.received);
        let handover = &self.handover;
        self.batcher.close(|batch| handover.give(batch));
        Ok(())
    }

    /// Hands over the rest, waits until it is published, and ends the publisher's work.
    fn leave(&mut self) -> Result<(), Error> {
        failpoint::hit("in_shutdown");
        if self.batcher.has_records() || self.batcher.has_progress() {
            self.hand_over()?;
        }
        while !self.handover.wait_free(Duration::from_secs(1))? {
            self.reporter.turn();
        }
        failpoint::hit("in_shutdown");
        self.handover.end_road();
        Ok(())
    }

    fn keepalive(&mut self, wal_end: Lsn, reply_requested: bool, now: Instant) {
        if !self.batcher.is_open() && self.resume.settled() {
            self.place.received = self.place.received.max(wal_end);
            self.batcher.keepalive(wal_end, now);
            self.place.urgent |= reply_requested;
            if mutant::is_on(Mutant::ConfirmReceived) {
                self.ledger.lock().unwrap_or_else(PoisonError::into_inner).receive(wal_end);
            }
        }
        self.reporter.server_at(wal_end);
    }

    fn message(&mut self, message: &[u8], share: &mut Option<Share>, moment: Moment) -> Result<(), Error> {
        let (now, now_ms) = (moment.now, moment.ms());
        let change = self.decoder.decode(message)?;
        match &change {
            Change::Begin { commit_lsn, commit_us, xid } => {
                if let Some((_, open)) = self.place.open.replace((*commit_lsn, *xid)) {
                    return Err(Error::Order(format!("transaction {xid} begins before {open} has ended")));
                }
                if let Some(parking) = &mut self.treatment.parking {
                    parking.catch_up().map_err(Error::Parking)?;
                }
                self.resume.begin(*commit_lsn, *xid)?;
                self.batcher.begin(*commit_lsn, *xid, *commit_us);
                self.place.telling.begin(*xid, *commit_us);
                if self.resume.is_new() {
                    self.boundary(moment, None)?;
                }
            }
            Change::Commit { commit_lsn, end_lsn, .. } => {
                let (commit_lsn, end_lsn) = (*commit_lsn, *end_lsn);
                return self.commit(commit_lsn, end_lsn, moment);
            }
            Change::Origin { commit_lsn, name } => self.place.telling.origin(name, *commit_lsn),
            Change::Relation(relation) => {
                if self.router.serves(relation) {
                    let facts = self.catalog.describe(relation).map_err(Error::Catalog)?;
                    self.router.learn(relation, &facts);
                }
            }
            // One of a transaction counts there, so that the position does not depend on which prefixes are meant.
            Change::Message { transactional: false, lsn, prefix, .. } if !self.router.takes(prefix) => {
                self.place.telling.alone(*lsn);
                self.reporter.skipped(Skipped::Message);
            }
            Change::Message { .. }
            | Change::Insert { .. }
            | Change::Update { .. }
            | Change::Delete { .. }
            | Change::Truncate { .. } => {
                let alone = lsn_alone(&change);
                alone.into_iter().for_each(|lsn| self.place.telling.alone(lsn));
                let is_new = match (alone, self.place.open) {
                    (None, Some(_)) => self.resume.change(message)?,
                    (None, None) => return Err(Error::Order("a change outside a transaction".to_owned())),
                    (Some(_), Some((_, xid))) => {
                        return Err(Error::Order(format!(
                            "a message of no transaction within transaction {xid}"
                        )));
                    }
                    (Some(lsn), None) if self.resume.alone(lsn) => {
                        // From here on it is a transaction of its own, without a number.
                        self.batcher.begin(lsn, 0, now_ms.saturating_mul(1000));
                        true
                    }
                    (Some(_), None) => return Ok(()),
                };
                let order = match self.router.transactions() {
                    Some(_) => order(&change, &mut self.router, &mut self.place.telling),
                    None => None,
                };
                if is_new {
                    let mut desk = Desk {
                        router: &mut self.router,
                        encoder: &mut self.encoder,
                        schemas: &mut *self.schemas,
                        batcher: &mut self.batcher,
                        treatment: &mut self.treatment,
                        lessons: &self.settings.lessons,
                        reporter: &mut self.reporter,
                        at: match alone {
                            Some(lsn) => self.place.telling.at_alone(lsn, moment.ns),
                            None => self.place.telling.at(moment.lsn, moment.ns, order),
                        },
                    };
                    match desk.take(&change, message.len(), share, now_ms) {
                        Ok(true) => {}
                        Ok(false) => return Ok(()),
                        Err(stop) => return self.reject(stop),
                    }
                }
                match (self.batcher.changed(now), alone) {
                    (_, Some(lsn)) => {
                        self.place.received = self.place.received.max(lsn);
                        self.batcher.commit(lsn, now);
                        return self.whole(lsn, now);
                    }
                    (true, None) => {
                        self.batcher.split(change_hash(message));
                        self.hand_over()?;
                    }
                    (false, None) => {}
                }
            }
            Change::Type { .. } => {}
        }
        Ok(())
    }

    /// The record of a transaction's begin, or of its end, where such are told.
    fn boundary(&mut self, moment: Moment, counts: Option<&[(String, u64)]>) -> Result<(), Error> {
        let Some(topic) = self.router.transactions() else { return Ok(()) };
        let (xid, commit_us) = self.place.telling.transaction();
        let boundary = Boundary { topic, xid, lsn: moment.lsn, commit_us, counts, now_ms: moment.ms() };
        let out = self.batcher.outgoing();
        out.at(Origin::default());
        let (now_ms, schemas) = (boundary.now_ms, &mut *self.schemas);
        let written =
            schemas::encode(&mut self.encoder, schemas, now_ms, |encoder| encoder.boundary(&boundary, out))?;
        written.map_err(|rejection| Error::Rejected(Box::new(rejection)))
    }

    fn commit(&mut self, commit_lsn: Lsn, end_lsn: Lsn, moment: Moment) -> Result<(), Error> {
        let now = moment.now;
        match self.place.open.take() {
            Some((begun, _)) if begun == commit_lsn => {}
            Some((begun, xid)) => {
                return Err(Error::Order(format!(
                    "transaction {xid} began for commit {begun} and ends with commit {commit_lsn}"
                )));
            }
            None => return Err(Error::Order(format!("commit {commit_lsn} without a begin"))),
        }
        let end_lsn = if mutant::is_on(Mutant::CommitLsnForEnd) { commit_lsn } else { end_lsn };
        self.place.received = self.place.received.max(end_lsn);
        let is_new = self.resume.commit(end_lsn)?;
        if is_new && self.router.transactions().is_some() {
            let counts = self.place.telling.counts();
            self.boundary(moment, Some(&counts))?;
        }
        self.place.telling.commit(end_lsn);
        if is_new {
            self.batcher.commit(end_lsn, now);
            failpoint::hit("after_decode_unit");
        } else {
            self.batcher.forget();
        }
        self.whole(end_lsn, now)
    }

    /// Everything up to `end_lsn` is in the batch.
    fn whole(&mut self, end_lsn: Lsn, now: Instant) -> Result<(), Error> {
        // A full batch waits for the publisher; one that is merely old goes on filling while the publisher is busy.
        let is_due = self.batcher.is_full() || end_lsn <= self.settings.lessons.singly_until;
        if is_due || (self.batcher.is_aged(now) && self.handover.publisher_free()?) {
            self.hand_over()?;
        }
        Ok(())
    }

    /// Publishes the whole transactions before the one with the bad event, then stops.
    fn reject(&mut self, stop: Stop) -> Result<(), Error> {
        if let Stop::Rejected(rejection) = &stop {
            self.reporter.rejected(rejection.reason);
        }
        self.batcher.abandon();
        self.leave()?;
        Err(match stop {
            Stop::Rejected(rejection) => Error::Rejected(rejection),
            Stop::NoRoom(full) => Error::NoRoom(full),
            Stop::Registry(error) => Error::from(error),
        })
    }
}

/// Where the first event of a change stands in its transaction.
fn order(change: &Change<'_>, router: &mut Router, telling: &mut Telling) -> Option<Order> {
    match change {
        Change::Message { transactional, prefix, .. } => {
            (*transactional && router.takes(prefix)).then(|| telling.count_message())
        }
        change => {
            let captured = router.captured(change);
            captured.map(|(table, events)| telling.count(&table.schema, &table.table, events))
        }
    }
}

/// Where a logical decoding message lies that belongs to no transaction: it comes between two, and is whole there.
#[inline]
fn lsn_alone(change: &Change<'_>) -> Option<Lsn> {
    match change {
        Change::Message { transactional: false, lsn, .. } => Some(*lsn),
        _ => None,
    }
}

#[cfg(test)]
#[path = "road_tests.rs"]
mod tests;
