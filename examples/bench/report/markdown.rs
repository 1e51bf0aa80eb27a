//! The tables.

use super::facts::Facts;
use crate::bars::Bar;
use crate::cells::{Axis, Cell, REFERENCE};
use crate::contenders::Contender;
use crate::results::{Drain, Results, Run, Spell, Times, times_of};
use crate::statistics::{Percentiles, median};
use std::fmt::Write as _;

/// What stands between these goes into the README.
const SUMMARY: (&str, &str) = ("<!-- summary:begin -->\n", "<!-- summary:end -->\n");

pub fn text(name: &str, facts: &Facts, results: &Results, bars: &[Bar]) -> String {
    let mut text = String::from("# walpost beside Debezium, and beside what the servers allow\n\n");
    let _ = writeln!(
        text,
        "Written by `make bench`; the figures of every round are in [{name}.json]({name}.json).\n"
    );
    text += SUMMARY.0;
    summary(&mut text, name, facts, results);
    text += SUMMARY.1;
    the_bars(&mut text, bars);
    drains(&mut text, results);
    steady(&mut text, results);
    restarts(&mut text, results);
    if results.drains.iter().any(|(cell, ..)| *cell != REFERENCE) {
        let _ = writeln!(text, "\n![events a second by rows, payload and partitions]({name}.axes.svg)");
    }
    conditions(&mut text, facts, results);
    text
}

/// A line for each connector.
fn summary(text: &mut String, name: &str, facts: &Facts, results: &Results) {
    let Facts { machine, doses, .. } = facts;
    let date = dates(facts, results);
    let _ = writeln!(text, "Measured {date} on {machine}; {doses}. {}.\n", capital(&REFERENCE.label()));
    *text += "| | drain, events/s | CPU, µs/event | peak memory | p50 / p99 at 500/s | p50 / p99 at 5,000/s | start | after kill -9 |\n\
              |---|---:|---:|---:|---:|---:|---:|---:|\n";
    let known = |contender: &Contender| {
        results.drains.iter().any(|(cell, of, _)| (*cell, *of) == (REFERENCE, *contender))
            || results.spells.iter().any(|(_, of, _)| of == contender)
    };
    for contender in Contender::ALL.into_iter().filter(known) {
        let drained = |figure: fn(&Drain) -> Option<f64>| results.drained(REFERENCE, contender, figure);
        let latency = |rate| {
            let of = |figure: fn(&Percentiles) -> f64| {
                results.held(rate, contender, |spell| Some(figure(&spell.latency)))
            };
            match (of(|at| at.p50), of(|at| at.p99)) {
                (Some(p50), Some(p99)) if contender.ends_visible() => {
                    format!("{} / {} ms", short(p50), short(p99))
                }
                _ => "–".to_owned(),
            }
        };
        let cells = [
            contender.label().to_owned(),
            drained(|drain| Some(drain.rate())).map_or("–".to_owned(), thousands),
            or_none(drained(Drain::own_us), ""),
            or_none(drained(|drain| drain.reading.peak_mb), " MB"),
            latency(500),
            latency(5000),
            or_none(time(&results.starts, contender), " s"),
            or_none(time(&results.recoveries, contender), " s"),
        ];
        row(text, &cells);
    }
    if results.drains.iter().any(|(cell, ..)| *cell == REFERENCE) {
        let _ = writeln!(text, "\n![events a second]({name}.rates.svg)");
    }
    if !results.spells.is_empty() {
        let _ = writeln!(text, "\n![from insert to visible]({name}.latencies.svg)");
    }
    let _ = writeln!(text, "\nEvery figure, and the conditions: [{name}.md]({name}.md).");
}

/// From the first run to the last.
fn dates(facts: &Facts, results: &Results) -> String {
    let dates = results.runs.iter().map(|run| run.date.as_str());
    match (dates.clone().min(), dates.max()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (first, _) => first.unwrap_or(&facts.date).to_owned(),
    }
}

fn the_bars(text: &mut String, bars: &[Bar]) {
    *text += "\n## The bars\n\n| | figure | bar | |\n|---|---:|---:|---|\n";
    for bar in bars {
        row(text, &[bar.what.clone(), bar.figure_text(), bar.limit_text(), bar.verdict().to_owned()]);
    }
}

