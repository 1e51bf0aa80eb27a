//! `walpost offsets forget`: gives up the position, and with it the knowledge of what is published.

use super::stored_position;
use crate::cli::console::bytes;
use crate::cli::context::{Context, KAFKA_PATIENCE, connect};
use crate::cli::slot::{require_confirmation, require_idle, take_lead};
use crate::config::Config;
use crate::error::{Exit, Failure, blocking};
use crate::lsn::Lsn;
use crate::pipeline::decided;
use crate::position::Position;
use crate::postgres::slot::{self, SlotFacts};
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  walpost offsets forget --config connector.json                     say what is at risk, do nothing
  walpost offsets forget --config connector.json --confirm walpost
";

/// Forget the position that Kafka holds: what is published is then known nowhere, and the next start is a first one
///
/// For a slot that is lost or begins anew; compare the outbox with its topics before. Writes a tombstone under the
/// connector's transactional id, and refuses while a connector runs.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The slot's name, to show that it is meant
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

/// A position, or why what is there is none.
type Stored = Result<Position, String>;

pub(super) fn run(args: &Args, context: &Context<'_>, config: &Config) -> Result<Exit, Failure> {
    let name = &config.source.slot;
    let (stored, risk) = context.wait(async {
        // Held to the end: a connector that starts meanwhile stands by.
        let session = connect(config).await?;
        take_lead(&session, config).await?;
        let slot = slot::find(&session, name)
            .await
            .map_err(|error| Failure::from_postgres(&error, "looking for the slot"))?;
        // Somebody whose lock is not seen: it was lost, or is another program's.
        slot.as_ref().map_or(Ok(()), require_idle)?;
        let asked = config.clone();
        let stored = known(blocking(move || stored_position(&asked)).await, config)?;
        let risk = risk(&stored, slot.as_ref());
        require_confirmation("the position of slot", name, args.confirm.as_deref(), &risk)?;
        let asked = config.clone();
        blocking(move || decided::forget(&asked, KAFKA_PATIENCE)).await?;
        Ok((stored, risk))
    })?;
    let topic = &config.publish.position_topic;
    if context.console.is_json() {
        let position = stored.ok();
        context
            .console
            .json("forgotten", &json!({ "slot": name, "position_topic": topic, "position": position }));
    } else {
        context.console.print(&format!("forgot the position of slot {name:?} in topic {topic}"));
        context.console.say(&format!("gone with it: {risk}"));
    }
    Ok(Exit::Ok)
}

/// What there is to forget. Positions that contradict one another are, too: that is a way out of it.
fn known(stored: Result<Option<Position>, Failure>, config: &Config) -> Result<Stored, Failure> {
    match stored {
        Ok(Some(position)) => Ok(Ok(position)),
        Ok(None) => Err(super::no_position(config)),
        Err(failure) if failure.exit == Exit::PositionMissing => Ok(Err(failure.what)),
        Err(failure) => Err(failure),
    }
}

/// What is known only from the position, and what the next start does without it.
fn risk(stored: &Stored, slot: Option<&SlotFacts>) -> String {
    let known = match stored {
        Ok(position) if position.creating => {
            "the mark of a first start that did not come to its end; nothing is published yet".to_owned()
        }
        Ok(position) => format!(
            "position {}, up to which {} events of {} transactions are published",
            position.end_lsn, position.events, position.transactions
        ),
        Err(why) => why.clone(),
    };
    format!("{known}. {}", next(stored.as_ref().ok(), slot))
}

fn next(stored: Option<&Position>, slot: Option<&SlotFacts>) -> String {
    let stored = stored.filter(|position| !position.creating);
    let Some(slot) = slot else {
        let since = stored.map(|position| format!("after {} and ", position.end_lsn)).unwrap_or_default();
        return format!(
            "There is no slot: walpost slot create or the next walpost run makes one and begins there; events committed \
             {since}before that are not published by it"
        );
    };
    let Some(confirmed) = slot.confirmed_flush_lsn else {
        return "The slot is invalidated: no start goes on from it; walpost slot drop makes room for another"
            .to_owned();
    };
    let consequence = match stored {
        Some(position) => between(position, confirmed),
        None => "what of the events before that is published is not known".to_owned(),
    };
    format!(
        "The slot stays, at {confirmed}: the next walpost run stops with exit code {}, or begins there with --adopt slot: \
         {consequence}",
        Exit::PositionMissing as u8
    )
}

