//! PKCS#12 (RFC 7292): key and chain in one file, under a passphrase.

use aws_lc_rs::digest::{SHA256, digest};
use key_store::Passphrase;
use p12_keystore::error::Error;
use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
};

use super::gpgsm;
use crate::failure::Failure;
use crate::handed::Handed;
use crate::text;

/// Rounds of both key derivations. Whoever guesses passphrases takes the cheaper one.
const ROUNDS: u32 = 100_000;

/// How the file is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Protection {
    /// PBES2 with PBKDF2 (HMAC-SHA-256) and AES-256, authenticated with HMAC-SHA-256: what everybody reads today.
    Modern,
    /// pbeWithSHAAnd3-KeyTripleDES-CBC (RFC 7292 appendix C) and HMAC-SHA-1: all that gpgsm 2.2 reads.
    Old,
}

/// The file: the key, named after its owner, with its chain up to the root.
pub(in crate::commands) fn pkcs12(
    handed: &Handed,
    protection: Protection,
    passphrase: &Passphrase,
) -> Result<Vec<u8>, Failure> {
    match protection {
        Protection::Modern => write(handed, protection, passphrase.as_str(), ROUNDS),
        Protection::Old => {
            gpgsm::takes_passphrase(passphrase)?;
            gpgsm::read_alike(passphrase.as_str(), || write(handed, protection, passphrase.as_str(), ROUNDS))
        }
    }
}

pub(super) fn write(
    handed: &Handed,
    protection: Protection,
    passphrase: &str,
    rounds: u32,
) -> Result<Vec<u8>, Failure> {
    let failed = |error: Error| Failure::failed(format!("PKCS#12 cannot be written: {error}"), "Try another --for.");
    let pkcs8 = handed.key.pkcs8()?;
    let key = PrivateKey::from_der(&pkcs8).map_err(failed)?;
    let chain: Result<Vec<_>, _> = handed.certificates().map(|der| Certificate::from_der(der)).collect();
    // By it the key finds its certificate. NSS and OpenSSL take the certificate's SHA-1 for it; any bytes will do.
    let id = digest(&SHA256, handed.certificate());
    let entry = PrivateKeyChain::new(id.as_ref(), key, chain.map_err(failed)?);
    let mut store = KeyStore::new();
    store.add_entry(&text::friendly(handed.identifier.as_str()), KeyStoreEntry::PrivateKeyChain(entry));
    let (encryption, mac) = match protection {
        Protection::Modern => (EncryptionAlgorithm::PbeWithHmacSha256AndAes256, MacAlgorithm::HmacSha256),
        Protection::Old => (EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc, MacAlgorithm::HmacSha1),
    };
    let writer = store.writer(passphrase).encryption_algorithm(encryption).encryption_iterations(rounds);
    writer.mac_algorithm(mac).mac_iterations(rounds).write().map_err(failed)
}
