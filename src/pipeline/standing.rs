//! How the stored position and the slot stand to each other when a person is to decide what comes next. Pure.
//!
//! Enters: what a start would decide. Leaves: a [`Standing`], or the refusal of a start where nothing can be decided from
//! here (another cluster, another timeline, a publication that is not there). And the position that follows from it.

use super::decided::{Stored, after};
use super::startup::Decision;
use crate::error::{Exit, Failure};
use crate::fingerprint::Fingerprint;
use crate::lsn::Lsn;
use crate::position::{Audit, Position};
use crate::postgres::facts::SystemIdentity;
use crate::postgres::slot::SlotFacts;

/// How the two stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A start would go on at this position.
    Fine(Position),
    /// The slot is past the position: what ended between the two is not sent any more (row 2).
    Ahead {
        /// The position.
        stored: Position,
        /// Where the slot stands.
        confirmed: Lsn,
    },
    /// Nothing is sent any more: there is no slot (row 8), or none that works (row 9).
    Gone {
        /// The position.
        stored: Position,
        /// The slot is there, and of no use.
        is_lost: bool,
    },
    /// There is a slot, and no position that says what of it is published (rows 11 and 12).
    Unknown {
        /// Where the slot stands.
        confirmed: Lsn,
        /// Records that are there and stand for nothing: a new chain must not follow them.
        is_broken: bool,
    },
}

impl Standing {
    /// How they stand, by what a start would do about them.
    pub fn of(decision: Decision, stored: &Stored, slot: Option<&SlotFacts>) -> Result<Standing, Failure> {
        let confirmed = slot.filter(|slot| !slot.is_invalidated()).and_then(|slot| slot.confirmed_flush_lsn);
        let position = stored.as_ref().ok().and_then(Option::as_ref).filter(|position| !position.creating);
        // The mark of a creation that did not come to its end is followed by nothing but its own slot.
        let is_broken = stored.as_ref().map_or(true, |stored| stored.is_some() && position.is_none());
        match (decision, position.cloned(), confirmed) {
            (Decision::Resume, Some(stored), _) => Ok(Standing::Fine(stored)),
            (Decision::TakeSlot { slot_lsn }, ..) => Ok(Standing::Unknown { confirmed: slot_lsn, is_broken }),
            (Decision::Create, ..) => Err(first_start()),
            (Decision::ResumeAtSwitch { .. }, ..) => Err(switched()),
            (Decision::Stop(failure), position, confirmed) => match (failure.exit, position, confirmed) {
                (Exit::SlotAhead, Some(stored), Some(confirmed)) => Ok(Standing::Ahead { stored, confirmed }),
                (Exit::SlotMissing, Some(stored), _) => Ok(Standing::Gone { stored, is_lost: false }),
                (Exit::SlotLost, Some(stored), _) => Ok(Standing::Gone { stored, is_lost: true }),
                // A slot of something else is refused by the same code, and there is no standing to it.
                (Exit::PositionMissing, None, Some(confirmed)) if is_pgoutput(slot) => {
                    Ok(Standing::Unknown { confirmed, is_broken })
                }
                (Exit::SlotReborn, Some(_), Some(confirmed)) => {
                    Ok(Standing::Unknown { confirmed, is_broken: true })
                }
                _ => Err(*failure),
            },
            (Decision::Resume, None, _) => Err(first_start()),
        }
    }

    /// The stored position, if there is one that counts.
    pub fn stored(&self) -> Option<&Position> {
        match self {
            Standing::Fine(stored) | Standing::Ahead { stored, .. } | Standing::Gone { stored, .. } => {
                Some(stored)
            }
            Standing::Unknown { .. } => None,
        }
    }

    /// The position at `end_lsn`, with what was decided on it; and whether a new chain begins with it.
    pub fn next(
        &self,
        end_lsn: Lsn,
        server: &SystemIdentity,
        publication: Option<Fingerprint>,
        audit: Audit,
    ) -> (Position, bool) {
        let (system_id, timeline) = (server.system_id, server.timeline);
        let mut next = match self {
            Standing::Unknown { confirmed, .. } => {
                let mark = Position::creating(system_id, timeline, "");
                Position { slot_birth_lsn: *confirmed, ..Position::first(&mark, *confirmed) }
            }
            // A new slot was born here; one that went on is as old as it was.
            Standing::Gone { stored, .. } => Position { slot_birth_lsn: end_lsn, ..stored.clone() },
            Standing::Fine(stored) | Standing::Ahead { stored, .. } => stored.clone(),
        };
        next = after(self.stored(), next);
        next.partial = next.partial.filter(|partial| partial.commit_lsn >= end_lsn && self.is_fine());
        next.publication = publication.or(next.publication);
        (next.end_lsn, next.timeline) = (end_lsn, timeline);
        (next.noting(audit), matches!(self, Standing::Unknown { is_broken: true, .. }))
    }

    /// The next start would go on by itself.
    pub fn is_fine(&self) -> bool {
        matches!(self, Standing::Fine(_))
    }
}

fn is_pgoutput(slot: Option<&SlotFacts>) -> bool {
    slot.is_some_and(|slot| slot.plugin.as_deref() == Some("pgoutput"))
}

fn first_start() -> Failure {
    Failure::new(
        Exit::NotFound,
        "there is neither a slot nor a position: nothing was ever published from here",
        "nothing was done",
        "walpost slot create makes both, or the first walpost run",
    )
}

