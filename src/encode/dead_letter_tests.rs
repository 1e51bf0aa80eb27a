//! Letters of rows as pgoutput sends them.

use super::*;
use crate::decode::testing::{described, insert, relation};
use crate::decode::{self, Change, Decoder};
use crate::encode::RecordRef;
use crate::lsn::Lsn;
use crate::rejection::{Origin, Reason};
use crate::route::{self, ColumnFacts, MessageRule, Router, TableFacts, testing};

const BYTEA: u32 = 17;
const TEXT: u32 = 25;
const NOW: i64 = 1_700_000_000_000;

/// A column of the outbox and its cell.
type Column<'a> = (&'a str, u32, Cell<'a>);

fn text<'a>(name: &'a str, text: &'a str) -> Column<'a> {
    (name, TEXT, Cell::Text(text.as_bytes()))
}

fn row<'a>(payload: Column<'a>) -> Vec<Column<'a>> {
    vec![
        text("id", "e-1"),
        text("aggregatetype", "User"),
        text("aggregateid", "k"),
        text("type", "Made"),
        payload,
    ]
}

fn rejection(detail: &str) -> Rejection {
    Rejection {
        reason: Reason::HeaderNotEncodable,
        detail: detail.to_owned(),
        hint: "mend it".to_owned(),
        table: "public.outbox".to_owned(),
        event_id: Some("e-1".to_owned()),
        origin: Origin { commit_lsn: Lsn::new(0x1_0000_0020), change: 3, xid: 77 },
    }
}

