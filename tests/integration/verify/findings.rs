//! Each class of findings, made by hand.

use super::{ids, insert, lose, outbox, producer, published, send, sorted, stop, total, transaction, verify};
use crate::cli::ask;
use crate::kit::run;
use crate::support::PATIENCE;
use rdkafka::producer::Producer as _;

#[test]
fn rows_that_the_slot_was_moved_past_are_missing_and_named() {
    let (db, kafka, builder) = outbox();
    let connector = run(builder.clone());
    insert(&db, "1", "{}");
    published(kafka, &db, 1);
    let mut lost = Vec::new();
    let connector = lose(&db, &builder, connector, || {
        lost = vec![insert(&db, "2", "{\"secret\": 4711}"), insert(&db, "3", "{}")];
    });
    insert(&db, "4", "{}");
    published(kafka, &db, 2);
    let told = verify(&builder, "--order-by seq", 3);
    assert_eq!(ids(&told, "missing"), sorted([&lost[0], &lost[1]]));
    assert_eq!((total(&told, "rows"), total(&told, "matched"), total(&told, "out_of_order")), (4, 2, 0));
    assert_eq!(told["findings"][0]["topic"], db.topic("order"));
    // In the order in which they were written.
    assert_eq!([&told["findings"][0]["id"], &told["findings"][1]["id"]], [&*lost[0], &*lost[1]]);

    let answer = ask(&builder, "verify", 3);
    assert!(lost.iter().all(|id| answer.stdout.contains(id.as_str())), "{answer:?}");
    assert!(answer.stderr.contains("2 findings"), "{answer:?}");
    assert!(
        !answer.stdout.contains("4711") && !answer.stderr.contains("4711"),
        "a payload is shown: {answer:?}"
    );

    // With no slot at all, nothing will bring what is not there.
    stop(connector);
    ask(&builder, &format!("slot drop --confirm {}", db.name()), 0);
    let third = insert(&db, "5", "{}");
    let told = verify(&builder, "", 3);
    assert_eq!(ids(&told, "missing"), sorted([&lost[0], &lost[1], &third]));
    assert!(ask(&builder, "verify", 3).stderr.contains("no slot"));
}

#[test]
fn records_that_come_twice_say_other_things_or_have_no_row_are_told_apart() {
    let (db, kafka, builder) = outbox();
    let connector = run(builder.clone());
    let rows: Vec<String> = (1..=5).map(|key| insert(&db, &key.to_string(), "{\"secret\": 4711}")).collect();
    let records = published(kafka, &db, 5);
    assert_eq!(total(&verify(&builder, "", 0), "matched"), 5);
    let of =
        |id: &String| records.iter().find(|record| record.header("id") == Some(id)).expect("it is there");

    let producer = producer(kafka);
    send(&producer, of(&rows[0]));
    let mut foreign = of(&rows[1]).clone();
    foreign.headers.clear();
    send(&producer, &foreign);
    // What was aborted was never there.
    let aborted = transaction(kafka, &db);
    send(&aborted, of(&rows[1]));
    aborted.abort_transaction(PATIENCE).expect("aborted");
    db.execute(&format!("update outbox set payload = '{{\"secret\": 4712}}' where id = '{}'", rows[2]));
    db.execute(&format!("update outbox set aggregateid = 'another' where id = '{}'", rows[3]));
    db.execute(&format!("delete from outbox where id = '{}'", rows[4]));

    let told = verify(&builder, "", 3);
    assert_eq!((total(&told, "rows"), total(&told, "records"), total(&told, "matched")), (4, 6, 4));
    assert_eq!(ids(&told, "duplicate"), sorted([&rows[0]]));
    assert_eq!(ids(&told, "altered"), sorted([&rows[2], &rows[3]]));
    assert_eq!(ids(&told, "unknown"), sorted([&rows[4]]));
    assert_eq!((ids(&told, "foreign"), total(&told, "missing")), (vec!["none".to_owned()], 0));
    let finding = |id: &String| {
        let all = told["findings"].as_array().expect("a list").iter();
        all.into_iter().find(|found| found["id"] == **id).expect("it is found").clone()
    };
    let duplicate = finding(&rows[0]);
    let first = of(&rows[0]);
    assert_eq!(duplicate["first_partition"], first.partition);
    assert_eq!(duplicate["first_offset"], first.offset);
    assert!(duplicate["offset"].as_i64() > Some(first.offset), "{duplicate:#}");
    assert_eq!(finding(&rows[2])["differs"], serde_json::json!(["value"]));
    assert_eq!(finding(&rows[3])["differs"], serde_json::json!(["key"]));
    assert!(!told.to_string().contains("471"), "a payload is shown: {told:#}");

    let few = verify(&builder, "--limit 1", 3);
    let altered = few["findings"].as_array().expect("a list").iter().filter(|it| it["finding"] == "altered");
    assert_eq!((altered.count(), total(&few, "altered")), (1, 2));
    drop(connector);
}

