//! A test per row of the start-up matrix (design: exactly once, 3.5).

use super::*;
use crate::fingerprint::{Fingerprint, Table};
use crate::position::{Snapshot, SnapshotTable};

const SYSTEM: u64 = 7_300_000_000_000_000_001;

struct World {
    stored: Option<Position>,
    slot: Option<SlotFacts>,
    server: SystemIdentity,
    history: Vec<TimelineSwitch>,
    publication: Publication,
    adopt_slot: bool,
}

fn lsn(position: u64) -> Lsn {
    Lsn::new(position)
}

fn stored(end_lsn: u64) -> Option<Position> {
    let birth = Position::first(&Position::creating(SYSTEM, 1, "test"), lsn(100));
    Some(Position { end_lsn: lsn(end_lsn), ..birth })
}

fn slot(confirmed: u64) -> Option<SlotFacts> {
    Some(SlotFacts {
        name: "s".into(),
        plugin: Some("pgoutput".into()),
        database: Some("app".into()),
        active: false,
        active_pid: None,
        restart_lsn: Some(lsn(confirmed)),
        confirmed_flush_lsn: Some(lsn(confirmed)),
        wal_status: Some("reserved".into()),
        ..SlotFacts::default()
    })
}

fn outbox(oid: u32) -> Table {
    let (schema, table, persistence) = ("public".into(), "outbox".into(), "p".into());
    Table { oid, schema, table, persistence, through: vec![format!("table:9{oid}")], ..Table::default() }
}

/// A publication with these tables.
fn exists(tables: Vec<Table>) -> Publication {
    let entries = tables.iter().flat_map(|table| table.through.clone()).collect();
    let fingerprint =
        Fingerprint { oid: 50, insert: true, seen_lsn: lsn(4990), tables, ..Fingerprint::default() };
    Publication::Exists(Box::new(Observed { fingerprint, entries, ..Observed::default() }))
}

impl World {
    fn new(stored: Option<Position>, slot: Option<SlotFacts>) -> World {
        let server =
            SystemIdentity { system_id: SYSTEM, timeline: 1, flush_lsn: lsn(5000), database: "app".into() };
        let publication = exists(vec![outbox(1)]);
        World { stored, slot, server, history: Vec::new(), publication, adopt_slot: false }
    }

    fn promoted(mut self, timeline: u32, switch_lsn: u64) -> World {
        self.server.timeline = timeline;
        self.history = vec![TimelineSwitch { timeline: timeline - 1, switch_lsn: lsn(switch_lsn) }];
        self
    }

    fn decide(&self) -> Decision {
        decide(&Seen {
            slot_name: "s",
            database: "app",
            stored: self.stored.as_ref(),
            slot: self.slot.as_ref(),
            server: &self.server,
            history: &self.history,
            publication_name: "p",
            publication: &self.publication,
            adopt_slot: self.adopt_slot,
        })
    }

    /// The exit code of the refusal, after checking that it says all three things.
    fn refusal(&self) -> Exit {
        match self.decide() {
            Decision::Stop(failure) => {
                assert!(!failure.what.is_empty() && !failure.detail.is_empty() && !failure.hint.is_empty());
                failure.exit
            }
            other => panic!("started: {other:?}"),
        }
    }
}

#[test]
fn row_1_a_slot_at_or_behind_the_stored_position_resumes() {
    for confirmed in [100, 1999, 2000] {
        assert_eq!(World::new(stored(2000), slot(confirmed)).decide(), Decision::Resume);
    }
    let mut world = World::new(stored(2000), slot(2000));
    world.server.flush_lsn = lsn(2000);
    assert_eq!(world.decide(), Decision::Resume);
}

#[test]
fn row_2_a_slot_ahead_of_the_stored_position_stops() {
    assert_eq!(World::new(stored(2000), slot(2001)).refusal(), Exit::SlotAhead);
}

#[test]
fn row_3_a_server_behind_the_stored_position_stops() {
    let mut world = World::new(stored(2000), slot(1500));
    world.server.flush_lsn = lsn(1999);
    assert_eq!(world.refusal(), Exit::ServerBehind);
}

#[test]
fn row_4_a_failover_that_lost_nothing_published_resumes() {
    for end in [1000, 2000] {
        assert_eq!(World::new(stored(end), slot(900)).promoted(2, 2000).decide(), Decision::Resume);
    }
    assert_eq!(World::new(stored(1000), slot(1001)).promoted(2, 2000).refusal(), Exit::SlotAhead);
    assert_eq!(World::new(stored(1000), slot(99)).promoted(2, 2000).refusal(), Exit::SlotReborn);
}

