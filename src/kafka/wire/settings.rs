//! What is taken from settings by librdkafka's names, which is how `kafka::settings` gives them, and what is not done.

use super::compress::Codec;
use super::sasl::{Login, Mechanism};
use super::tls;
use crate::kafka::{Error, ErrorKind};
use crate::secret::Secret;
use rustls::ClientConfig;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything that a producer and its connections need to know.
pub(super) struct Settings {
    pub bootstrap: Vec<(String, u16)>,
    pub client_id: Option<String>,
    pub tls: Option<Arc<ClientConfig>>,
    pub login: Option<Login>,
    /// `transaction.timeout.ms`.
    pub transaction_timeout: Duration,
    /// How long a record may take; no longer than a transaction may be open.
    pub delivery_timeout: Duration,
    /// How long a request may go unanswered; no longer than a transaction may be open.
    pub request_timeout: Duration,
    /// How long connecting may take, TLS and log-in included.
    pub connect_timeout: Duration,
    /// First and longest wait before a fence is made again over new connections.
    pub reconnect: (Duration, Duration),
    /// When topics are looked up again.
    pub metadata_age: Duration,
    /// A connection that was not used for so long is not trusted to be open.
    pub idle_most: Option<Duration>,
    pub keepalive: bool,
    pub send_buffer: Option<usize>,
    pub receive_buffer: Option<usize>,
    pub codec: Codec,
    /// Of one batch, before compression.
    pub batch_bytes: usize,
    /// Of one request, and of one record.
    pub request_bytes: usize,
}

/// Properties by Kafka's own names that change nothing in this producer, and why. Names that are in [`unsupported`] would.
pub const WITHOUT_EFFECT: &[(&str, &str)] = &[
    (
        "max.in.flight.requests.per.connection",
        "walpost's own producer has one request to each broker under way",
    ),
    ("retries", "walpost's own producer sends again what no broker has taken, until delivery.timeout.ms"),
    ("metadata.recovery.strategy", "walpost's own producer begins each session with bootstrap.servers"),
    (
        "metadata.recovery.rebootstrap.trigger.ms",
        "walpost's own producer begins each session with bootstrap.servers",
    ),
];

/// Settings that librdkafka has and this producer has not: each with what is wrong.
pub fn unsupported(settings: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    let get = |name: &str| settings.get(name).map(String::as_str);
    let mut found = Vec::new();
    if let Some(mechanism) = get("sasl.mechanism").filter(|name| Mechanism::named(name).is_none()) {
        let what = format!("{mechanism} is not one of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512");
        found.push(("sasl.mechanism", what));
    }
    for (name, what) in [
        ("ssl.keystore.location", "a PKCS12 keystore is not read, PEM is"),
        ("ssl.key.password", "a key with a password is not read"),
        ("ssl.cipher.suites", "cipher suites cannot be chosen"),
    ] {
        if get(name).is_some() {
            found.push((name, what.to_owned()));
        }
    }
    if get("enable.metrics.push") == Some("true") {
        found.push(("enable.metrics.push", "no metrics are sent to brokers".to_owned()));
    }
    if get("client.dns.lookup").is_some_and(|lookup| lookup != "use_all_dns_ips") {
        found.push(("client.dns.lookup", "names are not made canonical".to_owned()));
    }
    if get("compression.type") == Some("lz4") && get("compression.level").is_some() {
        found.push(("compression.level", "lz4 has one level".to_owned()));
    }
    found
}

