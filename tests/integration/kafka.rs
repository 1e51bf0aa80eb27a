//! Kafka's side by itself: what a commit, a fence and a tail are worth on a real broker, without a Postgres.

use crate::support::{Broker, BrokerOptions, Certificates, PATIENCE, unique_name, wait_until};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use walpost::kafka::ErrorKind;
use walpost::kafka::admin::{Admin, Patience, TopicCreation};
use walpost::kafka::classify::Class;
use walpost::kafka::producer::{Failure, Producer, Record};
use walpost::kafka::settings::translate;
use walpost::kafka::tail;
use walpost::rejection::Reason;

mod left_open;
mod publishing;
mod wire;

fn settings(kafka: &Broker) -> BTreeMap<String, String> {
    [("bootstrap.servers".to_owned(), kafka.bootstrap())].into()
}

fn producer(kafka: &Broker, id: &str) -> Producer {
    Producer::fenced(&settings(kafka), id, PATIENCE).expect("a fence")
}

fn admin(kafka: &Broker) -> Admin {
    Admin::connect(&settings(kafka), PATIENCE).expect("an admin client")
}

fn send(producer: &mut Producer, topic: &str, key: &str, value: &str) -> Result<(), Failure> {
    let record = Record {
        topic,
        partition: None,
        timestamp_ms: Some(1),
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
    };
    producer.send(record, std::iter::empty())
}

fn commit(producer: &mut Producer, topic: &str, key: &str, value: &str) {
    producer.begin().expect("begin");
    send(producer, topic, key, value).expect("send");
    producer.settle().expect("settle");
    end(producer);
}

/// Commits. An answer that comes so late that it was perhaps asked for twice costs the connector a new producer; on a busy
/// machine that is no fault, and the transaction is committed.
fn end(producer: &mut Producer) {
    if let Err(late) = producer.commit() {
        assert!(late.message.contains("may have been sent twice"), "{late}");
    }
}

/// Values that a consumer sees, in order of partition and offset, once there are so many: a commit is decided before it
/// is seen.
fn values(kafka: &Broker, topic: &str, n: usize) -> Vec<String> {
    let records = kafka.wait_records(&[topic], n, PATIENCE);
    records.iter().map(|record| record.value_text().to_owned()).collect()
}

/// What the tail of a topic holds for this key.
fn tail_of(
    kafka: &Broker,
    topic: &str,
    key: &str,
    timeout: Duration,
) -> Result<Vec<String>, walpost::kafka::Error> {
    let mut values = Vec::new();
    tail::read(&settings(kafka), topic, key.as_bytes(), timeout, |entry| {
        values.push(String::from_utf8_lossy(entry.value.unwrap_or(b"-")).into_owned());
    })?;
    Ok(values)
}

fn topic(kafka: &Broker, partitions: i32) -> String {
    let name = unique_name("topic");
    kafka.create_topic(&name, partitions, &[]);
    name
}

#[test]
fn what_is_committed_is_seen_and_what_is_aborted_is_not() {
    let kafka = Broker::shared();
    let topic = topic(kafka, 1);
    let mut one = producer(kafka, &unique_name("id"));
    commit(&mut one, &topic, "k", "committed");
    one.begin().expect("begin");
    send(&mut one, &topic, "k", "aborted").expect("send");
    one.settle().expect("settle");
    one.abort().expect("abort");
    assert_eq!(values(kafka, &topic, 1), ["committed"]);
    // Left open and forgotten: the next fence decides.
    let id = unique_name("id");
    let mut left = producer(kafka, &id);
    left.begin().expect("begin");
    send(&mut left, &topic, "k", "left open").expect("send");
    left.settle().expect("settle");
    drop(left);
    commit(&mut producer(kafka, &id), &topic, "k", "after the fence");
    assert_eq!(values(kafka, &topic, 2), ["committed", "after the fence"]);
}

#[test]
fn a_zombie_is_fenced_at_whatever_it_does_next() {
    let kafka = Broker::shared();
    let topic = topic(kafka, 1);
    let id = unique_name("id");
    let mut sending = producer(kafka, &id);
    sending.begin().expect("begin");
    send(&mut sending, &topic, "k", "zombie").expect("send");
    sending.settle().expect("settle");
    let mut new = producer(kafka, &id);
    commit(&mut new, &topic, "k", "new");
    let refused = sending.commit().expect_err("a commit by a zombie");
    assert_eq!(refused.class, Class::Fenced, "{refused}");

    let mut idle = new;
    let mut newest = producer(kafka, &id);
    idle.begin().expect("begin is local");
    let refused =
        send(&mut idle, &topic, "k", "zombie").and_then(|()| idle.settle()).expect_err("a zombie's record");
    assert_eq!(refused.class, Class::Fenced, "{refused}");
    commit(&mut newest, &topic, "k", "newest");
    assert_eq!(values(kafka, &topic, 2), ["new", "newest"]);
}

