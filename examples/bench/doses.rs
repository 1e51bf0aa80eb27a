//! How much of everything, from the environment.
//!
//! QUICK=1 is the short form. ROWS is the backlog of a drain, ROUNDS how often everything is measured. BENCH_RATES
//! ("500 5000"), BENCH_SECONDS and BENCH_WARM_UP are for the fixed rates. BENCH_ONLY narrows, by words for parts (drain,
//! steady, start, recovery), for contenders and for cells ("1000x300x6": rows a transaction, bytes, partitions); a kind of
//! which no word is named is measured whole. BENCH_PAD=noise takes payloads that hardly compress.
//! KEEP=1 measures only what the report's JSON does not have yet, under the same conditions: so the whole may be measured
//! in several runs. BENCH_WALPOST_PRODUCER=same gives walpost Debezium's linger.ms and batch.size, too. BENCH_NAME names
//! the report's files.

use crate::cells::{Cell, ONE_ROW, REFERENCE, star};
use crate::contenders::Contender;
use std::env::var;

/// No cell's payloads are more than this together: a million events of 10 kB would take hours and 10 GB a drain.
const BYTES_MOST: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Drain,
    Steady,
    Start,
    Recovery,
}

impl Part {
    const ALL: [(Part, &str); 4] = [
        (Part::Drain, "drain"),
        (Part::Steady, "steady"),
        (Part::Start, "start"),
        (Part::Recovery, "recovery"),
    ];
}

#[derive(Debug)]
pub struct Doses {
    pub quick: bool,
    /// What an earlier run has measured stays.
    pub keep: bool,
    pub rounds: u64,
    pub rows: u64,
    pub rates: Vec<u64>,
    /// How often each rate is measured with each contender.
    pub spells: u64,
    pub seconds: u64,
    /// For how long broker and JVM may compile what small transactions run through, seconds: before the first spell
    /// of a contender at a rate, and before the others, which find it compiled.
    pub warm_up: u64,
    pub warm_again: u64,
    pub restarts: u64,
    only: Vec<String>,
}

