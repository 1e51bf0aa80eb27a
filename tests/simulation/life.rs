//! Sessions, one after the other, as the pipeline has them: the product's own order, decisions and remedies, with the
//! world in place of the servers.

use crate::broker::{KEY, POSITIONS, Reading};
use crate::connector::{Instance, ModelFeed, Publishing};
use crate::happen::happen;
use crate::outlet::ModelOutlet;
use crate::postgres::{DATABASE, SLOT};
use crate::tampering;
use crate::world::{Shared, World};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use walpost::confirm::Ledger;
use walpost::decode::{Decoder, Relation};
use walpost::encode::{self, Converter, DeadLetters, Encoder, HeaderConverter, Nulls, dead_letter};
use walpost::error::{Exit, Failure};
use walpost::kafka;
use walpost::kafka::{ErrorKind, tail};
use walpost::lsn::Lsn;
use walpost::observe::health::Health;
use walpost::observe::metrics::{Component, Metrics};
use walpost::pipeline::desk::Treatment;
use walpost::pipeline::lessons::Lessons;
use walpost::pipeline::publishing;
use walpost::pipeline::report::Reporter;
use walpost::pipeline::resume::Resume;
use walpost::pipeline::road::{Catalog, Heartbeat, Place, Road, Settings};
use walpost::pipeline::start::{believe, fence_and_read, not_forwarded, slot_not_created};
use walpost::pipeline::startup::{self, Decision, Seen};
use walpost::pipeline::trouble::Trouble;
use walpost::position::Position;
use walpost::postgres::ServerError;
use walpost::publish::{Batcher, Limits, Publisher, offsets, publisher};
use walpost::rejection::{Policies, Policy};
use walpost::route::{self, MessageRule, Router, TableFacts, TableRule};
use walpost::shutdown::Shutdown;
use walpost::source::Acknowledger;

/// The topic of dead letters.
pub const LETTERS: &str = "letters";

/// How an instance is configured.
#[derive(Clone)]
pub struct Setup {
    pub limits: Limits,
    pub idle: (Duration, u64),
    pub heartbeat: bool,
    pub adopt: bool,
    /// Events that cannot be published go to the dead letters.
    pub letters: bool,
}

/// How a session ended.
#[derive(Debug)]
pub enum End {
    /// By request, everything published.
    Left,
    /// The process is gone.
    Died,
    /// As the product says.
    Trouble(Trouble),
}

thread_local! {
    /// What is made once and shared by all sessions.
    static TOOLS: (Metrics, Health, route::Config) = {
        let metrics = Metrics::new("app");
        let outbox = fancy_regex::Regex::new("^public\\.outbox$").expect("a regex");
        let tables = TableRule { include: vec![outbox], ..TableRule::default() };
        let messages = Some(MessageRule { alone: true, ..MessageRule::default() });
        let route = route::Config { tables, messages, ..route::testing::defaults() };
        (metrics.clone(), Health::new(metrics), route)
    };
    static SETUP: std::cell::RefCell<Option<Setup>> = const { std::cell::RefCell::new(None) };
}

/// For all instances of the story that this thread is at.
pub fn set_up(setup: Setup) {
    SETUP.set(Some(setup));
}

fn setup() -> Setup {
    SETUP.with_borrow(|setup| setup.clone().expect("set up"))
}

struct NoCatalog;

impl Catalog for NoCatalog {
    fn describe(&mut self, _: &Relation) -> Result<TableFacts, walpost::postgres::Error> {
        Ok(TableFacts::default())
    }
}

/// A second instance, for a while, in the middle of another one's step.
pub fn rival(shared: &Shared) {
    let link = shared.lock().link.take();
    let instance = Arc::new(Instance::new("the rival".to_owned(), true));
    let end = session(shared, &instance, &mut Lessons::default());
    let mut world = shared.lock();
    world.link = link;
    world.story.say(|| format!("the rival ends: {}", in_words(&end)));
    if let End::Trouble(Trouble::Halt(failure)) = &end {
        halted(&mut world, failure);
    }
}