#[test]
fn a_transaction_that_the_broker_timed_out_ends_the_producer_and_is_no_fence() {
    let kafka = Broker::with(
        BrokerOptions::new().setting("transaction.abort.timed.out.transaction.cleanup.interval.ms", 200),
    );
    kafka.create_topic("t", 1, &[]);
    let mut settings = settings(&kafka);
    settings.insert("transaction.timeout.ms".into(), "1000".into());
    let mut late = Producer::fenced(&settings, "id", PATIENCE).expect("a fence");
    late.begin().expect("begin");
    send(&mut late, "t", "k", "late").expect("send");
    late.settle().expect("settle");
    let looking: BaseConsumer =
        kafka.client().set("isolation.level", "read_uncommitted").create().expect("a consumer");
    wait_until("the broker aborts it, with a marker behind the record", PATIENCE, || {
        let (_, end) = looking.fetch_watermarks("t", 0, PATIENCE).ok()?;
        (end == 2).then_some(())
    });
    let refused = late.commit().expect_err("a commit that comes too late");
    assert_eq!(refused.class, Class::Fatal, "{refused}");
    assert!(kafka.records(&["t"]).is_empty());
}

#[test]
fn a_tail_is_read_past_what_was_aborted_at_its_end() {
    let kafka = Broker::shared();
    let topic = topic(kafka, 1);
    let mut one = producer(kafka, &unique_name("id"));
    assert_eq!(tail_of(kafka, &topic, "k", PATIENCE), Ok(vec![]));
    for value in ["1", "2"] {
        commit(&mut one, &topic, "k", value);
    }
    commit(&mut one, &topic, "another", "3");
    one.begin().expect("begin");
    for _ in 0..20 {
        send(&mut one, &topic, "k", "aborted").expect("send");
    }
    one.settle().expect("settle");
    one.abort().expect("abort");
    assert_eq!(tail_of(kafka, &topic, "k", PATIENCE), Ok(vec!["1".to_owned(), "2".to_owned()]));
    assert_eq!(tail_of(kafka, &topic, "unknown", PATIENCE), Ok(vec![]));
}

#[test]
fn a_key_far_back_is_found_and_the_newest_of_many_is_the_last() {
    let kafka = Broker::shared();
    let topic = topic(kafka, 1);
    let mut one = producer(kafka, &unique_name("id"));
    commit(&mut one, &topic, "far", "back");
    one.begin().expect("begin");
    for i in 0..30_000 {
        send(&mut one, &topic, "near", &i.to_string()).expect("send");
    }
    one.settle().expect("settle");
    end(&mut one);
    assert_eq!(tail_of(kafka, &topic, "far", PATIENCE), Ok(vec!["back".to_owned()]));
    let near = tail_of(kafka, &topic, "near", PATIENCE).expect("a tail");
    assert_eq!(near.last().map(String::as_str), Some("29999"));
    assert!(near.len() < 30_000, "all {} were read for the last one", near.len());
}

#[test]
fn a_tail_waits_for_another_producer_s_transaction_and_never_answers_nothing() {
    let kafka = Broker::shared();
    let topic = topic(kafka, 1);
    commit(&mut producer(kafka, &unique_name("id")), &topic, "k", "mine");
    let mut foreign = producer(kafka, &unique_name("foreign"));
    foreign.begin().expect("begin");
    send(&mut foreign, &topic, "k", "not mine").expect("send");
    foreign.settle().expect("settle");
    commit(&mut producer(kafka, &unique_name("id")), &topic, "k", "mine, behind it");

    let open =
        tail_of(kafka, &topic, "k", Duration::from_secs(5)).expect_err("a tail with an open transaction");
    assert_eq!(open.kind, ErrorKind::Transient, "{open}");
    assert!(open.message.contains("another producer"), "{open}");
    let reading = std::thread::spawn({
        let topic = topic.clone();
        move || tail_of(Broker::shared(), &topic, "k", PATIENCE)
    });
    foreign.abort().expect("abort");
    let read = reading.join().expect("no panic");
    assert_eq!(read, Ok(vec!["mine".to_owned(), "mine, behind it".to_owned()]));
}