impl Doses {
    pub fn from_environment() -> Doses {
        let is_set = |name: &str| var(name).is_ok_and(|word| !["", "0"].contains(&word.as_str()));
        let quick = is_set("QUICK");
        let of = |name: &str, quickly: u64, usual: u64| {
            number(name).unwrap_or(if quick { quickly } else { usual })
        };
        let words = |name: &str| -> Vec<String> {
            let words = var(name).unwrap_or_default();
            words.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let rates: Vec<u64> = words("BENCH_RATES").iter().map(|rate| rate.parse().expect("a rate")).collect();
        let usual_rates = if quick { vec![500, 5000] } else { vec![500, 5000, 20_000] };
        let doses = Doses {
            quick,
            keep: is_set("KEEP"),
            rounds: of("ROUNDS", 3, 5),
            rows: of("ROWS", 200_000, 1_000_000),
            rates: if words("BENCH_RATES").is_empty() { usual_rates } else { rates },
            spells: number("ROUNDS").unwrap_or(if quick { 1 } else { 5 }),
            seconds: of("BENCH_SECONDS", 10, 20),
            warm_up: of("BENCH_WARM_UP", 10, 60),
            warm_again: number("BENCH_WARM_UP").unwrap_or(10),
            restarts: number("ROUNDS").unwrap_or(if quick { 3 } else { 5 }),
            only: words("BENCH_ONLY"),
        };
        doses.assert_known();
        doses
    }

    pub fn has(&self, part: Part) -> bool {
        let words = Part::ALL.map(|(part, word)| (part, word.to_owned()));
        self.chosen(words.to_vec()).contains(&part)
    }

    /// The cells to drain.
    pub fn cells(&self) -> Vec<Cell> {
        if !self.has(Part::Drain) {
            return Vec::new();
        }
        let named = self.chosen(cells_by_word());
        let is_short = self.quick && named == star();
        if is_short { vec![REFERENCE, ONE_ROW] } else { named }
    }

    /// The rates to hold.
    pub fn rates(&self) -> Vec<u64> {
        if self.has(Part::Steady) { self.rates.clone() } else { Vec::new() }
    }

    /// Rows of a cell's backlog: whole transactions.
    pub fn rows_of(&self, cell: Cell) -> u64 {
        let most = (BYTES_MOST / cell.payload).min(self.rows);
        // In the short form one row a transaction is for walpost and pg_recvlogical alone.
        let most = if self.quick && cell == ONE_ROW { most / 2 } else { most };
        (most / cell.rows_per_transaction).max(1) * cell.rows_per_transaction
    }

    /// Who drains this cell.
    pub fn drains(&self, cell: Cell) -> Vec<Contender> {
        // The broker's limit knows nothing of Postgres's transactions.
        let same_to_brokers = cell.rows_per_transaction != REFERENCE.rows_per_transaction;
        let is_short = self.quick && cell != REFERENCE;
        self.contenders(|one| {
            !(one.is_brokers_limit() && same_to_brokers
                || one.is_debezium() && is_short
                || one.is_of_reference() && cell != REFERENCE)
        })
    }

    /// Who is measured at fixed rates.
    pub fn steady(&self) -> Vec<Contender> {
        self.contenders(|one| match self.quick {
            true => one.is_connector() || one == Contender::Librdkafka,
            false => !one.is_of_reference(),
        })
    }

    /// Who is started, killed and started again.
    pub fn connectors(&self) -> Vec<Contender> {
        self.contenders(Contender::is_connector)
    }

    /// Debezium takes tens of seconds each time: in the short form it is measured once.
    pub fn restarts_of(&self, contender: Contender) -> u64 {
        if contender.is_debezium() && self.quick { 1 } else { self.restarts }
    }

    /// What the files of the report are called.
    pub fn name(&self) -> String {
        let usual = match (self.only.is_empty(), self.quick) {
            (true, false) => "results",
            (true, true) => "quick",
            (false, _) => "partial",
        };
        var("BENCH_NAME").unwrap_or(usual.to_owned())
    }

    fn contenders(&self, takes_part: impl Fn(Contender) -> bool) -> Vec<Contender> {
        let by_word = Contender::ALL.map(|one| (one, one.word().to_owned())).to_vec();
        self.chosen(by_word).into_iter().filter(|one| takes_part(*one)).collect()
    }

    /// Those that BENCH_ONLY names; all, when it names none of them.
    fn chosen<T>(&self, by_word: Vec<(T, String)>) -> Vec<T> {
        let is_named = |word: &String| self.only.contains(word);
        let any = by_word.iter().any(|(_, word)| is_named(word));
        by_word.into_iter().filter(|(_, word)| !any || is_named(word)).map(|(one, _)| one).collect()
    }

    fn assert_known(&self) {
        let parts = Part::ALL.iter().map(|(_, word)| (*word).to_owned());
        let contenders = Contender::ALL.iter().map(|one| one.word().to_owned());
        let cells = cells_by_word().into_iter().map(|(_, word)| word);
        let known: Vec<String> = parts.chain(contenders).chain(cells).collect();
        let unknown = self.only.iter().find(|word| !known.contains(word));
        assert!(unknown.is_none(), "BENCH_ONLY: {unknown:?} is none of {}", known.join(" "));
    }
}

/// Whether payloads are of noise, and not of one letter.
pub fn pad_is_noise() -> bool {
    var("BENCH_PAD").is_ok_and(|pad| pad == "noise")
}

/// Whether walpost's producer has Debezium's settings, and not walpost's own defaults.
pub fn producers_are_alike() -> bool {
    var("BENCH_WALPOST_PRODUCER").is_ok_and(|word| word == "same")
}

fn number(name: &str) -> Option<u64> {
    let text = var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

fn cells_by_word() -> Vec<(Cell, String)> {
    star().into_iter().map(|cell| (cell, cell.word())).collect()
}
