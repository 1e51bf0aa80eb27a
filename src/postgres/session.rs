//! The SQL session: a tokio-postgres client over our own socket, with the pinned settings, and the leader's lock.

use super::socket::{self, Socket};
use super::{Config, Error, PINNED_SETTINGS, ServerError};
use ring::digest;
use std::future::{Ready, poll_fn, ready};
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::error::DbError;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Connection, Row};

/// A session. The connection is driven by a task of the runtime it was opened in, and closes when this is dropped.
pub struct Session {
    client: Client,
    /// `server_version` up to its first dot; 0 when the server does not say.
    major: u32,
    address: String,
    /// How the connection ended: the server's last words, or the system's.
    ending: Arc<OnceLock<Ending>>,
}

#[derive(Clone, Debug)]
enum Ending {
    Server(ServerError),
    Broken(String),
}

/// Connects and logs in, with the settings of [`PINNED_SETTINGS`].
pub async fn connect(config: &Config) -> Result<Session, Error> {
    let mut settings = tokio_postgres::Config::new();
    // The socket has TLS or has it not by now; the client is told that it "connects" TLS and gets the same socket back.
    settings.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    settings.user(&config.user).dbname(&config.database).application_name(&config.application_name);
    settings.options(options(config));
    if let Some(password) = &config.password {
        settings.password(password.reveal());
    }
    let address = socket::address(config);
    let (client, connection) = socket::open(config, socket::Use::Queries, |socket| {
        let settings = settings.clone();
        let address = address.clone();
        async move { settings.connect_raw(socket, Established).await.map_err(|e| translate(e, &address)) }
    })
    .await?;
    let ending = Arc::new(OnceLock::new());
    let major = connection.parameter("server_version").map_or(0, major);
    tokio::spawn(drive(connection, Arc::clone(&ending)));
    Ok(Session { client, major, address, ending })
}

impl Session {
    /// The client, for what the functions below do not cover; translate its errors with [`Session::error`].
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The server's major version; 0 when it did not say.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The connection has ended, and the locks with it.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Rows of one statement.
    pub async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.client.query(sql, parameters).await.map_err(|e| self.error(e))
    }

    /// The first row, if there is one.
    pub async fn query_opt(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, parameters).await?.into_iter().next())
    }

    /// The first row; its absence is an error.
    pub async fn query_one(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        let row = self.query_opt(sql, parameters).await?;
        row.ok_or_else(|| Error::Protocol("no row where one was asked for".into()))
    }

    /// Statements separated by semicolons; their rows are thrown away.
    pub async fn execute(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await.map_err(|e| self.error(e))
    }

    /// What an error of [`Session::client`] means. A closed connection is told with the server's last words.
    pub fn error(&self, error: tokio_postgres::Error) -> Error {
        match self.ending.get() {
            Some(Ending::Server(last)) if error.is_closed() => Error::Server(last.clone()),
            Some(Ending::Broken(why)) if error.is_closed() => {
                Error::Unreachable { address: self.address.clone(), source: io::Error::other(why.clone()) }
            }
            _ => translate(error, &self.address),
        }
    }
}

/// Takes the advisory lock of `key` for as long as the session lasts; `false` when another session has it.
///
/// The lock is `pg_try_advisory_lock(2002873456, n)`, where the first number is "walp" in ASCII and `n` the first four
/// bytes of SHA-256 of the key, big-endian and signed. Postgres keeps advisory locks per database.
pub async fn try_lock(session: &Session, key: &str) -> Result<bool, Error> {
    let sql = include_str!("../../sql/leader_lock.sql");
    let row =
        session.query_one(&super::statement::fill(sql, &[("key", &lock_key(key).to_string())]), &[]).await?;
    value(&row, 0)
}

/// From now on the server ends this session once it has said nothing for so long. A process that stands still keeps its
/// connections: its kernel answers the keepalives, and only its silence tells.
pub async fn speak_or_end(session: &Session, silence: Duration) -> Result<(), Error> {
    let sql = include_str!("../../sql/session_silence.sql");
    let silence = format!("{}ms", silence.as_millis());
    session.execute(&super::statement::fill(sql, &[("silence", &silence)])).await
}

/// 15 of "15.18 (Debian 15.18-0+deb12u1)", 19 of "19beta1".
fn major(server_version: &str) -> u32 {
    let digits = server_version.find(|c: char| !c.is_ascii_digit()).unwrap_or(server_version.len());
    server_version[..digits].parse().unwrap_or_default()
}

fn lock_key(key: &str) -> i32 {
    let hash = digest::digest(&digest::SHA256, key.as_bytes());
    hash.as_ref().iter().take(4).fold(0, |key, byte| (key << 8) | i32::from(*byte))
}

