//! Brokers that do what a script says, for tests: real connections, the protocol's own messages, and a log that checks
//! sequence numbers as Kafka's does. What the script does not speak of goes well.

use super::inquiry::OpenTransaction;
use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey};
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, ApiKey, ApiVersionsResponse, BrokerId,
    DescribeProducersRequest, DescribeProducersResponse, DescribeTransactionsRequest,
    DescribeTransactionsResponse, EndTxnRequest, EndTxnResponse, FindCoordinatorResponse,
    InitProducerIdResponse, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse, ProducerId,
    RequestHeader, ResponseHeader, TopicName, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use kafka_protocol::records::{Record, RecordBatchDecoder};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

/// What happens to one request instead of going well.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// It is refused; a Produce or an AddPartitionsToTxn in all its partitions.
    Refuse(i16),
    /// One partition of it is.
    RefuseOne(&'static str, i32, i16),
    /// It is carried out and not answered; the connection stays.
    Silence,
    /// It is carried out, and the connection closed.
    CloseAfter,
    /// It is lost with its connection.
    CloseBefore,
    /// The answer is another request's.
    Confuse,
}

/// A cluster of such brokers; the first of them coordinates.
#[derive(Clone)]
pub(super) struct Scripted {
    addresses: Arc<Vec<(String, u16)>>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(super) struct State {
    pub transaction_version: i16,
    brokers: i32,
    /// By how much every partition's leader is another one than at first.
    pub turned: i32,
    /// Topics and how many partitions they have.
    pub topics: BTreeMap<String, i32>,
    pub script: VecDeque<(ApiKey, Act)>,
    /// Requests in order.
    pub seen: Vec<(ApiKey, i16)>,
    /// Whether each EndTxn was to commit.
    pub ends: Vec<bool>,
    /// What each partition holds.
    pub log: BTreeMap<(String, i32), Vec<Record>>,
    pub epoch: i16,
    /// Partitions that were added to the transaction, as far as the old protocol tells.
    pub added: Vec<(String, i32)>,
    /// What is said of open transactions.
    pub open: Vec<OpenTransaction>,
    /// What it was told to end: partition, epochs of the producer and of the coordinator, whether it commits.
    pub markers: Vec<((String, i32), i16, i32, bool)>,
    /// How often a coordinator says after each EndTxn that its markers are not written yet.
    pub slow_markers: usize,
    pub unwritten: usize,
    /// What the answer to a Produce says that a quota costs.
    pub throttle_ms: i32,
    sequences: BTreeMap<(String, i32), (i16, i32)>,
}

impl Scripted {
    /// So many brokers, and transactions of this version.
    pub(super) fn start(brokers: usize, transaction_version: i16, topics: &[(&str, i32)]) -> Scripted {
        let listeners: Vec<_> =
            (0..brokers).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let address = |listener: &TcpListener| {
            let address = listener.local_addr().expect("its address");
            (address.ip().to_string(), address.port())
        };
        let topics = topics.iter().map(|(name, partitions)| ((*name).to_owned(), *partitions)).collect();
        let state =
            State { transaction_version, brokers: brokers as i32, topics, epoch: -1, ..State::default() };
        let scripted = Scripted {
            addresses: Arc::new(listeners.iter().map(address).collect()),
            state: Arc::new(Mutex::new(state)),
        };
        for (listener, broker) in listeners.into_iter().zip(1..) {
            let accepting = scripted.clone();
            thread::spawn(move || {
                for socket in listener.incoming().map_while(Result::ok) {
                    let serving = accepting.clone();
                    thread::spawn(move || serving.serve(broker, socket));
                }
            });
        }
        scripted
    }

    pub(super) fn settings(&self) -> BTreeMap<String, String> {
        let (host, port) = &self.addresses[0];
        [("bootstrap.servers".to_owned(), format!("{host}:{port}"))].into()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while holding it")
    }

    pub(super) fn then(&self, api: ApiKey, act: Act) {
        self.state().script.push_back((api, act));
    }

