//! A log elsewhere, which has lost nothing: it is read where everybody reads it, and its newest entries are taken into the
//! books like those of a log in this server.
//!
//! Two things are different. Its witnesses are its operator's, so that some cannot be asked from here; but whoever of them has
//! cosigned a checkpoint *after* the backup was unpacked, when the old server was gone, knew no more at that time. And the log
//! takes entries from whom its operator lets in: what is not this authority's is left out.

use std::path::Path;
use std::sync::Arc;

use ca::recovery::{LoggedSince, is_issuing_by};
use identity::UnixTime;
use identity::trust::{Trust, TrustPolicy};
use tlog_proof::{Cosigner, Entry, LogPolicy, ObjectKind, UnverifiedCheckpoint, VerifiedCheckpoint, VerifierKey};
use transparency_log::Witness;
use transparency_log::copy::{LogCopy, Said};

use super::logs::Held;
use super::{MARK, RestoreError, Waiting};
use crate::backup::{LogEdge, OwnLog};
use crate::error::StartError;
use crate::keys;
use crate::logs::WITNESS;

/// Where the copy lies as long as the folder waits.
const COPY: &str = "log-elsewhere";

/// How far a witness's clock may be ahead of this one, in seconds.
const CLOCKS: u64 = 300;

impl Waiting {
    /// The log elsewhere, if that is where this server's log is: as far as it was read before. Of several, by a policy that
    /// names those that were given up, the last but `next`, which is about to begin.
    pub(super) fn log_elsewhere(&self, next: Option<&str>) -> Result<Option<Held>, RestoreError> {
        if self.settings.log_elsewhere.is_none() {
            return Ok(None);
        }
        let wrong = |error: &dyn std::error::Error| StartError::part("trust policy", error);
        let mut named = match self.policy.authorities.first() {
            Some(own) => self.policy.shards(own).map_err(|error| wrong(&error))?,
            None => Vec::new(),
        };
        named.retain(|shard| next != Some(&shard.origin));
        let keys = self.policy.log_policy().map_err(|error| wrong(&error))?;
        let last = named.pop();
        let key = last.as_ref().and_then(|log| keys.logs.into_iter().find(|key| key.vkey.name() == log.origin));
        let (Some(shard), Some(key)) = (last, key) else {
            let reason = format!("expected {}, where this server's log is, found no log", self.settings.origin());
            return Err(StartError::Damaged { what: "the trust policy".into(), reason }.into());
        };
        let origin = shard.origin.clone();
        if next.is_none() && origin != self.settings.origin() {
            return Err(StartError::NextElsewhere { found: origin }.into());
        }
        let before = ca::recovery::entries_known(self.folder.path())?;
        let opened = LogCopy::open(&self.folder.join(COPY), &key.vkey);
        let copy = opened.map_err(|source| RestoreError::Log { origin: origin.clone(), source })?;
        let folder = COPY.to_owned();
        let edge = LogEdge { origin, folder: folder.clone(), before, size: before, root: String::new() };
        let (policy, name) = (self.policy.clone(), String::new());
        let log = OwnLog { shard, key: key.vkey.clone(), folder, name, policy, is_struck: false };
        let (copy, elsewhere) = (copy.with_objects_from(before), key.url);
        Ok(Some(Held { edge, log, copy, damage: None, elsewhere }))
    }

