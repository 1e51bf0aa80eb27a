//! Kafka, as one producer sees it: requests that fail, that are applied without an answer, that are under way for long.
//!
//! What was sent and not waited for may arrive late or never. What is under way when an instance dies stays under way.

use crate::broker::{Answer, Late, Record, Request};
use crate::connector::Instance;
use crate::happen::happen;
use crate::life::LETTERS;
use crate::world::{Shared, World};
use std::sync::{Arc, MutexGuard};
use walpost::encode::{Outgoing, RecordRef};
use walpost::publish::{Class, Outlet, OutletError};
use walpost::rejection::Reason;

/// A producer of one epoch.
pub struct ModelOutlet {
    world: Shared,
    instance: Arc<Instance>,
    epoch: u32,
    /// Sent, and not arrived.
    in_flight: Vec<Record>,
    /// The first record that was not delivered; none after it is.
    failure: Option<Class>,
    /// Its number.
    failed: Option<usize>,
    sent: usize,
    /// Of these, how many were not yet waited for.
    unsettled: usize,
}

fn failed<T>(class: Class, record: Option<usize>) -> Result<T, OutletError> {
    Err(OutletError { class, message: format!("{class:?}"), topic: Some("t".to_owned()), record })
}

const TOO_LARGE: Class = Class::RecordRefused(Reason::TooLarge);

impl ModelOutlet {
    pub fn new(world: &Shared, instance: &Arc<Instance>, epoch: u32) -> ModelOutlet {
        let (world, instance) = (world.clone(), Arc::clone(instance));
        let in_flight = Vec::new();
        ModelOutlet { world, instance, epoch, in_flight, failure: None, failed: None, sent: 0, unsettled: 0 }
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
        (self.sent, self.unsettled) = (0, 0);
        Ok(())
    }

    fn send(&mut self, record: &RecordRef<'_>) -> Result<(), OutletError> {
        let number = self.sent;
        self.sent += 1;
        self.unsettled += 1;
        {
            let mut world = self.enter()?;
            Self::fault(&mut world, "sending fails", &[Class::Fatal, Class::Indefinite, Class::Abortable])?;
        }
        if record.topic.starts_with("heartbeat") {
            self.push(Record::Heartbeat);
            return Ok(());
        }
        let text = std::str::from_utf8(record.value.unwrap_or_default()).unwrap_or_default();
        // The letter of a message has all of it.
        let text = text.split_once(r#""payload":""#).map_or(text, |(_, payload)| payload);
        let (id, rest) = text.split_once(' ').unwrap_or_default();
        match rest {
            _ if **record.topic == *LETTERS => {
                self.world.lock().story.counts.add("a dead letter", 1);
                self.push(Record::Event(id.parse().unwrap_or_default()));
            }
            "too large here" => return failed(TOO_LARGE, Some(number)),
            "too large there" if self.failure.is_none() => {
                (self.failure, self.failed) = (Some(TOO_LARGE), Some(number));
            }
            "too large there" => {}
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
        // Of several records that come with one request, all fail, and nobody says for which of them.
        let is_one = std::mem::take(&mut self.unsettled) <= 1;
        match self.failure {
            Some(class) => failed(class, self.failed.filter(|_| is_one)),
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
