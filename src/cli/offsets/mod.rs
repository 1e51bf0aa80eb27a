//! `walpost offsets`: where the connector stands, seen from Kafka and from Postgres.

mod forget;
mod set;
mod show;

use super::console::or_dash;
use super::context::{Context, KAFKA_PATIENCE, connect};
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::pipeline::decided;
use crate::pipeline::facts::Facts;
use crate::pipeline::startup::Decision;
use crate::pipeline::trouble::Trouble;
use crate::position::Position;
use crate::postgres::replication::Connection;
use clap::Subcommand;

const EXAMPLES: &str = "\
Examples:
  walpost offsets show --config connector.json
  walpost offsets set --config connector.json --to slot     say what is passed over, do nothing
  walpost offsets forget --config connector.json     say what is at risk, do nothing
";

/// Where the connector stands
#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub enum Command {
    Show(show::Args),
    Set(set::Args),
    Forget(forget::Args),
}

pub(super) fn run(command: &Command, context: &Context<'_>) -> Result<Exit, Failure> {
    let config = context.load_quietly()?;
    match command {
        Command::Show(args) => show::run(args, context, &config),
        Command::Set(args) => set::run(args, context, &config),
        Command::Forget(args) => forget::run(args, context, &config),
    }
}

/// The position that Kafka holds. Blocks.
pub(super) fn stored_position(config: &Config) -> Result<Option<Position>, Failure> {
    decided::look(config, KAFKA_PATIENCE)
}

pub(super) fn no_position(config: &Config) -> Failure {
    Failure::new(
        Exit::NotFound,
        "Kafka holds no position of this connector",
        format!("topic {} has none: nothing is published yet", config.publish.position_topic),
        "walpost slot create or the first walpost run writes one",
    )
}

/// Asks Postgres what a start asks.
pub(super) async fn ask(config: &Config) -> Result<Facts, Failure> {
    let session = connect(config).await?;
    let mut connection = Connection::connect(&config.postgres)
        .await
        .map_err(|error| Failure::from_postgres(&error, "opening a replication connection"))?;
    Facts::ask(config, &session, &mut connection).await.map_err(Trouble::into_failure)
}

/// What a start would decide now; `None` when that cannot be told.
pub(super) fn next_start(
    config: &Config,
    stored: &Result<Option<Position>, Failure>,
    facts: Option<&Facts>,
) -> Option<Decision> {
    match (stored, facts) {
        // It comes so far, and no further.
        (Err(failure), _) if failure.exit == Exit::PositionMissing => {
            Some(Decision::Stop(Box::new(failure.clone())))
        }
        (Ok(stored), Some(facts)) => Some(facts.decide(config, stored.as_ref())),
        _ => None,
    }
}

/// The decision in a sentence.
pub(super) fn in_words(decision: &Decision, stored: Option<&Position>) -> String {
    match decision {
        Decision::Resume
            if stored.and_then(|stored| stored.snapshot.as_ref()).is_some_and(|it| it.is_pending()) =>
        {
            "goes on with the rows of its snapshot".to_owned()
        }
        Decision::Resume => format!("goes on at {}", or_dash(stored.map(|position| position.end_lsn))),
        Decision::ResumeAtSwitch { switch_lsn } => {
            format!(
                "goes on at {switch_lsn}, where a failover cut the timeline; events after it exist in Kafka only"
            )
        }
        Decision::Create => "makes the slot and begins there".to_owned(),
        Decision::TakeSlot { slot_lsn } => format!("takes the slot over where it stands, at {slot_lsn}"),
        Decision::Stop(failure) => format!("stops with exit code {}: {}", failure.exit as u8, failure.what),
    }
}
