//! The reader: one big buffer, messages parsed where they lie, whole ones handed over, statuses sent in between.
//!
//! A large message is read into a buffer of its own, and only when there is room for it on the whole road.

use super::blocks::{BLOCK, Blocks};
use super::feedback::{Due, Feedback, Pace};
use super::frame::{HEADER, change_lsn, message_length, progress};
use super::gather::Gather;
use super::stream::Item;
use super::{Acknowledger, Chunk, Config, Error};
use crate::clock::unix_us;
use crate::failpoint;
use crate::lsn::Lsn;
use crate::memory::{APART, LARGE, Room, Share};
use crate::postgres::replication::Streaming;
use crate::postgres::socket::Socket;
use crate::postgres::{ServerError, log_notice};
use bytes::{Buf, BufMut, BytesMut};
use pgwire_replication::Lsn as WireLsn;
use pgwire_replication::protocol::framing::{write_copy_data, write_copy_done};
use pgwire_replication::protocol::replication::{encode_standby_status_update, unix_to_pg_timestamp};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep_until, timeout};

/// With less room than this, the rest of the block is left alone and a new one begun.
const LEAST_ROOM: usize = 32 * 1024;
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

pub(super) struct Reader {
    socket: Socket,
    buffer: BytesMut,
    blocks: Blocks,
    /// This much of the buffer is whole CopyData messages.
    whole: usize,
    /// The buffer was made for a message larger than a block.
    oversized: bool,
    items: Sender<Item>,
    budget: Arc<Semaphore>,
    queue_bytes: u32,
    room: Room,
    /// Taken for the large message that is being read.
    share: Option<Share>,
    acknowledger: Acknowledger,
    feedback: Feedback,
    gather: Gather,
    /// What the last read brought, bytes, until it has been dealt with.
    last_read: Option<usize>,
    silence: Duration,
    /// The server has sent everything before this; nothing after it can be ours to confirm.
    received: Lsn,
}

/// What the reader waited for.
enum Event {
    Stop,
    Read(io::Result<usize>),
    Room(OwnedSemaphorePermit),
    Share(Share),
    Confirmed,
    Time,
}

