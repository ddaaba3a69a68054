//! What an operator asks of a running authority: a file in its folder for each wish, which the authority takes up within
//! a second, or at its next start.
//!
//! Who can write into the folder can do anything in any case: it holds the keys.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tlog_proof::ObjectKind;
use tokio_util::sync::CancellationToken;

use crate::acme::Service;
use crate::acme::problem::Kind;
use crate::acme::revoke::carry_out;
use crate::files;
use crate::objects::{FOLDER as OBJECTS, log_once};
use crate::store::{CertificateState, Serial};

/// Where wishes lie.
const FOLDER: &str = "wishes";
/// What a wish for a revocation is named by, after the serial number.
const REVOKE: &str = "revoke";
/// What the wish that a new issuing key is taken up is named by.
const TAKE_UP: &str = "take-up";
/// What a wish is renamed to that cannot be fulfilled.
const REFUSED: &str = "refused";
/// Pause between looks.
const LOOK: Duration = Duration::from_secs(1);
/// A wish is at most this long.
const MAX_BYTES: u64 = 64;

/// CRLReason values (RFC 5280 section 5.3.1) that an operator may give.
pub const OPERATOR_REASONS: [(u8, &str); 6] = [
    (0, "unspecified"),
    (1, "key-compromise"),
    (3, "affiliation-changed"),
    (4, "superseded"),
    (5, "cessation-of-operation"),
    (9, "privilege-withdrawn"),
];

/// Why a wish was not written down.
#[derive(Debug, Error)]
pub enum WishError {
    /// No such reason.
    #[error("expected one of the reasons 0, 1, 3, 4, 5 and 9, found {0}")]
    Reason(u8),
    /// It cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A wish that was written down.
#[derive(Debug)]
pub struct Wish {
    path: PathBuf,
}

impl Wish {
    /// Whether the authority has taken it up: then its file is gone.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        !self.path.exists()
    }

    /// Whether it was taken up and could not be fulfilled: the authority's log says why.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.path.with_added_extension(REFUSED).exists()
    }
}

/// Wishes that the authority in `folder` revokes a certificate.
///
/// # Errors
/// There is no such reason, or the folder cannot be written.
pub fn wish_revocation(folder: &Path, serial: Serial, reason: u8) -> Result<Wish, WishError> {
    if !OPERATOR_REASONS.iter().any(|(known, _)| *known == reason) {
        return Err(WishError::Reason(reason));
    }
    let wishes = folder.join(FOLDER);
    wish(&wishes, wishes.join(format!("{serial}.{REVOKE}")), &format!("{reason}\n"))
}

/// Wishes that the authority in `folder` opens the issuing keys that were installed since it started.
///
/// # Errors
/// The folder cannot be written.
pub fn wish_take_up(folder: &Path) -> Result<Wish, WishError> {
    let wishes = folder.join(FOLDER);
    wish(&wishes, wishes.join(format!("issuing.{TAKE_UP}")), "\n")
}

/// Writes a wish. That an earlier one of this name was refused does not count any more.
fn wish(folder: &Path, path: PathBuf, content: &str) -> Result<Wish, WishError> {
    let refused = path.with_added_extension(REFUSED);
    let written = files::private_folder(folder)
        .and_then(|()| if refused.exists() { std::fs::remove_file(&refused) } else { Ok(()) })
        .and_then(|()| files::write(&path, content.as_bytes()));
    written.map_err(|source| WishError::Io { path: path.clone(), source })?;
    Ok(Wish { path })
}

