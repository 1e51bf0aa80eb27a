//! Records ready to send: one arena of bytes and where each record lies in it. No allocation per record.
//!
//! Names and topics are kept once, and headers that all records share once for all of them: a record is ranges and
//! numbers, so that filling and clearing a batch moves no reference count per record.

use super::interned::Interned;
use crate::rejection::{Origin, Reason};
use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

/// What Java's client takes a batch's head and the framing of its record to be, bytes.
const FRAMING: usize = 61 + 21;

/// Encoded records in the order they are to be sent. Cleared and filled again, batch after batch.
#[derive(Default, Debug)]
pub struct Outgoing {
    bytes: Vec<u8>,
    headers: Vec<HeaderSpan>,
    records: Vec<Record>,
    names: Interned,
    topics: Interned,
    shared: Vec<Arc<SharedHeaders>>,
    /// Bytes of shared headers, counted once for each record that has them.
    shared_bytes: usize,
    /// Where the records come from that are finished now.
    origin: Origin,
}

/// Headers that come first in many records, and are the same in all of them.
#[derive(Debug, Default)]
pub struct SharedHeaders {
    headers: Vec<(String, Option<Vec<u8>>)>,
    /// Bytes of the values.
    bytes: usize,
    /// Names and values as they are in a record, each with its length before it.
    framed: Vec<u8>,
}

#[derive(Debug)]
struct HeaderSpan {
    name: u32,
    value: Option<Range<usize>>,
}

#[derive(Debug)]
struct Record {
    topic: u32,
    shared: Option<u32>,
    partition: Option<i32>,
    timestamp_ms: i64,
    origin: Origin,
    letter: Option<Reason>,
    /// Where its bytes begin.
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
    /// The change it was made of.
    pub origin: Origin,
    /// Set in a dead letter: why it is one.
    pub letter: Option<Reason>,
    outgoing: &'a Outgoing,
    record: &'a Record,
}

impl<'a> RecordRef<'a> {
    /// Headers in order.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'a str, Option<&'a [u8]>)> + Clone + use<'a> {
        let outgoing = self.outgoing;
        let shared = outgoing.shared_of(self.record.shared).map_or(&[][..], |shared| &shared.headers);
        let own = &outgoing.headers[self.record.headers.clone()];
        (0..shared.len() + own.len()).map(move |index| match shared.get(index) {
            Some((name, value)) => (name.as_str(), value.as_deref()),
            None => outgoing.header_of(&own[index - shared.len()]),
        })
    }

    /// The first headers, as [`SharedHeaders::framed`] has them.
    pub fn framed_headers(&self) -> (usize, &'a [u8]) {
        let shared = self.outgoing.shared_of(self.record.shared);
        shared.map_or((0, &[]), |shared| (shared.headers.len(), shared.framed()))
    }

    /// The headers behind those.
    pub fn own_headers(
        &self,
    ) -> impl ExactSizeIterator<Item = (&'a str, Option<&'a [u8]>)> + Clone + use<'a> {
        let outgoing = self.outgoing;
        outgoing.headers[self.record.headers.clone()].iter().map(|span| outgoing.header_of(span))
    }

    /// As [`Outgoing::size`] says of its draft.
    pub fn size(&self) -> usize {
        let Record { shared, key, value, headers, .. } = self.record;
        self.outgoing.measure(*shared, key, value, &self.outgoing.headers[headers.clone()])
    }
}

/// What a record begins with; its parts follow.
#[derive(Debug)]
pub struct Draft {
    bytes: usize,
    headers: usize,
    shared: Option<u32>,
    letter: Option<Reason>,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
}

impl Draft {
    /// It becomes a dead letter, for this reason.
    pub fn letter(&mut self, reason: Reason) {
        self.letter = Some(reason);
    }
}

