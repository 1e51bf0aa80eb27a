//! The publisher: does what the connector's machine wants, with or without an answer.

use super::Next;
use crate::connector::Who;
use crate::happened::Happening;
use crate::kafka::{Answer, Record, Request, What};
use crate::moves::lane_partition;
use crate::mutants::Mutant;
use crate::world::{Network, Wrong};
use walpost::lsn::Lsn;
use walpost::publish::Class;
use walpost::publish::transaction::{Action, Ending, Input, Transaction};

impl Next<'_> {
    /// Steps the machine, and does at once what needs no server.
    pub(super) fn drive(&mut self, who: Who, number: u8, input: Input) {
        let ignores_losses = self.breaks(Mutant::CommitsUnsettled);
        let is_apart = self.breaks(Mutant::PositionApart);
        let mut input = input;
        loop {
            let lane = self.lane(who, number);
            let action = lane.machine.step(input);
            input = match action {
                Action::Begin => Input::Done,
                Action::Settle if lane.is_unsettled && !ignores_losses => Input::Failed(Class::Indefinite),
                Action::Settle => Input::Done,
                // The position follows in a transaction of its own.
                Action::SendPosition if is_apart && lane.events.0 < lane.events.1 => Input::Done,
                Action::Finish(Ending::Committed) => match self.committed(who, number) {
                    Some(input) => input,
                    None => return,
                },
                Action::Finish(_) => {
                    self.world.lay_down(who);
                    return;
                }
                Action::Send(_) | Action::SendPosition | Action::Commit | Action::Abort => {
                    lane.action = Some(action);
                    return;
                }
            };
        }
    }

    fn committed(&mut self, who: Who, number: u8) -> Option<Input> {
        let is_apart = self.breaks(Mutant::PositionApart);
        let is_past = self.breaks(Mutant::ConfirmsPastTheEnd);
        let lane = self.lane(who, number);
        let stored = lane.stored;
        if is_apart && lane.events.0 < lane.events.1 {
            (lane.events, lane.action) = ((0, 0), None);
            return Some(Input::Start { records: 0 });
        }
        lane.rest();
        let connector = self.connector(who);
        match connector.ledger.publish(stored.end) {
            Some(confirmed) if is_past => connector.confirmed = Lsn::new(confirmed.as_u64() + 1),
            Some(confirmed) => connector.confirmed = connector.confirmed.max(confirmed),
            None => self.wrong(Wrong::Defect),
        }
        self.happened.note(Happening::Published);
        None
    }

    pub(super) fn go(&mut self, who: Who, number: u8, network: Network) {
        if network != Network::Answered {
            self.world.left.unanswered -= 1;
        }
        let action = self.lane(who, number).action.take().expect("an action to perform");
        match action {
            Action::Send(_) | Action::SendPosition => self.send(who, number, action, network),
            Action::Commit => self.commit(who, number, network),
            _ => {
                let epoch = self.lane(who, number).epoch;
                self.end(number, epoch, false, network);
                self.drive(who, number, Input::Done);
            }
        }
    }

    fn send(&mut self, who: Who, number: u8, action: Action, network: Network) {
        let lane = *self.lane(who, number);
        let partition = lane_partition(&lane, action);
        let record = match action {
            Action::Send(nth) => Record::Event(lane.events.0 + nth as u8),
            _ => Record::Position(lane.stored),
        };
        let kafka = &mut self.world.kafka;
        if network != Network::Lost && kafka.add(number, lane.epoch, partition) == Answer::Fenced {
            self.happened.note(Happening::ZombieRefused);
            return self.drive(who, number, Input::Failed(Class::Fenced));
        }
        let is_gap = lane.gaps & 1 << partition != 0;
        let (is_written, is_acknowledged) = match network {
            Network::Answered => (!is_gap, !is_gap),
            Network::Unheard => (!is_gap, false),
            _ => (false, false),
        };
        if is_written {
            kafka.produce(number, lane.epoch, partition, record);
        }
        if network == Network::Late && !is_gap {
            let what = What::Produce { partition, record };
            kafka.late.push(Request { producer: number, epoch: lane.epoch, what });
        }
        let lane = self.lane(who, number);
        lane.is_unsettled |= !is_acknowledged;
        if !is_written {
            lane.gaps |= 1 << partition;
        }
        self.drive(who, number, Input::Done);
    }

    fn commit(&mut self, who: Who, number: u8, network: Network) {
        let epoch = self.lane(who, number).epoch;
        let answer = self.end(number, epoch, true, network);
        let is_heard = network == Network::Answered || self.breaks(Mutant::KeepsEpoch);
        let input = match answer {
            Answer::Done if is_heard => {
                self.lane(who, number).epoch = self.world.kafka.coordinators[number as usize].epoch;
                Input::Done
            }
            _ if !is_heard => Input::Failed(Class::Indefinite),
            Answer::Fenced => {
                self.happened.note(Happening::ZombieRefused);
                Input::Failed(Class::Fenced)
            }
            _ => Input::Failed(Class::Fatal),
        };
        if !is_heard {
            self.happened.note(match network {
                Network::Lost => Happening::UnknownCommitLost,
                Network::Late => Happening::UnknownCommitLate,
                _ => Happening::UnknownCommitApplied,
            });
            if self.breaks(Mutant::AbortsUnknown) {
                // However the abort ends, the batch goes out once more.
                self.end(number, epoch, false, Network::Answered);
                let lane = self.lane(who, number);
                let records = (lane.events.1 - lane.events.0).into();
                lane.machine = Transaction::new();
                return self.drive(who, number, Input::Start { records });
            }
        }
        self.drive(who, number, input);
    }

    /// EndTxn. A second copy may stay on its way.
    fn end(&mut self, producer: u8, epoch: u8, commit: bool, network: Network) -> Answer {
        let kafka = &mut self.world.kafka;
        if matches!(network, Network::Late | Network::Repeated) {
            kafka.late.push(Request { producer, epoch, what: What::End { commit } });
        }
        match network {
            Network::Lost | Network::Late => Answer::Refused,
            _ => kafka.end(self.model.rules.protocol, producer, epoch, commit),
        }
    }

    pub(super) fn arrive(&mut self, request: Request) {
        let protocol = self.model.rules.protocol;
        let answer = self.world.kafka.arrive(protocol, request);
        self.happened.note_if(answer == Answer::Fenced, Happening::LateRejected);
        if answer == Answer::Done {
            self.happened.note(match request.what {
                What::Fence => Happening::LateFence,
                What::Produce { .. } => Happening::LateRecord,
                What::End { .. } => Happening::LateEnd,
            });
        }
    }
}
