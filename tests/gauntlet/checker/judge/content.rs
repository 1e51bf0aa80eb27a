//! What is there: no loss (1), no duplicate (2), no phantom (3), and each byte as the row says (12).

use super::Findings;
use crate::checker::dump::{Delivered, Truth};
use crate::checker::story::Story;

pub(super) fn judge(story: &Story<'_>, findings: &mut Findings) {
    read_to_the_end(story, findings);
    findings.looked_at(1, story.truth.len() as u64);
    for (number, row) in story.truth.iter().enumerate() {
        match story.place(number) {
            None => findings.violated(1, format!("event {} was committed and did not arrive", named(row))),
            // Dead letters are another matter.
            Some(_) if row.bad.is_some() => {}
            Some((partition, event)) => {
                findings.looked_at(12, 1);
                let kind = story.dump.partitions[partition].kind;
                if let Some(what) = unlike(row, event, kind) {
                    let place = story.dump.partitions[partition].of.name();
                    findings.violated(12, format!("{place} {}: {what}", event.offset));
                }
            }
        }
    }
    let delivered = story.dump.partitions.iter().map(|partition| partition.events.len() as u64).sum();
    findings.looked_at(2, delivered);
    findings.looked_at(3, delivered);
    for event in &story.twice {
        let row = story.truth[story.number(event).expect("it was committed")];
        findings.violated(2, format!("event {} arrived again at offset {}", named(row), event.offset));
    }
    for event in &story.phantoms {
        let id = uuid::Uuid::from_u128(event.id);
        findings.violated(3, format!("event {id} at offset {} was never committed", event.offset));
    }
    for row in &story.unwitnessed {
        findings.violated(1, format!("nobody has seen the commit of event {}", named(row)));
    }
}

/// A consumer that ends early sees no loss. The broker's files tell how much there is to see.
fn read_to_the_end(story: &Story<'_>, findings: &mut Findings) {
    for partition in story.dump.logs() {
        let (read, visible) = (partition.read, partition.log.visible());
        if read != visible {
            let what = format!("the consumer was given {read} of {} in {visible} records", partition.name());
            findings.violated(1, what);
        }
        if partition.read_to < partition.high {
            let (came, high) = (partition.read_to, partition.high);
            findings.violated(1, format!("the consumer came to {came} of {high} in {}", partition.name()));
        }
    }
}

fn unlike(row: &Truth, event: &Delivered, kind: u32) -> Option<&'static str> {
    if event.key != Some(row.aggregate) {
        return Some("the key is not the aggregate's id");
    }
    if kind != row.aggregate % 3 {
        return Some("the topic is not the aggregate type's");
    }
    if !event.headers_right {
        return Some("the headers are not the id alone");
    }
    if event.digest != row.digest {
        return Some("the value is not the payload as Postgres writes it");
    }
    (event.at_ms != row.at_ms).then_some("the timestamp is not the row's")
}

pub(super) fn named(row: &Truth) -> String {
    let id = uuid::Uuid::from_u128(row.id);
    format!(
        "{id} (transaction {}, event {}, version {} of aggregate {})",
        row.xid, row.ordinal, row.version, row.aggregate
    )
}
