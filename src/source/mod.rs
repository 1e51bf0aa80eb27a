//! ① Postgres in: the replication stream as chunks of frames, and the way back for confirmed positions.
//!
//! Enters: bytes of the replication connection. Leaves: [`Chunk`]s of whole frames, in the order of the stream,
//! bounded by bytes. Promised: feedback keeps its own time, however slow the consumer is; nothing is confirmed that
//! was not handed to [`Acknowledger::confirm`]. Not done here: decoding, retrying.

mod blocks;
mod feedback;
mod frame;
mod gather;
mod reader;
pub mod recorded;
pub mod stream;

use crate::lsn::Lsn;
use crate::memory::{Large, Share};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the stream needs beyond a connection.
#[derive(Clone, Debug)]
pub struct Config {
    /// `slot.name`.
    pub slot: String,
    /// `publication.name`.
    pub publication: String,
    /// `slot.stream.params`: further options of START_REPLICATION, as given.
    pub stream_params: Vec<(String, String)>,
    /// `status.update.interval.ms`: how often the standby status is sent even if nothing changed.
    pub status_interval: Duration,
    /// `walpost.source.queue.bytes`: how many bytes may wait between the reader and the decoder.
    pub queue_bytes: usize,
    /// What messages that are large may take on the whole road.
    pub large: Large,
    /// `walpost.source.silence.timeout.ms`: a server silent for longer is taken for dead.
    pub silence_timeout: Duration,
}

/// One message of the replication stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// XLogData: a pgoutput message. Its WAL positions are not handed on; progress never comes from them.
    Wal(&'a [u8]),
    /// Primary keepalive: the server has sent everything up to `wal_end`.
    Keepalive {
        /// End of the WAL the server has gone through.
        wal_end: Lsn,
        /// The server waits for an answer (it may be shutting down).
        reply_requested: bool,
    },
}

/// Whole CopyData messages, one after another, as they came. `frames` walks them.
///
/// Dropping a chunk gives its bytes back to the reader's budget. A large message is a chunk by itself, with the share
/// that it was given.
pub struct Chunk {
    bytes: Bytes,
    share: Option<Share>,
    _budget: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl Chunk {
    /// Wraps `bytes`, which must hold whole CopyData messages only (type byte, length, payload).
    pub fn new(bytes: Bytes, budget: Option<tokio::sync::OwnedSemaphorePermit>) -> Chunk {
        Chunk { bytes, share: None, _budget: budget }
    }

    /// The same, with the share of a large message.
    pub fn with_share(self, share: Option<Share>) -> Chunk {
        Chunk { share, ..self }
    }

    /// Takes the share of the large message that this is, if it is one: whoever copies the message keeps it.
    pub fn take_share(&mut self) -> Option<Share> {
        self.share.take()
    }

    /// The frames, in the order they came.
    pub fn frames(&self) -> Frames<'_> {
        Frames { rest: &self.bytes }
    }

    /// The frames, each with the LSN in its header: of a change's WAL record, zero for what describes a table. For who
    /// compares with the offsets of others; progress never comes from it.
    pub fn placed(&self) -> impl Iterator<Item = Result<(Lsn, Frame<'_>), Error>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let lsn = frame::change_lsn(rest);
            Some(frame::split_frame(&mut rest).map(|frame| (lsn, frame)))
        })
    }
}

/// Walks the frames of a chunk.
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(frame::split_frame(&mut self.rest))
    }
}

/// Yields the stream. The road reads from this, so that it can be driven by a recording.
pub trait Feed: Send {
    /// The next chunk; `Ok(None)` when none came before `until` (or at once, when `until` has passed), or when
    /// somebody rang the [`Nudge`].
    fn next(&mut self, until: Instant) -> Result<Option<Chunk>, Error>;

    /// A handle that makes a waiting `next` return.
    fn nudge(&self) -> Nudge;
}

/// Makes a waiting [`Feed::next`] return `Ok(None)` at once. Cheap to clone; ringing an ended feed does nothing.
#[derive(Clone)]
pub struct Nudge(Arc<dyn Fn() + Send + Sync>);