    /// Leaves out what others have put into the log: lists that none of this authority's issuing keys has signed, policies
    /// of other roots, issuing certificates by them. Labels stay: whose they are cannot be told, and a slot less is no harm.
    pub(super) fn leave_out_others(&self, logged: &mut LoggedSince, now: UnixTime) -> Result<(), StartError> {
        let Some(own) = self.policy.authorities.first() else { return Ok(()) };
        let objects = std::mem::take(&mut logged.objects);
        let of = |kind: ObjectKind| {
            let named = logged.entries.iter().filter_map(move |(_, entry)| match entry {
                Entry::Object { kind: found, hash } if *found == kind => Some(hash),
                _ => None,
            });
            named.filter_map(|hash| objects.get(hash))
        };
        let installed = ca::issuing_certificates(&self.folder.join("keys"));
        let installed = installed.map_err(|error| StartError::part("issuing certificates", &error))?;
        let logged_since = of(ObjectKind::IssuingCertificate).filter(|der| is_issuing_by(&own.root.0, der)).cloned();
        let mut issuers: Vec<Vec<u8>> = own.issuers.iter().map(|der| der.0.clone()).collect();
        issuers.extend(installed.into_iter().chain(logged_since));
        issuers.sort();
        issuers.dedup();
        // A policy for each: it has room for sixteen.
        let by_each: Vec<_> = issuers.into_iter().map(|issuer| with_issuer(&self.policy, issuer)).collect();
        let is_ours = |kind: ObjectKind, bytes: &[u8]| match kind {
            ObjectKind::Crl => by_each.iter().any(|policy| has_signed(policy, bytes, now)),
            ObjectKind::TrustPolicy => TrustPolicy::parse(bytes)
                .is_ok_and(|policy| policy.authorities.first().is_some_and(|first| first.root == own.root)),
            ObjectKind::IssuingCertificate => is_issuing_by(&own.root.0, bytes),
            // Heads of other trails are told by their first record.
            _ => true,
        };
        logged.entries.retain(|(_, entry)| match entry {
            Entry::Object { kind, hash } => objects.get(hash).is_none_or(|bytes| is_ours(*kind, bytes)),
            _ => true,
        });
        logged.objects = objects;
        Ok(())
    }

    /// The witness in this folder is as old as the backup, and could cosign another history from there on. So it is led to
    /// what the copy has.
    pub(super) async fn lead_own_witness(&self, copy: &LogCopy, now: UnixTime) -> Result<Said, StartError> {
        let wrong = |error: &dyn std::error::Error| StartError::part("witness", error);
        let signer = Cosigner::new(&self.settings.witness(), keys::open(&self.folder, keys::WITNESS)?);
        let signer = signer.map_err(|error| wrong(&error))?;
        let (key, seconds) = (signer.vkey(), self.later(now));
        let known = vec![copy.key().clone()];
        let opened = Witness::open(&self.folder.join(WITNESS), signer, known, Arc::new(move || seconds));
        let witness = opened.map_err(|error| wrong(&error))?;
        Ok(copy.compare(&key, &witness, seconds).await)
    }

    /// When the backup was unpacked, in seconds since the epoch: the mark was written then.
    pub(super) fn unpacked_at(&self) -> Option<u64> {
        let written = self.folder.join(MARK).metadata().and_then(|found| found.modified()).ok()?;
        written.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
    }
}

fn with_issuer(policy: &TrustPolicy, issuer: Vec<u8>) -> TrustPolicy {
    let mut alone = policy.clone();
    if let Some(own) = alone.authorities.first_mut() {
        own.issuers = vec![issuer.into()];
    }
    alone
}

/// Whether the policy's issuing key has signed this list. Each is judged alone, for their order says nothing.
fn has_signed(policy: &TrustPolicy, list: &[u8], now: UnixTime) -> bool {
    Trust::new(vec![policy.clone()]).is_ok_and(|trust| trust.install_kept_crl(list, now).is_ok())
}

/// The witnesses of these quorums that have cosigned as much as the copy has since the backup was unpacked.
pub(super) fn cosigners_since(
    waiting: &Waiting,
    copy: &LogCopy,
    seen: &[VerifiedCheckpoint],
    quorums: &[LogPolicy],
    now: UnixTime,
) -> Vec<VerifierKey> {
    let Some(since) = waiting.unpacked_at() else { return Vec::new() };
    let until = waiting.later(now) + CLOCKS;
    let same = seen.iter().filter(|shown| shown.size == copy.size() && shown.root == copy.root());
    let notes: Vec<_> = same.filter_map(|shown| UnverifiedCheckpoint::parse(shown.text()).ok()).collect();
    let has_cosigned = |key: &VerifierKey| {
        let times = notes.iter().filter_map(|note| note.verify_cosignature(key).ok());
        times.map(|cosigned| cosigned.time).any(|time| time > since && time <= until)
    };
    let mut found: Vec<VerifierKey> = Vec::new();
    for witness in quorums.iter().flat_map(|policy| &policy.witnesses) {
        if !found.contains(&witness.vkey) && has_cosigned(&witness.vkey) {
            found.push(witness.vkey.clone());
        }
    }
    found
}

/// What was read is in the books by now; the log itself is where it was.
pub(super) fn let_go_of_copy(folder: &Path) -> Result<(), StartError> {
    let copy = folder.join(COPY);
    match std::fs::remove_dir_all(&copy) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StartError::folder(&copy, source)),
        _ => Ok(()),
    }
}
