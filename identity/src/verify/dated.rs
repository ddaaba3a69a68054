//! When a signature was made, at the latest: its entry in a public log (kind 2, `docs/spec/log.md`), cosigned by
//! witnesses, proves that it was there. A certificate lives for days or months; a signature that was dated within its
//! life stays good after its end, and after a revocation that came later.
//!
//! The entry holds 32 random bytes and an HMAC under a random key: nobody learns from the log who signed, or what.

use std::fmt;

use rustls_pki_types::UnixTime;
use tlog_proof::{Entry, Proof, leaf_hash};

use super::certified::{Certified, Use, certify_dated};
use super::{VerifyError, date, mail, person};
use crate::{
    CertificateDer,
    rules::Rule,
    transparency::{Opening, signature_commitment},
    trust::{Issued, Revocation, Trust},
};

/// The proof's own part: version, label, opening.
const EXTRA_BYTES: usize = 1 + 32 + 32;
/// The only version there is.
const VERSION: u8 = 1;
/// A text longer than this is refused before it is read (bytes).
pub const MAX_DATE_PROOF_BYTES: usize = 64 * 1024;

/// What dates one signature, none of it verified: label and opening of its entry, and the entry's proof. As text it is a
/// C2SP tlog-proof whose extra data are version, label and opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedDate {
    label: [u8; 32],
    opening: Opening,
    proof: Proof,
}

/// A signature's date, as a log and its witnesses vouch for it. Only [`UnverifiedDate::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDate {
    /// The log's origin.
    pub origin: String,
    /// Where the entry stands in it.
    pub index: u64,
    /// The signature existed at this time: that of the latest cosignature.
    pub time: UnixTime,
    /// The names of the witnesses that cosigned.
    pub witnesses: Vec<String>,
    /// Whether the witnesses are all run by the operator of an authority: then the date is that operator's word.
    pub witnessed_only_by_operator: bool,
}

/// Who signed, by a certificate that was good when the signature was dated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatedSigner {
    /// Who, and how it is proven. Revocation in it is that at the date.
    pub signer: Certified,
    /// When, at the latest.
    pub date: VerifiedDate,
    /// When the certificate was revoked, if it was after the date.
    pub revoked_later: Option<UnixTime>,
}

/// What kind of certificate the key that signed is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerKind {
    /// A mail program's.
    Mailbox,
    /// A person's device's.
    Device,
}

impl UnverifiedDate {
    /// From an entry that was logged, and its proof.
    pub fn new(label: [u8; 32], opening: Opening, proof: Proof) -> Self {
        Self { label, opening, proof: Proof { extra: None, ..proof } }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// DATE-01.
    pub fn parse(text: &str) -> Result<Self, VerifyError> {
        let form = |found: &dyn fmt::Display| {
            let expected =
                format_args!("a tlog-proof of at most 64 KiB with {EXTRA_BYTES} bytes of extra data, version 1");
            VerifyError::new(Rule::DateForm, expected, found)
        };
        if text.len() > MAX_DATE_PROOF_BYTES {
            return Err(form(&format_args!("{} bytes", text.len())));
        }
        let proof = Proof::parse(text).map_err(|error| form(&error))?;
        let extra = proof.extra.as_deref().unwrap_or_default();
        let parts: &[u8; EXTRA_BYTES] =
            extra.try_into().map_err(|_| form(&format_args!("{} bytes of extra data", extra.len())))?;
        let [version, parts @ ..] = parts;
        if *version != VERSION {
            return Err(form(&format_args!("version {version}")));
        }
        let (label, opening) = parts.split_at(32);
        let half = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).expect("64 bytes were split at 32");
        let (label, opening) = (half(label), Opening::new(half(opening)));
        Ok(Self { label, opening, proof: Proof { extra: None, ..proof } })
    }

    /// The entry that must stand in the log if this dates the signature with this SHA-256.
    pub fn entry(&self, signature_sha256: &[u8; 32]) -> Entry {
        Entry::Signature { label: self.label, digest: signature_commitment(&self.opening, signature_sha256) }
    }