/// A column by name or index; a value of another type than asked for is an error, not a panic.
pub(super) fn value<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    column: impl tokio_postgres::row::RowIndex + std::fmt::Display,
) -> Result<T, Error> {
    row.try_get(column).map_err(|e| Error::Protocol(describe(&e)))
}

/// `-c name=value` for each pinned setting, with the escapes of the startup packet's `options`; and the server's own
/// keepalives, so that it notices a dead client, and frees its lock and slot, as soon as we notice a dead server.
fn options(config: &Config) -> String {
    let mut options = String::new();
    let mut add = |name: &str, value: &str| {
        let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
        options.push_str(&format!("{}-c {name}={value}", if options.is_empty() { "" } else { " " }));
    };
    for (name, value) in PINNED_SETTINGS.iter().filter(|(name, _)| *name != "client_encoding") {
        add(name, value);
    }
    for (name, value) in server_keepalives(config) {
        add(name, &value);
    }
    options
}

/// The server's half of the TCP keepalives.
pub(super) fn server_keepalives(config: &Config) -> Vec<(&'static str, String)> {
    if !config.tcp_keepalive || socket::is_unix(config) {
        return Vec::new();
    }
    vec![
        ("tcp_keepalives_idle", socket::KEEPALIVE_IDLE.as_secs().to_string()),
        ("tcp_keepalives_interval", socket::KEEPALIVE_INTERVAL.as_secs().to_string()),
        ("tcp_keepalives_count", socket::KEEPALIVE_COUNT.to_string()),
    ]
}

/// Drives the connection, logs the server's notices, and keeps how it ended before the client can see that it has.
async fn drive(mut connection: Connection<Socket, Socket>, ending: Arc<OnceLock<Ending>>) {
    loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(AsyncMessage::Notice(notice))) => super::log_notice(&server_error(&notice)),
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                let how = match error.as_db_error() {
                    Some(last_words) => Ending::Server(server_error(last_words)),
                    None => Ending::Broken(describe(&error)),
                };
                // Set once: nobody else sets it.
                let _ = ending.set(how);
                return;
            }
            None => return,
        }
    }
}

fn translate(error: tokio_postgres::Error, address: &str) -> Error {
    if let Some(error) = error.as_db_error() {
        return Error::Server(server_error(error));
    }
    let text = describe(&error);
    // The kind of a tokio-postgres error shows only in its text.
    if text.starts_with("authentication error") || text.starts_with("invalid configuration") {
        return Error::Login(text);
    }
    let unreachable = |source| Error::Unreachable { address: address.to_owned(), source };
    if error.is_closed() {
        return unreachable(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    match std::error::Error::source(&error).and_then(|e| e.downcast_ref::<io::Error>()) {
        Some(cause) if text.starts_with("error communicating") => {
            unreachable(io::Error::new(cause.kind(), cause.to_string()))
        }
        _ => Error::Protocol(text),
    }
}

/// The error with its causes: tokio-postgres shows only the outermost.
fn describe(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn server_error(error: &DbError) -> ServerError {
    ServerError {
        severity: error.severity().to_owned(),
        sqlstate: error.code().code().to_owned(),
        message: error.message().to_owned(),
        detail: error.detail().map(str::to_owned),
        hint: error.hint().map(str::to_owned),
    }
}

/// Hands a socket that is ready back as it is.
struct Established;

impl TlsConnect<Socket> for Established {
    type Stream = Socket;
    type Error = io::Error;
    type Future = Ready<io::Result<Socket>>;

    fn connect(self, socket: Socket) -> Self::Future {
        ready(Ok(socket))
    }
}

impl TlsStream for Socket {
    fn channel_binding(&self) -> ChannelBinding {
        self.channel_binding().map_or_else(ChannelBinding::none, |binding| {
            ChannelBinding::tls_server_end_point(binding.to_vec())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_however_it_is_packaged() {
        for (version, expected) in
            [("15.18 (Debian 15.18-0+deb12u1)", 15), ("19beta1", 19), ("14.0", 14), ("?", 0)]
        {
            assert_eq!(major(version), expected, "{version}");
        }
    }

    #[test]
    fn the_lock_of_a_slot_is_the_same_for_ever() {
        assert_eq!(i32::from_be_bytes(*b"walp"), 2_002_873_456);
        // printf outbox | sha256sum
        assert_eq!(lock_key("outbox"), i32::from_be_bytes([0x77, 0x72, 0x18, 0x9a]));
        assert_ne!(lock_key("outbox"), lock_key("outbox2"));
    }
}
