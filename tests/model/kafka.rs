//! A Kafka cluster: one coordinator per producer id, three partitions with the records in the order they came in, and
//! requests that are still on their way although their sender has given them up.

use crate::source::Stored;

/// The partition of positions; those before it hold events.
pub const POSITIONS: u8 = 2;

/// How the coordinator tells one transaction of a producer from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// It does not: producer id and epoch are all there is (librdkafka, and brokers before 4.0).
    Tv1,
    /// Every transaction has an epoch of its own (KIP-890).
    Tv2,
}

/// A record in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Record {
    Event(u8),
    Position(Stored),
    /// Of another connector, which has its positions in the same topic.
    Neighbours,
}

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    Open {
        producer: u8,
        epoch: u8,
    },
    /// The coordinator has decided; the marker is not written yet.
    Decided {
        producer: u8,
        commit: bool,
    },
    /// A read_committed consumer may have it.
    Visible,
}

/// A record, and whether anyone may see it. Aborted ones are taken out when their marker is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub record: Record,
    pub fate: Fate,
}

/// What the coordinator knows of a producer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Coordinator {
    pub epoch: u8,
    pub transaction: Transaction,
}

/// Partitions are bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transaction {
    None,
    Ongoing {
        partitions: u8,
    },
    /// Prepared; markers are to be written.
    Ending {
        commit: bool,
        partitions: u8,
    },
}

/// A request as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    pub producer: u8,
    pub epoch: u8,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// InitProducerId.
    Fence,
    /// Produce, of a partition that was added to the transaction before.
    Produce { partition: u8, record: Record },
    /// EndTxn.
    End { commit: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// CONCURRENT_TRANSACTIONS: to be asked again.
    Wait,
    /// The epoch is not the latest.
    Fenced,
    /// No such transaction, or a record before it is missing.
    Refused,
}

/// The whole cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kafka {
    pub coordinators: [Coordinator; 2],
    pub partitions: [Vec<Entry>; 3],
    /// In no particular order: any may arrive next, or never.
    pub late: Vec<Request>,
}

impl Kafka {
    pub fn new() -> Kafka {
        let position = Entry { record: Record::Position(Stored::FIRST), fate: Fate::Visible };
        Kafka {
            coordinators: [Coordinator { epoch: 0, transaction: Transaction::None }; 2],
            partitions: [Vec::new(), Vec::new(), vec![position]],
            late: Vec::new(),
        }
    }

    /// InitProducerId. `Done`: everything before is decided and its markers are written.
    pub fn fence(&mut self, producer: u8) -> Answer {
        let coordinator = &mut self.coordinators[producer as usize];
        match coordinator.transaction {
            Transaction::None => {
                coordinator.epoch += 1;
                Answer::Done
            }
            Transaction::Ongoing { .. } => {
                coordinator.epoch += 1;
                self.decide(producer, false);
                Answer::Wait
            }
            Transaction::Ending { .. } => Answer::Wait,
        }
    }

    /// AddPartitionsToTxn.
    pub fn add(&mut self, producer: u8, epoch: u8, partition: u8) -> Answer {
        let coordinator = &mut self.coordinators[producer as usize];
        let bit = 1 << partition;
        match coordinator.transaction {
            _ if epoch != coordinator.epoch => return Answer::Fenced,
            Transaction::Ending { .. } => return Answer::Wait,
            Transaction::None => coordinator.transaction = Transaction::Ongoing { partitions: bit },
            Transaction::Ongoing { partitions } => {
                coordinator.transaction = Transaction::Ongoing { partitions: partitions | bit };
            }
        }
        Answer::Done
    }

    /// Produce. The leader asks the coordinator whether the partition is part of a transaction (Kafka 3.6 and later).
    pub fn produce(&mut self, producer: u8, epoch: u8, partition: u8, record: Record) -> Answer {
        let coordinator = &self.coordinators[producer as usize];
        match coordinator.transaction {
            _ if epoch != coordinator.epoch => Answer::Fenced,
            Transaction::Ongoing { partitions } if partitions & 1 << partition != 0 => {
                let fate = Fate::Open { producer, epoch };
                self.partitions[partition as usize].push(Entry { record, fate });
                Answer::Done
            }
            _ => Answer::Refused,
        }
    }

