//! A letter, written as the connector writes it, becomes the record that the connector would have published.

use super::super::outbox::Found;
use super::*;
use crate::decode::testing::{described, insert, relation};
use crate::decode::value::{Binary, Modes};
use crate::decode::{Cell, Decoder};
use crate::encode::dead_letter::{self, DeadLetters};
use crate::encode::{Converter, Encoder, HeaderConverter};
use crate::lsn::Lsn;
use crate::postgres::catalog::{CatalogColumn, CatalogTable, CatalogType};
use crate::publish::letters::{self, Entry, Place};
use crate::rejection::{Origin, Rejection};
use crate::route::{Placement, testing};

const OID: u32 = 16_400;
const TEXT: u32 = 25;
const BYTEA: u32 = 17;
const UUID: u32 = 2950;

/// Columns: name, type, cell.
type Columns<'a> = Vec<(&'a str, u32, Option<&'a str>)>;

fn event<'a>(payload: (u32, Option<&'a str>)) -> Columns<'a> {
    vec![
        ("id", UUID, Some("59a42efd-b015-44a9-9dde-cb36d9002425")),
        ("aggregatetype", TEXT, Some("User")),
        ("aggregateid", BYTEA, Some("\\x006bff")),
        ("kind", TEXT, Some("tab\t\"quoted\" ü")),
        ("payload", payload.0, payload.1),
    ]
}

/// A table that has these columns, and these rows by id.
struct Fake {
    columns: Vec<(String, u32)>,
    rows: Vec<Row>,
}

impl Fake {
    fn of(columns: &Columns<'_>) -> Fake {
        let columns = columns.iter().map(|(name, oid, _)| ((*name).to_owned(), *oid)).collect();
        Fake { columns, rows: Vec::new() }
    }

    fn with(mut self, row: &Columns<'_>) -> Fake {
        let cell = |text: &Option<&str>| text.map(|text| text.as_bytes().to_vec());
        self.rows.push(row.iter().map(|(name, _, text)| ((*name).to_owned(), cell(text))).collect());
        self
    }
}

impl Outbox for Fake {
    fn look(&mut self, name: &str) -> Result<Option<Look>, Failure> {
        let column = |(name, oid): &(String, u32)| CatalogColumn {
            name: name.clone(),
            type_facts: CatalogType { oid: *oid, type_modifier: -1, ..CatalogType::default() },
            ..CatalogColumn::default()
        };
        let columns = self.columns.iter().map(column).collect();
        let (schema, table, kind) = ("public".to_owned(), "outbox".to_owned(), "r".to_owned());
        let table = CatalogTable { schema, table, kind, columns };
        Ok((name == "public.outbox").then_some(Look { oid: OID, table }))
    }

    fn row(&mut self, _: &Look, (column, id): (&str, &str), columns: &[&str]) -> Result<Found, Failure> {
        let is_it = |row: &&Row| row[column].as_deref() == Some(id.as_bytes());
        let mut found = self.rows.iter().filter(is_it);
        let asked = |row: &Row| columns.iter().map(|name| ((*name).to_owned(), row[*name].clone())).collect();
        Ok(match (found.next(), found.next()) {
            (None, _) => Found::Gone,
            (Some(row), None) => Found::One(asked(row)),
            (Some(_), Some(_)) => Found::Several,
        })
    }
}

fn route() -> route::Config {
    let place = route::Place::Header;
    let placement = Placement { column: "kind".to_owned(), place, alias: "eventType".to_owned() };
    route::Config { placements: vec![placement], ..testing::defaults() }
}

fn encode() -> encode::Config {
    let (key, value, header) = (Converter::String, Converter::String, HeaderConverter::Simple);
    let (context, verify, expand, messages) = (None, None, None, None);
    let (strict, max_record_bytes) = (false, 1 << 20);
    encode::Config {
        key,
        value,
        header,
        context,
        verify,
        cloud: None,
        expand,
        messages,
        strict,
        max_record_bytes,
    }
}

