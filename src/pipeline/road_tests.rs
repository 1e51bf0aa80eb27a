//! The road between a recorded feed and a publisher that only keeps what it is given.

use super::super::report::Reporter;
use super::*;
use crate::decode::testing;
use crate::encode::{Config as EncodeConfig, Converter, HeaderConverter, Nulls};
use crate::observe::health::Health;
use crate::observe::metrics::Metrics;
use crate::position::{Partial, Position};
use crate::publish::{Batch, Limits};
use crate::rejection::Reason;
use crate::route;
use crate::source::recorded::{self, Recorded};
use crate::source::{Chunk, Nudge};
use bytes::Bytes;
use std::sync::mpsc;
use std::thread;

const OUTBOX: u32 = 16_500;
const START: u64 = 1_000;

/// What was handed over, and how the road ended.
struct Outcome {
    batches: Vec<(Vec<String>, Batch)>,
    result: Result<(), Error>,
}

impl Outcome {
    fn keys(&self) -> Vec<&str> {
        self.batches.iter().flat_map(|(keys, _)| keys).map(String::as_str).collect()
    }
}

struct NoCatalog;

impl Catalog for NoCatalog {
    fn describe(&mut self, _: &Relation) -> Result<TableFacts, crate::postgres::Error> {
        Ok(TableFacts::default())
    }
}

fn position() -> Position {
    Position::first(&Position::creating(1, 1, "test"), Lsn::new(START))
}

/// A feed that says the word to leave with its first chunk.
struct ThenLeave {
    feed: Recorded,
    shutdown: Shutdown,
}

impl Feed for ThenLeave {
    fn next(&mut self, until: Instant) -> Result<Option<Chunk>, source::Error> {
        let next = self.feed.next(until);
        if matches!(next, Ok(Some(_))) {
            self.shutdown.ask();
        }
        next
    }

    fn nudge(&self) -> Nudge {
        self.feed.nudge()
    }
}

/// Feeds `frames` in one chunk and waits for the end.
fn drive(position: Position, events_most: usize, frames: Vec<Vec<u8>>) -> Outcome {
    drive_with(position, events_most, frames, Treatment::default(), Lessons::default())
}

/// The same with events that cannot be published.
fn drive_with(
    position: Position,
    events_most: usize,
    frames: Vec<Vec<u8>>,
    treatment: Treatment,
    lessons: Lessons,
) -> Outcome {
    drive_as(position, events_most, frames, |road| {
        (road.treatment, road.settings.lessons) = (treatment, lessons);
    })
}

/// The same on a road that is made to fit.
fn drive_as(
    position: Position,
    events_most: usize,
    frames: Vec<Vec<u8>>,
    fit: impl FnOnce(&mut Road<ThenLeave>),
) -> Outcome {
    let shutdown = Shutdown::default();
    let feed = ThenLeave { feed: Recorded::new([Bytes::from(frames.concat())]), shutdown: shutdown.clone() };
    let handover = Arc::new(Handover::default());
    let mut road = road(feed, &handover, shutdown, &position, events_most);
    fit(&mut road);
    let publisher = thread::spawn({
        let handover = Arc::clone(&handover);
        move || keep(&handover)
    });
    let result = road.run();
    handover.end_road();
    Outcome { batches: publisher.join().unwrap(), result }
}

fn road<F: Feed>(
    feed: F,
    handover: &Arc<Handover>,
    shutdown: Shutdown,
    position: &Position,
    events_most: usize,
) -> Road<F> {
    let metrics = Metrics::new("app");
    let limits = Limits { events: events_most, bytes: 1 << 20, age: Duration::from_secs(60) };
    Road {
        feed,
        decoder: Decoder::new(),
        router: Router::new(route::Config {
            messages: Some(route::MessageRule { alone: true, ..route::MessageRule::default() }),
            ..route::testing::defaults()
        }),
        encoder: Encoder::new(encode()),
        treatment: Treatment::default(),
        batcher: Batcher::new(limits, position),
        resume: Resume::new(position),
        schemas: Box::new(crate::pipeline::schemas::NoRegistry),
        catalog: Box::new(NoCatalog),
        handover: Arc::clone(handover),
        ledger: Arc::new(Mutex::new(Ledger::new(position.end_lsn))),
        shutdown,
        reporter: Reporter::new(metrics.clone(), Health::new(metrics)),
        settings: Settings {
            idle_interval: Duration::from_secs(3600),
            idle_bytes: 1 << 40,
            lessons: Lessons::default(),
            heartbeat: None,
        },
        place: Place::after(position),
    }
}

