//! The old log given up: it is never signed again, and another one begins, with a label key of its own, in a version of the
//! trust policy that people pin anew.
//!
//! The next version of a policy is believed because it stands in a log of the version before. The only such log is the one
//! that must not be signed: so this version cannot be proven, and people compare its fingerprint as they did at the
//! beginning. Root, issuing certificates and the old log's keys stay in it: certificates go on verifying, and contacts
//! that are bound to the root stay bound.

use std::path::Path;

use ca::LabelKey;
use ca::recovery::Recovered;
use identity::UnixTime;
use identity::trust::TrustPolicy;
use serde::Serialize;
use tlog_proof::NoteSigner;

use super::{FROZEN, MARK, RestoreError, Waiting, Wishes, finish, logged_since};
use crate::error::StartError;
use crate::genesis;
use crate::keys;
use crate::logs::SHARDS;
use crate::settings;

/// A server with another log.
#[derive(Debug, Clone, Serialize)]
pub struct Begun {
    /// The new log.
    pub origin: String,
    /// Logs that are never signed again.
    pub given_up: Vec<String>,
    /// What people pin from now on.
    pub fingerprint: String,
    /// What was done to the books.
    pub books: Recovered,
    /// As in [`super::Restored`].
    pub cosigned_no_more: Vec<String>,
}

/// Gives the logs of a restored folder up, and makes the keys of another, called `name`. What was interrupted is taken up.
///
/// # Errors
/// See [`RestoreError`].
pub async fn begin(folder: &Path, name: &str, wishes: &Wishes, now: UnixTime) -> Result<Begun, RestoreError> {
    let waiting = Waiting::open(folder)?;
    let wrong = |reason: String| StartError::Shard { reason };
    if !settings::is_shard_name(name) {
        let reason = format!("expected a name of small letters, digits and hyphens such as 2026-2, found {name:?}");
        return Err(wrong(reason).into());
    }
    if waiting.settings.log_elsewhere.is_some() {
        return Err(wrong("expected a log in this server, found one elsewhere, which goes on as it is".into()).into());
    }
    let origin = waiting.settings.shard_origin(name);
    let mut since = Vec::new();
    for (edge, _, copy) in waiting.logs()?.into_iter().filter(|(edge, ..)| edge.origin != origin) {
        since.push(logged_since(&waiting, &edge, &copy, wishes).await?);
    }
    let given_up: Vec<_> = since.iter().map(|log| log.origin.clone()).collect();
    // Before anything names the new log: from here on nobody signs the old ones, whatever happens.
    waiting.folder.write(FROZEN, format!("{}\n", given_up.join("\n")).as_bytes())?;
    let policy = next(&waiting, name, &origin, now)?;
    // The first version from now on: what led to the old one leads to this one no more.
    waiting.folder.write(genesis::FILE, &policy.canonical())?;
    let earlier = waiting.folder.join("policies");
    if earlier.exists() {
        let aside = waiting.folder.join("policies-given-up");
        std::fs::rename(&earlier, &aside).map_err(|source| StartError::folder(&earlier, source))?;
    }
    let (fingerprint, wishes) = (policy.fingerprint().to_string(), Wishes { without_lists: true, ..wishes.clone() });
    debug_assert!(waiting.folder.join(MARK).exists(), "nothing starts before the books are in order");
    let done = finish(waiting, Vec::new(), since, &wishes, now).await?;
    Ok(Begun { origin, given_up, fingerprint, books: done.books, cosigned_no_more: done.cosigned_no_more })
}

/// The newest policy here with the new log in it, from now on; the same again if a crash came after it was written.
fn next(waiting: &Waiting, name: &str, origin: &str, now: UnixTime) -> Result<TrustPolicy, StartError> {
    let current = &waiting.policy;
    if current.authorities.first().is_some_and(|own| own.log == origin) {
        return Ok(current.clone());
    }
    let key = keys::open(&waiting.folder, &format!("{SHARDS}/{name}/{}", crate::shards::LOG_KEY))?;
    let signer = NoteSigner::new(origin, key).map_err(|error| StartError::part("log's name", &error))?;
    let labels = LabelKey::open_or_make(&waiting.folder.join(SHARDS).join(name).join(ca::keys::LABEL_KEY))
        .map_err(|error| StartError::part("label key", &error))?;
    let url = format!("{}/log/{name}", waiting.settings.base_url());
    let next = current.with_next_log(&signer.vkey(), &url, labels.public(), now);
    next.map_err(|error| StartError::Shard { reason: error.to_string() })
}
