//! From the start of a process to the first event, and from kill -9 to the first event that was written after it.

use crate::arrivals::{Arrival, Progress, follow};
use crate::backlog::prepare_pad;
use crate::cells::REFERENCE;
use crate::contenders::debezium::Workers;
use crate::contenders::{self, AtWork, Contender, topic};
use crate::doses::Doses;
use crate::results::Results;
use crate::servers::{Servers, create_slot, walsender};
use crate::statistics::median;
use crate::support::{DatabaseHandle, wait_until};
use crate::writer::{write_one, write_steadily};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A worker whose killed predecessor is still a member of the group takes its time.
const PATIENCE: Duration = Duration::from_secs(300);
/// While it is killed.
const RATE: u64 = 500;
/// Before each kill, seconds.
const CALM: f64 = 3.0;

/// An event waits; the process starts.
pub fn starts(servers: &Servers, doses: &Doses, results: &mut Results) {
    println!("\nfrom start to first event");
    results.starts.clear();
    for contender in doses.connectors() {
        let name = format!("start_{}", contender.word());
        let times = with_connector(servers, contender, &name, |run| run.starts(doses.restarts_of(contender)));
        tell(contender, &times);
        results.starts.push((contender, times));
    }
}

/// Events are written all the time; the process is killed.
pub fn recoveries(servers: &Servers, doses: &Doses, results: &mut Results) {
    println!("\nfrom kill -9 to first event");
    results.recoveries.clear();
    for contender in doses.connectors() {
        let name = format!("kill_{}", contender.word());
        let times = with_connector(servers, contender, &name, |run| run.kills(doses.restarts_of(contender)));
        tell(contender, &times);
        results.recoveries.push((contender, times));
    }
}

/// A connector at work, and what it needs.
struct Run<'a> {
    servers: &'a Servers,
    db: &'a DatabaseHandle,
    name: &'a str,
    at_work: Box<dyn AtWork + 'a>,
    epoch: Instant,
    progress: Progress,
}

fn with_connector(
    servers: &Servers,
    contender: Contender,
    name: &str,
    measure: impl FnOnce(&mut Run<'_>) -> Vec<f64>,
) -> Vec<f64> {
    let (db, workers) = (servers.outbox(), Workers::new(&servers.kafka));
    prepare_pad(&db);
    create_slot(&db, name);
    servers.kafka.create_topic(&topic(name), REFERENCE.partitions, &[]);
    let at_work = contenders::start(contender, servers, &workers, &db, name);
    walsender(&db, name);
    let (epoch, progress) = (Instant::now(), Progress::new());
    let mut run = Run { servers, db: &db, name, at_work, epoch, progress };
    let times = measure(&mut run);
    // Killed, not stopped: nothing is measured any more, and a worker takes long to say goodbye.
    run.at_work.kill();
    drop(run);
    servers.kafka.delete_topic(&topic(name));
    times
}

impl Run<'_> {
    fn starts(&mut self, times: u64) -> Vec<f64> {
        let (servers, name, epoch) = (self.servers, self.name, self.epoch);
        let mut began = Vec::new();
        let progress = &self.progress;
        let arrivals = thread::scope(|scope| {
            let reader = scope.spawn(|| read(servers, name, epoch, progress));
            write_one(self.db, epoch, 0);
            wait_for(1, progress, &mut *self.at_work);
            for n in 1..=times {
                self.at_work.stop();
                write_one(self.db, epoch, n);
                began.push(epoch.elapsed().as_secs_f64());
                self.at_work.start_again();
                wait_for(n + 1, progress, &mut *self.at_work);
            }
            progress.set_written(times + 1);
            reader.join().expect("the reader")
        });
        arrivals[1..].iter().zip(began).map(|(arrival, began)| arrival.seen - began).collect()
    }

    fn kills(&mut self, times: u64) -> Vec<f64> {
        let (servers, name, epoch) = (self.servers, self.name, self.epoch);
        let (mut killed, ended) = (Vec::new(), AtomicBool::new(false));
        let (progress, db) = (&self.progress, self.db);
        let arrivals = thread::scope(|scope| {
            // However this ends: the scope waits for the writer.
            let ending = Ending(&ended);
            let reader = scope.spawn(|| read(servers, name, epoch, progress));
            scope.spawn(|| {
                let written = write_steadily(db, epoch, RATE, |_| !ended.load(Ordering::Relaxed));
                progress.set_written(written);
            });
            let mut calm = CALM;
            for _ in 0..times {
                wait_past(calm, progress, &mut *self.at_work);
                killed.push(epoch.elapsed().as_secs_f64());
                self.at_work.kill();
                self.at_work.start_again();
                wait_past(epoch.elapsed().as_secs_f64(), progress, &mut *self.at_work);
                calm = epoch.elapsed().as_secs_f64() + CALM;
            }
            drop(ending);
            reader.join().expect("the reader")
        });
        killed.iter().map(|killed| recovered(&arrivals, *killed) - killed).collect()
    }
}

/// Says that it is over when it is dropped.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn read(servers: &Servers, name: &str, epoch: Instant, progress: &Progress) -> Vec<Arrival> {
    follow(&servers.kafka, &topic(name), REFERENCE.partitions, epoch, progress)
}

/// When the first event was seen that was written after this time.
fn recovered(arrivals: &[Arrival], killed: f64) -> f64 {
    let after = arrivals.iter().filter(|arrival| arrival.written > killed);
    after.map(|arrival| arrival.seen).fold(f64::INFINITY, f64::min)
}

fn wait_for(events: u64, progress: &Progress, at_work: &mut dyn AtWork) {
    wait_until("the event arrives", PATIENCE, || {
        at_work.assert_healthy();
        (progress.arrived() >= events).then_some(())
    });
}

fn wait_past(seconds: f64, progress: &Progress, at_work: &mut dyn AtWork) {
    wait_until("later events arrive", PATIENCE, || {
        at_work.assert_healthy();
        progress.is_past(seconds).then_some(())
    });
}

fn tell(contender: Contender, times: &[f64]) {
    let median = median(times.iter().copied()).unwrap_or(f64::NAN);
    println!("  {:38} {median:.2} s, median of {}", contender.label(), times.len());
}
