//! Kafka's side by itself: what a commit, a fence and a tail are worth on a real broker, without a Postgres.

use crate::support::{Broker, BrokerOptions, Certificates, PATIENCE, unique_name, wait_until};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use walpost::encode::Outgoing;
use walpost::kafka::ErrorKind;
use walpost::kafka::admin::{Admin, TopicCreation};
use walpost::kafka::classify::Class;
use walpost::kafka::producer::{Failure, Producer, Record};
use walpost::kafka::settings::translate;
use walpost::kafka::tail;
use walpost::lsn::Lsn;
use walpost::position::Position;
use walpost::publish::kafka_outlet::KafkaOutlet;
use walpost::publish::{self, Batch, Limits, Publisher, offsets, publisher};
use walpost::rejection::Reason;

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
    producer.commit().expect("commit");
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
    one.commit().expect("commit");
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

fn position_config(topic: &str) -> publish::Config {
    publish::Config {
        position_topic: topic.to_owned(),
        position_key: r#"{"v":1,"name":"orders"}"#.to_owned(),
        transactional_id: unique_name("id"),
        limits: Limits { events: 100, bytes: 1 << 20, age: Duration::from_millis(10) },
    }
}

fn outlet(kafka: &Broker, config: &publish::Config, creation: Option<TopicCreation>) -> KafkaOutlet {
    KafkaOutlet::new(
        producer(kafka, &config.transactional_id),
        admin(kafka),
        config.position_topic.as_str(),
        creation,
    )
}

fn three_partitions() -> Option<TopicCreation> {
    Some(TopicCreation { partitions: 3, replication_factor: -1, settings: BTreeMap::new() })
}

/// One record more; `None` stands for null.
fn record(
    outgoing: &mut Outgoing,
    topic: &Arc<str>,
    partition: Option<i32>,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) {
    let mut draft = outgoing.draft();
    let write = |part: Option<&[u8]>, bytes: &mut Vec<u8>| {
        bytes.extend(part.unwrap_or_default());
        Ok::<_, ()>(part.is_some())
    };
    outgoing.key(&mut draft, |bytes| write(key, bytes)).expect("a key");
    outgoing.value(&mut draft, |bytes| write(value, bytes)).expect("a value");
    for (name, value) in [("id", Some("e-1")), ("null", None), ("empty", Some("")), ("id", Some("again"))] {
        outgoing.header(&name.into(), |bytes| write(value.map(str::as_bytes), bytes)).expect("a header");
    }
    outgoing.finish(draft, topic, partition, 1_700_000_000_123);
}

