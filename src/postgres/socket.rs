//! The way to the server, for both kinds of connection: address, socket options, TLS, and what `sslmode` tries.
//!
//! Enters: a [`Config`]. Leaves: what a login made of a [`Socket`] that is ready for the startup message. Promised:
//! the whole, name look-up and login included, ends within the connect timeout.

use super::{Config, Error, SslMode, tls};
use ring::digest;
use socket2::{SockRef, TcpKeepalive};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::der::Decode;

/// A quiet connection is probed after this long, then at `KEEPALIVE_INTERVAL`, and given up after `KEEPALIVE_COUNT`.
pub(super) const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
pub(super) const KEEPALIVE_COUNT: u32 = 3;
/// How long sent bytes may stay unacknowledged.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// The receive buffer of a stream from this machine, bytes; half of what Linux lets anyone ask for by default. The server
/// writes each message by itself: while the window is closed that only adds to what waits to be sent, otherwise it goes
/// through the whole of the network's code. A buffer that the kernel chooses grows until the window is never closed (1,000
/// rows a transaction of 300 B, 16 ms between the reads, one after the other: walsender 6.0 and 4.4 us an event). Much
/// smaller ones are less than a segment of the loopback, or have no room for what the window lets in. From another machine
/// the kernel chooses, for what a long way needs.
const STREAM_BUFFER: u32 = 104 * 1024;

/// A connection to the server, with or without TLS.
pub struct Socket {
    stream: Stream,
    channel_binding: Option<Vec<u8>>,
}

enum Stream {
    Plain(Transport),
    Tls(Box<TlsStream<Transport>>),
}

/// What lies beneath TLS. It belongs to one runtime's reactor, or, while it moves to another's, to none.
enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    MovingTcp(std::net::TcpStream),
    MovingUnix(std::os::unix::net::UnixStream),
    Gone,
}

/// One way of connecting; an `sslmode` is one or two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    TlsIfOffered,
    Tls,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Queries,
    Stream,
}

/// Connects as `sslmode` says and lets `login` make of the socket what it will; where libpq tries again without (or
/// with) TLS after a refusal, so does this.
pub(super) async fn open<T, F>(config: &Config, purpose: Use, login: impl Fn(Socket) -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let attempts = async {
        let (first, second) = ways(config);
        let error = match attempt(config, purpose, first, &login).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        match second {
            Some(second) if another_way_may_do(first, &error) => {
                attempt(config, purpose, second, &login).await.map_err(|other| both(first, error, other))
            }
            _ => Err(error),
        }
    };
    match timeout(config.connect_timeout, attempts).await {
        Ok(result) => result,
        Err(_) => {
            let why = format!("no answer within {:?}", config.connect_timeout);
            Err(unreachable(config, io::Error::new(io::ErrorKind::TimedOut, why)))
        }
    }
}

/// The address as people write it.
pub(super) fn address(config: &Config) -> String {
    if is_unix(config) {
        socket_path(config)
    } else if config.host.contains(':') {
        format!("[{}]:{}", config.host, config.port)
    } else {
        format!("{}:{}", config.host, config.port)
    }
}

pub(super) fn unreachable(config: &Config, source: io::Error) -> Error {
    Error::Unreachable { address: address(config), source }
}

/// TLS is never spoken on a unix socket, whatever the mode (as libpq).
pub(super) fn is_unix(config: &Config) -> bool {
    config.host.starts_with('/') || config.host.starts_with('@')
}

fn socket_path(config: &Config) -> String {
    format!("{}/.s.PGSQL.{}", config.host, config.port)
}

fn ways(config: &Config) -> (Way, Option<Way>) {
    match config.ssl_mode {
        _ if is_unix(config) => (Way::Plain, None),
        SslMode::Disable => (Way::Plain, None),
        SslMode::Allow => (Way::Plain, Some(Way::Tls)),
        SslMode::Prefer => (Way::TlsIfOffered, Some(Way::Plain)),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (Way::Tls, None),
    }
}

