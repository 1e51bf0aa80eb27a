//! The slot is never ahead (8), there is one writer (9), nothing is stuck (10), and a stop is a stop (11).

use super::Findings;
use crate::checker::dump::{Ends, Slot, Stop};
use crate::checker::story::Story;
use std::collections::BTreeSet;
use walpost::lsn::Lsn;

/// One machine has one clock, and a decision is dated before it is written down; this is for a clock that is mended
/// meanwhile.
const SLACK_MS: i64 = 10;

/// How long a drain may take.
const DRAIN_MS: u64 = 60_000;

pub(super) fn judge(story: &Story<'_>, findings: &mut Findings) {
    never_ahead(story, findings);
    one_writer(story, findings);
    not_stuck(story, findings);
    for stop in &story.dump.stops {
        findings.looked_at(11, 1);
        honest(story, stop, findings);
    }
}

/// At each sample the slot stood at or before a position whose commit was decided by then.
fn never_ahead(story: &Story<'_>, findings: &mut Findings) {
    // Until there is a position, the slot stands where it was made.
    let positions = || story.chain.iter().filter(|linked| !linked.position.creating);
    let mut times: Vec<(i64, Lsn)> = Vec::new();
    for linked in positions() {
        let (at, furthest) = times.last().copied().unwrap_or((i64::MIN, Lsn::ZERO));
        times.push((linked.at_ms.max(at), linked.position.end_lsn.max(furthest)));
    }
    for sample in &story.dump.samples {
        let Slot::Stands { confirmed, .. } = sample.slot else { continue };
        let by_then = times.partition_point(|(at, _)| *at <= sample.after_ms + SLACK_MS);
        let Some((_, furthest)) = by_then.checked_sub(1).map(|last| times[last]) else { continue };
        findings.looked_at(8, 1);
        if confirmed > furthest {
            let at = sample.after_ms;
            findings
                .violated(8, format!("at {at} ms the slot stood at {confirmed}, the position at {furthest}"));
        }
    }
}

/// In each partition the batches of a producer end before those of the next begin, and so with its epochs.
fn one_writer(story: &Story<'_>, findings: &mut Findings) {
    for partition in story.dump.logs() {
        let name = partition.name();
        let mut last: Option<(i64, i16)> = None;
        let mut left = BTreeSet::new();
        for batch in partition.log.batches.iter().filter(|batch| batch.marker.is_none()) {
            findings.looked_at(9, 1);
            let (producer, epoch, base) = (batch.producer, batch.epoch, batch.base);
            if !batch.transactional {
                findings.violated(9, format!("{name} {base}: written outside a transaction"));
                continue;
            }
            if let Some((before, epoch_before)) = last {
                if before != producer {
                    left.insert(before);
                } else if epoch < epoch_before {
                    findings.violated(9, format!("{name} {base}: epoch {epoch} writes after {epoch_before}"));
                }
            }
            if left.contains(&producer) {
                findings
                    .violated(9, format!("{name} {base}: producer {producer} writes again after another"));
            }
            last = Some((producer, epoch));
        }
    }
}

fn not_stuck(story: &Story<'_>, findings: &mut Findings) {
    match &story.dump.drain {
        None => findings.violated(10, "nobody has waited for the drain"),
        Some(Err(what)) => findings.violated(10, format!("the drain did not end: {what}")),
        Some(Ok(ms)) if *ms > DRAIN_MS => findings.violated(10, format!("the drain took {ms} ms")),
        Some(Ok(_)) => findings.looked_at(10, 1),
    }
    for partition in story.dump.logs() {
        findings.looked_at(10, 1);
        let (name, high, stable) = (partition.name(), partition.high, partition.stable);
        if stable != high || partition.log.has_open_transaction() {
            let what = format!(
                "a transaction is open in {name}, high watermark {high}, last stable offset {stable}"
            );
            findings.violated(10, what);
        }
    }
}

/// It ended with the code that was due, and after that there came no event and no confirmation.
fn honest(story: &Story<'_>, stop: &Stop, findings: &mut Findings) {
    if stop.code != Some(stop.expected) {
        findings.violated(11, format!("it ended with {:?}, not with {}", stop.code, stop.expected));
    }
    let Some((at_stop, later)) = &stop.quiet else { return };
    for ((partition, from), to) in story.dump.logs().zip(&at_stop.high).zip(&later.high) {
        let after = partition.log.batches.iter().filter(|batch| batch.base >= *from && batch.base < *to);
        let visible = |base| partition.log.span_at(base).is_none_or(|span| span.committed == Some(true));
        let events = after.filter(|batch| batch.marker.is_none() && visible(batch.base)).count();
        if events > 0 {
            let (code, name) = (stop.expected, partition.name());
            findings.violated(11, format!("after its end with {code} it wrote {events} batches to {name}"));
        }
    }
    if let (Ends { confirmed: Some(before), .. }, Ends { confirmed: Some(after), .. }) = (at_stop, later)
        && before != after
    {
        let code = stop.expected;
        findings.violated(11, format!("after its end with {code} the slot went from {before} to {after}"));
    }
}
