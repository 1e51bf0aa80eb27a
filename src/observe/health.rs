//! Live and ready: what the probes are told.
//!
//! Enters: states and heartbeats from the pipeline. Leaves: two answers. *Live* is that the process turns, and says
//! nothing of servers: restarting a connector does not bring Postgres back. *Ready* is that events flow, or that
//! another instance makes them flow while this one waits for its turn.

use super::metrics::{Component, Metrics};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Without a heartbeat for longer than this the process is taken for stuck. Above every time-out of the clients.
const STILL_ALIVE: Duration = Duration::from_secs(180);

/// What the connector is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// On its way to the stream.
    Starting,
    /// Another instance holds the lock; this one waits.
    Standby,
    /// Rows that were there before are published; the stream comes after.
    Snapshot,
    /// Events flow.
    Streaming,
    /// A server is in trouble that may pass.
    Retrying {
        /// Which.
        component: Component,
        /// Its words; never a payload.
        why: String,
    },
    /// Told to stop; finishing what is open.
    Draining,
    /// Stopped for good.
    Halted {
        /// What happened.
        why: String,
    },
}

impl State {
    /// The names, in the order of a life.
    pub const NAMES: [&'static str; 7] =
        ["starting", "standby", "snapshot", "streaming", "retrying", "draining", "halted"];

    /// The name in metrics, logs and the probe's answer.
    pub const fn name(&self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Standby => "standby",
            State::Snapshot => "snapshot",
            State::Streaming => "streaming",
            State::Retrying { .. } => "retrying",
            State::Draining => "draining",
            State::Halted { .. } => "halted",
        }
    }

    fn why(&self) -> Option<&str> {
        match self {
            State::Retrying { why, .. } | State::Halted { why } => Some(why),
            _ => None,
        }
    }
}

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Readiness {
    /// Events flow, or may flow through another instance.
    pub ready: bool,
    /// `leader` or `standby`.
    pub role: &'static str,
    /// The state's name.
    pub state: &'static str,
    /// How long it has been in it.
    pub since_seconds: u64,
    /// Which server is in trouble.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<&'static str>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The handle the pipeline reports to and the probes ask. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    metrics: Metrics,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    born: Instant,
    /// ms from `born` to the last heartbeat.
    beat: AtomicU64,
    current: Mutex<(State, Instant)>,
}

impl Health {
    /// Starting, and just seen alive. Every state is shown in `metrics` too.
    pub fn new(metrics: Metrics) -> Health {
        let born = Instant::now();
        metrics.state(&State::NAMES, State::Starting.name());
        let current = Mutex::new((State::Starting, born));
        Health { metrics, shared: Arc::new(Shared { born, beat: AtomicU64::new(0), current }) }
    }

    /// The connector does something else now. Trouble that goes on keeps the moment it began; its reason is the newest.
    pub fn set(&self, state: State) {
        self.metrics.state(&State::NAMES, state.name());
        let mut current = self.current();
        let goes_on = match (&current.0, &state) {
            (State::Retrying { component: before, .. }, State::Retrying { component: now, .. }) => {
                before == now
            }
            (before, now) => before == now,
        };
        let since = if goes_on { current.1 } else { Instant::now() };
        *current = (state, since);
    }

    /// Another instance holds the lock.
    pub fn standby(&self) {
        self.set(State::Standby);
    }

    /// Rows that were there before are published.
    pub fn snapshot(&self) {
        self.set(State::Snapshot);
    }

    /// Events flow.
    pub fn streaming(&self) {
        self.set(State::Streaming);
    }

    /// A server is in trouble that may pass.
    pub fn retrying(&self, component: Component, why: &str) {
        self.set(State::Retrying { component, why: why.to_owned() });
    }

    /// Told to stop.
    pub fn draining(&self) {
        self.set(State::Draining);
    }

    /// Stopped for good.
    pub fn halted(&self, why: &str) {
        self.set(State::Halted { why: why.to_owned() });
    }

    /// What it is doing now.
    pub fn state(&self) -> State {
        self.current().0.clone()
    }

    /// The process turns. To be called from every loop that must not get stuck, at least once a minute.
    pub fn turn(&self) {
        self.turn_at(Instant::now());
    }

    fn turn_at(&self, now: Instant) {
        let ms = now.saturating_duration_since(self.shared.born).as_millis();
        self.shared.beat.fetch_max(u64::try_from(ms).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether the process turns.
    pub fn live(&self) -> bool {
        self.live_at(Instant::now())
    }

    fn live_at(&self, now: Instant) -> bool {
        let beat = self.shared.born + Duration::from_millis(self.shared.beat.load(Ordering::Relaxed));
        now.saturating_duration_since(beat) < STILL_ALIVE
    }

    /// Whether events flow.
    pub fn ready(&self) -> Readiness {
        let (state, since) = self.current().clone();
        Readiness {
            ready: matches!(state, State::Snapshot | State::Streaming | State::Standby),
            role: if state == State::Standby { "standby" } else { "leader" },
            state: state.name(),
            since_seconds: since.elapsed().as_secs(),
            component: match &state {
                State::Retrying { component, .. } => Some(component.name()),
                _ => None,
            },
            reason: state.why().map(str::to_owned),
        }
    }

    fn current(&self) -> MutexGuard<'_, (State, Instant)> {
        self.shared.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retrying(component: Component, why: &str) -> State {
        State::Retrying { component, why: why.into() }
    }

    #[test]
    fn only_streaming_and_standby_are_ready() {
        let health = Health::new(Metrics::new("app"));
        assert!(!health.ready().ready);
        for (state, ready) in [
            (State::Standby, true),
            (State::Streaming, true),
            (retrying(Component::Kafka, "gone"), false),
            (State::Draining, false),
            (State::Halted { why: "slot lost".into() }, false),
        ] {
            health.set(state.clone());
            assert_eq!(health.ready().ready, ready, "{state:?}");
        }
    }

    #[test]
    fn trouble_that_goes_on_keeps_its_beginning_and_tells_its_newest_reason() {
        let health = Health::new(Metrics::new("app"));
        health.set(retrying(Component::Kafka, "connection refused"));
        let began = health.current().1;
        health.set(retrying(Component::Kafka, "timed out"));
        assert_eq!(health.current().1, began);
        let ready = health.ready();
        assert_eq!((ready.component, ready.reason.as_deref()), (Some("kafka"), Some("timed out")));
        health.set(retrying(Component::Postgres, "gone"));
        assert!(health.current().1 > began);
    }

    #[test]
    fn live_follows_the_heartbeat_and_no_server() {
        let health = Health::new(Metrics::new("app"));
        health.set(retrying(Component::Postgres, "gone"));
        let start = health.shared.born;
        assert!(health.live_at(start + STILL_ALIVE / 2));
        assert!(!health.live_at(start + STILL_ALIVE * 2));
        health.turn_at(start + STILL_ALIVE * 2);
        assert!(health.live_at(start + STILL_ALIVE * 2));
    }

    #[test]
    fn the_state_is_one_of_a_known_set_in_the_metrics() {
        let metrics = Metrics::new("app");
        let health = Health::new(metrics.clone());
        health.set(State::Streaming);
        let page = metrics.page();
        for name in State::NAMES {
            let value = u8::from(name == "streaming");
            assert!(page.contains(&format!("walpost_state{{state=\"{name}\"}} {value}\n")), "{name}\n{page}");
        }
    }
}
