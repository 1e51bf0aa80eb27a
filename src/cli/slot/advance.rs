//! `walpost slot advance`: moves a slot forward over what it has not delivered.

use crate::cli::console::bytes;
use crate::cli::context::{Context, connect};
use crate::cli::offsets::stored_position;
use crate::config::Config;
use crate::error::{Exit, Failure, blocking};
use crate::lsn::Lsn;
use crate::postgres::slot::SlotFacts;
use crate::postgres::{facts, slot};
use serde_json::json;
use std::str::FromStr;

const EXAMPLES: &str = "\
Examples:
  walpost slot advance --config connector.json --to stored      say what it means, do nothing
  walpost slot advance --config connector.json --to stored --confirm walpost
  walpost slot advance --config connector.json --to 16/B374D848 --confirm walpost
";

/// Move the slot forward: what lies between is never sent
///
/// To the position that Kafka holds (--to stored) this loses nothing: it only lets Postgres remove WAL. Beyond it,
/// events are skipped, and the next start stops (exit code 20) because it cannot tell that this was meant.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Where to: an LSN, `stored` (the position that Kafka holds) or `current` (the end of the WAL)
    #[arg(long, value_name = "LSN|stored|current")]
    to: Target,
    /// The slot's name, to show that it is meant
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Even if the slot is of another plugin or database
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    At(Lsn),
    Stored,
    Current,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        match text {
            "stored" => Ok(Target::Stored),
            "current" => Ok(Target::Current),
            _ => text.parse().map(Target::At).map_err(|error: crate::lsn::ParseLsnError| error.to_string()),
        }
    }
}

/// A move, and what is known about it.
struct Move {
    from: Lsn,
    to: Lsn,
    /// The position in Kafka; the error when it could not be read.
    stored: Result<Option<Lsn>, String>,
}

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let (slot, step, rest) = context.wait(async {
        let session = connect(config).await?;
        let slot = super::find(&session, &config.source.slot).await?;
        super::require_ours(&slot, config, args.force)?;
        super::require_idle(&slot)?;
        let asked = config.clone();
        let stored = blocking(move || stored_position(&asked)).await;
        let end = facts::wal_flush_lsn(&session)
            .await
            .map_err(|error| Failure::from_postgres(&error, "asking for the end of the WAL"))?;
        let step = plan(&slot, args.to, stored.map(|stored| stored.map(|position| position.end_lsn)), end)?;
        super::require_confirmation("slot", &slot.name, args.confirm.as_deref(), &step.consequences())?;
        let rest = slot::advance(&session, &slot.name, step.to)
            .await
            .map_err(|error| Failure::from_postgres(&error, "advancing the slot"))?;
        Ok((slot, step, rest))
    })?;
    if context.console.is_json() {
        let stored = step.stored.as_ref().ok().copied().flatten();
        context.console.json(
            "advanced",
            &json!({
                "slot": slot.name, "from": step.from, "to": rest, "stored": stored,
                "skipped_bytes": rest.bytes_since(step.from),
            }),
        );
    } else {
        context.console.print(&format!("slot {:?} moved from {} to {rest}", slot.name, step.from));
        context.console.say(&step.consequences());
    }
    Ok(Exit::Ok)
}

/// Where to, if that is a place the slot can go to.
fn plan(
    slot: &SlotFacts,
    target: Target,
    stored: Result<Option<Lsn>, Failure>,
    end: Lsn,
) -> Result<Move, Failure> {
    let Some(from) = slot.confirmed_flush_lsn else {
        return Err(Failure::new(
            Exit::SlotLost,
            format!("slot {:?} is invalidated", slot.name),
            slot.invalidation_reason.clone().unwrap_or_default(),
            "it cannot be moved any more; walpost doctor says what to do",
        ));
    };
    let to = match target {
        Target::At(lsn) => lsn,
        Target::Current => end,
        Target::Stored => stored.clone()?.ok_or_else(|| {
            Failure::new(Exit::NotFound, "Kafka holds no position", "", "walpost offsets show has more")
        })?,
    };
    if to <= from {
        return Err(Failure::new(
            Exit::Usage,
            format!("slot {:?} stands at {from}, {to} is not ahead of it", slot.name),
            "a slot only moves forward. Nothing was done",
            "",
        ));
    }
    if to > end {
        return Err(Failure::new(
            Exit::Usage,
            format!("{to} is beyond the end of the WAL, {end}"),
            "what is committed up to there later would be skipped too. Nothing was done",
            "--to current goes as far as there is WAL",
        ));
    }
    Ok(Move { from, to, stored: stored.map_err(|failure| failure.what) })
}

