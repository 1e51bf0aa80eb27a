//! Moving house: Debezium on an exactly-once Kafka Connect → walpost → Debezium, while rows are being written.
//!
//! Once in good order, over the worker's REST interface; once by kill -9, each time in the middle of a transaction of many
//! rows. At the end every row is in its topic once, and each key's rows are in the order in which they were committed.

use crate::kit::{Stopping, connector, outbox, positions};
use crate::support::{
    Broker, ConnectOptions, ConnectWorker, Connector, ConnectorBuilder, DatabaseHandle, PATIENCE, Reader,
    Record, Scratch, for_connect, wait_until,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use walpost::position::Position;

/// Rows of a transaction in the middle of which somebody is stopped.
const MANY: usize = 20_000;

/// What moves, and who has seen what.
struct House<'a> {
    db: &'a DatabaseHandle,
    kafka: &'a Broker,
    worker: ConnectWorker,
    builder: ConnectorBuilder,
    scratch: Scratch,
}

impl<'a> House<'a> {
    /// Debezium on a worker of its own, and running.
    fn new(db: &'a DatabaseHandle, kafka: &'a Broker) -> House<'a> {
        let builder = connector(db, kafka)
            // Small transactions on both sides: many end inside one of Postgres.
            .set("max.batch.size", 100)
            .set("max.queue.size", 400)
            .set("poll.interval.ms", 10)
            .set("heartbeat.interval.ms", 0)
            .set("exactly.once.support", "required")
            .set("walpost.batch.max.events", 100);
        let worker = ConnectWorker::start(kafka, ConnectOptions::new().exactly_once());
        let house = House { db, kafka, worker, builder, scratch: Scratch::new("migrate") };
        house.worker.put(db.name(), &for_connect(&house.builder));
        house.worker.wait_running(db.name());
        house.wait_slot();
        house
    }

    /// Until Debezium streams.
    fn wait_slot(&self) {
        let name = self.db.name();
        self.db.wait_for(&format!("select active from pg_replication_slots where slot_name = '{name}'"));
    }

    /// Until nobody has the slot.
    fn wait_idle(&self) {
        let name = self.db.name();
        self.db.wait_for(&format!("select not active from pg_replication_slots where slot_name = '{name}'"));
    }

    /// Many rows in one transaction.
    fn write_many(&self) {
        self.db.execute(&format!(
            "insert into outbox select gen_random_uuid(), 'big', 'big', 'many', json_build_object('n', n) from \
             generate_series((select count(*) from outbox where aggregatetype = 'big') + 1, (select count(*) from outbox \
             where aggregatetype = 'big') + {MANY}) n"
        ));
    }

    /// Until so many events of the many are there, and not all.
    fn wait_amid(&self, reader: &mut Reader, seen: &mut Vec<Record>, before: usize) {
        wait_until("some of the rows are published", PATIENCE, || {
            seen.extend(reader.read_on());
            (seen.len() >= before + 500).then_some(())
        });
        assert!(seen.len() < before + MANY, "it was too quick to be stopped in the middle");
    }

    fn json_file(&self) -> String {
        let path = self.scratch.join("debezium.json");
        let text = serde_json::json!({ "name": self.db.name(), "config": for_connect(&self.builder) });
        std::fs::write(&path, text.to_string()).expect("a file");
        path.display().to_string()
    }

    /// `walpost migrate` with these arguments, walpost's own configuration and the worker's file.
    fn migrate(&self, arguments: &[&str]) -> Output {
        let worker = self.worker.file().display().to_string();
        let command = [&["migrate", "--output", "json", "--worker", &worker], arguments].concat();
        self.builder.command(&command)
    }

    fn take_over(&self, from: &str) -> Position {
        let told = expect(&self.migrate(&["--from", from, "--take-over", "--confirm", self.db.name()]), 0);
        serde_json::from_value(told["migration"]["position"].clone()).expect("a position")
    }

    fn hand_back(&self) -> Value {
        expect(&self.migrate(&["--back", "--confirm", self.db.name()]), 0)["handed_back"].clone()
    }

    fn run(&self) -> Connector {
        let mut connector = self.builder.clone().start();
        connector.wait_ready();
        connector
    }
}

