//! What a move makes of a world.

mod publisher;
mod road;
mod start;

use crate::connector::{Connector, Lane, Who};
use crate::happened::{Happened, Happening};
use crate::kafka::{Entry, Fate, POSITIONS, Record};
use crate::mutants::Mutant;
use crate::world::{Model, Move, World, Wrong};

/// Who writes the neighbour's record.
const NEIGHBOUR: u8 = 9;

impl Model {
    /// The world after a move, judged, and what of note has happened.
    pub fn make(&self, world: &World, step: Move) -> (World, Happened) {
        let mut next = Next { model: self, world: world.clone(), happened: Happened::default() };
        next.make(step);
        let Next { mut world, happened, .. } = next;
        world.rank_epochs(self.rules.producers);
        if world.wrong.is_none() {
            world.wrong = self.judge(&world);
        }
        if world.wrong.is_none() && matches!(step, Move::Go { .. } | Move::Arrive(_)) {
            world.wrong = self.judge_chain(&world);
        }
        (world, happened)
    }
}

/// A world on its way.
struct Next<'a> {
    model: &'a Model,
    world: World,
    happened: Happened,
}

impl Next<'_> {
    fn make(&mut self, step: Move) {
        match step {
            Move::Start(who) => self.start(who),
            Move::FenceUnanswered { who, is_late } => self.fence_unanswered(who, is_late),
            Move::Take(who) => self.take(who),
            Move::Pass(who) => {
                let connector = self.connector(who);
                let plan = connector.plan;
                let (_, rest) = self.model.plans.next(plan).expect("a keepalive");
                self.connector(who).plan = rest;
            }
            Move::HandOver(who) => self.hand_over(who),
            Move::Go { who, lane, network } => self.go(who, lane, network),
            Move::Tell(who) => self.tell(who),
            Move::GiveUp(who) => self.world.lay_down(who),
            Move::Crash(who) => {
                self.world.left.crashes -= 1;
                self.world.lay_down(who);
            }
            Move::Cut(who) => {
                self.world.left.cuts -= 1;
                self.world.disconnect(who);
            }
            Move::PostgresCrash { slot } => {
                let postgres = &mut self.world.postgres;
                self.happened.note_if(slot < postgres.confirmed, Happening::SlotWentBack);
                (postgres.holder, postgres.leader, postgres.confirmed) = (None, None, slot);
                self.world.left.postgres_crashes -= 1;
            }
            Move::TimeOut { producer } => {
                self.world.left.time_outs -= 1;
                self.world.kafka.time_out(producer);
            }
            Move::Markers { producer } => {
                let kept = self.world.kafka.mark(producer);
                self.world.forget_positions(&kept);
            }
            Move::Arrive(request) => self.arrive(request),
            Move::NeighbourBegins => {
                self.world.left.neighbours -= 1;
                let fate = Fate::Open { producer: NEIGHBOUR, epoch: 0 };
                self.positions().push(Entry { record: Record::Neighbours, fate });
            }
            Move::NeighbourEnds => {
                let kept: Vec<bool> =
                    self.positions().iter().map(|entry| entry.record != Record::Neighbours).collect();
                self.world.kafka.keep(&kept);
                self.world.forget_positions(&kept);
            }
            Move::Advance { slot } => {
                self.world.left.advances -= 1;
                self.world.postgres.confirmed = slot;
                self.world.postgres.is_advanced = true;
            }
        }
    }

    fn connector(&mut self, who: Who) -> &mut Connector {
        &mut self.world.connectors[who as usize]
    }

    fn lane(&mut self, who: Who, lane: u8) -> &mut Lane {
        &mut self.connector(who).lanes[lane as usize]
    }

    fn positions(&mut self) -> &mut Vec<Entry> {
        &mut self.world.kafka.partitions[POSITIONS as usize]
    }

    fn wrong(&mut self, wrong: Wrong) {
        self.world.wrong.get_or_insert(wrong);
    }

    fn breaks(&self, mutant: Mutant) -> bool {
        self.model.rules.breaks(mutant)
    }
}