impl Nudge {
    /// A nudge that calls `ring`.
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Nudge {
        Nudge(Arc::new(ring))
    }

    /// Rings.
    pub fn ring(&self) {
        (self.0)()
    }
}

/// The stream's other half: what Postgres may forget. Only forward.
#[derive(Clone)]
pub struct Acknowledger {
    state: Arc<Mutex<Acknowledged>>,
    changed: Arc<tokio::sync::Notify>,
}

#[derive(Clone, Copy)]
struct Acknowledged {
    confirmed: Lsn,
    frozen: bool,
}

impl Acknowledger {
    /// Begins at a position that Kafka is known to hold.
    pub fn new(stored: Lsn) -> Acknowledger {
        let state = Acknowledged { confirmed: stored, frozen: false };
        Acknowledger { state: Arc::new(Mutex::new(state)), changed: Arc::default() }
    }

    /// Everything before `lsn` is committed in Kafka, the position with it. A smaller LSN than before changes nothing.
    pub fn confirm(&self, lsn: Lsn) {
        let mut state = self.lock();
        if !state.frozen && state.confirmed < lsn {
            state.confirmed = lsn;
            self.changed.notify_one();
        }
    }

    /// From here on Postgres hears nothing more, not even what was confirmed and has not gone out yet: the reader ends
    /// the stream without a status. The answer is the last position that it may have heard.
    pub fn freeze(&self) -> Lsn {
        let mut state = self.lock();
        state.frozen = true;
        self.changed.notify_one();
        state.confirmed
    }

    /// Whether [`Acknowledger::freeze`] was called.
    pub fn is_frozen(&self) -> bool {
        self.lock().frozen
    }

    /// The position that the next standby status carries as flushed.
    pub fn confirmed(&self) -> Lsn {
        self.lock().confirmed
    }

    /// Waits for the next forward move.
    pub async fn changed(&self) {
        self.changed.notified().await
    }

    fn lock(&self) -> MutexGuard<'_, Acknowledged> {
        // Nothing that could panic happens under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What can go wrong with the stream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Connecting, logging in or starting failed.
    #[error(transparent)]
    Connect(#[from] crate::postgres::Error),
    /// The connection broke.
    #[error("the replication connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// The server said nothing for longer than the silence timeout.
    #[error("the server was silent for {0:?}")]
    Silent(Duration),
    /// The server ended the stream with an error.
    #[error("the server ended the stream: {0}")]
    Server(crate::postgres::ServerError),
    /// The server ended the stream without an error (CopyDone), as it does when it shuts down.
    #[error("the server ended the stream")]
    Ended,
    /// A message for which there is no room within the bound on memory; it was not read.
    #[error("a message of {bytes} bytes at {lsn}, and there is room for {longest}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The longest there is room for.
        longest: usize,
        /// Where the server has its change, if it has told.
        lsn: Lsn,
    },
    /// Bytes that are not the protocol.
    #[error("malformed replication message: {0}")]
    Malformed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_lsn_of_its_header() {
        let mut bytes = recorded::wal(Lsn::new(7), b"BEGIN");
        bytes.extend(recorded::wal(Lsn::ZERO, b"RELATION"));
        let chunk = Chunk::new(bytes.into(), None);
        let placed: Vec<_> = chunk.placed().map(Result::unwrap).collect();
        assert_eq!(placed, [(Lsn::new(7), Frame::Wal(b"BEGIN")), (Lsn::ZERO, Frame::Wal(b"RELATION"))]);
    }

    #[test]
    fn positions_only_go_forward_and_not_at_all_once_they_are_frozen() {
        let acknowledger = Acknowledger::new(Lsn::new(10));
        for (lsn, expected) in [(20, 20), (15, 20), (30, 30)] {
            acknowledger.confirm(Lsn::new(lsn));
            assert_eq!(acknowledger.confirmed(), Lsn::new(expected));
        }
        assert!(!acknowledger.is_frozen());
        assert_eq!(acknowledger.freeze(), Lsn::new(30));
        acknowledger.confirm(Lsn::new(40));
        assert_eq!((acknowledger.confirmed(), acknowledger.is_frozen()), (Lsn::new(30), true));
    }
}
