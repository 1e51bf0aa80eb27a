//! When messages come faster than it is worth to read each by itself, the reader lets some of them come together.
//!
//! The walsender writes every message as it comes to it. A reader that has nothing else to do is woken by each, and wakes
//! the road: of some thousands of short transactions a second, or of a long one, that is most of walpost's CPU, taken from
//! the Postgres and the Kafka that share the machine. So after some small reads within a moment it waits for the rest of
//! that moment, and from then on reads once in each, until one brings nothing new. Whoever writes seldom is not waited for.

use std::time::{Duration, Instant};

/// The longest wait.
const MOMENT: Duration = Duration::from_millis(1);
/// So many small reads in a moment are free: two short transactions, of three messages each.
const FREE: u32 = 6;
/// A read that brings this much costs little for each event, and the server may be waiting for room.
const ENOUGH: usize = 48 * 1024;

/// When to read on.
#[derive(Debug)]
pub(super) struct Gather {
    /// When the moment began.
    since: Instant,
    /// Small reads in it.
    reads: u32,
}

impl Gather {
    pub(super) fn new(now: Instant) -> Gather {
        Gather { since: now, reads: 0 }
    }

    /// How long to wait before the next read, after one of so many bytes.
    pub(super) fn after(&mut self, read: usize, now: Instant) -> Duration {
        if read >= ENOUGH {
            return Duration::ZERO;
        }
        let passed = now.saturating_duration_since(self.since);
        if passed >= MOMENT {
            *self = Gather::new(now);
            return Duration::ZERO;
        }
        self.reads = self.reads.saturating_add(1);
        if self.reads < FREE {
            return Duration::ZERO;
        }
        let rest = MOMENT - passed;
        self.since = now + rest;
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many reads, one after another, each of which waits so long for its bytes; how long was rested in all.
    fn rested(gather: &mut Gather, reads: u32, apart: Duration, bytes: usize, now: &mut Instant) -> Duration {
        let mut rested = Duration::ZERO;
        for _ in 0..reads {
            *now += apart;
            let rest = gather.after(bytes, *now);
            (*now, rested) = (*now + rest, rested + rest);
        }
        rested
    }

    #[test]
    fn who_writes_seldom_is_not_waited_for() {
        let mut now = Instant::now();
        let mut gather = Gather::new(now);
        for _ in 0..10 {
            let begin = rested(&mut gather, 1, MOMENT * 2, 30, &mut now);
            let rest = rested(&mut gather, 2, MOMENT / 50, 300, &mut now);
            assert_eq!(begin + rest, Duration::ZERO, "Begin, Insert and Commit");
        }
    }

    #[test]
    fn quick_small_reads_become_one_in_a_moment_until_nothing_comes() {
        let mut now = Instant::now();
        let mut gather = Gather::new(now);
        let begun = now;
        rested(&mut gather, FREE - 1 + 10, MOMENT / 100, 1_000, &mut now);
        assert_eq!(now - begun, MOMENT * 10, "and the first few at once");
        assert_eq!(rested(&mut gather, 1, MOMENT, 300, &mut now), Duration::ZERO);
        assert_eq!(rested(&mut gather, FREE - 1, MOMENT / 100, 300, &mut now), Duration::ZERO);
    }

    #[test]
    fn a_read_that_brings_much_is_followed_by_another_at_once() {
        let mut now = Instant::now();
        let mut gather = Gather::new(now);
        assert_eq!(rested(&mut gather, 100, MOMENT / 100, ENOUGH, &mut now), Duration::ZERO);
    }
}
