//! Identifiers, certificates, the transparency extension, revocation lists, trust policies and their updates, evidence,
//! and verification as a whole.
#![no_main]

use std::sync::{Arc, LazyLock};

use identity::{
    CertificateDer, Identifier,
    certificate::{Certificate, Tbs},
    evidence::Evidence,
    testing::{Authority, NOON},
    transparency::TransparencyExtension,
    trust::{PolicyUpdate, Trust, TrustPolicy},
    verify::{verify_person, verify_service},
};
use libfuzzer_sys::fuzz_target;

static TRUST: LazyLock<Arc<Trust>> = LazyLock::new(|| Authority::new(1, NOON).trust());

fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = Certificate::parse(bytes) {
        assert_eq!(certificate.der(), bytes, "strict DER has one encoding");
        let _ = certificate.tbs().transparency();
        let _ = certificate.tbs().subject_names();
    }
    if let Ok(tbs) = Tbs::decode(bytes) {
        assert_eq!(tbs.encode(), bytes, "strict DER has one encoding");
    }
    if let Ok(extension) = TransparencyExtension::from_der(bytes) {
        assert_eq!(extension.to_der(), bytes, "strict DER has one encoding");
    }
    if let Ok(policy) = TrustPolicy::parse(bytes) {
        assert_eq!(policy.canonical(), bytes, "a policy has one spelling");
        let _ = Trust::new(vec![policy]);
    }
    if let Ok(update) = PolicyUpdate::parse(bytes) {
        assert_eq!(update.to_bytes(), bytes, "an update has one spelling");
        assert!(update.verify(&TRUST.policies()[0]).is_err(), "nobody forged an update");
    }
    if let Ok(evidence) = Evidence::parse(bytes) {
        assert_eq!(evidence.to_bytes(), bytes, "evidence has one spelling");
        let _ = evidence.judge();
    }
    let _ = TRUST.install_crl(bytes, NOON);
    let chain = [CertificateDer::from(bytes.to_vec())];
    assert!(verify_person(&chain, &TRUST, NOON).is_err(), "nobody forged a certificate");
    assert!(verify_service(&chain, "localhost", &TRUST, NOON).is_err(), "nobody forged a certificate");
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(identifier) = Identifier::parse(text) {
        assert_eq!(Identifier::from_canonical(identifier.as_str()).as_ref(), Ok(&identifier), "canonical once is canonical twice");
    }
});
