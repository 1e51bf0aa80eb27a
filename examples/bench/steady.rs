//! Every contender at a fixed rate, in turn, spell after spell: how long events take, and what that costs.
//!
//! A spell begins with a warm-up that is not counted. From just before the INSERT to a read_committed consumer.

use crate::arrivals::{Arrival, Progress, follow};
use crate::backlog::prepare_pad;
use crate::cells::REFERENCE;
use crate::contenders::debezium::Workers;
use crate::contenders::{self, Contender, librdkafka, perf_tool, pg_recvlogical::Stream, topic};
use crate::doses::Doses;
use crate::process::{Meter, Reading};
use crate::results::{Results, Spell};
use crate::servers::{Servers, create_slot, drop_slot, walsender};
use crate::statistics::Percentiles;
use crate::support::DatabaseHandle;
use crate::writer::{LEAD, rows_per_transaction, write_steadily};
use std::thread;
use std::time::{Duration, Instant};

/// How long, and how fast.
#[derive(Clone, Copy)]
struct Load {
    rate: u64,
    /// Seconds.
    warm_up: u64,
    seconds: u64,
}

pub fn measure(servers: &Servers, doses: &Doses, rate: u64, results: &mut Results) {
    println!("\n{rate} events/s, {} a transaction", rows_per_transaction(rate));
    let (contenders, workers) = (doses.steady(), Workers::new(&servers.kafka));
    let mut spells: Vec<Vec<Spell>> = vec![Vec::new(); contenders.len()];
    for number in 1..=doses.spells {
        let warm_up = if number == 1 { doses.warm_up } else { doses.warm_again };
        let load = Load { rate, warm_up, seconds: doses.seconds };
        for (contender, spells) in contenders.iter().zip(&mut spells) {
            let spell = one(servers, &workers, *contender, load, number);
            println!("  {number}  {:38} {}", contender.label(), line(&spell));
            spells.push(spell);
        }
    }
    results.set_spells(rate, contenders.into_iter().zip(spells));
}

fn one(servers: &Servers, workers: &Workers<'_>, contender: Contender, load: Load, number: u64) -> Spell {
    let name = format!("{}_{}_{number}", contender.word(), load.rate);
    let topic = topic(&name);
    servers.kafka.create_topic(&topic, REFERENCE.partitions, &[]);
    let spell = match contender {
        Contender::PgRecvlogical => by_pg_recvlogical(servers, &name, load),
        Contender::PerfTool => {
            perf_tool::hold(servers, &topic, load.rate, load.warm_up, load.seconds, REFERENCE.payload)
        }
        Contender::Librdkafka => by_librdkafka(servers, &topic, load),
        _ => by_connector(servers, workers, contender, &name, load),
    };
    servers.kafka.delete_topic(&topic);
    spell
}

fn by_connector(
    servers: &Servers,
    workers: &Workers<'_>,
    contender: Contender,
    name: &str,
    load: Load,
) -> Spell {
    let db = outbox(servers, name);
    let mut at_work = contenders::start(contender, servers, workers, &db, name);
    let sender = walsender(&db, name);
    let (epoch, progress, topic) = (Instant::now(), Progress::new(), topic(name));
    let (arrivals, reading) = thread::scope(|scope| {
        let reader = scope.spawn(|| follow(&servers.kafka, &topic, REFERENCE.partitions, epoch, &progress));
        scope.spawn(|| progress.set_written(load.write(&db, epoch)));
        load.wait_warm(epoch);
        let mut meter = Meter::start(servers.kafka.pid());
        meter.own_from_now(at_work.pid());
        meter.walsender_from_now(sender);
        load.wait_end(epoch);
        let reading = meter.look();
        at_work.assert_healthy();
        (reader.join().expect("the reader"), reading)
    });
    at_work.leave();
    drop_slot(&db, name);
    spell(load, &arrivals, reading)
}

