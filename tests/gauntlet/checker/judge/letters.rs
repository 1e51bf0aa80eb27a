//! The dead letters (13): every bad event is there and nowhere else, with its bytes and its reason, and no good one is.
//!
//! That none is missing and none there twice is said of them as of all events: 1 and 2.

use super::Findings;
use super::content::named;
use crate::checker::dump::{Delivered, LETTERS, Truth};
use crate::checker::story::Story;

pub(super) fn judge(story: &Story<'_>, findings: &mut Findings) {
    let mut copies = vec![(0, 0); story.truth.len()];
    for partition in &story.dump.partitions {
        for number in partition.events.iter().filter_map(|event| story.number(event)) {
            let (letters, others) = &mut copies[number];
            *(if partition.kind == LETTERS { letters } else { others }) += 1;
        }
    }
    for (number, row) in story.truth.iter().enumerate() {
        match (row.bad, copies[number]) {
            (None, (0, _)) => {}
            (None, _) => findings.violated(13, format!("good event {} is a dead letter", named(row))),
            (Some(_), (_, others)) => {
                findings.looked_at(13, 1);
                if others > 0 {
                    findings.violated(13, format!("bad event {} was published", named(row)));
                }
            }
        }
    }
    let letters = story.dump.partitions.iter().filter(|partition| partition.kind == LETTERS);
    for (partition, letter) in letters.flat_map(|of| of.events.iter().map(move |letter| (of, letter))) {
        let Some(row) = story.number(letter).map(|number| story.truth[number]) else { continue };
        if let Some(what) = unlike(row, letter) {
            let place = partition.of.name();
            findings.violated(13, format!("{place} {}: {what} of event {}", letter.offset, named(row)));
        }
    }
}

/// What of the letter is not as the row has it.
fn unlike(row: &Truth, delivered: &Delivered) -> Option<&'static str> {
    let (bad, letter) = (row.bad?, delivered.letter.as_ref()?);
    if letter.reason != bad.reason {
        return Some("not the reason");
    }
    let has_key = bad.has_key();
    if letter.has_key != has_key || delivered.key != has_key.then_some(row.aggregate) {
        return Some("not the key");
    }
    let is_cut = bad.payload_is == "claim";
    if letter.payload_is != bad.payload_is || letter.has_payload == is_cut {
        return Some("not the place");
    }
    if letter.bytes != Some(row.bytes) {
        return Some("not the size");
    }
    (!is_cut && delivered.digest != row.digest).then_some("not the bytes")
}
