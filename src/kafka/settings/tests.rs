//! What the translation of client properties promises.

use super::*;

fn of(properties: &[(&str, &str)]) -> Translation {
    translate(&properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

/// The settings, when nothing was ignored, refused or unknown.
fn settings(properties: &[(&str, &str)]) -> Vec<(String, String)> {
    let t = of(properties);
    assert!(t.ignored.is_empty() && t.refused.is_empty() && t.unknown.is_empty(), "{t:?}");
    t.settings.into_iter().collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn refusal(properties: &[(&str, &str)], name: &str) -> String {
    let t = of(properties);
    let refused = t.refused.iter().find(|(refused, _)| refused == name);
    refused.unwrap_or_else(|| panic!("{name} is not refused: {t:?}")).1.clone()
}

#[test]
fn names_that_differ_are_renamed_and_the_others_stay() {
    assert_eq!(
        settings(&[
            ("bootstrap.servers", " a:9092,b:9092 "),
            ("buffer.memory", "33554432"),
            ("max.request.size", "2097152"),
            ("request.timeout.ms", "10000"),
            ("metadata.max.age.ms", "60000"),
            ("send.buffer.bytes", "-1"),
            ("receive.buffer.bytes", "65536"),
            ("batch.size", "65536"),
            ("compression.type", "ZSTD"),
            ("compression.zstd.level", "3"),
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("transaction.timeout.ms", "60000"),
            ("transactional.id", "connect-cluster-orders-0"),
        ]),
        pairs(&[
            ("batch.size", "65536"),
            ("bootstrap.servers", "a:9092,b:9092"),
            ("compression.level", "3"),
            ("compression.type", "zstd"),
            ("message.max.bytes", "2097152"),
            ("queue.buffering.max.kbytes", "32768"),
            ("socket.receive.buffer.bytes", "65536"),
            ("socket.send.buffer.bytes", "0"),
            ("socket.timeout.ms", "10000"),
            ("topic.metadata.refresh.interval.ms", "60000"),
            ("transaction.timeout.ms", "60000"),
            ("transactional.id", "connect-cluster-orders-0"),
        ])
    );
}

#[test]
fn a_scram_login_becomes_user_and_password() {
    assert_eq!(
        settings(&[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            (
                "sasl.jaas.config",
                r#"org.apache.kafka.common.security.scram.ScramLoginModule required username="al\"ice" password='p;=';"#
            ),
        ]),
        pairs(&[
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.password", "p;="),
            ("sasl.username", "al\"ice"),
            ("security.protocol", "sasl_ssl"),
        ])
    );
}

#[test]
fn what_would_break_exactly_once_is_refused() {
    for (name, value) in [
        ("acks", "1"),
        ("enable.idempotence", "false"),
        ("retries", "0"),
        ("max.in.flight.requests.per.connection", "6"),
        ("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner"),
        ("partitioner.ignore.keys", "true"),
        ("transaction.two.phase.commit.enable", "true"),
    ] {
        refusal(&[(name, value)], name);
    }
}

#[test]
fn mechanisms_this_build_lacks_are_refused_with_those_it_has() {
    for mechanism in ["GSSAPI", "OAUTHBEARER", "AWS_MSK_IAM", "DIGEST-MD5"] {
        let what =
            refusal(&[("security.protocol", "SASL_SSL"), ("sasl.mechanism", mechanism)], "sasl.mechanism");
        assert!(what.contains("SCRAM-SHA-512"), "{what}");
    }
    refusal(&[("security.protocol", "sasl_plaintext")], "sasl.mechanism");
}

#[test]
fn pem_stores_are_taken_inline_and_by_file() {
    assert_eq!(
        settings(&[
            ("security.protocol", "ssl"),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.certificates", "-----BEGIN CERTIFICATE-----"),
            ("ssl.keystore.type", "pem"),
            ("ssl.keystore.certificate.chain", "chain"),
            ("ssl.keystore.key", "key"),
            ("ssl.key.password", "p"),
            ("ssl.endpoint.identification.algorithm", ""),
        ]),
        pairs(&[
            ("security.protocol", "ssl"),
            ("ssl.ca.pem", "-----BEGIN CERTIFICATE-----"),
            ("ssl.certificate.pem", "chain"),
            ("ssl.endpoint.identification.algorithm", "none"),
            ("ssl.key.password", "p"),
            ("ssl.key.pem", "key"),
        ])
    );
    assert_eq!(
        settings(&[
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", "/ca.pem"),
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", "/client.pem"),
        ]),
        pairs(&[
            ("ssl.ca.location", "/ca.pem"),
            ("ssl.certificate.location", "/client.pem"),
            ("ssl.key.location", "/client.pem"),
        ])
    );
}

#[test]
fn a_pkcs12_keystore_is_taken_whether_declared_or_not() {
    let expected = pairs(&[("ssl.keystore.location", "/k.p12"), ("ssl.keystore.password", "p")]);
    let store = [("ssl.keystore.location", "/k.p12"), ("ssl.keystore.password", "p")];
    assert_eq!(settings(&store), expected);
    assert_eq!(settings(&[store[0], store[1], ("ssl.keystore.type", "PKCS12")]), expected);
    assert!(refusal(&store[..1], "ssl.keystore.location").contains("ssl.keystore.password"));
}

#[test]
fn a_store_only_java_reads_is_refused_with_the_command_that_converts_it() {
    let what = refusal(&[("ssl.keystore.location", "/k.jks")], "ssl.keystore.location");
    assert!(what.contains("keytool -importkeystore -srckeystore /k.jks -destkeystore /k.jks.p12"), "{what}");
    for kind in ["JKS", "PKCS12"] {
        let what = refusal(
            &[("ssl.truststore.type", kind), ("ssl.truststore.location", "/t.store")],
            "ssl.truststore.location",
        );
        assert!(what.contains("keytool -list -rfc -keystore /t.store > /t.store.pem"), "{what}");
    }
}

#[test]
fn a_file_that_java_would_call_jks_is_judged_by_its_first_bytes() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes, setting) in [
        ("pem", b"-----BEGIN CERTIFICATE-----".as_slice(), Some("ssl.certificate.location")),
        ("der", &[0x30, 0x82, 1, 2, 3], Some("ssl.keystore.location")),
        ("old", &[0xfe, 0xed, 0xfe, 0xed, 0], None),
    ] {
        let file = directory.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let t = of(&[("ssl.keystore.location", file.to_str().unwrap()), ("ssl.keystore.password", "p")]);
        match setting {
            Some(setting) => assert!(t.settings.contains_key(setting), "{name}: {t:?}"),
            None => assert_eq!(t.refused.len(), 1, "{name}: {t:?}"),
        }
    }
}

#[test]
fn cipher_suites_get_openssl_s_names() {
    assert_eq!(
        settings(&[(
            "ssl.cipher.suites",
            "TLS_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_256_CBC_SHA,DHE-RSA-AES128-SHA"
        )]),
        pairs(&[("ssl.cipher.suites", "ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA:DHE-RSA-AES128-SHA")])
    );
    refusal(&[("ssl.cipher.suites", "TLS_KRB5_WITH_RC4_128_SHA")], "ssl.cipher.suites");
}

#[test]
fn old_tls_is_refused_and_newer_is_taken_for_granted() {
    refusal(&[("ssl.enabled.protocols", "TLSv1,TLSv1.1")], "ssl.enabled.protocols");
    let t = of(&[("ssl.enabled.protocols", "TLSv1.2,TLSv1.1"), ("ssl.protocol", "TLSv1.3")]);
    assert_eq!((t.ignored.len(), t.refused.len()), (2, 0), "{t:?}");
}

#[test]
fn java_classes_are_ignored_with_a_reason_or_refused_when_they_decide_something() {
    let t = of(&[
        ("key.serializer", "a.B"),
        ("interceptor.classes", "a.B"),
        ("metric.reporters", "a.B"),
        ("max.block.ms", "60000"),
    ]);
    assert_eq!(t.ignored.len(), 4, "{t:?}");
    assert!(t.ignored.iter().all(|(_, reason)| !reason.is_empty()));
    refusal(&[("ssl.engine.factory.class", "a.B")], "ssl.engine.factory.class");
    refusal(&[("sasl.login.callback.handler.class", "a.B")], "sasl.login.callback.handler.class");
}

#[test]
fn an_unknown_name_is_reported_with_its_nearest() {
    let t = of(&[("batch.sizes", "1"), ("statistics.interval.ms", "1"), ("zzz", "1")]);
    assert_eq!(t.unknown[0], ("batch.sizes".into(), Some("batch.size".into())));
    assert_eq!(t.unknown[2], ("zzz".into(), None));
    assert!(t.settings.is_empty());
}

#[test]
fn no_password_is_ever_printed() {
    let t = of(&[
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.jaas.config", "a.PlainLoginModule required username=\"u\" password=\"geheim\";"),
        ("ssl.keystore.location", "/k.p12"),
        ("ssl.keystore.password", "geheim"),
        ("ssl.key.password", "geheim"),
    ]);
    assert_eq!(t.settings.values().filter(|value| *value == "geheim").count(), 3);
    assert!(!format!("{t:?}").contains("geheim"), "{t:?}");
}

