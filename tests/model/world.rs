//! The state of everything at one moment, what must hold of it, and what may happen next.

use crate::connector::{Batch, Connector, Phase, Who};
use crate::kafka::{Fate, Kafka, Record, Request, is_decided};
use crate::mutants::Mutant;
use crate::rules::{Faults, Rules};
use crate::source::{BIRTH, END, EVENTS, Plans, Stored};
use walpost::lsn::Lsn;
use walpost::publish::offsets;

/// The slot, and what Postgres keeps of connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Postgres {
    pub confirmed: Lsn,
    /// Whose walsender has the slot.
    pub holder: Option<Who>,
    /// Who has the leader's lock.
    pub leader: Option<Who>,
    /// Somebody else has advanced the slot.
    pub is_advanced: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub kafka: Kafka,
    pub postgres: Postgres,
    pub connectors: [Connector; 2],
    /// What may still go wrong.
    pub left: Faults,
    pub wrong: Option<Wrong>,
}

/// A promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// An event is visible twice.
    Twice { event: u8 },
    /// An event is visible after one of its partition that comes later in the source.
    OutOfOrder { event: u8 },
    /// The position stands for an event that is not visible.
    Lost { event: u8 },
    /// An event is visible, and the position does not stand for it.
    Ahead { event: u8 },
    /// A position counts other events than the WAL has before it.
    Miscounted { counted: u8, stands_for: u8 },
    /// A position does not follow the one before it.
    ChainBroken,
    /// Postgres was told more than Kafka holds.
    ConfirmedAhead { told: Lsn, held: Lsn },
    /// Two instances have the latest epoch, or records of two epochs are open at once.
    TwoWriters,
    /// A start is refused though nobody has tampered with anything.
    Refused,
    /// The connector holds something for impossible that has happened.
    Defect,
}

/// One step of anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The next step of its start, answered.
    Start(Who),
    /// A fence without an answer: carried out, or still on its way.
    FenceUnanswered {
        who: Who,
        is_late: bool,
    },
    /// The road reads what comes next.
    Take(Who),
    /// The server does not send the keepalive that it might have sent.
    Pass(Who),
    /// The road hands its batch to a producer.
    HandOver(Who),
    /// The producer does what its machine wants.
    Go {
        who: Who,
        lane: u8,
        network: Network,
    },
    /// A status goes to Postgres.
    Tell(Who),
    /// The session ends by itself: the stream is broken, or the slot is held by another.
    GiveUp(Who),
    Crash(Who),
    /// Postgres breaks off its connections.
    Cut(Who),
    PostgresCrash {
        slot: Lsn,
    },
    TimeOut {
        producer: u8,
    },
    /// The markers of a transaction are written.
    Markers {
        producer: u8,
    },
    /// A late request arrives.
    Arrive(Request),
    NeighbourBegins,
    NeighbourEnds,
    /// Somebody else advances the slot.
    Advance {
        slot: Lsn,
    },
}

/// What becomes of a request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Answered,
    /// Never carried out.
    Lost,
    /// Its partition is added to the transaction; the record is lost.
    HalfLost,
    /// Carried out, and the answer lost.
    Unheard,
    /// On its way still.
    Late,
    /// Sent twice by the client: carried out once, and once more on its way.
    Repeated,
}

impl Move {
    /// Something goes wrong.
    pub fn is_fault(&self) -> bool {
        match self {
            Move::Go { network, .. } => *network != Network::Answered,
            Move::FenceUnanswered { .. }
            | Move::Crash(_)
            | Move::Cut(_)
            | Move::PostgresCrash { .. }
            | Move::TimeOut { .. }
            | Move::Arrive(_)
            | Move::NeighbourBegins
            | Move::Advance { .. } => true,
            _ => false,
        }
    }
}

/// The rules, and what can be worked out from them.
pub struct Model {
    pub rules: Rules,
    pub plans: Plans,
}

impl Model {
    pub fn new(rules: Rules) -> Model {
        Model { rules, plans: Plans::new(rules.mutant) }
    }

    /// Nothing runs; the slot and the first position are there.
    pub fn first(&self) -> World {
        World {
            kafka: Kafka::new(),
            postgres: Postgres { confirmed: BIRTH, holder: None, leader: None, is_advanced: false },
            connectors: [Connector::down(), Connector::down()],
            left: self.rules.faults,
            wrong: None,
        }
    }

