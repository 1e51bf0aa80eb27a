//! A model of Kafka, as the transaction protocol before KIP-890 has it: an EndTxn is tied to a producer's epoch and not
//! to one of its transactions, so a late copy ends whichever is open when it arrives.
//!
//! Event topics are not kept: what a commit makes visible is checked at once. The position topic is a log with markers,
//! a high watermark and a last stable offset, and strangers may write to it.

use crate::story::Dice;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use walpost::kafka::tail::{Entry, Isolation, Log};
use walpost::kafka::{Error, ErrorKind};

pub const POSITIONS: &str = "positions";
pub const KEY: &[u8] = b"the connector";

/// What a producer sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Event(u64),
    Heartbeat,
    Position(Vec<u8>),
}

/// A request that is still under way, with the epoch it was sent under.
#[derive(Clone, Debug)]
pub struct Late {
    pub epoch: u32,
    pub request: Request,
}

#[derive(Clone, Debug)]
pub enum Request {
    EndTxn { commit: bool },
    Produce(Record),
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Ok,
    Fenced,
    InvalidState,
}

#[derive(Debug, Default)]
pub struct Broker {
    pub epoch: u32,
    /// The records of the connector's open transaction, as far as they have arrived.
    open: Option<(u64, Vec<Record>)>,
    /// Decided, but its markers are not written yet: not visible under read_committed.
    completing: Option<(u64, bool)>,
    last_end: Option<bool>,
    pub late: Vec<Late>,
    transactions: u64,
    /// The markers written: what became of each transaction of the position topic.
    decided: HashMap<u64, bool>,
    log: Vec<Slot>,
    end: i64,
    /// A transaction of somebody else that is open on the position topic.
    pub stranger: Option<u64>,
    /// What commits have made of it since somebody looked.
    pub committed: Vec<Vec<Record>>,
}

#[derive(Clone, Debug)]
struct Slot {
    offset: i64,
    txn: u64,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Position(Vec<u8>),
    Foreign,
    Marker { commit: bool },
}

impl Broker {
    fn append(&mut self, txn: u64, content: Content) {
        if let Content::Marker { commit } = content {
            self.decided.insert(txn, commit);
        }
        self.log.push(Slot { offset: self.end, txn, content });
        self.end += 1;
    }

    /// `init_transactions`: what is under way is decided, and visible or gone, when it returns.
    pub fn fence(&mut self) -> u32 {
        if let Some((txn, _)) = self.open.take() {
            self.append(txn, Content::Marker { commit: false });
        }
        self.write_markers();
        self.last_end = None;
        self.epoch += 1;
        self.epoch
    }

    /// The broker ends a transaction that is open for too long, and its producer with it.
    pub fn time_out(&mut self) -> bool {
        if self.open.is_none() {
            return false;
        }
        self.fence();
        true
    }

    pub fn write_markers(&mut self) {
        if let Some((txn, commit)) = self.completing.take() {
            self.append(txn, Content::Marker { commit });
        }
    }

    pub fn produce(&mut self, epoch: u32, record: Record) -> Answer {
        if epoch != self.epoch {
            return Answer::Fenced;
        }
        // The client asks again until the markers of the one before are written.
        self.write_markers();
        if self.open.is_none() {
            self.transactions += 1;
            self.open = Some((self.transactions, Vec::new()));
        }
        let (txn, records) = self.open.as_mut().expect("just opened");
        let txn = *txn;
        records.push(record.clone());
        if let Record::Position(value) = record {
            self.append(txn, Content::Position(value));
        }
        Answer::Ok
    }

    pub fn end_txn(&mut self, epoch: u32, commit: bool) -> Answer {
        if epoch != self.epoch {
            return Answer::Fenced;
        }
        let Some((txn, records)) = self.open.take() else {
            // The same word again is answered as it was.
            return if self.last_end == Some(commit) { Answer::Ok } else { Answer::InvalidState };
        };
        self.last_end = Some(commit);
        self.completing = Some((txn, commit));
        if commit {
            self.committed.push(records);
        }
        Answer::Ok
    }

