//! One variant per message of pgoutput protocol 1, in the manual's order.
//!
//! Enters: one message. Leaves: a [`Change`] whose strings and cells still lie in it. Promised: a message that ends too
//! early or too late, names a table nobody described, or has another number of cells than its table has columns, is an
//! [`Error`]. Not done here: streamed and prepared transactions, which protocol 1 does not have.

use super::Error;
use super::reader::{Reader, u32s};
use super::relation::{Column, Relation, RelationCache};
use super::tuple::{Span, Tuple};
use crate::lsn::Lsn;
use std::fmt;
use std::sync::Arc;

/// One decoded message. Times are µs since 1970-01-01 UTC.
#[derive(Clone, Debug)]
pub enum Change<'a> {
    /// A transaction begins.
    Begin {
        /// LSN of its commit record.
        commit_lsn: Lsn,
        /// Commit time.
        commit_us: i64,
        /// Transaction id.
        xid: u32,
    },
    /// A logical decoding message (`pg_logical_emit_message`).
    Message {
        /// Part of the transaction, or sent at once.
        transactional: bool,
        /// LSN of the message.
        lsn: Lsn,
        /// Its prefix.
        prefix: &'a str,
        /// Its content.
        content: Content<'a>,
    },
    /// The transaction ends.
    Commit {
        /// LSN of the commit record; equal to its Begin's.
        commit_lsn: Lsn,
        /// End of the commit record: the position to confirm, exactly.
        end_lsn: Lsn,
        /// Commit time.
        commit_us: i64,
    },
    /// The transaction came from another node.
    Origin {
        /// LSN there.
        commit_lsn: Lsn,
        /// Its name.
        name: &'a str,
    },
    /// What a table looks like from here on.
    Relation(Arc<Relation>),
    /// A user-defined type.
    Type {
        /// OID of the type.
        oid: u32,
        /// Schema.
        schema: &'a str,
        /// Name.
        name: &'a str,
    },
    /// A row was inserted.
    Insert {
        /// Its table.
        relation: &'a Arc<Relation>,
        /// The row.
        new: Tuple<'a>,
    },
    /// A row was updated.
    Update {
        /// Its table.
        relation: &'a Arc<Relation>,
        /// The old row or its key, where the replica identity gives one.
        old: Option<Old<'a>>,
        /// The new row.
        new: Tuple<'a>,
    },
    /// A row was deleted.
    Delete {
        /// Its table.
        relation: &'a Arc<Relation>,
        /// The old row or its key.
        old: Old<'a>,
    },
    /// Tables were truncated.
    Truncate {
        /// Their OIDs, as big-endian bytes of the message: see [`Truncated::oids`].
        relations: Truncated<'a>,
        /// TRUNCATE … CASCADE.
        cascade: bool,
        /// TRUNCATE … RESTART IDENTITY.
        restart_identity: bool,
    },
}

/// What an UPDATE or DELETE tells of the row before.
#[derive(Clone, Copy, Debug)]
pub enum Old<'a> {
    /// The columns of the replica identity; the others are NULL.
    Key(Tuple<'a>),
    /// The whole row (REPLICA IDENTITY FULL).
    Row(Tuple<'a>),
}

/// The content of a logical decoding message. Its `Debug` tells the length only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Content<'a>(pub &'a [u8]);

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// The OIDs of truncated tables.
#[derive(Clone, Copy, Debug)]
pub struct Truncated<'a>(&'a [u8]);

impl Truncated<'_> {
    /// The OIDs.
    pub fn oids(&self) -> impl Iterator<Item = u32> + '_ {
        u32s(self.0)
    }
}

/// Decodes the messages of one connection, and remembers its relations.
#[derive(Default, Debug)]
pub struct Decoder {
    relations: RelationCache,
    /// Where the cells of the message at hand lie; kept between messages for their memory alone.
    old: Vec<Span>,
    new: Vec<Span>,
}

/// Which rows an UPDATE or DELETE message holds beside the new one.
enum OldKind {
    Key,
    Row,
}

impl Decoder {
    /// A decoder for a new connection: it knows no relation.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Decodes one message; what is returned borrows it and this decoder.
    pub fn decode<'s>(&'s mut self, message: &'s [u8]) -> Result<Change<'s>, Error> {
        let (kind, mut reader) = Reader::begin(message, name_of)?;
        let change = match kind {
            b'I' => return self.insert(message, reader),
            b'U' => return self.update(message, reader),
            b'D' => return self.delete(message, reader),
            b'B' => begin(&mut reader)?,
            b'C' => commit(&mut reader)?,
            b'R' => Change::Relation(self.relations.insert(relation(&mut reader)?)),
            b'M' => logical_message(&mut reader)?,
            b'O' => origin(&mut reader)?,
            b'Y' => user_type(&mut reader)?,
            b'T' => truncate(&mut reader)?,
            _ => {
                return Err(reader.error(format!("message type {:?} is not of protocol 1", char::from(kind))));
            }
        };
        reader.end()?;
        Ok(change)
    }

