//! Medians and percentiles.

use serde_json::{Value, json};

/// The upper of the two in the middle, where there are two; none of none.
pub fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// How long things took, ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

impl Percentiles {
    /// None of nothing.
    pub fn of(mut times: Vec<f64>) -> Option<Percentiles> {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times.get((times.len().checked_sub(1)? as f64 * share) as usize).copied();
        Some(Percentiles { p50: at(0.5)?, p95: at(0.95)?, p99: at(0.99)?, max: at(1.0)? })
    }

    pub fn json(&self) -> Value {
        let Percentiles { p50, p95, p99, max } = *self;
        json!({"p50": rounded(p50), "p95": rounded(p95), "p99": rounded(p99), "max": rounded(max)})
    }
}

/// To a thousandth: more is noise.
pub fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}
