//! A JSON payload encoded by a registered Protobuf schema, as Protobuf's own JSON mapping reads it.
//!
//! Enters: a text and a [`Plan`]. Leaves: a message in Protobuf's binary encoding, its fields in the order of their numbers;
//! or a [`Mismatch`](super::framed::Mismatch) with the path of what does not fit. Not taken: `google.protobuf.Any`, whose
//! types nobody has registered; groups; extensions.

mod compile;
mod fill;
mod plan;
mod scalar;
mod straight;
mod well_known;

pub(super) use fill::write;
pub(super) use plan::Plan;
pub(super) use scalar::{set_length, varint};

#[cfg(test)]
mod tests;
