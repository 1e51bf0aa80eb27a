//! Every state there is, breadth first, each once; so that the way to a broken promise is a shortest one.
//!
//! A state is known by a fingerprint of 64 bits (two of 10⁷ states share one in 1 of 400,000 explorations). Besides what
//! must hold at every moment, it is asked of every state whether everything can still be published from there without
//! one more fault.

use crate::happened::Tally;
use crate::world::{Model, Move, World, Wrong};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::time::{Duration, Instant};

/// What an exploration has found.
pub struct Found {
    pub states: usize,
    /// Steps from one to another, those to known states included.
    pub steps: u64,
    /// Steps to the farthest state.
    pub depth: usize,
    /// States in which everything is published.
    pub done: usize,
    pub tally: Tally,
    pub took: Duration,
    /// The shortest way to a broken promise.
    pub broken: Option<Way>,
    /// The shortest way to a state from which not everything can be published any more.
    pub stuck: Option<Way>,
}

/// A row of steps from the beginning, and what came of it.
pub struct Way {
    pub moves: Vec<Move>,
    pub last: World,
}

impl Way {
    pub fn wrong(&self) -> Option<Wrong> {
        self.last.wrong
    }
}

/// Explores until there is nothing new or a promise is broken. `most` states are too many.
pub fn explore(model: &Model, most: usize) -> Found {
    let began = Instant::now();
    let mut search = Search::default();
    let mut tally = Tally::default();
    let (mut steps, mut depth, mut broken) = (0, 0, None);
    let first = model.first();
    search.meet(model, &first, 0);
    let mut layer = vec![first];
    let mut moves = Vec::new();
    'layers: while !layer.is_empty() {
        let mut next = Vec::new();
        for world in layer {
            let number = search.calm_from.len() as u32;
            search.calm_from.push(search.calm_to.len() as u64);
            moves.clear();
            model.moves(&world, &mut moves);
            for step in &moves {
                let (after, happened) = model.make(&world, *step);
                tally.add(happened);
                steps += 1;
                let (reached, is_new) = search.meet(model, &after, number);
                if !step.is_fault() {
                    search.calm_to.push(reached);
                }
                if after.wrong.is_some() {
                    broken = Some(reached);
                    break 'layers;
                }
                if is_new {
                    next.push(after);
                }
            }
            assert!(search.parents.len() <= most, "more than {most} states");
        }
        depth += usize::from(!next.is_empty());
        layer = next;
    }
    let stuck = if broken.is_none() { search.stuck() } else { None };
    Found {
        states: search.parents.len(),
        steps,
        depth,
        done: search.done.iter().filter(|done| **done).count(),
        tally,
        took: began.elapsed(),
        broken: broken.map(|reached| search.way(model, reached)),
        stuck: stuck.map(|reached| search.way(model, reached)),
    }
}

/// The states met, by number.
#[derive(Default)]
struct Search {
    numbers: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    parents: Vec<u32>,
    done: Vec<bool>,
    /// Where in `calm_to` the steps without a fault begin of each state that was looked at.
    calm_from: Vec<u64>,
    calm_to: Vec<u32>,
}

impl Search {
    /// The state's number, and whether it is new.
    fn meet(&mut self, model: &Model, world: &World, parent: u32) -> (u32, bool) {
        let number = self.parents.len() as u32;
        let known = *self.numbers.entry(fingerprint(world)).or_insert(number);
        if known == number {
            self.parents.push(parent);
            self.done.push(model.is_done(world));
        }
        (known, known == number)
    }

    /// The first state from which no row of steps without faults leads to the end.
    fn stuck(&self) -> Option<u32> {
        let mut may_end = self.done.clone();
        let mut is_changing = true;
        while is_changing {
            is_changing = false;
            for number in (0..may_end.len()).rev().filter(|number| !self.done[*number]) {
                if !may_end[number] && self.calm(number).iter().any(|to| may_end[*to as usize]) {
                    (may_end[number], is_changing) = (true, true);
                }
            }
        }
        may_end.iter().position(|may| !may).map(|number| number as u32)
    }

    fn calm(&self, number: usize) -> &[u32] {
        let end = self.calm_from.get(number + 1).map_or(self.calm_to.len(), |end| *end as usize);
        &self.calm_to[self.calm_from[number] as usize..end]
    }

    /// How a state was reached: the steps are taken once more.
    fn way(&self, model: &Model, reached: u32) -> Way {
        let mut numbers = vec![reached];
        while let Some(number) = numbers.last().copied().filter(|number| *number != 0) {
            numbers.push(self.parents[number as usize]);
        }
        let mut way = Way { moves: Vec::new(), last: model.first() };
        for number in numbers.into_iter().rev().skip(1) {
            let mut moves = Vec::new();
            model.moves(&way.last, &mut moves);
            let steps = moves.into_iter().map(|step| (step, model.make(&way.last, step).0));
            let mut leading =
                steps.filter(|(_, after)| self.numbers.get(&fingerprint(after)) == Some(&number));
            let (step, after) = leading.next().expect("a step that was taken before");
            drop(leading);
            way.moves.push(step);
            way.last = after;
        }
        way
    }
}

fn fingerprint(world: &World) -> u64 {
    let mut folding = Folding(0x243f_6a88_85a3_08d3);
    world.hash(&mut folding);
    folding.finish()
}

/// Folds every word into the last product, as wyhash does: quick, and good enough without an adversary.
struct Folding(u64);

impl Folding {
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0xa409_3822_299f_31d0) * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (product as u64 ^ (product >> 64) as u64).wrapping_add(0x1319_8a2e_0370_7344);
    }
}

impl Hasher for Folding {
    fn finish(&self) -> u64 {
        let mut mixed = Folding(self.0);
        mixed.fold(0x4528_21e6_38d0_1377);
        mixed.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.fold(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.fold(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.fold(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.fold(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.fold(value as u64);
    }
}

/// A fingerprint needs no hashing.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("fingerprints are words")
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}
