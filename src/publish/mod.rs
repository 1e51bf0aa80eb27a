//! ⑤ A batch becomes one Kafka transaction, its position the last record of it.
//!
//! Enters: a [`Batch`]. Leaves: a [`Receipt`], after Kafka said that the transaction is committed. Promised: all of a
//! batch and its position, or nothing; after anything uncertain no further word to the same producer. Not done here:
//! trying again — that begins with a new producer, a fence and the position as Kafka holds it.

pub mod batch;
pub mod dead_letters;
pub mod kafka_outlet;
pub mod left_open;
pub mod letters;
pub mod offsets;
pub mod publisher;
pub mod transaction;

pub use batch::{Batch, Batcher, Limits};
pub use publisher::Publisher;

pub use crate::kafka::classify::Class;

use crate::encode::{Outgoing, RecordRef};
use crate::lsn::Lsn;
use crate::rejection::Rejection;
use std::time::Duration;

/// Where positions are kept, and what a transaction may be.
#[derive(Clone, Debug)]
pub struct Config {
    /// `walpost.position.topic`: one partition, compacted, this connector's alone.
    pub position_topic: String,
    /// The record key in it: JSON naming version, logical name, database and slot.
    pub position_key: String,
    /// `transactional.id`.
    pub transactional_id: String,
    /// When a batch closes.
    pub limits: Limits,
}

/// Kafka has committed a batch and its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// End of the last source transaction published whole: what may be confirmed.
    pub end_lsn: Lsn,
    /// Events in the Kafka transaction.
    pub events: u64,
    /// Bytes of their keys, values and headers.
    pub bytes: u64,
}

/// Performs the actions of one Kafka transaction. The road publishes through this, so that the machine can be driven
/// by a model.
pub trait Outlet: Send {
    /// Before the transaction begins: everything these records need is there (their topics), or the error says what is
    /// not.
    fn prepare(&mut self, outgoing: &Outgoing) -> Result<(), OutletError>;
    /// Begins a transaction.
    fn begin(&mut self) -> Result<(), OutletError>;
    /// Sends one record of it.
    fn send(&mut self, record: &RecordRef<'_>) -> Result<(), OutletError>;
    /// Sends the position record, the last of the transaction; without a value it forgets the position.
    fn send_position(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), OutletError>;
    /// Waits until every record sent is acknowledged; the first that was not is the error.
    fn settle(&mut self) -> Result<(), OutletError>;
    /// Commits; `Ok` is Kafka's definite word.
    fn commit(&mut self) -> Result<(), OutletError>;
    /// Aborts.
    fn abort(&mut self) -> Result<(), OutletError>;
    /// How long the next transaction had better wait after a commit.
    fn rest(&self) -> Duration {
        Duration::ZERO
    }
}

/// Why an action of an [`Outlet`] was not performed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OutletError {
    /// What it means for the transaction.
    pub class: Class,
    /// The client's words, with the error's name.
    pub message: String,
    /// Topic of the record concerned, where there is one.
    pub topic: Option<String>,
    /// Its number in the batch, from 0, where it is one of the batch's.
    pub record: Option<usize>,
}

/// A batch was not published. Whatever it is, this publisher is done: a new one must fence and read the position.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The transaction was aborted or will be by the next fence; nothing of it is visible.
    #[error("the Kafka transaction was not committed: {0}")]
    NotCommitted(OutletError),
    /// The outcome of the commit is unknown; the next fence decides and the position tells.
    #[error("the outcome of the Kafka commit is unknown: {0}")]
    Unknown(OutletError),
    /// A newer instance has taken over.
    #[error("a newer instance has taken over this connector: {0}")]
    Fenced(OutletError),
    /// Kafka refuses this client for good.
    #[error("Kafka refuses: {0}")]
    Denied(OutletError),
    /// A topic is missing, or not as it must be; nothing was published.
    #[error("a Kafka topic is not usable: {0}")]
    Topic(OutletError),
    /// Kafka forgot to end a transaction of this connector; nothing was published.
    #[error("a Kafka transaction was left open: {0}")]
    LeftOpen(OutletError),
    /// The topic of dead letters is not usable, or takes no letter.
    #[error("the dead letters cannot be written: {0}")]
    DeadLetters(OutletError),
    /// One record is refused for what it is. Its rejection has an origin when it is known which.
    #[error("{1}")]
    Refused(OutletError, Box<Rejection>),
}
