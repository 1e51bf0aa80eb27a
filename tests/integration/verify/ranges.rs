//! Parts of an outbox.

use super::{ids, insert, outbox, published, total, verify};
use crate::cli::{ask, refused};
use crate::kit::run;

fn id(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

/// Four published events, an hour and a number apart, each altered afterwards: what is looked at is what is found.
#[test]
fn only_the_rows_that_were_asked_for_are_looked_at() {
    let (db, kafka, builder) = outbox();
    let connector = run(builder.clone());
    db.execute(
        "insert into outbox (id, aggregatetype, aggregateid, type, payload, created_at)
         select lpad(n::text, 32, '0')::uuid, 'order', n::text, 'kind' || n, '{}',
                timestamptz '2026-11-01 09:00Z' + n * interval '1 hour' from generate_series(1, 4) n",
    );
    published(kafka, &db, 4);
    db.execute("update outbox set payload = '{\"altered\": true}'");
    let found = |flags: &str| {
        let told = verify(&builder, flags, 3);
        assert_eq!(total(&told, "rows"), total(&told, "altered"), "{flags}: {told:#}");
        assert_eq!(total(&told, "unknown"), 4 - total(&told, "rows"), "{flags}: {told:#}");
        assert_eq!((&told["range_limited"], total(&told, "missing")), (&true.into(), 0));
        ids(&told, "altered")
    };
    for (flags, numbers) in [
        ("--time-column created_at --since 2026-11-01T11:00Z --until 2026-11-01T13:00Z", &[2, 3][..]),
        ("--time-column created_at --until 2026-11-01T11:00Z", &[1]),
        ("--from-id 00000000-0000-0000-0000-000000000003", &[3, 4]),
        ("--to-id 00000000-0000-0000-0000-000000000003", &[1, 2, 3]),
        ("--where type<>'kind1'", &[2, 3, 4]),
        ("--where false=(type='kind1')or(false) --to-id 00000000-0000-0000-0000-000000000002", &[2]),
    ] {
        let expected: Vec<String> = numbers.iter().map(|number| id(*number)).collect();
        assert_eq!(found(flags), expected, "{flags}");
    }
    let all = verify(&builder, "", 3);
    assert_eq!((total(&all, "altered"), &all["range_limited"]), (4, &false.into()));
    drop(connector);
}

#[test]
fn what_a_table_does_not_take_is_refused_as_a_wrong_argument() {
    let (_db, _, builder) = outbox();
    ask(&builder, "slot create", 0);
    for (flags, says) in [
        ("--since never --time-column created_at", "22007"),
        ("--order-by nothing", "42703"),
        ("--where payload", "42804"),
        ("--from-id 17", "22P02"),
    ] {
        refused(&builder, &format!("verify --wait 0 {flags}"), 2, &[says, "a range"]);
    }
    refused(&builder, "verify --table public.nothing", 5, &["public.nothing is no outbox table"]);
    refused(&builder, "verify --topic no.such.topic", 5, &["no.such.topic does not exist"]);
}

#[test]
fn one_table_of_several_can_be_looked_at() {
    let (db, kafka, builder) = outbox();
    db.execute("create table other (like outbox including all)");
    let builder = builder.set("table.include.list", "public.outbox,public.other");
    let connector = run(builder.clone());
    insert(&db, "1", "{}");
    db.execute(
        "insert into other (aggregatetype, aggregateid, type, payload) values ('order', '2', 'x', '{}')",
    );
    published(kafka, &db, 2);
    let told = verify(&builder, "--table public.other", 0);
    assert_eq!((total(&told, "rows"), total(&told, "unknown")), (1, 1));
    assert_eq!(told["tables"][0]["table"], "public.other");
    assert_eq!(total(&verify(&builder, "", 0), "matched"), 2);
    drop(connector);
}
