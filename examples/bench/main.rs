//! `make bench`: walpost beside `pg_recvlogical`, in one run, on throw-away servers.
//!
//! Drains the same backlog of outbox rows with both in turn, ROUNDS times; then one huge transaction, start-up, and
//! latency at a steady rate. Prints a table and writes `target/bench/road.json`. Every drain is checked: records =
//! distinct ids = rows. ROWS, ROUNDS, SECONDS and RATE change the doses.

#[path = "../tests/support/mod.rs"]
mod support;

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{
    Broker, BrokerOptions, Connector, ConnectorBuilder, Database, DatabaseHandle, DatabaseOptions, Record,
};

const PARTITIONS: i32 = 6;
const ROWS_PER_TRANSACTION: u64 = 1000;
const HUGE: u64 = 200_000;
/// For how long the broker may compile what small transactions run through, seconds.
const WARM_UP: u64 = 60;

fn main() {
    let rows = dose("ROWS", 1_000_000);
    let rounds = dose("ROUNDS", 3);
    let (postgres, kafka) = thread::scope(|scope| {
        let kafka = scope.spawn(|| Broker::with(BrokerOptions::new().fast()));
        let options = DatabaseOptions::new()
            .setting("max_wal_size", "8GB")
            .setting("shared_buffers", "256MB")
            .setting("logical_decoding_work_mem", "256MB")
            .setting("max_replication_slots", 50);
        (Database::with(options), kafka.join().expect("Kafka starts"))
    });
    let db = postgres.fresh_database();
    db.create_outbox();
    db.execute("create publication walpost for table outbox with (publish = 'insert')");
    db.query_one_text("select lsn::text from pg_create_logical_replication_slot('backlog', 'pgoutput')");
    fill(&db, rows);

    let mut drains = Vec::new();
    for round in 1..=rounds {
        let peer = pg_recvlogical(&db, rows, round);
        println!("round {round}: pg_recvlogical  {}", peer.line());
        let name = format!("ours_{round}");
        copy_slot(&db, &name);
        let ours = drain(&db, &kafka, rows, &name);
        println!("round {round}: walpost         {}", ours.line());
        drains.push((peer, ours));
    }
    let ratio = median(drains.iter().map(|(peer, ours)| ours.rate / peer.rate));
    println!("\nrate, walpost / pg_recvlogical, median of {rounds}: {ratio:.2}");
    db.execute("select pg_drop_replication_slot('backlog')");

    let huge = huge(&db, &kafka);
    println!("one transaction of {HUGE} rows: {}", huge.line());
    let starts = median((0..5).map(|round| start_up(&db, &kafka, round)));
    println!("start to streaming, median of 5: {starts:.0} ms");
    let latency = latency(&db, &kafka, dose("RATE", 500), dose("SECONDS", 20));
    println!("latency {latency}");
    write_report(rows, &drains, ratio, &huge, starts, &latency);
}

