//! One life of the connector: from the fence until trouble or shutdown. Two threads for the road, one task to watch.

use super::desk::Treatment;
use super::handover::{Downstream, Handover};
use super::lessons::Lessons;
use super::publishing;
use super::report::Reporter;
use super::resume::Resume;
use super::road::{self, Heartbeat, Place, Road};
use super::schemas;
use super::snapshot::{self, Progress};
use super::start::{self, Started};
use super::tables::SqlCatalog;
use super::trouble::Trouble;
use super::waiting::Follower;
use super::watch::{self, Alarm, Holds, Watch};
use crate::config::{Config, SnapshotMode};
use crate::confirm::Ledger;
use crate::decode::Decoder;
use crate::encode::Encoder;
use crate::error::Failure;
use crate::fingerprint::LastSeen;
use crate::freeze::Freeze;
use crate::observe::health::Health;
use crate::observe::metrics::{Component, Metrics};
use crate::publish::kafka_outlet::KafkaOutlet;
use crate::publish::{Batcher, Publisher};
use crate::registry::Known;
use crate::route::Router;
use crate::shutdown::Shutdown;
use crate::source::{Acknowledger, Feed, Nudge};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;

/// What every session of a run has in common.
#[derive(Clone)]
pub struct Common {
    /// The configuration.
    pub config: Arc<Config>,
    /// This run's id.
    pub instance: Arc<str>,
    /// What the schema registry has told.
    pub known: Known,
    /// Counters.
    pub metrics: Metrics,
    /// Probes.
    pub health: Health,
    /// The word to leave.
    pub shutdown: Shutdown,
    /// How far a snapshot has come.
    pub progress: Arc<Progress>,
    /// This run has taken its snapshot, where the mode says that each run takes one.
    pub took_rows: Arc<AtomicBool>,
    /// Counts the dead letters that wait, from the first session on.
    pub letters: Arc<OnceLock<Follower>>,
}

/// Lives until shutdown (`Ok`) or trouble, by what earlier sessions have learnt.
pub async fn live(common: &Common, lessons: &mut Lessons) -> Result<(), Trouble> {
    let Common { config, metrics, health, shutdown, .. } = common;
    let takes_anew = !common.took_rows.load(Ordering::Relaxed);
    let mut prepared = tokio::select! {
        prepared = start::prepare(config, &common.instance, health, takes_anew) => prepared?,
        () = shutdown.asked() => return Ok(()),
    };
    common.took_rows.store(true, Ordering::Relaxed);
    common.letters.get_or_init(|| Follower::begin(config, metrics));
    lessons.begin(prepared.publisher.position());
    if let Some(rows) = prepared.rows.take() {
        match snapshot::publish(common, prepared, rows, lessons.clone()).await? {
            Some(whole) => prepared = whole,
            None => return Ok(()),
        }
    }
    if config.snapshot.mode == SnapshotMode::InitialOnly {
        tracing::info!("the snapshot is published, and nothing is streamed after it, as the mode says");
        return Ok(());
    }
    let started = tokio::select! {
        started = start::stream(config, prepared) => started?,
        () = shutdown.asked() => return Ok(()),
    };
    lessons.begin(&started.position);
    let session = Arc::clone(&started.session);
    let server = started.server.clone();
    let ways_out = WaysOut {
        leave: Shutdown::default(),
        freeze: Freeze::default(),
        acknowledger: started.acknowledger.clone(),
        handover: Arc::new(Handover::default()),
        nudge: started.feed.nudge(),
    };
    let seen = LastSeen::new(started.position.publication.clone());
    let (road, publisher) = spawn(common, started, &ways_out, &seen, lessons.clone());
    both(metrics, true);
    health.streaming();
    tracing::info!(slot = %config.source.slot, "streaming");

    let acknowledger = &ways_out.acknowledger;
    let watch = Watch {
        config,
        session: &session,
        metrics,
        acknowledger,
        server: &server,
        seen: &seen,
        holds: Holds::Stream,
        leave: &ways_out.leave,
    };
    let watched = async {
        match &config.heartbeat_action_query {
            Some(statement) if !config.heartbeat_interval.is_zero() => tokio::select! {
                alarm = watch.watch() => alarm,
                trouble = watch::act(&session, statement, config.heartbeat_interval) => Alarm::Drain(trouble),
            },
            _ => watch.watch().await,
        }
    };
    let ended = async {
        // Both threads end when one does; the publisher's reason comes first, for the road's may be its echo.
        let (road, publisher) = tokio::join!(road, publisher);
        publisher.unwrap_or_else(|_| Err(Trouble::defect("the publisher's thread")))?;
        road.unwrap_or_else(|_| Err(Trouble::defect("the road's thread")))
    };
    let result = attend(common, watched, ended, || ways_out.drain(), |why| ways_out.freeze(why)).await;
    both(metrics, false);
    result
}

