//! Everything outside the connector, and whoever checks it: after each step what Kafka shows is exactly what Postgres
//! committed up to the stored position, and the slot is confirmed no further than that.

use crate::broker::{Broker, Record};
use crate::connector::Publishing;
use crate::postgres::{Fate, Kind, Postgres, Txn};
use crate::story::{Dice, Story};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use walpost::error::Exit;
use walpost::position::Position;
use walpost::source::Acknowledger;

/// How much goes wrong, in hundredths of a hundred chances.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dose {
    /// Requests to Kafka.
    pub kafka: u64,
    /// Commits.
    pub commit: u64,
    /// The connector dies at a step.
    pub crash: u64,
    /// It stands still, and another takes over.
    pub pause: u64,
    /// Another instance starts beside it.
    pub rival: u64,
    /// Postgres ends the stream, restarts, or crashes.
    pub postgres: u64,
    /// Strangers, time-outs, compaction.
    pub broker: u64,
}

/// What a later start, or the end of the story, must come to.
#[derive(Clone, Copy, Debug)]
pub struct Must {
    pub exit: Exit,
    pub because: &'static str,
    /// No start may get as far as streaming.
    pub at_start: bool,
}

pub struct World {
    pub dice: Dice,
    pub story: Story,
    pub postgres: Postgres,
    pub broker: Broker,
    pub dose: Dose,
    /// Steps until nothing goes wrong any more.
    pub steps_left: u64,
    pub calm: bool,
    pub must: Option<Must>,
    /// What the one bad event will be like.
    pub poison: Option<Fate>,
    /// The slot is to be advanced in the middle of the next start.
    pub ambush: bool,
    pub huge: u64,
    /// The way back of the stream that is open.
    pub link: Option<(u64, Acknowledger)>,
    /// Publishers that stood still with a batch in hand.
    pub zombies: Vec<Arc<Publishing>>,
    /// A zombie is at work, or a rival: no second one.
    pub aside: bool,
    pub last: Option<Position>,
    pub delivered: u64,
    pub violation: Option<String>,
}

/// The world, on one thread: a lock that is ever waited for would wait for itself.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub fn new(world: World) -> Shared {
        Shared(Arc::new(Mutex::new(world)))
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.try_lock().unwrap_or_else(|error| match error {
            TryLockError::Poisoned(poisoned) => poisoned.into_inner(),
            TryLockError::WouldBlock => panic!("one hold at a time"),
        })
    }
}

impl World {
    /// Whether this goes wrong now.
    pub fn goes_wrong(&mut self, chance: fn(&Dose) -> u64) -> bool {
        !self.calm && self.dice.percent(chance(&self.dose))
    }

