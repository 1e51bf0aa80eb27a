//! ② A pgoutput message becomes a [`Change`]. Pure: no clock, no socket, no environment.
//!
//! Enters: the payload of one XLogData message (pgoutput protocol 1; manual, "Logical Replication Message Formats").
//! Leaves: a [`Change`] that borrows those bytes. Promised: a truncated or malformed message is an [`Error`] that names
//! the message and the offset, never a panic. Not done here: which tables matter, what their values mean in Kafka.

pub mod copy;
pub(crate) mod json;
pub mod message;
pub mod pgoutput;
pub mod reader;
pub mod relation;
#[doc(hidden)]
pub mod testing;
pub mod tuple;
pub mod value;

pub use pgoutput::{Change, Content, Decoder, Old, Truncated};
pub use relation::{Column, Relation, RelationCache};
pub use tuple::{Cell, Cells, Tuple};

/// A message that is not pgoutput protocol 1 as the manual describes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed pgoutput message {message}: {what} at byte {offset}")]
pub struct Error {
    /// The message's name ("Insert"), or its type byte when it has none.
    pub message: String,
    /// Offset within the message at which reading failed.
    pub offset: usize,
    /// What was expected there.
    pub what: String,
}

#[cfg(test)]
mod golden_tests;
