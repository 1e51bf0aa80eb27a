//! Adding partitions to a transaction of version 1, before anything is written to them.
//!
//! A coordinator that is still writing the markers of the transaction before answers CONCURRENT_TRANSACTIONS and adds
//! nothing (TransactionCoordinator.handleAddPartitionsToTransaction); adding a partition twice is the same as once. So
//! this one request is made again, after a millisecond at first: librdkafka and Java wait for 20.

use super::flight::Terms;
use super::producer::{Producer, Protocol};
use super::topics::{Slot, Topics};
use super::{errors, failure};
use crate::kafka::classify::{Call, Class};
use crate::kafka::producer::Failure;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, ApiKey, ProducerId, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(5);
const DOING: &str = "adding partitions to the transaction";

impl Producer {
    /// Before anything is sent to one broker or to all: adds the partitions for which something waits, in one request.
    /// With version 2 that is Produce's work, once it may be done.
    pub(super) fn admit(&mut self, broker: Option<i32>) -> Result<(), Failure> {
        if self.protocol == Protocol::V2 {
            return self.await_markers();
        }
        let mut new = self.flights.waiting(broker);
        new.retain(|slot| !self.topics.at(*slot).is_added);
        if new.is_empty() {
            return Ok(());
        }
        // The coordinator may lead a partition too, and its answers come in order.
        self.flights.land(&self.terms, &mut self.cluster, &mut self.topics)?;
        let asked = request(&self.terms, &new, &self.topics);
        let (answered, mut times) = (self.markers.take(), 0);
        let mut pause = SOON;
        loop {
            times += 1;
            let answer_by = self.answer_by(self.terms.deadline);
            let connection = self.cluster.ready(self.coordinator, answer_by)?;
            let version = connection.version(ApiKey::AddPartitionsToTxn, 0..=3)?;
            let answer: AddPartitionsToTxnResponse =
                connection.ask(ApiKey::AddPartitionsToTxn, version, &asked, answer_by)?;
            connection.heed(answer.throttle_time_ms);
            match verdict(&answer, new.len())? {
                Verdict::Added => break,
                Verdict::Refused(failed) => return Err(failed),
                Verdict::NotReady if Instant::now() + pause >= self.terms.deadline => {
                    return Err(errors::refused(Call::Delivery, DOING, errors::CONCURRENT_TRANSACTIONS));
                }
                Verdict::NotReady => {}
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LATER);
        }
        if let Some(answered) = answered {
            self.markers.learn(times, answered.elapsed());
        }
        for slot in new {
            self.topics.at_mut(slot).is_added = true;
        }
        self.is_known = true;
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Added,
    NotReady,
    Refused(Failure),
}

fn request(terms: &Terms, slots: &[Slot], topics: &Topics) -> AddPartitionsToTxnRequest {
    let of_topics = slots.chunk_by(|left, right| left.topic == right.topic).map(|slots| {
        let name = topics.topic(slots[0].topic).name.to_string();
        AddPartitionsToTxnTopic::default()
            .with_name(TopicName(StrBytes::from_string(name)))
            .with_partitions(slots.iter().map(|slot| slot.partition as i32).collect())
    });
    AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(TransactionalId(StrBytes::from_string(
            terms.transactional_id.clone(),
        )))
        .with_v3_and_below_producer_id(ProducerId(terms.producer_id))
        .with_v3_and_below_producer_epoch(terms.epoch)
        .with_v3_and_below_topics(of_topics.collect())
}

/// All are added, or none is; the error of the one that was wrong says more than that the others were not tried.
fn verdict(answer: &AddPartitionsToTxnResponse, asked: usize) -> Result<Verdict, Failure> {
    let topics = answer.results_by_topic_v3_and_below.iter();
    let results: Vec<_> = topics
        .flat_map(|topic| topic.results_by_partition.iter().map(move |result| (&topic.name, result)))
        .collect();
    if results.len() != asked {
        return Err(failure(Class::Indefinite, format!("{DOING}: an answer leaves a partition out")));
    }
    let mut refused = results.into_iter().filter(|(_, result)| result.partition_error_code != errors::NONE);
    let Some(first) = refused.next() else { return Ok(Verdict::Added) };
    let is_cause = |code| code != errors::OPERATION_NOT_ATTEMPTED;
    let (name, result) = match is_cause(first.1.partition_error_code) {
        true => first,
        false => refused.find(|(_, result)| is_cause(result.partition_error_code)).unwrap_or(first),
    };
    if result.partition_error_code == errors::CONCURRENT_TRANSACTIONS {
        return Ok(Verdict::NotReady);
    }
    let mut failed = errors::refused(Call::Delivery, DOING, result.partition_error_code);
    failed.topic = Some(name.to_string());
    Ok(Verdict::Refused(failed))
}
