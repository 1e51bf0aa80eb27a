//! What people, standbys and accidents do to the servers while no instance runs; and what must come of it.

use crate::postgres::Fate;
use crate::story::Dice;
use crate::world::{Must, World};
use walpost::error::Exit;
use walpost::position::Position;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tampering {
    SlotAdvanced,
    /// The same, in the middle of a start: after the facts were asked for, before the stream.
    SlotAdvancedMeanwhile,
    SlotDropped,
    SlotMadeAgain,
    SlotLost,
    SetBack,
    SetBackAndSlotMadeAgain,
    OtherCluster,
    /// After a failover that lost nothing, the old primary is back.
    OldPrimary,
    /// A failover that lost nothing, with the slot.
    Failover,
    FailoverWithoutSlot,
    /// A failover that lost what was published.
    FailoverWithLoss,
    /// The same, and the slot was made anew after it.
    FailoverWithLossAndGap,
    /// A failover that lost a transaction of which a part was published.
    FailoverWithinPart,
    PublicationDropped,
    PositionsDeleted,
    PositionForged,
    /// A transaction that was published in part decodes differently.
    PartChanged,
    /// An event that cannot be published: written while the connector runs.
    Poison(Fate),
}

use Tampering::*;

pub const ALL: [Tampering; 22] = [
    SlotAdvanced,
    SlotAdvancedMeanwhile,
    SlotDropped,
    SlotMadeAgain,
    SlotLost,
    SetBack,
    SetBackAndSlotMadeAgain,
    OtherCluster,
    OldPrimary,
    Failover,
    FailoverWithoutSlot,
    FailoverWithLoss,
    FailoverWithLossAndGap,
    FailoverWithinPart,
    PublicationDropped,
    PositionsDeleted,
    PositionForged,
    PartChanged,
    Poison(Fate::TooLargeHere),
    Poison(Fate::TooLargeThere),
    Poison(Fate::NoTopic),
    Poison(Fate::IllegalTopic),
];

impl Tampering {
    /// Does it, where the world is ready for it; whether it is done.
    pub fn is_done(self, world: &mut World) -> bool {
        let Some(last) = world.last.clone().filter(|last| !last.creating) else { return false };
        if world.postgres.slot.is_none() {
            return false;
        }
        if self == SlotAdvancedMeanwhile {
            world.ambush = true;
            return true;
        }
        settle(world);
        let last = world.last.clone().unwrap_or(last);
        let done = self.act(world, &last);
        if done {
            let slot = world.postgres.slot.clone();
            world.story.tell(&format!("{self:?}"), || {
                format!("slot {slot:?}, {} stored, must be {:?}", last.end_lsn.as_u64(), world.must)
            });
        }
        done
    }

