//! Getting in to Postgres: sslmode as libpq means it, certificates, passwords, and servers that do not answer.

use crate::postgres::server_config;
use crate::support::{Certificates, Database, DatabaseOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use walpost::postgres::auth::Mechanism;
use walpost::postgres::replication::Connection;
use walpost::postgres::{Config, Error, SslMode, session};
use walpost::secret::Secret;

const MODES: [(SslMode, &str); 6] = [
    (SslMode::Disable, "disable"),
    (SslMode::Allow, "allow"),
    (SslMode::Prefer, "prefer"),
    (SslMode::Require, "require"),
    (SslMode::VerifyCa, "verify-ca"),
    (SslMode::VerifyFull, "verify-full"),
];

/// A server that lets anyone in whose connection its role allows.
fn open_server(certificates: Option<&Certificates>) -> Database {
    let mut options = DatabaseOptions::new()
        .hba("host all anyhow all trust")
        .hba("hostnossl all plain all trust")
        .hba("hostssl all encrypted all trust");
    if let Some(certificates) = certificates {
        options = options.tls(certificates);
    }
    let server = Database::with(options);
    for role in ["anyhow", "plain", "encrypted"] {
        server.execute(&format!("create role {role} login replication"));
    }
    server
}

/// Whether the connection is encrypted; `None` when there is none.
async fn ours(config: &Config) -> Option<bool> {
    let of_session = match session::connect(config).await {
        Ok(session) => {
            let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
            Some(session.query_one(sql, &[]).await.expect("an answer").get(0))
        }
        Err(_) => None,
    };
    let of_replication = Connection::connect(config).await.ok().map(|connection| connection.is_tls());
    assert_eq!(of_session, of_replication, "both kinds of connection end alike: {config:?}");
    of_session
}

/// The same from psql.
fn theirs(config: &Config, mode: &str) -> Option<bool> {
    let mut to = format!(
        "host={} port={} dbname={} user={} sslmode={mode}",
        config.host, config.port, config.database, config.user
    );
    for (name, path) in
        [("sslrootcert", &config.ssl_root_cert), ("sslcert", &config.ssl_cert), ("sslkey", &config.ssl_key)]
    {
        if let Some(path) = path {
            to += &format!(" {name}={}", path.display());
        }
    }
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let output = Command::new("psql").args(["-XAt", &to, "-c", sql]).env("HOME", "/nonexistent").output();
    let output = output.expect("psql runs");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim() == "t")
}

