//! The support keeps its own promises: servers crash and come back, readers see what a consumer sees, and nothing
//! is left running.

#[path = "support/mod.rs"]
mod support;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Broker, BrokerOptions, Certificates, Database, DatabaseOptions, unique_name, wait_until};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_killed_postgres_started_again_keeps_its_data_and_slots() {
    let server = Database::start();
    let db = server.fresh_database();
    db.create_outbox();
    db.insert("order", "1", "placed", "{}");
    db.execute("select pg_create_logical_replication_slot('kept', 'pgoutput')");
    let confirmed = server.slot_confirmed("kept");
    assert!(confirmed.is_some());
    server.kill();
    server.start_again();
    assert_eq!(db.query_one_text("select count(*) from outbox"), "1");
    assert_eq!(server.slot_confirmed("kept"), confirmed);
    assert_eq!(server.slot_confirmed("unheard of"), None);
    server.restart();
    db.wait_for("select count(*) = 1 from outbox");
}

#[tokio::test]
async fn fresh_databases_share_a_server_and_nothing_else() {
    let (one, other) = (Database::shared().fresh_database(), Database::shared().fresh_database());
    one.create_outbox();
    other.create_outbox();
    one.insert("order", "1", "placed", r#"{"it's": "quoted"}"#);
    let count = async |db: &support::DatabaseHandle| {
        let row = db.connect().await.query_one("select count(*) from outbox", &[]).await;
        row.expect("a count").get::<_, i64>(0)
    };
    assert_eq!((count(&one).await, count(&other).await), (1, 0));
}

#[test]
fn dropping_a_database_frees_its_slots() {
    let db = Database::shared().fresh_database();
    let name = db.name().to_owned();
    db.execute(&format!("select pg_create_logical_replication_slot('{name}', 'pgoutput')"));
    drop(db);
    let left = format!("select count(*) from pg_replication_slots where slot_name = '{name}'");
    assert_eq!(Database::shared().query_one_text(&left), "0");
}

#[test]
fn postgres_asks_for_certificates_and_passwords_when_told_to() {
    let certificates = Certificates::new();
    let options = DatabaseOptions::new()
        .tls(&certificates)
        .setting("password_encryption", "scram-sha-256")
        .hba("hostssl all walpost all cert")
        .hba("host all scram all scram-sha-256");
    let server = Database::with(options);
    server.execute("create role walpost login; create role scram login password 'secret'");
    let psql = |user: &str, settings: &str| {
        let to = format!("host=localhost port={} dbname=postgres user={user} {settings}", server.port());
        let output = Command::new("psql")
            .args(["-At", &to, "-c", "select ssl from pg_stat_ssl where pid = pg_backend_pid()"])
            .output();
        let output = output.expect("psql runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let (ca, cert, key) = (&certificates.ca, &certificates.client_cert, &certificates.client_key);
    let files = format!("sslmode=verify-full sslrootcert={}", ca.display());
    assert_eq!(psql("walpost", &format!("{files} sslcert={} sslkey={}", cert.display(), key.display())), "t");
    assert_eq!(psql("walpost", &files), "");
    assert_eq!(psql("scram", &format!("{files} password=secret")), "t");
    assert_eq!(psql("scram", "sslmode=disable password=wrong"), "");
}

#[test]
fn a_killed_broker_started_again_keeps_its_records() {
    let kafka = Broker::start();
    kafka.create_topic("kept", 2, &[("retention.ms", "-1")]);
    assert_eq!(kafka.topic_config("kept")["retention.ms"], "-1");
    let producer: BaseProducer = kafka.client().create().expect("a producer");
    send(&producer, "kept", &["a", "b", "c"]);
    kafka.kill();
    kafka.start_again();
    assert_eq!(values(&kafka.wait_records(&["kept"], 3, SOON)), ["a", "b", "c"]);
    assert!(kafka.topics().contains(&"kept".to_owned()));
}

#[test]
fn records_are_kept_however_old_their_timestamps_say_they_are() {
    let options = BrokerOptions::new()
        .setting("log.retention.check.interval.ms", 50)
        .setting("log.initial.task.delay.ms", 50);
    let kafka = Broker::with(options);
    kafka.create_topic("taken", 1, &[("retention.ms", "1000")]);
    kafka.create_topic("kept", 1, &[]);
    let producer: BaseProducer = kafka.client().create().expect("a producer");
    for topic in ["kept", "taken"] {
        let record = BaseRecord::to(topic).key("key").payload("old").timestamp(1_700_000_000_000);
        producer.send(record).map_err(|(why, _)| why).expect("queued");
        producer.flush(SOON).expect("sent");
    }
    wait_until("retention has been through the topics", SOON, || {
        let (low, _) = producer.client().fetch_watermarks("taken", 0, SOON).ok()?;
        (low == 1).then_some(())
    });
    assert_eq!(values(&kafka.records(&["kept"])), ["old"]);
}

#[test]
fn read_committed_hides_aborted_and_open_transactions() {
    let kafka = Broker::shared();
    let topic = unique_name("transactions");
    assert_eq!(kafka.records(&[&topic]), [], "a topic that is not there has no records");
    kafka.create_topic(&topic, 1, &[]);
    let mut reader = kafka.reader(&[&topic]);
    assert_eq!(reader.read_on(), []);

    let mut config = kafka.client();
    config.set("transactional.id", &topic);
    let producer: BaseProducer = config.create().expect("a producer");
    producer.init_transactions(SOON).expect("transactions");
    for (text, commit) in [("first", true), ("aborted", false), ("second", true)] {
        producer.begin_transaction().expect("begun");
        send(&producer, &topic, &[text]);
        if commit { producer.commit_transaction(SOON) } else { producer.abort_transaction(SOON) }
            .expect("ended");
    }
    assert_eq!(values(&kafka.records(&[&topic])), ["first", "second"]);
    assert_eq!(values(&reader.read_on()), ["first", "second"]);

    producer.begin_transaction().expect("begun");
    send(&producer, &topic, &["open"]);
    assert_eq!(reader.read_on(), []);
    producer.abort_transaction(SOON).expect("aborted");
    // Behind the last record there is now only what nobody is shown, and the reader still finds the end.
    assert_eq!(reader.read_on(), []);
    assert_eq!(values(&kafka.wait_records(&[&topic], 2, SOON)), ["first", "second"]);
}

#[test]
fn a_broker_with_users_lets_in_those_who_know_the_password() {
    let certificates = Certificates::new();
    let kafka = Broker::with(BrokerOptions::new().tls(&certificates).user("alice", "secret"));
    kafka.create_topic("secured", 1, &[]);
    let attempt = |mechanism: &str, password: &str| {
        let mut config = kafka.client();
        config.set("bootstrap.servers", kafka.sasl_ssl_bootstrap()).set("security.protocol", "SASL_SSL");
        config.set("ssl.ca.location", certificates.ca.to_str().expect("a path"));
        config.set("sasl.mechanism", mechanism).set("sasl.username", "alice").set("sasl.password", password);
        let producer: BaseProducer = config.create().expect("a producer");
        producer.client().fetch_metadata(Some("secured"), Duration::from_secs(3)).is_ok()
    };
    assert!(attempt("PLAIN", "secret"));
    assert!(attempt("SCRAM-SHA-512", "secret"));
    assert!(!attempt("SCRAM-SHA-512", "guessed"));
}

/// Run by the next test in a process of its own, that is then killed.
#[test]
#[ignore = "a part of nothing_outlives_a_killed_test_process"]
fn servers_that_wait_to_be_orphaned() {
    let (postgres, kafka) = (Database::start(), Broker::start());
    let directory = postgres.data_directory();
    // Left alone, it would end by itself when its directory is gone; halted, only SIGKILL ends it.
    kafka.pause();
    println!("orphans {} {} {}", postgres.pid().unwrap(), kafka.pid().unwrap(), directory.display());
    loop {
        std::thread::park();
    }
}

#[test]
fn nothing_outlives_a_killed_test_process() {
    let us = std::env::current_exe().expect("our own path");
    let mut child = Command::new(us)
        .args(["--ignored", "--exact", "servers_that_wait_to_be_orphaned", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("ourselves");
    let stdout = child.stdout.take().expect("piped");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout)).map_while(Result::ok);
    let line =
        lines.find_map(|line| Some(line.split_once("orphans ")?.1.to_owned())).expect("the servers' ids");
    let [postgres, kafka, directory] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
    let is_there = |path: &str| std::path::Path::new(path).exists();
    let (postgres, kafka) = (format!("/proc/{postgres}/exe"), format!("/proc/{kafka}/exe"));
    assert!(is_there(directory) && std::fs::read_link(&kafka).is_ok());
    child.kill().expect("SIGKILL");
    child.wait().expect("gone");
    wait_until("all is gone", SOON, || {
        let left = [&postgres, &kafka].iter().any(|exe| std::fs::read_link(exe).is_ok());
        (!left && !is_there(directory)).then_some(())
    });
}

fn send(producer: &BaseProducer, topic: &str, texts: &[&str]) {
    for text in texts {
        producer.send(BaseRecord::to(topic).key("key").payload(*text)).map_err(|(e, _)| e).expect("queued");
    }
    producer.flush(SOON).expect("sent");
}

fn values(records: &[support::Record]) -> Vec<&str> {
    records.iter().map(|record| record.value_text()).collect()
}
