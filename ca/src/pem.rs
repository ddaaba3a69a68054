//! PEM (RFC 7468), strict, for certificates and keys.

use der::pem::{LineEnding, decode_vec, encode_string};
use zeroize::Zeroizing;

/// Certificates after each other, leaf first.
pub(crate) fn chain(certificates: &[&[u8]]) -> String {
    certificates.iter().map(|der| encode("CERTIFICATE", der)).collect()
}

pub(crate) fn encode(label: &'static str, der: &[u8]) -> String {
    encode_string(label, LineEnding::LF, der).expect("our labels are well formed and memory is not exhausted")
}

/// The content of the one PEM block, if it has this label.
pub(crate) fn decode(label: &str, pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (found, der) = decode_vec(pem.as_bytes()).ok()?;
    let der = Zeroizing::new(der);
    (found == label).then_some(der)
}
