//! What a repair found and did, for people and for programs.

use crate::cli::console::{Console, or_dash};
use crate::config::Config;
use crate::pipeline::standing::Standing;
use crate::repair::left::LeftEvent;
use crate::repair::survey::Planned;
use crate::repair::{Outcome, Plan};
use serde_json::{Value, json};

/// Prints it.
pub(super) fn print(console: &Console, config: &Config, outcome: &Outcome, limit: usize) {
    if console.is_json() {
        console.json_object(object(config, outcome, limit));
        return;
    }
    let plan = &outcome.plan;
    let topics = plan.topics.iter().filter(|(_, events)| *events > 0);
    let rows: Vec<Vec<String>> =
        topics.map(|(name, events)| vec![name.to_string(), events.to_string()]).collect();
    if !rows.is_empty() {
        console.table(&["topic", if outcome.position.is_some() { "published" } else { "missing" }], rows);
        console.print("");
        let rows = plan.first.iter().take(limit).map(|planned| {
            vec![
                or_dash(planned.id.as_ref()),
                or_dash(planned.key.as_ref()),
                or_dash(table(plan, planned)),
                or_dash(topic(plan, Some(planned.topic))),
            ]
        });
        console.table(&["id", "key", "table", "topic"], rows.collect());
    }
    if !plan.left.listed.is_empty() {
        console.print("");
        let rows = plan.left.listed.iter().take(limit).map(|left| {
            vec![
                left.why.name().to_owned(),
                left.events.to_string(),
                or_dash(left.id.as_ref()),
                or_dash(left.key.as_ref()),
                or_dash(topic(plan, left.topic)),
            ]
        });
        console.table(&["left alone", "events", "id", "key", "topic"], rows.collect());
    }
    sentences(outcome).iter().for_each(|sentence| console.say(sentence));
}

fn topic(plan: &Plan, number: Option<u32>) -> Option<&str> {
    plan.topics.get(number? as usize).map(|(name, _)| &**name)
}

fn table<'p>(plan: &'p Plan, planned: &Planned) -> Option<&'p str> {
    plan.tables.get(usize::from(planned.table)).map(|(name, ..)| name.as_str())
}

/// How position and slot stand.
fn standing(standing: &Standing) -> String {
    match standing {
        Standing::Fine(stored) => format!("a start would go on at {}", stored.end_lsn),
        Standing::Ahead { stored, confirmed } => format!(
            "the slot is ahead of the position: what was committed between {} and {confirmed} it does not send any more",
            stored.end_lsn
        ),
        Standing::Gone { stored, is_lost: false } => {
            format!("there is no slot: what was committed after {} is not sent any more", stored.end_lsn)
        }
        Standing::Gone { stored, is_lost: true } => {
            format!(
                "the slot is invalidated: what was committed after {} is not sent any more",
                stored.end_lsn
            )
        }
        Standing::Unknown { confirmed, .. } => format!(
            "no position tells what is published of what was committed before and after {confirmed}, where the slot stands"
        ),
    }
}

/// What would be done.
pub(super) fn meaning(plan: &Plan) -> String {
    let publish = match plan.events {
        0 => "nothing would be published".to_owned(),
        1 => "one event would be published".to_owned(),
        events => format!("{events} events would be published"),
    };
    let position = match (&plan.standing, plan.end_lsn) {
        (Standing::Fine(stored), _) => format!("the position stays at {}", stored.end_lsn),
        (Standing::Gone { .. }, _) => "a new slot be made, and the position go there".to_owned(),
        (_, Some(end_lsn)) => format!("the position go to {end_lsn}"),
        (_, None) => "the position go to the slot".to_owned(),
    };
    let given_up = plan.given_up().map(|range| {
        format!("; {} events in {range} would have to be given up ({})", plan.left.events(), plan.left_text())
    });
    format!("{publish}, and {position}{}", given_up.unwrap_or_default())
}

fn sentences(outcome: &Outcome) -> Vec<String> {
    let plan = &outcome.plan;
    let mut sentences = vec![standing(&plan.standing)];
    for (table, rows, rule) in &plan.tables {
        let order =
            if rule == "none" { "in no known order".to_owned() } else { format!("ordered by {rule}") };
        sentences.push(format!("{table}: {rows} rows, {order}"));
    }
    if plan.coming > 0 {
        sentences.push(format!("{} events are in the slot: walpost run publishes them", plan.coming));
    }
    if plan.letters > 0 {
        sentences.push(format!("{} events are dead letters: the connector is done with them", plan.letters));
    }
    if plan.skipped > 0 {
        sentences.push(format!("{} events cannot be published, and a policy passes over them", plan.skipped));
    }
    if plan.late > 0 {
        sentences
            .push(format!("{} events come after later ones of their key, which are published", plan.late));
    }
    if plan.left.events() > 0 {
        sentences.push(format!("left alone: {}", plan.left_text()));
    }
    sentences.push(match &outcome.position {
        Some(position) => format!(
            "published {} events in {} Kafka transactions; the position is {}. Next: walpost verify, and walpost run",
            plan.events, outcome.transactions, position.end_lsn
        ),
        None if plan.is_done() => "nothing is missing that could be published".to_owned(),
        None => return sentences,
    });
    sentences
}

