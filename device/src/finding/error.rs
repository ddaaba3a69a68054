//! Why somebody is not found, and what to try.

/// Why it is not known where somebody is found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// Nobody could be believed.
    #[error("expected an authority that may certify {who}, found none in the trust policies that are pinned here")]
    NoAuthority {
        /// Who is looked for.
        who: String,
    },
    /// Who may certify her is not the one she is known by (TRUST-06).
    #[error(
        "{who} is known by {known_by}: expected a pinned trust policy by which that authority may certify them, found \
         only others: {others}"
    )]
    KnownByAnother {
        /// Who is looked for.
        who: String,
        /// The authority she is known by.
        known_by: String,
        /// Those that may certify her.
        others: String,
    },
    /// It is said nowhere.
    #[error(
        "expected a directory of {of}, found none: the trust policy names none, and there is no SRV record {record}"
    )]
    NoDirectory {
        /// The domain, or the number.
        of: String,
        /// Where it could be said.
        record: String,
    },
    /// RFC 2782: a target of "." means that the service is decidedly not available at this domain.
    #[error("{domain} has no directory, and says so: the target of its SRV record {record} is \".\"")]
    Unavailable {
        /// The domain.
        domain: String,
        /// Where it says so.
        record: String,
    },
    /// The domain name system was not heard.
    #[error("the SRV record {record} could not be looked up: {reason}")]
    NotAnswered {
        /// What was asked for.
        record: String,
        /// What the resolvers said.
        reason: String,
    },
}

impl FindError {
    /// What to try.
    pub fn remedy(&self) -> String {
        let fixed = match self {
            Self::NoAuthority { .. } => {
                "take their contact card (`certtool trust add CARD`), or pin the policy of their home server; then start again"
            }
            Self::KnownByAnother { who, .. } => {
                return format!(
                    "ask them, not over this connection, who certifies them now; if it is one of those, `certtool trust \
                     unbind {who}`, else pin the policy of their home server again"
                );
            }
            Self::NoDirectory { .. } => "ask for their contact card, which says where they are found",
            Self::Unavailable { .. } => {
                "ask them where else they are found; a contact card from there says it to this program"
            }
            Self::NotAnswered { .. } => {
                "it is tried again by itself; look at the network, name other resolvers with --resolver, or ask for their \
                 contact card, which says where they are found"
            }
        };
        fixed.to_owned()
    }
}
