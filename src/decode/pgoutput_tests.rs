//! What the decoder promises.

use super::*;
use crate::decode::testing::{self, OldCells};
use crate::decode::{Cell, Error};
use proptest::prelude::*;

const OUTBOX: u32 = 16_385;

/// A decoder that knows a table of two columns, `id` (key) and `payload`.
fn decoder() -> Decoder {
    let mut decoder = Decoder::new();
    let relation =
        testing::described(OUTBOX, "public", "outbox", &[("id", 23, true), ("payload", 25, false)]);
    decoder.decode(&testing::relation(&relation)).expect("a relation");
    decoder
}

fn error(message: &[u8]) -> Error {
    decoder().decode(message).map(|_| ()).expect_err("malformed")
}

fn cells<'a>(row: Tuple<'a>) -> Vec<Cell<'a>> {
    (0..row.len()).filter_map(|index| row.get(index)).collect()
}

#[test]
fn begin_tells_commit_lsn_time_since_1970_and_xid() {
    let message = b"B\x00\x00\x00\x00\x01\x57\x50\x38\x00\x02\xef\xa0\xa1\x0b\x13\x40\x00\x00\x02\xe5";
    let mut decoder = Decoder::new();
    let Change::Begin { commit_lsn, commit_us, xid } = decoder.decode(message).unwrap() else { panic!() };
    assert_eq!((commit_lsn.to_string().as_str(), xid), ("0/1575038", 741));
    assert_eq!(commit_us, 0x0002_efa0_a10b_1340 + 946_684_800_000_000);
}

#[test]
fn commit_tells_the_lsn_of_its_begin_and_its_end() {
    let message = b"C\x00\0\0\0\0\x01\x57\x50\x38\0\0\0\0\x01\x57\x50\x68\0\0\0\0\0\0\0\0";
    let mut decoder = Decoder::new();
    let Change::Commit { commit_lsn, end_lsn, commit_us } = decoder.decode(message).unwrap() else {
        panic!()
    };
    assert_eq!((commit_lsn, end_lsn), (Lsn::new(0x157_5038), Lsn::new(0x157_5068)));
    assert_eq!(commit_us, 946_684_800_000_000, "2000-01-01");
    assert!(
        error(b"C\x01\0\0\0\0\x01\x57\x50\x38\0\0\0\0\x01\x57\x50\x68\0\0\0\0\0\0\0\0")
            .what
            .contains("flags")
    );
}

#[test]
fn origin_and_type_and_message_tell_their_names() {
    let mut decoder = Decoder::new();
    let Change::Origin { name, .. } = decoder.decode(b"O\0\0\0\0\0\0\0\x2anode a\0").unwrap() else {
        panic!()
    };
    assert_eq!(name, "node a");
    let Change::Type { oid, schema, name } = decoder.decode(b"Y\0\0\x40\x01public\0mood\0").unwrap() else {
        panic!()
    };
    assert_eq!((oid, schema, name), (16_385, "public", "mood"));
    let message = b"M\x01\0\0\0\0\0\0\x01\0outbox\0\0\0\0\x03\0\x01\x02";
    let Change::Message { transactional, lsn, prefix, content } = decoder.decode(message).unwrap() else {
        panic!()
    };
    assert!(transactional);
    assert_eq!((lsn, prefix, content.0), (Lsn::new(256), "outbox", &b"\0\x01\x02"[..]));
    assert!(error(b"M\x02\0\0\0\0\0\0\x01\0outbox\0\0\0\0\x03abc").what.contains("flags"));
}

#[test]
fn relation_spells_out_pg_catalog_and_marks_key_columns() {
    let message = b"R\0\0\x40\x01\0outbox\0d\0\x02\x01id\0\0\0\x0b\x86\xff\xff\xff\xff\0payload\0\0\0\x0e\xda\0\0\0\x07";
    let mut decoder = Decoder::new();
    let Change::Relation(relation) = decoder.decode(message).unwrap() else { panic!() };
    assert_eq!((relation.schema.as_str(), relation.table.as_str()), ("pg_catalog", "outbox"));
    assert_eq!((relation.oid, relation.replica_identity), (16_385, b'd'));
    let id = Column { key: true, name: "id".into(), type_oid: 2950, type_modifier: -1 };
    let payload = Column { key: false, name: "payload".into(), type_oid: 3802, type_modifier: 7 };
    assert_eq!(relation.columns, [id, payload]);
}

