use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::*;

/// An issuer and a server's certificate for this name by it.
struct Chain {
    issuer: CertificateDer<'static>,
    leaf: CertificateDer<'static>,
}

impl Chain {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = params.self_signed(&key).unwrap().der().clone();
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = leaf.signed_by(&leaf_key, &Issuer::new(params, key)).unwrap().der().clone();
        Self { issuer, leaf }
    }

    /// What a verifier with these records says of the chain.
    fn judged(&self, records: Vec<TLSA>) -> Result<(), Error> {
        let Dane::Keys(keys) = Dane::of(records) else { panic!("expected records that can be used") };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let names = ["mx.example.org".to_owned(), "example.org".to_owned()];
        let verifier = keys.verifier(&names, provider).unwrap();
        // The name that TLS was begun with counts for nothing here.
        let name = ServerName::try_from("elsewhere.example.net").unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_790_000_000));
        verifier.verify_server_cert(&self.leaf, std::slice::from_ref(&self.issuer), &name, &[], now).map(drop)
    }
}

fn record(usage: CertUsage, selector: Selector, matching: Matching, of: &CertificateDer<'_>) -> TLSA {
    let selected = match selector {
        Selector::Spki => EndEntityCert::try_from(of).unwrap().subject_public_key_info().to_vec(),
        _ => of.to_vec(),
    };
    let content = match matching {
        Matching::Sha256 => Sha256::digest(&selected).to_vec(),
        Matching::Sha512 => Sha512::digest(&selected).to_vec(),
        _ => selected,
    };
    TLSA::new(usage, selector, matching, content)
}

#[test]
fn the_servers_own_key_is_vouched_for_whatever_else_its_certificate_says() {
    let chain = Chain::new("nobody.example.net");
    for selector in [Selector::Full, Selector::Spki] {
        for matching in [Matching::Raw, Matching::Sha256, Matching::Sha512] {
            chain.judged(vec![record(CertUsage::DaneEe, selector, matching, &chain.leaf)]).unwrap();
            let of_other = record(CertUsage::DaneEe, selector, matching, &Chain::new("nobody.example.net").leaf);
            assert!(chain.judged(vec![of_other.clone()]).is_err(), "{of_other}");
            // One of several suffices: keys are rolled over so.
            let right = record(CertUsage::DaneEe, selector, matching, &chain.leaf);
            chain.judged(vec![of_other, right]).unwrap();
        }
    }
    // The issuer's certificate is not the server's.
    let issuer = record(CertUsage::DaneEe, Selector::Spki, Matching::Sha256, &chain.issuer);
    assert!(chain.judged(vec![issuer]).is_err());
}

#[test]
fn an_issuer_is_vouched_for_and_then_the_name_counts() {
    let of_issuer = |chain: &Chain| record(CertUsage::DaneTa, Selector::Spki, Matching::Sha256, &chain.issuer);
    for name in ["mx.example.org", "example.org", "*.example.org"] {
        let chain = Chain::new(name);
        chain.judged(vec![of_issuer(&chain)]).unwrap();
        assert!(chain.judged(vec![of_issuer(&Chain::new(name))]).is_err(), "another issuer");
    }
    let elsewhere = Chain::new("elsewhere.example.net");
    let refused = elsewhere.judged(vec![of_issuer(&elsewhere)]).unwrap_err();
    assert_eq!(refused, Error::InvalidCertificate(CertificateError::NotValidForName));
    // Anybody can send along an issuer that is vouched for; it has to have signed.
    let (one, two) = (Chain::new("mx.example.org"), Chain::new("mx.example.org"));
    let mixed = Chain { issuer: one.issuer.clone(), leaf: two.leaf.clone() };
    assert!(mixed.judged(vec![of_issuer(&one)]).is_err());
}

#[test]
fn records_that_mail_cannot_use_only_say_that_there_is_encryption() {
    let chain = Chain::new("mx.example.org");
    let usable = record(CertUsage::DaneEe, Selector::Spki, Matching::Sha256, &chain.leaf);
    assert!(matches!(Dane::of(vec![]), Dane::None));
    let digest = || usable.cert_data.clone();
    let (spki, sha256) = (Selector::Spki, Matching::Sha256);
    for useless in [
        TLSA::new(CertUsage::PkixEe, spki, sha256, digest()),
        TLSA::new(CertUsage::PkixTa, spki, sha256, digest()),
        TLSA::new(CertUsage::Unassigned(9), spki, sha256, digest()),
        TLSA::new(CertUsage::DaneEe, Selector::Unassigned(7), sha256, digest()),
        TLSA::new(CertUsage::DaneEe, spki, Matching::Unassigned(7), digest()),
        TLSA::new(CertUsage::DaneEe, spki, sha256, vec![1; 31]),
    ] {
        assert!(matches!(Dane::of(vec![useless.clone()]), Dane::Unusable), "{useless}");
        assert!(matches!(Dane::of(vec![useless, usable.clone()]), Dane::Keys(_)));
    }
    let empty = TLSA::new(CertUsage::DaneEe, spki, Matching::Raw, vec![]);
    assert!(chain.judged(vec![empty]).is_err());
}

#[test]
fn a_weak_digest_does_not_count_beside_a_strong_one_of_its_kind() {
    let chain = Chain::new("mx.example.org");
    let (usage, spki) = (CertUsage::DaneEe, Selector::Spki);
    let of = |matching, of: &Chain| record(usage, spki, matching, &of.leaf);
    let other = Chain::new("mx.example.org");
    // Whoever can find another key with the same weak digest gains nothing.
    assert!(chain.judged(vec![of(Matching::Sha256, &chain), of(Matching::Sha512, &other)]).is_err());
    chain.judged(vec![of(Matching::Sha256, &other), of(Matching::Sha512, &chain)]).unwrap();
    // A record that cannot be read says nothing of others; one of another kind neither.
    let cut = TLSA::new(usage, spki, Matching::Sha512, vec![1; 63]);
    chain.judged(vec![of(Matching::Sha256, &chain), cut]).unwrap();
    let whole = record(usage, Selector::Full, Matching::Sha512, &other.leaf);
    chain.judged(vec![of(Matching::Sha256, &chain), whole]).unwrap();
}
