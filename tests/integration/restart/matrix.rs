//! The rows of the start-up matrix that take a server set back, promoted or crashed. Those that only take a statement
//! are in `mismatch`, the publication's in `watched`.

use super::stopped::Stopped;
use crate::kit::{confirmed, connector, outbox, positions, run, wait_events};
use crate::support::{Broker, Database, PATIENCE, wait_until};
use walpost::lsn::Lsn;

/// A connector that has left, and a server of its own.
fn stopped() -> Stopped {
    let db = Database::start().fresh_database();
    db.create_outbox();
    Stopped::with(db, Broker::shared())
}

/// So much WAL that what follows is far from what came before.
const MUCH_WAL: &str = "create table t (); drop table t; select pg_switch_wal()";

fn lsn(stopped: &Stopped, sql: &str) -> Lsn {
    stopped.db.query_one_text(sql).parse().expect("an LSN")
}

#[test]
fn row_1_a_slot_that_went_back_in_a_crash_goes_on_at_the_stored_position() {
    let mut stopped = stopped();
    let server = stopped.db.server().clone();
    server.kill();
    server.start_again();
    let (slot, stored) = (stopped.confirmed(), stopped.stored().end_lsn);
    assert!(slot < stored, "the slot is at {slot}, not before {stored}: it did not go back");
    stopped.publishes(&["A1", "A2", "A3", "B"]);
}

#[test]
fn row_3_a_server_that_was_restored_from_an_older_copy_is_refused() {
    let mut stopped = stopped();
    let server = stopped.db.server().clone();
    server.stop_fast();
    server.save("older");
    server.start_again();
    stopped.execute(MUCH_WAL);
    stopped.insert("C");
    stopped.publishes(&["A1", "A2", "A3", "B", "C"]);
    server.stop_fast();
    server.put_back("older");
    server.start_again();
    stopped.insert("on the older copy");
    let stored = stopped.stored().end_lsn;
    assert!(lsn(&stopped, "select pg_current_wal_flush_lsn()") < stored);
    let (stored, flushed) = (format!("stored position {stored}"), "server flushed 0/");
    stopped.refuses(21, &[&stored, flushed, "restored from an older backup"]);
}

#[test]
fn row_4_a_failover_that_lost_nothing_goes_on_and_row_6_the_old_primary_is_refused() {
    let mut stopped = stopped();
    let server = stopped.db.server().clone();
    server.stop_fast();
    server.save("old primary");
    server.start_promoted();
    stopped.insert("C");
    let log = stopped.publishes(&["A1", "A2", "A3", "B", "C"]);
    assert!(log.contains("\"decision\":\"resume\""), "{log}");
    assert_eq!(stopped.stored().timeline, 2);
    let chain = positions(stopped.kafka, &stopped.db);
    assert!(chain.windows(2).all(|pair| pair[0].end_lsn <= pair[1].end_lsn), "{chain:?}");

    server.stop_fast();
    server.put_back("old primary");
    server.start_again();
    stopped.insert("on the old primary");
    stopped.refuses(23, &["stored timeline 2, server timeline 1", "keep the old one from taking writes"]);
}

/// A failover to a copy that lacks the last two events of the old timeline; the new one has two of its own there.
fn failed_over() -> (Stopped, Lsn) {
    let mut stopped = stopped();
    let server = stopped.db.server().clone();
    stopped.publishes(&["A1", "A2", "A3", "B"]);
    server.stop_fast();
    server.save("standby");
    server.start_again();
    stopped.insert("lost 1");
    stopped.execute(MUCH_WAL);
    stopped.insert("lost 2");
    stopped.publishes(&["A1", "A2", "A3", "B", "lost 1", "lost 2"]);
    server.stop_fast();
    server.put_back("standby");
    server.start_promoted();
    stopped.insert("new 1");
    let stored = stopped.stored().end_lsn;
    let end = lsn(&stopped, "select pg_current_wal_flush_lsn()");
    assert!(end < stored, "new 1 ends at {end}, where the stored position {stored} would skip it");
    (stopped, stored)
}

