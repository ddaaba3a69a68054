//! What was struck stays struck, and known: a log that the newest version names no longer is evidence of what was certified in
//! it, also when a restored server has begun with another genesis version.

use std::path::Path;

use identity::trust::{Fingerprint, Shard, TrustPolicy};

use super::{Struck, damaged, own_shards, read, versions, write};
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
    let logs = |policy: &TrustPolicy| own_shards(policy).map_err(|reason| damaged(&folder.join(FOLDER), reason));
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

/// A version that follows `history` names nothing that was struck, as one that was drafted before would.
pub(super) fn stays_struck(history: &[TrustPolicy], next: &TrustPolicy) -> Result<(), String> {
    let Some(current) = history.last() else { return Ok(()) };
    let undone = |what: String, number: u64| {
        format!(
            "expected a version without {what}, which version {number} has struck, found it named again: this draft is older than that, so make a new one"
        )
    };
    let logs = next.log_policy().map_err(|error| error.to_string())?;
    let is_named = |origin: &str| logs.logs.iter().any(|log| log.vkey.name() == origin);
    let named = own_shards(current)?;
    for (version, after) in history.iter().zip(&history[1..]).rev() {
        for log in own_shards(version)? {
            let is_struck = named.iter().all(|kept| kept.origin != log.origin);
            if is_struck && is_named(&log.origin) {
                return Err(undone(format!("the log {}", log.origin), after.number));
            }
        }
    }
    for authority in &current.authorities {
        let Some(after) = next.authorities.iter().find(|after| after.root == authority.root) else { continue };
        if let Some(key) = authority.withdrawn.iter().find(|key| !after.withdrawn.contains(key)) {
            let number = first_to_withdraw(history, key).unwrap_or(current.number);
            return Err(undone(format!("the issuing key {key}"), number));
        }
    }
    Ok(())
}

fn first_to_withdraw(history: &[TrustPolicy], key: &Fingerprint) -> Option<u64> {
    let has = |version: &&TrustPolicy| version.authorities.iter().any(|one| one.withdrawn.contains(key));
    history.iter().find(has).map(|version| version.number)
}
