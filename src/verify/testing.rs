//! A sink that keeps everything, for tests.

use super::finding::{Finding, Found, Place, Sink};
use std::sync::Mutex;

/// A finding that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFinding {
    /// What was found.
    pub finding: Finding,
    /// As it was told.
    pub topic: Option<u32>,
    /// The id as text.
    pub id: Option<String>,
    /// As it was told.
    pub place: Option<Place>,
    /// As it was told.
    pub record: Option<(i32, u64)>,
}

/// Keeps every finding.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Vec<KeptFinding>>);

impl Kept {
    /// What was told so far.
    pub fn all(&self) -> Vec<KeptFinding> {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Kept {
    fn found(&self, found: &Found<'_>) {
        let Found { finding, topic, place, record, .. } = *found;
        let id = super::label::text(found.id);
        self.0.lock().unwrap().push(KeptFinding { finding, topic, id, place, record });
    }
}
