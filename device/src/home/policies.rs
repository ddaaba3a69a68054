//! The trust policies a person has pinned, as they stand now.
//!
//! ```text
//! trust/<fingerprint>/genesis.json       what was pinned
//! trust/<fingerprint>/updates/<n>.json   every update taken since, with signature and proof
//! trust/<fingerprint>/current.json       the newest version
//! trust-removed/<fingerprint>/           one that is trusted no more
//! ```
//!
//! Every reading follows the updates from the pinned version anew: what somebody put there by hand is noticed.

use std::path::Path;

use identity::UnixTime;
use identity::trust::{Fingerprint, PolicyUpdate, Trust, TrustPolicy};

use super::{Home, HomeError};
use crate::device::Enrolment;
use crate::files;

/// A policy as it was pinned, and as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedPolicy {
    /// The fingerprint that the person compared.
    pub pinned: Fingerprint,
    /// The newest version taken.
    pub policy: TrustPolicy,
    /// The pinned version and every update taken since, as they came: what convinces others.
    pub documents: Vec<String>,
    /// The number and fingerprint of each of them.
    versions: Vec<(u64, Fingerprint)>,
}

impl PinnedPolicy {
    /// The fingerprint of the version of this number, where it was taken.
    pub fn version(&self, number: u64) -> Option<Fingerprint> {
        self.versions.iter().find(|(known, _)| *known == number).map(|(_, fingerprint)| *fingerprint)
    }

    /// The fingerprints of all versions, from the pinned one to the newest.
    pub fn versions(&self) -> impl Iterator<Item = &Fingerprint> {
        self.versions.iter().map(|(_, fingerprint)| fingerprint)
    }
}

/// Trust policies.
impl Home {
    /// Every pinned policy with its history, in the order of the fingerprints.
    pub fn pinned_policies(&self) -> Result<Vec<PinnedPolicy>, HomeError> {
        files::subfolders(&self.folder.join("trust"))?.iter().map(|folder| read_policy(folder)).collect()
    }

    /// Every pinned policy in its current version, in the order of the fingerprints.
    pub fn trust_policies(&self) -> Result<Vec<TrustPolicy>, HomeError> {
        Ok(self.pinned_policies()?.into_iter().map(|pinned| pinned.policy).collect())
    }

    /// The same, the one under which this device was enrolled first: authorities of several policies may be called alike.
    pub fn policies_beginning_with(&self, enrolment: &Enrolment) -> Result<Vec<TrustPolicy>, HomeError> {
        let mut pinned = self.pinned_policies()?;
        pinned.sort_by_key(|pinned| !pinned.versions().any(|version| version.to_string() == enrolment.policy));
        Ok(pinned.into_iter().map(|pinned| pinned.policy).collect())
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
        if folder.join("current.json").is_file() {
            return Ok(read_policy(&folder)?.policy);
        }
        files::write_atomic(&folder.join("genesis.json"), bytes)?;
        files::write_atomic(&folder.join("current.json"), bytes)?;
        Ok(policy)
    }

    /// Trusts by the policy pinned by `pinned` no more. It is put aside (`trust-removed/`), not lost: whom people are bound
    /// to stays. Whether there was one.
    pub fn remove_trust(&self, pinned: &Fingerprint) -> Result<bool, HomeError> {
        let name = pinned.to_string();
        let folder = self.folder.join("trust").join(&name);
        let _lock = self.lock()?;
        if !folder.is_dir() {
            return Ok(false);
        }
        let aside = self.folder.join("trust-removed").join(&name);
        files::create_private_folder(&self.folder.join("trust-removed"))?;
        let earlier = if aside.exists() { std::fs::remove_dir_all(&aside) } else { Ok(()) };
        let moved = earlier.and_then(|()| std::fs::rename(&folder, &aside));
        moved.map(|()| true).map_err(|source| HomeError::Write { path: folder, source })
    }

    /// Takes the next version of the policy pinned by `pinned`, after the person has seen what it changes. It is verified
    /// once more, under the lock, against the version on disk.
    pub fn take_update(&self, pinned: &Fingerprint, update: &PolicyUpdate) -> Result<TrustPolicy, HomeError> {
        let folder = self.folder.join("trust").join(pinned.to_string());
        let policy = {
            let _lock = self.lock()?;
            let before = read_policy(&folder)?.policy;
            let verified = update.verify(&before).map_err(|error| HomeError::Policy(error.to_string()))?;
            let policy = verified.take_confirmed();
            files::write_atomic(&folder.join(format!("updates/{}.json", policy.number)), &update.to_bytes())?;
            files::write_atomic(&folder.join("current.json"), &policy.canonical())?;
            (before, policy)
        };
        self.change_bindings(|bindings| bindings.follow(&policy.0, &policy.1))?;
        Ok(policy.1)
    }

    /// Everything verification needs: the pinned policies, the newest revocation lists, and to which authorities people
    /// are bound, as of now.
    pub fn trust(&self) -> Result<Trust, HomeError> {
        self.trust_at(UnixTime::now())
    }

    /// As [`Home::trust`], judging the freshness of revocation lists at `now`.
    pub fn trust_at(&self, now: UnixTime) -> Result<Trust, HomeError> {
        let trust = Trust::new(self.trust_policies()?).map_err(|error| HomeError::Policy(error.to_string()))?;
        crate::revocation::install_stored(self, &trust, now)?;
        trust.set_bindings(self.bindings()?);
        Ok(trust)
    }
}

fn read_policy(folder: &Path) -> Result<PinnedPolicy, HomeError> {
    let named = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let corrupt = |file: &str, found: String| HomeError::Corrupt {
        path: folder.join(file),
        expected: format!("the trust policy with fingerprint {named}, or an update of it"),
        found,
    };
    let genesis =
        files::read(&folder.join("genesis.json"))?.ok_or_else(|| corrupt("genesis.json", "no file".to_owned()))?;
    let mut policy = TrustPolicy::parse(&genesis).map_err(|error| corrupt("genesis.json", error.to_string()))?;
    let pinned = policy.fingerprint();
    if pinned.to_string() != named {
        return Err(corrupt("genesis.json", format!("fingerprint {pinned}")));
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("a policy that was read is JSON");
    let (mut versions, mut documents) = (vec![(policy.number, pinned)], vec![text(genesis)]);
    loop {
        let file = format!("updates/{}.json", policy.number + 1);
        let Some(bytes) = files::read(&folder.join(&file))? else { break };
        let update = PolicyUpdate::parse(&bytes).map_err(|error| corrupt(&file, error.to_string()))?;
        policy = update.verify(&policy).map_err(|error| corrupt(&file, error.to_string()))?.take_confirmed();
        versions.push((policy.number, policy.fingerprint()));
        documents.push(text(bytes));
    }
    // After a crash the newest update may be there and the current version still the one before.
    let current =
        files::read(&folder.join("current.json"))?.ok_or_else(|| corrupt("current.json", "no file".to_owned()))?;
    let current = TrustPolicy::parse(&current).map_err(|error| corrupt("current.json", error.to_string()))?;
    if !versions.iter().rev().take(2).any(|(_, version)| *version == current.fingerprint()) {
        return Err(corrupt("current.json", format!("fingerprint {}", current.fingerprint())));
    }
    Ok(PinnedPolicy { pinned, policy, documents, versions })
}
