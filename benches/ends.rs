//! What the benches of the road share: recorded frames at one end, an outlet that takes everything at the other.

use bytes::Bytes;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use walpost::confirm::Ledger;
use walpost::decode::{Decoder, Relation, testing};
use walpost::encode::{
    self, Context, Converter, DeadLetters, Encoder, HeaderConverter, Outgoing, RecordRef, dead_letter,
};
use walpost::lsn::Lsn;
use walpost::observe::health::Health;
use walpost::observe::metrics::Metrics;
use walpost::pipeline::desk::Treatment;
use walpost::pipeline::handover::Handover;
use walpost::pipeline::lessons::Lessons;
use walpost::pipeline::publishing;
use walpost::pipeline::report::Reporter;
use walpost::pipeline::resume::Resume;
use walpost::pipeline::road::{Catalog, Place, Road, Settings};
use walpost::position::Position;
use walpost::publish::{Batcher, Limits, Outlet, OutletError, Publisher};
use walpost::rejection::{Policies, Policy};
use walpost::route::{self, Placement, Router, TableFacts};
use walpost::shutdown::Shutdown;
use walpost::source::recorded::{Recorded, wal};
use walpost::source::{self, Acknowledger, Chunk, Feed, Nudge};

const OUTBOX: u32 = 16_500;
const START: u64 = 1_000;
/// What a read from a busy server brings.
const CHUNK: usize = 64 * 1024;

/// So many events in transactions of so many rows, payloads of 300 bytes, as the server sends them; of every `poison`
/// rows one names no topic.
pub fn recording(events: u64, rows: u64, poison: Option<u64>) -> Vec<Bytes> {
    let payload = format!("{{\"filler\": \"{}\"}}", "x".repeat(285));
    let (mut chunks, mut chunk) = (Vec::new(), Vec::new());
    let mut lsn = START;
    let mut say = |message: &[u8]| {
        lsn += 100;
        chunk.extend(wal(Lsn::new(lsn), message));
        if chunk.len() >= CHUNK {
            chunks.push(Bytes::from(std::mem::take(&mut chunk)));
        }
    };
    say(&testing::relation(&testing::outbox(OUTBOX)));
    for transaction in 1..=events / rows {
        let commit = Lsn::new(START + transaction * 1_000_000);
        say(&testing::begin(commit, 5, transaction as u32));
        for row in 0..rows {
            let number = transaction * rows + row;
            let id = format!("59a42efd-b015-44a9-9dde-{number:012}");
            let key = format!("customer-{}", number % 1000);
            let is_poison = poison.is_some_and(|poison| number.is_multiple_of(poison));
            let kind = if is_poison { "no such topic" } else { "order" };
            say(&testing::insert_text(OUTBOX, &[&id, kind, &key, "OrderPlaced", &payload]));
        }
        say(&testing::commit(commit, Lsn::new(commit.as_u64() + 8), 5));
    }
    chunks.push(Bytes::from(chunk));
    chunks
}

/// Leaves when everything has been read.
struct ThenLeave {
    feed: Recorded,
    left: usize,
    shutdown: Shutdown,
}

impl Feed for ThenLeave {
    fn next(&mut self, until: Instant) -> Result<Option<Chunk>, source::Error> {
        let next = self.feed.next(until);
        if let Ok(Some(_)) = next {
            self.left -= 1;
            if self.left == 0 {
                self.shutdown.ask();
            }
        }
        next
    }

    fn nudge(&self) -> Nudge {
        self.feed.nudge()
    }
}

/// Looks at every byte of a record, and has committed it.
struct Taken;

