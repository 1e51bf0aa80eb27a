//! `walpost dlq`: the dead letters, seen and dealt with. What is done is in [`crate::dlq`]; here it is asked for and
//! printed.

mod list;
mod progress;
mod purge;
mod replay;
mod show;

use super::context::Context;
use crate::config::Config;
use crate::decode::value::utc;
use crate::dlq::filter::moment;
use crate::dlq::{Filter, Source, State};
use crate::error::{Exit, Failure};
use crate::publish::letters::{Letter, Place};
use crate::rejection::Reason;
use clap::Subcommand;
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  walpost dlq list --config connector.json
  walpost dlq show 0:17 --config connector.json
  walpost dlq replay --config connector.json       say what would be published, do nothing
";

/// Look at dead letters, publish them after all, or give them up
#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub enum Command {
    List(Box<list::Args>),
    Show(show::Args),
    Replay(Box<replay::Args>),
    Purge(Box<purge::Args>),
}

pub(super) fn run(command: &Command, context: &Context<'_>) -> Result<Exit, Failure> {
    let config = context.load_quietly()?;
    match command {
        Command::List(args) => list::run(args, context, &config),
        Command::Show(args) => show::run(args, context, &config),
        Command::Replay(args) => replay::run(args, context, &config),
        Command::Purge(args) => purge::run(args, context, &config),
    }
}

/// Which letters: all that are given must hold; of one that is repeated, one.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which letters (all that are given must hold)")]
struct FilterArgs {
    /// For this reason; can be repeated
    #[arg(long = "reason", value_name = "REASON", value_parser = reason)]
    reasons: Vec<Reason>,
    /// With this in the column `type`; can be repeated
    #[arg(long = "type", value_name = "TYPE")]
    event_types: Vec<String>,
    /// With this in the route column (aggregatetype); can be repeated
    #[arg(long = "aggregate-type", value_name = "TYPE")]
    aggregate_types: Vec<String>,
    /// With this in the key column (aggregateid), as Postgres writes it; can be repeated
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// With this event id; can be repeated
    #[arg(long = "event-id", value_name = "ID")]
    event_ids: Vec<String>,
    /// Of this outbox table; can be repeated
    #[arg(long = "table", value_name = "SCHEMA.TABLE")]
    tables: Vec<super::init::TableArg>,
    /// The letter at this place, as list shows it; can be repeated
    #[arg(long = "at", value_name = "PARTITION:OFFSET")]
    places: Vec<Place>,
    /// Committed in Postgres at this time or later: a date, or a date and a time; UTC unless it says otherwise
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// Committed in Postgres before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
}

impl FilterArgs {
    fn filter(&self) -> Filter {
        Filter {
            reasons: self.reasons.clone(),
            event_types: self.event_types.clone(),
            aggregate_types: self.aggregate_types.clone(),
            keys: self.keys.clone(),
            event_ids: self.event_ids.clone(),
            tables: self.tables.iter().map(|table| table.0.to_string()).collect(),
            places: self.places.clone(),
            since_ms: self.since,
            until_ms: self.until,
        }
    }
}

fn reason(name: &str) -> Result<Reason, String> {
    Reason::named(name).ok_or_else(|| format!("it is one of {}", Reason::ALL.map(Reason::name).join(", ")))
}

/// Where the letters are.
#[derive(Debug, clap::Args)]
struct SourceArgs {
    /// The topic of the dead letters [default: errors.deadletterqueue.topic.name]
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
}

impl SourceArgs {
    fn source(&self, config: &Config) -> Result<Source, Failure> {
        Source::of(config, self.topic.as_deref())
    }
}

/// A letter for programs.
fn object(letter: &Letter, state: State) -> Value {
    json!({
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "state": state.word(),
        "replays": state.replays,
        "reason": letter.reason,
        "detail": letter.detail,
        "table": letter.table,
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "aggregate_type": letter.aggregate_type,
        "aggregate_id": letter.aggregate_id,
        "topic": letter.topic,
        "committed": utc(letter.commit_ms),
        "commit_lsn": letter.origin.commit_lsn,
        "xid": letter.origin.xid,
        "change": letter.origin.change,
        "payload": letter.payload.word(),
        "payload_bytes": letter.payload_bytes,
        "attempts": letter.attempts,
    })
}

/// At most so much of a name, in a column of a table.
fn cut(text: Option<&str>) -> String {
    const MOST: usize = 40;
    let Some(text) = text else { return "-".to_owned() };
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// How many of each, as `3 too_large, 1 topic_illegal`.
fn by_reason<'l>(letters: impl Iterator<Item = &'l Letter>) -> String {
    let mut counts = std::collections::BTreeMap::<&str, u64>::new();
    letters.for_each(|letter| *counts.entry(&letter.reason).or_default() += 1);
    let told: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    told.join(", ")
}
