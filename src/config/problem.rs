//! What is wrong with a configuration, and what is worth knowing about one that is right.

use super::raw::{Entry, Origin};
use std::fmt;

/// One thing that is wrong: where, what, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written; line 0: something is missing from the file.
    pub origin: Origin,
    /// The key; empty when the file itself is the matter.
    pub key: String,
    /// The value, masked if it is a secret.
    pub value: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub instead: String,
}

/// Everything that is wrong, by file and line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

/// Something worth knowing: a key without effect and why, a default that differs from Debezium's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The key.
    pub key: String,
    /// The value, masked if it is a secret; `None` when the key was not written.
    pub value: Option<String>,
    /// Where it was written.
    pub origin: Option<Origin>,
    /// What there is to know.
    pub text: String,
}

const IGNORED: &str = "ignored: ";

impl Problem {
    /// Something is wrong with an entry.
    pub(super) fn of(entry: &Entry, what: impl Into<String>, instead: impl Into<String>) -> Problem {
        Problem {
            origin: entry.origin.clone(),
            key: entry.key.clone(),
            value: Some(entry.shown()),
            what: what.into(),
            instead: instead.into(),
        }
    }
}

impl Problems {
    /// By file and line, what is missing before what is wrong.
    pub(super) fn sorted(mut problems: Vec<Problem>) -> Problems {
        problems.sort_by(|left, right| (&left.origin, &left.key).cmp(&(&right.origin, &right.key)));
        problems.dedup();
        Problems(problems)
    }
}

impl Notice {
    /// Whether it is about a key that changes nothing.
    pub fn is_ignored(&self) -> bool {
        self.text.starts_with(IGNORED)
    }

    /// The text, without the word that it changes nothing.
    pub fn reason(&self) -> &str {
        self.text.strip_prefix(IGNORED).unwrap_or(&self.text)
    }

    /// An entry that changes nothing.
    pub(super) fn ignored(entry: &Entry, why: &str) -> Notice {
        Notice::about(entry, format!("{IGNORED}{why}"))
    }

    /// Something about an entry.
    pub(super) fn about(entry: &Entry, text: impl Into<String>) -> Notice {
        Notice {
            key: entry.key.clone(),
            value: Some(entry.shown()),
            origin: Some(entry.origin.clone()),
            text: text.into(),
        }
    }

    /// Something about a key that was not written.
    pub(super) fn absent(key: &str, text: impl Into<String>) -> Notice {
        Notice { key: key.to_owned(), value: None, origin: None, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.what)?;
        if !self.instead.is_empty() {
            write!(f, "; {}", self.instead)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}", self.text)
    }
}
