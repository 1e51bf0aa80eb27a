//! Nothing that waits is taken away unless it is given up by name.

use super::*;
use crate::cli::refused;

/// The records of a topic that are left.
fn left(kafka: &Broker, db: &DatabaseHandle) -> Vec<(i32, i64)> {
    kafka.records(&[&letters_topic(db)]).iter().map(|record| (record.partition, record.offset)).collect()
}

#[test]
fn what_is_dealt_with_is_taken_away_up_to_the_first_letter_that_waits() {
    let (db, kafka, builder) = narrow();
    // Letters with keys, over several partitions.
    kafka.create_topic(&letters_topic(&db), 3, &[]);
    let connector = run(builder.clone());
    for key in 0..12 {
        large(&db, &key.to_string());
    }
    letters(&db, kafka, 12);
    stop(connector);
    mend(&db, kafka);
    let purge = format!("dlq purge --confirm {}", letters_topic(&db));
    let before = left(kafka, &db);
    let told = ask_json(&builder, &purge, 0);
    assert_eq!((&told["removed"], &told["waiting"]), (&serde_json::json!([]), &12.into()), "all wait");
    assert_eq!(left(kafka, &db), before);

    // All but one, which waits somewhere in the middle of its partition.
    let waits = "7";
    for key in (0..12).map(|key| key.to_string()).filter(|key| key != waits) {
        replay(&builder, &db, &format!("--key {key}"), 0);
    }
    let all = kafka.records(&[&letters_topic(&db)]);
    let waiting = all.iter().find(|record| record.key_text() == waits).expect("its letter");
    let told = ask_json(&builder, "dlq purge", 4);
    assert_eq!(
        (&told["dry_run"], left(kafka, &db).len()),
        (&true.into(), all.len()),
        "a dry run takes nothing"
    );
    ask_json(&builder, &purge, 0);
    let kept: Vec<_> = all
        .iter()
        .filter(|record| record.partition == waiting.partition && record.offset >= waiting.offset)
        .map(|record| (record.partition, record.offset))
        .collect();
    assert_eq!(left(kafka, &db), kept);
    assert_eq!(listed(&builder, "").len(), 1);
    assert_eq!(ids_of(&replay(&builder, &db, "", 0), "replayed").len(), 1);
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 12);
}

#[test]
fn a_letter_is_given_up_only_by_two_words_and_is_never_published() {
    let (db, kafka, builder) = narrow();
    let connector = run(builder.clone());
    let (first, second) = (large(&db, "a"), large(&db, "a"));
    letters(&db, kafka, 2);
    stop(connector);
    mend(&db, kafka);
    let topic = letters_topic(&db);
    refused(&builder, &format!("dlq purge --at 0:0 --confirm {topic}"), 2, &["--accept-loss"]);
    let told = ask_json(&builder, "dlq purge --at 0:0 --accept-loss", 4);
    assert_eq!(told["given_up"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed(&builder, ""), [&*first, &*second], "nothing was done");
    let told = ask_json(&builder, &format!("dlq purge --at 0:0 --accept-loss --confirm {topic}"), 0);
    assert_eq!((id_of(&told["given_up"][0]), &told["waiting"]), (first, &1.into()));
    assert_eq!(listed(&builder, ""), [&*second]);
    // It holds the next one of its key back no longer.
    assert_eq!(ids_of(&replay(&builder, &db, "", 0), "replayed"), [&*second]);
    assert_eq!(ids(&wait_events(kafka, &db, &["order"], 1)), [second]);
}

#[test]
fn what_others_keep_in_the_topic_stays() {
    let (db, kafka, builder) = narrow();
    let connector = run(builder.clone());
    large(&db, "a");
    letters(&db, kafka, 1);
    stop(connector);
    mend(&db, kafka);
    replay(&builder, &db, "", 0);
    // Another connector's, by its slot.
    let stranger = builder.clone().set("slot.name", "stranger");
    let told = ask_json(&stranger, "dlq list --all", 0);
    assert_eq!(
        (told["letters"].as_array().map(Vec::len), &told["of_other_connectors"]),
        (Some(0), &1.into())
    );
    kafka.alter_topic(&db.topic("order"), NARROW);
    let connector = run(builder.clone());
    large(&db, "b");
    letters(&db, kafka, 3);
    stop(connector);
    let before = left(kafka, &db);
    ask_json(&stranger, &format!("dlq purge --accept-loss --confirm {}", letters_topic(&db)), 0);
    // The letter that was replayed is gone, its neighbour's that waits is not.
    assert_eq!(left(kafka, &db), before[before.len() - 1..]);
}
