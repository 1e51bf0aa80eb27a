//! What to do about each part's error: try again, or stop with a code of its own. One match per part.
//!
//! Transient trouble (a server gone, failing over, restarting) is retried for ever; permanent trouble (authentication,
//! permissions, configuration, a bad event, anything uncertain about the position) stops at once.

use super::parking::Full;
use super::{publishing, road};
use crate::error::{Exit, Failure};
use crate::lsn::Lsn;
use crate::observe::metrics::Component;
use crate::rejection::Rejection;
use crate::{kafka, postgres, publish, registry, source};

/// An error, and the remedy for it.
#[derive(Debug)]
pub enum Trouble {
    /// Begin anew after a while: fence, read the position, go on.
    Retry(Component, Failure),
    /// Begin anew at once, with one source transaction to a batch up to this LSN, and record by record: one of them
    /// cannot be published, and those before it can.
    Singly(Lsn, Failure),
    /// Begin anew at once, and send no record of this event: Kafka refuses it.
    Refused(Box<Rejection>, Failure),
    /// Stop.
    Halt(Failure),
}

impl Trouble {
    /// What to tell, by who does not try again.
    pub fn into_failure(self) -> Failure {
        match self {
            Trouble::Retry(_, failure)
            | Trouble::Singly(_, failure)
            | Trouble::Refused(_, failure)
            | Trouble::Halt(failure) => failure,
        }
    }

    /// The same, to be told beforehand.
    pub fn failure(&self) -> &Failure {
        match self {
            Trouble::Retry(_, failure)
            | Trouble::Singly(_, failure)
            | Trouble::Refused(_, failure)
            | Trouble::Halt(failure) => failure,
        }
    }

    /// Trouble with Postgres while doing `what`.
    pub fn postgres(error: &postgres::Error, what: &str) -> Trouble {
        let failure = Failure::from_postgres(error, what);
        if error.is_transient() {
            Trouble::Retry(Component::Postgres, failure)
        } else {
            Trouble::Halt(failure)
        }
    }

    /// Trouble with Kafka while doing `what`.
    pub fn kafka(error: &kafka::Error, what: &str) -> Trouble {
        let failure = Failure::from_kafka(error, what);
        match error.kind {
            kafka::ErrorKind::Transient | kafka::ErrorKind::Fenced | kafka::ErrorKind::Other => {
                Trouble::Retry(Component::Kafka, failure)
            }
            kafka::ErrorKind::Denied | kafka::ErrorKind::Settings | kafka::ErrorKind::Topic => {
                Trouble::Halt(failure)
            }
        }
    }

    /// A blocking task or thread that panicked: a defect. Nothing was confirmed that Kafka does not hold.
    pub fn defect(what: &str) -> Trouble {
        Trouble::Halt(Failure::new(
            Exit::Failure,
            format!("{what} ended unexpectedly"),
            "this is a defect of walpost; nothing was confirmed to Postgres that Kafka does not hold",
            "the log above has the panic; please report it",
        ))
    }
}

impl From<source::Error> for Trouble {
    fn from(error: source::Error) -> Trouble {
        let what = "reading the replication stream";
        match error {
            source::Error::Connect(error) => Trouble::postgres(&error, what),
            source::Error::Server(error) if error.sqlstate == "42704" => {
                Trouble::Halt(publication_unknown(&error))
            }
            source::Error::Server(error) => Trouble::postgres(&postgres::Error::Server(error), what),
            source::Error::TooLarge { .. } => Trouble::Halt(Failure::new(
                Exit::Rejected,
                error.to_string(),
                "everything before its transaction is published; this change and all after it wait in Postgres",
                "raise walpost.memory.max.bytes; or, when the row is of a table that is no outbox, take that table out \
                 of the publication",
            )),
            source::Error::Malformed(detail) => Trouble::Halt(stream_broken(&detail)),
            source::Error::Io(_) | source::Error::Silent(_) | source::Error::Ended => Trouble::Retry(
                Component::Postgres,
                Failure::new(
                    Exit::Postgres,
                    error.to_string(),
                    "the connector starts again from the position that Kafka holds; nothing is lost",
                    "if it does not come back: is Postgres running, and reachable from here?",
                ),
            ),
        }
    }
}

impl From<road::Error> for Trouble {
    fn from(error: road::Error) -> Trouble {
        match error {
            road::Error::Source(error) => error.into(),
            road::Error::Decode(error) => Trouble::Halt(stream_broken(&error.to_string())),
            road::Error::Order(detail) => Trouble::Halt(stream_broken(&detail)),
            road::Error::Catalog(error) => {
                Trouble::postgres(&error, "reading the outbox table's catalogue entry")
            }
            road::Error::Rejected(rejection) => Trouble::Halt(rejected(&rejection)),
            road::Error::NoRoom(full) => Trouble::Halt(parking_full(full)),
            road::Error::Parking(error) => Trouble::kafka(&error, "following the dead letters"),
            road::Error::Registry(error) => registry(&error),
            road::Error::PublisherEnded => Trouble::defect("the publisher"),
        }
    }
}