fn by_librdkafka(servers: &Servers, topic: &str, load: Load) -> Spell {
    let (epoch, progress) = (Instant::now(), Progress::new());
    let (arrivals, reading) = thread::scope(|scope| {
        let reader = scope.spawn(|| follow(&servers.kafka, topic, REFERENCE.partitions, epoch, &progress));
        scope.spawn(|| {
            let all = load.warm_up + load.seconds;
            let sent = librdkafka::hold(servers, topic, epoch, load.rate, all, REFERENCE.payload);
            progress.set_written(sent);
        });
        load.wait_warm(epoch);
        // Its own CPU would be that of this program, which reads too.
        let mut meter = Meter::start(servers.kafka.pid());
        load.wait_end(epoch);
        let reading = meter.look();
        (reader.join().expect("the reader"), reading)
    });
    spell(load, &arrivals, reading)
}

fn by_pg_recvlogical(servers: &Servers, name: &str, load: Load) -> Spell {
    let db = outbox(servers, name);
    let mut stream = Stream::start(&db, name);
    let (sender, own, epoch) = (walsender(&db, name), stream.pid(), Instant::now());
    let numbers = load.first() as usize..load.all() as usize;
    let (passed, reading) = thread::scope(|scope| {
        let reader = scope.spawn(|| stream.follow(epoch, numbers));
        scope.spawn(|| load.write(&db, epoch));
        load.wait_warm(epoch);
        let mut meter = Meter::start(None);
        meter.own_from_now(own);
        meter.walsender_from_now(sender);
        load.wait_end(epoch);
        let reading = meter.look();
        (reader.join().expect("the reader"), reading)
    });
    drop(stream);
    drop_slot(&db, name);
    let events = passed.len() as u64;
    Spell { events, reading, latency: Percentiles::of(passed).expect("events") }
}

/// A database with a slot.
fn outbox(servers: &Servers, slot: &str) -> DatabaseHandle {
    let db = servers.outbox();
    prepare_pad(&db);
    create_slot(&db, slot);
    db
}

/// Of what was written after the warm-up.
fn spell(load: Load, arrivals: &[Arrival], reading: Reading) -> Spell {
    let counted = &arrivals[load.first() as usize..];
    let passed = counted.iter().map(|arrival| (arrival.seen - arrival.written) * 1e3).collect();
    let latency = Percentiles::of(passed).expect("events");
    // What was used in that time was used for what arrived in it, which is less when a contender cannot keep up.
    let from = (LEAD + Duration::from_secs(load.warm_up)).as_secs_f64();
    let within = from..from + reading.seconds;
    let events = arrivals.iter().filter(|arrival| within.contains(&arrival.seen)).count() as u64;
    Spell { events: events.max(1), reading, latency }
}

impl Load {
    /// How many events are written in all, and the number of the first that counts: whole transactions.
    fn all(self) -> u64 {
        (self.rate * (self.warm_up + self.seconds)).next_multiple_of(rows_per_transaction(self.rate))
    }

    fn first(self) -> u64 {
        self.rate * self.warm_up
    }

    fn write(self, db: &DatabaseHandle, epoch: Instant) -> u64 {
        write_steadily(db, epoch, self.rate, |n| n < self.all())
    }

    /// The run's schedule, which nothing depends on but which seconds count.
    fn wait_warm(self, epoch: Instant) {
        let end = LEAD + Duration::from_secs(self.warm_up);
        thread::sleep(end.saturating_sub(epoch.elapsed()));
    }

    fn wait_end(self, epoch: Instant) {
        let end = LEAD + Duration::from_secs(self.warm_up + self.seconds);
        thread::sleep(end.saturating_sub(epoch.elapsed()));
    }
}

fn line(spell: &Spell) -> String {
    let us = |figure: Option<f64>| figure.map_or("     -".to_owned(), |figure| format!("{figure:6.1}"));
    let Percentiles { p50, p95, p99, max } = spell.latency;
    format!(
        "p50 {p50:7.1}  p95 {p95:7.1}  p99 {p99:7.1}  max {max:7.1} ms  own {} us  walsender {} us  broker {} us",
        us(spell.us(|used| used.own)),
        us(spell.us(|used| used.walsender)),
        us(spell.us(|used| used.broker))
    )
}
