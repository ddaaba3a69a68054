//! Certificates that the domain name system vouches for (RFC 6698, RFC 7671, RFC 7672), and those that nobody does.

use std::sync::Arc;

use hickory_resolver::proto::rr::rdata::TLSA;
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest as _, Sha256, Sha512};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::super::MailError;

/// What a server's records say.
#[derive(Debug)]
pub(super) enum Dane {
    /// There are none.
    None,
    /// None that mail may be verified by (RFC 7672 section 3.1.3): that there is encryption is all they say.
    Unusable,
    /// These.
    Keys(Keys),
}

/// The records that can be used.
#[derive(Debug)]
pub(super) struct Keys(Vec<TLSA>);

impl Dane {
    pub(super) fn of(mut records: Vec<TLSA>) -> Self {
        if records.is_empty() {
            return Self::None;
        }
        records.retain(is_usable);
        strongest(&mut records);
        if records.is_empty() { Self::Unusable } else { Self::Keys(Keys(records)) }
    }
}

/// Of digests of one kind the strongest alone count, so that a broken one can be left behind (RFC 7671 section 9).
fn strongest(records: &mut Vec<TLSA>) {
    let kind = |record: &TLSA| (u8::from(record.cert_usage), u8::from(record.selector));
    let strong: Vec<_> = records.iter().filter(|one| one.matching == Matching::Sha512).map(kind).collect();
    records.retain(|record| record.matching != Matching::Sha256 || !strong.contains(&kind(record)));
}

fn is_usable(record: &TLSA) -> bool {
    let length = match record.matching {
        Matching::Sha256 => Some(32),
        Matching::Sha512 => Some(64),
        Matching::Raw => None,
        _ => return false,
    };
    matches!(record.cert_usage, CertUsage::DaneTa | CertUsage::DaneEe)
        && matches!(record.selector, Selector::Full | Selector::Spki)
        && length.is_none_or(|length| record.cert_data.len() == length)
}

impl Keys {
    /// `names`: those by which a certificate of an issuer that is vouched for may go.
    pub(super) fn verifier(self, names: &[String], provider: Arc<CryptoProvider>) -> Result<MailVerifier, MailError> {
        let named = |name: &String| ServerName::try_from(name.clone());
        let names = names.iter().map(named).collect::<Result<_, _>>();
        let names = names.map_err(|_| MailError::Unreachable("its server's name is none".into()))?;
        Ok(MailVerifier { accepts: Accepts::Vouched(Vouched { records: self.0, names }), provider })
    }
}

/// Judges certificates of mail servers by what the domain name system says of them, and not by the web's authorities.
#[derive(Debug)]
pub(super) struct MailVerifier {
    accepts: Accepts,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Accepts {
    Vouched(Vouched),
    /// Encrypted towards whoever is there, which keeps out those who only listen.
    Anybody,
}

/// What one of the records vouches for: the server's own key (DANE-EE), or an issuer of its certificate (DANE-TA).
#[derive(Debug)]
struct Vouched {
    records: Vec<TLSA>,
    names: Vec<ServerName<'static>>,
}

impl Vouched {
    fn vouches(&self, usage: CertUsage, certificate: &CertificateDer<'_>) -> bool {
        let mut records = self.records.iter().filter(|record| record.cert_usage == usage);
        records.any(|record| matches(record, certificate))
    }

    /// RFC 7672 section 3.1.2: the issuer comes along in the chain; name and dates count.
    fn by_issuer(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
        provider: &CryptoProvider,
    ) -> Result<(), CertificateError> {
        let bad = |_| CertificateError::BadEncoding;
        let parsed = EndEntityCert::try_from(leaf).map_err(bad)?;
        let anchors = chain.iter().filter(|one| self.vouches(CertUsage::DaneTa, one));
        let anchors: Vec<_> = anchors.filter_map(|one| anchor_from_trusted_cert(one).ok()).collect();
        let algorithms = provider.signature_verification_algorithms.all;
        let usage = KeyUsage::server_auth();
        parsed
            .verify_for_usage(algorithms, &anchors, chain, now, usage, None, None)
            .map_err(|_| CertificateError::UnknownIssuer)?;
        let named = self.names.iter().any(|name| parsed.verify_is_valid_for_subject_name(name).is_ok());
        if named { Ok(()) } else { Err(CertificateError::NotValidForName) }
    }
}

fn matches(record: &TLSA, certificate: &CertificateDer<'_>) -> bool {
    let selected = match record.selector {
        Selector::Spki => match EndEntityCert::try_from(certificate) {
            Ok(parsed) => parsed.subject_public_key_info().to_vec(),
            Err(_) => return false,
        },
        _ => certificate.to_vec(),
    };
    match record.matching {
        Matching::Raw => record.cert_data == selected,
        Matching::Sha256 => record.cert_data[..] == Sha256::digest(&selected)[..],
        Matching::Sha512 => record.cert_data[..] == Sha512::digest(&selected)[..],
        _ => false,
    }
}

impl MailVerifier {
    /// Takes any certificate.
    pub(super) fn anybody(provider: Arc<CryptoProvider>) -> Self {
        Self { accepts: Accepts::Anybody, provider }
    }
}

impl ServerCertVerifier for MailVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // RFC 7672 section 3.1.1: the record's own dates count, neither the certificate's nor its names.
        if let Accepts::Vouched(by) = &self.accepts
            && !by.vouches(CertUsage::DaneEe, leaf)
        {
            by.by_issuer(leaf, chain, now, &self.provider)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
