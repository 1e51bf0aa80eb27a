//! `walpost run`: the connector itself.

use super::context::Context;
use crate::config::Adopt;
use crate::error::{Exit, Failure};
use clap::ValueEnum;

const EXAMPLES: &str = "\
Examples:
  walpost run --config connector.json
  walpost run --config connector.json --worker connect-distributed.properties --log-format json
  walpost run --config connector.json --adopt slot     take over the slot of a stopped Debezium
";

/// Publish the outbox to Kafka until told to stop
///
/// Ctrl-C or SIGTERM drains: what is open is finished, published and confirmed. A second one leaves at once; nothing is
/// lost or doubled by that.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Begin where the existing slot stands when Kafka holds no position for it yet; without effect afterwards
    #[arg(long, value_enum)]
    adopt: Option<AdoptArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AdoptArg {
    /// The slot's confirmed position
    Slot,
}

pub(super) fn run(args: &Args, context: &Context<'_>) -> Result<Exit, Failure> {
    let loaded = context.load()?;
    let mut config = loaded.config;
    context.log_as(&config.log)?;
    for notice in &loaded.notices {
        tracing::info!(
            property = notice.key,
            origin = notice.origin.as_ref().map(ToString::to_string),
            "{}",
            notice.text
        );
    }
    if let Some(AdoptArg::Slot) = args.adopt {
        config.adopt = Some(Adopt::Slot);
    }
    crate::pipeline::run(config).map(|()| Exit::Ok)
}
