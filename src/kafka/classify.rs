//! What a client error means: exactly one answer per error and call.
//!
//! Enters: librdkafka's code, the flags it attaches, and the call that met it. Leaves: a [`Class`]. What is not known
//! here is fatal: a producer that may be wrong is replaced, never guessed about. Every code that librdkafka has is named
//! here, and `tests/golden/kafka-errors.txt` says what each means: a test holds the two, and librdkafka, together.

use crate::rejection::Reason;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

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
    /// The record is refused for what it is: too large, invalid, for a partition that does not exist.
    RecordRefused(Reason),
    /// A topic is missing, or not as it must be.
    Topic,
    /// The cluster refuses this client: authentication or authorisation.
    Denied,
    /// No client's error: a transaction that Kafka forgot to end is in the way, and only an administrator can end it.
    LeftOpen,
}

/// The call that met the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// `init_transactions`: the fence.
    Init,
    /// `begin_transaction`.
    Begin,
    /// Handing a record to the client.
    Send,
    /// The client's last word on a record.
    Delivery,
    /// `commit_transaction`.
    Commit,
    /// `abort_transaction`.
    Abort,
}

/// What the client says of an error besides its code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// The producer is of no further use.
    pub fatal: bool,
    /// The call may be made again, to go on where it stopped.
    pub retriable: bool,
    /// The transaction has failed.
    pub requires_abort: bool,
}

/// What the code alone says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    Fenced,
    Denied,
    Record(Reason),
    Topic,
    /// No answer, or an answer that leaves the outcome open.
    Unanswered,
    /// Not done, for now: leader, coordinator or quota.
    Passing,
    /// Not done, and the transaction is spoilt.
    Spoilt,
    /// A producer that is wrong about itself, or a client that is wrong about its cluster.
    Broken,
    /// Never an answer to a producer: of consumers, administration, or no error at all.
    Foreign,
    /// In none of these lists: of a librdkafka that is newer than they are.
    Unknown,
}

/// The class of an error.
pub fn classify(call: Call, code: Code, flags: Flags) -> Class {
    let nature = nature(code);
    match nature {
        Nature::Fenced => return Class::Fenced,
        Nature::Denied => return Class::Denied,
        _ if flags.fatal => return Class::Fatal,
        _ => {}
    }
    match call {
        Call::Init => match nature {
            Nature::Unanswered => Class::Indefinite,
            Nature::Passing => Class::Retriable,
            _ if flags.retriable => Class::Retriable,
            _ => Class::Fatal,
        },
        Call::Begin => match nature {
            _ if flags.requires_abort => Class::Abortable,
            Nature::Unanswered => Class::Indefinite,
            Nature::Passing => Class::Retriable,
            _ if flags.retriable => Class::Retriable,
            _ => Class::Fatal,
        },
        Call::Send => match nature {
            _ if code == Code::QueueFull => Class::Retriable,
            // The transaction failed in the background; the next answer of settle or commit says how.
            _ if matches!(code, Code::State | Code::Outdated) => Class::Abortable,
            Nature::Record(reason) => Class::RecordRefused(reason),
            Nature::Topic => Class::Topic,
            Nature::Unanswered => Class::Indefinite,
            Nature::Passing | Nature::Spoilt => Class::Abortable,
            _ => Class::Fatal,
        },
        Call::Delivery => match nature {
            Nature::Record(reason) => Class::RecordRefused(reason),
            Nature::Topic => Class::Topic,
            Nature::Unanswered => Class::Indefinite,
            Nature::Passing | Nature::Spoilt => Class::Abortable,
            _ => Class::Fatal,
        },
        // Refused before EndTxn was sent. Any other word on a commit leaves open whether an earlier attempt, which
        // the client repeats without telling, was carried out.
        Call::Commit if code == Code::Inconsistent && flags.requires_abort => Class::Abortable,
        Call::Commit | Call::Abort => match nature {
            Nature::Unanswered | Nature::Passing | Nature::Spoilt => Class::Indefinite,
            _ if flags.retriable || flags.requires_abort => Class::Indefinite,
            _ => Class::Fatal,
        },
    }
}

/// The class of the wrapper's error, with the words to show for it.
pub fn classify_error(call: Call, error: &KafkaError) -> (Class, String) {
    let (code, flags, words) = match error {
        KafkaError::Transaction(error) => {
            let flags = Flags {
                fatal: error.is_fatal(),
                retriable: error.is_retriable(),
                requires_abort: error.txn_requires_abort(),
            };
            (error.code(), flags, error.string())
        }
        KafkaError::Flush(code) => (*code, Flags { retriable: true, ..Flags::default() }, code.to_string()),
        other => match other.rdkafka_error_code() {
            Some(code) => (code, Flags::default(), code.to_string()),
            None => return (Class::Fatal, other.to_string()),
        },
    };
    (classify(call, code, flags), format!("{words} [{code:?}]"))
}

