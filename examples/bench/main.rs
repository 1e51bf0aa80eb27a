//! `make bench`: walpost beside Debezium, and beside what the servers allow, in one run on throw-away servers.
//!
//! Contents
//! - `doses`       how much of everything, from the environment
//! - `cells`       what a backlog is like; the cells that are measured
//! - `servers`     Postgres and Kafka, and what a contender needs of them
//! - `contenders`  `pg_recvlogical`, Kafka's own tool, a bare librdkafka loop, walpost, Debezium in both modes
//! - `backlog`     fills an outbox before a slot
//! - `drains`      each contender drains the same backlog, in turn, round after round
//! - `steady`      each contender at fixed rates: from insert to visible
//! - `restarts`    from start, and from kill -9, to an event
//! - `writer`, `arrivals`, `process`, `statistics`   the load, the consumer, the counters
//! - `results`     what was measured; `kept` what of it earlier; `bars` what is expected of it; `report` how it is told
//!
//! The cross product of rows a transaction, payloads and partitions would take days. So it is a star: the reference
//! cell, and from there one of the three changed at a time. QUICK=1 is the reference and one row a transaction, in
//! small doses. Every drain is checked: records = distinct ids = rows, as a read_committed consumer sees them.

#[path = "../../tests/support/mod.rs"]
mod support;

mod arrivals;
mod backlog;
mod bars;
mod cells;
mod contenders;
mod doses;
mod drains;
mod kept;
mod process;
mod report;
mod restarts;
mod results;
mod servers;
mod statistics;
mod steady;
mod writer;

use doses::{Doses, Part};
use report::Report;
use results::Results;
use servers::Servers;

fn main() {
    let doses = Doses::from_environment();
    let servers = Servers::start();
    let mut report = Report::new(&doses, &servers);
    let mut results = if doses.keep { report.kept() } else { Results::default() };
    // Written after every step: a long run that is broken off has still measured something.
    for cell in doses.cells() {
        if !results.has_drained(cell, &doses) {
            drains::measure(&servers, &doses, cell, &mut results);
            report.add(cell.word(), &mut results);
        }
    }
    for rate in doses.rates() {
        if !results.has_held(rate, &doses) {
            steady::measure(&servers, &doses, rate, &mut results);
            report.add(format!("{rate}/s"), &mut results);
        }
    }
    if doses.has(Part::Start) && !Results::has_times(&results.starts, &doses) {
        restarts::starts(&servers, &doses, &mut results);
        report.add("start".to_owned(), &mut results);
    }
    if doses.has(Part::Recovery) && !Results::has_times(&results.recoveries, &doses) {
        restarts::recoveries(&servers, &doses, &mut results);
        report.add("recovery".to_owned(), &mut results);
    }
    println!("\n{}", report.bars(&results));
    match report.written() {
        [] => println!("nothing is left to measure, and nothing was written"),
        files => println!("written: {}", files.join(", ")),
    }
}
