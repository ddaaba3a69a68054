//! One fault at a time.

use der::Encode;
use der::asn1::{Ia5String, OctetString};
use ed25519_dalek::SigningKey;
use x509_cert::ext::{
    Extension,
    pkix::{SubjectAltName, name::GeneralName},
};

use super::*;
use crate::{
    certificate::{SignatureAlgorithm, Tbs, TbsParts, assemble},
    oid::{self, extension},
    transparency::{TransparencyExtension, VrfProof},
    trust::Bindings,
    verify::VerifyError,
};

#[track_caller]
fn breaks<T: fmt::Debug>(id: &str, result: Result<T, VerifyError>) {
    match result {
        Ok(verified) => panic!("{id} was not noticed: {verified:?}"),
        Err(error) => assert_eq!(error.rule.id(), id, "{error}"),
    }
}

/// An authority, its trust, and a certificate of alice's in parts.
struct Bench {
    authority: Authority,
    trust: Trust,
    tbs: Tbs,
}

impl Bench {
    fn new() -> Self {
        let authority = Authority::new(1, NOON);
        // Other entries, so that there is a path.
        for n in 0..4 {
            authority.issue_person(&Identifier::parse(&format!("p{n}@example.org")).unwrap(), NOON);
        }
        let tbs = authority.plan_person(&alice(), &SigningKey::from_bytes(&[1; 32]), NOON);
        Self { trust: trust_in(&authority, |_| ()), authority, tbs }
    }

    /// Logs and signs a plan that was changed after linting: what an authority could do that breaks its own rules.
    fn with_plan(&self, change: impl FnOnce(&mut TbsParts)) -> Result<VerifiedPerson, VerifyError> {
        let mut parts = self.tbs.to_parts();
        change(&mut parts);
        let tbs = Tbs::from_parts(parts).unwrap();
        let proof = self.authority.log_person(&tbs, &alice(), NOON.as_secs());
        self.verify(&tbs.with_transparency(&proof))
    }

    fn with_value(&self, oid: const_oid::ObjectIdentifier, value: Vec<u8>) -> Result<VerifiedPerson, VerifyError> {
        self.with_plan(|parts| {
            let extension = parts.extensions.iter_mut().find(|e| e.extn_id == oid).unwrap();
            extension.extn_value = OctetString::new(value).unwrap();
        })
    }

    fn with_name(&self, name: GeneralName) -> Result<VerifiedPerson, VerifyError> {
        self.with_value(extension::SUBJECT_ALT_NAME, SubjectAltName(vec![name]).to_der().unwrap())
    }

    /// Changes the proof of a certificate that is otherwise right.
    fn with_proof(&self, change: impl FnOnce(&mut TransparencyExtension)) -> Result<VerifiedPerson, VerifyError> {
        let mut proof = self.authority.log_person(&self.tbs, &alice(), NOON.as_secs());
        change(&mut proof);
        self.verify(&self.tbs.with_transparency(&proof))
    }

    fn cosigned_at(&self, time: u64) -> Result<VerifiedPerson, VerifyError> {
        let proof = self.authority.log_person(&self.tbs, &alice(), time);
        self.verify(&self.tbs.with_transparency(&proof))
    }

    fn verify(&self, tbs: &Tbs) -> Result<VerifiedPerson, VerifyError> {
        verify_person(&self.authority.chain(tbs, &self.authority.people), &self.trust, NOON)
    }

    fn chain(&self) -> Vec<CertificateDer> {
        let proof = self.authority.log_person(&self.tbs, &alice(), NOON.as_secs());
        self.authority.chain(&self.tbs.with_transparency(&proof), &self.authority.people)
    }
}

fn email(text: &str) -> GeneralName {
    GeneralName::Rfc822Name(Ia5String::new(text).unwrap())
}

