//! The watch beside the road: the slot and the lock's session, looked at on a timer, for the metrics and for trouble.

use super::trouble::Trouble;
use crate::observe::metrics::{Metrics, SlotSample};
use crate::postgres::session::Session;
use crate::postgres::{facts, slot};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(5);

/// Looks until something is wrong: the session (and the leader's lock with it) is lost.
pub async fn watch(session: &Session, slot_name: &str, metrics: &Metrics) -> Trouble {
    loop {
        match sample(session, slot_name).await {
            Ok(Some(sample)) => metrics.slot(&sample),
            // A slot that vanishes ends the stream as well; the next start says what happened.
            Ok(None) => {}
            Err(error) => return Trouble::postgres(&error, "watching the slot"),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn sample(session: &Session, slot_name: &str) -> Result<Option<SlotSample>, crate::postgres::Error> {
    let server_lsn = facts::wal_flush_lsn(session).await?;
    Ok(slot::find(session, slot_name).await?.map(|slot| SlotSample {
        active: slot.active,
        wal_status: slot.wal_status,
        retained_bytes: slot.retained_bytes,
        safe_wal_bytes: slot.safe_wal_bytes,
        confirmed_flush_lsn: slot.confirmed_flush_lsn,
        server_lsn,
    }))
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