#[test]
fn insert_tells_each_cell_by_its_kind() {
    let mut decoder = decoder();
    let message = b"I\0\0\x40\x01N\0\x02t\0\0\0\x0242n";
    let Change::Insert { relation, new } = decoder.decode(message).unwrap() else { panic!() };
    assert_eq!(relation.table, "outbox");
    assert_eq!(cells(new), [Cell::Text(b"42"), Cell::Null]);
    assert_eq!(new.get(2), None);
    let Change::Insert { new, .. } = decoder.decode(b"I\0\0\x40\x01N\0\x02b\0\0\0\x01\xffu").unwrap() else {
        panic!()
    };
    assert_eq!(cells(new), [Cell::Binary(b"\xff"), Cell::Unchanged]);
}

#[test]
fn update_tells_the_old_row_or_key_where_there_is_one() {
    let mut decoder = decoder();
    let Change::Update { old, new, .. } = decoder.decode(b"U\0\0\x40\x01N\0\x02t\0\0\0\x011n").unwrap()
    else {
        panic!()
    };
    assert!(old.is_none());
    assert_eq!(cells(new), [Cell::Text(b"1"), Cell::Null]);

    let message = b"U\0\0\x40\x01K\0\x02t\0\0\0\x011nN\0\x02t\0\0\0\x012u";
    let Change::Update { old: Some(Old::Key(old)), new, .. } = decoder.decode(message).unwrap() else {
        panic!()
    };
    assert_eq!(cells(old), [Cell::Text(b"1"), Cell::Null]);
    assert_eq!(cells(new), [Cell::Text(b"2"), Cell::Unchanged], "a NULL in an old key is no value");
}

#[test]
fn an_unchanged_toasted_value_is_taken_from_the_old_row() {
    let big = vec![b'x'; 3000];
    let old = [Cell::Text(b"1"), Cell::Text(&big)];
    let message = testing::update(OUTBOX, Some(OldCells::Row(&old)), &[Cell::Text(b"2"), Cell::Unchanged]);
    let mut decoder = decoder();
    let Change::Update { old: Some(Old::Row(_)), new, .. } = decoder.decode(&message).unwrap() else {
        panic!()
    };
    assert_eq!(cells(new), [Cell::Text(b"2"), Cell::Text(&big)]);
}

#[test]
fn delete_tells_the_old_key_or_row() {
    let mut decoder = decoder();
    let message = b"D\0\0\x40\x01K\0\x02t\0\0\0\x011n";
    let Change::Delete { old: Old::Key(old), .. } = decoder.decode(message).unwrap() else { panic!() };
    assert_eq!(cells(old), [Cell::Text(b"1"), Cell::Null]);
    let message = b"D\0\0\x40\x01O\0\x02t\0\0\0\x011t\0\0\0\0";
    let Change::Delete { old: Old::Row(old), .. } = decoder.decode(message).unwrap() else { panic!() };
    assert_eq!(cells(old), [Cell::Text(b"1"), Cell::Text(b"")]);
    assert!(error(b"D\0\0\x40\x01N\0\x02t\0\0\0\x011n").what.contains("'K' or 'O'"));
}

#[test]
fn truncate_tells_tables_and_options() {
    let mut decoder = Decoder::new();
    let message = b"T\0\0\0\x02\x03\0\0\0\x07\0\0\x40\x01";
    let Change::Truncate { relations, cascade, restart_identity } = decoder.decode(message).unwrap() else {
        panic!()
    };
    assert_eq!(relations.oids().collect::<Vec<_>>(), [7, 16_385]);
    assert!(cascade && restart_identity);
    assert_eq!(error(b"T\xff\xff\xff\xff\0").offset, 6, "a count beyond the message reserves nothing");
}

#[test]
fn a_row_of_an_undescribed_table_is_an_error_that_names_it() {
    let error = error(b"I\0\0\x40\x02N\0\x02nn");
    assert_eq!((error.message.as_str(), error.offset), ("Insert", 5));
    assert_eq!(error.what, "table 16386 was not described by a Relation message before");
}

