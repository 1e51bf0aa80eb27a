//! The picture of the reference cell: how fast each contender drains it.

use super::markdown::thousands;
use super::plot::{Anchor, PALE, Picture, colour};
use crate::cells::REFERENCE;
use crate::contenders::Contender;
use crate::results::Results;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 270.0;
const LONGEST: f64 = 520.0;
const ROW: f64 = 30.0;

/// None while it was not measured.
pub fn draw(results: &Results) -> Option<String> {
    let rows: Vec<(Contender, f64, f64, f64)> = Contender::ALL
        .into_iter()
        .filter_map(|contender| {
            let drains = results.drains_of(REFERENCE, contender);
            let rates = || drains.iter().map(|drain| drain.rate());
            let median = results.drained(REFERENCE, contender, |drain| Some(drain.rate()))?;
            Some((contender, median, rates().reduce(f64::min)?, rates().reduce(f64::max)?))
        })
        .collect();
    let most = rows.iter().map(|(.., most)| *most).reduce(f64::max)?;
    let mut picture = Picture::new(WIDTH, &format!("Events a second: {}", REFERENCE.label()));
    let mut y = 48.0;
    for (contender, median, slowest, fastest) in rows {
        let x = |rate: f64| LEFT + rate / most * LONGEST;
        picture.text(LEFT - 10.0, y + 16.0, Anchor::End, super::plot::INK, contender.label());
        picture.bar(LEFT, y + 3.0, x(median) - LEFT, ROW - 11.0, colour(contender));
        // From the slowest round to the fastest.
        let middle = y + 3.0 + (ROW - 11.0) / 2.0;
        picture.line(&[(x(slowest), middle), (x(fastest), middle)], super::plot::INK, 1.2);
        picture.text(x(fastest) + 8.0, y + 16.0, Anchor::Start, super::plot::INK, &thousands(median));
        y += ROW;
    }
    picture.text(
        LEFT,
        y + 16.0,
        Anchor::Start,
        PALE,
        "bars: medians; lines: from the slowest round to the fastest",
    );
    Some(picture.finish(y + 30.0))
}
