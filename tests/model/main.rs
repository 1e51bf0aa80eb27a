//! The protocol as a model: two instances, Kafka and Postgres, and every order in which things may happen to them within
//! small bounds. Each state is visited once, and what the product promises is asked of it.
//!
//! **Modelled.** Three source transactions: two with adjacent commit records, one of them larger than a batch and with a
//! change that no record comes of, and a keepalive that ends where the third begins its commit (`source`). Two
//! partitions of events and one of positions; a coordinator per producer id with epochs, fencing, transactions that are
//! decided before their markers are written, and both protocol versions; high watermark and last stable offset; requests
//! that are lost, carried out unheard, late, or sent twice (`kafka`). A slot that has one walsender, goes back on a crash
//! and is forwarded without a word; a leader's lock that may be absent (`world`). Two instances, each anywhere between
//! down and streaming, that fill a batch while another is committed, and may be stopped for as long as the other likes:
//! a zombie is one whose turn does not come (`connector`, `moves`, `steps`).
//!
//! **Of the product itself** there are the transaction machine, the ledger, the start-up matrix, the position after a
//! batch, the chain's rule, the batcher and what a restart skips. They are called, not described.
//!
//! **Not modelled.** The first start, which makes slot and mark; failovers, timelines and lost WAL; a Kafka that
//! loses what it has acknowledged; partition counts, publications and tables that change. There is no clock: what may come
//! late may come at any later moment, and a client is told that an answer is missing.
//!
//! **Promised**, in every state: no event is visible twice or out of order; the events that are visible are exactly those
//! that the position stands for; positions make a chain; Postgres was told no more than Kafka holds; one epoch writes; a
//! start is refused only where somebody has tampered with the slot (or, without the lock, to an instance that has been
//! fenced). And from every state, without one more fault, everything can still be published and confirmed. Rules that are
//! broken on purpose must do harm (`mutants`).
//!
//! The explorer is our own: the last promise asks what can follow each state, and `stateright` does not (its `eventually`
//! overlooks states that are reached in two ways, as it says itself); it would also bring twelve crates, a web server
//! among them. `WALPOST_MODEL_BOUND=2` explores some 13 million states in some minutes and 1.6 GB.

mod connector;
mod explore;
mod happened;
mod kafka;
mod moves;
mod mutants;
mod rules;
mod source;
mod steps;
mod story;
mod world;

use explore::{Found, explore};
use happened::{ALL, Happening};
use kafka::Protocol;
use rules::{Faults, Rules};
use story::tell;
use world::Model;

/// More would not fit into memory.
const MOST: usize = 60_000_000;

/// Explores all there is; `least` states and one of each of `happenings` must be among it.
fn explored(what: &str, rules: Rules, least: usize, happenings: &[Happening]) -> Found {
    let model = Model::new(rules);
    let found = explore(&model, MOST);
    let Found { states, steps, depth, done, tally, took, .. } = &found;
    let counts: Vec<String> = ALL
        .iter()
        .filter(|happening| tally.of(**happening) > 0)
        .map(|happening| format!("{happening:?} {}", tally.of(*happening)))
        .collect();
    println!(
        "model ({what}): {states} states, {steps} steps, {depth} deep, everything published in {done}, {:.1} s; {}",
        took.as_secs_f32(),
        counts.join(", ")
    );
    if let Some(way) = &found.broken {
        panic!("{what}: a promise is broken after {states} states:\n{}", tell(&model, way));
    }
    assert!(*states >= least, "{what}: {states} states are fewer than {least}");
    assert!(*done > 0, "{what}: nothing is ever published whole");
    for happening in happenings {
        assert!(tally.of(*happening) > 0, "{what}: {happening:?} never happens");
    }
    found
}

/// And from every state everything can still be published.
fn holds(what: &str, rules: Rules, least: usize, happenings: &[Happening]) -> Found {
    let found = explored(what, rules, least, happenings);
    if let Some(way) = &found.stuck {
        panic!("{what}: nothing more is published after\n{}", tell(&Model::new(rules), way));
    }
    found
}