#[test]
fn row_5_a_failover_that_lost_published_wal_resumes_at_the_switch_or_stops() {
    let at_switch = Decision::ResumeAtSwitch { switch_lsn: lsn(1500) };
    for confirmed in [900, 1500] {
        assert_eq!(World::new(stored(2000), slot(confirmed)).promoted(2, 1500).decide(), at_switch);
    }
    assert_eq!(World::new(stored(2000), slot(1501)).promoted(2, 1500).refusal(), Exit::FailoverGap);
}

/// A position whose snapshot was taken at `taken`; there are rows to come, or not.
fn with_snapshot(end_lsn: u64, taken: u64, is_pending: bool) -> Option<Position> {
    let table = SnapshotTable { done: !is_pending, ..SnapshotTable::default() };
    let snapshot = Snapshot { lsn: lsn(taken), horizon: "7:7:".into(), rows: 0, tables: vec![table] };
    Some(Position { snapshot: Some(snapshot), ..stored(end_lsn).unwrap() })
}

#[test]
fn a_snapshot_that_was_taken_after_the_position_counts_for_how_far_the_server_must_have_come() {
    let mut world = World::new(with_snapshot(2000, 2100, true), slot(2000));
    assert_eq!(world.decide(), Decision::Resume);
    world.server.flush_lsn = lsn(2099);
    assert_eq!(world.refusal(), Exit::ServerBehind);
}

#[test]
fn a_failover_that_cuts_before_an_unfinished_snapshot_stops_and_after_it_resumes() {
    let at =
        |taken, is_pending| World::new(with_snapshot(1500, taken, is_pending), slot(1000)).promoted(2, 2000);
    assert_eq!(at(2000, true).decide(), Decision::Resume);
    assert_eq!(at(2001, true).refusal(), Exit::Snapshot);
    assert_eq!(at(2001, false).decide(), Decision::Resume);
}

#[test]
fn row_5_the_switch_is_that_of_the_stored_timeline_not_of_the_latest() {
    let mut world = World::new(stored(2000), slot(900)).promoted(3, 4000);
    assert_eq!(
        world.refusal(),
        Exit::FailoverGap,
        "a history that does not pass through the stored timeline"
    );
    world.history.insert(0, TimelineSwitch { timeline: 1, switch_lsn: lsn(1500) });
    assert_eq!(world.decide(), Decision::ResumeAtSwitch { switch_lsn: lsn(1500) });
}

#[test]
fn row_6_an_older_timeline_stops() {
    let mut world = World::new(stored(2000), slot(2000));
    world.stored.as_mut().unwrap().timeline = 2;
    assert_eq!(world.refusal(), Exit::OldTimeline);
}

#[test]
fn row_7_another_cluster_stops_whatever_its_slot_says() {
    for slot in [None, slot(2000)] {
        let mut world = World::new(stored(2000), slot);
        world.server.system_id += 1;
        assert_eq!(world.refusal(), Exit::OtherSystem);
        world.adopt_slot = true;
        assert_eq!(world.refusal(), Exit::OtherSystem);
    }
}

#[test]
fn row_8_a_missing_slot_stops_and_is_never_created_again() {
    let mut world = World::new(stored(2000), None);
    assert_eq!(world.refusal(), Exit::SlotMissing);
    world.adopt_slot = true;
    assert_eq!(world.refusal(), Exit::SlotMissing);
    assert_eq!(World::new(stored(1000), None).promoted(2, 2000).refusal(), Exit::SlotMissing);
}

#[test]
fn row_9_an_invalidated_slot_stops() {
    let mut world = World::new(stored(2000), slot(2000));
    world.slot.as_mut().unwrap().wal_status = Some("lost".into());
    assert_eq!(world.refusal(), Exit::SlotLost);

    let mut world = World::new(stored(2000), slot(2000));
    world.slot.as_mut().unwrap().invalidation_reason = Some("idle_timeout".into());
    assert_eq!(world.refusal(), Exit::SlotLost);

    let mut world = World::new(None, slot(2000));
    world.slot.as_mut().unwrap().wal_status = Some("lost".into());
    world.adopt_slot = true;
    assert_eq!(world.refusal(), Exit::SlotLost);
}

#[test]
fn row_10_a_first_start_creates_the_slot() {
    assert_eq!(World::new(None, None).decide(), Decision::Create);
    let mut world = World::new(None, None);
    world.adopt_slot = true;
    assert_eq!(world.decide(), Decision::Create);
}

#[test]
fn row_11_a_slot_without_a_position_stops_unless_adopted() {
    let mut world = World::new(None, slot(2000));
    assert_eq!(world.refusal(), Exit::PositionMissing);
    world.adopt_slot = true;
    assert_eq!(world.decide(), Decision::TakeSlot { slot_lsn: lsn(2000) });
}

#[test]
fn row_11_a_creation_cut_short_takes_the_slot_it_made() {
    let mark = Some(Position::creating(SYSTEM, 1, "test"));
    assert_eq!(World::new(mark.clone(), None).decide(), Decision::Create);
    assert_eq!(World::new(mark, slot(2000)).decide(), Decision::TakeSlot { slot_lsn: lsn(2000) });
}

