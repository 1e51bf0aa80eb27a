//! `walpost slot advance`: moves a slot forward over what it has not delivered.

use crate::cli::console::bytes;
use crate::cli::context::{Context, KAFKA_PATIENCE, connect};
use crate::cli::loss::Loss;
use crate::cli::offsets::stored_position;
use crate::config::Config;
use crate::error::{Exit, Failure, blocking};
use crate::lsn::{Lsn, LsnRange, ParseLsnError};
use crate::pipeline::decided;
use crate::position::{Audit, Position};
use crate::postgres::slot::SlotFacts;
use crate::postgres::{facts, slot};
use serde_json::json;
use std::str::FromStr;

const EXAMPLES: &str = "\
Examples:
  walpost slot advance --config connector.json --to stored      say what it means, do nothing
  walpost slot advance --config connector.json --to stored --confirm walpost
  walpost slot advance --config connector.json --to 16/B374D848 --confirm walpost
  walpost slot advance -c connector.json --to current --confirm walpost --accept-loss 0/1A0..0/2B0
";

/// Who the position says it was written by.
const WRITTEN_BY: &str = "walpost slot advance";

/// Move the slot forward: what lies between is never sent
///
/// To the position that Kafka holds (--to stored) this loses nothing: it only lets Postgres remove WAL. Beyond it, the
/// slot is looked into first, and events that are not published are not passed unless their range is named. The position
/// in Kafka goes along, and says what was given up; a connector must not run.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Where to: an LSN, `stored` (the position that Kafka holds) or `current` (the end of the WAL)
    #[arg(long, value_name = "LSN|stored|current")]
    to: Target,
    /// The slot's name, to show that it is meant
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Give up the events of this range, which the refusal names; the position says so from then on
    #[arg(long, value_name = "LSN..LSN")]
    accept_loss: Option<LsnRange>,
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
            _ => text
                .parse()
                .map(Target::At)
                .map_err(|error: ParseLsnError| format!("{error}; or write stored or current")),
        }
    }
}

/// A move, and what is known about it.
struct Move {
    from: Lsn,
    to: Lsn,
    /// The position in Kafka; the error when it could not be read.
    stored: Result<Option<Position>, Failure>,
}

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let (slot, step, loss, rest) = context.wait(async {
        // Held to the end: a connector that starts meanwhile stands by.
        let session = connect(config).await?;
        let slot = super::find(&session, &config.source.slot).await?;
        super::require_ours(&slot, config, args.force)?;
        super::require_idle(&slot)?;
        super::take_lead(&session, config).await?;
        let asked = config.clone();
        let stored = blocking(move || stored_position(&asked)).await;
        let end = facts::wal_flush_lsn(&session)
            .await
            .map_err(|error| Failure::from_postgres(&error, "asking for the end of the WAL"))?;
        let step = plan(&slot, args.to, stored, end)?;
        let loss = if super::is_ours(&slot, config) {
            Loss::passed(config, step.known().as_ref(), step.to).await?
        } else {
            Loss::default()
        };
        let name = &slot.name;
        if !loss.is_none() {
            // What is published is not known, or could not be noted down.
            step.noted(&loss)?;
        }
        loss.require_accepted(&format!("slot {name:?}"), args.accept_loss, name)?;
        super::require_confirmation("slot", name, args.confirm.as_deref(), &step.consequences(&loss))?;
        // First, so that the slot is never ahead of it.
        if let Some(stored) = step.known().filter(|stored| step.to > stored.end_lsn) {
            let (asked, audit) = (config.clone(), loss.audit(WRITTEN_BY, stored.end_lsn, Some(step.to)));
            blocking(move || along(&asked, &stored, step.to, audit)).await?;
        }
        let rest = slot::advance(&session, name, step.to)
            .await
            .map_err(|error| Failure::from_postgres(&error, "advancing the slot"))?;
        Ok((slot, step, loss, rest))
    })?;
    if context.console.is_json() {
        let stored = step.known().map(|stored| stored.end_lsn.max(rest));
        context.console.json(
            "advanced",
            &json!({
                "slot": slot.name, "from": step.from, "to": rest, "stored": stored,
                "skipped_bytes": rest.bytes_since(step.from), "lost": loss.json(),
            }),
        );
    } else {
        context.console.print(&format!("slot {:?} moved from {} to {rest}", slot.name, step.from));
        context.console.say(&step.consequences(&loss));
    }
    Ok(Exit::Ok)
}

/// Moves the position to where the slot is going. Blocks.
fn along(config: &Config, from: &Position, to: Lsn, audit: Audit) -> Result<(), Failure> {
    let moved = decided::follow(config, KAFKA_PATIENCE, |stored| {
        if stored != Some(from) {
            return Err(Failure::new(
                Exit::Failure,
                "Kafka holds another position than a moment ago",
                "a connector was at work meanwhile. Nothing was done",
                "ask again",
            ));
        }
        let partial = from.partial.clone().filter(|partial| partial.commit_lsn >= to);
        Ok(Some(Position { end_lsn: to, partial, ..from.clone() }.noting(audit)))
    });
    moved.map(drop)
}

