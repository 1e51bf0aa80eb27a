//! One instance of the connector: the real road and publisher, between a feed and an outlet that are the world's.
//!
//! An instance dies, or stands still, between any two of its requests. What it has in memory is then gone; what it has
//! sent is under way.

use crate::broker::{Answer, Late, Record, Request};
use crate::happen::happen;
use crate::world::{Shared, World};
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use walpost::confirm::Ledger;
use walpost::encode::{Outgoing, RecordRef};
use walpost::pipeline::handover::{Downstream, PublisherEnded};
use walpost::pipeline::publishing;
use walpost::pipeline::report::Reporter;
use walpost::publish::{self, Batch, Class, Outlet, OutletError, Publisher};
use walpost::rejection::Reason;
use walpost::shutdown::Shutdown;
use walpost::source::{self, Acknowledger, Chunk, Feed, Nudge};

/// A process.
#[derive(Debug)]
pub struct Instance {
    pub name: String,
    /// It starts beside another one, and nobody starts beside it.
    pub is_rival: bool,
    dead: AtomicBool,
    paused: AtomicBool,
}

impl Instance {
    pub fn new(name: String, is_rival: bool) -> Instance {
        Instance { name, is_rival, dead: AtomicBool::new(false), paused: AtomicBool::new(false) }
    }

    pub fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Its road ends here; what its publisher has in hand may still go on.
    pub fn pause(&self) {
        self.paused.store(true, Ordering::Relaxed);
    }

    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }
}

/// A producer of one epoch.
pub struct ModelOutlet {
    world: Shared,
    instance: Arc<Instance>,
    epoch: u32,
    /// Sent, and not arrived.
    in_flight: Vec<Record>,
    /// The first record that was not delivered; none after it is.
    failure: Option<Class>,
    sent: usize,
}

fn failed<T>(class: Class, record: Option<usize>) -> Result<T, OutletError> {
    Err(OutletError { class, message: format!("{class:?}"), topic: Some("t".to_owned()), record })
}

const TOO_LARGE: Class = Class::RecordRefused(Reason::TooLarge);

impl ModelOutlet {
    pub fn new(world: &Shared, instance: &Arc<Instance>, epoch: u32) -> ModelOutlet {
        let (world, instance) = (world.clone(), Arc::clone(instance));
        ModelOutlet { world, instance, epoch, in_flight: Vec::new(), failure: None, sent: 0 }
    }

