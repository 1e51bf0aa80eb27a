//! Every part's error under one roof: what happened, what is at risk, what to do, and which exit code.

use std::fmt;

/// Exit codes. Documented in the README; tests hold the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// It went well.
    Ok = 0,
    /// Something failed that has no code of its own.
    Failure = 1,
    /// Wrong arguments or configuration.
    Usage = 2,
    /// A check found problems (`doctor`, `config validate` with warnings as errors).
    Findings = 3,
    /// A destructive command without its `--confirm`.
    NotConfirmed = 4,
    /// What was asked for does not exist.
    NotFound = 5,
    /// Postgres refuses for good, or a one-shot command cannot reach it.
    Postgres = 6,
    /// Kafka refuses for good, or a one-shot command cannot reach it.
    Kafka = 7,
    /// An event cannot be published (a rejection), by policy `stop`.
    Rejected = 10,
    /// The replication stream broke its own rules, or what was decoded is not what was published before.
    Stream = 11,
    /// The drain did not end within its deadline, or a second signal came; nothing is lost.
    Undrained = 12,
    /// Slot ahead of the stored position.
    SlotAhead = 20,
    /// Stored position beyond the server's WAL.
    ServerBehind = 21,
    /// Failover past the stored position, and the slot is past the switch.
    FailoverGap = 22,
    /// The server is on an older timeline than the stored position.
    OldTimeline = 23,
    /// Another cluster than the stored position's.
    OtherSystem = 24,
    /// The slot is gone.
    SlotMissing = 25,
    /// The slot is invalidated.
    SlotLost = 26,
    /// A slot, but no stored position.
    PositionMissing = 27,
    /// The slot is older than its birth in the record: re-created on a rewound server.
    SlotReborn = 28,
    /// The publication is missing, or not as it was.
    Publication = 29,
    /// Interrupted (Ctrl-C) in a one-shot command.
    Interrupted = 130,
}

/// An error for a person: what happened, detail, hint; and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened: lower case, no full stop.
    pub what: String,
    /// What is at risk, or what exactly is wrong.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

impl Failure {
    /// All three parts at once.
    pub fn new(
        exit: Exit,
        what: impl Into<String>,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Failure {
        Failure { exit, what: what.into(), detail: detail.into(), hint: hint.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if !self.detail.is_empty() {
            write!(f, "\n  detail: {}", self.detail.replace('\n', "\n          "))?;
        }
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint.replace('\n', "\n        "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
