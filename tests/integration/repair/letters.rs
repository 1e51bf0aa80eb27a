//! What is not published on purpose is neither missing nor published: dead letters, and what a policy passes over.

use super::{all, begun, insert, numbers, on, pass, plan, repair, run_until};
use crate::cli::{ask_json, refused};
use crate::kit::{last_position, position_topic, wait_events};
use crate::support::{
    Broker, ConnectorBuilder, Database, DatabaseHandle, DatabaseOptions, PATIENCE, wait_until,
};

/// An outbox whose connector writes dead letters.
fn forgiving() -> (DatabaseHandle, &'static Broker, ConnectorBuilder) {
    forgiving_on(Database::shared())
}

fn forgiving_on(server: &Database) -> (DatabaseHandle, &'static Broker, ConnectorBuilder) {
    let (db, kafka, builder) = on(server);
    kafka.create_topic(&db.topic("narrow"), 1, &[("max.message.bytes", "20000")]);
    let builder = builder
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", db.topic("dlt"))
        .set("errors.deadletterqueue.topic.replication.factor", 1);
    (db, kafka, builder)
}

/// An event that no topic is for.
fn illegal(db: &DatabaseHandle) {
    db.execute("insert into outbox (aggregatetype, aggregateid, type, payload) values ('no topic', 'bad', 't', '{}')");
}

/// An event that only its topic refuses.
fn large(db: &DatabaseHandle) {
    db.execute(
        "insert into outbox (aggregatetype, aggregateid, type, payload)
         values ('narrow', 'bad', 't', to_jsonb(repeat('x', 50000)))",
    );
}

fn letters(db: &DatabaseHandle, kafka: &Broker, n: usize) {
    assert_eq!(kafka.wait_records(&[&db.topic("dlt")], n, PATIENCE).len(), n);
}

/// Publishes what there is, and dies before the slot hears of it.
fn dies(builder: &ConnectorBuilder, db: &DatabaseHandle) {
    let (exit, log) = builder.clone().env("WALPOST_FAILPOINT", "before_confirm").start().wait_exit(PATIENCE);
    assert_eq!(exit.code(), None, "{log}");
    db.wait_for("select not active from pg_replication_slots where slot_name = current_database()");
}

#[test]
fn dead_letters_are_not_missing_and_are_not_published_again() {
    let (db, kafka, builder) = forgiving();
    begun(&builder);
    insert(&db, 1, 2, 2);
    illegal(&db);
    large(&db);
    insert(&db, 3, 2, 2);
    run_until(&builder, &db, kafka, 4);
    letters(&db, kafka, 2);
    // It would be taken now.
    kafka.alter_topic(&db.topic("narrow"), &[]);
    insert(&db, 5, 2, 2);
    pass(&db);
    let told = plan(&builder, "--order-by seq");
    assert_eq!((&told["missing"], &told["dead_letters"]), (&2.into(), &2.into()), "{told:#}");
    assert_eq!(told["left"]["events"], 0, "{told:#}");
    repair(&builder, &db, "--order-by seq");
    assert_eq!(numbers(&wait_events(kafka, &db, &["order"], 6)), all(1, 6, 2));
    assert_eq!(kafka.records(&[&db.topic("narrow")]).len(), 0);
    letters(&db, kafka, 2);
    let told = ask_json(&builder, "repair", 0);
    assert_eq!((&told["plan"]["missing"], &told["plan"]["dead_letters"]), (&0.into(), &2.into()), "{told:#}");
}

#[test]
fn a_dead_letter_tells_where_a_lost_position_was() {
    // Nobody else's WAL moves the position past the letter's transaction.
    let server = Database::with(DatabaseOptions::new());
    let (db, kafka, builder) = forgiving_on(&server);
    begun(&builder);
    insert(&db, 1, 1, 2);
    dies(&builder, &db);
    wait_events(kafka, &db, &["order"], 1);
    illegal(&db);
    dies(&builder, &db);
    letters(&db, kafka, 1);
    let stored = last_position(kafka, &db).end_lsn;
    let topic = position_topic(&db);
    kafka.delete_topic(&topic);
    wait_until("the topic is gone", PATIENCE, || (!kafka.topics().contains(&topic)).then_some(()));
    insert(&db, 2, 2, 2);
    let told = plan(&builder, "--order-by seq");
    assert_eq!((&told["standing"], &told["missing"]), (&"position_missing".into(), &0.into()), "{told:#}");
    assert_eq!(
        (&told["dead_letters"], &told["position"]),
        (&1.into(), &stored.to_string().into()),
        "{told:#}"
    );
    repair(&builder, &db, "--order-by seq");
    assert_eq!(numbers(&run_until(&builder, &db, kafka, 3)), all(1, 3, 2));
    letters(&db, kafka, 1);
}

#[test]
fn of_the_gap_what_would_be_a_dead_letter_is_left_alone_and_what_would_be_passed_over_is_not() {
    let (db, kafka, builder) = forgiving();
    begun(&builder);
    insert(&db, 1, 2, 2);
    illegal(&db);
    large(&db);
    pass(&db);
    let confirm = format!("repair --confirm {} --order-by seq", db.name());
    refused(&builder, &confirm, 4, &["1 too_large, 1 topic_illegal", "--accept-loss"]);
    let builder = builder.set("walpost.errors.topic_illegal", "skip").set("walpost.errors.too_large", "skip");
    let told = plan(&builder, "--order-by seq");
    assert_eq!((&told["missing"], &told["skipped"]), (&2.into(), &2.into()), "{told:#}");
    assert_eq!(told["left"]["events"], 0, "{told:#}");
    repair(&builder, &db, "--order-by seq");
    assert_eq!(numbers(&wait_events(kafka, &db, &["order"], 2)), all(1, 2, 2));
    // Nothing is lost with it either.
    illegal(&db);
    ask_json(&builder, &format!("slot drop --confirm {}", db.name()), 0);
}