/// What a start at `confirmed` makes of the events around the position.
fn between(position: &Position, confirmed: Lsn) -> String {
    let (stored, part) = (position.end_lsn, position.partial.as_ref());
    if confirmed > stored {
        let skipped = confirmed.bytes_since(stored);
        return format!(
            "events committed between {stored} and {confirmed} ({} of WAL) and not in Kafka are lost",
            bytes(i64::try_from(skipped).unwrap_or(i64::MAX))
        );
    }
    match part {
        Some(part) => format!(
            "events committed between {confirmed} and {stored}, and those among the first {} changes of transaction {}, are \
             published a second time",
            part.ordinal, part.xid
        ),
        None if confirmed < stored => {
            format!("events committed between {confirmed} and {stored} are published a second time")
        }
        None => "no event is lost by that, and none published a second time".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Partial;

    fn position(end: u64) -> Position {
        let mark = Position::creating(7, 1, "run");
        Position { events: 9, transactions: 4, ..Position::first(&mark, Lsn::new(end)) }
    }

    fn slot(confirmed: Option<u64>) -> SlotFacts {
        SlotFacts { confirmed_flush_lsn: confirmed.map(Lsn::new), ..SlotFacts::default() }
    }

    #[test]
    fn what_a_start_from_the_slot_loses_or_doubles_is_told() {
        for (confirmed, says) in [
            (2048, "no event is lost by that, and none published a second time"),
            (1024, "committed between 0/400 and 0/800 are published a second time"),
            (4096, "between 0/800 and 0/1000 (2.0 KiB of WAL) and not in Kafka are lost"),
        ] {
            let told = risk(&Ok(position(2048)), Some(&slot(Some(confirmed))));
            assert!(told.contains("0/800, up to which 9 events of 4 transactions"), "{told}");
            assert!(told.contains(says) && told.contains("exit code 27"), "{told}");
        }
    }

    #[test]
    fn a_transaction_that_is_published_in_part_is_published_again() {
        let partial =
            Partial { commit_lsn: Lsn::new(3000), xid: 77, ordinal: 20_000, change_hash: "00".into() };
        let told = risk(&Ok(Position { partial: Some(partial), ..position(2048) }), Some(&slot(Some(2048))));
        assert!(
            told.contains("first 20000 changes of transaction 77") && told.contains("second time"),
            "{told}"
        );
    }

    #[test]
    fn without_a_slot_the_next_start_begins_with_a_new_one() {
        let told = risk(&Ok(position(2048)), None);
        assert!(told.contains("after 0/800 and before that are not published"), "{told}");
        let told = risk(&Ok(position(2048)), Some(&slot(None)));
        assert!(told.contains("walpost slot drop"), "{told}");
    }

    #[test]
    fn a_mark_and_a_broken_chain_tell_of_no_position() {
        let told = risk(&Ok(Position::creating(7, 1, "run")), Some(&slot(Some(1024))));
        assert!(told.contains("nothing is published yet") && !told.contains("0/0"), "{told}");
        let told = risk(&Err("they contradict".into()), Some(&slot(Some(1024))));
        assert!(told.contains("they contradict. The slot stays") && told.contains("not known"), "{told}");
    }

    #[test]
    fn only_a_position_or_a_broken_chain_can_be_forgotten() {
        let config = crate::config::testing::config();
        let failure = |exit| Failure::new(exit, "why", "", "");
        assert_eq!(known(Ok(Some(position(1))), &config), Ok(Ok(position(1))));
        assert_eq!(known(Err(failure(Exit::PositionMissing)), &config), Ok(Err("why".into())));
        assert_eq!(known(Ok(None), &config).unwrap_err().exit, Exit::NotFound);
        assert_eq!(known(Err(failure(Exit::Kafka)), &config).unwrap_err().exit, Exit::Kafka);
    }
}