fn write(letters: &mut DeadLetters, columns: &[Column<'_>], rejection: &Rejection, out: &mut Outgoing) {
    write_as(testing::defaults(), letters, columns, rejection, out);
}

fn write_as(
    route: route::Config,
    letters: &mut DeadLetters,
    columns: &[Column<'_>],
    rejection: &Rejection,
    out: &mut Outgoing,
) {
    let columns_described: Vec<_> =
        columns.iter().map(|(name, oid, _)| (*name, *oid, *name == "id")).collect();
    let table = described(16_400, "public", "outbox", &columns_described);
    let (mut decoder, mut router) = (Decoder::new(), Router::new(route));
    decoder.decode(&relation(&table)).unwrap();
    router.learn(&table, &TableFacts { columns: Vec::<ColumnFacts>::new() });
    let cells: Vec<_> = columns.iter().map(|(.., cell)| *cell).collect();
    let message = insert(16_400, &cells);
    let Ok(Change::Insert { relation, new }) = decoder.decode(&message) else { panic!("not an insert") };
    let outline = router.outline(relation);
    let letter = Letter {
        rejection,
        topic: Some("outbox.event.User"),
        lsn: Lsn::new(0x1_0000_0018),
        commit_us: 1_700_000_000_123_456,
        row: Some(Row { relation, cells: new, outline: &outline }),
        message: None,
    };
    assert!(letters.write(&letter, NOW, out), "a row always has a letter");
}

fn letters(max_bytes: usize, connect_headers: bool) -> DeadLetters {
    let (connector, slot) = ("shop".to_owned(), "walpost".to_owned());
    DeadLetters::new(Config { topic: Arc::from("dlt"), connect_headers, connector, slot }, max_bytes)
}

fn one(max_bytes: usize, columns: &[Column<'_>]) -> Outgoing {
    let mut out = Outgoing::default();
    write(&mut letters(max_bytes, false), columns, &rejection("no"), &mut out);
    assert_eq!(out.len(), 1);
    out
}

fn header<'a>(record: &RecordRef<'a>, wanted: &str) -> Option<&'a str> {
    let mut headers = record.headers().filter(|(name, _)| *name == wanted);
    let value = headers.next().map(|(_, value)| std::str::from_utf8(value.unwrap()).unwrap());
    assert!(headers.next().is_none(), "{wanted} is there twice");
    value
}

#[test]
fn a_letter_has_the_untouched_key_and_payload_and_everything_that_is_known() {
    let mut out = Outgoing::default();
    let payload = "{\"a\":  1, \"ü\": null}";
    let columns = row(text("payload", payload));
    write(&mut letters(1 << 20, false), &columns, &rejection("column x is BYTES"), &mut out);
    let letter = out.iter().next().unwrap();
    assert_eq!((&**letter.topic, letter.partition, letter.timestamp_ms), ("dlt", None, NOW));
    assert_eq!((letter.key, letter.value), (Some(&b"k"[..]), Some(payload.as_bytes())));
    assert_eq!(letter.letter, Some(Reason::HeaderNotEncodable));
    let hash = KeyHash::of("public.outbox", Some(b"User"), b"k").to_string();
    for (name, value) in [
        ("outbox.dlt.key.hash", &*hash),
        ("outbox.dlt.reason", "header_not_encodable"),
        ("outbox.dlt.stage", "HEADER_CONVERTER"),
        ("outbox.dlt.detail", "column x is BYTES"),
        ("outbox.dlt.attempts", "1"),
        ("outbox.dlt.slot", "walpost"),
        ("outbox.dlt.table", "public.outbox"),
        ("outbox.dlt.lsn", "1/18"),
        ("outbox.dlt.commit.lsn", "1/20"),
        ("outbox.dlt.xid", "77"),
        ("outbox.dlt.change", "3"),
        ("outbox.dlt.commit.ts", "1700000000123"),
        ("outbox.dlt.topic", "outbox.event.User"),
        ("outbox.dlt.event.id", "e-1"),
        ("outbox.dlt.event.type", "Made"),
        ("outbox.dlt.aggregate.type", "User"),
        ("outbox.dlt.aggregate.id", "k"),
        ("outbox.dlt.payload", "value"),
        ("outbox.dlt.payload.bytes", "21"),
        ("outbox.dlt.row", r#"{"id":"e-1","aggregatetype":"User","aggregateid":"k","type":"Made"}"#),
    ] {
        assert_eq!(header(&letter, name), Some(value), "{name}");
    }
    assert_eq!(letter.headers().len(), 20);
}

#[test]
fn connects_headers_are_there_on_request() {
    let mut out = Outgoing::default();
    write(&mut letters(1 << 20, true), &row(text("payload", "{}")), &rejection("no"), &mut out);
    let letter = out.iter().next().unwrap();
    for (name, value) in [
        ("topic", "outbox.event.User"),
        ("connector.name", "shop"),
        ("task.id", "0"),
        ("stage", "HEADER_CONVERTER"),
        ("exception.class.name", "walpost.header_not_encodable"),
        ("exception.message", "no"),
    ] {
        assert_eq!(header(&letter, &format!("__connect.errors.{name}")), Some(value), "{name}");
    }
}

#[test]
fn bytes_come_as_bytes_and_null_as_null() {
    let out = one(1 << 20, &row(("payload", BYTEA, Cell::Text(b"\\x00ff80"))));
    let letter = out.iter().next().unwrap();
    assert_eq!(letter.value, Some(&[0, 0xff, 0x80][..]));
    assert_eq!(header(&letter, "outbox.dlt.payload.bytes"), Some("3"));
    let out = one(1 << 20, &row(("payload", TEXT, Cell::Text(b"\\x00ff80"))));
    assert_eq!(out.iter().next().unwrap().value, Some(&b"\\x00ff80"[..]), "a text that only looks like it");

    let mut columns = row(("payload", BYTEA, Cell::Null));
    columns[2].2 = Cell::Null;
    let out = one(1 << 20, &columns);
    let letter = out.iter().next().unwrap();
    assert_eq!((letter.key, letter.value), (None, None));
    assert_eq!(header(&letter, "outbox.dlt.payload"), Some("null"));
    assert_eq!(header(&letter, "outbox.dlt.key.hash"), None, "without a key there is no order");
    assert_eq!(header(&letter, "outbox.dlt.aggregate.id"), None);
    let told = header(&letter, "outbox.dlt.row").unwrap();
    assert_eq!(told, r#"{"id":"e-1","aggregatetype":"User","aggregateid":null,"type":"Made"}"#);
}

#[test]
fn without_a_payload_column_the_row_has_everything() {
    let out = one(1 << 20, &row(text("content", "the \"content\"")));
    let letter = out.iter().next().unwrap();
    assert_eq!(letter.value, None);
    assert_eq!(header(&letter, "outbox.dlt.payload"), Some("row"));
    let told = header(&letter, "outbox.dlt.row").unwrap();
    assert!(told.ends_with(r#","content":"the \"content\""}"#), "{told}");
}

#[test]
fn a_value_that_an_update_left_alone_is_claimed() {
    let out = one(1 << 20, &row(("payload", TEXT, Cell::Unchanged)));
    let letter = out.iter().next().unwrap();
    assert_eq!((letter.value, header(&letter, "outbox.dlt.payload")), (None, Some("claim")));
    assert_eq!(header(&letter, "outbox.dlt.payload.bytes"), None);
}

#[test]
fn what_does_not_fit_is_cut_by_claim_the_payload_first() {
    let (large, key) = ("x".repeat(5_000), "k".repeat(4_000));
    let size = |out: &Outgoing| out.iter().next().unwrap().size();

    let fits = one(usize::MAX, &row(text("payload", &large)));
    let (out, cut) = (
        one(size(&fits), &row(text("payload", &large))),
        one(size(&fits) - 1, &row(text("payload", &large))),
    );
    assert_eq!(out.iter().next().unwrap().value.map(<[u8]>::len), Some(5_000));
    let letter = cut.iter().next().unwrap();
    assert_eq!((letter.key, letter.value), (Some(&b"k"[..]), None));
    for (name, value) in
        [("payload", "claim"), ("payload.bytes", "5000"), ("event.id", "e-1"), ("table", "public.outbox")]
    {
        assert_eq!(header(&letter, &format!("outbox.dlt.{name}")), Some(value), "{name}");
    }
    assert!(header(&letter, "outbox.dlt.row").is_some(), "the rest of the row is there");

    // Another column is large as well: then the row stays where it is.
    let mut columns = row(text("payload", &large));
    columns.push(text("more", &large));
    let out = one(4_000, &columns);
    let letter = out.iter().next().unwrap();
    assert_eq!((letter.key, letter.value, header(&letter, "outbox.dlt.row")), (Some(&b"k"[..]), None, None));
    assert_eq!(header(&letter, "outbox.dlt.payload"), Some("claim"));

    // And a key: what is left always fits, and says where to look.
    let mut columns = row(text("payload", &large));
    columns[2] = text("aggregateid", &key);
    let out = one(3_000, &columns);
    let letter = out.iter().next().unwrap();
    assert_eq!((letter.key, letter.value), (None, None));
    assert_eq!(header(&letter, "outbox.dlt.aggregate.id").map(str::len), Some(TEXT_MOST));
    assert!(size(&out) < 3_000, "{}", size(&out));
}

#[test]
fn a_cut_letter_leaves_nothing_of_the_attempts_before() {
    let (mut out, mut letters) = (Outgoing::default(), letters(2_000, false));
    for payload in ["x".repeat(1_999), "{}".to_owned()] {
        write(&mut letters, &row(text("payload", &payload)), &rejection("no"), &mut out);
    }
    let all: Vec<_> = out.iter().collect();
    let (first, second) = (&all[0], &all[1]);
    assert_eq!((first.value, second.value), (None, Some(&b"{}"[..])));
    assert_eq!(first.headers().len(), second.headers().len());
    assert!(out.bytes() < 1_500, "{}", out.bytes());
}

#[test]
fn a_long_text_is_shortened() {
    let mut out = Outgoing::default();
    write(&mut letters(1 << 20, true), &row(text("payload", "{}")), &rejection(&"ü".repeat(5_000)), &mut out);
    let letter = out.iter().next().unwrap();
    assert_eq!(header(&letter, "outbox.dlt.detail").unwrap().chars().count(), TEXT_MOST);
}

/// A letter of a message; what its content is as a row is told of an object only.
fn of_message(max_bytes: usize, prefix: &str, content: &[u8]) -> (bool, Outgoing) {
    let rule = MessageRule { alone: true, ..MessageRule::default() };
    let mut router = Router::new(route::Config { messages: Some(rule), ..testing::defaults() });
    let row = router.row_of(decode::Content(content)).ok();
    let letter = Letter {
        rejection: &rejection("no"),
        topic: None,
        lsn: Lsn::new(0x1_0000_0018),
        commit_us: 1_700_000_000_123_456,
        row: row.as_ref().map(|(read, outline)| Row { relation: &read.relation, cells: read.row, outline }),
        message: Some(Message { prefix, lsn: Lsn::new(0x1_0000_0010), content }),
    };
    let mut out = Outgoing::default();
    let is_written = letters(max_bytes, false).write(&letter, NOW, &mut out);
    (is_written, out)
}

#[test]
fn a_letter_of_a_message_has_its_content_untouched_and_says_where_it_lay() {
    let content = br#"{"aggregateid": 7,"type":"Made",  "payload":{"b": 1, "a":null}, "id":"m-1"}"#;
    let (_, out) = of_message(1 << 20, "outbox", content);
    let letter = out.iter().next().unwrap();
    assert_eq!((letter.key, letter.value), (Some(&b"7"[..]), Some(&content[..])));
    let bytes = content.len().to_string();
    for (name, value) in [
        ("message.prefix", Some("outbox")),
        ("message.lsn", Some("1/10")),
        ("commit.lsn", Some("1/20")),
        ("event.id", Some("m-1")),
        ("event.type", Some("Made")),
        ("aggregate.type", None),
        ("aggregate.id", Some("7")),
        ("payload", Some("value")),
        ("payload.bytes", Some(&*bytes)),
        ("row", None),
    ] {
        assert_eq!(header(&letter, &format!("outbox.dlt.{name}")), value, "{name}");
    }
}

#[test]
fn a_message_that_is_no_row_is_carried_all_the_same() {
    for content in [&b"not JSON"[..], b"", b"\xff\x00", b"{\"id\":", b"[{\"id\":1}]"] {
        let (is_written, out) = of_message(1 << 20, "any", content);
        let letter = out.iter().next().unwrap();
        assert!(is_written);
        assert_eq!((letter.key, letter.value), (None, Some(content)));
        assert_eq!(header(&letter, "outbox.dlt.payload"), Some("value"));
        assert_eq!(header(&letter, "outbox.dlt.event.id"), None);
    }
}

#[test]
fn a_message_that_does_not_fit_has_no_letter_as_no_row_keeps_it() {
    let content = "x".repeat(5_000);
    let (_, out) = of_message(usize::MAX, "any", content.as_bytes());
    let size = out.iter().next().unwrap().size();
    assert!(of_message(size, "any", content.as_bytes()).0);
    for most in [size - 1, 1_000] {
        let (is_written, out) = of_message(most, "any", content.as_bytes());
        assert!(!is_written && out.is_empty() && out.bytes() == 0);
    }
}

#[test]
fn columns_that_are_left_out_are_in_no_letter() {
    let mut columns = row(text("payload", "{}"));
    columns.push(text("secret", "hidden-1"));
    columns[3] = text("type", "hidden-2");
    let mut route = testing::defaults();
    let exclude = r"^public\.outbox\.(secret|type)$";
    route.tables.columns.exclude = vec![fancy_regex::Regex::new(exclude).unwrap()];
    let mut out = Outgoing::default();
    write_as(route, &mut letters(1 << 20, true), &columns, &rejection("no"), &mut out);
    let letter = out.last().unwrap();
    let all: Vec<_> = letter.headers().filter_map(|(_, value)| std::str::from_utf8(value?).ok()).collect();
    assert!(all.contains(&r#"{"id":"e-1","aggregatetype":"User","aggregateid":"k"}"#), "{all:?}");
    assert!(!all.iter().any(|text| text.contains("hidden")), "{all:?}");
}
