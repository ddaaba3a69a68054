//! The trust policies a person has pinned.

use std::path::Path;

use identity::UnixTime;
use identity::trust::{Fingerprint, Trust, TrustPolicy};

use super::{Home, HomeError};
use crate::files;

/// Trust policies.
impl Home {
    /// Every pinned policy in its current version, in the order of the fingerprints.
    ///
    /// The genesis version is checked against the fingerprint that names its folder each time.
    pub fn trust_policies(&self) -> Result<Vec<TrustPolicy>, HomeError> {
        files::subfolders(&self.folder.join("trust"))?.iter().map(|folder| read_policy(folder)).collect()
    }

    /// Pins the policy `bytes` if its fingerprint is `expected`; says so and changes nothing otherwise.
    /// Pinning one that is already there changes nothing.
    pub fn add_trust(&self, bytes: &[u8], expected: &Fingerprint) -> Result<TrustPolicy, HomeError> {
        let policy = TrustPolicy::parse(bytes).map_err(|error| HomeError::Policy(error.to_string()))?;
        let found = policy.fingerprint();
        if found != *expected {
            return Err(HomeError::Fingerprint { expected: expected.to_owned(), found });
        }
        let folder = self.folder.join("trust").join(found.to_string());
        let _lock = self.lock()?;
        files::write_atomic(&folder.join("genesis.json"), bytes)?;
        files::write_atomic(&folder.join("current.json"), bytes)?;
        Ok(policy)
    }

    /// Everything verification needs: the pinned policies and the newest revocation lists, as of now.
    pub fn trust(&self) -> Result<Trust, HomeError> {
        self.trust_at(UnixTime::now())
    }

    /// As [`Home::trust`], judging the freshness of revocation lists at `now`.
    pub fn trust_at(&self, now: UnixTime) -> Result<Trust, HomeError> {
        let trust = Trust::new(self.trust_policies()?).map_err(|error| HomeError::Policy(error.to_string()))?;
        crate::revocation::install_stored(self, &trust, now)?;
        Ok(trust)
    }
}

fn read_policy(folder: &Path) -> Result<TrustPolicy, HomeError> {
    let named = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let read = |file: &str| {
        let path = folder.join(file);
        let corrupt = |found: String| HomeError::Corrupt {
            path: path.clone(),
            expected: format!("the trust policy with fingerprint {named}"),
            found,
        };
        let bytes = files::read(&path)?.ok_or_else(|| corrupt("no file".to_owned()))?;
        let policy = TrustPolicy::parse(&bytes).map_err(|error| corrupt(error.to_string()))?;
        let found = policy.fingerprint().to_string();
        // Nothing but the pinned version is ever written as the current one; anything else was put there by somebody.
        if found != named { Err(corrupt(format!("fingerprint {found}"))) } else { Ok(policy) }
    };
    read("genesis.json")?;
    read("current.json")
}