impl Move {
    fn consequences(&self) -> String {
        let Move { from, to, stored } = self;
        let skipped = format!("{} of WAL, from {from} to {to}, are never sent", bytes_between(*from, *to));
        match stored {
            Ok(Some(stored)) if stored >= to => {
                format!(
                    "{skipped}. Kafka holds position {stored}: everything up to there is published, so nothing is lost"
                )
            }
            Ok(Some(stored)) => format!(
                "{skipped}. Kafka holds position {stored}: events committed after it ({} of WAL) are not published and \
                 will not be. The next walpost run stops with exit code 20 until topic and slot agree again",
                bytes_between(*stored, *to)
            ),
            Ok(None) => format!(
                "{skipped}. Kafka holds no position: the next walpost run stops with exit code 27, or begins at {to} with \
                 --adopt slot"
            ),
            Err(why) => format!(
                "{skipped}. The position in Kafka could not be read ({why}): unless it is at or past {to}, events in \
                 between are lost, and the next walpost run stops with exit code 20"
            ),
        }
    }
}

fn bytes_between(from: Lsn, to: Lsn) -> String {
    bytes(i64::try_from(to.bytes_since(from)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(confirmed: u64) -> SlotFacts {
        SlotFacts { name: "s".into(), confirmed_flush_lsn: Some(Lsn::new(confirmed)), ..SlotFacts::default() }
    }

    fn consequences(target: Target, stored: Result<Option<u64>, Failure>) -> String {
        let stored = stored.map(|stored| stored.map(Lsn::new));
        plan(&slot(1024), target, stored, Lsn::new(8192)).unwrap().consequences()
    }

    fn gone() -> Failure {
        Failure::new(Exit::Kafka, "Kafka is gone", "", "")
    }

    #[test]
    fn up_to_the_stored_position_nothing_is_lost() {
        let text = consequences(Target::Stored, Ok(Some(4096)));
        assert!(text.contains("3.0 KiB") && text.contains("nothing is lost"), "{text}");
    }

    #[test]
    fn beyond_the_stored_position_the_loss_and_the_next_exit_code_are_told() {
        let text = consequences(Target::Current, Ok(Some(4096)));
        assert!(
            text.contains("(4.0 KiB of WAL) are not published") && text.contains("exit code 20"),
            "{text}"
        );
        let text = consequences(Target::Current, Ok(None));
        assert!(text.contains("exit code 27"), "{text}");
        let text = consequences(Target::At(Lsn::new(2048)), Err(gone()));
        assert!(text.contains("Kafka is gone") && text.contains("exit code 20"), "{text}");
    }

    #[test]
    fn a_slot_goes_neither_backwards_nor_beyond_the_wal() {
        for to in [1023, 1024, 8193] {
            let failure =
                plan(&slot(1024), Target::At(Lsn::new(to)), Ok(None), Lsn::new(8192)).err().unwrap();
            assert_eq!(failure.exit, Exit::Usage, "{to}");
        }
    }

    #[test]
    fn without_a_stored_position_there_is_no_going_to_it() {
        let failure = |stored| plan(&slot(1024), Target::Stored, stored, Lsn::new(8192)).err().unwrap().exit;
        assert_eq!(failure(Ok(None)), Exit::NotFound);
        assert_eq!(failure(Err(gone())), Exit::Kafka);
    }

    #[test]
    fn targets_are_read_as_they_are_written() {
        assert_eq!("16/B374D848".parse(), Ok(Target::At(Lsn::new(0x16_b374_d848))));
        assert_eq!("stored".parse(), Ok(Target::Stored));
        assert!("now".parse::<Target>().unwrap_err().contains("16/B374D848"));
    }
}
