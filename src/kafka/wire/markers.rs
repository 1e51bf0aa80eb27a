//! The markers of the transaction before: the next one begins when they are written.
//!
//! A coordinator answers a commit before that. A broker that meets the next transaction too early, and adds its partitions
//! itself (version 2), asks the coordinator again only after 20 ms (`add.partitions.to.txn.retry.backoff.ms`); with version
//! 1, clients do. So the coordinator is asked here, every other millisecond: for the state of the id (DescribeTransactions, for
//! which the right to write suffices), or by adding the partitions. How long markers usually take is learned, and whoever
//! publishes rests for that time: then what comes in meanwhile is in the next transaction, and one question is enough.

use super::producer::Producer;
use super::{errors, inquiry};
use crate::kafka::producer::Failure;
use std::thread;
use std::time::{Duration, Instant};

/// Between two questions, at first and at last.
const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(5);
const FIRST: Duration = Duration::from_millis(3);
const LEAST: Duration = Duration::from_micros(500);
const MOST: Duration = Duration::from_millis(10);

/// When markers are written, as far as it is known.
#[derive(Debug)]
pub(super) struct Markers {
    /// When the last commit was answered, if nobody has waited for its markers yet.
    answered: Option<Instant>,
    usual: Duration,
    /// The coordinator has refused to tell.
    is_silent: bool,
}

impl Default for Markers {
    fn default() -> Markers {
        Markers { answered: None, usual: FIRST, is_silent: false }
    }
}

impl Markers {
    /// A commit was answered.
    pub(super) fn begin(&mut self) {
        self.answered = Some(Instant::now());
    }

    /// When the last commit was answered; asked once after each.
    pub(super) fn take(&mut self) -> Option<Instant> {
        self.answered.take()
    }

    /// How long markers usually take.
    pub(super) fn usual(&self) -> Duration {
        self.usual
    }

    /// They were there when they were asked for the n-th time, so long after the commit.
    pub(super) fn learn(&mut self, asked: u32, took: Duration) {
        let next = match asked {
            1 => self.usual - self.usual / 128,
            _ => self.usual + took.saturating_sub(self.usual) / 4,
        };
        self.usual = next.clamp(LEAST, MOST);
    }
}

impl Producer {
    /// Waits until the coordinator has written the markers of the transaction before. With version 2, and before
    /// anything of this one is sent.
    pub(super) fn await_markers(&mut self) -> Result<(), Failure> {
        let Some(answered) = self.markers.take().filter(|_| !self.markers.is_silent) else { return Ok(()) };
        let (mut asked, mut pause) = (0, SOON);
        // If it takes that long, Produce will say so.
        while Instant::now() < self.terms.deadline {
            asked += 1;
            match self.are_written()? {
                Some(true) => {
                    self.markers.learn(asked, answered.elapsed());
                    break;
                }
                Some(false) => thread::sleep(pause),
                None => {
                    self.markers.is_silent = true;
                    break;
                }
            }
            pause = (pause + pause / 4).min(LATER);
        }
        Ok(())
    }

    /// Whether the coordinator has ended the transaction before; none when it does not tell.
    fn are_written(&mut self) -> Result<Option<bool>, Failure> {
        let answer_by = self.answer_by(self.terms.deadline);
        let connection = self.cluster.ready(self.coordinator, answer_by)?;
        let answer = inquiry::ask(connection, &self.terms.transactional_id, answer_by)?;
        let Some(answer) = answer else { return Ok(None) };
        connection.heed(answer.throttle_time_ms);
        let state = answer.transaction_states.first().filter(|state| state.error_code == errors::NONE);
        Ok(state.map(|state| !state.transaction_state.starts_with("Prepare")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often more than one question is needed, of a thousand times, and what is rested at the end.
    fn asked_again(markers: &mut Markers, take: Duration) -> usize {
        let again = |markers: &mut Markers| {
            let missing = take.saturating_sub(markers.usual());
            let more = missing.as_micros().div_ceil(SOON.as_micros()) as u32;
            markers.learn(1 + more, markers.usual() + SOON * more);
            more > 0
        };
        (0..1000).filter(|_| again(markers)).count()
    }

    #[test]
    fn one_question_is_mostly_enough_and_hardly_longer_rested_than_needed() {
        let mut markers = Markers::default();
        for take in [1, 6, 9, 4].map(Duration::from_millis) {
            asked_again(&mut markers, take);
            let again = asked_again(&mut markers, take);
            assert!(again < 500, "{again} of 1000 with markers that take {take:?}");
            assert!(markers.usual() < take + SOON, "{:?}", markers.usual());
        }
        asked_again(&mut markers, Duration::from_secs(1));
        assert_eq!(markers.usual(), MOST);
        asked_again(&mut markers, Duration::ZERO);
        assert_eq!(markers.usual(), LEAST);
    }
}