impl SharedHeaders {
    /// These headers, in this order.
    pub fn new(headers: Vec<(String, Option<Vec<u8>>)>) -> SharedHeaders {
        let bytes = headers.iter().filter_map(|(_, value)| value.as_ref().map(Vec::len)).sum();
        let mut framed = Vec::new();
        for (name, value) in &headers {
            frame(Some(name.as_bytes()), &mut framed);
            frame(value.as_deref(), &mut framed);
        }
        SharedHeaders { headers, bytes, framed }
    }

    /// As Kafka's records have headers (KIP-98, format 2): name and value, each with its length before it.
    pub fn framed(&self) -> &[u8] {
        &self.framed
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
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
        self.bytes.len() + self.shared_bytes
    }

    /// Forgets all records, keeps the memory; gives back what one huge batch took beyond `keep` bytes.
    pub fn clear(&mut self, keep: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(keep);
        self.headers.clear();
        self.records.clear();
        self.names.clear();
        self.topics.clear();
        self.shared.clear();
        self.shared_bytes = 0;
        self.origin = Origin::default();
    }

    /// Where the next records come from.
    pub fn at(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// Makes room for a large record in an allocation of at least `apart` bytes, whatever the record turns out to be.
    pub fn reserve(&mut self, record: usize, apart: usize) {
        let room = record.max(apart.saturating_sub(self.bytes.len()));
        self.bytes.reserve_exact(room);
    }

    /// Forgets all records but the first `records`.
    pub fn truncate(&mut self, records: usize) {
        let Some(first) = self.records.get(records) else { return };
        self.bytes.truncate(first.start);
        self.headers.truncate(first.headers.start);
        for record in self.records.split_off(records) {
            self.shared_bytes -= record.shared.map_or(0, |index| self.shared[index as usize].bytes);
        }
    }

    /// Begins a record.
    pub fn draft(&mut self) -> Draft {
        let (bytes, headers) = (self.bytes.len(), self.headers.len());
        Draft { bytes, headers, shared: None, letter: None, key: None, value: None }
    }

    /// Begins a record that has `shared` before headers of its own.
    pub fn draft_with(&mut self, shared: &Arc<SharedHeaders>) -> Draft {
        let known = self.shared.iter().rposition(|known| Arc::ptr_eq(known, shared));
        let index = known.unwrap_or_else(|| {
            self.shared.push(Arc::clone(shared));
            self.shared.len() - 1
        });
        Draft { shared: Some(index as u32), ..self.draft() }
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
        let name = self.names.index_of(name);
        self.headers.push(HeaderSpan { name, value });
        Ok(())
    }

    /// Appends a header through `write`, unless that says that there is none.
    pub fn header_if_any<E>(
        &mut self,
        name: &Arc<str>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let Some(value) = self.part(write)? else { return Ok(()) };
        let name = self.names.index_of(name);
        self.headers.push(HeaderSpan { name, value: Some(value) });
        Ok(())
    }

    /// The value, as far as it was written.
    pub fn written_value(&self, draft: &Draft) -> Option<&[u8]> {
        draft.value.clone().map(|range| &self.bytes[range])
    }

    /// The draft's size, if that is more than `most`; far from it, nobody looks at each header.
    pub fn oversize(&self, draft: &Draft, most: usize) -> Option<usize> {
        let may_exceed = self.size_at_most(draft) > most;
        may_exceed.then(|| self.size(draft)).filter(|size| *size > most)
    }

    fn size_at_most(&self, draft: &Draft) -> usize {
        // Of the lengths of key, value, headers, and of a header's two parts.
        const LENGTH: usize = 5;
        let own = self.headers.len() - draft.headers;
        let shared = self.shared_of(draft.shared).map_or(0, |shared| shared.framed.len());
        let written = self.bytes.len() - draft.bytes;
        FRAMING + 3 * LENGTH + written + shared + own * (self.names.longest() + 2 * LENGTH)
    }

    /// What Kafka's producer takes the record to be at most, uncompressed and in a batch of its own: what it compares
    /// with `max.request.size` (`AbstractRecords.estimateSizeInBytesUpperBound`).
    pub fn size(&self, draft: &Draft) -> usize {
        self.measure(draft.shared, &draft.key, &draft.value, &self.headers[draft.headers..])
    }

    fn measure(
        &self,
        shared: Option<u32>,
        key: &Option<Range<usize>>,
        value: &Option<Range<usize>>,
        own: &[HeaderSpan],
    ) -> usize {
        let shared = self.shared_of(shared);
        let count = own.len() + shared.map_or(0, |shared| shared.headers.len());
        let own: usize =
            own.iter().map(|span| framed_header(self.names.get(span.name).len(), length(&span.value))).sum();
        let headers = varint(count) + own + shared.map_or(0, |shared| shared.framed.len());
        FRAMING + framed(length(key)) + framed(length(value)) + headers
    }

    /// The last record.
    pub fn last(&self) -> Option<RecordRef<'_>> {
        self.records.last().map(|record| self.shown(record))
    }

