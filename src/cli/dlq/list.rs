//! `walpost dlq list`: the letters there are, and what became of them.

use super::{FilterArgs, SourceArgs, by_reason, cut, object};
use crate::cli::context::Context;
use crate::config::Config;
use crate::decode::value::utc;
use crate::dlq::{self, Index, LOOK_PATIENCE, State, index};
use crate::error::{Exit, Failure, blocking};
use crate::publish::letters::Letter;
use serde_json::json;
use std::collections::HashSet;

const EXAMPLES: &str = "\
Examples:
  walpost dlq list --config connector.json
  walpost dlq list --config connector.json --reason too_large --since 2026-11-01T06:00
  walpost dlq list --config connector.json --all --output json | jq '.letters[].event_id'
";

/// Show the dead letters that wait, the oldest first, and how many there are for which reason
///
/// Changes nothing. Reads the whole topic under read_committed.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// Those that were replayed or given up as well
    #[arg(long)]
    all: bool,
    /// How many are shown; all are counted
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let source = args.source.source(config)?;
    let (asked, topic) = (config.clone(), source.topic.clone());
    let index = context.wait(blocking(move || {
        let scan = dlq::scan(&asked)?;
        let index = Index::read(&scan, &topic, LOOK_PATIENCE)
            .map_err(|error| Failure::from_kafka(&error, "reading the dead letters"))?;
        if index.is_missing() { Err(index::missing(&topic)) } else { Ok(index) }
    }))?;
    let filter = args.filter.filter();
    let meant: Vec<(&Letter, State)> =
        index.of(&source.slot).filter(|(letter, _)| filter.takes(letter)).collect();
    let shown: Vec<&(&Letter, State)> =
        meant.iter().filter(|(_, state)| args.all || state.is_waiting()).take(args.limit).collect();
    let waiting = || meant.iter().filter(|(_, state)| state.is_waiting()).map(|(letter, _)| *letter);
    let count = |is: fn(&State) -> bool| meant.iter().filter(|(_, state)| is(state)).count();
    let replayed = count(|state| state.replays > 0);
    let purged = count(|state| state.purged && state.replays == 0);
    let oldest = waiting().map(|letter| letter.commit_ms).min().map(utc);
    let parked = parked(config, &index, &source.slot);
    let (console, others) = (&context.console, index.others(&source.slot));
    if console.is_json() {
        let mut reasons = std::collections::BTreeMap::<&str, u64>::new();
        waiting().for_each(|letter| *reasons.entry(&letter.reason).or_default() += 1);
        console.json_object(json!({
            "topic": &*source.topic,
            "letters": shown.iter().map(|(letter, state)| object(letter, *state)).collect::<Vec<_>>(),
            "waiting": waiting().count(),
            "waiting_by_reason": reasons,
            "oldest_waiting": oldest,
            "parked_keys": parked,
            "replayed": replayed,
            "purged": purged,
            "of_other_connectors": others,
            "foreign": index.foreign,
            "open_transaction": index.is_open(),
        }));
        return Ok(Exit::Ok);
    }
    if !shown.is_empty() {
        console.table(HEADER, shown.iter().map(|(letter, state)| row(letter, *state)).collect());
    }
    let hidden = if args.all { meant.len() } else { waiting().count() } - shown.len();
    if hidden > 0 {
        console.say(&format!("{hidden} more are not shown: --limit"));
    }
    let wait = match oldest {
        Some(oldest) => {
            format!(
                "{} letters wait ({}), the oldest since {oldest}",
                waiting().count(),
                by_reason(waiting())
            )
        }
        None => "no letter waits".to_owned(),
    };
    console.say(&format!("{wait}; {replayed} replayed, {purged} given up"));
    if let Some(parked) = parked.filter(|parked| *parked > 0) {
        console.say(&format!(
            "{parked} keys are parked: their events follow until these letters are dealt with"
        ));
    }
    if others > 0 || index.foreign > 0 {
        console.say(&format!(
            "in the same topic: {others} letters of other connectors, {} records of others",
            index.foreign
        ));
    }
    if index.is_open() {
        console.say("a transaction is open in the topic: what comes after its beginning is not shown");
    }
    Ok(Exit::Ok)
}

/// How many keys wait for letters, whichever are shown; `None`: none are parked by this configuration.
fn parked(config: &Config, index: &Index, slot: &str) -> Option<usize> {
    let rule = config.parking.as_ref()?;
    let is_parking = |letter: &Letter| rule.concerns(&letter.reason, letter.aggregate_type.as_deref());
    let waiting = index.of(slot).filter(|(letter, state)| state.is_waiting() && is_parking(letter));
    let keys: HashSet<_> = waiting.filter_map(|(letter, _)| letter.key_hash).collect();
    Some(keys.len())
}

const HEADER: &[&str] =
    &["PLACE", "COMMITTED", "REASON", "TABLE", "AGGREGATE", "KEY", "TYPE", "EVENT ID", "STATE"];

fn row(letter: &Letter, state: State) -> Vec<String> {
    vec![
        letter.place.to_string(),
        utc(letter.commit_ms),
        letter.reason.clone(),
        cut(Some(&letter.table)),
        cut(letter.aggregate_type.as_deref()),
        cut(letter.aggregate_id.as_deref()),
        cut(letter.event_type.as_deref()),
        cut(letter.event_id.as_deref()),
        state.word().to_owned(),
    ]
}
