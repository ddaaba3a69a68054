//! Whom a person was first certified by (TRUST-06).
//!
//! Several authorities may certify the same address: a firm's and a public one. Whoever is in somebody's contacts stays
//! with the authority by which she was first known, so that the least careful of them cannot take her place. Another
//! authority is refused until the owner of the list has confirmed it.

use std::collections::BTreeMap;

use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Authority, Fingerprint, TrustPolicy};
use crate::{certificate::Certificate, identifier::Identifier, rules::Rule, verify::VerifyError};

/// More people than this are not bound; it bounds what strangers can fill.
pub const MAX_BINDINGS: usize = 65_536;

/// To which authority a person is bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The authority's name in the trust policy, for people.
    pub authority: String,
    /// SHA-256 of the SubjectPublicKeyInfo of its root: this is what counts.
    pub root: Fingerprint,
    /// Since when, in seconds since 1970.
    pub since: u64,
}

impl Authority {
    /// SHA-256 of the SubjectPublicKeyInfo of its root: by this people are bound to it. None if the root is no certificate,
    /// which no policy that was read has.
    pub fn root_digest(&self) -> Option<Fingerprint> {
        let root = Certificate::parse(&self.root.0).ok()?;
        Some(Fingerprint(Sha256::digest(root.tbs().spki_der()).into()))
    }
}

/// Every person who is bound. Serialises as one JSON object, by identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bindings(BTreeMap<Identifier, Binding>);

/// Stored bindings that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    /// Not the JSON object it should be.
    #[error("expected bindings in JSON, found: {0}")]
    Json(#[from] serde_json::Error),
    /// More than [`MAX_BINDINGS`].
    #[error("expected at most {MAX_BINDINGS} people, found {found}")]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

impl Bindings {
    /// Reads what [`to_json`](Self::to_json) wrote.
    pub fn from_json(text: &str) -> Result<Self, BindingError> {
        let bindings: Self = serde_json::from_str(text)?;
        match bindings.0.len() {
            found if found > MAX_BINDINGS => Err(BindingError::TooMany { found }),
            _ => Ok(bindings),
        }
    }

    /// As it is stored.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("names and numbers are JSON")
    }

    /// TRUST-06: whether this authority may speak for this person. Whoever is not bound is open to all.
    pub fn check(&self, identifier: &Identifier, authority: &str, root: &[u8; 32]) -> Result<(), VerifyError> {
        match self.0.get(identifier) {
            Some(binding) if binding.root.0 != *root => {
                let expected = format_args!("{identifier} certified by {}, as before", binding.authority);
                let root = &Fingerprint(*root).to_string()[..16];
                let found = format_args!("{authority} (root {root}…)");
                Err(VerifyError::new(Rule::TrustBinding, expected, found).about(identifier))
            }
            _ => Ok(()),
        }
    }

    /// Binds a person unless she is bound already. Whether she was bound now.
    pub fn bind(&mut self, identifier: &Identifier, authority: &str, root: &[u8; 32], now: UnixTime) -> bool {
        if self.0.contains_key(identifier) || self.0.len() >= MAX_BINDINGS {
            return false;
        }
        let binding = Binding { authority: authority.to_owned(), root: Fingerprint(*root), since: now.as_secs() };
        self.0.insert(identifier.clone(), binding);
        true
    }

    /// Takes over how another list has a person, unless she is bound already: another device of the same owner's met her.
    pub fn take_over(&mut self, identifier: &Identifier, binding: &Binding) {
        if self.0.len() < MAX_BINDINGS {
            self.0.entry(identifier.clone()).or_insert_with(|| binding.clone());
        }
    }

    /// Lets go of a person: the next authority seen counts as the first.
    pub fn release(&mut self, identifier: &Identifier) -> Option<Binding> {
        self.0.remove(identifier)
    }

    /// Follows the roots that an update of the trust policy replaced, authority by authority of the same name. The
    /// update was confirmed, so nobody is asked again for each person.
    pub fn follow(&mut self, old: &TrustPolicy, new: &TrustPolicy) {
        for authority in &new.authorities {
            let before = old.authorities.iter().find(|before| before.name == authority.name);
            let (Some(before), Some(after)) = (before.and_then(Authority::root_digest), authority.root_digest()) else {
                continue;
            };
            for binding in self.0.values_mut().filter(|binding| binding.root == before) {
                binding.root = after;
            }
        }
    }

    /// Takes over what differs between two readings of a stored list: who was let go of, who was bound, who was bound
    /// anew. Whoever is bound here alone stays so.
    pub fn adopt(&mut self, before: &Self, now: &Self) {
        for who in before.0.keys().filter(|who| !now.0.contains_key(who)) {
            self.0.remove(who);
        }
        for (who, binding) in now.0.iter().filter(|(who, binding)| before.0.get(who) != Some(binding)) {
            self.0.insert(who.clone(), binding.clone());
        }
    }

    /// Everybody who is bound, in the order of the identifiers.
    pub fn iter(&self) -> impl Iterator<Item = (&Identifier, &Binding)> {
        self.0.iter()
    }

    /// To whom this person is bound.
    pub fn get(&self, identifier: &Identifier) -> Option<&Binding> {
        self.0.get(identifier)
    }
}