#[test]
fn an_admin_client_knows_the_cluster_its_topics_and_its_settings() {
    let kafka = Broker::shared();
    let admin = admin(kafka);
    let cluster = admin.cluster().expect("a cluster");
    assert_eq!(cluster.brokers, [(1, kafka.bootstrap())]);
    assert!(cluster.id.is_some_and(|id| !id.is_empty()));
    let broker = admin.describe_broker(1).expect("settings");
    assert_eq!(broker["auto.create.topics.enable"], "false");
    assert!(
        broker.contains_key("min.insync.replicas") && broker.contains_key("transaction.state.log.min.isr")
    );
    assert_eq!(admin.topic("no.such.topic"), Ok(None));
    assert!(!kafka.topics().contains(&"no.such.topic".to_owned()));
    let refused = TopicCreation { partitions: 1, replication_factor: 3, ..TopicCreation::default() };
    let refused = admin.create_topic(&unique_name("t"), &refused).expect_err("three replicas on one broker");
    assert_eq!(refused.kind, ErrorKind::Topic, "{refused}");
    let wrong = TopicCreation {
        settings: [("no.such.setting".into(), "1".into())].into(),
        partitions: 1,
        replication_factor: 1,
    };
    let refused = admin.create_topic(&unique_name("t"), &wrong).expect_err("an unknown setting");
    assert_eq!(refused.kind, ErrorKind::Topic, "{refused}");
}

#[test]
fn java_s_names_for_a_scram_login_over_tls_log_in_and_a_wrong_password_is_denied() {
    let certificates = Certificates::new();
    let kafka = Broker::with(BrokerOptions::new().tls(&certificates).user("alice", "s3 cret;="));
    let login = |password: &str| {
        let properties = [
            ("bootstrap.servers", kafka.sasl_ssl_bootstrap()),
            ("security.protocol", "SASL_SSL".into()),
            ("sasl.mechanism", "SCRAM-SHA-512".into()),
            (
                "sasl.jaas.config",
                format!(
                    "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" password=\"{password}\";"
                ),
            ),
            ("ssl.truststore.type", "PEM".into()),
            ("ssl.truststore.location", certificates.ca.display().to_string()),
        ];
        let translated = translate(&properties.map(|(name, value)| (name.to_owned(), value)).into());
        assert!(translated.refused.is_empty() && translated.unknown.is_empty(), "{translated:?}");
        translated.settings
    };
    kafka.create_topic("t", 1, &[]);
    let right = login("s3 cret;=");
    Admin::connect(&right, PATIENCE).expect("an admin client");
    commit(&mut Producer::fenced(&right, "id", PATIENCE).expect("a fence"), "t", "k", "over TLS");
    assert_eq!(values(&kafka, "t", 1), ["over TLS"]);

    let began = Instant::now();
    let wrong = login("wrong");
    let refused = Producer::fenced(&wrong, "id", PATIENCE).err().expect("a refusal");
    assert_eq!(refused.kind, ErrorKind::Denied, "{refused}");
    let refused = Admin::connect(&wrong, PATIENCE).err().expect("a refusal");
    assert_eq!(refused.kind, ErrorKind::Denied, "{refused}");
    assert!(began.elapsed() < PATIENCE, "told at once, not after the time-out");
    assert!(!format!("{refused}").contains("wrong"), "{refused}");
}

#[test]
fn a_broker_killed_in_a_transaction_leaves_its_outcome_to_the_fence_and_the_rest_as_it_was() {
    let kafka = Broker::start();
    kafka.create_topic("t", 1, &[]);
    let mut settings = settings(&kafka);
    for (name, ms) in [("transaction.timeout.ms", "5000"), ("socket.timeout.ms", "1000")] {
        settings.insert(name.into(), ms.into());
    }
    let mut one = Producer::fenced(&settings, "id", PATIENCE).expect("a fence");
    commit(&mut one, "t", "k", "before");
    one.begin().expect("begin");
    send(&mut one, "t", "k", "in doubt").expect("send");
    one.settle().expect("settle");
    kafka.kill();
    let unanswered = one.commit().expect_err("a commit without a broker");
    assert_eq!(unanswered.class, Class::Indefinite, "{unanswered}");
    kafka.start_again();
    let mut next = Producer::fenced(&settings, "id", PATIENCE).expect("a fence");
    commit(&mut next, "t", "k", "after");
    // Whether the broker had the commit is for the fence to decide; what is certain stays as it was.
    let certain = |seen: Vec<String>| -> Vec<String> {
        seen.into_iter().filter(|value| ["before", "after"].contains(&value.as_str())).collect()
    };
    assert_eq!(certain(values(&kafka, "t", 2)), ["before", "after"]);

    // Killed and back within the transaction: whatever the answers say, it is not taken for certain.
    next.begin().expect("begin");
    send(&mut next, "t", "k", "across").expect("send");
    next.settle().expect("settle");
    kafka.kill();
    kafka.start_again();
    let outcome = next.commit().expect_err("a commit across a restart");
    assert_ne!(outcome.class, Class::Abortable, "{outcome}");
    drop(next);
    drop(Producer::fenced(&settings, "id", PATIENCE).expect("a fence"));
    assert_eq!(certain(values(&kafka, "t", 2)), ["before", "after"]);
}