fn encode() -> EncodeConfig {
    EncodeConfig {
        key: Converter::String,
        value: Converter::String,
        header: HeaderConverter::Simple,
        context: None,
        verify: None,
        cloud: None,
        expand: None,
        messages: Some(Nulls::Ignore),
        strict: false,
        max_record_bytes: 1 << 20,
    }
}

/// A publisher that keeps what it is given.
fn keep(handover: &Handover) -> Vec<(Vec<String>, Batch)> {
    let mut batches = Vec::new();
    while let Some(batch) = handover.next(None) {
        let text = |key: Option<&[u8]>| {
            key.map_or("no key".to_owned(), |key| String::from_utf8(key.to_vec()).unwrap())
        };
        let keys = batch.outgoing.iter().map(|record| match record.letter {
            Some(reason) => format!("{} ({})", text(record.key), reason.name()),
            None => text(record.key),
        });
        batches.push((keys.collect(), batch));
    }
    handover.end_publisher();
    batches
}

/// A feed that looks at how long the road would wait for a second chunk; then it says the word to leave.
struct HowLong {
    feed: Recorded,
    shutdown: Shutdown,
    waits: Arc<Mutex<Vec<Duration>>>,
    waited: Option<mpsc::Sender<()>>,
}

impl Feed for HowLong {
    fn next(&mut self, until: Instant) -> Result<Option<Chunk>, source::Error> {
        if let Ok(Some(chunk)) = self.feed.next(Instant::now()) {
            return Ok(Some(chunk));
        }
        self.waits.lock().unwrap().push(until.saturating_duration_since(Instant::now()));
        self.waited = None;
        self.shutdown.ask();
        Ok(None)
    }

    fn nudge(&self) -> Nudge {
        self.feed.nudge()
    }
}

fn wal(message: Vec<u8>) -> Vec<u8> {
    recorded::wal(Lsn::ZERO, &message)
}

fn relation() -> Vec<u8> {
    wal(testing::relation(&testing::outbox(OUTBOX)))
}

fn row(route: &str, key: &str) -> Vec<u8> {
    wal(testing::insert_text(OUTBOX, &["59a42efd-b015-44a9-9dde-cb36d9002425", route, key, "T", "{}"]))
}

fn begin(commit: u64, xid: u32) -> Vec<u8> {
    wal(testing::begin(Lsn::new(commit), 5, xid))
}

fn commit(commit: u64, end: u64) -> Vec<u8> {
    wal(testing::commit(Lsn::new(commit), Lsn::new(end), 5))
}

#[test]
fn events_of_whole_transactions_are_handed_over_and_the_end_is_exactly_the_last_commits() {
    let outcome = drive(
        position(),
        100,
        vec![
            begin(1100, 1),
            relation(),
            row("User", "a"),
            row("User", "b"),
            commit(1100, 1150),
            begin(1150, 2),
            row("User", "c"),
            commit(1150, 1180),
        ],
    );
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), ["a", "b", "c"]);
    assert_eq!(outcome.batches.last().unwrap().1.end_lsn, Lsn::new(1180));
    assert!(outcome.batches.iter().all(|(_, batch)| batch.partial.is_none()));
}

#[test]
fn a_keepalive_inside_a_transaction_does_not_move_the_position_and_one_after_it_does() {
    let inside = vec![
        begin(1100, 1),
        relation(),
        recorded::keepalive(Lsn::new(9_999), true),
        row("User", "a"),
        commit(1100, 1150),
    ];
    let outcome = drive(position(), 100, inside.clone());
    assert_eq!(outcome.batches.last().unwrap().1.end_lsn, Lsn::new(1150));

    let mut after = inside;
    after.push(recorded::keepalive(Lsn::new(2_000), false));
    let outcome = drive(position(), 100, after);
    assert_eq!(outcome.batches.last().unwrap().1.end_lsn, Lsn::new(2_000));
    assert_eq!(outcome.keys(), ["a"]);
}