    /// Something may happen first; a dead instance says nothing.
    fn enter(&self) -> Result<MutexGuard<'_, World>, OutletError> {
        happen(&self.world, &self.instance);
        if self.instance.is_dead() {
            return failed(Class::Fatal, None);
        }
        Ok(self.world.lock())
    }

    /// A fault of this class, or none.
    fn fault(world: &mut World, what: &'static str, classes: &[Class]) -> Result<(), OutletError> {
        if !world.goes_wrong(|dose| dose.kafka) {
            return Ok(());
        }
        let class = world.dice.one_of(classes);
        world.story.tell(what, || format!("{class:?}"));
        failed(class, None)
    }

    fn push(&mut self, record: Record) {
        let mut world = self.world.lock();
        let lost = world.goes_wrong(|dose| dose.kafka / 3);
        if lost && self.failure.is_none() {
            world.story.tell("a record is not delivered", || format!("{record:?}"));
            self.failure = Some(world.dice.one_of(&[Class::Abortable, Class::Indefinite, Class::Fatal]));
        }
        if self.failure.is_some() {
            return;
        }
        self.in_flight.push(record);
        if world.dice.percent(50) {
            let all = self.in_flight.len();
            Self::arrive(&mut world, self.epoch, self.in_flight.drain(..all), &mut self.failure);
        }
    }

    fn arrive(
        world: &mut World,
        epoch: u32,
        records: impl Iterator<Item = Record>,
        failure: &mut Option<Class>,
    ) {
        for record in records {
            if world.broker.produce(epoch, record) == Answer::Fenced {
                failure.get_or_insert(Class::Fenced);
            }
        }
    }

    fn answered(answer: Answer) -> Result<(), OutletError> {
        match answer {
            Answer::Ok => Ok(()),
            Answer::Fenced => failed(Class::Fenced, None),
            Answer::InvalidState => failed(Class::Fatal, None),
        }
    }

    /// EndTxn, and what may become of it.
    fn end(&mut self, world: &mut World) -> Result<(), OutletError> {
        let commit = Late { epoch: self.epoch, request: Request::EndTxn { commit: true } };
        if !world.goes_wrong(|dose| dose.commit) {
            let answer = world.broker.end_txn(self.epoch, true);
            world.check();
            return Self::answered(answer);
        }
        let outcome = world.dice.below(6);
        let what = [
            "a commit is applied and not answered",
            "a commit is under way and not answered",
            "a commit is lost",
            "a commit is applied and sent twice",
            "the connector dies with its commit under way",
            "the connector dies after its commit",
        ][outcome as usize];
        world.story.tell(what, || self.instance.name.clone());
        if matches!(outcome, 0 | 3 | 5) {
            world.broker.end_txn(self.epoch, true);
            world.check();
        }
        if matches!(outcome, 1 | 3 | 4) {
            world.broker.late.push(commit);
        }
        if outcome >= 4 {
            self.instance.die();
        }
        let unsure =
            [Class::Indefinite, Class::Indefinite, Class::Indefinite, Class::Fatal, Class::Retriable];
        failed(if outcome == 3 { Class::Indefinite } else { world.dice.one_of(&unsure) }, None)
    }
}

impl Outlet for ModelOutlet {
    fn prepare(&mut self, outgoing: &Outgoing) -> Result<(), OutletError> {
        let mut world = self.enter()?;
        let missing = outgoing.iter().position(|record| record.topic.ends_with(".missing"));
        if let Some(record) = missing {
            return failed(Class::Topic, Some(record));
        }
        Self::fault(&mut world, "preparing fails", &[Class::Retriable])
    }

    fn begin(&mut self) -> Result<(), OutletError> {
        let mut world = self.enter()?;
        Self::fault(&mut world, "beginning fails", &[Class::Fatal, Class::Retriable, Class::Abortable])?;
        drop(world);
        self.sent = 0;
        Ok(())
    }

    fn send(&mut self, record: &RecordRef<'_>) -> Result<(), OutletError> {
        let number = self.sent;
        self.sent += 1;
        {
            let mut world = self.enter()?;
            Self::fault(&mut world, "sending fails", &[Class::Fatal, Class::Indefinite, Class::Abortable])?;
        }
        if record.topic.starts_with("heartbeat") {
            self.push(Record::Heartbeat);
            return Ok(());
        }
        let text = std::str::from_utf8(record.value.unwrap_or_default()).unwrap_or_default();
        let (id, rest) = text.split_once(' ').unwrap_or_default();
        match rest {
            "too large here" => return failed(TOO_LARGE, Some(number)),
            "too large there" => self.failure = Some(TOO_LARGE),
            _ => self.push(Record::Event(id.parse().unwrap_or_default())),
        }
        Ok(())
    }

    fn send_position(&mut self, _: &[u8], value: Option<&[u8]>) -> Result<(), OutletError> {
        {
            let mut world = self.enter()?;
            Self::fault(&mut world, "sending fails", &[Class::Fatal, Class::Indefinite, Class::Abortable])?;
        }
        self.push(Record::Position(value.unwrap_or_default().to_vec()));
        Ok(())
    }

    fn settle(&mut self) -> Result<(), OutletError> {
        drop(self.enter()?);
        let mut world = self.world.lock();
        Self::arrive(&mut world, self.epoch, self.in_flight.drain(..), &mut self.failure);
        match self.failure {
            Some(class) => failed(class, Some(0)),
            None => Self::fault(&mut world, "settling fails", &[Class::Abortable, Class::Indefinite]),
        }
    }

