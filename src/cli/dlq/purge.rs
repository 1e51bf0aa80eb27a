//! `walpost dlq purge`: takes away letters that are dealt with, and gives others up.

use super::progress::watched;
use super::replay::unconfirmed;
use super::{FilterArgs, SourceArgs, by_reason, cut};
use crate::cli::context::{Context, KAFKA_PATIENCE};
use crate::config::Config;
use crate::decode::value::utc;
use crate::dlq::purge::{self, Options, Removed, Report};
use crate::dlq::{Progress, Source, State};
use crate::error::{Exit, Failure, blocking};
use serde_json::json;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  walpost dlq purge --config connector.json                    say what would be taken away
  walpost dlq purge --config connector.json --confirm shop.outbox.dlt
  walpost dlq purge --config connector.json --accept-loss      say what would be given up
  walpost dlq purge --config connector.json --accept-loss --at 0:17 --confirm shop.outbox.dlt
";

/// Take away dead letters that are dealt with; with --accept-loss, give up those that wait. Without --confirm nothing is done
///
/// A letter that is given up gets a mark: it is never published, and its key waits for it no longer. Records are taken
/// away (DeleteRecords) from the beginning of each partition up to the first letter that waits, whichever connector's it
/// is; what lies behind that stays until the topic's retention takes it.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// Give up the letters that are meant and were not replayed: their events are then lost to consumers
    #[arg(long)]
    accept_loss: bool,
    /// The name of the dead letters' topic, to show that it is meant
    #[arg(long, value_name = "TOPIC")]
    confirm: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let source = args.source.source(config)?;
    let filter = args.filter.filter();
    if !filter.is_open() && !args.accept_loss {
        return Err(Failure::new(
            Exit::Usage,
            "only letters that are given up can be chosen",
            "what is dealt with is taken away from the beginning, whatever it is",
            "leave the choice away, or give up what waits: --accept-loss",
        ));
    }
    let dry = args.confirm.as_deref() != Some(&*source.topic);
    let options = Options { give_up: args.accept_loss.then_some(filter), dry };
    let progress = Arc::new(Progress::default());
    let report = context.wait(async {
        let (config, source, told) = (config.clone(), source.clone(), Arc::clone(&progress));
        let work = blocking(move || purge::run(&config, &source, &options, KAFKA_PATIENCE, &told));
        watched(&progress, work).await
    })?;
    print(context, &report, &source, dry);
    let is_nothing = report.given_up.is_empty() && report.removed.is_empty();
    if dry && !is_nothing {
        return Err(unconfirmed(args.confirm.as_deref(), &source.topic));
    }
    Ok(Exit::Ok)
}

/// How many are shown.
const SHOWN: usize = 50;

fn print(context: &Context<'_>, report: &Report, source: &Source, dry: bool) {
    let console = &context.console;
    let Report { given_up, removed, waiting } = report;
    if console.is_json() {
        let purged = State { purged: true, ..State::default() };
        console.json_object(json!({
            "topic": &*source.topic,
            "dry_run": dry,
            "given_up": given_up.iter().map(|letter| super::object(letter, purged)).collect::<Vec<_>>(),
            "removed": removed,
            "waiting": waiting,
        }));
        return;
    }
    if !given_up.is_empty() {
        let rows = given_up.iter().take(SHOWN).map(|letter| {
            let (key, id) = (cut(letter.aggregate_id.as_deref()), cut(letter.event_id.as_deref()));
            vec![letter.place.to_string(), utc(letter.commit_ms), letter.reason.clone(), key, id]
        });
        console.table(&["PLACE", "COMMITTED", "REASON", "KEY", "EVENT ID"], rows.collect());
        if given_up.len() > SHOWN {
            console.say(&format!("{} more are not shown; --output json has all", given_up.len() - SHOWN));
        }
    }
    let would = if dry { "would be " } else { "" };
    let by = if given_up.is_empty() { String::new() } else { format!(" ({})", by_reason(given_up.iter())) };
    console.say(&format!("{} letters {would}given up{by}; {waiting} wait", given_up.len()));
    for Removed { partition, before_offset, letters } in removed {
        console.say(&format!(
            "partition {partition}: everything before offset {before_offset}, {letters} letters, {would}taken away"
        ));
    }
}