/// Waits for a session's threads, its watch, and the word to leave; `leave` drains it, `freeze` stops it.
pub(super) async fn attend<T>(
    common: &Common,
    watched: impl Future<Output = Alarm>,
    ended: impl Future<Output = Result<T, Trouble>>,
    leave: impl Fn(),
    freeze: impl Fn(&Trouble),
) -> Result<T, Trouble> {
    tokio::pin!(watched, ended);
    let (mut leaving, mut trouble) = (false, None);
    let result = loop {
        tokio::select! {
            result = &mut ended => break result,
            alarm = &mut watched, if trouble.is_none() => match alarm {
                Alarm::Drain(seen) => {
                    trouble = Some(seen);
                    leave();
                }
                Alarm::Freeze(seen) => {
                    freeze(&seen);
                    // A Kafka that does not answer may hold the publisher for long: a halt does not wait for it, and
                    // what begins anew fences it.
                    let most = if matches!(seen, Trouble::Halt(_)) { FREEZE } else { Duration::MAX };
                    let _ = tokio::time::timeout(most, &mut ended).await;
                    return Err(seen);
                }
            },
            () = common.shutdown.asked(), if !leaving => {
                leaving = true;
                common.health.draining();
                leave();
            }
        }
    };
    match (result, trouble) {
        (Ok(_), Some(trouble)) if !leaving => Err(trouble),
        (result, _) => result,
    }
}

/// How long a session that halts waits for its threads, of which the publisher's may have a transaction to abort.
const FREEZE: Duration = Duration::from_secs(5);

/// The ways in which a session is ended from outside its threads.
struct WaysOut {
    leave: Shutdown,
    freeze: Freeze,
    acknowledger: Acknowledger,
    handover: Arc<Handover>,
    nudge: Nudge,
}

impl WaysOut {
    /// What was read is published and confirmed; then the threads end.
    fn drain(&self) {
        self.leave.ask();
        self.nudge.ring();
    }

    /// Nothing more is published, nothing more confirmed; the threads end as soon as they notice.
    fn freeze(&self, why: &Trouble) {
        self.freeze.say();
        let confirmed = self.acknowledger.freeze();
        let Failure { what, detail, .. } = why.failure();
        tracing::warn!(what, detail, %confirmed, "nothing more is published or confirmed");
        // The road is not to wait for a publisher that may itself be waiting.
        self.handover.end_publisher();
    }
}

/// Both servers can be used, or at least one of them cannot.
pub(super) fn both(metrics: &Metrics, up: bool) {
    metrics.up(Component::Postgres, up);
    metrics.up(Component::Kafka, up);
}

type Ending = oneshot::Receiver<Result<(), Trouble>>;

/// Starts the road's thread and the publisher's.
fn spawn(
    common: &Common,
    started: Started,
    ways_out: &WaysOut,
    seen: &LastSeen,
    lessons: Lessons,
) -> (Ending, Ending) {
    let Started { feed, acknowledger, publisher, position, session, letter_bytes, parking, .. } = started;
    let config = &common.config;
    let mut publisher = told(publisher, config, &lessons).heed(seen.clone(), ways_out.freeze.clone());
    let reporter = || Reporter::new(common.metrics.clone(), common.health.clone());
    let handover = Arc::clone(&ways_out.handover);
    let ledger = Arc::new(Mutex::new(Ledger::new(position.end_lsn)));
    let heartbeat = (!config.heartbeat_interval.is_zero()).then(|| Heartbeat {
        interval: config.heartbeat_interval,
        topic: Arc::from(config.heartbeat_topic.as_str()),
        server: config.topic_prefix.clone(),
    });

    let mut road = Road {
        feed,
        decoder: Decoder::new(),
        router: Router::new(config.route.clone()),
        encoder: Encoder::new(config.encode.clone()),
        treatment: Treatment::new(config, letter_bytes, parking),
        batcher: Batcher::new(config.publish.limits, &position),
        resume: Resume::new(&position),
        schemas: schemas::of(
            config.registry.as_ref(),
            common.known.clone(),
            ways_out.leave.clone(),
            ways_out.freeze.clone(),
        ),
        catalog: Box::new(SqlCatalog::new(session, tokio::runtime::Handle::current())),
        handover: Arc::clone(&handover),
        ledger: Arc::clone(&ledger),
        shutdown: ways_out.leave.clone(),
        reporter: reporter(),
        settings: road::Settings {
            idle_interval: config.idle_position_interval,
            idle_bytes: config.idle_position_bytes,
            lessons,
            heartbeat,
        },
        place: Place::after(&position),
    };
    let road = thread("road", {
        let handover = Arc::clone(&handover);
        move || {
            let result = road.run().map_err(Trouble::from);
            handover.end_road();
            // The last confirmed position leaves with the stream.
            if let Err(error) = road.feed.stop() {
                tracing::debug!(%error, "the stream did not end in good order");
            }
            result
        }
    });
    let mut reporter = reporter();
    let publishing = thread("publisher", move || {
        let result = publishing::run(&mut publisher, &handover, &ledger, &acknowledger, &mut reporter);
        handover.end_publisher();
        result.map_err(Trouble::from)
    });
    (road, publishing)
}

/// The publisher, told where dead letters go, and how far records are sent one by one.
pub(super) fn told(
    publisher: Publisher<KafkaOutlet>,
    config: &Config,
    lessons: &Lessons,
) -> Publisher<KafkaOutlet> {
    let letters = config.dead_letters.as_ref().map(|letters| Arc::clone(&letters.writer.topic));
    publisher.careful_until(lessons.singly_until).dead_letters(letters)
}

/// A named thread whose result can be awaited; a panic shows as a closed channel.
pub(super) fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> oneshot::Receiver<T> {
    let (sender, ending) = oneshot::channel();
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _ = sender.send(work());
    });
    if let Err(error) = spawned {
        tracing::error!(%error, thread = name, "no thread");
    }
    ending
}
