//! Java's regular expressions (`java.util.regex.Pattern`, Java 17) in the words of fancy-regex.
//!
//! Enters: a pattern as it stands in a Debezium configuration. Leaves: a regex that matches what Java's would, or a
//! text that says which character is not understood. Nothing is passed on unread: each construct is parsed as Java
//! parses it and written in a form that means the same to fancy-regex, whose own extensions are thereby out of reach.
//! Promised: `\d \w \s \b`, POSIX classes and case-insensitivity are ASCII unless `(?u)` or `(?U)` ask for Unicode;
//! `. ^ $` know Java's line terminators. Not done here: `\X`, `\N{…}`, `\b{g}`, and Unicode blocks.

mod class;
mod parser;

use parser::{Parser, Token};

/// A regex that accepts a whole string, as `Matcher.matches()` does.
pub fn java_regex(pattern: &str, case_insensitive: bool) -> Result<fancy_regex::Regex, String> {
    translate(pattern, case_insensitive)?.whole()
}

/// A translated pattern and the groups that a replacement may refer to.
#[derive(Clone, Debug)]
pub(super) struct Translated {
    pattern: String,
    /// Number of capturing groups.
    pub(super) groups: usize,
    /// Named groups and their numbers.
    pub(super) names: Vec<(String, usize)>,
}

impl Translated {
    /// Anchored at both ends: `Matcher.matches()`.
    pub(super) fn whole(&self) -> Result<fancy_regex::Regex, String> {
        compile(&format!(r"\A(?:{})\z", self.pattern))
    }

    /// Not anchored: `Matcher.find()`.
    pub(super) fn anywhere(&self) -> Result<fancy_regex::Regex, String> {
        compile(&self.pattern)
    }
}

/// Reads `pattern` as Java does.
pub(super) fn translate(pattern: &str, case_insensitive: bool) -> Result<Translated, String> {
    Parser::new(unquote(pattern), case_insensitive).translate()
}

/// Resolves `\Q…\E`, wherever it stands.
fn unquote(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut quoted = false;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match (c, next) {
            ('\\', Some('E')) if quoted => {
                quoted = false;
                chars.next();
            }
            ('\\', Some('Q')) if !quoted => {
                quoted = true;
                chars.next();
            }
            // An escaped backslash does not begin a quotation.
            ('\\', Some(escaped)) if !quoted => {
                tokens.extend([c, escaped].map(|c| Token { c, quoted: false }));
                chars.next();
            }
            _ => tokens.push(Token { c, quoted }),
        }
    }
    tokens
}

fn compile(pattern: &str) -> Result<fancy_regex::Regex, String> {
    use fancy_regex::{Error, ParseError};
    fancy_regex::Regex::new(pattern).map_err(|error| match error {
        Error::ParseError(_, ParseError::TargetNotRepeatable) => {
            "an assertion cannot be repeated; leave its `?`, `*`, `+` or `{…}` out".to_owned()
        }
        error => format!("not supported: {error}"),
    })
}

#[cfg(test)]
mod tests;
