//! Logical decoding messages as rows: what Debezium's `DecodeLogicalDecodingMessageContent` makes of their content.
//!
//! Enters: a content that is a JSON object. Leaves: a row with a column for each member, and a [`Relation`] of no table
//! that says what they are, the same for every message of the same members. Every column may be NULL. Not done here:
//! which prefixes matter, and taking apart members that are objects or arrays themselves: they stay text, of type
//! [`TREE`].

use super::json::{Document, Node, Renaming};
use super::relation::{Column, Relation};
use super::tuple::{Cells, Tuple};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The type of a member that is an object or an array. No type of Postgres has this OID.
pub const TREE: u32 = u32::MAX;

/// How many different kinds of messages are remembered; one more, and all are forgotten.
const MOST: usize = 1000;

/// Makes rows of messages, one after the other.
#[derive(Default)]
pub struct Rows {
    /// `fields.null.include`.
    keep_nulls: bool,
    document: Document,
    /// Nodes of the members' values, and where in the text they lie.
    values: Vec<(u32, Range<usize>)>,
    cells: Cells,
    /// Names and types of the members at hand.
    members: Vec<u8>,
    known: HashMap<Vec<u8>, Arc<Relation>>,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows({} known)", self.known.len())
    }
}

/// A message as a row.
#[derive(Debug)]
pub struct MessageRow<'s> {
    /// What its columns are.
    pub relation: Arc<Relation>,
    /// Messages of these members were not there before.
    pub is_new: bool,
    /// The row.
    pub row: Tuple<'s>,
}

/// Why a message is no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARow {
    /// It is not JSON that begins with a brace or a bracket.
    #[error("is not JSON that begins with a brace")]
    NotJson,
    /// It is an array.
    #[error("is a JSON array, not an object")]
    NotAnObject,
    /// A number that Connect has no type for.
    #[error("has a number for which there is no type")]
    TooBig,
}

impl Rows {
    /// With `keep_nulls`, members that are NULL are columns too.
    pub fn new(keep_nulls: bool) -> Rows {
        Rows { keep_nulls, ..Rows::default() }
    }

    /// Reads a message's content. What follows the JSON object is not looked at, as Jackson does not.
    pub fn read<'s>(&'s mut self, content: &[u8]) -> Result<MessageRow<'s>, NotARow> {
        if !matches!(content.first(), Some(b'{' | b'[')) || std::str::from_utf8(content).is_err() {
            return Err(NotARow::NotJson);
        }
        self.document.read(content, Renaming::Never).ok_or(NotARow::NotJson)?;
        if !matches!(self.document.node(0), Node::Object { .. }) {
            return Err(NotARow::NotAnObject);
        }
        self.values.clear();
        let places = Places { text: content, at: 0 };
        self.values.extend(self.document.values(0).zip(places));
        self.cells.clear();
        self.members.clear();
        let document = &self.document;
        for (name, value) in document.members(0) {
            let text = document.bytes(content, name);
            let Some(oid) = cell(document, value, content, &self.values, self.keep_nulls, &mut self.cells)?
            else {
                continue;
            };
            self.members.extend_from_slice(&(text.len() as u32).to_be_bytes());
            self.members.extend_from_slice(text);
            self.members.extend_from_slice(&oid.to_be_bytes());
        }
        let known = self.known.get(&self.members).cloned();
        let is_new = known.is_none();
        let relation = known.unwrap_or_else(|| self.remember());
        Ok(MessageRow { relation, is_new, row: self.cells.row() })
    }

    fn remember(&mut self) -> Arc<Relation> {
        if self.known.len() == MOST {
            self.known.clear();
        }
        let mut columns = Vec::new();
        let mut rest = self.members.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let Some((name, after)) = after.split_at_checked(u32::from_be_bytes(*length) as usize) else {
                break;
            };
            let Some((oid, after)) = after.split_first_chunk::<4>() else { break };
            columns.push(Column {
                key: false,
                name: String::from_utf8_lossy(name).into_owned(),
                type_oid: u32::from_be_bytes(*oid),
                type_modifier: -1,
            });
            rest = after;
        }
        let (schema, table) = (String::new(), String::new());
        // OIDs as small as these belong to no user's table.
        let oid = self.known.len() as u32 + 1;
        let relation = Arc::new(Relation { oid, schema, table, replica_identity: b'n', columns });
        self.known.insert(self.members.clone(), Arc::clone(&relation));
        relation
    }
}

/// Appends the cell of a member, and says its type; `None` when it is dropped, as NULL and arrays of nothing are.
fn cell(
    document: &Document,
    value: u32,
    content: &[u8],
    values: &[(u32, Range<usize>)],
    keep_nulls: bool,
    cells: &mut Cells,
) -> Result<Option<u32>, NotARow> {
    const BOOL: u32 = 16;
    const BYTEA: u32 = 17;
    const INT8: u32 = 20;
    const INT4: u32 = 23;
    const TEXT: u32 = 25;
    const FLOAT8: u32 = 701;
    let number =
        |out: &mut Vec<u8>, text: &dyn fmt::Display| out.extend_from_slice(text.to_string().as_bytes());
    let oid = match document.node(value) {
        Node::Null if keep_nulls => {
            cells.null();
            BYTEA
        }
        Node::Boolean(is) => {
            cells.text(|out| out.push(if is { b't' } else { b'f' }));
            BOOL
        }
        Node::Int(int) => {
            cells.text(|out| number(out, &int));
            INT4
        }
        Node::Long(long) => {
            cells.text(|out| number(out, &long));
            INT8
        }
        Node::Double(double) if double.is_finite() => {
            cells.text(|out| number(out, &double));
            FLOAT8
        }
        Node::Big | Node::Double(_) => return Err(NotARow::TooBig),
        Node::Text(span) => {
            cells.text(|out| out.extend_from_slice(document.bytes(content, span)));
            TEXT
        }
        Node::Array { end } if end > value + 1 => tree(value, content, values, cells),
        Node::Object { .. } => tree(value, content, values, cells),
        _ => return Ok(None),
    };
    Ok(Some(oid))
}

