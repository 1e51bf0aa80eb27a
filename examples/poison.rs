//! What dead letters cost: walpost drains ROWS rows without a bad event, and as many with one in a thousand, in turn, on
//! throw-away servers.
//!
//! `cargo build --release && cargo run --release --example poison`; ROUNDS says how often. Prints events a second and CPU
//! time; ends with an error when the median with dead letters is less than 0.9 of that without, or a letter is missing.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::{Broker, BrokerOptions, Connector, Database, DatabaseHandle, DatabaseOptions, wait_until};

const PATIENCE: Duration = Duration::from_secs(600);
/// One row of so many cannot be published.
const EVERY: u64 = 1000;
/// `max.message.bytes` of the topic that takes only small records.
const NARROW: u64 = 10_000;
/// What is expected.
const LEAST: f64 = 0.9;

fn main() -> ExitCode {
    let (rows, rounds) = (dose("ROWS", 500_000), dose("ROUNDS", 5));
    let options = DatabaseOptions::new().setting("max_wal_size", "8GB").setting("shared_buffers", "512MB");
    let options = options.setting("max_replication_slots", 50);
    let (postgres, kafka) = (Database::with(options), Broker::with(BrokerOptions::new().fast()));
    let (clean, poisoned) = (backlog(&postgres, rows, false), backlog(&postgres, rows, true));
    println!("{rows} rows; with dead letters, {} of them cannot be published", rows / EVERY);
    let mut rates = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        for ((db, poison), rates) in [(&clean, 0), (&poisoned, rows / EVERY)].into_iter().zip(&mut rates) {
            rates.push(drain(db, &kafka, rows, poison, round));
        }
    }
    let [without, with] = rates.map(median);
    println!(
        "median {without:.0} events/s without, {with:.0} with: {:.3} of it, {LEAST} expected",
        with / without
    );
    if with >= LEAST * without { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn dose(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |dose| dose.parse().expect("a number"))
}

/// An outbox full of rows behind a slot, in transactions of a thousand; with poison, each has one row that is, in turn,
/// for no topic, for a negative partition, for a partition that is not there, and too large for its topic.
fn backlog(postgres: &Database, rows: u64, is_poisoned: bool) -> DatabaseHandle {
    let db = postgres.fresh_database();
    db.create_outbox();
    db.execute("alter table outbox add p int; alter table outbox alter column payload set storage external");
    db.execute("create publication walpost for table outbox with (publish = 'insert')");
    // A slot's name is the whole server's.
    db.query_one_text(&format!(
        "select lsn::text from pg_create_logical_replication_slot('{}', 'pgoutput')",
        db.name()
    ));
    let kind = if is_poisoned {
        format!("case when n % {EVERY} = 500 then n / {EVERY} % 4 end")
    } else {
        "null".into()
    };
    db.execute(&format!(
        "create procedure fill(since bigint, upto bigint) language plpgsql as $$ begin
         for t in since .. upto loop
             insert into outbox (aggregatetype, aggregateid, type, payload, p)
             select case kind when 0 then 'no topic' when 3 then 'narrow' else 'order' end, (n % 1000)::text, 'placed',
                    jsonb_build_object('n', n, 'pad', repeat('x', case kind when 3 then 2 * {NARROW} else 270 end)),
                    case kind when 1 then -1 when 2 then 99 end
             from (select n, ({kind})::int kind from generate_series(t * {EVERY}, t * {EVERY} + {EVERY} - 1) n) rows;
             commit;
         end loop; end $$"
    ));
    for first in (0..rows / EVERY).step_by(100) {
        db.execute(&format!("call fill({first}, {})", (first + 99).min(rows / EVERY - 1)));
    }
    db.execute("vacuum analyze outbox");
    db
}

/// Events a second, from the first that was published to the last.
fn drain(db: &DatabaseHandle, kafka: &Broker, rows: u64, poison: u64, round: u64) -> f64 {
    let name = format!("{}_{round}", db.name());
    let slot = format!("pg_copy_logical_replication_slot('{}', '{name}')", db.name());
    db.query_one_text(&format!("select lsn::text from {slot}"));
    let [order, narrow, letters] = ["order", "narrow", "dlt"].map(|topic| format!("{name}.{topic}"));
    kafka.create_topic(&order, 6, &[]);
    kafka.create_topic(&narrow, 1, &[("max.message.bytes", &NARROW.to_string())]);
    let mut connector = Connector::new(db, kafka)
        .set("name", &name)
        .set("topic.prefix", &name)
        .set("slot.name", &name)
        .set("walpost.adopt", "slot")
        .set("publication.autocreate.mode", "disabled")
        .set("transforms.outbox.route.topic.replacement", format!("{name}.${{routedByValue}}"))
        .set("transforms.outbox.table.fields.additional.placement", "p:partition")
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", &letters)
        .set("errors.deadletterqueue.topic.replication.factor", 1)
        .start();
    let (first, began) = wait_until("the first events", PATIENCE, || {
        let done = done(&mut connector);
        (done > 0).then(|| (done, Instant::now()))
    });
    wait_until("the last event", PATIENCE, || (done(&mut connector) >= rows).then_some(()));
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), connector.cpu_time());
    let dead = kafka.wait_records(&[&letters], poison as usize, PATIENCE).len() as u64;
    assert_eq!(dead, poison, "{}", connector.log());
    connector.sigterm();
    let (status, log) = connector.wait_exit(PATIENCE);
    assert!(status.success(), "{log}");
    db.wait_for(&format!("select not active from pg_replication_slots where slot_name = '{name}'"));
    db.execute(&format!("select pg_drop_replication_slot('{name}')"));
    for topic in [&order, &narrow, &letters] {
        kafka.delete_topic(topic);
    }
    let rate = (rows - first) as f64 / seconds;
    println!(
        "  {round}  {dead:>6} letters  {rate:>8.0} events/s  {:.2} us CPU an event",
        cpu.as_secs_f64() * 1e6 / rows as f64
    );
    rate
}

/// Events that were published or are dead letters.
fn done(connector: &mut Connector) -> u64 {
    assert!(connector.is_running(), "{}", connector.log());
    let page = connector.metrics();
    let of = |result: &str| {
        let name = format!("walpost_events_total{{result=\"{result}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&name)?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    (of("published") + of("dead_letter")) as u64
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