/// What the connector makes of a row: its record, where it can be one, and its letter.
fn published(route: &route::Config, columns: &Columns<'_>, letter_bytes: usize) -> (Outgoing, Outgoing) {
    let described_columns: Vec<_> =
        columns.iter().map(|(name, oid, _)| (*name, *oid, *name == "id")).collect();
    let table = described(OID, "public", "outbox", &described_columns);
    let (mut decoder, mut router) = (Decoder::new(), Router::new(route.clone()));
    decoder.decode(&relation(&table)).unwrap();
    router.learn(&table, &route::TableFacts::default());
    let cells: Vec<_> = columns
        .iter()
        .map(|(.., text)| text.map_or(Cell::Null, |text| Cell::Text(text.as_bytes())))
        .collect();
    let message = insert(OID, &cells);
    let change = decoder.decode(&message).unwrap();
    let (mut record, mut letter) = (Outgoing::default(), Outgoing::default());
    if let Routed::Event(event) = router.route(&change) {
        let _ = Encoder::new(encode()).encode(&event, NOW, &mut record);
    }
    let Change::Insert { relation, new } = change else { panic!("an insert") };
    let rejection = Rejection {
        reason: Reason::TooLarge,
        detail: "large".into(),
        hint: String::new(),
        table: "public.outbox".into(),
        event_id: None,
        origin: Origin { commit_lsn: Lsn::new(7), change: 1, xid: 3 },
    };
    let (connector, slot) = ("shop".to_owned(), "walpost".to_owned());
    let config = dead_letter::Config { topic: Arc::from("dlt"), connect_headers: true, connector, slot };
    let outline = router.outline(relation);
    let (rejection, topic) = (&rejection, Some("t"));
    let row = Some(dead_letter::Row { relation, cells: new, outline: &outline });
    let what =
        dead_letter::Letter { rejection, topic, lsn: Lsn::new(0x50), commit_us: 1, row, message: None };
    assert!(DeadLetters::new(config, letter_bytes).write(&what, NOW, &mut letter));
    (record, letter)
}

const NOW: i64 = 1_700_000_000_000;

/// The record of a letter, or why there is none; the replay is its second attempt.
fn replay(
    route: route::Config,
    to: Option<&str>,
    letter: &Outgoing,
    outbox: Fake,
) -> Result<Outgoing, Refusal> {
    let record = letter.last().unwrap();
    let Entry::Letter(told) = letters::read(Place::default(), record.headers()) else { panic!("a letter") };
    let stored = Stored::of(record.key, record.value, record.headers());
    let mut out = Outgoing::default();
    let mut rebuilder = Rebuilder::new(route, (encode(), None), to, outbox);
    let built = rebuilder.record(&told, &stored, (2, NOW), &mut out).unwrap();
    built.map(|()| out)
}

type Parts = (String, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>, i64);

fn parts(out: &Outgoing) -> Parts {
    let record = out.last().expect("a record");
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let headers = record.headers().map(|(name, value)| (name.to_owned(), owned(value))).collect();
    (record.topic.to_string(), owned(record.key), owned(record.value), headers, record.timestamp_ms)
}

/// The same record, with the count of replays after its headers.
fn assert_same(replayed: &Outgoing, original: &Outgoing) {
    let mut expected = parts(original);
    expected.3.push((ATTEMPTS.to_owned(), Some(b"2".to_vec())));
    assert_eq!(parts(replayed), expected);
}

#[test]
fn a_letter_becomes_the_record_byte_for_byte() {
    for payload in [
        (TEXT, Some("{\"a\":  1}")),
        (TEXT, Some("\\x00 is a text here")),
        (TEXT, Some("")),
        (TEXT, None),
        (BYTEA, Some("\\x00ff10")),
        (BYTEA, Some("\\x")),
    ] {
        let columns = event(payload);
        let (record, letter) = published(&route(), &columns, 1 << 20);
        assert_same(&replay(route(), None, &letter, Fake::of(&columns)).unwrap(), &record);
    }
}

