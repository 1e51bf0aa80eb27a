//! What the producer does with answers, refusals and silence, against brokers that follow a script.

use super::batch::advance;
use super::scripted::{Act, Scripted};
use super::*;
use crate::kafka::ErrorKind;
use crate::kafka::producer::Record;
use crate::rejection::Reason;
use kafka_protocol::messages::ApiKey;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
const BOTH: [i16; 2] = [1, 2];

fn fenced(kafka: &Scripted, more: &[(&str, &str)]) -> Producer {
    let mut settings = kafka.settings();
    settings.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Producer::fenced(&settings, "id", PATIENCE).expect("a fence")
}

fn send(producer: &mut Producer, topic: &str, partition: i32, value: &[u8]) -> Result<(), Failure> {
    let record = Record {
        topic,
        partition: Some(partition),
        timestamp_ms: Some(1),
        key: Some(b"k"),
        value: Some(value),
    };
    producer.send(record, std::iter::empty())
}

fn transaction(producer: &mut Producer, records: &[(&str, i32, &[u8])]) -> Result<(), Failure> {
    producer.begin()?;
    records.iter().try_for_each(|(topic, partition, value)| send(producer, topic, *partition, value))?;
    producer.settle()?;
    producer.commit()
}

fn values(kafka: &Scripted, topic: &str, partition: i32) -> Vec<String> {
    let state = kafka.state();
    let records = state.log.get(&(topic.to_owned(), partition)).into_iter().flatten();
    records
        .map(|record| String::from_utf8_lossy(record.value.as_deref().unwrap_or(b"-")).into_owned())
        .collect()
}

#[test]
fn one_request_for_each_leader_carries_all_its_partitions() {
    for version in BOTH {
        let kafka = Scripted::start(2, version, &[("t", 24), ("u", 2)]);
        let mut producer = fenced(&kafka, &[]);
        for round in 1..=3 {
            let mut records: Vec<(&str, i32, &[u8])> =
                (0..24).map(|index| ("t", index, b"v".as_slice())).collect();
            records.extend([("u", 0, b"v".as_slice()), ("u", 1, b"v")]);
            transaction(&mut producer, &records).expect("committed");
            assert_eq!(kafka.count(ApiKey::Produce), 2 * round);
            let adds = if version < 2 { round } else { 0 };
            assert_eq!(kafka.count(ApiKey::AddPartitionsToTxn), adds);
        }
        assert_eq!(values(&kafka, "t", 23).len(), 3);
        assert_eq!(kafka.state().ends, [true, true, true]);
        let epochs = if version < 2 { 0 } else { 3 };
        assert_eq!(kafka.state().epoch, epochs);
    }
}

#[test]
fn a_batch_is_cut_before_it_is_too_large_and_everything_arrives_in_order() {
    for version in BOTH {
        let kafka = Scripted::start(1, version, &[("t", 2)]);
        let limits = [("batch.size", "2000"), ("message.max.bytes", "3000")];
        let mut producer = fenced(&kafka, &limits);
        for _ in 0..2 {
            producer.begin().expect("begin");
            for n in 0..100 {
                send(&mut producer, "t", n % 2, format!("{n:03}{}", "x".repeat(300)).as_bytes())
                    .expect("send");
            }
            producer.settle().expect("settled");
            producer.commit().expect("committed");
        }
        for partition in 0..2 {
            let numbers: Vec<String> =
                values(&kafka, "t", partition).iter().map(|value| value[..3].to_owned()).collect();
            let expected: Vec<String> =
                (0..200).filter(|n| n % 2 == partition).map(|n| format!("{:03}", n % 100)).collect();
            assert_eq!(numbers, expected);
        }
        assert!(kafka.count(ApiKey::Produce) > 20);
    }
}

#[test]
fn what_is_not_done_yet_is_asked_again_and_nothing_is_doubled() {
    let kafka = Scripted::start(1, 2, &[("t", 3)]);
    let mut producer = fenced(&kafka, &[]);
    kafka.then(ApiKey::Produce, Act::RefuseOne("t", 1, 51));
    kafka.then(ApiKey::Produce, Act::Refuse(51));
    transaction(&mut producer, &[("t", 0, b"a"), ("t", 1, b"b"), ("t", 2, b"c")]).expect("committed");
    let seen = [0, 1, 2].map(|partition| values(&kafka, "t", partition));
    assert_eq!(seen, [["a"], ["b"], ["c"]]);

    let kafka = Scripted::start(1, 1, &[("t", 1)]);
    kafka.then(ApiKey::InitProducerId, Act::Refuse(51));
    let mut producer = fenced(&kafka, &[]);
    for _ in 0..3 {
        kafka.then(ApiKey::AddPartitionsToTxn, Act::Refuse(51));
    }
    transaction(&mut producer, &[("t", 0, b"a")]).expect("committed");
    assert_eq!(kafka.count(ApiKey::AddPartitionsToTxn), 4);
}

