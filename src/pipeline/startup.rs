//! The start-up matrix: stored position × slot × server → decision. Pure.
//!
//! Enters: what Kafka holds, what Postgres says, what the operator allows. Leaves: where to resume, or the reason to
//! stop, with its own exit code. Promised: no row trusts "the greater LSN"; whatever might be a gap stops.

use super::{publication, refusal};
use crate::error::{Exit, Failure};
use crate::lsn::Lsn;
use crate::mutant::{self, Mutant};
use crate::position::Position;
use crate::postgres::facts::{SystemIdentity, TimelineSwitch};
use crate::postgres::fingerprint::Observed;
use crate::postgres::publication::Scope;
use crate::postgres::slot::SlotFacts;

/// Everything the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// `slot.name`.
    pub slot_name: &'a str,
    /// `database.dbname`.
    pub database: &'a str,
    /// The position Kafka holds, read under a fresh fence.
    pub stored: Option<&'a Position>,
    /// The slot of that name, if there is one.
    pub slot: Option<&'a SlotFacts>,
    /// IDENTIFY_SYSTEM on the connection that will stream.
    pub server: &'a SystemIdentity,
    /// TIMELINE_HISTORY of the server's timeline; empty on timeline 1.
    pub history: &'a [TimelineSwitch],
    /// `publication.name`.
    pub publication_name: &'a str,
    /// What there is of it.
    pub publication: &'a Publication,
    /// `walpost.adopt=slot`.
    pub adopt_slot: bool,
}

/// What there is of the publication, and what a first start does about one that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// It is there, with these tables.
    Exists(Box<Observed>),
    /// Missing; a first start makes it, of these tables.
    ToBeMade(Scope),
    /// Missing; a first start would make it, and our role lacks this to do so.
    NotAllowed(String),
    /// Missing; the configuration leaves it to others.
    Missing,
}

/// What a start does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on after the stored position (rows 1 and 4).
    Resume,
    /// A failover lost WAL that was already published: go on at the switch. Events of (switch, stored] were published
    /// but no longer exist in the database (row 5).
    ResumeAtSwitch {
        /// Where the stored timeline ended.
        switch_lsn: Lsn,
    },
    /// First start: create the slot (row 10).
    Create,
    /// Take over the slot where it stands, and write the first position before any event (row 11, or a start that was
    /// cut short while creating its slot).
    TakeSlot {
        /// The slot's confirmed position.
        slot_lsn: Lsn,
    },
    /// Refuse to start.
    Stop(Box<Failure>),
}

impl Decision {
    /// Its name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Decision::Resume => "resume",
            Decision::ResumeAtSwitch { .. } => "resume_at_switch",
            Decision::Create => "create",
            Decision::TakeSlot { .. } => "take_slot",
            Decision::Stop(_) => "stop",
        }
    }
}

/// The whole matrix, one row after another; the first that fits decides. The publication comes last (row 13).
pub fn decide(seen: &Seen<'_>) -> Decision {
    let decision = by_position(seen);
    match (&decision, seen.publication) {
        (Decision::Stop(_), _) | (Decision::Create, Publication::Exists(_) | Publication::ToBeMade(_)) => {
            decision
        }
        _ if mutant::is_on(Mutant::UnwatchedPublication) => decision,
        (_, Publication::Exists(now)) => match publication_changed(seen, now) {
            Some(failure) => stop(failure),
            None => decision,
        },
        (Decision::Create, Publication::NotAllowed(lacking)) => stop(publication_refused(seen, lacking)),
        // Later starts never make it: whatever was written while it was missing is not in the stream.
        _ => stop(publication_missing(seen)),
    }
}

/// Rows 1 to 12.
fn by_position(seen: &Seen<'_>) -> Decision {
    let Some(stored) = seen.stored else { return without_position(seen) };
    if stored.system_id != seen.server.system_id {
        return stop(other_system(seen, stored));
    }
    if stored.creating {
        return finish_creation(seen);
    }
    let same_timeline = mutant::is_on(Mutant::IgnoreTimeline);
    if seen.server.timeline < stored.timeline && !same_timeline {
        return stop(old_timeline(seen, stored));
    }
    let Some(slot) = seen.slot else {
        return if mutant::is_on(Mutant::RemakeSlot) {
            Decision::Create
        } else {
            stop(refusal::slot_missing(seen.slot_name, stored.end_lsn, seen.server.flush_lsn))
        };
    };
    let confirmed = match usable(seen, slot) {
        Ok(confirmed) => confirmed,
        Err(failure) => return stop(failure),
    };
    if seen.server.timeline > stored.timeline && !same_timeline {
        return after_failover(seen, stored, confirmed);
    }
    let snapshot_lsn = stored.snapshot.as_ref().map_or(Lsn::ZERO, |snapshot| snapshot.lsn);
    if stored.end_lsn.max(snapshot_lsn) > seen.server.flush_lsn {
        return stop(server_behind(seen, stored));
    }
    if confirmed > stored.end_lsn && !mutant::is_on(Mutant::GreaterLsnWins) {
        return stop(refusal::slot_ahead(seen.slot_name, stored.end_lsn, confirmed));
    }
    if confirmed < stored.slot_birth_lsn {
        return stop(slot_reborn(seen, stored, confirmed));
    }
    Decision::Resume
}