#[test]
fn a_letter_that_was_cut_is_completed_from_its_row_or_says_that_it_is_gone() {
    let long = "x".repeat(5_000);
    let columns = event((TEXT, Some(&long)));
    // One that lost its payload, and one that lost everything.
    for bytes in [2_000, 10] {
        let (record, letter) = published(&route(), &columns, bytes);
        assert!(letter.last().unwrap().value.is_none());
        let refused = |outbox: Fake| replay(route(), None, &letter, outbox).unwrap_err().reason;
        assert_same(&replay(route(), None, &letter, Fake::of(&columns).with(&columns)).unwrap(), &record);
        assert_eq!(refused(Fake::of(&columns)), "row_gone");
        assert_eq!(refused(Fake::of(&columns).with(&columns).with(&columns)), "row_ambiguous");
        assert_eq!(refused(Fake::of(&columns).with(&event((TEXT, Some("other"))))), "row_changed");
    }
}

#[test]
fn bytes_are_kept_as_bytes_in_whatever_notation_they_are_published() {
    let columns = event((BYTEA, Some("\\x00ff10")));
    for binary in [Binary::Hex, Binary::Base64, Binary::Base64UrlSafe] {
        let route = route::Config { types: Modes { binary, ..Modes::default() }, ..route() };
        let (record, letter) = published(&route, &columns, 1 << 20);
        let kept = letter.last().unwrap();
        assert_eq!((kept.key, kept.value), (Some(&b"\0k\xff"[..]), Some(&b"\0\xff\x10"[..])));
        assert_same(&replay(route, None, &letter, Fake::of(&columns)).unwrap(), &record);
    }
}

