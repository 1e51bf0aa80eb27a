//! `walpost run`: the connector itself.

use super::context::Context;
use crate::config::Adopt;
use crate::error::{Exit, Failure};
use crate::pipeline::snapshot::Progress;
use clap::ValueEnum;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

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
    let progress = Arc::new(Progress::default());
    show_on_a_terminal(&progress);
    crate::pipeline::run(config, progress).map(|()| Exit::Ok)
}

/// How far a snapshot has come, on one line; a line of the log writes over it.
fn show_on_a_terminal(progress: &Arc<Progress>) {
    const PAUSE: Duration = Duration::from_millis(200);
    if !std::io::stderr().is_terminal() {
        return;
    }
    let progress = Arc::downgrade(progress);
    std::thread::spawn(move || {
        let mut is_shown = false;
        while let Some(progress) = progress.upgrade() {
            let text = progress.text();
            if text.is_some() || std::mem::replace(&mut is_shown, text.is_some()) {
                let _ = write!(std::io::stderr(), "\u{1b}[2K{}\r", text.unwrap_or_default());
            }
            drop(progress);
            std::thread::sleep(PAUSE);
        }
    });
}
