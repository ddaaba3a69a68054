//! Why an operation on a room is refused.

use identity::Identifier;

use super::credential::RefusedCredential;
use crate::api::Role;

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
    /// A member has done what her role does not allow (rule R-19).
    #[error("{who} is {is} of this room and may not {what}: that takes {needs}")]
    Role {
        /// Who.
        who: Identifier,
        /// What she has done.
        what: &'static str,
        /// The least role that may.
        needs: Role,
        /// Hers.
        is: Role,
    },
    /// A member has done what nobody may (rule R-20).
    #[error("a change by {who} is none that members may make: {what}")]
    Improper {
        /// Who.
        who: Identifier,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A member's commit puts a certificate into her leaf that is not accepted.
    #[error("the certificate that {who} has brought into the room is refused: {why}")]
    Leaf {
        /// Who.
        who: Identifier,
        /// What is wrong with it.
        why: String,
    },
    /// No room for another commit of this epoch; nothing is said of the commit itself.
    #[error("expected at most {max} commits for one epoch, found more")]
    Full {
        /// How many are kept.
        max: usize,
    },
    /// What was sealed is of a kind that a later version of the program has.
    #[error("expected a text, a reaction, an edit or a deletion, found what a later version of the program has")]
    UnknownKind,
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
