//! The authority as a client of a log elsewhere: its key, the certificate it shows there, and the renewal of both ends.
//!
//! The certificate is one of the `component` profile, issued by this authority and logged like all others. The first one
//! cannot be shown when it is logged itself; so the log's operator is told the key's digest, and a self-signed
//! certificate of that key opens the connection for that one entry. The key stays the same from then on: an authority
//! that was off, or without its log, for so long that its certificate ended begins as it did at first.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use identity::certificate::{Certificate, SubjectName};
use identity::profile::Profile;
use identity::{CertificateDer, UnixTime};
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tlog_proof::LogPolicy;
use tokio_util::sync::CancellationToken;
use transparency_log::client::self_proving_http_as;
use transparency_log::submission::RemoteLog;
use zeroize::Zeroizing;

use crate::issue::Issuer;
use crate::key_pair::NewKey;
use crate::service::{ServiceError, certify, is_due};
use crate::store::Authority;
use crate::{files, pem};

const KEY: &str = "component.key.pem";
const CHAIN: &str = "component.pem";

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Pause between looks whether it is time to renew.
const LOOK: Duration = Duration::from_secs(600);

/// Why an authority cannot be a client of a log elsewhere.
#[derive(Debug, Error)]
pub enum ComponentError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key's file holds something else.
    #[error("{path}: expected a P-256 key as PKCS#8 PEM")]
    Content {
        /// Which.
        path: PathBuf,
    },
    /// No key or certificate could be made.
    #[error("no key could be made")]
    Key,
}

/// The key of a component and what it shows.
pub struct Component {
    name: String,
    folder: PathBuf,
    pkcs8: Zeroizing<Vec<u8>>,
    spki_der: Vec<u8>,
}

/// A component that is connected to its log.
#[derive(Debug)]
pub struct Connected {
    component: Component,
    log: RemoteLog,
    /// What the log is shown, leaf first.
    shown: Mutex<Vec<CertificateDer>>,
}

impl Component {
    /// The component of this DNS name, with the key in `folder`; it is made if there is none.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn open(folder: &Path, name: &str) -> Result<Self, ComponentError> {
        let path = folder.join(KEY);
        let unusable = |source| ComponentError::Io { path: path.clone(), source };
        let pkcs8 = match read(&path).map_err(unusable)? {
            Some(text) => {
                pem::decode("PRIVATE KEY", &text).ok_or_else(|| ComponentError::Content { path: path.clone() })?
            }
            None => {
                let new = NewKey::generate().map_err(|_| ComponentError::Key)?;
                let text = Zeroizing::new(pem::encode("PRIVATE KEY", &new.pkcs8));
                let written = files::private_folder(folder).and_then(|()| files::write(&path, text.as_bytes()));
                written.map_err(unusable)?;
                new.pkcs8
            }
        };
        let key = NewKey::from_pkcs8(pkcs8).map_err(|_| ComponentError::Content { path })?;
        Ok(Self { name: name.to_owned(), folder: folder.to_owned(), pkcs8: key.pkcs8, spki_der: key.spki_der })
    }

    /// Its DNS name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its SubjectPublicKeyInfo in lower-case hexadecimal: what the log's operator is told.
    pub fn key_digest(&self) -> String {
        hex::encode(Sha256::digest(&self.spki_der))
    }

    /// Connects to the log `origin` of this policy, at its submission prefix. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The certificate cannot be read, or none can be made.
    pub fn connect(
        self,
        prefix: &str,
        origin: &str,
        policy: LogPolicy,
        now: UnixTime,
    ) -> Result<Connected, ComponentError> {
        let chain = match self.kept(now)? {
            Some(chain) => chain,
            None => vec![self.self_signed()?],
        };
        let log = RemoteLog::new(self_proving_http_as(self.certified(chain.clone())?), prefix, origin, policy);
        Ok(Connected { component: self, log, shown: Mutex::new(chain) })
    }

    /// The chain that was kept, if it can be shown now.
    fn kept(&self, now: UnixTime) -> Result<Option<Vec<CertificateDer>>, ComponentError> {
        let path = self.folder.join(CHAIN);
        let text = read(&path).map_err(|source| ComponentError::Io { path, source })?;
        let chain = text.and_then(|text| {
            let blocks = text.split_inclusive("-----END CERTIFICATE-----\n");
            blocks.map(|block| Some(pem::decode("CERTIFICATE", block)?.to_vec().into())).collect::<Option<Vec<_>>>()
        });
        Ok(chain.filter(|chain| self.can_show(chain, now)))
    }

    /// Whether the leaf is of this key and name and valid now: one that was kept may be of a key that was lost, or of the
    /// name that the authority had before, and would be shown in vain until it ends.
    fn can_show(&self, chain: &[CertificateDer], now: UnixTime) -> bool {
        let Some(Ok(leaf)) = chain.first().map(|leaf| Certificate::parse(leaf)) else { return false };
        let tbs = leaf.tbs();
        tbs.spki_der() == self.spki_der
            && tbs.subject_names() == [SubjectName::Dns(self.name.clone())]
            && (tbs.not_before().as_secs()..=tbs.not_after().as_secs()).contains(&now.as_secs())
    }

    fn self_signed(&self) -> Result<CertificateDer, ComponentError> {
        let made = || {
            let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(self.pkcs8.as_slice())).ok()?;
            CertificateParams::new(vec![self.name.clone()]).ok()?.self_signed(&key).ok()
        };
        Ok(made().ok_or(ComponentError::Key)?.der().clone())
    }

    fn certified(&self, chain: Vec<CertificateDer>) -> Result<Arc<CertifiedKey>, ComponentError> {
        // Borrowed: a copy would not be wiped.
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.pkcs8.as_slice()));
        let key = any_supported_type(&key).map_err(|_| ComponentError::Key)?;
        Ok(Arc::new(CertifiedKey::new(chain, key)))
    }

    fn keep(&self, chain: &[CertificateDer]) -> Result<(), ComponentError> {
        let path = self.folder.join(CHAIN);
        let chain: Vec<&[u8]> = chain.iter().map(AsRef::as_ref).collect();
        files::write(&path, pem::chain(&chain).as_bytes()).map_err(|source| ComponentError::Io { path, source })
    }
}

