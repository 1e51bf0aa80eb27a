//! The picture of the star: how the rate changes with rows a transaction, payload and partitions.

use super::markdown::thousands;
use super::plot::{Anchor, Decades, GRID, INK, PALE, Picture, colour};
use crate::cells::{Axis, Cell};
use crate::contenders::Contender;
use crate::results::Results;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 96.0;
const HEIGHT: f64 = 240.0;
const PANEL: f64 = 240.0;
const GAP: f64 = 35.0;

/// None while the reference alone was measured.
pub fn draw(results: &Results) -> Option<String> {
    let rate = |cell, contender| results.drained(cell, contender, |drain| Some(drain.rate()));
    let measured = |cell: &Cell| Contender::ALL.iter().any(|one| rate(*cell, *one).is_some());
    let panels: Vec<(Axis, Vec<Cell>)> = Axis::ALL
        .into_iter()
        .map(|axis| (axis, axis.cells().into_iter().filter(measured).collect::<Vec<_>>()))
        .filter(|(_, cells)| cells.len() > 1)
        .collect();
    let cells = panels.iter().flat_map(|(_, cells)| cells);
    let rates = cells.flat_map(|cell| Contender::ALL.into_iter().filter_map(move |one| rate(*cell, one)));
    let scale = Decades::around(rates)?;
    let mut picture = Picture::new(WIDTH, "Events a second, one thing changed at a time");
    legend(&mut picture);
    for (number, (axis, cells)) in panels.iter().enumerate() {
        let left = LEFT + number as f64 * (PANEL + GAP);
        frame(&mut picture, left, &scale, number == 0);
        picture.text(left + PANEL / 2.0, TOP + HEIGHT + 36.0, Anchor::Middle, INK, axis.label());
        let x = |at: usize| left + (at as f64 + 0.5) * PANEL / cells.len() as f64;
        let y = |rate: f64| TOP + HEIGHT - scale.share(rate) * HEIGHT;
        for (at, cell) in cells.iter().enumerate() {
            let value = thousands(axis.of(*cell) as f64);
            picture.text(x(at), TOP + HEIGHT + 18.0, Anchor::Middle, PALE, &value);
        }
        for contender in of_all_cells() {
            let points: Vec<(f64, f64)> =
                (0..).zip(cells).filter_map(|(at, cell)| Some((x(at), y(rate(*cell, contender)?)))).collect();
            if points.is_empty() {
                continue;
            }
            picture.line(&points, colour(contender), 2.0);
            points.iter().for_each(|point| picture.dot(*point, 3.5, colour(contender), true));
        }
    }
    Some(picture.finish(TOP + HEIGHT + 52.0))
}

/// Those that are measured in more than the reference.
fn of_all_cells() -> impl Iterator<Item = Contender> {
    Contender::ALL.into_iter().filter(|contender| !contender.is_of_reference())
}

fn frame(picture: &mut Picture, left: f64, scale: &Decades, is_first: bool) {
    for rate in scale.marks() {
        let y = TOP + HEIGHT - scale.share(rate) * HEIGHT;
        picture.line(&[(left, y), (left + PANEL, y)], GRID, 1.0);
        if is_first {
            picture.text(left - 8.0, y + 4.0, Anchor::End, PALE, &thousands(rate));
        }
    }
}

/// In two lines of three.
fn legend(picture: &mut Picture) {
    for (number, contender) in of_all_cells().enumerate() {
        let (x, y) = (20.0 + 280.0 * (number % 3) as f64, 46.0 + 20.0 * (number / 3) as f64);
        picture.bar(x, y, 12.0, 12.0, colour(contender));
        picture.text(x + 18.0, y + 10.0, Anchor::Start, INK, contender.label());
    }
}
