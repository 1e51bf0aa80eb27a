//! What the router promises, from decoded messages to events; much of it as Debezium's `EventRouterTest` has it.

mod messages;
mod operations;
mod records;
mod tables;

use super::testing::defaults;
use super::{ColumnFacts, ColumnRule, Place, Placement, Plan, TableRule, TopicRule, java_regex};
use super::{Config, Event, Field, OnUpdate, Routed, Router, Skipped, TableFacts};
use crate::decode::Decoder;
use crate::decode::testing::{self, OldCells};
use crate::decode::value::{Kind, TypeFacts};
use crate::decode::{Cell, Relation};
use crate::lsn::Lsn;
use crate::rejection::{Reason, Rejection};

const BOOL: u32 = 16;
const BYTEA: u32 = 17;
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
const DATE: u32 = 1082;
const TIME: u32 = 1083;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;
const NUMERIC: u32 = 1700;
const UUID: u32 = 2950;
const JSONB: u32 = 3802;

const OID: u32 = 16_400;
const ID: &str = "da8d6de6-3b77-45ff-8f44-57db55a7a06c";

/// A column and its cell.
type Column<'a> = (&'a str, u32, Option<&'a str>);

/// The row that Debezium's own tests of the router use.
const USER_CREATED: [Column<'static>; 5] = [
    ("id", UUID, Some(ID)),
    ("aggregatetype", VARCHAR, Some("User")),
    ("aggregateid", VARCHAR, Some("10711fa5")),
    ("type", VARCHAR, Some("UserCreated")),
    ("payload", JSONB, Some("{}")),
];

fn place(column: &str, place: Place, alias: &str) -> Placement {
    Placement { column: column.to_owned(), place, alias: alias.to_owned() }
}

fn placing(placements: Vec<Placement>) -> Config {
    Config { placements, ..defaults() }
}

/// The row of Debezium's tests with these columns more, or with these instead of those of the same name.
fn with<'a>(columns: &[Column<'a>]) -> Vec<Column<'a>> {
    let mut row = USER_CREATED.to_vec();
    for column in columns {
        match row.iter_mut().find(|known| known.0 == column.0) {
            Some(known) => *known = *column,
            None => row.push(*column),
        }
    }
    row
}

fn relation(columns: &[Column<'_>]) -> Relation {
    let columns: Vec<_> = columns.iter().map(|&(name, oid, _)| (name, oid, name == "id")).collect();
    testing::described(OID, "public", "outbox", &columns)
}

fn cells<'a>(columns: &[Column<'a>]) -> Vec<Cell<'a>> {
    columns.iter().map(|(.., text)| text.map_or(Cell::Null, |text| Cell::Text(text.as_bytes()))).collect()
}

fn default(name: &str, expression: &str) -> ColumnFacts {
    ColumnFacts {
        name: name.to_owned(),
        default_expression: Some(expression.to_owned()),
        ..ColumnFacts::default()
    }
}

fn facts(columns: Vec<ColumnFacts>) -> TableFacts {
    TableFacts { columns }
}

/// A router and a decoder that know one table.
struct Outbox {
    router: Router,
    decoder: Decoder,
}

impl Outbox {
    fn new(config: Config, relation: &Relation, facts: &TableFacts) -> Outbox {
        let mut outbox = Outbox { router: Router::new(config), decoder: Decoder::new() };
        outbox.describe(relation, facts);
        outbox
    }

    fn describe(&mut self, relation: &Relation, facts: &TableFacts) {
        self.decoder.decode(&testing::relation(relation)).unwrap();
        if self.router.serves(relation) {
            self.router.learn(relation, facts);
        }
    }

    fn route<'s>(&'s mut self, message: &'s [u8]) -> Routed<'s> {
        self.router.route(&self.decoder.decode(message).unwrap())
    }

    fn insert<T>(&mut self, columns: &[Column<'_>], look: impl FnOnce(Event<'_>) -> T) -> T {
        let message = testing::insert(OID, &cells(columns));
        match self.route(&message) {
            Routed::Event(event) => look(event),
            other => panic!("not an event: {other:?}"),
        }
    }

    fn refuse(&mut self, columns: &[Column<'_>]) -> Rejection {
        let message = testing::insert(OID, &cells(columns));
        match self.route(&message) {
            Routed::Rejected(rejection) => rejection,
            other => panic!("not rejected: {other:?}"),
        }
    }
}

fn outbox(config: Config, columns: &[Column<'_>]) -> Outbox {
    Outbox::new(config, &relation(columns), &TableFacts::default())
}

fn insert<T>(config: Config, columns: &[Column<'_>], look: impl FnOnce(Event<'_>) -> T) -> T {
    outbox(config, columns).insert(columns, look)
}

fn refused(config: Config, columns: &[Column<'_>]) -> Rejection {
    outbox(config, columns).refuse(columns)
}

fn text<'a>(event: &Event<'a>, field: &Field) -> &'a str {
    match event.row.get(field.index) {
        Some(Cell::Text(text)) => std::str::from_utf8(text).unwrap(),
        other => panic!("{other:?}"),
    }
}