#[test]
fn a_row_with_another_number_of_cells_than_columns_is_an_error() {
    assert_eq!(error(b"I\0\0\x40\x01N\0\x01n").what, "1 cells, but public.outbox has 2 columns");
    assert_eq!(error(b"I\0\0\x40\x01N\0\x03nnn").what, "3 cells, but public.outbox has 2 columns");
    assert_eq!(error(b"U\0\0\x40\x01K\0\x01nN\0\x02nn").what, "1 cells, but public.outbox has 2 columns");
}

#[test]
fn a_message_of_another_protocol_version_is_an_error() {
    let error = error(b"S\0\0\0\x01\x01");
    assert_eq!(error.what, "message type 'S' is not of protocol 1");
}

#[test]
fn a_failed_message_leaves_the_decoder_as_it_was() {
    let mut decoder = decoder();
    assert!(decoder.decode(b"I\0\0\x40\x01N\0\x02t\0\0\0\x0242").is_err());
    let Change::Insert { new, .. } = decoder.decode(b"I\0\0\x40\x01N\0\x02nn").unwrap() else { panic!() };
    assert_eq!(cells(new), [Cell::Null, Cell::Null]);
}

#[test]
fn what_was_decoded_shows_no_content_when_printed() {
    let mut decoder = decoder();
    let message = testing::insert(OUTBOX, &[Cell::Text(b"42"), Cell::Text(b"secret")]);
    let printed = format!("{:?}", decoder.decode(&message).unwrap());
    assert!(!printed.contains("secret") && !printed.contains("115, 101"), "{printed}");
    let message = testing::message(true, Lsn::ZERO, "audit", b"secret");
    let printed = format!("{:?}", decoder.decode(&message).unwrap());
    assert!(!printed.contains("secret") && !printed.contains("115, 101"), "{printed}");
}

/// A cell that owns its bytes, as proptest makes them.
#[derive(Clone, Debug)]
enum Made {
    Null,
    Unchanged,
    Text(Vec<u8>),
    Binary(Vec<u8>),
}

impl Made {
    fn cell(&self) -> Cell<'_> {
        match self {
            Made::Null => Cell::Null,
            Made::Unchanged => Cell::Unchanged,
            Made::Text(bytes) => Cell::Text(bytes),
            Made::Binary(bytes) => Cell::Binary(bytes),
        }
    }
}

fn made() -> impl Strategy<Value = Made> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        Just(Made::Null),
        Just(Made::Unchanged),
        bytes.clone().prop_map(Made::Text),
        bytes.prop_map(Made::Binary)
    ]
}

fn row() -> impl Strategy<Value = Vec<Made>> {
    proptest::collection::vec(made(), 2)
}

fn made_cells(row: &[Made]) -> Vec<Cell<'_>> {
    row.iter().map(Made::cell).collect()
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_ äß漢\u{1f980}.-]{1,20}"
}

fn described() -> impl Strategy<Value = Relation> {
    let column = (any::<bool>(), name(), any::<u32>(), any::<i32>())
        .prop_map(|(key, name, type_oid, type_modifier)| Column { key, name, type_oid, type_modifier });
    let identity = proptest::sample::select(vec![b'd', b'n', b'f', b'i']);
    (any::<u32>(), name(), name(), identity, proptest::collection::vec(column, 0..6)).prop_map(
        |(oid, schema, table, replica_identity, columns)| Relation {
            oid,
            schema,
            table,
            replica_identity,
            columns,
        },
    )
}

