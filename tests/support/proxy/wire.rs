//! Cuts the bytes of one direction into frames: Kafka's, Postgres's, or just what came.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// What a connection speaks; both its directions look here.
#[derive(Default)]
pub(super) struct Wire {
    protocol: AtomicU8,
    /// Answers of a single byte that Postgres owes: may this connection be encrypted?
    owed: AtomicU32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Before the client's first frame.
    Unknown,
    Kafka,
    Postgres,
    /// Encrypted, or another's: no frames.
    Opaque,
}

const ALL: [Protocol; 4] = [Protocol::Unknown, Protocol::Kafka, Protocol::Postgres, Protocol::Opaque];
const PROTOCOL_3: [u8; 2] = [0, 3];
const ENCRYPT: [[u8; 4]; 2] = [[4, 0xd2, 0x16, 0x2f], [4, 0xd2, 0x16, 0x30]];
const CANCEL: [u8; 4] = [4, 0xd2, 0x16, 0x2e];

impl Wire {
    pub(super) fn protocol(&self) -> Protocol {
        ALL[self.protocol.load(Ordering::SeqCst) as usize]
    }

    fn speaks(&self, protocol: Protocol) {
        self.protocol.store(protocol as u8, Ordering::SeqCst);
    }
}

/// One direction's bytes, as they come.
pub(super) struct Cutter {
    from_client: bool,
    buffer: Vec<u8>,
    /// How many of them have been cut off.
    cut: usize,
    /// Postgres: the client's frames have a type from the first after the start-up message.
    has_types: bool,
}

/// What was cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    /// A whole frame: of Postgres the type, where it has one.
    Kafka,
    Postgres(Option<u8>),
    /// Some bytes.
    Bytes,
}

impl Cutter {
    pub(super) fn new(from_client: bool) -> Cutter {
        Cutter { from_client, buffer: Vec::new(), cut: 0, has_types: !from_client }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.cut);
        self.cut = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if it is all there.
    pub(super) fn next(&mut self, wire: &Wire) -> Option<(Cut, &[u8])> {
        let rest = &self.buffer[self.cut..];
        if rest.is_empty() {
            return None;
        }
        if wire.protocol() == Protocol::Unknown && self.from_client {
            wire.speaks(first(rest.get(..8)?));
        }
        let (cut, length) = match wire.protocol() {
            Protocol::Unknown | Protocol::Opaque => (Cut::Bytes, rest.len()),
            Protocol::Kafka => (Cut::Kafka, 4 + length(rest)?),
            Protocol::Postgres if self.from_client && !self.has_types => (Cut::Postgres(None), length(rest)?),
            Protocol::Postgres if !self.from_client && wire.owed.load(Ordering::SeqCst) > 0 => {
                (Cut::Postgres(None), 1)
            }
            Protocol::Postgres => (Cut::Postgres(Some(rest[0])), 1 + length(&rest[1..])?),
        };
        if rest.len() < length {
            return None;
        }
        let frame = self.cut..self.cut + length;
        self.cut += length;
        let frame = &self.buffer[frame];
        if cut == Cut::Postgres(None) {
            match frame {
                [b'N'] => drop(wire.owed.fetch_sub(1, Ordering::SeqCst)),
                [_] => wire.speaks(Protocol::Opaque),
                [_, _, _, _, code @ ..] if ENCRYPT.iter().any(|known| code.starts_with(known)) => {
                    wire.owed.fetch_add(1, Ordering::SeqCst);
                }
                _ => self.has_types = true,
            }
        }
        Some((cut, frame))
    }

    /// What is left of an incomplete frame.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.cut..]
    }
}

fn length(bytes: &[u8]) -> Option<usize> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize)
}

/// What a client speaks that begins like this.
fn first(head: &[u8]) -> Protocol {
    let (length, code) = (u32::from_be_bytes([head[0], head[1], head[2], head[3]]), &head[4..8]);
    // As a Kafka request, Postgres's start-up would be a Metadata of version 0, which no client begins with.
    if ENCRYPT.iter().any(|known| code == known) || code == CANCEL || code[..2] == PROTOCOL_3 {
        Protocol::Postgres
    } else if code[0] == 0 && code[1] < 128 && (8..1 << 27).contains(&length) {
        Protocol::Kafka
    } else {
        Protocol::Opaque
    }
}
