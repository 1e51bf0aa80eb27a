//! Change events, messages and what is told of transactions, when a transaction is split over several Kafka transactions and
//! a restart falls between two of them: everything is as in one that is not split, and is there once.

use super::*;
use crate::decode::Cell;
use crate::decode::testing::OldCells;
use crate::encode::DecimalFormat;
use crate::route::{ChangeRule, Operations, Prefixes, TableRule, java_regex};
use serde_json::Value;

const CUSTOMER: u32 = 17_000;
const INT4: u32 = 23;
const TEXT: u32 = 25;

fn at(lsn: u64, message: Vec<u8>) -> Vec<u8> {
    recorded::wal(Lsn::new(lsn), &message)
}

/// One row of each kind of change, each at an LSN of its own or sharing that of the one before, as rows of a COPY do.
fn changes() -> Vec<Vec<u8>> {
    let text = |text: &'static str| Cell::Text(text.as_bytes());
    let (anna, ben) = ([Cell::Text(b"1"), Cell::Null], [Cell::Text(b"2"), Cell::Null]);
    let outbox = |key: &'static str| ["59a42efd-b015-44a9-9dde-cb36d9002425", "User", key, "T", "{}"];
    let audit = |transactional, lsn| testing::message(transactional, Lsn::new(lsn), "audit", b"x");
    let other = testing::message(true, Lsn::new(1340), "other", b"not meant");
    vec![
        at(1310, testing::insert(CUSTOMER, &[text("1"), text("Anna")])),
        at(1310, testing::insert(CUSTOMER, &[text("2"), text("Ben")])),
        at(1320, testing::insert_text(OUTBOX, &outbox("a"))),
        at(1330, testing::update(CUSTOMER, None, &[text("1"), Cell::Unchanged])),
        at(1340, audit(true, 1340)),
        at(1340, other),
        at(1340, testing::update(CUSTOMER, Some(OldCells::Key(&ben)), &[text("3"), text("Ben")])),
        at(1350, testing::truncate(&[CUSTOMER], false, false)),
        at(1360, testing::insert_text(OUTBOX, &outbox("b"))),
        at(1370, testing::delete(CUSTOMER, OldCells::Key(&anna))),
        at(1380, audit(true, 1380)),
        at(1390, testing::insert(CUSTOMER, &[text("4"), text("Dora")])),
    ]
}

/// A transaction, a message of none, the one that is large and came from elsewhere, and another small one.
fn frames() -> Vec<Vec<u8>> {
    let customer =
        testing::described(CUSTOMER, "public", "customer", &[("id", INT4, true), ("name", TEXT, false)]);
    let relations = [at(0, testing::relation(&customer)), at(0, testing::relation(&testing::outbox(OUTBOX)))];
    let row = |lsn: u64, id: &str| at(lsn, testing::insert_text(CUSTOMER, &[id, "x"]));
    let transaction = |lsn: u64, xid: u32, rows: Vec<Vec<u8>>| {
        let begin = at(lsn, testing::begin(Lsn::new(lsn + 90), i64::from(xid) * 1_000_000, xid));
        let end = testing::commit(Lsn::new(lsn + 90), Lsn::new(lsn + 100), i64::from(xid) * 1_000_000);
        [vec![begin], rows, vec![at(lsn + 90, end)]].concat()
    };
    let origin = at(1300, testing::origin(Lsn::new(77), "elsewhere"));
    [
        transaction(1100, 7, [relations.to_vec(), vec![row(1110, "90")]].concat()),
        vec![at(1250, testing::message(false, Lsn::new(1250), "audit", b"alone"))],
        transaction(1300, 8, [vec![origin], changes()].concat()),
        transaction(1400, 9, vec![row(1410, "91")]),
    ]
    .concat()
}