#[test]
fn nothing_is_wrong_with_the_bench() {
    let bench = Bench::new();
    assert!(bench.with_plan(|_| ()).is_ok());
    assert!(bench.with_proof(|_| ()).is_ok());
    assert!(verify_person(&bench.chain(), &bench.trust, NOON).is_ok());
}

#[test]
fn chain_bytes() {
    let bench = Bench::new();
    let chain = bench.chain();
    breaks("CHAIN-01", verify_person(&[], &bench.trust, NOON));
    breaks("CHAIN-01", verify_person(&vec![chain[0].clone(); 7], &bench.trust, NOON));
    breaks("CHAIN-01", verify_person(&[vec![0x30; 16 * 1024 + 1].into()], &bench.trust, NOON));
    breaks("CHAIN-01", verify_person(&[chain[0].clone(), vec![0x30; 16 * 1024 + 1].into()], &bench.trust, NOON));
    breaks("CHAIN-02", verify_person(&[vec![0x30; 300].into()], &bench.trust, NOON));
    // The leaf's signature algorithm says ECDSA with SHA-256 inside and SHA-384 outside.
    let certificate = Certificate::parse(&chain[0]).unwrap();
    let two = assemble(certificate.tbs(), SignatureAlgorithm::EcdsaP384Sha384, certificate.signature());
    breaks("CHAIN-03", verify_person(&[two.into()], &bench.trust, NOON));
}

#[test]
fn chain_encoding_is_der() {
    let bench = Bench::new();
    let chain = bench.chain();
    // keyUsage with `critical FALSE`, which DER leaves out: 01 01 00 after the OID of cRLDistributionPoints.
    let oid = [0x06, 0x03, 0x55, 0x1d, 0x1f];
    let at = chain[0].windows(5).position(|w| w == oid).unwrap() + 5;
    let mut leaf = chain[0].to_vec();
    leaf.splice(at..at, [0x01, 0x01, 0x00]);
    breaks("CHAIN-02", verify_person(&[leaf.into()], &bench.trust, NOON));
}

#[test]
fn chain_path() {
    let bench = Bench::new();
    let chain = bench.chain();
    let other = Authority::new(2, NOON);
    breaks("CHAIN-04", verify_person(&chain, &other.trust(), NOON));
    // The names of the authority, but keys of another.
    let mut leaf = chain[0].to_vec();
    let last = leaf.len() - 1;
    leaf[last] ^= 1;
    breaks("CHAIN-05", verify_person(&[leaf.into()], &bench.trust, NOON));
    breaks(
        "CHAIN-06",
        verify_person(
            &chain,
            &bench.trust,
            later(0).as_secs().checked_sub(1).map(|s| UnixTime::since_unix_epoch(Duration::from_secs(s))).unwrap(),
        ),
    );
    breaks("CHAIN-07", verify_person(&chain, &bench.trust, later(14 * 86_400)));
    assert!(verify_person(&chain, &bench.trust, later(14 * 86_400 - 1)).is_ok());
}

#[test]
fn chain_purpose() {
    let bench = Bench::new();
    // clientAuth alone; and a person's certificate from the services CA, which cannot make people.
    let client_auth = x509_cert::ext::pkix::ExtendedKeyUsage(vec![oid::CLIENT_AUTH]).to_der().unwrap();
    breaks("CHAIN-08", bench.with_value(extension::EXTENDED_KEY_USAGE, client_auth));
    let mut parts = bench.tbs.to_parts();
    parts.issuer = bench.authority.services.certificate.tbs().subject().clone();
    let tbs = Tbs::from_parts(parts).unwrap();
    let proof = bench.authority.log_person(&tbs, &alice(), NOON.as_secs());
    let chain = bench.authority.chain(&tbs.with_transparency(&proof), &bench.authority.services);
    breaks("CHAIN-08", verify_person(&chain, &bench.trust, NOON));
}