    pub fn violated(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let what = what();
            self.story.say(|| format!("VIOLATION: {what}"));
            self.violation = Some(what);
        }
    }

    /// The stored position's end, as a number.
    pub fn stored(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.end_lsn.as_u64())
    }

    /// What the standby status of the open stream says, arrives.
    pub fn deliver_status(&mut self) {
        let Some((number, acknowledger)) = &self.link else { return };
        let alive = self.postgres.walsender.as_ref().is_some_and(|walsender| walsender.number == *number);
        let lsn = acknowledger.confirmed().as_u64().min(self.postgres.sent());
        if alive && self.postgres.confirm(lsn) {
            self.story.tell("the slot is confirmed", || lsn.to_string());
            self.check();
        }
    }

    /// Looks at what has changed.
    pub fn check(&mut self) {
        for records in std::mem::take(&mut self.broker.committed) {
            if let Err(what) = self.take_in(&records) {
                self.violated(|| what);
            }
        }
        let (Some(slot), Some(last)) = (&self.postgres.slot, &self.last) else { return };
        let (confirmed, stored) = (slot.confirmed, last.end_lsn.as_u64());
        if !last.creating && confirmed > stored && self.must.is_none() {
            self.violated(|| format!("the slot is confirmed up to {confirmed}, and {stored} is stored"));
        }
    }

    /// A transaction has become visible.
    fn take_in(&mut self, records: &[Record]) -> Result<(), String> {
        let Some((Record::Position(value), events)) = records.split_last() else {
            return Err(format!("{} records became visible without their position", records.len()));
        };
        let next: Position = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        let expected = self.expected(&next)?;
        let mut seen = Vec::new();
        for record in events {
            match record {
                Record::Event(id) => seen.push(*id),
                Record::Heartbeat => {}
                Record::Position(_) => return Err("two positions in one transaction".to_owned()),
            }
        }
        self.story.tell("a transaction is committed", || {
            format!("{} with events {seen:?}, partial {:?}", next.end_lsn.as_u64(), next.partial)
        });
        if seen != expected {
            return Err(compare(&seen, &expected));
        }
        let before = self.last.as_ref().map_or(0, |last| last.events);
        if next.events != before + events.len() as u64 {
            return Err(format!("{} events are counted after {before} and {}", next.events, events.len()));
        }
        if next.partial.is_some() {
            self.story.counts.add("a transaction is published in part", 1);
        }
        self.delivered += seen.len() as u64;
        self.story.counts.add("events delivered", seen.len() as u64);
        self.last = Some(next);
        Ok(())
    }

    /// The events between the stored position and the next; the error says why it cannot be the next.
    fn expected(&self, next: &Position) -> Result<Vec<u64>, String> {
        let Some(last) = &self.last else {
            return if next.creating || next.seq == 1 {
                Ok(Vec::new())
            } else {
                Err("a chain out of nothing".into())
            };
        };
        if last.creating && next.creating {
            return Ok(Vec::new());
        }
        if next.seq != last.seq + 1 || next.prev_lsn != last.end_lsn {
            return Err(format!(
                "position {} after {} does not follow {} at {}",
                next.seq,
                next.prev_lsn.as_u64(),
                last.seq,
                last.end_lsn.as_u64()
            ));
        }
        if last.creating || (next.timeline > last.timeline && next.end_lsn < last.end_lsn) {
            return Ok(Vec::new());
        }
        if next.end_lsn < last.end_lsn {
            return Err("the position falls back".to_owned());
        }
        between(&self.postgres.wal, last, next)
    }

    /// Everything that was committed is covered by the stored position.
    pub fn is_complete(&self) -> Result<(), String> {
        let last_txn = self.postgres.wal.last().map_or(0, |txn| txn.end);
        let partial = self.last.as_ref().is_some_and(|last| last.partial.is_some());
        match self.stored() >= last_txn && !partial {
            true => Ok(()),
            false => Err(format!(
                "the last transaction ends at {last_txn}, and {} is stored{}",
                self.stored(),
                if partial { ", inside a transaction" } else { "" }
            )),
        }
    }

    /// Everything before the transaction with the bad event is published, and nothing after.
    pub fn is_just_before_poison(&self) -> Result<(), String> {
        let is_poison = |kind: Kind| matches!(kind, Kind::Event { fate, .. } if fate != Fate::Fine);
        let wal = &self.postgres.wal;
        let Some(at) = wal.iter().position(|txn| txn.rows.iter().any(|row| is_poison(row.kind))) else {
            return Err("there is no bad event".to_owned());
        };
        let before = at.checked_sub(1).map_or(0, |before| wal[before].end);
        match self.stored() {
            stored if stored < before => {
                Err(format!("{stored} is stored, and {before} comes before the bad event"))
            }
            stored if stored > wal[at].commit => Err(format!("{stored} is stored, past the bad event")),
            _ => Ok(()),
        }
    }
}

/// The events of the WAL after one position up to another.
fn between(wal: &[Txn], from: &Position, to: &Position) -> Result<Vec<u64>, String> {
    let (begin, end) = (from.end_lsn.as_u64(), to.end_lsn.as_u64());
    let mut events = Vec::new();
    for txn in &wal[wal.partition_point(|txn| txn.commit < begin)..] {
        let part = |position: &Position| {
            let partial = position.partial.as_ref();
            partial
                .filter(|partial| partial.commit_lsn.as_u64() == txn.commit)
                .map(|partial| partial.ordinal as usize)
        };
        let skip = part(from).unwrap_or(0);
        let rows: Vec<_> = txn.rows.iter().filter(|row| !row.unpublished).collect();
        let until = match txn.commit < end {
            true if txn.end > end => {
                return Err(format!("position {end} lies inside the commit at {}", txn.commit));
            }
            true => rows.len(),
            false => match part(to) {
                Some(until) => until,
                None => break,
            },
        };
        let covered = rows.get(skip..until).ok_or(format!("{skip} to {until} of {} rows", rows.len()))?;
        events.extend(covered.iter().filter_map(|row| match row.kind {
            Kind::Event { id, .. } => Some(id),
            Kind::Other(_) => None,
        }));
    }
    Ok(events)
}

fn compare(seen: &[u64], expected: &[u64]) -> String {
    let lost = expected.iter().filter(|id| !seen.contains(id)).count();
    let extra = seen.iter().filter(|id| !expected.contains(id)).count();
    match (lost, extra) {
        (0, 0) => format!("events out of order or twice in one transaction: {seen:?}"),
        (0, extra) => format!("{extra} events twice, or that nobody committed"),
        (lost, 0) => format!("lost {lost} events"),
        (lost, extra) => format!("lost {lost} events, and {extra} that were not to come"),
    }
}
