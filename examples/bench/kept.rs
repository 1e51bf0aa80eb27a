//! What an earlier run has measured, from its JSON: the whole takes longer than a machine may be free for at once.
//!
//! What is compared stays within one run: a cell, a rate, the starts and the crashes are each kept as a whole or measured
//! as a whole. And nothing is kept that was measured on another machine, with other servers or in other doses.

use crate::cells::Cell;
use crate::contenders::Contender;
use crate::process::Reading;
use crate::results::{Drain, Results, Run, Spell, Times};
use crate::statistics::Percentiles;
use serde_json::Value;

/// What the text of a report has. `now` is what a file of this run would say of its conditions.
pub fn results(text: &str, now: &Value) -> Results {
    let before: Value = serde_json::from_str(text).expect("the JSON of a report");
    for what in ["machine", "doses", "configuration", "versions"] {
        let (then, now) = (conditions(&before, what), conditions(now, what));
        assert_eq!(then, now, "KEEP: {what} is not what it was; give the report another BENCH_NAME");
    }
    let results = &before["results"];
    Results {
        drains: each(&results["drains"])
            .map(|group| (cell(&group["cell"]), contender(&group["contender"]), rounds(group, drain)))
            .collect(),
        spells: each(&results["steady"])
            .map(|group| {
                (whole(&group["events_per_second"]), contender(&group["contender"]), rounds(group, spell))
            })
            .collect(),
        starts: times(&results["start_to_first_event_seconds"]),
        recoveries: times(&results["kill_to_first_event_seconds"]),
        runs: each(&results["runs"]).map(run).collect(),
    }
}

/// Walpost itself may have moved on: the report says which of it was measured when.
fn conditions(report: &Value, what: &str) -> Value {
    let mut conditions = report[what].clone();
    if what == "versions"
        && let Some(versions) = conditions.as_object_mut()
    {
        versions.remove("walpost");
    }
    conditions
}

fn cell(of: &Value) -> Cell {
    let number = |name: &str| whole(&of[name]);
    Cell {
        rows_per_transaction: number("rows_per_transaction"),
        payload: number("payload_bytes"),
        partitions: number("partitions") as i32,
    }
}

fn drain(of: &Value) -> Drain {
    let transactions = &of["kafka_transaction_ms"];
    Drain {
        events: whole(&of["events"]),
        reading: reading(of),
        disk: of["bytes_on_disk"].as_u64(),
        commits: transactions.is_object().then(|| percentiles(transactions)),
    }
}

fn spell(of: &Value) -> Spell {
    Spell { events: whole(&of["events"]), reading: reading(of), latency: percentiles(&of["latency_ms"]) }
}

fn reading(of: &Value) -> Reading {
    let events = whole(&of["events"]) as f64;
    let seconds_of = |name: &str| of[name].as_f64().map(|us| us * events / 1e6);
    Reading {
        seconds: of["seconds"].as_f64().expect("seconds"),
        own: seconds_of("own_us_per_event"),
        walsender: seconds_of("walsender_us_per_event"),
        broker: seconds_of("broker_us_per_event"),
        peak_mb: of["peak_resident_mb"].as_f64(),
    }
}

fn percentiles(of: &Value) -> Percentiles {
    let at = |name: &str| of[name].as_f64().expect("a percentile");
    Percentiles { p50: at("p50"), p95: at("p95"), p99: at("p99"), max: at("max") }
}

fn times(of: &Value) -> Times {
    let times = |times: &Value| each(times).filter_map(Value::as_f64).collect();
    let of = of.as_object().expect("times");
    of.iter().map(|(word, of)| (by_word(word), times(of))).collect()
}

fn run(of: &Value) -> Run {
    let text = |name: &str| of[name].as_str().expect("a text").to_owned();
    Run { measured: text("measured"), date: text("date"), walpost: text("walpost") }
}

fn rounds<T>(group: &Value, of: fn(&Value) -> T) -> Vec<T> {
    each(&group["rounds"]).map(of).collect()
}

fn contender(of: &Value) -> Contender {
    by_word(of.as_str().expect("a contender"))
}

fn by_word(word: &str) -> Contender {
    let known = Contender::ALL.into_iter().find(|one| one.word() == word);
    known.unwrap_or_else(|| panic!("{word:?} is no contender"))
}

fn each(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().into_iter().flatten()
}

fn whole(of: &Value) -> u64 {
    of.as_u64().expect("a whole number")
}