#[test]
fn chain_constraints() {
    let bench = Bench::new();
    // An unknown critical extension.
    breaks(
        "CHAIN-09",
        bench.with_plan(|parts| {
            let value = OctetString::new(vec![5, 0]).unwrap();
            parts.extensions.push(Extension { extn_id: oid::ARC, critical: true, extn_value: value });
        }),
    );
    // A leaf by the root itself.
    let root = bench.authority.root();
    let mut parts = bench.tbs.to_parts();
    parts.issuer = root.certificate.tbs().subject().clone();
    let tbs = Tbs::from_parts(parts).unwrap();
    let proof = bench.authority.log_person(&tbs, &alice(), NOON.as_secs());
    let chain = bench.authority.chain(&tbs.with_transparency(&proof), root);
    breaks("CHAIN-09", verify_person(&chain, &bench.trust, NOON));
    // A leaf by another leaf.
    let mut parts = bench.tbs.to_parts();
    parts.extensions.retain(|e| e.extn_id != extension::BASIC_CONSTRAINTS);
    parts.spki = bench.authority.services.certificate.tbs().spki().clone();
    parts.issuer = bench.authority.people.certificate.tbs().subject().clone();
    let middle = bench.authority.chain(&Tbs::from_parts(parts).unwrap(), &bench.authority.people)[0].clone();
    let mut parts = bench.tbs.to_parts();
    parts.issuer = Certificate::parse(&middle).unwrap().tbs().subject().clone();
    let tbs = Tbs::from_parts(parts).unwrap();
    let proof = bench.authority.log_person(&tbs, &alice(), NOON.as_secs());
    let leaf = bench.authority.chain(&tbs.with_transparency(&proof), &bench.authority.services)[0].clone();
    breaks("CHAIN-09", verify_person(&[leaf, middle], &bench.trust, NOON));
}

/// A certificate of alice's under a people CA that was changed.
fn under_changed(change: impl FnOnce(&mut TbsParts)) -> Result<VerifiedPerson, VerifyError> {
    let mut authority = Authority::new(1, NOON);
    authority.change_people(change);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    verify_person(&chain, &authority.trust(), NOON)
}

#[test]
fn chain_policies() {
    use x509_cert::ext::pkix::{CertificatePolicies, PolicyMapping, PolicyMappings, certpolicy::PolicyInformation};
    let with = |parts: &mut TbsParts, policy| {
        let one = PolicyInformation { policy_identifier: policy, policy_qualifiers: None };
        let extension = parts.extensions.iter_mut().find(|e| e.extn_id == extension::CERTIFICATE_POLICIES).unwrap();
        extension.extn_value = OctetString::new(CertificatePolicies(vec![one]).to_der().unwrap()).unwrap();
    };
    assert!(under_changed(|parts| with(parts, oid::POLICY_DEVICE)).is_ok());
    assert!(under_changed(|parts| with(parts, oid::ANY_POLICY)).is_ok());
    breaks("CHAIN-10", under_changed(|parts| with(parts, oid::POLICY_PHONE_DEVICE)));
    breaks(
        "CHAIN-10",
        under_changed(|parts| parts.extensions.retain(|e| e.extn_id != extension::CERTIFICATE_POLICIES)),
    );
    // Mapped from another policy.
    breaks(
        "CHAIN-10",
        under_changed(|parts| {
            with(parts, oid::POLICY_MAIL);
            let (issuer_domain_policy, subject_domain_policy) = (oid::POLICY_MAIL, oid::POLICY_DEVICE);
            let mapping = PolicyMapping { issuer_domain_policy, subject_domain_policy };
            let value = OctetString::new(PolicyMappings(vec![mapping]).to_der().unwrap()).unwrap();
            parts.extensions.push(Extension { extn_id: extension::POLICY_MAPPINGS, critical: true, extn_value: value });
        }),
    );
}

