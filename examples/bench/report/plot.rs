//! What the pictures are drawn with: SVG written by hand, readable on white.

use crate::contenders::Contender;
use std::fmt::Write as _;

pub const INK: &str = "#24303c";
pub const PALE: &str = "#6b7885";
pub const GRID: &str = "#e3e7eb";

pub fn colour(contender: Contender) -> &'static str {
    match contender {
        Contender::PgRecvlogical => "#8a97a3",
        Contender::PerfTool => "#c2cad1",
        Contender::Librdkafka => "#a9cdea",
        Contender::Walpost => "#1c5fa6",
        Contender::WalpostAvro => "#6d7fc4",
        Contender::DebeziumExactlyOnce => "#c0392b",
        Contender::DebeziumAtLeastOnce => "#e8a04c",
    }
}

/// Where a text's point is.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that grows.
pub struct Picture {
    width: f64,
    body: String,
}

impl Picture {
    pub fn new(width: f64, title: &str) -> Picture {
        let mut picture = Picture { width, body: String::new() };
        let title = escaped(title);
        let _ = writeln!(
            picture.body,
            "<text x=\"20\" y=\"28\" font-size=\"15\" font-weight=\"bold\">{title}</text>"
        );
        picture
    }

    pub fn text(&mut self, x: f64, y: f64, anchor: Anchor, colour: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>"
        );
    }

    pub fn heading(&mut self, x: f64, y: f64, text: &str) {
        let text = escaped(text);
        let _ = writeln!(self.body, "<text x=\"{x:.1}\" y=\"{y:.1}\" font-weight=\"bold\">{text}</text>");
    }

    pub fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, colour: &str) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
        );
    }

    pub fn line(&mut self, points: &[(f64, f64)], colour: &str, thickness: f64) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        let _ = writeln!(
            self.body,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{thickness}\"/>"
        );
    }

    /// A filled disc, or a ring.
    pub fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: &str, is_full: bool) {
        let fill = if is_full { colour } else { "#ffffff" };
        let _ = writeln!(
            self.body,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        );
    }

    pub fn finish(self, height: f64) -> String {
        let Picture { width, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"12\" \
             fill=\"{INK}\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
        )
    }
}

/// A logarithmic scale between whole powers of ten.
pub struct Decades {
    from: i32,
    to: i32,
}

impl Decades {
    /// Around these figures; none around none.
    pub fn around(figures: impl IntoIterator<Item = f64>) -> Option<Decades> {
        let logs = figures.into_iter().filter(|figure| *figure > 0.0).map(f64::log10);
        let (least, most) = logs
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), log| (least.min(log), most.max(log)));
        let (from, to) = (least.floor() as i32, most.ceil() as i32);
        least.is_finite().then(|| Decades { from, to: to.max(from + 1) })
    }

    /// From 0 to 1.
    pub fn share(&self, figure: f64) -> f64 {
        (figure.max(1e-9).log10() - f64::from(self.from)) / f64::from(self.to - self.from)
    }

    /// Each power of ten.
    pub fn marks(&self) -> impl Iterator<Item = f64> + use<> {
        (self.from..=self.to).map(|power| 10f64.powi(power))
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
