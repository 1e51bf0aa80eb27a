//! Kafka: client settings by their Java names, two transactional producers of which one is chosen, topics, and reading a
//! topic's tail. Knows nothing of outboxes.

pub mod admin;
pub mod classify;
mod consumer;
pub mod producer;
pub mod scan;
pub mod settings;
pub mod tail;
pub mod transactional;
pub mod wire;

/// What can go wrong with Kafka.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What it means.
    pub kind: ErrorKind,
    /// What was being done, and the client's words.
    pub message: String,
}

/// What a Kafka error means for the connector as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Not reachable, not ready, timed out: worth another attempt.
    Transient,
    /// Authentication or authorisation: no attempt will help.
    Denied,
    /// The client cannot be configured like this.
    Settings,
    /// A topic is missing, or not as it must be.
    Topic,
    /// A newer instance has taken over.
    Fenced,
    /// Anything else.
    Other,
}
