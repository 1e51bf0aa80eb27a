//! In which order: of each key (4), and of commits and the events within them (5).

use super::Findings;
use super::content::named;
use crate::checker::story::Story;
use std::collections::BTreeMap;

pub(super) fn judge(story: &Story<'_>, findings: &mut Findings) {
    keys(story, findings);
    commits(story, findings);
}

/// An aggregate keeps to one partition, and there its versions follow one another. (A version that is nowhere is lost:
/// property 1. Dead letters have an order among each other only: property 5.)
fn keys(story: &Story<'_>, findings: &mut Findings) {
    let mut last: BTreeMap<u32, (usize, u64)> = BTreeMap::new();
    for partition in 0..story.dump.partitions.len() {
        for (number, event) in story.delivered_in(partition) {
            let row = story.truth[number];
            if row.bad.is_some() {
                continue;
            }
            findings.looked_at(4, 1);
            let (home, version) = last.entry(row.aggregate).or_insert((partition, 0));
            if *home != partition {
                let [home, here] = [*home, partition].map(|at| story.dump.partitions[at].of.name());
                findings.violated(4, format!("aggregate {} is in {home} and in {here}", row.aggregate));
            } else if row.version <= *version {
                let what = format!("comes after version {version}, at offset {}", event.offset);
                findings.violated(4, format!("event {} {what}", named(row)));
            }
            *version = row.version;
        }
    }
    // The truth must be what its row locks make it, or the order proves nothing.
    let mut counts: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for row in &story.truth {
        let (events, highest) = counts.entry(row.aggregate).or_default();
        *events += 1;
        *highest = row.version.max(*highest);
        if row.version != *events {
            findings.violated(4, format!("the truth itself is out of order at event {}", named(row)));
        }
    }
}

/// In each partition the events stand in the order of their transactions' commits, and a transaction's in the order in
/// which it wrote them; so transactions do not interleave there, split or not.
fn commits(story: &Story<'_>, findings: &mut Findings) {
    for partition in 0..story.dump.partitions.len() {
        let mut last = None;
        for (number, event) in story.delivered_in(partition) {
            findings.looked_at(5, 1);
            if let Some(before) = last.filter(|before| *before > number) {
                let [before, here] = [before, number].map(|number| named(story.truth[number]));
                let name = story.dump.partitions[partition].of.name();
                let offset = event.offset;
                findings.violated(5, format!("{name} {offset}: event {here} comes after event {before}"));
            }
            last = Some(number);
        }
    }
}
