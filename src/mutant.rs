//! The broken builds that the tests must find out: each breaks one rule, at the place where the rule is kept.
//!
//! Enters: a name, from `WALPOST_MUTANT=m7` for a process or from [`choose`] for one thread. Leaves: whether a rule is
//! to be broken. Promised: without the `mutants` feature, which no release has, the answer is a constant no and costs
//! nothing. `deploy/local/mutants` runs the tests that must fail under each.

use crate::lsn::Lsn;

/// One rule broken. The numbers are the discriminants: `m1` is [`Mutant::ConfirmBeforeCommit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Postgres hears of a batch before Kafka has it.
    ConfirmBeforeCommit = 1,
    /// One byte more than the end of the transaction is confirmed.
    ConfirmPastEnd,
    /// A commit's beginning is taken for its end.
    CommitLsnForEnd,
    /// The position goes in a transaction of its own.
    PositionApart,
    /// The position goes first, and the commit waits for no acknowledgement.
    CommitUnacknowledged,
    /// The position is read before the fence.
    ReadBeforeFence,
    /// The position is looked for up to the last stable offset only.
    ReadToStable,
    /// A read that timed out found nothing.
    TimeoutIsNothing,
    /// The greater LSN of slot and position wins.
    GreaterLsnWins,
    /// What was received, keepalives included, is confirmed with whatever is committed.
    ConfirmReceived,
    /// A row at the LSN of the row before it is taken for a repetition.
    RowLsnIsUnique,
    /// Only rows that became events are counted within a split transaction.
    CountEvents,
    /// Timelines are not looked at.
    IgnoreTimeline,
    /// A commit without an answer is repeated on the same producer, which is then kept.
    KeepProducer,
    /// A commit without an answer is followed by an abort.
    AbortUnknown,
    /// A record that the client finds too large is passed over.
    SkipTooLarge,
    /// A missing slot is made again.
    RemakeSlot,
    /// A split transaction is resumed without a look at its last published change.
    ResumeUnchecked,
    /// The next transaction begins before the last one's commit is answered.
    BeginUnanswered,
    /// Nobody looks at the publication.
    UnwatchedPublication,
}

/// Whether this rule is to be broken.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn is_on(_: Mutant) -> bool {
    false
}

/// The frame being read is at this LSN.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn frame_at(_: Lsn) {}

/// Whether the row of this frame is where the row before it was: for [`Mutant::RowLsnIsUnique`].
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn row_repeats() -> bool {
    false
}

#[cfg(feature = "mutants")]
pub use chosen::{choose, frame_at, is_on, row_repeats};

#[cfg(feature = "mutants")]
mod chosen {
    use super::{Lsn, Mutant};
    use std::cell::Cell;
    use std::sync::OnceLock;

    thread_local! {
        static CHOSEN: Cell<Option<Mutant>> = const { Cell::new(None) };
        static FRAME: Cell<Lsn> = const { Cell::new(Lsn::ZERO) };
        static ROW: Cell<Lsn> = const { Cell::new(Lsn::ZERO) };
    }

    impl Mutant {
        /// All of them, `m1` first.
        pub const ALL: [Mutant; 20] = [
            Mutant::ConfirmBeforeCommit,
            Mutant::ConfirmPastEnd,
            Mutant::CommitLsnForEnd,
            Mutant::PositionApart,
            Mutant::CommitUnacknowledged,
            Mutant::ReadBeforeFence,
            Mutant::ReadToStable,
            Mutant::TimeoutIsNothing,
            Mutant::GreaterLsnWins,
            Mutant::ConfirmReceived,
            Mutant::RowLsnIsUnique,
            Mutant::CountEvents,
            Mutant::IgnoreTimeline,
            Mutant::KeepProducer,
            Mutant::AbortUnknown,
            Mutant::SkipTooLarge,
            Mutant::RemakeSlot,
            Mutant::ResumeUnchecked,
            Mutant::BeginUnanswered,
            Mutant::UnwatchedPublication,
        ];

        /// `m1` to `m20`.
        pub fn name(self) -> String {
            format!("m{}", self as u8)
        }
    }

    /// Breaks this rule on the calling thread, in place of what the environment says.
    pub fn choose(mutant: Option<Mutant>) {
        CHOSEN.set(mutant);
    }

    /// Whether this rule is to be broken.
    pub fn is_on(mutant: Mutant) -> bool {
        static BY_NAME: OnceLock<Option<Mutant>> = OnceLock::new();
        let by_name = || {
            let name = std::env::var("WALPOST_MUTANT").ok().filter(|name| !name.is_empty())?;
            let named = Mutant::ALL.into_iter().find(|mutant| mutant.name() == name);
            assert!(named.is_some(), "WALPOST_MUTANT={name}: there are m1 to m20");
            named
        };
        CHOSEN.get().or_else(|| *BY_NAME.get_or_init(by_name)) == Some(mutant)
    }

    /// The frame being read is at this LSN.
    pub fn frame_at(lsn: Lsn) {
        FRAME.set(lsn);
    }

    /// Whether the row of this frame is where the row before it was.
    pub fn row_repeats() -> bool {
        is_on(Mutant::RowLsnIsUnique) && ROW.replace(FRAME.get()) == FRAME.get()
    }
}
