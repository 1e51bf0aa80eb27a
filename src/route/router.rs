//! The router: plans by table, topics by route value, and the order in which a row is looked at.

use super::{Config, Routed, Skipped, TableFacts};
use crate::decode::{Change, Relation};
use crate::rejection::Rejection;

/// Routes the changes of one connection.
#[derive(Debug)]
pub struct Router {
    config: Config,
}

impl Router {
    /// A router that knows no table yet.
    pub fn new(config: Config) -> Router {
        Router { config }
    }

    /// Whether rows of this table are events.
    pub fn serves(&self, relation: &Relation) -> bool {
        let _ = (&self.config, relation);
        false
    }

    /// Takes in what a table looks like from here on. An outbox table that lacks a column makes every row of it a
    /// rejection, not an error here.
    pub fn learn(&mut self, relation: &Relation, facts: &TableFacts) {
        let _ = (relation, facts);
    }

    /// Decides what becomes of a change.
    pub fn route<'s>(&'s mut self, change: &Change<'s>) -> Routed<'s> {
        let _ = (change, None::<Rejection>);
        Routed::Skipped(Skipped::NotARow)
    }
}
