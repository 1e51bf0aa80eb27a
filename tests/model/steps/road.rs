//! The road: reads, hands over, and tells Postgres.

use super::Next;
use crate::connector::{Batch, Who};
use crate::happened::Happening;
use crate::mutants::Mutant;
use crate::source::Stored;
use crate::world::Wrong;
use std::sync::Arc;
use walpost::encode::Outgoing;
use walpost::position::{Partial, Position};
use walpost::publish;
use walpost::publish::transaction::Input;

impl Next<'_> {
    pub(super) fn take(&mut self, who: Who) {
        let plan = self.connector(who).plan;
        let (piece, rest) = self.model.plans.next(plan).expect("something comes");
        let confirms = piece.is_keepalive() && self.breaks(Mutant::ConfirmsKeepalives);
        let connector = self.connector(who);
        connector.plan = rest;
        let batch = &mut connector.batch;
        batch.events = match (batch.records(), piece.is_keepalive()) {
            (_, true) => batch.events,
            (0, _) => piece.events,
            _ => (batch.events.0, piece.events.1),
        };
        (batch.end, batch.ordinal, batch.is_closed) = (piece.end, piece.ordinal, piece.closes);
        batch.received = batch.received.max(piece.received);
        if confirms {
            connector.confirmed = connector.confirmed.max(piece.end);
        }
    }

    pub(super) fn hand_over(&mut self, who: Who) {
        let number = self.model.next_lane(self.connector(who)) as u8;
        let connector = self.connector(who);
        let batch = connector.batch;
        let next = match next_position(&connector.stored, &batch) {
            Ok(next) => next,
            Err(_) => return self.wrong(Wrong::Defect),
        };
        connector.ledger.receive(batch.received);
        connector.stored = next;
        connector.batch = Batch::after(batch.end, batch.received);
        connector.last_lane = number;
        let lane = self.lane(who, number);
        (lane.events, lane.stored) = (batch.events, next);
        if self.breaks(Mutant::ConfirmsBeforeCommit) {
            self.connector(who).confirmed = next.end;
        }
        self.happened.note_if(batch.is_closed, Happening::Split);
        self.drive(who, number, Input::Start { records: batch.records().into() });
    }

    pub(super) fn tell(&mut self, who: Who) {
        let (told, held) = (self.connector(who).confirmed, self.world.kafka.decided().end);
        if told > held {
            self.wrong(Wrong::ConfirmedAhead { told, held });
        }
        self.world.postgres.confirmed = told;
        self.happened.note_if(self.is_fenced(who), Happening::ZombieConfirmed);
    }
}

/// The position after a batch, by the connector's own rule.
fn next_position(stored: &Stored, batch: &Batch) -> Result<Stored, String> {
    let position = stored.position();
    let mut outgoing = Outgoing::default();
    let topic = Arc::from("t");
    for _ in 0..batch.records() {
        let draft = outgoing.draft();
        outgoing.finish(draft, &topic, None, 0);
    }
    let with_ordinal = Stored { ordinal: batch.ordinal, ..*stored };
    let partial: Option<Partial> = with_ordinal.position().partial;
    let batch = publish::Batch { outgoing, end_lsn: batch.end, partial, ..publish::Batch::default() };
    position.after(&batch).map(|next: Position| Stored::of(&next))
}
