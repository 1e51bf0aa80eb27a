//! `walpost dlq replay`: publishes letters after all.

use super::progress::watched;
use super::{FilterArgs, SourceArgs, by_reason, cut};
use crate::cli::console::{Console, Tone};
use crate::cli::context::{Context, KAFKA_PATIENCE, connect};
use crate::config::Config;
use crate::dlq::outbox::SqlOutbox;
use crate::dlq::plan::{Choice, Held};
use crate::dlq::replay::{self, Options, Outcome, Outcomes, Report};
use crate::dlq::{Progress, Source};
use crate::error::{Exit, Failure, blocking};
use crate::route::topic::check_topic_name;
use serde_json::{Value, json};
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  walpost dlq replay --config connector.json                   say what would be published
  walpost dlq replay --config connector.json --confirm shop.outbox.dlt
  walpost dlq replay --config connector.json --reason too_large --confirm shop.outbox.dlt
  walpost dlq replay --config connector.json --at 0:17 --to-topic order --confirm shop.outbox.dlt
";

const MEANING: &str = "\
What a replay means, by reason:
  a letter is turned into its record by the configuration and the table as they are now. What was
  mended is published; what was not is refused again, with the same reason, and stays where it is:
  topic_illegal   needs another route (route.topic.regex), or a topic that you name: --to-topic
  too_large       is refused while max.request.size or the topic's max.message.bytes do not allow it
  row_gone        the letter was cut, and the outbox row that has its payload is not there any more
  update_refused  the event of that id was published before: only with --updates
  parked          goes with the letter that it follows

Exit codes: 4 when nothing was done for want of --confirm, 3 when letters that were meant stay
behind.
";

/// Publish dead letters after all, each once and in order; without --confirm only say what would be published
///
/// The record is the one that the connector would publish, with the header outbox.dlt.attempts. Record and mark are
/// committed in one Kafka transaction (transactional id: the connector's and -dlq): a replay that is killed and run again
/// publishes nothing twice. A letter does not overtake an earlier one of its key that stays behind. A connector may run
/// beside it.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES, after_long_help = MEANING)]
pub struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// Publish to this topic, whatever the route says
    #[arg(long, value_name = "TOPIC")]
    to_topic: Option<String>,
    /// Letters a second at most; 0 for as fast as it goes
    #[arg(long, value_name = "N", default_value_t = 500)]
    rate: u32,
    /// No more letters than that
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Letters of updated rows (update_refused) as well: their event ids were published before
    #[arg(long)]
    updates: bool,
    /// Letters may overtake earlier ones of their key that stay behind
    #[arg(long)]
    out_of_order: bool,
    /// Which replay of a letter it is to be: 2 publishes once more what was replayed once, and nothing else
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    attempt: u32,
    /// Refuse letters that were replayed so many times, here or before they came here
    #[arg(long, value_name = "N", default_value_t = 5)]
    max_attempts: u32,
    /// The name of the dead letters' topic, to show that it is meant
    #[arg(long, value_name = "TOPIC")]
    confirm: Option<String>,
}

impl Args {
    fn options(&self, source: &Source) -> Options {
        let choice = Choice {
            filter: self.filter.filter(),
            attempt: self.attempt,
            limit: self.limit.unwrap_or(usize::MAX),
            out_of_order: self.out_of_order,
            updates: self.updates,
            most_attempts: self.max_attempts,
        };
        let dry = self.confirm.as_deref() != Some(&*source.topic);
        Options { choice, to_topic: self.to_topic.clone(), rate: self.rate, dry }
    }
}

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let source = args.source.source(config)?;
    check_target(args.to_topic.as_deref(), &source, config)?;
    let options = args.options(&source);
    let progress = Arc::new(Progress::default());
    let report = context.wait(async {
        let session = connect(config).await?;
        let outbox = SqlOutbox::new(session, &config.source.publication).await?;
        let (config, source, options) = (config.clone(), source.clone(), options.clone());
        let told = Arc::clone(&progress);
        let work = blocking(move || replay::run(&config, &source, &options, outbox, KAFKA_PATIENCE, &told));
        watched(&progress, work).await
    })?;
    print(&context.console, &report, &source, &options);
    let replayed = report.values().filter(|outcome| is_replayed(outcome)).count();
    if options.dry && replayed > 0 {
        return Err(unconfirmed(args.confirm.as_deref(), &source.topic));
    }
    Ok(if replayed < report.len() { Exit::Findings } else { Exit::Ok })
}

fn check_target(to: Option<&str>, source: &Source, config: &Config) -> Result<(), Failure> {
    let Some(to) = to else { return Ok(()) };
    let why = match check_topic_name(to) {
        Err(why) => why,
        Ok(()) if *to == *source.topic => "the dead letters are there",
        Ok(()) if to == config.publish.position_topic => "positions are kept there",
        Ok(()) => return Ok(()),
    };
    Err(Failure::new(
        Exit::Usage,
        format!("letters cannot go to topic {to:?}"),
        why,
        "name another: --to-topic",
    ))
}

