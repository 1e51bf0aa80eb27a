//! A batch's tables in a database of their own, their rows, and both slots: Debezium's and ours.

use super::case::Case;
use super::columns::PRELUDE;
use crate::session;
use crate::support::{Database, DatabaseHandle};
use walpost::pipeline::tables;
use walpost::postgres::catalog;
use walpost::postgres::session::Session;
use walpost::route::TableFacts;

/// What was written, and where.
pub struct Rows {
    database: DatabaseHandle,
    batch: String,
    cases: Vec<Written>,
    sentinel: u64,
}

/// One case's table, and the stream's messages that are of it or of no table.
#[derive(Clone)]
pub struct Written {
    pub facts: TableFacts,
    oid: u32,
    /// With their LSNs, in order.
    pub messages: Vec<(u64, Vec<u8>)>,
}

/// A row that was inserted, updated or deleted.
#[derive(Clone, Copy)]
pub struct Change {
    pub lsn: u64,
    pub is_insert: bool,
}

impl Rows {
    /// Makes tables and slots, and then writes.
    pub fn write(database: &Database, batch: &str, cases: &[Case], slot: &str) -> Rows {
        let database = database.fresh_database();
        database.execute(PRELUDE);
        for case in cases {
            database.execute(&case.ddl());
        }
        database
            .execute("create table sentinel (id int primary key); create publication golden for all tables");
        database.execute(&format!(
            "select pg_create_logical_replication_slot('{slot}_{batch}', 'pgoutput'),
                    pg_create_logical_replication_slot('ours_{batch}', 'pgoutput')"
        ));
        for case in cases {
            database.execute(&case.sql().join(";\n"));
        }
        database.execute("insert into sentinel values (1)");
        let mut rows = Rows { database, batch: batch.to_owned(), cases: Vec::new(), sentinel: 0 };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(rows.read(cases));
        rows
    }

    async fn read(&mut self, cases: &[Case]) {
        let session = session(&self.database).await;
        for case in cases {
            let sql = "select $1::text::regclass::oid";
            let name = super::case::quoted(&case.table);
            let oid: u32 = session.query_one(sql, &[&name]).await.expect("a table").get(0);
            let table = catalog::describe(&session, oid).await.expect("its description").expect("the table");
            self.cases.push(Written { facts: tables::facts(&table.columns), oid, messages: Vec::new() });
        }
        for (lsn, message) in self.messages(&session).await {
            // Insert, update, delete and relation begin with the table's OID.
            let of_table = matches!(message[0], b'I' | b'U' | b'D' | b'R');
            let oid = u32::from_be_bytes(message[1..5].try_into().expect("four bytes"));
            for case in self.cases.iter_mut().filter(|case| !of_table || case.oid == oid) {
                case.messages.push((lsn, message.clone()));
            }
            if message[0] == b'I' {
                self.sentinel = lsn; // the last one is
            }
        }
    }

    async fn messages(&self, session: &Session) -> Vec<(u64, Vec<u8>)> {
        let sql =
            "select (lsn - '0/0')::int8, data from pg_logical_slot_get_binary_changes($1::text, null, null,
             'proto_version', '1', 'publication_names', 'golden')";
        let rows = session.query(sql, &[&format!("ours_{}", self.batch)]).await.expect("changes");
        rows.iter().map(|row| (row.get::<_, i64>(0) as u64, row.get(1))).collect()
    }

    pub fn database(&self) -> &str {
        self.database.name()
    }

    /// The row that was written last.
    pub fn sentinel(&self) -> u64 {
        self.sentinel
    }

    pub fn inserts(&self) -> impl Iterator<Item = u64> {
        self.cases.iter().flat_map(Written::inserts)
    }

    /// How much of this text a row's longest column has, that is in it.
    pub fn share_in(&self, lsn: u64, text: &str) -> usize {
        let messages = self.cases.iter().flat_map(|case| &case.messages);
        let inserts = messages.filter(|(of, message)| *of == lsn && message[0] == b'I');
        let texts =
            inserts.flat_map(|(_, message)| texts(message)).filter_map(|own| std::str::from_utf8(own).ok());
        texts.filter(|own| text.contains(own)).map(str::len).max().unwrap_or(0)
    }

    /// Of each case, in order.
    pub fn of_cases(self) -> Vec<Written> {
        self.cases
    }

    /// Until nobody reads the slot.
    pub fn wait_for_slot(&self, slot: &str) {
        self.database.wait_for(&format!(
            "select not active from pg_replication_slots where slot_name = '{slot}_{}'",
            self.batch
        ));
    }
}

impl Written {
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let changes = self.messages.iter().filter(|(_, message)| matches!(message[0], b'I' | b'U' | b'D'));
        changes.map(|(lsn, message)| Change { lsn: *lsn, is_insert: message[0] == b'I' })
    }

    /// The number of the insert that wrote this; `None` of an update or a deletion.
    pub fn row_of(&self, lsn: u64) -> Option<usize> {
        self.inserts().position(|insert| insert == lsn)
    }

    pub fn inserts(&self) -> impl Iterator<Item = u64> {
        self.changes().filter(|change| change.is_insert).map(|change| change.lsn)
    }
}

/// The texts of a row in pgoutput's messages (the manual's "Logical Replication Message Formats": a byte, the table's OID, tuples).
pub fn texts(message: &[u8]) -> Vec<&[u8]> {
    let (mut texts, mut rest) = (Vec::new(), &message[5..]);
    while let [_, high, low, tuple @ ..] = rest {
        rest = tuple;
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            let (kind, after) = rest.split_first().expect("a column");
            rest = after;
            if matches!(kind, b't' | b'b') {
                let (size, after) = rest.split_first_chunk().expect("a size");
                let (text, after) = after.split_at(u32::from_be_bytes(*size) as usize);
                texts.push(text);
                rest = after;
            }
        }
    }
    texts
}
