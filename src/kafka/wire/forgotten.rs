//! Ending what a coordinator has decided and then forgot to end in some partition (KAFKA-20734).
//!
//! How a transaction ends is decided when its coordinator has written so; the markers in the partitions only tell. So where
//! a marker is missing, and the coordinator's word is known, the marker is written as an administrator would have it
//! written (WriteTxnMarkers, KIP-664), with the outcome that was decided. In transactions of version 2 each has an epoch
//! of its own, and its end the next one: from a state that is decided follows which records it is about. In version 1 a
//! commit has the epoch of its records, and nothing is concluded; an abort by a fence has the next one, and may be of the
//! last of several transactions with these.

use super::inquiry::{Inquiry, OpenTransaction, TransactionFacts};
use super::{errors, failure};
use crate::kafka::Error;
use crate::kafka::classify::{Call, Class};
use crate::kafka::producer::Failure;
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::{
    ApiKey, ProducerId, TopicName, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use kafka_protocol::protocol::StrBytes;
use std::time::{Duration, Instant};

/// How the last transaction of a transactional id ends, by its coordinator's own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The number of its producer.
    pub producer_id: i64,
    /// The epoch of its end, one more than that of its records.
    pub epoch: i16,
    /// Whether it is committed.
    pub commits: bool,
    /// Topics and partitions to which the coordinator still had to tell.
    pub partitions: Vec<(String, i32)>,
}

impl Decided {
    /// None while nothing is decided, or nothing is known any more.
    pub(super) fn of(facts: TransactionFacts) -> Option<Decided> {
        let commits = match facts.state.as_str() {
            "PrepareCommit" | "CompleteCommit" => true,
            "PrepareAbort" | "CompleteAbort" => false,
            _ => return None,
        };
        let TransactionFacts { producer_id, epoch, partitions, .. } = facts;
        Some(Decided { producer_id, epoch, commits, partitions })
    }

    /// What is known when this was heard after that. Once all are told, a coordinator names no partitions any more.
    pub(super) fn latest(before: Option<Decided>, heard: Option<Decided>) -> Option<Decided> {
        let is_same = |before: &Decided, heard: &Decided| {
            (before.producer_id, before.epoch) == (heard.producer_id, heard.epoch)
        };
        match (before, heard) {
            (Some(before), Some(heard)) if is_same(&before, &heard) && heard.partitions.is_empty() => {
                Some(before)
            }
            (before, heard) => heard.or(before),
        }
    }

    /// Whether these records may be of that transaction; if it was committed, whether they are.
    pub fn is_of(&self, open: &OpenTransaction) -> bool {
        open.producer_id == self.producer_id && open.epoch + 1 == i32::from(self.epoch)
    }
}

impl Inquiry {
    /// Ends an open transaction in its partition as it was decided. The same again does no harm. Takes Alter on the cluster.
    pub fn end(&mut self, open: &OpenTransaction, decided: &Decided, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout.min(self.settings.request_timeout);
        self.try_end(open, decided, deadline).map_err(|failed| {
            let doing = format!("ending a transaction in {}-{}", open.topic, open.partition);
            self.failed(&doing, &failed)
        })
    }

    fn try_end(
        &mut self,
        open: &OpenTransaction,
        decided: &Decided,
        deadline: Instant,
    ) -> Result<(), Failure> {
        if !decided.is_of(open) {
            return Err(failure(Class::Fatal, "what was decided is about another one"));
        }
        let leaders = self.by_leader(&[(open.topic.as_str(), open.partition)], deadline)?;
        let leader = *leaders.keys().next().expect("one partition has one leader");
        let connection = self.cluster.ready(leader, deadline)?;
        let version = connection.version(ApiKey::WriteTxnMarkers, 1..=1)?;
        let answer: WriteTxnMarkersResponse =
            connection.ask(ApiKey::WriteTxnMarkers, version, &marker(open, decided), deadline)?;
        let topics = answer.markers.iter().flat_map(|marker| &marker.topics);
        let mut partitions = topics.flat_map(|topic| &topic.partitions);
        match partitions.next().map(|partition| partition.error_code) {
            Some(errors::NONE) => Ok(()),
            Some(code) => Err(errors::refused(Call::Init, "its leader", code)),
            None => Err(failure(Class::Retriable, "the answer is about something else")),
        }
    }
}

fn marker(open: &OpenTransaction, decided: &Decided) -> WriteTxnMarkersRequest {
    let topic = WritableTxnMarkerTopic::default()
        .with_name(TopicName(StrBytes::from_string(open.topic.clone())))
        .with_partition_indexes(vec![open.partition]);
    let marker = WritableTxnMarker::default()
        .with_producer_id(ProducerId(open.producer_id))
        .with_producer_epoch(decided.epoch)
        .with_coordinator_epoch(open.coordinator_epoch)
        .with_transaction_result(decided.commits)
        .with_topics(vec![topic]);
    WriteTxnMarkersRequest::default().with_markers(vec![marker])
}

