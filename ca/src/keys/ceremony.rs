//! The root on another machine: made there, asked by files, and what it signed is installed here.
//!
//! ```text
//! root's machine          the authority's machine
//! root init
//!                         issuing request ─ people-2.requested.csr.pem ─►
//! issuing sign  ─ people-2.chain.pem ─►
//!                         issuing install
//! ```
//!
//! Like [`init`](super::init), this is where something is signed that stands in no log yet; issuing certificates are logged
//! when the authority takes them up.

mod install;
mod request;

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use identity::UnixTime;
use identity::certificate::{Certificate, CertificateError, SignatureAlgorithm, assemble};
use identity::plan::{AuthorityPlan, AuthorityRole, PlanError};
use key_store::{Passphrase, PassphraseSource, TokenUri, sealed};
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) use install::root_has_signed;
pub use install::{Installed, install_issuing};
pub use request::{IssuingRequest, Requested, request_issuing};

use super::init::{ISSUING_YEARS, ROOT_YEARS, YEAR};
use super::signing_key::{SigningKey, Unlocking};
use super::transcript;
use super::{CERTIFICATE, IN_TOKEN, IssuerName, KeysError, PRIVATE_KEY, SECRET, certificate, read};
use crate::key_pair::NewKey;
use crate::store::Authority;
use crate::{files, pem, random};

/// Requests and chains are small.
const MAX_BYTES: usize = 64 * 1024;

