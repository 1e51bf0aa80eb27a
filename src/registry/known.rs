//! What the registry has told: kept for the whole run, whatever becomes of its sessions.

use super::{Question, Registered, What};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Answers by question. Clones share them. What was refused is not kept, and neither is what may change.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<Mutex<HashMap<Question, Registered>>>);

impl Known {
    /// More than these, and all are forgotten: schemas that come without end are somebody's mistake.
    const MOST: usize = 10_000;

    /// The answer, if it is known. A refreshed one is asked for anew.
    pub fn get(&self, question: &Question) -> Option<Registered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(question).cloned()
    }

    /// Keeps an answer.
    pub fn keep(&self, question: &Question, answer: &Registered) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= Known::MOST {
            answers.clear();
        }
        answers.insert(question.clone(), answer.clone());
    }
}

impl Question {
    /// Whether the answer may be another one tomorrow.
    pub fn changes(&self) -> bool {
        matches!(self.what, What::Latest)
    }
}
