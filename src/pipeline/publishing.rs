//! The publisher's own thread: publishes each batch in one Kafka transaction, then tells Postgres.

use super::handover::Handover;
use super::report::Reporter;
use crate::confirm::Ledger;
use crate::failpoint;
use crate::publish::{self, Outlet, Publisher};
use crate::source::Acknowledger;
use std::sync::{Mutex, PoisonError};

/// Why the publisher ended before the road did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A batch was not published.
    #[error(transparent)]
    Publish(#[from] publish::Error),
    /// Kafka holds a position that this connection never received: a defect, and nothing to confirm.
    #[error("published up to {0}, which was never received on this connection")]
    NotReceived(crate::lsn::Lsn),
}

/// Runs until the road has ended and its last batch is confirmed.
pub fn run<O: Outlet>(
    mut publisher: Publisher<O>,
    handover: &Handover,
    ledger: &Mutex<Ledger>,
    acknowledger: &Acknowledger,
    reporter: &mut Reporter,
) -> Result<(), Error> {
    let mut used = None;
    while let Some(batch) = handover.next(used.take()) {
        reporter.publishing(&batch);
        let receipt = publisher.publish(&batch).inspect_err(|_| reporter.failed())?;
        let confirmed = ledger.lock().unwrap_or_else(PoisonError::into_inner).publish(receipt.end_lsn);
        let confirmed = confirmed.ok_or(Error::NotReceived(receipt.end_lsn))?;
        failpoint::hit("before_confirm");
        acknowledger.confirm(confirmed);
        reporter.published(&batch, &receipt);
        used = Some(batch);
    }
    Ok(())
}
