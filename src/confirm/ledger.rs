//! The three positions, and the order they keep. Pure.

use crate::lsn::Lsn;
use crate::mutant::{self, Mutant};

/// `received` ≥ `published` ≥ `confirmed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ledger {
    received: Lsn,
    published: Lsn,
    confirmed: Lsn,
}

impl Ledger {
    /// Begins at the stored position.
    pub fn new(stored: Lsn) -> Ledger {
        Ledger { received: stored, published: stored, confirmed: stored }
    }

    /// The end of a transaction, or a keepalive's position, came in on this connection.
    pub fn receive(&mut self, lsn: Lsn) {
        self.received = self.received.max(lsn);
    }

    /// Kafka has committed everything up to `end_lsn`, and the position with it. What may be confirmed now; `None` when
    /// that LSN was never received on this connection, which must stop the connector.
    #[must_use]
    pub fn publish(&mut self, end_lsn: Lsn) -> Option<Lsn> {
        if end_lsn > self.received {
            return None;
        }
        self.published = self.published.max(end_lsn);
        self.confirmed = match self.published {
            _ if mutant::is_on(Mutant::ConfirmReceived) => self.received,
            end if mutant::is_on(Mutant::ConfirmPastEnd) => Lsn::new(end.as_u64() + 1),
            end => end,
        };
        Some(self.confirmed)
    }

    /// Furthest position received.
    pub fn received(&self) -> Lsn {
        self.received
    }

    /// Furthest position that Kafka holds.
    pub fn published(&self) -> Lsn {
        self.published
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_received_is_never_confirmed() {
        let mut ledger = Ledger::new(Lsn::new(10));
        assert_eq!(ledger.publish(Lsn::new(11)), None);
        ledger.receive(Lsn::new(20));
        assert_eq!(ledger.publish(Lsn::new(20)), Some(Lsn::new(20)));
    }

    #[test]
    fn no_position_ever_falls() {
        let mut ledger = Ledger::new(Lsn::new(10));
        ledger.receive(Lsn::new(30));
        ledger.receive(Lsn::new(20));
        assert_eq!(ledger.received(), Lsn::new(30));
        assert_eq!(ledger.publish(Lsn::new(30)), Some(Lsn::new(30)));
        assert_eq!(ledger.publish(Lsn::new(20)), Some(Lsn::new(30)));
        assert_eq!(ledger.published(), Lsn::new(30));
    }
}
