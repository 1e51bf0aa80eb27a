//! Positions that a person decides on: read, fenced for, and written outside of the stream.
//!
//! Promised: nothing is written but under a fresh fence, and as the next of the chain or as the first of a new one. Who
//! asks for that holds the leader's lock, for the fence would throw a running connector out. All of it blocks.

use super::publishing;
use super::start::{self, KAFKA_TIMEOUT};
use super::trouble::Trouble;
use crate::config::Config;
use crate::encode::Outgoing;
use crate::error::{Exit, Failure};
use crate::kafka::admin::{Admin, Patience};
use crate::lsn::Lsn;
use crate::position::Position;
use crate::publish::kafka_outlet::KafkaOutlet;
use crate::publish::publisher::{self, Last};
use crate::publish::{self, Outlet as _};
use crate::rejection::Rejection;
use std::time::Duration;

/// The position that Kafka holds, without a fence: a transaction that is open may hide the last one. The topic is the
/// first start's to make; until then there is no position.
pub fn look(config: &Config, patience: Patience) -> Result<Option<Position>, Failure> {
    let looking = |error| Failure::from_kafka(&error, "looking for the position topic");
    let admin = Admin::connect(&config.kafka.admin, patience).map_err(looking)?;
    if admin.topic(&config.publish.position_topic).map_err(looking)?.is_none() {
        return Ok(None);
    }
    start::stored(config, patience.answer).map_err(Trouble::into_failure)
}

/// What Kafka holds of positions: one, none, or why those that are there make no chain.
pub type Stored = Result<Option<Position>, Failure>;

/// Tells records that make no chain, which a person can do something about, from a Kafka that does not answer.
pub fn readable(stored: Result<Option<Position>, Failure>) -> Result<Stored, Failure> {
    match stored {
        Err(failure) if failure.exit != Exit::PositionMissing => Err(failure),
        stored => Ok(stored),
    }
}

/// A fence, and the right to write that comes with it.
pub struct Fenced {
    outlet: KafkaOutlet,
    key: Vec<u8>,
    /// The position, final for as long as nobody else fences.
    pub stored: Stored,
}

/// S2 and S3.
pub fn take_over(config: &Config, patience: Patience) -> Result<Fenced, Failure> {
    let outlet = start::fence(config, patience).map_err(Trouble::into_failure)?;
    let stored = readable(start::stored(config, KAFKA_TIMEOUT).map_err(Trouble::into_failure))?;
    Ok(Fenced { outlet, key: config.publish.position_key.clone().into_bytes(), stored })
}

impl Fenced {
    /// Publishes these records and `last` in one transaction. After an error this is of no further use.
    pub fn publish(&mut self, outgoing: &Outgoing, last: Last<'_>) -> Result<(), Failure> {
        publisher::apart(&mut self.outlet, &self.key, outgoing, last).map_err(|error| match error {
            publish::Error::Refused(_, rejection) => refused(&rejection),
            error => Trouble::from(publishing::Error::from(error)).into_failure(),
        })
    }

    /// How long the next transaction had better wait.
    pub fn rest(&self) -> Duration {
        self.outlet.rest()
    }
}

fn refused(rejection: &Rejection) -> Failure {
    let Rejection { reason, detail, hint, table, event_id, .. } = rejection;
    let id = event_id.as_deref().unwrap_or("unknown");
    Failure::new(
        Exit::Rejected,
        format!("Kafka refuses event {id} of {table} ({}): {detail}", reason.name()),
        "the position has not moved; what was published in earlier transactions stays, and is not published again",
        hint,
    )
}

/// The position that `change` makes of the stored one, as the next in its chain; `None`: nothing is written.
pub fn follow(
    config: &Config,
    patience: Patience,
    change: impl FnOnce(Option<&Position>) -> Result<Option<Position>, Failure>,
) -> Result<Option<Position>, Failure> {
    let mut fenced = take_over(config, patience)?;
    let stored = fenced.stored.clone()?;
    let Some(next) = change(stored.as_ref())? else { return Ok(None) };
    let next = after(stored.as_ref(), next);
    fenced.publish(&Outgoing::default(), Last::Position(&next))?;
    Ok(Some(next))
}

/// No position any more, but the records that `left` makes of it, in one transaction: who goes on from there finds either
/// what we left or our position, never both.
pub fn leave(
    config: &Config,
    patience: Patience,
    left: impl FnOnce(Option<&Position>) -> Result<Outgoing, Failure>,
) -> Result<(), Failure> {
    let mut fenced = take_over(config, patience)?;
    let stored = fenced.stored.clone()?;
    fenced.publish(&left(stored.as_ref())?, Last::Forgotten)
}

/// `next` with the number and the predecessor that it has in the chain after `stored`.
pub fn after(stored: Option<&Position>, next: Position) -> Position {
    let (seq, prev_lsn) = stored.map_or((0, Lsn::ZERO), |stored| (stored.seq + 1, stored.end_lsn));
    Position { seq, prev_lsn, ..next }
}

/// S2, and then no position any more: the next start is a first one. What is there need not be readable.
pub fn forget(config: &Config, patience: Patience) -> Result<(), Failure> {
    let mut outlet = start::fence(config, patience).map_err(Trouble::into_failure)?;
    publisher::forget(&mut outlet, config.publish.position_key.as_bytes())
        .map_err(|error| Trouble::from(publishing::Error::from(error)).into_failure())
}