/// What a command printed as JSON.
fn expect(output: &Output, code: i32) -> Value {
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    if code == 0 {
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
    } else {
        stderr.into()
    }
}

/// How often it writes: less than Debezium publishes in transactions of a hundred events, or what waits grows for ever.
const PACE: Duration = Duration::from_millis(20);

/// Writes small transactions over four keys, each key's numbers in order, until it is told to stop.
async fn write_on(db: &DatabaseHandle, stop: &AtomicBool) {
    let client = db.connect().await;
    let row = |n: u32| {
        format!("insert into outbox values (default, 'small', 'k{}', 't', '{{\"n\": {n}}}');", n % 4)
    };
    for n in (1..).step_by(3).take_while(|_| !stop.load(Ordering::Relaxed)) {
        let statements = format!("begin; {} {} {} commit", row(n), row(n + 1), row(n + 2));
        client.batch_execute(&statements).await.expect("rows are written");
        tokio::time::sleep(PACE).await;
    }
}

/// Every row once, and each key's in order.
fn assert_exact(db: &DatabaseHandle, records: &[Record]) {
    let rows: usize = db.query_one_text("select count(*)::text from outbox").parse().expect("a number");
    let ids = db.query_one_text("select string_agg(id::text, ',' order by id::text) from outbox");
    let mut published: Vec<&str> = records.iter().map(|record| record.header("id").expect("an id")).collect();
    published.sort_unstable();
    let mut once = published.clone();
    once.dedup();
    assert_eq!((published.len() - once.len(), rows), (0, published.len()), "twice; rows and records");
    assert!(published.join(",") == ids, "other ids than the table has");
    let mut keys: BTreeMap<&str, i64> = BTreeMap::new();
    for record in records {
        let payload: Value = serde_json::from_str(record.value_text()).expect("JSON");
        let n = payload["n"].as_i64().expect("a number");
        let last = keys.insert(record.key_text(), n).unwrap_or(0);
        assert!(n > last, "key {}: {n} after {last}", record.key_text());
    }
    assert_eq!(keys.len(), 5, "{keys:?}");
}

#[test]
fn a_live_workload_moves_to_walpost_and_back_with_every_event_once_and_in_order() {
    let (db, kafka) = outbox();
    let topics = [db.topic("big"), db.topic("small")];
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    for topic in &topics {
        kafka.create_topic(topic, 3, &[]);
    }
    let house = House::new(&db, kafka);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(write_on(&db, &stop));
        });
        let _stopping = Stopping(&stop);
        let (mut reader, mut seen) = (kafka.reader(&topics[..1]), Vec::new());
        in_good_order(&house, &mut reader, &mut seen);
        by_kill_9(&house, &mut reader, &mut seen);
        stop.store(true, Ordering::Relaxed);
        writing.join().expect("rows were written");
    });
    let rows: usize = db.query_one_text("select count(*)::text from outbox").parse().expect("a number");
    assert_exact(&db, &kafka.wait_records(&topics, rows, 2 * PATIENCE));
}

