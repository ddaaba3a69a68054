//! How a message names a certificate: by issuer and number (RFC 5652 section 10.2.4), or by its key's identifier.

use der::Encode as _;
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectKeyIdentifier;

use crate::error::CmsError;
use crate::tlv::{SEQUENCE, tlv};

/// IssuerAndSerialNumber of a certificate, in DER.
pub(crate) fn issuer_and_serial(certificate: &Certificate) -> Result<Vec<u8>, CmsError> {
    let parts = parts(certificate).map_err(|error| CmsError::form("a certificate", error))?;
    Ok(tlv(SEQUENCE, &[&parts]))
}

/// Whether the content of an IssuerAndSerialNumber is this certificate's.
pub(crate) fn is_issued(certificate: &Certificate, content: &[u8]) -> bool {
    parts(certificate).is_ok_and(|parts| parts == content)
}

/// Whether the certificate says this identifier of its key.
pub(crate) fn has_key_id(certificate: &Certificate, id: &[u8]) -> bool {
    let said = certificate.tbs_certificate().get_extension::<SubjectKeyIdentifier>();
    matches!(said, Ok(Some((_, said))) if said.0.as_bytes() == id)
}

fn parts(certificate: &Certificate) -> der::Result<Vec<u8>> {
    let certificate = certificate.tbs_certificate();
    Ok([certificate.issuer().to_der()?, certificate.serial_number().to_der()?].concat())
}
