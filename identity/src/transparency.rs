//! Transparency: how a certificate stands in the log without its owner being readable there.
//!
//! A log entry holds a *label* and a *commitment*. The label is the output of a verifiable random function over
//! identifier, period and slot: only the authority can compute it, anybody with the certificate can check it, and two
//! labels of one person look unrelated. The commitment hides the certificate until its opening is shown. The
//! certificate carries what it takes to check both offline: the [`TransparencyExtension`].

mod extension;
mod label;
mod tlog;

use std::{fmt, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::{identifier::IdentifierKind, profile::Profile};

pub use extension::{ExtCosignature, ExtensionError, MAX_COSIGNATURES, MAX_PATH, TransparencyExtension};
pub use label::{LabelInput, VrfError, VrfProof, VrfPublicKey, VrfSecretKey};

/// The length of a period: an owner looks for labels of one period at a time.
pub const PERIOD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many certificates one identifier can have in one period, over all profiles: slots are `0..SLOTS`.
pub const SLOTS: u8 = 32;

/// The period in which a certificate that begins at `time` is logged.
pub fn period_of(time: UnixTime) -> u32 {
    // Overflows in the year 82,000,000; saturating keeps it a number that no certificate has.
    u32::try_from(time.as_secs() / PERIOD.as_secs()).unwrap_or(u32::MAX)
}

/// How many periods before the present one can hold a certificate of such an identifier that has not ended yet: an
/// authority proves labels, and an owner asks for them, that far back. It follows from the longest life that a profile on
/// offer ([`Profile::offered`]) may have, so that one that lives longer, or a further one, widens it. Of numbers it is less:
/// they are given to others, who are to learn nothing of whoever had them.
pub fn periods_back_of(kind: IdentifierKind) -> u32 {
    let of_kind = Profile::offered().into_iter().filter(|profile| profile.subject().identifier_kind() == Some(kind));
    let longest = of_kind.map(Profile::max_lifetime).max().unwrap_or_default();
    u32::try_from(longest.as_secs().div_ceil(PERIOD.as_secs())).unwrap_or(u32::MAX)
}

/// The same for the kind of identifier of which it is the most.
pub fn periods_back() -> u32 {
    periods_back_of(IdentifierKind::Email).max(periods_back_of(IdentifierKind::Phone))
}

/// The 32 random bytes that open a commitment. Whoever holds them and the certificate can show what was logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening([u8; 32]);

impl Opening {
    /// Takes 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Opening {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Zeroize for Opening {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

// An opening in a log file would link a log entry to a person.
impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening(…)")
    }
}

/// What the log holds in place of a certificate: HMAC-SHA-256 under the opening of the DER of its TBSCertificate
/// *without* the transparency extension.
pub fn commitment(opening: &Opening, tbs_der_without_extension: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(&opening.0).expect("HMAC takes a key of any length");
    mac.update(tbs_der_without_extension);
    mac.finalize().into_bytes().into()
}

/// What the log holds in place of a signature, to date it: HMAC-SHA-256 under the opening of the signature's SHA-256.
pub fn signature_commitment(opening: &Opening, signature_sha256: &[u8; 32]) -> [u8; 32] {
    commitment(opening, signature_sha256)
}

/// What stands in the log in place of a service's name. Services are public, so a plain digest serves.
pub fn service_name_digest(name: &str) -> [u8; 32] {
    Sha256::new().chain_update(b"inperson-service-v1\0").chain_update(name.as_bytes()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_certificate_on_offer_begins_within_the_periods_looked_at() {
        let at = |seconds| period_of(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        for profile in Profile::offered() {
            // The first and the last second of a period.
            for now in [2_968 * PERIOD.as_secs(), 2_969 * PERIOD.as_secs() - 1] {
                assert!(at(now - profile.max_lifetime().as_secs()) + periods_back() >= at(now), "{}", profile.name());
            }
        }
        assert_eq!(periods_back(), 13, "ninety days");
        assert_eq!(periods_back_of(IdentifierKind::Phone), 5, "thirty days, less than a number rests");
    }

    #[test]
    fn periods_begin_with_the_epoch() {
        let at = |seconds| period_of(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        assert_eq!((at(0), at(604_799), at(604_800), at(1_795_000_000)), (0, 0, 1, 2967));
        assert_eq!(at(u64::MAX), u32::MAX);
    }

    #[test]
    fn commitment_is_hmac_sha256() {
        // RFC 4231 test case 2 has a key of 4 bytes; HMAC pads keys with zeros, so 28 zeros more change nothing.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            hex::encode(commitment(&Opening::new(key), b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn an_opening_is_not_shown() {
        assert_eq!(format!("{:?}", Opening::new([7; 32])), "Opening(…)");
    }
}
