//! What a comparison found, for people and for programs.

use super::first::{First, Kept};
use crate::cli::console::{Console, Tone, or_dash};
use crate::verify::finding::Doubt;
use crate::verify::{Finding, Report, Tally};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// All kinds, the worst first.
const KINDS: &[&str] = &[
    "missing",
    "duplicate",
    "altered",
    "out_of_order",
    "unpublishable",
    "pending",
    "undecided",
    "unknown",
    "newer",
    "foreign",
    "dead_letter",
    "skipped",
];

/// Prints it.
pub(super) fn print(console: &Console, report: &Report, first: &First, took: Duration) {
    if console.is_json() {
        console.json_object(object(report, first, took));
        return;
    }
    topics(console, report);
    findings(console, report, &first.of(KINDS));
    for words in sentences(report) {
        console.say(&words);
    }
    let total = report.total();
    let verdict = match (report.wrong(), report.gap()) {
        (0, None) => console.toned(Tone::Good, "nothing is wrong"),
        (0, Some(_)) => console.toned(Tone::Bad, "a gap"),
        (wrong, _) => console.toned(Tone::Bad, &format!("{wrong} findings")),
    };
    let (rows, records) = (rows(report), total.records + total.foreign);
    let seconds = took.as_secs_f64();
    console.say(&format!("{rows} rows and {records} records in {seconds:.1} s: {verdict}{}", untold(total)));
}

fn rows(report: &Report) -> u64 {
    report.tables.iter().map(|(_, rows)| rows).sum()
}

/// What was not judged, and what is not published on purpose, in a few words.
fn untold(total: Tally) -> String {
    let of = |what: &str, kinds: &[(&str, u64)]| {
        let there = kinds.iter().filter(|(_, count)| *count > 0);
        let told: Vec<String> = there.map(|(kind, count)| format!("{count} {kind}")).collect();
        if told.is_empty() { String::new() } else { format!("; {what}: {}", told.join(", ")) }
    };
    let judged = ["missing", "duplicate", "altered", "out_of_order", "dead_letter"];
    let mut unjudged = counts(total).to_vec();
    unjudged.retain(|(kind, _)| !judged.contains(kind));
    let aside = [("dead_letter", total.dead_letter), ("skipped", total.skipped)];
    of("not judged", &unjudged) + &of("set aside", &aside)
}

/// The counts by name, in the order of [`KINDS`], of what belongs to a topic.
fn counts(tally: Tally) -> [(&'static str, u64); 10] {
    [
        ("missing", tally.missing),
        ("duplicate", tally.duplicate),
        ("altered", tally.altered),
        ("out_of_order", tally.out_of_order),
        ("pending", tally.pending),
        ("undecided", tally.undecided),
        ("unknown", tally.unknown),
        ("newer", tally.newer),
        ("foreign", tally.foreign),
        ("dead_letter", tally.dead_letter),
    ]
}

fn topics(console: &Console, report: &Report) {
    let mut header = vec!["topic", "rows", "records", "matched"];
    header.extend(counts(Tally::default()).map(|(name, _)| name));
    let row = |name: &str, tally: Tally| {
        let first = [tally.rows, tally.records, tally.matched];
        let counts = counts(tally).map(|(_, count)| count);
        let numbers = first.into_iter().chain(counts).map(|count| count.to_string());
        std::iter::once(name.to_owned()).chain(numbers).collect::<Vec<String>>()
    };
    let mut rows: Vec<Vec<String>> =
        report.topics.iter().map(|topic| row(&topic.name, topic.tally)).collect();
    if report.topics.len() != 1 {
        rows.push(row("all", report.total()));
    }
    console.table(&header, rows);
}

fn findings(console: &Console, report: &Report, kept: &[Kept]) {
    if kept.is_empty() {
        return;
    }
    console.print("");
    let rows = kept.iter().map(|kept| {
        vec![
            kept.finding.name().to_owned(),
            or_dash(kept.id.as_ref()),
            or_dash(kept.key.as_ref()),
            or_dash(table(report, kept)),
            or_dash(topic(report, kept)),
            or_dash(kept.record.map(|(partition, offset)| format!("{partition}/{offset}"))),
            or_dash(detail(kept.finding)),
        ]
    });
    let header = ["finding", "id", "key", "table", "topic", "partition/offset", "detail"];
    console.table(&header, rows.collect());
}

fn topic<'r>(report: &'r Report, kept: &Kept) -> Option<&'r str> {
    report.topics.get(kept.topic? as usize).map(|topic| &*topic.name)
}

