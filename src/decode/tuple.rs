//! A row as it came: cells that borrow the message's bytes.

use super::reader::Extent;
use std::fmt;

/// One cell of a row. Its `Debug` tells lengths only: a payload is in no log line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// A TOASTed value that an UPDATE left alone; its bytes are not in the stream.
    Unchanged,
    /// The value in text format.
    Text(&'a [u8]),
    /// The value in binary format (only when the stream was asked for it).
    Binary(&'a [u8]),
}

/// Where a cell lies in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Null,
    Unchanged,
    Text(Extent),
    Binary(Extent),
}

/// A row: the message it lies in, and where its cells are. Its `Debug` shows no content either.
#[derive(Clone, Copy)]
pub struct Tuple<'a> {
    pub(super) message: &'a [u8],
    pub(super) spans: &'a [Span],
}

impl<'a> Tuple<'a> {
    /// Number of cells.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// A row without cells.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The cell of column `index`; `None` when the row is shorter.
    pub fn get(&self, index: usize) -> Option<Cell<'a>> {
        Some(match *self.spans.get(index)? {
            Span::Null => Cell::Null,
            Span::Unchanged => Cell::Unchanged,
            Span::Text(extent) => Cell::Text(extent.of(self.message)),
            Span::Binary(extent) => Cell::Binary(extent.of(self.message)),
        })
    }
}

/// A row that did not come in a message: its cells are written one after the other. Filled again and again.
#[derive(Default)]
pub struct Cells {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Cells {
    /// Forgets the row, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }

    /// The next cell is NULL.
    pub fn null(&mut self) {
        self.spans.push(Span::Null);
    }

    /// The next cell is the text that `write` appends.
    pub fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.spans.push(Span::Text(Extent::between(start, self.bytes.len())));
    }

    /// The row so far.
    pub fn row(&self) -> Tuple<'_> {
        Tuple { message: &self.bytes, spans: &self.spans }
    }
}

impl fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Null => f.write_str("Null"),
            Cell::Unchanged => f.write_str("Unchanged"),
            Cell::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Cell::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

impl fmt::Debug for Tuple<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..self.len()).filter_map(|index| self.get(index))).finish()
    }
}
