//! A mutual QUIC handshake with full verification at both ends, beside the same handshake with webpki alone.

use std::sync::Arc;

use identity::{
    CertificateDer, Identifier, UnixTime,
    testing::{Authority, private_key},
    tls::{PersonVerifier, provider},
    trust::Trust,
};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls13_signature},
    pki_types::{ServerName, TrustAnchor},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use tokio::runtime::Runtime;

use crate::{
    measure::{Pair, Scale, cpu, paired},
    quic::{Credential, Ends, Verifiers},
};

const ROUNDS: usize = 15;
const HANDSHAKES: usize = 20;

/// Certificates that neither end has seen before.
pub(crate) fn first(runtime: &Runtime, scale: Scale) -> Pair {
    let world = World::new();
    let trust = world.authority.trust();
    world.compare(runtime, scale, || full(trust.clone()))
}

/// Certificates that both ends have seen before.
pub(crate) fn again(runtime: &Runtime, scale: Scale) -> Pair {
    let world = World::new();
    let verifiers = full(world.authority.trust());
    world.compare(runtime, scale, || verifiers.clone())
}

fn full(trust: Arc<Trust>) -> Verifiers {
    let verifier = Arc::new(PersonVerifier::new(trust));
    Verifiers { of_clients: verifier.clone(), of_servers: verifier }
}

struct World {
    authority: Authority,
    alice: Credential,
    bob: Credential,
}

impl World {
    fn new() -> Self {
        let now = UnixTime::now();
        let authority = Authority::new(2, now);
        let credential = |address: &str| {
            let identifier = Identifier::parse(address).expect("an address");
            let (chain, key) = authority.issue_person(&identifier, now);
            Credential { chain, key: private_key(&key) }
        };
        let (alice, bob) = (credential("alice@example.org"), credential("bob@example.org"));
        Self { authority, alice, bob }
    }

    /// CPU time of both ends together, in microseconds per handshake.
    fn compare(&self, runtime: &Runtime, scale: Scale, full: impl Fn() -> Verifiers) -> Pair {
        let ends = runtime.block_on(async { Ends::new() });
        let bare = bare(&self.authority);
        let sample = |verifiers: &dyn Fn() -> Verifiers| {
            runtime.block_on(async {
                let start = cpu();
                for _ in 0..HANDSHAKES {
                    let (dialled, accepted) = ends.handshake(&self.alice, &self.bob, &verifiers()).await;
                    dialled.close(0u32.into(), b"");
                    accepted.closed().await;
                }
                (cpu() - start).as_secs_f64() * 1e6 / HANDSHAKES as f64
            })
        };
        paired(ROUNDS * scale.factor, || sample(&full), || sample(&|| bare.clone()))
    }
}

/// Both ends verify with webpki alone.
pub(super) fn bare(authority: &Authority) -> Verifiers {
    let root = CertificateDer::from(authority.policy().authorities[0].root.0.clone());
    let anchor = webpki::anchor_from_trusted_cert(&root).expect("our own root").to_owned();
    let bare = Arc::new(Bare { anchor, provider: provider() });
    Verifiers { of_clients: bare.clone(), of_servers: bare }
}

/// webpki's path to the root and nothing else.
#[derive(Debug)]
struct Bare {
    anchor: TrustAnchor<'static>,
    provider: Arc<CryptoProvider>,
}

impl Bare {
    fn path(
        &self,
        leaf: &rustls::pki_types::CertificateDer<'_>,
        rest: &[rustls::pki_types::CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let anchors = std::slice::from_ref(&self.anchor);
        let usage = webpki::KeyUsage::client_auth();
        let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|e| Error::General(e.to_string()))?;
        leaf.verify_for_usage(algorithms, anchors, rest, now, usage, None, None)
            .map(drop)
            .map_err(|e| Error::General(e.to_string()))
    }

    fn signature(
        &self,
        message: &[u8],
        leaf: &rustls::pki_types::CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for Bare {
    fn verify_server_cert(
        &self,
        leaf: &rustls::pki_types::CertificateDer<'_>,
        rest: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.path(leaf, rest, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &rustls::pki_types::CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Bare {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &rustls::pki_types::CertificateDer<'_>,
        rest: &[rustls::pki_types::CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.path(leaf, rest, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &rustls::pki_types::CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