#[test]
fn records_in_another_order_than_their_rows_are_found_where_the_order_is_told() {
    let (db, kafka, builder) = outbox();
    let connector = run(builder.clone());
    let rows = ["a", "a", "a", "b"].map(|key| insert(&db, key, "{}"));
    published(kafka, &db, 4);
    assert_eq!(verify(&builder, "--order-by seq", 0)["order_checked"], true);
    // The first row becomes the last of its key.
    db.execute("update outbox set seq = 100 where seq = 1");
    let told = verify(&builder, "--order-by seq", 3);
    assert_eq!(ids(&told, "out_of_order"), sorted([&rows[1], &rows[2]]));
    assert!(told["findings"][0]["after_offset"].is_u64(), "{told:#}");
    // Of equal ones, either may be first.
    db.execute("update outbox set seq = 100");
    assert_eq!(total(&verify(&builder, "--order-by seq", 0), "matched"), 4);
    db.execute("update outbox set seq = 100 + case when aggregateid = 'b' then 0 else 1 end");
    assert_eq!(total(&verify(&builder, "--order-by seq", 0), "matched"), 4, "keys have no order among them");
    let told = verify(&builder, "", 0);
    assert_eq!(told["order_checked"], false);
    drop(connector);
}

#[test]
fn a_row_that_a_run_would_stop_at_is_found_before_it_does() {
    let (db, _, builder) = outbox();
    ask(&builder, "slot create", 0);
    let bad = db.query_one_text(
        "insert into outbox (aggregatetype, aggregateid, type, payload) values ('no topic', '1', 'x', '{}') returning id",
    );
    let good = insert(&db, "1", "{}");
    let told = verify(&builder, "--wait 0", 3);
    assert_eq!(ids(&told, "unpublishable"), [bad]);
    assert_eq!(told["findings"][0]["reason"], "topic_illegal");
    assert_eq!(ids(&told, "pending"), [good]);
}

#[test]
fn dead_letters_and_rows_that_are_passed_over_are_told_apart_from_those_that_are_missing() {
    let (db, kafka, builder) = outbox();
    kafka.create_topic(&db.topic("narrow"), 1, &[("max.message.bytes", "9000")]);
    let builder = builder
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", db.topic("dlt"))
        .set("errors.deadletterqueue.topic.replication.factor", 1);
    let connector = run(builder.clone());
    let bad = |kind: &str, bytes: u32| {
        db.query_one_text(&format!(
            "insert into outbox (aggregatetype, aggregateid, type, payload)
             values ('{kind}', '1', 'x', to_jsonb(repeat('x', {bytes}))) returning id"
        ))
    };
    let (illegal, large, good) = (bad("no topic", 10), bad("narrow", 10_000), insert(&db, "1", "{}"));
    published(kafka, &db, 1);
    kafka.wait_records(&[&db.topic("dlt")], 2, PATIENCE);
    let told = verify(&builder, "--strict", 0);
    assert_eq!(ids(&told, "dead_letter"), sorted([&illegal, &large]), "{told:#}");
    assert_eq!((total(&told, "dead_letter"), total(&told, "matched"), &told["wrong"]), (2, 1, &0.into()));
    let answer = ask(&builder, "verify", 0);
    assert!(
        answer.stderr.contains("set aside: 2 dead_letter") && answer.stdout.contains(&large),
        "{answer:?}"
    );

    // By policy one is passed over; the other connector never wrote a letter of it, and another table's is not its own.
    let strict = builder.clone().set("walpost.errors.topic_illegal", "skip").set("slot.name", "stranger");
    let told = verify(&strict, "--wait 0", 3);
    assert_eq!((ids(&told, "skipped"), ids(&told, "missing")), (vec![illegal.clone()], vec![large.clone()]));
    stop(connector);
    // What the connector has not come to becomes a letter; what it has passed without one is in no topic at all.
    let later = bad("no topic", 10);
    assert_eq!(ids(&verify(&builder, "--wait 0", 0), "pending"), std::slice::from_ref(&later));
    db.execute(&format!("select pg_drop_replication_slot('{}')", db.name()));
    let told = verify(&builder, "--wait 0", 3);
    assert_eq!(
        (ids(&told, "unpublishable"), ids(&told, "dead_letter")),
        (vec![later], sorted([&illegal, &large]))
    );
    assert_eq!(total(&told, "matched"), 1, "{good}");
}