#[test]
fn positions_make_a_chain_that_a_start_reads_back() {
    let kafka = Broker::shared();
    let config = position_config(&unique_name("position"));
    let read = || offsets::read(&settings(kafka), &config, PATIENCE).expect("a position");
    offsets::ensure_topic(&admin(kafka), &config, None).expect("a position topic");
    offsets::ensure_topic(&admin(kafka), &config, None).expect("the same position topic");
    let made = kafka.topic_config(&config.position_topic);
    for (name, value) in
        [("cleanup.policy", "compact"), ("segment.bytes", "16777216"), ("min.cleanable.dirty.ratio", "0.1")]
    {
        assert_eq!(made[name], value);
    }
    assert_eq!(read(), None);

    let mut outlet = outlet(kafka, &config, three_partitions());
    let mark = Position::creating(7, 1, "run");
    let key = config.position_key.as_bytes();
    publisher::write(&mut outlet, key, &mark).expect("the mark");
    assert_eq!(read(), Some(mark.clone()));
    let first = Position::first(&mark, Lsn::new(100));
    publisher::write(&mut outlet, key, &first).expect("the first position");
    let mut publisher = Publisher::new(outlet, first, key.to_vec());
    let topic: Arc<str> = unique_name("events").into();
    for end in 101..=105 {
        let mut batch = Batch { end_lsn: Lsn::new(end), transactions: 1, last_xid: 3, ..Batch::default() };
        record(&mut batch.outgoing, &topic, None, Some(b"k"), Some(b"v"));
        let receipt = publisher.publish(&batch).expect("published");
        assert_eq!((receipt.events, receipt.end_lsn), (1, Lsn::new(end)));
        assert_eq!(read().as_ref(), Some(publisher.position()));
    }
    // A position alone.
    publisher.publish(&Batch { end_lsn: Lsn::new(200), ..Batch::default() }).expect("published");
    let stored = read().expect("a position");
    assert_eq!((stored.seq, stored.end_lsn, stored.events, stored.transactions), (7, Lsn::new(200), 5, 5));
    assert_eq!(kafka.wait_records(&[&topic], 5, PATIENCE).len(), 5);

    // Somebody else writes to the key.
    let mut foreign = producer(kafka, &unique_name("foreign"));
    let stale = serde_json::to_string(&Position::first(&mark, Lsn::new(50))).expect("JSON");
    commit(&mut foreign, &config.position_topic, &config.position_key, &stale);
    let broken = offsets::read(&settings(kafka), &config, PATIENCE).expect_err("a broken chain");
    assert!(matches!(broken, offsets::Error::Broken { .. }), "{broken}");
    let mut outlet = self::outlet(kafka, &config, None);
    publisher::forget(&mut outlet, key).expect("forgotten");
    assert_eq!(read(), None);
}

#[test]
fn a_position_topic_that_would_lose_positions_is_refused_by_name() {
    let kafka = Broker::shared();
    for (partitions, policy, says) in [
        (3, "compact", "3 partitions"),
        (1, "delete", "cleanup.policy=compact"),
        (1, "compact,delete", "--add-config"),
    ] {
        let config = position_config(&unique_name("position"));
        kafka.create_topic(&config.position_topic, partitions, &[("cleanup.policy", policy)]);
        let refused = offsets::ensure_topic(&admin(kafka), &config, None).expect_err("a refusal");
        assert_eq!(refused.kind, ErrorKind::Topic);
        assert!(
            refused.message.contains(&config.position_topic) && refused.message.contains(says),
            "{refused}"
        );
    }
}

