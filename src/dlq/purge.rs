//! Giving letters up, and taking away what is dealt with.
//!
//! A letter that is given up gets a mark, in a Kafka transaction under the transactional id of replays: so a replay never
//! publishes it, and a connector that parks knows. Records are taken away (DeleteRecords) from the beginning of each
//! partition up to the first letter that is not dealt with, whoever wrote it: never a letter that waits, and no mark
//! whose letter stays.

use super::{Ended, Filter, Index, LOOK_PATIENCE, Progress, Source, WRITE_PATIENCE, index};
use crate::clock::unix_ms;
use crate::config::Config;
use crate::encode::Outgoing;
use crate::error::{Exit, Failure};
use crate::failpoint;
use crate::kafka::admin::Patience;
use crate::kafka::scan::Scan;
use crate::publish::letters::{self, Fate, Letter};
use crate::publish::publisher;
use std::sync::atomic::Ordering;

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which of the waiting letters are given up; none are without it.
    pub give_up: Option<Filter>,
    /// Nothing is written, and nothing taken away.
    pub dry: bool,
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Letters that are given up.
    pub given_up: Vec<Letter>,
    /// What is taken away of each partition.
    pub removed: Vec<Removed>,
    /// Letters of this connector that wait afterwards.
    pub waiting: usize,
}

/// The beginning of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// Partition.
    pub partition: i32,
    /// What comes before this offset.
    pub before_offset: i64,
    /// Letters in there.
    pub letters: usize,
}

/// Marks in one transaction at most.
const MOST: usize = 500;

/// Gives up and takes away, or says what would be. Blocks. When it is killed, what it had marked is given up; running it
/// again does the rest.
pub fn run(
    config: &Config,
    source: &Source,
    options: &Options,
    patience: Patience,
    progress: &Progress,
) -> Result<Report, Failure> {
    let scan = super::scan(config)?;
    purge(config, source, options, (&scan, patience), progress).map_err(|ended| match ended {
        Ended::Failed(failure) => failure,
        Ended::Again(failure) => {
            let hint = format!("{}. Then run it again: what was given up is known", failure.hint);
            Failure { hint, ..failure }
        }
    })
}

fn purge(
    config: &Config,
    source: &Source,
    options: &Options,
    (scan, patience): (&Scan, Patience),
    progress: &Progress,
) -> Result<Report, Ended> {
    let topic = &source.topic;
    let fencing = |error| Ended::of_kafka(&error, "fencing replays (init_transactions)");
    let outlet = match options.dry {
        true => None,
        false => Some(super::fence(config, patience).map_err(fencing)?),
    };
    let patient = if options.dry { LOOK_PATIENCE } else { WRITE_PATIENCE };
    let mut index = Index::read(scan, topic, patient)?;
    if index.is_missing() {
        return Err(Ended::Failed(index::missing(topic)));
    }
    if index.is_open() && !options.dry {
        return Err(Ended::Failed(Failure::new(
            Exit::Kafka,
            format!("a transaction in topic {topic} stays open"),
            "letters that come after its beginning cannot be read",
            "it ends when its connector is started again, or after transaction.timeout.ms",
        )));
    }
    let is_meant = |letter: &Letter| options.give_up.as_ref().is_some_and(|filter| filter.takes(letter));
    let waiting = || index.of(&source.slot).filter(|(_, state)| state.is_waiting()).map(|(letter, _)| letter);
    let given_up: Vec<Letter> = waiting().filter(|letter| is_meant(letter)).cloned().collect();
    let waiting = waiting().count() - given_up.len();
    progress.chosen.store(given_up.len() as u64, Ordering::Relaxed);

    if let Some(mut outlet) = outlet {
        for some in given_up.chunks(MOST) {
            let mut marks = Outgoing::default();
            for letter in some {
                let key = letter.aggregate_id.as_deref().map(str::as_bytes);
                letters::write_mark(topic, letter, key, (Fate::Purged, None), unix_ms(), &mut marks);
            }
            publisher::deliver(&mut outlet, &marks, false)?;
            progress.done.fetch_add(some.len() as u64, Ordering::Relaxed);
        }
        failpoint::hit("before_confirm");
    }
    for letter in &given_up {
        index.give_up(letter.place);
    }
    let removed: Vec<Removed> = index
        .dealt_with()
        .into_iter()
        .filter(|(partition, before, _)| index.first(*partition).is_some_and(|first| first < *before))
        .map(|(partition, before_offset, letters)| Removed { partition, before_offset, letters })
        .collect();
    if !options.dry && !removed.is_empty() {
        let offsets: Vec<(i32, i64)> =
            removed.iter().map(|removed| (removed.partition, removed.before_offset)).collect();
        let deleted = super::admin(config, patience).map_err(Ended::Failed)?.delete_records(topic, &offsets);
        deleted.map_err(|error| Ended::of_kafka(&error, "deleting records that are dealt with"))?;
    }
    Ok(Report { given_up, removed, waiting })
}
