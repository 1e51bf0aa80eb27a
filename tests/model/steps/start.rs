//! The start: fence, position, facts, matrix, stream.

use super::Next;
use crate::connector::{Batch, Connector, Lane, Phase, Step, Who};
use crate::happened::Happening;
use crate::kafka::{Answer, Request, Transaction, What};
use crate::mutants::Mutant;
use crate::source::END;
use crate::world::Wrong;
use walpost::confirm::Ledger;
use walpost::pipeline::start;
use walpost::pipeline::startup::{self, Decision, Publication, Seen};
use walpost::postgres::facts::SystemIdentity;
use walpost::postgres::slot::SlotFacts;

impl Next<'_> {
    /// The number of the step that comes next. The first one takes the lock.
    fn begin(&mut self, who: Who) -> u8 {
        if let Phase::Starting(number) = self.connector(who).phase {
            return number;
        }
        if self.model.rules.lock {
            self.world.postgres.leader = Some(who);
        }
        self.connector(who).phase = Phase::Starting(0);
        0
    }

    pub(super) fn start(&mut self, who: Who) {
        let number = self.begin(who);
        let is_done = match self.model.rules.order()[number as usize] {
            Step::Fence(producer) => self.fence(who, producer),
            Step::Watermark => {
                self.connector(who).high = self.positions().len() as u8;
                true
            }
            Step::Position => {
                let high = self.connector(who).high;
                let (stored, _) = self.world.kafka.position(high.into());
                let connector = self.connector(who);
                (connector.high, connector.stored) = (0, stored);
                true
            }
            Step::Facts => self.decide(who),
            Step::Stream => {
                self.stream(who);
                return;
            }
        };
        if is_done {
            self.connector(who).phase = Phase::Starting(number + 1);
        }
    }

    fn fence(&mut self, who: Who, producer: u8) -> bool {
        let was_ongoing = self.is_ongoing(producer);
        let is_done = self.world.kafka.fence(producer) == Answer::Done;
        if is_done {
            let epoch = self.world.kafka.coordinators[producer as usize].epoch;
            self.connector(who).lanes.push(Lane { epoch, ..Lane::new() });
            let other = &self.world.connectors[1 - who as usize];
            self.happened.note_if(other.phase == Phase::Streaming, Happening::TookOver);
        } else {
            self.happened.note_if(was_ongoing, Happening::FenceAborted);
        }
        is_done
    }

    fn is_ongoing(&self, producer: u8) -> bool {
        matches!(self.world.kafka.coordinators[producer as usize].transaction, Transaction::Ongoing { .. })
    }

    pub(super) fn fence_unanswered(&mut self, who: Who, is_late: bool) {
        self.world.left.unanswered -= 1;
        let number = self.begin(who);
        let Step::Fence(producer) = self.model.rules.order()[number as usize] else { return };
        if is_late {
            self.world.kafka.late.push(Request { producer, epoch: 0, what: What::Fence });
        } else {
            self.world.kafka.fence(producer);
        }
    }

    /// The connector's own matrix.
    fn decide(&mut self, who: Who) -> bool {
        let stored = self.connector(who).stored.position();
        let slot = SlotFacts {
            plugin: Some("pgoutput".into()),
            database: Some("model".into()),
            confirmed_flush_lsn: Some(self.world.postgres.confirmed),
            ..SlotFacts::default()
        };
        let server = SystemIdentity { system_id: 1, timeline: 1, flush_lsn: END, database: "model".into() };
        let decision = startup::decide(&Seen {
            slot_name: "model",
            database: "model",
            stored: Some(&stored),
            slot: Some(&slot),
            server: &server,
            history: &[],
            publication_name: "model",
            publication: &Publication::Exists(Box::default()),
            adopt_slot: false,
        });
        match decision {
            Decision::Resume => return true,
            _ if self.breaks(Mutant::TakesTheGreater) => return true,
            _ => self.refused(who),
        }
        false
    }

    /// The connector will not start. Where nobody has touched the slot that is a false alarm; the only one allowed is of an
    /// instance that has been fenced since it read the position, and compares it with a slot that has moved on.
    fn refused(&mut self, who: Who) {
        if self.world.postgres.is_advanced {
            self.happened.note(Happening::Halted);
            self.world.disconnect(who);
            *self.connector(who) = Connector { phase: Phase::Halted, ..Connector::down() };
        } else if self.is_fenced(who) || self.model.rules.mutant.is_some() {
            // A mutant's refusals are harm, but not the harm that is looked for.
            self.happened.note(Happening::FalseAlarm);
            self.world.lay_down(who);
        } else {
            self.wrong(Wrong::Refused);
        }
    }

    pub(super) fn is_fenced(&self, who: Who) -> bool {
        let epochs = self.world.connectors[who as usize].lanes.iter().map(|lane| lane.epoch);
        epochs.zip(&self.world.kafka.coordinators).any(|(epoch, coordinator)| epoch != coordinator.epoch)
    }

    fn stream(&mut self, who: Who) {
        let (stored, slot) = (self.connector(who).stored, self.world.postgres.confirmed);
        // Moved since the matrix looked at it: the next start's matrix says so.
        let now = SlotFacts { confirmed_flush_lsn: Some(slot), ..SlotFacts::default() };
        let is_forwarded = start::not_forwarded(Some(&now), &stored.position()).is_err();
        if is_forwarded && !self.breaks(Mutant::LooksAtTheSlotOnce) && !self.breaks(Mutant::TakesTheGreater) {
            self.happened.note(Happening::SlotMoved);
            return self.world.lay_down(who);
        }
        let Ok(plan) = self.model.plans.start(&stored, slot) else { return self.refused(who) };
        self.world.postgres.holder = Some(who);
        let connector = self.connector(who);
        connector.phase = Phase::Streaming;
        connector.plan = *plan;
        connector.ledger = Ledger::new(stored.end);
        connector.confirmed = stored.end;
        connector.batch = Batch::after(stored.end, stored.end);
        connector.last_lane = connector.lanes.len() as u8 - 1;
        self.happened.note_if(stored.ordinal.is_some(), Happening::ResumedInside);
        self.happened.note_if(slot < stored.end, Happening::SlotWasBehind);
    }
}
