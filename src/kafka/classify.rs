//! What a client error means: exactly one answer per error and call.

/// What a client error means for the transaction that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Definitely not done; the same call may be made again.
    Retriable,
    /// Definitely not done; the transaction must be aborted.
    Abortable,
    /// Nobody knows: a time-out or a lost connection while the answer was due.
    Indefinite,
    /// A newer instance with the same transactional id has taken over.
    Fenced,
    /// This producer is of no further use.
    Fatal,
    /// The record is refused for what it is: too large, unknown topic, invalid.
    RecordRefused,
    /// The cluster refuses this client: authentication or authorisation.
    Denied,
}
