//! walpost's own producer on a real broker: what it writes is what every client reads, and whatever is lost on its way
//! leaves each transaction whole or absent.

use super::*;
use crate::support::{Fault, KafkaApi};
use walpost::kafka::wire::{Inquiry, Producer as Native};

mod faults;

fn native(settings: &BTreeMap<String, String>, id: &str) -> Native {
    Native::fenced(settings, id, PATIENCE).expect("a fence")
}

fn with(kafka: &Broker, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut settings = settings(kafka);
    settings.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    settings
}

fn record<'a>(topic: &'a str, key: &'a str, value: &'a [u8]) -> Record<'a> {
    let (key, value) = (Some(key.as_bytes()), Some(value));
    Record { topic, partition: None, timestamp_ms: Some(1_700_000_000_123), key, value }
}

fn transaction(producer: &mut Native, records: &[(&str, &str, &[u8])]) -> Result<(), Failure> {
    producer.begin()?;
    for (topic, key, value) in records {
        producer.send(record(topic, key, value), std::iter::empty())?;
    }
    producer.settle()?;
    producer.commit()
}

#[test]
fn every_compression_is_read_by_a_stock_consumer_with_headers_nulls_and_timestamps() {
    let kafka = Broker::shared();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = topic(kafka, 1);
        let mut one = native(&with(kafka, &[("compression.type", codec)]), &unique_name("id"));
        let long = "so many words ".repeat(3_000);
        for round in 0..2 {
            one.begin().expect("begin");
            for n in 0..50_i64 {
                let headers: [(&str, Option<&[u8]>); 4] =
                    [("id", Some(b"e-1")), ("null", None), ("empty", Some(b"")), ("id", Some(b"again"))];
                let value = if n == 7 { None } else { Some(long.as_bytes()) };
                let key = if n == 8 { None } else { Some(b"k".as_slice()) };
                let (partition, timestamp_ms) = (Some(0), Some(1_700_000_000_000 + 1_000 * round - n));
                let record = Record { topic: &topic, partition, timestamp_ms, key, value };
                one.send(record, headers.into_iter()).expect("send");
            }
            one.settle().expect("settle");
            one.commit().expect("commit");
        }
        let seen = kafka.wait_records(&[&topic], 100, PATIENCE);
        assert_eq!(seen.len(), 100, "{codec}");
        for (n, record) in (0..50).cycle().zip(&seen) {
            assert_eq!(record.value.is_none(), n == 7, "{codec}");
            assert_eq!(record.key.is_none(), n == 8, "{codec}");
            assert!(n == 7 || record.value_text() == long, "{codec}");
            let headers: Vec<_> = record.headers.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
            let expected: [(&str, Option<&[u8]>); 4] =
                [("id", Some(b"e-1")), ("null", None), ("empty", Some(b"")), ("id", Some(b"again"))];
            assert_eq!(headers, expected, "{codec}");
        }
        assert_eq!((seen[3].timestamp_ms, seen[53].timestamp_ms), (1_699_999_999_997, 1_700_000_000_997));
    }
}

#[test]
fn many_partitions_are_committed_together_time_and_again() {
    let kafka = Broker::shared();
    let topics = [topic(kafka, 24), topic(kafka, 3)];
    let mut one = native(&with(kafka, &[("compression.type", "lz4")]), &unique_name("id"));
    for round in 0..30 {
        one.begin().expect("begin");
        for n in 0..200 {
            let value = format!("{round}");
            let topic = &topics[usize::from(n % 10 == 0)];
            one.send(record(topic, &n.to_string(), value.as_bytes()), std::iter::empty()).expect("send");
        }
        one.settle().expect("settle");
        one.commit().expect("commit");
    }
    let names = topics.each_ref().map(String::as_str);
    let seen = kafka.wait_records(&names, 6_000, PATIENCE);
    assert_eq!(seen.len(), 6_000);
    let mut by_key: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for record in &seen {
        by_key
            .entry(record.key_text().to_owned())
            .or_default()
            .push(record.value_text().parse().expect("a round"));
    }
    assert!(by_key.values().all(|rounds| rounds.iter().copied().eq(0..30)), "{by_key:?}");
}

#[test]
fn keys_go_where_librdkafka_sends_them_as_java() {
    let kafka = Broker::shared();
    let (ours, theirs) = (topic(kafka, 7), topic(kafka, 7));
    let (mut one, mut other) =
        (native(&settings(kafka), &unique_name("id")), producer(kafka, &unique_name("id")));
    one.begin().expect("begin");
    other.begin().expect("begin");
    for n in 0..100 {
        one.send(record(&ours, &format!("key-{n}"), b"v"), std::iter::empty()).expect("send");
        send(&mut other, &theirs, &format!("key-{n}"), "v").expect("send");
    }
    one.settle().and_then(|()| one.commit()).expect("commit");
    other.settle().and_then(|()| other.commit()).expect("commit");
    let place = |topic: &str| -> BTreeMap<String, i32> {
        let seen = kafka.wait_records(&[topic], 100, PATIENCE);
        seen.iter().map(|record| (record.key_text().to_owned(), record.partition)).collect()
    };
    assert_eq!(place(&ours), place(&theirs));
}