/// The server refused the login (a pg_hba.conf line may differ for the other way), or TLS failed where it is optional.
fn another_way_may_do(first: Way, error: &Error) -> bool {
    match error {
        Error::Server(error) => error.sqlstate.starts_with("28"),
        Error::Tls(_) => first == Way::TlsIfOffered,
        _ => false,
    }
}

/// What went wrong with TLS matters more to the reader; the other way's trouble is told beside it.
fn both(first: Way, error: Error, other: Error) -> Error {
    let (with_tls, without) = if first == Way::Plain { (other, error) } else { (error, other) };
    match with_tls {
        Error::Server(mut server) => {
            let beside = format!("without TLS: {without}");
            server.detail =
                Some(server.detail.map_or(beside.clone(), |detail| format!("{detail}; {beside}")));
            Error::Server(server)
        }
        Error::Tls(why) => Error::Tls(format!("{why}; without TLS: {without}")),
        with_tls => with_tls,
    }
}

async fn attempt<T, F>(
    config: &Config,
    purpose: Use,
    way: Way,
    login: &impl Fn(Socket) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let transport = dial(config, purpose).await.map_err(|e| unreachable(config, e))?;
    let socket = match way {
        Way::Plain => Socket { stream: Stream::Plain(transport), channel_binding: None },
        Way::TlsIfOffered | Way::Tls => secure(config, way, transport).await?,
    };
    login(socket).await
}

async fn dial(config: &Config, purpose: Use) -> io::Result<Transport> {
    if is_unix(config) {
        // An abstract name, as libpq has it: '@' stands for the zero byte, which tokio understands too.
        return UnixStream::connect(socket_path(config).replacen('@', "\0", 1)).await.map(Transport::Unix);
    }
    let addresses: Vec<_> = lookup_host((config.host.as_str(), config.port)).await?.collect();
    let share = config.connect_timeout / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timeout(share, connect(address, purpose)).await {
            Ok(Ok(stream)) => return tune(config, stream),
            Ok(Err(e)) => last = e,
            Err(_) => {
                last =
                    io::Error::new(io::ErrorKind::TimedOut, format!("{address}: no answer within {share:?}"))
            }
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr, purpose: Use) -> io::Result<TcpStream> {
    if purpose == Use::Queries || !address.ip().is_loopback() {
        return TcpStream::connect(address).await;
    }
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Before it connects: what has been offered once cannot be taken back.
    socket.set_recv_buffer_size(STREAM_BUFFER)?;
    socket.connect(address).await
}

fn tune(config: &Config, stream: TcpStream) -> io::Result<Transport> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    if config.tcp_keepalive {
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
        socket.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_COUNT))?;
    }
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(Transport::Tcp(stream))
}

/// SSLRequest and handshake (manual, "SSL Session Encryption").
async fn secure(config: &Config, way: Way, mut transport: Transport) -> Result<Socket, Error> {
    let broken = |e: io::Error| unreachable(config, e);
    let client_config = tls::client_config(config)?;
    pgwire_replication::protocol::framing::write_ssl_request(&mut transport)
        .await
        .map_err(|e| broken(io::Error::other(e.to_string())))?;
    // One byte and no more: what follows must come through TLS.
    match transport.read_u8().await.map_err(broken)? {
        b'S' => {}
        b'N' if way == Way::TlsIfOffered => {
            return Ok(Socket { stream: Stream::Plain(transport), channel_binding: None });
        }
        b'N' => {
            return Err(Error::Tls(format!(
                "the server has no TLS, and sslmode is {:?}: switch ssl on in postgresql.conf",
                config.ssl_mode
            )));
        }
        // An error message before TLS may be anybody's; its words are not repeated.
        b'E' => {
            return Err(broken(io::Error::other(
                "the server answers with an error before TLS; its log says why",
            )));
        }
        other => return Err(Error::Protocol(format!("{other:#04x} in answer to the request for TLS"))),
    }
    let name = rustls::pki_types::ServerName::try_from(config.host.clone()).map_err(|_| {
        Error::Tls(format!("{:?} is not a host name that a certificate could carry", config.host))
    })?;
    let stream =
        TlsConnector::from(client_config).connect(name, transport).await.map_err(handshake_failed)?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let channel_binding = certificate.and_then(|certificate| server_end_point(certificate));
    Ok(Socket { stream: Stream::Tls(Box::new(stream)), channel_binding })
}

