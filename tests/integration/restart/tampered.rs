//! Debezium's cases of a slot that was tampered with while the connector was away. A1 to A3 are published, B waits;
//! then the slot is touched, C is inserted, the connector started, D inserted. Debezium 3.6 loses B, or B and C, in four
//! of the seven without a word; here each ends with every event once, or in a refusal that names both ends of the gap, and
//! then, after `walpost verify` and `walpost repair`, with every event once all the same.

use super::stopped::Stopped;
use crate::cli::{ask, ask_json};
use crate::kit::{connector, wait_events};
use crate::support::PATIENCE;

/// What happened to the slot.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Slot {
    Untouched,
    Recreated,
    Advanced,
    Dropped,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    /// All of it, each event once.
    Published,
    /// The rows that are in the outbox once more, as Debezium has it, and what comes after.
    Again,
    /// Refused with this code.
    Refused(i32),
    /// The configuration asks for what would lose events, and is refused before anything is done.
    NotConfigurable,
}

/// Slot, values of `offset.mismatch.strategy`, `snapshot.mode`, and the end.
const CASES: &[(Slot, &[&str], &str, Ends)] = &[
    (Slot::Untouched, &["no_validation"], "no_data", Ends::Published),
    (Slot::Recreated, &["no_validation", "trust_offset"], "no_data", Ends::Refused(20)),
    (Slot::Recreated, &["no_validation", "trust_offset"], "initial", Ends::Refused(20)),
    (Slot::Recreated, &["trust_slot", "trust_greater_lsn"], "no_data", Ends::NotConfigurable),
    (Slot::Recreated, &["trust_offset"], "when_needed", Ends::Again),
    (Slot::Advanced, &["no_validation", "trust_offset"], "no_data", Ends::Refused(20)),
    (Slot::Advanced, &["trust_slot", "trust_greater_lsn"], "no_data", Ends::NotConfigurable),
    (Slot::Advanced, &["trust_offset"], "when_needed", Ends::Again),
    (Slot::Dropped, &["no_validation", "trust_offset"], "no_data", Ends::Refused(25)),
    (Slot::Dropped, &["no_validation", "trust_offset"], "initial", Ends::Refused(25)),
    (Slot::Dropped, &["trust_slot", "trust_greater_lsn"], "no_data", Ends::NotConfigurable),
    (Slot::Dropped, &["no_validation"], "when_needed", Ends::Again),
];

#[test]
fn an_untouched_slot_publishes_what_waited() {
    plays(Slot::Untouched);
}

#[test]
fn a_slot_that_was_dropped_and_created_again_is_refused_naming_both_ends_of_the_gap() {
    plays(Slot::Recreated);
}

#[test]
fn a_slot_that_was_advanced_past_an_event_is_refused_naming_both_ends_of_the_gap() {
    plays(Slot::Advanced);
}

#[test]
fn a_slot_that_was_dropped_is_refused_naming_both_ends_of_the_gap() {
    plays(Slot::Dropped);
}

/// One tampering, and after it every configuration of its cases that may change nothing (but the untouched), and the repair;
/// then the same with those that publish rows again.
fn plays(tampering: Slot) {
    let (again, others): (Vec<_>, Vec<_>) =
        CASES.iter().filter(|case| case.0 == tampering).partition(|case| case.3 == Ends::Again);
    let mut stopped = tampered(tampering);
    follow(&mut stopped, &others);
    if tampering != Slot::Untouched {
        mends(&mut stopped, if tampering == Slot::Dropped { &["B", "C"] } else { &["B"] });
    }
    for case in again {
        follow(&mut tampered(tampering), &[case]);
    }
}

/// A connector that has stopped, and what happened meanwhile.
fn tampered(tampering: Slot) -> Stopped {
    let stopped = Stopped::new();
    let drop_slot = "select pg_drop_replication_slot('SLOT')";
    match tampering {
        Slot::Untouched => {}
        Slot::Recreated => {
            stopped.execute(drop_slot);
            stopped.execute("select pg_create_logical_replication_slot('SLOT', 'pgoutput')");
        }
        Slot::Advanced => stopped.execute("select pg_replication_slot_advance('SLOT', pg_current_wal_lsn())"),
        Slot::Dropped => stopped.execute(drop_slot),
    }
    stopped.insert("C");
    stopped
}

