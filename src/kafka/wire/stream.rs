//! The bytes to and from one broker: TCP, or TLS over it. Blocking, and every wait ends.

use super::settings::Settings;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// An open way to a broker.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects to the first of the host's addresses that answers.
    pub(super) fn open(settings: &Settings, host: &str, port: u16, deadline: Instant) -> io::Result<Stream> {
        let addresses = resolve(host, port, deadline)?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for (at, address) in addresses.iter().enumerate() {
            let share = left(deadline)? / (addresses.len() - at) as u32;
            match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
                Ok(socket) => return Stream::tuned(settings, host, socket, deadline),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn tuned(settings: &Settings, host: &str, socket: TcpStream, deadline: Instant) -> io::Result<Stream> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(left(deadline)?))?;
        let tuning = SockRef::from(&socket);
        tuning.set_keepalive(settings.keepalive)?;
        if let Some(bytes) = settings.send_buffer {
            tuning.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = settings.receive_buffer {
            tuning.set_recv_buffer_size(bytes)?;
        }
        let Some(config) = &settings.tls else { return Ok(Stream::Plain(socket)) };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let session = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.sock.set_read_timeout(Some(left(deadline)?))?;
            match stream.conn.complete_io(&mut stream.sock) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => {
                    done.map_err(in_words)?;
                }
            }
        }
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// Reads what there is; waits for it until the deadline at most.
    pub(super) fn read(&mut self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let read = loop {
            self.socket().set_read_timeout(Some(left(deadline)?))?;
            let read = match self {
                Stream::Plain(socket) => socket.read(into),
                Stream::Tls(stream) => stream.read(into),
            };
            // A signal ends a wait that has a time-out, and says nothing about the broker.
            if !read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
                break read;
            }
        };
        match read {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection")),
            read => read.map_err(in_words),
        }
    }

    /// Writes all of it.
    pub(super) fn write(&mut self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            self.socket().set_write_timeout(Some(left(deadline)?))?;
            let written = match self {
                Stream::Plain(socket) => socket.write(bytes),
                Stream::Tls(stream) => stream.write(bytes),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(some) => bytes = &bytes[some..],
                Err(error) => return Err(in_words(error)),
            }
        }
        match self {
            Stream::Plain(_) => Ok(()),
            Stream::Tls(stream) => stream.flush().map_err(in_words),
        }
    }

    /// Whether it is still open and nothing has come that nobody asked for: a broker closes what is idle for long.
    pub(super) fn is_quiet(&self) -> bool {
        let socket = self.socket();
        let would_block = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        let is_quiet =
            socket.set_nonblocking(true).is_ok() && socket.peek(&mut [0]).is_err_and(|e| would_block(&e));
        socket.set_nonblocking(false).is_ok() && is_quiet
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }
}

/// What is left of a wait; nothing is an error.
pub(super) fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(timed_out()) } else { Ok(left.max(Duration::from_millis(1))) }
}

/// A socket's word for a time-out is that it would block.
fn in_words(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { timed_out() } else { error }
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

/// Looks the host up on a thread of its own, because a resolver knows no deadline.
fn resolve(host: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (found, finding) = mpsc::sync_channel(1);
    let host = host.to_owned();
    thread::Builder::new().name("kafka-resolve".into()).spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(|found| found.collect());
        // Nobody listens any more when that took too long.
        let _ = found.send(addresses);
    })?;
    finding.recv_timeout(left(deadline)?).unwrap_or_else(|_| Err(timed_out()))
}
