//! `walpost migrate`: takes over from a Debezium connector where it stopped, and hands back to it.

mod back;
mod forward;
mod report;
mod source;

use super::context::Context;
use crate::config::Loaded;
use crate::config::catalog::foreign as declared;
use crate::error::{Exit, Failure};
use crate::migrate::store::Store;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  walpost migrate --from connector.json --worker worker.properties   what becomes of it
  walpost migrate --from connector.json --worker worker.properties --write walpost.properties
  walpost migrate --from connector.json --config walpost.properties --take-over
  walpost migrate --back --config connector.json
";

/// Take over from a Debezium connector exactly where it stopped, or hand back to it
///
/// Reads a Connect connector (its JSON, or a worker's REST address) or a Debezium Server's application.properties and says
/// what is honoured, ignored, changed or refused (exit code 2). With --take-over it reads the offset that the stopped
/// connector left, finds its place in the slot's stream, in the middle of a transaction too, and writes it as walpost's
/// first position. With --back it writes the offset from which Debezium goes on, and forgets walpost's position in the same
/// Kafka transaction. Refuses while the old connector runs, and whatever it cannot tell for certain.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The connector: a file (Connect's JSON, .properties, a Debezium Server's application.properties), or
    /// http://HOST:8083/connectors/NAME
    #[arg(long, value_name = "FILE|URL", required_unless_present = "back")]
    from: Option<String>,
    /// A property over those of both files; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Write walpost's configuration here: .json, or else .properties; a file that exists is left alone
    #[arg(long, value_name = "FILE", conflicts_with = "back")]
    write: Option<PathBuf>,
    /// Take the slot over where the old connector stopped; without --confirm only say where that is
    #[arg(long, conflicts_with = "back")]
    take_over: bool,
    /// Hand back: write the offset from which Debezium goes on; without --confirm only say which
    #[arg(long)]
    back: bool,
    /// The slot's name, to show that it is meant
    #[arg(long, value_name = "SLOT")]
    confirm: Option<String>,
    /// The topic with the old connector's offset [default: offsets.storage.topic of the connector or of walpost's file, else
    /// the worker's offset.storage.topic]
    #[arg(long, value_name = "TOPIC", conflicts_with = "offsets_file")]
    offsets_topic: Option<String>,
    /// The file with it, of a Debezium Server or a standalone worker
    #[arg(long, value_name = "FILE")]
    offsets_file: Option<PathBuf>,
    /// The connector's name in its offset [default: its name; the only one there is in a Debezium Server's file]
    #[arg(long, value_name = "NAME")]
    connector: Option<String>,
    /// When the last offset is a row of a COPY: how many of the rows that share its LSN are published
    #[arg(long, value_name = "N", conflicts_with = "back", value_parser = clap::value_parser!(u64).range(1..))]
    published_at_lsn: Option<u64>,
}

pub(super) fn run(args: &Args, context: &Context<'_>) -> Result<Exit, Failure> {
    if args.back { back::run(args, context) } else { forward::run(args, context) }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Where the old connector's offset is: as the flags say, else as `told`.
fn store(args: &Args, topic: Option<String>, file: Option<PathBuf>) -> Result<Store, Failure> {
    let flags = (args.offsets_topic.clone(), args.offsets_file.clone());
    let (topic, file) = if flags == (None, None) { (topic, file) } else { flags };
    match (topic, file) {
        (Some(topic), _) => Ok(Store::Topic(topic)),
        (None, Some(file)) => Ok(Store::File(file)),
        (None, None) => Err(Failure::new(
            Exit::Usage,
            "where the old connector's offset is kept is not known",
            format!(
                "neither {} nor {} is written anywhere",
                declared::WORKER_OFFSETS_TOPIC,
                declared::OFFSETS_FILE
            ),
            "name the worker's file (--worker), the topic (--offsets-topic) or the file (--offsets-file)",
        )),
    }
}

/// The topic that our own file names for it, or a worker's.
fn told_topic(loaded: &Loaded) -> Option<String> {
    let told = |key: &str| loaded.written_as(key).map(|value| value.trim().to_owned());
    told(declared::OFFSETS_TOPIC).or_else(|| told(declared::WORKER_OFFSETS_TOPIC))
}

/// What a connector must not be while it is moved.
fn require_stopped(source: Option<&source::Source>) -> Result<(), Failure> {
    let Some(address) = source.and_then(|source| source.address.as_ref()) else { return Ok(()) };
    let status = address.status()?;
    if status.is_stopped() { Ok(()) } else { Err(status.refusal(address)) }
}