impl Outlet for Taken {
    fn prepare(&mut self, _: &Outgoing) -> Result<(), OutletError> {
        Ok(())
    }
    fn begin(&mut self) -> Result<(), OutletError> {
        Ok(())
    }
    fn send(&mut self, record: &RecordRef<'_>) -> Result<(), OutletError> {
        black_box((record.key, record.value, record.headers().count()));
        Ok(())
    }
    fn send_position(&mut self, _: &[u8], value: Option<&[u8]>) -> Result<(), OutletError> {
        black_box(value);
        Ok(())
    }
    fn settle(&mut self) -> Result<(), OutletError> {
        Ok(())
    }
    fn commit(&mut self) -> Result<(), OutletError> {
        Ok(())
    }
    fn abort(&mut self) -> Result<(), OutletError> {
        Ok(())
    }
}

struct NoCatalog;

impl Catalog for NoCatalog {
    fn describe(&mut self, _: &Relation) -> Result<TableFacts, walpost::postgres::Error> {
        Ok(TableFacts::default())
    }
}

pub fn route_config() -> route::Config {
    let event_type =
        Placement { column: "type".into(), place: route::Place::Header, alias: "eventType".into() };
    route::Config { placements: vec![event_type], ..route::testing::defaults() }
}

pub fn encode_config() -> encode::Config {
    encode::Config {
        key: Converter::String,
        value: Converter::String,
        header: HeaderConverter::Simple,
        context: Some(Context { logical_name: "app".into(), run_id: "a-run".into() }),
        verify: None,
        cloud: None,
        expand: None,
        messages: None,
        strict: false,
        max_record_bytes: 1 << 20,
    }
}

/// What cannot be published goes to the dead letters.
fn treatment() -> Treatment {
    let (connector, slot) = ("app".to_owned(), "walpost".to_owned());
    let config = dead_letter::Config { topic: Arc::from("dlt"), connect_headers: true, connector, slot };
    Treatment {
        policies: Policies { every: Policy::DeadLetter, ..Policies::default() },
        letters: Some(DeadLetters::new(config, 1 << 20)),
        ..Treatment::default()
    }
}

/// Everything from the frames to the receipt of the last batch; the confirmed position.
pub fn drive(chunks: &[Bytes]) -> Lsn {
    let position = Position::first(&Position::creating(1, 1, "bench"), Lsn::new(START));
    let shutdown = Shutdown::default();
    let handover = Arc::new(Handover::default());
    let ledger = Arc::new(Mutex::new(Ledger::new(position.end_lsn)));
    let acknowledger = Acknowledger::new(position.end_lsn);
    let metrics = Metrics::new("app");
    let health = Health::new(metrics.clone());
    let reporter = || Reporter::new(metrics.clone(), health.clone());
    let limits = Limits { events: 10_000, bytes: 8 << 20, age: Duration::from_millis(100) };
    let mut road = Road {
        feed: ThenLeave {
            feed: Recorded::new(chunks.iter().cloned()),
            left: chunks.len(),
            shutdown: shutdown.clone(),
        },
        decoder: Decoder::new(),
        router: Router::new(route_config()),
        encoder: Encoder::new(encode_config()),
        treatment: treatment(),
        batcher: Batcher::new(limits, &position),
        resume: Resume::new(&position),
        schemas: Box::new(walpost::pipeline::schemas::NoRegistry),
        catalog: Box::new(NoCatalog),
        handover: Arc::clone(&handover),
        ledger: Arc::clone(&ledger),
        shutdown,
        reporter: reporter(),
        settings: Settings {
            idle_interval: Duration::from_secs(3600),
            idle_bytes: 1 << 40,
            lessons: Lessons::default(),
            heartbeat: None,
        },
        place: Place::default(),
    };
    let mut publisher = Publisher::new(Taken, position, b"key".to_vec());
    let mut told = reporter();
    thread::scope(|scope| {
        let publishing =
            scope.spawn(|| publishing::run(&mut publisher, &handover, &ledger, &acknowledger, &mut told));
        road.run().expect("the road");
        publishing.join().expect("the publisher's thread").expect("the publisher");
    });
    acknowledger.confirmed()
}

/// Where a recording of so many transactions ends.
pub fn end_of(transactions: u64) -> Lsn {
    Lsn::new(START + transactions * 1_000_000 + 8)
}
