//! Published after all: once, in order, byte for byte; what stays behind, and why.

use super::*;
use crate::kit::Router;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::time::{Duration, Instant};

#[test]
fn a_dry_run_tells_what_would_be_done_and_writes_nothing() {
    let (db, kafka, builder) = narrow();
    let connector = run(builder.clone());
    let kept = large(&db, "a");
    letters(&db, kafka, 1);
    stop(connector);
    let topics = [letters_topic(&db), db.topic("order")];
    let before = topics.each_ref().map(|topic| ends(kafka, topic));
    let told = ask_json(&builder, "dlq replay", 3);
    assert_eq!(ids_of(&told, "refused"), [&*kept], "it is still too large: {told:#}");
    mend(&db, kafka);
    let told = ask_json(&builder, "dlq replay", 4);
    assert_eq!((ids_of(&told, "replayed"), &told["dry_run"]), (vec![kept.clone()], &true.into()));
    let wrong = ask(&builder, "dlq replay --confirm yes", 4);
    for words in ["--confirm names \"yes\"", &format!("--confirm {}", letters_topic(&db))] {
        assert!(wrong.stderr.contains(words), "{wrong:?}");
    }
    ask_json(&builder, "dlq purge --accept-loss", 4);
    assert_eq!(topics.each_ref().map(|topic| ends(kafka, topic)), before);
    assert_eq!(listed(&builder, ""), [kept]);
}

#[test]
fn a_letter_becomes_the_record_that_the_connector_would_have_published_and_verify_agrees() {
    let (db, kafka, builder) = narrow();
    let builder = builder
        .router("table.fields.additional.placement", "type:header:eventType,type:envelope:kind")
        .set("value.converter", "org.apache.kafka.connect.json.JsonConverter")
        .set("walpost.idle.position.interval.ms", 200);
    let connector = run(builder.clone());
    let late = large(&db, "a");
    letters(&db, kafka, 1);
    stop(connector);
    mend(&db, kafka);
    let told = replay(&builder, &db, "", 0);
    assert_eq!((ids_of(&told, "replayed"), &told["stayed"]), (vec![late.clone()], &0.into()));
    // The same event, as the connector itself publishes it: one that asks anew what the topic takes.
    let connector = run(builder.clone());
    let twin = large(&db, "a");
    let records = wait_events(kafka, &db, &["order"], 2);
    assert_eq!(ids(&records), [&*late, &*twin]);
    let (replayed, direct) = (&records[0], &records[1]);
    assert_eq!((&replayed.key, &replayed.value), (&direct.key, &direct.value));
    assert_eq!(replayed.partition, direct.partition);
    let mut headers = direct.headers.clone();
    headers[0].1 = Some(late.clone().into_bytes());
    headers.push(("outbox.dlt.attempts".into(), Some(b"2".to_vec())));
    assert_eq!(replayed.headers, headers);

    let mark = letters(&db, kafka, 2).remove(1);
    let told = |name: &str| mark.header(&format!("outbox.dlt.{name}")).map(str::to_owned);
    assert_eq!((mark.value.clone(), mark.key_text()), (None, "a"));
    assert_eq!((told("mark").as_deref(), told("mark.offset").as_deref()), (Some("replayed"), Some("0")));
    assert_eq!((told("event.id"), told("topic")), (Some(late), Some(db.topic("order"))));
    let verified = ask_json(&builder, "verify", 0);
    assert_eq!((&verified["total"]["missing"], &verified["total"]["altered"]), (&0.into(), &0.into()));
    // What is done is done.
    let told = replay(&builder, &db, "", 0);
    assert_eq!(told["letters"].as_array().map(Vec::len), Some(0));
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 2);
    stop(connector);
}

