//! `walpost repair`: closes a gap between the outbox and its topics. What is missing and how it is published is in
//! [`crate::repair`]; here it is asked for and printed.

mod report;

use super::context::{Context, KAFKA_PATIENCE, connect};
use super::slot::{require_confirmation, require_idle, take_lead};
use super::verify::progress::Line;
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::lsn::LsnRange;
use crate::postgres::slot;
use crate::repair::{self, Consent, Options, Outcome};
use crate::verify::Progress;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  walpost repair --config connector.json                     say what is missing, do nothing
  walpost repair --config connector.json --confirm walpost
  walpost repair --config connector.json --order-by seq --confirm walpost
  walpost repair --config connector.json --output json | jq .plan.left
";

const LEFT: &str = "\
The order in which missing events are published, by the first of these that tells it:
  the times at which their transactions committed, with track_commit_timestamp = on; then, or
  without it, the columns of --order-by, else the event id if it is a whole number; within one
  transaction the statement that wrote a row, and where it lies. One outbox table is published
  after the other. A row that was updated counts as written then.

Left alone, and listed; exit code 3:
  order_unknown     events of one key of which nothing says which came first: --order-by
  no_id             the event has no id, and is not known by anything else
  shared_id         several rows have this id, and some of them a record
  expired           no record, but the topic's oldest records are gone, and the row is not known
                    to be younger (--time-column)
  compacted         no record, but the topic is compacted
  open_transaction  no record, but another producer's open transaction hides records
  row_gone          the slot has it and the connector has passed it, but row and record are gone
  topic_illegal and the like: an event that cannot be published; walpost run would stop at it, or
                    make it a dead letter, which no repair does

Where the position would go past them, nothing is published until an order is given, or
--accept-loss names their range. Rows that were deleted from the outbox are not seen at all.

Neither missing nor left alone: events that are in the topic of dead letters, by table and id, and
those that cannot be published and are passed over by policy.
";

/// Publish from the outbox what its topics lack, exactly once, and let the position go on after it
///
/// For exit codes 20, 25, 26, 27 and 28, and for anything that walpost verify calls missing. Without --confirm it says what
/// it would do. Missing are rows that have no record under read_committed, and that the slot will not send: where it is
/// gone or invalidated, a new one is made, and everything before it is looked at; where it is ahead, what it still has is
/// left to it. The records are those that walpost run would have published. They go out in transactions of walpost.batch.*,
/// under the connector's transactional id, the position with the last of them; killed anywhere and run again, it neither
/// loses nor doubles. Refuses while a connector runs.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES, after_long_help = LEFT)]
pub struct Args {
    /// The slot's name, to show that it is meant
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Give up what cannot be repaired in this range, which the refusal names; the position says so from then on
    #[arg(long, value_name = "LSN..LSN", requires = "confirm")]
    accept_loss: Option<LsnRange>,
    /// The columns that tell in which order rows were written, such as an identity
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    order_by: Vec<String>,
    /// The column with the time at which a row was written [default: the router's timestamp column]
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    /// A topic to look at beside those that rows name and those that look like the route's; can be repeated
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// How many events are printed; all are counted
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Where more than memory holds is kept: about 100 bytes for each row and each record. Nothing is left there
    /// [default: TMPDIR, else /tmp]
    #[arg(long, value_name = "DIRECTORY")]
    temp_dir: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &Context<'_>) -> Result<Exit, Failure> {
    let config = context.load_quietly()?;
    super::made_of_rows(&config)?;
    let slot = &config.source.slot;
    if args.confirm.as_ref().is_some_and(|confirm| confirm != slot) {
        let meaning = "what would be published, walpost repair says without --confirm";
        require_confirmation("the position of slot", slot, args.confirm.as_deref(), meaning)?;
    }
    let consent = args.confirm.as_ref().map(|_| Consent { accepted: args.accept_loss });
    let options = Options {
        order_by: args.order_by.clone(),
        time_column: args.time_column.clone(),
        topics: args.topics.clone(),
        directory: args.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        patience: KAFKA_PATIENCE,
    };
    let outcome = context.wait(watched(&config, &options, consent))?;
    let (console, plan) = (&context.console, &outcome.plan);
    report::print(console, &config, &outcome, args.limit);
    if consent.is_none() && !plan.is_done() {
        let meaning = report::meaning(plan);
        return Err(require_confirmation("the position of slot", slot, None, &meaning)
            .err()
            .unwrap_or_else(|| Failure::new(Exit::NotConfirmed, "nothing was done", "", "")));
    }
    let is_left = plan.left.events() > 0 && args.accept_loss.is_none();
    Ok(if is_left { Exit::Findings } else { Exit::Ok })
}

/// Repairs, and tells a person at a terminal how it goes.
async fn watched(config: &Config, options: &Options, consent: Option<Consent>) -> Result<Outcome, Failure> {
    // Held to the end: a connector that starts meanwhile stands by.
    let lead = connect(config).await?;
    take_lead(&lead, config).await?;
    let found = slot::find(&lead, &config.source.slot)
        .await
        .map_err(|error| Failure::from_postgres(&error, "looking for the slot"))?;
    found.as_ref().map_or(Ok(()), require_idle)?;
    let progress = Arc::new(Progress::default());
    let mut line = Line::new();
    let mut work = std::pin::pin!(repair::run(config, &lead, options, consent, Arc::clone(&progress)));
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            outcome = &mut work => {
                line.clear();
                return outcome;
            }
            _ = tick.tick() => line.show(&progress),
        }
    }
}
