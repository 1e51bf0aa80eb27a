//! What of a payload does not fit its schema: a path and what is wrong there, never a value.

use std::fmt::Write as _;

/// What does not fit, and where.
#[derive(Debug)]
pub(in crate::encode) struct Mismatch {
    what: String,
    /// From the innermost outwards.
    path: Vec<Step>,
}

/// One step of a path.
#[derive(Debug)]
pub(in crate::encode) enum Step {
    /// A field, by its name.
    Field(String),
    /// An item, by its place.
    Item(usize),
    /// A key of a map is data, and is not told.
    Value,
}

impl Mismatch {
    /// What does not fit, as it goes on after the path.
    pub(in crate::encode) fn new(what: impl Into<String>) -> Box<Mismatch> {
        Box::new(Mismatch { what: what.into(), path: Vec::new() })
    }

    /// It is within this.
    pub(in crate::encode) fn within(mut self: Box<Mismatch>, step: Step) -> Box<Mismatch> {
        self.path.push(step);
        self
    }

    /// `$.lines[2].price is text, not a long`.
    pub(in crate::encode) fn detail(&self) -> String {
        let mut detail = "$".to_owned();
        for step in self.path.iter().rev() {
            let _ = match step {
                Step::Field(name) => write!(detail, ".{name}"),
                Step::Item(number) => write!(detail, "[{number}]"),
                Step::Value => write!(detail, "{{}}"),
            };
        }
        format!("{detail} {}", self.what)
    }
}
