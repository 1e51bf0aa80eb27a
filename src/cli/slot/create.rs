//! `walpost slot create`: the slot, and the first position with it.

use crate::cli::context::{Context, KAFKA_PATIENCE, connect};
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::pipeline::start;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  walpost slot create --config connector.json
";

/// Make the connector's slot, and write the first position to Kafka: events are kept from here on
///
/// In the order that is safe: a mark in Kafka, then the publication if the configuration allows to make it, then the
/// slot (which waits for every transaction that is open now), then the position. walpost run does the same on its first
/// start; this is for who wants to write events before that.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {}

pub(super) fn run(_: &Args, context: &Context<'_>, config: Config) -> Result<Exit, Failure> {
    let position = context.wait(async {
        let session = connect(&config).await?;
        super::take_lead(&session, &config).await?;
        start::begin(&config, &session, KAFKA_PATIENCE)
            .await
            .map_err(crate::pipeline::trouble::Trouble::into_failure)
    })?;
    let (slot, topic) = (&config.source.slot, &config.publish.position_topic);
    if context.console.is_json() {
        context
            .console
            .json("created", &json!({ "slot": slot, "position_topic": topic, "position": position }));
    } else {
        context.console.print(&format!("created slot {slot:?} at {}", position.end_lsn));
        context.console.say(&format!("the first position is in topic {topic}; next: walpost run"));
    }
    Ok(Exit::Ok)
}
