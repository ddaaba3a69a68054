//! Revocation lists (RFC 5280 section 5): signed hourly and at once after a revocation, and logged before anybody sees
//! them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Bytes;
use der::Decode as _;
use identity::UnixTime;
use identity::plan::{CrlPlan, RevocationReason, RevokedEntry};
use serde_json::json;
use thiserror::Error;
use tlog_proof::ObjectKind;
use tokio::sync::{Mutex, Notify};
use transparency_log::SubmitError;
use x509_cert::crl::CertificateList;
use x509_cert::ext::pkix::CrlNumber;

use crate::files;
use crate::issuance::{CrlSignError, sign_crl};
use crate::issue::Issuer;
use crate::store::{Authority, CertificateRecord, Select, Serial, StoreError};

/// A list is renewed when it is so old.
const FRESH: Duration = Duration::from_secs(3600);
/// nextUpdate lies so far ahead: verifiers refuse to go on without a newer one after a week.
const VALID: Duration = Duration::from_secs(7 * 86_400);

/// Why there is no newer list.
#[derive(Debug, Error)]
pub enum CrlError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be planned or signed.
    #[error(transparent)]
    Sign(#[from] CrlSignError),
    /// The log did not take it.
    #[error("the log: {0}")]
    Log(#[from] SubmitError),
    /// It cannot be kept.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// The newest list of both issuing authorities.
pub(crate) struct Crls {
    issuer: Arc<Issuer>,
    folder: PathBuf,
    newest: RwLock<HashMap<Authority, Newest>>,
    /// One renewal of a list at a time: numbers must not cross.
    renewing: [Mutex<()>; 2],
    /// Woken when a revocation could not be shown at once.
    pub(crate) behind: Notify,
}

#[derive(Clone)]
struct Newest {
    der: Bytes,
    number: u64,
    this_update: u64,
    listed: Arc<HashSet<Serial>>,
}

impl Crls {
    /// Takes up the lists in `folder`, as far as there are any that read back.
    pub(crate) fn open(issuer: Arc<Issuer>, folder: PathBuf) -> Result<Self, CrlError> {
        files::private_folder(&folder).map_err(|source| CrlError::Io { path: folder.clone(), source })?;
        let kept = [Authority::People, Authority::Services];
        let newest = kept.into_iter().filter_map(|a| Some((a, Newest::read(&path(&folder, a))?))).collect();
        let (newest, renewing, behind) = (RwLock::new(newest), Default::default(), Notify::new());
        Ok(Self { issuer, folder, newest, renewing, behind })
    }

    /// DER of the newest list.
    pub(crate) fn der(&self, authority: Authority) -> Option<Bytes> {
        self.newest(authority).map(|n| n.der)
    }

    /// When the newest list was made, seconds since the epoch.
    pub(crate) fn made(&self, authority: Authority) -> Option<u64> {
        self.newest(authority).map(|n| n.this_update)
    }

    fn newest(&self, authority: Authority) -> Option<Newest> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).get(&authority).cloned()
    }

    fn renewing(&self, authority: Authority) -> &Mutex<()> {
        let [people, services] = &self.renewing;
        match authority {
            Authority::People => people,
            Authority::Services => services,
        }
    }

    /// Makes a new list if the newest is an hour old, if there is none, or if it lacks what was revoked.
    pub(crate) async fn renew_if_old(&self, authority: Authority) -> Result<(), CrlError> {
        let now = (self.issuer.clock)().as_secs();
        let fresh = |n: &Newest| n.this_update <= now && now - n.this_update < FRESH.as_secs();
        let Some(newest) = self.newest(authority).filter(fresh) else { return self.renew(authority).await };
        let revoked = self.issuer.store.certificates(Select::Revoked { authority, at: now }).await?;
        if revoked.iter().all(|c| newest.listed.contains(&c.serial)) { Ok(()) } else { self.renew(authority).await }
    }

    /// Makes a new list unless the newest shows that this certificate is revoked, or it has expired. If that fails, it is
    /// tried again soon in the background.
    pub(crate) async fn show(&self, authority: Authority, serial: Serial, not_after: u64) -> Result<(), CrlError> {
        let shown = self.newest(authority).is_some_and(|n| n.listed.contains(&serial));
        if shown || not_after < (self.issuer.clock)().as_secs() {
            return Ok(());
        }
        self.renew(authority).await.inspect_err(|_| self.behind.notify_one())
    }

    /// Makes a new list: signs, logs, keeps, and only then shows it.
    pub(crate) async fn renew(&self, authority: Authority) -> Result<(), CrlError> {
        let _one = self.renewing(authority).lock().await;
        let now = (self.issuer.clock)();
        let revoked = self.issuer.store.certificates(Select::Revoked { authority, at: now.as_secs() }).await?;
        let number = self.newest(authority).map_or(1, |n| n.number + 1);
        let der = self.sign(authority, number, now, &revoked)?;
        self.issuer.log.put_object(ObjectKind::Crl, der.clone()).await?;
        let path = path(&self.folder, authority);
        files::write(&path, &der).map_err(|source| CrlError::Io { path, source })?;
        let count = revoked.len();
        tracing::info!(authority = authority.name(), number, count, "revocation list renewed");
        let of = json!({"authority": authority.name(), "number": number, "revoked": count});
        self.issuer.trail.note("list-signed", of);
        let listed = Arc::new(revoked.iter().map(|c| c.serial).collect());
        let newest = Newest { der: der.into(), number, this_update: now.as_secs(), listed };
        self.newest.write().unwrap_or_else(PoisonError::into_inner).insert(authority, newest);
        Ok(())
    }

    fn sign(
        &self,
        authority: Authority,
        number: u64,
        now: UnixTime,
        revoked: &[CertificateRecord],
    ) -> Result<Vec<u8>, CrlError> {
        let signer = self.issuer.keys().issuer(authority);
        let revoked: Vec<_> = revoked.iter().filter_map(entry).collect();
        let next_update = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + VALID.as_secs()));
        let plan = CrlPlan { issuer: signer.certificate(), this_update: now, next_update, number, revoked: &revoked };
        Ok(sign_crl(&plan, signer)?)
    }
}