#[test]
fn records_keep_their_bytes_nulls_and_headers_and_go_where_java_would_send_them() {
    // (key, partition of 3, of 6, of 12, of 50) as org.apache.kafka.common.utils.Utils.murmur2 gives them.
    let keys: [(&[u8], [i32; 4]); 15] = [
        (b"10711fa5", [2, 5, 11, 49]),
        (b"7bdf2e9e", [2, 2, 8, 48]),
        (b"a", [1, 4, 4, 24]),
        (b"", [0, 3, 9, 31]),
        (b"42", [1, 4, 4, 22]),
        (b"59a42efd-b015-44a9-9dde-cb36d9002425", [1, 1, 7, 49]),
        (b"\"10711fa5\"", [0, 3, 3, 9]),
        (b"null", [2, 5, 11, 21]),
        ("zürich".as_bytes(), [2, 2, 8, 6]),
        ("日本".as_bytes(), [0, 3, 3, 27]),
        (b"9007199254740993", [0, 3, 3, 15]),
        (b"customer-000001", [2, 2, 2, 16]),
        (&[0x00, 0xff], [1, 1, 1, 3]),
        (&[0, 0x20, 0, 0, 0, 0, 0, 1], [2, 2, 8, 2]),
        (&[0xff, 0xfe, 0xfd, 0xfc, 0xfb], [1, 1, 7, 35]),
    ];
    let kafka = Broker::shared();
    let config = position_config(&unique_name("position"));
    offsets::ensure_topic(&admin(kafka), &config, None).expect("a position topic");
    let start = Position::first(&Position::creating(7, 1, "run"), Lsn::new(1));
    let mut publisher = Publisher::new(outlet(kafka, &config, None), start, b"k".to_vec());
    let mut batch = Batch { end_lsn: Lsn::new(2), ..Batch::default() };
    let topics = [3, 6, 12, 50].map(|partitions| Arc::<str>::from(topic(kafka, partitions)));
    for topic in &topics {
        for (key, _) in keys {
            record(&mut batch.outgoing, topic, None, Some(key), Some(key));
        }
    }
    let placed: Arc<str> = topic(kafka, 3).into();
    record(&mut batch.outgoing, &placed, Some(2), None, None);
    record(&mut batch.outgoing, &placed, Some(2), Some(b"k"), Some(b""));
    publisher.publish(&batch).expect("published");

    for (n, topic) in topics.iter().enumerate() {
        let records = kafka.wait_records(&[topic], keys.len(), PATIENCE);
        assert_eq!(records.len(), keys.len());
        for (key, partitions) in keys {
            let found = records.iter().find(|record| record.key.as_deref() == Some(key)).expect("the key");
            assert_eq!(found.partition, partitions[n], "{key:?} in {}", [3, 6, 12, 50][n]);
            assert_eq!(found.value.as_deref(), Some(key));
        }
    }
    let records = kafka.wait_records(&[&placed], 2, PATIENCE);
    let parts: Vec<_> = records.iter().map(|r| (r.partition, r.key.as_deref(), r.value.as_deref())).collect();
    assert_eq!(parts, [(2, None, None), (2, Some(b"k".as_slice()), Some(b"".as_slice()))]);
    let headers: Vec<_> = records[0].headers.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
    let expected: [(&str, Option<&[u8]>); 4] =
        [("id", Some(b"e-1")), ("null", None), ("empty", Some(b"")), ("id", Some(b"again"))];
    assert_eq!(headers, expected);
    assert_eq!(records[0].timestamp_ms, 1_700_000_000_123);
}

#[test]
fn a_record_is_refused_locally_or_by_its_topic_and_nothing_of_its_batch_is_seen() {
    let kafka = Broker::shared();
    let config = position_config(&unique_name("position"));
    offsets::ensure_topic(&admin(kafka), &config, None).expect("a position topic");
    let narrow = unique_name("narrow");
    kafka.create_topic(&narrow, 1, &[("max.message.bytes", "1000")]);
    let compacted = unique_name("compacted");
    kafka.create_topic(&compacted, 1, &[("cleanup.policy", "compact")]);
    let plain: Arc<str> = topic(kafka, 2).into();
    let large = vec![b'x'; 2_000_000];
    let refused: [(&str, Option<i32>, Option<&[u8]>, &[u8], Reason); 4] = [
        (&plain, None, Some(b"k"), &large, Reason::TooLarge),
        (&narrow, None, Some(b"k"), &large[..5_000], Reason::TooLarge),
        (&compacted, None, None, b"v", Reason::RefusedByBroker),
        (&plain, Some(2), Some(b"k"), b"v", Reason::PartitionIllegal),
    ];
    for (topic, partition, key, value, reason) in refused {
        let start = Position::first(&Position::creating(7, 1, "run"), Lsn::new(1));
        let mut publisher = Publisher::new(outlet(kafka, &config, None), start, b"k".to_vec());
        let mut batch = Batch { end_lsn: Lsn::new(2), ..Batch::default() };
        record(&mut batch.outgoing, &plain, None, Some(b"k"), Some(b"a neighbour"));
        record(&mut batch.outgoing, &topic.into(), partition, key, Some(value));
        match publisher.publish(&batch) {
            Err(publish::Error::Rejected(rejection)) => {
                assert_eq!(rejection.reason, reason, "{rejection}");
                assert_eq!(rejection.event_id.as_deref(), Some("e-1"), "{rejection}");
                assert!(rejection.table.ends_with(topic), "{rejection}");
            }
            other => panic!("{reason:?}: {other:?}"),
        }
    }
    drop(outlet(kafka, &config, None)); // fences what may still be open
    assert!(kafka.records(&[&plain, &narrow, &compacted, &config.position_topic]).is_empty());
}

