//! Consumers of no group: they are asked where partitions end, and read from where they are told.

use super::admin::{Listener, client_config};
use super::classify::{Call, classify_error};
use super::producer::{kind, words};
use super::{Error, ErrorKind};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A consumer that says what its client told meanwhile.
pub(super) type Consumer = BaseConsumer<Listener>;

/// A consumer at this isolation level, with settings by librdkafka's names; `more` are the reader's own.
pub(super) fn consumer(
    settings: &BTreeMap<String, String>,
    isolation: &str,
    more: &[(&str, &str)],
) -> Result<Consumer, Error> {
    let mut config = client_config(settings);
    let own = [
        ("isolation.level", isolation),
        // The client wants a group before it takes an assignment; it is never joined and nothing committed to it.
        ("group.id", "walpost"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "error"),
        ("enable.partition.eof", "true"),
        // The end is told with the first fetch that finds nothing: it must not wait for more.
        ("fetch.wait.max.ms", "10"),
        ("check.crcs", "true"),
    ];
    for (name, value) in own.iter().chain(more) {
        config.set(*name, *value);
    }
    config.create_with_context(Listener::default()).map_err(|error| Error {
        kind: ErrorKind::Settings,
        message: format!("a Kafka consumer cannot be made with these settings: {}", words(&error)),
    })
}

/// Asks until there is an answer, an error that does not pass, or the deadline. A `slice` is what one attempt may take:
/// between two of them is heard that a login was refused.
pub(super) fn ask<T>(
    consumer: &Consumer,
    doing: &str,
    deadline: Instant,
    slice: Duration,
    question: impl Fn(&Consumer, Duration) -> Result<T, KafkaError>,
) -> Result<T, Error> {
    let left = || deadline.saturating_duration_since(Instant::now());
    loop {
        let error = match question(consumer, left().min(slice)) {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                while consumer.poll(Duration::ZERO).is_some() {}
                consumer.context().error(doing, &error)
            }
        };
        if error.kind != ErrorKind::Transient || left().is_zero() {
            return Err(error);
        }
    }
}

/// The client goes on by itself, or it speaks of the group, of which there is no use.
pub(super) fn is_passing(error: &KafkaError) -> bool {
    if error.rdkafka_error_code() == Some(Code::GroupAuthorizationFailed) {
        return true;
    }
    let (class, _) = classify_error(Call::Init, error);
    kind(class) == ErrorKind::Transient
}
