//! The file of one case.

use serde::{Deserialize, Serialize};

use crate::files::InFile;

/// What a person has and is given, and what must come of it. See `tests/vectors/policy-update/README.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateVector {
    /// The file's name without `.json`: the rule and the fault.
    pub(crate) name: String,
    /// `ok`, or the rule that must be named.
    pub(crate) rule: String,
    pub(crate) description: String,
    /// The trust policy in force: canonical JSON.
    pub(crate) current: String,
    /// The bytes of the update, which are text in all cases.
    pub(crate) update: String,
    /// What a good one says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) says: Option<Says>,
    /// What is signed and what is logged, byte by byte.
    pub(crate) annotated: Vec<String>,
}

/// What verification found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Says {
    pub(crate) number: u64,
    /// Of the new version: SHA-256 of its text.
    pub(crate) fingerprint: String,
    /// Seconds since the epoch.
    pub(crate) logged_at: u64,
    /// Whether the person must have seen it first.
    pub(crate) asks: bool,
}

impl InFile for UpdateVector {
    const FOLDER: &'static str = "policy-update";

    fn name(&self) -> &str {
        &self.name
    }

    fn rule(&self) -> &str {
        &self.rule
    }
}
