//! A row as it came: cells that borrow the message's bytes.

/// One cell of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    Text { start: u32, end: u32 },
    Binary { start: u32, end: u32 },
}

/// A row: the message it lies in, and where its cells are.
#[derive(Clone, Copy, Debug)]
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
            Span::Text { start, end } => Cell::Text(&self.message[start as usize..end as usize]),
            Span::Binary { start, end } => Cell::Binary(&self.message[start as usize..end as usize]),
        })
    }
}