/// Starts it by each of these configurations.
fn follow(stopped: &mut Stopped, cases: &[&(Slot, &[&str], &str, Ends)]) {
    assert!(!cases.is_empty());
    let stored = stopped.stored().end_lsn;
    for (slot, strategies, snapshot, ends) in cases {
        for strategy in *strategies {
            let case = format!("{slot:?}, {strategy}, {snapshot}");
            let set = |builder: crate::support::ConnectorBuilder| {
                builder.set("offset.mismatch.strategy", strategy).set("snapshot.mode", snapshot)
            };
            let before = (stopped.slot(), stopped.stored(), stopped.events());
            stopped.connector.start_again_with(set);
            let expected = match ends {
                Ends::Published | Ends::Again => {
                    let count = if *ends == Ends::Published { 5 } else { 8 };
                    crate::kit::wait_events(stopped.kafka, &stopped.db, &["order"], count);
                    stopped.insert("D");
                    crate::kit::wait_events(stopped.kafka, &stopped.db, &["order"], count + 1);
                    stopped.connector.sigterm();
                    0
                }
                Ends::Refused(code) => *code,
                Ends::NotConfigurable => 2,
            };
            let (exit, log) = stopped.connector.wait_exit(PATIENCE);
            assert_eq!(exit.code(), Some(expected), "{case}: {log}");
            if *ends == Ends::Published {
                assert_eq!(stopped.events(), ["A1", "A2", "A3", "B", "C", "D"], "{case}");
                continue;
            }
            if *ends == Ends::Again {
                let events = ["A1", "A1", "A2", "A2", "A3", "A3", "B", "C", "D"];
                assert_eq!(stopped.events(), events, "{case}");
                assert!(log.contains("is published again"), "{case}: {log}");
                continue;
            }
            assert_eq!(
                (stopped.slot(), stopped.stored(), stopped.events()),
                before,
                "{case}: nothing was done"
            );
            let names = match (ends, stopped.slot()) {
                (Ends::NotConfigurable, _) => {
                    vec!["offset.mismatch.strategy".to_owned(), (*strategy).to_owned()]
                }
                (_, Some(slot)) => {
                    vec![format!("stored position {stored}"), format!("slot confirmed {slot}")]
                }
                (_, None) => vec![format!("holds position {stored}"), "WAL goes to 0/".to_owned()],
            };
            assert!(names.iter().all(|name| log.contains(name)), "{case}: {names:?} are not all in\n{log}");
        }
    }
}

/// The comparison tells what is missing, the repair publishes it, and then nothing is missing and nothing doubled.
fn mends(stopped: &mut Stopped, missing: &[&str]) {
    let builder = connector(&stopped.db, stopped.kafka);
    let stored = stopped.stored().end_lsn;
    let told = ask_json(&builder, "verify --wait 0", 3);
    let gap = stopped.slot().map(|slot| serde_json::json!({ "from": stored, "to": slot }));
    assert_eq!(told["gap"], gap.unwrap_or_default(), "{told:#}");
    let total = |name: &str| told["total"][name].as_u64().unwrap_or_default();
    assert_eq!((total("matched"), total("missing") + total("pending")), (3, 2), "{told:#}");
    let plan = ask_json(&builder, "repair", 4)["plan"].clone();
    let events = plan["events"].as_array().expect("a list");
    let mut keys: Vec<&str> = events.iter().filter_map(|event| event["key"].as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, missing, "{plan:#}");
    ask(&builder, &format!("repair --confirm {}", stopped.db.name()), 0);
    stopped.insert("D");
    stopped.connector.start_again_with(|_| builder.clone());
    wait_events(stopped.kafka, &stopped.db, &["order"], 6);
    stopped.connector.sigterm();
    assert_eq!(stopped.connector.wait_exit(PATIENCE).0.code(), Some(0), "{}", stopped.connector.log());
    assert_eq!(stopped.events(), ["A1", "A2", "A3", "B", "C", "D"]);
    let told = ask_json(&builder, "verify --wait 0", 0);
    assert_eq!((&told["total"]["matched"], &told["total"]["duplicate"]), (&6.into(), &0.into()), "{told:#}");
}
