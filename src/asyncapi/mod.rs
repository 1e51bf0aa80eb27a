//! An AsyncAPI 3 document of what the connector publishes, and whether one that was written before still holds.
//!
//! Enters: a configuration, the outbox's columns, the topics, the schemas that the registry has for them and, where it is
//! asked for, a sample of their records. Leaves: a document whose order depends on nothing but what it says, so that it
//! can live beside the code. Promised: no credential is in it, and of the records no value but the names of event types.
//! Not done here: change events of tables that are no outbox, and which consumers there are.
//!
//! A sample proves what there is, never what there is not. So whoever writes over a file, or checks one, begins with what
//! the file knows: the document differs from the file where a record shows what the file does not say.

pub mod columns;
pub mod document;
pub mod drift;
pub mod events;
pub mod message;
pub mod registered;
pub mod sample;
pub mod servers;
pub mod shape;
#[cfg(test)]
mod testing;
pub mod text;
pub mod topics;
pub mod wire;

pub use drift::{Difference, OWN};
pub use text::Format;

use crate::config::Config;
use crate::error::{Failure, blocking};
use serde_json::Value;

/// The version of the Kafka bindings that is written.
const BINDING: &str = "0.5.0";

/// What can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `info.title`.
    pub title: String,
    /// `info.version`.
    pub version: String,
    /// How many of the last records of each topic are read; 0: none.
    pub sample: u64,
    /// Topics beside those that look like the route's.
    pub topics: Vec<String>,
}

impl Options {
    /// Those with which `file` was written; else the defaults.
    pub fn of(config: &Config, file: Option<&Value>) -> Options {
        let file = file.unwrap_or(&Value::Null);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let topics = file[OWN]["topics"].as_array().into_iter().flatten().filter_map(text);
        Options {
            title: text(&file["info"]["title"]).unwrap_or_else(|| format!("Events of {}", config.name)),
            version: text(&file["info"]["version"]).unwrap_or_else(|| "1.0.0".to_owned()),
            sample: file[OWN]["sample"].as_u64().unwrap_or(0),
            topics: topics.collect(),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Made {
    /// The document.
    pub document: Value,
    /// What it does not say, and why.
    pub notes: Vec<String>,
}

impl Made {
    /// How many channels and messages there are.
    pub fn counts(&self) -> (usize, usize) {
        let channels = self.document["channels"].as_object();
        let messages = |channel: &Value| channel["messages"].as_object().map_or(0, serde_json::Map::len);
        (channels.map_or(0, |it| it.len()), channels.map_or(0, |it| it.values().map(messages).sum()))
    }
}

/// The document as it is to be now; with what people wrote into `file`, and what that knows of records.
pub async fn make(config: &Config, options: &Options, file: Option<&Value>) -> Result<Made, Failure> {
    let columns = columns::Columns::ask(config).await?;
    let (config, options, file) = (config.clone(), options.clone(), file.cloned());
    blocking(move || {
        let (topics, notes) = topics::gather(&config, &columns, &options, file.as_ref())?;
        let mut document = document::write(&config, &options, &topics);
        if let Some(file) = &file {
            drift::keep_words(file, &mut document);
            // Title and version are words as well, but may be chosen.
            document["info"]["title"] = options.title.into();
        }
        Ok(Made { document, notes })
    })
    .await
}
