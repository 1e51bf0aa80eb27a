//! Each filter, and what is told of a letter.

use super::*;

#[test]
fn every_filter_shows_the_letters_that_it_means_and_no_other() {
    let (db, kafka, builder) = narrow();
    db.execute("create table other (like outbox including all)");
    let builder = builder.set("table.include.list", "public\\.(outbox|other)");
    let connector = run(builder.clone());
    let first = large(&db, "a");
    let illegal = insert(&db, "not a topic", "b", 10);
    let other = db.query_one_text(
        "insert into other (aggregatetype, aggregateid, type, payload)
         values ('order', 'c', 'paid', to_jsonb(repeat('x', 10000))) returning id",
    );
    letters(&db, kafka, 3);
    // A moment that lies between.
    db.execute("select pg_sleep(0.01)");
    let now = "to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS')";
    let between = db.query_one_text(&format!("select {now}"));
    db.execute("select pg_sleep(0.01)");
    let last = large(&db, "a");
    let all = letters(&db, kafka, 4);
    stop(connector);

    assert_eq!(listed(&builder, ""), [&first, &illegal, &other, &last].map(String::clone));
    for (flags, expected) in [
        ("--reason topic_illegal".to_owned(), vec![&illegal]),
        ("--reason topic_illegal --reason too_large".to_owned(), vec![&first, &illegal, &other, &last]),
        ("--type paid".to_owned(), vec![&other]),
        ("--aggregate-type order".to_owned(), vec![&first, &other, &last]),
        ("--key a".to_owned(), vec![&first, &last]),
        ("--key a --key b".to_owned(), vec![&first, &illegal, &last]),
        (format!("--event-id {last}"), vec![&last]),
        ("--table public.other".to_owned(), vec![&other]),
        (format!("--at {}:{}", all[1].partition, all[1].offset), vec![&illegal]),
        (format!("--since {between}"), vec![&last]),
        (format!("--until {between}"), vec![&first, &illegal, &other]),
        (format!("--until {between}Z --key a"), vec![&first]),
        ("--limit 2".to_owned(), vec![&first, &illegal]),
        ("--key nobody".to_owned(), vec![]),
    ] {
        assert_eq!(listed(&builder, &flags), expected.into_iter().cloned().collect::<Vec<_>>(), "{flags}");
    }

    let told = ask_json(&builder, "dlq list --limit 1", 0);
    assert_eq!((&told["waiting"], &told["replayed"]), (&4.into(), &0.into()));
    assert_eq!(told["waiting_by_reason"], serde_json::json!({"too_large": 3, "topic_illegal": 1}));
    let answer = ask(&builder, "dlq list", 0);
    for words in ["4 letters wait (3 too_large, 1 topic_illegal), the oldest since 20", "0 given up"] {
        assert!(answer.stderr.contains(words), "{answer:?}");
    }
    assert_eq!(answer.stdout.lines().count(), 5, "{}", answer.stdout);
    assert!(!answer.stdout.contains("xxxx"), "no payload");
}

#[test]
fn a_letter_is_shown_whole_and_its_payload_only_on_request() {
    let (db, kafka, builder) = narrow();
    let connector = run(builder.clone());
    let id = large(&db, "a");
    let letter = letters(&db, kafka, 1).remove(0);
    stop(connector);
    let place = format!("{}:{}", letter.partition, letter.offset);
    let told = ask_json(&builder, &format!("dlq show {place}"), 0);
    assert_eq!((told["letter"]["event_id"].as_str(), &told["letter"]["key"]), (Some(&*id), &"a".into()));
    assert_eq!(told["letter"]["headers"]["outbox.dlt.topic"], db.topic("order"));
    assert!(told["payload"].is_null());
    let told = ask_json(&builder, &format!("dlq show {place} --payload"), 0);
    assert_eq!(
        told["payload"].as_str(),
        letter.value.as_deref().map(|value| std::str::from_utf8(value).unwrap())
    );
    let text = ask(&builder, &format!("dlq show {place}"), 0).stdout;
    assert!(text.contains(&id) && text.contains("too_large") && !text.contains("xxxx"), "{text}");
    let nothing = ask(&builder, "dlq show 0:999", 5).stderr;
    assert!(nothing.contains("no dead letter at 0:999"), "{nothing}");
}

#[test]
fn without_a_topic_the_commands_say_so() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    let answer = ask(&builder, "dlq list", 2);
    assert!(answer.stderr.contains("--topic NAME"), "{answer:?}");
    let answer = ask(&builder, &format!("dlq list --topic {}", letters_topic(&db)), 5);
    assert!(answer.stderr.contains("does not exist"), "{answer:?}");
}
