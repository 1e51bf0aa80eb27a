//! The start-up order: lock → fence → position → facts → matrix → slot → stream. Any other order is a known bug.
//!
//! Leaves: everything a session runs on. Promised: no word to Kafka before the fence, none to Postgres's stream before
//! the position was read under that fence, and no slot made before Kafka holds the mark that says so.

use super::startup::{self, Decision, Seen};
use super::tables;
use super::trouble::Trouble;
use crate::config::{Config, PublicationAutocreate};
use crate::error::{Exit, Failure};
use crate::failpoint;
use crate::kafka;
use crate::kafka::admin::Admin;
use crate::kafka::producer::Producer;
use crate::observe::health::Health;
use crate::observe::metrics::Component;
use crate::position::Position;
use crate::postgres;
use crate::postgres::facts::SystemIdentity;
use crate::postgres::replication::Connection;
use crate::postgres::session::{self, Session};
use crate::postgres::{publication, slot};
use crate::publish::kafka_outlet::KafkaOutlet;
use crate::publish::{Publisher, offsets, publisher};
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
    /// Holds the leader's lock; asks about slot and tables.
    pub session: Arc<Session>,
}

/// Goes through the order once.
pub async fn start(config: &Config, instance: &str, health: &Health) -> Result<Started, Trouble> {
    let session =
        session::connect(&config.postgres).await.map_err(|error| Trouble::postgres(&error, "connecting"))?;
    let session = Arc::new(session);
    lead(config, &session, health).await?;
    let mut scene = Scene::look(config, &session).await?;
    let position = scene.position(config, instance, &session).await?;
    let Scene { outlet, connection, .. } = scene;

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
    let feed = stream::start(streaming, &config.source, acknowledger.clone())?;
    let publisher =
        Publisher::new(outlet, position.clone(), config.publish.position_key.clone().into_bytes());
    Ok(Started { feed, acknowledger, publisher, position, session })
}

/// S2 to S6 ahead of the first start: makes the publication, the slot and the first position. Refuses where a position
/// exists already.
pub async fn begin(config: &Config, session: &Session) -> Result<Position, Trouble> {
    let mut scene = Scene::look(config, session).await?;
    if matches!(scene.decision, Decision::Resume | Decision::ResumeAtSwitch { .. }) {
        return Err(Trouble::Halt(Failure::new(
            Exit::Failure,
            format!("slot {:?} exists, and Kafka holds its position", config.source.slot),
            format!("position {}", scene.mark.end_lsn),
            "nothing is to be done: walpost run goes on there",
        )));
    }
    scene.position(config, &config.name, session).await
}

/// What a start knows after S5.
struct Scene {
    outlet: KafkaOutlet,
    connection: Connection,
    server: SystemIdentity,
    decision: Decision,
    /// The stored position, or the mark of a new chain.
    mark: Position,
}

impl Scene {
    /// S2 to S5. The log-in goes beside the fence; nothing is asked before the position is read.
    async fn look(config: &Config, session: &Session) -> Result<Scene, Trouble> {
        let fence = {
            let config = config.clone();
            blocking("the fence", move || fence(&config))
        };
        let login = async {
            Connection::connect(&config.postgres)
                .await
                .map_err(|error| Trouble::postgres(&error, "opening the replication connection"))
        };
        let ((outlet, stored), mut connection) = tokio::try_join!(fence, login)?;
        let server = connection
            .identify_system()
            .await
            .map_err(|error| Trouble::postgres(&error, "IDENTIFY_SYSTEM"))?;
        let decision = decide(config, session, &mut connection, &server, stored.as_ref()).await?;
        let mark =
            stored.unwrap_or_else(|| Position::creating(server.system_id, server.timeline, &config.name));
        Ok(Scene { outlet, connection, server, decision, mark })
    }

    /// S6: does what the decision asks for; then there is a position to go on from.
    async fn position(
        &mut self,
        config: &Config,
        instance: &str,
        session: &Session,
    ) -> Result<Position, Trouble> {
        let mark = Position { instance: instance.to_owned(), ..self.mark.clone() };
        match self.decision.clone() {
            Decision::Stop(failure) => Err(Trouble::Halt(*failure)),
            Decision::Resume => {
                require_publication(config, session).await?;
                Ok(Position { timeline: self.server.timeline, ..mark })
            }
            Decision::ResumeAtSwitch { switch_lsn } => {
                require_publication(config, session).await?;
                tracing::warn!(
                    stored = %mark.end_lsn, switch = %switch_lsn, timeline = self.server.timeline,
                    "a failover lost WAL that was already published: events between the two exist in Kafka only"
                );
                let partial = mark.partial.clone().filter(|partial| partial.commit_lsn < switch_lsn);
                let (seq, prev_lsn, timeline) = (mark.seq + 1, mark.end_lsn, self.server.timeline);
                self.write(config, Position { seq, prev_lsn, end_lsn: switch_lsn, partial, timeline, ..mark })
                    .await
            }
            Decision::TakeSlot { slot_lsn } => {
                require_publication(config, session).await?;
                tracing::info!(slot = %config.source.slot, position = %slot_lsn, "took the slot where it stands");
                self.write(config, Position::first(&mark, slot_lsn)).await
            }
            Decision::Create => {
                create_publication(config, session).await?;
                let mark = self.write(config, mark).await?;
                tracing::info!(slot = %config.source.slot, "creating the slot, once every running transaction has ended");
                let slot_lsn = slot::create(session, &config.source.slot, config.slot_failover)
                    .await
                    .map_err(|error| Trouble::postgres(&error, "creating the slot"))?;
                failpoint::hit("after_slot_create");
                self.write(config, Position::first(&mark, slot_lsn)).await
            }
        }
    }

