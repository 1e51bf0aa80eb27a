//! A transaction that Kafka forgot to end: nothing is written behind it, by either producer, until it is gone.
//!
//! It is made as the old protocol allows where partitions are not verified: by a Produce of which no coordinator knows.

use super::*;
use crate::kit::connector;
use crate::support::{Database, Jvm, Scratch, java};
use bytes::BytesMut;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiKey, ProduceRequest, RequestHeader, TopicName, TransactionalId};
use kafka_protocol::protocol::{Encodable as _, HeaderVersion as _, StrBytes};
use kafka_protocol::records::{Compression, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use walpost::kafka::wire::{Inquiry, Producer as Native};

/// The last that adds no partitions to transactions.
const PRODUCE_VERSION: i16 = 11;

fn forgetful() -> Broker {
    Broker::with(BrokerOptions::new().setting("transaction.partition.verification.enable", false))
}

/// Leaves a transaction of this id open in a partition; where it begins.
fn leave_open(kafka: &Broker, id: &str, topic: &str) -> i64 {
    drop(Native::fenced(&settings(kafka), id, PATIENCE).expect("a fence"));
    let mut inquiry = Inquiry::new(&settings(kafka)).expect("settings");
    let facts = inquiry.describe_transaction(id, PATIENCE).expect("an answer").expect("facts");
    let record = kafka_protocol::records::Record {
        transactional: true,
        control: false,
        partition_leader_epoch: -1,
        producer_id: facts.producer_id,
        producer_epoch: facts.epoch,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: 0,
        timestamp: 1_700_000_000_000,
        key: Some("k".into()),
        value: Some("forgotten".into()),
        headers: Default::default(),
    };
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut batch, &[record], &options).expect("a batch");
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch.freeze()));
    let name = TopicName(StrBytes::from_string(topic.to_owned()));
    let produce = ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(StrBytes::from_string(id.to_owned()))))
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![
            TopicProduceData::default().with_name(name).with_partition_data(vec![partition]),
        ]);
    ask(kafka, &produce);
    let open = inquiry.open_transactions(&[(topic, 0)], PATIENCE).expect("an answer");
    let [open] = open.as_slice() else { panic!("{open:?}") };
    assert_eq!(open.producer_id, facts.producer_id);
    open.start_offset
}

/// Sends it and waits for whatever is answered.
fn ask(kafka: &Broker, produce: &ProduceRequest) {
    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::Produce as i16)
        .with_request_api_version(PRODUCE_VERSION)
        .with_correlation_id(1);
    let mut request = BytesMut::new();
    header.encode(&mut request, ProduceRequest::header_version(PRODUCE_VERSION)).expect("a header");
    produce.encode(&mut request, PRODUCE_VERSION).expect("a request");
    let mut socket = TcpStream::connect(kafka.bootstrap()).expect("a connection");
    socket.write_all(&(request.len() as u32).to_be_bytes()).expect("written");
    socket.write_all(&request).expect("written");
    socket.read_exact(&mut [0; 4]).expect("an answer");
}

/// What an administrator does, with Kafka's own tool.
fn end(kafka: &Broker, topic: &str, start_offset: i64) {
    let scratch = Scratch::new("transactions");
    let mut tool: Command = java(Jvm::Quick, "64m", "128m");
    tool.arg(format!("-Dkafka.log.file={}", scratch.join("tool.log").display()));
    tool.args(["org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server", &kafka.bootstrap()]);
    tool.args(["abort", "--topic", topic, "--partition", "0", "--start-offset", &start_offset.to_string()]);
    let output = tool.output().expect("java runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn nothing_is_written_behind_a_transaction_that_kafka_forgot_until_it_is_ended() {
    let kafka = forgetful();
    let db = Database::shared().fresh_database();
    db.create_outbox();
    for producer in ["native", "librdkafka"] {
        let (aggregate, id) = (format!("order_{producer}"), unique_name("id"));
        let topic = db.topic(&aggregate);
        kafka.create_topic(&topic, 1, &[]);
        let start_offset = leave_open(&kafka, &id, &topic);
        let builder = connector(&db, &kafka)
            .set("walpost.kafka.producer", producer)
            .set("walpost.transactional.id", &id)
            .set("retriable.restart.connector.wait.ms", 200);
        let mut connector = builder.start();
        connector.wait_ready();
        db.insert(&aggregate, "k", "t", r#"{"n":1}"#);
        connector.wait_log("Kafka forgot to end it");
        let log = connector.log();
        assert!(log.contains(&format!("{topic}-0 from offset {start_offset}")), "{log}");
        assert!(kafka.records(&[&topic]).is_empty());

        end(&kafka, &topic, start_offset);
        let seen = kafka.wait_records(&[&topic], 1, PATIENCE);
        assert_eq!(seen.iter().map(|record| record.value_text()).collect::<Vec<_>>(), [r#"{"n": 1}"#]);
        connector.sigterm();
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert!(exit.success(), "{log}");
    }
}

#[test]
fn an_open_transaction_of_another_producer_is_none_of_ours_to_wait_for() {
    let kafka = forgetful();
    let db = Database::shared().fresh_database();
    db.create_outbox();
    let topic = db.topic("order");
    kafka.create_topic(&topic, 1, &[]);
    let start_offset = leave_open(&kafka, &unique_name("another"), &topic);
    let mut connector = connector(&db, &kafka).start();
    connector.wait_ready();
    db.insert("order", "k", "t", r#"{"n":1}"#);
    wait_until("the position says that it is published", PATIENCE, || {
        connector
            .metric("walpost_published_records_total")
            .is_some_and(|records| records >= 1.0)
            .then_some(())
    });
    end(&kafka, &topic, start_offset);
    assert_eq!(kafka.wait_records(&[&topic], 1, PATIENCE).len(), 1);
}
