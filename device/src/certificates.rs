//! Certificate chains as PEM (RFC 7468), the form ACME hands out and other programs read.

use identity::MAX_CHAIN;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Reads a chain, leaf first, of 1 to 6 certificates: more are refused before anything is verified. The error says what was found instead.
pub fn chain_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        chain.push(certificate.map_err(|error| format!("PEM that does not decode: {error}"))?);
        if chain.len() > MAX_CHAIN {
            return Err(format!("more than {MAX_CHAIN} certificates"));
        }
    }
    if chain.is_empty() {
        return Err("no certificate".to_owned());
    }
    Ok(chain)
}

/// Writes a chain, leaf first.
pub fn chain_to_pem(chain: &[CertificateDer<'_>]) -> String {
    use base64::Engine;
    let mut pem = String::new();
    for certificate in chain {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = base64::engine::general_purpose::STANDARD.encode(certificate);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            // RFC 7468 section 2: lines of exactly 64 characters, except the last.
            let (line, tail) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = tail;
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_survives_pem() {
        let chain = vec![CertificateDer::from(vec![1; 100]), CertificateDer::from(vec![2; 48])];
        let pem = chain_to_pem(&chain);
        assert!(pem.lines().all(|line| line.len() <= 64));
        assert_eq!(chain_from_pem(pem.as_bytes()).unwrap(), chain);
    }

    #[test]
    fn no_certificate_and_too_many_are_refused() {
        assert_eq!(chain_from_pem(b"hello").unwrap_err(), "no certificate");
        let many: Vec<_> = (0..7).map(|_| CertificateDer::from(vec![1; 10])).collect();
        assert!(chain_from_pem(chain_to_pem(&many).as_bytes()).unwrap_err().contains("more than 6"));
    }
}
