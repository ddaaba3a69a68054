//! A request for the next issuing certificate (RFC 2986): written beside the new key, read on the root's machine.

use std::path::{Path, PathBuf};

use der::asn1::{BitString, SetOfVec};
use der::{Decode as _, Encode as _};
use identity::UnixTime;
use identity::certificate::SignatureAlgorithm;
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, Version};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::super::issuing::generations;
use super::super::signing_key::SigningKey;
use super::super::transcript::{self, digest};
use super::super::{IssuerName, KeysError, read};
use super::{CeremonyError, MAX_BYTES, NewKeyPlace, content, make_key, private_folder, verifies, write};
use crate::pem;
use crate::store::Authority;

const REQUEST: &str = "CERTIFICATE REQUEST";

/// A request that was written.
#[derive(Clone, Debug)]
pub struct Requested {
    /// What is asked for.
    pub name: IssuerName,
    /// The request, to be carried to the root's machine.
    pub path: PathBuf,
    /// SHA-256 of the key asked for, in hexadecimal: to be compared there.
    pub key: String,
}

/// A request that was read, and signed by the key it names.
#[derive(Clone, Debug)]
pub struct IssuingRequest {
    name: IssuerName,
    spki_der: Vec<u8>,
}

/// Makes, or takes from a token, a key for the next issuing CA, and writes a request for it.
///
/// # Errors
/// It cannot be made or written, or one is requested already.
pub fn request_issuing(
    folder: &Path,
    authority: Authority,
    place: &NewKeyPlace,
    now: UnixTime,
) -> Result<Requested, CeremonyError> {
    private_folder(folder)?;
    let newest = generations(folder, authority)?.last().map_or(0, |name| name.generation);
    let name = IssuerName { authority, generation: newest + 1 };
    let stem = requested(folder, name);
    let path = stem.with_added_extension("csr.pem");
    if path.exists() {
        return Err(CeremonyError::Exists(path));
    }
    if matches!(place, NewKeyPlace::File(None)) && has_sealed(folder)? {
        return Err(content("a passphrase, as other keys in this folder are sealed", "none"));
    }
    let key = make_key(&stem, place)?;
    write(&path, &pem::encode(REQUEST, &request(name, &key)?))?;
    let asked = Requested { name, key: digest(key.spki_der()), path };
    let facts = [("for", name.to_string()), ("key, SHA-256", asked.key.clone())];
    transcript::append(folder, now, "issuing certificate requested", &facts)?;
    Ok(asked)
}

impl IssuingRequest {
    /// Reads a request, and checks that whoever made it holds the key.
    ///
    /// # Errors
    /// It is none.
    pub fn read(text: &str) -> Result<Self, CeremonyError> {
        let wrong = |found: &str| content("a certificate request (RFC 2986) by `ca issuing request`", found);
        let der = Some(text).filter(|text| text.len() <= MAX_BYTES).and_then(|text| pem::decode(REQUEST, text));
        let der = der.ok_or_else(|| wrong("another file"))?;
        let request = CertReq::from_der(&der).map_err(|error| wrong(&error.to_string()))?;
        let name = request.info.subject.to_string();
        let name = name.strip_prefix("CN=").and_then(IssuerName::parse);
        let signed = request.info.to_der().map_err(|error| wrong(&error.to_string()))?;
        let spki_der = request.info.public_key.to_der().map_err(|error| wrong(&error.to_string()))?;
        let algorithm = SignatureAlgorithm::from_identifier(&request.algorithm);
        let key = request.info.public_key.subject_public_key.raw_bytes();
        let signature = request.signature.as_bytes().unwrap_or_default();
        if !algorithm.is_some_and(|algorithm| verifies(algorithm, key, &signed, signature)) {
            return Err(wrong("one that is not signed by the key it names"));
        }
        Ok(Self { name: name.ok_or_else(|| wrong("another subject"))?, spki_der })
    }

    /// What is asked for.
    #[must_use]
    pub fn name(&self) -> IssuerName {
        self.name
    }

    pub(super) fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// SHA-256 of the key, in hexadecimal: as the other machine showed it.
    #[must_use]
    pub fn key(&self) -> String {
        digest(&self.spki_der)
    }
}

/// RFC 2986. The root decides what the certificate says; the request says which key, and that it is there.
fn request(name: IssuerName, key: &SigningKey) -> Result<Vec<u8>, CeremonyError> {
    let broken = |error: der::Error| CeremonyError::Key(error.to_string());
    let subject: Name = format!("CN={name}").parse().map_err(broken)?;
    let public_key = SubjectPublicKeyInfoOwned::from_der(key.spki_der()).map_err(broken)?;
    let info = CertReqInfo { version: Version::V1, subject, public_key, attributes: SetOfVec::new() };
    let signature = key.sign(&info.to_der().map_err(broken)?).map_err(CeremonyError::Key)?;
    let signature = BitString::from_bytes(&signature).map_err(broken)?;
    CertReq { info, algorithm: key.algorithm().identifier(), signature }.to_der().map_err(broken)
}

/// Whether a key in this folder is under a passphrase.
fn has_sealed(folder: &Path) -> Result<bool, CeremonyError> {
    let io = |source| KeysError::Io { path: folder.into(), source };
    for file in std::fs::read_dir(folder).map_err(io)? {
        let path = file.map_err(io)?.path();
        if path.to_string_lossy().ends_with(".key.pem") && read(&path)?.contains("-----BEGIN ENCRYPTED ") {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn requested(folder: &Path, name: IssuerName) -> PathBuf {
    name.stem(folder).with_added_extension("requested")
}
