//! When to tell the server how far we are. Pure: the clock is handed in.
//!
//! A status goes out at an interval whatever happens, promptly (but not for every step) when more is confirmed, at
//! once when the server waits for it, and with a question when the server has been silent for a while.

use crate::lsn::Lsn;
use std::time::{Duration, Instant};

/// Confirmed positions are collected for this long.
const PROMPT: Duration = Duration::from_millis(50);
/// Answers that say nothing new keep this distance: a server that shuts down asks again with every answer.
const ANSWER: Duration = Duration::from_millis(10);
/// An idle server is asked for a sign of life, and for how far it has come, this often.
const ASK_AFTER: Duration = Duration::from_secs(10);

/// How often to speak, at least, and how long to listen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The longest time between two statuses.
    pub status: Duration,
    /// After this much silence the server is dead; zero: never.
    pub silence: Duration,
}

impl Pace {
    /// `status` no slower than a third of the server's patience.
    pub(super) fn new(status: Duration, wal_sender_timeout: Duration, silence: Duration) -> Pace {
        let most = if wal_sender_timeout.is_zero() { status } else { wal_sender_timeout / 3 };
        Pace { status: status.min(most).max(Duration::from_millis(10)), silence }
    }

    fn ask_after(&self) -> Duration {
        if self.silence.is_zero() { ASK_AFTER } else { ASK_AFTER.min(self.silence / 3) }
    }
}

/// What was sent and heard, and when.
#[derive(Debug)]
pub(super) struct Feedback {
    pace: Pace,
    sent_at: Instant,
    sent_lsn: Lsn,
    heard_at: Instant,
    asked_at: Instant,
    answer_owed: bool,
    listening: bool,
}

/// A status is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// The server is asked to answer.
    pub ask: bool,
}

impl Feedback {
    /// Begins with a status owed: the server learns at once where we stand.
    pub(super) fn new(pace: Pace, now: Instant) -> Feedback {
        Feedback {
            pace,
            sent_at: now,
            sent_lsn: Lsn::ZERO,
            heard_at: now,
            asked_at: now,
            answer_owed: true,
            listening: true,
        }
    }

    /// Something came from the server.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// The server waits for an answer.
    pub(super) fn owe_answer(&mut self) {
        self.answer_owed = true;
    }

    /// While nothing is read, silence is our own.
    pub(super) fn listen(&mut self, listening: bool, now: Instant) {
        if listening && !self.listening {
            self.heard_at = now;
            self.asked_at = now;
        }
        self.listening = listening;
    }

    /// A status with `lsn` went out.
    pub(super) fn sent(&mut self, due: Due, lsn: Lsn, now: Instant) {
        self.sent_at = now;
        self.sent_lsn = lsn;
        self.answer_owed = false;
        if due.ask {
            self.asked_at = now;
        }
    }

    /// The server has not been told of `lsn` yet.
    pub(super) fn is_news(&self, lsn: Lsn) -> bool {
        lsn > self.sent_lsn
    }

    /// The status to send now, if any.
    pub(super) fn due(&self, confirmed: Lsn, now: Instant) -> Option<Due> {
        let ask = self.ask_at().is_some_and(|at| now >= at);
        (ask || now >= self.send_at(confirmed)).then_some(Due { ask })
    }

    /// When to look again.
    pub(super) fn next(&self, confirmed: Lsn) -> Instant {
        let send = self.send_at(confirmed);
        let with_question = self.ask_at().map_or(send, |at| at.min(send));
        self.dead_at().map_or(with_question, |at| at.min(with_question))
    }

    /// The server has been silent for too long.
    pub(super) fn is_dead(&self, now: Instant) -> bool {
        self.dead_at().is_some_and(|at| now >= at)
    }

    fn send_at(&self, confirmed: Lsn) -> Instant {
        let after = if self.is_news(confirmed) && self.answer_owed {
            Duration::ZERO
        } else if self.answer_owed {
            ANSWER
        } else if self.is_news(confirmed) {
            PROMPT
        } else {
            self.pace.status
        };
        self.sent_at + after
    }

    fn ask_at(&self) -> Option<Instant> {
        self.listening.then(|| self.heard_at.max(self.asked_at) + self.pace.ask_after())
    }

