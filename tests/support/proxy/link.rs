//! One connection through the proxy: two threads, one for each direction, and the faults they meet.

use super::faults::Fault;
use super::kafka::{Fate, Request};
use super::wire::{Cut, Cutter, Protocol, Wire};
use super::{Shared, reset, spawn};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub(super) struct Link {
    number: u64,
    client: TcpStream,
    server: TcpStream,
    wire: Wire,
    /// Its end has been decided: no byte more.
    is_over: AtomicBool,
    /// Bytes of it were swallowed.
    is_stalled: AtomicBool,
    asked: Mutex<Asked>,
}

/// What is still to be answered.
#[derive(Default)]
struct Asked {
    kafka: HashMap<i32, Pending>,
    /// Postgres: whether the answer to the last query is to be swallowed, and how often the proxy was healed before.
    postgres: Option<u64>,
}

struct Pending {
    /// Its number in the record.
    number: Option<u64>,
    doom: Option<(Fault, u64)>,
}

/// What to do with a frame.
enum Verdict {
    Pass,
    Drop,
    /// Pass so many bytes of it, and reset.
    Reset(usize),
}

/// Until both directions have ended.
pub(super) fn run(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) {
    for socket in [&client, &server] {
        let _ = socket.set_nodelay(true);
        // So that a writer whose reader stands still notices the end.
        let _ = socket.set_write_timeout(Some(Duration::from_millis(100)));
    }
    let mut state = shared.lock();
    let number = state.next_link;
    state.next_link += 1;
    let link = Arc::new(Link {
        number,
        client,
        server,
        wire: Wire::default(),
        is_over: AtomicBool::new(false),
        is_stalled: AtomicBool::new(false),
        asked: Mutex::default(),
    });
    state.links.insert(number, Arc::clone(&link));
    drop(state);
    if shared.is_stopped() {
        link.reset();
    }
    let (answering, answers) = (Arc::clone(shared), Arc::clone(&link));
    let (done, ended) = std::sync::mpsc::channel();
    spawn(move || {
        Pump { shared: &answering, link: &answers, from_client: false, out: Vec::new() }.run();
        drop(answers);
        drop(done);
    });
    Pump { shared, link: &link, from_client: true, out: Vec::new() }.run();
    let _: Result<(), _> = ended.recv();
    shared.lock().links.remove(&number);
}

