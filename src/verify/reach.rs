//! How far the connector has come, beside the moment at which the rows were looked at.
//!
//! A row does not say where its transaction ended; the snapshot says that every row in it ended before a point of the
//! WAL. When the stored position has passed that point, or the slot has, a row without a record will not get one from the
//! stream any more. Until then it may.

use crate::config::Config;
use crate::error::{Exit, Failure, blocking};
use crate::kafka::admin::Patience;
use crate::lsn::Lsn;
use crate::pipeline::decided;
use crate::position::Position;
use crate::postgres::session::Session;
use crate::postgres::slot::{self, SlotFacts};
use std::time::{Duration, Instant};

/// How long Kafka may take to answer.
pub const PATIENCE: Patience = Patience { answer: Duration::from_secs(15), refusal: Duration::from_secs(3) };
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// How far the connector has come.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The position that Kafka holds.
    pub position: Option<Position>,
    /// The slot.
    pub slot: Option<SlotFacts>,
}

impl Reach {
    /// What ended here or before is published, or will never be by the stream; `None`: that holds for everything, as
    /// there is no slot that would send it.
    pub fn settled(&self) -> Option<Lsn> {
        let confirmed = self.confirmed()?;
        Some(self.stored().max(confirmed))
    }

    /// How far the position says that events are published; zero where it says nothing of this slot.
    fn stored(&self) -> Lsn {
        let position = self.position.as_ref().filter(|_| !self.is_reborn());
        position.map_or(Lsn::ZERO, |position| position.end_lsn)
    }

    /// The slot was made again on a server that had been set back: the position is one of a history that is gone.
    pub fn is_reborn(&self) -> bool {
        let born = self.position.as_ref().map(|position| position.slot_birth_lsn);
        self.confirmed().zip(born).is_some_and(|(confirmed, born)| confirmed < born)
    }

    /// Where the slot stands, if it is one from which anything will be sent.
    fn confirmed(&self) -> Option<Lsn> {
        self.slot.as_ref().filter(|slot| !slot.is_invalidated())?.confirmed_flush_lsn
    }

    /// A snapshot is not published whole: rows may come that no stream brings.
    pub fn has_rows_to_come(&self) -> bool {
        let snapshot = self.position.as_ref().and_then(|position| position.snapshot.as_ref());
        snapshot.is_some_and(|snapshot| snapshot.is_pending())
    }

    /// Rows that a snapshot of this moment sees are as settled as they will be.
    pub fn is_beyond(&self, moment: Lsn) -> bool {
        !self.has_rows_to_come() && self.settled().is_none_or(|settled| settled >= moment)
    }

    /// The slot is past the stored position, or there is none that counts: what ended between the two will not be sent
    /// any more.
    pub fn gap(&self) -> Option<(Lsn, Lsn)> {
        let (stored, confirmed) = (self.stored(), self.confirmed()?);
        (confirmed > stored).then_some((stored, confirmed))
    }

    /// Somebody streams from the slot.
    pub fn is_active(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.active)
    }
}

/// Looks until the connector has passed `moment`, does not run, or the time is over.
pub async fn wait(
    config: &Config,
    session: &Session,
    moment: Lsn,
    patience: Duration,
) -> Result<Reach, Failure> {
    let deadline = Instant::now() + patience;
    loop {
        let reach = look(config, session).await?;
        if reach.is_beyond(moment) || !reach.is_active() || Instant::now() >= deadline {
            return Ok(reach);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(config: &Config, session: &Session) -> Result<Reach, Failure> {
    // The slot first: it follows the position.
    let slot = slot::find(session, &config.source.slot)
        .await
        .map_err(|error| Failure::from_postgres(&error, "looking for the slot"))?;
    let asked = config.clone();
    let position = blocking(move || stored(&asked)).await?;
    Ok(Reach { position, slot })
}

fn stored(config: &Config) -> Result<Option<Position>, Failure> {
    match decided::look(config, PATIENCE) {
        // Positions that contradict one another say nothing, and are a reason to compare.
        Err(failure) if failure.exit == Exit::PositionMissing => Ok(None),
        known => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Snapshot, SnapshotTable};

    fn reach(stored: Option<u64>, confirmed: Option<Option<u64>>) -> Reach {
        let mark = Position::creating(7, 1, "run");
        let slot = |confirmed: Option<u64>| SlotFacts {
            confirmed_flush_lsn: confirmed.map(Lsn::new),
            ..SlotFacts::default()
        };
        let position = |lsn| Position { end_lsn: Lsn::new(lsn), ..Position::first(&mark, Lsn::new(10)) };
        Reach { position: stored.map(position), slot: confirmed.map(slot) }
    }

    #[test]
    fn a_moment_is_behind_when_the_position_or_the_slot_has_passed_it_or_nothing_will() {
        let moment = Lsn::new(100);
        for (stored, confirmed, is_beyond) in [
            (Some(100), Some(Some(50)), true),
            (Some(99), Some(Some(50)), false),
            (Some(50), Some(Some(100)), true),
            (None, Some(Some(99)), false),
            (Some(50), None, true),
            (Some(50), Some(None), true),
            (None, None, true),
        ] {
            assert_eq!(reach(stored, confirmed).is_beyond(moment), is_beyond, "{stored:?} {confirmed:?}");
        }
        let mut lost = reach(Some(50), Some(Some(60)));
        lost.slot.as_mut().unwrap().wal_status = Some("lost".into());
        assert!(lost.is_beyond(moment));
        let mut begun = reach(Some(100), None);
        begun.position.as_mut().unwrap().snapshot = Some(Snapshot {
            lsn: Lsn::new(100),
            horizon: "7:7:".into(),
            rows: 0,
            tables: vec![SnapshotTable::default()],
        });
        assert!(!begun.is_beyond(moment), "the rest of a snapshot is still to come");
        assert_eq!(reach(Some(50), Some(Some(70))).gap(), Some((Lsn::new(50), Lsn::new(70))));
        assert_eq!(reach(Some(70), Some(Some(70))).gap(), None);
    }

    #[test]
    fn a_position_of_a_history_that_is_gone_settles_nothing() {
        let mut reach = reach(Some(100), Some(Some(50)));
        let born = |reach: &mut Reach, lsn| reach.position.as_mut().unwrap().slot_birth_lsn = Lsn::new(lsn);
        born(&mut reach, 50);
        assert_eq!((reach.settled(), reach.gap(), reach.is_reborn()), (Some(Lsn::new(100)), None, false));
        born(&mut reach, 51);
        let gap = (Lsn::ZERO, Lsn::new(50));
        assert_eq!((reach.settled(), reach.gap(), reach.is_reborn()), (Some(gap.1), Some(gap), true));
        // What a slot that is gone would have sent comes no more in any case.
        reach.slot = None;
        assert_eq!((reach.settled(), reach.gap(), reach.is_reborn()), (None, None, false));
    }
}
