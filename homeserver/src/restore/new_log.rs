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
use identity::trust::{TrustPolicy, Window};
use serde::Serialize;
use tlog_proof::NoteSigner;
use transparency_log::copy::CopyError;

use super::{
    FROZEN, MARK, RestoreError, Standing, Waiting, Wishes, certain, finish, is_frozen, lists, logged_since,
    take_updates, unknown_policies,
};
use crate::error::StartError;
use crate::genesis;
use crate::keys;
use crate::logs::SHARDS;
use crate::policies;
use crate::settings::{self, LogElsewhere, Settings};

/// A server with another log.
#[derive(Debug, Clone, Serialize)]
pub struct Begun {
    /// The new log.
    pub origin: String,
    /// Logs that are never signed again.
    pub given_up: Vec<String>,
    /// Logs that were struck before, and are served on as they are here.
    pub struck: Vec<Standing>,
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
    let mut waiting = Waiting::open(folder)?;
    let wrong = |reason: String| StartError::Shard { reason };
    if !settings::is_shard_name(name) {
        let reason = format!("expected a name of small letters, digits and hyphens such as 2026-2, found {name:?}");
        return Err(wrong(reason).into());
    }
    let origin = origin_of_next(&waiting, name, wishes).map_err(wrong)?;
    take_updates(&mut waiting, &wishes.updates)?;
    let (mut since, mut known) = (Vec::new(), true);
    let (mut given_up, mut struck, mut versions, mut lost) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for mut held in waiting.logs(Some(&origin)).await? {
        // What mirrors have is taken up to where it parts from the copy.
        let mut standing = match certain::find_out(&waiting, &mut held, wishes, now).await {
            Err(RestoreError::Log { source: CopyError::Forked { .. }, .. }) => held.uncertain(),
            found => found?,
        };
        known &= standing.certain;
        let mut logged = logged_since(&held, wishes, &mut standing).await?;
        if held.elsewhere.is_some() {
            waiting.leave_out_others(&mut logged, now)?;
        }
        since.push(logged);
        // One that was struck is evidence, and shown: nobody takes it for a log that goes on.
        if held.log.is_struck && !is_frozen(&waiting.folder, &standing.origin)? {
            lost.extend(held.is_lost().then(|| standing.origin.clone()));
            versions.push(held.log.policy);
            struck.push(standing);
        } else {
            given_up.push(standing.origin);
        }
    }
    // Where this was interrupted, the versions before were looked at then.
    let unknown = if has_begun(&waiting, &origin) { 0 } else { unknown_policies(&waiting, &since)? };
    if unknown > 0 {
        return Err(RestoreError::Policies { count: unknown });
    }
    if let (Some(last), false) = (since.last_mut(), known) {
        last.lists = lists::since(&waiting, &wishes.lists, wishes.without_lists, now)?;
    }
    let missing = ca::recovery::lists_missing(waiting.folder.path(), &since);
    if missing > 0 && !wishes.without_lists {
        return Err(RestoreError::Lists { count: missing });
    }
    // Before anything names the new log: from here on nobody signs the old ones, whatever happens.
    given_up.splice(..0, frozen_elsewhere(&waiting, &given_up)?);
    waiting.folder.write(FROZEN, format!("{}\n", given_up.join("\n")).as_bytes())?;
    policies::keep_struck(waiting.folder.path(), versions.iter())?;
    waiting.remember_lost(&lost)?;
    let policy = match &wishes.log {
        Some(log) => next_elsewhere(&waiting, name, log, now)?,
        None => next(&waiting, name, &origin, now)?,
    };
    // The first version from now on: what led to the old one leads to this one no more.
    waiting.folder.write(genesis::FILE, &policy.canonical())?;
    let earlier = waiting.folder.join("policies");
    if earlier.exists() {
        let aside = waiting.folder.join("policies-given-up");
        std::fs::rename(&earlier, &aside).map_err(|source| StartError::folder(&earlier, source))?;
    }
    if let Some(log) = &wishes.log {
        go_over(&waiting, name, log)?;
    }
    let fingerprint = policy.fingerprint().to_string();
    debug_assert!(waiting.folder.join(MARK).exists(), "nothing starts before the books are in order");
    let done = finish(waiting, Vec::new(), since, wishes, now).await?;
    let (books, cosigned_no_more) = (done.books, done.cosigned_no_more);
    Ok(Begun { origin, given_up, struck, fingerprint, books, cosigned_no_more })
}

