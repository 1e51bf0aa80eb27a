//! COPY, savepoints, rollbacks, and a transaction that is too large for a batch.

use crate::kit::{connector, outbox, positions, run, wait_confirmed_last, wait_events};
use crate::support::{Connector, Record};
use std::collections::BTreeMap;
use std::time::Duration;
use walpost::position::Position;

/// The numbers `n` of payloads `{"n": …}`, per key in the order of the partition.
fn numbers(records: &[Record]) -> BTreeMap<String, Vec<u64>> {
    let mut numbers: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for record in records {
        let n = record.value_text().strip_prefix("{\"n\": ").and_then(|rest| rest.strip_suffix('}'));
        let n = n.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{}", record.value_text()));
        numbers.entry(record.key_text().to_owned()).or_default().push(n);
    }
    numbers
}

#[test]
fn rows_of_a_copy_arrive_once_each_and_in_order() {
    let (db, kafka) = outbox();
    let _connector = run(connector(&db, kafka));
    let program = r#"seq 1 1000 | awk "{print \"order;key-\" \$1 % 7 \";placed;{\\\"n\\\": \" \$1 \"}\"}""#;
    db.execute(&format!(
        "copy outbox (aggregatetype, aggregateid, type, payload) from program '{program}' (delimiter ';')"
    ));
    let records = wait_events(kafka, &db, &["order"], 1000);
    assert_eq!(records.len(), 1000);
    for key in 0..7 {
        let expected: Vec<u64> = (1..=1000).filter(|n| n % 7 == key).collect();
        assert_eq!(numbers(&records)[&format!("key-{key}")], expected);
    }
}

#[test]
fn rolled_back_rows_are_absent_be_it_a_transaction_or_a_savepoint() {
    let (db, kafka) = outbox();
    let _connector = run(connector(&db, kafka));
    let row = |n: u32| format!("insert into outbox values (default, 'order', 'k', 't', '{{\"n\": {n}}}');");
    db.execute(&format!("begin; {} rollback", row(1)));
    db.execute(&format!(
        "begin; {} savepoint a; {} savepoint b; {} rollback to b; {} release b; {} rollback to a; {} savepoint c; {} release c; {} commit",
        row(2), row(3), row(4), row(5), row(6), row(7), row(8), row(9)
    ));
    db.execute(&format!("begin; savepoint a; {} rollback to a; commit", row(10)));
    db.execute(&format!("begin; {} prepare transaction '{}'", row(11), db.name()));
    db.execute(&format!("rollback prepared '{}'", db.name()));
    db.execute(&row(12));
    assert_eq!(numbers(&wait_events(kafka, &db, &["order"], 5))["k"], [2, 7, 8, 9, 12]);
}

#[test]
fn a_row_that_is_deleted_in_its_own_transaction_is_published() {
    let (db, kafka) = outbox();
    let _connector = run(connector(&db, kafka));
    for n in 1..=3 {
        db.execute(&format!(
            "begin; insert into outbox values (default, 'order', 'k', 't', '{{\"n\": {n}}}'); delete from outbox; commit"
        ));
    }
    assert_eq!(numbers(&wait_events(kafka, &db, &["order"], 3))["k"], [1, 2, 3]);
    assert_eq!(db.query_one_text("select count(*) from outbox"), "0");
}

#[test]
fn transactions_that_overlap_arrive_whole_and_in_the_order_of_their_commits() {
    let (db, kafka) = outbox();
    let _connector = run(connector(&db, kafka).set("topic.creation.default.partitions", 1));
    let (first, second) = (db.server().clone(), db.name().to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (a, b) = (first.connect_to(&second).await, first.connect_to(&second).await);
        let row =
            |n: u32| format!("insert into outbox values (default, 'order', 'k', 't', '{{\"n\": {n}}}')");
        for (session, sql) in [
            (&a, "begin".to_owned()),
            (&b, "begin".to_owned()),
            (&a, row(3)),
            (&b, row(1)),
            (&a, row(4)),
            (&b, row(2)),
            (&b, "commit".to_owned()),
            (&a, row(5)),
            (&a, "commit".to_owned()),
        ] {
            session.batch_execute(&sql).await.expect("a statement");
        }
    });
    assert_eq!(numbers(&wait_events(kafka, &db, &["order"], 5))["k"], [1, 2, 3, 4, 5]);
}

const ROWS: u64 = 200_000;
const KEYS: u64 = 50;

#[test]
fn a_transaction_of_200_000_rows_is_split_over_several_kafka_transactions_and_seen_once_in_order() {
    let (db, kafka) = outbox();
    kafka.create_topic(&db.topic("order"), 6, &[]);
    let connector = run(connector(&db, kafka));
    let began = std::time::Instant::now();
    db.execute(&format!(
        "insert into outbox select gen_random_uuid(), 'order', 'key-' || n % {KEYS}, 'placed',
         jsonb_build_object('n', n) from generate_series(1, {ROWS}) n"
    ));
    db.insert("order", "last", "placed", "{\"n\": 0}");
    let written = began.elapsed();
    let records = kafka.wait_records(&[&db.topic("order")], ROWS as usize + 1, Duration::from_secs(180));
    let peak_kb = peak_rss_kb(&connector);
    println!(
        "{ROWS} rows: written in {written:?}, all seen after {:?}, peak RSS {peak_kb} KiB",
        began.elapsed()
    );

    let numbers = numbers(&records);
    assert_eq!(records.len() as u64, ROWS + 1);
    for key in 0..KEYS {
        let expected: Vec<u64> = (1..=ROWS).filter(|n| n % KEYS == key).collect();
        assert!(numbers[&format!("key-{key}")] == expected, "key-{key} is not complete, once and in order");
    }
    let positions = positions(kafka, &db);
    is_split(&positions);
    wait_confirmed_last(kafka, &db);
    if !cfg!(debug_assertions) {
        assert!(peak_kb <= 64 * 1024, "peak RSS {peak_kb} KiB");
    }
}

/// The pieces count on in ordinals while the LSN waits for the last of them.
fn is_split(positions: &[Position]) {
    let pieces: Vec<_> = positions.iter().filter(|position| position.partial.is_some()).collect();
    assert!(pieces.len() >= 2, "{} pieces", pieces.len());
    let ordinals: Vec<_> =
        pieces.iter().map(|piece| piece.partial.as_ref().expect("a piece").ordinal).collect();
    assert!(ordinals.is_sorted_by(|a, b| a < b), "{ordinals:?}");
    let end_lsns: Vec<_> = pieces.iter().map(|piece| piece.end_lsn).collect();
    assert!(end_lsns.iter().all(|lsn| *lsn == end_lsns[0]), "the LSN waits for the last piece: {end_lsns:?}");
    let last = positions.last().expect("a position");
    assert!(last.partial.is_none() && last.end_lsn > end_lsns[0]);
    assert_eq!(last.events, ROWS + 1);
}

/// The most that was ever resident.
fn peak_rss_kb(connector: &Connector) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", connector.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
