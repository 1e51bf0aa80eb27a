//! S2 to S6: what a start has seen, and what it does until there is a position to go on from.
//!
//! Leaves: the position, and the rows of a snapshot that are to be published before the stream, if there are any. Promised:
//! a slot is made only after Kafka holds the mark that says so, and rows are read only after it holds which ones.

use super::facts::{self, Facts};
use super::publication::compare;
use super::snapshot::{self, Opened};
use super::start::{self, KAFKA_TIMEOUT, blocking, fence_and_read, slot_not_created};
use super::startup::{Decision, Publication};
use super::trouble::Trouble;
use crate::config::{Config, SnapshotMode};
use crate::error::{Exit, Failure};
use crate::failpoint;
use crate::fingerprint::{Fingerprint, TABLES_MOST};
use crate::kafka::admin::Patience;
use crate::lsn::Lsn;
use crate::position::{Position, Snapshot};
use crate::postgres::fingerprint::Beyond;
use crate::postgres::replication::Connection;
use crate::postgres::session::Session;
use crate::postgres::{publication, slot};
use crate::publish::kafka_outlet::KafkaOutlet;
use crate::publish::publisher;

/// What a start knows after S5.
pub(super) struct Scene {
    pub(super) outlet: KafkaOutlet,
    pub(super) connection: Connection,
    pub(super) facts: Facts,
    pub(super) decision: Decision,
    /// The stored position, or the mark of a new chain.
    pub(super) mark: Position,
    /// There is a stored position.
    is_stored: bool,
}

/// What a position is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To run from it, for the first time in this process or after trouble.
    Run {
        /// A mode that takes a snapshot on every start takes one now.
        takes_anew: bool,
    },
    /// To have slot and position ahead of the first start.
    First,
}

/// Where a start goes on, and the rows that come first.
type Begun = (Position, Option<Opened>);

impl Scene {
    /// S2 to S5. The log-in goes beside the fence; nothing is asked before the position is read.
    pub(super) async fn look(
        config: &Config,
        session: &Session,
        patience: Patience,
    ) -> Result<Scene, Trouble> {
        let fence = {
            let config = config.clone();
            blocking("the fence", move || {
                fence_and_read(|| start::fence(&config, patience), || start::stored(&config, KAFKA_TIMEOUT))
            })
        };
        let login = async {
            Connection::connect(&config.postgres)
                .await
                .map_err(|error| Trouble::postgres(&error, "opening the replication connection"))
        };
        let ((outlet, stored), mut connection) = tokio::try_join!(fence, login)?;
        let facts = Facts::ask(config, session, &mut connection).await?;
        let decision = facts.decide(config, stored.as_ref());
        tell(&facts, stored.as_ref(), &decision);
        let decision = tokio::task::block_in_place(|| {
            start::believe(decision, stored.as_ref(), || start::stored(config, KAFKA_TIMEOUT))
        })?;
        let is_stored = stored.is_some();
        let mark = stored.unwrap_or_else(|| new_chain(config, &facts));
        Ok(Scene { outlet, connection, facts, decision, mark, is_stored })
    }

    /// S6: does what the decision asks for; then there is a position to go on from.
    pub(super) async fn position(
        &mut self,
        config: &Config,
        instance: &str,
        session: &Session,
        purpose: Purpose,
    ) -> Result<Begun, Trouble> {
        let publication = self.facts.fingerprint();
        let mark = Position { instance: instance.to_owned(), publication, ..self.mark.clone() };
        match self.decision.clone() {
            Decision::Stop(failure) if purpose != Purpose::First && self.may_begin_anew(config, &failure) => {
                self.begin_anew(config, session, instance, *failure).await
            }
            Decision::Stop(failure) => Err(Trouble::Halt(*failure)),
            Decision::Resume => {
                let position = Position { timeline: self.facts.server.timeline, ..mark };
                self.resume(config, position, purpose == Purpose::Run { takes_anew: true }).await
            }
            Decision::ResumeAtSwitch { switch_lsn } => {
                tracing::warn!(
                    stored = %mark.end_lsn, switch = %switch_lsn, timeline = self.facts.server.timeline,
                    "a failover lost WAL that was already published: events between the two exist in Kafka only"
                );
                let position = mark.at_switch(switch_lsn, self.facts.server.timeline);
                Ok((self.write(config, position).await?, None))
            }
            // A start that was cut short has made it.
            Decision::TakeSlot { slot_lsn } if self.is_stored && config.snapshot.mode.begins_with_rows() => {
                self.take_slot_and_rows(config, &mark, slot_lsn).await
            }
            Decision::TakeSlot { slot_lsn } => {
                tracing::info!(slot = %config.source.slot, position = %slot_lsn, "took the slot where it stands");
                Ok((self.write(config, Position::first(&mark, slot_lsn)).await?, None))
            }
            Decision::Create => self.create(config, session, mark).await,
        }
    }

