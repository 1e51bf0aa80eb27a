//! Replication slots: find, list, create, drop, advance.

use super::Error;
use super::facts::lsn;
use super::session::{Session, value};
use super::statement::fill;
use crate::lsn::Lsn;
use postgres_protocol::escape::escape_literal;
use tokio_postgres::Row;

/// A row of `pg_replication_slots`; columns a version does not have are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
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
    /// Standbys keep a copy of it (17 and later).
    pub failover: bool,
    /// It is such a copy.
    pub synced: bool,
    /// Since when nobody has it (17 and later), as the server prints it.
    pub inactive_since: Option<String>,
    /// How many transactions ago the oldest catalogue row that it holds back was removed.
    pub catalog_xmin_age: Option<i32>,
    /// `application_name` of the client that has it.
    pub application_name: Option<String>,
    /// Its address; hidden from roles without `pg_read_all_stats`.
    pub client_address: Option<String>,
    /// What its walsender does: `startup`, `catchup`, `streaming`.
    pub walsender_state: Option<String>,
}

impl SlotFacts {
    /// WAL that it still needed is gone: nothing can be streamed from it any more.
    pub fn is_invalidated(&self) -> bool {
        self.wal_status.as_deref() == Some("lost") || self.invalidation_reason.is_some()
    }
}

/// The slot of this name.
pub async fn find(session: &Session, name: &str) -> Result<Option<SlotFacts>, Error> {
    let slots = select(session, &format!("s.slot_name = {}", escape_literal(name))).await?;
    Ok(slots.into_iter().next())
}

/// All slots of the server, by name.
pub async fn list(session: &Session) -> Result<Vec<SlotFacts>, Error> {
    select(session, "true").await
}

/// Creates a logical slot for pgoutput; the answer is its consistent point: it has every transaction that ends later.
/// This waits for every transaction that runs now.
pub async fn create(session: &Session, name: &str, failover: bool) -> Result<Lsn, Error> {
    let sql = if failover {
        include_str!("../../sql/slot_create_failover.sql")
    } else {
        include_str!("../../sql/slot_create.sql")
    };
    let row = session.query_one(&fill(sql, &[("slot", name)]), &[]).await?;
    lsn(&row, "lsn")?.ok_or_else(|| Error::Protocol("the new slot has no position".into()))
}

/// Drops the slot.
pub async fn drop_slot(session: &Session, name: &str) -> Result<(), Error> {
    session.execute(&fill(include_str!("../../sql/slot_drop.sql"), &[("slot", name)])).await
}

/// Drops the slot if it is invalidated, and not otherwise.
pub async fn drop_lost(session: &Session, name: &str) -> Result<(), Error> {
    session.execute(&fill(include_str!("../../sql/slot_drop_lost.sql"), &[("slot", name)])).await
}

/// Moves the slot forward, at most to the end of the WAL; the answer is where it came to rest.
pub async fn advance(session: &Session, name: &str, to: Lsn) -> Result<Lsn, Error> {
    let sql = fill(include_str!("../../sql/slot_advance.sql"), &[("slot", name), ("to", &to.to_string())]);
    let row = session.query_one(&sql, &[]).await?;
    lsn(&row, "end_lsn")?.ok_or_else(|| Error::Protocol("the slot came to rest nowhere".into()))
}

async fn select(session: &Session, condition: &str) -> Result<Vec<SlotFacts>, Error> {
    let sql = fill(include_str!("../../sql/slots.sql"), &[("condition", condition)]);
    session.query(&sql, &[]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<SlotFacts, Error> {
    Ok(SlotFacts {
        name: value(row, "name")?,
        plugin: value(row, "plugin")?,
        database: value(row, "database")?,
        active: value(row, "active")?,
        active_pid: value(row, "active_pid")?,
        restart_lsn: lsn(row, "restart_lsn")?,
        confirmed_flush_lsn: lsn(row, "confirmed_flush_lsn")?,
        wal_status: value(row, "wal_status")?,
        invalidation_reason: value(row, "invalidation_reason")?,
        retained_bytes: value(row, "retained_bytes")?,
        pending_bytes: value(row, "pending_bytes")?,
        safe_wal_bytes: value(row, "safe_wal_bytes")?,
        temporary: value(row, "temporary")?,
        two_phase: value(row, "two_phase")?,
        failover: value(row, "failover")?,
        synced: value(row, "synced")?,
        inactive_since: value(row, "inactive_since")?,
        catalog_xmin_age: value(row, "catalog_xmin_age")?,
        application_name: value(row, "application_name")?,
        client_address: value(row, "client_address")?,
        walsender_state: value(row, "walsender_state")?,
    })
}
