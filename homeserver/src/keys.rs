//! The signing keys of the log and of the witness: Ed25519 (RFC 8032) as PKCS#8 PEM (RFC 5958, RFC 8410), and the
//! witness's ML-DSA-44 key by its seed (RFC 9881), each in a file of its own that only the server's account can read.

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use log_service::keys::ml_dsa;
use pkcs8::LineEnding;
use zeroize::{Zeroize, Zeroizing};

use crate::error::StartError;
use crate::folder::Folder;

/// The log's key signs checkpoints.
pub const LOG: &str = "keys/log.pem";
/// The witness's key cosigns them. It is the operator's own witness, and tools say so.
pub const WITNESS: &str = "keys/witness.pem";
/// The same witness's key against quantum computers.
pub const WITNESS_ML_DSA_44: &str = "keys/witness-ml-dsa-44.pem";

/// The key in this file; made at the first call.
///
/// # Errors
/// The file cannot be read or written, or holds something else than such a key.
pub fn open(folder: &Folder, name: &str) -> Result<SigningKey, StartError> {
    let Some(bytes) = folder.read(name)?.map(Zeroizing::new) else { return make(folder, name) };
    let damaged = |reason: String| StartError::Damaged { what: folder.join(name).display().to_string(), reason };
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("expected PEM text, found other bytes".into()))?;
    SigningKey::from_pkcs8_pem(text).map_err(|error| damaged(format!("expected an Ed25519 key as PKCS#8 PEM: {error}")))
}

/// The seed of the ML-DSA-44 key in this file; made at the first call.
///
/// # Errors
/// As [`open`].
pub fn open_ml_dsa_44(folder: &Folder, name: &str) -> Result<Zeroizing<[u8; 32]>, StartError> {
    let Some(bytes) = folder.read(name)?.map(Zeroizing::new) else { return make_ml_dsa_44(folder, name) };
    let seed = std::str::from_utf8(&bytes).ok().and_then(ml_dsa::seed);
    seed.ok_or_else(|| StartError::Damaged {
        what: folder.join(name).display().to_string(),
        reason: "expected an ML-DSA-44 key by its seed as PKCS#8 PEM".into(),
    })
}

fn make_ml_dsa_44(folder: &Folder, name: &str) -> Result<Zeroizing<[u8; 32]>, StartError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|error| StartError::part("random number generator", &error))?;
    let pem = ml_dsa::to_pem(&seed).map_err(|error| StartError::part("key writer", &error))?;
    folder.write(name, pem.as_bytes())?;
    Ok(seed)
}

fn make(folder: &Folder, name: &str) -> Result<SigningKey, StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| StartError::part("random number generator", &error))?;
    let key = SigningKey::from_bytes(&seed);
    seed.zeroize();
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| StartError::part("key writer", &error))?;
    folder.write(name, pem.as_bytes())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ml_dsa_44_key_is_made_once_in_the_form_of_rfc_9881() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let made = open_ml_dsa_44(&folder, WITNESS_ML_DSA_44).unwrap();
        assert_eq!(open_ml_dsa_44(&folder, WITNESS_ML_DSA_44).unwrap(), made);
        // RFC 9881 appendix C.1.1.1: the seed 00 01 02 … 1f.
        let example = "-----BEGIN PRIVATE KEY-----\n\
                       MDQCAQAwCwYJYIZIAWUDBAMRBCKAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZ\nGhscHR4f\n\
                       -----END PRIVATE KEY-----\n";
        folder.write(WITNESS_ML_DSA_44, example.as_bytes()).unwrap();
        let seed: Vec<u8> = (0..32).collect();
        assert_eq!(open_ml_dsa_44(&folder, WITNESS_ML_DSA_44).unwrap().as_slice(), seed);
        folder.write(WITNESS_ML_DSA_44, example.replace("MDQC", "MDUC").as_bytes()).unwrap();
        assert!(open_ml_dsa_44(&folder, WITNESS_ML_DSA_44).unwrap_err().to_string().contains("ML-DSA-44"));
        assert!(open(&folder, WITNESS_ML_DSA_44).is_err(), "no Ed25519 key");
    }

    #[test]
    fn a_key_is_made_once_and_a_damaged_one_is_never_replaced() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let made = open(&folder, LOG).unwrap();
        assert_eq!(open(&folder, LOG).unwrap(), made);
        assert_ne!(open(&folder, WITNESS).unwrap(), made);
        folder.write(LOG, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        let refused = open(&folder, LOG).unwrap_err().to_string();
        assert!(refused.contains("log.pem") && refused.contains("expected"), "{refused}");
        assert!(folder.read(LOG).unwrap().unwrap().ends_with(b"AAAA\n-----END PRIVATE KEY-----\n"));
    }
}
