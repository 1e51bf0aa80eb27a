//! TLS, certificates and passwords, to Postgres and to Kafka.

use crate::kit::{Router, connector, run, wait_events};
use crate::support::{
    Broker, BrokerOptions, Certificates, ConnectorBuilder, Database, DatabaseHandle, DatabaseOptions,
    PATIENCE,
};
use std::path::Path;
use std::sync::OnceLock;

/// Lets in `scram` and `md5` with the password `secret` and `walpost` with a certificate; only with TLS.
fn guarded_postgres() -> (&'static Database, &'static Certificates) {
    static SERVER: OnceLock<(Database, Certificates)> = OnceLock::new();
    let (server, certificates) = SERVER.get_or_init(|| {
        let certificates = Certificates::new();
        let options = DatabaseOptions::new()
            .tls(&certificates)
            .hba("hostssl all walpost all cert")
            .hba("hostssl all md5 all md5")
            .hba("hostssl all scram all scram-sha-256");
        let server = Database::with(options);
        server.execute(
            "create role walpost login replication;
             set password_encryption = 'scram-sha-256'; create role scram login replication password 'secret';
             set password_encryption = 'md5'; create role md5 login replication password 'secret'",
        );
        (server, certificates)
    });
    (server, certificates)
}

/// A database with an outbox that these roles may read, and no more.
fn guarded_outbox() -> DatabaseHandle {
    let db = guarded_postgres().0.fresh_database();
    db.create_outbox();
    db.execute("grant select on outbox to public; create publication walpost for table outbox with (publish = 'insert')");
    db
}

fn as_user(db: &DatabaseHandle, user: &str, password: &str) -> ConnectorBuilder {
    let (_, certificates) = guarded_postgres();
    connector(db, Broker::shared())
        .set("database.hostname", "localhost")
        .set("database.user", user)
        .set("database.password", password)
        .set("database.sslmode", "verify-full")
        .set("database.sslrootcert", path(&certificates.ca))
        .set("publication.autocreate.mode", "disabled")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn publishes(db: &DatabaseHandle, kafka: &Broker, builder: ConnectorBuilder) {
    let _connector = run(builder);
    db.insert("order", "k", "t", "{}");
    assert_eq!(wait_events(kafka, db, &["order"], 1).len(), 1);
}

fn stops_at_once(builder: ConnectorBuilder, code: i32) -> String {
    let (exit, log) = builder.start().wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(code), "{log}");
    assert!(!log.contains("retrying"), "{log}");
    log
}

#[test]
fn postgres_is_reached_with_verify_full_and_scram_by_a_role_with_no_more_than_replication() {
    let db = guarded_outbox();
    publishes(&db, Broker::shared(), as_user(&db, "scram", "secret"));
    let encrypted = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'scram' and not ssl";
    assert_eq!(db.query_one_text(encrypted), "0");
}

#[test]
fn postgres_is_reached_with_an_md5_password() {
    let db = guarded_outbox();
    publishes(&db, Broker::shared(), as_user(&db, "md5", "secret"));
}

#[test]
fn postgres_is_reached_with_a_client_certificate_and_no_password() {
    let (db, (_, certificates)) = (guarded_outbox(), guarded_postgres());
    let builder = as_user(&db, "walpost", "")
        .unset("database.password")
        .set("database.sslcert", path(&certificates.client_cert))
        .set("database.sslkey", path(&certificates.client_key));
    publishes(&db, Broker::shared(), builder);
}

#[test]
fn a_wrong_password_stops_at_once_and_is_not_shown() {
    let db = guarded_outbox();
    for user in ["scram", "md5"] {
        let log = stops_at_once(as_user(&db, user, "guessed-wrong"), 6);
        assert!(log.contains("28P01") || log.contains("password authentication failed"), "{log}");
        assert!(!log.contains("guessed-wrong"), "{log}");
    }
}

