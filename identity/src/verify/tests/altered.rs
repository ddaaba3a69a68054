//! Bytes that nobody signed.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// Every byte of a certificate with its proof, one at a time: TBS, extension, outer signature.
#[test]
fn any_altered_byte_is_refused() {
    let authority = Authority::new(1, NOON);
    let trust = authority.trust();
    authority.issue_person(&Identifier::parse("bob@example.org").unwrap(), NOON);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    assert!(verify_person(&chain, &trust, NOON).is_ok());
    for position in 0..chain[0].len() {
        for flip in [0x01, 0x80] {
            let mut leaf = chain[0].to_vec();
            leaf[position] ^= flip;
            let altered = [CertificateDer::from(leaf), chain[1].clone()];
            assert!(verify_person(&altered, &trust, NOON).is_err(), "byte {position} flipped by {flip:#x}");
        }
    }
}

/// The same with the certificate's signature made again over the altered proof: as an authority could that does not log.
#[test]
fn any_altered_byte_of_the_proof_is_refused_even_if_signed() {
    let authority = Authority::new(1, NOON);
    let trust = authority.trust();
    authority.issue_person(&Identifier::parse("bob@example.org").unwrap(), NOON);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    let tbs = Certificate::parse(&chain[0]).unwrap().tbs().clone();
    let length = tbs.transparency().unwrap().unwrap().to_der().len();
    for position in 0..length {
        let mut parts = tbs.to_parts();
        let extension = parts.extensions.last_mut().unwrap();
        let mut value = extension.extn_value.as_bytes().to_vec();
        value[position] ^= 0x01;
        extension.extn_value = der::asn1::OctetString::new(value).unwrap();
        let altered = crate::certificate::Tbs::from_parts(parts).unwrap();
        let error = verify_person(&authority.chain(&altered, &authority.people), &trust, NOON).unwrap_err();
        let id = error.rule.id();
        assert!(["LOG-", "SLOT", "WIT-"].iter().any(|family| id.starts_with(family)), "byte {position}: {error}");
    }
}

#[test]
fn a_truncated_or_prolonged_certificate_is_refused() {
    let authority = Authority::new(1, NOON);
    let trust = authority.trust();
    let (chain, _) = authority.issue_person(&alice(), NOON);
    for length in 0..chain[0].len() {
        let error = verify_person(&[chain[0][..length].to_vec().into()], &trust, NOON).unwrap_err();
        assert_eq!(error.rule, Rule::ChainEncoding);
    }
    let longer = [&chain[0][..], &[0]].concat();
    assert_eq!(verify_person(&[longer.into()], &trust, NOON).unwrap_err().rule, Rule::ChainEncoding);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        static TRUST: LazyLock<Trust> = LazyLock::new(|| Trust::new(vec![Authority::new(1, NOON).policy()]).unwrap());
        let trust = &*TRUST;
        prop_assert!(verify_person(&[bytes.clone().into()], trust, NOON).is_err());
        prop_assert!(trust.install_crl(&bytes, NOON).is_err());
        prop_assert!(TrustPolicy::parse(&bytes).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn mutated_certificates_never_panic(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..5)) {
        static FIXTURE: LazyLock<(Trust, Vec<CertificateDer>, Vec<u8>)> = LazyLock::new(|| {
            let authority = Authority::new(1, NOON);
            let (chain, _) = authority.issue_person(&alice(), NOON);
            let crl = authority.people_crl(1, NOON, &[&[1, 2, 3]]);
            (Trust::new(vec![authority.policy()]).unwrap(), chain, crl)
        });
        let (trust, chain, crl) = &*FIXTURE;
        let mutate = |original: &[u8]| {
            let mut bytes = original.to_vec();
            for (index, byte, kind) in &edits {
                let position = index.index(bytes.len());
                match kind {
                    0 => bytes[position] = *byte,
                    1 => bytes.insert(position, *byte),
                    _ => { bytes.remove(position); }
                }
            }
            bytes
        };
        let leaf = mutate(&chain[0]);
        prop_assert_eq!(verify_person(&[leaf.clone().into()], trust, NOON).is_ok(), leaf == chain[0].as_ref());
        let _ = verify_person(&[chain[0].clone(), mutate(&chain[1]).into()], trust, NOON);
        let list = mutate(crl);
        prop_assert_eq!(trust.install_crl(&list, NOON).is_ok(), list == *crl);
    }
}
