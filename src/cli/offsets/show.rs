//! `walpost offsets show`: the stored position beside the slot and the server.

use super::{ask, in_words, next_start, stored_position};
use crate::cli::console::{bytes, or_dash};
use crate::cli::context::Context;
use crate::config::Config;
use crate::error::{Exit, Failure, blocking};
use crate::lsn::{Lsn, LsnRange};
use crate::pipeline::facts::Facts;
use crate::pipeline::startup::Decision;
use crate::position::{Audit, Position};
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  walpost offsets show --config connector.json
  walpost offsets show --config connector.json --output json | jq .lag_bytes
";

/// The position that Kafka holds (exit code 5 without one), the slot's, the server's, and what the next start would do
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {}

pub(super) fn run(_: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let (stored, facts) = context.wait(async {
        let asked = config.clone();
        Ok(tokio::join!(blocking(move || stored_position(&asked)), ask(config)))
    })?;
    // One side that is silent is no reason to keep back what the other said.
    let next = next_start(config, &stored, facts.as_ref().ok());
    let known = (stored.as_ref().ok().cloned().flatten(), facts.as_ref().ok());
    show(context, config, known.0.as_ref(), known.1, next.as_ref());
    let stored = stored?;
    facts?;
    stored.map(|_| Exit::Ok).ok_or_else(|| super::no_position(config))
}

fn show(
    context: &Context<'_>,
    config: &Config,
    stored: Option<&Position>,
    facts: Option<&Facts>,
    next: Option<&Decision>,
) {
    let slot = facts.and_then(|facts| facts.slot.as_ref());
    let confirmed = slot.and_then(|slot| slot.confirmed_flush_lsn);
    let flushed = facts.map(|facts| facts.server.flush_lsn);
    let lag = stored.zip(flushed).map(|(stored, flushed)| flushed.bytes_since(stored.end_lsn));
    let next_words = next.map(|decision| in_words(decision, stored));
    if context.console.is_json() {
        let exit = next.and_then(|decision| match decision {
            Decision::Stop(failure) => Some(failure.exit as u8),
            _ => None,
        });
        context.console.json_object(json!({
            "position_topic": config.publish.position_topic,
            "position": stored,
            "slot": { "name": config.source.slot, "exists": facts.map(|_| slot.is_some()), "confirmed_flush_lsn": confirmed },
            "server": facts.map(|facts| json!({
                "system_id": facts.server.system_id.to_string(),
                "timeline": facts.server.timeline,
                "flush_lsn": facts.server.flush_lsn,
            })),
            "lag_bytes": lag,
            "next_start": next_words.map_or(Value::Null, |words| json!({ "does": words, "exit_code": exit })),
        }));
        return;
    }
    let lsn = |lsn: Option<Lsn>| or_dash(lsn);
    let mut pairs = vec![
        ("position topic", config.publish.position_topic.clone()),
        ("stored position", lsn(stored.map(|position| position.end_lsn))),
    ];
    if let Some(position) = stored {
        pairs.extend(of_position(position));
    }
    pairs.push((
        "slot confirmed",
        if facts.is_some() && slot.is_none() { "no slot".into() } else { lsn(confirmed) },
    ));
    pairs.push(("server flushed", lsn(flushed)));
    let lag = lag.map(|lag| {
        format!("{} of WAL after the stored position", bytes(i64::try_from(lag).unwrap_or(i64::MAX)))
    });
    pairs.push(("lag", or_dash(lag)));
    pairs.push(("next start", or_dash(next_words)));
    context.console.pairs(&pairs);
}

fn of_position(position: &Position) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("  number", position.seq.to_string()),
        ("  events", position.events.to_string()),
        ("  transactions", position.transactions.to_string()),
        ("  system id", position.system_id.to_string()),
        ("  timeline", position.timeline.to_string()),
        ("  slot began at", position.slot_birth_lsn.to_string()),
        ("  written by", position.instance.clone()),
    ];
    if position.creating {
        pairs.push(("  state", "the slot is being created; nothing is published yet".to_owned()));
    }
    if let Some(snapshot) = &position.snapshot {
        let done = snapshot.tables.iter().filter(|table| table.done).count();
        let text = format!(
            "taken at {}; {} rows and {done} of {} tables are published",
            snapshot.lsn,
            snapshot.rows,
            snapshot.tables.len()
        );
        pairs.push(("  snapshot", text));
    }
    if let Some(partial) = &position.partial {
        let text = format!(
            "{} changes of transaction {} (commit {}) are published",
            partial.ordinal, partial.xid, partial.commit_lsn
        );
        pairs.push(("  in part", text));
    }
    for audit in &position.audit {
        pairs.push(("  decided", decided(audit)));
    }
    pairs
}

/// A decision of the audit trail in a line.
fn decided(audit: &Audit) -> String {
    let Audit { by, from, to, published, given_up, ids, .. } = audit;
    let range = LsnRange { from: *from, to: *to };
    let given_up = match given_up {
        Some(count) => format!("{count} events given up"),
        None => "events given up whose number is not known".to_owned(),
    };
    let ids = ids.as_ref().map(|(first, last)| format!(", from {first} to {last}")).unwrap_or_default();
    format!("{by}, {range}: {published} events published, {given_up}{ids}")
}
