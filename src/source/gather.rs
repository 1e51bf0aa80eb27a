//! When messages come faster than it is worth to read each by itself, the reader lets some of them come together.
//!
//! The walsender writes every message as it comes to it. A reader that has nothing else to do is woken by each, and wakes
//! the road: of some thousands of short transactions a second, or of a long one, that is most of walpost's CPU, taken from
//! the Postgres and the Kafka that share the machine. So after some small reads within a moment it waits for the rest of
//! that moment, and from then on reads what has come once in each, until one brings nothing new. Whoever writes seldom is
//! not waited for.
//!
//! A backlog is waited for longer where the server does not stand still meanwhile, as it would with a small buffer to write
//! to. Over TCP on one machine that is cheapest for all: while the window is open each message goes through the whole of
//! the network's code, half of what the walsender costs; once it is closed the server only puts aside what it writes.

use std::time::{Duration, Instant};

/// The usual wait.
const MOMENT: Duration = Duration::from_millis(1);
/// The wait that one for a backlog grows to: of 1, 4, 8, 12, 16 and 24 ms the gain is whole from 12 on.
const OF_BACKLOG: Duration = Duration::from_millis(16);
/// What is not waited for any longer, bytes: some windows, and two thirds of what the server puts aside before it stands still.
const AT_ONCE: u32 = 800 * 1024;
/// So much in a millisecond is a backlog, bytes: twice what 20,000 events of 300 B a second are.
const BACKLOG: u128 = 16 * 1024;
/// So many small reads in a moment are free: two short transactions, of three messages each.
const FREE: u32 = 6;
/// A read that brings this much costs little for each event, and the server may be waiting for room.
const ENOUGH: usize = 48 * 1024;

/// When to read on.
#[derive(Debug)]
pub(super) struct Gather {
    /// What a moment may grow to.
    longest: Duration,
    /// How long this one is: twice the last one for as long as there is a backlog, so that a transaction of some rows waits
    /// no longer than it took to come.
    moment: Duration,
    /// When it began, and what was waited before it.
    since: Instant,
    waited: Duration,
    /// Small reads in it.
    reads: u32,
    /// What all its reads brought, bytes.
    brought: usize,
}

impl Gather {
    /// `may_wait`: the server goes on for some milliseconds when nobody reads.
    pub(super) fn new(may_wait: bool, now: Instant) -> Gather {
        let longest = if may_wait { OF_BACKLOG } else { MOMENT };
        Gather { longest, moment: MOMENT, since: now, waited: Duration::ZERO, reads: 0, brought: 0 }
    }

    /// How long to wait before the next read, after one of so many bytes.
    pub(super) fn after(&mut self, read: usize, now: Instant) -> Duration {
        self.brought = self.brought.saturating_add(read);
        if read >= ENOUGH {
            return Duration::ZERO;
        }
        let passed = now.saturating_duration_since(self.since);
        let is_over = passed >= self.moment;
        self.reads = if is_over { 0 } else { self.reads.saturating_add(1) };
        if !is_over && self.reads < FREE {
            return Duration::ZERO;
        }
        self.moment = self.next(passed);
        self.waited = if is_over { Duration::ZERO } else { self.moment.saturating_sub(passed) };
        self.since = now + self.waited;
        self.brought = 0;
        self.waited
    }

    fn next(&self, passed: Duration) -> Duration {
        let time = (self.waited + passed).max(MOMENT);
        if self.brought as u128 * MOMENT.as_micros() < BACKLOG * time.as_micros() {
            return MOMENT;
        }
        let enough = time.mul_f64(f64::from(AT_ONCE) / self.brought as f64);
        (2 * self.moment).min(self.longest).min(enough).max(MOMENT)
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
        let mut gather = Gather::new(true, now);
        for _ in 0..10 {
            let begin = rested(&mut gather, 1, MOMENT * 2, 30, &mut now);
            let rest = rested(&mut gather, 2, MOMENT / 50, 300, &mut now);
            assert_eq!(begin + rest, Duration::ZERO, "Begin, Insert and Commit");
        }
    }

    #[test]
    fn quick_small_reads_become_one_in_a_moment_until_nothing_comes() {
        let mut now = Instant::now();
        let mut gather = Gather::new(true, now);
        let begun = now;
        rested(&mut gather, FREE - 1 + 10, MOMENT / 100, 1_000, &mut now);
        assert_eq!(now - begun, MOMENT * 10, "and the first few at once");
        assert_eq!(rested(&mut gather, 1, MOMENT, 300, &mut now), Duration::ZERO);
        assert_eq!(rested(&mut gather, FREE - 1, MOMENT / 100, 300, &mut now), Duration::ZERO);
    }

    #[test]
    fn a_read_that_brings_much_is_followed_by_another_at_once() {
        let mut now = Instant::now();
        let mut gather = Gather::new(true, now);
        assert_eq!(rested(&mut gather, 100, MOMENT / 100, ENOUGH, &mut now), Duration::ZERO);
    }

    /// Rests once for every `bytes` that come within a millisecond; how long the last of them was.
    fn wait_of(gather: &mut Gather, bytes_a_ms: usize, now: &mut Instant) -> Duration {
        rested(gather, FREE, MOMENT / 100, 300, now);
        let mut rest = MOMENT;
        for _ in 0..10 {
            let mut left = bytes_a_ms * rest.as_millis() as usize;
            while left >= ENOUGH {
                left -= ENOUGH;
                assert_eq!(gather.after(ENOUGH, *now), Duration::ZERO);
            }
            rest = gather.after(left, *now);
            *now += rest;
        }
        rest
    }

    #[test]
    fn a_backlog_is_waited_for_longer_where_the_server_goes_on_meanwhile() {
        let now = &mut Instant::now();
        for bytes in [BACKLOG as usize, 30_000] {
            assert_eq!(wait_of(&mut Gather::new(true, *now), bytes, now), OF_BACKLOG);
            assert_eq!(wait_of(&mut Gather::new(false, *now), bytes, now), MOMENT);
        }
        let of_large_rows = wait_of(&mut Gather::new(true, *now), 200 * 1024, now);
        assert!(MOMENT * 3 < of_large_rows && of_large_rows < MOMENT * 5, "800 KiB: {of_large_rows:?}");
        let gather = &mut Gather::new(true, *now);
        assert_eq!(wait_of(gather, 9_000, now), MOMENT, "20,000 events a second");
        assert_eq!(wait_of(gather, 30_000, now), OF_BACKLOG);
        assert_eq!(wait_of(gather, 9_000, now), MOMENT, "and after a backlog");
    }

    #[test]
    fn a_transaction_of_some_rows_is_not_held_for_longer_than_it_took_to_come() {
        for rows in [10, 100, 1_000] {
            let now = &mut Instant::now();
            let gather = &mut Gather::new(true, *now);
            let (began, all, mut taken) = (*now, rows * 450, 0);
            while taken < all {
                *now += MOMENT / 20;
                // 50,000 rows a second.
                let come = (now.duration_since(began).as_micros() as usize * 450 / 20).min(all);
                let read = come - taken;
                taken = come;
                *now += gather.after(read, *now);
            }
            let coming = MOMENT * rows as u32 / 50;
            assert!(*now - began <= 2 * coming + MOMENT, "{rows} rows: {:?}", *now - began);
        }
    }
}
