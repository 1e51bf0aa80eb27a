//! Where a full batch changes hands: the road fills one while the publisher commits another.
//!
//! A batch is handed over only when the publisher is free, so that everything that came in during a commit goes into
//! the next one. Back-pressure needs nothing more.

use crate::publish::Batch;
use crate::source::Nudge;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The publisher, as the road sees it: a thread behind a [`Handover`], or whatever a simulation puts there.
pub trait Downstream {
    /// Rings `nudge` whenever the publisher becomes free or ends, so that a road that waits for frames looks up.
    fn ring_when_free(&self, nudge: Nudge);
    /// Whether the publisher waits for a batch.
    fn publisher_free(&self) -> Result<bool, PublisherEnded>;
    /// Waits until the publisher is free, at most `patience`; whether it is.
    fn wait_free(&self, patience: Duration) -> Result<bool, PublisherEnded>;
    /// Hands over a batch, to a publisher that is free, and takes the one that was used before.
    fn give(&self, batch: Batch) -> Batch;
    /// There are no more batches.
    fn end_road(&self);
}

/// Between the road's thread and the publisher's.
#[derive(Default)]
pub struct Handover {
    state: Mutex<State>,
    changed: Condvar,
    nudge: std::sync::OnceLock<Nudge>,
}

#[derive(Default)]
struct State {
    publisher_free: bool,
    batch: Option<Batch>,
    spare: Option<Batch>,
    /// The road can do nothing before the publisher is free.
    road_waits: bool,
    road_ended: bool,
    publisher_ended: bool,
}

/// The publisher has ended; its own result says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublisherEnded;

impl Handover {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere ends the session anyway; the state itself is never half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The publisher waits for the next batch; `None`: there will be none.
    pub fn next(&self, used: Option<Batch>) -> Option<Batch> {
        let mut state = self.lock();
        if used.is_some() {
            state.spare = used;
        }
        state.publisher_free = true;
        self.changed.notify_all();
        self.ring();
        let mut state = self
            .changed
            .wait_while(state, |state| state.batch.is_none() && !state.road_ended)
            .unwrap_or_else(PoisonError::into_inner);
        state.batch.take()
    }

    /// The publisher waits for more to come into the next batch: so long, or until that is full.
    pub fn rest(&self, patience: Duration) {
        if patience.is_zero() {
            return;
        }
        let rested = self
            .changed
            .wait_timeout_while(self.lock(), patience, |state| !state.road_waits && !state.road_ended);
        drop(rested.unwrap_or_else(PoisonError::into_inner));
    }

    /// The publisher is gone, with or without an error.
    pub fn end_publisher(&self) {
        self.lock().publisher_ended = true;
        self.changed.notify_all();
        self.ring();
    }

    fn ring(&self) {
        if let Some(nudge) = self.nudge.get() {
            nudge.ring();
        }
    }
}

impl Downstream for Handover {
    fn ring_when_free(&self, nudge: Nudge) {
        let _ = self.nudge.set(nudge);
    }

    fn publisher_free(&self) -> Result<bool, PublisherEnded> {
        let state = self.lock();
        if state.publisher_ended { Err(PublisherEnded) } else { Ok(state.publisher_free) }
    }

    fn wait_free(&self, patience: Duration) -> Result<bool, PublisherEnded> {
        let mut state = self.lock();
        state.road_waits = true;
        self.changed.notify_all();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, patience, |state| !state.publisher_free && !state.publisher_ended)
            .unwrap_or_else(PoisonError::into_inner);
        state.road_waits = false;
        if state.publisher_ended { Err(PublisherEnded) } else { Ok(state.publisher_free) }
    }

    fn give(&self, batch: Batch) -> Batch {
        let mut state = self.lock();
        debug_assert!(state.publisher_free && state.batch.is_none());
        state.publisher_free = false;
        state.batch = Some(batch);
        self.changed.notify_all();
        state.spare.take().unwrap_or_default()
    }

    fn end_road(&self) {
        self.lock().road_ended = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_publisher_that_rests_begins_when_the_road_waits_for_it() {
        let handover = Arc::new(Handover::default());
        let publisher = {
            let handover = Arc::clone(&handover);
            std::thread::spawn(move || {
                handover.rest(Duration::from_secs(3600));
                handover.next(None).map(|batch| batch.transactions)
            })
        };
        while !handover.wait_free(Duration::from_secs(1)).unwrap() {}
        handover.give(Batch { transactions: 7, ..Batch::default() });
        assert_eq!(publisher.join().unwrap(), Some(7));
    }

    #[test]
    fn batches_pass_in_order_and_memory_comes_back() {
        let handover = Arc::new(Handover::default());
        let publisher = {
            let handover = Arc::clone(&handover);
            std::thread::spawn(move || {
                let (mut seen, mut used) = (Vec::new(), None);
                while let Some(batch) = handover.next(used.take()) {
                    seen.push(batch.transactions);
                    used = Some(batch);
                }
                handover.end_publisher();
                seen
            })
        };
        for number in 1..=100 {
            while !handover.wait_free(Duration::from_secs(1)).unwrap() {}
            let spare = handover.give(Batch { transactions: number, ..Batch::default() });
            assert!(spare.transactions < number);
        }
        handover.end_road();
        assert_eq!(publisher.join().unwrap(), (1..=100).collect::<Vec<_>>());
        assert_eq!(handover.publisher_free(), Err(PublisherEnded));
    }
}