#[test]
fn a_letter_does_not_overtake_one_of_its_key_and_goes_where_it_is_sent() {
    let (db, kafka, builder) = narrow();
    let connector = run(builder.clone());
    let elsewhere = insert(&db, "not a topic", "a", 10);
    let (behind, other) = (large(&db, "a"), large(&db, "b"));
    let after = insert(&db, "not a topic", "a", 10);
    let last = letters(&db, kafka, 4).remove(3);
    stop(connector);
    mend(&db, kafka);
    // Of other route values there is no order; of the same there is.
    let told = replay(&builder, &db, "", 3);
    assert_eq!(ids_of(&told, "replayed"), [&*behind, &*other]);
    assert_eq!(ids_of(&told, "refused"), [&*elsewhere]);
    assert_eq!(ids_of(&told, "held"), [&*after]);
    let refused = ask(&builder, "dlq replay", 3).stderr;
    for words in ["topic_illegal, such as at 0:0", "--to-topic TOPIC", "--out-of-order", "2 stay behind"] {
        assert!(refused.contains(words), "{words} is not in {refused}");
    }
    let rescue = db.topic("rescue");
    let told = replay(&builder, &db, &format!("--at 0:{} --to-topic {rescue}", last.offset), 3);
    assert_eq!(ids_of(&told, "held"), [&*after], "its predecessor is not meant");
    let told = replay(&builder, &db, &format!("--reason topic_illegal --to-topic {rescue}"), 0);
    assert_eq!(ids_of(&told, "replayed"), [&*elsewhere, &*after]);
    assert_eq!(ids(&kafka.wait_records(&[&rescue], 2, PATIENCE)), [elsewhere, after]);
    for wrong in [letters_topic(&db), "no topic".to_owned()] {
        let output = builder.command(&["dlq", "replay", "--to-topic", &wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn a_letter_that_was_cut_comes_from_its_row_or_stays_when_the_row_is_gone() {
    let (db, kafka) = outbox();
    let builder = forgiving(&db, kafka).set("producer.override.max.request.size", 10_000);
    let connector = run(builder.clone());
    let (kept, gone) = (insert(&db, "order", "a", 20_000), insert(&db, "order", "b", 20_000));
    letters(&db, kafka, 2);
    stop(connector);
    let told = replay(&builder, &db, "", 3);
    assert_eq!(ids_of(&told, "refused").len(), 2, "{told:#}");
    assert_eq!(told["letters"][0]["why"], "too_large", "as before");
    db.execute(&format!("delete from outbox where id = '{gone}'"));
    let wider = builder.set("producer.override.max.request.size", 100_000);
    let told = replay(&wider, &db, "", 3);
    assert_eq!((ids_of(&told, "replayed"), ids_of(&told, "refused")), (vec![kept.clone()], vec![gone]));
    assert_eq!(told["letters"][1]["why"], "row_gone");
    let records = wait_events(kafka, &db, &["order"], 1);
    assert_eq!(
        (ids(&records), records[0].value_text()),
        (vec![kept], &*format!("\"{}\"", "x".repeat(20_000)))
    );
}

#[test]
fn what_only_the_broker_refuses_stays_and_its_neighbours_are_published() {
    let (db, kafka, builder) = narrow();
    let connector = run(builder.clone());
    let first = large(&db, "a");
    let random = "(select jsonb_agg(md5(n || random()::text)) from generate_series(1, 800) n)";
    let refused = db.query_one_text(&format!(
        "insert into outbox (aggregatetype, aggregateid, type, payload) values ('order', 'b', 'placed', {random}) returning id"
    ));
    let (behind, last) = (large(&db, "b"), large(&db, "c"));
    letters(&db, kafka, 4);
    stop(connector);
    // Compressed, three of them are small enough, which nobody can foresee.
    let builder = builder.set("producer.override.compression.type", "zstd");
    let told = replay(&builder, &db, "--rate 0", 3);
    assert_eq!(ids_of(&told, "replayed"), [&*first, &*last], "{told:#}");
    assert_eq!(
        (ids_of(&told, "refused"), ids_of(&told, "held")),
        (vec![refused.clone()], vec![behind.clone()])
    );
    let mut published = ids(&wait_events(kafka, &db, &["order"], 2));
    published.sort();
    let mut expected = vec![first, last];
    expected.sort();
    assert_eq!(published, expected);
    mend(&db, kafka);
    assert_eq!(ids_of(&replay(&builder, &db, "", 0), "replayed"), [refused, behind]);
}

#[test]
fn a_letter_is_published_again_only_on_request_and_not_without_end() {
    let (db, kafka, builder) = narrow();
    let connector = run(builder.clone());
    let id = large(&db, "a");
    letters(&db, kafka, 1);
    stop(connector);
    mend(&db, kafka);
    let of = |told: &Value, result: &str| ids_of(told, result).len();
    assert_eq!(of(&replay(&builder, &db, "", 0), "replayed"), 1);
    for _ in 0..2 {
        // The second time it has been replayed twice.
        replay(&builder, &db, "--attempt 2", 0);
    }
    assert_eq!(of(&replay(&builder, &db, "--attempt 3", 0), "replayed"), 1);
    let told = replay(&builder, &db, "--attempt 4 --max-attempts 3", 3);
    assert_eq!((of(&told, "held"), told["letters"][0]["why"].as_str()), (1, Some("too_often")));
    let records = wait_events(kafka, &db, &["order"], 3);
    let counts: Vec<_> = records.iter().map(|record| record.header("outbox.dlt.attempts").unwrap()).collect();
    assert_eq!((ids(&records), counts), (vec![id.clone(); 3], vec!["2", "3", "4"]));

    // A letter that comes back with its count, as something that consumes the topic might send it.
    let letter = letters(&db, kafka, 1).remove(0);
    let headers = letter.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        let value = if key == "outbox.dlt.attempts" { Some(&b"6"[..]) } else { value.as_deref() };
        headers.insert(Header { key, value })
    });
    let producer: BaseProducer = kafka.client().create().expect("a producer");
    let mut copy: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&letter.topic).headers(headers);
    (copy.key, copy.payload) = (letter.key.as_deref(), letter.value.as_deref());
    producer.send(copy).map_err(|(error, _)| error).expect("room");
    producer.flush(PATIENCE).expect("acknowledged");
    let told = replay(&builder, &db, "", 3);
    assert_eq!((of(&told, "held"), told["letters"][0]["why"].as_str()), (1, Some("too_often")), "{told:#}");
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 3);
}