#[test]
fn two_producers_fence_each_other_and_what_is_aborted_is_not_seen() {
    let kafka = Broker::shared();
    let (topic, id) = (topic(kafka, 2), unique_name("id"));
    let mut first = native(&settings(kafka), &id);
    transaction(&mut first, &[(&topic, "k", b"1")]).expect("committed");
    first.begin().expect("begin");
    first.send(record(&topic, "k", b"left open"), std::iter::empty()).expect("send");
    first.settle().expect("settle");
    // By librdkafka, and back again.
    let mut second = producer(kafka, &id);
    assert_eq!(first.commit().expect_err("a zombie").class, Class::Fenced);
    commit(&mut second, &topic, "k", "2");
    let mut third = native(&settings(kafka), &id);
    second.begin().expect("begin is local");
    let zombie = send(&mut second, &topic, "k", "zombie").and_then(|()| second.settle());
    assert_eq!(zombie.expect_err("a zombie").class, Class::Fenced);
    third.begin().expect("begin");
    third.send(record(&topic, "k", b"aborted"), std::iter::empty()).expect("send");
    third.settle().expect("settle");
    third.abort().expect("abort");
    assert!(third.begin().is_err(), "it has ended");
    let mut fourth = native(&settings(kafka), &id);
    transaction(&mut fourth, &[(&topic, "k", b"3")]).expect("committed");
    assert_eq!(values(kafka, &topic, 3), ["1", "2", "3"]);
}

#[test]
fn a_record_is_too_large_by_itself_and_never_for_what_its_neighbours_weigh() {
    let kafka = Broker::shared();
    let narrow = unique_name("narrow");
    kafka.create_topic(&narrow, 1, &[("max.message.bytes", "20000")]);
    let id = unique_name("id");
    let mut one = native(&settings(kafka), &id);
    let kilobyte = "x".repeat(1_000);
    let many: Vec<(&str, &str, &[u8])> =
        (0..200).map(|_| (narrow.as_str(), "k", kilobyte.as_bytes())).collect();
    transaction(&mut one, &many).expect("committed");
    assert_eq!(kafka.wait_records(&[&narrow], 200, PATIENCE).len(), 200);

    let large = "x".repeat(30_000);
    let refused = transaction(&mut one, &[(&narrow, "k", b"small"), (&narrow, "k", large.as_bytes())]);
    let refused = refused.expect_err("a refusal by the broker");
    assert_eq!(
        (refused.class, refused.record),
        (Class::RecordRefused(Reason::TooLarge), Some(1)),
        "{refused}"
    );
    one.abort().expect("abort");
    let mut next = native(&settings(kafka), &id);
    let huge = "x".repeat(2_000_000);
    let refused = transaction(&mut next, &[(&narrow, "k", b"small"), (&narrow, "k", huge.as_bytes())]);
    let refused = refused.expect_err("a refusal by ourselves");
    assert_eq!(
        (refused.class, refused.record),
        (Class::RecordRefused(Reason::TooLarge), Some(1)),
        "{refused}"
    );
    next.abort().expect("abort");
    assert_eq!(kafka.records(&[&narrow]).len(), 200);
}

#[test]
fn the_broker_names_the_record_that_it_refuses_among_others() {
    let kafka = Broker::shared();
    let compacted = unique_name("compacted");
    kafka.create_topic(&compacted, 1, &[("cleanup.policy", "compact")]);
    let mut one = native(&settings(kafka), &unique_name("id"));
    one.begin().expect("begin");
    for n in 0..500 {
        let key = (n != 400).then_some(b"k".as_slice());
        let record =
            Record { topic: &compacted, partition: None, timestamp_ms: Some(1), key, value: Some(b"v") };
        one.send(record, std::iter::empty()).expect("send");
    }
    let refused = one.settle().expect_err("a refusal");
    assert_eq!(refused.class, Class::RecordRefused(Reason::RefusedByBroker), "{refused}");
    assert_eq!((refused.record, refused.topic.as_ref()), (Some(400), Some(&compacted)), "{refused}");
    one.abort().expect("abort");
    assert!(kafka.records(&[&compacted]).is_empty());
}

