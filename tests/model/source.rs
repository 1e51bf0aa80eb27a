//! What Postgres has to send, and what the connector's own road makes of it.
//!
//! Three transactions. The second begins its commit exactly where the first one ends, is too large for a batch, and has a
//! change that no record comes of; the third begins its commit exactly where a keepalive may have stood. What is read
//! from a position on is asked of the real [`Resume`] and the real [`Batcher`].

use crate::mutants::Mutant;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use walpost::lsn::Lsn;
use walpost::pipeline::resume::{Resume, change_hash};
use walpost::position::{Partial, Position};
use walpost::publish::batch::{Batch, Batcher, Limits};

/// Where the slot was made, and the first position.
pub const BIRTH: Lsn = Lsn::new(10);
/// Between the second and the third transaction, the server may say that it has come this far.
pub const KEEPALIVE: Lsn = Lsn::new(60);
/// The end of everything.
pub const END: Lsn = Lsn::new(70);
/// A batch of more records is handed over, and a transaction of more is split.
pub const BATCH_MOST: u8 = 2;

/// A transaction of the outbox.
pub struct Source {
    pub commit: Lsn,
    pub end: Lsn,
    pub xid: u32,
    /// Per change the partition of its event, if one comes of it.
    pub changes: &'static [Option<u8>],
}

pub const WAL: [Source; 3] = [
    Source { commit: Lsn::new(20), end: Lsn::new(30), xid: 1, changes: &[Some(0)] },
    Source { commit: Lsn::new(30), end: Lsn::new(40), xid: 2, changes: &[Some(0), None, Some(1), Some(0)] },
    Source { commit: Lsn::new(60), end: END, xid: 3, changes: &[Some(1)] },
];

/// Every event by its number: transaction, change, partition.
pub const EVENTS: [(u32, u64, u8); 5] = [(1, 0, 0), (2, 0, 0), (2, 2, 1), (2, 3, 0), (3, 0, 1)];

/// A position, without what does not decide anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stored {
    pub seq: u8,
    pub prev: Lsn,
    pub end: Lsn,
    /// Changes of the second transaction that are done with.
    pub ordinal: Option<u8>,
    /// Events published so far, as the record counts them.
    pub events: u8,
}

impl Stored {
    /// What a first start has written.
    pub const FIRST: Stored = Stored { seq: 1, prev: Lsn::ZERO, end: BIRTH, ordinal: None, events: 0 };

    /// As the connector writes it.
    pub fn position(&self) -> Position {
        let mark = Position::creating(1, 1, "model");
        Position {
            seq: u64::from(self.seq),
            prev_lsn: self.prev,
            end_lsn: self.end,
            partial: self.ordinal.map(partial),
            events: u64::from(self.events),
            ..Position::first(&mark, BIRTH)
        }
    }

    pub fn of(position: &Position) -> Stored {
        Stored {
            seq: position.seq as u8,
            prev: position.prev_lsn,
            end: position.end_lsn,
            ordinal: position.partial.as_ref().map(|partial| partial.ordinal as u8),
            events: position.events as u8,
        }
    }

    /// The events that it stands for, by what is in the WAL: all below this number.
    pub fn stands_for(&self) -> u8 {
        let is_covered = |&(xid, change, _): &(u32, u64, u8)| {
            let source = &WAL[xid as usize - 1];
            let in_part =
                source.xid == SPLIT.xid && self.ordinal.is_some_and(|done| change < u64::from(done));
            source.end <= self.end || in_part
        };
        EVENTS.iter().filter(|event| is_covered(event)).count() as u8
    }
}

/// The transaction that is larger than a batch.
const SPLIT: &Source = &WAL[1];

fn partial(ordinal: u8) -> Partial {
    let last = u64::from(ordinal).saturating_sub(1);
    Partial {
        commit_lsn: SPLIT.commit,
        xid: SPLIT.xid,
        ordinal: u64::from(ordinal),
        change_hash: change_hash(&raw(SPLIT.xid, last)),
    }
}

/// A change as it comes over the wire: any bytes, the same each time.
fn raw(xid: u32, change: u64) -> [u8; 2] {
    [xid as u8, change as u8]
}

/// What comes off the stream at once: a transaction, a part of one, or a keepalive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    /// Its events: from the first number to before the second.
    pub events: (u8, u8),
    pub end: Lsn,
    pub ordinal: Option<u8>,
    pub received: Lsn,
    /// The batch must be handed over before more is read.
    pub closes: bool,
}

impl Piece {
    pub fn is_keepalive(&self) -> bool {
        self.events.0 == self.events.1
    }
}

/// What is still to come on a connection: a number in [`Plans`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan(u8);

impl Plan {
    pub const NOTHING: Plan = Plan(0);
}

/// Every stream there can be, worked out once.
pub struct Plans {
    /// Each begins with a piece and goes on with another plan. The first stands for [`Plan::NOTHING`].
    plans: Vec<(Piece, Plan)>,
    begun: HashMap<(Lsn, Option<u8>, Lsn), Result<Plan, String>>,
}

