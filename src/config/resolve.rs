//! Raw → Config, or every problem at once.
//!
//! Enters: the connector's file and a worker's, by name, and the environment. Leaves: a [`Loaded`], or [`Problems`].
//! Each stage goes through what concerns it and reports what is wrong, whatever the others found. Not done here:
//! connecting to anything; of the file system, only files that the configuration names are opened.

mod changes;
mod cloudevents;
mod connector;
mod converters;
mod debezium_events;
mod errors;
mod kafka;
mod memory;
mod messages;
mod names;
mod registry;
mod report;
mod router;
mod survey;
mod values;

use super::Config;
use super::catalog::{self, Property, Support};
use super::problem::{Notice, Problems};
use super::raw::{self, Entry, Gathered, MASK, Raw};
use names::Names;
use report::Report;
use std::path::Path;
use values::View;

/// A configuration that is right.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it means.
    pub config: Config,
    /// What is worth knowing: keys without effect and why, defaults that are not Debezium's.
    pub notices: Vec<Notice>,
    /// What was written.
    raw: Raw,
    /// Names of transforms and predicates.
    names: Names,
}

impl Loaded {
    /// What was written for a property, its placeholders filled in: it may be a secret.
    pub fn written(&self, property: &Property) -> Option<&str> {
        self.written_as(property.name)
    }

    /// The same, by key.
    pub fn written_as(&self, key: &str) -> Option<&str> {
        self.raw.get(key).map(|entry| entry.value.as_str())
    }
}

/// One property as `config print` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The key.
    pub key: String,
    /// The value, masked if it is a secret.
    pub value: String,
    /// `FILE:LINE`, or `default`.
    pub origin: String,
    /// `honoured` or `ignored`.
    pub support: &'static str,
}

/// Reads the connector's file over a worker's.
pub fn load(
    config: &Path,
    worker: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Problems> {
    resolve(raw::gather(config, worker, environment), config).map_err(|(problems, _)| problems)
}

/// The same of what was gathered already; `config` is where what is missing should have been. With the problems comes
/// what is worth knowing all the same.
pub(super) fn resolve(gathered: Gathered, config: &Path) -> Result<Loaded, (Problems, Vec<Notice>)> {
    let mut report = Report::new(config, gathered.problems, gathered.notices);
    if gathered.torn {
        return Err(report.into_both());
    }
    let raw = gathered.raw;
    let names = Names::find(&raw, &mut report);
    survey::survey(&raw, &names, &mut report);
    let kafka = kafka::kafka(&raw, &names, &mut report);
    let mut route = router::router(&raw, &names, &mut report);
    let mut encode = converters::encode(&raw, kafka.max_request_size, &mut report);
    encode.expand = router::expansion(&raw, &names);
    encode.messages = router::of_messages(route.as_ref());
    cloudevents::cloudevents(&raw, &mut encode, route.as_mut(), &mut report);
    let registry = registry::registry(&raw, &kafka, &encode, route.as_ref(), &mut report);
    let errors = errors::errors(&raw, &mut report);
    let config =
        connector::connector(View::plain(&raw), kafka, route, (encode, registry), errors, &mut report);
    match config {
        Some(config) if !report.has_problems() => {
            Ok(Loaded { config, notices: report.into_notices(), raw, names })
        }
        _ => Err(report.into_both()),
    }
}

/// Everything that was written, and every default that holds.
pub fn print(loaded: &Loaded) -> Vec<Printed> {
    let mut printed: Vec<Printed> =
        loaded.raw.entries().map(|entry| written(entry, &loaded.notices)).collect();
    for property in catalog::all().filter(|property| matches!(property.support, Support::Honoured)) {
        let Some(value) = effective_default(property, &loaded.config) else { continue };
        let Some(key) = loaded.names.key(property) else { continue };
        if loaded.raw.get(&key).is_none_or(Entry::is_blank) {
            printed.retain(|other| other.key != key);
            printed.push(Printed { key, value, origin: "default".into(), support: Support::HONOURED });
        }
    }
    printed.sort_by(|left, right| left.key.cmp(&right.key));
    printed
}

fn written(entry: &Entry, notices: &[Notice]) -> Printed {
    let is_ignored = notices.iter().any(|notice| notice.key == entry.key && notice.is_ignored());
    let value = if entry.secret { MASK.to_owned() } else { entry.value.clone() };
    let support = if is_ignored { Support::IGNORED } else { Support::HONOURED };
    Printed { key: entry.key.clone(), value, origin: entry.origin.to_string(), support }
}

/// The default that holds; what was derived from other properties as it came out.
fn effective_default(property: &Property, config: &Config) -> Option<String> {
    Some(match property.name {
        name if name == catalog::connector::NAME.name => config.name.clone(),
        name if name == catalog::walpost::POSITION_TOPIC.name => config.publish.position_topic.clone(),
        name if name == catalog::walpost::TRANSACTIONAL_ID.name => config.publish.transactional_id.clone(),
        name if name == catalog::walpost::BATCH_MAX_BYTES.name => config.publish.limits.bytes.to_string(),
        name if name == catalog::walpost::SOURCE_QUEUE_BYTES.name => config.source.queue_bytes.to_string(),
        _ => return property.default_value().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests;
