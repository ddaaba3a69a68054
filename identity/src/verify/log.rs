//! The transparency proof of a certificate (LOG-01 to LOG-06, SLOT-01 to SLOT-04, WIT-01 to WIT-03).

use rustls_pki_types::UnixTime;
use std::time::Duration;
use tlog_proof::{Cosigned, Entry, UnverifiedCheckpoint, VerifierKey, leaf_hash, root_from_inclusion};

use super::{VerifyError, date};
use crate::{
    certificate::{Certificate, Tbs},
    identifier::Identifier,
    oid,
    rules::Rule,
    transparency::{LabelInput, SLOTS, TransparencyExtension, commitment, period_of, service_name_digest},
    trust::{TrustedAuthority, TrustedLog},
};

/// A cosignature may be older than the certificate by this: clocks differ (seconds).
const BEFORE: u64 = 5 * 60;
/// Nobody backdates a certificate by more than this (seconds).
const AFTER: u64 = 24 * 60 * 60;

/// What a proof shows.
pub(super) struct Logged {
    pub(super) origin: String,
    pub(super) index: u64,
    pub(super) time: UnixTime,
    pub(super) witnesses: Vec<String>,
    pub(super) only_operator: bool,
}

/// Whose certificate the entry is.
pub(super) enum Subject<'a> {
    Person(&'a Identifier),
    Service(&'a str),
}

pub(super) fn check(
    leaf: &Certificate,
    subject: &Subject<'_>,
    authority: &TrustedAuthority,
) -> Result<Logged, VerifyError> {
    let extension = read(leaf.tbs())?;
    let log = authority.logs.iter().find(|log| log.origin == extension.origin).ok_or_else(|| {
        let origins: Vec<_> = authority.logs.iter().map(|log| log.origin.as_str()).collect();
        VerifyError::new(Rule::LogOrigin, format_args!("a proof from {}", origins.join(" or ")), &extension.origin)
    })?;
    let entry = entry(leaf.tbs(), &extension, subject, log)?;
    let (checkpoint, key) = check_log(&extension, &entry, log)?;
    let cosigned = check_witnesses(&checkpoint, leaf.tbs().not_before(), authority)?;
    let latest = cosigned.iter().map(|c| c.time).max().unwrap_or_default();
    if !authority.windows.hold(key, latest) {
        let expected = format_args!("a log that was in use at {}", at(latest));
        return Err(VerifyError::new(Rule::TrustLogWindow, expected, format_args!("{}, which was not", log.origin)));
    }
    Ok(Logged {
        origin: extension.origin,
        index: extension.index,
        time: UnixTime::since_unix_epoch(Duration::from_secs(latest)),
        only_operator: cosigned.iter().all(|c| authority.operator_witnesses.contains(&c.name)),
        witnesses: cosigned.into_iter().map(|c| c.name).collect(),
    })
}

fn read(tbs: &Tbs) -> Result<TransparencyExtension, VerifyError> {
    let expected = "one transparency extension, not critical";
    let mut found = tbs.extensions().iter().filter(|e| e.extn_id == oid::TRANSPARENCY);
    match (found.next(), found.next()) {
        (None, _) => Err(VerifyError::new(Rule::LogPresent, expected, "none")),
        (Some(_), Some(_)) => Err(VerifyError::new(Rule::LogPresent, expected, "more than one")),
        (Some(one), None) if one.critical => Err(VerifyError::new(Rule::LogPresent, expected, "a critical one")),
        (Some(one), None) => TransparencyExtension::from_der(one.extn_value.as_bytes())
            .map_err(|e| VerifyError::new(Rule::LogEncoding, "a transparency extension in strict DER", e.found())),
    }
}

/// The entry that must stand in the log.
fn entry(
    tbs: &Tbs,
    extension: &TransparencyExtension,
    subject: &Subject<'_>,
    log: &TrustedLog,
) -> Result<Entry, VerifyError> {
    let person = matches!(subject, Subject::Person(_));
    if extension.vrf_proof.is_some() != person {
        let expected = if person { "a VRF proof for a person" } else { "no VRF proof for a service" };
        let found = if person { "none" } else { "one" };
        return Err(VerifyError::new(Rule::SlotProof, expected, found));
    }
    let slots = if person { SLOTS } else { 1 };
    if extension.slot >= slots {
        return Err(VerifyError::new(Rule::SlotRange, format_args!("a slot below {slots}"), extension.slot));
    }
    let period = period_of(tbs.not_before());
    if extension.period != period {
        let expected = format_args!("period {period}, in which the certificate begins");
        return Err(VerifyError::new(Rule::SlotPeriod, expected, extension.period));
    }
    let commitment = commitment(&extension.opening, &tbs.without_transparency().encode());
    match subject {
        Subject::Service(name) => Ok(Entry::Service { name_digest: service_name_digest(name), commitment }),
        Subject::Person(identifier) => {
            let proof = extension.vrf_proof.as_ref().expect("a person's proof is there: SLOT-01");
            let input = LabelInput { origin: &extension.origin, identifier, period, slot: extension.slot };
            let label = (log.vrf_key.verify(&input, proof)).map_err(|e| {
                let expected = format_args!("a VRF proof for {identifier}, period {period}, slot {}", extension.slot);
                VerifyError::new(Rule::SlotVrf, expected, e.found())
            })?;
            Ok(Entry::Certificate { label, commitment })
        }
    }
}

/// Entry and path lead to a root; the checkpoint with that root must be the one that the log signed. An altered
/// commitment, index or path leads elsewhere, and shows here as a signature that does not fit.
fn check_log<'a>(
    extension: &TransparencyExtension,
    entry: &Entry,
    log: &'a TrustedLog,
) -> Result<(UnverifiedCheckpoint, &'a VerifierKey), VerifyError> {
    let leaf = leaf_hash(&entry.encode());
    let root = root_from_inclusion(extension.index, extension.tree_size, &leaf, &extension.path).map_err(|e| {
        VerifyError::new(Rule::LogPath, "an inclusion path of the length that index and size ask for", e)
    })?;
    let checkpoint = UnverifiedCheckpoint::parse(extension.checkpoint(&root))
        .map_err(|e| VerifyError::new(Rule::LogEncoding, "names that can stand in a checkpoint", e))?;
    let known = log.keys.iter().find(|key| key.id() == extension.log_key_id);
    let key = known.ok_or_else(|| {
        let expected = format_args!("a signature by a key of {}", log.origin);
        VerifyError::new(Rule::LogKey, expected, format_args!("key {}", hex::encode(extension.log_key_id)))
    })?;
    checkpoint.verify_log(key).map_err(|e| {
        let expected = "the log's signature on the root to which entry and path lead";
        VerifyError::new(Rule::LogSignature, expected, e)
    })?;
    Ok((checkpoint, key))
}

