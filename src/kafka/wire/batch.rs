//! Records as Kafka keeps them: a batch of format 2, with what an idempotent producer writes in its head.
//!
//! Records are written once, into memory that the next batch uses again; the head is written around them when they are
//! sent. Nothing is allocated for a record.

use super::compress::Compressor;
use super::varint;
use crate::kafka::producer::Framed;
use crate::memory::{APART, LARGE};
use bytes::BufMut as _;

/// Bytes of a batch before its first record.
pub(super) const HEAD: usize = 61;
/// What Java's client takes the framing of a record to be at most.
const RECORD_OVERHEAD: usize = 21;
/// Among the attributes.
const TRANSACTIONAL: i16 = 1 << 4;

/// What a record holds, without the headers that are its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a> {
    pub timestamp_ms: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub framed: Framed<'a>,
}

/// What an idempotent producer signs a batch with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub producer_id: i64,
    pub epoch: i16,
    pub sequence: i32,
}

/// A batch being filled, or on its way.
#[derive(Debug, Default)]
pub(super) struct Batch {
    records: Vec<u8>,
    base_timestamp: i64,
    max_timestamp: i64,
    /// The number of each record within the transaction.
    numbers: Vec<u32>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub(super) fn count(&self) -> i32 {
        self.numbers.len() as i32
    }

    /// The number within the transaction of the batch's n-th record.
    pub(super) fn number(&self, n: usize) -> Option<usize> {
        self.numbers.get(n).map(|number| *number as usize)
    }

    /// Before compression, head included.
    pub(super) fn bytes(&self) -> usize {
        HEAD + self.records.len()
    }

    /// Forgets the records and keeps so many bytes of their memory: what is given back has to be cleared by the kernel
    /// and filled by doubling again.
    pub(super) fn clear(&mut self, keep: usize) {
        self.records.clear();
        self.records.shrink_to(keep);
        self.numbers.clear();
        self.numbers.shrink_to(keep / RECORD_OVERHEAD);
    }

    /// Appends a record of which `parts` tells what its headers take, with these after the framed ones; the numbers of a
    /// batch ascend.
    pub(super) fn append<'h>(
        &mut self,
        content: &Content<'_>,
        parts: Parts,
        own: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
        number: usize,
    ) {
        if self.is_empty() {
            (self.base_timestamp, self.max_timestamp) = (content.timestamp_ms, content.timestamp_ms);
        }
        self.max_timestamp = self.max_timestamp.max(content.timestamp_ms);
        let delta = content.timestamp_ms.wrapping_sub(self.base_timestamp);
        let offset = i64::from(self.count());
        let out = &mut self.records;
        if parts.body > LARGE {
            out.reserve(APART.max(parts.size_at_most()));
        }
        varint::put(out, (1 + varint::length(delta) + varint::length(offset) + parts.body) as i64);
        out.push(0);
        varint::put(out, delta);
        varint::put(out, offset);
        put_bytes(out, content.key);
        put_bytes(out, content.value);
        varint::put(out, parts.headers as i64);
        out.extend_from_slice(content.framed.bytes);
        for (name, value) in own {
            put_bytes(out, Some(name.as_bytes()));
            put_bytes(out, value);
        }
        self.numbers.push(number as u32);
    }

    /// Appends the batch as it is sent: its head, and its records after the compressor.
    pub(super) fn write(&self, stamp: Stamp, compressor: &mut Compressor, out: &mut Vec<u8>) {
        if self.records.len() > LARGE {
            out.reserve(APART.max(HEAD + self.records.len()));
        }
        let start = out.len();
        out.put_i64(0); // offsets are the broker's to give
        out.put_i32(0); // its length, when that is known
        out.put_i32(-1); // so are leaders' epochs
        out.put_u8(2);
        let crc = out.len();
        out.put_u32(0);
        out.put_i16(0); // the codec, when it is known whether that gained anything
        out.put_i32(self.count() - 1);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(stamp.producer_id);
        out.put_i16(stamp.epoch);
        out.put_i32(stamp.sequence);
        out.put_i32(self.count());
        let codec = compressor.append(&self.records, out);
        let length = (out.len() - start - 12) as u32;
        out[start + 8..start + 12].copy_from_slice(&length.to_be_bytes());
        out[crc + 4..crc + 6].copy_from_slice(&(codec | TRANSACTIONAL).to_be_bytes());
        let sum = crc32c::crc32c(&out[crc + 4..]);
        out[crc..crc + 4].copy_from_slice(&sum.to_be_bytes());
    }
}

/// What a record takes, before it is known which batch it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    /// Bytes of key, value and headers with their lengths.
    body: usize,
    headers: usize,
}

impl Parts {
    pub(super) fn of<'h>(
        content: &Content<'_>,
        own: impl ExactSizeIterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Parts {
        let count = content.framed.count + own.len();
        let each = own.map(|(name, value)| framed(Some(name.len())) + framed(value.map(<[u8]>::len)));
        let body = framed(content.key.map(<[u8]>::len))
            + framed(content.value.map(<[u8]>::len))
            + varint::length(count as i64)
            + content.framed.bytes.len()
            + each.sum::<usize>();
        Parts { body, headers: count }
    }

    /// What Java's client compares with `max.request.size` (`AbstractRecords.estimateSizeInBytesUpperBound`).
    pub(super) fn size_alone(self) -> usize {
        HEAD + self.size_at_most()
    }

    /// In whatever batch.
    pub(super) fn size_at_most(self) -> usize {
        RECORD_OVERHEAD + self.body
    }
}

/// The sequence number after so many records more.
pub(super) fn advance(sequence: i32, records: i32) -> i32 {
    // After the greatest comes 0 (DefaultRecordBatch.incrementSequence).
    sequence.wrapping_add(records) & i32::MAX
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => varint::put(out, -1),
        Some(bytes) => {
            varint::put(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}

fn framed(length: Option<usize>) -> usize {
    length.map_or(1, |length| varint::length(length as i64) + length)
}
