//! The Produce request: written around batches, in the layout of its version.
//!
//! From version 9 on it is "flexible": lengths are one more and variable, and room for tags follows each structure.

use super::varint;
use bytes::BufMut as _;

/// The first flexible version.
const FLEXIBLE: i16 = 9;
const PRODUCE: i16 = 0;
/// Bytes of a batch's length at most, where that is variable.
const LENGTH_MOST: usize = 5;
/// All replicas in sync.
const ACKS: i16 = -1;

/// What a request begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub version: i16,
    pub number: i32,
    pub client_id: Option<&'a str>,
    pub transactional_id: &'a str,
    /// How long the broker waits for replicas.
    pub timeout_ms: i32,
}

/// A request being written.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    is_flexible: bool,
}

impl<'o> Writer<'o> {
    /// Begins a request with so many topics.
    pub(super) fn new(out: &'o mut Vec<u8>, head: &Head<'_>, topics: usize) -> Writer<'o> {
        out.clear();
        let mut writer = Writer { out, is_flexible: head.version >= FLEXIBLE };
        writer.out.put_i32(0); // its length, when that is known
        writer.out.put_i16(PRODUCE);
        writer.out.put_i16(head.version);
        writer.out.put_i32(head.number);
        // The client's id is a string of the old form in every version.
        match head.client_id {
            Some(id) => {
                writer.out.put_i16(id.len() as i16);
                writer.out.put_slice(id.as_bytes());
            }
            None => writer.out.put_i16(-1),
        }
        writer.end();
        writer.string(head.transactional_id);
        writer.out.put_i16(ACKS);
        writer.out.put_i32(head.timeout_ms);
        writer.array(topics);
        writer
    }

    /// Begins a topic of so many partitions.
    pub(super) fn topic(&mut self, name: &str, partitions: usize) {
        self.string(name);
        self.array(partitions);
    }

    /// Writes a partition: the batch is what `write` appends, and its length comes before it.
    pub(super) fn partition(&mut self, partition: i32, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.put_i32(partition);
        let at = self.out.len();
        self.out.extend_from_slice(&[0; LENGTH_MOST][..if self.is_flexible { LENGTH_MOST } else { 4 }]);
        let start = self.out.len();
        write(self.out);
        let length = self.out.len() - start;
        if self.is_flexible {
            // Known only now; what was kept free for it and is not needed goes.
            let mut bytes = Vec::with_capacity(LENGTH_MOST);
            varint::put_unsigned(&mut bytes, length as u64 + 1);
            self.out[at..at + bytes.len()].copy_from_slice(&bytes);
            self.out.copy_within(start.., at + bytes.len());
            self.out.truncate(at + bytes.len() + length);
        } else {
            self.out[at..start].copy_from_slice(&(length as u32).to_be_bytes());
        }
        self.end();
    }

    /// Ends a topic.
    pub(super) fn end(&mut self) {
        if self.is_flexible {
            self.out.put_u8(0);
        }
    }

    /// Ends the request.
    pub(super) fn finish(mut self) {
        self.end();
        let length = (self.out.len() - 4) as u32;
        self.out[..4].copy_from_slice(&length.to_be_bytes());
    }

    fn string(&mut self, text: &str) {
        match self.is_flexible {
            true => varint::put_unsigned(self.out, text.len() as u64 + 1),
            false => self.out.put_i16(text.len() as i16),
        }
        self.out.put_slice(text.as_bytes());
    }

    fn array(&mut self, items: usize) {
        self.length(items);
    }

    fn length(&mut self, length: usize) {
        match self.is_flexible {
            true => varint::put_unsigned(self.out, length as u64 + 1),
            false => self.out.put_i32(length as i32),
        }
    }
}