    /// Checks that the signature with this SHA-256 stands in a log of a trusted policy, cosigned by its quorum, all of
    /// them in their windows.
    ///
    /// # Errors
    /// DATE-02, of the policy that got furthest.
    pub fn verify(&self, signature_sha256: &[u8; 32], trust: &Trust) -> Result<VerifiedDate, VerifyError> {
        let leaf = leaf_hash(&self.entry(signature_sha256).encode());
        let error = |found: &dyn fmt::Display| {
            VerifyError::new(Rule::DateLogged, "an entry for this signature in a log of the trust policy", found)
        };
        let mut said: Option<String> = None;
        for policy in trust.policies() {
            // The whole proof first, then with the keys alone that counted at its time: as for updates (TRUST-11).
            let verdict = policy.log_policy().map_err(|e| e.to_string()).and_then(|always| {
                let verdict = self.proof.verify(&leaf, &always).map_err(|e| e.to_string())?;
                if verdict.cosigned.iter().any(|c| c.time == 0) {
                    return Err("a cosignature without a time".to_owned());
                }
                let latest = verdict.cosigned.iter().map(|c| c.time).max().unwrap_or_default();
                let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(latest));
                let then = policy.log_policy_at(time).map_err(|e| e.to_string())?;
                let verdict = self.proof.verify(&leaf, &then).map_err(|e| format!("at {}: {e}", date(time)))?;
                Ok((verdict, time))
            });
            match verdict {
                Ok((verdict, time)) => {
                    let names: Vec<String> = verdict.cosigned.iter().map(|c| c.name.clone()).collect();
                    return Ok(VerifiedDate {
                        origin: verdict.checkpoint.origin.clone(),
                        index: self.proof.index,
                        time,
                        witnessed_only_by_operator: names.iter().all(|n| policy.operator_witnesses.contains(n)),
                        witnesses: names,
                    });
                }
                Err(reason) => said = said.or(Some(reason)),
            }
        }
        Err(error(&said.unwrap_or_else(|| "no trust policy".to_owned())))
    }
}

/// Verifies who signed and when: the date, and the certificate as it was then. Whether the signature itself is by the
/// certificate's key is the caller's to check, as she alone knows its form.
///
/// # Errors
/// DATE-02 to DATE-04, or a rule that the certificate broke at the date.
pub fn verify_dated(
    chain: &[CertificateDer],
    kind: SignerKind,
    signature_sha256: &[u8; 32],
    unverified: &UnverifiedDate,
    trust: &Trust,
) -> Result<DatedSigner, VerifyError> {
    let date = unverified.verify(signature_sha256, trust)?;
    let wanted: &Use = match kind {
        SignerKind::Mailbox => &mail::MAIL,
        SignerKind::Device => &person::LIVE,
    };
    let (signer, revoked_later) = certify_dated(chain, wanted, trust, date.time)?;
    Ok(DatedSigner { signer, date, revoked_later })
}

/// DATE-03: the date lies in the certificate's life.
pub(super) fn check_life(not_before: UnixTime, not_after: UnixTime, time: UnixTime) -> Result<(), VerifyError> {
    if (not_before.as_secs()..=not_after.as_secs()).contains(&time.as_secs()) {
        return Ok(());
    }
    let expected = format_args!("a signature from {} to {}", date(not_before), date(not_after));
    Err(VerifyError::new(Rule::DateLife, expected, format_args!("one that is proven to exist since {}", date(time))))
}

/// DATE-04: the certificate was not revoked when the signature was dated. What is known of its revocation then, and when
/// it came if it came later.
///
/// A list that was made after the certificate's end may have dropped it (RFC 5280 section 3.3): then nothing is known.
pub(super) fn check_revocation_then(
    trust: &Trust,
    issued: &Issued<'_>,
    not_after: UnixTime,
    time: UnixTime,
) -> Result<(Revocation, Option<UnixTime>), VerifyError> {
    match trust.status(issued) {
        Revocation::Revoked => {
            let at = trust.revoked_at(issued).unwrap_or(time);
            if at.as_secs() > time.as_secs() {
                return Ok((Revocation::Good { as_of: time }, Some(at)));
            }
            let expected = format_args!("a certificate that was not revoked by {}", date(time));
            Err(VerifyError::new(Rule::DateRevoked, expected, format_args!("one revoked at {}", date(at))))
        }
        Revocation::Good { as_of } if as_of.as_secs() > not_after.as_secs() => Ok((Revocation::Unknown, None)),
        status if status.too_old(time) => {
            let found = "one that is older";
            Err(VerifyError::new(Rule::RevocationFresh, "a revocation list of the seven days before the date", found))
        }
        status => Ok((status, None)),
    }
}

impl fmt::Display for UnverifiedDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extra = [&[VERSION], self.label.as_slice(), self.opening.as_bytes()].concat();
        let proof = Proof { extra: Some(extra), ..self.proof.clone() };
        write!(f, "{proof}")
    }
}

#[cfg(test)]
mod tests;
