//! A transactional producer that speaks Kafka's protocol itself: what librdkafka does for walpost, and no more than that,
//! because walpost never goes on with a producer about which anything is uncertain.
//!
//! Enters: settings by librdkafka's names, records. Leaves: batches on their leaders, and the coordinator's word on the
//! transaction. Promised: a Produce and an EndTxn are sent once. Only what a broker has definitely refused, because the
//! markers of the transaction before are still being written, is asked again. A connection that breaks, an answer that
//! does not come or is not understood is a `Failure`, after which nothing more is said; the next session's fence decides.
//! Not here: topics are made by `kafka::admin`; what this cannot do is named by [`unsupported`], and librdkafka can.
//!
//! Contents
//! - `producer`    the calls: begin, send, settle, commit, abort; `fence` before them, `place` for each record
//! - `admit`       adding partitions to a transaction, where Produce does not; `markers` of the one before it
//! - `flight`      what is on its way to each leader: one Produce at a time, for all its partitions
//! - `topics`      partitions, their leaders, their sequence numbers and what waits for them
//! - `batch`       records as Kafka keeps them; `varint`, `compress`, `murmur2` beneath
//! - `produce`     the Produce request around batches, and the answer
//! - `cluster`     brokers and connections; `connection`, `stream`, `sasl`, `scram`, `tls` beneath
//! - `errors`      what a broker's error code means
//! - `inquiry`     what brokers know of open transactions, of whomever; `forgotten` ends what a coordinator forgot to end
//! - `settings`    what is taken from librdkafka's settings

mod admit;
mod batch;
mod cluster;
mod compress;
mod connection;
mod errors;
mod fence;
mod flight;
mod forgotten;
mod inquiry;
mod markers;
mod murmur2;
mod place;
mod produce;
mod producer;
mod sasl;
mod scram;
mod settings;
mod stream;
mod tls;
mod topics;
mod varint;

pub use forgotten::Decided;
pub use inquiry::{Inquiry, OpenTransaction, TransactionFacts};
pub use producer::Producer;
pub use settings::{WITHOUT_EFFECT, unsupported};

#[cfg(test)]
mod layout_tests;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

use super::classify::Class;
use super::producer::Failure;

/// A failure that concerns no record in particular.
fn failure(class: Class, message: impl Into<String>) -> Failure {
    Failure { class, message: message.into(), topic: None, record: None }
}
