//! The Kafka transaction as a machine: `step(Input) → Action`. Pure.
//!
//! It encodes what must never happen: a commit before every record and the position are acknowledged; a commit after
//! anything failed; an abort, or anything else, after a commit whose answer is missing; a second use of a producer
//! about which anything is uncertain.

use super::Class;
use crate::mutant::{self, Mutant};
use crate::rejection::Reason;

/// One transaction after the other, until one of them does not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    state: State,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A transaction of so many records, and its position, is wanted.
    Start {
        /// Records before the position.
        records: usize,
    },
    /// The action was performed.
    Done,
    /// The action was not performed, or nobody knows.
    Failed(Class),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Begin a transaction.
    Begin,
    /// Send the record of this number.
    Send(usize),
    /// Send the position, last of all.
    SendPosition,
    /// Wait until everything sent is acknowledged.
    Settle,
    /// Commit.
    Commit,
    /// Abort, so that consumers need not wait for the broker to do it. How that ends changes nothing.
    Abort,
    /// Nothing more: this is how it ended.
    Finish(Ending),
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Kafka has it, whole.
    Committed,
    /// Nothing of it will be visible, ever.
    NotCommitted,
    /// The next fence decides, and the position as Kafka then holds it tells.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Idle,
    Beginning {
        records: usize,
    },
    Sending {
        number: usize,
        records: usize,
    },
    SendingPosition,
    Settling,
    Committing,
    Aborting,
    /// Of no further use.
    Dead {
        certain: bool,
    },
}

impl Default for Transaction {
    fn default() -> Transaction {
        Transaction::new()
    }
}

impl Transaction {
    /// Before the first transaction.
    pub fn new() -> Transaction {
        Transaction { state: State::Idle }
    }

    /// Whether another transaction may be started.
    pub fn is_usable(&self) -> bool {
        self.state == State::Idle
    }

    /// Takes in what happened, and says what to do.
    #[must_use]
    pub fn step(&mut self, input: Input) -> Action {
        let (state, action) = self.state.next(input);
        self.state = state;
        action
    }
}

impl State {
    fn next(self, input: Input) -> (State, Action) {
        match (self, input) {
            (State::Idle, Input::Start { records }) => (State::Beginning { records }, Action::Begin),

            (State::Beginning { records }, Input::Done) => State::sending(0, records),
            (State::Sending { number, records }, Input::Done) => State::sending(number + 1, records),
            (State::SendingPosition, Input::Done) if mutant::is_on(Mutant::CommitUnacknowledged) => {
                (State::Committing, Action::Commit)
            }
            (State::SendingPosition, Input::Done) => (State::Settling, Action::Settle),
            (State::Settling, Input::Done) => (State::Committing, Action::Commit),
            (State::Committing, Input::Done) => (State::Idle, Action::Finish(Ending::Committed)),
            (State::Aborting, Input::Done | Input::Failed(_)) => State::dead(true),

            (State::Beginning { .. }, Input::Failed(_)) => State::dead(true),
            (State::Sending { number, records }, Input::Failed(Class::RecordRefused(Reason::TooLarge)))
                if mutant::is_on(Mutant::SkipTooLarge) =>
            {
                State::sending(number + 1, records)
            }
            (State::Sending { .. } | State::SendingPosition | State::Settling, Input::Failed(class)) => {
                match class {
                    // A producer that is finished cannot abort either; the next fence does.
                    Class::Fenced | Class::Fatal | Class::Denied => State::dead(true),
                    _ => (State::Aborting, Action::Abort),
                }
            }
            // Only this class says that the commit was never sent.
            (State::Committing, Input::Failed(Class::Abortable)) => (State::Aborting, Action::Abort),
            (State::Committing, Input::Failed(Class::Indefinite)) if mutant::is_on(Mutant::KeepProducer) => {
                (State::Committing, Action::Commit)
            }
            (State::Committing, Input::Failed(Class::Indefinite))
                if mutant::is_on(Mutant::BeginUnanswered) =>
            {
                (State::Idle, Action::Finish(Ending::Committed))
            }
            (State::Committing, Input::Failed(_)) if mutant::is_on(Mutant::AbortUnknown) => {
                (State::Aborting, Action::Abort)
            }
            (State::Committing, Input::Failed(_)) => State::dead(false),

            (State::Dead { certain }, _) => State::dead(certain),
            // Not an answer to anything asked: whoever drives this has lost count.
            (_, Input::Start { .. }) | (State::Idle, _) => State::dead(false),
        }
    }