impl From<publishing::Error> for Trouble {
    fn from(error: publishing::Error) -> Trouble {
        let retry = |error: &publish::Error, detail: &str, hint: &str| {
            Trouble::Retry(Component::Kafka, Failure::new(Exit::Kafka, error.to_string(), detail, hint))
        };
        match error {
            publishing::Error::NotReceived(_) => Trouble::Halt(stream_broken(&error.to_string())),
            publishing::Error::Refused(rejection) => {
                let failure = rejected(&rejection);
                Trouble::Refused(rejection, failure)
            }
            publishing::Error::InCompany { error, end_lsn } => {
                Trouble::Singly(end_lsn, Trouble::from(publishing::Error::Publish(error)).into_failure())
            }
            publishing::Error::Publish(error) => match &error {
                publish::Error::NotCommitted(_) => retry(
                    &error,
                    "nothing of the batch is visible under read_committed; it is published again from the stored position",
                    "if it does not come back: is Kafka running, and do its topics have enough in-sync replicas?",
                ),
                publish::Error::Unknown(_) => retry(
                    &error,
                    "a new producer fences the old one, and the position that Kafka then holds decides; nothing is lost or doubled",
                    "if it does not come back: is Kafka running?",
                ),
                publish::Error::Fenced(_) => retry(
                    &error,
                    "another instance with the same transactional id took over; what this one had not committed is void",
                    "run one instance per slot; a second one waits as a standby when it can see the first one's lock",
                ),
                publish::Error::Denied(_) => Trouble::Halt(Failure::new(
                    Exit::Kafka,
                    error.to_string(),
                    "nothing of the batch is visible under read_committed; Postgres keeps the events",
                    "grant Write and Describe on the topics and on the transactional id, and Read on the position topic",
                )),
                publish::Error::Topic(_) => Trouble::Halt(Failure::new(
                    Exit::Kafka,
                    error.to_string(),
                    "everything before its transaction is published; Postgres keeps that one and all after it",
                    "create the topic, or set topic.creation.enable=true with topic.creation.default.partitions and \
                     topic.creation.default.replication.factor",
                )),
                publish::Error::LeftOpen(error) => Trouble::Retry(Component::Kafka, left_open(error)),
                publish::Error::DeadLetters(error) => Trouble::Halt(dead_letters(error)),
                publish::Error::Refused(_, rejection) => Trouble::Halt(rejected(rejection)),
            },
        }
    }
}

/// An event that cannot be published, and is not to be set aside.
pub fn rejected(rejection: &Rejection) -> Failure {
    let detail = match rejection.origin.is_row() {
        true => {
            "the rows of the snapshot before it are published; this one and all after it are still to come"
        }
        false => {
            "everything before its transaction is published; this event and all after it wait in Postgres"
        }
    };
    Failure::new(Exit::Rejected, rejection.to_string(), detail, &rejection.hint)
}

/// No event is published by a schema that nobody knows.
pub fn registry(error: &registry::Error) -> Trouble {
    let detail = "everything before the event's transaction is published; what needs a schema that is not known yet waits \
                  in Postgres, with all that comes after it";
    let failure = |hint: &str| Failure::new(Exit::Registry, error.to_string(), detail, hint);
    match error {
        registry::Error::Away(_) => Trouble::Retry(
            Component::Registry,
            failure("if it does not come back: is the registry running, and reachable from here?"),
        ),
        registry::Error::Denied(_) | registry::Error::Refused(_) => Trouble::Halt(failure(
            "see to schema.registry.url (Apicurio's ends in /apis/ccompat/v7), to basic.auth.* or bearer.auth.* and to \
             schema.registry.ssl.* of the converter",
        )),
    }
}

/// An event that cannot be published has nowhere to go.
pub fn dead_letters(error: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Kafka,
        format!("the dead letters cannot be written: {error}"),
        "no event is passed over for that: what was not published waits in Postgres, with everything after it",
        "see to the topic that errors.deadletterqueue.topic.name names: it must exist, or topic.creation.enable=true let \
         it be made; its cleanup.policy must be delete, and this principal needs Write and Describe on it",
    )
}

/// Kafka forgot to end a transaction of this connector (KAFKA-20734).
pub fn left_open(error: &publish::OutletError) -> Failure {
    Failure::new(
        Exit::Kafka,
        error.to_string(),
        "Kafka forgot to end it (KAFKA-20734), and would end it with the next one that is written there, as that one ends: \
         so nothing is written before it is gone. Postgres keeps the events",
        "grant Alter on the cluster, and one that is said to be committed or aborted is ended so by walpost; or end it with \
         kafka-transactions.sh abort, --topic, --partition and --start-offset as above. walpost then goes on by itself, and \
         walpost verify tells whether anything is missing or there twice",
    )
}

/// More keys wait for their dead letters than may.
pub fn parking_full(Full { most }: Full) -> Failure {
    Failure::new(
        Exit::Rejected,
        format!("the events of more than {most} keys wait for dead letters"),
        "one more key would have to be parked; everything before that event's transaction is published, and it and all \
         after it wait in Postgres",
        "deal with the dead letters there are: walpost dlq list, replay and purge. Or raise walpost.parking.max.keys, at \
         some 200 bytes of memory for each key",
    )
}

fn stream_broken(detail: &str) -> Failure {
    Failure::new(
        Exit::Stream,
        "the replication stream is not what it must be",
        format!("{detail}. Nothing after the stored position was confirmed; Postgres keeps the events"),
        "do not advance the slot. Was the publication changed, or the server replaced, while a large transaction was \
         published in part? Please report it with the server's version",
    )
}

/// The publication is younger than a change that is still to be decoded, or was dropped.
fn publication_unknown(error: &postgres::ServerError) -> Failure {
    Failure::new(
        Exit::Publication,
        error.to_string(),
        "the publication was dropped, or created after the slot: Postgres looks it up as it was when each row was \
         written, so every attempt fails at the same place. Rows before the publication's creation cannot be decoded",
        "create the publication first and the slot second. To give up what lies between: walpost slot \
         drop; then walpost repair makes another slot, and publishes from the outbox what is missing",
    )
}
