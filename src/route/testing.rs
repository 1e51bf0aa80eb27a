//! The router's configuration, for tests and benches. Not part of the product; nothing on the road calls it.

use super::{Config, OnUpdate, TableRule, TopicRule};
use crate::decode::value::Modes;

/// Debezium's defaults, for the logical name `app`.
pub fn defaults() -> Config {
    Config {
        topic_prefix: "app".to_owned(),
        tables: TableRule::default(),
        id: "id".to_owned(),
        key: "aggregateid".to_owned(),
        payload: "payload".to_owned(),
        timestamp: None,
        schema_version: None,
        placements: Vec::new(),
        ignore_missing: false,
        on_update: OnUpdate::Warn,
        route_by: "aggregatetype".to_owned(),
        topic: TopicRule::new("(?<routedByValue>.*)", "outbox.event.${routedByValue}").expect("a rule"),
        tombstone_on_empty: false,
        messages: None,
        trace: None,
        event_type: None,
        attributes: None,
        types: Modes::default(),
        changes: None,
        strict: false,
    }
}