#[test]
fn profile_policy() {
    use x509_cert::ext::pkix::{CertificatePolicies, certpolicy::PolicyInformation};
    let bench = Bench::new();
    let policies = |oids: &[const_oid::ObjectIdentifier]| {
        let one =
            |oid: &const_oid::ObjectIdentifier| PolicyInformation { policy_identifier: *oid, policy_qualifiers: None };
        CertificatePolicies(oids.iter().map(one).collect()).to_der().unwrap()
    };
    for wrong in [
        policies(&[]),
        policies(&[oid::POLICY_SERVICE]),
        policies(&[oid::POLICY_DEVICE, oid::POLICY_PHONE_DEVICE]),
        policies(&[oid::ARC]),
        vec![0x05, 0x00],
    ] {
        breaks("PROF-01", bench.with_value(extension::CERTIFICATE_POLICIES, wrong));
    }
}

#[test]
fn profile_key() {
    let bench = Bench::new();
    breaks(
        "PROF-02",
        bench.with_plan(|parts| {
            parts.spki = bench.authority.services.certificate.tbs().spki().clone();
        }),
    );
    // The identity element: any signature fits any message under it.
    breaks(
        "PROF-02",
        bench.with_plan(|parts| {
            let mut point = [0; 32];
            point[0] = 1;
            parts.spki.subject_public_key = der::asn1::BitString::from_bytes(&point).unwrap();
        }),
    );
}

#[test]
fn profile_lifetime() {
    let bench = Bench::new();
    let month = |extra: u64| move |parts: &mut TbsParts| parts.not_after = later(30 * 86_400 - 1 + extra);
    assert!(bench.with_plan(month(0)).is_ok());
    breaks("PROF-03", bench.with_plan(month(1)));
}

#[test]
fn profile_key_usage() {
    let bench = Bench::new();
    // digitalSignature and keyAgreement: 03 02 03 88, a BIT STRING with 3 unused bits.
    breaks("PROF-04", bench.with_value(extension::KEY_USAGE, vec![0x03, 0x02, 0x03, 0x88]));
}

#[test]
fn profile_purpose() {
    let bench = Bench::new();
    let more = x509_cert::ext::pkix::ExtendedKeyUsage(vec![oid::CLIENT_AUTH, oid::LIVE_PERSON, oid::EMAIL_PROTECTION]);
    breaks("PROF-05", bench.with_value(extension::EXTENDED_KEY_USAGE, more.to_der().unwrap()));
}

#[test]
fn profile_extensions() {
    let bench = Bench::new();
    let criticality = |oid| {
        bench.with_plan(move |parts| {
            let extension = parts.extensions.iter_mut().find(|e| e.extn_id == oid).unwrap();
            extension.critical = !extension.critical;
        })
    };
    breaks("PROF-06", criticality(extension::KEY_USAGE));
    breaks("PROF-06", criticality(extension::SUBJECT_ALT_NAME));
    breaks(
        "PROF-06",
        bench.with_plan(|parts| {
            let value = OctetString::new(vec![5, 0]).unwrap();
            parts.extensions.push(Extension { extn_id: oid::ARC, critical: false, extn_value: value });
        }),
    );
}

#[test]
fn profile_subject() {
    let bench = Bench::new();
    breaks("PROF-07", bench.with_plan(|parts| parts.subject = crate::plan::subject("Alice").unwrap()));
}

#[test]
fn profile_key_ids() {
    let bench = Bench::new();
    let id = [&[0x04, 20][..], &[7; 20]].concat();
    breaks("PROF-08", bench.with_value(extension::SUBJECT_KEY_ID, id));
    let authority_id = [&[0x30, 22, 0x80, 20][..], &[7; 20]].concat();
    breaks("PROF-08", bench.with_value(extension::AUTHORITY_KEY_ID, authority_id));
}

#[test]
fn profile_crl() {
    let bench = Bench::new();
    // One distribution point with the URI ldap://x.
    let uri = b"ldap://x";
    let value = [&[0x30, 16, 0x30, 14, 0xa0, 12, 0xa0, 10, 0x86, 8][..], uri].concat();
    breaks("PROF-09", bench.with_value(extension::CRL_DISTRIBUTION_POINTS, value));
}