#[test]
fn row_5_a_failover_that_lost_published_events_goes_on_at_the_switch_and_skips_none_of_the_new_timeline() {
    let (mut stopped, stored) = failed_over();
    stopped.execute(MUCH_WAL);
    stopped.insert("new 2");
    let count = positions(stopped.kafka, &stopped.db).len();
    let log = stopped.publishes(&["A1", "A2", "A3", "B", "lost 1", "lost 2", "new 1", "new 2"]);
    let at_switch = &positions(stopped.kafka, &stopped.db)[count];
    assert_eq!((at_switch.timeline, at_switch.prev_lsn), (2, stored));
    let (switch, said) = (at_switch.end_lsn, "a failover lost WAL that was already published");
    assert!(switch < stored);
    let named = [format!("\"switch\":\"{switch}\""), format!("\"stored\":\"{stored}\"")];
    assert!(log.contains(said) && named.iter().all(|lsn| log.contains(lsn)), "{log}");
    stopped.insert("new 3");
    stopped.publishes(&["A1", "A2", "A3", "B", "lost 1", "lost 2", "new 1", "new 2", "new 3"]);
}

#[test]
fn row_5_a_failover_that_lost_published_events_is_refused_when_the_slot_is_past_the_switch() {
    let (mut stopped, stored) = failed_over();
    stopped.execute("select pg_replication_slot_advance('SLOT', pg_current_wal_lsn())");
    let slot = stopped.confirmed();
    let says = [format!("stored position {stored}"), format!("slot confirmed {slot}")];
    stopped.refuses(22, &["timeline 1 ended at 0/", &says[0], &says[1], "past the switch"]);
}

#[test]
fn row_10_a_first_start_marks_makes_the_slot_and_stores_its_position_before_any_event() {
    let (db, kafka) = outbox();
    db.insert("order", "before the slot", "t", "{}");
    let mut connector = run(connector(&db, kafka));
    let birth = confirmed(&db);
    db.insert("order", "since the slot", "t", "{}");
    assert_eq!(wait_events(kafka, &db, &["order"], 1)[0].key_text(), "since the slot");
    connector.sigterm();
    assert_eq!(connector.wait_exit(PATIENCE).0.code(), Some(0));
    let positions = positions(kafka, &db);
    assert!(positions[0].creating && !positions[1].creating, "{positions:?}");
    assert_eq!((positions[1].end_lsn, positions[1].slot_birth_lsn, positions[1].events), (birth, birth, 0));
    let tables = &positions[0].publication.as_ref().expect("what the slot will send").tables;
    assert_eq!(tables.iter().map(|table| table.name()).collect::<Vec<_>>(), ["public.outbox"]);
}

#[test]
fn row_12_a_slot_that_was_made_on_a_server_that_had_been_set_back_is_refused() {
    let db = Database::start().fresh_database();
    db.create_outbox();
    let server = db.server().clone();
    server.stop_fast();
    server.save("young");
    server.start_again();
    db.execute(MUCH_WAL);
    let mut stopped = Stopped::with(db, Broker::shared());
    let (birth, stored) = (stopped.stored().slot_birth_lsn, stopped.stored().end_lsn);
    server.stop_fast();
    server.put_back("young");
    server.start_again();
    stopped.execute("create publication walpost for table outbox with (publish = 'insert')");
    stopped.insert("X");
    stopped.execute("select pg_create_logical_replication_slot('SLOT', 'pgoutput')");
    let slot = stopped.confirmed();
    assert!(slot < birth, "{slot}, {birth}");
    // Until the server has as much WAL as Kafka knows of: a start then sees nothing but the slot.
    wait_until("the WAL has caught up", PATIENCE, || {
        stopped.execute(MUCH_WAL);
        (lsn(&stopped, "select pg_current_wal_flush_lsn()") > stored).then_some(())
    });
    let says =
        [format!("slot confirmed {slot}"), format!("stored position {stored}"), format!("began at {birth}")];
    stopped.refuses(28, &[&says[0], &says[1], &says[2], "set back"]);

    // What the slot has not is published from the table; the events from before are rows no more.
    stopped.insert("Y");
    let builder = connector(&stopped.db, stopped.kafka);
    crate::cli::ask(&builder, &format!("repair --confirm {}", stopped.db.name()), 0);
    stopped.publishes(&["A1", "A2", "A3", "X", "Y"]);
}
