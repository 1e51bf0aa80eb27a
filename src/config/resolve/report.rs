//! What was found wrong or worth knowing so far.

use crate::config::catalog::Property;
use crate::config::problem::{Notice, Problem, Problems};
use crate::config::raw::{Entry, Origin};
use std::path::Path;

/// Collects problems and notices.
pub(super) struct Report {
    file: Origin,
    problems: Vec<Problem>,
    notices: Vec<Notice>,
}

impl Report {
    /// Begins with what reading the files found; `config` is where what is missing should have been.
    pub(super) fn new(config: &Path, problems: Vec<Problem>, notices: Vec<Notice>) -> Report {
        let file = Origin { file: config.display().to_string().into(), line: 0 };
        Report { file, problems, notices }
    }

    /// Something is wrong with an entry.
    pub(super) fn wrong(&mut self, entry: &Entry, what: impl Into<String>, instead: impl Into<String>) {
        self.problems.push(Problem::of(entry, what, instead));
    }

    /// Something is missing; unless it was written, and is reported for what was wrong with it.
    pub(super) fn missing(&mut self, key: &str, what: impl Into<String>, instead: impl Into<String>) {
        if self.problems.iter().any(|problem| problem.key == key && problem.origin.line > 0) {
            return;
        }
        self.problems.push(Problem {
            origin: self.file.clone(),
            key: key.to_owned(),
            value: None,
            what: what.into(),
            instead: instead.into(),
        });
    }

    /// A property that must be there is not.
    pub(super) fn required(&mut self, property: &Property, key: &str) {
        self.missing(key, "it is missing", format!("write {key}=… ({})", property.doc.trim_end_matches('.')));
    }

    /// An entry changes nothing.
    pub(super) fn ignored(&mut self, entry: &Entry, why: &str) {
        self.notices.push(Notice::ignored(entry, why));
    }

    /// Something is worth knowing.
    pub(super) fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    pub(super) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Everything that is wrong, and what is worth knowing beside.
    pub(super) fn into_both(self) -> (Problems, Vec<Notice>) {
        let Report { file, problems, notices } = self;
        let rest = Report { file, problems: Vec::new(), notices };
        (Problems::sorted(problems), rest.into_notices())
    }

    /// Each once, by file and line; what was not written first.
    pub(super) fn into_notices(self) -> Vec<Notice> {
        let mut notices = self.notices;
        notices.sort_by(|left, right| (&left.origin, &left.key).cmp(&(&right.origin, &right.key)));
        notices.dedup();
        notices
    }
}