    fn dead_at(&self) -> Option<Instant> {
        (self.listening && !self.pace.silence.is_zero()).then(|| self.heard_at + self.pace.silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// A server that waits 60 s, a status every 10 s; the first has gone out with position 1.
    fn settled() -> (Feedback, Instant) {
        let start = Instant::now();
        let mut feedback = Feedback::new(Pace::new(ms(10_000), ms(60_000), ms(60_000)), start);
        feedback.sent(Due { ask: false }, Lsn::new(1), start);
        (feedback, start)
    }

    #[test]
    fn the_first_status_goes_out_at_once() {
        let start = Instant::now();
        let feedback = Feedback::new(Pace::new(ms(10_000), ms(60_000), ms(60_000)), start);
        assert_eq!(feedback.due(Lsn::new(1), start), Some(Due { ask: false }));
    }

    #[test]
    fn statuses_keep_their_interval_while_nothing_is_confirmed() {
        let (mut feedback, start) = settled();
        feedback.heard(start + ms(9_000));
        assert_eq!(feedback.next(Lsn::new(1)), start + ms(10_000));
        assert_eq!(feedback.due(Lsn::new(1), start + ms(9_999)), None);
        assert_eq!(feedback.due(Lsn::new(1), start + ms(10_000)), Some(Due { ask: false }));
    }

    #[test]
    fn an_impatient_server_hears_more_often() {
        assert_eq!(Pace::new(ms(10_000), ms(2_100), ms(60_000)).status, ms(700));
        assert_eq!(Pace::new(ms(10_000), ms(0), ms(60_000)).status, ms(10_000));
        assert_eq!(Pace::new(ms(500), ms(60_000), ms(60_000)).status, ms(500));
    }

    #[test]
    fn confirmed_positions_go_out_promptly_and_together() {
        let (mut feedback, start) = settled();
        assert_eq!(feedback.due(Lsn::new(2), start + ms(49)), None);
        assert_eq!(feedback.due(Lsn::new(3), start + ms(50)), Some(Due { ask: false }));
        feedback.sent(Due { ask: false }, Lsn::new(3), start + ms(50));
        assert_eq!(feedback.next(Lsn::new(3)), start + ms(10_000));
        assert_eq!(feedback.next(Lsn::new(4)), start + ms(100));
    }

    #[test]
    fn a_question_is_answered_at_once_but_not_in_a_storm() {
        let (mut feedback, start) = settled();
        let later = start + ms(3_000);
        feedback.owe_answer();
        assert_eq!(feedback.due(Lsn::new(1), later), Some(Due { ask: false }));
        feedback.sent(Due { ask: false }, Lsn::new(1), later);
        feedback.owe_answer();
        assert_eq!(feedback.due(Lsn::new(1), later + ms(9)), None);
        assert_eq!(feedback.next(Lsn::new(1)), later + ms(10));
        assert_eq!(feedback.due(Lsn::new(2), later + ms(1)), Some(Due { ask: false }), "news need not wait");
    }

    #[test]
    fn a_silent_server_is_asked_and_then_taken_for_dead() {
        let (mut feedback, start) = settled();
        assert_eq!(feedback.due(Lsn::new(1), start + ms(10_000)), Some(Due { ask: true }));
        feedback.sent(Due { ask: true }, Lsn::new(1), start + ms(10_000));
        assert_eq!(feedback.next(Lsn::new(1)), start + ms(20_000));
        assert!(!feedback.is_dead(start + ms(59_999)));
        assert!(feedback.is_dead(start + ms(60_000)));
        feedback.heard(start + ms(59_000));
        assert!(!feedback.is_dead(start + ms(60_000)));
    }

    #[test]
    fn silence_does_not_count_while_nothing_is_read() {
        let (mut feedback, start) = settled();
        feedback.listen(false, start + ms(1_000));
        assert!(!feedback.is_dead(start + ms(600_000)));
        assert_eq!(feedback.due(Lsn::new(1), start + ms(10_000)), Some(Due { ask: false }));
        feedback.listen(true, start + ms(600_000));
        assert!(!feedback.is_dead(start + ms(600_001)));
        assert!(feedback.is_dead(start + ms(660_000)));
    }
}
