//! What was struck stays struck, and known: a log that the newest version names no longer is evidence of what was certified in
//! it, also when a restored server has begun with another genesis version.

use std::path::Path;

use identity::trust::{Shard, TrustPolicy};

use super::{Struck, damaged, own_logs, read, versions, write};
use crate::error::StartError;

/// Where the versions lie that named a log which was struck before the genesis version.
pub(crate) const FOLDER: &str = "policies-struck";

/// Keeps such versions; those that are there already stay.
pub(crate) fn keep<'a>(folder: &Path, versions: impl Iterator<Item = &'a TrustPolicy>) -> Result<(), StartError> {
    for version in versions {
        write(&folder.join(FOLDER).join(format!("{}.json", version.number)), &version.canonical())?;
    }
    Ok(())
}

/// All versions in the folder, those that were kept for a log that was struck before the others.
pub(crate) fn history(folder: &Path) -> Result<Vec<TrustPolicy>, StartError> {
    let mut all = kept(folder)?;
    all.extend(versions(folder)?);
    Ok(all)
}

/// Those that were kept, the oldest first.
pub(crate) fn kept(folder: &Path) -> Result<Vec<TrustPolicy>, StartError> {
    let place = folder.join(FOLDER);
    let files = crate::files::below(&place).map_err(|source| StartError::folder(&place, source))?;
    let mut found = Vec::new();
    for path in files.into_iter().map(|file| place.join(file)) {
        let bytes = read(&path)?.unwrap_or_default();
        found.push(TrustPolicy::parse(&bytes).map_err(|error| damaged(&path, error))?);
    }
    found.sort_by_key(|version| version.number);
    Ok(found)
}

/// The logs that were struck before the genesis version, each with the last version that named it.
pub(super) fn before(folder: &Path, genesis: &TrustPolicy) -> Result<Vec<Struck>, StartError> {
    let logs = |policy: &TrustPolicy| own_logs(policy).map_err(|reason| damaged(&folder.join(FOLDER), reason));
    let named = logs(genesis)?;
    let mut found: Vec<Struck> = Vec::new();
    for policy in kept(folder)?.into_iter().rev() {
        for log in logs(&policy)? {
            let is_known = |other: &Shard| other.origin == log.origin;
            if !named.iter().any(is_known) && !found.iter().any(|struck| is_known(&struck.log)) {
                found.push(Struck { log, policy: policy.clone() });
            }
        }
    }
    Ok(found)
}
