//! Which letters are replayed, and in which order. Pure.
//!
//! The order is that of their places, and so each key's is that of its events. A letter does not overtake an earlier one
//! of its key that stays behind, unless that is asked for.

use super::{Filter, Index};
use crate::encode::KeyHash;
use crate::publish::letters::{Letter, Place};
use crate::rejection::Reason;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which letters.
    pub filter: Filter,
    /// The how manieth replay it is to be: letters replayed exactly one time less are meant.
    pub attempt: u32,
    /// At most so many.
    pub limit: usize,
    /// Letters may overtake others of their key that stay behind.
    pub out_of_order: bool,
    /// Letters of updated rows as well.
    pub updates: bool,
    /// No letter more often than that.
    pub most_attempts: u32,
}

impl Default for Choice {
    fn default() -> Choice {
        Choice {
            filter: Filter::default(),
            attempt: 1,
            limit: usize::MAX,
            out_of_order: false,
            updates: false,
            most_attempts: 5,
        }
    }
}

/// Why a letter that is meant stays behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// An earlier letter of its key does.
    Behind,
    /// It is of an updated row, whose event was published before.
    Update,
    /// It was replayed as often as may be.
    TooOften,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Letters to replay, in this order.
    pub chosen: Vec<Place>,
    /// Letters that stay behind although they are meant.
    pub held: BTreeMap<Place, Held>,
    /// Keys of letters that stay behind for whatever reason.
    pub blocked: HashSet<KeyHash>,
}

/// Looks at every letter of this slot. What is parked goes with the letter that it follows, if that is meant. `tried` are
/// letters that this run has dealt with.
pub fn plan(index: &Index, slot: &str, choice: &Choice, tried: &BTreeSet<Place>) -> Plan {
    let mut plan = Plan::default();
    // Keys of letters that are meant, replayed before or now.
    let mut followed = HashSet::new();
    for (letter, state) in index.of(slot).filter(|(_, state)| !state.purged) {
        let is_next = state.replays + 1 == choice.attempt && !tried.contains(&letter.place);
        let follows = is_parked(letter) && letter.key_hash.is_some_and(|hash| followed.contains(&hash));
        let is_wanted = choice.filter.takes(letter);
        let is_meant = is_next && (follows || is_wanted);
        let held = if is_meant { held(letter, state.replays, choice, &plan) } else { None };
        if is_meant && held.is_none() && plan.chosen.len() < choice.limit {
            plan.chosen.push(letter.place);
            followed.extend(letter.key_hash);
            continue;
        }
        if let Some(held) = held {
            plan.held.insert(letter.place, held);
        }
        if is_wanted && !state.is_waiting() {
            followed.extend(letter.key_hash);
        }
        if state.is_waiting() && !is_update(letter) {
            plan.blocked.extend(letter.key_hash);
        }
    }
    plan
}

fn held(letter: &Letter, replays: u32, choice: &Choice, plan: &Plan) -> Option<Held> {
    let is_behind = || letter.key_hash.is_some_and(|hash| plan.blocked.contains(&hash));
    // The letter's own count begins with 1.
    if letter.attempts.saturating_sub(1) + replays >= choice.most_attempts {
        Some(Held::TooOften)
    } else if is_update(letter) && !choice.updates {
        Some(Held::Update)
    } else if !choice.out_of_order && is_behind() {
        Some(Held::Behind)
    } else {
        None
    }
}

/// An update of an outbox row is no event of its key's order.
fn is_update(letter: &Letter) -> bool {
    letter.known_reason() == Some(Reason::UpdateRefused)
}