fn stop(failure: Failure) -> Decision {
    Decision::Stop(Box::new(failure))
}

/// Rows 10 and 11.
fn without_position(seen: &Seen<'_>) -> Decision {
    let Some(slot) = seen.slot else { return Decision::Create };
    match usable(seen, slot) {
        Err(failure) => stop(failure),
        Ok(slot_lsn) if seen.adopt_slot => Decision::TakeSlot { slot_lsn },
        Ok(slot_lsn) => stop(position_missing(seen, slot_lsn)),
    }
}

/// Our own mark says that the slot, if it exists, was made by us and that nothing was published yet.
fn finish_creation(seen: &Seen<'_>) -> Decision {
    match seen.slot.map(|slot| usable(seen, slot)) {
        None => Decision::Create,
        Some(Ok(slot_lsn)) => Decision::TakeSlot { slot_lsn },
        Some(Err(failure)) => stop(failure),
    }
}

/// Rows 4 and 5.
fn after_failover(seen: &Seen<'_>, stored: &Position, confirmed: Lsn) -> Decision {
    let Some(switch) = seen.history.iter().find(|switch| switch.timeline == stored.timeline) else {
        return stop(foreign_timeline(seen, stored));
    };
    // What a snapshot saw of the lost timeline's end is not what the ids of the new one stand for.
    if let Some(snapshot) =
        stored.snapshot.as_ref().filter(|it| it.is_pending() && it.lsn > switch.switch_lsn)
    {
        return stop(snapshot_cut(seen, snapshot.lsn, switch.switch_lsn));
    }
    if stored.end_lsn <= switch.switch_lsn {
        return if confirmed > stored.end_lsn {
            stop(refusal::slot_ahead(seen.slot_name, stored.end_lsn, confirmed))
        } else if confirmed < stored.slot_birth_lsn {
            stop(slot_reborn(seen, stored, confirmed))
        } else {
            Decision::Resume
        };
    }
    if confirmed <= switch.switch_lsn {
        Decision::ResumeAtSwitch { switch_lsn: switch.switch_lsn }
    } else {
        stop(failover_gap(seen, stored, switch.switch_lsn, confirmed))
    }
}

/// The slot's confirmed position, when the slot can be streamed from at all (row 9, and slots that are not ours).
fn usable(seen: &Seen<'_>, slot: &SlotFacts) -> Result<Lsn, Failure> {
    if slot.plugin.as_deref() != Some("pgoutput") || slot.database.as_deref() != Some(seen.database) {
        return Err(foreign_slot(seen, slot));
    }
    let stored = seen.stored.filter(|stored| !stored.creating).map(|stored| stored.end_lsn);
    let lost = || refusal::slot_lost(slot, stored, seen.server.flush_lsn);
    if slot.is_invalidated() {
        return Err(lost());
    }
    slot.confirmed_flush_lsn.ok_or_else(lost)
}

/// Row 3.
fn server_behind(seen: &Seen<'_>, stored: &Position) -> Failure {
    Failure::new(
        Exit::ServerBehind,
        "the server's WAL ends before the position that Kafka holds",
        format!(
            "stored position {}, server flushed {}: the server was restored from an older backup or snapshot, or this is \
             another server. New transactions below the stored position would be skipped without a word",
            stored.end_lsn, seen.server.flush_lsn
        ),
        "check database.hostname. If the restore was intended: events beyond the server's WAL were published and no \
         longer exist there; begin anew with walpost slot drop, walpost offsets forget and walpost slot create",
    )
}

/// Row 5, with the slot past the switch.
fn failover_gap(seen: &Seen<'_>, stored: &Position, switch: Lsn, confirmed: Lsn) -> Failure {
    Failure::new(
        Exit::FailoverGap,
        format!("a failover lost published WAL, and slot {:?} is past the switch", seen.slot_name),
        format!(
            "timeline {} ended at {switch}, stored position {}, slot confirmed {confirmed}: events committed on the new \
             timeline between the switch and the slot may never have been published",
            stored.timeline, stored.end_lsn
        ),
        "compare the outbox rows committed since the failover with their topics; then walpost offsets forget, and \
         walpost run --adopt slot",
    )
}

/// Row 5, with a snapshot that is not yet published whole.
fn snapshot_cut(seen: &Seen<'_>, taken: Lsn, switch: Lsn) -> Failure {
    Failure::new(
        Exit::Snapshot,
        "a failover lost WAL before the point at which the interrupted snapshot was taken",
        format!(
            "the snapshot was taken at {taken}, and timeline {} begins at {switch}: which rows belong to it cannot be \
             told any more",
            seen.server.timeline
        ),
        "walpost verify tells which rows are not published. To publish every row again: walpost offsets forget, \
         walpost slot drop, and walpost run",
    )
}