#[test]
fn a_certificate_of_another_host_or_authority_is_refused_before_anything_is_said() {
    let db = guarded_outbox();
    let stranger = Certificates::new();
    let log =
        stops_at_once(as_user(&db, "scram", "secret").set("database.sslrootcert", path(&stranger.ca)), 6);
    assert!(log.to_lowercase().contains("certificate"), "{log}");

    let elsewhere = Certificates::for_names(&["elsewhere.example"]);
    let server = Database::with(DatabaseOptions::new().tls(&elsewhere));
    let db = server.fresh_database();
    db.create_outbox();
    let builder = as_user(&db, "postgres", "").set("database.sslrootcert", path(&elsewhere.ca));
    let log = stops_at_once(builder.clone(), 6);
    assert!(log.to_lowercase().contains("certificate"), "{log}");
    publishes(
        &db,
        Broker::shared(),
        builder.set("database.sslmode", "verify-ca").set("publication.autocreate.mode", "filtered"),
    );
}

/// SASL_SSL for `alice`, whose password is `secret`.
fn guarded_kafka() -> (&'static Broker, &'static Certificates) {
    static BROKER: OnceLock<(Broker, Certificates)> = OnceLock::new();
    let (broker, certificates) = BROKER.get_or_init(|| {
        let certificates = Certificates::new();
        let broker = Broker::with(BrokerOptions::new().tls(&certificates).user("alice", "secret"));
        (broker, certificates)
    });
    (broker, certificates)
}

fn with_sasl(db: &DatabaseHandle, mechanism: &str, module: &str, password: &str) -> ConnectorBuilder {
    let (kafka, certificates) = guarded_kafka();
    let module = format!("org.apache.kafka.common.security.{module}");
    connector(db, kafka)
        .set("bootstrap.servers", kafka.sasl_ssl_bootstrap())
        .set("security.protocol", "SASL_SSL")
        .set("ssl.truststore.type", "PEM")
        .set("ssl.truststore.location", path(&certificates.ca))
        .set("sasl.mechanism", mechanism)
        .set("sasl.jaas.config", format!("{module} required username=\"alice\" password=\"{password}\";"))
}

#[test]
fn kafka_is_reached_over_sasl_ssl_by_the_java_names_of_its_settings() {
    let (kafka, _) = guarded_kafka();
    for (mechanism, module) in
        [("SCRAM-SHA-512", "scram.ScramLoginModule"), ("PLAIN", "plain.PlainLoginModule")]
    {
        let db = Database::shared().fresh_database();
        db.create_outbox();
        let builder =
            with_sasl(&db, mechanism, module, "secret").router("table.field.event.key", "aggregateid");
        publishes(&db, kafka, builder);
    }
}

#[test]
fn a_password_that_kafka_refuses_stops_at_once_and_is_not_shown() {
    let db = Database::shared().fresh_database();
    db.create_outbox();
    let log = stops_at_once(with_sasl(&db, "SCRAM-SHA-512", "scram.ScramLoginModule", "guessed-wrong"), 7);
    assert!(log.to_lowercase().contains("authentication"), "{log}");
    assert!(!log.contains("guessed-wrong"), "{log}");
    assert_eq!(
        db.server().slot_confirmed(db.name()),
        None,
        "no slot is made for a connector that cannot publish"
    );
}

#[test]
fn kafka_is_reached_with_tls_only_when_its_certificate_is_trusted() {
    let (kafka, certificates) = guarded_kafka();
    let db = Database::shared().fresh_database();
    db.create_outbox();
    let with_ca = |ca: &Path| {
        connector(&db, kafka)
            .set("bootstrap.servers", kafka.ssl_bootstrap())
            .set("security.protocol", "SSL")
            .set("ssl.truststore.type", "PEM")
            .set("ssl.truststore.location", path(ca))
    };
    publishes(&db, kafka, with_ca(&certificates.ca));
    let stranger = Certificates::new();
    let log = stops_at_once(with_ca(&stranger.ca), 7);
    assert!(log.to_lowercase().contains("certificate"), "{log}");
}
