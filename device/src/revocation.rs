//! Revocation lists: fetched from where the certificate says, kept beside the policies.
//!
//! A list is kept only after [`Trust::install_crl`] accepted it, which checks who signed it and that it is not older
//! than the one before.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use identity::UnixTime;
use identity::plan::MAX_CRL_BYTES;
use identity::rules::Rule;
use identity::trust::Trust;
use identity::verify::{VerifiedPerson, VerifyError, verify_person};
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::https::{self, FetchError, http_client};
use crate::{Home, HomeError, files};

/// Lists that are fetched at the same time.
const AT_ONCE: usize = 4;
/// Over so long the devices of an authority ask for a new list.
const SPREAD: Duration = Duration::from_secs(20 * 60);

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

/// Lets this device ask for new lists of people it meets at a time of its own: lists are made at the same moment for all, and
/// all who watched it would otherwise ask for the next one in the same minute.
pub fn spread(trust: &Trust) {
    let mut drawn = [0; 4];
    // Without randomness it asks as early as any.
    if getrandom::fill(&mut drawn).is_ok() {
        let seconds = u64::from(u32::from_be_bytes(drawn)) % SPREAD.as_secs();
        trust.spread_wanted_lists(Duration::from_secs(seconds));
    }
}

async fn fetch(
    home: &Home,
    trust: &Arc<Trust>,
    http: &reqwest::Client,
    url: &str,
    now: UnixTime,
) -> Result<(), RevocationError> {
    let response = https::get(http, url).await?;
    let der = https::body_up_to(url, response, MAX_CRL_BYTES).await?;
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
        if let Some(der) = files::read_up_to(&path, MAX_CRL_BYTES)?
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
    use identity::certificate::Certificate;
    use identity::testing::{Authority, NOON};

    use super::*;

    /// Serves `body` once by plain HTTP; gives the address.
    async fn serve_once(body: Vec<u8>) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/people.crl", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            // A client that has had enough hangs up.
            let _ = stream.write_all(&body).await;
        });
        url
    }

    #[tokio::test]
    async fn a_list_of_any_size_that_authorities_make_is_fetched_kept_and_read_again() {
        let authority = Authority::new(1, NOON);
        let (chain, _) = authority.issue_person(&"alice@example.org".parse().unwrap(), NOON);
        let serial = Certificate::parse(&chain[0]).unwrap().tbs().serial().to_vec();
        let others: Vec<[u8; 16]> = (0..60_000u128).map(|n| ((1 << 126) + n).to_be_bytes()).collect();
        let revoked: Vec<&[u8]> = others.iter().map(<[u8; 16]>::as_slice).chain([&*serial]).collect();
        let list = authority.people_crl(1, NOON, &revoked);
        assert!((1 << 20..MAX_CRL_BYTES).contains(&list.len()), "{}", list.len());

        let temp = tempfile::tempdir().unwrap();
        let home = Home::at(temp.path()).unwrap();
        let policy = authority.policy();
        home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
        let trust = Arc::new(home.trust_at(NOON).unwrap());
        let http = http_client(trust.clone());
        fetch(&home, &trust, &http, &serve_once(list).await, NOON).await.unwrap();
        for trust in [&*trust, &home.trust_at(NOON).unwrap()] {
            assert_eq!(verify_person(&chain, trust, NOON).unwrap_err().rule, Rule::RevocationRevoked);
        }
        let endless = serve_once(vec![0x30; MAX_CRL_BYTES + 1]).await;
        let refused = fetch(&home, &trust, &http, &endless, NOON).await.unwrap_err();
        assert!(
            matches!(refused, RevocationError::Fetch(FetchError::TooLarge { limit: MAX_CRL_BYTES, .. })),
            "{refused}"
        );
    }

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
