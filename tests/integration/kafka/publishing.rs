//! What the publisher's outlet does on a real broker: positions, records as Java would send them, refusals, topics.

use super::*;
use std::sync::Arc;
use walpost::encode::Outgoing;
use walpost::lsn::Lsn;
use walpost::position::Position;
use walpost::publish::kafka_outlet::KafkaOutlet;
use walpost::publish::{self, Batch, Limits, Publisher, Receipt, offsets, publisher};
use walpost::rejection::Reason;

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

fn first_publisher(kafka: &Broker, config: &publish::Config) -> Publisher<KafkaOutlet> {
    let start = Position::first(&Position::creating(7, 1, "run"), Lsn::new(1));
    Publisher::new(outlet(kafka, config, None), start, config.position_key.clone().into_bytes())
}

/// Publishes. When a commit took so long that its outcome is in doubt, as it does on a busy machine, this goes on as the
/// connector does: with another producer, from the position.
fn publish(
    publisher: &mut Publisher<KafkaOutlet>,
    kafka: &Broker,
    config: &publish::Config,
    batch: &Batch,
) -> Option<Receipt> {
    loop {
        match publisher.publish(batch) {
            Ok(receipt) => return Some(receipt),
            Err(publish::Error::Unknown(late)) => println!("{late}"),
            Err(error) => panic!("not published: {error}"),
        }
        let outlet = outlet(kafka, config, None);
        let stored = offsets::read(&settings(kafka), config, PATIENCE).expect("a position");
        let position = stored.unwrap_or_else(|| publisher.position().clone());
        let is_published = position.end_lsn >= batch.end_lsn;
        *publisher = Publisher::new(outlet, position, config.position_key.clone().into_bytes());
        if is_published {
            return None;
        }
    }
}

/// Or in doubt, for no other reason than that it took long; what is there is for the test to read.
fn assert_committed<T: std::fmt::Debug>(told: &Result<T, publish::Error>) {
    assert!(matches!(told, Ok(_) | Err(publish::Error::Unknown(_))), "{told:?}");
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
    let mut write = |position: &Position| {
        assert_committed(&publisher::write(&mut outlet, key, position));
        assert_eq!(read().as_ref(), Some(position));
    };
    write(&mark);
    let first = Position::first(&mark, Lsn::new(100));
    write(&first);
    let mut publisher = Publisher::new(outlet, first, key.to_vec());
    let topic: Arc<str> = unique_name("events").into();
    for end in 101..=105 {
        let mut batch = Batch { end_lsn: Lsn::new(end), transactions: 1, last_xid: 3, ..Batch::default() };
        record(&mut batch.outgoing, &topic, None, Some(b"k"), Some(b"v"));
        if let Some(receipt) = publish(&mut publisher, kafka, &config, &batch) {
            assert_eq!((receipt.events, receipt.end_lsn), (1, Lsn::new(end)));
        }
        assert_eq!(read().as_ref(), Some(publisher.position()));
    }
    // A position alone.
    let alone = Batch { end_lsn: Lsn::new(200), ..Batch::default() };
    publish(&mut publisher, kafka, &config, &alone);
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
    assert_committed(&publisher::forget(&mut outlet, key));
    assert_eq!(read(), None);
}

#[test]
fn a_position_that_cannot_be_read_in_time_is_an_error_and_never_none() {
    let kafka = Broker::shared();
    let config = position_config(&unique_name("position"));
    offsets::ensure_topic(&admin(kafka), &config, None).expect("a position topic");
    let mut stranger = producer(kafka, &unique_name("stranger"));
    stranger.begin().expect("begin");
    send(&mut stranger, &config.position_topic, "another key", "open").expect("send");
    stranger.settle().expect("settle");
    let read = |timeout| offsets::read(&settings(kafka), &config, timeout);
    match read(Duration::from_secs(3)) {
        Err(offsets::Error::Kafka(error)) => assert_eq!(error.kind, ErrorKind::Transient, "{error}"),
        other => panic!("{other:?}"),
    }
    stranger.abort().expect("abort");
    assert_eq!(read(PATIENCE), Ok(None));
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
    let mut publisher = first_publisher(kafka, &config);
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
    publish(&mut publisher, kafka, &config, &batch);

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
    type Refused<'a> = (&'a str, Option<i32>, Option<&'a [u8]>, &'a [u8], Reason);
    let refused: [Refused<'_>; 4] = [
        (&plain, None, Some(b"k"), &large, Reason::TooLarge),
        (&narrow, None, Some(b"k"), &large[..5_000], Reason::TooLarge),
        (&compacted, None, None, b"v", Reason::RefusedByBroker),
        (&plain, Some(2), Some(b"k"), b"v", Reason::PartitionIllegal),
    ];
    for (topic, partition, key, value, reason) in refused {
        let mut publisher = first_publisher(kafka, &config);
        let mut batch = Batch { end_lsn: Lsn::new(2), ..Batch::default() };
        record(&mut batch.outgoing, &plain, None, Some(b"k"), Some(b"a neighbour"));
        record(&mut batch.outgoing, &topic.into(), partition, key, Some(value));
        match publisher.publish(&batch) {
            Err(publish::Error::Refused(_, rejection)) => {
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
    assert_committed(&publish(creation));
    assert_eq!(kafka.topic_config(&name)["retention.ms"], "3600000");
    assert_eq!(admin(kafka).topic(&name).expect("an answer").map(|facts| facts.partitions), Some(3));
}

/// No time is asserted; what is printed shows whether a commit waits in steps of 100 ms.
#[test]
fn many_small_transactions_commit_one_after_the_other() {
    let kafka = Broker::shared();
    let config = position_config(&unique_name("position"));
    offsets::ensure_topic(&admin(kafka), &config, None).expect("a position topic");
    let mut publisher = first_publisher(kafka, &config);
    let topic: Arc<str> = topic(kafka, 6).into();
    let mut took = Vec::new();
    for n in 2..202 {
        let mut batch = Batch { end_lsn: Lsn::new(n), ..Batch::default() };
        for key in 0..20 {
            record(&mut batch.outgoing, &topic, None, Some(key.to_string().as_bytes()), Some(&[b'v'; 300]));
        }
        let began = Instant::now();
        publish(&mut publisher, kafka, &config, &batch);
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
