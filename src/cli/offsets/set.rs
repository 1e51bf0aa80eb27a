//! `walpost offsets set`: moves the stored position forward over what is not published.

use super::{ask, stored_position};
use crate::cli::context::{Context, KAFKA_PATIENCE, connect};
use crate::cli::loss::Loss;
use crate::cli::slot::{require_confirmation, require_idle, take_lead};
use crate::config::Config;
use crate::encode::Outgoing;
use crate::error::{Exit, Failure, blocking};
use crate::lsn::{Lsn, LsnRange, ParseLsnError};
use crate::pipeline::decided::{self, Stored, readable};
use crate::pipeline::facts::Facts;
use crate::pipeline::standing::Standing;
use crate::position::Position;
use crate::publish::publisher::Last;
use serde_json::json;
use std::str::FromStr;

const EXAMPLES: &str = "\
Examples:
  walpost offsets set --config connector.json --to slot         say what it means, do nothing
  walpost offsets set -c connector.json --to slot --confirm walpost --accept-loss 0/1A0..0/2B0
  walpost offsets set --config connector.json --to 16/B374D848 --confirm walpost
";

/// Who the position says it was written by.
const WRITTEN_BY: &str = "walpost offsets set";

/// Set the position that Kafka holds: the next start goes on there, and events before it are taken to be published
///
/// Forward only: further back, events would be published a second time. It does not go past an event that is not published
/// unless the range is named, and the position says so from then on. Where the slot is ahead (exit code 20), walpost repair
/// publishes what is missing; this gives it up. Refuses while a connector runs.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Where to: an LSN, `slot` (where the slot stands) or `current` (the end of the WAL)
    #[arg(long, value_name = "LSN|slot|current")]
    to: Target,
    /// The slot's name, to show that it is meant
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Give up the events of this range, which the refusal names; the position says so from then on
    #[arg(long, value_name = "LSN..LSN")]
    accept_loss: Option<LsnRange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    At(Lsn),
    Slot,
    Current,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        match text {
            "slot" => Ok(Target::Slot),
            "current" => Ok(Target::Current),
            _ => text
                .parse()
                .map(Target::At)
                .map_err(|error: ParseLsnError| format!("{error}; or write slot or current")),
        }
    }
}

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let slot = &config.source.slot;
    let (before, position, loss) = context.wait(async {
        // Held to the end: a connector that starts meanwhile stands by.
        let session = connect(config).await?;
        take_lead(&session, config).await?;
        let facts = ask(config).await?;
        facts.slot.as_ref().map_or(Ok(()), require_idle)?;
        let asked = config.clone();
        let stored = readable(blocking(move || stored_position(&asked)).await)?;
        let standing = standing(&stored, &facts, config)?;
        let to = target(args.to, &standing, &facts)?;
        let loss = loss(config, &standing, to).await?;
        loss.require_accepted(&format!("the position of slot {slot:?}"), args.accept_loss, slot)?;
        let meaning = meaning(&standing, to, &loss);
        require_confirmation("the position of slot", slot, args.confirm.as_deref(), &meaning)?;
        let asked = config.clone();
        let audit = loss.audit(WRITTEN_BY, standing.stored().map_or(to, |stored| stored.end_lsn), Some(to));
        let next = standing.next(to, &facts.server, facts.fingerprint(), audit);
        blocking(move || write(&asked, &stored, &next)).await.map(|next| (standing, next, loss))
    })?;
    let before = before.stored().map(|stored| stored.end_lsn);
    if context.console.is_json() {
        context
            .console
            .json("set", &json!({ "slot": slot, "from": before, "position": position, "lost": loss.json() }));
        return Ok(Exit::Ok);
    }
    context.console.print(&format!("set the position of slot {slot:?} to {}", position.end_lsn));
    context.console.say(&format!("{}; next: walpost run", loss.text()));
    Ok(Exit::Ok)
}

fn standing(stored: &Stored, facts: &Facts, config: &Config) -> Result<Standing, Failure> {
    let decision = facts.decide(config, stored.as_ref().ok().and_then(Option::as_ref));
    Standing::of(decision, stored, facts.slot.as_ref())
}

/// Where to, if a start could go on there.
fn target(target: Target, standing: &Standing, facts: &Facts) -> Result<Lsn, Failure> {
    let confirmed = facts.slot.as_ref().and_then(|slot| slot.confirmed_flush_lsn);
    let (Some(confirmed), false) = (confirmed, matches!(standing, Standing::Gone { .. })) else {
        return Err(Failure::new(
            Exit::SlotMissing,
            "there is no slot from which a start could go on",
            "a position alone is of no use. Nothing was done",
            "walpost repair makes a slot, and publishes from the outbox what it will not send",
        ));
    };
    let end = facts.server.flush_lsn;
    let to = match target {
        Target::At(lsn) => lsn,
        Target::Slot => confirmed,
        Target::Current => end,
    };
    let usage = |what: String, detail: &str, hint: &str| {
        Err(Failure::new(Exit::Usage, what, format!("{detail}. Nothing was done"), hint))
    };
    if to > end {
        let detail = "what is committed up to there later would be skipped too";
        return usage(
            format!("{to} is beyond the end of the WAL, {end}"),
            detail,
            "--to current goes as far as there is WAL",
        );
    }
    match standing.stored() {
        Some(stored) if to < stored.end_lsn => usage(
            format!("Kafka holds position {}, which is past {to}", stored.end_lsn),
            "events between the two would be published a second time",
            "a position only moves forward. walpost verify tells whether something is missing, walpost repair publishes it",
        ),
        Some(stored) if to == stored.end_lsn && standing.is_fine() => usage(
            format!("the position is {to} already"),
            "the next walpost run goes on there",
            "walpost offsets show has more",
        ),
        _ if to < confirmed => usage(
            format!("slot stands at {confirmed}, which is past {to}"),
            "it does not send any more what lies between",
            "--to slot goes to where it stands",
        ),
        _ => Ok(to),
    }
}