    fn commit(&mut self) -> Result<(), OutletError> {
        drop(self.enter()?);
        if self.failure.is_some() {
            return failed(Class::Abortable, None);
        }
        let shared = self.world.clone();
        let mut world = shared.lock();
        // What nobody waited for may come after the commit, or not at all.
        let overtaken = self.in_flight.split_off(self.in_flight.len() / 2);
        Self::arrive(&mut world, self.epoch, self.in_flight.drain(..), &mut self.failure);
        let late =
            overtaken.into_iter().map(|record| Late { epoch: self.epoch, request: Request::Produce(record) });
        world.broker.late.extend(late);
        self.end(&mut world)
    }

    fn abort(&mut self) -> Result<(), OutletError> {
        drop(self.enter()?);
        let mut world = self.world.lock();
        let epoch = self.epoch;
        let late = self.in_flight.drain(..).map(|record| Late { epoch, request: Request::Produce(record) });
        world.broker.late.extend(late);
        if world.goes_wrong(|dose| dose.commit) {
            world.story.tell("an abort is under way and not answered", || self.instance.name.clone());
            world.broker.late.push(Late { epoch, request: Request::EndTxn { commit: false } });
            return failed(Class::Indefinite, None);
        }
        let answer = world.broker.end_txn(epoch, false);
        world.check();
        Self::answered(answer)
    }
}

/// The publisher behind the road, working when it is let.
pub struct Publishing {
    world: Shared,
    ledger: Arc<Mutex<Ledger>>,
    acknowledger: Acknowledger,
    state: Mutex<State>,
}

struct State {
    /// Taken while it works.
    publisher: Option<(Publisher<ModelOutlet>, Reporter)>,
    batch: Option<Batch>,
    spare: Option<Batch>,
    ended: bool,
    error: Option<publishing::Error>,
}

impl Publishing {
    pub fn new(
        world: &Shared,
        ledger: Arc<Mutex<Ledger>>,
        acknowledger: Acknowledger,
        publisher: Publisher<ModelOutlet>,
        reporter: Reporter,
    ) -> Publishing {
        let publisher = Some((publisher, reporter));
        let state = State { publisher, batch: None, spare: None, ended: false, error: None };
        Publishing { world: world.clone(), ledger, acknowledger, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.try_lock().expect("one hold at a time")
    }

    pub fn has_batch(&self) -> bool {
        self.state().batch.is_some()
    }

    /// Publishes the batch in hand, as the publisher's thread does.
    pub fn work(&self) {
        let taken = {
            let mut state = self.state();
            let State { publisher, batch, .. } = &mut *state;
            if batch.is_some() { publisher.take().zip(batch.take()) } else { None }
        };
        let Some(((mut publisher, mut reporter), batch)) = taken else { return };
        let position_before = self.world.lock().last.clone();
        let result = publishing::one(&mut publisher, &batch, &self.ledger, &self.acknowledger, &mut reporter);
        let mut world = self.world.lock();
        if let Err(publishing::Error::Publish(publish::Error::NotCommitted(_))) = &result
            && publisher.position().seq + 1 == world.last.as_ref().map_or(0, |last| last.seq)
            && world.last != position_before
            && world.last.as_ref().is_some_and(|last| last.instance == publisher.position().instance)
        {
            world.violated(|| "nothing of a batch was to be visible, and it is".to_owned());
        }
        drop(world);
        let mut state = self.state();
        match result {
            Ok(()) => {
                state.publisher = Some((publisher, reporter));
                state.spare = Some(batch);
            }
            Err(error) => {
                state.ended = true;
                state.error = Some(error);
            }
        }
    }

    pub fn error(&self) -> Option<publishing::Error> {
        self.state().error.take()
    }
}

impl Downstream for Publishing {
    fn ring_when_free(&self, _: Nudge) {}

