//! A transaction that Kafka forgot to end: nothing is written behind it, by either producer, until it is gone. Where its
//! coordinator has said how it ends, walpost ends it so.
//!
//! It is made as the old protocol allows where partitions are not verified: by a Produce of which no coordinator knows.

use super::*;
use crate::kit::{connector, position_topic, run};
use crate::support::{Database, Jvm, Scratch, java};
use bytes::BytesMut;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiKey, ProduceRequest, RequestHeader, TopicName, TransactionalId};
use kafka_protocol::protocol::{Encodable as _, HeaderVersion as _, StrBytes};
use kafka_protocol::records::{Compression, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use walpost::kafka::producer::Record;
use walpost::kafka::wire::{Inquiry, Producer as Native, TransactionFacts};
use walpost::position::Position;

/// The last that adds no partitions to transactions.
const PRODUCE_VERSION: i16 = 11;

fn forgetful() -> Broker {
    Broker::with(BrokerOptions::new().setting("transaction.partition.verification.enable", false))
}

/// Leaves a transaction of this id open in a partition, of which its coordinator knows nothing; where it begins.
fn leave_open(kafka: &Broker, id: &str, topic: &str) -> i64 {
    drop(Native::fenced(&settings(kafka), id, PATIENCE).expect("a fence"));
    let facts = facts(kafka, id);
    write(kafka, id, (facts.producer_id, facts.epoch), topic, (b"k", b"forgotten"))
}

fn facts(kafka: &Broker, id: &str) -> TransactionFacts {
    let mut inquiry = Inquiry::new(&settings(kafka)).expect("settings");
    inquiry.describe_transaction(id, PATIENCE).expect("an answer").expect("facts")
}

/// Writes one record of a transaction that begins with it; where.
fn write(
    kafka: &Broker,
    id: &str,
    (producer_id, producer_epoch): (i64, i16),
    topic: &str,
    (key, value): (&[u8], &[u8]),
) -> i64 {
    let record = kafka_protocol::records::Record {
        transactional: true,
        control: false,
        partition_leader_epoch: -1,
        producer_id,
        producer_epoch,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: 0,
        timestamp: 1_700_000_000_000,
        key: Some(key.to_vec().into()),
        value: Some(value.to_vec().into()),
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
    let mut inquiry = Inquiry::new(&settings(kafka)).expect("settings");
    let open = inquiry.open_transactions(&[(topic, 0)], PATIENCE).expect("an answer");
    let [open] = open.as_slice() else { panic!("{open:?}") };
    assert_eq!(open.producer_id, producer_id);
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

/// The end of the last transaction before a connector's start is missing where its position is, and in a topic if it was
/// committed.
#[test]
fn what_kafka_forgot_to_end_is_ended_as_its_coordinator_decided() {
    let kafka = forgetful();
    for commits in [true, false] {
        let db = Database::shared().fresh_database();
        db.create_outbox();
        let (topic, positions, id) = (db.topic("order"), position_topic(&db), unique_name("id"));
        kafka.create_topic(&topic, 1, &[]);
        let builder = connector(&db, &kafka).set("walpost.transactional.id", &id);
        let mut before = run(builder.clone());
        db.insert("order", "k", "t", "1");
        kafka.wait_records(&[&topic], 1, PATIENCE);
        before.sigterm();
        assert!(before.wait_exit(PATIENCE).0.success());

        // A transaction of the same producer elsewhere, and records of it in these two, of which nobody knows.
        let records_of = end_elsewhere(&kafka, &id, commits);
        let stored = kafka.records(&[&positions]).pop().expect("a position");
        let mut next: Position = serde_json::from_str(stored.value_text()).expect("a position");
        (next.seq, next.prev_lsn, next.instance) = (next.seq + 1, next.end_lsn, "forgotten".to_owned());
        let (key, next) = (stored.key.expect("a key"), serde_json::to_vec(&next).expect("plain data"));
        write(&kafka, &id, records_of, &positions, (&key, &next));
        // An abort is not believed of a topic that the coordinator does not name.
        if commits {
            write(&kafka, &id, records_of, &topic, (b"k", b"forgotten"));
        }

        let mut connector = run(builder);
        let is_forgotten = |position: &Position| position.instance == "forgotten";
        let stored = crate::kit::positions(&kafka, &db);
        assert_eq!(stored.iter().any(is_forgotten), commits, "{stored:?}");
        db.insert("order", "k", "t", "2");
        let expected = match commits {
            true => &["1", "forgotten", "2"][..],
            false => &["1", "2"],
        };
        let seen = kafka.wait_records(&[&topic], expected.len(), PATIENCE);
        assert_eq!(seen.iter().map(|record| record.value_text()).collect::<Vec<_>>(), expected);
        let log = connector.log();
        let ended = log.matches("that Kafka forgot to end, as its coordinator").count();
        assert_eq!(ended, 1 + usize::from(commits), "{log}");
        connector.sigterm();
        assert!(connector.wait_exit(PATIENCE).0.success());
    }
}

/// Commits or aborts a transaction with a record in a topic of its own. Leaves: the producer of its records.
fn end_elsewhere(kafka: &Broker, id: &str, commits: bool) -> (i64, i16) {
    let elsewhere = unique_name("elsewhere");
    kafka.create_topic(&elsewhere, 1, &[]);
    let mut producer = Native::fenced(&settings(kafka), id, PATIENCE).expect("a fence");
    let TransactionFacts { producer_id, epoch, .. } = facts(kafka, id);
    producer.prepare([elsewhere.as_str()].into_iter()).expect("a topic");
    producer.begin().expect("a transaction");
    let (key, value) = (None, Some(&b"v"[..]));
    let record = Record { topic: &elsewhere, partition: Some(0), timestamp_ms: None, key, value };
    producer.send(record, std::iter::empty()).expect("sent");
    producer.settle().expect("taken");
    if commits { producer.commit() } else { producer.abort() }.expect("ended");
    (producer_id, epoch)
}
