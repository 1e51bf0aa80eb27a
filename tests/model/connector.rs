//! One instance of the connector: what it remembers, all of which a crash takes away.

use crate::source::{Plan, Stored};
use walpost::confirm::Ledger;
use walpost::lsn::Lsn;
use walpost::publish::transaction::{Action, Transaction};

/// Which instance.
pub type Who = u8;

/// The parts of a start that speak to a server, in an order that [`Rules`](crate::rules::Rules) decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// InitProducerId, of this producer.
    Fence(u8),
    /// Asks for the position topic's high watermark.
    Watermark,
    /// Reads positions up to it.
    Position,
    /// Asks Postgres, and decides by the matrix.
    Facts,
    /// START_REPLICATION.
    Stream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Down,
    /// The next step of the start.
    Starting(u8),
    Streaming,
    /// The matrix has refused to start it.
    Halted,
}

/// What was read and is not handed to a producer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    /// From the first number to before the second.
    pub events: (u8, u8),
    pub end: Lsn,
    pub ordinal: Option<u8>,
    /// It ends within a transaction.
    pub is_closed: bool,
    /// Everything read on this connection ends here.
    pub received: Lsn,
}

impl Batch {
    /// Nothing, after this position.
    pub fn after(end: Lsn, received: Lsn) -> Batch {
        Batch { events: (0, 0), end, ordinal: None, is_closed: false, received }
    }

    pub fn records(&self) -> u8 {
        self.events.1 - self.events.0
    }
}

/// A producer, and the transaction it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    pub epoch: u8,
    /// The connector's own machine.
    pub machine: Transaction,
    /// What the machine wants done next.
    pub action: Option<Action>,
    /// The events of the transaction: from the first number to before the second.
    pub events: (u8, u8),
    /// The position of the transaction.
    pub stored: Stored,
    /// A record was not acknowledged.
    pub is_unsettled: bool,
    /// Partitions (bits) that miss a record: what is sent after it is refused.
    pub gaps: u8,
}

impl Lane {
    /// Before its first transaction.
    pub fn new() -> Lane {
        Lane {
            epoch: 0,
            machine: Transaction::new(),
            action: None,
            events: (0, 0),
            stored: Stored::FIRST,
            is_unsettled: false,
            gaps: 0,
        }
    }

    /// After a transaction: nothing of it is remembered.
    pub fn rest(&mut self) {
        *self = Lane { epoch: self.epoch, machine: self.machine, ..Lane::new() };
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connector {
    pub phase: Phase,
    /// The high watermark it reads up to, as a number of entries.
    pub high: u8,
    /// The position that the next batch goes on from: read, then handed over.
    pub stored: Stored,
    pub plan: Plan,
    pub batch: Batch,
    pub ledger: Ledger,
    /// What Postgres is to be told.
    pub confirmed: Lsn,
    pub lanes: Vec<Lane>,
    /// The lane of the last batch.
    pub last_lane: u8,
}

impl Connector {
    /// Not running.
    pub fn down() -> Connector {
        Connector {
            phase: Phase::Down,
            high: 0,
            stored: Stored::FIRST,
            plan: Plan::NOTHING,
            batch: Batch::after(Lsn::ZERO, Lsn::ZERO),
            ledger: Ledger::new(Lsn::ZERO),
            confirmed: Lsn::ZERO,
            lanes: Vec::new(),
            last_lane: 0,
        }
    }

    pub fn is_down(&self) -> bool {
        self.phase == Phase::Down
    }
}