fn is_parked(letter: &Letter) -> bool {
    letter.known_reason() == Some(Reason::Parked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlq::testing::{index, letter, letters, mark};
    use crate::publish::letters::Fate;

    /// Letters by key and reason; all of one transaction each.
    fn some(of: &[(&str, &str)]) -> Vec<Letter> {
        let numbered = of.iter().enumerate();
        numbered
            .map(|(offset, (key, reason))| Letter {
                reason: (*reason).into(),
                ..letter(offset as i64, Some(key))
            })
            .collect()
    }

    fn offsets<'p>(places: impl IntoIterator<Item = &'p Place>) -> Vec<i64> {
        places.into_iter().map(|place| place.offset).collect()
    }

    fn made(index: &Index, choice: &Choice) -> Plan {
        plan(index, "walpost", choice, &BTreeSet::new())
    }

    fn too_large() -> Choice {
        let filter = Filter { reasons: vec![Reason::TooLarge], ..Filter::default() };
        Choice { filter, ..Choice::default() }
    }

    #[test]
    fn a_letter_does_not_overtake_one_of_its_key_that_is_not_meant() {
        let index = index(letters(some(&[
            ("a", "topic_illegal"),
            ("a", "too_large"),
            ("b", "too_large"),
            ("b", "topic_illegal"),
            ("b", "too_large"),
        ])));
        let planned = made(&index, &too_large());
        assert_eq!(offsets(&planned.chosen), [2]);
        assert_eq!(offsets(planned.held.keys()), [1, 4]);
        let choice = Choice { out_of_order: true, ..too_large() };
        assert_eq!(offsets(&made(&index, &choice).chosen), [1, 2, 4]);
        let choice = Choice { limit: 2, ..Choice::default() };
        assert_eq!(offsets(&made(&index, &choice).chosen), [0, 1], "a limit is no reason to overtake either");
    }

    #[test]
    fn what_was_dealt_with_is_not_meant_and_holds_nothing_back() {
        let mut entries = letters(some(&[("a", "topic_illegal"), ("a", "too_large"), ("a", "too_large")]));
        entries.extend([mark(0, Fate::Purged), mark(1, Fate::Replayed)]);
        let index = index(entries);
        assert_eq!(offsets(&made(&index, &too_large()).chosen), [2]);
        let again = Choice { attempt: 2, ..Choice::default() };
        assert_eq!(
            offsets(&made(&index, &again).chosen),
            [1],
            "once more what was replayed once, and nothing else"
        );
        let thrice = Choice { attempt: 3, ..Choice::default() };
        assert_eq!(made(&index, &thrice).chosen, []);
    }

    #[test]
    fn what_is_parked_goes_with_the_letter_it_follows() {
        let index = index(letters(some(&[
            ("a", "too_large"),
            ("b", "topic_illegal"),
            ("a", "parked"),
            ("b", "parked"),
            ("a", "topic_illegal"),
            ("a", "parked"),
        ])));
        let planned = made(&index, &too_large());
        assert_eq!(offsets(&planned.chosen), [0, 2]);
        assert_eq!(offsets(planned.held.keys()), [5], "behind one that is not meant");
        // A run that was killed after the first.
        let mut entries = letters(some(&[("a", "too_large"), ("a", "parked")]));
        entries.push(mark(0, Fate::Replayed));
        assert_eq!(offsets(&made(&super::super::testing::index(entries), &too_large()).chosen), [1]);
    }

    #[test]
    fn updates_are_no_events_unless_they_are_asked_for() {
        let index = index(letters(some(&[("a", "update_refused"), ("a", "too_large")])));
        let planned = made(&index, &Choice::default());
        assert_eq!((offsets(&planned.chosen), planned.held.len()), (vec![1], 1));
        let choice = Choice { updates: true, ..Choice::default() };
        assert_eq!(offsets(&made(&index, &choice).chosen), [0, 1]);
    }

    #[test]
    fn a_letter_is_not_replayed_more_often_than_may_be() {
        let often = Letter { attempts: 4, ..letter(0, Some("a")) };
        let mut entries = letters(vec![often, letter(1, Some("b"))]);
        entries.extend([mark(0, Fate::Replayed), mark(1, Fate::Replayed), mark(0, Fate::Replayed)]);
        let index = index(entries);
        let third = Choice { attempt: 3, ..Choice::default() };
        let planned = made(&index, &third);
        assert_eq!(
            (planned.chosen.len(), planned.held.values().collect::<Vec<_>>()),
            (0, vec![&Held::TooOften])
        );
        let planned = made(&index, &Choice { most_attempts: 6, ..third });
        assert_eq!((offsets(&planned.chosen), planned.held.len()), (vec![0], 0));
    }

    #[test]
    fn what_a_run_has_tried_it_does_not_try_again() {
        let index = index(letters(some(&[("a", "too_large"), ("b", "too_large")])));
        let tried = BTreeSet::from([Place { partition: 0, offset: 0 }]);
        let planned = plan(&index, "walpost", &Choice::default(), &tried);
        assert_eq!(offsets(&planned.chosen), [1]);
    }
}