#[test]
fn a_topic_that_is_deleted_in_a_transaction_is_a_topic_s_trouble_and_one_that_was_never_there_too() {
    let kafka = Broker::shared();
    let (gone, stays, id) = (topic(kafka, 1), topic(kafka, 1), unique_name("id"));
    let mut one = native(&settings(kafka), &id);
    transaction(&mut one, &[(&gone, "k", b"1")]).expect("committed");
    one.begin().expect("begin");
    one.send(record(&gone, "k", b"2"), std::iter::empty()).expect("send");
    one.send(record(&stays, "k", b"2"), std::iter::empty()).expect("send");
    kafka.delete_topic(&gone);
    wait_until("the topic is gone", PATIENCE, || (!kafka.topics().contains(&gone)).then_some(()));
    let refused = one.settle().expect_err("a topic that is gone");
    assert_eq!((refused.class, refused.topic.as_ref()), (Class::Topic, Some(&gone)), "{refused}");
    drop(one);
    let mut next = native(&settings(kafka), &id);
    let refused = transaction(&mut next, &[("no.such.topic", "k", b"v")]).expect_err("no topic");
    assert_eq!((refused.class, refused.topic.as_deref()), (Class::Topic, Some("no.such.topic")), "{refused}");
    assert!(!kafka.topics().contains(&"no.such.topic".to_owned()));
    assert!(kafka.records(&[&stays]).is_empty());
}

#[test]
fn a_broker_killed_in_a_transaction_leaves_its_outcome_to_the_fence() {
    let kafka = Broker::start();
    kafka.create_topic("t", 1, &[]);
    let settings = with(&kafka, &[("transaction.timeout.ms", "5000"), ("socket.timeout.ms", "1000")]);
    let mut one = native(&settings, "id");
    transaction(&mut one, &[("t", "k", b"before")]).expect("committed");
    one.begin().expect("begin");
    one.send(record("t", "k", b"in doubt"), std::iter::empty()).expect("send");
    one.settle().expect("settle");
    kafka.kill();
    let failed = one.commit().expect_err("a commit without a broker");
    assert!(matches!(failed.class, Class::Indefinite | Class::Abortable), "{failed}");
    assert!(one.begin().is_err());
    kafka.start_again();
    let mut next = native(&settings, "id");
    transaction(&mut next, &[("t", "k", b"after")]).expect("committed");
    assert_eq!(values(&kafka, "t", 2), ["before", "after"]);
}

#[test]
fn a_broker_that_stops_answering_is_given_up_in_time() {
    // Longer than it stands still: one that its controller takes for dead loads its transactions anew, and refuses commits.
    let kafka = Broker::with(BrokerOptions::new().setting("broker.session.timeout.ms", 30_000));
    kafka.create_topic("t", 1, &[]);
    let settings = with(&kafka, &[("transaction.timeout.ms", "2000"), ("socket.timeout.ms", "1000")]);
    let mut one = native(&settings, "id");
    one.begin().expect("begin");
    one.send(record("t", "k", b"v"), std::iter::empty()).expect("send");
    kafka.pause();
    let began = Instant::now();
    let failed = one.settle().expect_err("no answer");
    assert_eq!(failed.class, Class::Indefinite, "{failed}");
    assert!(Native::fenced(&settings, "id", Duration::from_secs(2)).is_err());
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    kafka.resume();
    let mut next = native(&settings, "id");
    transaction(&mut next, &[("t", "k", b"after")]).expect("committed");
    assert_eq!(values(&kafka, "t", 1), ["after"]);
}

#[test]
fn an_open_transaction_is_found_by_its_partition_and_by_its_id() {
    let kafka = Broker::shared();
    let (topic, id) = (topic(kafka, 2), unique_name("id"));
    let mut inquiry = Inquiry::new(&settings(kafka)).expect("settings");
    let both = [(topic.as_str(), 0), (topic.as_str(), 1)];
    assert_eq!(inquiry.describe_transaction(&id, PATIENCE), Ok(None));
    let mut one = native(&settings(kafka), &id);
    transaction(&mut one, &[(&topic, "k", b"over")]).expect("committed");
    wait_until("nothing is open", PATIENCE, || {
        inquiry.open_transactions(&both, PATIENCE).expect("an answer").is_empty().then_some(())
    });
    one.begin().expect("begin");
    one.send(Record { partition: Some(1), ..record(&topic, "k", b"open") }, std::iter::empty())
        .expect("send");
    one.settle().expect("settle");
    let open = inquiry.open_transactions(&both, PATIENCE).expect("an answer");
    let facts = inquiry.describe_transaction(&id, PATIENCE).expect("an answer").expect("facts");
    assert_eq!((facts.state.as_str(), &facts.partitions), ("Ongoing", &vec![(topic.clone(), 1)]));
    let [found] = open.as_slice() else { panic!("{open:?}") };
    assert_eq!((found.topic.as_str(), found.partition), (topic.as_str(), 1));
    assert_eq!((found.producer_id, found.epoch), (facts.producer_id, i32::from(facts.epoch)));
    one.abort().expect("abort");
    wait_until("nothing is open", PATIENCE, || {
        inquiry.open_transactions(&both, PATIENCE).expect("an answer").is_empty().then_some(())
    });
}

