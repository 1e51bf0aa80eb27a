//! `walpost slot drop`: gives up a slot, and with it what it has not delivered.

use crate::cli::console::{bytes, or_dash};
use crate::cli::context::{Context, connect};
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::postgres::slot::{self, SlotFacts};

const EXAMPLES: &str = "\
Examples:
  walpost slot drop --config connector.json                     say what would be lost, do nothing
  walpost slot drop --config connector.json --confirm walpost
";

/// Drop a slot: Postgres may then remove the WAL it holds, and what it has not delivered is lost to it
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The slot [default: the connector's]
    name: Option<String>,
    /// The slot's name once more, to show that it is meant
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Even if the slot is of another plugin or database
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let name = args.name.as_deref().unwrap_or(&config.source.slot);
    let slot = context.wait(async {
        let session = connect(config).await?;
        let slot = super::find(&session, name).await?;
        super::require_ours(&slot, config, args.force)?;
        super::require_idle(&slot)?;
        super::require_confirmation("slot", &slot.name, args.confirm.as_deref(), &loss(&slot, config))?;
        slot::drop_slot(&session, name)
            .await
            .map_err(|error| Failure::from_postgres(&error, "dropping the slot"))?;
        Ok(slot)
    })?;
    if context.console.is_json() {
        context.console.json("dropped", &slot);
    } else {
        context.console.print(&format!("dropped slot {:?}", slot.name));
        context.console.say(&format!("gone with it: {}", loss(&slot, config)));
    }
    Ok(Exit::Ok)
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
         offsets forget",
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
        let config = crate::cli::testing::config();
        let loss = loss(&slot, &config);
        assert!(loss.contains("3.0 MiB of WAL after 16/10") && !loss.contains("exit code 25"), "{loss}");
    }

    #[test]
    fn dropping_the_connectors_own_slot_tells_what_the_next_start_does() {
        let config = crate::cli::testing::config();
        let slot =
            SlotFacts { name: config.source.slot.clone(), pending_bytes: Some(0), ..SlotFacts::default() };
        let loss = loss(&slot, &config);
        for says in ["exit code 25", "walpost offsets forget", &config.publish.position_topic] {
            assert!(loss.contains(says), "{loss}");
        }
    }
}