    fn insert<'s>(&'s mut self, message: &'s [u8], mut reader: Reader<'_>) -> Result<Change<'s>, Error> {
        let relation = known(&mut self.relations, &mut reader)?;
        expect_new(&mut reader)?;
        tuple(&mut reader, relation, &mut self.new)?;
        reader.end()?;
        Ok(Change::Insert { relation, new: Tuple { message, spans: &self.new } })
    }

    fn update<'s>(&'s mut self, message: &'s [u8], mut reader: Reader<'_>) -> Result<Change<'s>, Error> {
        let relation = known(&mut self.relations, &mut reader)?;
        let old = match reader.u8("the kind of row")? {
            b'N' => None,
            kind => {
                let kind = old_kind(kind, &reader)?;
                tuple(&mut reader, relation, &mut self.old)?;
                expect_new(&mut reader)?;
                Some(kind)
            }
        };
        tuple(&mut reader, relation, &mut self.new)?;
        reader.end()?;
        if old.is_some() {
            fill_unchanged(&mut self.new, &self.old);
        }
        let before = Tuple { message, spans: &self.old };
        let old = old.map(|kind| kind.of(before));
        Ok(Change::Update { relation, old, new: Tuple { message, spans: &self.new } })
    }

    fn delete<'s>(&'s mut self, message: &'s [u8], mut reader: Reader<'_>) -> Result<Change<'s>, Error> {
        let relation = known(&mut self.relations, &mut reader)?;
        let kind = reader.u8("the kind of row")?;
        let kind = old_kind(kind, &reader)?;
        tuple(&mut reader, relation, &mut self.old)?;
        reader.end()?;
        Ok(Change::Delete { relation, old: kind.of(Tuple { message, spans: &self.old }) })
    }
}

impl OldKind {
    fn of(self, row: Tuple<'_>) -> Old<'_> {
        match self {
            OldKind::Key => Old::Key(row),
            OldKind::Row => Old::Row(row),
        }
    }
}

/// The manual's name of a message.
fn name_of(kind: u8) -> &'static str {
    match kind {
        b'B' => "Begin",
        b'M' => "Message",
        b'C' => "Commit",
        b'O' => "Origin",
        b'R' => "Relation",
        b'Y' => "Type",
        b'I' => "Insert",
        b'U' => "Update",
        b'D' => "Delete",
        b'T' => "Truncate",
        _ => "of unknown type",
    }
}

fn begin<'a>(reader: &mut Reader<'a>) -> Result<Change<'a>, Error> {
    let commit_lsn = Lsn::new(reader.u64("the commit LSN")?);
    let commit_us = time(reader, "the commit time")?;
    Ok(Change::Begin { commit_lsn, commit_us, xid: reader.u32("the transaction id")? })
}

fn logical_message<'a>(reader: &mut Reader<'a>) -> Result<Change<'a>, Error> {
    let transactional = match reader.u8("the flags")? {
        0 => false,
        1 => true,
        flags => return Err(reader.error(format!("flags {flags:#04x} are unknown"))),
    };
    let lsn = Lsn::new(reader.u64("the LSN")?);
    let prefix = reader.cstr("the prefix")?;
    let length = reader.u32("the content's length")?;
    let content = Content(reader.bytes(length as usize, "the content")?);
    Ok(Change::Message { transactional, lsn, prefix, content })
}

fn commit<'a>(reader: &mut Reader<'a>) -> Result<Change<'a>, Error> {
    let flags = reader.u8("the flags")?;
    if flags != 0 {
        return Err(reader.error(format!("flags {flags:#04x} are unknown")));
    }
    let commit_lsn = Lsn::new(reader.u64("the commit LSN")?);
    let end_lsn = Lsn::new(reader.u64("the end LSN")?);
    Ok(Change::Commit { commit_lsn, end_lsn, commit_us: time(reader, "the commit time")? })
}

fn origin<'a>(reader: &mut Reader<'a>) -> Result<Change<'a>, Error> {
    let commit_lsn = Lsn::new(reader.u64("the commit LSN")?);
    Ok(Change::Origin { commit_lsn, name: reader.cstr("the name")? })
}

