//! The owner's watch: every certificate that was ever logged in her name, and whether she knows it.
//!
//! 1. Whoever has proven control of an identifier gets the VRF proofs of its labels from the authority. Each proof is
//!    verified, so that a wrong label cannot hide anything; a missing one makes the watch *blind*, never clean.
//! 2. The log is followed to its newest checkpoint, every tile verified ([`crate::logbook`]), and searched for the
//!    labels here, on this device: the log does not learn who watches.
//!    What it shows must have been cosigned within the last hour, or it could be an old state that hides the rest.
//! 3. Every entry found must be opened by the authority: TBSCertificate and opening that give the commitment in the
//!    log. A key of this device, or one the owner confirmed before, is fine, but for what was made for it after
//!    she had reported it as lost; everything else is an alarm.

mod accuse;
mod alarm;
mod erase;
mod freshness;
mod labels;
mod opened;
mod owner;
mod scan;
mod shard;
mod state;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use identity::trust::{Authority, TrustPolicy};
use identity::{Identifier, UnixTime};
use sha2::{Digest, Sha256};
use tlog_proof::LogPolicy;
use transparency_log::monitor::{AuditReport, Progress};

pub use alarm::Alarm;
pub use erase::erase_openings;
pub use freshness::{MAX_AGE, check as check_freshness};
pub use opened::OpenedCertificate;
pub use owner::Owner;
pub use state::{confirm_key, know_key, path as state_file};
pub(crate) use state::{lose_key, remember_own_key};

use crate::acme::{AcmeClient, AcmeError};
use crate::enrolment::{ChooseError, choose_authority, permits};
use crate::https::{self, https_client};
use crate::logbook::FollowError;
use crate::{Home, HomeError, revocation};

/// What a watch found.
#[derive(Debug)]
pub enum WatchReport {
    /// The log holds exactly what the owner knows of.
    Clean(Seen),
    /// The log holds something she does not know, or lacks what she has.
    Alarm(Seen, Vec<Alarm>),
    /// The watch could not see; nothing is known.
    Blind(Blindness),
}

/// What a watch that could see has seen.
#[derive(Debug)]
pub struct Seen {
    /// Whose certificates.
    pub identifier: Identifier,
    /// The authority asked.
    pub authority: String,
    /// Other pinned authorities that may certify her, and that are not watched on this device: what these have logged was
    /// not looked for.
    pub not_watched: Vec<String>,
    /// The audit of each log that can hold a certificate of hers, the newest log last.
    pub audits: Vec<AuditReport>,
    /// The first and the last period whose labels were searched, as the times at which they begin and end.
    pub covered: (UnixTime, UnixTime),
    /// The certificates of the owner that the log holds.
    pub certificates: Vec<OpenedCertificate>,
    /// Files with what an alarm can prove to others.
    pub evidence: Vec<PathBuf>,
}

/// Why a watch could not see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blindness {
    /// The authority did not give the proofs.
    #[error("the authority refused the proofs of the labels: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// A label that could matter is not covered.
    #[error(
        "the authority gave no proof for {missing} of {expected} labels that could matter, the first of them period {period}, slot {slot}"
    )]
    Missing {
        /// How many are missing.
        missing: usize,
        /// How many could matter.
        expected: usize,
        /// Period of the first.
        period: u32,
        /// Slot of the first.
        slot: u8,
    },
    /// A proof does not verify.
    #[error("the authority gave a proof that does not verify, for period {period}, slot {slot}: {reason}")]
    BadProof {
        /// Its period.
        period: u32,
        /// Its slot.
        slot: u8,
        /// What is wrong with it.
        reason: String,
    },
    /// There are no proofs for a log of the trust policy.
    #[error("the authority gave no proofs for a log of the trust policy: expected {expected}, found {found}")]
    OtherLog {
        /// Origin in the trust policy.
        expected: String,
        /// Origin in the answer.
        found: String,
    },
    /// What the log shows is old: it could hide what came since.
    #[error(
        "the log shows an old state of itself: expected cosignatures of the last {} minutes, found the newest {} minutes {}",
        freshness::MAX_AGE.as_secs() / 60,
        now.as_secs().abs_diff(cosigned.as_secs()) / 60,
        if now >= cosigned { "old" } else { "ahead of this clock" }
    )]
    Stale {
        /// The time of the newest cosignature.
        cosigned: UnixTime,
        /// The time of the watch.
        now: UnixTime,
    },
}

