//! Messages that a real Postgres wrote, and what they say. The file tells the SQL behind each.

use super::testing::{self, OldCells};
use super::{Cell, Change, Decoder, Old, Tuple};

const MESSAGES: &str = include_str!("../../tests/golden/pgoutput.hex");

/// What each paragraph says, but for its Begin and Commit, and for Relations of the outbox as it was made.
const SAID: &[(&str, &[&str])] = &[
    ("an outbox row", &["insert outbox: …25, User, 10711fa5, UserCreated, {\"email\": \"gh@mefi.in\"}"]),
    ("several rows", &["insert outbox: …26, User, zürich, , null", "insert outbox: …27, Addr, 日本, x, []"]),
    ("COPY", &["insert outbox: …28, User, k, t, {}", "insert outbox: …29, User, k, t, {}"]),
    (
        "an update that leaves the key alone",
        &["update outbox: …25, User, 10711fa5, UserChanged, {\"email\": \"gh@mefi.in\"}"],
    ),
    (
        "an update of the primary key",
        &["update outbox from key …25, null, null, null, null: …99, User, 10711fa5, UserChanged, \
           {\"email\": \"gh@mefi.in\"}"],
    ),
    ("a delete", &["delete outbox key …99, null, null, null, null"]),
    ("a large value", &["insert outbox: …30, Big, big, t, 3240 bytes"]),
    ("an update that leaves the large value alone", &["update outbox: …30, Big, big, u, unchanged"]),
    (
        "the same of the primary key",
        &["update outbox from key …30, null, null, null, null: …31, Big, big, u, unchanged"],
    ),
    (
        "with REPLICA IDENTITY FULL",
        &[
            "relation public.outbox f: id!, aggregatetype!, aggregateid!, type!, payload!",
            "update outbox from row …31, Big, big, u, 3240 bytes: …31, Big, big, v, 3240 bytes",
            "delete outbox row …31, Big, big, v, 3240 bytes",
        ],
    ),
    (
        "a column more",
        &[
            "insert outbox: …32, User, k, t, {}",
            "relation public.outbox d: id!, aggregatetype, aggregateid, type, payload, extra",
            "insert outbox: …33, User, k, t, {}, null",
        ],
    ),
    (
        "types of the database itself",
        &[
            "type public.mood",
            "type pg_catalog.int2",
            "type public._mood",
            "type public._small",
            "relation public.typed d: id!, m, s, ms, ss, c, p",
            "insert typed: 1, happy, 5, {sad,happy}, {1,2}, a  , (1.5,2)",
        ],
    ),
    (
        "truncate of two tables",
        &[
            "type public.mood",
            "type pg_catalog.int2",
            "type public._mood",
            "type public._small",
            "relation public.typed d: id!, m, s, ms, ss, c, p",
            "truncate 2 tables cascade restart identity",
        ],
    ),
    (
        "a partitioned table",
        &[
            "relation public.parted d: id!, what",
            "relation public.parted_low d: what, id!",
            "insert parted: 1, one",
            "relation public.parted d: id!, what",
            "relation public.parted_high d: id!, what",
            "insert parted: 20, twenty",
        ],
    ),
    (
        "logical messages",
        &[
            "message outbox in the transaction: 7 bytes",
            "insert outbox: …34, User, k, t, {}",
            "message audit: 2 bytes",
        ],
    ),
    (
        "a transaction that came from another node",
        &["origin node a 16/B374D848", "insert outbox: …35, User, k, t, {}"],
    ),
    ("a subtransaction rolled back", &["insert outbox: …36, User, kept, t, {}"]),
    ("asked for binary", &["insert outbox: 16 binary, 4 binary, 1 binary, 1 binary, null"]),
];

