//! `walpost verify`: the outbox beside its topics. What is compared and how is in [`crate::verify`]; here it is asked for
//! and printed.

mod first;
pub(super) mod progress;
mod report;

use super::context::Context;
use super::init::TableArg;
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::lsn::Lsn;
use crate::verify::{self, Options, Progress, Range, Report, Sorted};
use first::First;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  walpost verify --config connector.json                     the whole outbox
  walpost verify --config connector.json --order-by seq      the order of each key as well
  walpost verify --config connector.json --since 2026-11-01T06:00Z --time-column created_at
  walpost verify --config connector.json --limit 1000 --output json | jq '.findings[]'
";

const FINDINGS: &str = "\
Wrong for certain; exit code 3:
  missing        a row without a record, and the stream will not bring one
  duplicate      a further record with the id of another one in the same topic
  altered        a record that says other than its row; also when the row was updated afterwards
  out_of_order   a record after that of a later row of the same key (with --order-by)
  unpublishable  a row that cannot be published: walpost run would stop at it, or the policy says
                 dead-letter and there is no letter of it

Not published on purpose:
  dead_letter    the event is in the topic of dead letters, whatever became of it there (see
                 walpost dlq list)
  skipped        a row that cannot be published and is passed over, as walpost.errors says. What
                 only Kafka refuses cannot be told by its row: passed over, it counts as missing

Not judged, and never said to be fine; exit code 3 with --strict:
  pending        no record, and neither the stored position nor the slot has come to the moment at
                 which the rows were read. With track_commit_timestamp = on, rows committed before
                 the stored position are judged all the same. Exit code 3 where the slot is ahead of
                 that position: what lies between will not come
  undecided      no record, but the topic is compacted, or its oldest records are gone and the row
                 is not known to be younger (--time-column), or an open transaction hides records
  unknown        a record without a row: the row was cleaned from the outbox, and what the record
                 says cannot be checked; of part of an outbox: or the row is outside of it
  newer          the same, published after the rows were read
  foreign        a record without the header id: another producer's
";

/// Compare the outbox with its topics: what is missing, twice, altered, out of order; exit code 3 if something is
///
/// Each row is turned into the record that walpost would publish, and looked for in its topic by the header id, under
/// read_committed. Key, value and headers must be the same to the byte (told by SHA-256; headers of the connector's own
/// run, and the count of replays, aside), and so must timestamp and partition where a column gives them.
///
/// Changes nothing, and a connector may run beside it. The rows are read in one snapshot, which keeps VACUUM from cleaning
/// up as long as that takes. Memory stays under 256 MB, however many there are.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES, after_long_help = FINDINGS)]
pub struct Args {
    /// This outbox table only; can be repeated [default: every outbox table of the publication]
    #[arg(long = "table", value_name = "SCHEMA.TABLE")]
    tables: Vec<TableArg>,
    /// A topic to look at beside those that rows name and those that look like the route's; can be repeated
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// The columns that tell in which order rows were written, such as an identity: the order of each key's records is
    /// compared with it. True to the commits only where the writers of one key wait for each other
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    order_by: Vec<String>,
    /// How long to wait for a running connector to come to the moment at which the rows were read; without events to
    /// publish it gets there within walpost.idle.position.interval.ms
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// How many findings of each kind are printed; all are counted
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Exit code 3 for what could not be judged, too
    #[arg(long)]
    strict: bool,
    /// Where more than memory holds is kept: about 100 bytes for each row and each record. Nothing is left there
    /// [default: TMPDIR, else /tmp]
    #[arg(long, value_name = "DIRECTORY")]
    temp_dir: Option<PathBuf>,
    #[command(flatten)]
    range: RangeArgs,
}

/// Part of the outbox.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Part of the outbox (all that are given must hold)")]
struct RangeArgs {
    /// Rows written at this time or later, in any form that Postgres reads; UTC unless it says otherwise
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Rows written before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The column with the time at which a row was written [default: the router's timestamp column]
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    /// Rows whose event id is this or greater
    #[arg(long, value_name = "ID")]
    from_id: Option<String>,
    /// Rows whose event id is this or less
    #[arg(long, value_name = "ID")]
    to_id: Option<String>,
    /// Rows for which this holds
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// Rows of transactions that ended after this point of the WAL. A row does not say so: it takes
    /// track_commit_timestamp = on, and reaches back to the last position that Kafka still holds before it
    #[arg(long, value_name = "LSN")]
    from_lsn: Option<Lsn>,
    /// Rows of transactions that ended up to this point of the WAL, or to the first position after it
    #[arg(long, value_name = "LSN")]
    to_lsn: Option<Lsn>,
}

impl Args {
    fn options(&self) -> Options {
        let range = &self.range;
        Options {
            tables: self.tables.iter().map(|table| table.0.clone()).collect(),
            range: Range {
                since: range.since.clone(),
                until: range.until.clone(),
                from_id: range.from_id.clone(),
                to_id: range.to_id.clone(),
                condition: range.condition.clone(),
                from_lsn: range.from_lsn,
                to_lsn: range.to_lsn,
            },
            time_column: range.time_column.clone(),
            order_by: self.order_by.clone(),
            sorted: Sorted::default(),
            topics: self.topics.clone(),
            wait: Duration::from_secs(self.wait),
            directory: self.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        }
    }
}

pub(super) fn run(args: &Args, context: &Context<'_>) -> Result<Exit, Failure> {
    let config = context.load_quietly()?;
    super::made_of_rows(&config)?;
    let (first, progress) = (Arc::new(First::new(args.limit)), Arc::new(Progress::default()));
    let began = Instant::now();
    let report = context.wait(watched(&config, &args.options(), &first, &progress))?;
    report::print(&context.console, &report, &first, began.elapsed());
    let is_found = report.wrong() > 0 || report.gap().is_some() || args.strict && report.total().untold() > 0;
    Ok(if is_found { Exit::Findings } else { Exit::Ok })
}

/// Compares, and tells a person at a terminal how it goes.
async fn watched(
    config: &Config,
    options: &Options,
    first: &Arc<First>,
    progress: &Arc<Progress>,
) -> Result<Report, Failure> {
    let told = Arc::clone(first);
    let mut line = progress::Line::new();
    let mut work = std::pin::pin!(verify::run(config, options, told, Arc::clone(progress)));
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            report = &mut work => {
                line.clear();
                return report;
            }
            _ = tick.tick() => line.show(progress),
        }
    }
}
