//! What was measured.

use crate::cells::Cell;
use crate::contenders::Contender;
use crate::doses::Doses;
use crate::process::Reading;
use crate::statistics::{Percentiles, median, rounded};
use serde_json::{Value, json};

/// One drain of one backlog.
#[derive(Clone, Debug)]
pub struct Drain {
    pub events: u64,
    pub reading: Reading,
    /// Bytes in Kafka, where there is a topic.
    pub disk: Option<u64>,
    /// Of each Kafka transaction, where the contender is our own loop.
    pub commits: Option<Percentiles>,
}

/// One while at one rate.
#[derive(Clone, Debug)]
pub struct Spell {
    pub events: u64,
    pub reading: Reading,
    /// From insert to visible; for those that have no such thing, what `Contender::latency_is` says.
    pub latency: Percentiles,
}

/// Seconds, of each.
pub type Times = Vec<(Contender, Vec<f64>)>;

/// When something was measured, and which walpost.
#[derive(Clone, Debug)]
pub struct Run {
    /// A cell, a rate, "start" or "recovery".
    pub measured: String,
    pub date: String,
    pub walpost: String,
}

#[derive(Default)]
pub struct Results {
    pub drains: Vec<(Cell, Contender, Vec<Drain>)>,
    pub spells: Vec<(u64, Contender, Vec<Spell>)>,
    /// From start, and from kill -9, to an event.
    pub starts: Times,
    pub recoveries: Times,
    /// In which order all this came about.
    pub runs: Vec<Run>,
}

impl Drain {
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.reading.seconds
    }

    /// Microseconds an event, which are seconds a million events.
    pub fn own_us(&self) -> Option<f64> {
        self.per_event(self.reading.own)
    }

    pub fn walsender_us(&self) -> Option<f64> {
        self.per_event(self.reading.walsender)
    }

    pub fn broker_us(&self) -> Option<f64> {
        self.per_event(self.reading.broker)
    }

    fn per_event(&self, seconds: Option<f64>) -> Option<f64> {
        seconds.map(|seconds| seconds * 1e6 / self.events as f64)
    }

    pub fn json(&self) -> Value {
        json!({
            "events": self.events, "seconds": rounded(self.reading.seconds), "events_per_second": rounded(self.rate()),
            "own_us_per_event": self.own_us().map(rounded), "walsender_us_per_event": self.walsender_us().map(rounded),
            "broker_us_per_event": self.broker_us().map(rounded), "peak_resident_mb": self.reading.peak_mb.map(rounded),
            "bytes_on_disk": self.disk, "kafka_transaction_ms": self.commits.map(|commits| commits.json()),
        })
    }
}

impl Run {
    fn json(&self) -> Value {
        json!({"measured": self.measured, "date": self.date, "walpost": self.walpost})
    }
}

impl Spell {
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.reading.seconds
    }

    pub fn us(&self, of: fn(&Reading) -> Option<f64>) -> Option<f64> {
        of(&self.reading).map(|seconds| seconds * 1e6 / self.events as f64)
    }

    pub fn json(&self) -> Value {
        json!({
            "events": self.events, "seconds": rounded(self.reading.seconds), "events_per_second": rounded(self.rate()),
            "latency_ms": self.latency.json(), "own_us_per_event": self.us(|used| used.own).map(rounded),
            "walsender_us_per_event": self.us(|used| used.walsender).map(rounded),
            "broker_us_per_event": self.us(|used| used.broker).map(rounded),
            "peak_resident_mb": self.reading.peak_mb.map(rounded),
        })
    }
}

impl Results {
    /// All that is to be measured of this cell is there.
    pub fn has_drained(&self, cell: Cell, doses: &Doses) -> bool {
        let whole = |contender| self.drains_of(cell, contender).len() as u64 == doses.rounds;
        doses.drains(cell).into_iter().all(whole)
    }

    pub fn has_held(&self, rate: u64, doses: &Doses) -> bool {
        doses
            .steady()
            .into_iter()
            .all(|contender| self.spells_of(rate, contender).len() as u64 == doses.spells)
    }