fn check_witnesses(
    checkpoint: &UnverifiedCheckpoint,
    not_before: UnixTime,
    authority: &TrustedAuthority,
) -> Result<Vec<Cosigned>, VerifyError> {
    let policy = &authority.log_policy;
    let (first, last) = (not_before.as_secs().saturating_sub(BEFORE), not_before.as_secs().saturating_add(AFTER));
    let mut all: Vec<&VerifierKey> = Vec::new();
    let mut timely: Vec<(&VerifierKey, Cosigned)> = Vec::new();
    let (mut untimely, mut retired): (u64, Vec<&VerifierKey>) = (0, Vec::new());
    for key in policy.witnesses.iter().map(|w| &w.vkey) {
        if !checkpoint.note().signatures().iter().any(|line| line.claims(key)) {
            continue;
        }
        // C2SP signed-note: one wrong signature by a known key spoils the note, even where others suffice.
        let cosigned = checkpoint.verify_cosignature(key).map_err(|e| {
            VerifyError::new(Rule::WitnessSignature, format_args!("the cosignature of {}", key.name()), e)
        })?;
        all.push(key);
        if cosigned.time == 0 || !(first..=last).contains(&cosigned.time) {
            untimely = cosigned.time;
        } else if authority.windows.hold(key, cosigned.time) {
            timely.push((key, cosigned));
        } else {
            retired.push(key);
        }
    }
    let mut keys: Vec<&VerifierKey> = timely.iter().map(|(key, _)| *key).collect();
    if policy.quorum_met(&keys) {
        return Ok(timely.into_iter().map(|(_, cosigned)| cosigned).collect());
    }
    keys.extend(&retired);
    if policy.quorum_met(&keys) {
        let names: Vec<_> = retired.iter().map(|key| key.name()).collect();
        let found = format_args!("one only with {}, which did not count then", names.join(", "));
        return Err(VerifyError::new(Rule::TrustWitnessWindow, "a quorum of witnesses within their windows", found));
    }
    if policy.quorum_met(&all) {
        let expected = format_args!("a quorum cosigned between {} and {}", at(first), at(last));
        return Err(VerifyError::new(Rule::WitnessTime, expected, format_args!("one at {}", at(untimely))));
    }
    let names: Vec<_> = all.iter().map(|key| key.name()).collect();
    let found = if names.is_empty() { "none of a known witness".to_owned() } else { names.join(", ") };
    Err(VerifyError::new(Rule::WitnessQuorum, "cosignatures that make the policy's quorum", found))
}

fn at(seconds: u64) -> String {
    date(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}
