//! Why an operation on a room is refused.

use super::credential::RefusedCredential;

/// Why an operation on a room was refused. The room is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// openmls refused it.
    #[error("MLS refused: {0}")]
    Mls(String),
    /// A leaf is not accepted.
    #[error(transparent)]
    Credential(#[from] RefusedCredential),
    /// Against the rules of rooms.
    #[error("expected {expected}, found {found}")]
    Rule {
        /// What the rule asks for.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// No room for another commit of this epoch; nothing is said of the commit itself.
    #[error("expected at most {max} commits for one epoch, found more")]
    Full {
        /// How many are kept.
        max: usize,
    },
    /// For another epoch than the current one.
    #[error("expected a message of epoch {expected}, found one of {found}")]
    Epoch {
        /// Ours.
        expected: u64,
        /// Its.
        found: u64,
    },
    /// The room's name is missing, too long or not UTF-8.
    #[error("expected a name of at most {} bytes of UTF-8, found {found} bytes", crate::MAX_ROOM_NAME_BYTES)]
    Name {
        /// Its length.
        found: usize,
    },
}

impl GroupError {
    pub(super) fn mls(error: impl std::fmt::Debug) -> Self {
        // openmls' errors name what failed; they carry no content and no keys.
        Self::Mls(crate::clip(&format!("{error:?}")))
    }

    pub(crate) fn rule(expected: &'static str, found: impl Into<String>) -> Self {
        Self::Rule { expected, found: found.into() }
    }
}
