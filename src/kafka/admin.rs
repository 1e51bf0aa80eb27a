//! Asking a cluster about itself and its topics, and making topics that are missing.

use std::collections::BTreeMap;

/// How missing topics are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicCreation {
    /// `topic.creation.default.partitions`; -1: the broker's default.
    pub partitions: i32,
    /// `topic.creation.default.replication.factor`; -1: the broker's default.
    pub replication_factor: i32,
    /// Further `topic.creation.default.*`, by topic configuration name.
    pub settings: BTreeMap<String, String>,
}