impl Plans {
    pub fn new(mutant: Option<Mutant>) -> Plans {
        let nothing = Piece { events: (0, 0), end: BIRTH, ordinal: None, received: BIRTH, closes: false };
        let mut plans = Plans { plans: vec![(nothing, Plan::NOTHING)], begun: HashMap::new() };
        let ends = [BIRTH, WAL[0].end, WAL[1].end, KEEPALIVE, END];
        let ordinals = std::iter::once(None).chain((1..=SPLIT.changes.len() as u8).map(Some));
        for (end, ordinal) in ends.into_iter().flat_map(|end| ordinals.clone().map(move |it| (end, it))) {
            for from in ends {
                let stored = Stored { end, ordinal, ..Stored::FIRST };
                let plan = pieces(&stored, end.max(from), mutant).map(|pieces| plans.keep(&pieces));
                plans.begun.insert((end, ordinal, from), plan);
            }
        }
        plans
    }

    /// START_REPLICATION at the stored position, on a slot that is confirmed up to `slot`. The server takes the greater
    /// one and does not tell. An error: the road refuses what it is sent.
    pub fn start(&self, stored: &Stored, slot: Lsn) -> &Result<Plan, String> {
        &self.begun[&(stored.end, stored.ordinal, slot)]
    }

    /// What comes next, and what after it.
    pub fn next(&self, plan: Plan) -> Option<(Piece, Plan)> {
        (plan != Plan::NOTHING).then(|| self.plans[plan.0 as usize])
    }

    /// Equal streams are one plan.
    fn keep(&mut self, pieces: &[Piece]) -> Plan {
        let Some((first, rest)) = pieces.split_first() else { return Plan::NOTHING };
        let plan = (*first, self.keep(rest));
        let known = self.plans.iter().skip(1).position(|known| *known == plan).map(|at| at + 1);
        Plan(known.unwrap_or_else(|| {
            self.plans.push(plan);
            self.plans.len() - 1
        }) as u8)
    }
}

/// Sends everything whose commit is at or after `from` (and a keepalive) down the road, as `pipeline::road` does, each
/// transaction a batch of its own. What a batch then holds is a row of these.
fn pieces(stored: &Stored, from: Lsn, mutant: Option<Mutant>) -> Result<Vec<Piece>, String> {
    let position = stored.position();
    let limits = Limits { events: BATCH_MOST.into(), bytes: 1 << 20, age: Duration::MAX };
    let (mut batcher, topic, now) = (Batcher::new(limits, &position), Arc::from("t"), Instant::now());
    let mut resume = match mutant {
        Some(Mutant::CountsRecords) => Resume::new(&Position { partial: None, ..position.clone() }),
        _ => Resume::new(&position),
    };
    let (mut pieces, mut received) = (Vec::new(), BIRTH);
    for source in WAL {
        if source.xid == 3 && KEEPALIVE >= from && resume.settled() {
            received = received.max(KEEPALIVE);
            batcher.keepalive(KEEPALIVE, now);
            close(&mut batcher, &mut pieces, received, mutant);
        }
        if source.commit < from {
            continue;
        }
        resume.begin(source.commit, source.xid).map_err(|mismatch| mismatch.to_string())?;
        batcher.begin(source.commit, source.xid, 0);
        for (change, partition) in (0..).zip(source.changes) {
            let raw = raw(source.xid, change);
            let is_new = resume.change(&raw).map_err(|mismatch| mismatch.to_string())?;
            let is_skipped = mutant == Some(Mutant::CountsRecords)
                && source.xid == SPLIT.xid
                && stored.ordinal.is_some_and(|done| change < u64::from(done));
            if is_new && !is_skipped && partition.is_some() {
                let event = EVENTS.iter().position(|it| (it.0, it.1) == (source.xid, change));
                let out = batcher.outgoing();
                let mut draft = out.draft();
                let event = event.expect("an event of each routed change") as u8;
                let _ = out.value::<()>(&mut draft, |bytes| {
                    bytes.push(event);
                    Ok(true)
                });
                out.finish(draft, &topic, None, 0);
            }
            if batcher.changed(now) {
                batcher.split(change_hash(&raw));
                close(&mut batcher, &mut pieces, received, mutant);
            }
        }
        received = received.max(source.end);
        match resume.commit(source.end).map_err(|mismatch| mismatch.to_string())? {
            true => batcher.commit(source.end, now),
            false => batcher.forget(),
        }
        close(&mut batcher, &mut pieces, received, mutant);
    }
    Ok(pieces)
}

fn close(batcher: &mut Batcher, pieces: &mut Vec<Piece>, received: Lsn, mutant: Option<Mutant>) {
    let has_progress = batcher.has_records() || batcher.has_progress();
    batcher.close(|batch| {
        if has_progress {
            pieces.push(piece(&batch, received, mutant));
        }
        Batch::default()
    });
}

fn piece(batch: &Batch, received: Lsn, mutant: Option<Mutant>) -> Piece {
    let events: Vec<u8> = batch.outgoing.iter().filter_map(|record| Some(record.value?[0])).collect();
    let from = events.first().copied().unwrap_or(0);
    let to = from + events.len() as u8;
    assert!(events.iter().copied().eq(from..to), "a gap in {events:?}");
    let ordinal = batch.partial.as_ref().map(|partial| partial.ordinal as u8);
    let ordinal = match mutant {
        Some(Mutant::ForgetsOrdinal) => None,
        Some(Mutant::CountsRecords) => ordinal.map(|_| {
            let of_split = |event: &u8| EVENTS[*event as usize].0 == SPLIT.xid;
            (0..to).filter(of_split).count() as u8
        }),
        _ => ordinal,
    };
    Piece { events: (from, to), end: batch.end_lsn, ordinal, received, closes: batch.partial.is_some() }
}
