//! Certificates for the authority's own services, such as its HTTPS listener and the directory beside it: logged like
//! everybody's, kept in one file each, renewed at half their life.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use identity::certificate::Certificate;
use identity::profile::Profile;
use identity::transparency::TransparencyExtension;
use identity::{CertificateDer, UnixTime};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tlog_proof::{LogPolicy, VerifierKey};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::issue::{DriveError, Issuer, StartError};
use crate::key_pair::NewKey;
use crate::store::{Authority, CertificateRecord, CertificateState, StoreError};
use crate::{files, pem};

/// Pause between looks whether it is time to renew.
const LOOK: Duration = Duration::from_secs(600);
/// How long a start waits for a new certificate where there is one that still serves.
const AT_START: Duration = Duration::from_secs(10);

/// Why a service has no certificate.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The name or its certificate is refused.
    #[error("a certificate for {name}: {reason}")]
    Refused {
        /// The DNS name.
        name: String,
        /// Why.
        reason: String,
    },
    /// It could not be logged or stored.
    #[error("a certificate for {name}: {reason}")]
    Unavailable {
        /// The DNS name.
        name: String,
        /// Why.
        reason: String,
    },
    /// It could not be kept.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No key could be made or used.
    #[error("no key could be made")]
    Key,
}

/// A certificate chain, leaf first, and its key.
pub(crate) type Issued = (Vec<CertificateDer>, PrivateKeyDer<'static>);

/// Issues a certificate for a DNS name, with a new P-256 key.
pub(crate) async fn issue(issuer: &Issuer, name: &str) -> Result<Issued, ServiceError> {
    let new = NewKey::generate().map_err(|_| ServiceError::Key)?;
    let chain = certify(issuer, name, Profile::service(), &new.spki_der).await?;
    Ok((chain, PrivateKeyDer::from(PrivatePkcs8KeyDer::from(new.pkcs8.to_vec()))))
}

/// Issues a certificate of this profile, of a service or a component, for a DNS name and a key: the chain, leaf first.
pub(crate) async fn certify(
    issuer: &Issuer,
    name: &str,
    profile: &'static Profile,
    spki_der: &[u8],
) -> Result<Vec<CertificateDer>, ServiceError> {
    // Held until it is done: nobody else shall drive it meanwhile.
    let planned = issuer.plan_service(name, profile, spki_der).await;
    let (record, linted, _claim) = planned.map_err(|e| started(name, &e))?;
    let done = issuer.drive(record, Some(linted)).await.map_err(|e| driven(name, &e))?;
    chain(issuer, name, done)
}

/// The same, however long the log takes: the key of a certificate that may stand in the log is not thrown away.
async fn certify_in_time(issuer: &Issuer, name: &str, spki_der: &[u8]) -> Result<Vec<CertificateDer>, ServiceError> {
    let planned = issuer.plan_service(name, Profile::service(), spki_der).await;
    let (record, linted, claim) = planned.map_err(|e| started(name, &e))?;
    let first = issuer.drive(record, Some(linted)).await;
    let done = issuer.complete(claim, first).await;
    chain(issuer, name, done.ok_or_else(|| unavailable(name, "this process ends"))?)
}

fn chain(issuer: &Issuer, name: &str, done: CertificateRecord) -> Result<Vec<CertificateDer>, ServiceError> {
    let CertificateState::Issued { certificate, .. } = done.state else {
        return Err(unavailable(name, "it was abandoned"));
    };
    let by = Certificate::parse(&certificate).ok().and_then(|parsed| parsed.tbs().authority_key_id());
    let issuing = issuer.keys().issuer_of(by).ok_or(ServiceError::Key)?.certificate().der().to_vec();
    Ok(vec![certificate.into(), issuing.into()])
}

fn started(name: &str, error: &StartError) -> ServiceError {
    let (name, reason) = (name.to_owned(), error.to_string());
    match error {
        StartError::Store(StoreError::Unavailable(_)) => ServiceError::Unavailable { name, reason },
        _ => ServiceError::Refused { name, reason },
    }
}

fn driven(name: &str, error: &DriveError) -> ServiceError {
    unavailable(name, error)
}

fn unavailable(name: &str, reason: impl ToString) -> ServiceError {
    ServiceError::Unavailable { name: name.into(), reason: reason.to_string() }
}

/// Answers every TLS handshake with the newest certificate of one service.
#[derive(Debug)]
pub(crate) struct Resolver {
    newest: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.newest.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A certificate on its way that will replace the one at hand.
pub(crate) struct Renewal(JoinHandle<Result<Kept, ServiceError>>);

impl Renewal {
    /// Begins. It goes on until the certificate is there, whether anybody waits for it or not.
    fn begin(issuer: &Arc<Issuer>, folder: &Path, name: &str) -> Self {
        let (renewing, folder, name) = (Arc::clone(issuer), folder.to_path_buf(), name.to_owned());
        Self(issuer.tasks.spawn(async move {
            let new = NewKey::generate().map_err(|_| ServiceError::Key)?;
            let chain = certify_in_time(&renewing, &name, &new.spki_der).await?;
            let kept = Kept { key: Zeroizing::new(new.pkcs8.to_vec()), chain };
            // It serves, whether it can be kept or not.
            if let Err(error) = kept.store(&folder, &name) {
                tracing::warn!(%error, name, "a service certificate could not be kept");
            }
            Ok(kept)
        }))
    }

    async fn done(&mut self, name: &str) -> Result<Arc<CertifiedKey>, ServiceError> {
        let kept = (&mut self.0).await.unwrap_or_else(|error| Err(unavailable(name, error)));
        kept.and_then(|kept| kept.certified())
    }
}

impl Resolver {
    /// Takes the certificate kept in `folder`. One that is to be replaced serves if the new one does not come at once: a server
    /// that does not start is reached by nobody. Waits for a first one, and gives back what is still on its way.
    pub(crate) async fn open(
        issuer: &Arc<Issuer>,
        folder: &Path,
        name: &str,
    ) -> Result<(Self, Option<Renewal>), ServiceError> {
        let serve = |certified| Self { newest: RwLock::new(certified) };
        let kept = Kept::read(&folder.join(format!("{name}.pem"))).filter(|kept| kept.is_valid(issuer));
        let Some(kept) = kept else {
            let (chain, key) = issue(issuer, name).await?;
            let kept = Kept { key: Zeroizing::new(key.secret_der().to_vec()), chain };
            kept.store(folder, name)?;
            return Ok((serve(kept.certified()?), None));
        };
        let at_hand = kept.certified()?;
        if is_good(&at_hand, issuer) {
            return Ok((serve(at_hand), None));
        }
        let mut renewal = Renewal::begin(issuer, folder, name);
        match tokio::time::timeout(AT_START, renewal.done(name)).await {
            Ok(Ok(new)) => Ok((serve(new), None)),
            Ok(Err(error)) => {
                tracing::warn!(%error, name, "could not renew a service certificate; the one at hand is served");
                Ok((serve(at_hand), None))
            }
            Err(_) => {
                tracing::warn!(name, waited = ?AT_START, "a service certificate is not renewed yet; the one at hand is served");
                Ok((serve(at_hand), Some(renewal)))
            }
        }
    }

    /// Renews at half life, and where the certificate's log or witnesses do not count any more, until stopped.
    pub(crate) async fn keep(
        self: Arc<Self>,
        mut renewal: Option<Renewal>,
        issuer: Arc<Issuer>,
        folder: PathBuf,
        name: String,
        stop: CancellationToken,
    ) {
        loop {
            let mut under_way = match renewal.take() {
                Some(under_way) => under_way,
                None => {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(LOOK) => {}
                    }
                    let newest = Arc::clone(&self.newest.read().unwrap_or_else(PoisonError::into_inner));
                    if is_good(&newest, &issuer) {
                        continue;
                    }
                    Renewal::begin(&issuer, &folder, &name)
                }
            };
            let renewed = tokio::select! {
                () = stop.cancelled() => return,
                renewed = under_way.done(&name) => renewed,
            };
            match renewed {
                Ok(new) => *self.newest.write().unwrap_or_else(PoisonError::into_inner) = new,
                Err(error) => tracing::warn!(%error, name, "could not renew a service certificate"),
            }
        }
    }
}

/// Whether half of its life is still to come, and whoever has taken the newest trust policy takes its proof.
fn is_good(certified: &CertifiedKey, issuer: &Issuer) -> bool {
    let leaf = certified.cert.first();
    leaf.is_some_and(|leaf| !is_due(leaf, (issuer.clock)()) && is_proven(leaf, issuer))
}

/// A key and its chain as they are kept: in one file, so that they always belong together.
struct Kept {
    key: Zeroizing<Vec<u8>>,
    chain: Vec<CertificateDer>,
}

impl Kept {
    fn store(&self, folder: &Path, name: &str) -> Result<(), ServiceError> {
        let path = folder.join(format!("{name}.pem"));
        files::private_folder(folder)
            .and_then(|()| self.write(&path))
            .map_err(|source| ServiceError::Io { path, source })?;
        tracing::info!(name, "service certificate made");
        Ok(())
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = Zeroizing::new(pem::encode("PRIVATE KEY", &self.key));
        for certificate in &self.chain {
            text.push_str(&pem::encode("CERTIFICATE", certificate));
        }
        files::write(path, text.as_bytes())
    }

    /// `None` if there is none, or it does not read back: then a new one is made.
    fn read(path: &Path) -> Option<Self> {
        let text = Zeroizing::new(std::fs::read_to_string(path).ok()?);
        let mut blocks = text.split_inclusive("-----END PRIVATE KEY-----\n");
        let key = pem::decode("PRIVATE KEY", blocks.next()?)?;
        let certificates = blocks.next()?.split_inclusive("-----END CERTIFICATE-----\n");
        let chain = certificates
            .map(|block| Some(pem::decode("CERTIFICATE", block)?.to_vec().into()))
            .collect::<Option<_>>()?;
        Some(Self { key, chain })
    }

    /// Whether it is by the present issuing CA, and has not ended.
    fn is_valid(&self, issuer: &Issuer) -> bool {
        let issuing = issuer.keys().issuer(Authority::Services);
        let ends = self.chain.first().and_then(|leaf| Certificate::parse(leaf).ok()).map(|leaf| leaf.tbs().not_after());
        self.chain.get(1).is_some_and(|by| by.as_ref() == issuing.certificate().der())
            && ends.is_some_and(|end| (issuer.clock)() <= end)
    }

    fn certified(&self) -> Result<Arc<CertifiedKey>, ServiceError> {
        // Borrowed: a copy would not be wiped.
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.as_slice()));
        let key = any_supported_type(&key).map_err(|_| ServiceError::Key)?;
        Ok(Arc::new(CertifiedKey::new(self.chain.clone(), key)))
    }
}

