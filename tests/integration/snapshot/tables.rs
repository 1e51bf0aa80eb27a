//! Several tables, keys of every kind, partitions; what cannot be read is refused, and an event that cannot be published
//! stops it where it is.

use super::{assert_once, wait_once, with_mode};
use crate::kit::{Router as _, last_position, outbox, positions, run, wait_events};
use crate::support::{PATIENCE, wait_until};

const COLUMNS: &str =
    "aggregatetype text not null default 'order', aggregateid text not null, type text default 't',
    payload jsonb default jsonb_build_object('x', repeat('x', 1000))";

#[test]
fn several_tables_are_read_each_by_its_key_and_gone_on_with_after_a_crash() {
    let (db, kafka) = outbox();
    db.execute(&format!(
        "drop table outbox;
         create table outbox_number (id bigint generated always as identity primary key, {COLUMNS});
         create table \"outbox_Text\" (id text not null, part date not null, {COLUMNS}, primary key (part, id));
         create table outbox_unique (id uuid not null unique, {COLUMNS});
         create table outbox_parts (id bigint not null, region text not null, {COLUMNS}, primary key (region, id))
             partition by list (region);
         create table outbox_parts_eu partition of outbox_parts for values in ('eu');
         create table outbox_parts_us partition of outbox_parts for values in ('us');
         create table outbox_none (id int primary key, {COLUMNS});
         create view truth as
             select 'n' || id as id from outbox_number union all select id from \"outbox_Text\"
             union all select 'u' || id from outbox_unique union all select region || id from outbox_parts"
    ));
    let fill = |from: u32, to: u32| {
        db.execute(&format!(
            "insert into outbox_number (aggregateid) select 'n' || n from generate_series({from}, {to}) n;
             insert into \"outbox_Text\" (id, part, aggregateid)
                 select 'it''s ' || n || E'\\t\\\\', date '2026-01-01' + n % 7, n from generate_series({from}, {to}) n;
             insert into outbox_unique (id, aggregateid) select gen_random_uuid(), n from generate_series({from}, {to}) n;
             insert into outbox_parts (id, region, aggregateid)
                 select n, (array['eu', 'us'])[1 + n % 2], n from generate_series({from}, {to}) n"
        ));
    };
    fill(1, 1000);
    let builder = with_mode(&db, kafka, "initial")
        .set("table.include.list", "public\\.outbox_.*")
        .set("publish.via.partition.root", "true")
        .set("walpost.batch.max.events", 100)
        .set("snapshot.max.threads", 3)
        .router("table.fields.additional.placement", "region:header")
        .router("table.field.additional.missing", "ignore");
    let mut connector = builder.env("WALPOST_FAILPOINT", "mid_snapshot:15").start();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert!(!exit.success() && log.contains("failpoint mid_snapshot"), "{log}");
    assert!(log.contains("\"sessions\":3"), "three at a time: {log}");
    let position = last_position(kafka, &db);
    let begun = position.snapshot.expect("a snapshot that has begun");
    assert_eq!((begun.rows, begun.tables.len()), (1500, 5), "{begun:?}");
    let started = begun.tables.iter().filter(|table| table.done || table.reached.is_some()).count();
    assert!(started >= 2, "more than one has begun: {begun:?}");

    fill(1001, 1100);
    connector.start_again_with(|builder| builder.without_env("WALPOST_FAILPOINT"));
    connector.wait_ready();
    let records = wait_events(kafka, &db, &["order"], 4400);
    let count = |sql: &str| db.query_one_text(sql).parse::<usize>().expect("a number");
    assert_eq!(records.len(), count("select count(*) from truth"));
    let mut found: Vec<String> = records
        .iter()
        .map(|record| {
            let id = record.header("id").expect("an id");
            match (record.header("region"), record.key_text().starts_with('n'), id.len()) {
                (Some(region), ..) => format!("{region}{id}"),
                (None, true, _) => format!("n{id}"),
                (None, false, 36) => format!("u{id}"),
                _ => id.to_owned(),
            }
        })
        .collect();
    let before = found.len();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), before, "nothing twice");
    let digest = db.query_one_text("select md5(string_agg(id, ',' order by id collate \"C\")) from truth");
    let of_found = db.query_one_text(&format!(
        "select md5({})",
        postgres_protocol::escape::escape_literal(&found.join(","))
    ));
    assert_eq!(of_found, digest, "nothing lost");
}

#[test]
fn a_snapshot_of_some_tables_streams_all_of_them() {
    let (db, kafka) = outbox();
    db.execute("create table other (like outbox including all)");
    let insert = |table: &str, count: u32| {
        db.execute(&format!(
            "insert into {table} select gen_random_uuid(), 'order', n, 't', '{{}}' from generate_series(1, {count}) n"
        ));
    };
    insert("outbox", 5);
    insert("other", 5);
    let builder = with_mode(&db, kafka, "initial")
        .set("table.include.list", "public.outbox,public.other")
        .set("snapshot.include.collection.list", "public\\.out.*");
    let _connector = run(builder);
    let records = wait_once(&db, kafka, "outbox");
    insert("other", 1);
    let all = wait_events(kafka, &db, &["order"], records.len() + 1);
    assert_eq!(all.len(), 6);
}

