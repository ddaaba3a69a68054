//! Reading single extensions of a [`Tbs`](super::Tbs).

use const_oid::ObjectIdentifier;
use der::{
    DateTime, Decode, Encode,
    asn1::{GeneralizedTime, UtcTime, Utf8StringRef},
};
use rustls_pki_types::UnixTime;
use x509_cert::{
    ext::{
        Extension,
        pkix::{
            AuthorityKeyIdentifier, CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage, KeyUsage,
            SubjectAltName, SubjectKeyIdentifier,
            name::{DistributionPointName, GeneralName},
        },
    },
    time::Time,
};

use super::Tbs;
use crate::oid::{self, extension};

/// What a certificate names, as it stands there: not yet checked to be canonical.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectName {
    /// `rfc822Name`.
    Email(String),
    /// `SmtpUTF8Mailbox` (RFC 9598).
    InternationalEmail(String),
    /// A `tel:` URI, without the scheme.
    Phone(String),
    /// `dNSName`.
    Dns(String),
    /// Anything else.
    Other,
}

impl SubjectName {
    /// As it stands there; none of one of another kind.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Email(text) | Self::InternationalEmail(text) | Self::Phone(text) | Self::Dns(text) => Some(text),
            Self::Other => None,
        }
    }
}

impl Tbs {
    /// The only extension of this kind; `None` if there is none or more than one.
    pub(crate) fn extension(&self, oid: ObjectIdentifier) -> Option<&Extension> {
        let mut found = self.extensions().iter().filter(|e| e.extn_id == oid);
        match (found.next(), found.next()) {
            (Some(extension), None) => Some(extension),
            _ => None,
        }
    }

    /// An extension's value, if it is there once and is the one DER encoding of a `T`.
    pub(crate) fn value<T: for<'a> Decode<'a> + Encode>(&self, oid: ObjectIdentifier) -> Option<T> {
        let bytes = self.extension(oid)?.extn_value.as_bytes();
        let value = T::from_der(bytes).ok()?;
        (value.to_der().ok()? == bytes).then_some(value)
    }

    /// The names in the subjectAltName extension.
    pub fn subject_names(&self) -> Vec<SubjectName> {
        match self.value::<SubjectAltName>(extension::SUBJECT_ALT_NAME) {
            Some(names) => names.0.iter().map(subject_name).collect(),
            None => Vec::new(),
        }
    }

    /// The certificate policies.
    pub fn policies(&self) -> Vec<ObjectIdentifier> {
        match self.value::<CertificatePolicies>(extension::CERTIFICATE_POLICIES) {
            Some(policies) => policies.0.iter().map(|p| p.policy_identifier).collect(),
            None => Vec::new(),
        }
    }

    /// The extended key usage.
    pub fn purposes(&self) -> Vec<ObjectIdentifier> {
        self.value::<ExtendedKeyUsage>(extension::EXTENDED_KEY_USAGE).map(|e| e.0).unwrap_or_default()
    }

    /// The key usage.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.value(extension::KEY_USAGE)
    }

    /// The addresses of revocation lists.
    pub fn crl_urls(&self) -> Vec<String> {
        let Some(points) = self.value::<CrlDistributionPoints>(extension::CRL_DISTRIBUTION_POINTS) else {
            return Vec::new();
        };
        let names = points.0.into_iter().filter_map(|point| match point.distribution_point {
            Some(DistributionPointName::FullName(names)) => Some(names),
            _ => None,
        });
        names
            .flatten()
            .filter_map(|name| match name {
                GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
                _ => None,
            })
            .collect()
    }

    /// The identifier of the subject's key, as the certificate states it.
    pub fn subject_key_id(&self) -> Option<Vec<u8>> {
        self.value::<SubjectKeyIdentifier>(extension::SUBJECT_KEY_ID).map(|id| id.0.into_bytes().into())
    }

    /// The identifier of the issuer's key, as the certificate states it.
    pub fn authority_key_id(&self) -> Option<Vec<u8>> {
        let id = self.value::<AuthorityKeyIdentifier>(extension::AUTHORITY_KEY_ID)?;
        id.key_identifier.map(|id| id.into_bytes().into())
    }
}

fn subject_name(name: &GeneralName) -> SubjectName {
    match name {
        GeneralName::Rfc822Name(text) => SubjectName::Email(text.as_str().to_owned()),
        GeneralName::DnsName(text) => SubjectName::Dns(text.as_str().to_owned()),
        GeneralName::UniformResourceIdentifier(uri) => match uri.as_str().strip_prefix("tel:") {
            Some(number) => SubjectName::Phone(number.to_owned()),
            None => SubjectName::Other,
        },
        GeneralName::OtherName(other) if other.type_id == oid::SMTP_UTF8_MAILBOX => {
            match Utf8StringRef::try_from(&other.value) {
                Ok(text) => SubjectName::InternationalEmail(text.as_str().to_owned()),
                Err(_) => SubjectName::Other,
            }
        }
        _ => SubjectName::Other,
    }
}

/// UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 section 4.1.2.5).
pub(crate) fn time(time: UnixTime) -> Result<Time, der::Error> {
    let date = DateTime::from_unix_duration(std::time::Duration::from_secs(time.as_secs()))?;
    Ok(match UtcTime::from_date_time(date) {
        Ok(utc) => Time::UtcTime(utc),
        Err(_) => Time::GeneralTime(GeneralizedTime::from_date_time(date)),
    })
}