    fn publisher_free(&self) -> Result<bool, PublisherEnded> {
        let state = self.state();
        if state.ended { Err(PublisherEnded) } else { Ok(state.batch.is_none()) }
    }

    fn wait_free(&self, _: Duration) -> Result<bool, PublisherEnded> {
        self.work();
        self.publisher_free()
    }

    fn give(&self, batch: Batch) -> Batch {
        let mut state = self.state();
        assert!(state.batch.replace(batch).is_none(), "the publisher was not free");
        state.spare.take().unwrap_or_default()
    }

    fn end_road(&self) {}
}

/// The stream, as an instance reads it.
pub struct ModelFeed {
    pub world: Shared,
    pub instance: Arc<Instance>,
    pub publishing: Arc<Publishing>,
    /// Of the walsender it reads from.
    pub number: u64,
    pub shutdown: Shutdown,
    /// A rival does not stay for long.
    pub looks_left: u32,
}

impl ModelFeed {
    /// What comes next: frames, or nothing for now.
    fn turn(&mut self) -> Result<Option<Vec<u8>>, source::Error> {
        let busy = self.publishing.has_batch();
        let mut world = self.world.lock();
        let mut roll = world.dice.below(12);
        if world.calm && !self.instance.is_rival {
            match (world.postgres.has_more(), busy) {
                (true, true) => roll = if roll < 8 { 0 } else { 8 },
                (true, false) => roll = if roll < 8 { 0 } else { 10 },
                (false, _) => {
                    self.shutdown.ask();
                    return Ok(None);
                }
            }
        }
        let World { postgres, dice, .. } = &mut *world;
        match roll {
            0..=4 if postgres.has_more() => {
                let mut chunk = Vec::new();
                for _ in 0..dice.between(1, 12) {
                    match postgres.send(dice) {
                        Ok(Some(frames)) => chunk.extend(frames),
                        Ok(None) => break,
                        Err(_) if !chunk.is_empty() => break,
                        Err(refused) => return Err(server_error(refused.0)),
                    }
                    // The reader's chunks end anywhere between two messages, and keepalives come in between.
                    if dice.percent(10) {
                        chunk.extend(postgres.keepalive(dice).unwrap_or_default());
                    }
                }
                Ok((!chunk.is_empty()).then_some(chunk))
            }
            5..=7 => Ok(postgres.keepalive(dice)),
            8..=9 if busy => {
                drop(world);
                self.publishing.work();
                Ok(None)
            }
            _ => {
                if world.dice.percent(1) && !world.calm {
                    world.story.tell("the connector is asked to leave", || self.instance.name.clone());
                    self.shutdown.ask();
                }
                Ok(None)
            }
        }
    }
}

fn server_error(sqlstate: &str) -> source::Error {
    source::Error::Server(walpost::postgres::ServerError {
        severity: "ERROR".to_owned(),
        sqlstate: sqlstate.to_owned(),
        message: "publication \"walpost\" does not exist".to_owned(),
        detail: None,
        hint: None,
    })
}

impl Feed for ModelFeed {
    fn next(&mut self, _: Instant) -> Result<Option<Chunk>, source::Error> {
        happen(&self.world, &self.instance);
        if self.instance.is_rival {
            self.looks_left = self.looks_left.saturating_sub(1);
            if self.looks_left == 0 {
                self.instance.die();
            }
        }
        if self.instance.is_dead() || self.instance.is_paused() {
            return Err(source::Error::Ended);
        }
        let number = self.world.lock().postgres.walsender.as_ref().map(|walsender| walsender.number);
        if number != Some(self.number) {
            return Err(source::Error::Ended);
        }
        let frames = self.turn()?;
        Ok(frames.map(|frames| Chunk::new(Bytes::from(frames), None)))
    }

    fn nudge(&self) -> Nudge {
        Nudge::new(|| {})
    }
}
