//! Client settings: from the Java client's names, as Connect and Debezium users write them, to librdkafka's.

use std::collections::BTreeMap;

/// What became of a set of properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translation {
    /// By librdkafka's names.
    pub settings: BTreeMap<String, String>,
    /// Property and reason: understood, of no effect here.
    pub ignored: Vec<(String, String)>,
    /// Property and what is wrong with it, with what to write instead.
    pub refused: Vec<(String, String)>,
    /// Property and the nearest known name.
    pub unknown: Vec<(String, Option<String>)>,
}

/// Translates Java client properties (producer, common, security).
pub fn translate(properties: &BTreeMap<String, String>) -> Translation {
    Translation { settings: properties.clone(), ..Translation::default() }
}
