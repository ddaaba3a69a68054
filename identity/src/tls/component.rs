//! The server end towards components: a remote CA that submits to its log.

use std::sync::Arc;

use rustls::{
    DistinguishedName, Error, SignatureScheme,
    crypto::CryptoProvider,
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::UnixTime;

use super::{explained, provider, shown_chain, signed_by};
use crate::{trust::Trust, verify::verify_component};

/// Accepts the certificate of one component, by the DNS name that the operator gave it. A client names itself in its
/// certificate alone, so whom to expect is said when the verifier is made.
#[derive(Debug)]
pub struct ComponentVerifier {
    trust: Arc<Trust>,
    name: String,
    provider: Arc<CryptoProvider>,
}

impl ComponentVerifier {
    /// Verifies by this trust that a client is the component of this DNS name.
    pub fn new(trust: Arc<Trust>, name: &str) -> Self {
        Self { trust, name: name.to_owned(), provider: provider() }
    }
}

impl ClientCertVerifier for ComponentVerifier {
    /// None: a component has one chain, and whom its server trusts is nobody's business.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &rustls_pki_types::CertificateDer<'_>,
        intermediates: &[rustls_pki_types::CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        verify_component(&shown_chain(end_entity, intermediates), &self.name, &self.trust, now).map_err(explained)?;
        Ok(ClientCertVerified::assertion())
    }

    signed_by!(SignatureScheme::ECDSA_NISTP256_SHA256);
}