/// A road on which customers and messages are told as they change, beside the outbox.
fn told(position: &Position, most: usize) -> Outcome {
    drive_as(position.clone(), most, frames(), |road| {
        let predicate = Some((java_regex("app\\.public\\.outbox", false).expect("a regex"), false));
        let rule = ChangeRule {
            database: "db".to_owned(),
            tombstones: true,
            skipped: Operations::default(),
            placeholder: "?".to_owned(),
            messages: Some(Prefixes {
                include: vec![java_regex("audit", true).expect("a regex")],
                exclude: Vec::new(),
            }),
            transactions: Some("app.transaction".into()),
            ..ChangeRule::default()
        };
        let json = || Converter::Json {
            schemas: false,
            decimal: DecimalFormat::Base64,
            replace_null_with_default: true,
        };
        road.router = Router::new(route::Config {
            tables: TableRule { predicate, ..TableRule::default() },
            changes: Some(rule),
            ..route::testing::defaults()
        });
        road.encoder = Encoder::new(EncodeConfig { key: json(), value: json(), ..encode() });
    })
}

/// Topic, key, value and headers of each record, without what the connector's clock says.
fn records<'b>(batches: impl IntoIterator<Item = &'b (Vec<String>, Batch)>) -> Vec<String> {
    let records = batches.into_iter().flat_map(|(_, batch)| batch.outgoing.iter());
    let text = |bytes: Option<&[u8]>| bytes.map_or("null".into(), String::from_utf8_lossy).into_owned();
    records
        .map(|record| {
            let mut value: Value = serde_json::from_str(&text(record.value)).expect("JSON");
            if let Some(value) = value.as_object_mut().filter(|value| value.contains_key("op")) {
                value.retain(|member, _| !member.starts_with("ts_"));
            }
            let headers: Vec<_> = record.headers().map(|(name, value)| (name, text(value))).collect();
            format!("{} {} {value} {headers:?}", record.topic, text(record.key))
        })
        .collect()
}

/// The position that is stored with a batch.
fn after(before: &Position, batch: &Batch) -> Position {
    let Batch { end_lsn, last_xid, last_commit_us, transactions, .. } = *batch;
    let (partial, transactions) = (batch.partial.clone(), before.transactions + transactions);
    Position { end_lsn, partial, last_xid, last_commit_us, transactions, ..before.clone() }
}

#[test]
fn an_unsplit_transaction_tells_what_it_has() {
    let outcome = told(&position(), 1000);
    outcome.result.as_ref().unwrap();
    let records = records(&outcome.batches);
    let has = |topic: &str| records.iter().filter(|record| record.starts_with(topic)).count();
    // The moved row and the deleted one have tombstones.
    let counts = ["app.transaction ", "app.public.customer ", "app.message ", "outbox.event.User "].map(has);
    assert_eq!(counts, [6, 12, 3, 2], "{records:#?}");
    let end = records.iter().find(|record| record.contains("\"END\"") && record.contains("8:1390"));
    let end = end.expect("the end of the large one");
    for words in [
        r#"{"data_collection":"public.outbox","event_count":2}"#,
        r#"{"data_collection":"LOGICAL_DECODING_MESSAGE","event_count":2}"#,
    ] {
        assert!(end.contains(words), "{end}");
    }
}

#[test]
fn wherever_a_transaction_is_split_and_the_road_begins_again_nothing_is_another() {
    let whole = records(&told(&position(), 1000).batches);
    let mut restarts = 0;
    for most in 1..=12 {
        let split = told(&position(), most);
        split.result.as_ref().unwrap();
        assert_eq!(records(&split.batches), whole, "split after {most}");
        let mut stored = position();
        for (at, (_, batch)) in split.batches.iter().enumerate() {
            stored = after(&stored, batch);
            let resumed = told(&stored, most);
            resumed.result.as_ref().unwrap();
            let published = split.batches.iter().take(at + 1).chain(&resumed.batches);
            assert_eq!(records(published), whole, "split after {most}, begun again after batch {at}");
            restarts += usize::from(stored.partial.is_some());
        }
    }
    assert!(restarts > 20, "only {restarts} restarts fell inside of a transaction");
}
