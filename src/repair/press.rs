//! The second time through the rows: what was chosen goes out, in bounded transactions, the position with the last of them.

use super::judge::Judged;
use super::rows::{Row, Taker};
use super::survey::Choice;
use crate::encode::Outgoing;
use crate::error::Failure;
use crate::pipeline::decided::Fenced;
use crate::publish::Limits;
use crate::publish::publisher::Last;
use std::thread;

/// Publishes.
pub struct Press<'p> {
    fenced: Fenced,
    judged: &'p Judged,
    choice: &'p Choice,
    limits: Limits,
    outgoing: Outgoing,
    /// Events published so far.
    pub published: u64,
    /// Kafka transactions so far.
    pub transactions: u64,
}

impl<'p> Press<'p> {
    /// Nothing yet.
    pub fn new(fenced: Fenced, judged: &'p Judged, choice: &'p Choice, limits: Limits) -> Press<'p> {
        let outgoing = Outgoing::default();
        Press { fenced, judged, choice, limits, outgoing, published: 0, transactions: 0 }
    }

    /// Events of this run, those included that still wait.
    pub fn events(&self) -> u64 {
        self.published + self.outgoing.len() as u64
    }

    /// Publishes what waits, and this as the last word of its transaction. Blocks.
    pub fn publish(&mut self, last: Last<'_>) -> Result<(), Failure> {
        self.fenced.publish(&self.outgoing, last)?;
        self.published += self.outgoing.len() as u64;
        self.transactions += 1;
        self.outgoing.clear(2 * self.limits.bytes);
        Ok(())
    }
}

impl Taker for Press<'_> {
    fn wants(&mut self, row: &Row<'_>) -> bool {
        self.choice.has(self.judged, row)
    }

    /// A full batch goes out when one more comes: the last one waits for the position.
    fn room(&mut self) -> Result<&mut Outgoing, Failure> {
        let is_full = self.outgoing.len() >= self.limits.events || self.outgoing.bytes() >= self.limits.bytes;
        if is_full {
            tokio::task::block_in_place(|| {
                self.publish(Last::Nothing)?;
                thread::sleep(self.fenced.rest());
                Ok::<(), Failure>(())
            })?;
        }
        Ok(&mut self.outgoing)
    }
}