/// The words for a destructive command without its confirmation.
pub(super) fn unconfirmed(given: Option<&str>, topic: &str) -> Failure {
    let what = match given {
        None => "nothing was done: this needs --confirm".to_owned(),
        Some(other) => format!("nothing was done: --confirm names {other:?}"),
    };
    Failure::new(Exit::NotConfirmed, what, "", format!("if that is what you want: --confirm {topic}"))
}

fn is_replayed(outcome: &Outcome) -> bool {
    matches!(outcome.result, Outcomes::Replayed(_))
}

/// How many are shown of each kind.
const SHOWN: usize = 50;

fn print(console: &Console, report: &Report, source: &Source, options: &Options) {
    let of = |replayed: bool| report.values().filter(move |outcome| is_replayed(outcome) == replayed);
    let (done, stayed) = (of(true).count(), of(false).count());
    if console.is_json() {
        console.json_object(json!({
            "topic": &*source.topic,
            "dry_run": options.dry,
            "letters": report.values().map(object).collect::<Vec<_>>(),
            "replayed": if options.dry { 0 } else { done },
            "stayed": stayed,
        }));
        return;
    }
    // What is done needs no list, unless it is yet to be decided on.
    let told = of(false).take(SHOWN).chain(of(true).take(if options.dry { SHOWN } else { 0 }));
    let rows: Vec<Vec<String>> = told.map(row).collect();
    let hidden = if options.dry { report.len() } else { stayed } - rows.len();
    if !rows.is_empty() {
        console.table(&["PLACE", "REASON", "KEY", "EVENT ID", "RESULT"], rows);
    }
    if hidden > 0 {
        console.say(&format!("{hidden} more are not shown; --output json has all"));
    }
    hints(console, report);
    let would = if options.dry { "would be replayed" } else { "replayed" };
    let by = by_reason(of(true).map(|outcome| &outcome.letter));
    let by = if by.is_empty() { by } else { format!(" ({by})") };
    let stay = match stayed {
        0 => console.toned(Tone::Good, "none stay behind"),
        stayed => console.toned(Tone::Bad, &format!("{stayed} stay behind")),
    };
    console.say(&format!("{done} letters {would}{by}; {stay}"));
}

/// What to do about those that stay, once for each kind.
fn hints(console: &Console, report: &Report) {
    let mut told = std::collections::BTreeSet::new();
    for outcome in report.values() {
        let (word, hint) = match &outcome.result {
            Outcomes::Replayed(_) => continue,
            Outcomes::Refused(refusal) => (refusal.reason, format!("{}; {}", refusal.detail, refusal.hint)),
            Outcomes::Held(held) => (held_word(*held), held_hint(*held).to_owned()),
        };
        if told.insert(word) {
            console.say(&format!("{word}, such as at {}: {hint}", outcome.letter.place));
        }
    }
}

fn row(outcome: &Outcome) -> Vec<String> {
    let Outcome { letter, result } = outcome;
    let result = match result {
        Outcomes::Replayed(topic) => format!("to {topic}"),
        Outcomes::Refused(refusal) => format!("refused: {}", refusal.reason),
        Outcomes::Held(held) => format!("stays: {}", held_word(*held)),
    };
    let (key, id) = (cut(letter.aggregate_id.as_deref()), cut(letter.event_id.as_deref()));
    vec![letter.place.to_string(), letter.reason.clone(), key, id, result]
}

fn object(outcome: &Outcome) -> Value {
    let Outcome { letter, result } = outcome;
    let mut object = json!({
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "reason": letter.reason,
        "table": letter.table,
        "aggregate_type": letter.aggregate_type,
        "aggregate_id": letter.aggregate_id,
        "event_id": letter.event_id,
    });
    let (word, more) = match result {
        Outcomes::Replayed(topic) => ("replayed", json!({ "topic": &**topic })),
        Outcomes::Refused(refusal) => {
            ("refused", json!({ "why": refusal.reason, "detail": refusal.detail, "hint": refusal.hint }))
        }
        Outcomes::Held(held) => ("held", json!({ "why": held_word(*held), "hint": held_hint(*held) })),
    };
    object["result"] = word.into();
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

fn held_word(held: Held) -> &'static str {
    match held {
        Held::Behind => "behind",
        Held::Update => "update",
        Held::TooOften => "too_often",
    }
}

fn held_hint(held: Held) -> &'static str {
    match held {
        Held::Behind => {
            "an earlier letter of the same key stays behind; replay or purge that one first, or say --out-of-order"
        }
        Held::Update => {
            "the event of that id was published before the row was updated; --updates publishes it anew"
        }
        Held::TooOften => {
            "it was replayed as often as --max-attempts allows: does what consumes it send it back here?"
        }
    }
}