/// A table for each axis; the reference is in each.
fn drains(text: &mut String, results: &Results) {
    *text += "\n## Drains\n\nMedians; CPU in µs an event, which are seconds a million events. On disk: bytes of an event in the topic.\n";
    for axis in Axis::ALL {
        let cells: Vec<Cell> = axis
            .cells()
            .into_iter()
            .filter(|cell| results.drains.iter().any(|(at, ..)| at == cell))
            .collect();
        // The reference alone is in the first table already.
        if cells.len() < 2 && (cells.is_empty() || axis != Axis::ALL[0]) {
            continue;
        }
        let _ = writeln!(
            text,
            "\n| {} | | events/s | own CPU | walsender | broker | peak memory, MB | on disk, B |",
            axis.label()
        );
        *text += "|---:|---|---:|---:|---:|---:|---:|---:|\n";
        for cell in cells {
            for contender in Contender::ALL {
                if !results.drains_of(cell, contender).is_empty() {
                    row(text, &drained(results, cell, contender, axis));
                }
            }
        }
    }
    let commits =
        results.drains_of(REFERENCE, Contender::Librdkafka).iter().filter_map(|drain| drain.commits);
    if let Some(p50) = median(commits.map(|commits| commits.p50)) {
        let _ = writeln!(
            text,
            "\nA transaction of 10,000 records takes the bare librdkafka loop {} ms.",
            short(p50)
        );
    }
}

fn drained(results: &Results, cell: Cell, contender: Contender, axis: Axis) -> [String; 8] {
    let figure = |of: fn(&Drain) -> Option<f64>| results.drained(cell, contender, of);
    let on_disk = |drain: &Drain| drain.disk.map(|bytes| bytes as f64 / drain.events as f64);
    [
        axis.of(cell).to_string(),
        contender.label().to_owned(),
        figure(|drain| Some(drain.rate())).map_or("–".to_owned(), thousands),
        or_none(figure(Drain::own_us), ""),
        or_none(figure(Drain::walsender_us), ""),
        or_none(figure(Drain::broker_us), ""),
        or_none(figure(|drain| drain.reading.peak_mb), ""),
        or_none(results.drained(cell, contender, on_disk), ""),
    ]
}

fn steady(text: &mut String, results: &Results) {
    if results.spells.is_empty() {
        return;
    }
    *text += "\n## At fixed rates\n\nMedians of the spells' percentiles, ms; CPU in µs an event.\n\n\
              | events/s | | what | p50 | p95 | p99 | max | own CPU | walsender | broker |\n\
              |---:|---|---|---:|---:|---:|---:|---:|---:|---:|\n";
    for (rate, contender, _) in &results.spells {
        let held = |of: fn(&Spell) -> Option<f64>| or_none(results.held(*rate, *contender, of), "");
        row(
            text,
            &[
                rate.to_string(),
                contender.label().to_owned(),
                contender.latency_is().to_owned(),
                held(|spell| Some(spell.latency.p50)),
                held(|spell| Some(spell.latency.p95)),
                held(|spell| Some(spell.latency.p99)),
                held(|spell| Some(spell.latency.max)),
                held(|spell| spell.us(|used| used.own)),
                held(|spell| spell.us(|used| used.walsender)),
                held(|spell| spell.us(|used| used.broker)),
            ],
        );
    }
}

fn restarts(text: &mut String, results: &Results) {
    if results.starts.is_empty() && results.recoveries.is_empty() {
        return;
    }
    *text += "\n## Starts and crashes\n\nMedians, s: from the start of the process until an event that waits is visible; from kill -9, at \
              500 events/s, until one is visible that was written later.\n\n| | start | kill -9 |\n|---|---:|---:|\n";
    for contender in Contender::ALL.into_iter().filter(|contender| contender.is_connector()) {
        let (start, kill) = (time(&results.starts, contender), time(&results.recoveries, contender));
        row(text, &[contender.label().to_owned(), or_none(start, ""), or_none(kill, "")]);
    }
}

fn conditions(text: &mut String, facts: &Facts, results: &Results) {
    *text += "\n## With what\n\n";
    for (name, what) in facts.versions.iter().chain(&facts.configuration) {
        let _ = writeln!(text, "- {name}: {what}");
    }
    // Where several runs made this, what stands side by side in one cell or rate is still of one.
    if results.runs.iter().any(|run| run.date != facts.date || run.walpost != facts.walpost()) {
        for Run { measured, date, walpost } in &results.runs {
            let _ = writeln!(text, "- {measured}: measured {date}, walpost {walpost}");
        }
    }
}

fn time(times: &Times, contender: Contender) -> Option<f64> {
    median(times_of(times, contender).iter().copied())
}

fn row(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn or_none(figure: Option<f64>, unit: &str) -> String {
    figure.map_or("–".to_owned(), |figure| short(figure) + unit)
}

/// Three digits that say something.
pub fn short(figure: f64) -> String {
    match figure {
        _ if figure >= 1000.0 => thousands(figure),
        _ if figure >= 100.0 => format!("{figure:.0}"),
        _ if figure >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// Whole, with commas.
pub fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        .unwrap_or_default()
}
