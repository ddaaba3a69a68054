//! HTTPS to an authority: its certificate is verified like every other, by the pinned trust policy, not by the web's
//! certificate authorities. Answers are bounded.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use identity::tls::{ServiceVerifier, provider};
use identity::trust::Trust;
use reqwest::{NoProxy, Proxy, Response, StatusCode};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use transparency_log::client::AnyCertificate;

mod clock;

pub use clock::server_time;

/// Largest answer that is read, but for revocation lists: 1 MiB.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Longest time to open a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Longest time for one request and its whole answer.
const REQUEST_DEADLINE: Duration = Duration::from_secs(60);

/// Why nothing, or nothing that may be trusted, was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, or it broke.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// Somebody answered who did not prove to be who the trust policy says.
    #[error("{url} is answered by somebody who does not prove to be the authority: {reason}")]
    Untrusted {
        /// What was asked.
        url: String,
        /// Which rule failed, with expected and found where it is one of ours.
        reason: String,
    },
    /// The answer has another status than success.
    #[error("{url} answered {status} instead of 200")]
    Status {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: StatusCode,
    },
    /// The answer is larger than any of its kind.
    #[error("expected at most {limit} bytes from {url}, found more")]
    TooLarge {
        /// What was asked.
        url: String,
        /// Largest answer of this kind, in bytes.
        limit: usize,
    },
    /// This is no URL that can be fetched.
    #[error("{url:?} is no address to fetch: {reason}")]
    BadUrl {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl FetchError {
    /// Sorts an error of the HTTP library: a certificate that was refused is not the same as nobody there.
    pub fn from_reqwest(url: &str, error: &reqwest::Error) -> Self {
        let url = url.to_owned();
        match certificate_error(error) {
            Some(reason) => Self::Untrusted { url, reason },
            None if error.is_builder() => Self::BadUrl { url, reason: innermost(error) },
            None if error.is_timeout() => Self::Unreachable { url, reason: "no answer in time".to_owned() },
            None => Self::Unreachable { url, reason: innermost(error) },
        }
    }
}

/// A client that takes only endpoints with a logged service certificate under the trust policies.
pub fn https_client(trust: Arc<Trust>) -> reqwest::Client {
    client(Arc::new(ServiceVerifier::new(trust)), true)
}

/// As [`https_client`], but plain HTTP is allowed too: for revocation lists, which prove themselves (RFC 5280 section
/// 4.2.1.13 has them fetched without TLS, so that checking a certificate never needs another certificate).
pub(crate) fn http_client(trust: Arc<Trust>) -> reqwest::Client {
    client(Arc::new(ServiceVerifier::new(trust)), false)
}

/// Fetches a trust policy that is authenticated by its fingerprint, not by the connection: any certificate is taken.
/// Use it for nothing else.
pub async fn fetch_to_compare_by_fingerprint(url: &str) -> Result<Vec<u8>, FetchError> {
    let http = client(Arc::new(AnyCertificate(provider())), true);
    let response = get(&http, url).await?;
    body(url, response).await
}

/// Fetches an update of a trust policy, which proves itself by signature and log: any certificate is taken. The server's
/// own may already be under the root that the update brings. `None` if there is no such version.
pub(crate) async fn fetch_policy_update(url: &str) -> Result<Option<Vec<u8>>, FetchError> {
    let http = client(Arc::new(AnyCertificate(provider())), true);
    match get(&http, url).await {
        Ok(response) => body(url, response).await.map(Some),
        Err(FetchError::Status { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// For what is signed and proves itself, such as a log's tiles at somebody's mirror: any certificate is taken, and plain
/// HTTP too.
pub(crate) fn client_for_what_proves_itself() -> reqwest::Client {
    client(Arc::new(AnyCertificate(provider())), false)
}

/// A client for servers of the wide web, which knows nothing of trust policies: for a log-in at an issuer of OpenID alone.
/// The system's own store counts beside the web's authorities, as in the browser that opens: an organisation may certify its
/// issuer itself. (`SSL_CERT_FILE` and `SSL_CERT_DIR` name another one.)
pub(crate) fn web_client() -> reqwest::Client {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "a certificate of the system's store cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    built(web_tls(roots), false)
}

/// TLS 1.2 as well, with its suites: many an organisation's log-in speaks nothing newer.
fn web_tls(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Whether a server of the web may be asked at this address: by https, or by http on this computer itself.
pub(crate) fn check_web_url(text: &str) -> Result<(), FetchError> {
    let bad = |reason: &str| FetchError::BadUrl { url: text.chars().take(200).collect(), reason: reason.to_owned() };
    let url = reqwest::Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    let host = url.host_str().unwrap_or_default();
    let address: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let local = host == "localhost" || address.is_some_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        _ => Err(bad("expected https, or http on this computer itself")),
    }
}

/// GET with status 200.
pub(crate) async fn get(http: &reqwest::Client, url: &str) -> Result<Response, FetchError> {
    let response = http.get(url).send().await.map_err(|error| FetchError::from_reqwest(url, &error))?;
    match response.status() {
        StatusCode::OK => Ok(response),
        status => Err(FetchError::Status { url: url.to_owned(), status }),
    }
}

/// The whole body, at most [`MAX_ANSWER_BYTES`].
pub(crate) async fn body(url: &str, response: Response) -> Result<Vec<u8>, FetchError> {
    body_up_to(url, response, MAX_ANSWER_BYTES).await
}

/// The whole body, at most `limit` bytes.
pub(crate) async fn body_up_to(url: &str, mut response: Response, limit: usize) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| FetchError::from_reqwest(url, &error))? {
        if bytes.len() + chunk.len() > limit {
            return Err(FetchError::TooLarge { url: url.to_owned(), limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn client(verifier: Arc<dyn ServerCertVerifier>, https_only: bool) -> reqwest::Client {
    let mut tls = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3 suites")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A ticket would skip the certificate, and with it the revocation that came since.
    tls.resumption = rustls::client::Resumption::disabled();
    built(tls, https_only)
}

fn built(mut tls: ClientConfig, https_only: bool) -> reqwest::Client {
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(https_only)
        // ACME and log answers never redirect; a redirect would lead past the address the policy names.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_DEADLINE)
        .timeout(REQUEST_DEADLINE)
        .user_agent(concat!("inperson/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    match proxy() {
        Some(proxy) => builder.proxy(proxy),
        None => builder,
    }
    .build()
    .expect("a configuration made of constants")
}

/// The proxy of the environment, but never for this computer itself.
fn proxy() -> Option<Proxy> {
    let variable =
        |names: [&str; 2]| names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let proxy = variable(["https_proxy", "HTTPS_PROXY"]).or_else(|| variable(["all_proxy", "ALL_PROXY"]))?;
    let except = variable(["no_proxy", "NO_PROXY"]).unwrap_or_default();
    let except = NoProxy::from_string(&format!("localhost,127.0.0.0/8,::1,{except}"));
    Some(Proxy::all(proxy).ok()?.no_proxy(except))
}

/// The reason why rustls refused the peer's certificate, if that is what happened.
fn certificate_error(error: &reqwest::Error) -> Option<String> {
    chain(error).find_map(|cause| match tls_error(cause)? {
        rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) => Some(innermost(&other.0)),
        rustls::Error::InvalidCertificate(reason) => Some(reason.to_string()),
        rustls::Error::NoCertificatesPresented => Some("no certificate was shown".to_owned()),
        _ => None,
    })
}

/// An `io::Error` hides the error inside it from `source()`, and may hide another `io::Error`: look into it.
fn tls_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = cause;
    while let Some(error) = cause.downcast_ref::<std::io::Error>() {
        cause = error.get_ref()?;
    }
    cause.downcast_ref()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rustls::server::Acceptor;
    use rustls::{CipherSuite, ClientConnection};

    use super::*;

    #[test]
    fn the_wide_web_is_offered_both_versions_of_tls() {
        let name = "login.example.org".try_into().unwrap();
        let mut connection = ClientConnection::new(Arc::new(web_tls(RootCertStore::empty())), name).unwrap();
        let mut hello = Vec::new();
        connection.write_tls(&mut hello).unwrap();
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut &hello[..]).unwrap();
        let Ok(Some(heard)) = acceptor.accept() else { panic!("a whole ClientHello") };
        let suites = heard.client_hello().cipher_suites().to_vec();
        for suite in [CipherSuite::TLS13_AES_256_GCM_SHA384, CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384] {
            assert!(suites.contains(&suite), "{suite:?} in {suites:?}");
        }
    }
}
