//! How often there is a Kafka transaction: the more events a second, the fewer of them.
//!
//! A transaction costs the broker milliseconds of CPU (produce, EndTxn, markers in every partition, the coordinator's log),
//! whatever is in it. At a few hundred events a second that is time which nobody else needs, and the sooner an event goes the
//! better. At some thousands it is time that Postgres and the broker need for the events themselves: what would be
//! published at once waits for the transactions before it. A backlog is not paced at all: its batches are full.

use std::time::{Duration, Instant};

/// The longest time from transaction to transaction that is aimed at.
const MOST: Duration = Duration::from_millis(22);
/// That time, for each event a second: 22 ms from 5,000 events a second on.
const FOR_EACH: f64 = 4.4e-6;
/// How much the newest batch counts for the rate.
const NEWEST: f64 = 0.2;

/// The rate of events, and when the last batch began.
#[derive(Debug, Default)]
pub struct Pace {
    began: Option<Instant>,
    per_second: f64,
}

impl Pace {
    /// A batch of so many events begins now, which have come since the one before began.
    pub fn begin(&mut self, events: usize, now: Instant) {
        if let Some(before) = self.began {
            let passed = now.saturating_duration_since(before).as_secs_f64().max(1e-6);
            self.per_second += (events as f64 / passed - self.per_second) * NEWEST;
        }
        self.began = Some(now);
    }

    /// How long to wait for more, before the next one begins.
    pub fn rest(&self, now: Instant) -> Duration {
        let Some(began) = self.began else { return Duration::ZERO };
        let aim = Duration::from_secs_f64((self.per_second * FOR_EACH).min(MOST.as_secs_f64()));
        aim.saturating_sub(now.saturating_duration_since(began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is rested, and the time between batches, once events come at this rate and a batch takes so long.
    fn settled(per_second: f64, takes: Duration) -> (Duration, Duration) {
        let (mut pace, mut now, mut cycle) = (Pace::default(), Instant::now(), takes);
        let mut rest = Duration::ZERO;
        for _ in 0..200 {
            pace.begin((per_second * cycle.as_secs_f64()).round() as usize, now);
            rest = pace.rest(now + takes);
            cycle = takes + rest;
            now += cycle;
        }
        (rest, cycle)
    }

    #[test]
    fn few_events_go_at_once_and_many_go_together() {
        let takes = Duration::from_millis(4);
        assert_eq!(settled(500.0, takes).0, Duration::ZERO);
        let (_, cycle) = settled(5_000.0, takes);
        assert!(cycle > Duration::from_millis(14) && cycle <= MOST, "{cycle:?}");
        assert!(settled(100_000.0, takes).1 <= MOST);
    }

    #[test]
    fn nobody_rests_who_takes_longer_anyway_or_has_begun_nothing() {
        assert_eq!(settled(5_000.0, Duration::from_millis(30)).0, Duration::ZERO);
        assert_eq!(Pace::default().rest(Instant::now()), Duration::ZERO);
    }
}