#[test]
fn a_row_filter_and_a_column_list_of_the_publication_hold_for_the_snapshot_too() {
    let (db, kafka) = outbox();
    db.execute(
        "insert into outbox select gen_random_uuid(), 'order', n, 't', '{}' from generate_series(1, 9) n;
         create publication walpost for table outbox where (aggregateid > '5')",
    );
    let _connector = run(with_mode(&db, kafka, "initial"));
    let records = wait_events(kafka, &db, &["order"], 4);
    assert_once(&db, &records, "outbox where aggregateid > '5'");
}

#[test]
fn a_trace_context_is_passed_on_from_rows_too() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (db, kafka) = outbox();
    db.execute(&format!(
        "alter table outbox add column tracingspancontext varchar(256);
         insert into outbox values (default, 'order', 'k', 't', '{{}}', 'traceparent={PARENT}')"
    ));
    let builder = with_mode(&db, kafka, "initial").router("tracing.span.context.field", "tracingspancontext");
    let _connector = run(builder);
    let records = wait_once(&db, kafka, "outbox");
    assert_eq!(records[0].header("traceparent"), Some(PARENT));
}

#[test]
fn a_table_without_a_key_is_refused_before_anything_is_published() {
    let (db, kafka) = outbox();
    db.execute("alter table outbox drop constraint outbox_pkey");
    db.insert("order", "k", "t", "{}");
    let mut connector = with_mode(&db, kafka, "initial").start();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(30), "{log}");
    assert!(log.contains("table public.outbox has no key") && log.contains("a unique index"), "{log}");
    assert!(kafka.records(&[&db.topic("order")]).is_empty());
    db.execute("create unique index on outbox (id)");
    connector.start_again();
    connector.wait_ready();
    wait_once(&db, kafka, "outbox");
}

#[test]
fn a_row_that_cannot_be_published_stops_the_snapshot_and_those_before_it_are_published_once() {
    let (db, kafka) = outbox();
    db.execute(
        "create table numbered (id int primary key, aggregatetype text, aggregateid text, type text, payload jsonb);
         insert into numbered select n, case when n = 7 then '/' else 'order' end, n, 't', '{}' from generate_series(1, 9) n",
    );
    let builder = with_mode(&db, kafka, "initial").set("table.include.list", "public.numbered");
    let mut connector = builder.start();
    let (exit, log) = connector.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(10), "{log}");
    assert!(log.contains("the rows of the snapshot before it are published"), "{log}");
    assert_once(&db, &wait_events(kafka, &db, &["order"], 6), "numbered where id < 7");
    db.execute("delete from numbered where id = 7");
    connector.start_again();
    connector.wait_ready();
    wait_once(&db, kafka, "numbered");
    assert!(positions(kafka, &db).iter().all(|position| position.end_lsn >= position.prev_lsn));
}

#[test]
fn rows_that_are_updated_or_deleted_before_they_are_read_are_told_of() {
    let (db, kafka) = outbox();
    db.execute(
        "insert into outbox select gen_random_uuid(), 'order', n, 't', '{}' from generate_series(1, 100) n",
    );
    let builder = with_mode(&db, kafka, "initial").set("walpost.batch.max.events", 10);
    let mut connector = builder.env("WALPOST_FAILPOINT", "mid_snapshot:2").start();
    assert!(!connector.wait_exit(PATIENCE).0.success());
    let reached = last_position(kafka, &db).snapshot.expect("a snapshot").tables[0].reached.clone();
    let reached = reached.expect("a key")[0].clone();
    db.execute(&format!(
        "create table truth as select id from outbox;
         with it as (select id from outbox where id > '{reached}' order by id limit 2)
             delete from truth where id in (select id from it);
         delete from outbox where id = (select id from outbox where id > '{reached}' order by id limit 1);
         update outbox set type = 'u' where id = (select id from outbox where id > '{reached}' order by id limit 1)"
    ));
    // The server counts a little later.
    wait_until("the server has counted", PATIENCE, || {
        let counted =
            "select n_tup_upd = 1 and n_tup_del = 1 from pg_stat_user_tables where relname = 'outbox'";
        (db.query_one_text(counted) == "t").then_some(())
    });
    connector.start_again_with(|builder| builder.without_env("WALPOST_FAILPOINT"));
    connector.wait_ready();
    wait_once(&db, kafka, "truth");
    let log = connector.log();
    assert!(log.contains("\"updated\":1") && log.contains("\"deleted\":1"), "{log}");
}
