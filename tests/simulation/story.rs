//! What a seed decides, and what came of it: the dice, the log of one story, and the counts over all of them.

use std::collections::BTreeMap;

/// Dice that fall the same way for the same seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    fn next(&mut self) -> u64 {
        // SplitMix64: neighbouring seeds have nothing in common.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `below` - 1.
    pub fn below(&mut self, below: u64) -> u64 {
        self.next() % below.max(1)
    }

    /// From `low` to `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `hundredths` of a hundred cases.
    pub fn percent(&mut self, hundredths: u64) -> bool {
        self.below(100) < hundredths
    }

    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// How often each thing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    pub fn add(&mut self, what: &str, times: u64) {
        match self.0.get_mut(what) {
            Some(count) => *count += times,
            None => drop(self.0.insert(what.to_owned(), times)),
        }
    }

    pub fn merge(&mut self, other: &Counts) {
        for (what, times) in &other.0 {
            self.add(what, *times);
        }
    }

    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    pub fn lines(&self) -> String {
        self.0.iter().map(|(what, times)| format!("{times:>9}  {what}\n")).collect()
    }
}

/// Who hears a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nobody: it is only counted.
    Silently,
    /// Whoever reads the lines afterwards.
    Kept,
    /// Whoever looks on.
    Aloud,
}

/// The log of one story.
#[derive(Debug)]
pub struct Story {
    pub told: Told,
    pub lines: Vec<String>,
    pub counts: Counts,
}

impl Story {
    /// Counts `what`, and tells it with its details.
    pub fn tell(&mut self, what: &str, details: impl FnOnce() -> String) {
        self.counts.add(what, 1);
        self.say(|| format!("{what}: {}", details()));
    }

    /// Tells, without counting.
    pub fn say(&mut self, line: impl FnOnce() -> String) {
        match self.told {
            Told::Silently => {}
            Told::Kept => self.lines.push(line()),
            Told::Aloud => println!("{}", line()),
        }
    }
}
