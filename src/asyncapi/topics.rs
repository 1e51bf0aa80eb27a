//! The topics: which there are, how they are set, and what they carry.

use super::columns::Columns;
use super::message::{self, Messages};
use super::registered::Schemas;
use super::wire::{Form, Wire};
use super::{Options, sample};
use crate::config::Config;
use crate::error::Failure;
use crate::kafka::admin::{Admin, Patience};
use crate::kafka::scan::Scan;
use crate::kafka::{self, ErrorKind};
use crate::registry::Strategy;
use crate::verify::records;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long Kafka is waited for.
const PATIENCE: Patience = Patience { answer: Duration::from_secs(10), refusal: Duration::from_secs(3) };

/// A topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: i32,
    /// Replicas of the partition that has the fewest.
    pub replicas: i32,
    /// Its settings, defaults included; none where they may not be seen.
    pub settings: BTreeMap<String, String>,
    /// What it carries.
    pub messages: Messages,
}

/// Asks Kafka and the registry, and reads samples where they are asked for. Blocks. The second part is what a person
/// should know of it.
pub fn gather(
    config: &Config,
    columns: &Columns,
    options: &Options,
    file: Option<&Value>,
) -> Result<(Vec<Topic>, Vec<String>), Failure> {
    let wire = Wire { config, columns };
    let connecting = |error: kafka::Error| Failure::from_kafka(&error, "connecting to Kafka");
    let admin = Admin::connect(&config.kafka.admin, PATIENCE).map_err(connecting)?;
    let scan = Scan::connect(&config.kafka.admin).map_err(connecting)?;
    let names: Vec<String> = records::topics(&scan, config, &options.topics)?
        .iter()
        .map(|name| name.as_ref().to_owned())
        .collect();
    let (schemas, mut notes) = match wire.data_form() {
        Form::Framed(framed) => (Schemas::ask(config, framed)?, Vec::new()),
        _ => (None, Vec::new()),
    };
    if names.is_empty() {
        let replacement = &config.route.topic.replacement;
        notes.push(format!("no topic looks like one of {replacement}; --topic names others"));
    }
    let mut topics = Vec::new();
    for name in &names {
        let Some(mut topic) = settings(&admin, name, &mut notes)? else { continue };
        let channel = file.map(|file| &file["channels"][name]);
        let known = message::known(name, channel);
        let types = match options.sample {
            0 => sample::Types::new(),
            most => sample::read(&scan, wire, name, most, known)
                .map_err(|error| Failure::from_kafka(&error, "reading a sample"))?,
        };
        topic.messages = if types.is_empty() {
            let found =
                schemas.as_ref().map_or_else(|| Ok(Vec::new()), |schemas| schemas.of(name, &names))?;
            if let (true, Form::Framed(framed)) = (found.is_empty(), wire.data_form()) {
                notes.push(unknown(name, framed.strategy));
            }
            message::configured(wire, name, &found)
        } else {
            message::sampled(wire, name, types, schemas.as_ref(), channel)?
        };
        topics.push(topic);
    }
    Ok((topics, notes))
}

fn unknown(topic: &str, strategy: Strategy) -> String {
    match strategy {
        Strategy::Record => {
            format!("{topic}: which records it carries no subject tells; --sample N reads some of them")
        }
        _ => format!("{topic}: the registry has no subject of its values yet"),
    }
}

fn settings(admin: &Admin, name: &str, notes: &mut Vec<String>) -> Result<Option<Topic>, Failure> {
    let asking = |error: kafka::Error| Failure::from_kafka(&error, "asking for topics");
    // Deleted since.
    let Some(facts) = admin.topic(name).map_err(asking)? else { return Ok(None) };
    let settings = match admin.describe_topic(name) {
        Ok(settings) => settings,
        Err(error) if error.kind == ErrorKind::Denied => {
            notes.push(format!("{name}: its settings may not be seen (DescribeConfigs on the topic)"));
            BTreeMap::new()
        }
        Err(error) => return Err(asking(error)),
    };
    let (partitions, replicas) = (facts.partitions, facts.replication);
    Ok(Some(Topic { name: name.to_owned(), partitions, replicas, settings, messages: Messages::new() }))
}
