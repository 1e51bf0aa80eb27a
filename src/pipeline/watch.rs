//! The watch beside the road: what the stream will not tell, looked at on a timer. The slot, the publication and its
//! outbox tables, the cluster and its timeline, and the lock's session; the slot's figures go to the metrics.
//!
//! Leaves: an [`Alarm`], once. Promised: what makes it a risk to go on is noticed within a few looks, and freezes the
//! session; what changed harmlessly is logged, and goes into the positions from then on.

use super::facts::{self, is_elsewhere};
use super::publication::{self, compare};
use super::refusal;
use super::trouble::Trouble;
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::fingerprint::LastSeen;
use crate::lsn::Lsn;
use crate::mutant::{self, Mutant};
use crate::observe::metrics::{Component, Metrics, SlotSample};
use crate::postgres::facts::SystemIdentity;
use crate::postgres::fingerprint::{self, Beyond};
use crate::postgres::session::Session;
use crate::postgres::slot::{self, SlotFacts};
use crate::postgres::{Error, facts as server_facts};
use crate::shutdown::Shutdown;
use crate::source::Acknowledger;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(5);

/// Why the session must end, and how.
#[derive(Debug)]
pub enum Alarm {
    /// What was read is published first: it came before whatever this is.
    Drain(Trouble),
    /// Nothing more is published or confirmed.
    Freeze(Trouble),
}

/// What the watch knows and asks.
pub struct Watch<'a> {
    /// Slot and publication.
    pub config: &'a Config,
    /// Where it asks: the session that holds the leader's lock.
    pub session: &'a Session,
    /// Where the slot's figures go.
    pub metrics: &'a Metrics,
    /// What Postgres was told on this connection.
    pub acknowledger: &'a Acknowledger,
    /// Cluster and timeline at the start of the stream.
    pub server: &'a SystemIdentity,
    /// What the slot sends, as far as is known.
    pub seen: &'a LastSeen,
    /// How the slot is held meanwhile.
    pub holds: Holds,
    /// The session's word to leave: after it the stream says goodbye, and the slot is nobody's.
    pub leave: &'a Shutdown,
}

/// How a session holds its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// By the stream.
    Stream,
    /// Not at all: it is to stay where it is.
    Slot,
    /// There is none.
    NoSlot,
}

impl Holds {
    /// A stream that was told to leave lets go of the slot when it will.
    fn unless_leaving(self, leave: &Shutdown) -> Holds {
        if self == Holds::Stream && leave.is_asked() { Holds::Slot } else { self }
    }
}