/// How much may happen in the largest exploration.
fn bound() -> u8 {
    let bound = std::env::var("WALPOST_MODEL_BOUND").unwrap_or_else(|_| "1".to_owned());
    bound.parse().expect("WALPOST_MODEL_BOUND is a number, 1 or 2")
}

/// What every exploration meets.
const ALWAYS: &[Happening] = &[
    Happening::Published,
    Happening::Split,
    Happening::ResumedInside,
    Happening::TookOver,
    Happening::FenceAborted,
    Happening::ZombieRefused,
    Happening::ZombieConfirmed,
    Happening::SlotWasBehind,
];

/// What comes of requests without an answer.
const UNANSWERED: &[Happening] = &[
    Happening::UnknownCommitApplied,
    Happening::UnknownCommitLost,
    Happening::UnknownCommitLate,
    Happening::LateRejected,
    Happening::LateEnd,
    Happening::LateRecord,
    Happening::LateFence,
];

#[test]
fn whenever_an_instance_crashes_and_whichever_request_goes_unanswered_each_event_is_published_once() {
    let (faults, least) = match bound() {
        1 => (Faults { crashes: 1, unanswered: 1, ..Faults::NONE }, 1_750_000),
        _ => (Faults { crashes: 1, unanswered: 1, postgres_crashes: 1, ..Faults::NONE }, 13_000_000),
    };
    holds("crash, unanswered", Rules::of(faults), least, &[ALWAYS, UNANSWERED].concat());
}

#[test]
fn where_each_transaction_has_an_epoch_of_its_own_it_is_no_different() {
    let faults = Faults { unanswered: 1, ..Faults::NONE };
    let rules = Rules { protocol: Protocol::Tv2, ..Rules::of(faults) };
    holds("unanswered, TV2", rules, 485_000, &[ALWAYS, UNANSWERED].concat());
}

#[test]
fn whenever_postgres_crashes_or_breaks_off_a_connection_each_event_is_published_once() {
    let faults = Faults { cuts: 1, postgres_crashes: 1, ..Faults::NONE };
    holds("Postgres", Rules::of(faults), 630_000, &[ALWAYS, &[Happening::SlotWentBack]].concat());
}

#[test]
fn whenever_a_transaction_times_out_or_the_position_topic_is_shared_each_event_is_published_once() {
    let faults = Faults { time_outs: 1, neighbours: 1, ..Faults::NONE };
    holds("time-out, neighbour", Rules::of(faults), 335_000, ALWAYS);
}

#[test]
fn with_the_leaders_lock_a_second_instance_takes_over_and_no_start_is_refused() {
    let faults = Faults { crashes: 1, cuts: 1, ..Faults::NONE };
    let found = holds("lock", Rules { lock: true, ..Rules::of(faults) }, 130_000, ALWAYS);
    assert_eq!(found.tally.of(Happening::FalseAlarm), 0);
}

#[test]
fn a_slot_that_somebody_has_advanced_stops_the_next_start_and_nothing_is_lost() {
    let faults = Faults { crashes: 1, advances: 1, ..Faults::NONE };
    explored(
        "advanced slot",
        Rules::of(faults),
        100_000,
        &[ALWAYS, &[Happening::Halted, Happening::SlotMoved]].concat(),
    );
}

/// There is one producer; this is what must be true before there may be two.
#[test]
fn two_producers_that_take_turns_publish_each_event_once() {
    let rules = Rules { producers: 2, ..Rules::of(Faults { crashes: 1, ..Faults::NONE }) };
    holds("two producers, crash", rules, 320_000, ALWAYS);
    let faults = Faults { unanswered: 1, ..Faults::NONE };
    let rules = Rules { producers: 2, late_most: 0, ..Rules::of(faults) };
    let unknown = [Happening::UnknownCommitApplied, Happening::UnknownCommitLost];
    holds("two producers, unanswered", rules, 520_000, &[ALWAYS, &unknown].concat());
}
