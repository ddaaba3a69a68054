//! A certificate that an authority signed.

use std::time::Duration;

use rustls_pki_types::UnixTime;

use super::{Culprit, EvidenceError, Purpose, Refusal, Shown, is_misbehaviour};
use crate::{
    CertificateDer, MAX_CHAIN,
    certificate::Certificate,
    trust::{Base64Bytes, Trust, TrustPolicy},
    verify::{Certified, VerifyError, date, verify_mail, verify_person},
};

pub(super) fn judge(
    policy: &TrustPolicy,
    at: u64,
    chain: &[Base64Bytes],
    purpose: Option<Purpose>,
    refused: Option<&Refusal>,
) -> Result<Shown, EvidenceError> {
    if chain.is_empty() || chain.len() > MAX_CHAIN {
        return Err(EvidenceError::value("chain", format_args!("1 to {MAX_CHAIN} certificates"), chain.len()));
    }
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.0.clone())).collect();
    let trust = Trust::new(vec![policy.clone()])?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
    let verdict = match purpose {
        None => verify_person(&chain, &trust, at).map(|person| {
            let key = format!("with the key {}", hex::encode(person.device_key()));
            (Certified::clone(&person), key)
        }),
        Some(Purpose::Mail) => verify_mail(&chain, &trust, at).map(|mailbox| {
            let key = format!("for mail, with the key whose SHA-256 is {}", hex::encode(mailbox.key_digest()));
            (Certified::clone(&mailbox), key)
        }),
    };
    match (verdict, refused) {
        (Err(error), Some(claimed)) if error.rule.id() == claimed.rule => Ok(broken(&trust, &chain[0], &error)),
        (Err(error), claimed) => {
            let expected = claimed.map_or("a certificate that keeps every rule", |claimed| &claimed.rule);
            Err(EvidenceError::value("certificate", expected, error))
        }
        (Ok((person, _)), Some(claimed)) => {
            let found = format_args!("a certificate of {} that keeps every rule", person.identifier());
            Err(EvidenceError::value("certificate", format_args!("one that breaks {}", claimed.rule), found))
        }
        (Ok((person, key)), None) => Ok(Shown {
            culprit: None,
            proven: vec![
                format!(
                    "{} certified {} {key}, serial number {}, from {} to {}.",
                    person.authority(),
                    person.identifier(),
                    person.serial_hex(),
                    date(person.not_before()),
                    date(person.not_after())
                ),
                format!(
                    "It stands in the log {} as entry {}, seen by {} until {}.",
                    person.origin(),
                    person.index(),
                    person.witnesses().join(", "),
                    date(person.logged_at())
                ),
            ],
            open: vec![format!(
                "Whether {} asked for it, only she can say. If she did not, the authority has certified somebody else in her name.",
                person.identifier()
            )],
        }),
    }
}

/// What a certificate shows that breaks a rule: it depends on who signed it.
fn broken(trust: &Trust, leaf: &CertificateDer, error: &VerifyError) -> Shown {
    let broken = format!("The certificate breaks the rule {error}.");
    match signer(trust, leaf) {
        Some(authority) if is_misbehaviour(error.rule) => Shown {
            proven: vec![format!("{authority} has signed this certificate."), broken],
            culprit: Some(Culprit::Authority(authority)),
            open: Vec::new(),
        },
        Some(authority) => Shown {
            culprit: None,
            proven: vec![format!("{authority} has signed this certificate."), broken],
            open: vec![
                "That rule says when and for what it may be used; having signed it is no misbehaviour.".to_owned(),
            ],
        },
        None => Shown {
            culprit: None,
            proven: vec![broken],
            open: vec!["No authority of the policy has signed it: anybody can have made it.".to_owned()],
        },
    }
}

/// The authority one of whose issuing certificates signed the leaf.
fn signer(trust: &Trust, leaf: &CertificateDer) -> Option<String> {
    let leaf = Certificate::parse(leaf).ok()?;
    let signed = |issuer: &&crate::trust::Issuer| issuer.has_signed(leaf.tbs_der(), leaf.signature());
    let by = trust.authorities().iter().find(|authority| authority.issuers.iter().any(|issuer| signed(&issuer)))?;
    Some(by.name.clone())
}
