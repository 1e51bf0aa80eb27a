//! `publication`: created and shown.

use super::{ask, ask_json, refused};
use crate::kit::{connector, outbox};
use crate::support::{Broker, Database};

#[test]
fn publication_create_makes_it_for_the_outboxs_inserts_once() {
    let (db, kafka) = outbox();
    db.execute("create table orders (id int primary key)");
    let builder = connector(&db, kafka).set("publication.autocreate.mode", "disabled");
    refused(
        &builder,
        "publication show",
        5,
        &["publication \"walpost\" does not exist", "walpost publication create"],
    );

    let made = ask(&builder, "publication create", 0);
    assert!(
        made.stdout.starts_with("create publication \"walpost\" for table \"public\".\"outbox\""),
        "{made:?}"
    );
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
    assert!(row.is_some_and(|row| row.ends_with(" -")), "no row filter: {shown:?}");
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
fn a_publication_of_no_table_at_all_is_not_made() {
    let db = Database::shared().fresh_database();
    let builder = connector(&db, Broker::shared());
    refused(&builder, "publication create", 5, &["there is no outbox table yet", "walpost init --apply"]);
    assert_eq!(db.query_one_text("select count(*) from pg_publication"), "0");
}
