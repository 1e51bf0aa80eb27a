//! Moving house: what another connector has published, as a position of ours, and the way back.
//!
//! Enters: a Debezium connector's offset, where Connect or Debezium Server keeps it, and the slot that it read. Leaves: the
//! position from which we go on, or the offset from which Debezium does. Promised: nothing is guessed. What an offset does
//! not tell is looked up in the slot's stream; what cannot be told at all is refused, with what to do about it. Not done
//! here: configurations (see `config::foreign`), printing.
//!
//! The rules, and where Debezium 3.6 and 3.7 have them, are in `anchor` (there) and `back` (back again).

pub mod anchor;
pub mod back;
pub mod java_map;
pub mod offset;
pub mod rest;
pub mod search;
pub mod store;

use crate::error::{Exit, Failure};

/// What cannot be told from what there is. The position stays as it was: nowhere.
fn undecided(what: impl Into<String>, detail: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(Exit::PositionMissing, what, detail, hint)
}