/// Whether a certificate stands in a log that still counts, and those have cosigned it whom the log asks now. Where not, whoever
/// has taken the newest trust policy refuses it (LOG-03, WIT-02), and so would not reach the authority any more.
fn is_proven(leaf: &[u8], issuer: &Issuer) -> bool {
    let extension =
        Certificate::parse(leaf).ok().and_then(|certificate| certificate.tbs().transparency().ok().flatten());
    extension.is_some_and(|extension| {
        issuer.logs.counts(&extension.origin) && has_quorum(&extension, issuer.shard().policy())
    })
}

fn has_quorum(extension: &TransparencyExtension, policy: &LogPolicy) -> bool {
    let cosigned =
        |key: &&VerifierKey| extension.cosignatures.iter().any(|c| c.name == key.name() && c.key_id == key.id());
    let keys: Vec<&VerifierKey> = policy.witnesses.iter().map(|witness| &witness.vkey).filter(cosigned).collect();
    policy.quorum_met(&keys)
}

/// Whether half of a certificate's life is over, or has not begun.
pub(crate) fn is_due(leaf: &[u8], now: UnixTime) -> bool {
    let Ok(certificate) = Certificate::parse(leaf) else { return true };
    let (begin, end, now) =
        (certificate.tbs().not_before().as_secs(), certificate.tbs().not_after().as_secs(), now.as_secs());
    now < begin || now >= begin + end.saturating_sub(begin) / 2
}
