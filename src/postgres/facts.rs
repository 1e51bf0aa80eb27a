//! What a server says of itself: version, settings, identity, timeline.

use crate::lsn::Lsn;

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
