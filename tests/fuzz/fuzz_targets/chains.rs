//! Chains of certificates, in any order, under the policy of the shared vectors. Input: certificates, each behind its
//! length in two bytes.
#![no_main]

use identity::{
    CertificateDer,
    path::{Leaf, PathCertificate, Settings, find},
    verify::{verify_component, verify_mail, verify_person, verify_service},
};
use libfuzzer_sys::fuzz_target;

#[path = "../vectors.rs"]
mod vectors;

fn split(mut bytes: &[u8]) -> Vec<CertificateDer> {
    let mut chain = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        chain.push(CertificateDer::from(rest[..length].to_vec()));
        bytes = &rest[length..];
        if chain.len() == 16 {
            break;
        }
    }
    chain
}

fuzz_target!(|bytes: &[u8]| {
    let chain = split(bytes);
    let (trust, now) = (&*vectors::TRUST, vectors::NOW);
    let found = [
        verify_person(&chain, trust, now).is_ok(),
        verify_mail(&chain, trust, now).is_ok(),
        verify_service(&chain, "directory.example.org", trust, now).is_ok(),
        verify_component(&chain, "ca.example.org", trust, now).is_ok(),
    ];
    if found.contains(&true) {
        assert!(vectors::LEAVES.contains(&chain[0].to_vec()), "nobody forged a certificate");
    }
    let parsed: Vec<_> = chain.iter().filter_map(|der| PathCertificate::parse(der).ok()).collect();
    let [leaf, rest @ ..] = &*parsed else { return };
    let issuers: Vec<_> = rest.iter().collect();
    for leaf_kind in [Leaf::EndEntity, Leaf::Any] {
        let settings = Settings { leaf: leaf_kind, ..Settings::wide(now, &[]) };
        // Everybody sent is an issuer, and an anchor, too.
        let _ = find(leaf, &issuers, &issuers, &settings);
    }
});
