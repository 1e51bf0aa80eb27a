//! Reads tables, one after another, into a queue that is bounded by bytes.

use super::open::Table;
use crate::memory::{LARGE, Room, Share};
use crate::pipeline::trouble::Trouble;
use crate::postgres::copy;
use crate::postgres::session::Session;
use crate::source;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::Sender;

/// Rows are handed on together up to so many bytes.
const CHUNK: usize = 64 * 1024;

/// How many chunks may wait.
pub(super) fn waiting(queue_bytes: usize) -> usize {
    (queue_bytes / CHUNK).max(2)
}

/// What a reader has to say of a table, by its place among those that are read.
pub enum Item {
    /// Rows, in order.
    Rows(usize, Chunk),
    /// There are no more.
    End(usize),
    /// Reading came to an end.
    Failed(Trouble),
}

/// Lines of COPY's text format, each with its end.
#[derive(Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The room that a large row has been given; it is the only one then.
    pub share: Option<Share>,
}

impl Chunk {
    /// One more line.
    pub fn push(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.ends.push(self.bytes.len());
    }

    /// The lines, without their ends.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| {
            let line = &self.bytes[start..end];
            line.strip_suffix(b"\n").unwrap_or(line)
        })
    }
}

/// Gives out tables.
#[derive(Clone)]
pub(super) struct Queue {
    next: Arc<AtomicUsize>,
    end: usize,
}

impl Queue {
    pub(super) fn new(tables: usize) -> Queue {
        Queue { next: Arc::default(), end: tables }
    }

    fn next(&self) -> Option<usize> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        (next < self.end).then_some(next)
    }
}

/// What every reader needs.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) queue: Queue,
    pub(super) tables: Arc<[Table]>,
    pub(super) items: Sender<Item>,
    pub(super) room: Room,
}

/// Nobody takes rows any more.
struct Unwanted;

impl Reading {
    /// Reads one table after another, until there are no more.
    pub(super) async fn run(self, session: Session) {
        while let Some(number) = self.queue.next() {
            match self.table(&session, number).await {
                Ok(Ok(())) => {}
                Ok(Err(Unwanted)) => return,
                Err(trouble) => {
                    let _ = self.items.send(Item::Failed(trouble)).await;
                    return;
                }
            }
        }
    }

    async fn table(&self, session: &Session, number: usize) -> Result<Result<(), Unwanted>, Trouble> {
        let failed = |error| Trouble::postgres(&error, "reading the outbox's rows");
        let mut rows = copy::rows(session, &self.tables[number].select).await.map_err(failed)?;
        let mut chunk = Chunk::default();
        // The server sends one row a piece.
        while let Some(row) = rows.next().await.map_err(failed)? {
            let is_large = row.len() > LARGE;
            let is_full = is_large || chunk.bytes.len() + row.len() > CHUNK;
            if is_full
                && !chunk.ends.is_empty()
                && self.items.send(Item::Rows(number, std::mem::take(&mut chunk))).await.is_err()
            {
                return Ok(Err(Unwanted));
            }
            if is_large {
                chunk.share = Some(self.room_for(row.len()).await?);
            }
            chunk.bytes.reserve(if chunk.ends.is_empty() { row.len().max(CHUNK) } else { 0 });
            chunk.push(&row);
        }
        for last in [Item::Rows(number, chunk), Item::End(number)] {
            if self.items.send(last).await.is_err() {
                return Ok(Err(Unwanted));
            }
        }
        Ok(Ok(()))
    }

    /// Room for all the copies of a large row, of which the client that reads it has one more than the stream's reader.
    async fn room_for(&self, bytes: usize) -> Result<Share, Trouble> {
        if !self.room.can_hold(bytes) {
            let longest = self.room.longest();
            return Err(source::Error::TooLarge { bytes, longest, lsn: crate::lsn::Lsn::ZERO }.into());
        }
        Ok(self.room.take(2 * bytes).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were_pushed() {
        let mut chunk = Chunk::default();
        for line in [b"1\ta\n".as_slice(), b"\n", b"2\t\\n\n"] {
            chunk.push(line);
        }
        assert_eq!(chunk.lines().collect::<Vec<_>>(), [b"1\ta".as_slice(), b"", b"2\t\\n"]);
        assert_eq!(Chunk::default().lines().count(), 0);
    }
}