#[test]
fn a_missing_topic_is_made_as_configured_or_refused_by_name() {
    let kafka = Broker::shared();
    let config = position_config(&unique_name("position"));
    offsets::ensure_topic(&admin(kafka), &config, None).expect("a position topic");
    let name: Arc<str> = unique_name("missing").into();
    let mut batch = Batch { end_lsn: Lsn::new(2), ..Batch::default() };
    record(&mut batch.outgoing, &name, None, Some(b"k"), Some(b"v"));
    let publish = |creation| {
        let start = Position::first(&Position::creating(7, 1, "run"), Lsn::new(1));
        Publisher::new(outlet(kafka, &config, creation), start, b"k".to_vec()).publish(&batch)
    };
    match publish(None) {
        Err(publish::Error::Topic(error)) => assert!(error.message.contains(&*name), "{error}"),
        other => panic!("{other:?}"),
    }
    assert!(!kafka.topics().contains(&name.to_string()));
    let mut creation = three_partitions();
    creation.as_mut().expect("some").settings.insert("retention.ms".into(), "3600000".into());
    publish(creation).expect("published");
    assert_eq!(kafka.topic_config(&name)["retention.ms"], "3600000");
    assert_eq!(admin(kafka).topic(&name).expect("an answer").map(|facts| facts.partitions), Some(3));
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
fn a_broker_killed_in_a_transaction_leaves_nothing_certain_and_nothing_seen() {
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
    assert_eq!(values(&kafka, "t", 2), ["before", "after"]);

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
    let seen = values(&kafka, "t", 2);
    assert!(seen[..2] == ["before", "after"] && seen.len() <= 3, "{seen:?}");
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
    one.commit().expect("commit");
    assert_eq!(kafka.wait_records(&[&topic], 2_000, PATIENCE).len(), 2_000);
}

/// No time is asserted; what is printed shows whether a commit waits in steps of 100 ms.
#[test]
fn many_small_transactions_commit_one_after_the_other() {
    let kafka = Broker::shared();
    let config = position_config(&unique_name("position"));
    offsets::ensure_topic(&admin(kafka), &config, None).expect("a position topic");
    let start = Position::first(&Position::creating(7, 1, "run"), Lsn::new(1));
    let mut publisher = Publisher::new(outlet(kafka, &config, None), start, b"k".to_vec());
    let topic: Arc<str> = topic(kafka, 6).into();
    let mut took = Vec::new();
    for n in 2..202 {
        let mut batch = Batch { end_lsn: Lsn::new(n), ..Batch::default() };
        for key in 0..20 {
            record(&mut batch.outgoing, &topic, None, Some(key.to_string().as_bytes()), Some(&[b'v'; 300]));
        }
        let began = Instant::now();
        publisher.publish(&batch).expect("published");
        took.push(began.elapsed());
    }
    took.sort();
    println!("200 transactions: p50 {:?}, p95 {:?}, p99 {:?}", took[100], took[190], took[198]);
    assert_eq!(kafka.wait_records(&[&topic], 4_000, PATIENCE).len(), 4_000);
}

/// The bare client, for what the product's own producer must not depend on: nothing of ours is in this one.
#[test]
fn records_of_another_client_behind_the_last_position_are_no_trouble() {
    let kafka = Broker::shared();
    let topic = topic(kafka, 1);
    commit(&mut producer(kafka, &unique_name("id")), &topic, "k", "mine");
    let bare: BaseProducer = kafka.client().create().expect("a producer");
    bare.send(BaseRecord::to(&topic).key("another").payload("theirs")).expect("sent");
    bare.flush(PATIENCE).expect("flushed");
    assert_eq!(tail_of(kafka, &topic, "k", PATIENCE), Ok(vec!["mine".to_owned()]));
}