#[test]
fn a_bad_event_stops_the_road_after_the_transactions_before_its_own() {
    let outcome = drive(
        position(),
        100,
        vec![
            begin(1100, 1),
            relation(),
            row("User", "a"),
            commit(1100, 1150),
            begin(1150, 2),
            row("User", "b"),
            row("no such topic", "c"),
            row("User", "d"),
            commit(1150, 1180),
        ],
    );
    let Err(Error::Rejected(rejection)) = outcome.result.as_ref() else { panic!("{:?}", outcome.result) };
    assert_eq!((rejection.reason, rejection.origin.xid), (Reason::TopicIllegal, 2));
    assert_eq!(rejection.event_id.as_deref(), Some("59a42efd-b015-44a9-9dde-cb36d9002425"));
    assert_eq!(outcome.keys(), ["a"]);
    assert_eq!(outcome.batches.last().unwrap().1.end_lsn, Lsn::new(1150));
}

#[test]
fn a_large_transaction_is_split_and_resumed_after_what_was_published() {
    let frames = || {
        let mut frames = vec![begin(1100, 1), relation()];
        frames.extend((0..7).map(|n| row("User", &n.to_string())));
        frames.push(commit(1100, 1150));
        frames
    };
    let whole = drive(position(), 3, frames());
    whole.result.as_ref().unwrap();
    assert_eq!(whole.keys(), ["0", "1", "2", "3", "4", "5", "6"]);
    let partial: Vec<Option<Partial>> =
        whole.batches.iter().map(|(_, batch)| batch.partial.clone()).collect();
    assert_eq!(
        partial.iter().map(|p| p.as_ref().map(|p| p.ordinal)).collect::<Vec<_>>(),
        [Some(3), Some(6), None]
    );

    let resumed = drive(Position { partial: partial[1].clone(), ..position() }, 3, frames());
    resumed.result.as_ref().unwrap();
    assert_eq!(resumed.keys(), ["6"]);

    let mut changed = frames();
    changed.swap(3, 7);
    let outcome = drive(Position { partial: partial[1].clone(), ..position() }, 3, changed);
    assert!(matches!(outcome.result, Err(Error::Order(_))), "{:?}", outcome.result);
    assert!(outcome.keys().is_empty());
}

#[test]
fn a_stream_that_breaks_its_own_order_stops_the_road() {
    for frames in [
        vec![relation(), row("User", "a")],
        vec![begin(1100, 1), begin(1200, 2)],
        vec![begin(1100, 1), commit(1200, 1250)],
        vec![commit(1200, 1250)],
        vec![begin(900, 1), commit(900, 1001)],
    ] {
        let outcome = drive(position(), 100, frames);
        assert!(matches!(outcome.result, Err(Error::Order(_))), "{:?}", outcome.result);
        assert!(outcome.batches.is_empty());
    }
}

#[test]
fn rows_before_the_stored_position_pass_by() {
    let outcome = drive(
        position(),
        100,
        vec![
            begin(900, 1),
            relation(),
            row("User", "old"),
            commit(900, 1000),
            begin(1000, 2),
            row("User", "new"),
            commit(1000, 1100),
        ],
    );
    outcome.result.as_ref().unwrap();
    assert_eq!(outcome.keys(), ["new"]);
}

/// Kafka stands still, and a position, a heartbeat and records are all overdue: nothing can be done about them, and a
/// road that looked again at once would take a whole core for as long.
#[test]
fn a_road_whose_publisher_is_busy_waits_for_it_to_ring() {
    let (shutdown, waits) = (Shutdown::default(), Arc::new(Mutex::new(Vec::new())));
    let (waited, has_waited) = mpsc::channel();
    let frames = [begin(1100, 1), relation(), row("User", "a"), commit(1100, 1150)].concat();
    let feed = HowLong {
        feed: Recorded::new([Bytes::from(frames)]),
        shutdown: shutdown.clone(),
        waits: Arc::clone(&waits),
        waited: Some(waited),
    };
    let handover = Arc::new(Handover::default());
    let mut road = road(feed, &handover, shutdown, &position(), 100);
    road.settings.idle_interval = Duration::ZERO;
    road.settings.heartbeat =
        Some(Heartbeat { interval: Duration::from_nanos(1), topic: "beat".into(), server: "app".into() });
    let publisher = thread::spawn({
        let handover = Arc::clone(&handover);
        move || {
            let _ = has_waited.recv();
            keep(&handover)
        }
    });
    road.run().unwrap();
    assert_eq!(publisher.join().unwrap().len(), 1);
    assert!(waits.lock().unwrap()[0] > Duration::from_millis(500), "{waits:?}");
}

#[path = "desk_tests.rs"]
mod desk;

#[path = "message_tests.rs"]
mod messages;

#[path = "split_tests.rs"]
mod split;

#[path = "schemas_tests.rs"]
mod schemas_tests;
