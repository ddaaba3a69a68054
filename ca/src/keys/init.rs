//! The beginning of an authority: root, issuing CAs, label key.
//!
//! This is the one place where something is signed that stands in no log yet: the certificates of the authority itself.
//! The issuing ones are logged as objects when the authority opens.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::EcdsaKeyPair;
use identity::UnixTime;
use identity::certificate::{Certificate, CertificateError, SignatureAlgorithm, assemble};
use identity::plan::{AuthorityPlan, AuthorityRole, PlanError};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{CERTIFICATE, PRIVATE_KEY, SECRET};
use crate::key_pair::NewKey;
use crate::{files, pem, random};

pub(super) const YEAR: Duration = Duration::from_secs(365 * 86_400);
pub(super) const ROOT_YEARS: u32 = 20;
pub(super) const ISSUING_YEARS: u32 = 5;

/// Why an authority could not be made.
#[derive(Debug, Error)]
pub enum InitError {
    /// There is one already. Nothing was changed.
    #[error("{0} holds an authority already")]
    Exists(PathBuf),
    /// The name does not fit into a certificate.
    #[error("the authority's certificates: {0}")]
    Plan(#[from] PlanError),
    /// What was signed does not read back.
    #[error("the authority's certificates: {0}")]
    Certificate(#[from] CertificateError),
    /// No key could be made.
    #[error("no key could be made")]
    Key,
    /// A file cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes a new authority named `name` in `folder` (mode 0700): keys and certificates of root and issuing CAs, and the
/// label key.
///
/// The root certificate is written last: a folder in which it is missing was interrupted, and is begun anew.
pub fn init(folder: &Path, name: &str, now: UnixTime) -> Result<(), InitError> {
    if super::AuthorityKeys::exist(folder) {
        return Err(InitError::Exists(folder.into()));
    }
    let io = |path: &Path, result: io::Result<()>| result.map_err(|source| InitError::Io { path: path.into(), source });
    io(folder, files::private_folder(folder))?;
    let write = |file: &str, label: &'static str, content: &[u8]| {
        let path = folder.join(file);
        let text = Zeroizing::new(pem::encode(label, content));
        io(&path, files::write(&path, text.as_bytes()))
    };

    let root = Made::root(name, now)?;
    let people = Made::issuing(&root, AuthorityRole::People, name, now)?;
    let services = Made::issuing(&root, AuthorityRole::Services, name, now)?;
    for (made, file) in [(&root, "root.key.pem"), (&people, "people.key.pem"), (&services, "services.key.pem")] {
        write(file, PRIVATE_KEY, &made.key.pkcs8)?;
    }
    // A signer that has the label key was named before.
    let asked = crate::shards::signer_file(&folder.join(super::LABEL_KEY)).is_some_and(|signer| signer.exists());
    for file in [super::LABEL_KEY, "audit.key.pem"].into_iter().filter(|file| !(asked && *file == super::LABEL_KEY)) {
        write(file, SECRET, &*Zeroizing::new(random::bytes::<32>()))?;
    }
    for (made, file) in [(&people, "people.pem"), (&services, "services.pem"), (&root, "root.pem")] {
        write(file, CERTIFICATE, made.certificate.der())?;
    }
    Ok(())
}

/// A new key and its certificate.
struct Made {
    key: NewKey,
    certificate: Certificate,
}

impl Made {
    fn root(name: &str, now: UnixTime) -> Result<Self, InitError> {
        let key = NewKey::generate().map_err(|_| InitError::Key)?;
        let certificate = sign(&plan(AuthorityRole::Root, name, &key.spki_der, now, None), &key.key)?;
        Ok(Self { key, certificate })
    }

    fn issuing(root: &Self, role: AuthorityRole, name: &str, now: UnixTime) -> Result<Self, InitError> {
        let key = NewKey::generate().map_err(|_| InitError::Key)?;
        let certificate = sign(&plan(role, name, &key.spki_der, now, Some(&root.certificate)), &root.key.key)?;
        Ok(Self { key, certificate })
    }
}

fn plan<'a>(
    role: AuthorityRole,
    name: &'a str,
    spki_der: &'a [u8],
    not_before: UnixTime,
    issuer: Option<&'a Certificate>,
) -> AuthorityPlan<'a> {
    let years = if issuer.is_some() { ISSUING_YEARS } else { ROOT_YEARS };
    let (generation, serial, lifetime) = (1, random::serial().0, YEAR * years);
    AuthorityPlan { role, name, generation, spki_der, serial, not_before, lifetime, issuer }
}

fn sign(plan: &AuthorityPlan<'_>, key: &EcdsaKeyPair) -> Result<Certificate, InitError> {
    let tbs = plan.tbs()?;
    let signature = key.sign(&SystemRandom::new(), &tbs.encode()).map_err(|_| InitError::Key)?;
    Ok(Certificate::parse(&assemble(&tbs, SignatureAlgorithm::EcdsaP256Sha256, signature.as_ref()))?)
}
