//! The connector is killed, at each failpoint and at random, under four concurrent writers; then everything is counted.
//!
//! Every committed event must be there once, nothing else may be, each key in its order, and the position records form
//! one chain (`checker`). A failpoint that never fired, or a run with too few events, is a failure. Kills, events and
//! the seed are printed; `WALPOST_CRASH_SEED` runs the same choices again.

#[path = "../support/mod.rs"]
mod support;

mod checker;
mod random;
mod writer;

use checker::Checker;
use random::Random;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use support::{Broker, Connector, ConnectorBuilder, Database, DatabaseHandle, wait_until};
use writer::Writers;

/// How often each failpoint fires.
const KILLS: u64 = 10;
/// How often the connector is killed at a random moment.
const RANDOM_KILLS: u64 = 30;
/// Fewer events than this prove nothing.
const EVENTS_LEAST: usize = 2_000;
/// How long a connector may run on before it meets its failpoint.
const PATIENCE: Duration = Duration::from_secs(60);

/// Failpoint, and at which passing it may fire: those of a start are passed once in a process.
const FAILPOINTS: [(&str, u64); 9] = [
    ("after_fence", 1),
    ("after_position_read", 1),
    ("after_begin", 12),
    ("mid_send", 12),
    ("after_position", 12),
    ("before_commit", 12),
    ("after_commit", 12),
    ("before_confirm", 12),
    ("mid_split", 8),
];

/// One after the other: each wants both cores.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn killed_at_every_failpoint_it_publishes_every_event_once_and_in_order() {
    let mut world = World::new("failpoints");
    let mut kills: Vec<_> = FAILPOINTS.iter().flat_map(|failpoint| [*failpoint; KILLS as usize]).collect();
    world.random.shuffle(&mut kills);
    let mut fired: BTreeMap<&str, u64> = BTreeMap::new();
    let mut connector = None;
    for (name, most) in kills {
        let nth = 1 + world.random.below(most);
        let armed = format!("{name}:{nth}");
        world.start(&mut connector, |builder| builder.env("WALPOST_FAILPOINT", &armed));
        let connector = connector.as_mut().expect("just started");
        if name == "mid_split" {
            world.writers.want_large(1 + nth / 4);
        }
        let (exit, log) = connector.wait_exit(PATIENCE);
        let by_itself = exit.code().is_none() && log.contains(&format!("failpoint {name}"));
        assert!(by_itself, "instead of dying at {armed} it ended with {exit}; {}:\n{log}", world.seed());
        world.checker.died();
        *fired.entry(name).or_default() += 1;
    }
    for (name, _) in FAILPOINTS {
        assert_eq!(fired.get(name), Some(&KILLS), "{name}");
    }
    let kills = format!("{fired:?}");
    world.drain_and_check(connector.expect("started"), &kills);
}

#[test]
fn killed_at_random_it_publishes_every_event_once_and_in_order() {
    let mut world = World::new("random");
    let mut connector = None;
    for _ in 0..RANDOM_KILLS {
        world.start(&mut connector, |builder| builder);
        let connector = connector.as_mut().expect("just started");
        // From the middle of the start to well into the stream.
        let moment = Instant::now() + Duration::from_millis(50 + world.random.below(1500));
        wait_until("a random moment", PATIENCE, || {
            assert!(connector.is_running(), "it ended by itself; {}:\n{}", world.seed(), connector.log());
            (Instant::now() >= moment).then_some(())
        });
        connector.kill9();
        world.checker.died();
    }
    world.drain_and_check(connector.expect("started"), &format!("{RANDOM_KILLS} at random"));
}