/// Why a watch could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The person's folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The authority of the device is no longer pinned.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// The authority cannot be reached, or does not speak the protocol.
    #[error(transparent)]
    Acme(AcmeError),
    /// The log cannot be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The log cannot be read at one place.
    #[error("the log's entry {index} cannot be read: {reason}")]
    Read {
        /// Where.
        index: u64,
        /// Why.
        reason: String,
    },
    /// The trust policy does not say enough about the log.
    #[error("the trust policy of {authority} is not complete: {reason}")]
    Policy {
        /// The authority.
        authority: String,
        /// What is missing.
        reason: String,
    },
}

impl WatchError {
    /// Whether nobody answered: being offline for a while says nothing.
    pub fn unreachable(&self) -> bool {
        match self {
            Self::Acme(error) => matches!(error, AcmeError::Fetch(https::FetchError::Unreachable { .. })),
            Self::Follow(error) => error.unreachable(),
            _ => false,
        }
    }
}

/// Looks once: fetches proofs, follows the log, opens every entry found.
///
/// With a `mirror` (the monitoring prefix of a C2SP tlog-mirror) everything of the log is read there, and the log does not
/// learn that anybody looks. What comes is verified in the same way: by the log's signature and the policy's quorum.
pub async fn watch_once(
    home: &Home,
    owner: &Owner,
    mirror: Option<&str>,
    now: UnixTime,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<WatchReport, WatchError> {
    let policies = home.trust_policies()?;
    let identifier = owner.identifier();
    // By its address first, as names need not be unique; by its name if it has moved since.
    let choice = choose_authority(&policies, identifier, Some(owner.acme()))
        .or_else(|_| choose_authority(&policies, identifier, Some(owner.authority())))?;
    let (policy, authority) = policies
        .iter()
        .flat_map(|policy| policy.authorities.iter().map(move |authority| (policy, authority)))
        .find(|(policy, authority)| authority.acme == choice.acme && policy.fingerprint().to_string() == choice.policy)
        .expect("the choice was made from these policies");
    let not_watched = others(&policies, authority, identifier, |acme| watched(home, identifier, acme));
    let incomplete = |reason: String| WatchError::Policy { authority: choice.authority.clone(), reason };
    let trust = Arc::new(home.trust_at(now)?);
    let matters = labels::Span::that_matters(authority, identifier, now).map_err(incomplete)?;
    let shards = policy.shards(authority).map_err(|error| incomplete(error.to_string()))?;

    // The proofs first: an entry logged after them and before the checkpoint is then found, if not yet opened.
    let mut client = match AcmeClient::connect(https_client(trust.clone()), &choice.acme, owner.account().clone()).await
    {
        Ok(client) => client,
        Err(error) => return refused(error),
    };
    let answers = match client.watch(identifier.as_str()).await {
        Ok(answers) => answers,
        Err(error) => return refused(error),
    };
    let mut looks = Vec::new();
    for shard in &shards {
        let Some(span) = matters.within(&shard.window, now) else { continue };
        match shard::Look::begin(home, identifier, shard, span, &answers)? {
            Ok(look) => looks.push(look),
            Err(blind) => return Ok(WatchReport::Blind(blind)),
        }
    }

    // For the rest of the device: whoever watches also hears of revocations.
    for chain in owner.own() {
        if let Err(error) = revocation::refresh(home, &trust, chain, now).await {
            tracing::warn!(%error, "the revocation list could not be fetched");
        }
    }
    let place = shard::Place { home, owner, policy, authority: &choice.authority, mirror, now };
    let (mut alarms, mut stale) = (Vec::new(), None);
    let mut seen = Seen {
        identifier: identifier.clone(),
        authority: choice.authority.clone(),
        not_watched,
        audits: Vec::new(),
        covered: matters.times(),
        certificates: Vec::new(),
        evidence: Vec::new(),
    };
    for look in looks {
        let saw = look.look(&place, &mut client, &mut progress).await?;
        stale = stale.or(saw.stale);
        seen.audits.push(saw.audit);
        seen.certificates.extend(saw.certificates);
        seen.evidence.extend(saw.evidence);
        alarms.extend(saw.alarms);
    }
    // An alarm is one however old; that there is none says something about now only if the log does.
    Ok(match (alarms.is_empty(), stale) {
        (true, Some(stale)) => WatchReport::Blind(stale),
        (true, None) => WatchReport::Clean(seen),
        (false, _) => WatchReport::Alarm(seen, alarms),
    })
}

/// The names of those who may certify this person besides the one that is asked; one authority may stand in several
/// policies.
fn others(
    policies: &[TrustPolicy],
    asked: &Authority,
    identifier: &Identifier,
    watched: impl Fn(&str) -> bool,
) -> Vec<String> {
    let all = policies.iter().flat_map(|policy| &policy.authorities);
    let other = all.filter(|one| {
        (&one.root, &one.log) != (&asked.root, &asked.log) && permits(one, identifier) && !watched(&one.acme)
    });
    let names: BTreeSet<_> = other.map(|one| one.name.clone()).collect();
    names.into_iter().collect()
}

/// Whether this device watches at the authority with this ACME directory, too. What cannot be read is not watched.
fn watched(home: &Home, identifier: &Identifier, acme: &str) -> bool {
    let enrolled = home.locked_device(identifier).is_ok_and(|device| device.enrolment.acme == acme);
    let for_mail = || home.locked_mailbox(identifier).is_ok_and(|mailbox| mailbox.enrolment.acme == acme);
    enrolled || for_mail() || home.watching_at(identifier, acme).is_ok_and(|found| found.is_some())
}

/// A refusal makes the watch blind; anything else is a failure to be reported as such.
fn refused(error: AcmeError) -> Result<WatchReport, WatchError> {
    match error {
        AcmeError::Refused { problem, .. } => {
            Ok(WatchReport::Blind(Blindness::Refused { reason: problem.to_string() }))
        }
        other => Err(WatchError::Acme(other)),
    }
}

/// Where the log called `origin` is served according to the policy. It may be run by somebody else than the authority, and
/// need not be authenticated: nothing is believed that the log and its witnesses have not signed.
pub fn log_source(policy: &LogPolicy, origin: &str) -> Result<transparency_log::client::HttpSource, String> {
    let log = policy
        .logs
        .iter()
        .find(|log| log.vkey.name() == origin)
        .ok_or_else(|| format!("no key of the log {origin}"))?;
    let url = log.url.as_ref().ok_or_else(|| format!("no address of the log {origin}"))?;
    Ok(transparency_log::client::HttpSource::new(https::client_for_what_proves_itself(), url))
}

/// Where a mirror with this monitoring prefix serves the log called `origin` (C2SP tlog-mirror). A mirror is no service of
/// the authority and need not be authenticated: nothing is believed that the log and its witnesses have not signed.
pub fn mirror_source(mirror: &str, origin: &str) -> transparency_log::client::HttpSource {
    let prefix = format!("{}/{}", mirror.trim_end_matches('/'), hex::encode(Sha256::digest(origin)));
    transparency_log::client::HttpSource::new(https::client_for_what_proves_itself(), &prefix)
}

/// Somebody else who shows logs, to be held against them. Not authenticated either, for the same reason.
pub fn open_source(url: &str) -> transparency_log::monitor::OtherSource {
    transparency_log::monitor::OtherSource::new(https::client_for_what_proves_itself(), url)
}

#[cfg(test)]
mod tests {
    use identity::testing::{Authority, NOON};

    use super::*;

    #[test]
    fn who_else_may_certify_is_named() {
        let [asked, wide, narrow] = [1, 2, 3].map(|seed| Authority::new(seed, NOON).policy());
        let alice = Identifier::parse("alice@example.org").unwrap();
        let mut narrow = narrow;
        narrow.authorities[0].domains = vec!["example.com".to_owned()];
        let again = TrustPolicy { name: "The same authority in another policy".to_owned(), ..asked.clone() };
        let policies = [asked.clone(), again, wide, narrow];
        assert_eq!(others(&policies, &asked.authorities[0], &alice, |_| false), ["Test authority 2"]);
        assert!(others(&policies, &asked.authorities[0], &alice, |_| true).is_empty(), "those are watched as well");
        assert!(others(&policies[..2], &asked.authorities[0], &alice, |_| false).is_empty());
    }
}
