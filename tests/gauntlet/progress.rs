//! How far a connector has come, as a consumer sees it: the newest position that is committed, and when it came.
//!
//! A position is the last record of every Kafka transaction: whoever sees it sees the events before it too.

use crate::support::Broker;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use walpost::lsn::Lsn;
use walpost::position::Position;

/// The newest position.
#[derive(Clone, Debug)]
pub struct Seen {
    pub end_lsn: Lsn,
    pub events: u64,
    pub instance: String,
    /// Inside a transaction that was split.
    pub inside: bool,
    pub at: Instant,
}

/// Reads the position topic for as long as it lives.
pub struct Progress {
    newest: Arc<Mutex<Option<Seen>>>,
    pieces: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// The topic must exist.
    pub fn of(kafka: &Broker, topic: &str) -> Progress {
        let (newest, stop) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let pieces = Arc::new(AtomicU64::new(0));
        let (client, topic) = (kafka.client(), topic.to_owned());
        let thread = std::thread::spawn({
            let (newest, pieces, stop) = (Arc::clone(&newest), Arc::clone(&pieces), Arc::clone(&stop));
            move || {
                let mut next = 0;
                while !stop.load(Ordering::Relaxed) {
                    let consumer = consumer(&client, &topic, next);
                    // One that has heard nothing for long is replaced: after its partition had no leader for a while, the
                    // client may wait for ever.
                    let mut heard = Instant::now();
                    while !stop.load(Ordering::Relaxed) && heard.elapsed() < SILENCE {
                        // Errors: the broker is down; the client tries again by itself.
                        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
                        (heard, next) = (Instant::now(), message.offset() + 1);
                        let Some(seen) = message.payload().and_then(seen) else { continue };
                        pieces.fetch_add(u64::from(seen.inside), Ordering::Relaxed);
                        *newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
                    }
                }
            }
        });
        Progress { newest, pieces, stop, thread: Some(thread) }
    }

    pub fn newest(&self) -> Option<Seen> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn events(&self) -> u64 {
        self.newest().map_or(0, |seen| seen.events)
    }

    /// Positions so far that were inside a transaction.
    pub fn pieces(&self) -> u64 {
        self.pieces.load(Ordering::Relaxed)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How long a consumer may hear nothing.
const SILENCE: Duration = Duration::from_secs(3);

fn consumer(client: &ClientConfig, topic: &str, next: i64) -> BaseConsumer {
    let consumer: BaseConsumer = client
        .clone()
        .set("group.id", "read by position")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "100")
        .set("socket.timeout.ms", "3000") // a broker that was halted is asked again soon
        .create()
        .expect("a consumer");
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Offset(next)).expect("a partition");
    consumer.assign(&from).expect("an assignment");
    consumer
}

/// None for a position forgotten.
fn seen(record: &[u8]) -> Option<Seen> {
    let position: Position = serde_json::from_slice(record).ok()?;
    Some(Seen {
        end_lsn: position.end_lsn,
        events: position.events,
        instance: position.instance,
        inside: position.partial.is_some(),
        at: Instant::now(),
    })
}
