//! Changes of rows as pgoutput sends them, through the router and the encoder.

use super::*;
use crate::decode::testing::{self, OldCells};
use crate::decode::value::TypeFacts;
use crate::decode::{Cell, Change, Decoder, Relation};
use crate::encode::{Context, HeaderConverter};
use crate::route::{
    ChangeRule, ColumnFacts, Operations, Routed, Router, TableFacts, TableRule, testing as routing,
};

const OID: u32 = 7;
const INT4: u32 = 23;
const TEXT: u32 = 25;

/// Table `shop.customer`: id, a name that is there, a note that need not be and has a default.
fn relation(identity: u8) -> Relation {
    let columns =
        [("id", INT4, identity != b'n'), ("name", TEXT, identity == b'f'), ("note", TEXT, identity == b'f')];
    Relation { replica_identity: identity, ..testing::described(OID, "shop", "customer", &columns) }
}

fn facts() -> TableFacts {
    let column = |name: &str, oid: u32, not_null: bool, key_position, default: Option<&str>| ColumnFacts {
        name: name.to_owned(),
        type_facts: TypeFacts { oid, ..TypeFacts::default() },
        not_null,
        primary_key: key_position == Some(1),
        key_position,
        default_expression: default.map(str::to_owned),
    };
    let columns = vec![
        column("id", INT4, true, Some(1), None),
        column("name", TEXT, true, None, None),
        column("note", TEXT, false, None, Some("'none'::text")),
    ];
    TableFacts { columns }
}

fn rule() -> ChangeRule {
    ChangeRule {
        database: "db".to_owned(),
        tombstones: true,
        skipped: Operations { truncate: true, ..Operations::default() },
        placeholder: "?".to_owned(),
        ..ChangeRule::default()
    }
}

fn json(schemas: bool) -> Converter {
    Converter::Json { schemas, decimal: DecimalFormat::Base64, replace_null_with_default: true }
}

fn config(key: Converter, value: Converter) -> Config {
    Config {
        key,
        value,
        header: HeaderConverter::Simple,
        context: Some(Context { logical_name: "app".to_owned(), run_id: "run".to_owned() }),
        verify: None,
        cloud: None,
        expand: None,
        messages: None,
        strict: false,
        max_record_bytes: 1 << 20,
    }
}

/// A record: key, value without source block and clock, headers before the context's.
type Told = (Option<String>, Option<String>, Vec<(String, String)>);

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The value without its source block and the clock.
fn short(value: String) -> String {
    let (Some(source), Some(op)) = (value.find(",\"source\""), value.find(",\"op\"")) else { return value };
    let end = value[op..].find(",\"ts_ms\"").map_or(value.len(), |end| op + end);
    format!("{}{}", &value[..source], &value[op..end])
}

fn told_with(rule: ChangeRule, config: Config, identity: u8, message: &[u8]) -> Result<Vec<Told>, String> {
    let at = At { lsn: Lsn::new(9), xid: Some(5), commit_us: 1_234_567, now_ns: 7_000_000, ..At::default() };
    let (mut decoder, mut encoder, mut out) = (Decoder::new(), Encoder::new(config), Outgoing::default());
    let tables = TableRule { unrouted: true, ..TableRule::default() };
    let mut router = Router::new(crate::route::Config { tables, changes: Some(rule), ..routing::defaults() });
    let described = testing::relation(&relation(identity));
    let Change::Relation(relation) = decoder.decode(&described).unwrap() else { panic!("no relation") };
    router.learn(&relation, &facts());
    let change = decoder.decode(message).unwrap();
    match router.route(&change) {
        Routed::Change(changed) => {
            let taken = encoder.change(&changed, &at, &mut out);
            assert!(taken.is_ok() || (out.is_empty() && out.bytes() == 0), "something is left");
            taken.map_err(|why| match why {
                NotEncoded::Rejected(rejection) => rejection.detail,
                NotEncoded::Asks(question) => panic!("{question:?}"),
            })?;
        }
        Routed::Truncated(plans) => {
            for plan in &plans {
                encoder.change(&Changed { plan, what: What::Truncated }, &at, &mut out).unwrap();
            }
        }
        other => return Err(format!("{other:?}")),
    }
    Ok(out
        .iter()
        .map(|record| {
            assert_eq!(
                (&**record.topic, record.partition, record.timestamp_ms),
                ("app.shop.customer", None, 7)
            );
            let headers = record.headers().map(|(name, value)| (name.to_owned(), text(value.unwrap())));
            let mut headers: Vec<(String, String)> = headers.collect();
            let context =
                headers.iter().position(|(name, _)| name.starts_with("__debezium.context.")).unwrap();
            assert_eq!(headers.split_off(context).len(), 4);
            (record.key.map(text), record.value.map(text).map(short), headers)
        })
        .collect())
}