/// Title and messages of each paragraph.
fn paragraphs() -> impl Iterator<Item = (&'static str, Vec<Vec<u8>>)> {
    MESSAGES.split("\n\n").skip(1).map(|paragraph| {
        let (title, rest) = paragraph.split_once('\n').expect("a title");
        let lines = rest.lines().filter(|line| !line.starts_with('#'));
        (title.trim_start_matches("# "), lines.map(bytes).collect())
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn cells<'a>(row: Tuple<'a>) -> Vec<Cell<'a>> {
    (0..row.len()).filter_map(|index| row.get(index)).collect()
}

fn row(row: Tuple<'_>) -> String {
    let cell = |cell| match cell {
        Cell::Null => "null".to_owned(),
        Cell::Unchanged => "unchanged".to_owned(),
        Cell::Binary(bytes) => format!("{} binary", bytes.len()),
        Cell::Text(text) if text.len() > 100 => format!("{} bytes", text.len()),
        Cell::Text(text) => {
            let text = std::str::from_utf8(text).expect("UTF-8");
            text.strip_prefix("59a42efd-b015-44a9-9dde-cb36d90024")
                .map_or(text.to_owned(), |end| format!("…{end}"))
        }
    };
    cells(row).into_iter().map(cell).collect::<Vec<_>>().join(", ")
}

fn old(old: &Old<'_>) -> String {
    match old {
        Old::Key(key) => format!("key {}", row(*key)),
        Old::Row(whole) => format!("row {}", row(*whole)),
    }
}

fn said(change: &Change<'_>) -> Option<String> {
    Some(match change {
        Change::Begin { .. } | Change::Commit { .. } => return None,
        Change::Relation(relation) => {
            let columns: Vec<String> = relation
                .columns
                .iter()
                .map(|column| format!("{}{}", column.name, if column.key { "!" } else { "" }))
                .collect();
            let columns = columns.join(", ");
            if relation.replica_identity == b'd'
                && columns == "id!, aggregatetype, aggregateid, type, payload"
            {
                return None;
            }
            let identity = char::from(relation.replica_identity);
            format!("relation {}.{} {identity}: {columns}", relation.schema, relation.table)
        }
        Change::Type { schema, name, .. } => format!("type {schema}.{name}"),
        Change::Origin { commit_lsn, name } => format!("origin {name} {commit_lsn}"),
        Change::Message { transactional, prefix, content, .. } => {
            let place = if *transactional { " in the transaction" } else { "" };
            format!("message {prefix}{place}: {} bytes", content.0.len())
        }
        Change::Insert { relation, new } => format!("insert {}: {}", relation.table, row(*new)),
        Change::Update { relation, old: None, new } => format!("update {}: {}", relation.table, row(*new)),
        Change::Update { relation, old: Some(before), new } => {
            format!("update {} from {}: {}", relation.table, old(before), row(*new))
        }
        Change::Delete { relation, old: before } => format!("delete {} {}", relation.table, old(before)),
        Change::Truncate { relations, cascade, restart_identity } => format!(
            "truncate {} tables{}{}",
            relations.oids().count(),
            if *cascade { " cascade" } else { "" },
            if *restart_identity { " restart identity" } else { "" }
        ),
    })
}

#[test]
fn what_postgres_wrote_says_what_was_done() {
    let mut expected = SAID.iter();
    for (title, messages) in paragraphs() {
        let (start, lines) = expected.next().expect("as many as in the file");
        assert!(title.starts_with(start), "{title}");
        let mut decoder = Decoder::new();
        let decoded: Vec<String> = messages
            .iter()
            .filter_map(|message| {
                said(&decoder.decode(message).unwrap_or_else(|error| panic!("{title}: {error}")))
            })
            .collect();
        assert_eq!(decoded, *lines, "{title}");
    }
    assert!(expected.next().is_none());
}

#[test]
fn a_commit_ends_the_transaction_its_begin_began() {
    let mut transactions = 0;
    for (title, messages) in paragraphs() {
        let mut decoder = Decoder::new();
        let mut open = None;
        for message in &messages {
            match decoder.decode(message).unwrap() {
                Change::Begin { commit_lsn, commit_us, xid } => {
                    assert!((700..1000).contains(&xid), "{title}");
                    open = Some((commit_lsn, commit_us));
                }
                Change::Commit { commit_lsn, end_lsn, commit_us } => {
                    assert_eq!(open.take(), Some((commit_lsn, commit_us)), "{title}");
                    assert!(end_lsn > commit_lsn, "{title}");
                    let recorded = 1_795_478_400_000_000..1_795_564_800_000_000;
                    let origins = 1_709_214_690_123_456;
                    assert!(recorded.contains(&commit_us) || commit_us == origins, "{title}: {commit_us}");
                    transactions += 1;
                }
                _ => {}
            }
        }
        assert!(open.is_none(), "{title}");
    }
    assert_eq!(transactions, 19);
}

#[test]
fn the_writer_of_the_tests_writes_what_postgres_wrote() {
    for (title, messages) in paragraphs() {
        let mut decoder = Decoder::new();
        for message in &messages {
            let written = match decoder.decode(message).unwrap() {
                Change::Begin { commit_lsn, commit_us, xid } => testing::begin(commit_lsn, commit_us, xid),
                Change::Commit { commit_lsn, end_lsn, commit_us } => {
                    testing::commit(commit_lsn, end_lsn, commit_us)
                }
                Change::Relation(relation) => testing::relation(&relation),
                Change::Type { oid, schema, name } => testing::user_type(oid, schema, name),
                Change::Origin { commit_lsn, name } => testing::origin(commit_lsn, name),
                Change::Message { transactional, lsn, prefix, content } => {
                    testing::message(transactional, lsn, prefix, content.0)
                }
                Change::Insert { relation, new } => testing::insert(relation.oid, &cells(new)),
                Change::Update { relation, old: None, new } => {
                    testing::update(relation.oid, None, &cells(new))
                }
                Change::Update { relation, old: Some(Old::Key(key)), new } => {
                    testing::update(relation.oid, Some(OldCells::Key(&cells(key))), &cells(new))
                }
                // Here the decoder filled in the value that Postgres had left out.
                Change::Update { old: Some(Old::Row(_)), .. } => continue,
                Change::Delete { relation, old: Old::Key(key) } => {
                    testing::delete(relation.oid, OldCells::Key(&cells(key)))
                }
                Change::Delete { relation, old: Old::Row(row) } => {
                    testing::delete(relation.oid, OldCells::Row(&cells(row)))
                }
                Change::Truncate { relations, cascade, restart_identity } => {
                    testing::truncate(&relations.oids().collect::<Vec<_>>(), cascade, restart_identity)
                }
            };
            assert_eq!(written, *message, "{title}");
        }
    }
}

#[test]
fn no_beginning_of_what_postgres_wrote_is_a_message() {
    for (title, messages) in paragraphs() {
        let mut decoder = Decoder::new();
        for message in &messages {
            for length in 0..message.len() {
                assert!(
                    decoder.decode(&message[..length]).is_err(),
                    "{title}: {length} of {}",
                    message.len()
                );
            }
            decoder.decode(message).unwrap();
        }
    }
}
