//! The publisher's own thread: publishes each batch in one Kafka transaction, then tells Postgres.

use super::handover::Handover;
use super::pace::Pace;
use super::report::Reporter;
use crate::confirm::Ledger;
use crate::failpoint;
use crate::lsn::Lsn;
use crate::mutant::{self, Mutant};
use crate::publish::{self, Batch, Outlet, Publisher};
use crate::rejection::Rejection;
use crate::source::Acknowledger;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// Why the publisher ended before the road did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A batch was not published.
    #[error(transparent)]
    Publish(#[from] publish::Error),
    /// Kafka refuses this event, which becomes no record.
    #[error("{0}")]
    Refused(Box<Rejection>),
    /// Kafka refuses an event of a batch that holds others too, all of which end by this LSN; which one is not known.
    #[error("{error}")]
    InCompany {
        /// What is wrong with the event.
        error: publish::Error,
        /// The end of the batch.
        end_lsn: Lsn,
    },
    /// Kafka holds a position that this connection never received: a defect, and nothing to confirm.
    #[error("published up to {0}, which was never received on this connection")]
    NotReceived(Lsn),
}

/// Runs until the road has ended and its last batch is confirmed.
pub fn run<O: Outlet>(
    publisher: &mut Publisher<O>,
    handover: &Handover,
    ledger: &Mutex<Ledger>,
    acknowledger: &Acknowledger,
    reporter: &mut Reporter,
) -> Result<(), Error> {
    let (mut used, mut pace) = (None, Pace::default());
    while let Some(mut batch) = handover.next(used.take()) {
        pace.begin(batch.outgoing.len(), Instant::now());
        one(publisher, &batch, ledger, acknowledger, reporter)?;
        batch.let_go();
        used = Some(batch);
        // Not yet free: what comes in meanwhile goes into the next batch.
        thread::sleep(publisher.rest());
        handover.rest(pace.rest(Instant::now()));
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
            let error = refused(error, batch, publisher.is_careful(batch));
            if let Error::Publish(publish::Error::Refused(_, rejection)) = &error {
                reporter.rejected(rejection.reason);
            }
            return Err(error);
        }
    };
    let confirmed = ledger.lock().unwrap_or_else(PoisonError::into_inner).publish(receipt.end_lsn);
    let confirmed = confirmed.ok_or(Error::NotReceived(receipt.end_lsn))?;
    failpoint::hit("before_confirm");
    acknowledger.confirm(confirmed);
    reporter.published(batch, &receipt);
    Ok(())
}

/// An event that Kafka refuses must not keep its neighbours from being published. When it is known by its origin, the
/// next session does not send it; else those that come with it are sent one by one until it is.
fn refused(error: publish::Error, batch: &Batch, careful: bool) -> Error {
    let transactions = batch.transactions + u64::from(batch.partial.is_some());
    match error {
        publish::Error::Refused(_, rejection) if rejection.origin.commit_lsn != Lsn::ZERO => {
            Error::Refused(rejection)
        }
        publish::Error::Refused(..) if batch.outgoing.len() > 1 && !careful => {
            Error::InCompany { error, end_lsn: batch.end_lsn }
        }
        publish::Error::Topic(_) if transactions > 1 => Error::InCompany { error, end_lsn: batch.end_lsn },
        error => error.into(),
    }
}