/// A halt must be for what was done to the world, and say so.
pub fn halted(world: &mut World, failure: &Failure) {
    match world.must {
        Some(must) if must.exit == failure.exit => {
            world.story.counts.add(&format!("stopped with {}", failure.exit as u8), 1);
            if matches!(failure.exit, Exit::Rejected | Exit::Kafka)
                && let Err(what) = world.is_just_before_poison()
            {
                world.violated(|| what);
            }
        }
        must => {
            let why = must.map_or("nothing was done to the world", |must| must.because);
            let words = format!("{} ({})", failure.what, failure.detail);
            world.violated(|| format!("stopped with {} though {why}: {words}", failure.exit as u8));
        }
    }
}

pub fn in_words(end: &End) -> String {
    match end {
        End::Left => "it left".to_owned(),
        End::Died => "it died".to_owned(),
        End::Trouble(Trouble::Retry(_, failure)) => format!("retry: {}", failure.what),
        End::Trouble(Trouble::Singly(lsn, failure)) => {
            format!("singly up to {}: {}", lsn.as_u64(), failure.what)
        }
        End::Trouble(Trouble::Refused(_, failure)) => format!("refused: {}", failure.what),
        End::Trouble(Trouble::Halt(failure)) => format!("halt {}: {}", failure.exit as u8, failure.what),
    }
}

/// One session, from the fence to its end.
pub fn session(shared: &Shared, instance: &Arc<Instance>, lessons: &mut Lessons) -> End {
    match start(shared, instance) {
        Ok(started) => live(shared, instance, started, lessons),
        Err(_) if instance.is_dead() || instance.is_paused() => End::Died,
        Err(trouble) => End::Trouble(trouble),
    }
}

struct Started {
    number: u64,
    acknowledger: Acknowledger,
    publisher: Publisher<ModelOutlet>,
    position: Position,
}

fn retry(component: Component, what: &str) -> Trouble {
    Trouble::Retry(component, Failure::new(Exit::Kafka, what, "", ""))
}

/// S2 to S7.
fn start(shared: &Shared, instance: &Arc<Instance>) -> Result<Started, Trouble> {
    let (mut outlet, stored) = fence_and_read(|| fence(shared, instance), || read(shared, instance))?;
    step(shared, instance)?;
    let (decision, mark) = decide(shared, instance, stored.clone());
    let decision = believe(decision, stored.as_ref(), || read(shared, instance))
        .inspect_err(|_| shared.lock().story.tell("an alarm that was none", String::new))?;
    let position = begin(shared, instance, &mut outlet, decision, mark)?;
    step(shared, instance)?;
    let mut world = shared.lock();
    tampering::ambush(&mut world);
    if world.postgres.walsender.is_some() {
        if world.dice.percent(50) {
            world.story.tell("the slot is busy", String::new);
            return Err(retry(Component::Postgres, "the slot is busy"));
        }
        world.story.tell("another one's stream is ended", String::new);
    }
    let number = world.postgres.start(position.end_lsn.as_u64());
    if let Err(moved) = not_forwarded(world.postgres.slot_facts().as_ref(), &position) {
        world.story.tell("the slot was moved during the start", String::new);
        world.postgres.walsender = None;
        return Err(moved);
    }
    if let Some(must) = world.must.filter(|must| must.at_start) {
        world.violated(|| format!("started although {}", must.because));
    }
    world.story.tell("a stream begins", || format!("{number} at {}", position.end_lsn.as_u64()));
    let acknowledger = Acknowledger::new(position.end_lsn);
    world.link = Some((number, acknowledger.clone()));
    let publisher = Publisher::new(outlet, position.clone(), KEY.to_vec());
    Ok(Started { number, acknowledger, publisher, position })
}

/// Something may happen, and the instance may not outlive it.
fn step(shared: &Shared, instance: &Instance) -> Result<(), Trouble> {
    happen(shared, instance);
    match instance.is_dead() || instance.is_paused() {
        true => Err(retry(Component::Kafka, "gone")),
        false => Ok(()),
    }
}

