//! Structured logs, as text or JSON, on stderr: stdout belongs to data.
//!
//! librdkafka's own words come through as the target `librdkafka`. Its errors are about single connections, which it
//! makes again by itself; what they mean for the connector is logged by the connector, so `warn` shows them and `info`
//! keeps its chatter out. A command that does one thing ends with what they mean, and shows them when asked for more.

use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Text or JSON.
    pub format: Format,
    /// A level (`info`) or tracing directives (`info,walpost::source=debug`); `None`: `info`.
    pub level: Option<String>,
    /// Colours, where stderr is a terminal.
    pub color: bool,
    /// A command that does one thing: up to `warn`, librdkafka is not heard.
    pub brief: bool,
}

/// The level is neither a level nor a list of directives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{level:?} is not a log level: {why}; write error, warn, info, debug or trace")]
pub struct LevelError {
    level: String,
    why: String,
}

/// Sends everything that is logged from here on to stderr. A second call changes nothing.
pub fn init(options: &Options) -> Result<(), LevelError> {
    let color = options.color && std::io::stderr().is_terminal();
    let subscriber = subscriber(options, color, std::io::stderr)?;
    // An error means that somebody else (a test) logs already.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

fn subscriber<W>(
    options: &Options,
    color: bool,
    writer: W,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, LevelError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(filter(options)?).with_writer(writer);
    Ok(match options.format {
        Format::Text => Box::new(lines.with_ansi(color).finish()),
        Format::Json => Box::new(lines.json().flatten_event(true).with_current_span(false).finish()),
    })
}

/// A bare level speaks of walpost; the crates beneath it stay at `warn` unless a directive names them.
fn filter(options: &Options) -> Result<EnvFilter, LevelError> {
    let level = options.level.as_deref().map(str::trim).filter(|level| !level.is_empty()).unwrap_or("info");
    let directives = match level.parse::<LevelFilter>() {
        Ok(bare) if options.brief && bare <= LevelFilter::WARN => {
            format!("warn,librdkafka=off,walpost={level}")
        }
        Ok(_) => format!("warn,walpost={level}"),
        Err(_) => level.to_owned(),
    };
    let directives = if level.eq_ignore_ascii_case("off") { "off".to_owned() } else { directives };
    EnvFilter::try_new(&directives)
        .map_err(|error| LevelError { level: level.to_owned(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, level: &str) -> String {
        logged_by(&Options { format, level: Some(level.into()), ..Options::default() })
    }

    fn logged_by(options: &Options) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(options, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "walpost::x", lsn = %"0/1", "published");
            tracing::debug!(target: "walpost::x", "detail");
            tracing::info!(target: "librdkafka", "chatter");
            tracing::warn!(target: "librdkafka", "trouble");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_with_fields_at_the_top() {
        let text = logged(Format::Json, "info");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!((&lines[0]["message"], &lines[0]["lsn"]), (&"published".into(), &"0/1".into()));
    }

    #[test]
    fn a_bare_level_speaks_of_walpost_and_leaves_libraries_at_warn() {
        let text = logged(Format::Text, "debug");
        assert!(text.contains("published") && text.contains("detail") && text.contains("trouble"), "{text}");
        assert!(!text.contains("chatter"), "{text}");
        let text = logged(Format::Text, "error");
        assert!(!text.contains("published") && text.contains("trouble"), "{text}");
        assert_eq!(logged(Format::Text, "off"), "");
    }

    #[test]
    fn a_command_that_does_one_thing_shows_librdkafka_only_when_asked_for_more_than_warnings() {
        for (level, heard) in [
            ("error", false),
            ("warn", false),
            ("info", true),
            ("debug", true),
            ("warn,walpost=warn", true),
            ("librdkafka=error", false),
        ] {
            let text = logged_by(&Options { level: Some(level.into()), brief: true, ..Options::default() });
            assert_eq!(text.contains("trouble"), heard, "{level}: {text}");
        }
    }

    #[test]
    fn directives_are_taken_as_they_are() {
        let text = logged(Format::Text, "warn,librdkafka=info");
        assert!(text.contains("chatter") && !text.contains("published"), "{text}");
    }

    #[test]
    fn what_is_no_level_is_refused_with_the_levels_there_are() {
        let options = Options { level: Some("walpost=loud".into()), ..Options::default() };
        assert!(filter(&options).unwrap_err().to_string().contains("info, debug or trace"));
    }
}
