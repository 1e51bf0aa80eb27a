//! What commands print on stdout: tables for people, one JSON object for programs.

use super::context::Output;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write};

/// The version of the JSON that commands print. It changes when a field changes its meaning or goes.
const SCHEMA_VERSION: u64 = 1;

/// Where results go, and in which form.
pub struct Console {
    output: Output,
    colorful: bool,
    terminal: bool,
}

/// A colour with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Worth a look.
    Doubtful,
    /// Something is wrong.
    Bad,
}

impl Console {
    pub(super) fn new(output: Output, colorful: bool) -> Console {
        Console { output, colorful, terminal: std::io::stdout().is_terminal() }
    }

    /// Programs read the results.
    pub fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// Colours are wanted, where there is a terminal.
    pub fn colorful(&self) -> bool {
        self.colorful
    }

    /// Prints one JSON object: `schema_version` and `content` under `name`.
    pub fn json(&self, name: &str, content: &impl Serialize) {
        self.json_object(json!({ name: content }));
    }

    /// Prints one JSON object: `schema_version` and the members of `object`.
    pub fn json_object(&self, object: Value) {
        let mut whole = Map::from_iter([("schema_version".to_owned(), SCHEMA_VERSION.into())]);
        if let Value::Object(members) = object {
            whole.extend(members);
        }
        // Keys are strings and numbers finite: there is nothing to fail.
        self.print(&serde_json::to_string_pretty(&whole).unwrap_or_default());
    }

    /// Prints a table: framed on a terminal, plain columns elsewhere, so that `awk` and `grep` can read it.
    pub fn table(&self, header: &[&str], rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        if self.terminal {
            table.load_style(presets::UTF8_FULL_CONDENSED);
            table.set_content_arrangement(ContentArrangement::Disabled);
        } else {
            table.load_style(presets::NOTHING);
        }
        table.set_header(header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        table.add_rows(rows);
        if !self.terminal {
            table.column_iter_mut().for_each(|column| {
                column.set_padding((0, 1));
            });
        }
        self.print(&table.trim_fmt());
    }

    /// Prints names and values, one pair a line.
    pub fn pairs(&self, pairs: &[(&str, String)]) {
        let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in pairs {
            self.print(format!("{name:width$}  {value}").trim_end());
        }
    }

    /// Prints a line. A reader that has left (`| head`) is no error.
    pub fn print(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// Says something to the person at the terminal: on stderr, so that it is never taken for data.
    pub fn say(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// The text in its colour, where there are colours.
    pub fn toned(&self, tone: Tone, text: &str) -> String {
        if !(self.colorful && self.terminal) {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => 32,
            Tone::Doubtful => 33,
            Tone::Bad => 31,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// A number of bytes for people: `1.5 GiB`.
pub fn bytes(count: i64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count.unsigned_abs() < 1024 {
        return format!("{count} B");
    }
    let mut size = count as f64;
    let mut unit = "B";
    for next in units {
        if size.abs() < 1023.95 && unit != "B" {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    format!("{size:.1} {unit}")
}

/// What there is, or a dash.
pub fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_572_864, "1.5 MiB"),
            (1_073_741_823, "1.0 GiB"),
            (-2048, "-2.0 KiB"),
            (i64::MAX, "8192.0 PiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