#[test]
fn a_produce_without_an_answer_is_said_once_and_followed_by_nothing() {
    for version in BOTH {
        for act in [Act::Silence, Act::CloseAfter, Act::CloseBefore, Act::Confuse] {
            let kafka = Scripted::start(1, version, &[("t", 1)]);
            let mut producer = fenced(&kafka, &[("socket.timeout.ms", "200")]);
            kafka.then(ApiKey::Produce, act.clone());
            let failed = transaction(&mut producer, &[("t", 0, b"a")]).expect_err("no answer");
            assert_eq!(failed.class, Class::Indefinite, "{act:?}: {failed}");
            assert!(producer.abort().is_err() && producer.begin().is_err() && producer.commit().is_err());
            assert_eq!(kafka.count(ApiKey::Produce), 1, "{act:?}");
            assert!(kafka.state().ends.is_empty(), "{act:?}");
        }
    }
}

#[test]
fn a_commit_without_an_answer_is_indefinite_and_never_said_again() {
    for version in BOTH {
        for act in
            [Act::Silence, Act::CloseAfter, Act::CloseBefore, Act::Confuse, Act::Refuse(51), Act::Refuse(16)]
        {
            let kafka = Scripted::start(1, version, &[("t", 1)]);
            let mut producer = fenced(&kafka, &[("socket.timeout.ms", "200")]);
            kafka.then(ApiKey::EndTxn, act.clone());
            let failed = transaction(&mut producer, &[("t", 0, b"a")]).expect_err("no answer");
            assert_eq!(failed.class, Class::Indefinite, "{act:?}: {failed}");
            assert!(producer.abort().is_err() && producer.begin().is_err() && producer.commit().is_err());
            assert_eq!(kafka.count(ApiKey::EndTxn), 1, "{act:?}");
        }
    }
}

#[test]
fn a_refusal_has_its_class_and_may_be_aborted_when_it_is_certain() {
    for (code, class) in [
        (56, Class::Abortable),
        (10, Class::RecordRefused(Reason::TooLarge)),
        (29, Class::Denied),
        (45, Class::Abortable),
        (47, Class::Fenced),
        (48, Class::Fatal),
        (120, Class::Abortable),
    ] {
        let kafka = Scripted::start(2, 2, &[("t", 2)]);
        let mut producer = fenced(&kafka, &[]);
        kafka.then(ApiKey::Produce, Act::RefuseOne("t", 1, code));
        kafka.then(ApiKey::Produce, Act::RefuseOne("t", 1, code));
        let failed = transaction(&mut producer, &[("t", 0, b"a"), ("t", 1, b"b")]).expect_err("a refusal");
        assert_eq!(
            (failed.class, failed.topic.as_deref(), failed.record),
            (class, Some("t"), Some(1)),
            "{failed}"
        );
        assert!(failed.message.contains("t-1"), "{failed}");
        producer.abort().expect("an abort");
        assert_eq!(kafka.state().ends, [false]);
        assert!(producer.begin().is_err());
    }
}

#[test]
fn nothing_is_sent_before_the_markers_of_the_transaction_before_are_written() {
    let kafka = Scripted::start(1, 2, &[("t", 1)]);
    let mut producer = fenced(&kafka, &[]);
    let at_first = kafka.count(ApiKey::DescribeTransactions);
    kafka.state().slow_markers = 3;
    for _ in 0..3 {
        transaction(&mut producer, &[("t", 0, b"a")]).expect("committed");
    }
    let asked = kafka.count(ApiKey::DescribeTransactions) - at_first;
    assert_eq!((kafka.count(ApiKey::Produce), asked), (3, 2 * 4));
    // Who is not told goes on, and asks no more.
    kafka.state().slow_markers = 0;
    transaction(&mut producer, &[("t", 0, b"a")]).expect("committed");
    kafka.then(ApiKey::DescribeTransactions, Act::Refuse(53));
    let before = kafka.count(ApiKey::DescribeTransactions);
    for _ in 0..3 {
        transaction(&mut producer, &[("t", 0, b"a")]).expect("committed");
    }
    assert_eq!(kafka.count(ApiKey::DescribeTransactions), before + 1);
    assert_eq!(values(&kafka, "t", 0).len(), 7);
}