fn path(folder: &Path, authority: Authority) -> PathBuf {
    folder.join(format!("{}.crl", authority.name()))
}

fn entry(certificate: &CertificateRecord) -> Option<RevokedEntry> {
    let revocation = certificate.revoked?;
    let reason = match revocation.reason {
        1 => Some(RevocationReason::KeyCompromise),
        3 => Some(RevocationReason::AffiliationChanged),
        4 => Some(RevocationReason::Superseded),
        5 => Some(RevocationReason::CessationOfOperation),
        9 => Some(RevocationReason::PrivilegeWithdrawn),
        _ => None,
    };
    let time = UnixTime::since_unix_epoch(Duration::from_secs(revocation.at));
    Some(RevokedEntry { serial: certificate.serial.0.to_vec(), time, reason })
}

impl Newest {
    /// `None` if there is no such file, or it is no list of ours: then a new one is made.
    fn read(path: &Path) -> Option<Self> {
        let der = std::fs::read(path).ok()?;
        let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(&der).ok()?;
        let extensions = list.tbs_cert_list.crl_extensions?;
        let number = extensions.iter().find(|e| e.extn_id == identity::oid::extension::CRL_NUMBER)?;
        let number = CrlNumber::from_der(number.extn_value.as_bytes()).ok()?.0;
        let number = number.as_bytes().iter().try_fold(0u64, |n, b| n.checked_mul(256).map(|n| n + u64::from(*b)))?;
        let this_update = list.tbs_cert_list.this_update.to_unix_duration().as_secs();
        let serials = list.tbs_cert_list.revoked_certificates.iter().flatten().map(|r| r.serial_number.as_bytes());
        let listed = Arc::new(serials.filter_map(|serial| Some(Serial(serial.try_into().ok()?))).collect());
        Some(Self { der: der.into(), number, this_update, listed })
    }
}