#[cfg(test)]
mod tests {
    use super::super::producer::Producer;
    use super::super::scripted::{Act, Scripted};
    use super::*;
    use crate::kafka::ErrorKind;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn facts(state: &str, epoch: i16) -> TransactionFacts {
        let partitions = vec![("t".to_owned(), 1)];
        TransactionFacts { state: state.to_owned(), producer_id: 7, epoch, partitions }
    }

    fn open(producer_id: i64, epoch: i32) -> OpenTransaction {
        let topic = "t".to_owned();
        OpenTransaction { topic, partition: 1, producer_id, epoch, coordinator_epoch: 4, start_offset: 5 }
    }

    #[test]
    fn a_decided_state_is_about_the_records_of_the_epoch_before_and_no_others() {
        for (state, commits) in [
            ("PrepareCommit", Some(true)),
            ("CompleteCommit", Some(true)),
            ("PrepareAbort", Some(false)),
            ("CompleteAbort", Some(false)),
            ("Ongoing", None),
            ("PrepareEpochFence", None),
            ("Empty", None),
            ("Dead", None),
        ] {
            assert_eq!(Decided::of(facts(state, 3)).map(|decided| decided.commits), commits, "{state}");
        }
        let decided = Decided::of(facts("CompleteCommit", 3)).expect("decided");
        assert!(decided.is_of(&open(7, 2)));
        for other in [open(7, 3), open(7, 1), open(8, 2)] {
            assert!(!decided.is_of(&other), "{other:?}");
        }
    }

    #[test]
    fn what_is_heard_later_counts_and_names_are_kept() {
        let of = |state, epoch| Decided::of(facts(state, epoch));
        let told = Decided::of(TransactionFacts { partitions: Vec::new(), ..facts("CompleteCommit", 3) });
        let named = of("PrepareCommit", 3);
        assert_eq!(Decided::latest(named.clone(), told.clone()), named);
        assert_eq!(Decided::latest(of("CompleteCommit", 2), told.clone()), told);
        assert_eq!(Decided::latest(None, told.clone()), told);
        assert_eq!(Decided::latest(told.clone(), None), told);
    }

    #[test]
    fn a_fence_hears_how_the_transaction_before_it_ends() {
        let kafka = Scripted::start(1, 2, &[("t", 2)]);
        kafka.state().added = vec![("t".to_owned(), 1)];
        let producer = Producer::fenced(&kafka.settings(), "id", PATIENCE).expect("a fence");
        assert_eq!(producer.decided(), None, "it was open until the fence");
        kafka.state().unwritten = 1;
        // What is heard while the coordinator is still telling is not forgotten when it has told.
        kafka.then(ApiKey::InitProducerId, Act::Refuse(errors::CONCURRENT_TRANSACTIONS));
        let epoch = kafka.state().epoch;
        let producer = Producer::fenced(&kafka.settings(), "id", PATIENCE).expect("a fence");
        let partitions = vec![("t".to_owned(), 1)];
        let decided = Decided { producer_id: 7, epoch, commits: true, partitions };
        assert_eq!(producer.decided(), Some(&decided));
        // A coordinator that tells nothing is fenced all the same.
        kafka.then(ApiKey::DescribeTransactions, Act::Refuse(53));
        let producer = Producer::fenced(&kafka.settings(), "id", PATIENCE).expect("a fence");
        assert_eq!(producer.decided(), None);
    }

    #[test]
    fn the_leader_is_told_what_was_decided() {
        let kafka = Scripted::start(2, 2, &[("t", 2)]);
        let decided = Decided::of(facts("PrepareAbort", 3)).expect("decided");
        let mut inquiry = Inquiry::new(&kafka.settings()).expect("settings");
        inquiry.end(&open(7, 2), &decided, PATIENCE).expect("an end");
        assert_eq!(kafka.state().markers, [(("t".to_owned(), 1), 3, 4, false)]);
        inquiry.end(&open(7, 3), &decided, PATIENCE).expect_err("another one");
        kafka.then(ApiKey::WriteTxnMarkers, Act::Refuse(31));
        let denied = inquiry.end(&open(7, 2), &decided, PATIENCE).expect_err("a refusal");
        assert_eq!(denied.kind, ErrorKind::Denied, "{denied}");
        kafka.then(ApiKey::WriteTxnMarkers, Act::Refuse(errors::NOT_LEADER));
        let passing = inquiry.end(&open(7, 2), &decided, PATIENCE).expect_err("a refusal");
        assert_eq!(passing.kind, ErrorKind::Transient, "{passing}");
        assert_eq!(kafka.state().markers.len(), 1);
    }
}
