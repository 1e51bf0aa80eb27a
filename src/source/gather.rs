//! Short transactions that come one on the heels of another are read together.
//!
//! The walsender writes every message as it comes to it, so that a transaction of one row is three reads, three chunks, and
//! as many wake-ups of two threads: at some thousands of transactions a second most of walpost's CPU, taken from the
//! Postgres and the Kafka that share the machine. After a commit that came soon after another the reader waits a moment, and
//! then one read brings what has come meanwhile. Who commits more seldom is not waited for.

use std::time::{Duration, Instant};

/// A transaction that comes sooner after another waits for the rest of this time.
const MOMENT: Duration = Duration::from_millis(1);
/// A read that brings this much costs little for each event, and the server may be waiting for room.
const ENOUGH: usize = 16 * 1024;

/// When to read on.
#[derive(Debug)]
pub(super) struct Gather {
    /// The last commit was read, or what was waited for after it had come.
    last: Instant,
}

impl Gather {
    pub(super) fn new(now: Instant) -> Gather {
        Gather { last: now }
    }

    /// How long to wait before the next read, after one of so many bytes that ended with a commit.
    pub(super) fn after_commit(&mut self, read: usize, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.last);
        let rest = if read < ENOUGH { MOMENT.saturating_sub(passed) } else { Duration::ZERO };
        self.last = now + rest;
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_commits_seldom_is_not_waited_for() {
        let begun = Instant::now();
        let mut gather = Gather::new(begun);
        for commit in 1..=10 {
            assert_eq!(gather.after_commit(400, begun + MOMENT * commit), Duration::ZERO);
        }
    }

    #[test]
    fn commits_in_quick_succession_are_read_once_in_a_moment() {
        let mut now = Instant::now();
        let mut gather = Gather::new(now);
        let begun = now;
        for _ in 0..10 {
            now += Duration::from_micros(50);
            now += gather.after_commit(2_000, now);
        }
        assert_eq!(now - begun, MOMENT * 10);
    }

    #[test]
    fn a_read_that_brings_much_is_followed_by_another_at_once() {
        let now = Instant::now();
        assert_eq!(Gather::new(now).after_commit(ENOUGH, now), Duration::ZERO);
    }
}
