//! Which moves there are in a world.

use crate::connector::{Connector, Lane, Phase, Step, Who};
use crate::kafka::{Coordinator, POSITIONS, Record, Transaction};
use crate::mutants::Mutant;
use crate::source::{BATCH_MOST, BIRTH, END, EVENTS, KEEPALIVE, WAL};
use crate::world::{Model, Move, Network, World};
use walpost::lsn::Lsn;
use walpost::publish::transaction::Action;

/// Every place a slot may stand at.
const PLACES: [Lsn; 5] = [BIRTH, WAL[0].end, WAL[1].end, KEEPALIVE, END];

impl Model {
    pub fn moves(&self, world: &World, moves: &mut Vec<Move>) {
        for who in [0, 1] {
            self.of_start(world, who, moves);
            self.of_road(world, who, moves);
            self.of_publisher(world, who, moves);
            if !world.connectors[who as usize].is_down() {
                moves.extend((world.left.crashes > 0).then_some(Move::Crash(who)));
                let is_connected = [world.postgres.holder, world.postgres.leader].contains(&Some(who));
                moves.extend((world.left.cuts > 0 && is_connected).then_some(Move::Cut(who)));
            }
        }
        self.of_kafka(world, moves);
        self.of_postgres(world, moves);
    }

    fn of_start(&self, world: &World, who: Who, moves: &mut Vec<Move>) {
        let connector = &world.connectors[who as usize];
        let other = &world.connectors[1 - who as usize];
        let number = match connector.phase {
            // Two that are down are the same.
            Phase::Down if who == 1 && other.is_down() => return,
            Phase::Down if self.rules.lock && world.postgres.leader.is_some() => return,
            Phase::Down => 0,
            Phase::Starting(number) => number,
            Phase::Streaming | Phase::Halted => return,
        };
        let is_possible = match self.rules.order()[number as usize] {
            Step::Fence(producer) => {
                let transaction = world.kafka.coordinators[producer as usize].transaction;
                let is_ending = matches!(transaction, Transaction::Ending { .. });
                if world.left.unanswered > 0 && !is_ending {
                    moves.push(Move::FenceUnanswered { who, is_late: false });
                    if self.may_be_late(world) {
                        moves.push(Move::FenceUnanswered { who, is_late: true });
                    }
                }
                !is_ending
            }
            // Whose lock is gone has lost its connections with it.
            Step::Facts | Step::Stream if self.rules.lock && world.postgres.leader != Some(who) => {
                moves.push(Move::GiveUp(who));
                false
            }
            Step::Watermark | Step::Facts => true,
            // Only a reader that knows the high watermark knows that something is missing. It does not wait for ever.
            Step::Position => {
                let is_read = world.kafka.position(connector.high.into()).1;
                moves.extend((!is_read).then_some(Move::GiveUp(who)));
                is_read || self.rules.breaks(Mutant::ReadsToStable)
            }
            Step::Stream => {
                if world.postgres.holder.is_some() {
                    moves.push(Move::GiveUp(who));
                }
                world.postgres.holder.is_none()
            }
        };
        moves.extend(is_possible.then_some(Move::Start(who)));
    }

    fn of_road(&self, world: &World, who: Who, moves: &mut Vec<Move>) {
        let connector = &world.connectors[who as usize];
        if connector.phase != Phase::Streaming {
            return;
        }
        if !world.is_linked(who) {
            moves.push(Move::GiveUp(who));
            return;
        }
        let Connector { batch, plan, .. } = connector;
        if !batch.is_closed
            && batch.records() < BATCH_MOST
            && let Some((piece, _)) = self.plans.next(*plan)
        {
            moves.push(Move::Take(who));
            moves.extend(piece.is_keepalive().then_some(Move::Pass(who)));
        }
        let lane = &connector.lanes[self.next_lane(connector)];
        if world.has_batch(who) && lane.action.is_none() && lane.machine.is_usable() {
            moves.push(Move::HandOver(who));
        }
        if connector.confirmed > world.postgres.confirmed {
            moves.push(Move::Tell(who));
        }
    }

    pub fn next_lane(&self, connector: &Connector) -> usize {
        (connector.last_lane as usize + 1) % self.rules.producers as usize
    }

    fn of_publisher(&self, world: &World, who: Who, moves: &mut Vec<Move>) {
        let connector = &world.connectors[who as usize];
        for (number, lane) in (0..).zip(&connector.lanes) {
            let Some(action) = lane.action else { continue };
            if self.is_its_turn(connector, number, action) {
                let coordinator = &world.kafka.coordinators[number as usize];
                self.of_action(world, lane, action, coordinator, |network| {
                    moves.push(Move::Go { who, lane: number, network });
                });
            }
        }
    }

