//! The producer's settings: what walpost forces, and what it takes when nobody says otherwise.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use std::collections::BTreeMap;
use std::time::Duration;

/// First wait before a request is sent again. A commit that took less than this (and its jitter of a fifth) was sent
/// once; see `Producer::commit`.
pub(super) const RETRY_BACKOFF: Duration = Duration::from_millis(500);

/// What exactly once, Java's partitions and the wrapper's transactions need, whatever the settings say.
const FORCED: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    // Java's default for records with a key; librdkafka's own would move keys to other partitions.
    ("partitioner", "murmur2_random"),
    // Nothing can end another's linger early through the wrapper, and a transaction waits for its last record.
    ("linger.ms", "0"),
    // Twice the linger by default, which would spread records without a key over all partitions one by one.
    ("sticky.partitioning.linger.ms", "10"),
    ("retry.backoff.ms", "500"),
    ("retry.backoff.max.ms", "1000"),
    // Settling counts deliveries; commit would otherwise wait in steps of 100 ms.
    ("delivery.report.only.error", "false"),
    ("log.connection.close", "true"),
    // Transactions bound what is queued; the bytes are bounded below.
    ("queue.buffering.max.messages", "0"),
];

/// Unless set. A transaction is open for as long as a batch takes, a fraction of a second; 30 s leaves room for a
/// broker's failover and keeps consumers from waiting longer when a connector dies and is not started again.
const DEFAULTS: &[(&str, &str)] = &[
    ("transaction.timeout.ms", "30000"),
    ("socket.timeout.ms", "10000"),
    ("socket.connection.setup.timeout.ms", "10000"),
    ("socket.keepalive.enable", "true"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    ("batch.size", "262144"),
    ("message.max.bytes", "1048576"),
    ("queue.buffering.max.kbytes", "65536"),
    ("enable.metrics.push", "false"),
];

/// A producer's configuration, and the times that follow from it.
pub(super) struct Config {
    pub(super) client: ClientConfig,
    pub(super) transaction_timeout: Duration,
    pub(super) request_timeout: Duration,
}

impl Config {
    /// From settings by librdkafka's names.
    pub(super) fn new(settings: &BTreeMap<String, String>, transactional_id: &str) -> Config {
        let mut client = ClientConfig::new();
        // Broken connections are told at this level; what is shown is decided where logs are written.
        client.set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in DEFAULTS {
            client.set(*name, *value);
        }
        for (name, value) in settings {
            client.set(name, value);
        }
        client.set("transactional.id", transactional_id);
        for (name, value) in FORCED {
            client.set(*name, *value);
        }
        let ms = |client: &ClientConfig, name| client.get(name).and_then(|value| value.parse::<u64>().ok());
        let transaction = ms(&client, "transaction.timeout.ms").unwrap_or(30_000);
        // librdkafka refuses what outlives the transaction; Java's own defaults do.
        let request = ms(&client, "socket.timeout.ms").unwrap_or(10_000).min(transaction);
        let delivery = ms(&client, "delivery.timeout.ms").unwrap_or(transaction).min(transaction);
        client.set("socket.timeout.ms", request.to_string());
        client.set("request.timeout.ms", request.to_string());
        client.set("delivery.timeout.ms", delivery.to_string());
        Config {
            client,
            transaction_timeout: Duration::from_millis(transaction),
            request_timeout: Duration::from_millis(request),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &[(&str, &str)]) -> Config {
        Config::new(&settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(), "id")
    }

    #[test]
    fn what_exactly_once_needs_is_forced() {
        let config = config(&[
            ("acks", "1"),
            ("partitioner", "random"),
            ("transactional.id", "other"),
            ("linger.ms", "5"),
        ]);
        for (name, value) in [
            ("acks", "all"),
            ("partitioner", "murmur2_random"),
            ("transactional.id", "id"),
            ("linger.ms", "0"),
            ("enable.idempotence", "true"),
        ] {
            assert_eq!(config.client.get(name), Some(value), "{name}");
        }
    }

    #[test]
    fn times_outlive_no_transaction() {
        let config = config(&[
            ("transaction.timeout.ms", "5000"),
            ("socket.timeout.ms", "30000"),
            ("delivery.timeout.ms", "120000"),
        ]);
        assert_eq!(config.transaction_timeout, Duration::from_secs(5));
        assert_eq!(config.request_timeout, Duration::from_secs(5));
        assert_eq!(config.client.get("delivery.timeout.ms"), Some("5000"));
        let producer: Result<rdkafka::producer::BaseProducer, _> = config.client.create();
        assert!(producer.is_ok(), "{:?}", producer.err());
    }

    #[test]
    fn the_wait_between_retries_is_the_one_the_client_is_given() {
        let ms = RETRY_BACKOFF.as_millis().to_string();
        assert_eq!(config(&[("retry.backoff.ms", "1")]).client.get("retry.backoff.ms"), Some(ms.as_str()));
    }
}
