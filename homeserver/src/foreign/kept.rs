//! The newest version that was seen of a foreign policy: `foreign/FINGERPRINT.json` in the folder. Whoever keeps its server out
//! of reach must not bring back what an update has ended.

use std::path::{Path, PathBuf};

use identity::trust::{MAX_POLICY_BYTES, TrustPolicy};

use crate::files;

/// The folder they lie in.
pub(crate) const FOLDER: &str = "foreign";

/// Where it is kept.
#[derive(Clone)]
pub(super) struct Kept(PathBuf);

impl Kept {
    /// Of the policy that was pinned by this fingerprint.
    pub(super) fn of(folder: &Path, fingerprint: &str) -> Self {
        Self(folder.join(FOLDER).join(format!("{}.json", fingerprint.to_ascii_lowercase())))
    }

    /// The version that counts: the one that was pinned, or the later one that followed from it.
    pub(super) fn newest(&self, pinned: TrustPolicy) -> Result<TrustPolicy, String> {
        let wrong = |reason: String| format!("{}: {reason}", self.0.display());
        let length = match std::fs::metadata(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(pinned),
            found => found.map_err(|error| wrong(error.to_string()))?.len(),
        };
        if length > MAX_POLICY_BYTES as u64 {
            return Err(wrong(format!("expected at most {MAX_POLICY_BYTES} bytes, found {length}")));
        }
        let bytes = std::fs::read(&self.0).map_err(|error| wrong(error.to_string()))?;
        let kept = TrustPolicy::parse(&bytes).map_err(|error| wrong(error.to_string()))?;
        Ok(if kept.number > pinned.number { kept } else { pinned })
    }

    /// On disk when this returns.
    pub(super) fn keep(&self, policy: &TrustPolicy) -> Result<(), String> {
        let folder = self.0.parent().unwrap_or(&self.0);
        let kept = files::private_folder(folder).and_then(|()| files::write(&self.0, &policy.canonical()));
        kept.map_err(|error| format!("{}: {error}", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::testing::{Authority, NOON};

    #[test]
    fn a_version_that_was_seen_once_is_not_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let pinned = Authority::new(2, NOON).policy();
        let mut next = TrustPolicy { number: 2, previous: Some(pinned.fingerprint()), ..pinned.clone() };
        next.authorities[0].domains = vec!["example.net".to_owned()];
        let fingerprint = pinned.fingerprint().to_string();
        let kept = Kept::of(folder.path(), &fingerprint);
        assert_eq!(kept.newest(pinned.clone()).unwrap(), pinned);
        kept.keep(&next).unwrap();
        let again = Kept::of(folder.path(), &fingerprint.to_uppercase());
        assert_eq!(again.newest(pinned.clone()).unwrap(), next);
        // What the operator pinned anew counts if it is later still.
        let third = TrustPolicy { number: 3, previous: Some(next.fingerprint()), ..next.clone() };
        assert_eq!(again.newest(third.clone()).unwrap(), third);
        std::fs::write(&again.0, "{}").unwrap();
        assert!(again.newest(pinned).unwrap_err().contains("foreign/"));
    }
}
