//! The Java client's properties (ProducerConfig, CommonClientConfigs, SslConfigs, SaslConfigs of Kafka 4), each once:
//! its name, what becomes of it, and what it is for.

/// A property of the Java client that is known here.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub kind: Kind,
    /// What it is for, in one line.
    pub doc: &'static str,
}

/// What becomes of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Taken over as text, under librdkafka's name for it.
    Text(&'static str),
    /// Taken over as a whole number between the two, under librdkafka's name for it.
    Number(&'static str, i64, i64),
    /// Taken over as `true` or `false`, under librdkafka's name for it.
    Boolean(&'static str),
    /// Honoured, but not by a plain renaming.
    Honoured,
    /// Without effect here, for this reason.
    Ignored(&'static str),
    /// Refused: what is wrong with it, and what to do.
    Refused(&'static str),
}

const MOST_MS: i64 = 2_147_483_647;
const JAVA_ONLY: &str = "it names Java code, and there is none here";
const JAVA_METRICS: &str = "it is for the Java client's own metrics; walpost's are at /metrics";
const JAVA_LOGIN: &str = "it tunes a login thread that only the Java client has";
const ONE_RETRY: &str = "walpost sets the time between retries itself: by it a commit that was sent twice is told from one that was slow";
const KERBEROS: &str = "it is for GSSAPI, which this build does not have";
const OAUTH: &str = "it is for OAUTHBEARER, which this build does not have";
const BROKER_SIDE: &str = "it is for brokers that check tokens";
const CODE_REFUSED: &str = "it names Java code, and what that code would do cannot be done here; remove it";

/// Every property known here, by name in the order of Kafka's own documentation.
pub const KNOWN: &[Known] = &[
    // Connecting.
    known("bootstrap.servers", Kind::Text("bootstrap.servers"), "host:port of some brokers, comma-separated"),
    known("client.dns.lookup", Kind::Honoured, "which addresses of a broker's name are tried"),
    known("client.id", Kind::Text("client.id"), "the name under which brokers log this client"),
    known(
        "metadata.max.age.ms",
        number("topic.metadata.refresh.interval.ms", 10, 3_600_000),
        "how often topics are looked up again",
    ),
    known(
        "metadata.recovery.strategy",
        Kind::Text("metadata.recovery.strategy"),
        "whether lost brokers are looked up from bootstrap.servers: none or rebootstrap",
    ),
    known(
        "metadata.recovery.rebootstrap.trigger.ms",
        number("metadata.recovery.rebootstrap.trigger.ms", 0, MOST_MS),
        "when that happens",
    ),
    known("send.buffer.bytes", Kind::Honoured, "TCP send buffer; -1 is the system's"),
    known("receive.buffer.bytes", Kind::Honoured, "TCP receive buffer; -1 is the system's"),
    known(
        "reconnect.backoff.ms",
        number("reconnect.backoff.ms", 0, 3_600_000),
        "first wait before connecting again",
    ),
    known(
        "reconnect.backoff.max.ms",
        number("reconnect.backoff.max.ms", 0, 3_600_000),
        "longest wait before connecting again",
    ),
    known("retry.backoff.ms", Kind::Ignored(ONE_RETRY), "first wait before a request is sent again"),
    known("retry.backoff.max.ms", Kind::Ignored(ONE_RETRY), "longest wait before a request is sent again"),
    known(
        "request.timeout.ms",
        number("socket.timeout.ms", 10, 300_000),
        "how long a request may go unanswered; at most transaction.timeout.ms",
    ),
    known(
        "socket.connection.setup.timeout.ms",
        number("socket.connection.setup.timeout.ms", 1000, MOST_MS),
        "how long connecting may take",
    ),
    known(
        "socket.connection.setup.timeout.max.ms",
        Kind::Ignored("connecting has one time-out here, socket.connection.setup.timeout.ms"),
        "the longest that time grows to",
    ),
    known(
        "connections.max.idle.ms",
        Kind::Honoured,
        "idle connections are closed after this long; -1: never",
    ),
    known(
        "default.api.timeout.ms",
        Kind::Ignored("walpost bounds each call by itself"),
        "time-out of admin and consumer calls",
    ),
    // Producing.
    known("acks", Kind::Honoured, "must be all: exactly once needs it"),
    known("enable.idempotence", Kind::Honoured, "must be true: exactly once needs it"),
    known(
        "transactional.id",
        Kind::Text("transactional.id"),
        "the name that fences an older instance of the same connector",
    ),
    known(
        "transaction.timeout.ms",
        number("transaction.timeout.ms", 1000, MOST_MS),
        "the broker aborts a transaction that is open for longer",
    ),
    known(
        "transaction.two.phase.commit.enable",
        Kind::Honoured,
        "must be false: Kafka alone decides on a transaction",
    ),
    known(
        "max.in.flight.requests.per.connection",
        number("max.in.flight.requests.per.connection", 1, 5),
        "requests a connection may have unanswered; at most 5 with exactly once",
    ),
    known("retries", number("retries", 1, MOST_MS), "how often a record is sent again"),
    known(
        "delivery.timeout.ms",
        number("delivery.timeout.ms", 1, MOST_MS),
        "how long a record may take; at most transaction.timeout.ms",
    ),
    known("batch.size", number("batch.size", 0, MOST_MS), "bytes of one request to one partition"),
    known(
        "linger.ms",
        Kind::Ignored(
            "a transaction is sent as soon as it is complete; walpost.batch.max.age.ms says how long records are collected",
        ),
        "how long records are collected for a request",
    ),
    known("buffer.memory", Kind::Honoured, "bytes of records that may wait to be sent"),
    known(
        "max.request.size",
        number("message.max.bytes", 1000, 1_000_000_000),
        "bytes of a record, with key and headers; larger ones are rejected",
    ),
    known(
        "max.block.ms",
        Kind::Ignored("sending never blocks here; a full buffer is waited for until transaction.timeout.ms"),
        "how long sending may block",
    ),
    known("compression.type", Kind::Honoured, "none, gzip, snappy, lz4 or zstd"),
    known("compression.gzip.level", Kind::Honoured, "level for compression.type=gzip"),
    known("compression.lz4.level", Kind::Honoured, "level for compression.type=lz4"),
    known("compression.zstd.level", Kind::Honoured, "level for compression.type=zstd"),
    known("partitioner.class", Kind::Honoured, "Java's default partitioner is built in; no other can be had"),
    known(
        "partitioner.ignore.keys",
        Kind::Honoured,
        "must be false: events of one key keep their order by it",
    ),
    known(
        "partitioner.adaptive.partitioning.enable",
        Kind::Ignored("records without a key are spread evenly here"),
        "whether slow partitions get fewer records without a key",
    ),
    known(
        "partitioner.availability.timeout.ms",
        Kind::Ignored("records without a key are spread evenly here"),
        "when a partition counts as slow",
    ),
    known(
        "metadata.max.idle.ms",
        Kind::Ignored("topics are remembered while the connector runs"),
        "when an unused topic is forgotten",
    ),
    known("key.serializer", Kind::Ignored("key.converter decides the bytes"), "Java class for keys"),
    known("value.serializer", Kind::Ignored("value.converter decides the bytes"), "Java class for values"),
    known("interceptor.classes", Kind::Ignored(JAVA_ONLY), "Java classes that see each record"),
    known("metric.reporters", Kind::Ignored(JAVA_METRICS), "Java classes that report metrics"),
    known("auto.include.jmx.reporter", Kind::Ignored(JAVA_METRICS), "whether JMX is among them"),
    known("metrics.num.samples", Kind::Ignored(JAVA_METRICS), "samples kept"),
    known("metrics.recording.level", Kind::Ignored(JAVA_METRICS), "how much is recorded"),
    known("metrics.sample.window.ms", Kind::Ignored(JAVA_METRICS), "window of a sample"),
    known(
        "enable.metrics.push",
        Kind::Boolean("enable.metrics.push"),
        "whether brokers may ask this client for metrics",
    ),
    known(
        "config.providers",
        Kind::Ignored("it is read with the connector's configuration"),
        "where ${…} in values come from",
    ),
    // TLS.
    known("security.protocol", Kind::Honoured, "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
    known("security.providers", Kind::Refused(CODE_REFUSED), "Java security providers"),
    known("ssl.truststore.type", Kind::Honoured, "PEM; JKS and PKCS12 must be converted"),
    known("ssl.truststore.location", Kind::Honoured, "file with the certificates of those who are trusted"),
    known("ssl.truststore.password", Kind::Honoured, "not needed with PEM"),
    known("ssl.truststore.certificates", Kind::Honoured, "the same certificates, inline, as PEM"),
    known("ssl.keystore.type", Kind::Honoured, "PEM or PKCS12; JKS must be converted"),
    known("ssl.keystore.location", Kind::Honoured, "file with this client's certificate and key"),
    known("ssl.keystore.password", Kind::Honoured, "its password"),
    known("ssl.keystore.key", Kind::Honoured, "this client's key, inline, as PEM"),
    known("ssl.keystore.certificate.chain", Kind::Honoured, "this client's certificate, inline, as PEM"),
    known("ssl.key.password", Kind::Text("ssl.key.password"), "password of the key"),
    known(
        "ssl.endpoint.identification.algorithm",
        Kind::Honoured,
        "https: a broker's certificate must name its host; empty: it need not",
    ),
    known("ssl.cipher.suites", Kind::Honoured, "cipher suites for TLS 1.2"),
    known(
        "ssl.enabled.protocols",
        Kind::Honoured,
        "must leave TLSv1.2 or TLSv1.3, which are what is spoken here",
    ),
    known("ssl.protocol", Kind::Honoured, "must be TLS, TLSv1.2 or TLSv1.3"),
    known("ssl.provider", Kind::Ignored("TLS is OpenSSL's here"), "Java's TLS provider"),
    known("ssl.keymanager.algorithm", Kind::Ignored("TLS is OpenSSL's here"), "Java's key manager"),
    known("ssl.trustmanager.algorithm", Kind::Ignored("TLS is OpenSSL's here"), "Java's trust manager"),
    known(
        "ssl.secure.random.implementation",
        Kind::Ignored("TLS is OpenSSL's here"),
        "Java's random numbers",
    ),
    known("ssl.engine.factory.class", Kind::Refused(CODE_REFUSED), "Java class that makes TLS engines"),
    // Logging in.
    known("sasl.mechanism", Kind::Honoured, "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
    known("sasl.jaas.config", Kind::Honoured, "login module with user name and password"),
    known(
        "sasl.client.callback.handler.class",
        Kind::Refused(CODE_REFUSED),
        "Java class that answers the mechanism",
    ),
    known("sasl.login.callback.handler.class", Kind::Refused(CODE_REFUSED), "Java class that logs in"),
    known("sasl.login.class", Kind::Refused(CODE_REFUSED), "Java class that logs in"),
    known("sasl.kerberos.service.name", Kind::Ignored(KERBEROS), "Kerberos name of the brokers"),
    known("sasl.kerberos.kinit.cmd", Kind::Ignored(KERBEROS), "kinit"),
    known("sasl.kerberos.ticket.renew.window.factor", Kind::Ignored(KERBEROS), "when tickets are renewed"),
    known("sasl.kerberos.ticket.renew.jitter", Kind::Ignored(KERBEROS), "when tickets are renewed"),
    known("sasl.kerberos.min.time.before.relogin", Kind::Ignored(KERBEROS), "when tickets are renewed"),
    known("sasl.login.refresh.window.factor", Kind::Ignored(JAVA_LOGIN), "when a login is renewed"),
    known("sasl.login.refresh.window.jitter", Kind::Ignored(JAVA_LOGIN), "when a login is renewed"),
    known("sasl.login.refresh.min.period.seconds", Kind::Ignored(JAVA_LOGIN), "when a login is renewed"),
    known("sasl.login.refresh.buffer.seconds", Kind::Ignored(JAVA_LOGIN), "when a login is renewed"),
    known("sasl.login.connect.timeout.ms", Kind::Ignored(OAUTH), "time-out of the token endpoint"),
    known("sasl.login.read.timeout.ms", Kind::Ignored(OAUTH), "time-out of the token endpoint"),
    known("sasl.login.retry.backoff.ms", Kind::Ignored(OAUTH), "retries at the token endpoint"),
    known("sasl.login.retry.backoff.max.ms", Kind::Ignored(OAUTH), "retries at the token endpoint"),
    known("sasl.oauthbearer.token.endpoint.url", Kind::Ignored(OAUTH), "where tokens are issued"),
    known("sasl.oauthbearer.scope.claim.name", Kind::Ignored(OAUTH), "claim that names the scope"),
    known("sasl.oauthbearer.sub.claim.name", Kind::Ignored(OAUTH), "claim that names the user"),
    known("sasl.oauthbearer.header.urlencode", Kind::Ignored(OAUTH), "encoding of the client id"),
    known("sasl.oauthbearer.jwks.endpoint.url", Kind::Ignored(BROKER_SIDE), "keys that sign tokens"),
    known("sasl.oauthbearer.jwks.endpoint.refresh.ms", Kind::Ignored(BROKER_SIDE), "keys that sign tokens"),
    known(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
        Kind::Ignored(BROKER_SIDE),
        "keys that sign tokens",
    ),
    known(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
        Kind::Ignored(BROKER_SIDE),
        "keys that sign tokens",
    ),
    known("sasl.oauthbearer.clock.skew.seconds", Kind::Ignored(BROKER_SIDE), "tolerance of token times"),
    known("sasl.oauthbearer.expected.audience", Kind::Ignored(BROKER_SIDE), "audience of a token"),
    known("sasl.oauthbearer.expected.issuer", Kind::Ignored(BROKER_SIDE), "issuer of a token"),
];

/// The declaration of a property, where it is known.
pub fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// The known name most like this one, when it is like one at all.
pub fn nearest(name: &str) -> Option<&'static str> {
    let (distance, nearest) =
        KNOWN.iter().map(|known| (distance(name, known.name), known.name)).min_by_key(|(d, _)| *d)?;
    (distance <= 2 + name.len() / 8).then_some(nearest)
}

const fn known(name: &'static str, kind: Kind, doc: &'static str) -> Known {
    Known { name, kind, doc }
}

const fn number(setting: &'static str, least: i64, most: i64) -> Kind {
    Kind::Number(setting, least, most)
}

/// Levenshtein's, byte by byte: names are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_property_is_declared_once_and_explained() {
        for (i, known) in KNOWN.iter().enumerate() {
            assert!(KNOWN[..i].iter().all(|earlier| earlier.name != known.name), "{} twice", known.name);
            assert!(!known.doc.is_empty() && !known.doc.ends_with('.'), "{}", known.name);
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour_and_a_foreign_one_none() {
        assert_eq!(nearest("bootstrap.server"), Some("bootstrap.servers"));
        assert_eq!(nearest("max.requests.size"), Some("max.request.size"));
        assert_eq!(nearest("ssl.trustore.location"), Some("ssl.truststore.location"));
        assert_eq!(nearest("quota.window.num"), None);
    }
}
