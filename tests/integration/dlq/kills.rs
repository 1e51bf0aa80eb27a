//! A replay that is killed at any point, and run again, loses and doubles nothing.

use super::*;
use crate::support::random;
use std::collections::BTreeMap;
use std::time::Duration;

const KEYS: usize = 10;
const LETTERS: usize = 700;

/// Where a replay is killed: by name, and at the how manieth passing.
const POINTS: &[&str] = &[
    "after_fence",
    "after_position_read",
    "after_begin",
    "mid_send",
    "before_commit",
    "endtxn_sent",
    "after_commit",
    "after_begin:2",
    "mid_send:2",
    "before_commit:3",
    "endtxn_sent:2",
    "endtxn_sent:3",
    "after_commit:2",
];

#[test]
fn a_replay_that_is_killed_and_run_again_publishes_every_letter_once_and_in_order() {
    let (db, kafka, builder) = narrow();
    let connector = run(builder.clone());
    db.execute(&format!(
        "insert into outbox (aggregatetype, aggregateid, type, payload)
         select 'order', 'k' || n % {KEYS}, 'n' || n, to_jsonb(repeat('x', 10000)) from generate_series(1, {LETTERS}) n"
    ));
    letters(&db, kafka, LETTERS);
    stop(connector);
    mend(&db, kafka);
    let topic = letters_topic(&db);
    // Twenty letters to a transaction, four transactions a second.
    let command = ["dlq", "replay", "--rate", "80", "--confirm", &topic];
    for point in POINTS {
        let killed = builder.clone().env("WALPOST_FAILPOINT", point).spawn(&command);
        let (exit, log) = killed.wait_exit(PATIENCE);
        let name = point.split(':').next().unwrap_or(point);
        assert!(exit.code().is_none() && log.contains(&format!("failpoint {name}")), "{point}: {log}");
    }
    for _ in 0..8 {
        let mut killed = builder.spawn(&command);
        // At no fact in particular.
        std::thread::sleep(Duration::from_millis(150 + random() % 850));
        assert!(!killed.has_ended(), "there are too few letters for this");
    }
    let published = kafka.records(&[&db.topic("order")]).len();
    assert!((100..LETTERS).contains(&published), "{published} so far");
    let told = replay(&builder, &db, "--rate 0", 0);
    assert_eq!(ids_of(&told, "replayed").len(), LETTERS - published);

    let mut numbers = BTreeMap::<String, Vec<usize>>::new();
    let of_id: BTreeMap<String, usize> = rows(&db).into_iter().collect();
    for record in kafka.records(&[&db.topic("order")]) {
        let number = of_id[record.header("id").expect("an id")];
        numbers.entry(record.key_text().to_owned()).or_default().push(number);
    }
    for (key, numbers) in &numbers {
        let first: usize = key[1..].parse().expect("a number");
        let expected: Vec<usize> = (1..=LETTERS).filter(|number| number % KEYS == first).collect();
        assert_eq!(*numbers, expected, "{key}");
    }
    assert_eq!(numbers.len(), KEYS);
    assert_eq!(listed(&builder, ""), [""; 0]);
}

/// The number of each event, by its id.
pub fn rows(db: &DatabaseHandle) -> Vec<(String, usize)> {
    let all = db.query_one_text("select string_agg(id || ' ' || substr(type, 2), ',') from outbox");
    let rows = all.split(',').map(|row| row.split_once(' ').expect("id and number"));
    rows.map(|(id, number)| (id.to_owned(), number.parse().expect("a number"))).collect()
}

#[test]
fn of_two_replays_at_once_the_later_one_goes_on_and_nothing_is_doubled() {
    let (db, kafka, builder) = narrow();
    let connector = run(builder.clone());
    for number in 0..60 {
        large(&db, &format!("k{}", number % 3));
    }
    letters(&db, kafka, 60);
    stop(connector);
    mend(&db, kafka);
    let topic = letters_topic(&db);
    let first = builder.spawn(&["dlq", "replay", "--rate", "20", "--confirm", &topic]);
    kafka.wait_records(&[&db.topic("order")], 5, PATIENCE);
    replay(&builder, &db, "--rate 0", 0);
    let (exit, log) = first.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(7), "{log}");
    assert!(log.contains("another walpost dlq works on these dead letters"), "{log}");
    let mut published = ids(&kafka.records(&[&db.topic("order")]));
    published.sort();
    published.dedup();
    assert_eq!((published.len(), kafka.records(&[&db.topic("order")]).len()), (60, 60));
}