#[test]
fn a_cluster_with_the_old_protocol_is_spoken_to_in_it() {
    let kafka = Broker::with(BrokerOptions::new().feature("transaction.version", 1));
    kafka.create_topic("t", 6, &[]);
    let mut one = native(&settings(&kafka), "id");
    for round in 0..20 {
        let value = round.to_string();
        let records = ["a", "b", "c", "d", "e"].map(|key| ("t", key, value.as_bytes()));
        transaction(&mut one, &records).expect("committed");
    }
    one.begin().expect("begin");
    one.send(record("t", "a", b"aborted"), std::iter::empty()).expect("send");
    one.settle().expect("settle");
    one.abort().expect("abort");
    let mut next = native(&settings(&kafka), "id");
    transaction(&mut next, &[("t", "a", b"last")]).expect("committed");
    assert_eq!(values(&kafka, "t", 101).len(), 101);
}

#[test]
fn tls_and_passwords_are_as_for_librdkafka() {
    let certificates = Certificates::new();
    let kafka = Broker::with(BrokerOptions::new().tls(&certificates).user("alice", "s3 cret;="));
    kafka.create_topic("t", 1, &[]);
    let login = |mechanism: &str, password: &str, ca: &std::path::Path| -> BTreeMap<String, String> {
        [
            ("bootstrap.servers", kafka.sasl_ssl_bootstrap()),
            ("security.protocol", "sasl_ssl".to_owned()),
            ("sasl.mechanism", mechanism.to_owned()),
            ("sasl.username", "alice".to_owned()),
            ("sasl.password", password.to_owned()),
            ("ssl.ca.location", ca.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    };
    for mechanism in ["SCRAM-SHA-512", "PLAIN"] {
        let mut one = native(&login(mechanism, "s3 cret;=", &certificates.ca), &unique_name("id"));
        transaction(&mut one, &[("t", "k", b"over TLS")]).expect("committed");
        let began = Instant::now();
        let refused = Native::fenced(&login(mechanism, "guessed", &certificates.ca), "id", PATIENCE);
        let refused = refused.err().expect("a refusal");
        assert_eq!(refused.kind, ErrorKind::Denied, "{refused}");
        assert!(!refused.message.contains("guessed") && began.elapsed() < PATIENCE / 2, "{refused}");
    }
    let stranger = Certificates::new();
    let refused = Native::fenced(&login("PLAIN", "s3 cret;=", &stranger.ca), "id", PATIENCE);
    let refused = refused.err().expect("a refusal");
    assert_eq!(refused.kind, ErrorKind::Denied, "{refused}");
    assert!(refused.message.contains("certificate"), "{refused}");

    let mut by_certificate = login("PLAIN", "", &certificates.ca);
    for (name, value) in [
        ("bootstrap.servers", kafka.ssl_bootstrap()),
        ("security.protocol", "ssl".to_owned()),
        ("ssl.certificate.location", certificates.client_cert.display().to_string()),
        ("ssl.key.location", certificates.client_key.display().to_string()),
    ] {
        by_certificate.insert(name.to_owned(), value);
    }
    transaction(&mut native(&by_certificate, "id"), &[("t", "k", b"by certificate")]).expect("committed");
    assert_eq!(values(&kafka, "t", 3), ["over TLS", "over TLS", "by certificate"]);
}

/// No time is asserted; what is printed is for comparison with the same test of the other producer.
#[test]
fn many_small_transactions_commit_one_after_the_other() {
    let kafka = Broker::shared();
    let topic = topic(kafka, 6);
    let mut one = native(&settings(kafka), &unique_name("id"));
    let mut took = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        one.begin().expect("begin");
        for key in 0..20 {
            one.send(record(&topic, &key.to_string(), &[b'v'; 300]), std::iter::empty()).expect("send");
        }
        one.settle().expect("settle");
        one.commit().expect("commit");
        took.push(began.elapsed());
        std::thread::sleep(one.rest());
    }
    took.sort();
    println!(
        "200 transactions: p50 {:?}, p95 {:?}, p99 {:?}, rest {:?}",
        took[100],
        took[190],
        took[198],
        one.rest()
    );
    assert_eq!(kafka.wait_records(&[&topic], 4_000, PATIENCE).len(), 4_000);
}
