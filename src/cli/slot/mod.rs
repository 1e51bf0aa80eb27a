//! `walpost slot`: the replication slot, seen and handled.

mod advance;
mod create;
mod drop;
mod list;
mod show;

use super::context::Context;
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::postgres::session::{self, Session};
use crate::postgres::slot::{self, SlotFacts};
use clap::Subcommand;

const EXAMPLES: &str = "\
Examples:
  walpost slot create --config connector.json
  walpost slot list --config connector.json
  walpost slot drop --config connector.json        say what would be lost, do nothing
";

/// Make, look at, move or drop the replication slot
#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub enum Command {
    Create(create::Args),
    List(list::Args),
    Show(show::Args),
    Drop(drop::Args),
    Advance(advance::Args),
}

pub(super) fn run(command: &Command, context: &Context<'_>) -> Result<Exit, Failure> {
    let config = context.load_quietly()?;
    match command {
        Command::Create(args) => create::run(args, context, config),
        Command::List(args) => list::run(args, context, &config),
        Command::Show(args) => show::run(args, context, &config),
        Command::Drop(args) => drop::run(args, context, &config),
        Command::Advance(args) => advance::run(args, context, &config),
    }
}

/// The slot of this name, or the failure that says which there are.
pub(super) async fn find(session: &Session, name: &str) -> Result<SlotFacts, Failure> {
    let found = slot::find(session, name).await;
    let found = found.map_err(|error| Failure::from_postgres(&error, "looking for the slot"))?;
    found.ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            format!("slot {name:?} does not exist"),
            "",
            "walpost slot list shows the slots there are; walpost slot create makes this connector's",
        )
    })
}

/// It may be a connector's of this database.
fn is_ours(slot: &SlotFacts, config: &Config) -> bool {
    slot.plugin.as_deref() == Some("pgoutput")
        && slot.database.as_deref() == Some(config.postgres.database.as_str())
}

/// Slots of other plugins and databases belong to somebody else.
pub(super) fn require_ours(slot: &SlotFacts, config: &Config, force: bool) -> Result<(), Failure> {
    if is_ours(slot, config) || force {
        return Ok(());
    }
    Err(Failure::new(
        Exit::NotConfirmed,
        format!("slot {:?} is not a pgoutput slot of database {:?}", slot.name, config.postgres.database),
        format!(
            "its plugin is {}, its database {}: it belongs to something else. Nothing was done",
            slot.plugin.as_deref().unwrap_or("none (a physical slot, of a standby or a backup)"),
            slot.database.as_deref().unwrap_or("none")
        ),
        "if you are sure: --force",
    ))
}

/// Takes the leader's lock for as long as the session lasts: no connector runs, and none begins to.
pub(super) async fn take_lead(session: &Session, config: &Config) -> Result<(), Failure> {
    let free = session::try_lock(session, &config.source.slot)
        .await
        .map_err(|error| Failure::from_postgres(&error, "taking the leader's lock"))?;
    if free {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Failure,
        "a connector runs on this slot",
        "it holds the leader's lock. Nothing was done",
        "walpost slot show and walpost offsets show tell where it stands",
    ))
}

/// A slot that somebody has cannot be handled.
pub(super) fn require_idle(slot: &SlotFacts) -> Result<(), Failure> {
    if !slot.active {
        return Ok(());
    }
    let pid = super::console::or_dash(slot.active_pid);
    let who = match (&slot.application_name, &slot.client_address) {
        (Some(name), Some(address)) => format!(" ({name} at {address})"),
        (Some(name), None) => format!(" ({name})"),
        _ => String::new(),
    };
    Err(Failure::new(
        Exit::Failure,
        format!("slot {:?} is active", slot.name),
        format!("process {pid}{who} has it. Nothing was done"),
        format!(
            "stop the connector that uses it. If the connection is a dead one: SELECT pg_terminate_backend({pid})"
        ),
    ))
}

/// Refuses without the slot's name typed out, and says what would be lost. `thing` is what the name is put after.
pub(super) fn require_confirmation(
    thing: &str,
    name: &str,
    given: Option<&str>,
    loss: &str,
) -> Result<(), Failure> {
    if given == Some(name) {
        return Ok(());
    }
    let what = match given {
        None => format!("{thing} {name:?} was not touched: this needs --confirm"),
        Some(other) => format!("{thing} {name:?} was not touched: --confirm names {other:?}"),
    };
    Err(Failure::new(Exit::NotConfirmed, what, loss, format!("if that is what you want: --confirm {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> SlotFacts {
        SlotFacts { name: "orders".into(), ..SlotFacts::default() }
    }

    #[test]
    fn only_the_slots_own_name_confirms() {
        assert_eq!(require_confirmation("slot", "orders", Some("orders"), "x"), Ok(()));
        for given in [None, Some(""), Some("order"), Some("yes")] {
            let failure = require_confirmation("slot", "orders", given, "12 MiB are lost").unwrap_err();
            assert_eq!(failure.exit, Exit::NotConfirmed);
            assert!(
                failure.detail.contains("12 MiB") && failure.hint.contains("--confirm orders"),
                "{failure}"
            );
        }
    }

    #[test]
    fn an_active_slot_is_left_alone_and_its_process_named() {
        let active = SlotFacts {
            active: true,
            active_pid: Some(4711),
            application_name: Some("walpost".into()),
            ..slot()
        };
        let failure = require_idle(&active).unwrap_err();
        assert!(failure.detail.contains("4711 (walpost)"), "{failure}");
        assert!(failure.hint.contains("pg_terminate_backend(4711)"), "{failure}");
        assert_eq!(require_idle(&slot()), Ok(()));
    }
}
