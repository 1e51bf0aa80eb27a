//! What the project expects of itself, as ratios within one run where it can: figure, bar, met or not.

use crate::cells::{ONE_ROW, REFERENCE};
use crate::contenders::Contender::{
    self, DebeziumAtLeastOnce, DebeziumExactlyOnce, PgRecvlogical, Walpost, WalpostAvro,
};
use crate::results::{Drain, Results, Spell, Times, times_of};
use crate::statistics::{Percentiles, median, rounded};
use Limit::{AtLeast, AtMost};
use serde_json::{Value, json};

pub struct Bar {
    pub what: String,
    /// None: not measured in this run.
    pub figure: Option<f64>,
    pub limit: Limit,
    pub unit: &'static str,
}

#[derive(Clone, Copy)]
pub enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

pub fn all(results: &Results) -> Vec<Bar> {
    let bar = |what: &str, figure, limit, unit| Bar { what: what.to_owned(), figure, limit, unit };
    let mut bars = Vec::new();
    drains(results, &bar, &mut bars);
    resources(results, &bar, &mut bars);
    latencies(results, &bar, &mut bars);
    let of_walpost = |times: &Times| median(times_of(times, Walpost).iter().copied());
    bars.push(bar("start to first event", of_walpost(&results.starts), AtMost(0.5), "s"));
    bars.push(bar("kill -9 to first event", of_walpost(&results.recoveries), AtMost(2.0), "s"));
    bars
}

type Make<'a> = &'a dyn Fn(&str, Option<f64>, Limit, &'static str) -> Bar;

fn drains(results: &Results, bar: Make<'_>, bars: &mut Vec<Bar>) {
    let rate = |drain: &Drain| Some(drain.rate());
    let mut against = |cell, other: Contender, what: &str, least| {
        let ratio = results.drain_ratio(cell, Walpost, other, rate);
        bars.push(bar(what, ratio, AtLeast(least), "×"));
    };
    against(REFERENCE, PgRecvlogical, "drain, 1,000 rows a transaction, against pg_recvlogical", 1.1);
    against(REFERENCE, DebeziumExactlyOnce, "the same against Debezium, exactly once", 8.0);
    against(REFERENCE, DebeziumAtLeastOnce, "the same against Debezium, at least once", 8.0);
    against(ONE_ROW, PgRecvlogical, "drain, one row a transaction, against pg_recvlogical", 1.3);
    let avro = results.drain_ratio(REFERENCE, WalpostAvro, Walpost, rate);
    let what = "drain to Avro by a registered schema, against StringConverter";
    bars.push(bar(what, avro, AtLeast(0.7), "×"));
}

fn resources(results: &Results, bar: Make<'_>, bars: &mut Vec<Bar>) {
    let peak = |drain: &Drain| drain.reading.peak_mb;
    let own = results.drained(REFERENCE, Walpost, Drain::own_us);
    bars.push(bar("own CPU an event, 1,000 rows a transaction", own, AtMost(3.2), "µs"));
    for other in [DebeziumExactlyOnce, DebeziumAtLeastOnce] {
        let ratio = results.drain_ratio(REFERENCE, Walpost, other, Drain::own_us);
        bars.push(bar(&format!("the same against {}", other.label()), ratio, AtMost(1.0 / 20.0), "×"));
    }
    let most = results.drains_of(REFERENCE, Walpost).iter().filter_map(peak).reduce(f64::max);
    bars.push(bar("peak resident memory, 1,000 rows a transaction", most, AtMost(64.0), "MB"));
    for other in [DebeziumExactlyOnce, DebeziumAtLeastOnce] {
        let ratio = results.drain_ratio(REFERENCE, Walpost, other, peak);
        bars.push(bar(&format!("the same against {}", other.label()), ratio, AtMost(1.0 / 10.0), "×"));
    }
}

fn latencies(results: &Results, bar: Make<'_>, bars: &mut Vec<Bar>) {
    for (rate, p50, p99) in [(500, 10.0, 40.0), (5000, 25.0, 75.0)] {
        let held = |figure: fn(&Spell) -> f64| results.held(rate, Walpost, |spell| Some(figure(spell)));
        let at = |percentile: &str| format!("latency at {rate} events/s, {percentile}");
        bars.push(bar(&at("p50"), held(|spell| spell.latency.p50), AtMost(p50), "ms"));
        bars.push(bar(&at("p99"), held(|spell| spell.latency.p99), AtMost(p99), "ms"));
    }
    let ratio =
        |figure: fn(&Percentiles) -> f64| results.latency_ratio(5000, Walpost, DebeziumExactlyOnce, figure);
    let at = |percentile: &str| format!("{percentile} at 5000 events/s against Debezium, exactly once");
    bars.push(bar(&at("p50"), ratio(|latency| latency.p50), AtMost(1.0 / 2.0), "×"));
    bars.push(bar(&at("p99"), ratio(|latency| latency.p99), AtMost(1.0 / 4.0), "×"));
}

impl Bar {
    /// None while it was not measured.
    pub fn is_met(&self) -> Option<bool> {
        let figure = self.figure?;
        Some(match self.limit {
            AtLeast(least) => figure >= least,
            AtMost(most) => figure <= most,
        })
    }

    pub fn verdict(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "not measured",
        }
    }

    pub fn limit_text(&self) -> String {
        match self.limit {
            AtLeast(least) => format!("≥ {least} {}", self.unit),
            AtMost(most) => format!("≤ {most} {}", self.unit),
        }
    }

    pub fn figure_text(&self) -> String {
        match self.figure {
            Some(figure) if figure < 0.1 => format!("{figure:.3} {}", self.unit),
            Some(figure) if figure < 10.0 => format!("{figure:.2} {}", self.unit),
            Some(figure) => format!("{figure:.1} {}", self.unit),
            None => "–".to_owned(),
        }
    }

    pub fn json(&self) -> Value {
        let (kind, limit) = match self.limit {
            AtLeast(least) => ("at_least", least),
            AtMost(most) => ("at_most", most),
        };
        json!({"what": self.what, "figure": self.figure.map(rounded), kind: limit, "unit": self.unit, "met": self.is_met()})
    }
}