impl Settings {
    /// From settings by librdkafka's names; files that they name are read.
    pub(super) fn new(settings: &BTreeMap<String, String>) -> Result<Settings, Error> {
        let wrong = |what: String| Error {
            kind: ErrorKind::Settings,
            message: format!("the Kafka producer cannot be made with these settings: {what}"),
        };
        if let Some((name, what)) = unsupported(settings).into_iter().next() {
            return Err(wrong(format!("{name}: {what}")));
        }
        let get = |name: &str| settings.get(name).map(|value| value.trim());
        let number = |name: &str, otherwise: u64| get(name).and_then(|v| v.parse().ok()).unwrap_or(otherwise);
        let ms = |name: &str, otherwise: u64| Duration::from_millis(number(name, otherwise));
        let bytes = |name: &str, otherwise: u64| number(name, otherwise) as usize;
        let buffer = |name: &str| Some(bytes(name, 0)).filter(|bytes| *bytes > 0);
        let bootstrap = addresses(get("bootstrap.servers").unwrap_or_default())
            .ok_or_else(|| wrong("bootstrap.servers: it is not host:port,host:port".to_owned()))?;
        let protocol = get("security.protocol").unwrap_or("plaintext").to_ascii_lowercase();
        let tls = match protocol.ends_with("ssl") {
            true => Some(tls::client_config(settings).map_err(wrong)?),
            false => None,
        };
        let login = match protocol.starts_with("sasl") {
            true => Some(login(settings).map_err(wrong)?),
            false => None,
        };
        let codec = get("compression.type").unwrap_or("none");
        let level = get("compression.level").and_then(|level| level.parse().ok());
        let codec = Codec::named(codec, level)
            .ok_or_else(|| wrong(format!("compression.type: there is no {codec}")))?;
        let transaction_timeout = ms("transaction.timeout.ms", 30_000);
        Ok(Settings {
            bootstrap,
            client_id: get("client.id").map(str::to_owned),
            tls,
            login,
            transaction_timeout,
            delivery_timeout: get("delivery.timeout.ms")
                .and_then(|value| value.parse().ok())
                .map_or(transaction_timeout, Duration::from_millis)
                .min(transaction_timeout),
            request_timeout: ms("socket.timeout.ms", 10_000).min(transaction_timeout),
            connect_timeout: ms("socket.connection.setup.timeout.ms", 10_000),
            reconnect: (ms("reconnect.backoff.ms", 50), ms("reconnect.backoff.max.ms", 1_000)),
            metadata_age: ms("topic.metadata.refresh.interval.ms", 300_000),
            idle_most: Some(ms("connections.max.idle.ms", 300_000)).filter(|most| !most.is_zero()),
            keepalive: get("socket.keepalive.enable") != Some("false"),
            send_buffer: buffer("socket.send.buffer.bytes"),
            receive_buffer: buffer("socket.receive.buffer.bytes"),
            codec,
            batch_bytes: bytes("batch.size", 262_144),
            request_bytes: bytes("message.max.bytes", 1_048_576),
        })
    }
}

fn login(settings: &BTreeMap<String, String>) -> Result<Login, String> {
    let get = |name: &str| settings.get(name).cloned().ok_or_else(|| format!("{name}: it is missing"));
    let mechanism = Mechanism::named(&get("sasl.mechanism")?).ok_or("sasl.mechanism: it is not known")?;
    Ok(Login { mechanism, user: get("sasl.username")?, password: Secret::new(get("sasl.password")?) })
}

/// `host:port` between commas, each perhaps with a protocol before it; none is wrong too.
fn addresses(text: &str) -> Option<Vec<(String, u16)>> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let addresses: Option<Vec<_>> = items
        .map(|item| {
            let address = item.rsplit_once("://").map_or(item, |(_, address)| address);
            let (host, port) = address.rsplit_once(':')?;
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            Some((host.to_owned(), port.parse().ok()?))
        })
        .collect();
    addresses.filter(|addresses| !addresses.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let found = addresses("a:1, SSL://b.c:2,[::1]:3").expect("three");
        assert_eq!(found, [("a".to_owned(), 1), ("b.c".to_owned(), 2), ("::1".to_owned(), 3)]);
        for wrong in ["", " , ", "a", "a:b", "a:70000"] {
            assert_eq!(addresses(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_set_is_as_for_librdkafka_and_no_request_outlives_a_transaction() {
        let settings = Settings::new(&map(&[("bootstrap.servers", "a:1")])).expect("settings");
        assert_eq!(settings.transaction_timeout, Duration::from_secs(30));
        assert_eq!((settings.batch_bytes, settings.request_bytes), (262_144, 1_048_576));
        let short = [("bootstrap.servers", "a:1"), ("transaction.timeout.ms", "5000")];
        let short = Settings::new(&map(&short)).expect("settings");
        assert_eq!([short.request_timeout, short.delivery_timeout], [Duration::from_secs(5); 2]);
        let long = Settings::new(&map(&[("bootstrap.servers", "a:1"), ("transaction.timeout.ms", "90000")]));
        assert_eq!(long.expect("settings").delivery_timeout, Duration::from_secs(90));
    }

    #[test]
    fn what_only_librdkafka_can_do_is_refused_by_name_and_shows_no_secret() {
        for (name, value) in [
            ("sasl.mechanism", "GSSAPI"),
            ("ssl.keystore.location", "/k.p12"),
            ("ssl.key.password", "geheim"),
            ("ssl.cipher.suites", "AES256-SHA"),
            ("enable.metrics.push", "true"),
            ("client.dns.lookup", "resolve_canonical_bootstrap_servers_only"),
        ] {
            let settings = map(&[("bootstrap.servers", "a:1"), (name, value)]);
            let found = unsupported(&settings);
            assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [name]);
            let refused = Settings::new(&settings).err().expect("a refusal");
            assert_eq!(refused.kind, ErrorKind::Settings);
            assert!(refused.message.contains(name) && !refused.message.contains("geheim"), "{refused}");
        }
        assert!(unsupported(&map(&[("sasl.mechanism", "SCRAM-SHA-256")])).is_empty());
    }
}
