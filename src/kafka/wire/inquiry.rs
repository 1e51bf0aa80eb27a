//! What brokers say of other producers' transactions: which are open in a partition, and whose they are.
//!
//! Nothing is changed by asking. A partition's leader knows producers by number only (DescribeProducers, to which whoever
//! may read the topic is entitled); the coordinator knows a transactional id (DescribeTransactions, with Describe on the
//! id). A transaction that is open in a partition and of which no coordinator knows hangs: it ends only when an
//! administrator ends it (KIP-664).

use super::cluster::Cluster;
use super::connection::Connection;
use super::settings::Settings;
use super::{errors, failure};
use crate::kafka::Error;
use crate::kafka::classify::{Call, Class};
use crate::kafka::producer::{Failure, kind};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{
    ApiKey, DescribeProducersRequest, DescribeProducersResponse, DescribeTransactionsRequest,
    DescribeTransactionsResponse, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A transaction that is open in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// The number of the producer that began it.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i32,
    /// The epoch of the coordinator that last ended one of this producer's transactions there, or −1.
    pub coordinator_epoch: i32,
    /// Where its first record is: no consumer that reads committed records gets further.
    pub start_offset: i64,
}

/// A transactional id as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionFacts {
    /// `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit`, `CompleteAbort`, `Dead`, as Kafka spells it.
    pub state: String,
    /// The number of its producer.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Topics and partitions of a transaction that is not over.
    pub partitions: Vec<(String, i32)>,
}

/// Asks about transactions.
pub struct Inquiry {
    pub(super) settings: Arc<Settings>,
    pub(super) cluster: Cluster,
}

impl Inquiry {
    /// With settings by librdkafka's names. Connects when something is asked.
    pub fn new(settings: &BTreeMap<String, String>) -> Result<Inquiry, Error> {
        let settings = Arc::new(Settings::new(settings)?);
        Ok(Inquiry { cluster: Cluster::new(settings.clone()), settings })
    }

    /// The transactions that are open in these partitions, in the order of topics and partitions.
    pub fn open_transactions(
        &mut self,
        partitions: &[(&str, i32)],
        timeout: Duration,
    ) -> Result<Vec<OpenTransaction>, Error> {
        let deadline = Instant::now() + timeout.min(self.settings.request_timeout);
        self.try_open(partitions, deadline)
            .map_err(|failed| self.failed("looking for open transactions", &failed))
    }

    /// What the coordinator knows of a transactional id; none when it does not know it.
    pub fn describe_transaction(
        &mut self,
        transactional_id: &str,
        timeout: Duration,
    ) -> Result<Option<TransactionFacts>, Error> {
        let deadline = Instant::now() + timeout.min(self.settings.request_timeout);
        let told = self.try_describe(transactional_id, deadline);
        told.map_err(|failed| {
            self.failed(&format!("asking about transactional id {transactional_id}"), &failed)
        })
    }

    fn try_open(
        &mut self,
        partitions: &[(&str, i32)],
        deadline: Instant,
    ) -> Result<Vec<OpenTransaction>, Failure> {
        let mut open = Vec::new();
        for (leader, topics) in self.by_leader(partitions, deadline)? {
            let connection = self.cluster.ready(leader, deadline)?;
            let version = connection.version(ApiKey::DescribeProducers, 0..=0)?;
            let topics = topics.into_iter().map(|(topic, partitions)| {
                let name = TopicName(StrBytes::from_string(topic.to_owned()));
                TopicRequest::default().with_name(name).with_partition_indexes(partitions)
            });
            let asked = DescribeProducersRequest::default().with_topics(topics.collect());
            let answer: DescribeProducersResponse =
                connection.ask(ApiKey::DescribeProducers, version, &asked, deadline)?;
            hear(&answer, &mut open)?;
        }
        open.sort_by(|left, right| (&left.topic, left.partition).cmp(&(&right.topic, right.partition)));
        Ok(open)
    }

    /// Whom to ask about what.
    pub(super) fn by_leader<'p>(
        &mut self,
        partitions: &[(&'p str, i32)],
        deadline: Instant,
    ) -> Result<BTreeMap<i32, BTreeMap<&'p str, Vec<i32>>>, Failure> {
        let mut names: Vec<&str> = partitions.iter().map(|(topic, _)| *topic).collect();
        names.sort_unstable();
        names.dedup();
        let facts = self.cluster.describe(&names, deadline)?;
        let mut asked: BTreeMap<i32, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
        for &(topic, partition) in partitions {
            let facts = facts.iter().find(|facts| facts.name == topic);
            let code = facts.map_or(errors::UNKNOWN_TOPIC_OR_PARTITION, |facts| facts.code);
            if code != errors::NONE {
                return Err(errors::refused(Call::Init, &format!("topic {topic}"), code));
            }
            let leader = facts.and_then(|facts| facts.leaders.get(usize::try_from(partition).ok()?)).copied();
            let leader = leader.filter(|leader| *leader >= 0);
            let leader = leader
                .ok_or_else(|| failure(Class::Retriable, format!("{topic}-{partition} has no leader")))?;
            asked.entry(leader).or_default().entry(topic).or_default().push(partition);
        }
        Ok(asked)
    }

    fn try_describe(&mut self, id: &str, deadline: Instant) -> Result<Option<TransactionFacts>, Failure> {
        let coordinator = self.cluster.coordinator(id, deadline)?;
        let connection = self.cluster.ready(coordinator, deadline)?;
        let version = connection.version(ApiKey::DescribeTransactions, 0..=0)?;
        let answer: DescribeTransactionsResponse =
            connection.ask(ApiKey::DescribeTransactions, version, &about(id), deadline)?;
        facts(&answer, id)
    }

