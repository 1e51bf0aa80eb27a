//! How a comparison goes, on one line of a terminal; nothing anywhere else.

use crate::verify::Progress;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The line.
pub(in crate::cli) struct Line {
    is_terminal: bool,
    began: Instant,
    is_shown: bool,
}

impl Line {
    pub(in crate::cli) fn new() -> Line {
        Line { is_terminal: std::io::stderr().is_terminal(), began: Instant::now(), is_shown: false }
    }

    /// Writes it anew.
    pub(in crate::cli) fn show(&mut self, progress: &Progress) {
        if self.is_terminal {
            self.is_shown = true;
            let text = text(progress, self.began.elapsed().as_secs_f64());
            let _ = write!(std::io::stderr(), "\r\u{1b}[2K{text}");
        }
    }

    /// Takes it away.
    pub(in crate::cli) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(std::io::stderr(), "\r\u{1b}[2K");
        }
    }
}

fn text(progress: &Progress, seconds: f64) -> String {
    let [rows, records, expected, compared] =
        [&progress.rows, &progress.records, &progress.expected, &progress.compared]
            .map(|count| count.load(Ordering::Relaxed));
    if compared > 0 {
        return format!("{rows} rows, {records} records; comparing");
    }
    if rows + records == 0 {
        return "waiting for the connector to come to the moment of the snapshot".to_owned();
    }
    let per_second = (rows + records) as f64 / seconds.max(0.001);
    format!("{rows} rows, {records} of at most {expected} records, {per_second:.0} a second")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_says_what_it_does() {
        let progress = Progress::default();
        assert!(text(&progress, 1.0).starts_with("waiting"));
        progress.rows.store(600, Ordering::Relaxed);
        progress.records.store(400, Ordering::Relaxed);
        progress.expected.store(900, Ordering::Relaxed);
        assert_eq!(text(&progress, 2.0), "600 rows, 400 of at most 900 records, 500 a second");
        progress.compared.store(1, Ordering::Relaxed);
        assert_eq!(text(&progress, 2.0), "600 rows, 400 records; comparing");
    }
}
