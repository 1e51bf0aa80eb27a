//! `walpost slot show`: everything about one slot.

use super::list::{active, wal_status};
use crate::cli::console::{Console, bytes, or_dash};
use crate::cli::context::{Context, connect};
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::postgres::slot::SlotFacts;

const EXAMPLES: &str = "\
Examples:
  walpost slot show --config connector.json
  walpost slot show other_slot --config connector.json --output json
";

/// Everything about one slot
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The slot [default: the connector's]
    name: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let name = args.name.as_deref().unwrap_or(&config.source.slot);
    let slot = context.wait(async { super::find(&connect(config).await?, name).await })?;
    if context.console.is_json() {
        context.console.json("slot", &slot);
    } else {
        context.console.pairs(&pairs(&slot, &context.console));
    }
    Ok(Exit::Ok)
}

fn pairs(slot: &SlotFacts, console: &Console) -> Vec<(&'static str, String)> {
    let from = match (&slot.client_address, &slot.walsender_state) {
        (Some(address), Some(state)) => format!(" from {address}, {state}"),
        (None, Some(state)) => format!(", {state}"),
        _ => String::new(),
    };
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    vec![
        ("slot", slot.name.clone()),
        ("plugin", slot.plugin.clone().unwrap_or_else(|| "none (a physical slot)".into())),
        ("database", or_dash(slot.database.as_ref())),
        ("active", active(slot, console) + &from),
        ("restart lsn", or_dash(slot.restart_lsn)),
        ("confirmed lsn", or_dash(slot.confirmed_flush_lsn)),
        (
            "retained",
            or_dash(slot.retained_bytes.map(|count| format!("{} of WAL kept for it", bytes(count)))),
        ),
        (
            "pending",
            or_dash(slot.pending_bytes.map(|count| format!("{} of WAL not yet confirmed", bytes(count)))),
        ),
        (
            "safe",
            slot.safe_wal_bytes.map_or_else(
                || "unlimited (max_slot_wal_keep_size = -1): it can fill the disk, but is never lost".into(),
                |count| format!("{} may still be written before it is lost", bytes(count)),
            ),
        ),
        ("wal status", wal_status(slot, console)),
        ("catalog xmin age", or_dash(slot.catalog_xmin_age.map(|age| format!("{age} transactions")))),
        ("temporary", yes_or_no(slot.temporary)),
        ("two phase", yes_or_no(slot.two_phase)),
        ("failover", yes_or_no(slot.failover)),
        ("synced", yes_or_no(slot.synced)),
    ]
}
