//! Postgres: how to connect, log in, and ask about server, slots, publications and tables. Knows nothing of outboxes.
//!
//! Two kinds of connection: an SQL session (tokio-postgres) and a replication connection of our own, both from one
//! [`Config`] and one TLS set-up, both with the session settings that decide the text of values pinned.

pub mod auth;
pub mod catalog;
pub mod copy;
pub mod facts;
pub mod fingerprint;
pub mod peek;
pub mod publication;
pub mod replication;
pub mod session;
pub mod slot;
pub mod snapshot;
pub mod socket;
mod statement;
pub mod tls;
mod verifier;

use crate::secret::Secret;
use pgwire_replication::protocol::messages::ErrorFields;
use std::path::PathBuf;
use std::time::Duration;

/// How to reach a database.
#[derive(Clone, Debug)]
pub struct Config {
    /// `database.hostname`; a path is the directory of a unix socket.
    pub host: String,
    /// `database.port`.
    pub port: u16,
    /// `database.user`.
    pub user: String,
    /// `database.password`.
    pub password: Option<Secret>,
    /// `database.dbname`.
    pub database: String,
    /// `database.sslmode`, meaning what libpq means.
    pub ssl_mode: SslMode,
    /// `database.sslrootcert`: PEM; the system's roots when absent (for verify-ca and verify-full).
    pub ssl_root_cert: Option<PathBuf>,
    /// `database.sslcert`: PEM.
    pub ssl_cert: Option<PathBuf>,
    /// `database.sslkey`: PEM, unencrypted.
    pub ssl_key: Option<PathBuf>,
    /// `walpost.database.connect.timeout.ms`.
    pub connect_timeout: Duration,
    /// `database.tcpKeepAlive`.
    pub tcp_keepalive: bool,
    /// `application_name` of our sessions.
    pub application_name: String,
}

/// libpq's sslmode (manual, "SSL Support", table "SSL Mode Descriptions").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only if the server insists.
    Allow,
    /// TLS if the server has it.
    Prefer,
    /// TLS, whoever answers; with a root certificate given, as verify-ca.
    Require,
    /// TLS, and the certificate's issuer is trusted.
    VerifyCa,
    /// TLS, and the certificate names the host.
    VerifyFull,
}

/// The settings that decide the text of values, pinned in every session we open, as startup parameters.
pub const PINNED_SETTINGS: &[(&str, &str)] = &[
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, YMD"),
    ("TimeZone", "UTC"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
];

/// An error message of the server, whole (manual, "Error and Notice Message Fields").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// ERROR, FATAL or PANIC.
    pub severity: String,
    /// Five characters (manual, appendix "PostgreSQL Error Codes").
    pub sqlstate: String,
    /// Primary message.
    pub message: String,
    /// Detail, where given.
    pub detail: Option<String>,
    /// Hint, where given.
    pub hint: Option<String>,
}

impl ServerError {
    /// Reads the fields of an ErrorResponse or NoticeResponse.
    pub fn parse(payload: &[u8]) -> ServerError {
        let fields = ErrorFields::parse(payload);
        ServerError {
            severity: fields.severity.unwrap_or_default(),
            sqlstate: fields.code.unwrap_or_default(),
            message: fields.message.unwrap_or_default(),
            detail: fields.detail,
            hint: fields.hint,
        }
    }
}

/// A notice is somebody's concern, but nobody's error.
pub fn log_notice(notice: &ServerError) {
    let (severity, sqlstate, message) = (&notice.severity, &notice.sqlstate, &notice.message);
    if sqlstate.starts_with("01") {
        tracing::warn!(%sqlstate, %message, "notice from Postgres");
    } else {
        tracing::debug!(%severity, %sqlstate, %message, "notice from Postgres");
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.sqlstate)
    }
}

/// What can go wrong with Postgres.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be reached, or the connection broke.
    #[error("cannot reach Postgres at {address}: {source}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// It answered with an error.
    #[error("Postgres refuses: {0}")]
    Server(ServerError),
    /// TLS could not be set up: certificates, names, or a server without TLS.
    #[error("TLS to Postgres: {0}")]
    Tls(String),
    /// Logging in needs something that is missing or not supported.
    #[error("logging in to Postgres: {0}")]
    Login(String),
    /// The server said something this client does not understand.
    #[error("unexpected answer from Postgres: {0}")]
    Protocol(String),
}

impl Error {
    /// The SQLSTATE, where the server gave one.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Error::Server(error) => Some(&error.sqlstate),
            _ => None,
        }
    }

    /// Worth another attempt: the server may come back, or be less busy.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Unreachable { .. } => true,
            Error::Server(error) => is_transient_sqlstate(&error.sqlstate),
            Error::Tls(_) | Error::Login(_) | Error::Protocol(_) => false,
        }
    }
}

/// Classes 08, 53, 57 (but not query_canceled by statement), 58, serialization failures, object in use.
pub fn is_transient_sqlstate(sqlstate: &str) -> bool {
    matches!(sqlstate.get(..2), Some("08" | "53" | "57" | "58" | "40"))
        || matches!(sqlstate, "55006" | "XX000")
}