#[test]
fn profile_serial() {
    let bench = Bench::new();
    breaks("PROF-10", bench.with_plan(|parts| parts.serial = vec![1, 2, 3]));
}

#[test]
fn san_one() {
    let bench = Bench::new();
    let two = SubjectAltName(vec![email("alice@example.org"), email("bob@example.org")]).to_der().unwrap();
    breaks("SAN-01", bench.with_value(extension::SUBJECT_ALT_NAME, two));
    breaks("SAN-01", bench.with_name(GeneralName::DnsName(Ia5String::new("example.org").unwrap())));
    let tel = GeneralName::UniformResourceIdentifier(Ia5String::new("tel:+14155552671").unwrap());
    breaks("SAN-01", bench.with_name(tel));
}

#[test]
fn san_canonical() {
    let bench = Bench::new();
    breaks("SAN-02", bench.with_name(email("Alice@example.org")));
    breaks("SAN-02", bench.with_name(email("alice@example.org.")));
    breaks("SAN-02", bench.with_name(email("no address")));
    // An ASCII address in the form for others.
    let mailbox = x509_cert::ext::pkix::name::OtherName {
        type_id: oid::SMTP_UTF8_MAILBOX,
        value: der::Any::new(der::Tag::Utf8String, b"alice@example.org".as_slice()).unwrap(),
    };
    breaks("SAN-02", bench.with_name(GeneralName::OtherName(mailbox)));
}

#[test]
fn san_service() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = authority.issue_service("localhost", NOON);
    let trust = authority.trust();
    breaks("SAN-03", verify_service(&chain, "example.org", &trust, NOON));
    breaks("SAN-03", verify_service(&chain, "127.0.0.1", &trust, NOON));
    breaks("SAN-03", verify_service(&chain, "", &trust, NOON));
}

#[test]
fn trust_permissions() {
    let authority = Authority::new(1, NOON);
    let (mail, _) = authority.issue_person(&alice(), NOON);
    let (phone, _) = authority.issue_person(&Identifier::parse("+14155552671").unwrap(), NOON);
    let phones_only = trust_in(&authority, |p| p.authorities[0].kinds = vec![crate::IdentifierKind::Phone]);
    breaks("TRUST-01", verify_person(&mail, &phones_only, NOON));
    assert!(verify_person(&phone, &phones_only, NOON).is_ok());
    let domain = |domain: &str| trust_in(&authority, |p| p.authorities[0].domains = vec![domain.to_owned()]);
    breaks("TRUST-02", verify_person(&mail, &domain("org"), NOON));
    breaks("TRUST-02", verify_person(&mail, &domain("ample.org"), NOON));
    assert!(verify_person(&mail, &domain("example.org"), NOON).is_ok());
    let prefix = |prefix: &str| trust_in(&authority, |p| p.authorities[0].phone_prefixes = vec![prefix.to_owned()]);
    breaks("TRUST-03", verify_person(&phone, &prefix("+49"), NOON));
    assert!(verify_person(&phone, &prefix("+1"), NOON).is_ok());
}

