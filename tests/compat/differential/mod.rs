//! The same rows through the real Debezium and through walpost: tables, rows, properties and settings from a seed.
//!
//! Contents
//! - `settings`  a connector's settings from a seed, and `generate` its cases; `columns` and `odd_json` have types and texts,
//!   `case` writes SQL and properties
//! - `types`     every type in every place, whatever the seed
//! - `rows`      a batch's tables in a real Postgres: one stream of changes, two slots
//! - `debezium`  Debezium under Kafka Connect, many cases in a connector; `tail` reads records and errors
//! - `judge`     whether each row came out the same, by default and with `debezium.compat=strict`; `alike` has the ways in which
//!   records are the same and yet not equal
//! - `shrink`    makes a failing case small
//!
//! WALPOST_COMPAT_SEED and WALPOST_COMPAT_CASES choose, WALPOST_COMPAT_BATCH picks a batch of them: `make compat` runs 2,000
//! cases. A failing case is printed with its SQL, its properties, both records, and how to have it again.

mod alike;
mod case;
mod columns;
mod debezium;
mod generate;
mod judge;
mod odd_json;
mod rows;
mod settings;
mod shrink;
mod tail;
mod types;

pub use alike::{buffers, digits, identities, is_mixed, members, mixed, moods, nulls, rename, replace};
pub use debezium::{Done, Theirs};
pub use judge::{Met, same};

use crate::random::Random;
use debezium::{Batch, Debezium};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

/// Generated cases in a connector.
const IN_A_BATCH: usize = 24;
/// Types in one; of these no task dies.
const TYPES_IN_A_BATCH: usize = 40;
/// The number of the first batch that looks at types, whatever the seed.
const TYPES_FROM: u64 = 1_000_000;
/// Failing cases that are made small, unless WALPOST_COMPAT_SHRINK says otherwise; the others are told as they are.
const SHRUNK: u64 = 3;

#[test]
fn generated_rows_come_out_as_the_real_debezium_publishes_them() {
    let seed = from_environment("WALPOST_COMPAT_SEED").unwrap_or(1);
    let count = from_environment("WALPOST_COMPAT_CASES").unwrap_or(200) as usize;
    let directory = tempfile::tempdir().expect("a directory");
    let began = Instant::now();
    let mut batches: Vec<Batch> =
        (0..count.div_ceil(IN_A_BATCH) as u64).map(|number| batch(seed, number)).collect();
    batches.extend(types::batches(TYPES_FROM, TYPES_IN_A_BATCH));
    if let Some(number) = from_environment("WALPOST_COMPAT_BATCH") {
        batches = if number < TYPES_FROM { vec![batch(seed, number)] } else { batches };
        batches.retain(|batch| batch.number == number);
    }
    let mut debezium = Debezium::start();
    println!("seed {seed}: servers up after {:.1} s", began.elapsed().as_secs_f32());
    let done = debezium.run(batches);
    let found = look(&done, directory.path());
    println!("{found}, {:.1} s", began.elapsed().as_secs_f32());
    if !found.failing.is_empty() {
        let report = report(&mut debezium, &done, &found, seed, directory.path());
        panic!("{} cases differ from Debezium (seed {seed})\n{report}", found.failing.len());
    }
}

/// The batch of this number, whatever others there are.
fn batch(seed: u64, number: u64) -> Batch {
    let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(number << 20));
    let setting = settings::setting(&mut random);
    let kills = random.percent(40);
    let cases = (0..IN_A_BATCH).map(|at| {
        let kills = kills && at + 1 == IN_A_BATCH;
        generate::case(&mut random, &setting, at, kills)
    });
    let cases = cases.collect();
    Batch { number, setting, cases }
}

/// What the comparison of all cases gave.
#[derive(Default)]
struct Found {
    cases: usize,
    records: usize,
    errors: usize,
    rows: usize,
    deliberate: BTreeMap<&'static str, usize>,
    /// Which cases differ.
    failing: Vec<usize>,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Found { cases, records, errors, rows, failing, .. } = self;
        writeln!(
            f,
            "{cases} cases, {records} records and {errors} errors of Debezium, {rows} rows compared"
        )?;
        for (reason, count) in &self.deliberate {
            writeln!(f, "on purpose: {count} ({reason})")?;
        }
        write!(f, "{} cases differ", failing.len())
    }
}

fn look(done: &[Done], directory: &Path) -> Found {
    // A case whose task died comes in parts.
    let cases: BTreeSet<_> = done.iter().map(|done| (done.number, &done.case.table)).collect();
    let mut found = Found { cases: cases.len(), ..Found::default() };
    for (at, one) in done.iter().enumerate() {
        let judged = judge::judge(one, directory);
        found.rows += judged.rows;
        found.records += one.theirs.values().filter(|theirs| matches!(theirs, Theirs::Record(_))).count();
        found.errors += one.theirs.values().filter(|theirs| matches!(theirs, Theirs::Error(_))).count();
        for reason in judged.deliberate {
            *found.deliberate.entry(reason).or_default() += 1;
        }
        if !judged.wrong.is_empty() {
            found.failing.push(at);
        }
    }
    found
}

/// The failing cases: the first few as small as they can be made, the others as they are.
fn report(debezium: &mut Debezium, done: &[Done], found: &Found, seed: u64, directory: &Path) -> String {
    let mut report = String::new();
    let shrunk = from_environment("WALPOST_COMPAT_SHRINK").unwrap_or(SHRUNK) as usize;
    for (at, failing) in found.failing.iter().enumerate().rev() {
        let failing = &done[*failing];
        let small = match at < shrunk {
            true => shrink::shrink(debezium, failing.case.clone(), failing.setting.clone(), directory),
            false => None,
        };
        let shown = small.as_ref().unwrap_or(failing);
        let number = failing.number;
        report += &format!("\n--- WALPOST_COMPAT_SEED={seed} WALPOST_COMPAT_BATCH={number}\n");
        report += &shown.case.shown(&shown.setting);
        for wrong in judge::judge(shown, directory).wrong {
            let mode = if wrong.strict { "debezium.compat=strict" } else { "by default" };
            report += &format!("{mode}:\n{}\n", wrong.what);
        }
    }
    report
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