/// A number from the environment.
fn dose(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// 300-byte payloads, a thousand aggregates.
fn rows_of(count: u64) -> String {
    format!(
        "insert into outbox (id, aggregatetype, aggregateid, type, payload)
         select gen_random_uuid(), 'order', (n % 1000)::text, 'OrderPlaced',
                jsonb_build_object('n', n, 'pad', repeat('x', 270))
         from generate_series(1, {count}) n"
    )
}

/// A thousand rows a transaction.
fn fill(db: &DatabaseHandle, rows: u64) {
    let (transactions, insert) = (rows / ROWS_PER_TRANSACTION, rows_of(ROWS_PER_TRANSACTION));
    db.execute(&format!(
        "create procedure fill() language plpgsql as $$ begin for t in 1..{transactions} loop
             {insert};
             commit;
         end loop; end $$"
    ));
    db.execute("call fill()");
}

/// Many batches' worth of rows in one transaction: what it costs, and what is resident.
fn huge(db: &DatabaseHandle, kafka: &Broker) -> Drain {
    db.query_one_text("select lsn::text from pg_create_logical_replication_slot('huge', 'pgoutput')");
    db.execute(&rows_of(HUGE));
    drain(db, kafka, HUGE, "huge")
}

struct Drain {
    seconds: f64,
    rate: f64,
    own_us: f64,
    walsender_us: f64,
    broker_us: f64,
    peak_mb: f64,
}

impl Drain {
    fn line(&self) -> String {
        format!(
            "{:6.2} s  {:7.1} k/s  own {:5.2} us  walsender {:5.2} us  broker {:5.2} us  peak {:5.1} MB",
            self.seconds,
            self.rate / 1e3,
            self.own_us,
            self.walsender_us,
            self.broker_us,
            self.peak_mb
        )
    }

    fn json(&self) -> Value {
        json!({"seconds": self.seconds, "rows_per_second": self.rate, "own_us_per_row": self.own_us,
               "walsender_us_per_row": self.walsender_us, "broker_us_per_row": self.broker_us,
               "peak_resident_mb": self.peak_mb})
    }
}

/// A copy of the slot that has the whole backlog before it.
fn copy_slot(db: &DatabaseHandle, name: &str) {
    db.query_one_text(&format!(
        "select lsn::text from pg_copy_logical_replication_slot('backlog', '{name}')"
    ));
}

fn pg_recvlogical(db: &DatabaseHandle, rows: u64, round: u64) -> Drain {
    let slot = format!("peer_{round}");
    copy_slot(db, &slot);
    let end = db.query_one_text("select pg_current_wal_lsn()::text");
    // Something after the end, so that the stream gets there.
    db.execute("select pg_logical_emit_message(false, 'bench', 'end')");
    db.execute("select pg_switch_wal()");
    let program =
        db.query_one_text("select setting from pg_config where name = 'BINDIR'") + "/pg_recvlogical";
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(["--dbname", &db.url(), "--slot", &slot, "--start", "--endpos", &end, "--file", "/dev/null"])
        .args(["-o", "proto_version=1", "-o", "publication_names=walpost"])
        .stdin(Stdio::null())
        .spawn()
        .expect("pg_recvlogical runs");
    let (mut own, mut walsender, mut peak) = (0.0, 0.0, 0.0);
    let sender = walsender_pid(db, &slot);
    while child.try_wait().expect("a child").is_none() {
        own = cpu_seconds(child.id()).unwrap_or(own);
        walsender = cpu_seconds(sender).unwrap_or(walsender);
        peak = peak_mb(child.id()).unwrap_or(peak);
        thread::sleep(Duration::from_millis(5));
    }
    let seconds = began.elapsed().as_secs_f64();
    db.wait_for(&format!("select not active from pg_replication_slots where slot_name = '{slot}'"));
    db.execute(&format!("select pg_drop_replication_slot('{slot}')"));
    let per_row = 1e6 / rows as f64;
    Drain {
        seconds,
        rate: rows as f64 / seconds,
        own_us: own * per_row,
        walsender_us: walsender * per_row,
        broker_us: 0.0,
        peak_mb: peak,
    }
}

fn builder(db: &DatabaseHandle, kafka: &Broker, name: &str) -> ConnectorBuilder {
    Connector::new(db, kafka)
        .set("topic.prefix", name)
        .set("slot.name", name)
        .set("transforms.outbox.route.topic.replacement", format!("{name}.${{routedByValue}}"))
        .set("producer.override.compression.type", "lz4")
        .set("walpost.adopt", "slot")
}

/// Publishes what lies before the slot of that name, and drops the slot.
fn drain(db: &DatabaseHandle, kafka: &Broker, rows: u64, name: &str) -> Drain {
    let topic = format!("{name}.order");
    kafka.create_topic(&topic, PARTITIONS, &[]);
    let broker = kafka.pid().expect("Kafka runs");
    let broker_before = cpu_seconds(broker).unwrap_or_default();
    let began = Instant::now();
    let mut connector = builder(db, kafka, name).start();
    let sender = walsender_pid(db, name);
    while connector.metric("walpost_events_total{result=\"published\"}").unwrap_or(0.0) < rows as f64 {
        assert!(connector.is_running(), "{}", connector.log());
        thread::sleep(Duration::from_millis(50));
    }
    let seconds = began.elapsed().as_secs_f64();
    let own = connector.cpu_time().as_secs_f64();
    let walsender = cpu_seconds(sender).unwrap_or_default();
    let broker_cpu = cpu_seconds(broker).unwrap_or_default() - broker_before;
    let peak_mb = peak_mb(connector.pid()).unwrap_or_default();
    leave(db, connector, name);
    let records = kafka.records(&[&topic]);
    let ids: HashSet<&str> = records.iter().filter_map(|record| record.header("id")).collect();
    assert_eq!((records.len(), ids.len()), (rows as usize, rows as usize), "records, distinct ids");
    let per_row = 1e6 / rows as f64;
    Drain {
        seconds,
        rate: rows as f64 / seconds,
        own_us: own * per_row,
        walsender_us: walsender * per_row,
        broker_us: broker_cpu * per_row,
        peak_mb,
    }
}

fn leave(db: &DatabaseHandle, mut connector: Connector, slot: &str) {
    connector.sigterm();
    let (status, log) = connector.wait_exit(Duration::from_secs(60));
    assert!(status.success(), "{log}");
    db.execute(&format!("select pg_drop_replication_slot('{slot}')"));
}

/// From the start of the process until it says that it streams, ms.
fn start_up(db: &DatabaseHandle, kafka: &Broker, round: u64) -> f64 {
    let name = format!("start_{round}");
    db.query_one_text(&format!(
        "select lsn::text from pg_create_logical_replication_slot('{name}', 'pgoutput')"
    ));
    let mut connector = builder(db, kafka, &name).start();
    connector.wait_ready();
    connector.sigterm();
    connector.wait_exit(Duration::from_secs(60));
    let began = Instant::now();
    connector.start_again();
    connector.wait_log("\"streaming\"");
    let passed = began.elapsed().as_secs_f64() * 1e3;
    leave(db, connector, &name);
    passed
}

/// From just before the INSERT to a read_committed consumer, after a while of the same.
fn latency(db: &DatabaseHandle, kafka: &Broker, rate: u64, seconds: u64) -> Value {
    let name = "latency";
    let topic = format!("{name}.order");
    kafka.create_topic(&topic, PARTITIONS, &[]);
    db.query_one_text(&format!(
        "select lsn::text from pg_create_logical_replication_slot('{name}', 'pgoutput')"
    ));
    let mut connector = builder(db, kafka, name).start();
    connector.wait_ready();
    let written = AtomicBool::new(false);
    let epoch = Instant::now();
    let both = WARM_UP + seconds;
    let mut passed = thread::scope(|scope| {
        let reader = scope.spawn(|| arrivals(kafka, &topic, epoch, rate * both, &written));
        scope.spawn(|| {
            steady_rows(db, epoch, rate, both);
            written.store(true, Ordering::Relaxed);
        });
        reader.join().expect("the reader")
    });
    leave(db, connector, name);
    assert_eq!(passed.len() as u64, rate * both, "every event arrives once");
    passed = passed.split_off((rate * WARM_UP) as usize);
    passed.sort_by(f64::total_cmp);
    let at = |share: f64| (passed[((passed.len() - 1) as f64 * share) as usize] * 100.0).round() / 100.0;
    json!({"events_per_second": rate, "seconds": seconds, "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99),
           "max_ms": at(1.0)})
}

/// One row a transaction, at a steady rate; its payload says when it was written.
fn steady_rows(db: &DatabaseHandle, epoch: Instant, rate: u64, seconds: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = db.connect().await;
        let statement = client
            .prepare(
                "insert into outbox (id, aggregatetype, aggregateid, type, payload)
                 values (gen_random_uuid(), 'order', $1, 'OrderPlaced', jsonb_build_object('at', $2::float8, 'pad', repeat('x', 270)))",
            )
            .await
            .expect("a statement");
        for n in 0..rate * seconds {
            let due = Duration::from_secs_f64(n as f64 / rate as f64) + Duration::from_secs(1);
            tokio::time::sleep_until((epoch + due).into()).await;
            let at = epoch.elapsed().as_secs_f64();
            client.execute(&statement, &[&(n % 1000).to_string(), &at]).await.expect("a row");
        }
    });
}

