//! What passes an event: inserts, and updates of the primary key.

use super::*;

#[test]
fn what_is_no_insert_of_an_outbox_row_passes_no_event() {
    let mut outbox = outbox(defaults(), &USER_CREATED);
    let key = [Cell::Text(ID.as_bytes()), Cell::Null, Cell::Null, Cell::Null, Cell::Null];
    for (message, skipped) in [
        (testing::begin(Lsn::ZERO, 0, 1), Skipped::NotARow),
        (testing::relation(&relation(&USER_CREATED)), Skipped::NotARow),
        (testing::message(true, Lsn::ZERO, "outbox", b"{}"), Skipped::Message),
        (testing::update(OID, None, &cells(&USER_CREATED)), Skipped::Update),
        (testing::delete(OID, OldCells::Key(&key)), Skipped::Delete),
        (testing::truncate(&[OID], false, false), Skipped::Truncate),
        (testing::commit(Lsn::ZERO, Lsn::ZERO, 0), Skipped::NotARow),
    ] {
        match outbox.route(&message) {
            Routed::Skipped(reason) => assert_eq!(reason, skipped),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_update_is_refused_when_it_is_fatal() {
    let mut outbox = outbox(Config { on_update: OnUpdate::Fatal, ..defaults() }, &USER_CREATED);
    let message = testing::update(OID, None, &cells(&USER_CREATED));
    let Routed::Rejected(rejection) = outbox.route(&message) else { panic!("not rejected") };
    assert_eq!((rejection.reason, rejection.event_id.as_deref()), (Reason::UpdateRefused, Some(ID)));
}

#[test]
fn updates_and_deletes_are_dropped_even_where_rows_are_refused() {
    let mut outbox = outbox(Config { key: "fakefield".to_owned(), ..defaults() }, &USER_CREATED);
    let update = testing::update(OID, None, &cells(&USER_CREATED));
    assert!(matches!(outbox.route(&update), Routed::Skipped(Skipped::Update)));
    let delete = testing::delete(OID, OldCells::Key(&cells(&USER_CREATED)));
    assert!(matches!(outbox.route(&delete), Routed::Skipped(Skipped::Delete)));
}

#[test]
fn an_update_of_the_primary_key_is_published_anew_even_when_updates_are_fatal() {
    let old = [Cell::Text(b"another"), Cell::Null, Cell::Null, Cell::Null, Cell::Null];
    for on_update in [OnUpdate::Warn, OnUpdate::Error, OnUpdate::Fatal] {
        let mut outbox = outbox(Config { on_update, ..defaults() }, &USER_CREATED);
        let message = testing::update(OID, Some(OldCells::Key(&old)), &cells(&USER_CREATED));
        let Routed::Event(event) = outbox.route(&message) else { panic!("not an event") };
        assert_eq!(text(&event, &event.plan.id), ID);
        let names: Vec<&str> = event.plan.old_key.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["id"]);
        assert_eq!(event.old.and_then(|old| old.get(0)), Some(Cell::Text(b"another")));
    }
}

#[test]
fn an_old_key_that_did_not_change_is_an_update() {
    let old = [Cell::Text(ID.as_bytes()), Cell::Null, Cell::Null, Cell::Null, Cell::Null];
    let mut outbox = outbox(defaults(), &USER_CREATED);
    let message = testing::update(OID, Some(OldCells::Key(&old)), &cells(&USER_CREATED));
    assert!(matches!(outbox.route(&message), Routed::Skipped(Skipped::Update)));
}

#[test]
fn with_replica_identity_full_the_catalogue_tells_the_primary_key() {
    let mut relation = relation(&USER_CREATED);
    relation.replica_identity = b'f';
    relation.columns.iter_mut().for_each(|column| column.key = true);
    let primary = ColumnFacts { name: "id".to_owned(), primary_key: true, ..ColumnFacts::default() };
    let mut outbox = Outbox::new(defaults(), &relation, &facts(vec![primary]));
    let changed = |column| cells(&with(&[(column, VARCHAR, Some("another"))]));
    let message = testing::update(OID, Some(OldCells::Row(&changed("type"))), &cells(&USER_CREATED));
    assert!(matches!(outbox.route(&message), Routed::Skipped(Skipped::Update)));
    let message = testing::update(OID, Some(OldCells::Row(&changed("id"))), &cells(&USER_CREATED));
    assert!(matches!(outbox.route(&message), Routed::Event(_)));
}

#[test]
fn a_large_value_that_an_update_of_the_primary_key_does_not_repeat_is_refused() {
    let old = [Cell::Text(b"another"), Cell::Null, Cell::Null, Cell::Null, Cell::Null];
    let mut new = cells(&USER_CREATED);
    new[4] = Cell::Unchanged;
    let message = testing::update(OID, Some(OldCells::Key(&old)), &new);
    let mut outbox = outbox(defaults(), &USER_CREATED);
    let Routed::Rejected(rejection) = outbox.route(&message) else { panic!("not rejected") };
    assert_eq!(rejection.reason, Reason::UpdateRefused);
    assert!(rejection.detail.contains("column payload"), "{}", rejection.detail);
}
