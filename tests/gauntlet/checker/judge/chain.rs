//! The positions: each follows the one before it and counts what came between (6), and at each of them the events of its
//! Kafka transaction are those that it stands for (7).

use super::Findings;
use crate::checker::story::{Linked, Story};
use walpost::position::Position;

pub(super) fn judge(story: &Story<'_>, findings: &mut Findings) {
    paired(story, findings);
    if let Some((_, first)) = story.dump.positions.first() {
        findings.looked_at(6, 1);
        let from = story.dump.position_log.log.batches.first().map(|batch| batch.base);
        if (first.seq, from) != (0, Some(0)) {
            let what = format!(
                "the chain begins with number {}, its log with {from:?}: records are gone",
                first.seq
            );
            findings.violated(6, what);
        }
    }
    let records = records_of(story);
    for pair in story.chain.windows(2) {
        findings.looked_at(6, 1);
        let (before, after) = (&pair[0], &pair[1]);
        for what in breaks(story, before, after, records[after.decision]) {
            findings.violated(6, format!("position {}: {what}", after.position.seq));
        }
    }
    atomic(story, findings);
}

/// Each decision to commit has its position record and no more than one, and the reverse.
fn paired(story: &Story<'_>, findings: &mut Findings) {
    let log = &story.dump.position_log;
    let mut decided = 0;
    for decision in &story.dump.decisions {
        if decision.partitions.iter().any(|(topic, _)| *topic == log.topic) {
            decided += 1;
        } else {
            let (partitions, at) = (&decision.partitions, decision.at_ms);
            findings.violated(7, format!("{partitions:?} were committed without a position, at {at} ms"));
        }
    }
    let committed = log.log.spans.iter().filter(|span| span.committed == Some(true));
    let sizes: Vec<u64> = committed.map(|span| span.records).collect();
    if sizes.iter().any(|records| *records != 1) || sizes.len() != decided || log.read != decided as u64 {
        let (committed, records) = (sizes.len(), log.read);
        let what = format!(
            "{records} position records in {committed} transactions, of which {decided} were decided"
        );
        findings.violated(6, what);
    }
}

/// How many records of events each decision has brought, as the broker's files have it.
fn records_of(story: &Story<'_>) -> Vec<u64> {
    let mut records = vec![0; story.dump.decisions.len()];
    for (partition, decided) in story.dump.partitions.iter().zip(&story.decided) {
        for span in partition.of.log.spans.iter().filter(|span| span.committed == Some(true)) {
            if let Some(decision) = decided.get(span.rank) {
                records[*decision] += span.records;
            }
        }
    }
    records
}

fn breaks(story: &Story<'_>, before: &Linked<'_>, after: &Linked<'_>, records: u64) -> Vec<String> {
    let (last, next) = (before.position, after.position);
    // A start that found only the mark of a slot's creation marks it once more.
    if last.creating && next.creating {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut claim = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    claim(next.seq == last.seq + 1, format!("it comes after {}", last.seq));
    claim(next.prev_lsn == last.end_lsn, format!("it follows {} and names {}", last.end_lsn, next.prev_lsn));
    claim(next.end_lsn >= last.end_lsn, format!("it falls from {} to {}", last.end_lsn, next.end_lsn));
    claim(after.reaches >= before.reaches, "it stands for fewer events than the one before".to_owned());
    let events = next.events.wrapping_sub(last.events);
    claim(events == records, format!("it counts {events} events, and there are {records}"));
    if story.dump.counts_exact && !last.creating {
        let (transactions, commits) =
            (next.transactions.wrapping_sub(last.transactions), after.commits as u64 - before.commits as u64);
        claim(transactions == commits, format!("it counts {transactions} transactions of {commits}"));
        let ended = (commits > 0).then(|| story.dump.commits[after.commits - 1].xid);
        claim(
            ended.is_none_or(|xid| xid == next.last_xid),
            format!("its last transaction is not {}", next.last_xid),
        );
    }
    if let Some(what) = misplaced(story, after) {
        claim(false, what);
    }
    found
}

/// A piece is one of the transaction that comes next.
fn misplaced(story: &Story<'_>, linked: &Linked<'_>) -> Option<String> {
    let Position { partial: Some(partial), .. } = linked.position else { return None };
    let next = story.dump.commits.get(linked.commits);
    let right = next.is_some_and(|next| next.xid == partial.xid && next.commit_lsn == partial.commit_lsn);
    (!right).then(|| format!("it is inside transaction {}, which is not the next", partial.xid))
}

/// Each event is in the Kafka transaction of the first position that stands for it.
fn atomic(story: &Story<'_>, findings: &mut Findings) {
    let mut link_of = vec![None; story.dump.decisions.len()];
    for (number, linked) in story.chain.iter().enumerate() {
        link_of[linked.decision] = Some(number);
    }
    for (at, partition) in story.dump.partitions.iter().enumerate() {
        let (commits, decided) = (partition.of.log.commits, story.decided[at].len());
        if commits != decided {
            let name = partition.of.name();
            findings.violated(
                7,
                format!("{name} has {commits} committed transactions and {decided} decisions to commit"),
            );
        }
        for (number, event) in story.delivered_in(at) {
            findings.looked_at(7, 1);
            let right = story.chain.partition_point(|linked| linked.reaches <= number);
            let span = partition.of.log.span_at(event.offset).filter(|span| span.committed == Some(true));
            let is_in = span.and_then(|span| link_of[*story.decided[at].get(span.rank)?]);
            if is_in != Some(right) {
                let seq = |link: Option<usize>| {
                    link.and_then(|link| Some(story.chain.get(link)?.position.seq.to_string()))
                };
                let [is_in, right] =
                    [seq(is_in), seq(Some(right))].map(|seq| seq.unwrap_or("none".to_owned()));
                let (name, offset) = (partition.of.name(), event.offset);
                findings.violated(
                    7,
                    format!("{name} {offset}: came with position {is_in} and belongs to {right}"),
                );
            }
        }
    }
}