fn arrivals(kafka: &Broker, topic: &str, epoch: Instant, expected: u64, written: &AtomicBool) -> Vec<f64> {
    let mut config = kafka.client();
    config
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(topic, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&partitions).expect("an assignment");
    let (mut passed, mut last) = (Vec::new(), Instant::now());
    while (passed.len() as u64) < expected {
        let message = consumer.poll(Duration::from_millis(100));
        let now = epoch.elapsed().as_secs_f64();
        if let Some(message) = message {
            let record = Record::read(&message.expect("a record"));
            let payload: Value = serde_json::from_str(record.value_text()).expect("JSON");
            passed.push((now - payload["at"].as_f64().expect("a time")) * 1e3);
            last = Instant::now();
        }
        assert!(
            !written.load(Ordering::Relaxed) || last.elapsed() < Duration::from_secs(30),
            "events are missing"
        );
    }
    passed
}

fn walsender_pid(db: &DatabaseHandle, slot: &str) -> u32 {
    let pid = format!("select active_pid from pg_replication_slots where slot_name = '{slot}'");
    db.wait_for(&format!("select ({pid}) is not null"));
    db.query_one_text(&format!("select ({pid})::text")).parse().expect("a process id")
}

/// User and system time of a process, seconds (proc(5), fields 14 and 15; a tick is 10 ms).
fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

fn peak_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn write_report(
    rows: u64,
    drains: &[(Drain, Drain)],
    ratio: f64,
    huge: &Drain,
    start_ms: f64,
    latency: &Value,
) {
    let rounds: Vec<Value> = drains
        .iter()
        .map(|(peer, ours)| json!({"pg_recvlogical": peer.json(), "walpost": ours.json()}))
        .collect();
    let report = json!({"rows": rows, "rows_per_transaction": ROWS_PER_TRANSACTION, "partitions": PARTITIONS,
        "drain": rounds, "rate_ratio_median": ratio,
        "one_transaction": {"rows": HUGE, "drain": huge.json()}, "start_to_streaming_ms_median": start_ms, "latency": latency});
    let folder = std::path::Path::new("target/bench");
    std::fs::create_dir_all(folder).expect("target/bench");
    let file = folder.join("road.json");
    std::fs::write(&file, format!("{report:#}\n")).expect("a report");
    println!("written to {}", file.display());
}