/// Why a step of the ceremony was not done. Nothing was changed, unless a file could not be written.
#[derive(Debug, Error)]
pub enum CeremonyError {
    /// Keys or certificates of the folder.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// There is one already.
    #[error("{0} is there already")]
    Exists(PathBuf),
    /// A certificate cannot be planned.
    #[error("the certificate: {0}")]
    Plan(#[from] PlanError),
    /// A certificate does not read.
    #[error("the certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// What came from the other machine is not what it should be.
    #[error("expected {expected}, found {found}")]
    Content {
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A key did not sign, or none could be made.
    #[error("the key: {0}")]
    Key(String),
}

fn content(expected: impl Into<String>, found: impl ToString) -> CeremonyError {
    CeremonyError::Content { expected: expected.into(), found: found.to_string() }
}

/// Where a new key comes to lie.
#[derive(Clone, Debug)]
pub enum NewKeyPlace {
    /// In a file, under a passphrase or in clear.
    File(Option<Passphrase>),
    /// It is in a token already, made by the token's own means.
    Token(String),
}

/// A certificate that the root has signed.
#[derive(Clone, Debug)]
pub struct SignedIssuing {
    /// The certificate and the root, in PEM, to be carried back.
    pub chain: String,
    /// What it says, for people.
    pub facts: Vec<(&'static str, String)>,
}

/// Makes a root on a machine of its own.
///
/// # Errors
/// There is one already, or it cannot be written.
pub fn init_root(
    folder: &Path,
    name: &str,
    place: &NewKeyPlace,
    now: UnixTime,
) -> Result<SignedIssuing, CeremonyError> {
    let path = folder.join("root.pem");
    if path.exists() || folder.join("root.key.pem").exists() {
        return Err(CeremonyError::Exists(path));
    }
    private_folder(folder)?;
    let key = make_key(&folder.join("root"), place)?;
    let plan = AuthorityPlan {
        role: AuthorityRole::Root,
        name,
        generation: 1,
        spki_der: key.spki_der(),
        serial: random::serial().0,
        not_before: now,
        lifetime: YEAR * ROOT_YEARS,
        issuer: None,
    };
    let certificate = sign(&plan, &key)?;
    write(&path, &pem::encode(CERTIFICATE, certificate.der()))?;
    record(folder, now, "root made", &certificate)
}

/// The root in `folder` signs.
///
/// # Errors
/// Its key does not open or does not sign.
pub fn sign_issuing(
    folder: &Path,
    request: &IssuingRequest,
    passphrase: Option<PassphraseSource>,
    now: UnixTime,
) -> Result<SignedIssuing, CeremonyError> {
    let root = certificate(&folder.join("root.pem"))?;
    let key = SigningKey::open(&folder.join("root"), &mut Unlocking::new(passphrase))?;
    if *key.spki_der() != *root.tbs().spki_der() {
        return Err(content("the key of the root certificate beside it", "another"));
    }
    let name = organization(&root)?;
    let plan = plan(request.name(), &name, request.spki_der(), random::serial().0, now, YEAR * ISSUING_YEARS, &root);
    let certificate = sign(&plan, &key)?;
    let signed = record(folder, now, "issuing certificate signed", &certificate)?;
    Ok(SignedIssuing { chain: pem::chain(&[certificate.der(), root.der()]), ..signed })
}

/// Puts the key files of a folder that lie there in clear under a passphrase, but for label keys, which are destroyed
/// with their file. Which they were.
///
/// # Errors
/// One cannot be read or written; those before it are done.
pub fn seal_keys(folder: &Path, passphrase: &Passphrase, now: UnixTime) -> Result<Vec<String>, CeremonyError> {
    let io = |source| KeysError::Io { path: folder.into(), source };
    let mut clear = Vec::new();
    let mut unlocking = Unlocking::known(Some(passphrase.clone()));
    for file in std::fs::read_dir(folder).map_err(io)? {
        let path = file.map_err(io)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let label = match &*name {
            "audit.key.pem" => SECRET,
            // Others are not the authority's, such as the one that signs mails, or they end before it does: label keys.
            _ if is_signing_key(&name) => PRIVATE_KEY,
            _ => continue,
        };
        let text = read(&path)?;
        if !sealed::is_sealed(&text) {
            let key = pem::decode(label, &text);
            clear.push((
                path,
                name.clone(),
                label,
                key.ok_or_else(|| content(format!("{label} in {name}"), "another file"))?,
            ));
        } else if name != "root.key.pem" {
            // The server opens all of them with one passphrase. The root's key it does not open.
            unlocking.open(&path, label)?;
        }
    }
    let mut done = Vec::new();
    for (path, name, label, key) in clear {
        write(&path, &seal(label, &key, passphrase)?)?;
        done.push(name);
    }
    done.sort_unstable();
    transcript::append(folder, now, "keys sealed", &[("files", done.join(", "))])?;
    Ok(done)
}

fn private_folder(folder: &Path) -> Result<(), KeysError> {
    files::private_folder(folder).map_err(|source| KeysError::Io { path: folder.into(), source })
}

fn write(path: &Path, text: &str) -> Result<(), KeysError> {
    files::write(path, text.as_bytes()).map_err(|source| KeysError::Io { path: path.into(), source })
}

fn seal(label: &str, bytes: &[u8], passphrase: &Passphrase) -> Result<String, CeremonyError> {
    sealed::seal(label, bytes, passphrase, random::bytes()).map_err(|error| CeremonyError::Key(error.to_string()))
}

fn make_key(stem: &Path, place: &NewKeyPlace) -> Result<SigningKey, CeremonyError> {
    let passphrase = match place {
        NewKeyPlace::File(passphrase) => passphrase,
        NewKeyPlace::Token(uri) => {
            uri.parse::<TokenUri>().map_err(|error| CeremonyError::Key(error.to_string()))?;
            let path = stem.with_added_extension(IN_TOKEN);
            write(&path, &format!("{uri}\n"))?;
            // One that does not open must not stay: it would be taken for the key.
            return SigningKey::in_token(&path).map_err(|error| {
                let _ = std::fs::remove_file(&path);
                error.into()
            });
        }
    };
    let path = stem.with_added_extension("key.pem");
    let made = NewKey::generate().map_err(|_| CeremonyError::Key("none could be made".into()))?;
    let text = match passphrase {
        Some(passphrase) => seal(PRIVATE_KEY, &made.pkcs8, passphrase)?,
        None => pem::encode(PRIVATE_KEY, &made.pkcs8),
    };
    write(&path, &Zeroizing::new(text))?;
    Ok(SigningKey::File { pair: made.key, algorithm: SignatureAlgorithm::EcdsaP256Sha256, spki_der: made.spki_der })
}

fn plan<'a>(
    name: IssuerName,
    organization: &'a str,
    spki_der: &'a [u8],
    serial: [u8; 16],
    not_before: UnixTime,
    lifetime: Duration,
    root: &'a Certificate,
) -> AuthorityPlan<'a> {
    let role = match name.authority {
        Authority::People => AuthorityRole::People,
        Authority::Services => AuthorityRole::Services,
    };
    let (generation, issuer) = (name.generation, Some(root));
    AuthorityPlan { role, name: organization, generation, spki_der, serial, not_before, lifetime, issuer }
}

fn sign(plan: &AuthorityPlan<'_>, key: &SigningKey) -> Result<Certificate, CeremonyError> {
    let tbs = plan.tbs()?;
    let signature = key.sign(&tbs.encode()).map_err(CeremonyError::Key)?;
    Ok(Certificate::parse(&assemble(&tbs, key.algorithm(), &signature))?)
}

fn record(folder: &Path, now: UnixTime, what: &str, certificate: &Certificate) -> Result<SignedIssuing, CeremonyError> {
    let facts = transcript::facts(certificate);
    transcript::append(folder, now, what, &facts)?;
    Ok(SignedIssuing { chain: pem::chain(&[certificate.der()]), facts })
}

fn is_signing_key(file: &str) -> bool {
    file.strip_suffix(".key.pem").is_some_and(|stem| stem == "root" || IssuerName::parse(stem).is_some())
}

/// The authority's name, as its root has it.
fn organization(root: &Certificate) -> Result<String, CeremonyError> {
    let mut attributes = root.tbs().subject().iter();
    let found = attributes.find(|attribute| attribute.oid == const_oid::db::rfc4519::O);
    let text = found.and_then(|found| std::str::from_utf8(found.value.value()).ok());
    text.map(str::to_owned).ok_or_else(|| content("a root with an organization in its subject", "none"))
}

fn verifies(algorithm: SignatureAlgorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let how = match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => &ECDSA_P256_SHA256_ASN1,
        SignatureAlgorithm::EcdsaP384Sha384 => &ECDSA_P384_SHA384_ASN1,
        _ => return false,
    };
    UnparsedPublicKey::new(how, key).verify(message, signature).is_ok()
}
