//! The picture of the fixed rates: the percentiles of each contender's latency, on a logarithmic scale.

use super::markdown::short;
use super::plot::{Anchor, Decades, GRID, INK, PALE, Picture, colour};
use crate::contenders::Contender;
use crate::results::Results;
use crate::statistics::Percentiles;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 270.0;
const RIGHT: f64 = 800.0;
const ROW: f64 = 24.0;

/// None while nothing was measured.
pub fn draw(results: &Results) -> Option<String> {
    let rows: Vec<(u64, Contender, Percentiles)> = results
        .spells
        .iter()
        .filter_map(|(rate, contender, _)| Some((*rate, *contender, medians(results, *rate, *contender)?)))
        .collect();
    let scale = Decades::around(rows.iter().flat_map(|(.., at)| [at.p50, at.max]))?;
    let mut picture = Picture::new(WIDTH, "From insert to visible under read_committed");
    legend(&mut picture);
    let x = |ms: f64| LEFT + scale.share(ms) * (RIGHT - LEFT);
    let (mut y, mut panel) = (84.0, None);
    for (rate, contender, at) in rows {
        if panel != Some(rate) {
            y += if panel.is_some() { 40.0 } else { 0.0 };
            let here = results.spells.iter().filter(|(of, ..)| *of == rate).count() as f64;
            heading(&mut picture, rate, y, here * ROW, &scale);
            (panel, y) = (Some(rate), y + 14.0);
        }
        row(&mut picture, contender, at, y, x);
        y += ROW;
    }
    Some(picture.finish(y + 34.0))
}

fn heading(picture: &mut Picture, rate: u64, y: f64, height: f64, scale: &Decades) {
    picture.heading(20.0, y, &format!("{} events/s", super::markdown::thousands(rate as f64)));
    for ms in scale.marks() {
        let x = LEFT + scale.share(ms) * (RIGHT - LEFT);
        picture.line(&[(x, y + 6.0), (x, y + 16.0 + height)], GRID, 1.0);
        let label = if ms >= 1000.0 { format!("{} s", ms / 1000.0) } else { format!("{ms} ms") };
        picture.text(x, y + 2.0, Anchor::Middle, PALE, &label);
    }
}

fn row(picture: &mut Picture, contender: Contender, at: Percentiles, y: f64, x: impl Fn(f64) -> f64) {
    let (middle, colour) = (y + ROW / 2.0, colour(contender));
    let label = match contender.is_connector() {
        true => contender.label().to_owned(),
        false => format!("{} ({})", contender.word(), contender.latency_is()),
    };
    picture.text(LEFT - 10.0, middle + 4.0, Anchor::End, INK, &label);
    picture.line(&[(x(at.p50), middle), (x(at.max), middle)], colour, 2.0);
    picture.line(&[(x(at.max), middle - 5.0), (x(at.max), middle + 5.0)], colour, 2.0);
    picture.dot((x(at.p99), middle), 4.0, colour, false);
    picture.dot((x(at.p95), middle), 3.0, colour, true);
    picture.dot((x(at.p50), middle), 5.5, colour, true);
    let figures = format!("{} / {} ms", short(at.p50), short(at.p99));
    picture.text(x(at.max) + 8.0, middle + 4.0, Anchor::Start, INK, &figures);
}

fn legend(picture: &mut Picture) {
    picture.dot((28.0, 48.0), 5.5, INK, true);
    picture.text(40.0, 52.0, Anchor::Start, INK, "p50");
    picture.dot((84.0, 48.0), 3.0, INK, true);
    picture.text(94.0, 52.0, Anchor::Start, INK, "p95");
    picture.dot((138.0, 48.0), 4.0, INK, false);
    picture.text(148.0, 52.0, Anchor::Start, INK, "p99");
    picture.line(&[(192.0, 43.0), (192.0, 53.0)], INK, 2.0);
    picture.text(200.0, 52.0, Anchor::Start, INK, "most; the figures are p50 / p99");
}

/// The medians of the spells' percentiles.
fn medians(results: &Results, rate: u64, contender: Contender) -> Option<Percentiles> {
    let of =
        |figure: fn(&Percentiles) -> f64| results.held(rate, contender, |spell| Some(figure(&spell.latency)));
    Some(Percentiles {
        p50: of(|at| at.p50)?,
        p95: of(|at| at.p95)?,
        p99: of(|at| at.p99)?,
        max: of(|at| at.max)?,
    })
}
