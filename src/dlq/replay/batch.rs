//! What one Kafka transaction of a replay holds: letters' records, each with its mark after it.

use super::{Ended, Held, Outcomes, Replay, Round};
use crate::dlq::outbox::Outbox;
use crate::dlq::rebuild::Refusal;
use crate::encode::{Outgoing, RecordRef};
use crate::publish::letters::{self, Fate, Letter};
use crate::publish::{self, Outlet as _, publisher};
use crate::rejection::Rejection;
use std::sync::Arc;
use std::thread;

/// Letters in one transaction at most.
const MOST: usize = 100;

/// Letters that are ready.
#[derive(Default)]
pub(super) struct Batch {
    outgoing: Outgoing,
    items: Vec<Item>,
}

struct Item {
    letter: Letter,
    topic: Arc<str>,
}

impl Batch {
    /// A letter, and the record that it becomes, for the how manieth time and when.
    pub(super) fn add(
        &mut self,
        record: &RecordRef<'_>,
        letter: Letter,
        key: Option<Vec<u8>>,
        topic: &Arc<str>,
        (attempts, now_ms): (u32, i64),
    ) {
        self.outgoing.append(record, &[]);
        let fate = (Fate::Replayed, Some((&**record.topic, attempts)));
        letters::write_mark(topic, &letter, key.as_deref(), fate, now_ms, &mut self.outgoing);
        self.items.push(Item { letter, topic: Arc::clone(record.topic) });
    }

    /// A quarter of a second's letters, or as much as a transaction may hold.
    pub(super) fn is_full(&self, rate: u32, bytes: usize) -> bool {
        let most = if rate == 0 { MOST } else { (rate as usize / 4).clamp(1, MOST) };
        self.items.len() >= most || self.outgoing.bytes() >= bytes
    }

    /// Leaves only those letters for which `keep` says so.
    fn retain(&mut self, keep: impl Fn(&Item) -> bool) -> Vec<Item> {
        let (mut kept, mut gone, mut outgoing) = (Vec::new(), Vec::new(), Outgoing::default());
        for (number, item) in std::mem::take(&mut self.items).into_iter().enumerate() {
            if !keep(&item) {
                gone.push(item);
                continue;
            }
            // Each has its record and its mark.
            for record in self.outgoing.iter().skip(2 * number).take(2) {
                outgoing.append(&record, &[]);
            }
            kept.push(item);
        }
        (self.items, self.outgoing) = (kept, outgoing);
        gone
    }
}

impl<O: Outbox> Replay<'_, O> {
    /// Publishes what is ready, in one transaction. A record that Kafka refuses stays behind, with what comes after it of
    /// its key.
    pub(super) fn flush(&mut self, round: &mut Round<'_>) -> Result<(), Ended> {
        let mut careful = false;
        while !round.batch.items.is_empty() {
            let Some(outlet) = &mut round.outlet else { return Ok(()) };
            let items = || round.batch.items.iter();
            match publisher::deliver(outlet, &round.batch.outgoing, careful) {
                Ok(()) => {
                    let rest = outlet.rest();
                    for Item { letter, topic } in std::mem::take(&mut round.batch.items) {
                        self.done(letter, Outcomes::Replayed(topic));
                    }
                    round.batch.outgoing.clear(0);
                    thread::sleep(rest);
                }
                Err(publish::Error::Refused(error, rejection)) => {
                    // It was aborted; the producer is of no further use.
                    round.outlet = None;
                    let is_mark = error.topic.as_deref() == Some(&*self.source.topic);
                    let which = items().position(|item| item.letter.origin == rejection.origin);
                    match which {
                        Some(which) if !is_mark => self.leave_out(round, which, *rejection),
                        None if !careful => careful = true,
                        _ => return Err(publish::Error::DeadLetters(error).into()),
                    }
                    let fenced = crate::dlq::fence(self.config, self.patience);
                    let fenced =
                        fenced.map_err(|error| Ended::of_kafka(&error, "fencing earlier replays"))?;
                    round.outlet = Some(fenced);
                }
                Err(error) => {
                    let items = items().map(|item| (item.letter.place, Arc::clone(&item.topic)));
                    self.uncertain.extend(items);
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, round: &mut Round<'_>, which: usize, rejection: Rejection) {
        let Rejection { reason, detail, hint, .. } = rejection;
        let refused = round.batch.items[which].letter.clone();
        let (place, hash) = (refused.place, refused.key_hash.filter(|_| !self.options.choice.out_of_order));
        let is_behind = |letter: &Letter| letter.place > place && hash.is_some() && letter.key_hash == hash;
        let gone = round.batch.retain(|item| item.letter.place != place && !is_behind(&item.letter));
        for Item { letter, .. } in gone {
            let result = match letter.place == place {
                true => Outcomes::Refused(Refusal::of(
                    reason,
                    detail.clone(),
                    hint.clone(),
                    self.options.to_topic.as_deref(),
                )),
                false => Outcomes::Held(Held::Behind),
            };
            self.stays(letter, result);
        }
    }
}