#[test]
fn row_12_a_slot_below_its_own_birth_stops() {
    assert_eq!(World::new(stored(2000), slot(99)).refusal(), Exit::SlotReborn);
}

#[test]
fn adopting_is_without_effect_once_a_position_is_stored() {
    for (confirmed, expected) in [(1500, None), (2001, Some(Exit::SlotAhead))] {
        let mut world = World::new(stored(2000), slot(confirmed));
        world.adopt_slot = true;
        match expected {
            None => assert_eq!(world.decide(), Decision::Resume),
            Some(exit) => assert_eq!(world.refusal(), exit),
        }
    }
}

#[test]
fn a_slot_of_another_plugin_or_database_is_not_touched() {
    for (plugin, database) in [("wal2json", "app"), ("pgoutput", "other")] {
        let mut world = World::new(None, slot(2000));
        let slot = world.slot.as_mut().unwrap();
        (slot.plugin, slot.database) = (Some(plugin.into()), Some(database.into()));
        world.adopt_slot = true;
        assert_eq!(world.refusal(), Exit::PositionMissing);
    }
}

#[test]
fn row_13_a_publication_that_is_missing_stops_every_start_but_the_first_which_may_make_it() {
    let to_be_made = || Publication::ToBeMade(Scope::AllTables);
    let not_allowed = || Publication::NotAllowed("ownership of public.outbox".into());
    let with = |stored: Option<Position>, slot, publication| World {
        publication,
        adopt_slot: true,
        ..World::new(stored, slot)
    };
    let mark = || Some(Position::creating(SYSTEM, 1, "test"));
    for publication in [to_be_made(), not_allowed(), Publication::Missing] {
        for stored in [stored(2000), mark(), None] {
            let world = with(stored, slot(2000), publication.clone());
            assert_eq!(world.refusal(), Exit::Publication, "{:?} {publication:?}", world.stored);
        }
        let world = with(stored(2000), slot(2000), publication).promoted(2, 1500);
        assert_eq!(World { slot: slot(1400), ..world }.refusal(), Exit::Publication);
    }
    for stored in [mark(), None] {
        assert_eq!(with(stored.clone(), None, to_be_made()).decide(), Decision::Create);
        assert_eq!(with(stored.clone(), None, not_allowed()).refusal(), Exit::Postgres);
        assert_eq!(with(stored, None, Publication::Missing).refusal(), Exit::Publication);
    }
}

#[test]
fn row_13_a_publication_that_was_changed_stops_and_one_that_only_grew_does_not() {
    let known = |tables| {
        let Publication::Exists(observed) = exists(tables) else { unreachable!() };
        Some(Position { publication: Some(observed.fingerprint), ..stored(2000).unwrap() })
    };
    let mut world = World::new(known(vec![outbox(1)]), slot(2000));
    assert_eq!(world.decide(), Decision::Resume);
    world.publication = exists(vec![outbox(2)]);
    assert_eq!(world.refusal(), Exit::Publication, "another table of that name");
    let Decision::Stop(failure) = world.decide() else { unreachable!() };
    assert!(failure.detail.contains("OID 1 before, 2 now"), "{failure}");
    assert!(failure.detail.contains("between 0/137E and 0/1388"), "last look and now: {failure}");

    let events = Table { table: "events".into(), ..outbox(3) };
    world.publication = exists(vec![outbox(1), events]);
    assert_eq!(world.decide(), Decision::Resume);
    // A record of a version that did not look, and a slot that is yet to be made, compare with nothing.
    world.publication = exists(vec![outbox(2)]);
    world.stored = stored(2000);
    assert_eq!(world.decide(), Decision::Resume);
    let mark = Position { creating: true, ..known(vec![outbox(1)]).unwrap() };
    let world = World { stored: Some(mark), slot: None, ..world };
    assert_eq!(world.decide(), Decision::Create);
    assert_eq!(
        World { slot: slot(2000), ..world }.refusal(),
        Exit::Publication,
        "the slot was made before the change"
    );
    let failed_over = World::new(known(vec![outbox(1)]), slot(900)).promoted(2, 1500);
    assert_eq!(World { publication: exists(vec![]), ..failed_over }.refusal(), Exit::Publication);
}

#[test]
fn what_is_wrong_with_the_position_is_told_before_the_publication_is() {
    for (stored, slot, exit) in [
        (stored(2000), slot(2001), Exit::SlotAhead),
        (stored(2000), None, Exit::SlotMissing),
        (None, slot(2000), Exit::PositionMissing),
    ] {
        let world = World { publication: Publication::Missing, ..World::new(stored, slot) };
        assert_eq!(world.refusal(), exit);
    }
}
