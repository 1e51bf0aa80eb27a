//! Writes pgoutput messages, for tests and benches: the decoder's mirror image.
//!
//! Enters: what a [`Change`](super::Change) would hold. Leaves: the bytes Postgres would have sent for it. Not part of
//! the product; nothing on the road calls it.

use super::tuple::Cell;
use super::{Column, Relation};
use crate::lsn::Lsn;

/// The old row of an UPDATE or DELETE message.
#[derive(Clone, Copy, Debug)]
pub enum OldCells<'a> {
    /// `K`: the replica identity's columns.
    Key(&'a [Cell<'a>]),
    /// `O`: the whole row.
    Row(&'a [Cell<'a>]),
}

/// A relation of replica identity `default`; columns as name, type OID and whether it is a key column.
pub fn described(oid: u32, schema: &str, table: &str, columns: &[(&str, u32, bool)]) -> Relation {
    let column = |&(name, type_oid, key): &(&str, u32, bool)| {
        let name = name.to_owned();
        Column { key, name, type_oid, type_modifier: -1 }
    };
    let columns = columns.iter().map(column).collect();
    let (schema, table) = (schema.to_owned(), table.to_owned());
    Relation { oid, schema, table, replica_identity: b'd', columns }
}

/// Debezium's usual outbox: `id` uuid, `aggregatetype`, `aggregateid` and `type` varchar, `payload` jsonb.
pub fn outbox(oid: u32) -> Relation {
    let varchar = 1043;
    let columns = [
        ("id", 2950, true),
        ("aggregatetype", varchar, false),
        ("aggregateid", varchar, false),
        ("type", varchar, false),
        ("payload", 3802, false),
    ];
    described(oid, "public", "outbox", &columns)
}

/// A Begin message.
pub fn begin(commit_lsn: Lsn, commit_us: i64, xid: u32) -> Vec<u8> {
    let mut bytes = vec![b'B'];
    lsn(&mut bytes, commit_lsn);
    time(&mut bytes, commit_us);
    bytes.extend(xid.to_be_bytes());
    bytes
}

/// A Message message.
pub fn message(transactional: bool, at: Lsn, prefix: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'M', u8::from(transactional)];
    lsn(&mut bytes, at);
    cstr(&mut bytes, prefix);
    sized(&mut bytes, content);
    bytes
}

/// A Commit message.
pub fn commit(commit_lsn: Lsn, end_lsn: Lsn, commit_us: i64) -> Vec<u8> {
    let mut bytes = vec![b'C', 0];
    lsn(&mut bytes, commit_lsn);
    lsn(&mut bytes, end_lsn);
    time(&mut bytes, commit_us);
    bytes
}

/// An Origin message.
pub fn origin(commit_lsn: Lsn, name: &str) -> Vec<u8> {
    let mut bytes = vec![b'O'];
    lsn(&mut bytes, commit_lsn);
    cstr(&mut bytes, name);
    bytes
}

/// A Relation message.
pub fn relation(relation: &Relation) -> Vec<u8> {
    let mut bytes = vec![b'R'];
    bytes.extend(relation.oid.to_be_bytes());
    schema(&mut bytes, &relation.schema);
    cstr(&mut bytes, &relation.table);
    bytes.push(relation.replica_identity);
    bytes.extend((relation.columns.len() as u16).to_be_bytes());
    for column in &relation.columns {
        bytes.push(u8::from(column.key));
        cstr(&mut bytes, &column.name);
        bytes.extend(column.type_oid.to_be_bytes());
        bytes.extend(column.type_modifier.to_be_bytes());
    }
    bytes
}

/// A Type message.
pub fn user_type(oid: u32, schema_name: &str, name: &str) -> Vec<u8> {
    let mut bytes = vec![b'Y'];
    bytes.extend(oid.to_be_bytes());
    schema(&mut bytes, schema_name);
    cstr(&mut bytes, name);
    bytes
}

/// An Insert message.
pub fn insert(oid: u32, new: &[Cell<'_>]) -> Vec<u8> {
    let mut bytes = vec![b'I'];
    bytes.extend(oid.to_be_bytes());
    row(&mut bytes, b'N', new);
    bytes
}

/// An Insert message whose cells are all text.
pub fn insert_text(oid: u32, new: &[&str]) -> Vec<u8> {
    let cells: Vec<Cell<'_>> = new.iter().map(|text| Cell::Text(text.as_bytes())).collect();
    insert(oid, &cells)
}

/// An Update message.
pub fn update(oid: u32, old: Option<OldCells<'_>>, new: &[Cell<'_>]) -> Vec<u8> {
    let mut bytes = vec![b'U'];
    bytes.extend(oid.to_be_bytes());
    if let Some(old) = old {
        old_row(&mut bytes, old);
    }
    row(&mut bytes, b'N', new);
    bytes
}

/// A Delete message.
pub fn delete(oid: u32, old: OldCells<'_>) -> Vec<u8> {
    let mut bytes = vec![b'D'];
    bytes.extend(oid.to_be_bytes());
    old_row(&mut bytes, old);
    bytes
}

/// A Truncate message.
pub fn truncate(oids: &[u32], cascade: bool, restart_identity: bool) -> Vec<u8> {
    let mut bytes = vec![b'T'];
    bytes.extend((oids.len() as u32).to_be_bytes());
    bytes.push(u8::from(cascade) | u8::from(restart_identity) << 1);
    bytes.extend(oids.iter().flat_map(|oid| oid.to_be_bytes()));
    bytes
}

fn lsn(bytes: &mut Vec<u8>, lsn: Lsn) {
    bytes.extend(lsn.as_u64().to_be_bytes());
}

/// µs since 1970 → µs since 2000, wrapping: only times near the end of the calendar do.
fn time(bytes: &mut Vec<u8>, us: i64) {
    bytes.extend(us.wrapping_sub(946_684_800_000_000).to_be_bytes());
}

fn cstr(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(text.bytes().filter(|&byte| byte != 0));
    bytes.push(0);
}

fn schema(bytes: &mut Vec<u8>, name: &str) {
    cstr(bytes, if name == "pg_catalog" { "" } else { name });
}

fn sized(bytes: &mut Vec<u8>, content: &[u8]) {
    bytes.extend((content.len() as u32).to_be_bytes());
    bytes.extend(content);
}

fn old_row(bytes: &mut Vec<u8>, old: OldCells<'_>) {
    match old {
        OldCells::Key(cells) => row(bytes, b'K', cells),
        OldCells::Row(cells) => row(bytes, b'O', cells),
    }
}

fn row(bytes: &mut Vec<u8>, kind: u8, cells: &[Cell<'_>]) {
    bytes.push(kind);
    bytes.extend((cells.len() as u16).to_be_bytes());
    for cell in cells {
        match *cell {
            Cell::Null => bytes.push(b'n'),
            Cell::Unchanged => bytes.push(b'u'),
            Cell::Text(text) => {
                bytes.push(b't');
                sized(bytes, text);
            }
            Cell::Binary(binary) => {
                bytes.push(b'b');
                sized(bytes, binary);
            }
        }
    }
}