/// What is passed over on the way.
async fn loss(config: &Config, standing: &Standing, to: Lsn) -> Result<Loss, Failure> {
    let loss = Loss::passed(config, standing.stored(), to).await?;
    Ok(match standing {
        Standing::Ahead { stored, confirmed } => loss.after_gap(stored.end_lsn, *confirmed),
        _ => loss,
    })
}

fn meaning(standing: &Standing, to: Lsn, loss: &Loss) -> String {
    let before = match standing.stored() {
        Some(stored) => format!("from {}", stored.end_lsn),
        None => "where there is none; what was published before is not known".to_owned(),
    };
    format!("the position goes to {to}, {before}: {}. The next walpost run goes on there", loss.text())
}

/// Writes it, if Kafka still holds what was decided on. Blocks.
fn write(
    config: &Config,
    decided_on: &Stored,
    (next, is_new): &(Position, bool),
) -> Result<Position, Failure> {
    let mut fenced = decided::take_over(config, KAFKA_PATIENCE)?;
    if fenced.stored.as_ref().ok() != decided_on.as_ref().ok() {
        return Err(Failure::new(
            Exit::Failure,
            "Kafka holds another position than a moment ago",
            "a connector was at work, or had a transaction open when it stopped. Nothing was done",
            "ask again",
        ));
    }
    let last = if *is_new { Last::Anew(next) } else { Last::Position(next) };
    fenced.publish(&Outgoing::default(), last)?;
    Ok(next.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::startup::Publication;
    use crate::postgres::facts::SystemIdentity;
    use crate::postgres::slot::SlotFacts;

    fn facts(confirmed: Option<u64>) -> Facts {
        let slot = confirmed
            .map(|lsn| SlotFacts { confirmed_flush_lsn: Some(Lsn::new(lsn)), ..SlotFacts::default() });
        let (flush_lsn, database) = (Lsn::new(1000), "d".into());
        let server = SystemIdentity { system_id: 7, timeline: 1, flush_lsn, database };
        Facts { slot, server, history: Vec::new(), publication: Publication::Missing }
    }

    fn position(end: u64) -> Position {
        Position::first(&Position::creating(7, 1, "run"), Lsn::new(end))
    }

    #[test]
    fn a_position_goes_forward_to_where_the_slot_still_sends() {
        let fine = Standing::Fine(position(500));
        let ahead = Standing::Ahead { stored: position(500), confirmed: Lsn::new(600) };
        let unknown = Standing::Unknown { confirmed: Lsn::new(600), is_broken: false };
        let at = |lsn| Target::At(Lsn::new(lsn));
        for (to, standing, confirmed, ends) in [
            (at(501), &fine, 400, Ok(501)),
            (Target::Current, &fine, 400, Ok(1000)),
            (at(499), &fine, 400, Err("a second time")),
            (at(500), &fine, 400, Err("already")),
            (Target::Slot, &fine, 400, Err("a second time")),
            (at(1001), &fine, 400, Err("beyond the end")),
            (Target::Slot, &ahead, 600, Ok(600)),
            (at(599), &ahead, 600, Err("does not send")),
            (Target::Slot, &unknown, 600, Ok(600)),
            (at(599), &unknown, 600, Err("does not send")),
        ] {
            match (target(to, standing, &facts(Some(confirmed))), ends) {
                (Ok(lsn), Ok(expected)) => assert_eq!(lsn, Lsn::new(expected), "{to:?}"),
                (Err(failure), Err(says)) => {
                    assert!(failure.exit == Exit::Usage && failure.to_string().contains(says), "{failure}");
                }
                (found, expected) => panic!("{to:?}: {found:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn without_a_slot_a_position_is_of_no_use() {
        let gone = Standing::Gone { stored: position(500), is_lost: false };
        for (standing, confirmed) in [(&gone, Some(600)), (&Standing::Fine(position(500)), None)] {
            let failure = target(Target::Current, standing, &facts(confirmed)).unwrap_err();
            assert!(
                failure.exit == Exit::SlotMissing && failure.hint.contains("walpost repair"),
                "{failure}"
            );
        }
    }

    #[test]
    fn what_is_meant_is_told_with_both_ends() {
        let fine = Standing::Fine(position(0x500));
        let told = meaning(&fine, Lsn::new(0x600), &Loss::default());
        assert!(told.contains("to 0/600, from 0/500: every event"), "{told}");
        let unknown = Standing::Unknown { confirmed: Lsn::new(0x500), is_broken: false };
        assert!(meaning(&unknown, Lsn::new(0x500), &Loss::default()).contains("is not known"));
    }

    #[test]
    fn targets_are_read_as_they_are_written() {
        assert_eq!("16/B374D848".parse(), Ok(Target::At(Lsn::new(0x16_b374_d848))));
        assert_eq!("slot".parse(), Ok(Target::Slot));
        assert!("stored".parse::<Target>().unwrap_err().contains("16/B374D848"));
    }
}
