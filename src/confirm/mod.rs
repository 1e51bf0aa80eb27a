//! ⑥ A receipt becomes an LSN that Postgres may forget up to.
//!
//! Enters: [`Receipt`](crate::publish::Receipt)s. Leaves: one LSN per receipt, exactly the end of the last source
//! transaction that Kafka holds whole. Promised: received ≥ published ≥ confirmed, and none ever falls.

pub mod ledger;

pub use ledger::Ledger;