fn handshake_failed(error: io::Error) -> Error {
    use rustls::{CertificateError as Cert, Error as Tls};
    let Some(cause) = error.get_ref().and_then(|e| e.downcast_ref::<Tls>()) else {
        return Error::Tls(format!("the handshake broke off: {error}"));
    };
    Error::Tls(match cause {
        Tls::InvalidCertificate(Cert::UnknownIssuer) => {
            "the server's certificate was not issued by any root in sslrootcert".into()
        }
        Tls::InvalidCertificate(Cert::NotValidForName | Cert::NotValidForNameContext { .. }) => {
            format!(
                "the server's certificate does not carry the host's name ({cause}); sslmode=verify-ca would not ask for it"
            )
        }
        other => other.to_string(),
    })
}

/// tls-server-end-point (RFC 5929, 4.1): the certificate, hashed with the hash of its own signature; MD5 and SHA-1
/// count as SHA-256. `None` for signatures without a hash of their own (Ed25519): then there is no channel binding.
fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let parsed = x509_cert::Certificate::from_der(certificate).ok()?;
    let algorithm = match parsed.signature_algorithm.oid.to_string().as_str() {
        // rsaEncryption with MD5, SHA-1, SHA-256; ecdsa with SHA-1, SHA-256
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => &digest::SHA256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}

impl Socket {
    /// Bytes are encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// What SCRAM-SHA-256-PLUS binds to.
    pub fn channel_binding(&self) -> Option<&[u8]> {
        self.channel_binding.as_deref()
    }

    /// TCP from this machine: what the server sends while nobody reads waits with it, a megabyte and more.
    pub fn is_loopback(&self) -> bool {
        let transport = match &self.stream {
            Stream::Plain(transport) => transport,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        let peer = match transport {
            Transport::Tcp(stream) => stream.peer_addr(),
            Transport::MovingTcp(stream) => stream.peer_addr(),
            _ => return false,
        };
        peer.is_ok_and(|peer| peer.ip().is_loopback())
    }

    fn transport(&mut self) -> &mut Transport {
        match &mut self.stream {
            Stream::Plain(transport) => transport,
            Stream::Tls(stream) => stream.get_mut().0,
        }
    }

    /// Leaves the reactor of the runtime it was opened in.
    pub fn leave_runtime(&mut self) -> io::Result<()> {
        let transport = self.transport();
        *transport = match std::mem::replace(transport, Transport::Gone) {
            Transport::Tcp(stream) => Transport::MovingTcp(stream.into_std()?),
            Transport::Unix(stream) => Transport::MovingUnix(stream.into_std()?),
            moving => moving,
        };
        Ok(())
    }

    /// Enters the reactor of the runtime this is called in.
    pub fn enter_runtime(&mut self) -> io::Result<()> {
        let transport = self.transport();
        *transport = match std::mem::replace(transport, Transport::Gone) {
            Transport::MovingTcp(stream) => Transport::Tcp(TcpStream::from_std(stream)?),
            Transport::MovingUnix(stream) => Transport::Unix(UnixStream::from_std(stream)?),
            there => there,
        };
        Ok(())
    }
}

fn no_runtime<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::Error::other("the connection is between two runtimes")))
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            _ => no_runtime(),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            _ => no_runtime(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_flush(cx),
            _ => no_runtime(),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            _ => no_runtime(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_from_this_machine_has_a_small_window_and_queries_have_the_usual() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let buffer = async |purpose| {
            let stream = connect(address, purpose).await.expect("a connection");
            SockRef::from(&stream).recv_buffer_size().expect("its buffer")
        };
        let usual = TcpStream::connect(address).await.expect("a connection");
        let usual = SockRef::from(&usual).recv_buffer_size().expect("its buffer");
        assert_eq!(buffer(Use::Queries).await, usual);
        // The kernel takes twice what is asked for, for what it keeps beside.
        assert_eq!(buffer(Use::Stream).await, 2 * STREAM_BUFFER as usize);
    }
}