/// Takes wishes up until stopped.
pub(crate) async fn fulfil(service: Arc<Service>, stop: CancellationToken) {
    let folder = service.config.folder.join(FOLDER);
    loop {
        for path in wishes(&folder) {
            fulfil_one(&service, &path).await;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn wishes(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(folder) else { return vec![] };
    let wish = |path: &PathBuf| path.extension().is_some_and(|e| e == REVOKE || e == TAKE_UP);
    found.filter_map(|entry| Some(entry.ok()?.path())).filter(wish).collect()
}

async fn fulfil_one(service: &Service, path: &Path) {
    let result = match read(path) {
        _ if path.extension().is_some_and(|extension| extension == TAKE_UP) => take_up(service).await,
        Some((serial, reason)) => revoke(service, serial, reason).await,
        None => Err(Refusal::ForGood("expected a serial number as its name and a reason as its content".into())),
    };
    let settled = match result {
        Ok(()) => std::fs::remove_file(path),
        Err(Refusal::ForNow(reason)) => {
            tracing::warn!(wish = %path.display(), reason, "a wish is tried again");
            Ok(())
        }
        Err(Refusal::ForGood(reason)) => {
            tracing::error!(wish = %path.display(), reason, "a wish cannot be fulfilled");
            std::fs::rename(path, path.with_added_extension(REFUSED))
        }
    };
    if let Err(error) = settled {
        tracing::error!(wish = %path.display(), %error, "a wish cannot be put away");
    }
}

/// Why a wish was not fulfilled.
enum Refusal {
    ForNow(String),
    ForGood(String),
}

fn read(path: &Path) -> Option<(Serial, u8)> {
    let serial = path.file_stem()?.to_str()?.parse().ok()?;
    if path.metadata().ok()?.len() > MAX_BYTES {
        return None;
    }
    let reason = std::fs::read_to_string(path).ok()?.trim().parse().ok()?;
    OPERATOR_REASONS.iter().any(|(known, _)| *known == reason).then_some((serial, reason))
}

/// Opens new issuing keys. Their certificates are logged and their lists are there before they issue.
async fn take_up(service: &Service) -> Result<(), Refusal> {
    let issuer = &service.issuer;
    // A token may take its time, or ask for its PIN.
    let asked = Arc::clone(issuer);
    let new = tokio::task::spawn_blocking(move || asked.keys().installed_since()).await;
    let new = new.map_err(|e| Refusal::ForNow(e.to_string()))?.map_err(|e| Refusal::ForGood(e.to_string()))?;
    for issuing in new {
        issuing.check_dates(issuer.now()).map_err(|e| Refusal::ForGood(e.to_string()))?;
        let der = issuing.certificate().der();
        let objects = service.config.folder.join(OBJECTS);
        let logged = log_once(issuer.shard().log(), &objects, ObjectKind::IssuingCertificate, der).await;
        logged.map_err(|e| Refusal::ForNow(e.to_string()))?;
        service.crls.take_up(&issuing).await.map_err(|e| Refusal::ForNow(e.to_string()))?;
        let of = json!({"issuer": issuing.name.to_string(), "sha256": hex::encode(Sha256::digest(der))});
        issuer.trail.record("issuing-key-taken-up", of).await.map_err(|e| Refusal::ForNow(e.to_string()))?;
        tracing::info!(issuer = %issuing.name, "a new issuing key is in use");
        issuer.keys().take_up(issuing);
    }
    Ok(())
}

/// Revokes; a certificate that is revoked already for the same reason is as it was wished.
async fn revoke(service: &Service, serial: Serial, reason: u8) -> Result<(), Refusal> {
    let found = service.store.certificate(serial).await.map_err(|e| Refusal::ForNow(e.to_string()))?;
    let issued = found.filter(|c| matches!(c.state, CertificateState::Issued { .. }));
    let found = issued.ok_or_else(|| Refusal::ForGood("no certificate with this serial number was issued".into()))?;
    match carry_out(service, serial, reason, "operator").await {
        Err(problem) if problem.kind == Kind::AlreadyRevoked => match found.revoked {
            Some(before) if before.reason != reason => {
                Err(Refusal::ForGood(format!("it was revoked before, for the reason {}", before.reason)))
            }
            _ => Ok(()),
        },
        Err(problem) => Err(Refusal::ForNow(problem.document().to_string())),
        Ok(()) => {
            tracing::info!(%serial, reason, "revoked by the operator");
            Ok(())
        }
    }
}
