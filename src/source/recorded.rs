//! A feed that was prepared beforehand: for tests and benches of the road, without a server.

use super::{Chunk, Error, Feed, Nudge};
use crate::lsn::Lsn;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Yields what it was given, in order; then nothing more, until it is told to end.
pub struct Recorded {
    shared: Arc<Shared>,
}

/// Adds to a [`Recorded`] feed while it is being read.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    items: VecDeque<Result<Bytes, Error>>,
    nudged: bool,
}

impl Recorded {
    /// A feed of these chunks; each must hold whole CopyData messages, as [`wal`] and [`keepalive`] make them.
    pub fn new(chunks: impl IntoIterator<Item = Bytes>) -> Recorded {
        let state = State { items: chunks.into_iter().map(Ok).collect(), nudged: false };
        Recorded { shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }) }
    }

    /// A way to add to it later.
    pub fn recorder(&self) -> Recorder {
        Recorder { shared: Arc::clone(&self.shared) }
    }
}

impl Recorder {
    /// One more chunk.
    pub fn push(&self, chunk: impl Into<Bytes>) {
        self.shared.update(|state| state.items.push_back(Ok(chunk.into())));
    }

    /// Then the stream fails with this; [`Error::Ended`] is a shutdown.
    pub fn fail(&self, error: Error) {
        self.shared.update(|state| state.items.push_back(Err(error)));
    }
}

impl Shared {
    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

impl Feed for Recorded {
    fn next(&mut self, until: Instant) -> Result<Option<Chunk>, Error> {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if std::mem::take(&mut state.nudged) {
                return Ok(None);
            }
            if let Some(item) = state.items.pop_front() {
                return item.map(|bytes| Some(Chunk::new(bytes, None)));
            }
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Ok(None);
            }
            let waited =
                self.shared.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
        }
    }

    fn nudge(&self) -> Nudge {
        let shared = Arc::clone(&self.shared);
        Nudge::new(move || shared.update(|state| state.nudged = true))
    }
}

/// A CopyData message with XLogData at `lsn`.
pub fn wal(lsn: Lsn, pgoutput: &[u8]) -> Vec<u8> {
    let mut payload = vec![b'w'];
    payload.extend(lsn.as_u64().to_be_bytes());
    payload.extend(lsn.as_u64().to_be_bytes());
    payload.extend(0_i64.to_be_bytes());
    payload.extend(pgoutput);
    copy_data(&payload)
}

/// A CopyData message with a keepalive.
pub fn keepalive(wal_end: Lsn, reply_requested: bool) -> Vec<u8> {
    let mut payload = vec![b'k'];
    payload.extend(wal_end.as_u64().to_be_bytes());
    payload.extend(0_i64.to_be_bytes());
    payload.push(reply_requested.into());
    copy_data(&payload)
}

fn copy_data(payload: &[u8]) -> Vec<u8> {
    let mut message = vec![b'd'];
    message.extend((payload.len() as u32 + 4).to_be_bytes());
    message.extend(payload);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_recording_is_yielded_in_order_and_ends_as_told() {
        let mut feed = Recorded::new([Bytes::from(wal(Lsn::new(1), b"one"))]);
        let recorder = feed.recorder();
        recorder.push(keepalive(Lsn::new(2), false));
        recorder.fail(Error::Ended);
        let far = Instant::now() + Duration::from_secs(60);
        assert_eq!(feed.next(far).unwrap().unwrap().frames().count(), 1);
        assert!(feed.next(far).unwrap().is_some());
        assert!(matches!(feed.next(far), Err(Error::Ended)));
        assert!(feed.next(Instant::now()).unwrap().is_none());
    }

    #[test]
    fn a_nudge_ends_the_waiting() {
        let mut feed = Recorded::new([]);
        feed.nudge().ring();
        assert!(feed.next(Instant::now() + Duration::from_secs(60)).unwrap().is_none());
    }
}