    /// How many requests of this kind there were.
    pub(super) fn count(&self, api: ApiKey) -> usize {
        self.state().seen.iter().filter(|(seen, _)| *seen == api).count()
    }

    fn serve(&self, broker: i32, mut socket: TcpStream) -> Option<()> {
        loop {
            let mut length = [0; 4];
            socket.read_exact(&mut length).ok()?;
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            socket.read_exact(&mut frame).ok()?;
            let mut frame = Bytes::from(frame);
            let api = ApiKey::try_from(i16::from_be_bytes([frame[0], frame[1]])).ok()?;
            let version = i16::from_be_bytes([frame[2], frame[3]]);
            let header = RequestHeader::decode(&mut frame, api.request_header_version(version)).ok()?;
            let act = {
                let mut state = self.state();
                state.seen.push((api, version));
                let at = state.script.iter().position(|(scripted, _)| *scripted == api);
                at.and_then(|at| state.script.remove(at)).map(|(_, act)| act)
            };
            if matches!(act, Some(Act::CloseBefore)) {
                return None;
            }
            let body = self.answer(broker, (api, version), frame, act.as_ref());
            let correlation = match act {
                Some(Act::Silence) => continue,
                Some(Act::CloseAfter) => return None,
                Some(Act::Confuse) => header.correlation_id + 1,
                _ => header.correlation_id,
            };
            let mut answer = BytesMut::new();
            let header = ResponseHeader::default().with_correlation_id(correlation);
            header.encode(&mut answer, api.response_header_version(version)).ok()?;
            answer.extend_from_slice(&body);
            socket.write_all(&(answer.len() as u32).to_be_bytes()).ok()?;
            socket.write_all(&answer).ok()?;
        }
    }

    fn answer(
        &self,
        broker: i32,
        (api, version): (ApiKey, i16),
        mut body: Bytes,
        act: Option<&Act>,
    ) -> BytesMut {
        let mut state = self.state();
        let code = match act {
            Some(Act::Refuse(code)) => *code,
            _ => 0,
        };
        match api {
            ApiKey::ApiVersions => encode(&state.versions(), version),
            ApiKey::Metadata => {
                let asked: MetadataRequest = decode(&mut body, version);
                encode(&state.metadata(&asked, &self.addresses), version)
            }
            ApiKey::FindCoordinator => {
                let (host, port) = &self.addresses[0];
                let host = StrBytes::from_string(host.clone());
                let answer =
                    FindCoordinatorResponse::default().with_error_code(code).with_node_id(BrokerId(1));
                encode(&answer.with_host(host).with_port(i32::from(*port)), version)
            }
            ApiKey::InitProducerId => {
                if code == 0 {
                    state.epoch += 1;
                }
                let answer = InitProducerIdResponse::default().with_error_code(code);
                encode(&answer.with_producer_id(ProducerId(7)).with_producer_epoch(state.epoch), version)
            }
            ApiKey::AddPartitionsToTxn => encode(&state.add(&decode(&mut body, version), code), version),
            ApiKey::Produce => encode(&state.append(broker, decode(&mut body, version), act), version),
            ApiKey::DescribeProducers => encode(&state.producers(&decode(&mut body, version), code), version),
            ApiKey::DescribeTransactions => {
                encode(&state.transactions(&decode(&mut body, version), code), version)
            }
            ApiKey::WriteTxnMarkers => encode(&state.mark(&decode(&mut body, version), code), version),
            ApiKey::EndTxn => encode(&state.end(&decode(&mut body, version), version, code), version),
            other => panic!("nobody here answers {other:?}"),
        }
    }
}

impl State {
    fn versions(&self) -> ApiVersionsResponse {
        let offered = [
            (ApiKey::Produce, 3, 13),
            (ApiKey::Metadata, 0, 13),
            (ApiKey::FindCoordinator, 0, 6),
            (ApiKey::ApiVersions, 0, 4),
            (ApiKey::InitProducerId, 0, 6),
            (ApiKey::AddPartitionsToTxn, 0, 5),
            (ApiKey::EndTxn, 0, 5),
            (ApiKey::DescribeProducers, 0, 0),
            (ApiKey::DescribeTransactions, 0, 0),
            (ApiKey::WriteTxnMarkers, 1, 2),
        ];
        let offered = offered.map(|(api, least, most)| {
            ApiVersion::default().with_api_key(api as i16).with_min_version(least).with_max_version(most)
        });
        let feature = FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str("transaction.version"))
            .with_max_version_level(self.transaction_version);
        ApiVersionsResponse::default().with_api_keys(offered.to_vec()).with_finalized_features(vec![feature])
    }

