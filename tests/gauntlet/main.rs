//! The gauntlet: the connector as a process of its own between a real Postgres and a real Kafka, under load, while
//! everything that one machine can do to it is done to it. Then everything is counted.
//!
//! Five lanes run side by side: kills and second instances, Postgres and the way to it, Kafka and the way to it, limits (each a
//! world under load: `run`, `faults`), and small worlds that must stop (`stops`). A fault that never happened, a class
//! below its floor or a run with too few events is a failure, as is any property that does not hold (`checker`).
//!
//! All choices come from one seed, which is printed: WALPOST_GAUNTLET_SEED. WALPOST_GAUNTLET_FAULTS says how many faults
//! (200), WALPOST_GAUNTLET_MINUTES how long it may take (8), WALPOST_GAUNTLET_ONLY which classes, by parts of their names
//! between commas. The report goes to target/gauntlet, and
//! what happens while it runs to progress.txt there.

#[path = "../support/mod.rs"]
mod support;

mod checker;
mod faults;
mod plan;
mod progress;
mod random;
mod report;
mod run;
mod stops;
mod tally;
mod workload;

use checker::Outcome;
use plan::{Dose, Lane};
use random::Random;
use report::Report;
use run::World;
use std::io::{IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use support::BrokerOptions;
use tally::Tally;
use workload::Summary;

#[test]
fn whatever_happens_every_event_is_published_once_and_in_order_or_the_connector_stops_and_says_why() {
    let (dose, mut random) = (Dose::from_environment(), Random::from_environment());
    println!("gauntlet: {} faults, {}", dose.faults, random.seed());
    let began = Instant::now();
    let _ = std::fs::remove_file(directory().join("progress.txt"));
    let mut report = Report::new(random.seed());
    let ends: Vec<_> = std::thread::scope(|scope| {
        let lanes: Vec<_> = plan::lanes(&dose, &mut random)
            .into_iter()
            .map(|lane| {
                let random = Random::new(random.next());
                scope.spawn(move || walk(lane, random))
            })
            .collect();
        lanes.into_iter().map(|lane| lane.join().expect("a lane catches its panics")).collect()
    });
    let (mut failures, mut classes, mut events) = (Vec::new(), Vec::new(), 0);
    for End { name, tally, world } in ends {
        failures.extend(tally.failures().into_iter().map(|what| format!("{name}: {what}")));
        classes.extend(tally.classes());
        let Some((summary, outcome)) = world else { continue };
        events += outcome.delivered;
        failures.extend(
            outcome.violations.iter().map(|it| format!("{name}: property {}: {}", it.property, it.what)),
        );
        report.world(name, summary, tally.classes(), outcome);
    }
    let classes = tally::sum(classes);
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    failures.extend(dose.judge(&classes, events, minutes));
    let directory = directory();
    report.write(&directory).expect("a report");
    println!("gauntlet: {events} events, {minutes:.1} minutes, {}; {}", random.seed(), directory.display());
    assert!(failures.is_empty(), "{} failures; {}:\n{}", failures.len(), random.seed(), failures.join("\n"));
    println!("{}\n{}", report.text(), tally::table(&classes));
}

/// How a lane ended.
struct End {
    name: &'static str,
    tally: Arc<Tally>,
    /// None when there was no world to check, or it broke.
    world: Option<(Summary, Outcome)>,
}

fn walk(lane: Lane, random: Random) -> End {
    let (name, tally) = (lane.name, Arc::new(Tally::default()));
    let walked = catch_unwind(AssertUnwindSafe(|| match lane.faults.is_empty() {
        true => {
            stops::walk(lane.stops, random, &tally);
            None
        }
        false => Some(endure(lane, random, &tally)),
    }));
    let world = walked.unwrap_or_else(|panic| {
        tally.failed(words(&*panic));
        None
    });
    End { name, tally, world }
}

/// One world, one fault after the other.
fn endure(lane: Lane, mut random: Random, tally: &Arc<Tally>) -> (Summary, Outcome) {
    // Kafka's own default. A broker that its controller takes for dead leads nothing for a moment, and whoever aborts a
    // transaction meanwhile leaves it open in the partitions for ever (KAFKA-20734, Kafka 4.0 to 4.3).
    let options = BrokerOptions::new().setting("broker.session.timeout.ms", 9_000);
    let options = match lane.megabytes {
        // A log's index is as large as it may become from the beginning.
        Some(megabytes) => options.disk(megabytes).setting("log.index.size.max.bytes", 65_536),
        None => options,
    };
    let mut world = World::new(Random::new(random.next()), lane.pace, Arc::clone(tally), options);
    let began = Instant::now();
    let number = lane.faults.len();
    for (done, fault) in lane.faults.iter().enumerate() {
        let seconds = began.elapsed().as_secs();
        let (events, class) = (world.workload.committed(), fault.class());
        say(&format!("{:>8}: {done}/{number}, {seconds} s, {events} events: {class}", lane.name));
        let happened = catch_unwind(AssertUnwindSafe(|| fault.happen(&mut world)));
        if let Err(panic) = happened {
            tally.failed(format!("{}: {}", fault.class(), words(&*panic)));
            keep_evidence(&world, lane.name, done);
            world.begin_anew();
        }
    }
    world.end()
}

/// What the instances said and what the broker holds, for whoever wants to know more than the last lines.
fn keep_evidence(world: &World, lane: &str, done: usize) {
    let kept = directory().join(format!("failed-{lane}-{done}"));
    let _ = std::fs::remove_dir_all(&kept);
    std::fs::create_dir_all(&kept).expect("a directory");
    for (number, log) in world.whole_logs().into_iter().enumerate() {
        std::fs::write(kept.join(format!("walpost-{number}.log")), log).expect("a log");
    }
    std::fs::write(kept.join("kafka.log"), world.kafka.log()).expect("a log");
    let copied =
        Command::new("cp").arg("-r").arg(world.kafka.data_directory()).arg(kept.join("kafka")).status();
    copied.expect("cp runs");
    eprintln!("gauntlet: kept {}", kept.display());
}

/// What happens next, to the terminal at once and not among what a failed test prints: that would hide the failure.
fn say(line: &str) {
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() || std::env::var_os("WALPOST_GAUNTLET_FAULTS").is_some() {
        let _ = writeln!(terminal, "{line}");
    }
    let path = directory().join("progress.txt");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let _ = file.and_then(|mut file| writeln!(file, "{line}"));
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

fn directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(target).join("gauntlet");
    std::fs::create_dir_all(&directory).expect("target/gauntlet");
    directory
}