/// Any valid message for [`decoder`].
fn valid() -> impl Strategy<Value = Vec<u8>> {
    let lsn = || any::<u64>().prop_map(Lsn::new);
    let time = || 0..4_000_000_000_000_000i64;
    let old_key = |key: &Vec<Made>, new: &Vec<Made>| {
        testing::update(OUTBOX, Some(OldCells::Key(&made_cells(key))), &made_cells(new))
    };
    let old_row = |row: &Vec<Made>, new: &Vec<Made>| {
        testing::update(OUTBOX, Some(OldCells::Row(&made_cells(row))), &made_cells(new))
    };
    prop_oneof![
        (lsn(), time(), any::<u32>()).prop_map(|(lsn, us, xid)| testing::begin(lsn, us, xid)),
        (lsn(), lsn(), time()).prop_map(|(lsn, end, us)| testing::commit(lsn, end, us)),
        (any::<bool>(), lsn(), name(), any::<Vec<u8>>()).prop_map(|(transactional, lsn, prefix, content)| {
            testing::message(transactional, lsn, &prefix, &content)
        }),
        (lsn(), name()).prop_map(|(lsn, name)| testing::origin(lsn, &name)),
        (any::<u32>(), name(), name())
            .prop_map(|(oid, schema, name)| testing::user_type(oid, &schema, &name)),
        described().prop_map(|relation| testing::relation(&relation)),
        row().prop_map(|row| testing::insert(OUTBOX, &made_cells(&row))),
        row().prop_map(|row| testing::update(OUTBOX, None, &made_cells(&row))),
        (row(), row()).prop_map(move |(key, new)| old_key(&key, &new)),
        (row(), row()).prop_map(move |(before, new)| old_row(&before, &new)),
        row().prop_map(|row| testing::delete(OUTBOX, OldCells::Key(&made_cells(&row)))),
        row().prop_map(|row| testing::delete(OUTBOX, OldCells::Row(&made_cells(&row)))),
        (proptest::collection::vec(any::<u32>(), 0..5), any::<bool>(), any::<bool>())
            .prop_map(|(oids, cascade, restart)| testing::truncate(&oids, cascade, restart)),
    ]
}

/// Writes a change again, byte for byte.
fn written(change: &Change<'_>) -> Vec<u8> {
    let old_cells = |old: &Old<'_>, write: &dyn Fn(OldCells<'_>) -> Vec<u8>| match old {
        Old::Key(row) => write(OldCells::Key(&cells(*row))),
        Old::Row(row) => write(OldCells::Row(&cells(*row))),
    };
    match change {
        Change::Begin { commit_lsn, commit_us, xid } => testing::begin(*commit_lsn, *commit_us, *xid),
        Change::Message { transactional, lsn, prefix, content } => {
            testing::message(*transactional, *lsn, prefix, content.0)
        }
        Change::Commit { commit_lsn, end_lsn, commit_us } => {
            testing::commit(*commit_lsn, *end_lsn, *commit_us)
        }
        Change::Origin { commit_lsn, name } => testing::origin(*commit_lsn, name),
        Change::Relation(relation) => testing::relation(relation),
        Change::Type { oid, schema, name } => testing::user_type(*oid, schema, name),
        Change::Insert { relation, new } => testing::insert(relation.oid, &cells(*new)),
        Change::Update { relation, old: None, new } => testing::update(relation.oid, None, &cells(*new)),
        Change::Update { relation, old: Some(old), new } => {
            old_cells(old, &|old| testing::update(relation.oid, Some(old), &cells(*new)))
        }
        Change::Delete { relation, old } => old_cells(old, &|old| testing::delete(relation.oid, old)),
        Change::Truncate { relations, cascade, restart_identity } => {
            testing::truncate(&relations.oids().collect::<Vec<_>>(), *cascade, *restart_identity)
        }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_decoded_and_written_again_the_same(message in valid()) {
        let mut decoder = decoder();
        let change = decoder.decode(&message).expect("valid");
        let again = written(&change);
        // An unchanged value that the old row tells is filled in: only then may the bytes differ.
        let filled = matches!(&change, Change::Update { old: Some(_), .. }) && again.len() != message.len();
        prop_assert!(filled || again == message);
    }

    #[test]
    fn every_truncation_of_a_message_is_an_error(message in valid()) {
        let mut decoder = decoder();
        for length in 0..message.len() {
            prop_assert!(decoder.decode(&message[..length]).is_err(), "{length} of {} bytes", message.len());
        }
    }

    #[test]
    fn a_byte_too_many_is_an_error(message in valid(), surplus in any::<u8>()) {
        let mut longer = message;
        longer.push(surplus);
        prop_assert!(decoder().decode(&longer).is_err());
    }

    #[test]
    fn a_changed_byte_never_panics(message in valid(), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut changed = message;
        let at = at.index(changed.len());
        changed[at] = byte;
        if let Ok(change) = decoder().decode(&changed) {
            written(&change);
        }
    }

    #[test]
    fn any_bytes_never_panic(kind in any::<u8>(), bytes in any::<Vec<u8>>()) {
        let mut message = vec![kind];
        message.extend(bytes);
        if let Ok(change) = decoder().decode(&message) {
            written(&change);
        }
    }
}