    /// A request that was under way arrives; what it was.
    pub fn deliver_late(&mut self, dice: &mut Dice) -> Option<(Late, Answer)> {
        if self.late.is_empty() {
            return None;
        }
        let late = self.late.swap_remove(dice.below(self.late.len() as u64) as usize);
        let answer = match late.request.clone() {
            Request::EndTxn { commit } => self.end_txn(late.epoch, commit),
            // Without an open transaction the partition does not take it.
            Request::Produce(_) if self.open.is_none() => Answer::InvalidState,
            Request::Produce(record) => self.produce(late.epoch, record),
        };
        Some((late, answer))
    }

    /// Somebody else begins a transaction on the position topic, or ends it.
    pub fn stranger_turns(&mut self, dice: &mut Dice) -> &'static str {
        match self.stranger.take() {
            None => {
                self.transactions += 1;
                self.append(self.transactions, Content::Foreign);
                self.stranger = Some(self.transactions);
                "a stranger's transaction opens"
            }
            Some(txn) => {
                self.append(txn, Content::Marker { commit: dice.percent(50) });
                "a stranger's transaction ends"
            }
        }
    }

    /// Somebody else writes a position under our key.
    pub fn forge(&mut self, value: Vec<u8>) {
        self.transactions += 1;
        self.append(self.transactions, Content::Position(value));
        self.append(self.transactions, Content::Marker { commit: true });
    }

    /// The topic is deleted and made again.
    pub fn delete_positions(&mut self) {
        self.log.clear();
        self.end = 0;
        self.stranger = None;
    }

    /// Compaction: of the decided positions only the last is kept.
    pub fn compact(&mut self) {
        let stable = self.stable();
        let committed =
            |slot: &Slot| matches!(slot.content, Content::Position(_)) && self.fate(slot.txn) == Some(true);
        let last =
            self.log.iter().filter(|slot| slot.offset < stable && committed(slot)).map(|slot| slot.offset);
        let last = last.max().unwrap_or(0);
        self.log.retain(|slot| slot.offset >= last);
    }

    /// Long enough for the cleaner to come by.
    pub fn is_long(&self) -> bool {
        self.log.len() > 20
    }

    fn fate(&self, txn: u64) -> Option<bool> {
        self.decided.get(&txn).copied()
    }

    /// The last stable offset.
    fn stable(&self) -> i64 {
        let open =
            |slot: &&Slot| !matches!(slot.content, Content::Marker { .. }) && self.fate(slot.txn).is_none();
        self.log.iter().find(open).map_or(self.end, |slot| slot.offset)
    }
}

/// The position topic as one start reads it: strangers' transactions may end while it waits, or its patience may.
pub struct Reading<'a> {
    broker: RefCell<&'a mut Broker>,
    dice: RefCell<&'a mut Dice>,
    patience: Cell<u32>,
}

impl<'a> Reading<'a> {
    pub fn new(broker: &'a mut Broker, dice: &'a mut Dice, patience: u32) -> Reading<'a> {
        Reading { broker: RefCell::new(broker), dice: RefCell::new(dice), patience: Cell::new(patience) }
    }

    fn check_patience(&self) -> Result<(), Error> {
        match self.patience.get() {
            0 => Err(Error { kind: ErrorKind::Transient, message: "timed out".to_owned() }),
            _ => Ok(()),
        }
    }
}

impl Log for Reading<'_> {
    fn ends(&self, isolation: Isolation) -> Result<(i64, i64), Error> {
        self.check_patience()?;
        let broker = self.broker.borrow();
        Ok(match isolation {
            Isolation::Uncommitted => (0, broker.end),
            Isolation::Committed => (0, broker.stable()),
        })
    }

    fn read(&self, from: i64, key: &[u8], each: &mut dyn FnMut(Entry<'_>)) -> Result<bool, Error> {
        self.check_patience()?;
        let broker = self.broker.borrow();
        let stable = broker.stable();
        let mut met = false;
        for slot in broker.log.iter().filter(|slot| slot.offset >= from && slot.offset < stable) {
            if let Content::Position(value) = &slot.content
                && key == KEY
                && broker.fate(slot.txn) == Some(true)
            {
                met = true;
                each(Entry { offset: slot.offset, value: Some(value) });
            }
        }
        Ok(met)
    }

    fn wait(&self) {
        self.patience.set(self.patience.get().saturating_sub(1));
        let (mut broker, mut dice) = (self.broker.borrow_mut(), self.dice.borrow_mut());
        if dice.percent(30) {
            if broker.stranger.is_some() {
                broker.stranger_turns(&mut dice);
            }
            broker.write_markers();
        }
    }
}
