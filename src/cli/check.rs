//! One finding: what was looked at, whether it is well, and what to do if it is not.

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Finding {
    /// As it should be.
    Ok,
    /// It could not be looked at, because something before it failed.
    Skipped,
    /// It works, but is worth a look.
    Warn,
    /// It does not work.
    Fail,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// `part.matter`, stable: programs look for it.
    pub name: &'static str,
    /// How it came out.
    pub finding: Finding,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

impl Check {
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Check {
        Check { name, finding: Finding::Ok, detail: detail.into(), hint: String::new() }
    }

    pub(super) fn warn(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Check {
        Check { name, finding: Finding::Warn, detail: detail.into(), hint: hint.into() }
    }

    pub(super) fn fail(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Check {
        Check { name, finding: Finding::Fail, detail: detail.into(), hint: hint.into() }
    }

    pub(super) fn skipped(name: &'static str, why: impl Into<String>) -> Check {
        Check { name, finding: Finding::Skipped, detail: why.into(), hint: String::new() }
    }

    /// A failure, as a check that failed.
    pub(super) fn failed(name: &'static str, failure: &crate::error::Failure) -> Check {
        let detail = match failure.detail.as_str() {
            "" => failure.what.clone(),
            detail => format!("{}; {detail}", failure.what),
        };
        Check::fail(name, detail, failure.hint.clone())
    }
}
