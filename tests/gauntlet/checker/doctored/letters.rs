//! Runs with something wrong about their dead letters.

use super::*;

#[test]
fn a_dead_letter_that_is_missing_or_there_twice_is_a_loss_or_a_duplicate() {
    let lost = |run: &mut Run| {
        run.transactions[2].events.retain(|event| *event != 7);
        run.recount();
    };
    assert_eq!(violated_by(lost), [1]);
    let doubled = |run: &mut Run| {
        run.transactions[3].events.push(7);
        run.recount();
    };
    assert_eq!(violated_by(doubled), [2]);
    let late = |run: &mut Run| run.transactions[3].events.swap(1, 4);
    assert_eq!(violated_by(late), [0_u8; 0], "it has no order with good ones");
}

#[test]
fn a_dead_letter_that_is_not_its_row_is_seen() {
    type Change = fn(&mut Delivered, &mut Letter);
    let changes: [Change; 8] = [
        |letter, _| letter.digest += 1,
        |letter, _| letter.key = Some(8),
        |_, told| told.has_key = false,
        |_, told| told.has_payload = false,
        |_, told| told.reason = "too_large".to_owned(),
        |_, told| told.payload_is = "claim".to_owned(),
        |_, told| told.bytes = Some(99),
        |_, told| told.bytes = None,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let altered = |dump: &mut Dump| {
            let letter = &mut dump.partitions[AT_LETTERS].events[0];
            let mut told = letter.letter.take().expect("a letter");
            change(letter, &mut told);
            letter.letter = Some(told);
        };
        assert_eq!(violated_in(altered), [13], "{number}");
    }
    let of = |at: usize, change: fn(&mut Letter)| {
        violated_in(|dump| {
            dump.partitions[AT_LETTERS].events[at].letter.as_mut().map(change).expect("a letter");
        })
    };
    assert_eq!(of(1, |told| told.has_key = true), [13], "the row has none");
    assert_eq!(of(2, |told| told.bytes = Some(99)), [13], "a cut one says how large it was");
    assert_eq!(of(2, |told| told.has_payload = true), [13]);
    let of_another = |told: &mut Letter| told.reason = "payload_not_encodable".to_owned();
    assert_eq!(of(3, of_another), [13], "the registry refuses it");
}

#[test]
fn a_bad_event_that_is_published_and_a_good_one_that_is_not_are_seen() {
    let published = |run: &mut Run| run.truth[7].bad = None;
    let mut dump = run().dump();
    dump.truth.iter_mut().filter(|row| row.id == 8).for_each(|row| row.bad = None);
    assert!(violated(&dump).contains(&13), "a good one among the letters");
    let mut run = run();
    published(&mut run);
    let mut dump = run.dump();
    dump.truth.iter_mut().filter(|row| row.id == 8).for_each(|row| row.bad = bad(7));
    assert_eq!(violated(&dump), [13], "a bad one in its topic, and not among the letters");
}
