//! Runs that never were: a faultless one, and then the same with one thing wrong. Each must violate the one property that
//! is about it, and the faultless one none.

mod letters;

use super::dump::{
    Commit, Delivered, Dump, Ends, LETTERS, Letter, Mark, Partition, PartitionLog, Sample, Slot, Stop, Truth,
};
use super::judge::judge;
use super::log::{Batch, Decision, Log};
use crate::workload::rows::{BAD, Row};
use std::collections::{BTreeMap, BTreeSet};
use walpost::lsn::Lsn;
use walpost::position::{Partial, Position};

const POSITIONS: &str = "positions";
/// From one commit to the next.
const WAL: u64 = 100;
/// From one Kafka transaction to the next.
const MS: i64 = 1_000;

/// What a connector did: Kafka transactions, one after the other.
struct Run {
    truth: Vec<Truth>,
    commits: Vec<Commit>,
    transactions: Vec<Kafka>,
}

/// One Kafka transaction.
#[derive(Clone)]
struct Kafka {
    /// Events by their number, in the order in which they are sent.
    events: Vec<usize>,
    position: Position,
    epoch: i16,
    committed: bool,
}

/// Twelve commits of three events each, of the nine aggregates in turn. Two commits make a Kafka transaction; the seventh
/// commit is split in two, and one Kafka transaction is aborted and sent again under a new epoch. Four events are bad.
fn run() -> Run {
    let mut truth = Vec::new();
    let mut commits = Vec::new();
    for commit in 0..12_u32 {
        let begins = WAL * u64::from(commit + 1);
        commits.push(Commit {
            xid: 700 + commit,
            commit_lsn: Lsn::new(begins),
            end_lsn: Lsn::new(begins + WAL),
            at_ms: MS * i64::from(commit),
        });
        for event in 0..3 {
            let number = 3 * commit + event;
            truth.push(Truth {
                id: 1 + u128::from(number),
                xid: 700 + commit,
                ordinal: event + 1,
                aggregate: number % 9,
                version: u64::from(number / 9 + 1),
                at_ms: 5_000 + i64::from(number),
                digest: 77 + u64::from(number),
                bytes: 100,
                bad: bad(number),
            });
        }
    }
    let mut run = Run { truth, commits, transactions: Vec::new() };
    run.reach(&[], 0, None);
    for (from, to, partial) in
        [(0, 6, None), (6, 12, None), (12, 18, None), (18, 20, Some(2)), (20, 24, None), (24, 30, None)]
    {
        let events: Vec<usize> = (from..to).collect();
        run.reach(&events, to / 3, partial);
    }
    let mut aborted = run.transactions[6].clone();
    aborted.committed = false;
    run.transactions.insert(6, aborted);
    run.transactions[7].epoch += 1;
    run.reach(&(30..36).collect::<Vec<_>>(), 12, None);
    run
}

impl Run {
    /// The next Kafka transaction: these events, and a position after so many commits.
    fn reach(&mut self, events: &[usize], commits: usize, partial: Option<u64>) {
        let next = match self.transactions.last() {
            None => Position::creating(7, 1, "run"),
            Some(Kafka { position: last, .. }) => {
                let whole = commits.checked_sub(1).map(|last| &self.commits[last]);
                Position {
                    seq: last.seq + 1,
                    prev_lsn: last.end_lsn,
                    end_lsn: whole.map_or(Lsn::new(WAL), |whole| whole.end_lsn),
                    creating: false,
                    partial: partial.map(|ordinal| Partial {
                        commit_lsn: self.commits[commits].commit_lsn,
                        xid: self.commits[commits].xid,
                        ordinal,
                        change_hash: String::new(),
                    }),
                    events: last.events + events.len() as u64,
                    transactions: commits as u64,
                    last_xid: whole.map_or(0, |whole| whole.xid),
                    ..last.clone()
                }
            }
        };
        let epoch = self.transactions.last().map_or(0, |last| last.epoch);
        self.transactions.push(Kafka { events: events.to_vec(), position: next, epoch, committed: true });
    }

