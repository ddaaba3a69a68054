//! The authority's own keys and certificates, in files and tokens.
//!
//! | file | what |
//! |---|---|
//! | `root.pem`, `root.key.pem` | the root. Its key is needed for new issuing certificates and versions of the trust policy only: it belongs on another machine |
//! | `people.pem`, `people.key.pem` | the issuing CA for people; `people-2.pem`, `people-2.key.pem` and so on those that follow it |
//! | `services.pem`, `services.key.pem` | the issuing CA for services, likewise |
//! | `people.key.uri` | in place of the key: where it is in a token (RFC 7512) |
//! | `vrf.key.pem` | the label key of the first log ([`crate::shards::LabelKey`]), never under a passphrase |
//! | `audit.key.pem` | makes pseudonyms for log lines |
//!
//! Keys are P-256 or P-384 in PKCS#8 (RFC 5958), the last two plain secrets of 32 bytes; all in PEM, mode 0600, under a
//! passphrase or not.

mod ceremony;
mod init;
mod issuing;
mod listed;
mod root;
mod signing_key;
mod transcript;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use identity::UnixTime;
use identity::certificate::Certificate;
use key_store::{Passphrase, PassphraseSource, TokenError, TokenUriError, sealed::SealError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::pem;
use crate::store::Authority;

pub(crate) use ceremony::root_has_signed;
pub use ceremony::{
    CeremonyError, Installed, IssuingRequest, NewKeyPlace, Requested, SignedIssuing, init_root, install_issuing,
    request_issuing, seal_keys, sign_issuing,
};
pub use init::{InitError, init};
pub use issuing::IssuerName;
pub(crate) use issuing::Issuing;
pub use listed::{KeyLies, ListedKey, list_keys};
pub use root::sign_policy;
use signing_key::Unlocking;

/// Ends the name of a file that says where a key is in a token.
const IN_TOKEN: &str = "key.uri";
const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";
/// The name of the file with the label key of the first log.
pub const LABEL_KEY: &str = "vrf.key.pem";

const SECRET: &str = "IN PERSON SECRET";

/// Why keys could not be opened.
#[derive(Debug, Error)]
pub enum KeysError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{path}: expected {expected}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// A file does not open.
    #[error("{path}: {source}")]
    Sealed {
        /// Which.
        path: PathBuf,
        /// Why.
        source: SealError,
    },
    /// A file names no key in a token.
    #[error("{path}: {source}")]
    Uri {
        /// Which.
        path: PathBuf,
        /// Why.
        source: TokenUriError,
    },
    /// A certificate is not valid now.
    #[error(
        "the certificate {subject}: expected one that is valid at {now}, found {not_before} to {not_after} (seconds since 1970)"
    )]
    Dates {
        /// Whose.
        subject: String,
        /// When it should be.
        now: u64,
        /// Its first second.
        not_before: u64,
        /// Its last.
        not_after: u64,
    },
    /// A token does not give its key.
    #[error("{path}: {source}")]
    Token {
        /// Which file names it.
        path: PathBuf,
        /// Why.
        source: TokenError,
    },
}

/// An open authority: everything it signs with, but for the root's key.
pub struct AuthorityKeys {
    folder: PathBuf,
    /// Kept from the start: its source may be at its end by now, or wait for somebody who has gone.
    passphrase: Option<Passphrase>,
    root: Certificate,
    /// The oldest first; the newest of an authority issues.
    issuing: RwLock<Vec<Arc<Issuing>>>,
    audit: Zeroizing<[u8; 32]>,
}

impl AuthorityKeys {
    /// Whether [`init`] has been completed in this folder, or certificates of a root elsewhere were installed.
    #[must_use]
    pub fn exist(folder: &Path) -> bool {
        folder.join("root.pem").exists()
    }

    /// Opens what [`init`] made.
    pub fn open(folder: &Path) -> Result<Self, KeysError> {
        Self::open_with(folder, None)
    }

    /// Opens the keys in this folder, with the passphrase from there. It is read once, now, and kept in memory.
    pub fn open_with(folder: &Path, passphrase: Option<PassphraseSource>) -> Result<Self, KeysError> {
        let passphrase = passphrase.map(|source| source.read("the authority's keys")).transpose();
        let passphrase =
            passphrase.map_err(|error| KeysError::Sealed { path: folder.into(), source: SealError::from(error) })?;
        Self::open_unlocked(folder, passphrase)
    }

    /// The same with a passphrase that was read already. It is kept in memory.
    pub fn open_unlocked(folder: &Path, passphrase: Option<Passphrase>) -> Result<Self, KeysError> {
        let root = certificate(&folder.join("root.pem"))?;
        let mut unlocking = Unlocking::known(passphrase.clone());
        let mut issuing = Vec::new();
        for authority in [Authority::People, Authority::Services] {
            let mut names = issuing::generations(folder, authority)?;
            if names.is_empty() {
                // It is missed by its name.
                names.push(IssuerName::first(authority));
            }
            for name in names {
                issuing.push(Arc::new(Issuing::open(folder, name, &mut unlocking)?));
            }
        }
        Ok(Self {
            folder: folder.into(),
            passphrase,
            root,
            issuing: RwLock::new(issuing),
            audit: secret(&folder.join("audit.key.pem"), &mut unlocking)?,
        })
    }