impl Link {
    /// Ends it: both threads notice, and with the last of them the sockets are closed by an RST.
    pub(super) fn reset(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        for socket in [&self.client, &self.server] {
            reset(socket);
            // Says nothing to the other side, and wakes the thread that reads.
            let _ = socket.shutdown(Shutdown::Read);
        }
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// One direction.
struct Pump<'a> {
    shared: &'a Arc<Shared>,
    link: &'a Arc<Link>,
    from_client: bool,
    /// Cut off and let pass, to be written at once.
    out: Vec<u8>,
}

impl Pump<'_> {
    fn run(mut self) {
        let (mut from, to) = match self.from_client {
            true => (&self.link.client, &self.link.server),
            false => (&self.link.server, &self.link.client),
        };
        let mut cutter = Cutter::new(self.from_client);
        let mut chunk = vec![0; 128 << 10];
        loop {
            let read = from.read(&mut chunk);
            if self.link.is_over() {
                return;
            }
            match read {
                Ok(0) => break,
                Ok(read) => cutter.add(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // What one side has reset is reset for the other.
                Err(_) => return self.link.reset(),
            }
            if self.swallows() {
                continue;
            }
            self.wait();
            while let Some((cut, frame)) = cutter.next(&self.link.wire) {
                match self.verdict(cut, frame) {
                    Verdict::Pass => self.out.extend_from_slice(frame),
                    Verdict::Drop => {}
                    Verdict::Reset(passing) => {
                        self.out.extend_from_slice(&frame[..passing]);
                        self.flush(to);
                        return self.link.reset();
                    }
                }
            }
            if !self.flush(to) {
                return self.link.reset();
            }
        }
        if !self.link.is_stalled() {
            self.out.extend_from_slice(cutter.rest());
            self.flush(to);
            let _ = to.shutdown(Shutdown::Write);
        }
    }

    /// A stream with a hole in it is never passed on again.
    fn swallows(&self) -> bool {
        let half_open = |fault: &Fault| matches!(fault, Fault::HalfOpen).then_some(());
        if self.shared.standing(half_open).is_some() {
            self.link.is_stalled.store(true, Ordering::SeqCst);
        }
        self.link.is_stalled()
    }

    fn wait(&self) {
        let delay = self.shared.standing(|fault| match fault {
            Fault::Delay(delay) => Some(*delay),
            _ => None,
        });
        if let Some(delay) = delay {
            self.shared.pause(delay, || self.link.is_over());
        }
    }

    /// Writes what may pass; whether it could.
    fn flush(&mut self, mut to: &TcpStream) -> bool {
        let mut written = 0;
        while written < self.out.len() {
            let speed = self.shared.standing(|fault| match fault {
                Fault::Slow { bytes_per_second } => Some((*bytes_per_second).max(1)),
                _ => None,
            });
            let slice = speed.map_or(self.out.len(), |speed| (speed / 20).max(1) as usize);
            let end = self.out.len().min(written + slice);
            if self.link.is_over() {
                return false;
            }
            match to.write(&self.out[written..end]) {
                Ok(0) => return false,
                Ok(n) => {
                    written += n;
                    self.shared.bytes.fetch_add(n as u64, Ordering::Relaxed);
                    if let Some(speed) = speed {
                        let length = Duration::from_secs_f64(n as f64 / speed as f64);
                        self.shared.pause(length, || self.link.is_over());
                    }
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(_) => return false,
            }
        }
        self.out.clear();
        true
    }

    fn verdict(&self, cut: Cut, frame: &[u8]) -> Verdict {
        match (cut, self.from_client) {
            (Cut::Kafka, true) => self.kafka_request(frame),
            (Cut::Kafka, false) => self.kafka_answer(frame),
            (Cut::Postgres(Some(kind)), true) => self.postgres_request(kind),
            (Cut::Postgres(Some(kind)), false) => self.postgres_answer(kind, frame.len()),
            (Cut::Postgres(None) | Cut::Bytes, _) => self.bytes(frame.len()),
        }
    }

    fn kafka_request(&self, frame: &[u8]) -> Verdict {
        let Some(mut request) = Request::read(self.link.number, frame) else { return Verdict::Pass };
        let doom = self.shared.take(|fault| match fault {
            Fault::SwallowAnswer { api } | Fault::SwallowRequest { api } => {
                api.is_none_or(|api| api.fits(&request))
            }
            Fault::ResetMidAnswer { api } | Fault::LateRequest { api, .. } => api.fits(&request),
            _ => false,
        });
        if let Some(Fault::SwallowRequest { .. } | Fault::LateRequest { .. }) = doom {
            request.fate = Fate::Lost;
        }
        let mut state = self.shared.lock();
        let number = state.record.add(&request, doom.is_some());
        let (healed, upstream) = (state.healed, state.upstream);
        drop(state);
        match doom {
            Some(Fault::SwallowRequest { .. }) => {
                self.shared.happened();
                Verdict::Reset(0)
            }
            Some(Fault::LateRequest { after, .. }) => {
                let (shared, bytes) = (Arc::clone(self.shared), frame.to_vec());
                let upstream = upstream.expect("there is a connection to it");
                spawn(move || late(&shared, upstream, &request, number, &bytes, after));
                Verdict::Reset(0)
            }
            doom => {
                let pending = Pending { number, doom: doom.map(|fault| (fault, healed)) };
                self.link.asked().kafka.insert(request.correlation, pending);
                Verdict::Pass
            }
        }
    }

    fn kafka_answer(&self, frame: &[u8]) -> Verdict {
        let correlation = frame.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
        let pending = correlation.and_then(|number| self.link.asked().kafka.remove(&number));
        let (number, doom) = pending.map_or((None, None), |pending| (pending.number, pending.doom));
        let mut state = self.shared.lock();
        let doom = doom.filter(|(_, healed)| *healed == state.healed).map(|(fault, _)| fault);
        let fate = |verdict: &Verdict| match verdict {
            Verdict::Pass => Fate::Answered,
            _ => Fate::AnswerLost,
        };
        let verdict = match doom {
            Some(Fault::SwallowAnswer { .. }) => {
                self.shared.happened();
                Verdict::Reset(0)
            }
            Some(_) => {
                self.shared.happened();
                Verdict::Reset(frame.len() / 2)
            }
            None => {
                drop(state);
                let verdict = self.mid_frame(frame.len());
                state = self.shared.lock();
                verdict
            }
        };
        state.record.fate(number, fate(&verdict));
        verdict
    }

    fn postgres_request(&self, kind: u8) -> Verdict {
        let fits = |fault: &Fault| match fault {
            Fault::SwallowRequest { api: None } => true,
            Fault::SwallowAnswer { api: None } => matches!(kind, b'Q' | b'S'),
            _ => false,
        };
        match self.shared.take(fits) {
            Some(Fault::SwallowRequest { .. }) => {
                self.shared.happened();
                Verdict::Reset(0)
            }
            Some(_) => {
                let healed = self.shared.lock().healed;
                self.link.asked().postgres = Some(healed);
                Verdict::Pass
            }
            None => Verdict::Pass,
        }
    }

    fn postgres_answer(&self, kind: u8, length: usize) -> Verdict {
        let mut asked = self.link.asked();
        if asked.postgres.is_some() {
            let over = asked.postgres != Some(self.shared.lock().healed);
            // Ready for the next query, or for a copy.
            if matches!(kind, b'Z' | b'W' | b'G' | b'H') || over {
                asked.postgres = None;
                self.shared.happened();
                return Verdict::Reset(0);
            }
            return Verdict::Drop;
        }
        drop(asked);
        if kind == b'd' { self.mid_frame(length) } else { Verdict::Pass }
    }

    fn bytes(&self, length: usize) -> Verdict {
        let is_opaque = self.link.wire.protocol() == Protocol::Opaque;
        if is_opaque && !self.from_client { self.mid_frame(length) } else { Verdict::Pass }
    }

    fn mid_frame(&self, length: usize) -> Verdict {
        if length >= 2 && self.shared.take(|fault| matches!(fault, Fault::ResetMidFrame)).is_some() {
            self.shared.happened();
            return Verdict::Reset(length / 2);
        }
        Verdict::Pass
    }
}

/// Delivers a request that was kept, and waits for its answer.
fn late(
    shared: &Shared,
    upstream: SocketAddr,
    request: &Request,
    number: Option<u64>,
    bytes: &[u8],
    after: Duration,
) {
    let (due, released) = (Instant::now() + after, shared.lock().released);
    // A heal ends a pause, and not this wait.
    while Instant::now() < due && shared.lock().released == released && !shared.is_stopped() {
        shared.pause(due.saturating_duration_since(Instant::now()), || false);
    }
    while !shared.is_stopped() {
        let delivered =
            TcpStream::connect_timeout(&upstream, Duration::from_secs(5)).and_then(|mut server| {
                server.set_read_timeout(Some(Duration::from_secs(30)))?;
                server.write_all(bytes)?;
                let mut length = [0; 4];
                server.read_exact(&mut length)?;
                let mut answer = length.to_vec();
                answer.resize(4 + u32::from_be_bytes(length) as usize, 0);
                server.read_exact(&mut answer[4..])?;
                Ok(answer)
            });
        match delivered {
            Ok(answer) => {
                let code = request.error_code(&answer);
                shared.lock().record.fate(number, Fate::Late { code });
                return shared.happened();
            }
            // The server may be down, and comes back.
            Err(_) => shared.pause(Duration::from_millis(100), || false),
        }
    }
}
