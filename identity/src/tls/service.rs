//! The client end towards directories and HTTPS endpoints.

use std::sync::Arc;

use rustls::{
    Error, SignatureScheme,
    client::danger::{ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
};
use rustls_pki_types::{ServerName, UnixTime};

use super::{explained, provider, shown_chain, signed_by};
use crate::{
    Identifier,
    rules::Rule,
    trust::{Fingerprint, Trust},
    verify::{VerifyError, verify_directory, verify_service, verify_service_under},
};

/// Accepts certificates of services, for the DNS name that was connected to.
#[derive(Debug)]
pub struct ServiceVerifier {
    trust: Arc<Trust>,
    which: Which,
    provider: Arc<CryptoProvider>,
}

/// Which services are accepted.
#[derive(Debug)]
enum Which {
    /// Any that the trust names.
    Any,
    /// Those under this policy.
    Under(Fingerprint),
    /// The directory in which this person is found.
    DirectoryOf(Identifier),
}

impl ServiceVerifier {
    /// Verifies by this trust.
    pub fn new(trust: Arc<Trust>) -> Self {
        Self { trust, which: Which::Any, provider: provider() }
    }

    /// Verifies by this one of the policies in this trust alone.
    pub fn under(policy: Fingerprint, trust: Arc<Trust>) -> Self {
        Self { trust, which: Which::Under(policy), provider: provider() }
    }

    /// Verifies by this trust directories of other people than the own: of this person, and of whoever is certified alike.
    pub fn of_directory(trust: Arc<Trust>, of: Identifier) -> Self {
        Self { trust, which: Which::DirectoryOf(of), provider: provider() }
    }
}

impl ServerCertVerifier for ServiceVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &rustls_pki_types::CertificateDer<'_>,
        intermediates: &[rustls_pki_types::CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ServerName::DnsName(name) = server_name else {
            let found = format_args!("{server_name:?}");
            return Err(explained(VerifyError::new(Rule::SanService, "a DNS name to connect to", found)));
        };
        let (chain, name) = (shown_chain(end_entity, intermediates), name.as_ref());
        let verified = match &self.which {
            Which::Any => verify_service(&chain, name, &self.trust, now),
            Which::Under(policy) => verify_service_under(&chain, name, policy, &self.trust, now),
            Which::DirectoryOf(who) => verify_directory(&chain, name, who, &self.trust, now),
        };
        verified.map_err(explained)?;
        Ok(ServerCertVerified::assertion())
    }

    signed_by!(SignatureScheme::ECDSA_NISTP256_SHA256);
}