    /// DER of the root certificate.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        self.root.der()
    }

    /// DER of all issuing certificates: for people, then for services, each the oldest first.
    #[must_use]
    pub fn issuers(&self) -> Vec<Vec<u8>> {
        self.all().iter().map(|issuing| issuing.certificate().der().to_vec()).collect()
    }

    /// When the authority began: nothing of it is older.
    #[must_use]
    pub fn began(&self) -> UnixTime {
        self.root.tbs().not_before()
    }

    pub(crate) fn audit(&self) -> &[u8; 32] {
        &self.audit
    }

    /// All issuing keys, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<Issuing>> {
        self.issuing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The one that issues now.
    pub(crate) fn issuer(&self, authority: Authority) -> Arc<Issuing> {
        let newest = self.all().into_iter().rfind(|issuing| issuing.name.authority == authority);
        newest.expect("opened with one of each, and none is ever taken away")
    }

    /// The one whose key a certificate names (RFC 5280 section 4.2.1.1), if it is still here.
    pub(crate) fn issuer_of(&self, authority_key_id: Option<Vec<u8>>) -> Option<Arc<Issuing>> {
        let id = authority_key_id?;
        self.all().into_iter().find(|issuing| issuing.has_key_id(&id))
    }

    /// Whether those that issue are valid already. Those before them only sign their lists; and so does one that has
    /// ended: what it signs from now on nobody accepts, but its lists are still served.
    pub(crate) fn check_dates(&self, now: UnixTime) -> Result<(), KeysError> {
        for authority in [Authority::People, Authority::Services] {
            match self.issuer(authority).check_dates(now) {
                Err(error @ KeysError::Dates { not_after, .. }) if not_after < now.as_secs() => {
                    tracing::error!(%error, "nothing more can be issued: ask the root for the next: ca issuing request");
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Opens what was installed since. It issues from [`AuthorityKeys::take_up`] on.
    pub(crate) fn installed_since(&self) -> Result<Vec<Arc<Issuing>>, KeysError> {
        let known = self.all();
        let mut unlocking = Unlocking::known(self.passphrase.clone());
        let mut new = Vec::new();
        for authority in [Authority::People, Authority::Services] {
            for name in issuing::generations(&self.folder, authority)? {
                if known.iter().all(|issuing| issuing.name != name) {
                    new.push(Arc::new(Issuing::open(&self.folder, name, &mut unlocking)?));
                }
            }
        }
        Ok(new)
    }

    /// From now on it issues, if it is the newest.
    pub(crate) fn take_up(&self, new: Arc<Issuing>) {
        let mut issuing = self.issuing.write().unwrap_or_else(PoisonError::into_inner);
        issuing.push(new);
        issuing.sort_by_key(|issuing| issuing.name);
    }
}

impl std::fmt::Debug for AuthorityKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorityKeys").field("root", &self.root).finish_non_exhaustive()
    }
}

/// DER of the issuing certificates in a folder of keys, without opening a key.
///
/// # Errors
/// A certificate cannot be read.
pub fn issuing_certificates(folder: &Path) -> Result<Vec<Vec<u8>>, KeysError> {
    let mut found = Vec::new();
    for authority in [Authority::People, Authority::Services] {
        for name in issuing::generations(folder, authority)? {
            found.push(certificate(&name.stem(folder).with_added_extension("pem"))?.der().to_vec());
        }
    }
    Ok(found)
}

/// DER of one of them, by its file's name: `people`, `services-2`.
///
/// # Errors
/// There is none of that name, or it cannot be read.
pub fn issuing_certificate(folder: &Path, name: &str) -> Result<Vec<u8>, KeysError> {
    let path = folder.join(name).with_added_extension("pem");
    let wrong =
        || KeysError::Content { path: path.clone(), expected: "an issuing certificate such as people or services-2" };
    IssuerName::parse(name).ok_or_else(wrong)?;
    Ok(certificate(&path)?.der().to_vec())
}

fn read(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|source| KeysError::Io { path: path.into(), source })
}

fn certificate(path: &Path) -> Result<Certificate, KeysError> {
    let wrong = || KeysError::Content { path: path.into(), expected: "one certificate in PEM" };
    let der = pem::decode(CERTIFICATE, &read(path)?).ok_or_else(wrong)?;
    Certificate::parse(&der).map_err(|_| wrong())
}

/// So much a clock may lag behind the one that made a certificate.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// Whether a certificate is valid now (RFC 5280 section 4.1.2.5: both ends belong to it).
fn check_dates(certificate: &Certificate, now: UnixTime) -> Result<(), KeysError> {
    let tbs = certificate.tbs();
    // A clock that was set back a little, as at a start, is no reason to refuse.
    let begins = tbs.not_before().as_secs().saturating_sub(CLOCK_TOLERANCE.as_secs());
    if (begins..=tbs.not_after().as_secs()).contains(&now.as_secs()) {
        return Ok(());
    }
    Err(KeysError::Dates {
        subject: tbs.subject().to_string(),
        now: now.as_secs(),
        not_before: tbs.not_before().as_secs(),
        not_after: tbs.not_after().as_secs(),
    })
}

fn secret(path: &Path, unlocking: &mut Unlocking) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let wrong = || KeysError::Content { path: path.into(), expected: "a secret of 32 bytes in PEM" };
    let bytes = unlocking.open(path, SECRET)?;
    Ok(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests;