    /// A first start.
    async fn create(&mut self, config: &Config, session: &Session, mark: Position) -> Result<Begun, Trouble> {
        if let Publication::ToBeMade(scope) = &self.facts.publication {
            create_publication(config, session, scope).await?;
        }
        // As it is before there is a slot: the first position of the chain tells what came after.
        let mark = Position { publication: self.look_again(config, session).await?, ..mark };
        let (slot, mode) = (&config.source.slot, config.snapshot.mode);
        if mode == SnapshotMode::InitialOnly {
            let (snapshot, opened) = self.take(config, None).await?;
            let first = Position { slot_birth_lsn: Lsn::ZERO, ..Position::first(&mark, snapshot.lsn) };
            return self.begin_with(config, first, snapshot, opened).await;
        }
        let mark = self.write(config, mark).await?;
        tracing::info!(slot = %slot, "creating the slot, once every running transaction has ended");
        if mode.begins_with_rows() {
            let (snapshot, opened) = self.take(config, Some(slot)).await?;
            let first = Position::first(&mark, snapshot.lsn);
            return self.begin_with(config, first, snapshot, opened).await;
        }
        let slot_lsn = slot::create(session, slot, config.slot_failover)
            .await
            .map_err(|error| slot_not_created(&error))?;
        failpoint::hit("after_slot_create");
        Ok((self.write(config, Position::first(&mark, slot_lsn)).await?, None))
    }

    /// A slot that is there already cannot export a snapshot any more; another one can, and what ended before that is
    /// in its rows.
    async fn take_slot_and_rows(
        &mut self,
        config: &Config,
        mark: &Position,
        slot_lsn: Lsn,
    ) -> Result<Begun, Trouble> {
        tracing::info!(slot = %config.source.slot, position = %slot_lsn, "took the slot where it stands");
        let (snapshot, opened) = self.take(config, None).await?;
        let first = Position::first(mark, slot_lsn);
        let first = Position { end_lsn: snapshot.lsn.max(slot_lsn), ..first };
        self.begin_with(config, first, snapshot, opened).await
    }

    /// Where Kafka says, and with the rest of a snapshot that was interrupted.
    async fn resume(
        &mut self,
        config: &Config,
        position: Position,
        takes_anew: bool,
    ) -> Result<Begun, Trouble> {
        let mode = config.snapshot.mode;
        match &position.snapshot {
            Some(begun) if begun.is_pending() && mode.wants_rows() => {
                let opened = snapshot::open::again(config, begun).await?;
                Ok((position, Some(opened)))
            }
            Some(begun) if begun.is_pending() => {
                tracing::warn!(rows = begun.rows, "the rest of a snapshot is left out, as the mode now says");
                Ok((Position { snapshot: None, ..position }, None))
            }
            _ if mode == SnapshotMode::Always && takes_anew => {
                let (snapshot, opened) = self.take(config, None).await?;
                let (seq, prev_lsn) = (position.seq + 1, position.end_lsn);
                self.begin_with(config, Position { seq, prev_lsn, ..position }, snapshot, opened).await
            }
            _ => Ok((position, None)),
        }
    }

    /// Takes a snapshot as the slot of this name is made, or a temporary one that is dropped once the rows can be read.
    async fn take(&mut self, config: &Config, slot: Option<&str>) -> Result<(Snapshot, Opened), Trouble> {
        let temporary = format!("walpost_{}", uuid::Uuid::now_v7().simple());
        let (name, failover) = (slot.unwrap_or(&temporary), slot.is_some() && config.slot_failover);
        if slot.is_none() {
            tracing::info!(
                slot = name,
                "taking a snapshot by a temporary slot, once every running transaction has ended"
            );
        }
        let exported = self
            .connection
            .create_slot(name, slot.is_none(), failover)
            .await
            .map_err(|error| slot_not_created(&error))?;
        if slot.is_some() {
            failpoint::hit("after_slot_create");
        }
        let taken = snapshot::open::first(config, &exported).await?;
        if slot.is_none() {
            let dropped = self.connection.drop_slot(name).await;
            dropped.map_err(|error| Trouble::postgres(&error, "dropping the snapshot's temporary slot"))?;
        }
        Ok(taken)
    }