fn table<'r>(report: &'r Report, kept: &Kept) -> Option<&'r str> {
    report.tables.get(usize::from(kept.place?.table())).map(|(name, _)| name.as_str())
}

fn detail(finding: Finding) -> Option<String> {
    match finding {
        Finding::Duplicate { first: (partition, offset) } => {
            Some(format!("the same id as partition {partition}, offset {offset}"))
        }
        Finding::OutOfOrder { after } => Some(format!("after a later row's record at offset {after}")),
        Finding::Altered(difference) => {
            Some(format!("{} differ from the row", difference.parts().join(", ")))
        }
        Finding::Unpublishable(reason) | Finding::Skipped(reason) => Some(reason.name().to_owned()),
        Finding::Undecided(doubt) => Some(doubt_name(doubt).to_owned()),
        Finding::Missing | Finding::Pending | Finding::Unknown | Finding::Newer | Finding::Foreign => None,
        Finding::DeadLetter => None,
    }
}

fn doubt_name(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Expired => "expired",
        Doubt::Compacted => "compacted",
        Doubt::Open => "open_transaction",
    }
}

/// What the numbers alone do not say.
fn sentences(report: &Report) -> Vec<String> {
    let total = report.total();
    let mut sentences = Vec::new();
    if !report.left_out.is_empty() {
        sentences.push(format!(
            "left out: {}, whose changes are published as change events; a row does not tell which there should be",
            report.left_out.join(", ")
        ));
    }
    if !report.is_ordered {
        sentences.push("the order was not checked: --order-by names the columns that tell it".to_owned());
    }
    let position = or_dash(report.reach.position.as_ref().map(|position| position.end_lsn));
    if total.pending > 0 {
        sentences.push(format!(
            "pending: the rows were read at {}, and the connector has come to {position} and its slot to {}; {}",
            report.moment,
            or_dash(report.reach.slot.as_ref().and_then(|slot| slot.confirmed_flush_lsn)),
            match report.reach.is_active() {
                true => "it runs: give it longer with --wait",
                false => "it does not run",
            }
        ));
    }
    if let Some((stored, confirmed)) = report.reach.gap().filter(|_| total.pending > 0) {
        let rows = match report.reach.is_reborn() {
            false => format!(
                "the slot is ahead of the stored position: rows that were committed between {stored} and {confirmed}"
            ),
            true => format!(
                "the slot was made again on a server that had been set back, and the stored position counts for nothing: \
                 rows that were committed before {confirmed}"
            ),
        };
        sentences.push(format!(
            "{rows} will not come, and are among the pending ones: walpost repair tells them apart, and publishes them"
        ));
    }
    if total.dead_letter > 0 {
        sentences.push(
            "dead_letter: their events are in the topic of dead letters; walpost dlq list shows those that wait".to_owned(),
        );
    }
    if report.reach.settled().is_none() {
        sentences.push(format!(
            "there is no slot that would send what is not published (stored position {position}): walpost doctor"
        ));
    }
    if total.undecided > 0 {
        sentences.push(
            "undecided: a topic whose oldest records are gone, or that is compacted, cannot tell whether a record was ever \
             there. Rows that are younger than the topic's oldest record are judged when --time-column says how old they \
             are"
            .to_owned(),
        );
    }
    if total.unknown > 0 {
        sentences.push(match report.is_limited {
            true => "unknown: records whose rows are outside of what was looked at, or cleaned from the outbox".to_owned(),
            false => "unknown: records whose rows are no longer in the outbox; whether they are right cannot be told \
                      (nor whether others are missing)"
                .to_owned(),
        });
    }
    sentences
}

