//! COPY's text format becomes rows (manual, COPY, "Text Format").
//!
//! Enters: what the server sends, cut anywhere. Leaves: rows whose cells are the text that pgoutput would have sent: both
//! call the type's output function, and COPY escapes what it says. Pure.

use super::tuple::Cells;
use memchr::{memchr, memchr2};

/// Puts lines together that were cut.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line whose end is still to come.
    begun: Vec<u8>,
}

impl Lines {
    /// Calls `each` with every line that ends in `piece`, without its end.
    pub fn read<E>(
        &mut self,
        mut piece: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = memchr(b'\n', piece) {
            let (line, rest) = (&piece[..end], &piece[end + 1..]);
            if self.begun.is_empty() {
                each(line)?;
            } else {
                self.begun.extend_from_slice(line);
                each(&self.begun)?;
                self.begun.clear();
            }
            piece = rest;
        }
        self.begun.extend_from_slice(piece);
        Ok(())
    }
}

/// Reads a line as a row, in place of what `cells` held.
pub fn row(line: &[u8], cells: &mut Cells) {
    cells.clear();
    let mut rest = Some(line);
    while let Some(line) = rest {
        rest = match line {
            [b'\\', b'N'] => {
                cells.null();
                None
            }
            [b'\\', b'N', b'\t', after @ ..] => {
                cells.null();
                Some(after)
            }
            line => {
                let mut after = None;
                cells.text(|out| after = field(line, out));
                after
            }
        };
    }
}

/// Appends the field that the line begins with; what comes after it.
fn field<'l>(mut line: &'l [u8], out: &mut Vec<u8>) -> Option<&'l [u8]> {
    while let Some(at) = memchr2(b'\t', b'\\', line) {
        out.extend_from_slice(&line[..at]);
        if line[at] == b'\t' {
            return Some(&line[at + 1..]);
        }
        // No escape ends a line.
        let escaped = line.get(at + 1)?;
        out.push(match escaped {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            other => *other,
        });
        line = &line[at + 2..];
    }
    out.extend_from_slice(line);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Cell;
    use std::convert::Infallible;

    fn rows(pieces: &[&[u8]]) -> Vec<Vec<Option<String>>> {
        let (mut lines, mut cells, mut rows) = (Lines::default(), Cells::default(), Vec::new());
        for piece in pieces {
            let Ok(()) = lines.read(piece, |line| {
                row(line, &mut cells);
                let cell = |index| match cells.row().get(index) {
                    Some(Cell::Text(text)) => Some(String::from_utf8(text.to_vec()).unwrap()),
                    _ => None,
                };
                rows.push((0..cells.row().len()).map(cell).collect());
                Ok::<(), Infallible>(())
            });
        }
        rows
    }

    #[test]
    fn null_is_told_from_empty_and_from_the_text_that_looks_like_it() {
        assert_eq!(
            rows(&[b"a\t\\N\t\t\\\\N\n"]),
            [[Some("a".to_owned()), None, Some(String::new()), Some("\\N".to_owned())]]
        );
    }

    #[test]
    fn every_escape_is_taken_back() {
        assert_eq!(
            rows(&[b"\\b\\f\\n\\r\\t\\v\\\\\tx\\.\xc3\xbc\n"]),
            [[Some("\u{8}\u{c}\n\r\t\u{b}\\".to_owned()), Some("x.ü".to_owned())]]
        );
    }

    #[test]
    fn a_line_may_come_in_any_pieces() {
        let whole = b"1\ta\\nb\n2\t\\N\n\n";
        let expected = rows(&[whole]);
        assert_eq!(expected.len(), 3);
        for cut in 0..whole.len() {
            assert_eq!(rows(&[&whole[..cut], &whole[cut..]]), expected, "cut at {cut}");
        }
    }
}
