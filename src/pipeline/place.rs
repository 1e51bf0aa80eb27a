//! Where the road is within the stream, and when it looks at a message.

use super::telling::Telling;
use crate::lsn::Lsn;
use crate::position::Position;
use std::time::Instant;

/// Where the road is within the stream.
#[derive(Debug, Default)]
pub struct Place {
    /// Commit LSN and xid of the open transaction.
    pub(super) open: Option<(Lsn, u32)>,
    /// Furthest end of a transaction, or keepalive, read on this connection.
    pub(super) received: Lsn,
    /// The server waits for an answer, and there is something to tell it.
    pub(super) urgent: bool,
    pub(super) last_heartbeat: Option<Instant>,
    /// What change events tell of their transaction.
    pub(super) telling: Telling,
}

impl Place {
    /// After what is published.
    pub fn after(position: &Position) -> Place {
        Place { telling: Telling::after(position), ..Place::default() }
    }
}

/// When a message is looked at, and where it stands in the WAL.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Instant,
    /// The connector's clock, ns since 1970.
    pub(super) ns: i64,
    pub(super) lsn: Lsn,
}

impl Moment {
    /// The same in ms.
    pub(super) fn ms(&self) -> i64 {
        self.ns / 1_000_000
    }
}