    fn act(self, world: &mut World, last: &Position) -> bool {
        let stored = last.end_lsn.as_u64();
        let birth = last.slot_birth_lsn.as_u64();
        match self {
            SlotAdvanced | SlotAdvancedMeanwhile | SlotMadeAgain => {
                an_event(world);
                let flushed = world.postgres.flushed;
                match self {
                    SlotMadeAgain => drop(world.postgres.create_slot()),
                    _ => drop(world.postgres.confirm(flushed)),
                }
                world.postgres.checkpoint();
                must(world, Exit::SlotAhead, "the slot is past an event that was not published", true)
            }
            SlotDropped => {
                world.postgres.slot = None;
                an_event(world);
                must(world, Exit::SlotMissing, "the slot was dropped", true)
            }
            SlotLost => {
                world.postgres.slot.as_mut().expect("looked at").lost = true;
                an_event(world);
                must(world, Exit::SlotLost, "the slot was invalidated", true)
            }
            SetBack if stored > birth => {
                let end = world.dice.between(birth, stored - 1);
                world.postgres.rewind(end);
                let confirmed = world.postgres.slot.as_ref().map_or(0, |slot| slot.confirmed);
                world.postgres.slot_at(confirmed.min(end));
                must(world, Exit::ServerBehind, "the server's WAL ends before the stored position", true)
            }
            SetBackAndSlotMadeAgain if birth > 100 => {
                world.postgres.rewind(birth - 50);
                world.postgres.slot_at(birth - 50);
                while world.postgres.flushed <= stored {
                    an_event(world);
                }
                must(world, Exit::SlotReborn, "the slot is another, on a server that was set back", true)
            }
            OtherCluster => {
                world.postgres.system_id += 1;
                must(world, Exit::OtherSystem, "this is another cluster", true)
            }
            OldPrimary if last.timeline > 1 => {
                world.postgres.timeline -= 1;
                world.postgres.history.pop();
                must(world, Exit::OldTimeline, "the old primary is back", true)
            }
            OldPrimary if world.postgres.timeline == 1 => {
                failover(world, world.postgres.flushed, birth);
                an_event(world);
                false
            }
            Failover => {
                failover(world, world.postgres.flushed, birth);
                true
            }
            FailoverWithoutSlot => {
                failover(world, world.postgres.flushed, birth);
                world.postgres.slot = None;
                must(world, Exit::SlotMissing, "the slot did not survive the failover", true)
            }
            FailoverWithLoss | FailoverWithLossAndGap if stored > birth + 1 => {
                let switch = world.dice.between(birth, stored - 1);
                failover(world, switch, birth);
                an_event(world);
                if self == FailoverWithLoss {
                    return true;
                }
                an_event(world);
                world.postgres.create_slot();
                must(world, Exit::FailoverGap, "the slot was made anew after a failover that lost WAL", true)
            }
            FailoverWithinPart => {
                let commit = last.partial.as_ref().map_or(0, |partial| partial.commit_lsn.as_u64());
                if commit <= stored {
                    return false;
                }
                let switch = world.dice.between(stored, commit - 1);
                failover(world, switch, birth);
                an_event(world);
                must(world, Exit::Stream, "a transaction published in part was lost in a failover", false)
            }
            PublicationDropped => {
                world.postgres.publication = false;
                an_event(world);
                must(world, Exit::Publication, "the publication was dropped", true)
            }
            PositionsDeleted => {
                world.broker.delete_positions();
                must(world, Exit::PositionMissing, "the positions were deleted", true)
            }
            PositionForged => {
                let forged =
                    Position { prev_lsn: last.end_lsn, instance: "somebody".to_owned(), ..last.clone() };
                world.broker.forge(serde_json::to_vec(&forged).expect("plain data"));
                must(world, Exit::PositionMissing, "somebody else wrote a position", true)
            }
            PartChanged => {
                let Some(partial) = last.partial.clone() else { return false };
                let World { postgres, dice, .. } = &mut *world;
                postgres.narrow(dice, &partial)
                    && must(world, Exit::Stream, "a transaction published in part has changed", false)
            }
            Poison(_)
            | SetBack
            | SetBackAndSlotMadeAgain
            | OldPrimary
            | FailoverWithLoss
            | FailoverWithLossAndGap => false,
        }
    }
}

/// What was to be done in the middle of a start is done, where nobody holds the slot.
pub fn ambush(world: &mut World) {
    let Some(last) = world.last.clone().filter(|_| world.postgres.walsender.is_none()) else { return };
    if std::mem::take(&mut world.ambush) {
        world.zombies.clear();
        SlotAdvancedMeanwhile.act(world, &last);
        world.story.tell("SlotAdvancedMeanwhile", || format!("{} is stored", last.end_lsn.as_u64()));
    }
}

/// A slot that is there, and no position.
pub const SOMEBODY_ELSES: Must =
    Must { exit: Exit::PositionMissing, because: "the slot is somebody else's", at_start: true };

/// What an event that cannot be published must come to.
pub fn poisoned(fate: Fate) -> Must {
    let exit = if fate == Fate::NoTopic { Exit::Kafka } else { Exit::Rejected };
    Must { exit, because: "an event cannot be published", at_start: false }
}

fn must(world: &mut World, exit: Exit, because: &'static str, at_start: bool) -> bool {
    world.must = Some(Must { exit, because, at_start });
    true
}

fn an_event(world: &mut World) {
    let World { postgres, dice, .. } = world;
    let before = postgres.next_event;
    while postgres.next_event == before {
        postgres.commit_something(dice, 4);
    }
}

/// Nothing is under way any more.
fn settle(world: &mut World) {
    world.zombies.clear();
    world.broker.late.clear();
    world.broker.fence();
    world.check();
}

/// The slot is on the new primary as the standby last saw it.
fn failover(world: &mut World, switch: u64, birth: u64) {
    let confirmed = world.postgres.slot.as_ref().map_or(0, |slot| slot.confirmed).min(switch);
    let seen = older(&mut world.dice, birth.min(confirmed), confirmed);
    world.postgres.promote(switch);
    world.postgres.slot_at(seen);
}

fn older(dice: &mut Dice, oldest: u64, newest: u64) -> u64 {
    if dice.percent(50) { newest } else { dice.between(oldest, newest) }
}