fn fence(shared: &Shared, instance: &Arc<Instance>) -> Result<ModelOutlet, Trouble> {
    step(shared, instance)?;
    let mut world = shared.lock();
    let fails = world.goes_wrong(|dose| dose.kafka);
    if fails && world.dice.percent(50) {
        world.story.tell("a fence fails", String::new);
        return Err(retry(Component::Kafka, "the fence failed"));
    }
    let epoch = world.broker.fence();
    if world.must.is_none() && world.broker.is_long() {
        world.broker.compact();
        world.story.counts.add("positions are compacted", 1);
    }
    world.story.tell("a fence", || format!("epoch {epoch} for {}", instance.name));
    if fails {
        world.story.tell("a fence is not answered", String::new);
        return Err(retry(Component::Kafka, "the fence was not answered"));
    }
    drop(world);
    Ok(ModelOutlet::new(shared, instance, epoch))
}

fn read(shared: &Shared, instance: &Instance) -> Result<Option<Position>, Trouble> {
    step(shared, instance)?;
    let mut world = shared.lock();
    let fails = world.goes_wrong(|dose| dose.kafka);
    let World { broker, dice, story, .. } = &mut *world;
    let log = Reading::new(broker, dice, if fails { 0 } else { 6 });
    let stored = offsets::last(POSITIONS, |each| tail::read_log(&log, POSITIONS, KEY, each));
    match &stored {
        Ok(Some(position)) => {
            story.say(|| format!("read position {} at {}", position.seq, position.end_lsn.as_u64()))
        }
        Ok(None) => story.say(|| "read no position".to_owned()),
        Err(error) => story.tell("the position cannot be read", || error.to_string()),
    }
    stored.map_err(|error| match error {
        offsets::Error::Kafka(error) => {
            assert_eq!(error.kind, ErrorKind::Transient);
            Trouble::kafka(&kafka::Error { kind: error.kind, message: error.message }, "reading")
        }
        broken => Trouble::Halt(Failure::new(Exit::PositionMissing, broken.to_string(), "", "")),
    })
}

/// S4 and S5.
fn decide(shared: &Shared, instance: &Instance, stored: Option<Position>) -> (Decision, Position) {
    let mut world = shared.lock();
    let (slot, server) = (world.postgres.slot_facts(), world.postgres.identity());
    let decision = startup::decide(&Seen {
        slot_name: SLOT,
        database: DATABASE,
        stored: stored.as_ref(),
        slot: slot.as_ref(),
        server: &server,
        history: &world.postgres.history,
        publication_name: "walpost",
        publication: &world.postgres.publication(),
        adopt_slot: setup().adopt,
    });
    world.story.tell(&format!("decision {}", decision.name()), || {
        format!(
            "slot {:?}, server {} on timeline {}",
            world_slot(&slot),
            server.flush_lsn.as_u64(),
            server.timeline
        )
    });
    if stored.is_none() && matches!(decision, Decision::TakeSlot { .. }) {
        world.story.counts.add("a slot is adopted", 1);
    }
    let mark = stored.unwrap_or_else(|| Position::creating(server.system_id, server.timeline, "app"));
    (decision, Position { instance: instance.name.clone(), ..mark })
}

fn world_slot(slot: &Option<walpost::postgres::slot::SlotFacts>) -> Option<u64> {
    slot.as_ref().and_then(|slot| slot.confirmed_flush_lsn).map(Lsn::as_u64)
}

/// S6.
fn begin(
    shared: &Shared,
    instance: &Instance,
    outlet: &mut ModelOutlet,
    decision: Decision,
    mark: Position,
) -> Result<Position, Trouble> {
    let mut write = |position: Position| {
        publisher::write(outlet, KEY, &position)
            .map_err(|error| Trouble::from(publishing::Error::from(error)))?;
        Ok::<_, Trouble>(position)
    };
    let timeline = shared.lock().postgres.timeline;
    match decision {
        Decision::Stop(failure) => Err(Trouble::Halt(*failure)),
        Decision::Resume => Ok(Position { timeline, ..mark }),
        Decision::ResumeAtSwitch { switch_lsn } => write(mark.at_switch(switch_lsn, timeline)),
        Decision::TakeSlot { slot_lsn } => write(Position::first(&mark, slot_lsn)),
        Decision::Create => {
            let mark = write(mark)?;
            step(shared, instance)?;
            let slot_lsn = create_slot(&mut shared.lock())?;
            step(shared, instance)?;
            write(Position::first(&mark, Lsn::new(slot_lsn)))
        }
    }
}

