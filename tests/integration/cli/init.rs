//! `init`: the SQL that is printed, and what --apply does; the roles are enough to run with.

use super::{ask, ask_json};
use crate::kit::{connector, last_position, run, wait_events};
use crate::support::{Broker, ConnectorBuilder, Database, DatabaseHandle};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// A database of a server of its own, for roles belong to the whole server; and who writes the events.
fn shop() -> DatabaseHandle {
    let db = Database::start().fresh_database();
    db.execute("create role shop login");
    db
}

/// What psql says when it is given this script, stopping at the first error.
fn psql(db: &DatabaseHandle, script: &str) -> String {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", &db.url()]).env("HOME", "/nonexistent");
    psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut psql = psql.spawn().expect("psql runs");
    psql.stdin.take().expect("its stdin").write_all(script.as_bytes()).expect("a script that is read");
    let output = psql.wait_with_output().expect("psql ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&said));
    String::from_utf8(said).expect("UTF-8")
}

/// Table, publication and roles are there, each may do what it needs and no more, and a connector runs as `cdc`.
fn is_enough(db: &DatabaseHandle, builder: ConnectorBuilder, cdc: &str) {
    let facts = "select pubinsert and not (pubupdate or pubdelete or pubtruncate or puballtables) and pubviaroot and
        array(select schemaname || '.' || tablename from pg_publication_tables where pubname = 'walpost') = '{public.outbox}'
        from pg_publication where pubname = 'walpost'";
    assert_eq!(db.query_one_text(facts), "t", "the publication has the outbox's inserts");
    let columns =
        "select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum)
        from pg_attribute where attrelid = 'outbox'::regclass and attnum > 0";
    assert_eq!(
        db.query_one_text(columns),
        "id uuid, aggregatetype character varying(255), aggregateid character varying(255), \
         type character varying(255), payload jsonb, shard integer"
    );
    let role = format!(
        "select rolcanlogin and rolreplication and not (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls)
         from pg_roles where rolname = '{cdc}'"
    );
    assert_eq!(db.query_one_text(&role), "t", "{cdc} may replicate and nothing else");
    for (role, may, may_not) in [
        (cdc, "", "select,insert,update,delete,truncate"),
        ("shop", "insert", "select,update,delete,truncate"),
        ("walpost_monitor", "", "select,insert,update,delete,truncate"),
    ] {
        for (rights, expected) in [(may, "t"), (may_not, "f")] {
            for right in rights.split(',').filter(|right| !right.is_empty()) {
                let asked = format!("select has_table_privilege('{role}', 'outbox', '{right}')");
                assert_eq!(db.query_one_text(&asked), expected, "{role}: {right}");
            }
        }
    }
    assert_eq!(db.query_one_text("select pg_has_role('walpost_monitor', 'pg_monitor', 'member')"), "t");

    let included = "public.outbox,public.shop_events";
    let mut connector = run(builder.set("database.user", cdc).set("table.include.list", included));
    db.execute("set role shop");
    db.execute(
        "insert into outbox (aggregatetype, aggregateid, type, payload, shard) values ('order', '7', 'placed', '{}', 2)",
    );
    db.execute("reset role");
    let records = wait_events(Broker::shared(), db, &["order"], 1);
    assert_eq!((records[0].key_text(), records[0].partition), ("7", 2));
    // Enough to look at the publication, the slot and the cluster with, too.
    let seen = last_position(Broker::shared(), db).publication.expect("the publication was looked at");
    assert_eq!(seen.tables.iter().map(|table| table.name()).collect::<Vec<_>>(), ["public.outbox"]);
    assert!(connector.metric("walpost_slot_retained_wal_bytes").is_some(), "the watch has looked");
    db.execute("create table shop_events (like outbox); alter publication walpost add table shop_events");
    connector.wait_log("public.shop_events is new in it");
    drop(connector);
}

/// One further column that the router reads, so that it is seen to be made.
fn builder(db: &DatabaseHandle) -> ConnectorBuilder {
    let placement = "transforms.outbox.table.fields.additional.placement";
    connector(db, Broker::shared()).set(placement, "shard:partition")
}

#[test]
fn the_script_that_init_prints_makes_all_that_a_connector_of_least_privilege_needs() {
    let db = shop();
    let builder = builder(&db).set("database.user", "orders_cdc");
    let script = ask(&builder, "init --with-roles --app-role shop", 0);
    assert_eq!(script.stderr, "");
    assert_eq!(db.query_one_text("select to_regclass('outbox')"), "", "printing it does nothing");
    assert_eq!(psql(&db, &script.stdout), "", "psql has nothing to say about it");
    is_enough(&db, builder, "orders_cdc");
}

#[test]
fn without_roles_asked_for_the_script_leaves_roles_and_slots_alone() {
    let db = Database::shared().fresh_database();
    let builder = builder(&db);
    psql(&db, &ask(&builder, "init --table public.events --table shop.outbox", 0).stdout);
    let tables = "select string_agg(schemaname || '.' || tablename, ' ' order by tablename) from pg_publication_tables";
    assert_eq!(db.query_one_text(tables), "public.events shop.outbox");
    let slots = format!("select count(*) from pg_replication_slots where database = '{}'", db.name());
    assert_eq!(db.query_one_text(&slots), "0");
}

#[test]
fn init_apply_does_the_same_and_a_second_time_leaves_everything_as_it_is() {
    let db = shop();
    let builder = builder(&db);
    let command = "init --apply --with-roles --app-role shop";
    let steps = |expected: &[&str]| {
        let told = ask_json(&builder, command, 0);
        let steps = told["steps"].as_array().expect("a list").iter();
        let steps: Vec<String> =
            steps.map(|step| format!("{}: {}", step["object"], step["result"]).replace('"', "")).collect();
        assert_eq!(steps, expected);
    };
    steps(&[
        "table public.outbox: created",
        "publication walpost: created",
        "role walpost_setup: created",
        "role walpost: created",
        "role walpost_monitor: created",
        "role shop: granted",
    ]);
    db.insert("order", "kept", "placed", "{}");
    steps(&[
        "table public.outbox: existed",
        "publication walpost: existed",
        "role walpost_setup: granted",
        "role walpost: granted",
        "role walpost_monitor: granted",
        "role shop: granted",
    ]);
    assert_eq!(db.query_one_text("select count(*) from outbox"), "1", "what is there stays");
    let again = ask(&builder, command, 0);
    assert!(again.stdout.contains("table public.outbox exists already; left as it is"), "{again:?}");
    assert!(again.stderr.contains("next: walpost slot create"), "{again:?}");
    is_enough(&db, builder, "walpost");
}
