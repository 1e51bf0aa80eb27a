//! Every contender drains the same backlog, in turn, round after round.

use crate::arrivals::{Count, Reach};
use crate::backlog::Backlog;
use crate::cells::Cell;
use crate::contenders::debezium::Workers;
use crate::contenders::{self, AtWork, Contender, librdkafka, perf_tool, pg_recvlogical, topic};
use crate::doses::Doses;
use crate::process::{Meter, Reading};
use crate::results::{Drain, Results};
use crate::servers::{Servers, drop_slot, walsender};
use std::thread;
use std::time::{Duration, Instant};

/// A topic that has not grown for so long may be whole: then it is counted.
const QUIET: Duration = Duration::from_millis(500);
/// For how long it may not grow, or not become whole.
const PATIENCE: Duration = Duration::from_secs(180);

pub fn measure(servers: &Servers, doses: &Doses, cell: Cell, results: &mut Results) {
    let (rows, contenders) = (doses.rows_of(cell), doses.drains(cell));
    println!("\n{rows} rows: {}", cell.label());
    let backlog = Backlog::fill(servers, cell, rows);
    let workers = Workers::new(&servers.kafka);
    let mut drains: Vec<Vec<Drain>> = vec![Vec::new(); contenders.len()];
    for round in 1..=doses.rounds {
        for (contender, drains) in contenders.iter().zip(&mut drains) {
            let name = format!("{}_{}_{round}", contender.word(), cell.word());
            let drain = one(servers, &workers, &backlog, cell, *contender, &name);
            println!("  {round}  {:38} {}", contender.label(), line(&drain));
            drains.push(drain);
        }
    }
    results.set_drains(cell, contenders.into_iter().zip(drains));
}

fn one(
    servers: &Servers,
    workers: &Workers<'_>,
    backlog: &Backlog,
    cell: Cell,
    contender: Contender,
    name: &str,
) -> Drain {
    if contender == Contender::PgRecvlogical {
        backlog.copy_slot(name);
        let drain = pg_recvlogical::drain(backlog, name);
        drop_slot(&backlog.db, name);
        return drain;
    }
    let topic = topic(name);
    servers.kafka.create_topic(&topic, cell.partitions, &[]);
    let drain = match contender {
        Contender::PerfTool => perf_tool::drain(servers, &topic, backlog.rows, cell.payload),
        Contender::Librdkafka => librdkafka::drain(servers, &topic, backlog.rows, cell.payload),
        _ => by_connector(servers, workers, backlog, cell, contender, name),
    };
    servers.kafka.delete_topic(&topic);
    drain
}

fn by_connector(
    servers: &Servers,
    workers: &Workers<'_>,
    backlog: &Backlog,
    cell: Cell,
    contender: Contender,
    name: &str,
) -> Drain {
    let (db, topic) = (&backlog.db, topic(name));
    if contender.is_debezium() {
        workers.of(contender); // its start is not in the broker's CPU
    }
    backlog.copy_slot(name);
    let reach = Reach::of(&servers.kafka, &topic, cell.partitions);
    let mut meter = Meter::start(servers.kafka.pid());
    let mut at_work = contenders::start(contender, servers, workers, db, name);
    let sender = walsender(db, name);
    meter.walsender_since_birth(sender);
    if contender.is_debezium() {
        meter.own_from_now(at_work.pid());
        meter.restart();
    } else {
        meter.own_since_birth(at_work.pid());
    }
    let mut count = Count::of(&servers.kafka, &topic);
    let reading = watch(&mut meter, &mut *at_work, &reach, &mut count, backlog.rows);
    let disk = Some(servers.bytes_on_disk(&topic));
    at_work.leave();
    drop_slot(db, name);
    Drain { events: backlog.rows, reading, disk, commits: None }
}

/// What was used when the last event became visible. The topic is asked how far it reaches, and read only when it has
/// stopped growing: then every row must be there, once.
fn watch(
    meter: &mut Meter,
    at_work: &mut dyn AtWork,
    reach: &Reach,
    count: &mut Count,
    rows: u64,
) -> Reading {
    let (mut reached, mut grown, mut reading) = (0, Instant::now(), meter.look());
    loop {
        at_work.assert_healthy();
        let now = reach.sum();
        if now > reached {
            (reached, grown, reading) = (now, Instant::now(), meter.look());
        }
        if reached >= rows && grown.elapsed() >= QUIET {
            let (records, ids) = count.read_on();
            assert!(records == ids && records <= rows, "{records} records, {ids} ids of {rows} rows");
            if records == rows {
                return reading;
            }
        }
        assert!(grown.elapsed() < PATIENCE, "{reached} of {rows} rows, and no more");
        thread::sleep(reach.pause());
    }
}

fn line(drain: &Drain) -> String {
    let us = |figure: Option<f64>| figure.map_or("    -".to_owned(), |figure| format!("{figure:5.1}"));
    format!(
        "{:7.2} s {:7.1} k/s  own {} us  walsender {} us  broker {} us  peak {} MB",
        drain.reading.seconds,
        drain.rate() / 1e3,
        us(drain.own_us()),
        us(drain.walsender_us()),
        us(drain.broker_us()),
        drain.reading.peak_mb.map_or("-".to_owned(), |peak| format!("{peak:.0}"))
    )
}