#[test]
fn trust_services() {
    let [one, two] = [1, 2].map(|seed| Authority::new(seed, NOON));
    let with = |authority: &Authority, name: &str| authority.policy_with_directory(name, "192.0.2.1:8444");
    let policies = [with(&one, "directory.example.org"), with(&two, "directory.example.com")];
    let both = Trust::new(policies.to_vec()).unwrap();
    for (authority, other, name) in [(&one, &two, "directory.example.org"), (&two, &one, "directory.example.com")] {
        let (chain, _) = authority.issue_service(name, NOON);
        assert!(verify_service(&chain, &name.to_uppercase(), &both, NOON).is_ok(), "canonical form");
        let (chain, _) = other.issue_service(name, NOON);
        breaks("TRUST-12", verify_service(&chain, name, &both, NOON));
    }
    // The ACME server and the log, of this authority.
    let (chain, _) = one.issue_service("ca.example.org", NOON);
    assert!(verify_service(&chain, "ca.example.org", &both, NOON).is_ok());
    let (chain, _) = one.issue_service("log.example.net", NOON);
    breaks("TRUST-12", verify_service(&chain, "log.example.net", &both, NOON));
    let named = trust_in(&one, |policy| {
        let first = policy.tlog_policy.lines().next().unwrap().to_owned();
        policy.tlog_policy =
            policy.tlog_policy.replacen(&first, &format!("{first} https://Log.example.net:8443/2026"), 1);
    });
    assert!(verify_service(&chain, "log.example.net", &named, NOON).is_ok());
    // A mail domain, if it stands there by its name.
    let (chain, _) = one.issue_service("example.net", NOON);
    let domains = |domains: &[&str]| {
        let domains: Vec<_> = domains.iter().map(|&domain| domain.to_owned()).collect();
        trust_in(&one, |policy| policy.authorities[0].domains = domains.clone())
    };
    assert!(verify_service(&chain, "example.net", &domains(&["example.org", "example.net"]), NOON).is_ok());
    breaks("TRUST-12", verify_service(&chain, "example.net", &domains(&["*"]), NOON));
    breaks("TRUST-12", verify_service(&chain, "example.net", &domains(&["net", "www.example.net"]), NOON));
}

#[test]
fn the_own_directory_is_certified_under_the_own_policy() {
    let [ours, theirs] = [1, 2].map(|seed| Authority::new(seed, NOON));
    let name = "directory.example.net";
    // Both name it, and theirs is known for the very domain.
    let [own, mut other] = [&ours, &theirs].map(|authority| authority.policy_with_directory(name, "192.0.2.1:8444"));
    other.authorities[0].domains.push("example.org".to_owned());
    let fingerprint = own.fingerprint();
    let trust = Trust::new(vec![own, other.clone()]).unwrap();
    let verify =
        |by: &Authority, policy| verify_service_under(&by.issue_service(name, NOON).0, name, policy, &trust, NOON);
    verify(&ours, &fingerprint).unwrap();
    breaks("TRUST-12", verify(&theirs, &fingerprint));
    verify(&theirs, &other.fingerprint()).unwrap();
    assert!(verify_service(&theirs.issue_service(name, NOON).0, name, &trust, NOON).is_ok(), "it counts elsewhere");
    // A copy of one's authority in another policy makes none of the others in it one's own.
    let mut mixed = other;
    mixed.authorities.push(ours.policy().authorities.remove(0));
    let own = ours.policy_with_directory(name, "192.0.2.1:8444");
    let trust = Trust::new(vec![mixed, own]).unwrap();
    breaks("TRUST-12", verify_service_under(&theirs.issue_service(name, NOON).0, name, &fingerprint, &trust, NOON));
    verify_service_under(&ours.issue_service(name, NOON).0, name, &fingerprint, &trust, NOON).unwrap();
}

