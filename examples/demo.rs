//! `make demo`: orders are written to an outbox in Postgres and appear in Kafka, each printed as a read_committed
//! consumer sees it, with the time from just before its COMMIT to there.
//!
//! `demo [SECONDS]` ends by itself or on Ctrl-C, counts, and exits with 1 if an event was lost or came twice.
//! RATE sets the orders per second. The servers are thrown away.

#[path = "../tests/support/mod.rs"]
mod support;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Broker, Connector, ConnectorBuilder, Database, DatabaseHandle, Record};

const TOPIC: &str = "orders";
const PARTITIONS: i32 = 3;
/// How long the last events may take to arrive.
const GRACE: Duration = Duration::from_secs(30);

/// What was written and what was seen, by event id.
#[derive(Default)]
struct Ledger {
    written: Mutex<HashMap<String, Instant>>,
    seen: Mutex<HashMap<String, Vec<Duration>>>,
}

impl Ledger {
    fn missing(&self) -> usize {
        let seen = self.seen.lock().expect("no panic while held");
        self.written.lock().expect("no panic while held").keys().filter(|id| !seen.contains_key(*id)).count()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let seconds = std::env::args().nth(1).filter(|text| !text.is_empty());
    let Ok(seconds) = seconds.map(|text| text.parse::<u64>()).transpose() else {
        eprintln!("demo [SECONDS]");
        return ExitCode::from(2);
    };
    let stop: &'static AtomicBool = Box::leak(Box::default());
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        stop.store(true, Ordering::Relaxed);
        // A second one does not wait for the last events.
        let _ = tokio::signal::ctrl_c().await;
        std::process::exit(130);
    });
    let demo = tokio::task::spawn_blocking(move || run(seconds.map(Duration::from_secs), stop));
    demo.await.expect("the demo tells what is wrong itself")
}

