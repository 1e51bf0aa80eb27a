//! A page as its fenced blocks and what stands between them.

use std::fmt::Write as _;

/// A piece of a page.
pub(super) enum Part {
    /// Lines between blocks, each with its end.
    Prose(String),
    /// What stands behind the opening fence, and the lines down to the closing one.
    Block {
        /// The language, and what the block is for.
        info: String,
        /// Without the last line's end; empty without lines.
        body: String,
    },
}

pub(super) fn parse(page: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut lines = page.lines();
    let mut prose = String::new();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            prose.push_str(line);
            prose.push('\n');
            continue;
        };
        parts.push(Part::Prose(std::mem::take(&mut prose)));
        let mut body: Vec<&str> = Vec::new();
        loop {
            match lines.next().unwrap_or_else(|| panic!("no end of ```{info}")) {
                "```" => break,
                line => body.push(line),
            }
        }
        parts.push(Part::Block { info: info.to_owned(), body: body.join("\n") });
    }
    parts.push(Part::Prose(prose));
    parts
}

/// The page that has these parts.
pub(super) fn text(parts: &[Part]) -> String {
    let mut page = String::new();
    for part in parts {
        let _ = match part {
            Part::Prose(text) => write!(page, "{text}"),
            Part::Block { info, body } if body.is_empty() => writeln!(page, "```{info}\n```"),
            Part::Block { info, body } => writeln!(page, "```{info}\n{body}\n```"),
        };
    }
    page
}
