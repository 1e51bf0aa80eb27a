//! What is as it should be is found to be.

use super::{insert, outbox, published, total, verify};
use crate::cli::ask;
use crate::kit::{Router as _, run, wait_events};

/// Text that COPY escapes, JSON, emptiness that becomes a tombstone, and NULL, from two tables into two topics.
#[test]
fn every_row_of_every_table_is_found_in_its_partition_with_its_bytes_and_its_time() {
    let (db, kafka, builder) = outbox();
    db.execute(
        "alter table outbox add shard int, add note text;
         create table other (like outbox including all); alter table other alter payload type text using payload::text",
    );
    let builder = builder
        .set("table.include.list", "public.outbox,public.other")
        .set("extended.headers.enabled", "true")
        .router("table.fields.additional.placement", "type:header:eventType,note:header,shard:partition")
        .router("table.field.event.timestamp", "created_at")
        .router("route.tombstone.on.empty.payload", "true");
    let connector = run(builder.clone());
    for (table, payload) in [
        ("outbox", "jsonb_build_object('n', n, 'text', E'a\\tb\\nc\\\\d\\u00fc \"x\"')"),
        ("other", "(array[E'tab\\there', E'line\\nline\\r', '', E'\\\\N', '\\x00', 'ü'])[1 + n % 6]"),
    ] {
        db.execute(&format!(
            "insert into {table} (aggregatetype, aggregateid, type, payload, shard, note, created_at)
             select (array['order', 'user'])[1 + n % 2], (n % 7)::text, E'ty\\\\pe', case when n % 5 = 0 then null else {payload} end,
                    case when n % 3 = 0 then n % 2 end, case when n % 4 = 0 then null else E'no\\tte' end,
                    now() - interval '1 hour' + n * interval '1.234567 s'
             from generate_series(1, 300) n"
        ));
    }
    let records = wait_events(kafka, &db, &["order", "user"], 600);
    assert!(records.iter().any(|record| record.value.is_none()), "there are tombstones");
    assert!((0..3).all(|partition| records.iter().any(|record| record.partition == partition)));

    let told = verify(&builder, "--order-by seq", 0);
    assert_eq!((total(&told, "rows"), total(&told, "matched"), total(&told, "records")), (600, 600, 600));
    assert_eq!((&told["wrong"], told["findings"].as_array().map(Vec::len)), (&0.into(), Some(0)), "{told:#}");
    assert_eq!(total(&told, "unknown") + total(&told, "newer") + total(&told, "foreign"), 0);
    let tables: Vec<_> = told["tables"].as_array().expect("a list").iter().map(|it| &it["rows"]).collect();
    assert_eq!(tables, [300, 300]);
    assert_eq!(told["topics"].as_array().map(Vec::len), Some(2));
    assert_eq!((&told["order_checked"], &told["settled"]), (&true.into(), &true.into()));

    let answer = ask(&builder, "verify", 0);
    assert!(answer.stderr.contains("600 rows and 600 records") && answer.stderr.contains("nothing is wrong"));
    assert!(answer.stderr.contains("the order was not checked"), "{answer:?}");
    assert!(!answer.stderr.contains("\u{1b}"), "no progress where there is no terminal: {answer:?}");
    // Each part of a record counts: any of these makes one of them another.
    for (change, differs) in [
        ("payload = '\"x\"'", "value"),
        ("aggregateid = 'x'", "key"),
        ("type = 'x'", "headers"),
        ("shard = (shard + 1) % 2", "partition"),
        ("created_at = created_at + interval '1 ms'", "timestamp"),
    ] {
        db.execute(&format!(
            "create table before as select * from outbox; update outbox set {change} where seq = 6"
        ));
        let told = verify(&builder, "", 3);
        assert_eq!(told["findings"][0]["differs"], serde_json::json!([differs]), "{change}: {told:#}");
        assert_eq!(told["findings"].as_array().map(Vec::len), Some(1), "{change}: {told:#}");
        db.execute(
            "update outbox o set (payload, aggregateid, type, shard, created_at) =
                 (b.payload, b.aggregateid, b.type, b.shard, b.created_at) from before b where b.seq = o.seq;
             drop table before",
        );
    }
    drop(connector);
}

#[test]
fn an_empty_outbox_and_one_whose_topic_does_not_exist_yet_are_no_errors() {
    let (db, kafka, builder) = outbox();
    let connector = run(builder.clone());
    let told = verify(&builder, "", 0);
    assert_eq!((total(&told, "rows"), told["topics"].as_array().map(Vec::len)), (0, Some(0)));
    insert(&db, "1", "{}");
    published(kafka, &db, 1);
    assert_eq!(total(&verify(&builder, "", 0), "matched"), 1);
    drop(connector);
}

#[test]
fn rows_that_the_publication_leaves_out_are_no_events_and_partitions_count_as_their_table() {
    let (db, kafka, builder) = outbox();
    db.execute(
        "alter table outbox rename to plain; alter table plain drop constraint outbox_pkey;
         create table outbox (like plain including defaults including identity, primary key (id, created_at)) partition by range (created_at);
         create table outbox_old partition of outbox for values from (minvalue) to ('2026-01-01');
         create table outbox_new partition of outbox default; drop table plain;
         create publication walpost for table outbox where (type <> 'skip')
             with (publish = 'insert', publish_via_partition_root = true)",
    );
    let connector = run(builder.clone());
    db.execute(
        "insert into outbox (aggregatetype, aggregateid, type, payload, created_at)
         select 'order', n::text, case when n = 3 then 'skip' else 'placed' end, '{}',
                timestamptz '2025-12-31 00:00Z' + n * interval '12 hours' from generate_series(0, 5) n",
    );
    published(kafka, &db, 5);
    let told = verify(&builder, "--order-by created_at", 0);
    assert_eq!((total(&told, "rows"), total(&told, "matched")), (5, 5));
    assert_eq!(told["tables"][0]["table"], "public.outbox");
    super::stop(connector);
    // Without the publication nothing says that the row was left out.
    db.execute("drop publication walpost");
    let told = verify(&builder, "--wait 0", 0);
    assert_eq!(
        (total(&told, "rows"), total(&told, "matched"), total(&told, "pending")),
        (6, 5, 1),
        "{told:#}"
    );
}