    /// Takes the last record back.
    pub fn pop(&mut self) {
        self.truncate(self.records.len().saturating_sub(1));
    }

    /// Ends the record.
    pub fn finish(&mut self, draft: Draft, topic: &Arc<str>, partition: Option<i32>, timestamp_ms: i64) {
        let headers = draft.headers..self.headers.len();
        let topic = self.topics.index_of(topic);
        let Draft { bytes: start, shared, letter, key, value, .. } = draft;
        let origin = self.origin;
        self.shared_bytes += self.shared_of(shared).map_or(0, |shared| shared.bytes);
        let record =
            Record { topic, shared, partition, timestamp_ms, origin, letter, start, key, value, headers };
        self.records.push(record);
    }

    /// Appends a record of another arena, with these headers after its own.
    pub fn append(&mut self, record: &RecordRef<'_>, more: &[(&str, &[u8])]) {
        self.at(record.origin);
        let mut draft = self.draft();
        draft.letter = record.letter;
        let more = more.iter().map(|(name, value)| (*name, Some(*value)));
        for (name, value) in record.headers().chain(more) {
            let Ok(()) = self.header(&Arc::from(name), |out| copy(value, out));
        }
        let Ok(()) = self.key(&mut draft, |out| copy(record.key, out));
        let Ok(()) = self.value(&mut draft, |out| copy(record.value, out));
        self.finish(draft, record.topic, record.partition, record.timestamp_ms);
    }

    /// Takes back what the draft wrote.
    pub fn abandon(&mut self, draft: Draft) {
        self.bytes.truncate(draft.bytes);
        self.headers.truncate(draft.headers);
    }

    /// The records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> {
        self.records.iter().map(|record| self.shown(record))
    }

    /// Where each is to go: its topic, and its partition, if not the producer's partitioner decides.
    pub fn places(&self) -> impl Iterator<Item = (&Arc<str>, Option<i32>)> {
        self.records.iter().map(|record| (self.topics.get(record.topic), record.partition))
    }

    fn shown<'a>(&'a self, record: &'a Record) -> RecordRef<'a> {
        RecordRef {
            topic: self.topics.get(record.topic),
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
            key: record.key.clone().map(|range| &self.bytes[range]),
            value: record.value.clone().map(|range| &self.bytes[range]),
            origin: record.origin,
            letter: record.letter,
            outgoing: self,
            record,
        }
    }

    fn shared_of(&self, index: Option<u32>) -> Option<&SharedHeaders> {
        index.map(|index| &*self.shared[index as usize])
    }

    fn header_of(&self, span: &HeaderSpan) -> (&str, Option<&[u8]>) {
        (self.names.get(span.name), span.value.clone().map(|range| &self.bytes[range]))
    }

    /// `write` answers whether there are bytes at all: `Ok(false)` is null, not empty.
    fn part<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
    ) -> Result<Option<Range<usize>>, E> {
        let start = self.bytes.len();
        let present = write(&mut self.bytes)?;
        Ok(present.then_some(start..self.bytes.len()))
    }
}

