//! Every part's error under one roof: what happened, what is at risk, what to do, and which exit code.

mod hints;

use crate::observe::http::ListenError;
use crate::observe::logging::LevelError;
use crate::{kafka, postgres};
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
    /// A check found problems (`doctor`, `verify`, `asyncapi --check`), or letters stay behind (`dlq replay`).
    Findings = 3,
    /// A destructive command without its `--confirm`.
    NotConfirmed = 4,
    /// What was asked for does not exist.
    NotFound = 5,
    /// Postgres refuses for good, or a one-shot command cannot reach it.
    Postgres = 6,
    /// Kafka refuses for good, or a one-shot command cannot reach it.
    Kafka = 7,
    /// The schema registry refuses for good, or a one-shot command cannot reach it.
    Registry = 8,
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
    /// A slot, but no stored position; or stored positions that are no chain.
    PositionMissing = 27,
    /// The slot is older than its birth in the record: re-created on a rewound server.
    SlotReborn = 28,
    /// The publication is missing, or younger than the slot.
    Publication = 29,
    /// A snapshot that was interrupted cannot be gone on with.
    Snapshot = 30,
    /// Interrupted (Ctrl-C) in a one-shot command.
    Interrupted = 130,
}

impl Exit {
    /// All of them, in order.
    pub const ALL: &[Exit] = &[
        Exit::Ok,
        Exit::Failure,
        Exit::Usage,
        Exit::Findings,
        Exit::NotConfirmed,
        Exit::NotFound,
        Exit::Postgres,
        Exit::Kafka,
        Exit::Registry,
        Exit::Rejected,
        Exit::Stream,
        Exit::Undrained,
        Exit::SlotAhead,
        Exit::ServerBehind,
        Exit::FailoverGap,
        Exit::OldTimeline,
        Exit::OtherSystem,
        Exit::SlotMissing,
        Exit::SlotLost,
        Exit::PositionMissing,
        Exit::SlotReborn,
        Exit::Publication,
        Exit::Snapshot,
        Exit::Interrupted,
    ];
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

impl Failure {
    /// Trouble with Postgres while doing `during` ("creating the slot").
    pub fn from_postgres(error: &postgres::Error, during: &str) -> Failure {
        let (detail, hint) = hints::postgres(error);
        Failure::new(Exit::Postgres, format!("{during}: {error}"), detail, hint)
    }

    /// Trouble with Kafka while doing `during`.
    pub fn from_kafka(error: &kafka::Error, during: &str) -> Failure {
        let exit = match error.kind {
            kafka::ErrorKind::Settings => Exit::Usage,
            _ => Exit::Kafka,
        };
        let (detail, hint) = hints::kafka(error);
        Failure::new(exit, format!("{during}: {error}"), detail, hint)
    }
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Failure {
        Failure::new(
            Exit::Usage,
            error.to_string(),
            "",
            "walpost.http.listen takes an address of this machine; port 0 takes a free one and logs it",
        )
    }
}

impl From<LevelError> for Failure {
    fn from(error: LevelError) -> Failure {
        Failure::new(Exit::Usage, error.to_string(), "", "")
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

/// Runs blocking work (a Kafka client) beside the runtime.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Failure::new(Exit::Failure, "a task ended unexpectedly", error.to_string(), "please report this"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::ServerError;

    fn refused(sqlstate: &str, message: &str) -> postgres::Error {
        let (sqlstate, message) = (sqlstate.to_owned(), message.to_owned());
        postgres::Error::Server(ServerError { sqlstate, message, ..ServerError::default() })
    }

    #[test]
    fn a_failure_says_what_then_detail_then_hint() {
        let failure = Failure::new(Exit::Postgres, "it broke", "one\ntwo", "mend it");
        assert_eq!(failure.to_string(), "error: it broke\n  detail: one\n          two\n  hint: mend it");
        assert_eq!(Failure::new(Exit::Failure, "it broke", "", "").to_string(), "error: it broke");
    }

    #[test]
    fn a_refusal_of_postgres_names_the_sqlstate_and_the_command_that_helps() {
        for (sqlstate, message, helps) in [
            ("28P01", "password authentication failed for user \"w\"", "database.password"),
            ("28000", "no pg_hba.conf entry for host", "pg_hba.conf"),
            ("3D000", "database \"x\" does not exist", "database.dbname"),
            ("42501", "must be superuser or replication role", "REPLICATION"),
            ("42704", "replication slot \"s\" does not exist", "walpost slot list"),
            ("42704", "publication \"p\" does not exist", "walpost publication create"),
            ("53400", "all replication slots are in use", "max_replication_slots"),
            ("55000", "logical decoding requires wal_level >= logical", "wal_level = logical"),
            ("55006", "replication slot \"s\" is active for PID 7", "walpost slot show"),
            ("58P01", "requested WAL segment has already been removed", "walpost doctor"),
        ] {
            let failure = Failure::from_postgres(&refused(sqlstate, message), "connecting");
            assert_eq!(failure.exit, Exit::Postgres);
            assert!(failure.what.contains(sqlstate) && failure.what.starts_with("connecting: "), "{failure}");
            assert!(failure.hint.contains(helps), "{sqlstate}: {failure}");
        }
    }

    #[test]
    fn the_servers_own_detail_and_hint_are_kept() {
        let error = postgres::Error::Server(ServerError {
            sqlstate: "XX001".into(),
            message: "page is broken".into(),
            detail: Some("block 7".into()),
            hint: Some("restore it".into()),
            ..ServerError::default()
        });
        let failure = Failure::from_postgres(&error, "looking");
        assert_eq!((failure.detail.as_str(), failure.hint.as_str()), ("block 7", "restore it"));
    }

    #[test]
    fn settings_that_the_kafka_client_refuses_are_a_usage_error() {
        let error = |kind| kafka::Error { kind, message: "no".into() };
        assert_eq!(Failure::from_kafka(&error(kafka::ErrorKind::Settings), "x").exit, Exit::Usage);
        let denied = Failure::from_kafka(&error(kafka::ErrorKind::Denied), "fencing");
        assert!(denied.exit == Exit::Kafka && denied.hint.contains("TransactionalId"), "{denied}");
    }
}