fn object(config: &Config, outcome: &Outcome, limit: usize) -> Value {
    let plan = &outcome.plan;
    let tables =
        plan.tables.iter().map(|(table, rows, rule)| json!({ "table": table, "rows": rows, "order": rule }));
    let topics = plan.topics.iter().map(|(topic, events)| json!({ "topic": &**topic, "missing": events }));
    let first = plan.first.iter().take(limit).map(|planned| {
        json!({
            "id": planned.id, "key": planned.key, "table": table(plan, planned), "topic": topic(plan, Some(planned.topic)),
        })
    });
    let left = |left: &LeftEvent| {
        let LeftEvent { why, id, key, events, .. } = left;
        json!({ "why": why.name(), "id": id, "key": key, "topic": topic(plan, left.topic), "events": events })
    };
    json!({
        "plan": {
            "slot": config.source.slot,
            "standing": name(&plan.standing),
            "stored_position": plan.standing.stored().map(|stored| stored.end_lsn),
            "position": plan.end_lsn,
            "missing": plan.events,
            "late": plan.late,
            "coming": plan.coming,
            "dead_letters": plan.letters,
            "skipped": plan.skipped,
            "tables": tables.collect::<Vec<_>>(),
            "topics": topics.collect::<Vec<_>>(),
            "events": first.collect::<Vec<_>>(),
            "left": {
                "events": plan.left.events(),
                "counts": plan.left.counts,
                "listed": plan.left.listed.iter().take(limit).map(left).collect::<Vec<_>>(),
                "accept_loss": plan.given_up().map(|range| range.to_string()),
            },
        },
        "repaired": outcome.position.as_ref().map(|position| json!({
            "events": plan.events, "transactions": outcome.transactions, "position": position,
        })),
    })
}

/// Stable: programs look for it.
fn name(standing: &Standing) -> &'static str {
    match standing {
        Standing::Fine(_) => "fine",
        Standing::Ahead { .. } => "slot_ahead",
        Standing::Gone { is_lost: false, .. } => "slot_missing",
        Standing::Gone { is_lost: true, .. } => "slot_lost",
        Standing::Unknown { .. } => "position_missing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsn::Lsn;
    use crate::position::Position;
    use crate::repair::left::{Left, Why};

    fn plan(standing: Standing) -> Plan {
        Plan {
            standing,
            tables: vec![("public.outbox".into(), 7, "commit time".into())],
            topics: vec![("orders".into(), 2)],
            first: vec![Planned { id: Some("a".into()), key: Some("k".into()), topic: 0, table: 0 }],
            events: 2,
            late: 1,
            coming: 3,
            letters: 4,
            skipped: 5,
            left: Left::default(),
            end_lsn: Some(Lsn::new(0x200)),
        }
    }

    fn position(end: u64) -> Position {
        Position::first(&Position::creating(7, 1, "run"), Lsn::new(end))
    }

    fn ahead() -> Standing {
        Standing::Ahead { stored: position(0x100), confirmed: Lsn::new(0x200) }
    }

    #[test]
    fn a_plan_says_what_would_be_done_and_what_was() {
        let mut outcome = Outcome { plan: plan(ahead()), position: None, transactions: 0 };
        let told = sentences(&outcome).join("\n");
        for says in [
            "between 0/100 and 0/200",
            "7 rows, ordered by commit time",
            "3 events are in the slot",
            "4 events are dead letters",
            "5 events cannot be published, and a policy",
            "1 events come after",
        ] {
            assert!(told.contains(says), "{told}");
        }
        assert!(!told.contains("published 2 events"), "{told}");
        assert_eq!(meaning(&outcome.plan), "2 events would be published, and the position go to 0/200");
        outcome.position = Some(position(0x200));
        assert!(
            sentences(&outcome)
                .join("")
                .contains("published 2 events in 0 Kafka transactions; the position is 0/200")
        );
    }

    #[test]
    fn each_standing_is_told_with_its_ends() {
        let (stored, confirmed) = (position(0x100), Lsn::new(0x200));
        let all = [
            (Standing::Fine(stored.clone()), "fine", "go on at 0/100", "stays at 0/100"),
            (ahead(), "slot_ahead", "0/100 and 0/200", "go to 0/200"),
            (
                Standing::Gone { stored: stored.clone(), is_lost: false },
                "slot_missing",
                "no slot",
                "new slot",
            ),
            (Standing::Gone { stored, is_lost: true }, "slot_lost", "invalidated", "new slot"),
            (Standing::Unknown { confirmed, is_broken: false }, "position_missing", "0/200", "go to 0/200"),
        ];
        for (case, called, says, does) in all {
            assert_eq!(name(&case), called);
            assert!(standing(&case).contains(says), "{}", standing(&case));
            assert!(meaning(&plan(case)).contains(does));
        }
    }

    #[test]
    fn what_is_left_alone_is_told_with_the_range_to_accept() {
        let mut plan = plan(ahead());
        plan.left.add(LeftEvent {
            why: Why::Order,
            id: None,
            key: Some("k".into()),
            topic: Some(0),
            events: 2,
        });
        assert!(
            meaning(&plan).contains("2 events in 0/100..0/200 would have to be given up (2 order_unknown)")
        );
        let config = crate::config::testing::config();
        let told = object(&config, &Outcome { plan, position: None, transactions: 0 }, 5);
        let left = &told["plan"]["left"];
        assert_eq!((&left["events"], &left["accept_loss"]), (&json!(2), &json!("0/100..0/200")));
        let listed =
            json!({ "why": "order_unknown", "id": null, "key": "k", "topic": "orders", "events": 2 });
        assert_eq!(left["listed"][0], listed);
        assert!(told["repaired"].is_null());
    }
}