fn switched() -> Failure {
    Failure::new(
        Exit::Failure,
        "a failover lost WAL that was already published; the next walpost run goes on where it cut the timeline",
        "until then the position stands for a timeline that has ended. Nothing was done",
        "start walpost run once; then ask again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Partial;

    fn position(end: u64) -> Position {
        Position { events: 9, ..Position::first(&Position::creating(7, 1, "run"), Lsn::new(end)) }
    }

    fn slot(confirmed: Option<u64>) -> SlotFacts {
        SlotFacts {
            plugin: Some("pgoutput".into()),
            confirmed_flush_lsn: confirmed.map(Lsn::new),
            ..SlotFacts::default()
        }
    }

    fn stops(exit: Exit) -> Decision {
        Decision::Stop(Box::new(Failure::new(exit, "why", "", "")))
    }

    fn audit() -> Audit {
        let from = Lsn::new(1);
        Audit { at_ms: 1, by: "somebody".into(), from, to: None, published: 0, given_up: Some(0), ids: None }
    }

    fn server() -> SystemIdentity {
        SystemIdentity { system_id: 7, timeline: 2, flush_lsn: Lsn::new(900), database: "d".into() }
    }

    #[test]
    fn each_case_of_a_start_is_one_that_can_be_decided_or_its_own_refusal() {
        let (stored, none, slot) = (Ok(Some(position(100))), Ok(None), slot(Some(200)));
        let broken: Stored = Err(Failure::new(Exit::PositionMissing, "no chain", "", ""));
        let of = |decision, stored: &Stored| Standing::of(decision, stored, Some(&slot));
        let at = Lsn::new(200);
        let unknown = |is_broken| Ok(Standing::Unknown { confirmed: at, is_broken });
        assert_eq!(of(Decision::Resume, &stored), Ok(Standing::Fine(position(100))));
        let ahead = Standing::Ahead { stored: position(100), confirmed: at };
        assert_eq!(of(stops(Exit::SlotAhead), &stored), Ok(ahead));
        for (exit, is_lost) in [(Exit::SlotMissing, false), (Exit::SlotLost, true)] {
            let gone = Ok(Standing::Gone { stored: position(100), is_lost });
            assert_eq!(Standing::of(stops(exit), &stored, None), gone);
        }
        assert_eq!(of(stops(Exit::PositionMissing), &none), unknown(false));
        assert_eq!(of(stops(Exit::PositionMissing), &broken), unknown(true));
        assert_eq!(of(stops(Exit::SlotReborn), &stored), unknown(true));
        assert_eq!(of(Decision::TakeSlot { slot_lsn: at }, &none), unknown(false));
        let mark = Ok(Some(Position::creating(7, 1, "run")));
        assert_eq!(of(Decision::TakeSlot { slot_lsn: at }, &mark), unknown(true));
        let code = |decision, stored: &Stored| of(decision, stored).unwrap_err().exit;
        for exit in
            [Exit::ServerBehind, Exit::FailoverGap, Exit::OldTimeline, Exit::OtherSystem, Exit::Publication]
        {
            assert_eq!(code(stops(exit), &stored), exit);
        }
        assert_eq!(code(Decision::Create, &none), Exit::NotFound);
        let foreign = SlotFacts { plugin: Some("wal2json".into()), ..slot.clone() };
        let refused = Standing::of(stops(Exit::PositionMissing), &none, Some(&foreign));
        assert_eq!(refused.unwrap_err().exit, Exit::PositionMissing);
    }

    #[test]
    fn the_next_position_follows_the_stored_one_and_says_who_decided() {
        let (next, anew) = Standing::Ahead { stored: position(100), confirmed: Lsn::new(200) }.next(
            Lsn::new(200),
            &server(),
            None,
            audit(),
        );
        assert_eq!((next.seq, next.prev_lsn, next.end_lsn), (2, Lsn::new(100), Lsn::new(200)));
        assert_eq!((next.slot_birth_lsn, next.timeline, next.events), (Lsn::new(100), 2, 9));
        assert_eq!((next.instance.as_str(), next.audit.len(), anew), ("somebody", 1, false));
        let gone = Standing::Gone { stored: position(100), is_lost: false };
        assert_eq!(gone.next(Lsn::new(300), &server(), None, audit()).0.slot_birth_lsn, Lsn::new(300));
        let unknown = |is_broken| Standing::Unknown { confirmed: Lsn::new(50), is_broken };
        let (next, anew) = unknown(true).next(Lsn::new(70), &server(), None, audit());
        assert_eq!((next.seq, next.prev_lsn, next.end_lsn), (0, Lsn::ZERO, Lsn::new(70)));
        assert_eq!((next.slot_birth_lsn, next.creating, next.events, anew), (Lsn::new(50), false, 0, true));
        assert!(!unknown(false).next(Lsn::new(70), &server(), None, audit()).1);
    }

    #[test]
    fn a_transaction_published_in_part_stays_so_only_while_the_position_stays_before_it() {
        let partial = |commit| {
            Some(Partial { commit_lsn: Lsn::new(commit), xid: 1, ordinal: 2, change_hash: "00".into() })
        };
        let fine = Standing::Fine(Position { partial: partial(150), ..position(100) });
        let at = |end| fine.next(Lsn::new(end), &server(), None, audit()).0.partial;
        assert_eq!((at(100), at(150), at(151)), (partial(150), partial(150), None));
    }
}
