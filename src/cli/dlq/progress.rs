//! How a replay or purge goes, on one line of a terminal; nothing anywhere else.

use crate::dlq::Progress;
use crate::error::Failure;
use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Waits for `work`, and tells a person at a terminal how it goes.
pub(super) async fn watched<T>(
    progress: &Progress,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let is_terminal = std::io::stderr().is_terminal();
    let began = Instant::now();
    let mut work = std::pin::pin!(work);
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            result = &mut work => {
                if is_terminal {
                    let _ = write!(std::io::stderr(), "\r\u{1b}[2K");
                }
                return result;
            }
            _ = tick.tick() => if is_terminal {
                let text = text(progress, began.elapsed().as_secs_f64());
                let _ = write!(std::io::stderr(), "\r\u{1b}[2K{text}");
            }
        }
    }
}

fn text(progress: &Progress, seconds: f64) -> String {
    let [chosen, done, stayed] =
        [&progress.chosen, &progress.done, &progress.stayed].map(|count| count.load(Ordering::Relaxed));
    if chosen == 0 {
        return "reading the dead letters".to_owned();
    }
    let per_second = done as f64 / seconds.max(0.001);
    let stayed = if stayed > 0 { format!(", {stayed} stay") } else { String::new() };
    format!("{done} of {chosen} letters{stayed}, {per_second:.0} a second")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_says_what_it_does() {
        let progress = Progress::default();
        assert_eq!(text(&progress, 1.0), "reading the dead letters");
        progress.chosen.store(900, Ordering::Relaxed);
        progress.done.store(500, Ordering::Relaxed);
        assert_eq!(text(&progress, 2.0), "500 of 900 letters, 250 a second");
        progress.stayed.store(3, Ordering::Relaxed);
        assert_eq!(text(&progress, 2.0), "500 of 900 letters, 3 stay, 250 a second");
    }
}
