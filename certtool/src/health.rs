//! What is not as it should be on this computer, each with the command that mends it: for `doctor`, and in part for `status`.

pub(crate) mod authority;
pub(crate) mod files;
pub(crate) mod surroundings;
pub(crate) mod watch;

use serde::Serialize;

use crate::failure::Failure;
use crate::output::Page;

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What it is about, in one word.
    pub(crate) about: &'static str,
    /// Whether something is wrong, or this is only good to know.
    pub(crate) wrong: bool,
    pub(crate) what: String,
    /// The command that mends it, or what to do.
    pub(crate) mend: String,
}

impl Finding {
    /// Something is wrong.
    pub(crate) fn wrong(about: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { about, wrong: true, what: what.into(), mend: mend.into() }
    }

    /// Good to know.
    pub(crate) fn note(about: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { wrong: false, ..Self::wrong(about, what, mend) }
    }

    /// What kept something from being looked at is wrong, too.
    pub(crate) fn failed(about: &'static str, failure: Failure) -> Self {
        Self::wrong(about, failure.what, failure.remedy)
    }

    pub(crate) fn on(&self, page: &mut Page) {
        page.field(self.about, &self.what);
        if !self.mend.is_empty() {
            page.field("", format!("→ {}", self.mend));
        }
    }
}
