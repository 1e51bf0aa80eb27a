//! `walpost slot list`: all slots of the server on one screen.

use crate::cli::console::{Console, Tone, bytes, or_dash};
use crate::cli::context::{Context, connect};
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::postgres::slot::{self, SlotFacts};

const EXAMPLES: &str = "\
Examples:
  walpost slot list --config connector.json
  walpost slot list --config connector.json --output json | jq '.slots[] | select(.active | not)'
";

/// All slots of the server: what they hold back, and how far they are from being lost
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {}

pub(super) fn run(_: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let slots = context.wait(async {
        let session = connect(config).await?;
        slot::list(&session).await.map_err(|error| Failure::from_postgres(&error, "listing the slots"))
    })?;
    let console = &context.console;
    if console.is_json() {
        console.json("slots", &slots);
    } else if slots.is_empty() {
        console.say("there is no slot; walpost slot create makes this connector's");
    } else {
        let header = [
            "slot",
            "plugin",
            "database",
            "active",
            "confirmed",
            "retained",
            "pending",
            "safe",
            "wal status",
        ];
        console.table(&header, slots.iter().map(|slot| row(slot, console)).collect());
    }
    Ok(Exit::Ok)
}

fn row(slot: &SlotFacts, console: &Console) -> Vec<String> {
    vec![
        slot.name.clone(),
        slot.plugin.clone().unwrap_or_else(|| "(physical)".into()),
        or_dash(slot.database.as_ref()),
        active(slot, console),
        or_dash(slot.confirmed_flush_lsn),
        or_dash(slot.retained_bytes.map(bytes)),
        or_dash(slot.pending_bytes.map(bytes)),
        slot.safe_wal_bytes.map_or_else(|| "unlimited".into(), bytes),
        wal_status(slot, console),
    ]
}

/// Who has the slot, or since when nobody has.
pub(super) fn active(slot: &SlotFacts, console: &Console) -> String {
    if slot.active {
        let pid = slot.active_pid.map(|pid| format!(" pid {pid}")).unwrap_or_default();
        let who = slot.application_name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        return console.toned(Tone::Good, &format!("yes{pid}{who}"));
    }
    let since = slot.inactive_since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
    console.toned(Tone::Doubtful, &format!("no{since}"))
}

/// The server's word on the WAL that the slot needs.
pub(super) fn wal_status(slot: &SlotFacts, console: &Console) -> String {
    let status = slot.wal_status.as_deref().unwrap_or("-");
    let tone = match status {
        _ if slot.invalidation_reason.is_some() => Tone::Bad,
        "lost" => Tone::Bad,
        "unreserved" => Tone::Doubtful,
        _ => Tone::Good,
    };
    let reason = slot.invalidation_reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    console.toned(tone, &format!("{status}{reason}"))
}