/// Without the key.
impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("name", &self.name).field("key", &self.key_digest()).finish_non_exhaustive()
    }
}

impl Connected {
    /// The log.
    pub fn log(&self) -> RemoteLog {
        self.log.clone()
    }

    /// Gets a certificate, if there is none that is good for long enough by this issuing CA.
    pub(crate) async fn begin(&self, issuer: &Issuer) -> Result<(), ServiceError> {
        let (now, shown) = ((issuer.clock)(), self.shown());
        if !self.component.can_show(&shown, now) {
            // With one that has ended there is no connection, and so no other could be logged.
            self.component.self_signed().and_then(|own| self.show(vec![own])).map_err(unusable)?;
        } else if !is_due(&shown[0], now) && is_by(&shown, issuer) {
            return Ok(());
        }
        self.renew(issuer).await
    }

    /// Renews at half life until stopped. What fails is tried again.
    pub(crate) async fn renew_in_time(self: Arc<Self>, issuer: Arc<Issuer>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Err(error) = self.begin(&issuer).await {
                tracing::warn!(%error, "could not renew the certificate that the log is shown");
            }
        }
    }

    async fn renew(&self, issuer: &Issuer) -> Result<(), ServiceError> {
        let component = &self.component;
        let chain = certify(issuer, &component.name, Profile::component(), &component.spki_der).await?;
        self.show(chain.clone()).map_err(unusable)?;
        tracing::info!(name = component.name, "a certificate to show to the log was made");
        // Last: it is logged and can be shown, whether it can be kept or not.
        component.keep(&chain).map_err(unusable)
    }

    fn shown(&self) -> Vec<CertificateDer> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows another chain from now on.
    fn show(&self, chain: Vec<CertificateDer>) -> Result<(), ComponentError> {
        self.log.set_http(self_proving_http_as(self.component.certified(chain.clone())?));
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(())
    }
}

/// Whether a chain is by the present issuing CA.
fn is_by(chain: &[CertificateDer], issuer: &Issuer) -> bool {
    chain.get(1).is_some_and(|by| by.as_ref() == issuer.keys().issuer(Authority::Services).certificate().der())
}

fn unusable(error: ComponentError) -> ServiceError {
    match error {
        ComponentError::Io { path, source } => ServiceError::Io { path, source },
        ComponentError::Content { .. } | ComponentError::Key => ServiceError::Key,
    }
}

/// The text of a file; none if there is no such file.
fn read(path: &Path) -> io::Result<Option<Zeroizing<String>>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(found) if found.len() > MAX_BYTES => Err(io::ErrorKind::FileTooLarge.into()),
        Ok(_) => std::fs::read_to_string(path).map(|text| Some(Zeroizing::new(text))),
    }
}

#[cfg(test)]
mod tests;