/// Row 6.
fn old_timeline(seen: &Seen<'_>, stored: &Position) -> Failure {
    Failure::new(
        Exit::OldTimeline,
        "the server is on an older timeline than the position that Kafka holds",
        format!(
            "stored timeline {}, server timeline {}: this is an old primary that came back, or a name that points to one. \
             Events written there are not part of the present history",
            stored.timeline, seen.server.timeline
        ),
        "point database.hostname at the present primary, and keep the old one from taking writes",
    )
}

fn foreign_timeline(seen: &Seen<'_>, stored: &Position) -> Failure {
    Failure::new(
        Exit::FailoverGap,
        "the stored timeline is not an ancestor of the server's",
        format!(
            "stored position {} on timeline {}, server on timeline {}, whose history does not pass through it",
            stored.end_lsn, stored.timeline, seen.server.timeline
        ),
        "the server was promoted from a copy that left the history earlier. Compare the outbox with its topics; then \
         begin anew with walpost slot drop, walpost offsets forget and walpost slot create",
    )
}

/// Row 7.
fn other_system(seen: &Seen<'_>, stored: &Position) -> Failure {
    Failure::new(
        Exit::OtherSystem,
        "this is another Postgres cluster than the stored position's",
        format!(
            "stored system identifier {}, server's {}: LSNs of the two cannot be compared (pg_upgrade, dump and restore, \
             or a wrong address)",
            stored.system_id, seen.server.system_id
        ),
        "check database.hostname. If the move was intended and the old cluster was drained first: walpost offsets forget \
         and walpost slot create, before the new cluster's first write",
    )
}

/// Row 11.
fn position_missing(seen: &Seen<'_>, slot_lsn: Lsn) -> Failure {
    Failure::new(
        Exit::PositionMissing,
        format!("slot {:?} exists, but Kafka holds no position for it", seen.slot_name),
        format!(
            "the slot stands at {slot_lsn}. It may belong to another connector, or the position was forgotten or its topic \
             deleted; what was published before that point cannot be known from here"
        ),
        "to take the slot over where it stands (after Debezium has been stopped for good, for example), run once with \
         --adopt slot or walpost.adopt=slot. If this connector has published before, walpost repair finds out by the topics \
         where it was. Otherwise choose another slot.name",
    )
}

/// Row 12.
fn slot_reborn(seen: &Seen<'_>, stored: &Position, confirmed: Lsn) -> Failure {
    Failure::new(
        Exit::SlotReborn,
        format!("slot {:?} is older than the slot this position was made with", seen.slot_name),
        format!(
            "slot confirmed {confirmed}, but the slot of the stored position {} began at {}: the slot was re-created on \
             a server that had been set back, and its LSNs stand for other transactions",
            stored.end_lsn, stored.slot_birth_lsn
        ),
        "walpost repair finds out by the topics what is published, publishes what is missing, and begins a new chain of \
         positions",
    )
}

fn foreign_slot(seen: &Seen<'_>, slot: &SlotFacts) -> Failure {
    Failure::new(
        Exit::PositionMissing,
        format!("slot {:?} is not a pgoutput slot of database {:?}", seen.slot_name, seen.database),
        format!(
            "its plugin is {}, its database {}",
            slot.plugin.as_deref().unwrap_or("none (a physical slot)"),
            slot.database.as_deref().unwrap_or("none")
        ),
        "choose another slot.name, or correct database.dbname",
    )
}

/// Row 13. A record of a version that did not look tells nothing, and is completed by the next one.
fn publication_changed(seen: &Seen<'_>, now: &Observed) -> Option<Failure> {
    let before = seen.stored?.publication.as_ref()?;
    let changes = publication::compare(before, now);
    let (from, to) = (before.seen_lsn, seen.server.flush_lsn);
    let refusal = || publication::changed(seen.publication_name, seen.slot_name, &changes, from, to);
    (!changes.lossy.is_empty()).then(refusal)
}

fn publication_missing(seen: &Seen<'_>) -> Failure {
    let before = seen.stored.and_then(|stored| stored.publication.as_ref());
    publication::missing(seen.publication_name, before, seen.server.flush_lsn)
}

/// A first start whose role cannot make the publication.
fn publication_refused(seen: &Seen<'_>, lacking: &str) -> Failure {
    Failure::new(
        Exit::Postgres,
        format!(
            "publication {:?} does not exist, and the connector's role may not create it",
            seen.publication_name
        ),
        format!("the role lacks {lacking}. Nothing was changed"),
        "have it made before the slot, by a role that may: walpost publication create with that role as database.user, \
         or the SQL that walpost init prints",
    )
}

#[cfg(test)]
#[path = "startup_tests.rs"]
mod tests;