#[test]
fn a_letter_that_was_cut_has_its_trace_context_again() {
    let (long, parent) = ("x".repeat(5_000), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let mut columns = event((TEXT, Some(&long)));
    columns.push(("context", TEXT, Some(parent)));
    let route = route::Config { trace: Some("context".into()), ..route() };
    let (record, letter) = published(&route, &columns, 10);
    assert!(record.last().unwrap().headers().any(|(name, _)| name == "traceparent"));
    assert_same(&replay(route, None, &letter, Fake::of(&columns).with(&columns)).unwrap(), &record);
}

#[test]
fn what_holds_still_is_refused_again_and_what_was_mended_is_not() {
    let mut columns = event((TEXT, Some("{}")));
    columns[1].2 = None;
    let (record, letter) = published(&route(), &columns, 1 << 20);
    assert!(record.is_empty());
    let refusal = replay(route(), None, &letter, Fake::of(&columns)).unwrap_err();
    assert_eq!(refusal.reason, "topic_illegal");
    assert!(refusal.hint.contains("--to-topic"), "{refusal:?}");
    let replayed = replay(route(), Some("rescue"), &letter, Fake::of(&columns)).unwrap();
    assert_eq!((&*parts(&replayed).0, parts(&replayed).2), ("rescue", Some(b"{}".to_vec())));

    columns[1].2 = Some("not a topic");
    let (_, letter) = published(&route(), &columns, 1 << 20);
    assert_eq!(parts(&replay(route(), Some("rescue"), &letter, Fake::of(&columns)).unwrap()).0, "rescue");
    let mut mended = route();
    mended.topic = TopicRule::new(".*", "any").unwrap();
    assert_eq!(parts(&replay(mended, None, &letter, Fake::of(&columns)).unwrap()).0, "any");
}

#[test]
fn a_column_that_was_looked_for_by_another_name_is_found_by_its_own() {
    let mut columns = event((TEXT, Some("{}")));
    columns[4].0 = "content";
    let (record, letter) = published(&route(), &columns, 1 << 20);
    assert!(record.is_empty());
    let refused = replay(route(), None, &letter, Fake::of(&columns)).unwrap_err();
    assert_eq!(refused.reason, "column_missing");
    let mended = route::Config { payload: "content".into(), ..route() };
    let (record, _) = published(&mended, &columns, 1 << 20);
    assert_same(&replay(mended, None, &letter, Fake::of(&columns)).unwrap(), &record);
}

#[test]
fn a_column_that_came_later_is_read_from_the_row_where_there_is_one() {
    let columns = event((TEXT, Some("{}")));
    let mut before = columns.clone();
    before.remove(3);
    let (_, letter) = published(&route::Config { ignore_missing: true, ..route() }, &before, 1 << 20);
    let (record, _) = published(&route(), &columns, 1 << 20);
    assert_same(&replay(route(), None, &letter, Fake::of(&columns).with(&columns)).unwrap(), &record);
    let refused = replay(route(), None, &letter, Fake::of(&columns)).unwrap_err();
    assert_eq!(refused.reason, "column_missing");
}

#[test]
fn a_letter_of_a_table_that_is_gone_or_served_no_more_says_so() {
    let columns = event((TEXT, Some("{}")));
    let (_, letter) = published(&route(), &columns, 1 << 20);
    let mut unserved = route();
    unserved.tables.exclude = vec![fancy_regex::Regex::new("^public\\.outbox$").unwrap()];
    let refused = replay(unserved, None, &letter, Fake::of(&columns)).unwrap_err();
    assert_eq!(refused.reason, "table_not_served");
    let record = letter.last().unwrap();
    let Entry::Letter(mut told) = letters::read(Place::default(), record.headers()) else { panic!() };
    told.table = "public.gone".into();
    let mut rebuilder = Rebuilder::new(route(), (encode(), None), None, Fake::of(&columns));
    let stored = Stored::of(record.key, record.value, record.headers());
    let built = rebuilder.record(&told, &stored, (2, NOW), &mut Outgoing::default()).unwrap();
    assert_eq!(built.unwrap_err().reason, "table_gone");
}

/// A letter of a message with this content, as the connector writes it.
fn of_message(content: &str, xid: u32) -> Outgoing {
    let (connector, slot) = ("shop".to_owned(), "walpost".to_owned());
    let config = dead_letter::Config { topic: Arc::from("dlt"), connect_headers: false, connector, slot };
    let rejection = Rejection {
        reason: Reason::TooLarge,
        detail: "large".into(),
        hint: String::new(),
        table: "logical decoding messages".into(),
        event_id: None,
        origin: Origin { commit_lsn: Lsn::new(7), change: 1, xid },
    };
    let message =
        dead_letter::Message { prefix: "outbox", lsn: crate::lsn::Lsn::new(7), content: content.as_bytes() };
    let (topic, mut letter) = (None, Outgoing::default());
    let what = dead_letter::Letter {
        rejection: &rejection,
        topic,
        lsn: Lsn::new(0x50),
        commit_us: 1,
        row: None,
        message: Some(message),
    };
    assert!(DeadLetters::new(config, 1 << 20).write(&what, NOW, &mut letter));
    letter
}

#[test]
fn a_letter_of_a_message_is_read_as_the_stream_reads_it() {
    let content =
        r#"{"id":"m-1","aggregatetype":"User","aggregateid":"k","kind":"made","payload":"text"} and more"#;
    let rule = route::MessageRule { alone: true, ..route::MessageRule::default() };
    let taking = |messages| route::Config { messages, ..route() };
    let columns = event((TEXT, None));
    let replay =
        |route, content: &str, xid| replay(route, None, &of_message(content, xid), Fake::of(&columns));
    for xid in [0, 3] {
        let mut router = Router::new(taking(Some(rule.clone())));
        let content = Content(content.as_bytes());
        let lsn = crate::lsn::Lsn::new(7);
        let change = Change::Message { transactional: xid != 0, lsn, prefix: "outbox", content };
        let Routed::Event(event) = router.route(&change) else { panic!("an event") };
        let mut record = Outgoing::default();
        Encoder::new(encode()).encode(&event, NOW, &mut record).unwrap();
        let replayed = replay(taking(Some(rule.clone())), std::str::from_utf8(content.0).unwrap(), xid);
        assert_same(&replayed.unwrap(), &record);
    }
    let refused = |route, content, xid| replay(route, content, xid).unwrap_err().reason;
    assert_eq!(refused(taking(Some(rule.clone())), "no JSON", 3), "payload_not_encodable");
    let strict = route::MessageRule::default();
    assert_eq!(
        refused(taking(Some(strict.clone())), content, 0),
        "payload_not_encodable",
        "of no transaction"
    );
    assert!(replay(taking(Some(strict)), content, 3).is_ok());
    assert_eq!(refused(taking(None), content, 3), "message_not_taken");
}
