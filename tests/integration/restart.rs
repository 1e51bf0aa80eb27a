//! Starts, stops, crashes and servers that go away: nothing lost, nothing twice, and a refusal where that is in doubt.
//!
//! - `mismatch`   what Kafka holds and what the slot says do not fit: each case stops with a code of its own
//! - `matrix`     the rows of the start-up matrix that take a server set back, promoted or crashed
//! - `tampered`   Debezium's cases of a slot that was tampered with: published, or refused with the gap named
//! - `watched`    what changes under a running connector is noticed, and nothing is confirmed after that
//! - `outages`    Postgres and Kafka restart under load, and the connector stays up
//! - `instances`  stops by signal, a second instance, a crash while the slot is made

mod instances;
mod matrix;
mod mismatch;
mod outages;
mod stopped;
mod tampered;
mod watched;