fn object(report: &Report, first: &First, took: Duration) -> Value {
    let tally = |tally: Tally| {
        let mut object = Map::new();
        for (name, count) in [("rows", tally.rows), ("records", tally.records), ("matched", tally.matched)]
            .into_iter()
            .chain(counts(tally))
        {
            object.insert(name.to_owned(), count.into());
        }
        object
    };
    let topics = report.topics.iter().map(|topic| {
        let mut object = Map::from_iter([("topic".to_owned(), Value::from(&*topic.name))]);
        object.extend(tally(topic.tally));
        object.insert("compacted".to_owned(), topic.known.is_compacted.into());
        object.insert("open_transaction".to_owned(), topic.known.is_open.into());
        object.insert("oldest_records_gone".to_owned(), topic.known.begins_ms.is_some().into());
        Value::Object(object)
    });
    let tables = report.tables.iter().map(|(name, rows)| json!({ "table": name, "rows": rows }));
    let mut total = tally(report.total());
    let of_rows = report.total();
    total.insert("unpublishable".to_owned(), of_rows.unpublishable.into());
    total.insert("skipped".to_owned(), of_rows.skipped.into());
    json!({
        "wrong": report.wrong(),
        "total": total,
        "tables": tables.collect::<Vec<_>>(),
        "topics": topics.collect::<Vec<_>>(),
        "findings": first.of(KINDS).iter().map(|kept| finding(report, kept)).collect::<Vec<_>>(),
        "order_checked": report.is_ordered,
        "range_limited": report.is_limited,
        "settled": report.is_settled(),
        "gap": report.gap().map(|(from, to)| json!({ "from": from, "to": to })),
        "rows_read_at": report.moment,
        "stored_position": report.reach.position.as_ref().map(|position| position.end_lsn),
        "slot_confirmed": report.reach.slot.as_ref().and_then(|slot| slot.confirmed_flush_lsn),
        "seconds": took.as_secs_f64(),
    })
}

