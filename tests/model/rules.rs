//! What is explored: the protocol's settings, how much may go wrong, and which rule is broken on purpose.

use crate::connector::Step;
use crate::kafka::Protocol;
use crate::mutants::Mutant;

/// How often each kind of thing may happen from the beginning to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Crashes of an instance, whenever and whichever.
    pub crashes: u8,
    /// Requests to Kafka without an answer: lost, carried out, on their way still.
    pub unanswered: u8,
    /// Postgres breaks off every connection of an instance.
    pub cuts: u8,
    /// Postgres crashes, and its slot stands where it once stood.
    pub postgres_crashes: u8,
    /// The coordinator aborts a transaction for its age.
    pub time_outs: u8,
    /// Another connector has a transaction open in the position topic.
    pub neighbours: u8,
    /// Somebody advances the slot.
    pub advances: u8,
}

impl Faults {
    pub const NONE: Faults = Faults {
        crashes: 0,
        unanswered: 0,
        cuts: 0,
        postgres_crashes: 0,
        time_outs: 0,
        neighbours: 0,
        advances: 0,
    };
}

#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub protocol: Protocol,
    /// Only who has the leader's lock may start. An optimisation.
    pub lock: bool,
    /// Two take turns.
    pub producers: u8,
    pub faults: Faults,
    /// Requests that may be late at the same time.
    pub late_most: usize,
    pub mutant: Option<Mutant>,
}

impl Rules {
    /// The protocol as it is, with these faults.
    pub const fn of(faults: Faults) -> Rules {
        Rules { protocol: Protocol::Tv1, lock: false, producers: 1, faults, late_most: 1, mutant: None }
    }

    pub fn breaks(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The order of a start.
    pub fn order(&self) -> &'static [Step] {
        use Step::{Facts, Fence, Position, Stream, Watermark};
        match self.producers {
            _ if self.breaks(Mutant::ReadsBeforeTheFence) => &[Watermark, Position, Fence(0), Facts, Stream],
            1 => &[Fence(0), Watermark, Position, Facts, Stream],
            _ => &[Fence(0), Fence(1), Watermark, Position, Facts, Stream],
        }
    }
}
