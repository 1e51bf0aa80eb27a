//! Records ready to send: one arena of bytes and where each record lies in it. No allocation per record.

use std::ops::Range;
use std::sync::Arc;

/// Encoded records in the order they are to be sent. Cleared and filled again, batch after batch.
#[derive(Default, Debug)]
pub struct Outgoing {
    bytes: Vec<u8>,
    headers: Vec<HeaderSpan>,
    records: Vec<Record>,
}

#[derive(Debug)]
struct HeaderSpan {
    name: Arc<str>,
    value: Option<Range<usize>>,
}

#[derive(Debug)]
struct Record {
    topic: Arc<str>,
    partition: Option<i32>,
    timestamp_ms: i64,
    /// Where its first byte lies.
    start: usize,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
}

/// A record, borrowed from its [`Outgoing`].
#[derive(Debug)]
pub struct RecordRef<'a> {
    /// Topic.
    pub topic: &'a Arc<str>,
    /// Partition, or the producer's partitioner.
    pub partition: Option<i32>,
    /// Timestamp, ms since 1970.
    pub timestamp_ms: i64,
    /// Key bytes.
    pub key: Option<&'a [u8]>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    outgoing: &'a Outgoing,
    header_range: Range<usize>,
}

impl<'a> RecordRef<'a> {
    /// Headers in order.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let outgoing = self.outgoing;
        outgoing.headers[self.header_range.clone()]
            .iter()
            .map(move |header| (&*header.name, header.value.clone().map(|range| &outgoing.bytes[range])))
    }
}

/// What a record begins with; its parts follow.
#[derive(Debug)]
pub struct Draft {
    bytes: usize,
    headers: usize,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
}

impl Outgoing {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// No record at all.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of all keys, values and header values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all records, keeps the memory; gives back what one huge batch took beyond `keep` bytes.
    pub fn clear(&mut self, keep: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(keep);
        self.headers.clear();
        self.records.clear();
    }

    /// Forgets all records but the first `records`.
    pub fn truncate(&mut self, records: usize) {
        let Some(first) = self.records.get(records) else { return };
        self.bytes.truncate(first.start);
        self.headers.truncate(first.headers.start);
        self.records.truncate(records);
    }

    /// Begins a record.
    pub fn draft(&mut self) -> Draft {
        Draft { bytes: self.bytes.len(), headers: self.headers.len(), key: None, value: None }
    }

    /// Appends the key through `write`; an `Err` leaves the draft to be abandoned.
    pub fn key<E>(
        &mut self,
        draft: &mut Draft,
        write: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
    ) -> Result<(), E> {
        draft.key = self.part(write)?;
        Ok(())
    }

    /// Appends the value through `write`.
    pub fn value<E>(
        &mut self,
        draft: &mut Draft,
        write: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
    ) -> Result<(), E> {
        draft.value = self.part(write)?;
        Ok(())
    }

    /// Appends a header through `write`.
    pub fn header<E>(
        &mut self,
        name: &Arc<str>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let value = self.part(write)?;
        self.headers.push(HeaderSpan { name: Arc::clone(name), value });
        Ok(())
    }

    /// Bytes written since the draft began, plus an allowance for names and framing.
    pub fn size(&self, draft: &Draft) -> usize {
        let names: usize = self.headers[draft.headers..].iter().map(|header| header.name.len() + 10).sum();
        self.bytes.len() - draft.bytes + names
    }

    /// Ends the record.
    pub fn finish(&mut self, draft: Draft, topic: &Arc<str>, partition: Option<i32>, timestamp_ms: i64) {
        let headers = draft.headers..self.headers.len();
        let (start, key, value) = (draft.bytes, draft.key, draft.value);
        self.records.push(Record {
            topic: Arc::clone(topic),
            partition,
            timestamp_ms,
            start,
            key,
            value,
            headers,
        });
    }

    /// Takes back what the draft wrote.
    pub fn abandon(&mut self, draft: Draft) {
        self.bytes.truncate(draft.bytes);
        self.headers.truncate(draft.headers);
    }

    /// The records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> {
        self.records.iter().map(|record| RecordRef {
            topic: &record.topic,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
            key: record.key.clone().map(|range| &self.bytes[range]),
            value: record.value.clone().map(|range| &self.bytes[range]),
            outgoing: self,
            header_range: record.headers.clone(),
        })
    }

    /// `write` answers whether there are bytes at all: `Ok(false)` is null, not empty.
    fn part<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
    ) -> Result<Option<Range<usize>>, E> {
        let start = self.bytes.len();
        let present = write(&mut self.bytes)?;
        Ok(present.then(|| start..self.bytes.len()))
    }
}
