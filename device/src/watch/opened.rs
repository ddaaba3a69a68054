//! Judges what was found: is it opened, is it hers, does she know the key?

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::certificate::{SubjectName, Tbs};
use identity::transparency::{Opening, commitment};
use identity::{Identifier, UnixTime};

use super::Alarm;
use super::scan::{Found, Hit};
use super::state::State;
use crate::acme::messages::{OpenedEntry, WatchAnswer};

/// A certificate in the owner's name, as the log holds it and the authority opened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedCertificate {
    /// The origin of the log in which it stands.
    pub log: String,
    /// Where it stands there.
    pub index: u64,
    /// Its serial number, hex.
    pub serial: String,
    /// The public key (the bits of its subjectPublicKey).
    pub key: Vec<u8>,
    /// When it begins.
    pub not_before: UnixTime,
    /// When it ends.
    pub not_after: UnixTime,
}

/// What was found, sorted.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// The owner's certificates, each with the entry that it was opened from.
    pub(super) certificates: Vec<(Hit, OpenedCertificate)>,
    pub(super) alarms: Vec<Alarm>,
    /// Entries opened now that were not before.
    pub(super) new: Vec<(Hit, OpenedCertificate)>,
}

/// Sorts what was found into the owner's certificates and alarms.
pub(super) fn judge(identifier: &Identifier, found: &Found, answer: &WatchAnswer, state: &State) -> Judged {
    let mut judged = Judged::default();
    for hit in &found.hits {
        let before = state.opened(&answer.origin, hit);
        let opened = match before.clone() {
            Some(certificate) => Ok(certificate),
            None => open(identifier, hit, answer),
        };
        let certificate = match opened {
            Ok(certificate) => certificate,
            Err(reason) => {
                judged.alarms.push(Alarm::NotOpened { log: answer.origin.clone(), index: hit.index, reason });
                continue;
            }
        };
        if before.is_none() {
            judged.new.push((hit.clone(), certificate.clone()));
        }
        if state.knows(&certificate) {
            judged.certificates.push((hit.clone(), certificate));
        } else {
            judged.alarms.push(Alarm::UnknownKey(certificate));
        }
    }
    judged.alarms.extend(duplicates(&answer.origin, &found.hits));
    judged.alarms.extend(own_missing(&answer.origin, found));
    judged
}

fn own_missing(log: &str, found: &Found) -> Option<Alarm> {
    let (index, found) = found.own_missing.clone()?;
    Some(Alarm::OwnMissing { log: log.to_owned(), index, found })
}

/// Two entries under one label.
fn duplicates(log: &str, hits: &[Hit]) -> Vec<Alarm> {
    let mut by_label: BTreeMap<(u32, u8), Vec<u64>> = BTreeMap::new();
    for hit in hits {
        by_label.entry((hit.period, hit.slot)).or_default().push(hit.index);
    }
    by_label
        .into_values()
        .filter(|indexes| indexes.len() > 1)
        .map(|indexes| Alarm::Duplicate { log: log.to_owned(), indexes })
        .collect()
}

/// What opens `hit` in the answer: its HMAC under the opening is the commitment in the log.
fn open(identifier: &Identifier, hit: &Hit, answer: &WatchAnswer) -> Result<OpenedCertificate, String> {
    let erased = answer.erased.iter().any(|entry| (entry.period, entry.slot) == (hit.period, hit.slot));
    let mut reason = match erased {
        true => "the authority says that what opens it was erased, as whoever reads this mailbox may ask for",
        false => "the authority does not say what it is",
    }
    .to_owned();
    for entry in answer.entries.iter().filter(|entry| entry.period == hit.period && entry.slot == hit.slot) {
        match open_with(identifier, &answer.origin, hit, entry) {
            Ok(certificate) => return Ok(certificate),
            Err(found) => reason = found,
        }
    }
    Err(reason)
}

/// A name as it stands in a certificate.
fn text(name: &SubjectName) -> &str {
    name.text().unwrap_or("something unreadable")
}

fn open_with(identifier: &Identifier, log: &str, hit: &Hit, entry: &OpenedEntry) -> Result<OpenedCertificate, String> {
    let decode = |text: &str| {
        URL_SAFE_NO_PAD.decode(text).map_err(|error| format!("what the authority says does not decode: {error}"))
    };
    let opening: [u8; 32] = decode(&entry.opening)?
        .try_into()
        .map_err(|bytes: Vec<u8>| format!("expected an opening of 32 bytes, found {}", bytes.len()))?;
    let der = decode(&entry.tbs)?;
    if commitment(&Opening::new(opening), &der) != hit.commitment {
        return Err("the authority shows another certificate than the one in the log".to_owned());
    }
    let tbs = Tbs::decode(&der).map_err(|error| format!("the log holds something that is no certificate: {error}"))?;
    let names = tbs.subject_names();
    let names: Vec<_> = names.iter().map(text).collect();
    if names != [identifier.as_str()] {
        return Err(format!("the log holds a certificate for {} under a label of {identifier}", names.join(", ")));
    }
    Ok(OpenedCertificate {
        log: log.to_owned(),
        index: hit.index,
        serial: tbs.serial_hex(),
        key: tbs.spki().subject_public_key.raw_bytes().to_vec(),
        not_before: tbs.not_before(),
        not_after: tbs.not_after(),
    })
}

#[cfg(test)]
mod tests;