impl Reader {
    pub(super) fn new(
        streaming: Streaming,
        config: &Config,
        acknowledger: Acknowledger,
        items: Sender<Item>,
    ) -> Reader {
        let queue_bytes = u32::try_from(config.queue_bytes).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 3);
        let pace = Pace::new(config.status_interval, streaming.wal_sender_timeout, config.silence_timeout);
        Reader {
            gather: Gather::new(streaming.socket.is_loopback(), Instant::now()),
            socket: streaming.socket,
            buffer: BytesMut::with_capacity(BLOCK),
            blocks: Blocks::default(),
            whole: 0,
            oversized: false,
            items,
            budget: Arc::new(Semaphore::new(queue_bytes as usize)),
            queue_bytes,
            room: Room::new(config.large),
            share: None,
            received: streaming.start_lsn.max(acknowledger.confirmed()),
            acknowledger,
            feedback: Feedback::new(pace, Instant::now()),
            last_read: None,
            silence: config.silence_timeout,
        }
    }

    /// Reads until told to stop; the inner result is how the goodbye went.
    pub(super) async fn run(mut self, stop: &Notify) -> Result<Result<(), Error>, Error> {
        self.socket.enter_runtime()?;
        let acknowledger = self.acknowledger.clone();
        let mut stopped = pin!(stop.notified());
        let mut confirmed = pin!(acknowledger.changed());
        let mut clock = pin!(sleep_until(Instant::now().into()));
        loop {
            if acknowledger.is_frozen() {
                self.part().await;
                return Ok(Ok(()));
            }
            let handed_over = self.hand_over()?;
            let large = self.large()?;
            let waits = handed_over && large.is_some();
            let reading = handed_over && !waits;
            let now = Instant::now();
            self.feedback.listen(reading, now);
            self.speak(now).await?;
            let next = self.feedback.next(self.confirmable()).into();
            if clock.deadline() > next {
                clock.as_mut().reset(next);
            }
            if reading {
                self.make_room()?;
                self.gather();
            }
            let price = self.price();
            let most = self.most();
            let event = tokio::select! {
                biased;
                () = &mut stopped => Event::Stop,
                read = read_some(&mut self.socket, &mut self.buffer, most), if reading => Event::Read(read),
                permit = wait_for_room(&self.budget, price), if !handed_over => Event::Room(permit),
                share = self.room.take(large.unwrap_or(0)), if waits => Event::Share(share),
                () = &mut confirmed => Event::Confirmed,
                () = &mut clock => Event::Time,
            };
            match event {
                Event::Stop if acknowledger.is_frozen() => {}
                Event::Stop => return Ok(self.say_goodbye().await),
                Event::Read(read) => self.take_in(read?)?,
                Event::Room(permit) => self.send_chunk(permit),
                Event::Share(share) => self.share = Some(share),
                Event::Confirmed => confirmed.set(acknowledger.changed()),
                Event::Time if self.feedback.is_dead(Instant::now()) => {
                    return Err(Error::Silent(self.silence));
                }
                Event::Time => clock.as_mut().reset(self.feedback.next(self.confirmable()).into()),
            }
        }
    }

    fn take_in(&mut self, read: usize) -> Result<(), Error> {
        if read == 0 {
            return Err(Error::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        self.feedback.heard(Instant::now());
        self.last_read = Some(read);
        Ok(())
    }

    /// After small reads in quick succession, lets more come. The thread has nothing else to do, and the wait is shorter
    /// than a timer of the runtime could be.
    fn gather(&mut self) {
        if let Some(read) = self.last_read.take() {
            std::thread::sleep(self.gather.after(read, Instant::now()));
        }
    }

    /// Hands over what is whole and deals with what is not data; `false` when there is no room for a chunk.
    fn hand_over(&mut self) -> Result<bool, Error> {
        loop {
            let aside = self.scan()?;
            if self.whole > 0 {
                match Arc::clone(&self.budget).try_acquire_many_owned(self.price()) {
                    Ok(permit) => self.send_chunk(permit),
                    Err(_) => return Ok(false),
                }
            }
            let Some(length) = aside else { return Ok(true) };
            let message = self.buffer.split_to(length);
            match message[0] {
                b'c' | b'C' => return Err(Error::Ended),
                _ => self.read_aside(&message)?,
            }
        }
    }

    /// Finds the end of the last whole CopyData message; the length of what follows, where that is a whole message of
    /// another kind.
    fn scan(&mut self) -> Result<Option<usize>, Error> {
        while let Some((tag, length)) = message_length(&self.buffer[self.whole..])? {
            let end = self.whole + length;
            if end > self.buffer.len() {
                return Ok(None);
            }
            if tag != b'd' {
                return Ok(Some(length));
            }
            let (server_lsn, reply_requested) = progress(&self.buffer[self.whole + HEADER..end])?;
            self.received = self.received.max(server_lsn);
            if reply_requested {
                self.feedback.owe_answer();
            }
            self.whole = end;
        }
        Ok(None)
    }

    fn read_aside(&self, message: &[u8]) -> Result<(), Error> {
        match message[0] {
            b'E' => Err(Error::Server(ServerError::parse(&message[HEADER..]))),
            b'N' => {
                log_notice(&ServerError::parse(&message[HEADER..]));
                Ok(())
            }
            // ParameterStatus, NotificationResponse
            b'S' | b'A' => Ok(()),
            tag => Err(Error::Malformed(format!("message {:?} within the stream", tag as char))),
        }
    }

    /// What the waiting chunk costs: one that is larger than the whole budget takes all of it.
    fn price(&self) -> u32 {
        u32::try_from(self.whole).unwrap_or(u32::MAX).clamp(1, self.queue_bytes)
    }

    fn send_chunk(&mut self, permit: OwnedSemaphorePermit) {
        let share = self.share.take();
        let bytes = match share {
            // All of the buffer, so that its memory goes when the chunk does.
            Some(_) => std::mem::replace(&mut self.buffer, self.blocks.take()),
            None => self.buffer.split_to(self.whole),
        };
        (self.whole, self.oversized) = (0, self.oversized && share.is_none());
        // The feed waits for this thread before it goes.
        let _ = self.items.send(Item::Chunk(Chunk::new(bytes.freeze(), Some(permit)).with_share(share)));
    }

    /// The length of the large message that begins the buffer, while there is no room for it; takes the room if it can.
    fn large(&mut self) -> Result<Option<usize>, Error> {
        let Some((_, length)) = message_length(&self.buffer)? else { return Ok(None) };
        if length <= LARGE || self.share.is_some() {
            return Ok(None);
        }
        if !self.room.can_hold(length) {
            let lsn = change_lsn(&self.buffer);
            return Err(Error::TooLarge { bytes: length, longest: self.room.longest(), lsn });
        }
        self.share = self.room.try_take(length);
        Ok(self.share.is_none().then_some(length))
    }

    /// What the next read may bring at most: of a large message no more than its end.
    fn most(&self) -> usize {
        match (&self.share, message_length(&self.buffer)) {
            (Some(_), Ok(Some((_, length)))) => length.saturating_sub(self.buffer.len()),
            _ => usize::MAX,
        }
    }

    /// Room for the rest of a message that has begun, and for a good read in any case.
    fn make_room(&mut self) -> Result<(), Error> {
        let begun = message_length(&self.buffer)?.map_or(0, |(_, length)| length);
        if self.share.is_some() {
            if self.buffer.capacity() < begun {
                let mut own = BytesMut::with_capacity(begun.max(APART));
                own.extend_from_slice(&self.buffer);
                self.buffer = own;
                self.oversized = true;
            }
            return Ok(());
        }
        let rest = begun.saturating_sub(self.buffer.len());
        let room = self.buffer.capacity() - self.buffer.len();
        let shrink = self.oversized && begun <= BLOCK;
        if room >= rest.max(LEAST_ROOM) && !shrink {
            return Ok(());
        }
        let capacity = begun.max(BLOCK);
        if shrink || !self.buffer.try_reclaim(capacity - self.buffer.len()) {
            let mut fresh = match capacity {
                ..=BLOCK => self.blocks.take(),
                _ => BytesMut::with_capacity(capacity),
            };
            fresh.extend_from_slice(&self.buffer);
            let used = std::mem::replace(&mut self.buffer, fresh);
            if !self.oversized {
                self.blocks.give_back(used);
            }
            self.oversized = capacity > BLOCK;
        }
        Ok(())
    }

    /// Sends a status if one is due.
    async fn speak(&mut self, now: Instant) -> Result<(), Error> {
        match self.feedback.due(self.confirmable(), now) {
            Some(due) => self.send_status(due).await,
            None => Ok(()),
        }
    }

    async fn send_status(&mut self, due: Due) -> Result<(), Error> {
        let lsn = self.confirmable();
        let now = unix_to_pg_timestamp(unix_us());
        let status = encode_standby_status_update(WireLsn(lsn.as_u64()), now, due.ask);
        let limit = if self.silence.is_zero() { Duration::MAX } else { self.silence };
        match timeout(limit, write_copy_data(&mut self.socket, &status)).await {
            Ok(written) => written.map_err(|e| io::Error::other(e.to_string()))?,
            Err(_) => return Err(Error::Silent(self.silence)),
        }
        if self.feedback.is_news(lsn) {
            failpoint::hit("after_confirm");
        }
        self.feedback.sent(due, lsn, Instant::now());
        Ok(())
    }

    /// What is confirmed, and was received at all: Postgres believes whatever it is told, and forgets.
    fn confirmable(&self) -> Lsn {
        self.acknowledger.confirmed().min(self.received)
    }

    /// The last status, CopyDone, and the server's own; then Terminate.
    async fn say_goodbye(mut self) -> Result<(), Error> {
        let outcome = match timeout(GOODBYE, self.end_stream()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Silent(GOODBYE)),
        };
        self.part().await;
        outcome
    }

    /// Terminate, a courtesy: the server sees the end of the connection anyway.
    async fn part(&mut self) {
        let _ = timeout(GOODBYE, async {
            self.socket.write_all(&[b'X', 0, 0, 0, 4]).await?;
            self.socket.shutdown().await
        })
        .await;
    }

    /// Reads to the end of the message that begins the buffer, and keeps nothing of it.
    async fn pass_over(&mut self, length: usize) -> Result<(), Error> {
        let mut rest = length.saturating_sub(self.buffer.len());
        self.buffer = BytesMut::with_capacity(BLOCK);
        while rest > 0 {
            let read = read_some(&mut self.socket, &mut self.buffer, rest.min(BLOCK)).await?;
            self.take_in(read)?;
            self.buffer.clear();
            rest -= read;
        }
        Ok(())
    }

    async fn end_stream(&mut self) -> Result<(), Error> {
        self.send_status(Due { ask: false }).await?;
        write_copy_done(&mut self.socket).await.map_err(|e| io::Error::other(e.to_string()))?;
        loop {
            let aside = self.scan()?;
            self.buffer.advance(std::mem::take(&mut self.whole));
            let Some(length) = aside else {
                let begun = message_length(&self.buffer)?.map_or(0, |(_, length)| length);
                if begun > LARGE {
                    self.pass_over(begun).await?;
                    continue;
                }
                self.make_room()?;
                let read = self.socket.read_buf(&mut self.buffer).await?;
                self.take_in(read)?;
                continue;
            };
            let message = self.buffer.split_to(length);
            match message[0] {
                // CopyDone, CommandComplete
                b'c' | b'C' => {}
                // ReadyForQuery: the server has read everything of ours.
                b'Z' => return Ok(()),
                _ => self.read_aside(&message)?,
            }
        }
    }
}

/// One read of so many bytes at most.
async fn read_some(socket: &mut Socket, buffer: &mut BytesMut, most: usize) -> io::Result<usize> {
    socket.read_buf(&mut buffer.limit(most)).await
}

/// Only a closed semaphore refuses, and this one is never closed.
async fn wait_for_room(budget: &Arc<Semaphore>, price: u32) -> OwnedSemaphorePermit {
    match Arc::clone(budget).acquire_many_owned(price).await {
        Ok(permit) => permit,
        Err(_) => std::future::pending().await,
    }
}