#[test]
fn killed_while_its_slot_is_made_it_loses_no_event_since() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (kafka, mut random) = (Broker::shared(), Random::from_environment());
    for round in 0..KILLS {
        let db = Database::shared().fresh_database();
        db.create_outbox();
        kafka.create_topic(&db.topic("even"), 1, &[]);
        // Die when the slot is there and its position is not; then maybe again on the way to repair that.
        let mut deaths = vec!["after_slot_create:1"];
        deaths.extend(
            &["after_fence:1", "after_position_read:1", "before_commit:1"][..random.below(4) as usize],
        );
        let mut connector = None;
        for (number, armed) in deaths.iter().enumerate() {
            start(&mut connector, &db, kafka, |builder| builder.env("WALPOST_FAILPOINT", armed));
            let (exit, log) = connector.as_mut().expect("just started").wait_exit(PATIENCE);
            let name = armed.split(':').next().expect("a name");
            assert!(exit.code().is_none() && log.contains(&format!("failpoint {name}")), "{exit}: {log}");
            db.insert("even", &format!("{number}"), "t", "{}");
        }
        start(&mut connector, &db, kafka, |builder| builder.without_env("WALPOST_FAILPOINT"));
        let topic = db.topic("even");
        let records = kafka.wait_records(&[&topic], deaths.len(), PATIENCE);
        let keys: Vec<_> = records.iter().map(|record| record.key_text().to_owned()).collect();
        let expected: Vec<_> = (0..deaths.len()).map(|number| number.to_string()).collect();
        assert_eq!(keys, expected, "round {round}; {}", random.seed());
    }
    println!("crash test (slot): {KILLS} kills at after_slot_create, {}", random.seed());
}

/// A database under load, and what is known of it.
struct World {
    what: &'static str,
    random: Random,
    writers: Writers,
    checker: Checker,
    began: Instant,
    _turn: std::sync::MutexGuard<'static, ()>,
}

impl World {
    fn new(what: &'static str) -> World {
        let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut random = Random::from_environment();
        println!("crash test ({what}): {}", random.seed());
        let (db, kafka) = (Database::shared().fresh_database(), Broker::shared());
        writer::create_tables(&db);
        for topic in writer::TYPES {
            kafka.create_topic(&db.topic(topic), 3, &[]);
        }
        // The slot must be there before the first event, and a slot waits for open transactions.
        let mut first = configuration(&db, kafka).start();
        first.wait_ready();
        first.sigterm();
        first.wait_exit(PATIENCE);
        let db = std::sync::Arc::new(db);
        let writers = Writers::start(&db, &mut random);
        World { what, random, writers, checker: Checker::new(db, kafka), began: Instant::now(), _turn: turn }
    }

    fn seed(&self) -> String {
        self.random.seed()
    }

    fn start(
        &self,
        connector: &mut Option<Connector>,
        change: impl FnOnce(ConnectorBuilder) -> ConnectorBuilder,
    ) {
        start(connector, self.checker.db(), Broker::shared(), change);
    }

    /// Lets the writers end, an undisturbed connector publish the rest, and the checker look at everything.
    fn drain_and_check(mut self, connector: Connector, kills: &str) {
        let mut connector = Some(connector);
        self.writers.stop();
        self.start(&mut connector, |builder| builder.without_env("WALPOST_FAILPOINT"));
        let mut connector = connector.expect("just started");
        connector.wait_ready();
        let committed = self.checker.committed();
        self.checker.wait_delivered(committed, &mut connector);
        connector.sigterm();
        let (exit, log) = connector.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(0), "{log}");
        let report = self.checker.check();
        println!(
            "crash test ({}): {kills}; {committed} events of {} transactions, {} position records, {:.0} s, {}",
            self.what,
            report.transactions,
            report.positions,
            self.began.elapsed().as_secs_f32(),
            self.seed()
        );
        assert!(committed >= EVENTS_LEAST, "only {committed} events");
        assert!(report.pieces > 0, "no transaction was split");
    }
}

fn configuration(db: &DatabaseHandle, kafka: &Broker) -> ConnectorBuilder {
    Connector::new(db, kafka)
        .set("topic.creation.default.partitions", 1)
        .set("topic.creation.default.replication.factor", 1)
        .set("walpost.batch.max.events", 500)
        .set("walpost.idle.position.interval.ms", 200)
}

fn start(
    connector: &mut Option<Connector>,
    db: &DatabaseHandle,
    kafka: &Broker,
    change: impl FnOnce(ConnectorBuilder) -> ConnectorBuilder,
) {
    match connector {
        None => *connector = Some(change(configuration(db, kafka)).start()),
        Some(connector) => connector.start_again_with(change),
    }
}
