//! The publisher's own thread: publishes each batch in one Kafka transaction, then tells Postgres.

use super::handover::Handover;
use super::report::Reporter;
use crate::confirm::Ledger;
use crate::failpoint;
use crate::mutant::{self, Mutant};
use crate::publish::{self, Batch, Outlet, Publisher};
use crate::source::Acknowledger;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Why the publisher ended before the road did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A batch was not published.
    #[error(transparent)]
    Publish(#[from] publish::Error),
    /// Kafka refuses an event of a batch that holds more than its transaction, all of which end by this LSN.
    #[error("{error}")]
    InCompany {
        /// What is wrong with the event.
        error: publish::Error,
        /// The end of the batch.
        end_lsn: crate::lsn::Lsn,
    },
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
    while let Some(mut batch) = handover.next(used.take()) {
        one(&mut publisher, &batch, ledger, acknowledger, reporter)?;
        batch.let_go();
        used = Some(batch);
        // Not yet free: what comes in meanwhile goes into the next batch.
        thread::sleep(publisher.rest());
    }
    Ok(())
}

/// Publishes one batch; then, and only then, Postgres may forget it.
pub fn one<O: Outlet>(
    publisher: &mut Publisher<O>,
    batch: &Batch,
    ledger: &Mutex<Ledger>,
    acknowledger: &Acknowledger,
    reporter: &mut Reporter,
) -> Result<(), Error> {
    reporter.publishing(batch);
    if mutant::is_on(Mutant::ConfirmBeforeCommit) {
        acknowledger.confirm(batch.end_lsn);
    }
    let receipt = match publisher.publish(batch) {
        Ok(receipt) => receipt,
        Err(error) => {
            reporter.failed();
            return Err(refused(error, batch, reporter));
        }
    };
    let confirmed = ledger.lock().unwrap_or_else(PoisonError::into_inner).publish(receipt.end_lsn);
    let confirmed = confirmed.ok_or(Error::NotReceived(receipt.end_lsn))?;
    failpoint::hit("before_confirm");
    acknowledger.confirm(confirmed);
    reporter.published(batch, &receipt);
    Ok(())
}

/// An event that Kafka refuses must not keep its neighbours from being published; alone, it has a transaction to name.
fn refused(error: publish::Error, batch: &Batch, reporter: &mut Reporter) -> Error {
    let in_company = batch.transactions + u64::from(batch.partial.is_some()) > 1;
    match error {
        publish::Error::Rejected(_) | publish::Error::Topic(_) if in_company => {
            Error::InCompany { error, end_lsn: batch.end_lsn }
        }
        publish::Error::Rejected(mut rejection) => {
            let (commit_lsn, xid) = match &batch.partial {
                Some(partial) => (partial.commit_lsn, partial.xid),
                None => (batch.last_commit_lsn, batch.last_xid),
            };
            (rejection.commit_lsn, rejection.xid) = (commit_lsn, xid);
            reporter.rejected(rejection.reason);
            publish::Error::Rejected(rejection).into()
        }
        error => error.into(),
    }
}
