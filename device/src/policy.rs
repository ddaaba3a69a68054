//! Updates of pinned trust policies: fetched, verified version by version, and taken only by the caller's word.

use identity::trust::{PolicyUpdate, VerifiedUpdate};
use identity::verify::VerifyError;

use crate::PinnedPolicy;
use crate::https::{self, FetchError};

/// More versions than this are not fetched at once.
const MAX_VERSIONS: usize = 64;

/// Why no updates were fetched, or what came is none.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The policy does not say where its updates are.
    #[error("the trust policy {name:?} does not say where its updates are")]
    NoAddress {
        /// The policy's name.
        name: String,
    },
    /// The server was not reached, or answered something else.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What it serves is not the next version.
    #[error("{url} serves what is not the next version: {error}")]
    Refused {
        /// From where it came.
        url: String,
        /// The rule that it breaks.
        error: VerifyError,
    },
}

/// A version that was fetched and verified, not yet taken.
#[derive(Debug, Clone)]
pub struct Update {
    /// As it came.
    pub document: PolicyUpdate,
    /// What it changes.
    pub verified: VerifiedUpdate,
}

/// Every version after the one in force, in order, from `from` or from where the policy says.
pub async fn fetch_updates(pinned: &PinnedPolicy, from: Option<&str>) -> Result<Vec<Update>, UpdateError> {
    let mut current = pinned.policy.clone();
    let mut updates = Vec::new();
    while updates.len() < MAX_VERSIONS {
        let no_address = || UpdateError::NoAddress { name: current.name.clone() };
        let base = from.or(current.updates.as_deref()).ok_or_else(no_address)?.trim_end_matches('/');
        let url = format!("{base}/{}", current.number + 1);
        let Some(bytes) = https::fetch_policy_update(&url).await? else { break };
        let refused = |error| UpdateError::Refused { url: url.clone(), error };
        let document = PolicyUpdate::parse(&bytes).map_err(refused)?;
        let verified = document.verify(&current).map_err(refused)?;
        current = verified.clone().take_confirmed();
        updates.push(Update { document, verified });
    }
    Ok(updates)
}