fn nature(code: Code) -> Nature {
    match code {
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Nature::Fenced,

        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::DelegationTokenAuthorizationFailed
        | Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::SecurityDisabled
        | Code::DelegationTokenAuthDisabled
        | Code::DelegationTokenNotFound
        | Code::DelegationTokenOwnerMismatch
        | Code::DelegationTokenRequestNotAllowed
        | Code::DelegationTokenExpired
        | Code::InvalidPrincipalType
        | Code::UnacceptableCredential
        | Code::PrincipalDeserializationFailure => Nature::Denied,

        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
            Nature::Record(Reason::TooLarge)
        }
        Code::InvalidTimestamp => Nature::Record(Reason::TimestampIllegal),
        Code::InvalidRecord | Code::UnsupportedForMessageFormat => Nature::Record(Reason::RefusedByBroker),

        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownTopicId
        | Code::InvalidTopic
        | Code::PolicyViolation => Nature::Topic,

        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::MessageTimedOut
        | Code::RequestTimedOut
        | Code::NetworkException
        | Code::NotEnoughReplicasAfterAppend
        | Code::DestroyBroker
        | Code::Interrupted
        | Code::RebootstrapRequired => Nature::Unanswered,

        Code::QueueFull
        | Code::Resolve
        | Code::Retry
        | Code::WaitCache
        | Code::WaitingForCoordinator
        | Code::InProgress
        | Code::PreviousInProgress
        | Code::Conflict
        | Code::NodeUpdate
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::NotController
        | Code::NotEnoughReplicas
        | Code::ISRInsufficient
        | Code::ConcurrentTransactions
        | Code::KafkaStorageError
        | Code::FencedLeaderEpoch
        | Code::UnknownLeaderEpoch
        | Code::StaleBrokerEpoch
        | Code::ThrottlingQuotaExceeded => Nature::Passing,
        // The client's own word: a broker that has just come up may tell of a topic and not yet of its partitions. Whether
        // a partition is there at all is asked of the cluster before the transaction begins.
        Code::UnknownPartition => Nature::Passing,

        Code::Inconsistent
        | Code::GaplessGuarantee
        | Code::InvalidDifferentRecord
        | Code::PurgeQueue
        | Code::PurgeInflight
        | Code::OperationNotAttempted
        | Code::OutOfOrderSequenceNumber
        | Code::DuplicateSequenceNumber
        | Code::UnknownProducerId
        | Code::InvalidMessage
        | Code::BadMessage
        | Code::LogTruncation => Nature::Spoilt,

        Code::InvalidTransactionalState
        | Code::InvalidProducerIdMapping
        | Code::InvalidTransactionTimeout
        | Code::TransactionCoordinatorFenced
        | Code::Fatal
        | Code::Fail
        | Code::Unknown
        | Code::State
        | Code::Outdated
        | Code::InvalidArgument
        | Code::InvalidConfig
        | Code::InvalidRequest
        | Code::InvalidRequiredAcks
        | Code::UnsupportedVersion
        | Code::UnsupportedFeature
        | Code::UnsupportedCompressionType
        | Code::BadCompression
        | Code::UnknownProtocol
        | Code::NotImplemented
        | Code::NotConfigured
        | Code::CriticalSystemResource
        | Code::FileSystem
        | Code::SSL
        | Code::BrokerDestroy
        | Code::UnknownBroker
        | Code::Underflow
        | Code::Partial
        | Code::InvalidType
        | Code::ReadOnly
        | Code::NoEnt
        | Code::Application
        | Code::KeySerialization
        | Code::ValueSerialization => Nature::Broken,

        foreign if is_foreign(foreign) => Nature::Foreign,
        _ => Nature::Unknown,
    }
}

fn is_foreign(code: Code) -> bool {
    matches!(
        code,
        Code::NoError
            | Code::Noop
            | Code::PartitionEOF
            // Consumers and their groups.
            | Code::UnknownGroup
            | Code::ExistingSubscription
            | Code::AssignPartitions
            | Code::RevokePartitions
            | Code::NoOffset
            | Code::KeyDeserialization
            | Code::ValueDeserialization
            | Code::PollExceeded
            | Code::AssignmentLost
            | Code::AutoOffsetReset
            | Code::OffsetOutOfRange
            | Code::OffsetNotAvailable
            | Code::OffsetMetadataTooLarge
            | Code::UnstableOffsetCommit
            | Code::InvalidCommitOffsetSize
            | Code::IllegalGeneration
            | Code::InconsistentGroupProtocol
            | Code::InvalidGroupId
            | Code::UnknownMemberId
            | Code::MemberIdRequired
            | Code::InvalidSessionTimeout
            | Code::RebalanceInProgress
            | Code::NonEmptyGroup
            | Code::GroupIdNotFound
            | Code::GroupMaxSizeReached
            | Code::GroupSubscribedToTopic
            | Code::FencedInstanceId
            | Code::FencedMemberEpoch
            | Code::StaleMemberEpoch
            | Code::UnreleasedInstanceId
            | Code::UnsupportedAssignor
            | Code::FetchSessionIdNotFound
            | Code::InvalidFetchSessionEpoch
            // Administration.
            | Code::StaleControllerEpoch
            | Code::TopicAlreadyExists
            | Code::InvalidPartitions
            | Code::InvalidReplicationFactor
            | Code::InvalidReplicaAssignment
            | Code::LogDirNotFound
            | Code::ReassignmentInProgress
            | Code::NoReassignmentInProgress
            | Code::ListenerNotFound
            | Code::TopicDeletionDisabled
            | Code::PreferredLeaderNotAvailable
            | Code::EligibleLeadersNotAvailable
            | Code::ElectionNotNeeded
            | Code::ResourceNotFound
            | Code::DuplicateResource
            | Code::InconsistentVoterSet
            | Code::InvalidUpdateVersion
            | Code::FeatureUpdateFailed
            // The client's own reports to the broker.
            | Code::UnknownSubscriptionId
            | Code::TelemetryTooLarge
    )
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
