//! The start-up order: lock → fence → position → facts → matrix → slot → stream → slot. Any other is a known bug.
//!
//! Leaves: everything a session runs on. Promised: no word to Kafka before the fence, none to Postgres's stream before
//! the position was read under that fence, and no slot made before Kafka holds the mark that says so.

use super::foresight::is_compressed;
use super::parking::{self, Parking};
use super::scene::{Purpose, Scene};
use super::snapshot::Opened;
use super::startup::Decision;
use super::trouble::Trouble;
use crate::config::{Config, SnapshotMode};
use crate::error::{Exit, Failure};
use crate::failpoint;
use crate::kafka;
use crate::kafka::admin::{Admin, Patience};
use crate::kafka::transactional::Transactional;
use crate::mutant::{self, Mutant};
use crate::observe::health::Health;
use crate::observe::metrics::Component;
use crate::position::Position;
use crate::postgres;
use crate::postgres::facts::SystemIdentity;
use crate::postgres::replication::Connection;
use crate::postgres::session::{self, Session};
use crate::postgres::slot;
use crate::postgres::slot::SlotFacts;
use crate::publish::kafka_outlet::KafkaOutlet;
use crate::publish::left_open::LeftOpen;
use crate::publish::{Class, Publisher, offsets};
use crate::source::Acknowledger;
use crate::source::stream::{self, StreamFeed};
use std::sync::Arc;
use std::time::Duration;

/// What a session runs on.
pub struct Started {
    /// ① and its other half.
    pub feed: StreamFeed,
    /// Where confirmed positions go.
    pub acknowledger: Acknowledger,
    /// ⑤, under a fresh fence.
    pub publisher: Publisher<KafkaOutlet>,
    /// Where the road goes on.
    pub position: Position,
    /// Where the stream comes from.
    pub server: SystemIdentity,
    /// Holds the leader's lock; asks about slot and tables.
    pub session: Arc<Session>,
    /// The largest dead letter that Kafka takes, bytes.
    pub letter_bytes: usize,
    /// Keys whose events follow a dead letter, where that is asked for.
    pub parking: Option<Parking>,
}

/// What a session has before the stream: all but the stream, and perhaps rows that come first.
pub struct Prepared {
    /// Holds the leader's lock.
    pub session: Arc<Session>,
    /// From which the stream will come. What it has exported lasts until its next command.
    pub connection: Connection,
    /// ⑤, under a fresh fence.
    pub publisher: Publisher<KafkaOutlet>,
    /// Where the stream comes from.
    pub server: SystemIdentity,
    /// Rows that are published before the stream begins.
    pub rows: Option<Opened>,
    /// The largest dead letter that Kafka takes, bytes.
    pub letter_bytes: usize,
}

/// S1 to S6. `takes_anew`: a mode that takes a snapshot on every start takes one now.
pub async fn prepare(
    config: &Config,
    instance: &str,
    health: &Health,
    takes_anew: bool,
) -> Result<Prepared, Trouble> {
    let session =
        session::connect(&config.postgres).await.map_err(|error| Trouble::postgres(&error, "connecting"))?;
    let session = Arc::new(session);
    lead(config, &session, health).await?;
    let mut scene = Scene::look(config, &session, KAFKA_TIMEOUT.into()).await?;
    let letter_bytes = tokio::task::block_in_place(|| dead_letters(config, &mut scene.outlet))?;
    let (position, rows) = scene.position(config, instance, &session, Purpose::Run { takes_anew }).await?;
    let Scene { outlet, connection, facts, .. } = scene;
    let publisher = Publisher::new(outlet, position, config.publish.position_key.clone().into_bytes());
    Ok(Prepared { session, connection, publisher, server: facts.server, rows, letter_bytes })
}

/// S7 and S8.
pub async fn stream(config: &Config, prepared: Prepared) -> Result<Started, Trouble> {
    let Prepared { session, connection, publisher, server, letter_bytes, .. } = prepared;
    let position = publisher.position().clone();
    let acknowledger = Acknowledger::new(position.end_lsn);
    let streaming = connection
        .start_replication(
            &config.source.slot,
            position.end_lsn,
            &config.source.publication,
            &config.source.stream_params,
            config.source.silence_timeout / 2,
        )
        .await
        .map_err(|error| {
            slot_busy(config, &error).unwrap_or_else(|| Trouble::postgres(&error, "START_REPLICATION"))
        })?;
    let slot = slot::find(&session, &config.source.slot)
        .await
        .map_err(|error| Trouble::postgres(&error, "looking at the slot once more"))?;
    not_forwarded(slot.as_ref(), &position)?;
    let feed = stream::start(streaming, &config.source, acknowledger.clone())?;
    speak_or_end(&session).await?;
    failpoint::hit("after_start");
    let parking = tokio::task::block_in_place(|| parking(config))?;
    Ok(Started { feed, acknowledger, publisher, position, server, session, letter_bytes, parking })
}

