//! `walpost slot drop`: gives up a slot, and with it what it has not delivered.

use crate::cli::console::{bytes, or_dash};
use crate::cli::context::{Context, KAFKA_PATIENCE, connect};
use crate::cli::loss::Loss;
use crate::cli::offsets::stored_position;
use crate::config::Config;
use crate::error::{Exit, Failure, blocking};
use crate::lsn::{Lsn, LsnRange};
use crate::pipeline::decided::{self, readable};
use crate::position::Position;
use crate::postgres::facts;
use crate::postgres::session::Session;
use crate::postgres::slot::{self, SlotFacts};
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  walpost slot drop --config connector.json                     say what would be lost, do nothing
  walpost slot drop --config connector.json --confirm walpost
  walpost slot drop -c connector.json --confirm walpost --accept-loss 0/1A0..0/2B0
";

/// Who the position says it was written by.
const WRITTEN_BY: &str = "walpost slot drop";

/// Drop a slot: Postgres may then remove the WAL it holds, and what it has not delivered is lost to it
///
/// Of the connector's own slot, what it would still send is looked at first: events that are not published are not given
/// up unless their range is named, and the position in Kafka says so from then on. walpost repair publishes them from the
/// outbox as long as their rows are there.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The slot [default: the connector's]
    name: Option<String>,
    /// The slot's name once more, to show that it is meant
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Give up the events of this range, which the refusal names; the position says so from then on
    #[arg(long, value_name = "LSN..LSN")]
    accept_loss: Option<LsnRange>,
    /// Even if the slot is of another plugin or database
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let name = args.name.as_deref().unwrap_or(&config.source.slot);
    let (slot, given_up) = context.wait(async {
        // Held to the end: a connector that starts meanwhile stands by.
        let session = connect(config).await?;
        let slot = super::find(&session, name).await?;
        super::require_ours(&slot, config, args.force)?;
        super::require_idle(&slot)?;
        let is_own = slot.name == config.source.slot && super::is_ours(&slot, config);
        let given_up = match is_own && !slot.is_invalidated() {
            true => Some(own(args, config, &session).await?),
            false => None,
        };
        super::require_confirmation("slot", &slot.name, args.confirm.as_deref(), &loss(&slot, config))?;
        if let Some((position, loss)) = given_up.clone().filter(|(_, loss)| !loss.is_none()) {
            note(config, position, &loss).await?;
        }
        slot::drop_slot(&session, name)
            .await
            .map_err(|error| Failure::from_postgres(&error, "dropping the slot"))?;
        Ok((slot, given_up))
    })?;
    let given_up = given_up.map(|(_, loss)| loss).unwrap_or_default();
    if context.console.is_json() {
        context.console.json_object(json!({ "dropped": slot, "lost": given_up.json() }));
        return Ok(Exit::Ok);
    }
    context.console.print(&format!("dropped slot {:?}", slot.name));
    context.console.say(&format!("gone with it: {}", loss(&slot, config)));
    if !given_up.is_none() {
        context.console.say(&given_up.text());
    }
    Ok(Exit::Ok)
}

/// What the connector's own slot would still send that is not published, and the position it is not published by. Refuses
/// unless that is accepted.
async fn own(args: &Args, config: &Config, session: &Session) -> Result<(Option<Position>, Loss), Failure> {
    super::take_lead(session, config).await?;
    let asked = config.clone();
    // Without a position nothing is known to be published.
    let stored = readable(blocking(move || stored_position(&asked)).await)?.ok().flatten();
    let stored = stored.filter(|stored| !stored.creating);
    let end = facts::wal_flush_lsn(session)
        .await
        .map_err(|error| Failure::from_postgres(&error, "asking for the end of the WAL"))?;
    let loss = match Loss::passed(config, stored.as_ref(), end).await {
        // A publication that is younger than the slot is a reason to drop it.
        Err(failure) if matches!(failure.exit, Exit::Publication | Exit::Stream) => {
            Loss::untold(stored.as_ref().map_or(Lsn::ZERO, |stored| stored.end_lsn), &failure)
        }
        loss => loss?,
    };
    let slot = &config.source.slot;
    loss.require_accepted(&format!("slot {slot:?}"), args.accept_loss, slot)?;
    Ok((stored, loss))
}

/// Writes down what is given up: in the position as it is, where there is one.
async fn note(config: &Config, position: Option<Position>, loss: &Loss) -> Result<(), Failure> {
    let Some(position) = position else { return Ok(()) };
    let (asked, audit) = (config.clone(), loss.audit(WRITTEN_BY, position.end_lsn, None));
    let written = move || {
        decided::follow(&asked, KAFKA_PATIENCE, |stored| {
            Ok(stored.cloned().map(|stored| stored.noting(audit)))
        })
    };
    blocking(written).await.map(drop)
}

fn loss(slot: &SlotFacts, config: &Config) -> String {
    let pending = match slot.pending_bytes {
        Some(0) => "nothing is pending: everything committed so far is confirmed".to_owned(),
        Some(count) => format!(
            "{} of WAL after {}: events committed there and not yet in Kafka reach no slot that is created later",
            bytes(count),
            or_dash(slot.confirmed_flush_lsn)
        ),
        None => "nothing: the slot holds no WAL any more".to_owned(),
    };
    if slot.name != config.source.slot {
        return pending;
    }
    format!(
        "{pending}. The position in Kafka stays, in topic {}: the next walpost run stops with exit code 25 until walpost \
         repair makes another slot, or walpost offsets forget gives the position up",
        config.publish.position_topic
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_is_told_in_bytes_and_from_where() {
        let slot = SlotFacts {
            name: "other".into(),
            pending_bytes: Some(3 * 1024 * 1024),
            confirmed_flush_lsn: Some(crate::lsn::Lsn::new(0x16_0000_0010)),
            ..SlotFacts::default()
        };
        let config = crate::config::testing::config();
        let loss = loss(&slot, &config);
        assert!(loss.contains("3.0 MiB of WAL after 16/10") && !loss.contains("exit code 25"), "{loss}");
    }

    #[test]
    fn dropping_the_connectors_own_slot_tells_what_the_next_start_does() {
        let config = crate::config::testing::config();
        let slot =
            SlotFacts { name: config.source.slot.clone(), pending_bytes: Some(0), ..SlotFacts::default() };
        let loss = loss(&slot, &config);
        for says in ["exit code 25", "walpost offsets forget", &config.publish.position_topic] {
            assert!(loss.contains(says), "{loss}");
        }
    }
}
