//! What each class is given for, and every code that librdkafka has.

use super::*;
use rdkafka::bindings::rd_kafka_resp_err_t as Native;
use std::fmt::Write as _;

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
        ] {
            assert_eq!(classify(call, code, NONE), Class::RecordRefused(reason), "{call:?} {code:?}");
        }
    }
}

#[test]
fn partitions_that_the_client_does_not_see_yet_are_no_fault_of_the_record_and_asked_for_again() {
    for call in [Call::Send, Call::Delivery] {
        assert_eq!(classify(call, Code::UnknownPartition, NONE), Class::Abortable, "{call:?}");
    }
    assert_eq!(classify(Call::Init, Code::UnknownPartition, NONE), Class::Retriable);
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

/// Every code in librdkafka's own list, but for the marks of its beginnings and ends.
fn known() -> Vec<(i32, Code)> {
    let listed =
        (-500..=5_000).filter_map(|number| Some((number, Code::from(Native::try_from(number).ok()?))));
    listed.filter(|(_, code)| !matches!(code, Code::Begin | Code::End | Code::EndAll)).collect()
}

#[test]
fn every_code_of_the_client_is_in_the_table_with_its_class_at_each_call() {
    let mut table = String::from(
        "# Every error code of librdkafka, and its class at each call when the client attaches no flag.\n\
         # WALPOST_BLESS=1 cargo test --lib every_code_of_the_client writes it anew; look at what has changed.\n",
    );
    let _ =
        writeln!(table, "{:<4} {:<35} {}", "#", "code", CALLS.map(|call| format!("{call:?}")).join(" | "));
    for (number, code) in known() {
        let classes = CALLS.map(|call| match classify(call, code, NONE) {
            Class::RecordRefused(reason) => format!("{reason:?}"),
            class => format!("{class:?}"),
        });
        let _ = writeln!(table, "{number:<4} {:<35} {}", format!("{code:?}"), classes.join(" | "));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/kafka-errors.txt");
    if std::env::var_os("WALPOST_BLESS").is_some() {
        std::fs::write(path, &table).expect("a file");
    }
    let golden = std::fs::read_to_string(path).expect("the table");
    for (expected, found) in golden.lines().zip(table.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(table.lines().count(), golden.lines().count());
}

#[test]
fn every_code_of_the_client_has_its_place_in_a_list() {
    let codes = known();
    assert!(codes.len() > 150, "{} codes", codes.len());
    for (number, code) in codes {
        assert_ne!(nature(code), Nature::Unknown, "{number} {code:?}");
    }
    assert_eq!(nature(Code::EndAll), Nature::Unknown);
}

#[test]
fn no_code_and_no_flag_makes_a_commit_that_may_have_been_sent_end_in_an_abort_or_a_second_try() {
    for (_, code) in known() {
        for flags in every_flags() {
            let class = classify(Call::Commit, code, flags);
            let was_never_sent = code == Code::Inconsistent && flags.requires_abort && !flags.fatal;
            assert_eq!(class == Class::Abortable, was_never_sent, "{code:?} {flags:?}: {class:?}");
            assert_ne!(class, Class::Retriable, "{code:?} {flags:?}");
        }
    }
}

#[test]
fn whatever_the_client_calls_fatal_ends_the_producer_at_every_call() {
    for call in CALLS {
        for (_, code) in known() {
            for flags in every_flags().filter(|flags| flags.fatal) {
                let class = classify(call, code, flags);
                let ends = matches!(class, Class::Fatal | Class::Fenced | Class::Denied);
                assert!(ends, "{call:?} {code:?} {flags:?}: {class:?}");
            }
        }
    }
}

#[test]
fn a_producer_that_is_wrong_about_itself_is_replaced() {
    for call in CALLS {
        for code in [Code::InvalidTransactionalState, Code::InvalidProducerIdMapping] {
            assert_eq!(classify(call, code, NONE), Class::Fatal, "{call:?} {code:?}");
        }
    }
}

fn every_flags() -> impl Iterator<Item = Flags> {
    (0..8).map(|bits| Flags { fatal: bits & 1 > 0, retriable: bits & 2 > 0, requires_abort: bits & 4 > 0 })
}
