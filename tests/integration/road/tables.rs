//! Which tables' rows are events: several outbox tables, partitioned ones, other tables, changed ones.

use crate::kit::{Router, connector, outbox, run, wait_events};
use crate::support::{Broker, Database, wait_until};

const PATIENCE: std::time::Duration = crate::support::PATIENCE;

#[test]
fn several_outbox_tables_share_one_connector() {
    let (db, kafka) = outbox();
    db.execute(
        "create schema sales;
         create table sales.events (payload text, aggregateid bigint, aggregatetype text, type text, id bigint primary key)",
    );
    let _connector = run(connector(&db, kafka).set("table.include.list", "public\\.outbox,sales\\.events"));
    db.execute(
        r#"begin; insert into outbox (aggregatetype, aggregateid, type, payload) values ('order', 'a', 't', '{"n": 1}');
           insert into sales.events values ('two', 9007199254740993, 'order', 't', 42);
           insert into outbox (aggregatetype, aggregateid, type, payload) values ('order', 'a', 't', '{"n": 3}'); commit"#,
    );
    let mut records = wait_events(kafka, &db, &["order"], 3);
    records.sort_by_key(|record| record.key_text().to_owned());
    let seen: Vec<_> = records.iter().map(|record| (record.key_text(), record.value_text())).collect();
    assert_eq!(seen, [("9007199254740993", "two"), ("a", r#"{"n": 1}"#), ("a", r#"{"n": 3}"#)]);
    assert_eq!(records[0].header("id"), Some("42"));
}

#[test]
fn rows_of_other_tables_pass_no_event_and_are_counted() {
    let (db, kafka) = outbox();
    db.execute("create table orders (id int primary key, aggregatetype text); create publication walpost for all tables");
    let mut connector = run(connector(&db, kafka));
    db.execute("insert into orders select n, 'order' from generate_series(1, 25) n");
    db.execute("insert into orders values (99, 'order'); insert into outbox values (default, 'order', 'k', 't', '{}')");
    assert_eq!(wait_events(kafka, &db, &["order"], 1).len(), 1);
    wait_until("the other rows are counted", PATIENCE, || {
        (connector.metric("walpost_events_filtered_total") == Some(26.0)).then_some(())
    });
    assert!(connector.metrics().contains(r#"walpost_events_filtered_total{reason="other_table"} 26"#));
}

#[test]
fn a_partitioned_outbox_is_read_by_its_leaves_names_or_by_the_roots() {
    for (via_root, include) in [("false", "public\\.outbox_p[0-9]"), ("true", "public\\.outbox")] {
        let (db, kafka) = (Database::shared().fresh_database(), Broker::shared());
        db.execute(
            "create table outbox (id int, aggregatetype text, aggregateid text, type text, payload jsonb, note text)
             partition by hash (aggregateid);
             create table outbox_p0 partition of outbox for values with (modulus 2, remainder 0);
             create table outbox_p1 (note text, payload jsonb, dropped int, type text, aggregateid text,
                                     aggregatetype text, id int);
             alter table outbox_p1 drop column dropped;
             alter table outbox attach partition outbox_p1 for values with (modulus 2, remainder 1)",
        );
        let builder = connector(&db, kafka).set("table.include.list", include);
        let _connector = run(builder.set("publish.via.partition.root", via_root));
        db.execute(
            r#"insert into outbox select n, 'order', 'key-' || n, 't', '{"n": 1}', 'x' from generate_series(1, 20) n"#,
        );
        let records = wait_events(kafka, &db, &["order"], 20);
        assert_eq!(records.len(), 20, "publish.via.partition.root={via_root}");
        let leaves = db.query_one_text("select count(distinct tableoid) from outbox");
        assert_eq!(leaves, "2", "both leaves have rows");
        for record in &records {
            let id = record.header("id").expect("an id");
            assert_eq!((record.key_text(), record.value_text()), (&*format!("key-{id}"), r#"{"n": 1}"#));
        }
    }
}

#[test]
fn updates_deletes_and_truncates_of_outbox_rows_pass_no_event_and_an_update_warns() {
    let (db, kafka) = outbox();
    db.execute(
        "alter table outbox alter column payload type text, alter column payload set storage external;
         create publication walpost for table outbox",
    );
    let mut connector = run(connector(&db, kafka));
    db.insert("order", "k", "first", &"payload-of-the-updated-row ".repeat(4000));
    // The payload is stored out of line and is not sent again: the update has a column without a value.
    db.execute("update outbox set type = 'changed'");
    db.execute("delete from outbox; insert into outbox values (default, 'order', 'k', 'second', 'x'); truncate outbox");
    let records = wait_events(kafka, &db, &["order"], 2);
    assert_eq!(
        records.iter().map(|r| r.value.as_ref().map_or(0, Vec::len)).collect::<Vec<_>>(),
        [27 * 4000, 1]
    );
    wait_until("what passed no event is counted", PATIENCE, || {
        let page = connector.metrics();
        let counted =
            |reason| page.contains(&format!("walpost_events_filtered_total{{reason=\"{reason}\"}} 1\n"));
        (counted("update") && counted("delete") && counted("truncate")).then_some(())
    });
    let log = connector.log();
    assert!(log.lines().any(|line| line.contains("WARN") && line.contains("public.outbox")), "{log}");
    assert!(!log.contains("payload-of-the-updated-row"));
    assert_eq!(wait_events(kafka, &db, &["order"], 2).len(), 2);
}

#[test]
fn columns_may_come_go_and_be_renamed_in_mid_stream() {
    let (db, kafka) = (Database::shared().fresh_database(), Broker::shared());
    db.execute(
        "create table outbox (first int, id int primary key, note text, aggregatetype text, aggregateid text, type text,
                              payload text, last int)",
    );
    let mut connector =
        run(connector(&db, kafka).router("table.fields.additional.placement", "type:header:eventType"));
    let insert = |n: i32| {
        format!(
            "insert into outbox (id, aggregatetype, aggregateid, type, payload) values ({n}, 'order', 'k', 'type-{n}', 'payload-{n}');"
        )
    };
    let changes = [
        "alter table outbox add column added text default 'x';",
        "alter table outbox drop column first;",
        "alter table outbox rename column note to remark;",
        "alter table outbox alter column last type text;",
        "alter table outbox drop column remark, add column note int not null default 5;",
    ];
    let mut n = 0;
    let mut next = || {
        n += 1;
        insert(n)
    };
    db.execute(&next());
    for change in changes {
        db.execute(change);
        db.execute(&next());
    }
    let mut all_at_once = next();
    for change in [
        "alter table outbox add column again text;",
        "alter table outbox drop column added;",
        "alter table outbox rename column note to remark;",
        "alter table outbox drop column last, drop column remark;",
    ] {
        all_at_once += change;
        all_at_once += &next();
    }
    db.execute(&format!("begin; {all_at_once} commit"));
    db.execute(&next());
    let records = wait_events(kafka, &db, &["order"], n as usize);
    let seen: Vec<_> =
        records.iter().map(|r| (r.header("id"), r.header("eventType"), r.value_text())).collect();
    let expected: Vec<_> =
        (1..=n).map(|n| (n.to_string(), format!("type-{n}"), format!("payload-{n}"))).collect();
    let expected: Vec<_> =
        expected.iter().map(|(id, kind, value)| (Some(&**id), Some(&**kind), &**value)).collect();
    assert_eq!(seen, expected);
    assert!(connector.is_running());
}
