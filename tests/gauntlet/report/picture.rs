//! The picture: for each world three strips on one time axis. How many events were committed and delivered each second,
//! how many were still on their way, and what was done to it when. An SVG written by hand.

use crate::checker::Timeline;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 1180.0;
const RATE: f64 = 150.0;
const BEHIND: f64 = 90.0;
const LANE: f64 = 15.0;
const GAP: f64 = 26.0;

const INK: &str = "#24303c";
const PALE: &str = "#6b7885";
const COMMITTED: &str = "#a9cdea";
const DELIVERED: &str = "#1c5fa6";
const ON_THEIR_WAY: &str = "#e8a04c";
const DOWN: &str = "#b7bec6";
const IDLE: &str = "#f4ead2";
/// For the lanes, in turn.
const LANES: [&str; 8] =
    ["#c0392b", "#7d3c98", "#1e8449", "#b9770e", "#2e86c1", "#a04000", "#117a65", "#5d6d7e"];

/// `worlds`: a headline for each.
pub fn draw(title: &str, worlds: &[(String, &Timeline)]) -> String {
    let mut body = String::new();
    let mut y = 58.0;
    for (headline, timeline) in worlds {
        y = World::new(timeline, y).draw(headline, &mut body);
    }
    let height = y + 8.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"11\" \
         fill=\"{INK}\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"20\" y=\"26\" font-size=\"15\" font-weight=\"bold\">{}</text>\n{}{body}</svg>\n",
        escaped(title),
        legend()
    )
}

/// One world's strips, with their scales.
struct World<'a> {
    timeline: &'a Timeline,
    top: f64,
    /// Time in one step, ms.
    step: i64,
    /// Events in each step.
    committed: Vec<u64>,
    delivered: Vec<u64>,
    /// At the end of each step.
    behind: Vec<u64>,
    lanes: BTreeMap<&'a str, Vec<i64>>,
}

impl<'a> World<'a> {
    fn new(timeline: &'a Timeline, top: f64) -> World<'a> {
        let time = (timeline.to_ms - timeline.from_ms).max(1);
        // Two pixels or more, and a length that can be said.
        let lengths = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];
        let least = time / 450;
        let step = lengths.into_iter().find(|length| *length >= least).unwrap_or(least);
        let steps = (time / step + 1) as usize;
        let reached = |series: &[(i64, u64)]| -> Vec<u64> {
            let at = |step_number: usize| {
                let until = timeline.from_ms + step * (step_number as i64 + 1);
                let by_then = series.partition_point(|(at, _)| *at < until);
                by_then.checked_sub(1).map_or(0, |last| series[last].1)
            };
            (0..steps).map(at).collect()
        };
        let (committed, delivered) = (reached(&timeline.committed), reached(&timeline.delivered));
        let behind = committed.iter().zip(&delivered).map(|(all, came)| all.saturating_sub(*came)).collect();
        let mut lanes: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for mark in &timeline.marks {
            lanes.entry(&mark.class).or_default().push(mark.at_ms);
        }
        World {
            timeline,
            top,
            step,
            committed: growth(&committed),
            delivered: growth(&delivered),
            behind,
            lanes,
        }
    }

    /// The bottom of what was drawn.
    fn draw(&self, headline: &str, body: &mut String) -> f64 {
        let rate_top = self.top + 24.0;
        let behind_top = rate_top + RATE + GAP;
        let lanes_top = behind_top + BEHIND + GAP;
        let bottom = lanes_top + LANE * self.lanes.len() as f64;
        let _ = writeln!(
            body,
            "<text x=\"20\" y=\"{}\" font-size=\"13\" font-weight=\"bold\">{}</text>",
            self.top + 10.0,
            escaped(headline)
        );
        self.spells(body, rate_top, bottom);
        self.axis(body, rate_top, bottom);
        let most = self.committed.iter().chain(&self.delivered).max().copied().unwrap_or(0);
        let per_second = |n: u64| n as f64 * 1000.0 / self.step as f64;
        strip(body, rate_top, RATE, "events per second", per_second(most));
        let scale = |n: u64| n as f64 / most.max(1) as f64 * RATE;
        self.area(body, &self.committed, rate_top + RATE, scale, COMMITTED);
        self.line(body, &self.delivered, rate_top + RATE, scale, DELIVERED);
        let most = self.behind.iter().max().copied().unwrap_or(0);
        strip(body, behind_top, BEHIND, "events on their way", most as f64);
        let scale = |n: u64| n as f64 / most.max(1) as f64 * BEHIND;
        self.area(body, &self.behind, behind_top + BEHIND, scale, ON_THEIR_WAY);
        for (number, (class, times)) in self.lanes.iter().enumerate() {
            self.lane(body, lanes_top + LANE * number as f64, class, times, LANES[number % LANES.len()]);
        }
        bottom + 40.0
    }

