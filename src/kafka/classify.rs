//! What a client error means: exactly one answer per error and call.
//!
//! Enters: librdkafka's code, the flags it attaches, and the call that met it. Leaves: a [`Class`]. What is not known
//! here is fatal: a producer that may be wrong is replaced, never guessed about.

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
    Other,
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
        Code::UnknownPartition => Nature::Record(Reason::PartitionIllegal),
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

        Code::Inconsistent
        | Code::GaplessGuarantee
        | Code::PurgeQueue
        | Code::PurgeInflight
        | Code::OperationNotAttempted
        | Code::OutOfOrderSequenceNumber
        | Code::DuplicateSequenceNumber
        | Code::UnknownProducerId
        | Code::InvalidProducerIdMapping
        | Code::InvalidMessage
        | Code::BadMessage
        | Code::LogTruncation => Nature::Spoilt,

        _ => Nature::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: [Call; 6] = [Call::Init, Call::Begin, Call::Send, Call::Delivery, Call::Commit, Call::Abort];
    const NONE: Flags = Flags { fatal: false, retriable: false, requires_abort: false };
    const FATAL: Flags = Flags { fatal: true, ..NONE };
    const RETRIABLE: Flags = Flags { retriable: true, ..NONE };
    const REQUIRES_ABORT: Flags = Flags { requires_abort: true, ..NONE };

    #[test]
    fn a_fence_is_a_fence_at_every_call_even_when_it_is_called_fatal() {
        for call in CALLS {
            for code in [Code::Fenced, Code::ProducerFenced, Code::InvalidProducerEpoch] {
                assert_eq!(classify(call, code, FATAL), Class::Fenced, "{call:?} {code:?}");
                assert_eq!(classify(call, code, NONE), Class::Fenced, "{call:?} {code:?}");
            }
        }
    }

    #[test]
    fn a_refusal_of_the_client_is_denied_at_every_call() {
        for call in CALLS {
            for code in [
                Code::TransactionalIdAuthorizationFailed,
                Code::TopicAuthorizationFailed,
                Code::Authentication,
                Code::SaslAuthenticationFailed,
            ] {
                assert_eq!(classify(call, code, FATAL), Class::Denied, "{call:?} {code:?}");
                assert_eq!(classify(call, code, REQUIRES_ABORT), Class::Denied, "{call:?} {code:?}");
            }
        }
    }

    #[test]
    fn what_the_client_calls_fatal_is_fatal() {
        for call in CALLS {
            for code in [Code::InvalidTransactionalState, Code::OperationTimedOut, Code::State] {
                assert_eq!(classify(call, code, FATAL), Class::Fatal, "{call:?} {code:?}");
            }
        }
    }

    #[test]
    fn a_full_queue_may_be_tried_again_and_nothing_else_at_send_may() {
        assert_eq!(classify(Call::Send, Code::QueueFull, NONE), Class::Retriable);
        for code in [Code::NotLeaderForPartition, Code::State, Code::OperationTimedOut, Code::Unknown] {
            assert_ne!(classify(Call::Send, code, RETRIABLE), Class::Retriable, "{code:?}");
        }
    }

    #[test]
    fn a_record_is_refused_for_its_own_reason_whether_locally_or_by_the_broker() {
        for call in [Call::Send, Call::Delivery] {
            for (code, reason) in [
                (Code::MessageSizeTooLarge, Reason::TooLarge),
                (Code::MessageBatchTooLarge, Reason::TooLarge),
                (Code::InvalidRecord, Reason::RefusedByBroker),
                (Code::InvalidTimestamp, Reason::TimestampIllegal),
                (Code::UnknownPartition, Reason::PartitionIllegal),
            ] {
                assert_eq!(classify(call, code, NONE), Class::RecordRefused(reason), "{call:?} {code:?}");
            }
        }
    }

    #[test]
    fn a_missing_topic_is_a_topic_error_not_the_record_s() {
        for call in [Call::Send, Call::Delivery] {
            for code in [Code::UnknownTopic, Code::UnknownTopicOrPartition, Code::InvalidTopic] {
                assert_eq!(classify(call, code, NONE), Class::Topic, "{call:?} {code:?}");
            }
        }
    }

    #[test]
    fn a_commit_is_definitely_not_done_only_when_it_was_never_sent() {
        assert_eq!(classify(Call::Commit, Code::Inconsistent, REQUIRES_ABORT), Class::Abortable);
        for code in [
            Code::OperationTimedOut,
            Code::BrokerTransportFailure,
            Code::NotCoordinator,
            Code::ConcurrentTransactions,
            Code::UnknownProducerId,
            Code::Inconsistent,
        ] {
            for flags in [NONE, RETRIABLE] {
                assert_eq!(classify(Call::Commit, code, flags), Class::Indefinite, "{code:?} {flags:?}");
            }
        }
        assert_eq!(classify(Call::Commit, Code::Unknown, REQUIRES_ABORT), Class::Indefinite);
        assert_eq!(classify(Call::Commit, Code::Unknown, NONE), Class::Fatal);
    }

    #[test]
    fn an_unanswered_abort_is_indefinite() {
        for code in [Code::OperationTimedOut, Code::BrokerTransportFailure] {
            assert_eq!(classify(Call::Abort, code, RETRIABLE), Class::Indefinite, "{code:?}");
        }
    }

    #[test]
    fn a_fence_that_has_to_wait_for_the_cluster_may_be_tried_again() {
        assert_eq!(classify(Call::Init, Code::CoordinatorLoadInProgress, NONE), Class::Retriable);
        assert_eq!(classify(Call::Init, Code::OperationTimedOut, RETRIABLE), Class::Indefinite);
    }

    #[test]
    fn a_delivery_that_failed_definitely_spoils_the_transaction() {
        for code in [Code::NotLeaderForPartition, Code::NotEnoughReplicas, Code::PurgeQueue] {
            assert_eq!(classify(Call::Delivery, code, NONE), Class::Abortable, "{code:?}");
        }
        assert_eq!(classify(Call::Delivery, Code::MessageTimedOut, NONE), Class::Indefinite);
    }

    #[test]
    fn whatever_is_not_known_is_fatal() {
        for call in CALLS {
            for code in [Code::Unknown, Code::Fail, Code::NotImplemented, Code::FencedMemberEpoch] {
                assert_eq!(classify(call, code, NONE), Class::Fatal, "{call:?} {code:?}");
            }
        }
    }
}