/// The new log is where the old one was: in this server, or elsewhere.
fn origin_of_next(waiting: &Waiting, name: &str, wishes: &Wishes) -> Result<String, String> {
    match (&waiting.settings.log_elsewhere, &wishes.log) {
        (None, None) => Ok(waiting.settings.shard_origin(name)),
        (None, Some(_)) => Err("expected no --log-policy, as the log of this server is in it, found one".into()),
        (Some(_), None) => {
            Err("expected --log-policy and --log-submission of another log, as the log of this server is elsewhere"
                .into())
        }
        (Some(old), Some(new)) => {
            let is_begun = old.name.as_deref() == Some(name) && old.policy == new.policy;
            let known = old.given_up.iter().any(|log| log.origin == new.origin()) || old.origin() == new.origin();
            match known && !is_begun {
                true => Err(format!("expected the policy of another log, found that of {}", new.origin())),
                false => Ok(new.origin()),
            }
        }
    }
}

/// Those that were given up before are not among those of this server.
fn frozen_elsewhere(waiting: &Waiting, now: &[String]) -> Result<Vec<String>, StartError> {
    if waiting.settings.log_elsewhere.is_none() {
        return Ok(Vec::new());
    }
    let before = waiting.folder.read(FROZEN)?.unwrap_or_default();
    let lines = String::from_utf8_lossy(&before).lines().map(str::to_owned).collect::<Vec<_>>();
    Ok(lines.into_iter().filter(|line| !now.contains(line)).collect())
}

/// The newest policy here with another log elsewhere in it. Witnesses and quorum are those of the new log: the old ones are
/// gone, or would have said how far the old log got.
fn next_elsewhere(waiting: &Waiting, name: &str, log: &LogElsewhere, now: UnixTime) -> Result<TrustPolicy, StartError> {
    let current = &waiting.policy;
    if has_begun(waiting, &log.origin()) {
        return Ok(current.clone());
    }
    let wrong = |reason: String| StartError::Shard { reason };
    let labels = LabelKey::open_or_make(&waiting.folder.join(SHARDS).join(name).join(ca::keys::LABEL_KEY))
        .map_err(|error| StartError::part("label key", &error))?;
    let theirs = log.log_policy().map_err(wrong)?;
    let before = current.log_policy().map_err(|error| StartError::part("trust policy", &error))?;
    let [key] = &theirs.logs[..] else { return Err(wrong("expected one log in --log-policy".into())) };
    let mut merged = theirs.clone();
    merged.logs = before.logs;
    let is_named = |window: &Window| {
        let mut keys = merged.logs.iter().map(|log| &log.vkey).chain(merged.witnesses.iter().map(|one| &one.vkey));
        keys.any(|key| key.to_string() == window.key)
    };
    let base = TrustPolicy {
        tlog_policy: merged.to_string(),
        operator_witnesses: log.operator_witnesses.clone(),
        windows: current.windows.iter().filter(|window| is_named(window)).cloned().collect(),
        ..current.clone()
    };
    let next = base.with_next_log(&key.vkey, &log.url(), labels.public(), now);
    let next = next.map_err(|error| wrong(error.to_string()))?;
    Ok(TrustPolicy { previous: Some(current.fingerprint()), ..next })
}

/// From now on entries go to the new log elsewhere. What was shown to the old one says nothing there.
fn go_over(waiting: &Waiting, name: &str, log: &LogElsewhere) -> Result<(), StartError> {
    if let Some(old) = waiting.settings.log_elsewhere.as_ref().filter(|old| old.origin() != log.origin()) {
        let settings = Settings { log_elsewhere: Some(old.followed_by(log.clone(), name)), ..waiting.settings.clone() };
        waiting.folder.write(settings::FILE, settings.to_toml().as_bytes())?;
    }
    let shown = waiting.folder.join("keys/component.pem");
    match std::fs::remove_file(&shown) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StartError::folder(&shown, source)),
        _ => Ok(()),
    }
}

/// Whether the newest policy here names the new log already.
fn has_begun(waiting: &Waiting, origin: &str) -> bool {
    waiting.policy.authorities.first().is_some_and(|own| own.log == origin)
}

/// The newest policy here with the new log in it, from now on; the same again if a crash came after it was written.
fn next(waiting: &Waiting, name: &str, origin: &str, now: UnixTime) -> Result<TrustPolicy, StartError> {
    let current = &waiting.policy;
    if has_begun(waiting, origin) {
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
