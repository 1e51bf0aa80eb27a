//! Refusals that a start and the watch have in common, each with what happened, what is at risk and what to do.

use crate::error::{Exit, Failure};
use crate::lsn::Lsn;
use crate::postgres::slot::SlotFacts;

/// Row 2: the slot has gone past what Kafka holds.
pub fn slot_ahead(slot: &str, stored: Lsn, confirmed: Lsn) -> Failure {
    Failure::new(
        Exit::SlotAhead,
        format!("slot {slot:?} is ahead of the position that Kafka holds"),
        format!(
            "stored position {stored}, slot confirmed {confirmed}: events committed in between ({} bytes of WAL) may \
             never have been published, and Postgres will not send them again",
            confirmed.bytes_since(stored)
        ),
        "somebody advanced, re-created or consumed the slot, or the position topic was rolled back. walpost repair says \
         which events of the outbox its topics lack, publishes them, and goes on from the slot; walpost offsets set \
         --to slot gives them up",
    )
}

/// Row 8: it is not there any more.
pub fn slot_missing(slot: &str, stored: Lsn, flushed: Lsn) -> Failure {
    Failure::new(
        Exit::SlotMissing,
        format!("slot {slot:?} does not exist"),
        format!(
            "Kafka holds position {stored}, so the slot was dropped, or lost in a failover; the server's WAL goes to \
             {flushed}. Events committed in between are lost to a new slot unless their rows are still in the outbox"
        ),
        "check slot.name and database.dbname. If the slot is really gone: walpost repair makes another one, and publishes \
         from the outbox what that one will not send. To begin anew without: walpost offsets forget and walpost slot create",
    )
}

/// Row 9: Postgres has removed what it needed.
pub fn slot_lost(slot: &SlotFacts, stored: Option<Lsn>, flushed: Lsn) -> Failure {
    let reason =
        slot.invalidation_reason.as_deref().or(slot.wal_status.as_deref()).unwrap_or("no confirmed position");
    let stored = stored.map(|stored| format!(" (stored position {stored}, server flushed {flushed})"));
    Failure::new(
        Exit::SlotLost,
        format!("slot {:?} is invalidated ({reason})", slot.name),
        format!(
            "Postgres removed WAL that the slot still needed{}; what was committed since is lost to this slot",
            stored.unwrap_or_default()
        ),
        "walpost repair replaces the slot, and publishes from the outbox what is missing. To begin anew without: walpost \
         slot drop, walpost offsets forget and walpost slot create. Raise max_slot_wal_keep_size, and alert on \
         walpost_slot_safe_wal_bytes",
    )
}