    /// Writes the position that says which rows belong to the snapshot; from here on a crash changes nothing.
    async fn begin_with(
        &mut self,
        config: &Config,
        position: Position,
        snapshot: Snapshot,
        opened: Opened,
    ) -> Result<Begun, Trouble> {
        tracing::info!(
            lsn = %snapshot.lsn, tables = snapshot.tables.len(), sessions = opened.readers.len(),
            rows_estimated = opened.estimated(),
            "took a snapshot"
        );
        let position = self.write(config, Position { snapshot: Some(snapshot), ..position }).await?;
        failpoint::hit("after_snapshot_begin");
        Ok((position, Some(opened)))
    }

    /// What lies between position and slot cannot be had, and the mode says to publish the rows instead.
    fn may_begin_anew(&self, config: &Config, failure: &Failure) -> bool {
        let database = config.postgres.database.as_str();
        let is_usable = |slot: &slot::SlotFacts| {
            slot.plugin.as_deref() == Some("pgoutput") && slot.database.as_deref() == Some(database)
        };
        config.snapshot.mode == SnapshotMode::WhenNeeded
            && self.facts.slot.as_ref().is_none_or(is_usable)
            && match failure.exit {
                Exit::SlotAhead | Exit::SlotMissing | Exit::SlotLost => true,
                Exit::PositionMissing => !self.is_stored,
                _ => false,
            }
    }

    /// Forgets the position, and begins as on a first start; a slot of which anything is left is kept.
    async fn begin_anew(
        &mut self,
        config: &Config,
        session: &Session,
        instance: &str,
        why: Failure,
    ) -> Result<Begun, Trouble> {
        if let Decision::Stop(failure) = self.facts.decide_anew(config) {
            return Err(Trouble::Halt(*failure));
        }
        let Failure { what, detail, .. } = why;
        tracing::warn!(what, detail, "every row that is in the outbox is published again, as the mode says");
        if self.is_stored {
            let outlet = &mut self.outlet;
            tokio::task::block_in_place(|| {
                publisher::forget(outlet, config.publish.position_key.as_bytes())
                    .map_err(|error| Trouble::from(super::publishing::Error::from(error)))
            })?;
        }
        let publication = self.facts.fingerprint();
        let mark = Position { instance: instance.to_owned(), publication, ..new_chain(config, &self.facts) };
        let (slot, facts) = (&config.source.slot, self.facts.slot.clone());
        match facts.filter(|slot| !slot.is_invalidated()).and_then(|slot| slot.confirmed_flush_lsn) {
            Some(slot_lsn) => self.take_slot_and_rows(config, &mark, slot_lsn).await,
            None => {
                slot::drop_lost(session, slot)
                    .await
                    .map_err(|error| Trouble::postgres(&error, "dropping the invalidated slot"))?;
                self.create(config, session, mark).await
            }
        }
    }

    async fn look_again(&self, config: &Config, session: &Session) -> Result<Option<Fingerprint>, Trouble> {
        facts::observe(config, session, self.facts.server.flush_lsn, Beyond::All)
            .await
            .map(|observed| observed.map(|observed| observed.fingerprint))
            .map_err(|error| Trouble::postgres(&error, "looking at the publication"))
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

fn new_chain(config: &Config, facts: &Facts) -> Position {
    Position::creating(facts.server.system_id, facts.server.timeline, &config.name)
}

fn tell(facts: &Facts, stored: Option<&Position>, decision: &Decision) {
    let confirmed = facts.slot.as_ref().and_then(|slot| slot.confirmed_flush_lsn);
    tracing::info!(
        stored = stored.map(|position| tracing::field::display(position.end_lsn)),
        slot_confirmed = confirmed.map(tracing::field::display),
        server_flushed = %facts.server.flush_lsn,
        timeline = facts.server.timeline,
        decision = decision.name(),
        "start-up"
    );
    if let Publication::Exists(now) = &facts.publication
        && now.fingerprint.tables.len() == TABLES_MOST
    {
        tracing::warn!(
            TABLES_MOST,
            "too many outbox tables to watch all of them; name yours in the include lists"
        );
    }
    let before = stored.and_then(|position| position.publication.as_ref());
    if let (Some(before), Publication::Exists(now)) = (before, &facts.publication) {
        for change in compare(before, now).harmless {
            tracing::warn!(change, "the publication was changed; no event is lost by that");
        }
    }
}

/// A first start makes the publication, where it may, before the slot: rows older than a publication cannot be decoded.
async fn create_publication(
    config: &Config,
    session: &Session,
    scope: &publication::Scope,
) -> Result<(), Trouble> {
    let name = &config.source.publication;
    let operations = super::tables::operations(config, scope);
    publication::create(session, name, scope, &operations, config.publish_via_partition_root)
        .await
        .map_err(|error| Trouble::postgres(&error, "creating the publication"))?;
    tracing::info!(publication = %name, "created the publication");
    Ok(())
}
