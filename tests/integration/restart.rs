//! Starts, stops, crashes and servers that go away: nothing lost, nothing twice, and a refusal where that is in doubt.
//!
//! - `mismatch`   what Kafka holds and what the slot says do not fit: each case stops with a code of its own
//! - `outages`    Postgres and Kafka restart under load, and the connector stays up
//! - `instances`  stops by signal, a second instance, a crash while the slot is made

mod instances;
mod mismatch;
mod outages;
