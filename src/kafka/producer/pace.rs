//! How long to rest after a commit.
//!
//! The coordinator answers a commit before it has written the transaction's markers. A transaction that begins meanwhile
//! is turned away (CONCURRENT_TRANSACTIONS), and librdkafka asks again only after a fixed 20 ms. A rest of the few
//! milliseconds that the markers take avoids that; how many these are differs from cluster to cluster, and is learned.

use std::time::Duration;

/// What librdkafka waits after having been turned away, less what a clock may be off.
const TURNED_AWAY: Duration = Duration::from_millis(19);
const FIRST: Duration = Duration::from_millis(3);
const LEAST: Duration = Duration::from_millis(2);
const MOST: Duration = Duration::from_millis(10);

/// Learns the rest after which a transaction is not turned away.
#[derive(Debug)]
pub(super) struct Pace {
    rest: Duration,
    /// The fastest first answer of late; a cluster that is slow as such is not taken for one that turns away.
    fastest: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { rest: FIRST, fastest: Duration::from_secs(1) }
    }
}

impl Pace {
    /// How long to rest after a commit before the next transaction begins.
    pub(super) fn rest(&self) -> Duration {
        self.rest
    }

    /// Learns from how long the first record of a transaction took until it was acknowledged.
    pub(super) fn learn(&mut self, first_answer: Duration) {
        self.fastest = (self.fastest + self.fastest / 64).min(first_answer);
        let turned_away = first_answer >= self.fastest + TURNED_AWAY;
        let next = match turned_away {
            true => self.rest + self.rest / 4 + Duration::from_micros(500),
            false => self.rest.saturating_sub(Duration::from_micros(50)),
        };
        self.rest = next.clamp(LEAST, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// How often it is turned away of a thousand times, by a cluster that needs so long for markers and an answer.
    fn turned_away(pace: &mut Pace, markers: Duration, answer: Duration) -> usize {
        let turned_away = |pace: &mut Pace| {
            let early = pace.rest() < markers;
            pace.learn(if early { answer + ms(20) } else { answer });
            early
        };
        (0..1000).filter(|_| turned_away(pace)).count()
    }

    #[test]
    fn it_rests_for_as_long_as_the_markers_take() {
        let mut pace = Pace::default();
        for markers in [ms(1), ms(6), ms(8), ms(4)] {
            turned_away(&mut pace, markers, ms(5));
            let rarely = turned_away(&mut pace, markers, ms(5));
            assert!(rarely <= 40, "{rarely} of 1000 with markers that take {markers:?}");
            assert!(pace.rest() < markers + ms(4), "{:?}", pace.rest());
        }
    }

    #[test]
    fn a_slow_cluster_is_not_made_slower() {
        let mut pace = Pace::default();
        turned_away(&mut pace, ms(0), ms(60));
        assert_eq!(pace.rest(), LEAST);
    }

    #[test]
    fn a_cluster_that_turns_away_whatever_the_rest_gets_no_more_than_the_most() {
        let mut pace = Pace::default();
        pace.learn(ms(5));
        turned_away(&mut pace, ms(50), ms(5));
        assert!(pace.rest() <= MOST);
    }
}
