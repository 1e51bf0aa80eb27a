//! `walpost publication accept`: a publication that was changed counts from here on as what it should be.

use super::missing;
use crate::cli::context::{Context, KAFKA_PATIENCE, connect};
use crate::cli::offsets::{no_position, stored_position};
use crate::cli::slot::{require_confirmation, require_idle, take_lead};
use crate::config::Config;
use crate::error::{Exit, Failure, blocking};
use crate::fingerprint::Fingerprint;
use crate::lsn::Lsn;
use crate::pipeline::publication::{Changes, compare};
use crate::pipeline::{decided, facts};
use crate::position::Position;
use crate::postgres::fingerprint::{Beyond, Observed};
use crate::postgres::session::Session;
use crate::postgres::{facts as server_facts, slot};
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  walpost publication accept --config connector.json                     say what changed
  walpost publication accept --config connector.json --confirm walpost
";

/// Who the position says it was written by.
const WRITTEN_BY: &str = "walpost publication accept";

/// Accept a publication that was changed, after exit code 29: events that it did not send are then given up
///
/// Shows what was before and what is now; compare the outbox with its topics before. Writes the same position with the
/// publication as it is now, under the connector's transactional id, and refuses while a connector runs.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The slot's name, to show that it is meant
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

/// What there was to accept.
#[derive(Default)]
struct Accepted {
    changes: Changes,
    before: Option<Fingerprint>,
    now: Fingerprint,
    /// The position that says so now, where one had to be written.
    position: Option<Position>,
}

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let slot = &config.source.slot;
    let accepted = context.wait(async {
        // Held to the end: a connector that starts meanwhile stands by.
        let session = connect(config).await?;
        take_lead(&session, config).await?;
        let found = slot::find(&session, slot)
            .await
            .map_err(|error| Failure::from_postgres(&error, "looking for the slot"))?;
        found.as_ref().map_or(Ok(()), require_idle)?;
        let observed = look(config, &session).await?;
        let (asked, confirm) = (config.clone(), args.confirm.clone());
        blocking(move || accept(&asked, confirm.as_deref(), &observed)).await
    })?;
    let Accepted { changes, before, now, position } = accepted;
    let console = &context.console;
    if console.is_json() {
        console.json(
            "accepted",
            &json!({
                "slot": slot,
                "publication": config.source.publication,
                "changes": changes.lossy,
                "harmless_changes": changes.harmless,
                "before": before,
                "now": now,
                "position": position,
            }),
        );
        return Ok(Exit::Ok);
    }
    console.print(&match position {
        Some(position) => format!(
            "accepted publication {:?} for slot {slot:?}: the next start goes on at {}",
            config.source.publication, position.end_lsn
        ),
        None => "nothing is to be accepted: walpost run goes on with the publication as it is".to_owned(),
    });
    changes.lossy.iter().chain(&changes.harmless).for_each(|change| console.say(change));
    Ok(Exit::Ok)
}

/// The publication as it is now.
async fn look(config: &Config, session: &Session) -> Result<Observed, Failure> {
    let looking = |error| Failure::from_postgres(&error, "looking at the publication");
    let flushed = server_facts::wal_flush_lsn(session).await.map_err(looking)?;
    let observed = facts::observe(config, session, flushed, Beyond::All).await.map_err(looking)?;
    observed.ok_or_else(|| missing(&config.source.publication))
}

/// Compares it with the stored position, and writes one that has it. Blocks.
fn accept(config: &Config, confirm: Option<&str>, observed: &Observed) -> Result<Accepted, Failure> {
    let slot = &config.source.slot;
    let mut accepted = Accepted { now: observed.fingerprint.clone(), ..Accepted::default() };
    let mut decide = |stored: Option<&Position>| -> Result<Option<Position>, Failure> {
        let stored = stored.ok_or_else(|| no_position(config))?;
        let Some(before) = &stored.publication else { return Ok(None) };
        accepted.before = Some(before.clone());
        accepted.changes = compare(before, observed);
        if accepted.changes.lossy.is_empty() {
            return Ok(None);
        }
        let risk = risk(&accepted.changes, stored.end_lsn, before.seen_lsn, observed.fingerprint.seen_lsn);
        require_confirmation("the position of slot", slot, confirm, &risk)?;
        let (publication, instance) = (Some(observed.fingerprint.clone()), WRITTEN_BY.to_owned());
        Ok(Some(Position { publication, instance, ..stored.clone() }))
    };
    // Without the word nothing is fenced either. With it, the fence comes first: the transaction that a connector had
    // open when it stopped would hide the position until it times out.
    let position = if confirm == Some(slot.as_str()) {
        decided::follow(config, KAFKA_PATIENCE, decide)?
    } else {
        decide(stored_position(config)?.as_ref())?
    };
    Ok(Accepted { position, ..accepted })
}

/// What changed, and what accepting it gives up.
fn risk(changes: &Changes, stored: Lsn, from: Lsn, to: Lsn) -> String {
    format!(
        "{}. Events committed between {from} and {to} that the slot did not send for it are given up, unless they are \
         published otherwise; the next start goes on at {stored} with the publication as it is now",
        changes.lossy_text()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_with_both_ends_of_what_is_at_risk() {
        let changes = Changes { lossy: vec!["a was b".into(), "c is d".into()], harmless: vec![] };
        let told = risk(&changes, Lsn::new(0x300), Lsn::new(0x100), Lsn::new(0x200));
        for words in ["a was b; c is d. ", "between 0/100 and 0/200", "goes on at 0/300"] {
            assert!(told.contains(words), "{told}");
        }
    }
}
