//! Where a record goes: its topic, its partition, the batch that takes it, and the leader it waits for.

use super::batch::{Content, Parts};
use super::flight::TOPIC_PATIENCE;
use super::producer::Producer;
use super::topics::Slot;
use super::{errors, failure, murmur2};
use crate::clock::unix_ms;
use crate::kafka::classify::{Call, Class};
use crate::kafka::producer::{Failure, Framed, Record};
use crate::rejection::Reason;
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

/// First and longest wait before a topic is looked up again.
const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(20);
/// Bytes of records in a request, but for a larger one by itself: while it is under way, the next is filled.
const REQUEST: usize = 1 << 20;
/// What a partition takes in a request beside its batch and the topic's name.
const FRAMING: usize = 24;

impl Producer {
    /// Puts a record into the batch of its partition.
    pub(super) fn place<'h>(
        &mut self,
        record: &Record<'_>,
        framed: Framed<'_>,
        own: impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)> + Clone,
    ) -> Result<(), Failure> {
        let content = Content {
            timestamp_ms: record.timestamp_ms.unwrap_or_else(unix_ms),
            key: record.key,
            value: record.value,
            framed,
        };
        let parts = Parts::of(&content, own.clone());
        if parts.size_alone() > self.settings.request_bytes {
            let what = format!(
                "{} bytes, and max.request.size is {}",
                parts.size_alone(),
                self.settings.request_bytes
            );
            return Err(self.refused(record, Reason::TooLarge, what));
        }
        let (slot, broker) = self.slot(record)?;
        let size = parts.size_at_most();
        let most = self.topics.topic(slot.topic).limit.min(self.settings.batch_bytes);
        let filling = &self.topics.at(slot).filling;
        let is_full = !filling.is_empty() && filling.bytes() + size > most;
        let waiting = self.flights.waiting_bytes(broker);
        if is_full || waiting > 0 && waiting + size > self.settings.request_bytes.min(REQUEST) {
            self.admit(Some(broker))?;
            self.flights.launch(broker, &self.terms, &mut self.cluster, &mut self.topics)?;
        }
        let filling = &mut self.topics.at_mut(slot).filling;
        let (is_first, before) = (filling.is_empty(), filling.bytes());
        filling.append(&content, parts, own, self.sent);
        let framing = if is_first { before + FRAMING + record.topic.len() } else { 0 };
        let added = self.topics.at(slot).filling.bytes() - before + framing;
        self.flights.wait(broker, slot, added, is_first);
        Ok(())
    }

    /// The record's partition, and the broker that leads it.
    fn slot(&mut self, record: &Record<'_>) -> Result<(Slot, i32), Failure> {
        let topic = match self.topics.find(record.topic) {
            Some(topic) => topic,
            None => {
                self.meet(&[record.topic])?;
                self.topics.find(record.topic).unwrap_or_default()
            }
        };
        let mut count = self.topics.topic(topic).partitions.len();
        if record.partition.is_some_and(|partition| partition < 0 || partition as usize >= count) {
            self.meet(&[record.topic])?;
            count = self.topics.topic(topic).partitions.len();
        }
        let partition = match (record.partition, record.key) {
            (Some(partition), _) => partition as usize,
            (None, Some(key)) => murmur2::partition(key, count as i32) as usize,
            (None, None) => self.transactions % count.max(1),
        };
        if partition >= count {
            let what = format!("partition {partition} of topic {}, which has {count}", record.topic);
            return Err(self.refused(record, Reason::PartitionIllegal, what));
        }
        let slot = Slot { topic, partition };
        let mut pause = SOON;
        while self.topics.at(slot).leader < 0 {
            if Instant::now() + pause >= self.terms.deadline {
                let what = format!("sending a record: {} has no leader", self.topics.name(slot));
                return Err(failure(Class::Abortable, what));
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LATER);
            self.meet(&[record.topic])?;
        }
        Ok((slot, self.topics.at(slot).leader))
    }

    fn refused(&self, record: &Record<'_>, reason: Reason, what: String) -> Failure {
        Failure {
            class: Class::RecordRefused(reason),
            message: format!("sending a record: {what}"),
            topic: Some(record.topic.to_owned()),
            record: Some(self.sent),
        }
    }

    /// Looks topics up that are new here, all of them at once: before the transaction that needs them, that keeps nobody
    /// waiting.
    pub fn prepare<'t>(&mut self, topics: impl Iterator<Item = &'t str>) -> Result<(), Failure> {
        let new: BTreeSet<&str> = topics.filter(|topic| self.topics.position(topic).is_none()).collect();
        if new.is_empty() {
            return Ok(());
        }
        self.terms.deadline = Instant::now() + self.settings.transaction_timeout;
        self.meet(&new.into_iter().collect::<Vec<_>>())
    }

    /// Looks topics up.
    fn meet(&mut self, names: &[&str]) -> Result<(), Failure> {
        // Answers to other questions must not be in the way.
        self.flights.land(&self.terms, &mut self.cluster, &mut self.topics)?;
        let patience = self.terms.deadline.min(Instant::now() + TOPIC_PATIENCE);
        let mut pause = SOON;
        let facts = loop {
            let facts = self.cluster.describe(names, self.answer_by(self.terms.deadline))?;
            let code = |name: &str| {
                let facts = facts.iter().find(|facts| facts.name == name);
                facts.map_or(errors::UNKNOWN_TOPIC_OR_PARTITION, |facts| facts.code)
            };
            let wrong = names.iter().map(|name| (*name, code(name))).find(|(_, code)| *code != errors::NONE);
            match wrong {
                None => break facts,
                Some((_, errors::UNKNOWN_TOPIC_OR_PARTITION | errors::LEADER_NOT_AVAILABLE))
                    if Instant::now() + pause < patience => {}
                Some((name, code)) => {
                    let mut failed =
                        errors::refused(Call::Delivery, &format!("looking up topic {name}"), code);
                    failed.topic = Some(name.to_owned());
                    return Err(failed);
                }
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LATER);
        };
        let limits = self.cluster.limits(names, self.answer_by(self.terms.deadline))?;
        for facts in &facts {
            self.topics.learn(facts, limits.get(&facts.name).copied());
        }
        Ok(())
    }

    /// Looks all topics up again: partitions may have been added, and leaders have changed. What is wrong with one of
    /// them shows when something is sent to it.
    pub(super) fn look_again(&mut self) -> Result<(), Failure> {
        self.looked = Instant::now();
        let answer_by = self.answer_by(self.terms.deadline);
        let facts = match self.topics.names() {
            names if names.is_empty() => return Ok(()),
            names => self.cluster.describe(&names, answer_by)?,
        };
        for facts in facts.iter().filter(|facts| facts.code == errors::NONE) {
            self.topics.learn(facts, None);
        }
        Ok(())
    }
}