    fn sending(number: usize, records: usize) -> (State, Action) {
        match number < records {
            true => (State::Sending { number, records }, Action::Send(number)),
            false => (State::SendingPosition, Action::SendPosition),
        }
    }

    fn dead(certain: bool) -> (State, Action) {
        let ending = if certain { Ending::NotCommitted } else { Ending::Unknown };
        (State::Dead { certain }, Action::Finish(ending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [Class; 9] = [
        Class::Retriable,
        Class::Abortable,
        Class::Indefinite,
        Class::Fenced,
        Class::Fatal,
        Class::RecordRefused(Reason::TooLarge),
        Class::Topic,
        Class::Denied,
        Class::LeftOpen,
    ];

    /// A machine of two records, and what it asks for after so many steps that went well.
    fn after(steps: usize) -> (Transaction, Action) {
        let mut transaction = Transaction::new();
        let mut action = transaction.step(Input::Start { records: 2 });
        for _ in 0..steps {
            action = transaction.step(Input::Done);
        }
        (transaction, action)
    }

    #[test]
    fn the_position_is_sent_last_and_the_commit_waits_for_every_acknowledgement() {
        let actions: Vec<_> = (0..8).map(|steps| after(steps).1).collect();
        assert_eq!(
            actions[..7],
            [
                Action::Begin,
                Action::Send(0),
                Action::Send(1),
                Action::SendPosition,
                Action::Settle,
                Action::Commit,
                Action::Finish(Ending::Committed)
            ]
        );
        assert!(after(6).0.is_usable());
    }

    #[test]
    fn a_position_alone_is_a_transaction_too() {
        let mut transaction = Transaction::new();
        assert_eq!(transaction.step(Input::Start { records: 0 }), Action::Begin);
        assert_eq!(transaction.step(Input::Done), Action::SendPosition);
    }

    #[test]
    fn a_failure_before_the_commit_never_leads_to_a_commit() {
        for steps in 0..5 {
            for class in CLASSES {
                let (mut transaction, at) = after(steps);
                let mut action = transaction.step(Input::Failed(class));
                if action == Action::Abort {
                    action = transaction.step(Input::Failed(Class::Indefinite));
                }
                assert_eq!(action, Action::Finish(Ending::NotCommitted), "{at:?} failed {class:?}");
                assert!(!transaction.is_usable());
            }
        }
    }

    #[test]
    fn nothing_is_said_to_a_producer_after_a_commit_without_an_answer() {
        for class in CLASSES.into_iter().filter(|class| *class != Class::Abortable) {
            let (mut transaction, at) = after(5);
            assert_eq!(at, Action::Commit);
            let inputs =
                [Input::Failed(class), Input::Done, Input::Start { records: 1 }, Input::Failed(class)];
            for input in inputs {
                assert_eq!(transaction.step(input), Action::Finish(Ending::Unknown), "{class:?}, {input:?}");
            }
        }
    }

    #[test]
    fn a_commit_that_was_never_sent_is_aborted() {
        let (mut transaction, _) = after(5);
        assert_eq!(transaction.step(Input::Failed(Class::Abortable)), Action::Abort);
        assert_eq!(transaction.step(Input::Done), Action::Finish(Ending::NotCommitted));
        assert_eq!(transaction.step(Input::Start { records: 1 }), Action::Finish(Ending::NotCommitted));
    }

    #[test]
    fn an_answer_nobody_asked_for_ends_it() {
        let mut transaction = Transaction::new();
        assert_eq!(transaction.step(Input::Done), Action::Finish(Ending::Unknown));
        let (mut transaction, _) = after(2);
        assert_eq!(transaction.step(Input::Start { records: 1 }), Action::Finish(Ending::Unknown));
    }
}
