//! What processes use: CPU and resident memory, from /proc.

use crate::support::{cpu_time, status_kb};
use std::time::Instant;

/// The processes whose work is counted, and a clock.
pub struct Meter {
    began: Instant,
    own: Counter,
    walsender: Counter,
    broker: Counter,
}

/// What has been used since the clock began, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    pub seconds: f64,
    pub own: Option<f64>,
    pub walsender: Option<f64>,
    pub broker: Option<f64>,
    /// The most that was ever resident of the contender's own process.
    pub peak_mb: Option<f64>,
}

/// One process; or none, where there is none of its kind.
#[derive(Clone, Copy, Default)]
struct Counter {
    pid: Option<u32>,
    before: f64,
    /// A process that has ended has used what it had used when it was last looked at.
    used: Option<f64>,
    peak_mb: Option<f64>,
}

impl Meter {
    /// Counts the broker, if there is work for it, from now on.
    pub fn start(broker: Option<u32>) -> Meter {
        let (own, walsender) = (Counter::default(), Counter::default());
        Meter {
            began: Instant::now(),
            own,
            walsender,
            broker: broker.map(Counter::from_now).unwrap_or_default(),
        }
    }

    /// Clock and broker begin anew.
    pub fn restart(&mut self) {
        self.began = Instant::now();
        self.broker = self.broker.pid.map(Counter::from_now).unwrap_or_default();
    }

    /// A process that was started for this: all that it uses.
    pub fn own_since_birth(&mut self, pid: u32) {
        self.own = Counter { pid: Some(pid), ..Counter::default() };
    }

    pub fn own_from_now(&mut self, pid: u32) {
        self.own = Counter::from_now(pid);
    }

    pub fn walsender_since_birth(&mut self, pid: u32) {
        self.walsender = Counter { pid: Some(pid), ..Counter::default() };
    }

    pub fn walsender_from_now(&mut self, pid: u32) {
        self.walsender = Counter::from_now(pid);
    }

    pub fn look(&mut self) -> Reading {
        Reading {
            seconds: self.began.elapsed().as_secs_f64(),
            own: self.own.look(),
            walsender: self.walsender.look(),
            broker: self.broker.look(),
            peak_mb: self.own.peak(),
        }
    }
}

impl Counter {
    fn from_now(pid: u32) -> Counter {
        Counter { pid: Some(pid), before: cpu_seconds(pid).unwrap_or_default(), ..Counter::default() }
    }

    fn look(&mut self) -> Option<f64> {
        let used = self.pid.and_then(cpu_seconds).map(|seconds| seconds - self.before);
        self.used = used.or(self.used);
        self.used
    }

    fn peak(&mut self) -> Option<f64> {
        self.peak_mb = self.pid.and_then(peak_mb).or(self.peak_mb);
        self.peak_mb
    }
}

fn cpu_seconds(pid: u32) -> Option<f64> {
    cpu_time(pid).map(|time| time.as_secs_f64())
}

fn peak_mb(pid: u32) -> Option<f64> {
    status_kb(pid, "VmHWM:").map(|kb| kb as f64 / 1024.0)
}
