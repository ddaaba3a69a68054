//! Entries under one label of a person.

use std::time::Duration;

use rustls_pki_types::UnixTime;
use tlog_proof::{Entry, Proof, leaf_hash};

use super::{Culprit, EvidenceError, Label, LoggedEntry, Opened, Shown};
use crate::{
    certificate::{SubjectName, Tbs},
    identifier::Identifier,
    transparency::{LabelInput, Opening, VrfProof, commitment},
    trust::{Trust, TrustPolicy, TrustedAuthority, TrustedLog},
    verify::date,
};

pub(super) fn judge(policy: &TrustPolicy, label: &Label, entries: &[LoggedEntry]) -> Result<Shown, EvidenceError> {
    if entries.is_empty() || entries.len() > 2 {
        return Err(EvidenceError::value("entries", "one or two", entries.len()));
    }
    let trust = Trust::new(vec![policy.clone()])?;
    let (authority, hers) = find_label(&trust, label)?;
    let place =
        format!("label of {} in {} (period {}, slot {})", label.identifier, label.origin, label.period, label.slot);
    let mut shown = Shown { culprit: None, proven: Vec::new(), open: Vec::new() };
    let culprit = Culprit::Authority(authority.name.clone());
    let mut places = Vec::new();
    for entry in entries {
        let (index, seen, commitment) = find_entry(policy, label, &hers, entry)?;
        places.push(index);
        shown.proven.push(format!("Entry {index} stands under a {place}, seen by witnesses until {}.", date(seen)));
        match &entry.opened {
            None => shown.open.push(format!("What entry {index} commits to, is not said here.")),
            Some(opened) => {
                let (sentence, names_her) = open(opened, &commitment, &label.identifier)?;
                shown.proven.push(format!("Entry {index} is {sentence}."));
                if !names_her {
                    shown.culprit = Some(culprit.clone());
                }
            }
        }
    }
    match *places {
        [first, second] if first == second => {
            return Err(EvidenceError::value("entries", "two places in the log", format_args!("{first} twice")));
        }
        [_, _] => {
            shown.proven.push("Two entries under one label: an honest authority never makes them.".to_owned());
            shown.culprit = Some(culprit);
        }
        _ if shown.culprit.is_none() => shown.open.push(format!(
            "Whether {} knows of it, only she can say. If she does not, the authority has certified somebody else in her name.",
            label.identifier
        )),
        _ => {}
    }
    Ok(shown)
}

/// The authority that feeds the log, and the label that the VRF proof proves.
fn find_label<'a>(trust: &'a Trust, label: &Label) -> Result<(&'a TrustedAuthority, [u8; 32]), EvidenceError> {
    let logs = trust.authorities().iter().flat_map(|a| a.logs.iter().map(move |log| (a, log)));
    let proof = <[u8; 80]>::try_from(&*label.vrf_proof.0)
        .map_err(|_| EvidenceError::value("vrf_proof", "80 bytes", label.vrf_proof.0.len()))?;
    let input =
        LabelInput { origin: &label.origin, identifier: &label.identifier, period: label.period, slot: label.slot };
    let mut error = EvidenceError::value("origin", "a log of an authority of the policy", &label.origin);
    // Two authorities may share a log, each with a label key of its own.
    for (authority, TrustedLog { vrf_key, .. }) in logs.filter(|(_, log)| log.origin == label.origin) {
        match vrf_key.verify(&input, &VrfProof::from_bytes(proof)) {
            Ok(found) => return Ok((authority, found)),
            Err(e) => error = EvidenceError::value("vrf_proof", format_args!("a proof for {}", label.identifier), e),
        }
    }
    Err(error)
}

/// Index, time and commitment of an entry that stands in this log under this label.
fn find_entry(
    policy: &TrustPolicy,
    label: &Label,
    hers: &[u8; 32],
    logged: &LoggedEntry,
) -> Result<(u64, UnixTime, [u8; 32]), EvidenceError> {
    let entry = Entry::decode(&logged.entry.0).map_err(|e| EvidenceError::value("entry", "an entry of a log", e))?;
    let Entry::Certificate { label: found, commitment } = entry else {
        return Err(EvidenceError::value("entry", "the entry of a person's certificate", "another kind"));
    };
    if found != *hers {
        let found = hex::encode(found);
        return Err(EvidenceError::value("entry", format_args!("the label {}", hex::encode(hers)), found));
    }
    let proof = Proof::parse(&logged.proof)?;
    let leaf = leaf_hash(&logged.entry.0);
    let verdict = proof.verify(&leaf, &policy.log_policy()?)?;
    if verdict.checkpoint.origin != label.origin {
        return Err(EvidenceError::value("proof", &label.origin, &verdict.checkpoint.origin));
    }
    let seen = verdict.cosigned.iter().map(|c| c.time).max().unwrap_or_default();
    let seen = UnixTime::since_unix_epoch(Duration::from_secs(seen));
    proof.verify(&leaf, &policy.log_policy_at(seen)?)?;
    Ok((proof.index, seen, commitment))
}

/// What an opened entry is, in words, and whether it names the person whose label it has.
fn open(opened: &Opened, expected: &[u8; 32], identifier: &Identifier) -> Result<(String, bool), EvidenceError> {
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
    Ok((sentence, names == [identifier.as_str()]))
}

fn name(name: &SubjectName) -> String {
    match name {
        SubjectName::Email(text)
        | SubjectName::InternationalEmail(text)
        | SubjectName::Phone(text)
        | SubjectName::Dns(text) => text.clone(),
        _ => "somebody unreadable".to_owned(),
    }
}