    /// Takes the counters from what is sent, as a connector would that knows no better.
    fn recount(&mut self) {
        let mut events = 0;
        for transaction in self.transactions.iter_mut().filter(|transaction| transaction.committed) {
            events += transaction.events.len() as u64;
            transaction.position.events = events;
        }
    }

    fn dump(&self) -> Dump {
        let mut dump = Dump {
            truth: self.truth.clone(),
            commits: self.commits.clone(),
            partitions: (0..9).map(partition).chain([letters()]).collect(),
            position_log: PartitionLog { topic: POSITIONS.to_owned(), ..PartitionLog::default() },
            stops: vec![Stop::default()],
            drain: Some(Ok(40)),
            marks: vec![Mark { at_ms: 1_500, class: "a fault".to_owned(), detail: String::new() }],
            counts_exact: true,
            ..Dump::default()
        };
        dump.stops[0].code = Some(0);
        for (number, transaction) in self.transactions.iter().enumerate() {
            self.write(&mut dump, transaction, MS * number as i64);
        }
        for log in
            dump.partitions.iter_mut().map(|partition| &mut partition.of).chain([&mut dump.position_log])
        {
            (log.stable, log.read_to) = (log.high, log.high);
        }
        let quiet = Ends {
            high: dump.logs().map(|log| log.high).collect(),
            confirmed: Some(self.commits[11].end_lsn),
        };
        dump.stops[0].quiet = Some((quiet.clone(), quiet));
        dump
    }

    /// One transaction as broker, coordinator, consumer and slot would show it.
    fn write(&self, dump: &mut Dump, transaction: &Kafka, at_ms: i64) {
        let Kafka { events, position, epoch, committed } = transaction;
        let mut by_partition: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for event in events {
            let row = &self.truth[*event];
            let at = if row.bad.is_some() { AT_LETTERS } else { row.aggregate as usize };
            by_partition.entry(at).or_default().push(*event);
        }
        let mut touched = vec![(POSITIONS.to_owned(), 0)];
        for (at, events) in by_partition {
            let Partition { of, events: delivered, .. } = &mut dump.partitions[at];
            let first = append(of, events.len(), *epoch, *committed);
            touched.push((of.topic.clone(), of.number));
            if *committed {
                let offsets = first..;
                delivered.extend(offsets.zip(&events).map(|(offset, event)| self.delivered(offset, *event)));
            }
        }
        let offset = append(&mut dump.position_log, 1, *epoch, *committed);
        if *committed {
            dump.positions.push((offset, position.clone()));
            dump.decisions.push(Decision { at_ms, partitions: touched });
        }
        let [before_ms, after_ms] = [at_ms + 100, at_ms + 101];
        let confirmed = if *committed { position.end_lsn.max(Lsn::new(WAL)) } else { Lsn::new(WAL) };
        dump.samples.push(Sample { before_ms, after_ms, slot: Slot::Stands { confirmed, active: true } });
    }

    fn delivered(&self, offset: i64, event: usize) -> Delivered {
        let row = &self.truth[event];
        let (id, key, at_ms, digest) = (row.id, Some(row.aggregate), row.at_ms, row.digest);
        let good = Delivered { offset, id, key, at_ms, digest, headers_right: true, letter: None };
        let Some(bad) = row.bad else { return good };
        let has_payload = bad.payload_is != "claim";
        let letter = Letter {
            reason: bad.reason.to_owned(),
            payload_is: bad.payload_is.to_owned(),
            has_key: bad.has_key(),
            has_payload,
            bytes: Some(row.bytes),
        };
        let (key, digest) = (key.filter(|_| bad.has_key()), if has_payload { digest } else { 0 });
        Delivered { key, digest, letter: Some(letter), ..good }
    }
}

/// Where the dead letters are in a dump.
const AT_LETTERS: usize = 9;

/// An ordinary one, one without a key, one that is cut, and one that the registry refuses.
fn bad(number: u32) -> Option<&'static Row> {
    match number {
        7 => Some(&BAD[1]),
        16 => Some(&BAD[8]),
        25 => Some(&BAD[12]),
        26 => Some(&BAD[9]),
        _ => None,
    }
}