#[test]
fn a_batch_goes_on_to_whoever_leads_its_partition_by_then() {
    for version in BOTH {
        let kafka = Scripted::start(3, version, &[("t", 5)]);
        let mut producer = fenced(&kafka, &[("batch.size", "400")]);
        for round in 0..12 {
            producer.begin().expect("begin");
            for n in 0..100 {
                // Every partition has another leader, at another place in each round, and twice at some distance.
                if n == 7 * round || n == 7 * round + 1 + 2 * round {
                    kafka.state().turned += 1;
                }
                if n == 40 && round % 3 == 0 {
                    kafka.then(ApiKey::Produce, Act::Refuse(6));
                    kafka.then(ApiKey::Produce, Act::Refuse(19));
                }
                // So that batches of some partitions wait while others' are sent.
                let partition = if n % 3 == 0 { n / 3 % 5 } else { 0 };
                send(&mut producer, "t", partition, format!("{round} {n}").as_bytes()).expect("send");
            }
            producer.settle().expect("settled");
            producer.commit().expect("committed");
        }
        for partition in 0..5 {
            let of_round = |round| {
                let here = (0..100).filter(move |n| (if n % 3 == 0 { n / 3 % 5 } else { 0 }) == partition);
                here.map(move |n| format!("{round} {n}"))
            };
            let expected: Vec<String> = (0..12).flat_map(of_round).collect();
            assert_eq!(values(&kafka, "t", partition), expected);
        }
    }
}

#[test]
fn a_topic_that_is_gone_and_does_not_come_back_is_told_by_its_name() {
    let kafka = Scripted::start(2, 2, &[("stays", 2), ("gone", 2)]);
    let mut producer = fenced(&kafka, &[]);
    transaction(&mut producer, &[("stays", 1, b"v"), ("gone", 1, b"v")]).expect("committed");
    kafka.state().topics.remove("gone");
    let failed = transaction(&mut producer, &[("stays", 1, b"v"), ("gone", 1, b"v")]).expect_err("no topic");
    assert_eq!((failed.class, failed.topic.as_deref()), (Class::Topic, Some("gone")), "{failed}");
    producer.abort().expect("an abort");
}