    /// Connections that may be of no use are not kept.
    pub(super) fn failed(&mut self, doing: &str, failed: &Failure) -> Error {
        self.cluster.forget();
        Error { kind: kind(failed.class), message: format!("{doing}: {failed}") }
    }
}

/// What the coordinator answers about one transactional id; none from a broker that does not know the question.
pub(super) fn ask(
    connection: &mut Connection,
    id: &str,
    answer_by: Instant,
) -> Result<Option<DescribeTransactionsResponse>, Failure> {
    let Ok(version) = connection.version(ApiKey::DescribeTransactions, 0..=0) else { return Ok(None) };
    connection.ask(ApiKey::DescribeTransactions, version, &about(id), answer_by).map(Some)
}

/// The question about one transactional id.
fn about(id: &str) -> DescribeTransactionsRequest {
    let ids = vec![TransactionalId(StrBytes::from_string(id.to_owned()))];
    DescribeTransactionsRequest::default().with_transactional_ids(ids)
}

/// What the answer says of it; none when the coordinator does not know it.
pub(super) fn facts(
    answer: &DescribeTransactionsResponse,
    id: &str,
) -> Result<Option<TransactionFacts>, Failure> {
    let state = answer.transaction_states.iter().find(|state| &*state.transactional_id.0 == id);
    let state = state.ok_or_else(|| failure(Class::Fatal, "the answer is about something else"))?;
    match state.error_code {
        errors::NONE => {}
        errors::TRANSACTIONAL_ID_NOT_FOUND => return Ok(None),
        code => return Err(errors::refused(Call::Init, "the coordinator", code)),
    }
    let partitions = state
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic.to_string(), *partition)));
    Ok(Some(TransactionFacts {
        state: state.transaction_state.to_string(),
        producer_id: state.producer_id.0,
        epoch: state.producer_epoch,
        partitions: partitions.collect(),
    }))
}

fn hear(answer: &DescribeProducersResponse, open: &mut Vec<OpenTransaction>) -> Result<(), Failure> {
    for topic in &answer.topics {
        for partition in &topic.partitions {
            let name = format!("{}-{}", &**topic.name, partition.partition_index);
            if partition.error_code != errors::NONE {
                return Err(errors::refused(Call::Init, &name, partition.error_code));
            }
            let producers = partition.active_producers.iter();
            let with_one = producers.filter(|producer| producer.current_txn_start_offset >= 0);
            open.extend(with_one.map(|producer| OpenTransaction {
                topic: topic.name.to_string(),
                partition: partition.partition_index,
                producer_id: producer.producer_id.0,
                epoch: producer.producer_epoch,
                coordinator_epoch: producer.coordinator_epoch,
                start_offset: producer.current_txn_start_offset,
            }));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{Act, Scripted};
    use super::*;
    use crate::kafka::ErrorKind;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn open(topic: &str, partition: i32, start_offset: i64) -> OpenTransaction {
        OpenTransaction {
            topic: topic.to_owned(),
            partition,
            producer_id: 7,
            epoch: 3,
            coordinator_epoch: 0,
            start_offset,
        }
    }

    #[test]
    fn every_leader_is_asked_about_its_own_and_what_is_not_open_is_not_told() {
        let kafka = Scripted::start(2, 2, &[("t", 4), ("u", 1)]);
        kafka.state().open = vec![open("t", 1, 5), open("t", 2, 0), open("u", 0, 9), open("t", 0, -1)];
        let mut inquiry = Inquiry::new(&kafka.settings()).expect("settings");
        let asked = [("u", 0), ("t", 0), ("t", 1), ("t", 2), ("t", 3)];
        let found = inquiry.open_transactions(&asked, PATIENCE).expect("an answer");
        assert_eq!(found, [open("t", 1, 5), open("t", 2, 0), open("u", 0, 9)]);
        assert_eq!(kafka.count(ApiKey::DescribeProducers), 2);
        for wrong in [("v", 0), ("t", 4), ("t", -1)] {
            inquiry.open_transactions(&[wrong], PATIENCE).expect_err("no such partition");
        }
        kafka.then(ApiKey::DescribeProducers, Act::Refuse(29));
        let denied = inquiry.open_transactions(&[("t", 0)], PATIENCE).expect_err("a refusal");
        assert_eq!(denied.kind, ErrorKind::Denied, "{denied}");
        kafka.then(ApiKey::DescribeProducers, Act::CloseBefore);
        let lost = inquiry.open_transactions(&[("t", 0)], PATIENCE).expect_err("no answer");
        assert_eq!(lost.kind, ErrorKind::Transient, "{lost}");
        inquiry.open_transactions(&[("t", 0)], PATIENCE).expect("over a new connection");
    }

    #[test]
    fn a_transactional_id_is_described_if_it_is_known() {
        let kafka = Scripted::start(1, 2, &[("t", 2)]);
        kafka.state().added = vec![("t".to_owned(), 0), ("t".to_owned(), 1)];
        let mut inquiry = Inquiry::new(&kafka.settings()).expect("settings");
        let told = inquiry.describe_transaction("id", PATIENCE).expect("an answer").expect("facts");
        assert_eq!((told.state.as_str(), told.producer_id, told.epoch), ("Ongoing", 7, -1));
        assert_eq!(told.partitions, [("t".to_owned(), 0), ("t".to_owned(), 1)]);
        kafka.then(ApiKey::DescribeTransactions, Act::Refuse(105));
        assert_eq!(inquiry.describe_transaction("id", PATIENCE), Ok(None));
        kafka.then(ApiKey::DescribeTransactions, Act::Refuse(53));
        let denied = inquiry.describe_transaction("id", PATIENCE).expect_err("a refusal");
        assert_eq!(denied.kind, ErrorKind::Denied, "{denied}");
    }
}
