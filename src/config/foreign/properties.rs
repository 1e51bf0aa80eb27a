//! Entries as Java's properties, which read back as what they were.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The file as properties, with these lines of comment above.
pub fn as_properties(comment: &str, file: &BTreeMap<String, String>) -> String {
    let mut text = comment.lines().fold(String::new(), |text, line| text + "# " + line + "\n");
    for (key, value) in file {
        let _ = writeln!(text, "{}={}", escaped(key, true), escaped(value, false));
    }
    text
}

fn escaped(text: &str, is_key: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, letter) in text.chars().enumerate() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            '\\' => out.push_str("\\\\"),
            ' ' if is_key || at == 0 => out.push_str("\\ "),
            '=' | ':' if is_key => out.extend(['\\', letter]),
            '#' | '!' if is_key && at == 0 => out.extend(['\\', letter]),
            _ => out.push(letter),
        }
    }
    out
}