impl Watch<'_> {
    /// Looks until something is wrong.
    pub async fn watch(&self) -> Alarm {
        let mut holder = None;
        loop {
            match self.look(&mut holder).await {
                Ok(None) => {}
                Ok(Some(alarm)) => return alarm,
                Err(error) => {
                    return Alarm::Drain(Trouble::postgres(&error, "watching slot and publication"));
                }
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// One look. `holder` is the process that had the slot at the first, which is ours: nobody else got it.
    async fn look(&self, holder: &mut Option<i32>) -> Result<Option<Alarm>, Error> {
        // Asked first: whatever else is seen to be well was so when the WAL had come to this.
        let flushed = server_facts::wal_flush_lsn(self.session).await?;
        if let Some(alarm) = self.where_are_we().await? {
            return Ok(Some(alarm));
        }
        if self.holds == Holds::NoSlot {
            return self.what_it_sends(flushed).await;
        }
        let name = &self.config.source.slot;
        let slot = slot::find(self.session, name).await?;
        // Asked after: by then we may have confirmed more than the slot showed, but never less.
        let confirmed = self.acknowledger.confirmed();
        let Some(slot) = slot else {
            return Ok(Some(freeze(refusal::slot_missing(name, confirmed, flushed))));
        };
        self.metrics.slot(&sample(&slot, flushed));
        let holds = self.holds.unless_leaving(self.leave);
        if let Some(alarm) = is_ours(&slot, confirmed, flushed, holder, holds) {
            return Ok(Some(alarm));
        }
        self.what_it_sends(flushed).await
    }

    /// Another cluster or timeline than the stream's.
    async fn where_are_we(&self) -> Result<Option<Alarm>, Error> {
        let here = fingerprint::identity(self.session).await?;
        Ok(here.filter(|here| is_elsewhere(here, self.server)).map(|here| {
            let timeline = here.timeline.map(|timeline| format!(", timeline {timeline}")).unwrap_or_default();
            Alarm::Freeze(Trouble::Retry(
                Component::Postgres,
                Failure::new(
                    Exit::Postgres,
                    "the server is not what it was when the stream began",
                    format!(
                        "system identifier {}, timeline {} then; {}{timeline} now. Nothing more was published or confirmed",
                        self.server.system_id, self.server.timeline, here.system_id
                    ),
                    "the connector starts again, and compares what Kafka holds with what the server is now",
                ),
            ))
        }))
    }

    /// The publication and its tables.
    async fn what_it_sends(&self, flushed: Lsn) -> Result<Option<Alarm>, Error> {
        if mutant::is_on(Mutant::UnwatchedPublication) {
            return Ok(None);
        }
        let (name, slot) = (&self.config.source.publication, &self.config.source.slot);
        let before = self.seen.get();
        let known = before.clone().unwrap_or_default();
        let now = facts::observe(self.config, self.session, flushed, Beyond::Known(&known)).await?;
        let Some(now) = now else {
            return Ok(Some(freeze(publication::missing(name, before.as_ref(), flushed))));
        };
        if let Some(before) = &before {
            let changes = compare(before, &now);
            if !changes.lossy.is_empty() {
                return Ok(Some(freeze(publication::changed(
                    name,
                    slot,
                    &changes,
                    before.seen_lsn,
                    flushed,
                ))));
            }
            for change in changes.harmless {
                tracing::warn!(change, "the publication was changed; no event is lost by that");
            }
        }
        self.seen.set(now.fingerprint);
        Ok(None)
    }
}

fn freeze(failure: Failure) -> Alarm {
    Alarm::Freeze(Trouble::Halt(failure))
}

/// The slot is still the one we stream from, and nobody else has moved it.
fn is_ours(
    slot: &SlotFacts,
    confirmed: Lsn,
    flushed: Lsn,
    holder: &mut Option<i32>,
    holds: Holds,
) -> Option<Alarm> {
    if slot.is_invalidated() {
        return Some(freeze(refusal::slot_lost(slot, Some(confirmed), flushed)));
    }
    if let Some(ahead) = slot.confirmed_flush_lsn.filter(|lsn| *lsn > confirmed) {
        return Some(freeze(refusal::slot_ahead(&slot.name, confirmed, ahead)));
    }
    if holds != Holds::Stream {
        return None;
    }
    let held_by = slot.active_pid.filter(|_| slot.active);
    if held_by.is_some_and(|pid| *holder.get_or_insert(pid) == pid) {
        return None;
    }
    let who = held_by.map_or_else(|| "nobody has it".to_owned(), |pid| format!("process {pid} has it"));
    Some(Alarm::Freeze(Trouble::Retry(
        Component::Postgres,
        Failure::new(
            Exit::Postgres,
            format!("slot {:?} is not ours any more: {who}", slot.name),
            "the stream was ended on the server's side. Nothing more was published or confirmed; the connector starts again \
             from the position that Kafka holds",
            "if it does not come back: walpost slot show tells who has the slot",
        ),
    )))
}

fn sample(slot: &SlotFacts, server_lsn: Lsn) -> SlotSample {
    SlotSample {
        active: slot.active,
        wal_status: slot.wal_status.clone(),
        retained_bytes: slot.retained_bytes,
        safe_wal_bytes: slot.safe_wal_bytes,
        confirmed_flush_lsn: slot.confirmed_flush_lsn,
        server_lsn,
    }
}

/// Runs the operator's statement once per interval (`heartbeat.action.query`).
pub async fn act(session: &Session, statement: &str, interval: Duration) -> Trouble {
    loop {
        tokio::time::sleep(interval).await;
        if let Err(error) = session.execute(statement).await {
            return Trouble::postgres(&error, "running the heartbeat query");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(confirmed: u64, active_pid: Option<i32>) -> SlotFacts {
        SlotFacts {
            name: "s".into(),
            active: active_pid.is_some(),
            active_pid,
            confirmed_flush_lsn: Some(Lsn::new(confirmed)),
            ..SlotFacts::default()
        }
    }

    fn look(slot: &SlotFacts, holder: &mut Option<i32>) -> Option<Alarm> {
        is_ours(slot, Lsn::new(200), Lsn::new(300), holder, Holds::Stream)
    }

    fn code(alarm: Option<Alarm>) -> Exit {
        match alarm {
            Some(Alarm::Freeze(Trouble::Halt(failure))) => failure.exit,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_slot_that_we_hold_and_nobody_moved_is_ours() {
        let mut holder = None;
        for confirmed in [100, 200] {
            assert!(look(&slot(confirmed, Some(7)), &mut holder).is_none());
        }
        assert_eq!(holder, Some(7));
    }

    #[test]
    fn a_slot_that_somebody_moved_or_the_server_gave_up_freezes_for_good() {
        assert_eq!(code(look(&slot(201, Some(7)), &mut None)), Exit::SlotAhead);
        let lost = SlotFacts { wal_status: Some("lost".into()), confirmed_flush_lsn: None, ..slot(0, None) };
        assert_eq!(code(look(&lost, &mut None)), Exit::SlotLost);
    }

    #[test]
    fn a_slot_that_is_only_kept_may_be_held_by_nobody_and_still_must_not_move() {
        let look = |slot: &SlotFacts| is_ours(slot, Lsn::new(200), Lsn::new(300), &mut None, Holds::Slot);
        assert!(look(&slot(100, None)).is_none());
        assert_eq!(code(look(&slot(201, None))), Exit::SlotAhead);
    }

    #[test]
    fn a_stream_that_leaves_lets_go_of_its_slot_and_that_is_no_alarm() {
        let leave = Shutdown::default();
        let look = |confirmed| {
            let holds = Holds::Stream.unless_leaving(&leave);
            is_ours(&slot(confirmed, None), Lsn::new(200), Lsn::new(300), &mut Some(7), holds)
        };
        assert!(matches!(look(200), Some(Alarm::Freeze(Trouble::Retry(..)))));
        leave.ask();
        assert!(look(200).is_none());
        assert_eq!(code(look(201)), Exit::SlotAhead);
    }

    #[test]
    fn a_slot_that_nobody_or_somebody_else_holds_freezes_and_is_tried_again() {
        for held_by in [None, Some(8)] {
            let alarm = look(&slot(100, held_by), &mut Some(7));
            assert!(matches!(alarm, Some(Alarm::Freeze(Trouble::Retry(..)))), "{alarm:?}");
        }
    }
}
