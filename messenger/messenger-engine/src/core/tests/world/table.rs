//! Certificates of this world, and who is known by them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use identity::Identifier;
use identity::trust::Fingerprint;
use sha2::{Digest, Sha256};

use crate::room::{AnotherAuthority, Authority, Credentials, DeviceKey, Facts, MailFacts, Person};
use crate::time::Now;
use crate::wire::MailChain;

/// A certificate of this world: key and identifier, and when it begins and ends, if it says so. Whoever is on the blacklist is
/// refused, or one certificate of hers, and so is what has ended.
#[derive(Default)]
pub(in crate::core::tests) struct Table {
    pub(in crate::core::tests) refused: Mutex<Vec<String>>,
    pub(in crate::core::tests) known: Mutex<BTreeMap<Identifier, Fingerprint>>,
    /// Every leaf that was to be verified.
    pub(in crate::core::tests) asked: Mutex<Vec<Vec<u8>>>,
}

pub(in crate::core::tests) fn certificate(who: &str, key: &DeviceKey) -> Vec<u8> {
    [&key.0[..], who.as_bytes()].concat()
}

/// A certificate for the same person and key that begins and ends then.
pub(in crate::core::tests) fn certificate_of(person: &Person) -> Vec<u8> {
    let valid = format!(";{};{}", person.certificate.not_before, person.not_after);
    [certificate(person.identifier.as_str(), &person.device), valid.into_bytes()].concat()
}

impl Credentials for Table {
    fn verify(&self, leaf: &[u8], now: Now) -> Result<Person, String> {
        self.asked.lock().unwrap().push(leaf.to_vec());
        let (key, who) = leaf.split_at_checked(32).ok_or("expected a key")?;
        let text = std::str::from_utf8(who).map_err(|e| e.to_string())?;
        let mut parts = text.split(';');
        let who = parts.next().unwrap_or_default();
        let mut seconds = || parts.next().and_then(|seconds| seconds.parse().ok());
        let (not_before, not_after) = (seconds().unwrap_or(0), seconds().unwrap_or(now.unix.as_secs() + 1_000_000));
        if not_after < now.unix.as_secs() {
            return Err("CHAIN-06: expected a certificate that has not ended, found one that has".into());
        }
        if self.refused.lock().unwrap().iter().any(|refused| refused == who || refused == text) {
            return Err("CHAIN-01: expected an issuer of the trust policy, found none".into());
        }
        let identifier = Identifier::from_canonical(who).map_err(|e| e.to_string())?;
        Ok(Person {
            identifier,
            device: DeviceKey(key.try_into().unwrap()),
            not_after,
            authority: Authority { name: "town".into(), root: Fingerprint([7; 32]) },
            certificate: Arc::new(Facts {
                digest: Sha256::digest(leaf).into(),
                serial: hex::encode(&key[..4]),
                not_before,
                log: "town/log".into(),
                index: 0,
                witnesses: vec!["town/witness".into()],
                witnessed_only_by_operator: true,
            }),
        })
    }

    fn key(&self, leaf: &[u8]) -> Option<[u8; 32]> {
        leaf.first_chunk().copied()
    }

    /// In this world a certificate for mail is its owner's address and its authority's number.
    fn mail(&self, chain: &MailChain, of: &Person, now: Now) -> Result<MailFacts, String> {
        let leaf = chain.0.first().ok_or("expected a leaf")?;
        self.asked.lock().unwrap().push(leaf.to_vec());
        let (root, who) = leaf.split_first().ok_or("expected an authority")?;
        match who == of.identifier.as_str().as_bytes() && *root == of.authority.root.0[0] {
            true => Ok(MailFacts { serial: "05".into(), not_before: 0, not_after: now.unix.as_secs() + 1_000 }),
            false => Err("expected one of hers by town, found another".into()),
        }
    }

    fn meet(&self, person: &Person, _: Now) -> Result<bool, AnotherAuthority> {
        let who = person.identifier.clone();
        let mut known = self.known.lock().unwrap();
        match known.get(&who) {
            None => {
                known.insert(who, person.authority.root);
                return Ok(true);
            }
            Some(root) if *root != person.authority.root => {
                return Err(AnotherAuthority { who, refusal: "TRUST-06: expected town, found another".into() });
            }
            Some(_) => {}
        }
        Ok(false)
    }
}
