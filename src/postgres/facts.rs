//! What a server says of itself: version, settings, identity, timeline.

use super::Error;
use super::session::{Session, value};
use crate::lsn::Lsn;
use tokio_postgres::types::PgLsn;

/// Answers of `sql/server_facts.sql`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// `server_version_num`, e.g. 150018.
    pub version_num: u32,
    /// `server_version`.
    pub version: String,
    /// `wal_level`.
    pub wal_level: String,
    /// `pg_is_in_recovery()`.
    pub in_recovery: bool,
    /// `wal_sender_timeout` in ms; 0 is off.
    pub wal_sender_timeout_ms: u64,
    /// `max_replication_slots`, and how many exist.
    pub max_replication_slots: u32,
    /// Slots there are.
    pub replication_slots: u32,
    /// `max_wal_senders`.
    pub max_wal_senders: u32,
    /// `max_slot_wal_keep_size` in MB; -1 is unlimited.
    pub max_slot_wal_keep_size_mb: i64,
    /// `synchronous_standby_names`.
    pub synchronous_standby_names: String,
    /// The role may replicate (`rolreplication`, superuser, or a provider's replication role).
    pub can_replicate: bool,
    /// The role is superuser.
    pub is_superuser: bool,
}

/// Answer of `IDENTIFY_SYSTEM` (manual, "Streaming Replication Protocol").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemIdentity {
    /// The cluster's identifier.
    pub system_id: u64,
    /// Its timeline now.
    pub timeline: u32,
    /// Its WAL flush position now.
    pub flush_lsn: Lsn,
    /// The database connected to.
    pub database: String,
}

/// One line of a timeline's history: `timeline` ended at `switch_lsn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineSwitch {
    /// The timeline that ended.
    pub timeline: u32,
    /// Where it ended.
    pub switch_lsn: Lsn,
}

/// Asks the server for its facts.
pub async fn server(session: &Session) -> Result<ServerFacts, Error> {
    let row = session.query_one(include_str!("../../sql/server_facts.sql"), &[]).await?;
    let count = |column: &str| value::<i32>(&row, column).map(|n| u32::try_from(n).unwrap_or_default());
    Ok(ServerFacts {
        version_num: count("version_num")?,
        version: value(&row, "version")?,
        wal_level: value(&row, "wal_level")?,
        in_recovery: value(&row, "in_recovery")?,
        wal_sender_timeout_ms: u64::try_from(value::<i64>(&row, "wal_sender_timeout_ms")?)
            .unwrap_or_default(),
        max_replication_slots: count("max_replication_slots")?,
        replication_slots: count("replication_slots")?,
        max_wal_senders: count("max_wal_senders")?,
        max_slot_wal_keep_size_mb: value(&row, "max_slot_wal_keep_size_mb")?,
        synchronous_standby_names: value(&row, "synchronous_standby_names")?,
        can_replicate: value(&row, "can_replicate")?,
        is_superuser: value(&row, "is_superuser")?,
    })
}

/// How far the server's WAL is safe on disk.
pub async fn wal_flush_lsn(session: &Session) -> Result<Lsn, Error> {
    let row = session.query_one(include_str!("../../sql/wal_flush_lsn.sql"), &[]).await?;
    lsn(&row, "lsn")?
        .ok_or_else(|| Error::Protocol("the server does not say how far its WAL has come".into()))
}

/// A `pg_lsn` column.
pub(super) fn lsn(row: &tokio_postgres::Row, column: &str) -> Result<Option<Lsn>, Error> {
    Ok(value::<Option<PgLsn>>(row, column)?.map(|lsn| Lsn::new(lsn.into())))
}
