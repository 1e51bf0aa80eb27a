//! The same seeds under each broken build: every one of them is found out.

use crate::story::Told;
use crate::tell;
use walpost::mutant::{self, Mutant};

/// A broken build that is not found out by so many seeds would not be.
const SEEDS: u64 = 10_000;

#[test]
fn each_broken_build_is_found_out() {
    let mut alive = Vec::new();
    for mutant in Mutant::ALL {
        mutant::choose(Some(mutant));
        let killed = (1..=SEEDS).find_map(|seed| Some(seed).zip(tell(seed, Told::Silently).violation));
        mutant::choose(None);
        match killed {
            Some((seed, what)) => println!("{} killed by seed {seed}: {what}", mutant.name()),
            None => alive.push(mutant),
        }
    }
    assert!(alive.is_empty(), "not found out by {SEEDS} seeds: {alive:?}");
}
