//! A bare loop around librdkafka: begin, send, commit. What the broker can take from the client that walpost uses, and
//! what a Kafka transaction takes.

use crate::arrivals::Count;
use crate::process::Meter;
use crate::results::Drain;
use crate::servers::Servers;
use crate::statistics::Percentiles;
use crate::support::unique_name;
use crate::writer::LEAD;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::{Duration, Instant};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);
/// Events of one transaction when there is no end of them.
const FULL: u64 = 10_000;

/// As many events as the backlog has rows, as fast as they go. Its own CPU is that of this program.
pub fn drain(servers: &Servers, topic: &str, events: u64, payload: u64) -> Drain {
    let producer = producer(servers);
    let payload = vec![b'x'; payload as usize];
    let mut commits = Vec::new();
    let mut meter = Meter::start(servers.kafka.pid());
    meter.own_from_now(std::process::id());
    let mut sent = 0;
    while sent < events {
        let until = (sent + FULL).min(events);
        commits.push(transaction(&producer, topic, sent..until, |_| payload.clone()));
        sent = until;
    }
    // The peak would be that of this program, which has counted other drains.
    let reading = crate::process::Reading { peak_mb: None, ..meter.look() };
    let found = Count::of(&servers.kafka, topic).read_on();
    assert_eq!(found, (events, events), "records, distinct ids");
    Drain { events, reading, disk: Some(servers.bytes_on_disk(topic)), commits: Percentiles::of(commits) }
}

/// Publishes what is due since the last commit, again and again: as a connector would whose source takes no time. How
/// many it sent.
pub fn hold(servers: &Servers, topic: &str, epoch: Instant, rate: u64, seconds: u64, payload: u64) -> u64 {
    let producer = producer(servers);
    let pad = "x".repeat(payload.saturating_sub(48) as usize);
    let (mut sent, all) = (0, rate * seconds);
    let due = |n: u64| LEAD.as_secs_f64() + n as f64 / rate as f64;
    while sent < all {
        let wait = due(sent) - epoch.elapsed().as_secs_f64();
        // The pace of the load.
        std::thread::sleep(Duration::from_secs_f64(wait.max(0.0)));
        let past = (epoch.elapsed().as_secs_f64() - LEAD.as_secs_f64()) * rate as f64;
        let until = (past as u64 + 1).clamp(sent + 1, all);
        let text = |n| format!("{{\"n\": {n}, \"at\": {}, \"pad\": \"{pad}\"}}", due(n)).into_bytes();
        transaction(&producer, topic, sent..until, text);
        sent = until;
    }
    sent
}

/// Begins, sends, commits; how long that took, ms.
fn transaction(
    producer: &BaseProducer,
    topic: &str,
    numbers: std::ops::Range<u64>,
    payload: impl Fn(u64) -> Vec<u8>,
) -> f64 {
    let began = Instant::now();
    producer.begin_transaction().expect("begun");
    for n in numbers {
        let (key, id, payload) = ((n % 1000).to_string(), id(n), payload(n));
        let headers = OwnedHeaders::new().insert(Header { key: "id", value: Some(&id) });
        let mut record = BaseRecord::to(topic).key(&key).payload(&payload).headers(headers);
        while let Err((error, back)) = producer.send(record) {
            let is_full = error == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert!(is_full, "{error}");
            producer.poll(Duration::from_millis(1));
            record = back;
        }
        producer.poll(Duration::ZERO);
    }
    // The crate's commit would wait for what is in flight in steps of a tenth of a second.
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
    }
    producer.commit_transaction(PATIENCE).expect("committed");
    began.elapsed().as_secs_f64() * 1e3
}

fn id(n: u64) -> String {
    Uuid::from_u128(u128::from(n)).to_string()
}

fn producer(servers: &Servers) -> BaseProducer {
    let mut config = servers.kafka.client();
    config
        .set("transactional.id", unique_name("loop"))
        .set("compression.type", "lz4")
        // A transaction waits for its last record, so nobody else's linger is of any use.
        .set("linger.ms", "0")
        .set("batch.size", "1048576")
        .set("queue.buffering.max.messages", "100000");
    let producer: BaseProducer = config.create().expect("a producer");
    producer.init_transactions(PATIENCE).expect("transactions");
    producer
}