/// Null stays null.
fn copy(bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<bool, Infallible> {
    out.extend_from_slice(bytes.unwrap_or_default());
    Ok(bytes.is_some())
}

fn length(range: &Option<Range<usize>>) -> Option<usize> {
    range.as_ref().map(Range::len)
}

/// Bytes of a key or value with its length before it; of none, the length alone.
fn framed(length: Option<usize>) -> usize {
    length.map_or(1, |length| varint(length) + length)
}

/// Appends a name or value with its length before it; of none, the length alone.
fn frame(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    // In zigzag; none is -1.
    super::protobuf::varint(bytes.map_or(1, |bytes| (bytes.len() as u64) << 1), out);
    out.extend_from_slice(bytes.unwrap_or_default());
}

/// Bytes of a header.
fn framed_header(name: usize, value: Option<usize>) -> usize {
    varint(name) + name + framed(value)
}

/// Bytes of a length as a zigzag varint.
fn varint(length: usize) -> usize {
    let zigzag = (length as u64) << 1;
    (64 - zigzag.leading_zeros() as usize).max(1).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str) -> impl FnOnce(&mut Vec<u8>) -> Result<bool, Infallible> + '_ {
        move |out| {
            out.extend_from_slice(text.as_bytes());
            Ok(true)
        }
    }

    fn record(out: &mut Outgoing, shared: Option<&Arc<SharedHeaders>>, topic: &Arc<str>, key: &str) -> usize {
        let mut draft = match shared {
            Some(shared) => out.draft_with(shared),
            None => out.draft(),
        };
        let name: Arc<str> = Arc::from("id");
        let Ok(()) = out.header(&name, put(key));
        let Ok(()) = out.header(&name, |_| Ok::<bool, Infallible>(false));
        let Ok(()) = out.key(&mut draft, put(key));
        let size = out.size(&draft);
        let at_most = out.size_at_most(&draft);
        assert!(size <= at_most && at_most < size + 50, "{size} and {at_most}");
        let oversize = [size - 1, size].map(|most| out.oversize(&draft, most));
        assert_eq!(oversize, [Some(size), None]);
        out.finish(draft, topic, Some(3), 7);
        size
    }

    fn shared() -> Arc<SharedHeaders> {
        Arc::new(SharedHeaders::new(vec![("a".into(), Some(b"xy".to_vec())), ("b".into(), None)]))
    }

    #[test]
    fn a_record_comes_out_as_it_went_in() {
        let (mut out, topic, shared) = (Outgoing::default(), Arc::from("t"), shared());
        record(&mut out, Some(&shared), &topic, "k1");
        record(&mut out, None, &Arc::from("u"), "k2");
        let records: Vec<RecordRef<'_>> = out.iter().collect();
        assert_eq!(&**records[0].topic, "t");
        assert_eq!((records[0].partition, records[0].timestamp_ms), (Some(3), 7));
        assert_eq!((records[0].key, records[0].value), (Some(&b"k1"[..]), None));
        let headers: Vec<_> = records[0].headers().collect();
        assert_eq!(headers, [("a", Some(&b"xy"[..])), ("b", None), ("id", Some(&b"k1"[..])), ("id", None)]);
        assert_eq!(&**records[1].topic, "u");
        assert_eq!(records[1].headers().len(), 2);
        assert_eq!(records[1].size(), record(&mut Outgoing::default(), None, &topic, "k2"));
        assert_eq!(out.bytes(), 4 + 2 + 4);
    }

    #[test]
    fn shared_headers_are_framed_once_and_the_others_follow() {
        let value = vec![b'v'; 64];
        let headers =
            [("a", Some(b"xy".to_vec())), ("b", None), ("empty", Some(vec![])), ("long", Some(value))];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let (mut out, topic, shared) =
            (Outgoing::default(), Arc::from("t"), Arc::new(SharedHeaders::new(headers)));
        record(&mut out, Some(&shared), &topic, "k1");
        let record = out.last().unwrap();
        let expected = [&b"\x02a\x04xy\x02b\x01\x0aempty\x00\x08long\x80\x01"[..], &[b'v'; 64]].concat();
        assert_eq!(record.framed_headers(), (4, &expected[..]));
        let own: Vec<_> = record.own_headers().collect();
        assert_eq!(own, record.headers().skip(4).collect::<Vec<_>>());
        assert_eq!(own, [("id", Some(&b"k1"[..])), ("id", None)]);
    }

    #[test]
    fn truncating_and_clearing_forget_records_and_their_bytes() {
        let (mut out, topic, shared) = (Outgoing::default(), Arc::from("t"), shared());
        for key in ["1", "2", "3"] {
            record(&mut out, Some(&shared), &topic, key);
        }
        out.truncate(1);
        assert_eq!((out.len(), out.bytes()), (1, 2 + 2));
        record(&mut out, Some(&shared), &topic, "4");
        let keys: Vec<_> = out.iter().map(|record| record.key.unwrap().to_vec()).collect();
        assert_eq!(keys, [b"1", b"4"]);
        out.clear(0);
        assert_eq!((out.len(), out.bytes(), out.iter().len()), (0, 0, 0));
    }

    #[test]
    fn an_abandoned_draft_leaves_nothing() {
        let (mut out, topic) = (Outgoing::default(), Arc::from("t"));
        record(&mut out, None, &topic, "1");
        let before = out.bytes();
        let mut draft = out.draft_with(&shared());
        let Ok(()) = out.key(&mut draft, put("gone"));
        out.abandon(draft);
        assert_eq!((out.len(), out.bytes()), (1, before));
    }

    #[test]
    fn a_record_of_another_arena_is_the_same_with_more_headers() {
        let (mut from, mut to, shared) = (Outgoing::default(), Outgoing::default(), shared());
        record(&mut from, Some(&shared), &Arc::from("t"), "k1");
        record(&mut to, None, &Arc::from("u"), "before");
        to.append(&from.last().unwrap(), &[("n", b"2")]);
        let (copied, original) = (to.last().unwrap(), from.last().unwrap());
        assert_eq!((&**copied.topic, copied.partition, copied.timestamp_ms), ("t", Some(3), 7));
        assert_eq!((copied.key, copied.value), (original.key, None));
        let expected: Vec<_> = original.headers().chain([("n", Some(&b"2"[..]))]).collect();
        assert_eq!(copied.headers().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn many_topics_are_told_apart() {
        let mut out = Outgoing::default();
        let topics: Vec<Arc<str>> = (0..100).map(|n| Arc::from(format!("t{n}"))).collect();
        for topic in topics.iter().chain(&topics) {
            record(&mut out, None, topic, "k");
        }
        let seen: Vec<&str> = out.iter().map(|record| &**record.topic).collect();
        let expected: Vec<&str> = topics.iter().chain(&topics).map(|topic| &**topic).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_size_is_what_kafkas_producer_estimates() {
        let (mut out, topic) = (Outgoing::default(), Arc::from("t"));
        // 82 of framing; key 1 + 2, no value 1; count 1; two headers of 1 + 2 for the name, 1 + 2 and 1 for the value.
        assert_eq!(record(&mut out, None, &topic, "k1"), 82 + 3 + 1 + 1 + (3 + 3) + (3 + 1));
        // With two more headers: a (1 + 1) of 1 + 2, and b (1 + 1) of null.
        assert_eq!(record(&mut out, Some(&shared()), &topic, "k1"), 97 + (2 + 3) + (2 + 1));
        assert_eq!([varint(0), varint(63), varint(64), varint(8191), varint(8192)], [1, 1, 2, 2, 3]);
    }
}