fn finding(report: &Report, kept: &Kept) -> Value {
    let more = match kept.finding {
        Finding::Duplicate { first: (partition, offset) } => {
            json!({ "first_partition": partition, "first_offset": offset })
        }
        Finding::OutOfOrder { after } => json!({ "after_offset": after }),
        Finding::Altered(difference) => json!({ "differs": difference.parts() }),
        Finding::Unpublishable(reason) | Finding::Skipped(reason) => json!({ "reason": reason.name() }),
        Finding::Undecided(doubt) => json!({ "reason": doubt_name(doubt) }),
        _ => Value::Null,
    };
    let mut object = json!({
        "finding": kept.finding.name(),
        "id": kept.id,
        "key": kept.key,
        "table": table(report, kept),
        "topic": topic(report, kept),
        "partition": kept.record.map(|(partition, _)| partition),
        "offset": kept.record.map(|(_, offset)| offset),
    });
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsn::Lsn;
    use crate::position::Position;
    use crate::postgres::slot::SlotFacts;
    use crate::verify::finding::Difference;
    use crate::verify::join::Known;
    use crate::verify::reach::Reach;
    use crate::verify::{Found, Place, Sink, Topic};

    fn report(tally: Tally) -> Report {
        let born = Position::first(&Position::creating(7, 1, "run"), Lsn::new(0x80));
        let position = Position { end_lsn: Lsn::new(0x100), ..born };
        let slot = SlotFacts { confirmed_flush_lsn: Some(Lsn::new(0x80)), ..SlotFacts::default() };
        Report {
            tables: vec![("public.outbox".to_owned(), tally.rows)],
            left_out: Vec::new(),
            topics: vec![Topic { name: "orders".into(), known: Known::default(), tally }],
            without_topic: Tally::default(),
            moment: Lsn::new(0x200),
            reach: Reach { position: Some(position), slot: Some(slot) },
            is_ordered: true,
            is_limited: false,
        }
    }

    #[test]
    fn every_kind_is_printed_and_has_a_count() {
        let counted = counts(Tally::default()).map(|(name, _)| name);
        let uncounted: Vec<_> = KINDS.iter().filter(|kind| !counted.contains(kind)).collect();
        assert_eq!(uncounted, [&"unpublishable", &"skipped"], "such rows belong to no topic");
    }

    #[test]
    fn what_is_not_judged_is_said_in_words() {
        assert_eq!(sentences(&report(Tally::default())), [""; 0]);
        let told = |tally: Tally| sentences(&report(tally)).join("\n");
        let pending = told(Tally { pending: 1, ..Tally::default() });
        assert!(pending.contains("read at 0/200") && pending.contains("come to 0/100"), "{pending}");
        let mut ahead = report(Tally { pending: 1, ..Tally::default() });
        ahead.reach.slot.as_mut().unwrap().confirmed_flush_lsn = Some(Lsn::new(0x180));
        assert!(sentences(&ahead).join("").contains("between 0/100 and 0/180 will not come"));
        let gap = |report: &Report| object(report, &First::new(1), Duration::ZERO)["gap"].clone();
        assert_eq!(gap(&ahead), json!({ "from": "0/100", "to": "0/180" }));
        assert_eq!(gap(&report(Tally { pending: 1, ..Tally::default() })), Value::Null);
        let mut reborn = report(Tally { pending: 1, ..Tally::default() });
        reborn.reach.slot.as_mut().unwrap().confirmed_flush_lsn = Some(Lsn::new(0x70));
        assert!(sentences(&reborn).join("").contains("before 0/70 will not come"));
        assert_eq!(gap(&reborn), json!({ "from": "0/0", "to": "0/70" }));
        ahead.topics[0].tally.pending = 0;
        assert_eq!(gap(&ahead), Value::Null, "no row lies there");
        assert!(told(Tally { unknown: 1, ..Tally::default() }).contains("no longer in the outbox"));
        assert!(told(Tally { undecided: 1, ..Tally::default() }).contains("--time-column"));
        let more = Report { left_out: vec!["public.customer".to_owned()], ..report(Tally::default()) };
        assert!(sentences(&more)[0].starts_with("left out: public.customer, "));
        let unordered = Report { is_ordered: false, ..report(Tally::default()) };
        assert!(sentences(&unordered).join("").contains("not checked"));
        let limited = Report { is_limited: true, ..report(Tally { unknown: 1, ..Tally::default() }) };
        assert!(sentences(&limited).join("").contains("outside"));
        let mut slotless = report(Tally::default());
        slotless.reach.slot = None;
        assert!(sentences(&slotless).join("").contains("no slot"));
        assert_eq!(
            untold(Tally { pending: 2, foreign: 3, ..Tally::default() }),
            "; not judged: 2 pending, 3 foreign"
        );
        let aside = Tally { missing: 1, unpublishable: 1, dead_letter: 4, skipped: 5, ..Tally::default() };
        assert_eq!(untold(aside), "; set aside: 4 dead_letter, 5 skipped");
    }

    #[test]
    fn a_finding_says_where_and_never_what() {
        let first = First::new(5);
        let difference = Difference { key: true, value: true, ..Difference::default() };
        first.found(&Found {
            finding: Finding::Altered(difference),
            topic: Some(0),
            id: b"\x03abc",
            key: b"\x01k",
            place: Some(Place::new(0, 9)),
            record: Some((2, 77)),
        });
        let told = object(&report(Tally { altered: 1, ..Tally::default() }), &first, Duration::from_secs(2));
        assert_eq!(
            told["findings"][0],
            json!({
                "finding": "altered", "id": "abc", "key": "k", "table": "public.outbox", "topic": "orders",
                "partition": 2, "offset": 77, "differs": ["key", "value"]
            })
        );
        assert_eq!((&told["wrong"], &told["total"]["altered"]), (&json!(1), &json!(1)));
        assert_eq!((&told["settled"], &told["stored_position"]), (&json!(false), &json!("0/100")));
    }
}