fn run(length: Option<Duration>, stop: &AtomicBool) -> ExitCode {
    let began = Instant::now();
    println!("starting Postgres and Kafka ...");
    let (postgres, kafka) = thread::scope(|scope| {
        let kafka = scope.spawn(Broker::start);
        (Database::start(), kafka.join().expect("Kafka starts"))
    });
    println!(
        "  {}   {}   after {:.1} s",
        postgres.url("shop"),
        kafka.bootstrap(),
        began.elapsed().as_secs_f32()
    );

    postgres.create_database("shop");
    let db = DatabaseHandle::new(postgres, "shop".into());
    db.execute(
        "create table orders (id bigint generated always as identity primary key, customer text, cents int)",
    );
    kafka.create_topic(TOPIC, PARTITIONS, &[]);
    let builder = connector(&db, &kafka);
    for command in [&["init", "--apply"][..], &["slot", "create"]] {
        if let Err(why) = prepare(&builder, command) {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    }
    println!("walpost run --config ...");
    let mut connector = builder.start();
    connector.wait_ready();
    println!("  ready; its metrics are at http://{}/metrics\n", connector.http_address());
    println!("{:>8}  {:<10} {:>6}  {:<15} payload", "latency", "topic/part", "key", "type");

    let ledger = Ledger::default();
    let done = AtomicBool::new(false);
    let watched = thread::scope(|scope| {
        let reader = scope.spawn(|| watch(&kafka, &ledger, &done));
        let began = Instant::now();
        write(&db, &ledger, || {
            stop.load(Ordering::Relaxed) || length.is_some_and(|length| began.elapsed() >= length)
        });
        let waiting = Instant::now();
        while ledger.missing() > 0 && waiting.elapsed() < GRACE && connector.is_running() {
            thread::sleep(Duration::from_millis(10));
        }
        done.store(true, Ordering::Relaxed);
        reader.join().is_ok()
    });
    let survived = connector.is_running();
    if survived {
        connector.sigterm();
        connector.wait_exit(GRACE);
    } else {
        eprintln!("walpost ended early:\n{}", connector.log());
    }
    let holds = summarize(&ledger, &kafka);
    if watched && survived && holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn connector(db: &DatabaseHandle, kafka: &Broker) -> ConnectorBuilder {
    Connector::new(db, kafka)
        .set("transforms.outbox.route.topic.replacement", "${routedByValue}")
        .set("transforms.outbox.table.fields.additional.placement", "type:header:eventType")
        .set("slot.name", "walpost")
}

fn prepare(builder: &ConnectorBuilder, command: &[&str]) -> Result<(), String> {
    println!("walpost {} --config ...", command.join(" "));
    let output = builder.command(command);
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Err(format!(
        "{}: {}\n{}\n{}",
        command.join(" "),
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    ))
}

/// One order after the other, each with its event in the same transaction, at a steady pace.
fn write(db: &DatabaseHandle, ledger: &Ledger, is_over: impl Fn() -> bool) {
    let rate: f64 = std::env::var("RATE").ok().and_then(|text| text.parse().ok()).unwrap_or(20.0);
    let pause = Duration::from_secs_f64(1.0 / rate.max(0.01));
    let customers = ["ada", "grace", "edsger", "barbara", "donald", "katherine", "alan"];
    let goods = ["tea", "lamp", "globe", "paper", "kite", "clock"];
    let mut due = Instant::now();
    for n in 0_usize.. {
        if is_over() {
            return;
        }
        let (order, kind) = (1 + n / 3, ["OrderPlaced", "OrderPaid", "OrderShipped"][n % 3]);
        let (customer, cents) = (customers[order % customers.len()], 250 + order * 7919 % 9000);
        let (item, count) = (goods[order % goods.len()], 1 + order % 4);
        let row = if kind == "OrderPlaced" {
            format!("insert into orders (customer, cents) values ('{customer}', {cents}); ")
        } else {
            String::new()
        };
        let payload = format!(
            r#"{{"order": {order}, "customer": "{customer}", "items": [{{"sku": "{item}", "count": {count}}}], "cents": {cents}}}"#
        );
        let id = db.query_one_text("select gen_random_uuid()");
        ledger.written.lock().expect("no panic while held").insert(id.clone(), Instant::now());
        db.execute(&format!(
            "begin; {row}insert into outbox (id, aggregatetype, aggregateid, type, payload)
             values ('{id}', '{TOPIC}', '{order}', '{kind}', '{payload}'); commit"
        ));
        due += pause;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Prints what a read_committed consumer receives, as it comes.
fn watch(kafka: &Broker, ledger: &Ledger, done: &AtomicBool) {
    let mut config = kafka.client();
    config
        .set("group.id", "demo")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed");
    config.set("fetch.wait.max.ms", "100");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(TOPIC, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&partitions).expect("an assignment");
    while !done.load(Ordering::Relaxed) {
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => see(ledger, &Record::read(&message)),
            Some(Err(why)) => eprintln!("consumer: {why}"),
            None => {}
        }
    }
}

fn see(ledger: &Ledger, record: &Record) {
    let now = Instant::now();
    let id = record.header("id").unwrap_or_default().to_owned();
    let written = ledger.written.lock().expect("no panic while held").get(&id).copied();
    let latency = written.map_or(Duration::ZERO, |written| now - written);
    ledger.seen.lock().expect("no panic while held").entry(id).or_default().push(latency);
    let payload: String = record.value_text().chars().take(80).collect();
    println!(
        "{:>5.1} ms  {:<10} {:>6}  {:<15} {payload}",
        latency.as_secs_f64() * 1e3,
        format!("{}/{}", record.topic, record.partition),
        record.key_text(),
        record.header("eventType").unwrap_or("-"),
    );
}

/// The closing line; counts what is in the topic now, not only what was printed.
fn summarize(ledger: &Ledger, kafka: &Broker) -> bool {
    let records = kafka.records(&[TOPIC]);
    let mut times: HashMap<&str, usize> = HashMap::new();
    for record in &records {
        *times.entry(record.header("id").unwrap_or_default()).or_default() += 1;
    }
    let written = ledger.written.lock().expect("no panic while held");
    let duplicates: usize = times.values().map(|times| times - 1).sum();
    let missing = written.keys().filter(|id| !times.contains_key(id.as_str())).count();
    let seen = ledger.seen.lock().expect("no panic while held");
    let mut latencies: Vec<_> = seen.values().flatten().collect();
    latencies.sort();
    let at = |share: f64| {
        let index = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    println!(
        "\ninserted {}, arrived {}, duplicates {duplicates}, missing {missing}, latency p50 {:.1} ms, p99 {:.1} ms",
        written.len(),
        records.len(),
        at(0.5),
        at(0.99)
    );
    duplicates == 0 && missing == 0
}