/// Asked to stop, each of the two does so; Debezium wherever it is.
fn in_good_order(house: &House<'_>, reader: &mut Reader, seen: &mut Vec<Record>) {
    let (name, url) = (house.db.name(), house.worker.url(house.db.name()));
    // It runs: nothing is done to it.
    let told = expect(&house.migrate(&["--from", &url, "--take-over", "--confirm", name]), 1);
    assert!(told.as_str().is_some_and(|told| told.contains("the old connector is not stopped")), "{told}");
    let told = expect(&house.migrate(&["--from", &house.json_file(), "--take-over", "--confirm", name]), 1);
    assert!(told.as_str().is_some_and(|told| told.contains("is active")), "{told}");
    house.worker.assert_healthy(name);

    house.write_many();
    house.wait_amid(reader, seen, 0);
    house.worker.stop_connector(name);
    house.wait_idle();
    let told = expect(&house.migrate(&["--from", &url, "--take-over"]), 4);
    assert!(told.as_str().is_some_and(|told| told.contains("goes on at")), "{told}");
    house.take_over(&url);
    // Once more would begin a second chain.
    let told = expect(&house.migrate(&["--from", &url, "--take-over", "--confirm", name]), 1);
    assert!(told.as_str().is_some_and(|told| told.contains("is walpost's already")), "{told}");

    let mut connector = house.run();
    wait_until("the rest of it is published", PATIENCE, || {
        seen.extend(reader.read_on());
        (seen.len() >= MANY).then_some(())
    });
    let told = expect(&house.migrate(&["--back", "--confirm", name]), 1);
    assert!(told.as_str().is_some_and(|told| told.contains("a connector runs on this slot")), "{told}");
    connector.sigterm();
    connector.wait_exit(PATIENCE);
    house.wait_idle();
    house.hand_back();
    assert_eq!(
        house.migrate(&["--back", "--confirm", name]).status.code(),
        Some(5),
        "there is no position any more"
    );
    house.worker.resume_connector(name);
    house.wait_slot();
}

/// Killed in the middle of many rows, both.
fn by_kill_9(house: &House<'_>, reader: &mut Reader, seen: &mut Vec<Record>) {
    let before = seen.len();
    house.write_many();
    house.wait_amid(reader, seen, before);
    house.worker.kill9();
    house.wait_idle();
    let position = house.take_over(&house.json_file());
    let partial = position.partial.expect("a position in the middle of a transaction");
    assert!((1..MANY as u64).contains(&partial.ordinal), "{partial:?}");

    let mut connector = house.run();
    wait_until("the rest of it is published", PATIENCE, || {
        seen.extend(reader.read_on());
        (seen.len() >= before + MANY).then_some(())
    });
    house.write_many();
    house.wait_amid(reader, seen, before + MANY);
    connector.kill9();
    house.wait_idle();
    let told = house.hand_back();
    assert_eq!(told["offset"]["messageType"], "INSERT", "in the middle of a transaction: {told:#}");
    assert!(positions(house.kafka, house.db).iter().any(|position| position.partial.is_some()));
    house.worker.start_again();
    house.worker.wait_running(house.db.name());
    house.wait_slot();
    // It goes on: what comes now is its own.
    wait_until("the rest of it is published", PATIENCE, || {
        house.worker.assert_healthy(house.db.name());
        seen.extend(reader.read_on());
        (seen.len() >= before + 2 * MANY).then_some(())
    });
}

#[test]
fn what_was_written_of_a_connector_is_a_configuration_that_runs() {
    let (db, kafka) = outbox();
    let scratch = Scratch::new("migrate");
    let (from, worker, to) =
        (scratch.join("d.json"), scratch.join("w.properties"), scratch.join("walpost.json"));
    let builder = connector(&db, kafka).set("max.batch.size", 100);
    std::fs::write(&from, for_connect(&builder).to_string()).expect("a file");
    std::fs::write(&worker, format!("bootstrap.servers={}\ngroup.id=x\n", kafka.bootstrap()))
        .expect("a file");
    let text = |path: &Path| path.display().to_string();
    let (from, worker) = (text(&from), text(&worker));
    let told = builder.command(&["migrate", "--from", &from, "--worker", &worker, "--write", &text(&to)]);
    assert!(told.status.success(), "{told:?}");
    let properties: BTreeMap<String, String> =
        serde_json::from_str(&std::fs::read_to_string(&to).expect("the file")).expect("a flat object");
    let builder =
        properties.iter().fold(connector(&db, kafka), |builder, (key, value)| builder.set(key, value));
    let _connector = crate::kit::run(builder);
    db.insert("order", "1", "placed", "{}");
    crate::kit::wait_events(kafka, &db, &["order"], 1);
}