    /// Writes a position in a Kafka transaction of its own.
    async fn write(&mut self, config: &Config, position: Position) -> Result<Position, Trouble> {
        let outlet = &mut self.outlet;
        tokio::task::block_in_place(|| {
            publisher::write(outlet, config.publish.position_key.as_bytes(), &position)
                .map_err(|error| Trouble::from(super::publishing::Error::from(error)))
        })?;
        Ok(position)
    }
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

/// How long one request to Kafka may go unanswered before the start begins anew.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the fence may take: it waits for a predecessor's transaction to be ended.
const FENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// S2 and S3: a new epoch, then the position as Kafka holds it.
fn fence(config: &Config) -> Result<(KafkaOutlet, Option<Position>), Trouble> {
    let trouble = |what: &'static str| move |error: kafka::Error| Trouble::kafka(&error, what);
    let kafka = &config.kafka;
    let mut producer = Producer::new(&kafka.producer, &config.publish.transactional_id)
        .map_err(trouble("making the Kafka producer"))?;
    let admin = Admin::connect(&kafka.admin, KAFKA_TIMEOUT).map_err(trouble("connecting to Kafka"))?;
    offsets::ensure_topic(&admin, &config.publish, kafka.topic_creation.as_ref())
        .map_err(trouble("looking at the position topic"))?;
    producer.fence(FENCE_TIMEOUT).map_err(trouble("fencing earlier instances (init_transactions)"))?;
    failpoint::hit("after_fence");
    let stored =
        offsets::read(&kafka.admin, &config.publish, KAFKA_TIMEOUT).map_err(|error| match error {
            offsets::Error::Kafka(error) => Trouble::kafka(&error, "reading the stored position"),
            broken => Trouble::Halt(position_broken(config, &broken)),
        })?;
    failpoint::hit("after_position_read");
    let topic = config.publish.position_topic.clone();
    Ok((KafkaOutlet::new(producer, admin, topic, kafka.topic_creation.clone()), stored))
}

fn position_broken(config: &Config, error: &offsets::Error) -> Failure {
    let topic = &config.publish.position_topic;
    Failure::new(
        Exit::PositionMissing,
        format!("the positions in topic {topic} are not a chain: {error}"),
        "what was published last cannot be known from them; to go on from either of them might lose or double events",
        format!(
            "look at them: kafka-console-consumer --topic {topic} --from-beginning --isolation-level read_committed. \
             Compare the outbox with its topics; then delete the topic and run with --adopt slot"
        ),
    )
}

/// S4 and S5.
async fn decide(
    config: &Config,
    session: &Session,
    connection: &mut Connection,
    server: &SystemIdentity,
    stored: Option<&Position>,
) -> Result<Decision, Trouble> {
    let history = if server.timeline > 1 {
        connection
            .timeline_history(server.timeline)
            .await
            .map_err(|error| Trouble::postgres(&error, "TIMELINE_HISTORY"))?
    } else {
        Vec::new()
    };
    let slot = slot::find(session, &config.source.slot)
        .await
        .map_err(|error| Trouble::postgres(&error, "looking for the slot"))?;
    let decision = startup::decide(&Seen {
        slot_name: &config.source.slot,
        database: &config.postgres.database,
        stored,
        slot: slot.as_ref(),
        server,
        history: &history,
        adopt_slot: config.adopt.is_some(),
    });
    tracing::info!(
        stored = stored.map(|position| tracing::field::display(position.end_lsn)),
        slot_confirmed = slot.as_ref().and_then(|slot| slot.confirmed_flush_lsn).map(tracing::field::display),
        server_flushed = %server.flush_lsn,
        timeline = server.timeline,
        decision = decision.name(),
        "start-up"
    );
    Ok(decision)
}

/// A first start makes the publication, where it may, before the slot: rows older than a publication cannot be decoded.
async fn create_publication(config: &Config, session: &Session) -> Result<(), Trouble> {
    let name = &config.source.publication;
    let trouble = |error| Trouble::postgres(&error, "creating the publication");
    if publication::find(session, name).await.map_err(trouble)?.is_some() {
        return Ok(());
    }
    let scope = match config.publication_autocreate {
        PublicationAutocreate::Disabled => return Err(Trouble::Halt(publication_missing(config))),
        PublicationAutocreate::AllTables => publication::Scope::AllTables,
        PublicationAutocreate::NoTables => publication::Scope::NoTables,
        PublicationAutocreate::Filtered => {
            publication::Scope::Tables(tables::outbox_tables(config, session).await.map_err(trouble)?)
        }
    };
    publication::create(session, name, &scope, config.publish_via_partition_root).await.map_err(trouble)?;
    tracing::info!(publication = %name, "created the publication");
    Ok(())
}

/// Later starts never make it: whatever was written while it was missing is not in the stream.
async fn require_publication(config: &Config, session: &Session) -> Result<(), Trouble> {
    match publication::find(session, &config.source.publication).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Trouble::Halt(publication_missing(config))),
        Err(error) => Err(Trouble::postgres(&error, "looking for the publication")),
    }
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

fn publication_missing(config: &Config) -> Failure {
    let name = &config.source.publication;
    Failure::new(
        Exit::Publication,
        format!("publication {name:?} does not exist"),
        "without it Postgres sends no row; rows that were written while it was missing cannot be decoded afterwards",
        format!(
            "check publication.name. On a first start: walpost init --apply, or \
             CREATE PUBLICATION {name} FOR TABLE … WITH (publish = 'insert'). If it was dropped: compare the outbox with \
             its topics before going on"
        ),
    )
}

async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Trouble::defect(what)))
}