    /// The same of starts or of recoveries.
    pub fn has_times(times: &Times, doses: &Doses) -> bool {
        let is_whole = |contender| times_of(times, contender).len() as u64 == doses.restarts_of(contender);
        doses.connectors().into_iter().all(is_whole)
    }

    /// Instead of what there may be of this cell.
    pub fn set_drains(&mut self, cell: Cell, measured: impl IntoIterator<Item = (Contender, Vec<Drain>)>) {
        self.drains.retain(|(at, ..)| *at != cell);
        self.drains.extend(measured.into_iter().map(|(contender, drains)| (cell, contender, drains)));
    }

    pub fn set_spells(&mut self, rate: u64, measured: impl IntoIterator<Item = (Contender, Vec<Spell>)>) {
        self.spells.retain(|(at, ..)| *at != rate);
        self.spells.extend(measured.into_iter().map(|(contender, spells)| (rate, contender, spells)));
        self.spells.sort_by_key(|(rate, ..)| *rate);
    }

    pub fn drains_of(&self, cell: Cell, contender: Contender) -> &[Drain] {
        let found = self.drains.iter().find(|(at, of, _)| (*at, *of) == (cell, contender));
        found.map_or(&[], |(_, _, drains)| drains)
    }

    pub fn spells_of(&self, rate: u64, contender: Contender) -> &[Spell] {
        let found = self.spells.iter().find(|(at, of, _)| (*at, *of) == (rate, contender));
        found.map_or(&[], |(_, _, spells)| spells)
    }

    /// The median over the rounds; none where nothing was measured.
    pub fn drained(
        &self,
        cell: Cell,
        contender: Contender,
        figure: impl Fn(&Drain) -> Option<f64>,
    ) -> Option<f64> {
        median(self.drains_of(cell, contender).iter().filter_map(figure))
    }

    /// The same of a rate.
    pub fn held(
        &self,
        rate: u64,
        contender: Contender,
        figure: impl Fn(&Spell) -> Option<f64>,
    ) -> Option<f64> {
        median(self.spells_of(rate, contender).iter().filter_map(figure))
    }

    /// The median of what the rounds' pairs have to each other: what slows the machine for a while slows both.
    pub fn drain_ratio(
        &self,
        cell: Cell,
        one: Contender,
        other: Contender,
        figure: impl Fn(&Drain) -> Option<f64>,
    ) -> Option<f64> {
        let pairs = self.drains_of(cell, one).iter().zip(self.drains_of(cell, other));
        median(pairs.filter_map(|(one, other)| Some(figure(one)? / figure(other)?)))
    }

    pub fn latency_ratio(
        &self,
        rate: u64,
        one: Contender,
        other: Contender,
        figure: impl Fn(&Percentiles) -> f64,
    ) -> Option<f64> {
        let pairs = self.spells_of(rate, one).iter().zip(self.spells_of(rate, other));
        median(pairs.map(|(one, other)| figure(&one.latency) / figure(&other.latency)))
    }

    pub fn json(&self) -> Value {
        let drains = self.drains.iter().map(|(cell, contender, drains)| {
            let drains: Vec<Value> = drains.iter().map(Drain::json).collect();
            json!({"cell": cell.json(), "contender": contender.word(), "rounds": drains})
        });
        let spells = self.spells.iter().map(|(rate, contender, spells)| {
            let spells: Vec<Value> = spells.iter().map(Spell::json).collect();
            json!({"events_per_second": rate, "contender": contender.word(), "latency_is": contender.latency_is(), "rounds": spells})
        });
        json!({
            "drains": drains.collect::<Vec<_>>(), "steady": spells.collect::<Vec<_>>(),
            "runs": self.runs.iter().map(Run::json).collect::<Vec<_>>(),
            "start_to_first_event_seconds": times(&self.starts), "kill_to_first_event_seconds": times(&self.recoveries),
        })
    }
}

pub fn times_of(times: &Times, contender: Contender) -> &[f64] {
    let found = times.iter().find(|(of, _)| *of == contender);
    found.map_or(&[], |(_, times)| times)
}

fn times(of: &Times) -> Value {
    let each = of.iter().map(|(contender, times)| {
        let times: Vec<f64> = times.iter().copied().map(rounded).collect();
        (contender.word().to_owned(), json!(times))
    });
    Value::Object(each.collect())
}