fn create_slot(world: &mut World) -> Result<u64, Trouble> {
    if world.postgres.slot.is_none() {
        return Ok(world.postgres.create_slot());
    }
    world.story.tell("two first starts meet", String::new);
    let error = ServerError {
        severity: "ERROR".to_owned(),
        sqlstate: "42710".to_owned(),
        message: "replication slot \"walpost\" already exists".to_owned(),
        detail: None,
        hint: None,
    };
    Err(slot_not_created(&walpost::postgres::Error::Server(error)))
}

/// S7 and after: the road and its publisher, until one of them ends.
fn live(shared: &Shared, instance: &Arc<Instance>, started: Started, lessons: &mut Lessons) -> End {
    let Started { number, acknowledger, publisher, position } = started;
    lessons.begin(&position);
    let publisher = publisher.careful_until(lessons.singly_until).dead_letters(Some(Arc::from(LETTERS)));
    let (metrics, health, route) = TOOLS.with(Clone::clone);
    let reporter = || Reporter::new(metrics.clone(), health.clone());
    let setup = setup();
    let ledger = Arc::new(Mutex::new(Ledger::new(position.end_lsn)));
    let publishing = Publishing::new(shared, Arc::clone(&ledger), acknowledger, publisher, reporter());
    let publishing = Arc::new(publishing);
    let shutdown = Shutdown::default();
    let looks_left = shared.lock().dice.between(3, 40) as u32;
    let encode = encode::Config {
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
    };
    let heartbeat =
        || Heartbeat { interval: Duration::ZERO, topic: Arc::from("heartbeat"), server: "app".to_owned() };
    let mut road = Road {
        feed: ModelFeed {
            world: shared.clone(),
            instance: Arc::clone(instance),
            publishing: Arc::clone(&publishing),
            number,
            shutdown: shutdown.clone(),
            looks_left,
        },
        decoder: Decoder::new(),
        router: Router::new(route),
        encoder: Encoder::new(encode),
        treatment: treatment(setup.letters),
        batcher: Batcher::new(setup.limits, &position),
        resume: Resume::new(&position),
        schemas: Box::new(walpost::pipeline::schemas::NoRegistry),
        catalog: Box::new(NoCatalog),
        handover: Arc::clone(&publishing),
        ledger,
        shutdown,
        reporter: reporter(),
        settings: Settings {
            idle_interval: setup.idle.0,
            idle_bytes: setup.idle.1,
            lessons: lessons.clone(),
            heartbeat: setup.heartbeat.then(heartbeat),
        },
        place: Place::default(),
    };
    let result = road.run();
    end(shared, instance, number, &publishing, result.map_err(Trouble::from))
}

fn treatment(letters: bool) -> Treatment {
    if !letters {
        return Treatment::default();
    }
    let (connector, slot) = ("app".to_owned(), SLOT.to_owned());
    let config = dead_letter::Config { topic: Arc::from(LETTERS), connect_headers: false, connector, slot };
    Treatment {
        policies: Policies { every: Policy::DeadLetter, ..Policies::default() },
        letters: Some(DeadLetters::new(config, 1 << 20)),
        ..Treatment::default()
    }
}

fn end(
    shared: &Shared,
    instance: &Instance,
    number: u64,
    publishing: &Arc<Publishing>,
    result: Result<(), Trouble>,
) -> End {
    let gone = instance.is_dead() || instance.is_paused();
    if !gone {
        // The publisher ends what it has in hand, and its reason comes first: the road's may be its echo.
        publishing.work();
    }
    let error = publishing.error();
    let mut world = shared.lock();
    if instance.is_paused() && publishing.has_batch() && !world.calm {
        world.zombies.push(Arc::clone(publishing));
    }
    if !gone {
        world.deliver_status();
    }
    if world.postgres.walsender.as_ref().is_some_and(|walsender| walsender.number == number) {
        world.postgres.walsender = None;
    }
    world.link = None;
    match (error, result) {
        _ if instance.is_dead() || instance.is_paused() => End::Died,
        (Some(error), _) => End::Trouble(error.into()),
        (None, Err(trouble)) => End::Trouble(trouble),
        (None, Ok(())) => End::Left,
    }
}