    fn x(&self, at_ms: i64) -> f64 {
        let time = (self.timeline.to_ms - self.timeline.from_ms).max(1) as f64;
        LEFT + (at_ms - self.timeline.from_ms) as f64 / time * (RIGHT - LEFT)
    }

    fn spells(&self, body: &mut String, top: f64, bottom: f64) {
        for (spells, colour) in [(&self.timeline.slot_idle, IDLE), (&self.timeline.postgres_down, DOWN)] {
            for (from, to) in spells {
                let (x, width) = (self.x(*from), (self.x(*to) - self.x(*from)).max(0.5));
                let height = bottom - top;
                let _ = writeln!(
                    body,
                    "<rect x=\"{x:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{colour}\"/>"
                );
            }
        }
    }

    /// Times since the start, and a thin line at each.
    fn axis(&self, body: &mut String, top: f64, bottom: f64) {
        let time = self.timeline.to_ms - self.timeline.from_ms;
        let lengths = [1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000];
        let apart = lengths.into_iter().find(|length| time / length <= 12).unwrap_or(1_800_000);
        for at in (0..=time).step_by(apart as usize) {
            let x = self.x(self.timeline.from_ms + at);
            let label = format!("{}:{:02}", at / 60_000, at / 1000 % 60);
            let _ = writeln!(
                body,
                "<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#e3e7eb\" fill=\"none\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"{PALE}\">{label}</text>",
                bottom + 15.0
            );
        }
    }

    fn points(&self, series: &[u64], base: f64, scale: impl Fn(u64) -> f64) -> String {
        let mut points = String::new();
        for (number, n) in series.iter().enumerate() {
            let from = self.timeline.from_ms + self.step * number as i64;
            let to = (from + self.step).min(self.timeline.to_ms);
            let _ = write!(points, "H{:.1}V{:.1}H{:.1}", self.x(from), base - scale(*n), self.x(to));
        }
        points
    }

    fn area(&self, body: &mut String, series: &[u64], base: f64, scale: impl Fn(u64) -> f64, colour: &str) {
        let points = self.points(series, base, scale);
        let _ = writeln!(body, "<path d=\"M{LEFT} {base}{points}V{base}Z\" fill=\"{colour}\"/>");
    }

    fn line(&self, body: &mut String, series: &[u64], base: f64, scale: impl Fn(u64) -> f64, colour: &str) {
        let points = self.points(series, base, scale);
        let _ = writeln!(
            body,
            "<path d=\"M{LEFT} {base}{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.2\"/>"
        );
    }

    fn lane(&self, body: &mut String, top: f64, class: &str, times: &[i64], colour: &str) {
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} <tspan fill=\"{PALE}\">{}</tspan></text>",
            LEFT - 8.0,
            top + 11.0,
            escaped(class),
            times.len()
        );
        for at in times {
            let _ = writeln!(
                body,
                "<rect x=\"{:.1}\" y=\"{}\" width=\"2\" height=\"{}\" fill=\"{colour}\" fill-opacity=\"0.75\"/>",
                self.x(*at) - 1.0,
                top + 2.0,
                LANE - 4.0
            );
        }
    }
}

/// Name, base line and highest value of a strip.
fn strip(body: &mut String, top: f64, height: f64, name: &str, most: f64) {
    let base = top + height;
    let _ = writeln!(
        body,
        "<text x=\"{0}\" y=\"{1}\" text-anchor=\"end\" font-weight=\"bold\">{name}</text>\
         <text x=\"{0}\" y=\"{2}\" text-anchor=\"end\" fill=\"{PALE}\">most: {most:.0}</text>\
         <text x=\"{0}\" y=\"{3}\" text-anchor=\"end\" fill=\"{PALE}\">0</text>\
         <path d=\"M{LEFT} {base}H{RIGHT}\" stroke=\"{PALE}\" fill=\"none\"/>",
        LEFT - 8.0,
        top + 9.0,
        top + 24.0,
        base
    );
}

fn legend() -> String {
    let entries = [
        (COMMITTED, "committed in Postgres"),
        (DELIVERED, "committed in Kafka"),
        (ON_THEIR_WAY, "in Postgres and not yet in Kafka"),
        (DOWN, "Postgres does not answer"),
        (IDLE, "nobody reads from the slot"),
    ];
    let mut legend = String::new();
    let mut x = 20.0;
    for (colour, what) in entries {
        let _ = writeln!(
            legend,
            "<rect x=\"{x}\" y=\"36\" width=\"11\" height=\"11\" fill=\"{colour}\" stroke=\"#00000022\"/>\
             <text x=\"{}\" y=\"45.5\">{what}</text>",
            x + 16.0
        );
        x += 40.0 + 6.2 * what.len() as f64;
    }
    legend
}

/// By how much each is more than the one before it.
fn growth(reached: &[u64]) -> Vec<u64> {
    let before = [0].into_iter().chain(reached.iter().copied());
    reached.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
