//! What cannot be repaired is left alone and listed; who may not repair is refused.

use super::{all, begun, insert, numbers, outbox, pass, plan, run_until};
use crate::cli::{ask, ask_json, refused};
use crate::kit::{last_position, run, wait_events};
use crate::postgres::config;
use crate::support::PATIENCE;
use walpost::postgres::replication::Connection;

#[test]
fn without_a_word_it_says_what_it_would_do_and_does_nothing() {
    let (db, kafka, builder) = outbox();
    begun(&builder);
    insert(&db, 1, 2, 2);
    pass(&db);
    let stored = last_position(kafka, &db);
    let answer = ask(&builder, "repair", 4);
    for words in ["2 events would be published", "was not touched", &format!("--confirm {}", db.name())] {
        assert!(answer.stderr.contains(words), "{answer:?}");
    }
    assert!(answer.stdout.contains("key-0") && answer.stdout.contains(&db.topic("order")), "{answer:?}");
    assert!(!answer.stdout.contains("\"n\""), "a payload is shown: {answer:?}");
    refused(&builder, "repair --confirm another", 4, &["--confirm names \"another\""]);
    refused(&builder, "repair --accept-loss 0/1..0/2", 2, &["--confirm"]);
    assert_eq!(last_position(kafka, &db), stored);
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 0);
}

#[test]
fn it_is_refused_beside_a_running_connector_and_while_somebody_has_the_slot() {
    let (db, kafka, builder) = outbox();
    let confirm = format!("repair --confirm {}", db.name());
    refused(&builder, "repair", 5, &["neither a slot nor a position", "walpost slot create"]);
    let connector = run(builder.clone());
    insert(&db, 1, 1, 1);
    wait_events(kafka, &db, &["order"], 1);
    let before = last_position(kafka, &db);
    for command in ["repair", &confirm] {
        refused(&builder, command, 1, &["a connector runs on this slot", "Nothing was done"]);
    }
    assert_eq!(last_position(kafka, &db).instance, before.instance);
    drop(connector);
    db.wait_for("select not active from pg_replication_slots where slot_name = current_database()");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stream = runtime.block_on(async {
        let connection = Connection::connect(&config(&db)).await.expect("a replication connection");
        let from = last_position(kafka, &db).end_lsn;
        connection.start_replication(db.name(), from, "walpost", &[], PATIENCE).await.expect("a stream")
    });
    refused(&builder, &confirm, 1, &["is active", "Nothing was done", "pg_terminate_backend"]);
    drop(stream);
}

#[test]
fn events_whose_order_is_not_known_are_left_until_an_order_is_named() {
    let (db, kafka, builder) = outbox();
    begun(&builder);
    insert(&db, 1, 4, 2);
    insert(&db, 5, 1, 3);
    pass(&db);
    let told = plan(&builder, "");
    let left = &told["left"];
    assert_eq!((&told["missing"], &left["events"]), (&1.into(), &4.into()), "{told:#}");
    assert_eq!(left["counts"]["order_unknown"], 4);
    assert_eq!((&left["listed"][0]["key"], &left["listed"][0]["events"]), (&"key-0".into(), &2.into()));
    let refusal = ["4 events cannot be repaired", "4 order_unknown", "--order-by", "Nothing was published"];
    refused(&builder, &format!("repair --confirm {}", db.name()), 4, &refusal);
    assert_eq!(kafka.records(&[&db.topic("order")]).len(), 0, "not even those whose order is known");
    let done = super::repair(&builder, &db, "--order-by seq");
    assert_eq!(done["repaired"]["events"], 5);
    let mut expected = all(1, 4, 2);
    expected.insert("key-2".into(), vec![5]);
    assert_eq!(numbers(&wait_events(kafka, &db, &["order"], 5)), expected);
}

#[test]
fn what_cannot_be_repaired_is_given_up_by_naming_its_range_and_the_position_says_so() {
    let (db, kafka, builder) = outbox();
    begun(&builder);
    insert(&db, 1, 3, 3);
    db.execute(
        "insert into outbox (aggregatetype, aggregateid, type, payload) values ('no topic', 'bad', 'placed', '{\"n\": 9}')",
    );
    pass(&db);
    let told = plan(&builder, "");
    assert_eq!(
        (&told["missing"], &told["left"]["counts"]["topic_illegal"]),
        (&3.into(), &1.into()),
        "{told:#}"
    );
    let range = told["left"]["accept_loss"].as_str().expect("a range").to_owned();
    assert_eq!(range, format!("{}..{}", last_position(kafka, &db).end_lsn, crate::kit::confirmed(&db)));
    let confirm = format!("repair --confirm {}", db.name());
    refused(&builder, &confirm, 4, &["1 topic_illegal", &format!("--accept-loss {range}")]);
    refused(&builder, &format!("{confirm} --accept-loss 0/1..0/2"), 4, &["names 0/1..0/2", &range]);
    ask(&builder, &format!("{confirm} --accept-loss {range}"), 0);
    let position = last_position(kafka, &db);
    let audit = position.audit.last().expect("an entry");
    assert_eq!((audit.published, audit.given_up, audit.by.as_str()), (3, Some(1), "walpost repair"));
    let shown = ask(&builder, "offsets show", 0).stdout;
    assert!(shown.contains("walpost repair, ") && shown.contains("1 events given up"), "{shown}");
    insert(&db, 4, 1, 3);
    assert_eq!(run_until(&builder, &db, kafka, 4).len(), 4);
    // Where nothing is given up, what is left alone is a finding.
    let told = ask_json(&builder, "repair", 3);
    assert_eq!((&told["plan"]["standing"], &told["plan"]["left"]["events"]), (&"fine".into(), &1.into()));
}

#[test]
fn a_topic_that_proves_nothing_keeps_its_rows_from_being_published_twice() {
    let (db, kafka, builder) = outbox();
    kafka.create_topic(&db.topic("order"), 1, &[("cleanup.policy", "compact")]);
    begun(&builder);
    insert(&db, 1, 2, 2);
    pass(&db);
    let told = plan(&builder, "");
    assert_eq!((&told["missing"], &told["left"]["counts"]["compacted"]), (&0.into(), &2.into()), "{told:#}");
}

#[test]
fn rows_that_share_an_id_are_published_all_or_none() {
    let (db, kafka, builder) = outbox();
    db.execute("alter table outbox drop constraint outbox_pkey");
    begun(&builder);
    insert(&db, 1, 1, 1);
    run_until(&builder, &db, kafka, 1);
    // One of the two is published, and which of them cannot be told when both say the same.
    db.execute("insert into outbox (id, aggregatetype, aggregateid, type, payload) select id, aggregatetype, aggregateid, type, payload from outbox");
    db.execute(
        "insert into outbox (id, aggregatetype, aggregateid, type, payload)
         select '00000000-0000-0000-0000-000000000007', 'order', 'key-' || n, 'placed', jsonb_build_object('n', n)
         from generate_series(2, 3) n",
    );
    pass(&db);
    let told = plan(&builder, "");
    assert_eq!((&told["missing"], &told["left"]["counts"]["shared_id"]), (&2.into(), &1.into()), "{told:#}");
}
