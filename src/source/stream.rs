//! The replication stream: a reader thread, and the feed it fills.
//!
//! The thread has a runtime of its own, so that neither a busy connector nor a slow one keeps it from speaking to the
//! server in time. It stops reading, but not speaking, while as many bytes wait as `queue_bytes` allows.

use super::reader::Reader;
use super::{Acknowledger, Chunk, Config, Error, Feed, Nudge};
use crate::postgres::replication::Streaming;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::Notify;

/// What the reader hands over.
pub(super) enum Item {
    Chunk(Chunk),
    /// Only wakes.
    Nudge,
    /// The last item.
    End(Error),
}

/// The feed of a real server.
pub struct StreamFeed {
    items: Receiver<Item>,
    bell: Arc<Bell>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<Result<(), Error>>>,
    ended: bool,
}

struct Bell {
    rung: AtomicBool,
    wake: Sender<Item>,
}

/// Says that the reader has ended, even when it panicked: somebody waits for it.
struct LastWord(Sender<Item>);

impl Drop for LastWord {
    fn drop(&mut self) {
        // Nobody listens any more when the feed is being dropped.
        let _ = self.0.send(Item::End(Error::Ended));
    }
}

/// Starts reading. Nothing but what `acknowledger` confirms is reported to the server as flushed.
pub fn start(
    mut streaming: Streaming,
    config: &Config,
    acknowledger: Acknowledger,
) -> Result<StreamFeed, Error> {
    streaming.socket.leave_runtime()?;
    let (items, receiver) = channel();
    let bell = Arc::new(Bell { rung: AtomicBool::new(false), wake: items.clone() });
    let stop = Arc::new(Notify::new());
    let last_word = LastWord(items.clone());
    let reader = Reader::new(streaming, config, acknowledger, items);
    let asked_to_stop = Arc::clone(&stop);
    let thread = std::thread::Builder::new().name("walpost-reader".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome =
            runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(reader.run(&asked_to_stop)));
        match outcome {
            Ok(goodbye) => goodbye,
            Err(error) => {
                let _ = last_word.0.send(Item::End(error));
                Ok(())
            }
        }
    })?;
    Ok(StreamFeed { items: receiver, bell, stop, thread: Some(thread), ended: false })
}

impl StreamFeed {
    /// Sends what is confirmed by now, ends the stream, and waits (2 s at most) until the server has taken note.
    ///
    /// An error says that the server may not have heard the last position; it will send again what lies after the one
    /// it knows. Blocks.
    pub fn stop(mut self) -> Result<(), Error> {
        self.stop_reader()
    }

    fn stop_reader(&mut self) -> Result<(), Error> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.stop.notify_one();
        thread.join().unwrap_or_else(|_| Err(Error::Malformed("the reader thread panicked".into())))
    }
}

impl Drop for StreamFeed {
    fn drop(&mut self) {
        if let Err(error) = self.stop_reader() {
            tracing::debug!(%error, "the stream ended without a goodbye");
        }
    }
}

impl Feed for StreamFeed {
    fn next(&mut self, until: Instant) -> Result<Option<Chunk>, Error> {
        loop {
            if self.bell.rung.swap(false, Ordering::AcqRel) {
                return Ok(None);
            }
            if self.ended {
                return Err(Error::Ended);
            }
            let item = match self.items.try_recv() {
                Err(TryRecvError::Empty) => {
                    let wait = until.saturating_duration_since(Instant::now());
                    if wait.is_zero() {
                        return Ok(None);
                    }
                    self.items.recv_timeout(wait)
                }
                Ok(item) => Ok(item),
                Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            };
            match item {
                Ok(Item::Chunk(chunk)) => return Ok(Some(chunk)),
                Ok(Item::Nudge) => {}
                Ok(Item::End(error)) => {
                    self.ended = true;
                    return Err(error);
                }
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(Error::Ended),
            }
        }
    }

    fn nudge(&self) -> Nudge {
        let bell = Arc::clone(&self.bell);
        Nudge::new(move || {
            if !bell.rung.swap(true, Ordering::AcqRel) {
                // The feed is gone: nobody waits.
                let _ = bell.wake.send(Item::Nudge);
            }
        })
    }
}