    /// What must hold at any moment, whatever has happened.
    pub fn judge(&self, world: &World) -> Option<Wrong> {
        let mut seen = 0_u8;
        for partition in &world.kafka.partitions[..2] {
            let mut last = 0;
            for entry in partition.iter().filter(|entry| is_decided(entry)) {
                let Record::Event(event) = entry.record else { continue };
                if seen & 1 << event != 0 {
                    return Some(Wrong::Twice { event });
                }
                if event < last {
                    return Some(Wrong::OutOfOrder { event });
                }
                seen |= 1 << event;
                last = event;
            }
        }
        let position = world.kafka.decided();
        // A broken ordinal does not say what it stands for; what it was meant for does.
        let is_broken = matches!(self.rules.mutant, Some(Mutant::CountsRecords | Mutant::ForgetsOrdinal));
        let (counted, stands_for) = (position.events, position.stands_for());
        let below = if is_broken { counted } else { stands_for };
        for event in 0..EVENTS.len() as u8 {
            match (event < below, seen & 1 << event != 0) {
                (true, false) => return Some(Wrong::Lost { event }),
                (false, true) => return Some(Wrong::Ahead { event }),
                _ => {}
            }
        }
        if counted != below {
            return Some(Wrong::Miscounted { counted, stands_for });
        }
        self.judge_writers(world)
    }

    fn judge_writers(&self, world: &World) -> Option<Wrong> {
        let coordinators = world.kafka.coordinators.iter().take(self.rules.producers.into());
        for (producer, coordinator) in coordinators.enumerate() {
            let lanes = world.connectors.iter().filter_map(|connector| connector.lanes.get(producer));
            if lanes.filter(|lane| lane.epoch == coordinator.epoch).count() > 1 {
                return Some(Wrong::TwoWriters);
            }
            let entries = world.kafka.partitions.iter().flatten();
            let mut epochs = entries.filter_map(|entry| match entry.fate {
                Fate::Open { producer: of, epoch } if of as usize == producer => Some(epoch),
                _ => None,
            });
            let first = epochs.next();
            if epochs.any(|epoch| Some(epoch) != first) {
                return Some(Wrong::TwoWriters);
            }
        }
        None
    }

    /// What must hold of positions that have just been decided.
    pub fn judge_chain(&self, world: &World) -> Option<Wrong> {
        let mut last: Option<Stored> = None;
        for entry in world.kafka.partitions[2].iter().filter(|entry| is_decided(entry)) {
            let Record::Position(next) = entry.record else { continue };
            if let Some(last) = last.filter(|_| entry.fate != Fate::Visible)
                && offsets::follows(Some(&last.position()), &next.position()).is_err()
            {
                return Some(Wrong::ChainBroken);
            }
            last = Some(next);
        }
        None
    }

    /// Everything is published and visible, and Postgres knows.
    pub fn is_done(&self, world: &World) -> bool {
        let (position, is_stable) = world.kafka.position(usize::MAX);
        position.end == END && is_stable && world.postgres.confirmed == END
    }
}

impl World {
    pub fn is_linked(&self, who: Who) -> bool {
        self.postgres.holder == Some(who)
    }

    /// The instance ends, and its connections with it.
    pub fn lay_down(&mut self, who: Who) {
        self.connectors[who as usize] = Connector::down();
        self.disconnect(who);
    }

    pub fn disconnect(&mut self, who: Who) {
        for held in [&mut self.postgres.holder, &mut self.postgres.leader] {
            if *held == Some(who) {
                *held = None;
            }
        }
    }

    /// Takes positions out, and lets every noted high watermark mean the same entries as before.
    pub fn forget_positions(&mut self, kept: &[bool]) {
        for connector in &mut self.connectors {
            let gone = kept.iter().take(connector.high.into()).filter(|kept| !**kept).count();
            connector.high -= gone as u8;
        }
    }

    /// Names epochs by their order alone, for how often a producer was fenced does not matter; nor does in which order
    /// requests were given up.
    pub fn rank_epochs(&mut self, producers: u8) {
        self.kafka.late.sort_unstable();
        for producer in 0..producers.into() {
            let mut used = 0_u64;
            self.each_epoch(producer, |epoch| used |= 1 << *epoch);
            self.each_epoch(producer, |epoch| *epoch = (used & ((1 << *epoch) - 1)).count_ones() as u8);
        }
    }

    fn each_epoch(&mut self, producer: usize, mut see: impl FnMut(&mut u8)) {
        see(&mut self.kafka.coordinators[producer].epoch);
        for connector in &mut self.connectors {
            if let Some(lane) = connector.lanes.get_mut(producer) {
                see(&mut lane.epoch);
            }
        }
        for request in self.kafka.late.iter_mut().filter(|late| late.producer as usize == producer) {
            see(&mut request.epoch);
        }
        for entry in self.kafka.partitions.iter_mut().flatten() {
            match &mut entry.fate {
                Fate::Open { producer: of, epoch } if *of as usize == producer => see(epoch),
                _ => {}
            }
        }
    }

    /// The batch that the road fills is ready to be handed over.
    pub fn has_batch(&self, who: Who) -> bool {
        let Connector { phase, batch, stored, .. } = &self.connectors[who as usize];
        let Batch { end, .. } = *batch;
        *phase == Phase::Streaming && (batch.records() > 0 || end > stored.end)
    }
}
