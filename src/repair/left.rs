//! What is not in its topic and is not put there: counted, and the first ones listed.

use crate::rejection::Reason;
use crate::verify::finding::Doubt;
use std::collections::BTreeMap;

/// Why an event is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// In which order it belongs among others of its key cannot be told.
    Order,
    /// It has no id: whether it was published cannot be told.
    NoId,
    /// Several rows have its id, and some of them a record: which of them cannot be told.
    SharedId,
    /// walpost would not publish it as it is.
    Unpublishable(Reason),
    /// Whether it was published cannot be told.
    Doubt(Doubt),
    /// Its row is gone, and no record of it is there.
    Gone,
}

impl Why {
    /// Stable: programs look for it.
    pub fn name(self) -> &'static str {
        match self {
            Why::Order => "order_unknown",
            Why::NoId => "no_id",
            Why::SharedId => "shared_id",
            Why::Unpublishable(reason) => reason.name(),
            Why::Doubt(Doubt::Expired) => "expired",
            Why::Doubt(Doubt::Compacted) => "compacted",
            Why::Doubt(Doubt::Open) => "open_transaction",
            Why::Gone => "row_gone",
        }
    }
}

/// An event, or all of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftEvent {
    /// Why.
    pub why: Why,
    /// Its id; `None` where it is one of several, or has none.
    pub id: Option<String>,
    /// Its key, where that is known.
    pub key: Option<String>,
    /// Number of its topic.
    pub topic: Option<u32>,
    /// How many events.
    pub events: u64,
}

/// How many are listed, whatever there are.
const LISTED_MOST: usize = 1000;

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// How many, by why.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first ones.
    pub listed: Vec<LeftEvent>,
}

impl Left {
    /// One more.
    pub fn add(&mut self, event: LeftEvent) {
        *self.counts.entry(event.why.name()).or_default() += event.events;
        if self.listed.len() < LISTED_MOST {
            self.listed.push(event);
        }
    }

    /// These too.
    pub fn add_all(&mut self, others: Left) {
        for (why, count) in others.counts {
            *self.counts.entry(why).or_default() += count;
        }
        self.listed.extend(others.listed);
        self.listed.truncate(LISTED_MOST);
    }

    /// How many.
    pub fn events(&self) -> u64 {
        self.counts.values().sum()
    }
}