/// S2 to S6 ahead of the first start: makes the publication, the slot and the first position. Refuses where a position
/// exists already.
pub async fn begin(config: &Config, session: &Session, patience: Patience) -> Result<Position, Trouble> {
    if config.snapshot.mode == SnapshotMode::InitialOnly {
        return Err(Trouble::Halt(Failure::new(
            Exit::Usage,
            "a connector that only takes a snapshot has no slot",
            "nothing is streamed after the rows, as the mode says",
            "nothing is to be made: walpost run publishes the rows and leaves",
        )));
    }
    let mut scene = Scene::look(config, session, patience).await?;
    if matches!(scene.decision, Decision::Resume | Decision::ResumeAtSwitch { .. }) {
        return Err(Trouble::Halt(Failure::new(
            Exit::Failure,
            format!("slot {:?} exists, and Kafka holds its position", config.source.slot),
            format!("position {}", scene.mark.end_lsn),
            "nothing is to be done: walpost run goes on there",
        )));
    }
    scene.position(config, &config.name, session, Purpose::First).await.map(|(position, _)| position)
}

/// S1: one instance leads; the others wait here, ready to take over. An optimisation: safety is the fence's.
async fn lead(config: &Config, session: &Session, health: &Health) -> Result<(), Trouble> {
    let mut waited = false;
    loop {
        let locked = session::try_lock(session, &config.source.slot)
            .await
            .map_err(|error| Trouble::postgres(&error, "taking the leader's lock"))?;
        if locked {
            if waited {
                tracing::info!(slot = %config.source.slot, "took over from another instance");
            }
            return Ok(());
        }
        if !std::mem::replace(&mut waited, true) {
            tracing::info!(slot = %config.source.slot, "another instance leads; standing by");
        }
        health.standby();
        tokio::time::sleep(Duration::from_millis(500)).await;
        health.turn();
    }
}

/// A leader that says nothing for so long stands still, and another instance may have its lock. The watch speaks three
/// times in that.
const LEADER_SILENCE: Duration = Duration::from_secs(15);
/// Not before S6: the fence may take longer than that, and nothing is said meanwhile.
pub(super) async fn speak_or_end(session: &Session) -> Result<(), Trouble> {
    session::speak_or_end(session, LEADER_SILENCE)
        .await
        .map_err(|error| Trouble::postgres(&error, "limiting the silence of the leader's session"))
}

/// How long one request to Kafka may go unanswered before the start begins anew.
pub const KAFKA_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the fence may take: it waits for a predecessor's transaction to be ended.
const FENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// S2 and then S3: what is read before the fence may lack this connector's own last commit.
pub fn fence_and_read<P, S, E>(
    fence: impl FnOnce() -> Result<P, E>,
    read: impl FnOnce() -> Result<S, E>,
) -> Result<(P, S), E> {
    if mutant::is_on(Mutant::ReadBeforeFence) {
        let stored = read()?;
        return Ok((fence()?, stored));
    }
    let fenced = fence()?;
    Ok((fenced, read()?))
}

/// A stop is believed of the position that Kafka still holds only: when another instance has fenced this one since it
/// read, and gone on, the slot is ahead of what was read, and nothing is wrong.
pub fn believe(
    decision: Decision,
    stored: Option<&Position>,
    read_again: impl FnOnce() -> Result<Option<Position>, Trouble>,
) -> Result<Decision, Trouble> {
    if !matches!(decision, Decision::Stop(_)) || read_again()?.as_ref() == stored {
        return Ok(decision);
    }
    let failure = Failure::new(
        Exit::Kafka,
        "another instance took over during the start",
        "Kafka holds another position than a moment ago; what was decided by that one is void",
        "run one instance per slot; a second one waits as a standby when it can see the first one's lock",
    );
    Err(Trouble::Retry(Component::Kafka, failure))
}

/// S2: a new epoch, and a topic that keeps positions.
pub fn fence(config: &Config, patience: Patience) -> Result<KafkaOutlet, Trouble> {
    let trouble = |what: &'static str| move |error: kafka::Error| Trouble::kafka(&error, what);
    let kafka = &config.kafka;
    let mut producer = Transactional::new(kafka.kind, &kafka.producer, &config.publish.transactional_id)
        .map_err(trouble("making the Kafka producer"))?;
    let admin = Admin::connect(&kafka.admin, patience).map_err(trouble("connecting to Kafka"))?;
    offsets::ensure_topic(&admin, &config.publish, kafka.topic_creation.as_ref())
        .map_err(trouble("looking at the position topic"))?;
    producer.fence(FENCE_TIMEOUT).map_err(trouble("fencing earlier instances (init_transactions)"))?;
    failpoint::hit("after_fence");
    let topic = config.publish.position_topic.clone();
    let left_open = LeftOpen::new(&kafka.producer, &config.publish.transactional_id, producer.decided());
    left_open.look_back(&topic).map_err(|error| match error.class {
        Class::LeftOpen => Trouble::Retry(Component::Kafka, super::trouble::left_open(&error)),
        _ => trouble("looking at the position topic")(kafka::Error {
            kind: kafka::ErrorKind::Transient,
            message: error.message,
        }),
    })?;
    Ok(KafkaOutlet::new(producer, admin, topic, kafka.topic_creation.clone()).looking(left_open))
}