#[test]
fn a_topic_that_is_missing_and_may_not_be_made_is_named() {
    let (db, kafka, builder) = narrow();
    let connector = run(builder.clone());
    large(&db, "a");
    letters(&db, kafka, 1);
    stop(connector);
    mend(&db, kafka);
    let builder = builder.set("topic.creation.enable", "false");
    let missing = db.topic("missing");
    let told = replay(&builder, &db, &format!("--to-topic {missing}"), 3);
    assert_eq!(told["letters"][0]["why"], "topic_missing");
    assert!(!kafka.topics().contains(&missing));
}

#[test]
fn letters_go_no_faster_than_the_rate_and_no_more_of_them_than_the_limit() {
    let (db, kafka, builder) = narrow();
    let connector = run(builder.clone());
    for key in 0..10 {
        large(&db, &key.to_string());
    }
    letters(&db, kafka, 10);
    stop(connector);
    mend(&db, kafka);
    let began = Instant::now();
    let told = replay(&builder, &db, "--rate 8 --limit 9", 0);
    assert_eq!(ids_of(&told, "replayed").len(), 9);
    assert!(began.elapsed() >= Duration::from_secs(1), "eight letters' time");
    assert_eq!(listed(&builder, "").len(), 1);
}

#[test]
fn a_logical_decoding_message_is_replayed_from_its_content() {
    let (db, kafka) = outbox();
    kafka.create_topic(&db.topic("order"), 1, &[("max.message.bytes", "9000")]);
    let builder = crate::road::messages::forgiving(&db, kafka);
    let connector = run(builder.clone());
    db.execute(
        "select pg_logical_emit_message(true, 'outbox', json_build_object('id', 'm-1', 'aggregatetype', 'order',
         'aggregateid', 'a', 'payload', repeat('x', 10000))::text)",
    );
    letters(&db, kafka, 1);
    stop(connector);
    mend(&db, kafka);
    assert_eq!(ids_of(&replay(&builder, &db, "", 0), "replayed"), ["m-1"]);
    let records = wait_events(kafka, &db, &["order"], 1);
    assert_eq!((ids(&records), records[0].key_text()), (vec!["m-1".to_owned()], "a"));
    assert_eq!(records[0].value_text(), format!("\"{}\"", "x".repeat(10_000)));
    assert!(listed(&builder, "").is_empty());
}