fn tree(value: u32, content: &[u8], values: &[(u32, Range<usize>)], cells: &mut Cells) -> u32 {
    let place = values.binary_search_by_key(&value, |(node, _)| *node).map(|at| values[at].1.clone());
    cells.text(|out| out.extend_from_slice(place.map_or(&[], |place| &content[place])));
    TREE
}

/// Where the values of the object lie that a text begins with. It has been read: it is JSON.
struct Places<'t> {
    text: &'t [u8],
    at: usize,
}

impl Iterator for Places<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let (mut depth, mut start) = (usize::from(self.at > 0), None);
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'"' => self.at = end_of_string(self.text, self.at),
                b'{' | b'[' => depth += 1,
                b':' if depth == 1 => start = Some(self.at + 1),
                b',' | b'}' if depth == 1 && start.is_some() => break,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            self.at += 1;
        }
        let (start, end) = (start?, self.at);
        let blanks = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let start = start + blanks(self.text.get(start..end)?);
        Some(start..end)
    }
}

/// The closing quote of the string that opens at `at`.
fn end_of_string(text: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(&byte) = text.get(end) {
        match byte {
            b'"' => return end,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Cell;

    /// Columns as `name:oid=cell`.
    fn told(rows: &mut Rows, content: &str) -> Result<(Vec<String>, u32, bool), NotARow> {
        let MessageRow { relation, is_new, row } = rows.read(content.as_bytes())?;
        let cell = |index| match row.get(index) {
            Some(Cell::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            Some(Cell::Null) => "NULL".to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(row.len(), relation.columns.len());
        let columns = relation.columns.iter().enumerate();
        let told = columns.map(|(at, column)| format!("{}:{}={}", column.name, column.type_oid, cell(at)));
        Ok((told.collect(), relation.oid, is_new))
    }

    #[test]
    fn each_member_is_a_column_of_the_type_it_has() {
        let content = r#"{"s": "a\"\u00fc,}", "t":true ,"i": 7,"l":-2147483649, "d":1.50, "n":null,"e":[], "o": {"a": [1, "]}"]} , "list" : [ {"x":1} ]}"#;
        let expected = [
            "s:25=a\"ü,}",
            "t:16=t",
            "i:23=7",
            "l:20=-2147483649",
            "d:701=1.5",
            "o:4294967295={\"a\": [1, \"]}\"]} ",
            "list:4294967295=[ {\"x\":1} ]",
        ];
        let (columns, ..) = told(&mut Rows::new(false), content).unwrap();
        assert_eq!(columns, expected);
        let (columns, ..) = told(&mut Rows::new(true), r#"{"n":null,"a":1}"#).unwrap();
        assert_eq!(columns, ["n:17=NULL", "a:23=1"]);
    }

    #[test]
    fn of_members_of_one_name_the_last_one_counts() {
        let (columns, ..) =
            told(&mut Rows::new(false), r#"{"a": {"x": 1}, "b": 2, "a": {"y": {"z": 3}}}  and more"#)
                .unwrap();
        assert_eq!(columns, ["a:4294967295={\"y\": {\"z\": 3}}", "b:23=2"]);
        assert_eq!(told(&mut Rows::new(false), "{}").unwrap().0, [""; 0]);
    }

    #[test]
    fn messages_of_the_same_members_have_the_same_relation() {
        let mut rows = Rows::new(false);
        let mut of = |content| told(&mut rows, content).map(|(_, oid, is_new)| (oid, is_new));
        assert_eq!(of(r#"{"a":1,"b":"x"}"#), Ok((1, true)));
        assert_eq!(of(r#"{"a":2,"b":"y"}"#), Ok((1, false)));
        assert_eq!(of(r#"{"a":"1","b":"x"}"#), Ok((2, true)));
        assert_eq!(of(r#"{"b":"x","a":1}"#), Ok((3, true)));
    }

    #[test]
    fn what_is_no_object_is_no_row() {
        for (content, why) in [
            ("", NotARow::NotJson),
            ("hello", NotARow::NotJson),
            (" {}", NotARow::NotJson),
            ("{", NotARow::NotJson),
            ("{\"a\":1,}", NotARow::NotJson),
            ("[{\"a\":1}]", NotARow::NotAnObject),
            ("{\"a\":9223372036854775808}", NotARow::TooBig),
            ("{\"a\":1e400}", NotARow::TooBig),
        ] {
            assert_eq!(told(&mut Rows::new(false), content).unwrap_err(), why, "{content}");
        }
        assert_eq!(Rows::new(false).read(b"{\"a\":\"\xff\"}").unwrap_err(), NotARow::NotJson);
    }
}
