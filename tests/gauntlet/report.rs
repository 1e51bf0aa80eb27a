//! What a gauntlet came to: as text, as JSON and as a picture.

use crate::checker::Outcome;
use crate::workload::Summary;
use std::path::Path;

/// What became of the faults of one class.
#[derive(Clone, Debug, Default)]
pub struct FaultClass {
    pub class: String,
    pub injected: u64,
    pub fired: u64,
    /// From each fault to the first event after it.
    pub recovery_ms: Vec<u64>,
}

/// Collects what there is to tell.
pub struct Report {
    seed: String,
}

impl Report {
    /// `seed` as `Random::seed` gives it.
    pub fn new(seed: String) -> Report {
        Report { seed }
    }

    /// One world's run, from start to drain.
    pub fn world(&mut self, _name: &str, _summary: Summary, _faults: Vec<FaultClass>, _outcome: Outcome) {}

    /// gauntlet.txt, gauntlet.json, gauntlet.svg.
    pub fn write(&self, _dir: &Path) -> std::io::Result<()> {
        Ok(())
    }

    pub fn text(&self) -> String {
        self.seed.clone()
    }
}
