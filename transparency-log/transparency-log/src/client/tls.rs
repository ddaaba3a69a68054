//! HTTP to those whose answers prove themselves: logs, witnesses and mirrors.
//!
//! Checkpoints, cosignatures, tiles and entries are verified by keys and hashes that are known already, and what is
//! sent is public. So nobody has to certify the connection: a home server's certificate comes from its own authority,
//! which its neighbours need not trust. Whoever sits in between can only keep answers back, as she can without TLS.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WantsClientCert};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ConfigBuilder, DEFAULT_VERSIONS, DigitallySignedStruct, Error, SignatureScheme,
    SupportedProtocolVersion,
};

/// Longest time to open a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// A client for what proves itself. It takes any certificate, follows no redirect and sends no cookie: use it for
/// nothing that is secret or believed because of where it came from.
///
/// # Panics
/// Never: the configuration is made of constants.
pub fn self_proving_http() -> reqwest::Client {
    http(builder(aws_lc_rs::default_provider()).with_no_client_auth())
}

/// The same, showing a certificate to whoever asks for one (RFC 8446 section 4.4.2), in TLS 1.3 alone: there it is
/// encrypted, and the signature is bound to this connection, so that nobody in between can use it for another.
///
/// # Panics
/// Never, as [`self_proving_http`].
pub fn self_proving_http_as(identity: Arc<CertifiedKey>) -> reqwest::Client {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    http(builder(provider).with_client_cert_resolver(Arc::new(Identity(identity))))
}

fn builder(provider: CryptoProvider) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(provider);
    let tls13_alone = provider.cipher_suites.iter().all(|suite| suite.tls13().is_some());
    let versions: &[&SupportedProtocolVersion] = if tls13_alone { &[&TLS13] } else { DEFAULT_VERSIONS };
    ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("the provider has suites of these versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
}

fn http(mut tls: ClientConfig) -> reqwest::Client {
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_DEADLINE)
        .user_agent(concat!("inperson-log/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .build()
        .expect("a configuration made of constants")
}

/// One certificate for everybody who asks.
#[derive(Debug)]
struct Identity(Arc<CertifiedKey>);

impl ResolvesClientCert for Identity {
    fn resolve(&self, _root_hint_subjects: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Takes any certificate, by this provider: for what proves itself, and for nothing that is secret. That the other side has the
/// certificate's key is verified all the same.
#[derive(Debug)]
pub struct AnyCertificate(pub Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
