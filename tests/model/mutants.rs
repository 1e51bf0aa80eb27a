//! Rules broken on purpose. The exploration must find a way on which each of them does harm.

use crate::explore::explore;
use crate::happened::Happening;
use crate::kafka::Protocol;
use crate::rules::{Faults, Rules};
use crate::story::tell;
use crate::world::{Model, Wrong};

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Postgres hears of a batch when it is handed over.
    ConfirmsBeforeCommit,
    /// One byte more than the end of what was published.
    ConfirmsPastTheEnd,
    /// A keepalive is confirmed while batches are on their way.
    ConfirmsKeepalives,
    /// The position follows its events in a transaction of its own.
    PositionApart,
    /// The commit does not wait for acknowledgements.
    CommitsUnsettled,
    ReadsBeforeTheFence,
    /// Positions are read up to the last stable offset, not to the high watermark.
    ReadsToStable,
    /// A slot ahead of the position is taken for the position.
    TakesTheGreater,
    /// The slot is looked at before START_REPLICATION only.
    LooksAtTheSlotOnce,
    /// The ordinal within a split transaction counts records, not changes.
    CountsRecords,
    /// A position within a split transaction has no ordinal.
    ForgetsOrdinal,
    /// The client sends an unanswered EndTxn again, and then goes on with the same epoch.
    KeepsEpoch,
    /// An unanswered commit is followed by an abort, and the batch goes out again.
    AbortsUnknown,
    /// Of two producers, the later sends before the records of the earlier are acknowledged.
    SendsBeforeAcknowledged,
    /// Of two producers, the later commits before the earlier has.
    CommitsBeforeCommitted,
}

/// Explores with the rule broken, and shows the shortest way to where that does harm.
fn harm(mutant: Mutant, rules: Rules) -> Wrong {
    let model = Model::new(Rules { mutant: Some(mutant), ..rules });
    let found = explore(&model, 5_000_000);
    let way = found.broken.unwrap_or_else(|| panic!("{mutant:?} does no harm in {} states", found.states));
    println!("{mutant:?}, after {} states:\n{}", found.states, tell(&model, &way));
    way.wrong().expect("what is wrong")
}

const NO_FAULT: Rules = Rules::of(Faults::NONE);
const ONE_UNANSWERED: Rules = Rules::of(Faults { unanswered: 1, ..Faults::NONE });
const TWO_PRODUCERS: Rules = Rules { producers: 2, ..NO_FAULT };

#[test]
fn confirming_before_the_commit_tells_postgres_too_much() {
    assert!(matches!(harm(Mutant::ConfirmsBeforeCommit, NO_FAULT), Wrong::ConfirmedAhead { .. }));
}

#[test]
fn confirming_one_byte_past_the_end_tells_postgres_too_much() {
    assert!(matches!(harm(Mutant::ConfirmsPastTheEnd, NO_FAULT), Wrong::ConfirmedAhead { .. }));
}

#[test]
fn confirming_a_keepalive_while_a_batch_is_on_its_way_tells_postgres_too_much() {
    assert!(matches!(harm(Mutant::ConfirmsKeepalives, NO_FAULT), Wrong::ConfirmedAhead { .. }));
}

#[test]
fn a_position_in_a_transaction_of_its_own_is_behind_its_events() {
    assert!(matches!(harm(Mutant::PositionApart, NO_FAULT), Wrong::Ahead { .. }));
}

#[test]
fn a_commit_that_does_not_wait_for_acknowledgements_tears_a_transaction() {
    let wrong = harm(Mutant::CommitsUnsettled, ONE_UNANSWERED);
    assert!(matches!(wrong, Wrong::Lost { .. } | Wrong::Ahead { .. }), "{wrong:?}");
}

#[test]
fn without_the_fence_before_the_position_an_event_is_published_twice() {
    assert!(matches!(harm(Mutant::ReadsBeforeTheFence, NO_FAULT), Wrong::Twice { .. }));
}

#[test]
fn without_the_high_watermark_an_event_is_published_twice() {
    let rules = Rules::of(Faults { neighbours: 1, ..Faults::NONE });
    assert!(matches!(harm(Mutant::ReadsToStable, rules), Wrong::Twice { .. }));
}

#[test]
fn taking_the_greater_of_slot_and_position_loses_an_event() {
    let rules = Rules::of(Faults { advances: 1, ..Faults::NONE });
    assert!(matches!(harm(Mutant::TakesTheGreater, rules), Wrong::Lost { .. }));
}

#[test]
fn without_a_second_look_a_slot_that_is_moved_during_a_start_loses_an_event() {
    let rules = Rules::of(Faults { advances: 1, ..Faults::NONE });
    assert!(matches!(harm(Mutant::LooksAtTheSlotOnce, rules), Wrong::Lost { .. }));
}

#[test]
fn an_ordinal_that_counts_records_publishes_an_event_twice() {
    assert!(matches!(harm(Mutant::CountsRecords, NO_FAULT), Wrong::Twice { .. }));
}

#[test]
fn without_an_ordinal_an_event_is_published_twice() {
    assert!(matches!(harm(Mutant::ForgetsOrdinal, NO_FAULT), Wrong::Twice { .. }));
}

#[test]
fn without_a_new_epoch_after_an_unanswered_commit_a_later_transaction_is_torn() {
    assert!(matches!(harm(Mutant::KeepsEpoch, ONE_UNANSWERED), Wrong::Ahead { .. }));
}

#[test]
fn an_abort_after_an_unanswered_commit_that_was_done_publishes_an_event_twice() {
    let rules = Rules { late_most: 0, ..ONE_UNANSWERED };
    assert!(matches!(harm(Mutant::AbortsUnknown, rules), Wrong::Twice { .. }));
}

#[test]
fn an_abort_after_an_unanswered_commit_that_comes_late_tears_the_next_transaction() {
    assert!(matches!(harm(Mutant::AbortsUnknown, ONE_UNANSWERED), Wrong::Ahead { .. }));
}

#[test]
fn without_waiting_for_the_first_producers_acknowledgements_the_second_overtakes_it() {
    let wrong = harm(Mutant::SendsBeforeAcknowledged, TWO_PRODUCERS);
    assert!(matches!(wrong, Wrong::OutOfOrder { .. }), "{wrong:?}");
}

#[test]
fn without_waiting_for_the_first_producers_commit_the_second_leaves_a_gap() {
    let wrong = harm(Mutant::CommitsBeforeCommitted, TWO_PRODUCERS);
    assert!(matches!(wrong, Wrong::Lost { .. } | Wrong::Ahead { .. }), "{wrong:?}");
}

#[test]
fn where_each_transaction_has_an_epoch_a_late_commit_does_no_harm() {
    let model =
        Model::new(Rules { mutant: Some(Mutant::KeepsEpoch), protocol: Protocol::Tv2, ..ONE_UNANSWERED });
    let found = explore(&model, 5_000_000);
    assert!(found.broken.is_none(), "{}", tell(&model, &found.broken.expect("a way")));
    assert!(found.tally.of(Happening::LateRejected) > 0);
}
