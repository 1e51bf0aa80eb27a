//! Replication slots: find, list, create, drop, advance.

use crate::lsn::Lsn;

/// A row of `pg_replication_slots`; columns a version does not have are `None`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SlotFacts {
    /// Name.
    pub name: String,
    /// Output plugin; `None` for a physical slot.
    pub plugin: Option<String>,
    /// Database; `None` for a physical slot.
    pub database: Option<String>,
    /// A walsender has it.
    pub active: bool,
    /// That walsender's process id.
    pub active_pid: Option<i32>,
    /// Oldest WAL it holds.
    pub restart_lsn: Option<Lsn>,
    /// What its consumer has confirmed.
    pub confirmed_flush_lsn: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// Why it was invalidated (17 and later; `conflicting` of 16 is spelled out).
    pub invalidation_reason: Option<String>,
    /// Bytes of WAL from `restart_lsn` to now.
    pub retained_bytes: Option<i64>,
    /// Bytes of WAL from `confirmed_flush_lsn` to now.
    pub pending_bytes: Option<i64>,
    /// Bytes that may still be written before it is lost; `None`: unlimited.
    pub safe_wal_bytes: Option<i64>,
    /// Dropped at the end of its session.
    pub temporary: bool,
    /// Decodes prepared transactions.
    pub two_phase: bool,
}