/// Goes through hosts, roles, roots and modes, and expects what psql sees.
async fn compare(server: &Database, hosts: &[&str], roots: &[Option<&Path>]) -> usize {
    let mut encrypted = 0;
    for host in hosts {
        for role in ["anyhow", "plain", "encrypted"] {
            for root in roots {
                for (mode, name) in MODES {
                    let config = Config {
                        host: (*host).into(),
                        user: role.into(),
                        ssl_mode: mode,
                        ssl_root_cert: root.map(Path::to_path_buf),
                        ..server_config(server, "postgres")
                    };
                    if root.is_none() && matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull) {
                        // Here libpq would look for ~/.postgresql/root.crt; we ask the system's roots, and none made this.
                        assert_eq!(ours(&config).await, None, "{role}@{host} {name}");
                        continue;
                    }
                    let ours = ours(&config).await;
                    assert_eq!(ours, theirs(&config, name), "{role}@{host} {name} root {root:?}");
                    encrypted += usize::from(ours == Some(true));
                }
            }
        }
    }
    encrypted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_sslmode_ends_as_it_does_with_libpq() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = open_server(Some(&certificates));
    let roots = [None, Some(&*certificates.ca), Some(&*others.ca)];
    let encrypted = compare(&server, &["localhost", "127.0.0.1"], &roots).await;
    assert!(encrypted > 20, "{encrypted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_certificate_for_another_name_satisfies_verify_ca_only() {
    let certificates = Certificates::for_names(&["elsewhere.example", "10.1.2.3"]);
    let server = open_server(Some(&certificates));
    assert!(compare(&server, &["localhost", "127.0.0.1"], &[Some(&*certificates.ca)]).await > 0);
    let config = Config {
        ssl_mode: SslMode::VerifyFull,
        ssl_root_cert: Some(certificates.ca.clone()),
        ..server_config(&server, "postgres")
    };
    let error = Connection::connect(&config).await.err().expect("refused");
    assert!(matches!(&error, Error::Tls(why) if why.contains("verify-ca")), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_without_tls_satisfies_the_modes_that_do_not_insist() {
    let server = open_server(None);
    let others = Certificates::new();
    assert_eq!(compare(&server, &["localhost"], &[None, Some(&*others.ca)]).await, 0);
}

/// Runs openssl in the directory of the certificates.
fn openssl(certificates: &Certificates, arguments: &str) {
    let directory = certificates.ca.parent().expect("a directory");
    let output = Command::new("openssl").current_dir(directory).args(arguments.split(' ')).output();
    let output = output.expect("openssl runs");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn beside(certificates: &Certificates, name: &str) -> PathBuf {
    certificates.ca.with_file_name(name)
}

/// The same authority, but the server has the certificate and key of these names.
fn with_server(mut certificates: Certificates, cert: &str, key: &str) -> Certificates {
    (certificates.server_cert, certificates.server_key) =
        (beside(&certificates, cert), beside(&certificates, key));
    certificates
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_common_name_counts_where_there_is_no_alternative_name() {
    let certificates = Certificates::new();
    openssl(
        &certificates,
        "req -x509 -config openssl.cnf -days 2 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=localhost \
         -CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE -keyout cn.key -out cn.pem",
    );
    let certificates = with_server(certificates, "cn.pem", "cn.key");
    let server = open_server(Some(&certificates));
    assert!(compare(&server, &["localhost", "127.0.0.1"], &[Some(&*certificates.ca)]).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_self_signed_certificate_is_its_own_root() {
    let certificates = Certificates::new();
    openssl(
        &certificates,
        "req -x509 -config openssl.cnf -days 2 -nodes -newkey rsa:2048 -subj /CN=localhost -sha384 \
         -addext basicConstraints=critical,CA:TRUE -keyout self.key -out self.pem",
    );
    let certificates = with_server(certificates, "self.pem", "self.key");
    let server = open_server(Some(&certificates));
    let own = beside(&certificates, "self.pem");
    assert!(
        compare(&server, &["localhost", "127.0.0.1"], &[None, Some(&own), Some(&*certificates.ca)]).await > 0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_certificate_of_x509_version_1_is_good_enough_where_nothing_is_verified() {
    let certificates = Certificates::new();
    openssl(
        &certificates,
        "req -config openssl.cnf -new -nodes -newkey rsa:2048 -subj /CN=localhost -keyout v1.key -out v1.csr",
    );
    openssl(
        &certificates,
        "x509 -req -in v1.csr -days 2 -CA ca.pem -CAkey ca.key -CAcreateserial -out v1.pem",
    );
    let certificates = with_server(certificates, "v1.pem", "v1.key");
    let server = open_server(Some(&certificates));
    assert!(compare(&server, &["localhost"], &[None]).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn client_certificates_are_taken_in_every_unencrypted_form() {
    let certificates = Certificates::new();
    let options = DatabaseOptions::new().tls(&certificates).hba("hostssl all walpost all cert");
    let server = Database::with(options);
    server.execute("create role walpost login replication");
    openssl(&certificates, "ec -in client.key -out sec1.key");
    openssl(&certificates, "pkcs8 -topk8 -nocrypt -in client.key -outform DER -out client.pk8");
    openssl(&certificates, "ec -in client.key -aes256 -passout pass:secret -out old-encrypted.key");
    openssl(&certificates, "pkcs8 -topk8 -in client.key -passout pass:secret -out encrypted.key");
    openssl(
        &certificates,
        "req -x509 -config openssl.cnf -days 2 -nodes -newkey rsa:2048 -subj /CN=walpost -CA ca.pem -CAkey ca.key \
         -addext basicConstraints=critical,CA:FALSE -keyout rsa.key -out rsa.pem",
    );
    openssl(&certificates, "rsa -in rsa.key -traditional -out pkcs1.key");
    let config = |cert: &str, key: &str| Config {
        user: "walpost".into(),
        ssl_mode: SslMode::VerifyFull,
        ssl_root_cert: Some(certificates.ca.clone()),
        ssl_cert: Some(beside(&certificates, cert)),
        ssl_key: Some(beside(&certificates, key)),
        ..server_config(&server, "postgres")
    };
    let pairs = [("client.pem", "client.key"), ("client.pem", "sec1.key"), ("client.pem", "client.pk8")];
    for (cert, key) in pairs.into_iter().chain([("rsa.pem", "rsa.key"), ("rsa.pem", "pkcs1.key")]) {
        assert_eq!(ours(&config(cert, key)).await, Some(true), "{cert} {key}");
    }
    for key in ["old-encrypted.key", "encrypted.key"] {
        let error = session::connect(&config("client.pem", key)).await.err().expect("refused");
        assert!(matches!(&error, Error::Tls(why) if why.contains("openssl pkey")), "{key}: {error}");
    }
    let of_another = session::connect(&config("rsa.pem", "client.key")).await.err().expect("refused");
    assert!(matches!(&of_another, Error::Tls(why) if why.contains("rsa.pem")), "{of_another}");
    let without = Config { ssl_cert: None, ssl_key: None, ..config("client.pem", "client.key") };
    let error = session::connect(&without).await.err().expect("refused");
    assert_eq!(error.sqlstate(), Some("28000"), "{error}");
}

/// A server that wants a password, by the method that the role is named after.
fn password_server(certificates: &Certificates) -> Database {
    let options = DatabaseOptions::new()
        .tls(certificates)
        .hba("host all scram all scram-sha-256")
        .hba("host all md5 all md5")
        .hba("host all cleartext all password");
    let server = Database::with(options);
    // SASLprep makes "IX" of the one character that looks like it, and composes what is decomposed.
    for (role, encryption, password) in [
        ("scram", "scram-sha-256", "IX p\u{e4}ss"),
        ("md5", "md5", "p\u{e4}ss"),
        ("cleartext", "md5", "p\u{e4}ss"),
    ] {
        server.execute(&format!(
            "set password_encryption = '{encryption}'; create role {role} login replication password '{password}'"
        ));
    }
    server
}

fn with_password(server: &Database, user: &str, password: &str, ssl_mode: SslMode) -> Config {
    let password = Some(Secret::new(password));
    Config { user: user.into(), password, ssl_mode, ..server_config(server, "postgres") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn passwords_are_proved_by_whatever_method_the_server_asks_for() {
    let certificates = Certificates::new();
    let server = password_server(&certificates);
    for (role, password, mode, mechanism) in [
        ("scram", "IX p\u{e4}ss", SslMode::Require, Mechanism::ScramSha256Plus),
        ("scram", "IX p\u{e4}ss", SslMode::Disable, Mechanism::ScramSha256),
        ("scram", "\u{2168} pa\u{308}ss", SslMode::Require, Mechanism::ScramSha256Plus),
        ("md5", "p\u{e4}ss", SslMode::Require, Mechanism::Md5),
        ("md5", "p\u{e4}ss", SslMode::Disable, Mechanism::Md5),
        ("cleartext", "p\u{e4}ss", SslMode::Require, Mechanism::Cleartext),
    ] {
        let config = with_password(&server, role, password, mode);
        let connection =
            Connection::connect(&config).await.unwrap_or_else(|e| panic!("{role} {mode:?}: {e}"));
        assert_eq!(connection.mechanism(), mechanism, "{role} {mode:?}");
        session::connect(&config).await.unwrap_or_else(|e| panic!("{role} {mode:?}: {e}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_certificate_without_a_hash_of_its_own_means_no_channel_binding() {
    let certificates = Certificates::new();
    openssl(
        &certificates,
        "req -x509 -config openssl.cnf -days 2 -nodes -newkey ed25519 -subj /CN=localhost -keyout ed.key -out ed.pem",
    );
    let certificates = with_server(certificates, "ed.pem", "ed.key");
    let server = password_server(&certificates);
    let config = with_password(&server, "scram", "IX p\u{e4}ss", SslMode::Require);
    assert_eq!(Connection::connect(&config).await.unwrap().mechanism(), Mechanism::ScramSha256);
    session::connect(&config).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_wrong_password_is_refused_for_good() {
    let certificates = Certificates::new();
    let server = password_server(&certificates);
    for role in ["scram", "md5", "cleartext"] {
        for mode in [SslMode::Prefer, SslMode::Require] {
            let config = with_password(&server, role, "wrong", mode);
            let of_session = session::connect(&config).await.err().expect("refused");
            let of_replication = Connection::connect(&config).await.err().expect("refused");
            for error in [of_session, of_replication] {
                assert_eq!(error.sqlstate(), Some("28P01"), "{role}: {error}");
                assert!(!error.is_transient());
            }
            let none = Config { password: None, ssl_mode: SslMode::Disable, ..config };
            let of_session = session::connect(&none).await.err().expect("refused");
            let of_replication = Connection::connect(&none).await.err().expect("refused");
            for error in [of_session, of_replication] {
                assert!(matches!(error, Error::Login(_)), "{role}: {error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tls_is_never_spoken_on_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let path = directory.path().to_str().unwrap();
    let server = Database::with(
        DatabaseOptions::new().setting("unix_socket_directories", path).hba("local all all trust"),
    );
    for (mode, _) in MODES {
        let config = Config { host: path.into(), ssl_mode: mode, ..server_config(&server, "postgres") };
        assert_eq!(ours(&config).await, Some(false), "{mode:?}");
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for mode in [SslMode::Disable, SslMode::Prefer] {
        let config = Config {
            port,
            ssl_mode: mode,
            connect_timeout: Duration::from_millis(200),
            ..server_config(Database::shared(), "postgres")
        };
        for error in [Connection::connect(&config).await.err(), session::connect(&config).await.err()] {
            let Some(Error::Unreachable { address, source }) = error else { panic!("{error:?}") };
            assert_eq!((address, source.kind()), (format!("127.0.0.1:{port}"), std::io::ErrorKind::TimedOut));
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_worth_another_attempt() {
    let port = crate::support::free_port();
    let config = Config { port, ..server_config(Database::shared(), "postgres") };
    for error in [Connection::connect(&config).await.err(), session::connect(&config).await.err()] {
        let error = error.expect("nobody there");
        assert!(matches!(error, Error::Unreachable { .. }) && error.is_transient(), "{error}");
    }
    let nowhere = Config { host: "no-such-host.invalid".into(), ..config };
    let error = session::connect(&nowhere).await.err().expect("no such host");
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}