    fn leader(&self, index: i32) -> i32 {
        1 + (index + self.turned) % self.brokers
    }

    fn metadata(&self, asked: &MetadataRequest, addresses: &[(String, u16)]) -> MetadataResponse {
        let brokers = addresses.iter().zip(1..).map(|((host, port), id)| {
            let host = StrBytes::from_string(host.clone());
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(id))
                .with_host(host)
                .with_port(i32::from(*port))
        });
        let topics = asked.topics.iter().flatten().map(|topic| {
            let name = topic.name.clone().expect("a name");
            let answer = MetadataResponseTopic::default().with_name(Some(name.clone()));
            let Some(partitions) = self.topics.get(name.as_str()) else { return answer.with_error_code(3) };
            let partitions = (0..*partitions).map(|index| {
                let leader = BrokerId(self.leader(index));
                MetadataResponsePartition::default().with_partition_index(index).with_leader_id(leader)
            });
            answer.with_partitions(partitions.collect())
        });
        MetadataResponse::default().with_brokers(brokers.collect()).with_topics(topics.collect())
    }

    fn add(&mut self, asked: &AddPartitionsToTxnRequest, code: i16) -> AddPartitionsToTxnResponse {
        let topics = asked.v3_and_below_topics.iter().map(|topic| {
            let results = topic.partitions.iter().map(|index| {
                if code == 0 {
                    self.added.push((topic.name.to_string(), *index));
                }
                let result = AddPartitionsToTxnPartitionResult::default().with_partition_index(*index);
                result.with_partition_error_code(code)
            });
            let results = results.collect();
            let result = AddPartitionsToTxnTopicResult::default().with_name(topic.name.clone());
            result.with_results_by_partition(results)
        });
        AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect())
    }

    fn append(&mut self, broker: i32, asked: ProduceRequest, act: Option<&Act>) -> ProduceResponse {
        let topics = asked.topic_data.into_iter().map(|topic| {
            let name = topic.name.to_string();
            let partitions = topic.partition_data.into_iter().map(|partition| {
                let code = match act {
                    Some(Act::Refuse(code)) => *code,
                    Some(Act::RefuseOne(only, index, code)) if *only == name && *index == partition.index => {
                        *code
                    }
                    _ if !self.topics.contains_key(&name) => 3,
                    _ if self.leader(partition.index) != broker => 6,
                    _ => self.take(&name, partition.index, partition.records.expect("records")),
                };
                PartitionProduceResponse::default().with_index(partition.index).with_error_code(code)
            });
            let partitions = partitions.collect();
            TopicProduceResponse::default().with_name(topic.name).with_partition_responses(partitions)
        });
        let topics = topics.collect();
        ProduceResponse::default().with_responses(topics).with_throttle_time_ms(self.throttle_ms)
    }

    fn producers(&self, asked: &DescribeProducersRequest, code: i16) -> DescribeProducersResponse {
        let topics = asked.topics.iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                let is_asked = |one: &&OpenTransaction| one.topic == *topic.name.0 && one.partition == *index;
                let producers = self.open.iter().filter(is_asked).map(|one| {
                    ProducerState::default()
                        .with_producer_id(ProducerId(one.producer_id))
                        .with_producer_epoch(one.epoch)
                        .with_coordinator_epoch(one.coordinator_epoch)
                        .with_current_txn_start_offset(one.start_offset)
                });
                let answer = PartitionResponse::default().with_partition_index(*index);
                answer.with_error_code(code).with_active_producers(producers.collect())
            });
            TopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
        });
        DescribeProducersResponse::default().with_topics(topics.collect())
    }

    fn transactions(
        &mut self,
        asked: &DescribeTransactionsRequest,
        code: i16,
    ) -> DescribeTransactionsResponse {
        let topics = self.added.iter().map(|(topic, partition)| {
            let topic = TopicName(StrBytes::from_string(topic.clone()));
            TopicData::default().with_topic(topic).with_partitions(vec![*partition])
        });
        let topics: Vec<TopicData> = topics.collect();
        let of_state = if self.unwritten > 0 { "PrepareCommit" } else { "Ongoing" };
        self.unwritten = self.unwritten.saturating_sub(1);
        let states = asked.transactional_ids.iter().map(|id| {
            TransactionState::default()
                .with_error_code(code)
                .with_transactional_id(id.clone())
                .with_transaction_state(StrBytes::from_static_str(of_state))
                .with_producer_id(ProducerId(7))
                .with_producer_epoch(self.epoch)
                .with_topics(topics.clone())
        });
        DescribeTransactionsResponse::default().with_transaction_states(states.collect())
    }

    fn mark(&mut self, asked: &WriteTxnMarkersRequest, code: i16) -> WriteTxnMarkersResponse {
        let [marker] = asked.markers.as_slice() else { panic!("one marker") };
        let ([topic], commits) = (marker.topics.as_slice(), marker.transaction_result) else {
            panic!("one topic")
        };
        let (name, index) = (topic.name.to_string(), topic.partition_indexes[0]);
        if code == 0 {
            self.markers.push(((name, index), marker.producer_epoch, marker.coordinator_epoch, commits));
        }
        let partition =
            WritableTxnMarkerPartitionResult::default().with_partition_index(index).with_error_code(code);
        let topic = WritableTxnMarkerTopicResult::default()
            .with_name(topic.name.clone())
            .with_partitions(vec![partition]);
        let result =
            WritableTxnMarkerResult::default().with_producer_id(marker.producer_id).with_topics(vec![topic]);
        WriteTxnMarkersResponse::default().with_markers(vec![result])
    }

    /// Appends a batch, if its numbers are the next ones.
    fn take(&mut self, topic: &str, partition: i32, mut batch: Bytes) -> i16 {
        let at = (topic.to_owned(), partition);
        let records = RecordBatchDecoder::decode(&mut batch).expect("a batch with a right checksum").records;
        assert!(!batch.has_remaining(), "one batch of a partition");
        let (first, count) = (&records[0], records.len() as i32);
        assert!(first.transactional && first.producer_id == 7);
        if self.unwritten > 0 {
            return 51;
        }
        if first.producer_epoch != self.epoch {
            return 47;
        }
        if self.transaction_version < 2 && !self.added.contains(&at) {
            return 48;
        }
        let next = match self.sequences.get(&at) {
            Some((epoch, next)) if *epoch == first.producer_epoch => *next,
            _ => 0,
        };
        if first.sequence != next {
            return 45;
        }
        self.sequences.insert(at.clone(), (first.producer_epoch, next + count));
        self.log.entry(at).or_default().extend(records);
        0
    }

    fn end(&mut self, asked: &EndTxnRequest, version: i16, code: i16) -> EndTxnResponse {
        self.ends.push(asked.committed);
        self.unwritten = self.slow_markers;
        self.added.clear();
        let code = if asked.producer_epoch == self.epoch { code } else { 90 };
        if code == 0 && version >= 5 {
            self.epoch += 1;
        }
        let answer = EndTxnResponse::default().with_error_code(code);
        answer.with_producer_id(ProducerId(7)).with_producer_epoch(self.epoch)
    }
}

fn encode<A: Encodable + HeaderVersion>(answer: &A, version: i16) -> BytesMut {
    let mut out = BytesMut::new();
    answer.encode(&mut out, version).expect("an answer");
    out
}

fn decode<Q: Decodable>(body: &mut Bytes, version: i16) -> Q {
    let request = Q::decode(body, version).expect("a request");
    assert!(!body.has_remaining(), "bytes behind the request");
    request
}