#[test]
fn a_broker_that_stops_answering_is_given_up_in_time() {
    let kafka = Broker::start();
    kafka.create_topic("t", 1, &[]);
    let mut settings = settings(&kafka);
    for (name, ms) in [("transaction.timeout.ms", "2000"), ("socket.timeout.ms", "1000")] {
        settings.insert(name.into(), ms.into());
    }
    let mut one = Producer::fenced(&settings, "id", PATIENCE).expect("a fence");
    commit(&mut one, "t", "k", "before");
    kafka.pause();
    one.begin().expect("begin");
    send(&mut one, "t", "k", "unanswered").expect("send");
    let unanswered = one.settle().expect_err("no answer");
    assert_eq!(unanswered.class, Class::Indefinite, "{unanswered}");
    let dropping = Instant::now();
    drop(one);
    assert!(dropping.elapsed() < Duration::from_secs(1), "dropping a producer waits for nobody");
    let refused = Admin::connect(&settings, Duration::from_secs(2)).err().expect("no answer");
    assert_eq!(refused.kind, ErrorKind::Transient, "{refused}");
    kafka.resume();
    commit(&mut Producer::fenced(&settings, "id", PATIENCE).expect("a fence"), "t", "k", "after");
    assert_eq!(values(&kafka, "t", 2), ["before", "after"]);
}

#[test]
fn refusals_are_given_up_early_and_a_broker_that_is_slow_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let settings = BTreeMap::from([("bootstrap.servers".to_owned(), address)]);
    let tried = |answer, refusal| {
        let began = Instant::now();
        let refused = Admin::connect(&settings, Patience { answer, refusal }).err().expect("no answer");
        assert_eq!(refused.kind, ErrorKind::Transient, "{refused}");
        (began.elapsed(), refused.message)
    };
    // It takes connections, and says nothing.
    let answer = Duration::from_secs(3);
    let (took, _) = tried(answer, Duration::ZERO);
    assert!(took >= answer, "{took:?}");
    drop(listener);
    let (took, message) = tried(PATIENCE, Duration::from_secs(1));
    assert!(took < PATIENCE / 2 && message.contains("Connection refused"), "{took:?}: {message}");
    let (took, _) = tried(answer, answer);
    assert!(took >= answer, "whoever tries for ever is in no hurry: {took:?}");
}

#[test]
fn a_full_buffer_is_waited_for() {
    let kafka = Broker::shared();
    let topic = topic(kafka, 2);
    let mut settings = settings(kafka);
    settings.insert("queue.buffering.max.kbytes".into(), "64".into());
    let mut one = Producer::fenced(&settings, &unique_name("id"), PATIENCE).expect("a fence");
    let value = "x".repeat(1000);
    one.begin().expect("begin");
    for i in 0..2_000 {
        send(&mut one, &topic, &i.to_string(), &value).expect("room");
    }
    one.settle().expect("settle");
    end(&mut one);
    assert_eq!(kafka.wait_records(&[&topic], 2_000, PATIENCE).len(), 2_000);
}

/// A compacted topic refuses a record without a key. The broker says which one it is, and the client does not tell.
#[test]
fn a_record_refused_among_others_of_its_batch_is_not_taken_for_one_of_them() {
    let kafka = Broker::shared();
    let compacted = unique_name("compacted");
    kafka.create_topic(&compacted, 1, &[("cleanup.policy", "compact")]);
    let mut one = producer(kafka, &unique_name("id"));
    one.begin().expect("begin");
    for n in 0..500 {
        let key = (n != 400).then_some(b"k".as_slice());
        let record =
            Record { topic: &compacted, partition: None, timestamp_ms: Some(1), key, value: Some(b"v") };
        one.send(record, std::iter::empty()).expect("send");
    }
    let refused = one.settle().expect_err("a refusal");
    assert_eq!(refused.class, Class::RecordRefused(Reason::RefusedByBroker), "{refused}");
    assert!(refused.record.is_none_or(|number| number == 400), "{refused:?}");
    assert!(refused.record.is_some() || refused.message.contains("one of"), "{refused}");
    assert_eq!(refused.topic.as_ref(), Some(&compacted));
    one.abort().expect("abort");
    assert!(kafka.records(&[&compacted]).is_empty());
}