#[test]
fn every_translated_setting_is_one_that_the_client_knows() {
    let t = of(&[
        ("bootstrap.servers", "localhost:1"),
        ("client.dns.lookup", "default"),
        ("metadata.recovery.strategy", "none"),
        ("metadata.recovery.rebootstrap.trigger.ms", "1000"),
        ("metadata.max.age.ms", "60000"),
        ("send.buffer.bytes", "1000"),
        ("receive.buffer.bytes", "1000"),
        ("reconnect.backoff.ms", "50"),
        ("reconnect.backoff.max.ms", "1000"),
        ("request.timeout.ms", "10000"),
        ("socket.connection.setup.timeout.ms", "10000"),
        ("connections.max.idle.ms", "540000"),
        ("enable.metrics.push", "false"),
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.jaas.config", "a.PlainLoginModule required username=u password=p;"),
        ("transactional.id", "t"),
        ("transaction.timeout.ms", "20000"),
        ("max.in.flight.requests.per.connection", "5"),
        ("retries", "2147483647"),
        ("delivery.timeout.ms", "20000"),
        ("batch.size", "65536"),
        ("buffer.memory", "33554432"),
        ("max.request.size", "1048576"),
        ("compression.type", "gzip"),
        ("compression.gzip.level", "6"),
        ("client.id", "me"),
    ]);
    assert!(t.ignored.is_empty() && t.refused.is_empty() && t.unknown.is_empty(), "{t:?}");
    let mut config = rdkafka::ClientConfig::new();
    for (name, value) in &t.settings {
        config.set(name, value);
    }
    config.create_native_config().unwrap();
    let producer: Result<rdkafka::producer::BaseProducer, _> = config.create();
    assert!(producer.is_ok(), "{:?}", producer.err());
}
