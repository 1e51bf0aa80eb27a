//! The bound on memory, and how it is divided: fixed shares for what is always there, and room that large events wait
//! for, one after another.
//!
//! Ordinary messages need no accounting: chunks, batches and the client's buffer are bounded by settings. A message
//! larger than [`LARGE`] is not read before there is room for all the copies that are made of it on the road; the
//! [`Share`] travels with it and comes back when Kafka has committed its batch. Whoever holds a share never waits for
//! another one, so that nothing can stand still.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A message longer than this waits for room of its own.
pub const LARGE: usize = 1 << 20;
/// What allocations of large events are rounded up to. The C library maps these by themselves, whatever it has learned
/// before, and gives them back when they are freed; what is not written to takes no memory.
pub const APART: usize = 33 << 20;
/// What the process takes with nothing to do, and some of what the allocators do not give back.
const BASE: usize = 16 << 20;
/// What an event costs beyond its bytes: entries in two batches, a message and its headers in the Kafka client.
const EVENT: usize = 1 << 10;
/// Room is counted in pieces of this size.
const PIECE: usize = 1 << 10;

/// What the bound is divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// `walpost.source.queue.bytes`.
    pub queue_bytes: usize,
    /// `walpost.batch.max.bytes`.
    pub batch_bytes: usize,
    /// `walpost.batch.max.events`.
    pub batch_events: usize,
    /// `max.request.size`: the largest record.
    pub record_bytes: usize,
    /// How often the Kafka client has a record at a time.
    pub client_copies: usize,
}

impl Shares {
    /// What is there without the Kafka client's copies: the queue and what is being read; two batches, one being filled
    /// and one being published.
    fn fixed(&self) -> usize {
        BASE + self.queue_bytes + LARGE + 2 * (self.batch_bytes + LARGE) + EVENT * self.batch_events
    }

    /// The least bound: there is room for the largest record, and for the client's copy of an ordinary batch.
    pub fn least(&self) -> usize {
        let record = if self.record_bytes > LARGE { self.copies() * self.record_bytes } else { 4 * LARGE };
        self.fixed() + record.max(self.batch_bytes + LARGE)
    }

    /// What the Kafka client may buffer: a batch, and the largest record, which would otherwise wait for ever.
    pub fn client_bytes(&self) -> usize {
        self.batch_bytes + self.record_bytes.max(LARGE)
    }

    /// What a bound leaves for large events.
    pub fn large(&self, bound: usize) -> Large {
        let bytes = bound.saturating_sub(self.fixed());
        Large { bytes, record_bytes: self.record_bytes, copies: self.copies() }
    }

    /// How often a large event is there: as it came, encoded, and with the client. What that frees, the C library keeps
    /// for the next event: these are never fewer.
    fn copies(&self) -> usize {
        2 + self.client_copies
    }
}

/// Room for large events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Large {
    /// All there is.
    pub bytes: usize,
    /// The largest record.
    pub record_bytes: usize,
    /// How often an event is there.
    pub copies: usize,
}

impl Large {
    /// Room without end.
    pub const UNLIMITED: Large = Large { bytes: usize::MAX, record_bytes: usize::MAX, copies: 3 };

    /// What a message of this length takes at most on its way. What converters make of it may be twice as long, but no
    /// longer than the largest record; `bytea` comes as hex and shrinks by half.
    pub fn price(&self, message: usize) -> usize {
        let record = self.record_bytes.min(message.saturating_mul(2));
        message.saturating_add(record.saturating_mul(self.copies - 1))
    }

    /// The longest message that there is ever room for.
    pub fn longest(&self) -> usize {
        let copies = self.copies - 1;
        let records = self.record_bytes.saturating_mul(copies);
        match self.bytes.checked_sub(records) {
            Some(rest) if rest >= self.record_bytes / 2 => rest,
            _ => self.bytes / (1 + 2 * copies),
        }
    }
}

/// Gives out shares of the room for large events.
#[derive(Clone, Debug)]
pub struct Room {
    large: Large,
    free: Arc<Semaphore>,
}

/// Room for one large event, until it is dropped.
#[derive(Debug)]
pub struct Share {
    _taken: OwnedSemaphorePermit,
}

impl Room {
    /// All of it free.
    pub fn new(large: Large) -> Room {
        Room { large, free: Arc::new(Semaphore::new(pieces(large.bytes) as usize)) }
    }

    /// Whether there can ever be room for a message of this length.
    pub fn can_hold(&self, message: usize) -> bool {
        self.large.price(message) <= self.large.bytes
    }

    /// The longest message that there is ever room for.
    pub fn longest(&self) -> usize {
        self.large.longest()
    }

    /// Room for a message of this length, if there is now.
    pub fn try_take(&self, message: usize) -> Option<Share> {
        let taken = Arc::clone(&self.free).try_acquire_many_owned(self.pieces_for(message));
        taken.ok().map(|taken| Share { _taken: taken })
    }

    /// Waits for room.
    pub async fn take(&self, message: usize) -> Share {
        match Arc::clone(&self.free).acquire_many_owned(self.pieces_for(message)).await {
            Ok(taken) => Share { _taken: taken },
            // Only a closed semaphore refuses, and this one is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    fn pieces_for(&self, message: usize) -> u32 {
        pieces(self.large.price(message)).min(pieces(self.large.bytes))
    }
}

fn pieces(bytes: usize) -> u32 {
    u32::try_from(bytes / PIECE).unwrap_or(u32::MAX).min(u32::MAX >> 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn shares(record_bytes: usize, client_copies: usize) -> Shares {
        let (queue_bytes, batch_bytes) = (4 * MIB, 8 * MIB);
        Shares { queue_bytes, batch_bytes, batch_events: 10_000, record_bytes, client_copies }
    }

    #[test]
    fn the_default_bound_has_room_for_events_of_20_mb() {
        let bound = 128 * MIB;
        for copies in [1, 2] {
            let shares = shares(20_500_000, copies);
            assert!(shares.least() <= bound, "{}", shares.least());
            assert!(Room::new(shares.large(bound)).can_hold(20_001_000));
        }
        let room = Room::new(shares(20_500_000, 1).large(bound));
        assert!(room.can_hold(40_001_000), "as hex");
        assert!(!room.can_hold(80_000_000));
    }

    #[test]
    fn the_least_bound_has_room_for_the_largest_record() {
        for record_bytes in [MIB, 2 * MIB, 64 * MIB, 512 * MIB] {
            let shares = shares(record_bytes, 2);
            let large = shares.large(shares.least());
            assert!(large.price(record_bytes) <= large.bytes, "{record_bytes}");
        }
    }

    #[test]
    fn the_longest_message_has_room_and_nothing_longer() {
        for (bytes, record_bytes) in [(66, 16), (66, 22), (66, 1), (12, 1), (66, 33), (600, 150)] {
            let large = Large { bytes: bytes * MIB, record_bytes: record_bytes * MIB, copies: 4 };
            let longest = large.longest();
            assert!(large.price(longest) <= large.bytes, "{bytes} {record_bytes}: {longest}");
            assert!(large.price(longest + MIB) > large.bytes, "{bytes} {record_bytes}: {longest}");
        }
    }

    #[test]
    fn room_that_is_taken_comes_back() {
        let room = Room::new(Large { bytes: 64 * MIB, record_bytes: 20 * MIB, copies: 3 });
        let share = room.try_take(20 * MIB).expect("room for one");
        assert!(room.try_take(20 * MIB).is_none(), "and not for two");
        assert!(room.try_take(500 * 1024).is_some());
        drop(share);
        assert!(room.try_take(20 * MIB).is_some());
    }
}
