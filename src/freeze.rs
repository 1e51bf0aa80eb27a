//! One word that outranks the drain: nothing more is published and nothing more confirmed. Said once, never taken back.
//!
//! Whoever says it has seen something that makes going on, even to the end of what was read, a risk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handle on the word. Clones hear the same one.
#[derive(Clone, Debug, Default)]
pub struct Freeze {
    said: Arc<AtomicBool>,
}

impl Freeze {
    /// Says it.
    pub fn say(&self) {
        self.said.store(true, Ordering::SeqCst);
    }

    /// Whether it was said.
    pub fn is_said(&self) -> bool {
        self.said.load(Ordering::SeqCst)
    }
}