#[test]
fn a_directory_is_vouched_for_by_who_vouches_for_its_people() {
    let [ours, theirs] = [1, 2].map(|seed| Authority::new(seed, NOON));
    let limited = |authority: &Authority, domain: &str| {
        let policy = authority.policy_with_directory("directory.example.net", "192.0.2.1:8444");
        policy.limited_to(&[domain.to_owned()]).unwrap()
    };
    let trust = Trust::new(vec![limited(&ours, "example.org"), limited(&theirs, "example.net")]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.net"].map(|who| Identifier::parse(who).unwrap());
    let verify = |by: &Authority, name: &str, who: &Identifier| {
        verify_directory(&by.issue_service(name, NOON).0, name, who, &trust, NOON)
    };
    for name in ["directory.example.net", "example.net"] {
        verify(&theirs, name, &bob).unwrap();
    }
    // So of two people for whom the same authorities count there, what is proven for one is proven for the other.
    let vouchers = |name: &str, who: &Identifier| Vouchers::of(name, who, &trust);
    let carol = Identifier::parse("carol@example.net").unwrap();
    assert_eq!(vouchers("example.net", &bob), vouchers("example.net", &carol));
    assert_eq!(vouchers("example.net", &bob), vouchers("directory.example.net", &bob));
    assert_ne!(vouchers("directory.example.net", &alice), vouchers("directory.example.net", &bob));
    assert_eq!(vouchers("example.net", &alice), Vouchers::default());
    // It names that directory too, but certifies nobody there.
    breaks("TRUST-02", verify(&ours, "directory.example.net", &bob));
    breaks("TRUST-12", verify(&ours, "example.net", &bob));
    verify(&ours, "example.org", &alice).unwrap();
    breaks("TRUST-02", verify(&theirs, "directory.example.net", &alice));
    // It certifies people of both domains: neither's directory is the other's.
    let both = trust_in(&theirs, |policy| {
        policy.authorities[0].domains = vec!["example.org".to_owned(), "example.net".to_owned()];
    });
    let (of_org, _) = theirs.issue_service("example.org", NOON);
    verify_directory(&of_org, "example.org", &alice, &both, NOON).unwrap();
    breaks("TRUST-12", verify_directory(&of_org, "example.org", &bob, &both, NOON));
    // Whoever is known by one authority is not found where another one says.
    let root = theirs.policy().authorities[0].root_digest().unwrap();
    trust.meet(&bob, "Test authority 2", &root.0, NOON).unwrap();
    verify(&theirs, "example.net", &bob).unwrap();
    trust.set_bindings(Bindings::default());
    let before = trust.times_rebound();
    trust.meet(&bob, "Test authority 1", &[9; 32], NOON).unwrap();
    trust.meet(&bob, "Test authority 1", &[9; 32], NOON).unwrap();
    assert_eq!(trust.times_rebound(), before + 1);
    breaks("TRUST-06", verify(&theirs, "example.net", &bob));
    assert_eq!(vouchers("example.net", &bob), Vouchers::default());
    trust.set_bindings(Bindings::default());
    // A limited policy certifies nobody beyond its limits.
    breaks("TRUST-02", verify_person(&theirs.issue_person(&alice, NOON).0, &trust, NOON));
    assert!(verify_person(&theirs.issue_person(&bob, NOON).0, &trust, NOON).is_ok());
}

#[test]
fn log_presence() {
    let bench = Bench::new();
    breaks("LOG-01", bench.verify(&bench.tbs));
    let proof = bench.authority.log_person(&bench.tbs, &alice(), NOON.as_secs());
    let with = bench.tbs.with_transparency(&proof);
    let mut twice = with.to_parts();
    twice.extensions.push(twice.extensions.last().unwrap().clone());
    breaks("LOG-01", bench.verify(&Tbs::from_parts(twice).unwrap()));
    let mut garbage = with.to_parts();
    garbage.extensions.last_mut().unwrap().extn_value = OctetString::new(vec![0x30, 0x00]).unwrap();
    breaks("LOG-02", bench.verify(&Tbs::from_parts(garbage).unwrap()));
    breaks("LOG-03", bench.with_proof(|proof| proof.origin = "log.example.org/2025".to_owned()));
}

#[test]
fn slots() {
    let bench = Bench::new();
    breaks("SLOT-01", bench.with_proof(|proof| proof.vrf_proof = None));
    breaks("SLOT-02", bench.with_proof(|proof| proof.slot = 32));
    breaks("SLOT-03", bench.with_proof(|proof| proof.period += 1));
    breaks("SLOT-04", bench.with_proof(|proof| proof.slot ^= 1));
    breaks("SLOT-04", bench.with_proof(|proof| proof.vrf_proof = Some(VrfProof::from_bytes([0; 80]))));
    // Another log's key: an authority has one.
    let other = Authority::new(2, NOON);
    let trust = trust_in(&bench.authority, |policy| {
        policy.authorities[0].vrf_key = other.policy().authorities[0].vrf_key.clone();
    });
    breaks("SLOT-04", verify_person(&bench.chain(), &trust, NOON));
}

#[test]
fn slots_of_services() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = authority.issue_service("localhost", NOON);
    let tbs = Certificate::parse(&chain[0]).unwrap().tbs().clone();
    let with = |change: fn(&mut TransparencyExtension)| {
        let mut proof = authority.log_service(&tbs.without_transparency(), "localhost", NOON.as_secs());
        change(&mut proof);
        let chain = authority.chain(&tbs.with_transparency(&proof), &authority.services);
        verify_service(&chain, "localhost", &authority.trust(), NOON)
    };
    assert!(with(|_| ()).is_ok());
    breaks("SLOT-01", with(|proof| proof.vrf_proof = Some(VrfProof::from_bytes([0; 80]))));
    breaks("SLOT-02", with(|proof| proof.slot = 1));
    breaks("SLOT-03", with(|proof| proof.period -= 1));
}