/// Where dead letters go is there before there is one. Leaves: how large one may be.
fn dead_letters(config: &Config, outlet: &mut KafkaOutlet) -> Result<usize, Trouble> {
    let most = config.encode.max_record_bytes;
    let Some(letters) = &config.dead_letters else { return Ok(most) };
    let taken = outlet.ensure_dead_letters(&letters.topic).map_err(|error| match error.kind {
        kafka::ErrorKind::Topic | kafka::ErrorKind::Denied => {
            Trouble::Halt(super::trouble::dead_letters(&error))
        }
        _ => Trouble::kafka(&error, "looking at the topic of dead letters"),
    })?;
    Ok(taken.filter(|_| !is_compressed(&config.kafka)).map_or(most, |taken| taken.min(most)))
}

/// Which keys wait for their dead letters. Blocks. Only under a fresh fence is the answer final.
pub(super) fn parking(config: &Config) -> Result<Option<Parking>, Trouble> {
    let (Some(rule), Some(letters)) = (&config.parking, &config.dead_letters) else { return Ok(None) };
    let parking = Parking::new(rule.clone(), config.source.slot.as_str());
    let parking = parking.read(&config.kafka.admin, &letters.topic.topic).map_err(|error| match error {
        parking::Error::Kafka(error) => Trouble::kafka(&error, "reading which keys are parked"),
        parking::Error::Full(full) => Trouble::Halt(super::trouble::parking_full(full)),
    })?;
    if !parking.is_empty() {
        tracing::warn!(
            keys = parking.len(),
            "events of these keys wait behind dead letters: walpost dlq list"
        );
    }
    Ok(Some(parking))
}

/// S3: the position as Kafka holds it. Blocks. Only under a fresh fence is the answer final.
pub fn stored(config: &Config, timeout: Duration) -> Result<Option<Position>, Trouble> {
    let stored =
        offsets::read(&config.kafka.admin, &config.publish, timeout).map_err(|error| match error {
            offsets::Error::Kafka(error) => Trouble::kafka(&error, "reading the stored position"),
            broken => Trouble::Halt(position_broken(config, &broken)),
        })?;
    failpoint::hit("after_position_read");
    Ok(stored)
}

fn position_broken(config: &Config, error: &offsets::Error) -> Failure {
    let topic = &config.publish.position_topic;
    Failure::new(
        Exit::PositionMissing,
        error.to_string(),
        "what was published last cannot be known from them; to go on from either of them might lose or double events",
        format!(
            "look at them: kafka-console-consumer --topic {topic} --from-beginning --isolation-level read_committed. Does \
             another connector write there? Give each a walpost.position.topic of its own. Then walpost repair finds out \
             by the topics what is published, and begins a new chain; walpost offsets forget begins anew without"
        ),
    )
}

/// S8: now that nobody else can move the slot, it is still no further than the position. Had it been moved since the
/// facts were asked for, Postgres would have begun the stream there without a word; the next start says what happened.
pub fn not_forwarded(slot: Option<&SlotFacts>, position: &Position) -> Result<(), Trouble> {
    let confirmed = slot.and_then(|slot| slot.confirmed_flush_lsn).unwrap_or_default();
    if confirmed <= position.end_lsn || mutant::is_on(Mutant::GreaterLsnWins) {
        return Ok(());
    }
    let failure = Failure::new(
        Exit::Postgres,
        "the slot was moved during the start",
        format!("stored position {}, slot confirmed {confirmed}", position.end_lsn),
        "run one instance per slot; a second one waits as a standby when it can see the first one's lock",
    );
    Err(Trouble::Retry(Component::Postgres, failure))
}

/// START_REPLICATION refuses while another walsender holds the slot: an earlier one of ours that the server has not yet
/// given up, or somebody else's.
fn slot_busy(config: &Config, error: &postgres::Error) -> Option<Trouble> {
    (error.sqlstate() == Some("55006")).then(|| {
        Trouble::Retry(
            Component::Postgres,
            Failure::new(
                Exit::Postgres,
                error.to_string(),
                format!("slot {:?} is held by another walsender", config.source.slot),
                "an earlier connection of this connector goes away within wal_sender_timeout. If it is another consumer, \
                 stop it, or choose another slot.name",
            ),
        )
    })
}

/// A slot that is there now, and was not a moment ago, is another instance's that starts beside this one: the next
/// attempt finds what has become of it.
pub fn slot_not_created(error: &postgres::Error) -> Trouble {
    let what = "creating the slot";
    match error.sqlstate() {
        Some("42710") => Trouble::Retry(Component::Postgres, Failure::from_postgres(error, what)),
        _ => Trouble::postgres(error, what),
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Trouble::defect(what)))
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