fn told(identity: u8, message: &[u8]) -> Vec<Told> {
    told_with(rule(), config(json(false), json(false)), identity, message).unwrap()
}

fn plain(key: &str, value: &str) -> Told {
    (Some(key.to_owned()), Some(value.to_owned()), Vec::new())
}

const ANNA: [Cell<'static>; 3] = [Cell::Text(b"1"), Cell::Text(b"Anna"), Cell::Null];
const ANNA_JSON: &str = r#"{"id":1,"name":"Anna","note":"none"}"#;

#[test]
fn a_new_row_is_told_with_its_defaults() {
    let value = format!(r#"{{"before":null,"after":{ANNA_JSON},"op":"c""#);
    assert_eq!(told(b'd', &testing::insert(OID, &ANNA)), [plain(r#"{"id":1}"#, &value)]);
}

#[test]
fn of_a_deleted_row_the_key_is_told_and_zeros_where_something_must_be() {
    let old = [Cell::Text(b"1"), Cell::Null, Cell::Null];
    let message = testing::delete(OID, OldCells::Key(&old));
    let value = r#"{"before":{"id":1,"name":"","note":"none"},"after":null,"op":"d""#;
    let tombstone = (Some(r#"{"id":1}"#.to_owned()), None, Vec::new());
    assert_eq!(told(b'd', &message), [plain(r#"{"id":1}"#, value), tombstone]);
    let without = ChangeRule { tombstones: false, ..rule() };
    let config = config(json(false), json(false));
    assert_eq!(told_with(without, config, b'd', &message).unwrap().len(), 1);
}

#[test]
fn an_update_of_the_key_is_a_deleted_and_a_created_row() {
    let old = [Cell::Text(b"1"), Cell::Null, Cell::Null];
    let new = [Cell::Text(b"2"), Cell::Text(b"Anna"), Cell::Unchanged];
    let message = testing::update(OID, Some(OldCells::Key(&old)), &new);
    let header = |name: &str, key: &str| vec![(format!("__debezium.{name}"), key.to_owned())];
    let (old_key, new_key) = (Some(r#"{"id":1}"#.to_owned()), Some(r#"{"id":2}"#.to_owned()));
    let deleted = r#"{"before":{"id":1,"name":"","note":"none"},"after":null,"op":"d""#.to_owned();
    let created = r#"{"before":null,"after":{"id":2,"name":"Anna","note":"?"},"op":"c""#.to_owned();
    assert_eq!(
        told(b'd', &message),
        [
            (old_key.clone(), Some(deleted), header("newkey", r#"{"id":2}"#)),
            (old_key, None, header("newkey", r#"{"id":2}"#)),
            (new_key, Some(created.clone()), header("oldkey", r#"{"id":1}"#)),
        ]
    );
    let skipped = ChangeRule { skipped: Operations { delete: true, ..Operations::default() }, ..rule() };
    let left = told_with(skipped, config(json(false), json(false)), b'd', &message).unwrap();
    assert_eq!(left.iter().map(|(_, value, _)| value.clone()).collect::<Vec<_>>(), [Some(created)]);
}

#[test]
fn what_an_update_left_alone_is_the_old_rows_where_that_is_told() {
    let new = [Cell::Text(b"1"), Cell::Unchanged, Cell::Text(b"x")];
    let value = r#"{"before":null,"after":{"id":1,"name":"?","note":"x"},"op":"u""#;
    assert_eq!(told(b'd', &testing::update(OID, None, &new)), [plain(r#"{"id":1}"#, value)]);
    let value = format!(r#"{{"before":{ANNA_JSON},"after":{{"id":1,"name":"Anna","note":"x"}},"op":"u""#);
    let message = testing::update(OID, Some(OldCells::Row(&ANNA)), &new);
    assert_eq!(told(b'f', &message), [plain(r#"{"id":1}"#, &value)]);
}

#[test]
fn what_is_skipped_makes_no_event() {
    let same = testing::update(OID, Some(OldCells::Row(&ANNA)), &ANNA);
    let json = || config(json(false), json(false));
    assert_eq!(told(b'f', &same).len(), 1);
    let only_changed = ChangeRule { only_changed: true, ..rule() };
    assert_eq!(told_with(only_changed, json(), b'f', &same).unwrap_err(), "Skipped(Unchanged)");
    let no_updates = ChangeRule { skipped: Operations { update: true, ..Operations::default() }, ..rule() };
    assert_eq!(told_with(no_updates, json(), b'f', &same).unwrap_err(), "Skipped(Operation)");
    let truncate = testing::truncate(&[OID], false, false);
    assert_eq!(told_with(rule(), json(), b'd', &truncate).unwrap_err(), "Skipped(Truncate)");
    let all = ChangeRule { skipped: Operations::default(), ..rule() };
    let value = r#"{"before":null,"after":null,"op":"t""#.to_owned();
    assert_eq!(told_with(all, json(), b'd', &truncate).unwrap(), [(None, Some(value), Vec::new())]);
}

#[test]
fn the_key_is_of_the_columns_that_are_named_for_it() {
    let keys = ["SHOP.customer.name", r"shop\.customer\.id", "shop.other.note"];
    let keys = keys.iter().map(|regex| crate::route::java_regex(regex, true).unwrap()).collect();
    let named = ChangeRule { keys, ..rule() };
    let message = testing::insert(OID, &ANNA);
    let told = told_with(named, config(json(true), json(false)), b'd', &message).unwrap();
    let key = r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"name"},{"type":"int32","optional":false,"field":"id"}],"optional":false,"name":"app.shop.customer.Key"},"payload":{"name":"Anna","id":1}}"#;
    assert_eq!(told[0].0.as_deref(), Some(key));
}

#[test]
fn the_string_converter_prints_javas_structs() {
    let strings = config(Converter::String, Converter::String);
    let told = told_with(rule(), strings, b'd', &testing::insert(OID, &ANNA)).unwrap();
    let value = r#"Struct{after=Struct{id=1,name=Anna},source=Struct{version=3.6.3.Final,connector=postgresql,name=app,ts_ms=1234,db=db,sequence=[null,"9"],ts_us=1234567,ts_ns=1234567000,schema=shop,table=customer,txId=5,lsn=9},op=c,ts_ms=7,ts_us=7000,ts_ns=7000000}"#;
    assert_eq!(told, [(Some("Struct{id=1}".to_owned()), Some(value.to_owned()), Vec::new())]);
}

#[test]
fn a_converter_of_bytes_and_a_record_that_is_too_large_are_refused_and_leave_nothing() {
    let message = testing::delete(OID, OldCells::Key(&ANNA));
    let refused = told_with(rule(), config(json(false), Converter::Bytes), b'd', &message).unwrap_err();
    assert!(
        refused.contains("a change event is a STRUCT, and ByteArrayConverter takes BYTES only"),
        "{refused}"
    );
    let small = Config { max_record_bytes: 500, ..config(json(false), json(false)) };
    assert!(told_with(rule(), small, b'd', &message).unwrap_err().contains("max.request.size is 500"));
}

#[path = "change_framed_tests.rs"]
mod framed_tests;
