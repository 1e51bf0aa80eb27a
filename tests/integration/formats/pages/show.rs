//! Records as a page shows them: text as text, anything else in hexadecimal digits, and in front of both what frames them.

use crate::support::Record;
use std::fmt::Write as _;

/// How a key or a value is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// It is not.
    None,
    /// Magic byte and schema id, before JSON.
    Json,
    /// The same before anything else.
    Bytes,
    /// These, and which message of the file.
    Message,
}

/// What a letter says of why it is one; where its row was committed differs from run to run.
const REASONS: [&str; 4] = ["outbox.dlt.reason", "outbox.dlt.stage", "outbox.dlt.detail", "outbox.dlt.topic"];

pub(super) fn record(record: &Record, key: Framing, value: Framing) -> String {
    let mut lines = Lines::default();
    lines.add("topic", &record.topic);
    lines.add("partition", &record.partition.to_string());
    lines.bytes("key", record.key.as_deref(), key);
    for (name, value) in &record.headers {
        lines.add("header", &format!("{name}: {}", text_of(value.as_deref())));
    }
    lines.bytes("value", record.value.as_deref(), value);
    lines.text
}

pub(super) fn letter(letter: &Record) -> String {
    let mut lines = Lines::default();
    lines.add("topic", &letter.topic);
    lines.bytes("key", letter.key.as_deref(), Framing::None);
    for (name, value) in letter.headers.iter().filter(|(name, _)| REASONS.contains(&name.as_str())) {
        lines.add("header", &format!("{name}: {}", text_of(value.as_deref())));
    }
    lines.bytes("value", letter.value.as_deref(), Framing::None);
    lines.text
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn add(&mut self, name: &str, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let _ = write!(self.text, "{}", format!("{name:<11}{text}").trim_end());
    }

    fn bytes(&mut self, name: &str, bytes: Option<&[u8]>, framing: Framing) {
        let Some(bytes) = bytes else { return self.add(name, "(null)") };
        if framing == Framing::None {
            return if is_text(bytes) {
                self.add(name, &text_of(Some(bytes)))
            } else {
                self.dump(name, bytes)
            };
        }
        assert!(bytes.len() >= 5 && bytes[0] == 0, "not framed: {bytes:02x?}");
        let id = u32::from_be_bytes(bytes[1..5].try_into().expect("four bytes"));
        self.noted(name, &bytes[..1], "magic byte");
        self.noted("", &bytes[1..5], &format!("schema id {id}"));
        match framing {
            Framing::Json => self.add("", &text_of(Some(&bytes[5..]))),
            Framing::Message => {
                let end = 5 + self.message(&bytes[5..]);
                self.dump("", &bytes[end..]);
            }
            _ => self.dump("", &bytes[5..]),
        }
    }

    /// Which message of the file: how many numbers, then the numbers, zigzag; 0 alone for the first. Where it ends.
    fn message(&mut self, bytes: &[u8]) -> usize {
        let small = |byte: u8| (byte < 0x80).then_some(usize::from(byte >> 1)).expect("a small number");
        let count = small(bytes[0]);
        let path: Vec<_> = bytes[1..=count].iter().map(|byte| small(*byte).to_string()).collect();
        let note = match path.as_slice() {
            [] => "the first message of the file".to_owned(),
            path => format!("message {} of the file, counted from 0", path.join(".")),
        };
        self.noted("", &bytes[..=count], &note);
        count + 1
    }

    fn noted(&mut self, name: &str, bytes: &[u8], note: &str) {
        self.add(name, &format!("{:<49}{note}", hex(bytes)));
    }

    fn dump(&mut self, name: &str, bytes: &[u8]) {
        for (row, bytes) in bytes.chunks(16).enumerate() {
            let letters: String = bytes
                .iter()
                .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { *byte as char } else { '.' })
                .collect();
            self.noted(if row == 0 { name } else { "" }, bytes, &format!("|{letters}|"));
        }
    }
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}

fn text_of(bytes: Option<&[u8]>) -> String {
    match bytes.map(std::str::from_utf8) {
        None => "(null)".to_owned(),
        Some(Ok("")) => "(empty)".to_owned(),
        Some(Ok(text)) => text.to_owned(),
        Some(Err(_)) => hex(bytes.expect("bytes")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
