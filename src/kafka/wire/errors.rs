//! What a broker's error code means: the same table as for librdkafka, whose codes are the brokers' own.
//!
//! Only that a code was received is certain here, so no flag that a client would attach changes its meaning.

use super::failure;
use crate::kafka::classify::{Call, Class, Flags, classify};
use crate::kafka::producer::Failure;
use rdkafka::bindings::rd_kafka_resp_err_t as Native;
use rdkafka::error::RDKafkaErrorCode as Code;

pub(super) const NONE: i16 = 0;
pub(super) const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
pub(super) const LEADER_NOT_AVAILABLE: i16 = 5;
/// Of a partition, or not yet.
pub(super) const NOT_LEADER: i16 = 6;
pub(super) const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
/// Refused before anything was done: fewer than must be are in sync, or the coordinator could not be asked.
pub(super) const NOT_ENOUGH_REPLICAS: i16 = 19;
pub(super) const UNSUPPORTED_SASL_MECHANISM: i16 = 33;
pub(super) const UNSUPPORTED_VERSION: i16 = 35;
pub(super) const INVALID_TRANSACTION_TIMEOUT: i16 = 50;
/// Refused before anything was done: the transaction before is still being ended.
pub(super) const CONCURRENT_TRANSACTIONS: i16 = 51;
/// Of several partitions, another was refused, and nothing was done for this one.
pub(super) const OPERATION_NOT_ATTEMPTED: i16 = 55;
/// The coordinator knows of no such id.
pub(super) const TRANSACTIONAL_ID_NOT_FOUND: i16 = 105;
/// KIP-890; not among librdkafka's.
const TRANSACTION_ABORTABLE: i16 = 120;

/// What the answer to this call means.
pub(super) fn class(call: Call, code: i16) -> Class {
    match (code, call) {
        (TRANSACTION_ABORTABLE, Call::Commit | Call::Abort) => Class::Indefinite,
        (TRANSACTION_ABORTABLE, _) => Class::Abortable,
        _ => classify(call, named(code), Flags::default()),
    }
}

/// The code as people look it up.
pub(super) fn words(code: i16) -> String {
    match code {
        TRANSACTION_ABORTABLE => "the transaction must be aborted [TransactionAbortable]".to_owned(),
        _ => match named(code) {
            Code::Unknown if code != -1 => format!("an error that is not known here [{code}]"),
            known => format!("{known} [{known:?}]"),
        },
    }
}

/// The failure that an answer is; `doing` says what was asked.
pub(super) fn refused(call: Call, doing: &str, code: i16) -> Failure {
    failure(class(call, code), format!("{doing}: {}", words(code)))
}

fn named(code: i16) -> Code {
    Native::try_from(i32::from(code)).map_or(Code::Unknown, Code::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Reason;

    #[test]
    fn codes_mean_what_they_mean_to_librdkafka() {
        for (call, code, expected) in [
            (Call::Delivery, 6, Class::Abortable),
            (Call::Delivery, 7, Class::Indefinite),
            (Call::Delivery, 10, Class::RecordRefused(Reason::TooLarge)),
            (Call::Delivery, 87, Class::RecordRefused(Reason::RefusedByBroker)),
            (Call::Delivery, 3, Class::Topic),
            (Call::Delivery, 29, Class::Denied),
            (Call::Delivery, 47, Class::Fenced),
            (Call::Delivery, 48, Class::Fatal),
            (Call::Delivery, 120, Class::Abortable),
            (Call::Delivery, 999, Class::Fatal),
            (Call::Init, 51, Class::Retriable),
            (Call::Init, 53, Class::Denied),
            (Call::Commit, 90, Class::Fenced),
            (Call::Commit, 51, Class::Indefinite),
            (Call::Commit, 16, Class::Indefinite),
            (Call::Commit, 120, Class::Indefinite),
        ] {
            assert_eq!(class(call, code), expected, "{call:?} {code}: {}", words(code));
        }
    }

    #[test]
    fn no_code_makes_a_commit_that_was_sent_end_in_an_abort_or_a_second_try() {
        for code in -1..=200 {
            let class = class(Call::Commit, code);
            assert!(!matches!(class, Class::Abortable | Class::Retriable), "{code}: {class:?}");
        }
    }
}