/// Where to, if that is a place the slot can go to.
fn plan(
    slot: &SlotFacts,
    target: Target,
    stored: Result<Option<Position>, Failure>,
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
        Target::Stored => {
            let position = stored.clone()?.ok_or_else(|| {
                Failure::new(Exit::NotFound, "Kafka holds no position", "", "walpost offsets show has more")
            })?;
            position.end_lsn
        }
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
    Ok(Move { from, to, stored })
}

impl Move {
    /// The position that Kafka holds.
    fn known(&self) -> Option<Position> {
        self.stored.clone().ok().flatten().filter(|stored| !stored.creating)
    }

    /// Refuses a loss that could not be written down.
    fn noted(&self, loss: &Loss) -> Result<(), Failure> {
        self.stored.clone()?;
        if self.known().is_some() {
            return Ok(());
        }
        Err(Failure::new(
            Exit::PositionMissing,
            "Kafka holds no position: which of the events that the slot would pass are published is not known",
            format!("{}. Nothing was done", loss.text()),
            "walpost repair finds out by the topics; walpost offsets set begins where you say",
        ))
    }

    fn consequences(&self, loss: &Loss) -> String {
        let Move { from, to, stored } = self;
        let skipped = format!("{} of WAL, from {from} to {to}, are never sent", bytes_between(*from, *to));
        let stored = stored.as_ref().map(|stored| stored.as_ref().map(|position| position.end_lsn));
        match stored {
            Ok(Some(stored)) if stored >= *to => {
                format!(
                    "{skipped}. Kafka holds position {stored}: everything up to there is published, so nothing is lost"
                )
            }
            Ok(Some(stored)) if loss.is_none() => format!(
                "{skipped}. Kafka holds position {stored}, and between the two the slot has no event, so nothing is lost. \
                 The position goes along, and the next walpost run goes on at {to}"
            ),
            Ok(Some(_)) => format!(
                "{skipped}. {}, and will not be. The position in Kafka goes along and says so; the next walpost run goes \
                 on at {to}",
                loss.text()
            ),
            Ok(None) => format!(
                "{skipped}. Kafka holds no position: the next walpost run stops with exit code 27, or begins at {to} with \
                 --adopt slot"
            ),
            Err(failure) => format!(
                "{skipped}; the slot has no event there. The position in Kafka could not be read ({}): unless it is at or \
                 past {to}, the next walpost run stops with exit code 20",
                failure.what
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

    fn position(end: u64) -> Position {
        Position::first(&Position::creating(7, 1, "run"), Lsn::new(end))
    }

    fn step(target: Target, stored: Result<Option<u64>, Failure>) -> Move {
        plan(&slot(1024), target, stored.map(|stored| stored.map(position)), Lsn::new(8192)).unwrap()
    }

    fn gone() -> Failure {
        Failure::new(Exit::Kafka, "Kafka is gone", "", "")
    }

    fn some() -> Loss {
        Loss::untold(Lsn::new(4096), &gone())
    }

    #[test]
    fn up_to_the_stored_position_nothing_is_lost() {
        let text = step(Target::Stored, Ok(Some(4096))).consequences(&Loss::default());
        assert!(text.contains("3.0 KiB") && text.contains("nothing is lost"), "{text}");
    }

    #[test]
    fn beyond_the_stored_position_the_loss_is_told_and_where_the_next_start_goes_on() {
        let beyond = step(Target::Current, Ok(Some(4096)));
        let text = beyond.consequences(&some());
        assert!(text.contains("0/1000..") && text.contains("goes on at 0/2000"), "{text}");
        let text = beyond.consequences(&Loss::default());
        assert!(text.contains("nothing is lost") && text.contains("goes on at 0/2000"), "{text}");
        let text = step(Target::Current, Ok(None)).consequences(&Loss::default());
        assert!(text.contains("exit code 27"), "{text}");
        let text = step(Target::At(Lsn::new(2048)), Err(gone())).consequences(&Loss::default());
        assert!(text.contains("Kafka is gone") && text.contains("exit code 20"), "{text}");
    }

    #[test]
    fn a_loss_that_could_not_be_noted_down_is_refused() {
        assert_eq!(step(Target::Current, Ok(Some(4096))).noted(&some()), Ok(()));
        let refused = |stored| step(Target::Current, stored).noted(&some()).unwrap_err();
        assert_eq!(refused(Err(gone())).exit, Exit::Kafka);
        let without = refused(Ok(None));
        assert!(
            without.exit == Exit::PositionMissing && without.hint.contains("walpost repair"),
            "{without}"
        );
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
