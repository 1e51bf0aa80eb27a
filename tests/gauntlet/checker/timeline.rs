//! A run along its time: what was committed, what was delivered, how far behind, what was down and what was done to it.

use super::dump::{Mark, Sample, Slot};
use super::story::Story;
use std::collections::BTreeMap;

/// Times are ms since 1970.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    pub from_ms: i64,
    pub to_ms: i64,
    /// Events committed in Postgres so far, in all.
    pub committed: Vec<(i64, u64)>,
    /// Events committed in Kafka so far, in all.
    pub delivered: Vec<(i64, u64)>,
    /// At each Kafka commit with events: how old its oldest event was, ms.
    pub latency: Vec<(i64, u64)>,
    /// While Postgres did not answer.
    pub postgres_down: Vec<(i64, i64)>,
    /// While nobody read from the slot.
    pub slot_idle: Vec<(i64, i64)>,
    pub marks: Vec<Mark>,
    /// From each mark to the next Kafka commit with events, ms, by class.
    pub recoveries: BTreeMap<String, Vec<u64>>,
}

impl Timeline {
    pub fn new(story: &Story<'_>) -> Timeline {
        let dump = story.dump;
        let mut timeline = Timeline { marks: dump.marks.clone(), ..Timeline::default() };
        let committed = story.reached_by().map(|(commit, events)| (commit.at_ms, events as u64));
        timeline.committed = committed.collect();
        let mut before = 0;
        for linked in &story.chain {
            if linked.reaches > before {
                let age = linked.at_ms - story.commit_of(before).at_ms;
                timeline.delivered.push((linked.at_ms, linked.reaches as u64));
                timeline.latency.push((linked.at_ms, u64::try_from(age).unwrap_or(0)));
                before = linked.reaches;
            }
        }
        timeline.postgres_down = spells(&dump.samples, |slot| slot == Slot::Unreachable);
        timeline.slot_idle =
            spells(&dump.samples, |slot| matches!(slot, Slot::Missing | Slot::Stands { active: false, .. }));
        for mark in &dump.marks {
            let next = timeline.delivered.partition_point(|(at, _)| *at <= mark.at_ms);
            if let Some((at, _)) = timeline.delivered.get(next) {
                timeline.recoveries.entry(mark.class.clone()).or_default().push((at - mark.at_ms) as u64);
            }
        }
        let times = || {
            let samples = dump.samples.iter().map(|sample| sample.before_ms);
            let events = timeline.committed.iter().chain(&timeline.delivered).map(|(at, _)| *at);
            samples.chain(events)
        };
        (timeline.from_ms, timeline.to_ms) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        timeline
    }
}

/// From the first to the last of the samples that follow one another and are so.
fn spells(samples: &[Sample], is_so: impl Fn(Slot) -> bool) -> Vec<(i64, i64)> {
    let mut spells = Vec::new();
    let mut since = None;
    for sample in samples {
        match (is_so(sample.slot), since) {
            (true, None) => since = Some(sample.before_ms),
            (false, Some(from)) => {
                spells.push((from, sample.after_ms));
                since = None;
            }
            _ => {}
        }
    }
    if let (Some(from), Some(last)) = (since, samples.last()) {
        spells.push((from, last.after_ms));
    }
    spells
}
