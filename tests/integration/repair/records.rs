//! What is published is what the connector would have published, in the order that the table tells.

use super::{all, begun, insert, is_whole, numbers, on, outbox, pass, plan, repair, run_until};
use crate::cli::ask;
use crate::kit::{Router as _, connector, run, wait_events};
use crate::support::{Broker, ConnectorBuilder, Database, DatabaseHandle, DatabaseOptions, Record};

const COLUMNS: &str = "aggregatetype, aggregateid, type, payload, note, part, at, trace";

fn rich(server: &Database) -> (DatabaseHandle, &'static Broker, ConnectorBuilder) {
    let (db, kafka) = (server.fresh_database(), Broker::shared());
    db.execute(
        "create table outbox (id uuid primary key, aggregatetype text, aggregateid text, type text, payload jsonb,
         note text default 'none', part int, at timestamptz not null, trace text)",
    );
    kafka.create_topic(&db.topic("order"), 5, &[]);
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let builder = connector(&db, kafka)
        .set("value.converter", json)
        .set("value.converter.schemas.enable", "true")
        .set("extended.headers.enabled", "true")
        .router("table.field.event.timestamp", "at")
        .router("tracing.span.context.field", "trace")
        .router(
            "table.fields.additional.placement",
            "type:header:kind,note:header,type:envelope,part:partition",
        );
    (db, kafka, builder)
}

fn fill(db: &DatabaseHandle) {
    db.execute(&format!(
        "insert into outbox (id, {COLUMNS})
         select ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'order', 'key-' || n, 'placed',
                jsonb_build_object('text', E'a\"b\\\\ü\\t' || n, 'n', n), nullif(repeat('x', n % 3), ''),
                n % 4, '2026-01-02 03:04:05.678901+00'::timestamptz + n * interval '1 second',
                'traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
         from generate_series(1, 40) n"
    ));
}

/// All of a record but where it is and what differs from run to run.
fn content(db: &DatabaseHandle, records: &[Record]) -> Vec<Record> {
    let mut records: Vec<Record> = records.to_vec();
    for record in &mut records {
        record.offset = 0;
        record.topic = record.topic.replace(db.name(), "DB");
        // The schema's name begins with topic.prefix.
        record.value = Some(record.value_text().replace(db.name(), "DB").into_bytes());
        for (name, value) in &mut record.headers {
            if name == "__debezium.context.runId" {
                *value = None;
            }
            let text = value.as_deref().map(String::from_utf8_lossy);
            *value = text.map(|text| text.replace(db.name(), "DB").into_bytes());
        }
    }
    records.sort_by(|one, other| one.key.cmp(&other.key));
    records
}

#[test]
fn records_are_those_of_the_connector_to_the_byte_and_to_the_partition() {
    let (streamed, kafka, builder) = rich(Database::shared());
    begun(&builder);
    fill(&streamed);
    let by_stream = content(&streamed, &run_until(&builder, &streamed, kafka, 40));
    let (repaired, kafka, builder) = rich(Database::shared());
    begun(&builder);
    fill(&repaired);
    pass(&repaired);
    repair(&builder, &repaired, "");
    let by_repair = content(&repaired, &wait_events(kafka, &repaired, &["order"], 40));
    assert_eq!(by_repair.len(), 40);
    assert!(by_repair[0].headers.len() > 4, "{:?}", by_repair[0]);
    assert!(by_repair[0].header("traceparent").is_some(), "{:?}", by_repair[0]);
    for (one, other) in by_stream.iter().zip(&by_repair) {
        assert_eq!(one, other);
    }
    assert_eq!(by_stream.len(), by_repair.len());
}

#[test]
fn commit_times_tell_an_order_that_no_column_does() {
    let server = Database::with(DatabaseOptions::new().setting("track_commit_timestamp", "on"));
    let (db, kafka, builder) = on(&server);
    db.execute("alter table outbox drop column seq");
    begun(&builder);
    insert(&db, 1, 9, 2);
    db.execute(
        "insert into outbox (aggregatetype, aggregateid, type, payload)
         select 'order', 'key-' || n % 2, 'placed', jsonb_build_object('n', n) from generate_series(10, 15) n",
    );
    let one = |n: u32| {
        format!(
            "insert into outbox (aggregatetype, aggregateid, type, payload)
             values ('order', 'key-{}', 'placed', '{{\"n\": {n}}}');",
            n % 2
        )
    };
    db.execute(&format!(
        "begin; {} savepoint a; {} release a; {} {} commit",
        one(16),
        one(17),
        one(18),
        one(19)
    ));
    pass(&db);
    let told = plan(&builder, "");
    assert_eq!(
        (&told["tables"][0]["order"], &told["missing"]),
        (&"commit time".into(), &19.into()),
        "{told:#}"
    );
    repair(&builder, &db, "");
    assert_eq!(numbers(&wait_events(kafka, &db, &["order"], 19)), all(1, 19, 2));
}

#[test]
fn an_id_that_is_a_number_tells_the_order_and_a_column_that_is_named_tells_it_better() {
    let (db, kafka, builder) = outbox();
    db.execute("alter table outbox drop column id; alter table outbox rename column seq to id");
    begun(&builder);
    insert(&db, 1, 6, 2);
    pass(&db);
    assert_eq!(plan(&builder, "")["tables"][0]["order"], "id");
    db.execute("alter table outbox add column turn int; update outbox set turn = -id");
    let told = plan(&builder, "--order-by turn");
    assert_eq!(
        (&told["tables"][0]["order"], &told["events"][0]["id"]),
        (&"turn".into(), &"6".into()),
        "{told:#}"
    );
    repair(&builder, &db, "--order-by turn");
    assert_eq!(numbers(&wait_events(kafka, &db, &["order"], 6))["key-1"], [5, 3, 1]);
}

#[test]
fn a_partitioned_outbox_is_repaired_like_any_other() {
    let (db, kafka) = (Database::shared().fresh_database(), Broker::shared());
    db.execute(
        "create table outbox (seq bigint generated by default as identity, id uuid default gen_random_uuid(),
         aggregatetype text, aggregateid text, type text, payload jsonb, day int not null default 1) partition by list (day);
         create table outbox_1 partition of outbox for values in (1);
         create table outbox_2 partition of outbox for values in (2)",
    );
    let builder = connector(&db, kafka).set("publish.via.partition.root", "true");
    begun(&builder);
    insert(&db, 1, 4, 2);
    db.execute("alter table outbox alter column day set default 2");
    insert(&db, 5, 4, 2);
    pass(&db);
    insert(&db, 9, 2, 2);
    repair(&builder, &db, "--order-by seq");
    assert_eq!(numbers(&run_until(&builder, &db, kafka, 10)), all(1, 10, 2));
    is_whole(&builder, 10);
}

#[test]
fn what_was_published_once_is_not_published_again_beside_a_stream_that_goes_on() {
    let (db, kafka, builder) = outbox();
    begun(&builder);
    insert(&db, 1, 5, 5);
    pass(&db);
    repair(&builder, &db, "");
    let again = ask(&builder, &format!("repair --confirm {}", db.name()), 0);
    assert!(again.stderr.contains("nothing is missing"), "{again:?}");
    let connector = run(builder.clone());
    insert(&db, 6, 5, 5);
    assert_eq!(numbers(&wait_events(kafka, &db, &["order"], 10)), all(1, 10, 5));
    drop(connector);
}
