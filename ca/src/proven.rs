//! An identifier whose control was proven. Labels are computed, and certificates planned, for nothing else.

use identity::{Identifier, UnixTime};

use crate::store::{Authorization, AuthorizationStatus};

/// An identifier whose control an account has proven, at a time when the proof has not lapsed.
#[derive(Clone, Debug)]
pub struct Proven {
    identifier: Identifier,
    account: String,
}

impl Proven {
    /// By this authorization, if it is valid at `now`. There is no other way to make one.
    #[must_use]
    pub fn by(authorization: &Authorization, now: UnixTime) -> Option<Self> {
        let usable = authorization.status == AuthorizationStatus::Valid && authorization.expires > now.as_secs();
        usable.then(|| Self { identifier: authorization.identifier.clone(), account: authorization.account.clone() })
    }

    /// The identifier.
    #[must_use]
    pub fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// The id of the account that proved it.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }
}