    /// EndTxn.
    pub fn end(&mut self, protocol: Protocol, producer: u8, epoch: u8, commit: bool) -> Answer {
        let coordinator = &mut self.coordinators[producer as usize];
        match coordinator.transaction {
            _ if epoch != coordinator.epoch => Answer::Fenced,
            Transaction::Ongoing { .. } => {
                if protocol == Protocol::Tv2 {
                    coordinator.epoch += 1;
                }
                self.decide(producer, commit);
                Answer::Done
            }
            _ => Answer::Refused,
        }
    }

    /// The coordinator ends a transaction that was open for too long.
    pub fn time_out(&mut self, producer: u8) {
        self.coordinators[producer as usize].epoch += 1;
        self.decide(producer, false);
    }

    /// A request that was given up arrives after all.
    pub fn arrive(&mut self, protocol: Protocol, request: Request) -> Answer {
        self.late.retain(|late| *late != request);
        let Request { producer, epoch, what } = request;
        match what {
            What::Fence => self.fence(producer),
            What::Produce { partition, record } => self.produce(producer, epoch, partition, record),
            What::End { commit } => self.end(protocol, producer, epoch, commit),
        }
    }

    fn decide(&mut self, producer: u8, commit: bool) {
        let coordinator = &mut self.coordinators[producer as usize];
        let Transaction::Ongoing { partitions } = coordinator.transaction else { return };
        coordinator.transaction = Transaction::Ending { commit, partitions };
        for entry in self.partitions.iter_mut().flatten() {
            if matches!(entry.fate, Fate::Open { producer: of, .. } if of == producer) {
                entry.fate = Fate::Decided { producer, commit };
            }
        }
    }

    /// Writes the markers of the transaction that is ending. What is returned says which of the positions' entries are
    /// still there: aborted ones are not, nor is a position right before a newer one (compaction).
    pub fn mark(&mut self, producer: u8) -> Vec<bool> {
        for entry in self.partitions.iter_mut().flatten() {
            if entry.fate == (Fate::Decided { producer, commit: true }) {
                entry.fate = Fate::Visible;
            }
        }
        let is_aborted = |entry: &Entry| entry.fate == Fate::Decided { producer, commit: false };
        let [.., positions] = &self.partitions;
        let kept = (0..positions.len()).map(|at| {
            let is_old = |entry: &Entry| {
                let next = positions[at + 1..].iter().find(|next| !is_aborted(next));
                is_position(entry) && next.is_some_and(is_position)
            };
            !is_aborted(&positions[at]) && !is_old(&positions[at])
        });
        let kept: Vec<bool> = kept.collect();
        for partition in &mut self.partitions[..POSITIONS as usize] {
            partition.retain(|entry| !is_aborted(entry));
        }
        self.keep(&kept);
        self.coordinators[producer as usize].transaction = Transaction::None;
        kept
    }

    /// Takes positions out.
    pub fn keep(&mut self, kept: &[bool]) {
        let mut kept = kept.iter();
        self.partitions[POSITIONS as usize].retain(|_| kept.next().copied().unwrap_or(true));
    }

    /// What a read_committed consumer makes of the positions below `high`, and whether all of them were decided.
    pub fn position(&self, high: usize) -> (Stored, bool) {
        let positions = &self.partitions[POSITIONS as usize];
        let stable = positions.iter().take(high).take_while(|entry| entry.fate == Fate::Visible);
        let (mut last, mut read) = (Stored::FIRST, 0);
        for entry in stable {
            read += 1;
            if let Record::Position(stored) = entry.record {
                last = stored;
            }
        }
        (last, read >= high.min(positions.len()))
    }

    /// The position that the coordinator's word stands for, whether or not its marker is written.
    pub fn decided(&self) -> Stored {
        let positions = self.partitions[POSITIONS as usize].iter().rev();
        let mut decided =
            positions.filter(|entry| is_decided(entry)).filter_map(|entry| match entry.record {
                Record::Position(stored) => Some(stored),
                _ => None,
            });
        decided.next().unwrap_or(Stored::FIRST)
    }
}

/// Committed, or sure to be.
pub fn is_decided(entry: &Entry) -> bool {
    matches!(entry.fate, Fate::Visible | Fate::Decided { commit: true, .. })
}

fn is_position(entry: &Entry) -> bool {
    matches!(entry, Entry { record: Record::Position(_), fate: Fate::Visible })
}
