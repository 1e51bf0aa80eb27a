//! What cannot be judged is said, and called neither wrong nor fine.

use super::{ids, insert, lose, on, outbox, published, send, sorted, stop, total, transaction, verify};
use crate::cli::ask;
use crate::kit::{last_position, run};
use crate::support::{Database, DatabaseOptions, PATIENCE, wait_until};
use rdkafka::admin::AdminOptions;
use rdkafka::producer::Producer as _;
use rdkafka::{Offset, TopicPartitionList};

#[test]
fn rows_that_the_connector_has_not_come_to_are_pending_and_judged_once_it_has() {
    let (db, kafka, builder) = outbox();
    let connector = run(builder.clone());
    insert(&db, "1", "{}");
    published(kafka, &db, 1);
    stop(connector);
    let later = insert(&db, "2", "{}");
    let told = verify(&builder, "", 0);
    assert_eq!((ids(&told, "pending"), total(&told, "missing")), (vec![later], 0));
    assert_eq!(told["settled"], false);
    verify(&builder, "--strict", 3);
    let answer = ask(&builder, "verify", 0);
    assert!(
        answer.stderr.contains("not judged: 1 pending") && answer.stderr.contains("does not run"),
        "{answer:?}"
    );

    let connector = run(builder.clone());
    published(kafka, &db, 2);
    let told = verify(&builder, "--strict", 0);
    assert_eq!((total(&told, "matched"), total(&told, "pending")), (2, 0));
    assert_eq!(told["settled"], true, "a connector that runs is waited for");
    drop(connector);
}

#[test]
fn with_commit_times_rows_before_the_stored_position_are_judged_and_a_range_can_begin_at_a_position() {
    let server = Database::with(DatabaseOptions::new().setting("track_commit_timestamp", "on"));
    let (db, kafka, builder) = on(&server);
    let connector = run(builder.clone());
    insert(&db, "1", "{}");
    published(kafka, &db, 1);
    let mut lost = String::new();
    let connector = lose(&db, &builder, connector, || lost = insert(&db, "2", "{}"));
    // Commits are in the order of their times only when these are well apart.
    db.wait_for(
        "select clock_timestamp() > max(pg_xact_commit_timestamp(xmin)) + interval '11 s' from outbox",
    );
    insert(&db, "3", "{}");
    published(kafka, &db, 2);
    stop(connector);
    let later = insert(&db, "4", "{}");
    let told = verify(&builder, "", 3);
    assert_eq!((ids(&told, "missing"), ids(&told, "pending")), (vec![lost], vec![later]));

    let position = last_position(kafka, &db).end_lsn;
    let told = verify(&builder, &format!("--from-lsn {position}"), 0);
    assert_eq!(
        (total(&told, "rows"), total(&told, "matched"), total(&told, "pending")),
        (2, 1, 1),
        "{told:#}"
    );
    let told = verify(&builder, &format!("--to-lsn {position} --from-lsn 0/1"), 3);
    assert!(total(&told, "rows") >= 3, "{told:#}");
}

#[test]
fn without_commit_times_a_range_of_positions_is_refused_with_what_helps() {
    let (_db, _, builder) = outbox();
    ask(&builder, "slot create", 0);
    let answer = ask(&builder, "verify --from-lsn 0/1", 2);
    assert!(
        answer.stderr.contains("track_commit_timestamp = on") && answer.stderr.contains("--since"),
        "{answer:?}"
    );
}

#[test]
fn what_an_open_transaction_hides_is_undecided_until_it_ends() {
    let (db, kafka, builder) = outbox();
    let connector = run(builder.clone());
    insert(&db, "1", "{}");
    let record = published(kafka, &db, 1).remove(0);
    let open = transaction(kafka, &db);
    send(&open, &record);
    let hidden = insert(&db, "1", "{}");
    // Its records are where nobody sees them once the position is: that is in another topic.
    wait_until("the second event's position", PATIENCE, || {
        (last_position(kafka, &db).events == 2).then_some(())
    });
    let told = verify(&builder, "", 0);
    assert_eq!(ids(&told, "undecided"), [hidden]);
    assert_eq!(told["topics"][0]["open_transaction"], true);
    open.abort_transaction(PATIENCE).expect("aborted");
    assert_eq!(total(&verify(&builder, "--strict", 0), "matched"), 2);
    drop(connector);
}

#[test]
fn rows_older_than_what_is_left_of_their_topic_are_undecided_and_younger_ones_are_missing() {
    let (db, kafka, builder) = outbox();
    kafka.create_topic(&db.topic("order"), 1, &[]);
    let connector = run(builder.clone());
    let rows = ["1", "2", "3"].map(|key| insert(&db, key, "{}"));
    published(kafka, &db, 3);
    let mut until = TopicPartitionList::new();
    let left = published(kafka, &db, 3).last().expect("three").offset;
    until.add_partition_offset(&db.topic("order"), 0, Offset::Offset(left)).expect("a partition");
    let admin = kafka.admin();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(admin.delete_records(&until, &AdminOptions::new())).expect("deleted");

    let told = verify(&builder, "--time-column created_at", 0);
    assert_eq!(ids(&told, "undecided"), sorted([&rows[0], &rows[1]]));
    assert_eq!(told["findings"][0]["reason"], "expired");
    assert_eq!(told["topics"][0]["oldest_records_gone"], true);
    db.execute("update outbox set created_at = created_at + interval '2 hours' where aggregateid = '2'");
    let told = verify(&builder, "--time-column created_at", 3);
    assert_eq!((ids(&told, "undecided"), ids(&told, "missing")), (sorted([&rows[0]]), sorted([&rows[1]])));
    assert_eq!(total(&verify(&builder, "", 0), "undecided"), 2, "without a time nothing is known");
    drop(connector);
}

#[test]
fn a_compacted_topic_proves_nothing_missing() {
    let (db, kafka, builder) = outbox();
    kafka.create_topic(&db.topic("order"), 1, &[("cleanup.policy", "compact")]);
    ask(&builder, "slot create", 0);
    ask(&builder, &format!("slot drop --confirm {}", db.name()), 0);
    let row = insert(&db, "1", "{}");
    let told = verify(&builder, "", 0);
    assert_eq!(ids(&told, "undecided"), [row]);
    assert_eq!(told["findings"][0]["reason"], "compacted");
    kafka.alter_topic(&db.topic("order"), &[("cleanup.policy", "delete")]);
    assert_eq!(total(&verify(&builder, "", 3), "missing"), 1);
}
