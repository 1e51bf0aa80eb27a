//! `publication`: created and shown.

use super::{ask, ask_json, refused};
use crate::kit::{connector, outbox};
use crate::support::{Broker, Database};

#[test]
fn publication_create_makes_it_for_the_outboxs_inserts_once() {
    let (db, kafka) = outbox();
    db.execute("create table orders (id int primary key)");
    let builder = connector(&db, kafka)
        .set("publication.autocreate.mode", "disabled")
        .set("publish.via.partition.root", "true");
    refused(
        &builder,
        "publication show",
        5,
        &["publication \"walpost\" does not exist", "walpost publication create"],
    );

    let made = ask(&builder, "publication create", 0);
    let begins = "CREATE PUBLICATION \"walpost\" FOR TABLE \"public\".\"outbox\"\n";
    assert!(made.stdout.starts_with(begins) && made.stdout.ends_with(";\n"), "{made:?}");
    let script = ask(&builder, "init", 0).stdout;
    assert!(script.contains(&made.stdout), "as init has it: {made:?}\n{script}");
    let facts = "select pubinsert and not (pubupdate or pubdelete or pubtruncate or puballtables) from pg_publication";
    assert_eq!(db.query_one_text(facts), "t");
    assert_eq!(db.query_one_text("select string_agg(tablename, ' ') from pg_publication_tables"), "outbox");

    let again = ask(&builder, "publication create", 0);
    assert!(again.stdout.contains("\"walpost\" exists already; left as it is"), "{again:?}");
    assert_eq!(ask_json(&builder, "publication create", 0)["publication"]["created"], false);
}

#[test]
fn publication_show_tells_what_it_has_and_warns_of_what_it_lacks() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    db.execute("create publication walpost for table outbox with (publish = 'insert')");
    let shown = ask(&builder, "publication show", 0);
    assert!(shown.stdout.contains("operations   insert\n"), "{shown:?}");
    let row = shown.stdout.lines().find(|line| line.starts_with("public.outbox "));
    let row: Vec<&str> = row.expect("a row").split_whitespace().collect();
    assert_eq!(row, ["public.outbox", "all", "-"], "neither a column list nor a row filter: {shown:?}");
    assert_eq!(shown.stderr, "", "there is nothing to warn of");

    db.execute("alter publication walpost set (publish = 'insert, delete')");
    db.execute("create table events (like outbox); alter publication walpost set table events");
    let told = ask_json(&builder, "publication show", 0);
    let findings = told["findings"].as_array().expect("a list");
    let named = |name: &str| findings.iter().find(|finding| finding["name"] == name).expect("a finding");
    assert_eq!(named("publication.operations")["finding"], "warn");
    assert_eq!(named("publication.tables")["finding"], "fail");
    assert_eq!(told["publication"]["tables"][0]["table"], "events");
    let shown = ask(&builder, "publication show", 0);
    assert!(
        shown.stderr.contains("fail: ") && shown.stderr.contains("ADD TABLE \"public\".\"outbox\""),
        "{shown:?}"
    );
}

#[test]
fn publication_show_tells_a_column_list_and_which_columns_of_the_router_it_lacks() {
    let (db, kafka) = outbox();
    let builder = connector(&db, kafka);
    if db.server().major() < 15 {
        return;
    }
    db.execute("create publication walpost for table outbox (id, aggregateid, aggregatetype) with (publish = 'insert')");
    let told = ask_json(&builder, "publication show", 0);
    let columns = &told["publication"]["tables"][0]["columns"];
    assert_eq!(*columns, serde_json::json!(["id", "aggregatetype", "aggregateid"]), "{told:#}");
    let shown = ask(&builder, "publication show", 0);
    assert!(shown.stdout.contains("id, aggregatetype, aggregateid"), "{shown:?}");
    assert!(shown.stderr.contains("not published for public.outbox: payload"), "{shown:?}");
    // Every column there is, and yet not all: one that is added later is not among them.
    db.execute("alter publication walpost set table outbox (id, aggregatetype, aggregateid, type, payload)");
    let told = ask_json(&builder, "publication show", 0);
    assert_eq!(told["publication"]["tables"][0]["columns"].as_array().map(Vec::len), Some(5), "{told:#}");
    assert_eq!(told["findings"], serde_json::json!([]));
    db.execute("alter publication walpost set table outbox");
    assert!(ask_json(&builder, "publication show", 0)["publication"]["tables"][0]["columns"].is_null());
}

#[test]
fn a_publication_of_no_table_at_all_is_not_made() {
    let db = Database::shared().fresh_database();
    let builder = connector(&db, Broker::shared());
    refused(&builder, "publication create", 5, &["there is no captured table yet", "walpost init --apply"]);
    assert_eq!(db.query_one_text("select count(*) from pg_publication"), "0");
}
