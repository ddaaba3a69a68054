//! Entries under one label.

use std::time::Duration;

use rustls_pki_types::UnixTime;
use tlog_proof::{Entry, Proof, leaf_hash};

use super::{Culprit, EvidenceError, Label, LoggedEntry, Opened, Shown};
use crate::{
    certificate::{SubjectName, Tbs},
    identifier::Identifier,
    transparency::{LabelInput, Opening, VrfProof, commitment},
    trust::{Trust, TrustPolicy, TrustedAuthority},
    verify::date,
};

/// An entry that stands in a log of the policy.
struct Found {
    origin: String,
    index: u64,
    seen: UnixTime,
    label: [u8; 32],
    commitment: [u8; 32],
}

pub(super) fn judge(
    policy: &TrustPolicy,
    label: Option<&Label>,
    entries: &[LoggedEntry],
) -> Result<Shown, EvidenceError> {
    let trust = Trust::new(vec![policy.clone()])?;
    let found = entries.iter().take(2).map(|entry| find(policy, entry)).collect::<Result<Vec<_>, _>>()?;
    let first = match (&*found, entries.len(), label) {
        ([one], 1, Some(_)) => one,
        ([one, other], 2, _) => two_places(one, other)?,
        (_, number, None) => return Err(EvidenceError::value("entries", "two, where it is not said whose", number)),
        (_, number, Some(_)) => return Err(EvidenceError::value("entries", "one or two", number)),
    };
    let (authority, place) = match label {
        Some(label) => (whose(&trust, label, first)?, place(label)),
        None => (feeder(&trust, &first.origin)?, format!("label in {}", first.origin)),
    };
    let culprit = Culprit::Authority(authority.name.clone());
    let mut shown = Shown { culprit: None, proven: Vec::new(), open: Vec::new() };
    for (entry, found) in entries.iter().zip(&found) {
        let index = found.index;
        let seen = date(found.seen);
        shown.proven.push(format!("Entry {index} stands under a {place}, seen by witnesses until {seen}."));
        match &entry.opened {
            None => shown.open.push(format!("What entry {index} commits to, is not said here.")),
            Some(opened) => {
                let (sentence, names_her) = open(opened, &found.commitment, label.map(|label| &label.identifier))?;
                shown.proven.push(format!("Entry {index} is {sentence}."));
                if !names_her {
                    shown.culprit = Some(culprit.clone());
                }
            }
        }
    }
    if found.len() == 2 {
        shown.proven.push("Two entries under one label: an honest authority never makes them.".to_owned());
        shown.culprit = Some(culprit);
    } else if let (None, Some(label)) = (&shown.culprit, label) {
        let who = &label.identifier;
        shown.open.push(format!(
            "Whether {who} knows of it, only she can say. If she does not, the authority has certified somebody else in her name."
        ));
    }
    Ok(shown)
}

fn place(label: &Label) -> String {
    format!("label of {} in {} (period {}, slot {})", label.identifier, label.origin, label.period, label.slot)
}

/// Two entries of one log under one label.
fn two_places<'a>(one: &'a Found, other: &Found) -> Result<&'a Found, EvidenceError> {
    if one.origin != other.origin {
        return Err(EvidenceError::value("entries", format_args!("both in {}", one.origin), &other.origin));
    }
    if one.label != other.label {
        return Err(EvidenceError::value("entries", hex::encode(one.label), hex::encode(other.label)));
    }
    if one.index == other.index {
        return Err(EvidenceError::value("entries", "two places in the log", format_args!("{} twice", one.index)));
    }
    Ok(one)
}

/// The authority that feeds the log: the first that the policy lists.
fn feeder<'a>(trust: &'a Trust, origin: &str) -> Result<&'a TrustedAuthority, EvidenceError> {
    let feeds = |authority: &&TrustedAuthority| authority.logs.iter().any(|log| log.origin == origin);
    let found = trust.authorities().iter().find(feeds);
    found.ok_or_else(|| EvidenceError::value("proof", "a log of an authority of the policy", origin))
}

/// The authority under whose key the VRF proof proves the entry's label. Two may share a log, each with its own key.
fn whose<'a>(trust: &'a Trust, label: &Label, entry: &Found) -> Result<&'a TrustedAuthority, EvidenceError> {
    if label.origin != entry.origin {
        return Err(EvidenceError::value("origin", &label.origin, &entry.origin));
    }
    let proof = <[u8; 80]>::try_from(&*label.vrf_proof.0)
        .map_err(|_| EvidenceError::value("vrf_proof", "80 bytes", label.vrf_proof.0.len()))?;
    let input =
        LabelInput { origin: &label.origin, identifier: &label.identifier, period: label.period, slot: label.slot };
    let proof = VrfProof::from_bytes(proof);
    let logs = trust.authorities().iter().flat_map(|a| a.logs.iter().map(move |log| (a, log)));
    let mut hers = logs.filter(|(_, log)| log.origin == label.origin);
    let found = hers.find(|(_, log)| log.vrf_key.verify(&input, &proof).is_ok_and(|found| found == entry.label));
    found.map(|(authority, _)| authority).ok_or_else(|| {
        let expected = format_args!("a proof that the label is one of {}", label.identifier);
        EvidenceError::value("vrf_proof", expected, "a proof of something else, or none")
    })
}

fn find(policy: &TrustPolicy, logged: &LoggedEntry) -> Result<Found, EvidenceError> {
    let entry = Entry::decode(&logged.entry.0).map_err(|e| EvidenceError::value("entry", "an entry of a log", e))?;
    let Entry::Certificate { label, commitment } = entry else {
        return Err(EvidenceError::value("entry", "the entry of a person's certificate", "another kind"));
    };
    let proof = Proof::parse(&logged.proof)?;
    let leaf = leaf_hash(&logged.entry.0);
    let verdict = proof.verify(&leaf, &policy.log_policy()?)?;
    let seen = verdict.cosigned.iter().map(|c| c.time).max().unwrap_or_default();
    let seen = UnixTime::since_unix_epoch(Duration::from_secs(seen));
    proof.verify(&leaf, &policy.log_policy_at(seen)?)?;
    Ok(Found { origin: verdict.checkpoint.origin.clone(), index: proof.index, seen, label, commitment })
}

/// What an opened entry is, in words, and whether it names the person whose label it has.
fn open(
    opened: &Opened,
    expected: &[u8; 32],
    identifier: Option<&Identifier>,
) -> Result<(String, bool), EvidenceError> {
    let opening = <[u8; 32]>::try_from(&*opened.opening.0)
        .map_err(|_| EvidenceError::value("opening", "32 bytes", opened.opening.0.len()))?;
    let found = commitment(&Opening::new(opening), &opened.tbs.0);
    if found != *expected {
        return Err(EvidenceError::value("opening", hex::encode(expected), hex::encode(found)));
    }
    let Ok(tbs) = Tbs::decode(&opened.tbs.0) else {
        return Ok(("something that is no certificate".to_owned(), false));
    };
    let names: Vec<_> = tbs.subject_names().iter().map(name).collect();
    let sentence = format!(
        "a certificate for {} with the key {}, serial number {}, from {} to {}",
        names.join(", "),
        hex::encode(tbs.spki().subject_public_key.raw_bytes()),
        tbs.serial_hex(),
        date(tbs.not_before()),
        date(tbs.not_after())
    );
    Ok((sentence, identifier.is_none_or(|identifier| names == [identifier.as_str()])))
}

fn name(name: &SubjectName) -> String {
    name.text().unwrap_or("somebody unreadable").to_owned()
}
