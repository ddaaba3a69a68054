//! Revocation lists: fetched from where the certificate says, kept beside the policies.
//!
//! A list is kept only after [`Trust::install_crl`] accepted it, which checks who signed it and that it is not older
//! than the one before.

use std::path::PathBuf;
use std::sync::Arc;

use identity::UnixTime;
use identity::trust::Trust;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::https::{self, FetchError, http_client};
use crate::{Home, HomeError, files};

/// Why there is no newer list.
#[derive(Debug, thiserror::Error)]
pub enum RevocationError {
    /// The person's folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Not fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The certificate says no address, or it does not parse.
    #[error("expected a certificate with the address of a revocation list, found {0}")]
    NoAddress(String),
    /// The list was refused.
    #[error("the revocation list of {url} is not accepted: {reason}")]
    Refused {
        /// Where it came from.
        url: String,
        /// Which rule it breaks.
        reason: String,
    },
}

/// Fetches the list the leaf of `chain` names, installs it into `trust` and keeps it for later.
pub async fn refresh(
    home: &Home,
    trust: &Arc<Trust>,
    chain: &[CertificateDer<'static>],
    now: UnixTime,
) -> Result<(), RevocationError> {
    let url = address(chain)?;
    let http = http_client(trust.clone());
    let response = https::get(&http, &url).await?;
    let der = https::body(&url, response).await?;
    trust
        .install_crl(&der, now)
        .map_err(|error| RevocationError::Refused { url: url.clone(), reason: error.to_string() })?;
    let _lock = home.lock()?;
    files::write_atomic(&path(home, &url), &der)?;
    Ok(())
}

/// Installs the stored lists into `trust`. One that is refused now (too old, its issuer no longer trusted) is left
/// out: verification then says that revocation is unknown.
pub(crate) fn install_stored(home: &Home, trust: &Trust, now: UnixTime) -> Result<(), HomeError> {
    for path in files::files(&home.folder().join("crl"))? {
        if let Some(der) = files::read(&path)?
            && let Err(error) = trust.install_crl(&der, now)
        {
            tracing::info!(path = %path.display(), %error, "a stored revocation list is left out");
        }
    }
    Ok(())
}

fn path(home: &Home, url: &str) -> PathBuf {
    home.folder().join("crl").join(format!("{}.der", hex::encode(Sha256::digest(url))))
}

fn address(chain: &[CertificateDer<'static>]) -> Result<String, RevocationError> {
    let leaf = chain.first().ok_or_else(|| RevocationError::NoAddress("an empty chain".to_owned()))?;
    let leaf = identity::certificate::Certificate::parse(leaf)
        .map_err(|error| RevocationError::NoAddress(error.to_string()))?;
    leaf.tbs().crl_urls().into_iter().next().ok_or_else(|| RevocationError::NoAddress("none".to_owned()))
}
