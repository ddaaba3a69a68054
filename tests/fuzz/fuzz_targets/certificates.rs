//! Certificates, as verification and as path validation read them.
#![no_main]

use identity::{
    certificate::{Certificate, Tbs},
    path::PathCertificate,
    plan::lint,
    profile::Profile,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = Certificate::parse(bytes) {
        assert_eq!(certificate.der(), bytes, "strict DER has one encoding");
        let tbs = certificate.tbs();
        assert_eq!(tbs.encode(), certificate.tbs_der(), "strict DER has one encoding");
        let _ = (tbs.transparency(), tbs.subject_names(), tbs.crl_urls(), tbs.serial_hex());
        for profile in Profile::all() {
            let _ = lint(tbs, profile);
        }
        let _ = PathCertificate::new(certificate);
    }
    if let Ok(tbs) = Tbs::decode(bytes) {
        assert_eq!(tbs.encode(), bytes, "strict DER has one encoding");
    }
});
