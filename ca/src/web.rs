//! HTTPS to other people's servers: gateways for text messages, issuers of OpenID. Verified by the web's authorities or by
//! the operator's own; answers are bounded, and no redirect is followed.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, NoProxy, Proxy, RequestBuilder, StatusCode, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// No answer is read further (bytes). A policy of MTA-STS may be as long (RFC 8461 section 3.3).
const MAX_ANSWER: usize = 64 * 1024;
/// The largest file of certificates that is read (bytes): a system's whole store has a quarter of it.
const MAX_ROOTS: u64 = 1024 * 1024;
/// To open a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// For a whole request.
const REQUEST: Duration = Duration::from_secs(20);

/// Why nothing came back, or nothing that can be used. No URL stands here: it may hold a secret.
#[derive(Debug, Error)]
pub enum WebError {
    /// The file of certificates.
    #[error("the certificates in {path}: {reason}")]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The address is none that may be asked.
    #[error("expected an https URL (http only for this machine), found {found}")]
    Url {
        /// Scheme and host of what was found.
        found: String,
    },
    /// No connection, or it broke, or the server did not prove who it is.
    #[error("{host} cannot be asked: {reason}")]
    Unreachable {
        /// Who.
        host: String,
        /// What the library said.
        reason: String,
        /// Whether no connection came about, so that nothing was asked.
        unasked: bool,
    },
    /// It answers endlessly.
    #[error("expected an answer of at most {MAX_ANSWER} bytes from {host}, found more")]
    TooLarge {
        /// Who.
        host: String,
    },
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

fn tls(roots: Option<&Path>) -> Result<ClientConfig, WebError> {
    let store = match roots {
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        Some(path) => read_roots(path).map_err(|reason| WebError::Roots { path: path.into(), reason })?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_root_certificates(store)
        .with_no_client_auth())
}

/// TLS by the same certificates for what is no HTTP.
pub(crate) fn connector(roots: Option<&Path>) -> Result<tokio_rustls::TlsConnector, WebError> {
    Ok(Arc::new(tls(roots)?).into())
}

/// A client that trusts the web's authorities, or those in the file `roots` alone.
pub(crate) fn client(roots: Option<&Path>) -> Result<Client, WebError> {
    let mut tls = tls(roots)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        .user_agent(concat!("inperson-ca/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    let client = match proxy() {
        Some(proxy) => client.proxy(proxy),
        None => client,
    };
    Ok(client.build().expect("a configuration made of constants"))
}

/// The web's authorities, and those in this file beside them.
pub(crate) fn roots_with(more: Option<&Path>) -> Result<RootCertStore, WebError> {
    let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = more {
        let more = read_roots(path).map_err(|reason| WebError::Roots { path: path.into(), reason })?;
        store.roots.extend(more.roots);
    }
    Ok(store)
}

/// A client for one host alone, at addresses that were looked up and judged before: through no proxy.
pub(crate) fn client_to(host: &str, addresses: &[IpAddr], port: u16, roots: &Arc<RootCertStore>) -> Client {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    let addresses: Vec<_> = addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        .no_proxy()
        .resolve_to_addrs(host, &addresses)
        .build()
        .expect("a configuration made of constants")
}

/// The proxy of the environment, but never for this machine itself.
fn proxy() -> Option<Proxy> {
    let variable =
        |names: [&str; 2]| names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let proxy = variable(["https_proxy", "HTTPS_PROXY"]).or_else(|| variable(["all_proxy", "ALL_PROXY"]))?;
    let except = variable(["no_proxy", "NO_PROXY"]).unwrap_or_default();
    let except = NoProxy::from_string(&format!("localhost,127.0.0.0/8,::1,{except}"));
    Some(Proxy::all(proxy).ok()?.no_proxy(except))
}

/// The certificates of a PEM file as roots.
fn read_roots(path: &Path) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        store.add(certificate).map_err(|e| e.to_string())?;
    }
    Ok(store)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !found.is_file() || found.len() > MAX_ROOTS {
        return Err(format!("expected a file of at most {MAX_ROOTS} bytes, found another"));
    }
    let certificates = CertificateDer::pem_file_iter(path).map_err(|e| e.to_string())?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    if certificates.is_empty() { Err("expected certificates in PEM, found none".into()) } else { Ok(certificates) }
}

/// The certificates of a PEM file, each of which can be a root.
pub(crate) fn root_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, WebError> {
    let read = read_roots(path).and_then(|_| read_certificates(path));
    read.map_err(|reason| WebError::Roots { path: path.into(), reason })
}

/// Whether a file holds certificates that servers can be verified by.
///
/// # Errors
/// It does not, or cannot be read.
pub fn check_roots(path: &Path) -> Result<(), WebError> {
    root_certificates(path).map(|_| ())
}

/// A URL that may be asked: https, or http to this very machine.
pub(crate) fn url(text: &str) -> Result<Url, WebError> {
    let wrong = |found: String| WebError::Url { found };
    let url = Url::parse(text).map_err(|e| wrong(e.to_string()))?;
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let local = host == "localhost" || address.is_some_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if local => Ok(url),
        scheme => Err(wrong(format!("{scheme}://{}", url.host_str().unwrap_or_default()))),
    }
}

/// Sends it, and reads the answer as far as one is read.
pub(crate) async fn send(request: RequestBuilder, host: &str) -> Result<Answer, WebError> {
    let unreachable = |error: reqwest::Error| WebError::Unreachable {
        host: host.to_owned(),
        unasked: error.is_connect(),
        reason: innermost(&error.without_url()),
    };
    let mut response = request.send().await.map_err(unreachable)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(WebError::TooLarge { host: host.to_owned() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status: response.status(), body })
}

/// The cause that says most: the outer ones say "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_be_asked_without_tls() {
        for good in ["https://api.example.org/x", "http://127.0.0.1:13013", "http://[::1]:1/", "http://localhost/"] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in
            ["http://api.example.org/", "http://127.0.0.1.example.org/", "ftp://h/", "https:", "x", "file:///etc"]
        {
            let error = url(bad).unwrap_err();
            assert!(matches!(error, WebError::Url { .. }), "{bad}: {error}");
        }
        let secret = url("http://user:s3cret@h/?key=s3cret").unwrap_err().to_string();
        assert!(!secret.contains("s3cret"), "{secret}");
    }
}
