//! What a network can do to a connection.

use super::KafkaApi;
use std::time::Duration;

/// A fault, and when it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Now: every open connection is reset. Nothing happens when there is none.
    Cut,
    /// Until healed: new connections are reset before a byte has passed.
    RefuseNew,
    /// Until healed: whatever either side sends is swallowed, and the connection stays. Healing resets it.
    HalfOpen,
    /// Until healed: each direction of each connection passes so many bytes in a second.
    Slow { bytes_per_second: u64 },
    /// Until healed: what is read from a connection is passed on so much later, in each direction.
    Delay(Duration),
    /// Once: a part of the next frame from the server (Kafka: an answer; Postgres: a CopyData) passes, then both sides
    /// are reset.
    ResetMidFrame,
    /// The same for the answer to a request of this kind.
    ResetMidAnswer { api: KafkaApi },
    /// Once: the request passes and is answered; the answer is swallowed and both sides are reset. Postgres: the answer
    /// to a query, up to its end.
    SwallowAnswer { api: Option<KafkaApi> },
    /// Once: the request is swallowed and both sides are reset.
    SwallowRequest { api: Option<KafkaApi> },
    /// Once, Kafka only: the request is swallowed and both sides are reset; its very bytes reach the server so much
    /// later, or when `Proxy::release` says so, over a connection of their own. It has fired when the server has answered them.
    LateRequest { api: KafkaApi, after: Duration },
}

/// An injected fault that may still happen.
pub(super) struct Armed {
    pub(super) fault: Fault,
    pub(super) has_fired: bool,
}