#[test]
fn a_quota_is_waited_for_before_anything_else_is_asked() {
    let kafka = Scripted::start(1, 2, &[("t", 1)]);
    // Were it asked at once, the broker would not read it for longer than an answer may take.
    let mut producer = fenced(&kafka, &[("socket.timeout.ms", "200")]);
    kafka.state().throttle_ms = 300;
    let began = Instant::now();
    transaction(&mut producer, &[("t", 0, b"a")]).expect("committed");
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[test]
fn a_transaction_of_nothing_is_committed_without_a_word() {
    for version in BOTH {
        let kafka = Scripted::start(1, version, &[("t", 1)]);
        let mut producer = fenced(&kafka, &[]);
        transaction(&mut producer, &[]).expect("committed");
        assert_eq!(kafka.count(ApiKey::EndTxn), 0);
        transaction(&mut producer, &[("t", 0, b"a")]).expect("committed");
    }
}

#[test]
fn topics_that_are_named_beforehand_cost_one_question_together_and_none_in_a_transaction() {
    let names = ["a", "b", "c", "d"];
    let kafka = Scripted::start(1, 2, &names.map(|name| (name, 1)));
    let mut producer = fenced(&kafka, &[]);
    let before = kafka.count(ApiKey::Metadata);
    for _ in 0..2 {
        producer.prepare(names.into_iter().chain(names)).expect("known topics");
        assert_eq!(kafka.count(ApiKey::Metadata), before + 1);
    }
    transaction(&mut producer, &names.map(|name| (name, 0, b"v".as_slice()))).expect("committed");
    assert_eq!(kafka.count(ApiKey::Metadata), before + 1);
    let failed = producer.prepare(["nowhere"].into_iter()).expect_err("no such topic");
    assert_eq!((failed.class, failed.topic.as_deref()), (Class::Topic, Some("nowhere")));
}

#[test]
fn one_of_many_that_fell_together_is_not_taken_for_the_one_that_was_refused() {
    let kafka = Scripted::start(1, 2, &[("t", 1)]);
    let mut producer = fenced(&kafka, &[]);
    kafka.then(ApiKey::Produce, Act::Refuse(87));
    let failed = transaction(&mut producer, &[("t", 0, b"a"), ("t", 0, b"b")]).expect_err("a refusal");
    assert_eq!((failed.class, failed.record), (Class::RecordRefused(Reason::RefusedByBroker), None));
    assert!(failed.message.contains("one of 2 records"), "{failed}");
}

#[test]
fn a_record_that_can_never_be_sent_is_refused_before_anything_is_sent() {
    let kafka = Scripted::start(1, 2, &[("t", 1)]);
    let mut producer = fenced(&kafka, &[("message.max.bytes", "1000")]);
    producer.begin().expect("begin");
    send(&mut producer, "t", 0, b"small").expect("send");
    let failed = send(&mut producer, "t", 0, &[b'x'; 1000]).expect_err("too large");
    assert_eq!((failed.class, failed.record), (Class::RecordRefused(Reason::TooLarge), Some(1)));
    assert!(send(&mut producer, "t", 0, b"small").is_err(), "no transaction goes on without it");
    producer.abort().expect("nothing to abort");
    assert_eq!((kafka.count(ApiKey::Produce), kafka.count(ApiKey::EndTxn)), (0, 0));

    for (topic, partition, class) in [
        ("t", 1, Class::RecordRefused(Reason::PartitionIllegal)),
        ("t", -1, Class::RecordRefused(Reason::PartitionIllegal)),
    ] {
        let mut producer = fenced(&kafka, &[]);
        producer.begin().expect("begin");
        let failed = send(&mut producer, topic, partition, b"v").expect_err("no such partition");
        assert_eq!(failed.class, class, "{failed}");
    }
}

#[test]
fn a_fence_is_tried_again_while_that_can_help_and_not_longer() {
    let kafka = Scripted::start(1, 2, &[]);
    for act in [Act::Refuse(14), Act::Refuse(16), Act::CloseBefore, Act::CloseAfter, Act::Confuse] {
        kafka.then(ApiKey::InitProducerId, act);
    }
    kafka.then(ApiKey::FindCoordinator, Act::Refuse(15));
    drop(fenced(&kafka, &[]));
    for (code, kind) in [(50, ErrorKind::Settings), (53, ErrorKind::Denied), (48, ErrorKind::Other)] {
        kafka.then(ApiKey::InitProducerId, Act::Refuse(code));
        let refused = Producer::fenced(&kafka.settings(), "id", PATIENCE).err().expect("a refusal");
        assert_eq!(refused.kind, kind, "{refused}");
    }
}

#[test]
fn a_newer_producer_fences_an_older_one_wherever_it_is() {
    for version in BOTH {
        let kafka = Scripted::start(1, version, &[("t", 1)]);
        let mut old = fenced(&kafka, &[]);
        old.begin().expect("begin");
        send(&mut old, "t", 0, b"old").expect("send");
        old.settle().expect("settled");
        let mut new = fenced(&kafka, &[]);
        assert_eq!(old.commit().expect_err("fenced").class, Class::Fenced);
        transaction(&mut new, &[("t", 0, b"new")]).expect("committed");
        drop(fenced(&kafka, &[]));
        assert_eq!(transaction(&mut new, &[("t", 0, b"late")]).expect_err("fenced").class, Class::Fenced);
    }
}

#[test]
fn records_without_a_key_share_a_partition_in_a_transaction_and_move_on_in_the_next() {
    let kafka = Scripted::start(1, 2, &[("t", 3)]);
    let mut producer = fenced(&kafka, &[]);
    for _ in 0..3 {
        producer.begin().expect("begin");
        for _ in 0..4 {
            let record =
                Record { topic: "t", partition: None, timestamp_ms: None, key: None, value: Some(b"v") };
            producer.send(record, std::iter::empty()).expect("send");
        }
        producer.settle().expect("settled");
        producer.commit().expect("committed");
    }
    assert_eq!([0, 1, 2].map(|partition| values(&kafka, "t", partition).len()), [4, 4, 4]);
}

#[test]
fn sequences_begin_again_after_the_greatest() {
    assert_eq!([advance(0, 5), advance(i32::MAX, 1), advance(i32::MAX - 1, 4)], [5, 0, 2]);
}