fn relation(reader: &mut Reader<'_>) -> Result<Relation, Error> {
    let oid = reader.u32("the table's OID")?;
    let schema = schema(reader)?.to_owned();
    let table = reader.cstr("the table's name")?.to_owned();
    let replica_identity = reader.u8("the replica identity")?;
    let count = usize::from(reader.u16("the number of columns")?);
    // A column takes at least ten bytes: what a malformed count can reserve is bounded by the message's length.
    let mut columns = Vec::with_capacity(count.min(reader.remaining() / 10));
    for _ in 0..count {
        columns.push(Column {
            key: reader.u8("a column's flags")? & 1 != 0,
            name: reader.cstr("a column's name")?.to_owned(),
            type_oid: reader.u32("a column's type")?,
            type_modifier: reader.i32("a column's type modifier")?,
        });
    }
    Ok(Relation { oid, schema, table, replica_identity, columns })
}

fn user_type<'a>(reader: &mut Reader<'a>) -> Result<Change<'a>, Error> {
    let oid = reader.u32("the type's OID")?;
    let schema = schema(reader)?;
    Ok(Change::Type { oid, schema, name: reader.cstr("the type's name")? })
}

fn truncate<'a>(reader: &mut Reader<'a>) -> Result<Change<'a>, Error> {
    let count = reader.u32("the number of tables")?;
    let options = reader.u8("the options")?;
    // A count whose bytes cannot even be counted asks for more than any message has.
    let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(4)).unwrap_or(usize::MAX);
    let relations = Truncated(reader.bytes(length, "the tables' OIDs")?);
    Ok(Change::Truncate { relations, cascade: options & 1 != 0, restart_identity: options & 2 != 0 })
}

/// µs since 2000-01-01, Postgres's epoch → µs since 1970-01-01.
fn time(reader: &mut Reader<'_>, what: &'static str) -> Result<i64, Error> {
    const EPOCHS_APART_US: i64 = 946_684_800_000_000;
    let since_2000 = reader.i64(what)?;
    since_2000.checked_add(EPOCHS_APART_US).ok_or_else(|| reader.error(format!("{what} is out of range")))
}

/// A schema name; the protocol abbreviates `pg_catalog` to nothing.
fn schema<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Error> {
    let schema = reader.cstr("the schema's name")?;
    Ok(if schema.is_empty() { "pg_catalog" } else { schema })
}

/// The table whose OID comes next.
fn known<'s>(relations: &'s mut RelationCache, reader: &mut Reader<'_>) -> Result<&'s Arc<Relation>, Error> {
    let oid = reader.u32("the table's OID")?;
    relations
        .get(oid)
        .ok_or_else(|| reader.error(format!("table {oid} was not described by a Relation message before")))
}

fn old_kind(kind: u8, reader: &Reader<'_>) -> Result<OldKind, Error> {
    match kind {
        b'K' => Ok(OldKind::Key),
        b'O' => Ok(OldKind::Row),
        _ => Err(reader.error(format!("row kind {:?} instead of 'K' or 'O'", char::from(kind)))),
    }
}

fn expect_new(reader: &mut Reader<'_>) -> Result<(), Error> {
    match reader.u8("the kind of row")? {
        b'N' => Ok(()),
        kind => Err(reader.error(format!("row kind {:?} instead of 'N'", char::from(kind)))),
    }
}

/// Reads a row's cells into `spans`, one for each column of its table.
#[inline]
fn tuple(reader: &mut Reader<'_>, relation: &Relation, spans: &mut Vec<Span>) -> Result<(), Error> {
    let count = usize::from(reader.u16("the number of cells")?);
    if count != relation.columns.len() {
        return Err(reader.error(format!(
            "{count} cells, but {}.{} has {} columns",
            relation.schema,
            relation.table,
            relation.columns.len()
        )));
    }
    spans.clear();
    spans.reserve(count);
    for _ in 0..count {
        let span = match reader.u8("a cell's kind")? {
            b't' => Span::Text(reader.extent("a cell")?),
            b'n' => Span::Null,
            b'u' => Span::Unchanged,
            b'b' => Span::Binary(reader.extent("a cell")?),
            kind => return Err(reader.error(format!("cell kind {:?} is unknown", char::from(kind)))),
        };
        spans.push(span);
    }
    Ok(())
}

/// A TOASTed value that the UPDATE left alone is not sent again; where the old row tells it, it is known all the same.
/// (A NULL there is no value: an old key leaves every other column NULL.)
fn fill_unchanged(new: &mut [Span], old: &[Span]) {
    for (new, old) in new.iter_mut().zip(old) {
        if let (Span::Unchanged, Span::Text(_) | Span::Binary(_)) = (*new, *old) {
            *new = *old;
        }
    }
}

#[cfg(test)]
#[path = "pgoutput_tests.rs"]
mod tests;
