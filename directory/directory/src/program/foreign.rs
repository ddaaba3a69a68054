//! Policies of others, by which their people may use this directory: each for the mail domains that the settings name.

use std::path::{Path, PathBuf};

use identity::trust::{Fingerprint, TrustPolicy};
use serde::Deserialize;

use super::failure::{Failure, damaged};

/// One of them, as the settings name it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Foreign {
    /// The file, as its server serves it.
    pub(super) policy: PathBuf,
    /// Its fingerprint, which was compared.
    fingerprint: String,
    /// The mail domains for which it counts, whatever it says of itself.
    domains: Vec<String>,
}

impl Foreign {
    /// With the path below this folder, if it is relative.
    pub(super) fn below(self, folder: &Path) -> Self {
        Self { policy: folder.join(&self.policy), ..self }
    }

    /// What these bytes of the file permit here.
    pub(super) fn limited(&self, bytes: &[u8]) -> Result<TrustPolicy, Failure> {
        let wrong = |reason: String| damaged(&self.policy, reason);
        let expected: Fingerprint = self.fingerprint.parse().map_err(|error| wrong(format!("fingerprint: {error}")))?;
        let policy = TrustPolicy::parse(bytes).map_err(|error| wrong(error.to_string()))?;
        let found = policy.fingerprint();
        if found != expected {
            return Err(wrong(format!("expected the fingerprint {expected}, found {found}")));
        }
        policy.limited_to(&self.domains).map_err(|error| wrong(error.to_string()))
    }
}
