//! Keys that look sound and are not: made by a faulty generator, or known to somebody else.
//!
//! Size, curve, small factors and points of small order are looked at where keys are read
//! ([`key_algorithm`](identity::certificate::key_algorithm)); that a key was revoked for key compromise is in the store.

use std::collections::HashSet;

use crypto_bigint::{U8192, Uint};
use der::asn1::UintRef;
use der::{Decode as _, Sequence};
use identity::oid;
use thiserror::Error;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::store::KeyDigest;

/// Rounds of Fermat's method. Boulder does 110; a key that falls to it later is as safe as any.
const FERMAT_ROUNDS: u32 = 110;

/// The primes by which a modulus of the ROCA generator is told (Nemec et al., CCS 2017, section 2.2): modulo each of them
/// it is a power of 65537.
const ROCA_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Why a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum WeakKey {
    #[error("expected a key from a sound generator, found one that has the fault of CVE-2017-15361 (ROCA)")]
    Roca,
    #[error("expected an RSA modulus of two primes far apart, found one that Fermat's method factors at once")]
    ClosePrimes,
    #[error("expected a key that is nobody else's, found one that is known to be compromised")]
    Blocked,
}

/// What is wrong with the list of blocked keys.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: expected the SHA-256 of a SubjectPublicKeyInfo in 64 hexadecimal digits")]
pub struct BlockedKeysError {
    /// Counted from 1.
    pub line: usize,
}

/// Keys that get no certificate and no account: an operator's list.
#[derive(Clone, Debug, Default)]
pub struct BlockedKeys(HashSet<KeyDigest>);

impl BlockedKeys {
    /// Reads a list: on each line the SHA-256 of a SubjectPublicKeyInfo in hexadecimal, and after white space whatever
    /// the operator wants to remember. Empty lines and those that begin with `#` do not count.
    ///
    /// # Errors
    /// A line is something else.
    pub fn parse(text: &str) -> Result<Self, BlockedKeysError> {
        let mut keys = HashSet::new();
        for (line, text) in (1..).zip(text.lines().map(str::trim)) {
            let Some(digest) = text.split_whitespace().next().filter(|first| !first.starts_with('#')) else { continue };
            let mut bytes = [0; 32];
            hex::decode_to_slice(digest, &mut bytes).map_err(|_| BlockedKeysError { line })?;
            keys.insert(KeyDigest(bytes));
        }
        Ok(Self(keys))
    }

    /// Refuses a key (DER of its SubjectPublicKeyInfo) that is weak or blocked.
    pub(crate) fn check(&self, spki_der: &[u8]) -> Result<(), WeakKey> {
        if self.0.contains(&KeyDigest::of(spki_der)) {
            return Err(WeakKey::Blocked);
        }
        match modulus(spki_der) {
            Some(modulus) => check_modulus(modulus),
            None => Ok(()),
        }
    }
}

/// RFC 8017 appendix A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// The modulus of an RSA key, big-endian; none of another key.
fn modulus(spki_der: &[u8]) -> Option<&[u8]> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki_der).ok()?;
    if spki.algorithm.oid != oid::RSA_ENCRYPTION {
        return None;
    }
    Some(RsaPublicKey::from_der(spki.subject_public_key.as_bytes()?).ok()?.modulus.as_bytes())
}

fn check_modulus(modulus: &[u8]) -> Result<(), WeakKey> {
    if is_roca(modulus) {
        return Err(WeakKey::Roca);
    }
    if has_close_primes(modulus) {
        return Err(WeakKey::ClosePrimes);
    }
    Ok(())
}

fn is_roca(modulus: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|prime| is_power_of_65537(remainder(modulus, *prime), *prime))
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |rest, byte| ((rest << 8) | u32::from(*byte)) % divisor)
}

/// Whether `number` lies in the group that 65537 generates modulo `prime`.
fn is_power_of_65537(number: u32, prime: u32) -> bool {
    let step = 65_537 % prime;
    let powers = std::iter::successors(Some(1), |power| Some(power * step % prime));
    powers.take(prime as usize).any(|power| power == number)
}

/// Fermat's method: a modulus of two primes that lie close together is a difference of squares near its root.
fn has_close_primes(modulus: &[u8]) -> bool {
    let Some(number) = number(modulus) else { return false };
    let mut root = number.floor_sqrt_vartime();
    if root.wrapping_mul(&root) < number {
        root = root.wrapping_add(&Uint::ONE);
    }
    let mut rest = root.wrapping_mul(&root).wrapping_sub(&number);
    for _ in 0..FERMAT_ROUNDS {
        if may_be_square(&rest) && rest.checked_sqrt_vartime().is_some() {
            return true;
        }
        // (root + 1)² − root² = 2 · root + 1
        rest = rest.wrapping_add(&root.shl_vartime(1)).wrapping_add(&Uint::ONE);
        root = root.wrapping_add(&Uint::ONE);
    }
    false
}

/// Most numbers are told to be no square by their last six bits.
fn may_be_square(number: &U8192) -> bool {
    matches!(number.as_words()[0] & 63, 0 | 1 | 4 | 9 | 16 | 17 | 25 | 33 | 36 | 41 | 49 | 57)
}

/// A modulus of at most 8192 bits; longer ones are refused elsewhere.
fn number(modulus: &[u8]) -> Option<U8192> {
    let mut bytes = [0; U8192::BYTES];
    let start = bytes.len().checked_sub(modulus.len())?;
    bytes[start..].copy_from_slice(modulus);
    Some(U8192::from_be_slice(&bytes))
}

#[cfg(test)]
mod tests;
