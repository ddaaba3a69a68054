//! Revocation lists: fetched from where the certificate says, kept beside the policies.
//!
//! A list is kept only after [`Trust::install_crl`] accepted it, which checks who signed it and that it is not older
//! than the one before.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt as _;
use identity::UnixTime;
use identity::rules::Rule;
use identity::trust::Trust;
use identity::verify::{VerifiedPerson, VerifyError, verify_person};
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::https::{self, FetchError, http_client};
use crate::{Home, HomeError, files};

/// Lists that are fetched at the same time.
const AT_ONCE: usize = 4;

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
    fetch(home, trust, &http_client(trust.clone()), &address(chain)?, now).await
}

/// Fetches the lists that speak for people who were verified since the last call, where there is none or an old one: an
/// authority may cut its list into parts, and everybody's own certificate names one of them only. What cannot be had is
/// asked for again when somebody is verified by it again.
pub async fn refresh_wanted(home: &Home, trust: &Arc<Trust>, now: UnixTime) {
    let wanted = trust.take_wanted_lists();
    if wanted.is_empty() {
        return;
    }
    let http = http_client(trust.clone());
    let fetches = wanted.iter().map(|url| async {
        if let Err(error) = fetch(home, trust, &http, url, now).await {
            tracing::warn!(%error, "a revocation list could not be fetched");
        }
    });
    futures_util::stream::iter(fetches).for_each_concurrent(AT_ONCE, |fetch| fetch).await;
}

async fn fetch(
    home: &Home,
    trust: &Arc<Trust>,
    http: &reqwest::Client,
    url: &str,
    now: UnixTime,
) -> Result<(), RevocationError> {
    let response = https::get(http, url).await?;
    let der = https::body(url, response).await?;
    trust
        .install_crl_of(url, &der, now)
        .map_err(|error| RevocationError::Refused { url: url.to_owned(), reason: error.to_string() })?;
    let _lock = home.lock()?;
    files::write_atomic(&path(home, url), &der)?;
    Ok(())
}

/// Verifies this device's own certificate; with a new revocation list, if the stored one grew too old to vouch for it.
pub async fn verify_own(
    home: &Home,
    trust: &Arc<Trust>,
    chain: &[CertificateDer<'static>],
    now: UnixTime,
) -> Result<VerifiedPerson, VerifyError> {
    let verified = verify_person(chain, trust, now);
    if !verified.as_ref().is_err_and(|error| error.rule == Rule::RevocationFresh) {
        return verified;
    }
    if let Err(error) = refresh(home, trust, chain, now).await {
        tracing::warn!(%error, "the revocation list could not be refreshed");
    }
    verify_person(chain, trust, now)
}

/// Installs the stored lists into `trust`, however old: who was revoked stays so, and what a list older than seven days
/// cannot vouch for any more is refused until a newer one comes in. Left out is a list whose issuer is no longer trusted.
pub(crate) fn install_stored(home: &Home, trust: &Trust, now: UnixTime) -> Result<(), HomeError> {
    for path in files::files(&home.folder().join("crl"))? {
        if let Some(der) = files::read(&path)?
            && let Err(error) = trust.install_kept_crl(&der, now)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use identity::certificate::Certificate;
    use identity::testing::{Authority, NOON};

    use super::*;

    #[test]
    fn a_stored_list_that_has_grown_old_still_counts() {
        let later = UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() + 8 * 86_400));
        let authority = Authority::new(1, NOON);
        let (chain, _) = authority.issue_person(&"alice@example.org".parse().unwrap(), NOON);
        let serial = Certificate::parse(&chain[0]).unwrap().tbs().serial().to_vec();
        for (revoked, rule) in [(vec![&*serial], Rule::RevocationRevoked), (vec![], Rule::RevocationFresh)] {
            let temp = tempfile::tempdir().unwrap();
            let home = Home::at(temp.path()).unwrap();
            let policy = authority.policy();
            home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
            let list = authority.people_crl(1, NOON, &revoked);
            files::write_atomic(&path(&home, "http://localhost/people.crl"), &list).unwrap();
            let error = verify_person(&chain, &home.trust_at(later).unwrap(), later).unwrap_err();
            assert_eq!(error.rule, rule);
        }
    }
}