fn letters() -> Partition {
    let of = PartitionLog { topic: "letters".to_owned(), ..PartitionLog::default() };
    Partition { kind: LETTERS, of, events: Vec::new() }
}

/// One for each aggregate.
fn partition(aggregate: u32) -> Partition {
    let of = PartitionLog {
        topic: format!("topic-{}", aggregate % 3),
        number: (aggregate / 3) as i32,
        ..PartitionLog::default()
    };
    Partition { kind: aggregate % 3, of, events: Vec::new() }
}

/// A batch and its marker; the offset of the first record.
fn append(of: &mut PartitionLog, records: usize, epoch: i16, committed: bool) -> i64 {
    let (base, last) = (of.high, of.high + records as i64 - 1);
    let batch =
        Batch { base, last, producer: 9, epoch, records: records as u32, transactional: true, marker: None };
    let marker =
        Batch { base: last + 1, last: last + 1, records: 1, marker: Some(committed), ..batch.clone() };
    of.log.push(batch);
    of.log.push(marker);
    of.high = last + 2;
    of.read += if committed { records as u64 } else { 0 };
    base
}

/// The properties that do not hold.
fn violated(dump: &Dump) -> Vec<u8> {
    let violations = judge(dump).violations;
    for violation in &violations {
        println!("{}: {}", violation.property, violation.what);
    }
    violations.iter().map(|violation| violation.property).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The faultless run, but for what `change` does to what the connector did.
fn violated_by(change: impl FnOnce(&mut Run)) -> Vec<u8> {
    let mut run = run();
    change(&mut run);
    violated(&run.dump())
}

/// The faultless run, but for what `change` does to what was found.
fn violated_in(change: impl FnOnce(&mut Dump)) -> Vec<u8> {
    let mut dump = run().dump();
    change(&mut dump);
    violated(&dump)
}

#[test]
fn a_faultless_run_has_every_property() {
    let outcome = judge(&run().dump());
    assert_eq!(outcome.violations, []);
    assert_eq!((outcome.truth, outcome.delivered, outcome.transactions), (36, 36, 12));
    assert_eq!((outcome.positions, outcome.pieces, outcome.uncommitted), (8, 1, 6));
    assert_eq!(outcome.looked_at, [36, 36, 36, 32, 36, 8, 36, 8, 49, 12, 1, 32, 4]);
    assert_eq!(outcome.timeline.delivered.last(), Some(&(8_000, 36)));
    assert_eq!(outcome.timeline.recoveries["a fault"], [500]);
}

#[test]
fn an_event_that_is_missing_is_a_loss_and_nothing_else() {
    let lost = |run: &mut Run| {
        run.transactions[2].events.remove(3);
        run.recount();
    };
    assert_eq!(violated_by(lost), [1]);
    // Not counted as missing either: it is missed by the chain, too.
    let silently = |run: &mut Run| run.transactions[2].events.truncate(5);
    assert_eq!(violated_by(silently), [1, 6]);
}

#[test]
fn an_event_that_comes_twice_is_a_duplicate_and_nothing_else() {
    let doubled = |run: &mut Run| {
        run.transactions[5].events.push(6);
        run.recount();
    };
    assert_eq!(violated_by(doubled), [2]);
}

#[test]
fn an_event_that_nobody_committed_is_a_phantom_and_nothing_else() {
    let phantom = |dump: &mut Dump| {
        let last = dump.truth.iter().position(|row| row.aggregate == 4 && row.version == 4);
        dump.truth.remove(last.expect("the fourth version"));
        let counted = dump.positions.iter_mut().map(|(_, position)| position);
        assert_eq!(counted.last().expect("a position").events, 36);
    };
    let violated = violated_in(phantom);
    assert!(violated.contains(&3) && !violated.contains(&1) && !violated.contains(&2), "{violated:?}");
    let strange = |dump: &mut Dump| {
        let event = dump.partitions[4].events.last_mut().expect("an event");
        (event.id, event.digest) = (4711, 0);
        dump.truth.retain(|row| row.aggregate != 4 || row.version != 4);
    };
    assert!(violated_in(strange).contains(&3));
    // Beside what was committed, it is that alone.
    let beside = |dump: &mut Dump| {
        let event = dump.partitions[4].events[0].clone();
        dump.partitions[4].events.insert(1, Delivered { id: 4711, ..event });
        dump.partitions[4].of.read += 1;
        let span = &mut dump.partitions[4].of.log.spans[0];
        span.records += 1;
        dump.positions.iter_mut().skip(1).for_each(|(_, position)| position.events += 1);
    };
    assert_eq!(violated_in(beside), [3]);
}

#[test]
fn an_aggregate_in_two_partitions_has_no_order() {
    // Aggregates 0 and 3 share a topic; an event of the one goes where the other's are.
    let moved = |dump: &mut Dump| {
        let mut event = dump.partitions[0].events.pop().expect("an event");
        let of = &mut dump.partitions[0].of;
        of.read -= 1;
        of.log.spans.last_mut().expect("a span").records -= 1;
        let there = &mut dump.partitions[3];
        event.offset = there.of.high - 2;
        there.events.push(event);
        there.of.read += 1;
        there.of.log.spans.last_mut().expect("a span").records += 1;
    };
    let violated = violated_in(moved);
    assert!(violated.contains(&4) && !violated.contains(&1) && !violated.contains(&12), "{violated:?}");
}

#[test]
fn versions_that_change_places_break_the_order_of_key_and_commits() {
    let swapped = |dump: &mut Dump| {
        let events = &mut dump.partitions[2].events;
        let (first, second) = (events[0].offset, events[1].offset);
        events.swap(0, 1);
        (events[0].offset, events[1].offset) = (first, second);
    };
    let violated = violated_in(swapped);
    assert!(violated.contains(&4) && violated.contains(&5), "{violated:?}");
}

#[test]
fn a_transaction_out_of_its_own_order_breaks_the_order_of_commits_alone() {
    // All of one topic in one partition: only the commits' order tells these apart.
    let crowded = |change: fn(&mut Run)| {
        let mut run = run();
        for (number, row) in run.truth.iter_mut().enumerate() {
            row.aggregate = 3 * (number as u32 % 2);
            row.version = number as u64 / 2 + 1;
        }
        change(&mut run);
        let mut dump = run.dump();
        merge(&mut dump, 0, 3, &run);
        violated(&dump)
    };
    assert_eq!(crowded(|_| {}), [0_u8; 0]);
    assert_eq!(crowded(|run| run.transactions[1].events.swap(1, 2)), [5]);
}

/// Lets two partitions be one: the events of each Kafka transaction in the order in which they were sent.
fn merge(dump: &mut Dump, into: usize, from: usize, run: &Run) {
    let name = dump.partitions[from].of.clone();
    let kept = dump.partitions[into].of.clone();
    let mut of = PartitionLog { topic: kept.topic.clone(), number: kept.number, ..PartitionLog::default() };
    let mut events = Vec::new();
    let good = |event: &&usize| run.truth[**event].bad.is_none();
    for transaction in
        run.transactions.iter().filter(|transaction| transaction.events.iter().any(|event| good(&event)))
    {
        let sent: Vec<_> = transaction.events.iter().filter(good).collect();
        let first = append(&mut of, sent.len(), transaction.epoch, transaction.committed);
        if transaction.committed {
            events.extend((first..).zip(sent).map(|(offset, event)| run.delivered(offset, *event)));
        }
    }
    (of.stable, of.read_to) = (of.high, of.high);
    for decision in &mut dump.decisions {
        decision.partitions.retain(|(topic, number)| (topic, *number) != (&name.topic, name.number));
        let missing = !decision.partitions.contains(&(kept.topic.clone(), kept.number));
        if missing && decision.partitions.len() > 1 {
            decision.partitions.push((kept.topic.clone(), kept.number));
        }
    }
    dump.partitions[into] = Partition { kind: dump.partitions[into].kind, of, events };
    let Partition { of, events, .. } = &mut dump.partitions[from];
    *of = PartitionLog { topic: name.topic, number: name.number, ..PartitionLog::default() };
    events.clear();
    let high: Vec<_> = dump.logs().map(|log| log.high).collect();
    let (before, after) = dump.stops[0].quiet.as_mut().expect("a quiet stop");
    (before.high, after.high) = (high.clone(), high);
}

#[test]
fn a_chain_that_is_broken_anywhere_is_broken() {
    type Break = fn(&mut Position);
    let breaks: [Break; 8] = [
        |position| position.seq += 1,
        |position| position.prev_lsn = Lsn::new(1),
        |position| position.events += 1,
        |position| position.transactions -= 1,
        |position| position.last_xid = 3,
        |position| position.partial.iter_mut().for_each(|partial| partial.xid = 3),
        |position| position.partial.iter_mut().for_each(|partial| partial.commit_lsn = Lsn::new(3)),
        |position| position.seq -= 1,
    ];
    for (number, change) in breaks.iter().enumerate() {
        let at = if number == 5 || number == 6 { 4 } else { 3 };
        assert_eq!(violated_by(|run| change(&mut run.transactions[at].position)), [6], "{number}");
    }
    assert_eq!(violated_in(|dump| dump.position_log.log.batches[0].base = 1), [6], "compacted");
    assert_eq!(violated_in(|dump| dump.position_log.log.spans[1].records = 2), [1, 6]);
}

#[test]
fn an_event_in_another_kafka_transaction_than_its_positions_is_not_atomic() {
    let late = |run: &mut Run| {
        let event = run.transactions[2].events.pop().expect("an event");
        run.transactions[3].events.insert(0, event);
        run.recount();
    };
    assert_eq!(violated_by(late), [7]);
    let early = |run: &mut Run| {
        let event = run.transactions[5].events.remove(0);
        run.transactions[4].events.push(event);
        run.recount();
    };
    assert_eq!(violated_by(early), [7]);
    let without_position = |dump: &mut Dump| {
        let decision = &mut dump.decisions[3];
        let event_topics = decision.partitions.split_off(1);
        dump.decisions.insert(3, Decision { at_ms: 2_990, partitions: event_topics });
    };
    assert!(violated_in(without_position).contains(&7));
}

#[test]
fn a_slot_before_its_position_is_ahead() {
    let ahead = |dump: &mut Dump| {
        let confirmed = dump.positions[4].1.end_lsn;
        let at = MS * 4 - 50;
        let slot = Slot::Stands { confirmed, active: true };
        dump.samples.insert(4, Sample { before_ms: at - 1, after_ms: at, slot });
    };
    // The fourth position is inside a transaction and ends where the third does.
    assert_eq!(violated_in(ahead), [0_u8; 0]);
    let ahead = |dump: &mut Dump| {
        let confirmed = dump.positions[3].1.end_lsn;
        let at = MS * 3 - 50;
        let slot = Slot::Stands { confirmed, active: true };
        dump.samples.insert(3, Sample { before_ms: at - 1, after_ms: at, slot });
    };
    assert_eq!(violated_in(ahead), [8]);
    let never_stored = |dump: &mut Dump| {
        let slot = Slot::Stands { confirmed: Lsn::new(WAL * 13 + 1), active: false };
        dump.samples.push(Sample { before_ms: 90_000, after_ms: 90_001, slot });
    };
    assert_eq!(violated_in(never_stored), [8]);
}

#[test]
fn an_old_epoch_or_another_producer_in_between_is_a_second_writer() {
    let earlier = |run: &mut Run| run.transactions[8].epoch = 0;
    assert_eq!(violated_by(earlier), [9]);
    let another = |dump: &mut Dump| {
        let batches = &mut dump.partitions[1].of.log.batches;
        let second =
            batches.iter().position(|batch| batch.base > 0 && batch.marker.is_none()).expect("a second");
        batches[second].producer = 10;
    };
    assert_eq!(violated_in(another), [9]);
    let plain = |dump: &mut Dump| dump.partitions[1].of.log.batches[0].transactional = false;
    assert!(violated_in(plain).contains(&9));
}

#[test]
fn a_marker_that_is_written_again_ends_nothing_and_is_no_fault() {
    let again = |dump: &mut Dump| {
        let of = &mut dump.partitions[3].of;
        let marker =
            of.log.batches.iter().rfind(|batch| batch.marker == Some(true)).expect("a marker").clone();
        of.log.push(Batch { base: of.high, last: of.high, ..marker });
        [of.high, of.stable, of.read_to] = [of.high + 1; 3];
    };
    assert_eq!(violated_in(again), [0_u8; 0]);
    let between = |dump: &mut Dump| {
        let of = &mut dump.partitions[3].of;
        let mut log = Log::default();
        for batch in &of.log.batches {
            log.push(batch.clone());
            if batch.marker.is_some() {
                log.push(batch.clone());
            }
        }
        of.log = log;
    };
    assert_eq!(violated_in(between), [0_u8; 0]);
}

#[test]
fn an_open_transaction_or_a_drain_without_end_is_stuck() {
    assert_eq!(violated_in(|dump| dump.partitions[3].of.stable -= 1), [10]);
    assert_eq!(violated_in(|dump| dump.drain = None), [10]);
    assert_eq!(violated_in(|dump| dump.drain = Some(Err("three are missing".to_owned()))), [10]);
    assert_eq!(violated_in(|dump| dump.drain = Some(Ok(60_001))), [10]);
    let open = |dump: &mut Dump| {
        let log = &mut dump.partitions[3].of.log;
        log.push(Batch { base: 90, last: 90, marker: None, ..log.batches[0].clone() });
    };
    assert!(violated_in(open).contains(&10));
}

#[test]
fn an_end_with_another_code_or_a_word_after_it_is_not_honest() {
    assert_eq!(violated_in(|dump| dump.stops[0].expected = 20), [11]);
    assert_eq!(violated_in(|dump| dump.stops[0].code = None), [11]);
    let wrote = |dump: &mut Dump| {
        let (before, _) = dump.stops[0].quiet.as_mut().expect("a quiet stop");
        before.high[4] -= 2;
    };
    assert_eq!(violated_in(wrote), [11]);
    let confirmed = |dump: &mut Dump| {
        let (_, after) = dump.stops[0].quiet.as_mut().expect("a quiet stop");
        after.confirmed = Some(Lsn::new(1));
    };
    assert_eq!(violated_in(confirmed), [11]);
}

#[test]
fn a_byte_that_is_not_the_rows_is_seen() {
    type Change = fn(&mut Delivered);
    let changes: [Change; 5] = [
        |event| event.key = Some(8),
        |event| event.key = None,
        |event| event.digest += 1,
        |event| event.at_ms += 1,
        |event| event.headers_right = false,
    ];
    for change in changes {
        assert_eq!(violated_in(|dump| change(&mut dump.partitions[2].events[1])), [12]);
    }
    assert_eq!(violated_in(|dump| dump.partitions[2].kind = 1), [12]);
}

#[test]
fn what_was_not_read_or_not_there_proves_nothing() {
    assert_eq!(violated(&Dump::default()), (1..=13).collect::<Vec<_>>());
    assert_eq!(violated_in(|dump| dump.partitions[2].of.read_to -= 1), [1]);
    assert_eq!(violated_in(|dump| dump.partitions[2].of.read -= 1), [1]);
    assert_eq!(violated_in(|dump| dump.unread.push("a file".to_owned())), [1]);
    assert_eq!(violated_in(|dump| dump.samples.clear()), [8]);
    assert_eq!(violated_in(|dump| dump.stops.clear()), [11]);
    assert!(
        violated_in(|dump| dump.commits.truncate(11)).contains(&1),
        "a commit that the witness did not see"
    );
}