    /// With two producers, the later of two batches waits: its records until those of the earlier one are acknowledged,
    /// its position until the earlier one is committed.
    fn is_its_turn(&self, connector: &Connector, number: u8, action: Action) -> bool {
        let earlier =
            (0..).zip(&connector.lanes).find(|(other, lane)| *other != number && lane.action.is_some());
        let Some((_, earlier)) = earlier.filter(|_| connector.last_lane == number) else { return true };
        match action {
            Action::Send(_) => {
                earlier.action == Some(Action::Commit) || self.rules.breaks(Mutant::SendsBeforeAcknowledged)
            }
            _ => self.rules.breaks(Mutant::CommitsBeforeCommitted),
        }
    }

    fn of_action(
        &self,
        world: &World,
        lane: &Lane,
        action: Action,
        coordinator: &Coordinator,
        mut go: impl FnMut(Network),
    ) {
        let is_current = lane.epoch == coordinator.epoch;
        let may_fail = world.left.unanswered > 0 && is_current;
        let may_be_late = may_fail && self.may_be_late(world);
        match action {
            Action::Send(_) | Action::SendPosition => {
                if is_current && matches!(coordinator.transaction, Transaction::Ending { .. }) {
                    return;
                }
                go(Network::Answered);
                if may_fail {
                    let partition = lane_partition(lane, action);
                    let is_added = matches!(coordinator.transaction,
                        Transaction::Ongoing { partitions } if partitions & 1 << partition != 0);
                    go(Network::Lost);
                    go(Network::Unheard);
                    if !is_added {
                        go(Network::HalfLost);
                    }
                }
                if may_be_late {
                    go(Network::Late);
                }
            }
            Action::Commit if self.rules.breaks(Mutant::KeepsEpoch) => {
                go(Network::Answered);
                if may_be_late {
                    go(Network::Repeated);
                }
            }
            Action::Commit => {
                go(Network::Answered);
                if may_fail {
                    go(Network::Lost);
                    go(Network::Unheard);
                }
                if may_be_late {
                    go(Network::Late);
                    go(Network::Repeated);
                }
            }
            Action::Abort => {
                go(Network::Answered);
                if may_fail {
                    go(Network::Lost);
                }
                if may_be_late {
                    go(Network::Late);
                }
            }
            Action::Begin | Action::Settle | Action::Finish(_) => unreachable!("{action:?} is done at once"),
        }
    }

    fn may_be_late(&self, world: &World) -> bool {
        world.kafka.late.len() < self.rules.late_most
    }

    fn of_kafka(&self, world: &World, moves: &mut Vec<Move>) {
        for (producer, coordinator) in (0..).zip(&world.kafka.coordinators) {
            match coordinator.transaction {
                Transaction::None => {}
                Transaction::Ongoing { .. } => {
                    moves.extend((world.left.time_outs > 0).then_some(Move::TimeOut { producer }));
                }
                Transaction::Ending { .. } => moves.push(Move::Markers { producer }),
            }
        }
        moves.extend(world.kafka.late.iter().map(|request| Move::Arrive(*request)));
        let positions = &world.kafka.partitions[2];
        let is_there = positions.iter().any(|entry| entry.record == Record::Neighbours);
        if is_there {
            moves.push(Move::NeighbourEnds);
        } else if world.left.neighbours > 0 {
            moves.push(Move::NeighbourBegins);
        }
    }

    fn of_postgres(&self, world: &World, moves: &mut Vec<Move>) {
        let confirmed = world.postgres.confirmed;
        if world.left.postgres_crashes > 0 {
            let back = PLACES.into_iter().filter(|place| *place <= confirmed);
            moves.extend(back.map(|slot| Move::PostgresCrash { slot }));
        }
        // Nobody can while a walsender has the slot.
        if world.left.advances > 0 && world.postgres.holder.is_none() {
            let ahead = PLACES.into_iter().filter(|place| *place > confirmed);
            moves.extend(ahead.map(|slot| Move::Advance { slot }));
        }
    }
}

/// Where the record of an action goes.
pub fn lane_partition(lane: &Lane, action: Action) -> u8 {
    match action {
        Action::Send(number) => EVENTS[lane.events.0 as usize + number].2,
        _ => POSITIONS,
    }
}
