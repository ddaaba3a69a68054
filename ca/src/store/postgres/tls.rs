//! TLS to the database: tokio-postgres asks for a stream, rustls makes it.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::store::StoreError;

/// Takes `sslrootcert=FILE` out of the URL: libpq knows it, tokio-postgres does not.
pub(super) fn root_in(url: &str) -> (String, Option<String>) {
    let Some((address, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let (root, rest): (Vec<_>, Vec<_>) = query.split('&').partition(|option| option.starts_with("sslrootcert="));
    let root = root
        .last()
        .and_then(|option| option.split_once('='))
        .map(|(_, file)| percent_encoding::percent_decode_str(file).decode_utf8_lossy().into_owned());
    let url = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
    (url, root)
}

/// Makes the stream: by the web's authorities, or by one of the operator's own.
#[derive(Clone)]
pub(super) struct Connector(Arc<ClientConfig>);

impl Connector {
    pub(super) fn new(root: Option<&str>) -> Result<Self, StoreError> {
        let mut roots = RootCertStore::empty();
        match root {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(file) => {
                let wrong = |error: &dyn std::fmt::Display| {
                    StoreError::Unavailable(format!(
                        "sslrootcert: expected certificates in PEM, found: {file}: {error}"
                    ))
                };
                let found = CertificateDer::pem_file_iter(Path::new(file)).map_err(|error| wrong(&error))?;
                for certificate in found {
                    let certificate = certificate.map_err(|error| wrong(&error))?;
                    roots.add(certificate).map_err(|error| wrong(&error))?;
                }
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has what the default versions need")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Connector {
    type Stream = Encrypted<S>;
    type TlsConnect = Connecting;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Connecting> {
        // Sockets of this machine have no name: it is asked for only if there is to be TLS.
        Ok(Connecting { connector: TlsConnector::from(Arc::clone(&self.0)), domain: domain.to_owned() })
    }
}

/// One connection that is to be encrypted.
pub(super) struct Connecting {
    connector: TlsConnector,
    domain: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Connecting {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let name = ServerName::try_from(self.domain).map_err(io::Error::other)?;
            Ok(Encrypted(Box::new(self.connector.connect(name, stream).await?)))
        })
    }
}

/// An encrypted stream.
pub(super) struct Encrypted<S>(Box<TlsStream<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Encrypted<S> {
    /// The certificate is verified; passwords go by SCRAM without channel binding (RFC 5802 section 6).
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_taken_out_of_the_url() {
        for (url, rest, root) in [
            ("postgres://ca@db/ca", "postgres://ca@db/ca", None),
            ("postgres://ca@db/ca?sslrootcert=/etc/a%20b.pem", "postgres://ca@db/ca", Some("/etc/a b.pem")),
            ("postgres:///ca?host=/run&sslrootcert=x&user=ca", "postgres:///ca?host=/run&user=ca", Some("x")),
        ] {
            assert_eq!(root_in(url), (rest.to_owned(), root.map(str::to_owned)), "{url}");
        }
        assert!(Connector::new(Some("/nowhere.pem")).is_err());
    }
}
