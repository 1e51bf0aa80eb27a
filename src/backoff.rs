//! Waiting times between attempts: doubling, jittered, bounded, without end.

use std::time::Duration;

/// Doubling waits from `first` to `most`, each cut by a random part of up to a half.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
    random: u64,
}

impl Backoff {
    /// Waits that begin with `first` and never exceed `most`; `seed` decides the jitter.
    pub fn new(first: Duration, most: Duration, seed: u64) -> Backoff {
        Backoff { first, most, next: first, random: seed | 1 }
    }

    /// The next wait: between half of the nominal time and all of it.
    pub fn next_wait(&mut self) -> Duration {
        // xorshift64: spread, not secrecy.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let nominal = self.next;
        self.next = (nominal * 2).min(self.most);
        nominal / 2 + (nominal / 2).mul_f64((self.random % 1000) as f64 / 1000.0)
    }

    /// After a success the next wait is the first again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_stay_within_bounds_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), 42);
        let mut nominal = Duration::from_millis(100);
        for _ in 0..20 {
            let wait = backoff.next_wait();
            assert!(wait >= nominal / 2 && wait <= nominal, "{wait:?} of {nominal:?}");
            nominal = (nominal * 2).min(Duration::from_secs(5));
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }
}