#[test]
fn log_signature() {
    let bench = Bench::new();
    breaks(
        "LOG-04",
        bench.with_proof(|proof| {
            proof.path.pop();
        }),
    );
    breaks("LOG-05", bench.with_proof(|proof| proof.log_key_id[0] ^= 1));
    breaks("LOG-06", bench.with_proof(|proof| proof.log_signature[0] ^= 1));
    breaks("LOG-06", bench.with_proof(|proof| proof.path[0].0[0] ^= 1));
    breaks("LOG-06", bench.with_proof(|proof| proof.opening = [9; 32].into()));
    // The proof of another certificate of the same person: it has the right label, and another commitment.
    let other = bench.authority.plan_person(&alice(), &SigningKey::from_bytes(&[2; 32]), NOON);
    let proof = bench.authority.log_person(&other, &alice(), NOON.as_secs());
    breaks("LOG-06", bench.verify(&bench.tbs.with_transparency(&proof)));
}

#[test]
fn witnesses() {
    let bench = Bench::new();
    breaks("WIT-01", bench.with_proof(|proof| proof.cosignatures[0].signature[0] ^= 1));
    breaks("WIT-01", bench.with_proof(|proof| proof.cosignatures[0].time += 1));
    breaks("WIT-02", bench.with_proof(|proof| proof.cosignatures.clear()));
    breaks("WIT-02", bench.with_proof(|proof| proof.cosignatures[0].key_id[0] ^= 1));
    let noon = NOON.as_secs();
    assert!(bench.cosigned_at(noon - 300).is_ok());
    assert!(bench.cosigned_at(noon + 86_400).is_ok());
    breaks("WIT-03", bench.cosigned_at(noon - 301));
    breaks("WIT-03", bench.cosigned_at(noon + 86_401));
    breaks("WIT-03", bench.cosigned_at(0));
}

#[test]
fn revocation() {
    let bench = Bench::new();
    let chain = bench.chain();
    let serial = bench.tbs.serial();
    let day = 86_400;
    bench.trust.install_crl(&bench.authority.people_crl(1, NOON, &[&[1, 2, 3]]), NOON).unwrap();
    let person = verify_person(&chain, &bench.trust, NOON).unwrap();
    assert_eq!(person.revocation(), Revocation::Good { as_of: NOON });
    assert!(!person.revocation().needs_warning(later(day)) && person.revocation().needs_warning(later(day + 1)));
    assert!(verify_person(&chain, &bench.trust, later(7 * day)).is_ok());
    breaks("REV-02", verify_person(&chain, &bench.trust, later(7 * day + 1)));
    bench.trust.install_crl(&bench.authority.people_crl(2, later(day), &[serial, &[1, 2, 3]]), later(day)).unwrap();
    breaks("REV-01", verify_person(&chain, &bench.trust, later(day)));
    assert_eq!(bench.trust.revocation(&person, later(day)), Revocation::Revoked);
}
