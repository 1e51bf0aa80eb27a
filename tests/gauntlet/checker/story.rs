//! The one order in which everything must have happened, and where each event of it was found.
//!
//! The witness gives the commits their order, the truth table the events within each: together they number all events
//! from 0 on. A position stands for the first so many of them; a Kafka transaction for those between two positions.

use super::dump::{Commit, Delivered, Dump, Truth};
use super::log::Decision;
use std::collections::HashMap;
use walpost::position::Position;

pub struct Story<'a> {
    pub dump: &'a Dump,
    /// All events in the order of commit; their index is their number.
    pub truth: Vec<&'a Truth>,
    /// Of each commit: the number of its first event; then the number of all events.
    starts: Vec<usize>,
    /// Rows of truth of which the witness has seen no commit.
    pub unwitnessed: Vec<&'a Truth>,
    number_of: HashMap<u128, u32>,
    /// Of each event: where it was found first.
    found: Vec<Option<Place>>,
    /// Every event that was delivered again, or that nobody has committed.
    pub twice: Vec<&'a Delivered>,
    pub phantoms: Vec<&'a Delivered>,
    /// The decisions to which the positions belong, one for one.
    pub chain: Vec<Linked<'a>>,
    /// Of each partition of the dump: the decision of its first, second, … committed transaction.
    pub decided: Vec<Vec<usize>>,
}

#[derive(Clone, Copy)]
struct Place {
    partition: u32,
    index: u32,
}

/// A decision to commit, and the position record in it.
pub struct Linked<'a> {
    pub at_ms: i64,
    pub position: &'a Position,
    /// Which of the dump's decisions it is.
    pub decision: usize,
    /// How many events the position stands for.
    pub reaches: usize,
    /// How many whole commits.
    pub commits: usize,
}

impl<'a> Story<'a> {
    pub fn new(dump: &'a Dump) -> Story<'a> {
        let commit_of: HashMap<u32, u32> =
            dump.commits.iter().enumerate().map(|(index, commit)| (commit.xid, index as u32)).collect();
        let (mut truth, mut unwitnessed) = (Vec::with_capacity(dump.truth.len()), Vec::new());
        for row in &dump.truth {
            match commit_of.get(&row.xid) {
                Some(commit) => truth.push((*commit, row)),
                None => unwitnessed.push(row),
            }
        }
        truth.sort_by_key(|(commit, row)| (*commit, row.ordinal));
        let starts =
            (0..=dump.commits.len() as u32).map(|index| truth.partition_point(|(commit, _)| *commit < index));
        let starts = starts.collect();
        let truth: Vec<_> = truth.into_iter().map(|(_, row)| row).collect();
        let number_of = truth.iter().enumerate().map(|(number, row)| (row.id, number as u32)).collect();
        let found = vec![None; truth.len()];
        let (twice, phantoms) = (Vec::new(), Vec::new());
        let (chain, decided) = (Vec::new(), Vec::new());
        let mut story =
            Story { dump, truth, starts, unwitnessed, number_of, found, twice, phantoms, chain, decided };
        story.find();
        story.link();
        story
    }

    fn find(&mut self) {
        for (partition, content) in self.dump.partitions.iter().enumerate() {
            for (index, event) in content.events.iter().enumerate() {
                let Some(number) = self.number(event) else {
                    self.phantoms.push(event);
                    continue;
                };
                let found = &mut self.found[number];
                if found.is_some() {
                    self.twice.push(event);
                } else {
                    *found = Some(Place { partition: partition as u32, index: index as u32 });
                }
            }
        }
    }

    fn link(&mut self) {
        let of_position = |decision: &Decision| {
            decision.partitions.iter().any(|(topic, _)| *topic == self.dump.position_log.topic)
        };
        let decisions = self.dump.decisions.iter().enumerate().filter(|(_, decision)| of_position(decision));
        let linked = decisions.zip(&self.dump.positions).map(|((index, decision), (_, position))| {
            let commits = self.dump.commits.partition_point(|commit| commit.end_lsn <= position.end_lsn);
            let done = position.partial.as_ref().map_or(0, |partial| partial.ordinal as usize);
            let reaches = self.starts[commits] + done;
            Linked { at_ms: decision.at_ms, position, decision: index, reaches, commits }
        });
        self.chain = linked.collect();
        let touches = |decision: &Decision, topic: &str, number: i32| {
            decision.partitions.iter().any(|(other, at)| other == topic && *at == number)
        };
        let decided = self.dump.partitions.iter().map(|partition| {
            let decisions = self.dump.decisions.iter().enumerate();
            let ours =
                decisions.filter(|(_, decision)| touches(decision, &partition.of.topic, partition.of.number));
            ours.map(|(index, _)| index).collect()
        });
        self.decided = decided.collect();
    }

    /// The event's number, if anybody has committed it.
    pub fn number(&self, event: &Delivered) -> Option<usize> {
        self.number_of.get(&event.id).map(|number| *number as usize)
    }

    /// The commit that an event belongs to.
    pub fn commit_of(&self, number: usize) -> &'a Commit {
        &self.dump.commits[self.starts.partition_point(|start| *start <= number) - 1]
    }

    /// How many events there are up to and including each commit.
    pub fn reached_by(&self) -> impl Iterator<Item = (&'a Commit, usize)> {
        self.dump.commits.iter().zip(self.starts[1..].iter().copied())
    }

    /// Where the event was found first: (partition of the dump, the event as delivered).
    pub fn place(&self, number: usize) -> Option<(usize, &'a Delivered)> {
        let place = self.found[number]?;
        let events = &self.dump.partitions[place.partition as usize].events;
        Some((place.partition as usize, &events[place.index as usize]))
    }

    /// The events that a partition was the first to deliver, in its order, with their numbers.
    pub fn delivered_in(&self, partition: usize) -> impl Iterator<Item = (usize, &'a Delivered)> {
        let events = self.dump.partitions[partition].events.iter().enumerate();
        events.filter_map(move |(index, event)| {
            let number = self.number(event)?;
            let first = self.found[number]?;
            let is_first = (first.partition as usize, first.index as usize) == (partition, index);
            is_first.then_some((number, event))
        })
    }
}
