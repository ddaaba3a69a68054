//! What is certified for one use serves for no other.

use super::*;
use crate::{
    oid,
    profile::{KeyAlgorithm, Profile},
    testing::mail_key,
};

const KEYS: [KeyAlgorithm; 3] = [KeyAlgorithm::P256, KeyAlgorithm::Rsa, KeyAlgorithm::Ed25519];

fn mail(authority: &Authority, profile: &Profile, key: KeyAlgorithm) -> Vec<CertificateDer> {
    authority.issue_mail(profile, &alice(), &mail_key(key), NOON)
}

#[test]
fn a_mailbox_is_verified() {
    let authority = Authority::new(1, NOON);
    for key in KEYS {
        for profile in [Profile::mail(), &Profile::mail().asserting()] {
            let mailbox = verify_mail(&mail(&authority, profile, key), &authority.trust(), later(60)).unwrap();
            assert_eq!(mailbox.identifier(), &alice());
            assert_eq!(mailbox.profile(), "mail");
            assert_eq!(mailbox.key(), mail_key(key));
            assert_eq!(mailbox.not_after(), later(90 * 86_400 - 1));
            assert_eq!(mailbox.witnesses(), [WITNESS]);
        }
    }
}

#[test]
fn a_component_is_verified() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = authority.issue_component("ca.example.org", NOON);
    let component = verify_component(&chain, "ca.example.org", &authority.trust(), NOON).unwrap();
    assert_eq!((component.name(), component.authority()), ("ca.example.org", "Test authority 1"));
    let error = verify_component(&chain, "log.example.org", &authority.trust(), NOON).unwrap_err();
    assert_eq!(error.rule, Rule::SanService);
}

/// Each entry, with each certificate that is for another: the name would fit everywhere.
#[test]
fn certificates_do_not_serve_for_each_other() {
    let authority = Authority::new(1, NOON);
    let trust = authority.trust();
    let name = "ca.example.org";
    let phone = Identifier::parse("+14155552671").unwrap();
    let chains = [
        ("device", authority.issue_person(&alice(), NOON).0),
        ("phone-device", authority.issue_person(&phone, NOON).0),
        ("mail", mail(&authority, Profile::mail(), KeyAlgorithm::P256)),
        ("mail", mail(&authority, Profile::mail(), KeyAlgorithm::Ed25519)),
        ("mail", mail(&authority, &Profile::mail().asserting(), KeyAlgorithm::Rsa)),
        ("service", authority.issue_service(name, NOON).0),
        ("component", authority.issue_component(name, NOON).0),
    ];
    for (profile, chain) in &chains {
        let verdicts = [
            (["device", "phone-device"].as_slice(), verify_person(chain, &trust, NOON).map(drop)),
            (&["mail"], verify_mail(chain, &trust, NOON).map(drop)),
            (&["service"], verify_service(chain, name, &trust, NOON).map(drop)),
            (&["component"], verify_component(chain, name, &trust, NOON).map(drop)),
        ];
        for (takes, verdict) in verdicts {
            match verdict {
                Ok(()) => assert!(takes.contains(profile), "{profile} serves as {takes:?}"),
                Err(error) => {
                    assert!(!takes.contains(profile), "{profile}: {error}");
                    // By its purpose, or where that fits, as for a device that should be a component, by its policy.
                    assert!([Rule::ChainPurpose, Rule::ProfilePolicy].contains(&error.rule), "{profile}: {error}");
                }
            }
        }
    }
}

/// A CA that breaks its own rules: the purposes of a device with the policy of mail, and the reverse. The policy alone
/// decides then.
#[test]
fn purposes_of_one_with_the_policy_of_another() {
    use crate::{certificate::Tbs, oid::extension};
    let authority = Authority::new(1, NOON);
    let trust = authority.trust();
    let device = authority.issue_person(&alice(), NOON).0;
    let mail = mail(&authority, Profile::mail(), KeyAlgorithm::Ed25519);
    let swapped = |from: &[CertificateDer], to: &[CertificateDer]| {
        let parse = |chain: &[CertificateDer]| Certificate::parse(&chain[0]).unwrap().tbs().without_transparency();
        let mut parts = parse(to).to_parts();
        let policies = parse(from).extension(extension::CERTIFICATE_POLICIES).unwrap().clone();
        *parts.extensions.iter_mut().find(|e| e.extn_id == extension::CERTIFICATE_POLICIES).unwrap() = policies;
        let tbs = Tbs::from_parts(parts).unwrap();
        let proof = authority.log_person(&tbs, &alice(), NOON.as_secs());
        authority.chain(&tbs.with_transparency(&proof), &authority.people)
    };
    let device_with_policy_of_mail = swapped(&mail, &device);
    let mail_with_policy_of_device = swapped(&device, &mail);
    let rule = |error: VerifyError| error.rule;
    assert_eq!(verify_person(&device_with_policy_of_mail, &trust, NOON).map_err(rule), Err(Rule::ProfilePolicy));
    assert_eq!(verify_mail(&device_with_policy_of_mail, &trust, NOON).map_err(rule), Err(Rule::ChainPurpose));
    assert_eq!(verify_person(&mail_with_policy_of_device, &trust, NOON).map_err(rule), Err(Rule::ChainPurpose));
    assert_eq!(verify_mail(&mail_with_policy_of_device, &trust, NOON).map_err(rule), Err(Rule::ProfilePolicy));
}

/// `may_assert` stands behind our policy, as a whole, and on mail only.
#[test]
fn nothing_else_is_asserted() {
    use crate::{certificate::Tbs, oid::extension, plan::lint};
    use der::{Encode, asn1::OctetString};
    use x509_cert::ext::pkix::{CertificatePolicies, certpolicy::PolicyInformation};
    let authority = Authority::new(1, NOON);
    let with = |chain: &[CertificateDer], profile: &Profile, policies: &[const_oid::ObjectIdentifier]| {
        let mut parts = Certificate::parse(&chain[0]).unwrap().tbs().without_transparency().to_parts();
        let one =
            |oid: &const_oid::ObjectIdentifier| PolicyInformation { policy_identifier: *oid, policy_qualifiers: None };
        let value = CertificatePolicies(policies.iter().map(one).collect()).to_der().unwrap();
        let extension = parts.extensions.iter_mut().find(|e| e.extn_id == extension::CERTIFICATE_POLICIES).unwrap();
        extension.extn_value = OctetString::new(value).unwrap();
        lint(&Tbs::from_parts(parts).unwrap(), profile)
    };
    let multipurpose = Profile::mail().may_assert()[0];
    let mail = mail(&authority, Profile::mail(), KeyAlgorithm::P256);
    assert_eq!(with(&mail, Profile::mail(), &[oid::POLICY_MAIL, multipurpose]), []);
    for wrong in [
        &[multipurpose] as &[_],
        &[multipurpose, oid::POLICY_MAIL],
        &[oid::POLICY_MAIL, multipurpose, multipurpose],
        &[oid::POLICY_MAIL, oid::POLICY_DEVICE],
    ] {
        assert_eq!(with(&mail, Profile::mail(), wrong)[0].rule, Rule::ProfilePolicy, "{wrong:?}");
    }
    let device = authority.issue_person(&alice(), NOON).0;
    let findings = with(&device, Profile::device(), &[oid::POLICY_DEVICE, multipurpose]);
    assert_eq!(findings[0].rule, Rule::ProfilePolicy);
}

/// PROF-06 and PROF-09 for mail: where the issuing certificate and the revocation list are, by HTTP.
#[test]
fn strangers_are_told_where_the_issuing_certificate_is() {
    use crate::{certificate::Tbs, oid::extension, plan::lint, testing::ISSUER_URL};
    use der::asn1::OctetString;
    let authority = Authority::new(1, NOON);
    let mail = mail(&authority, Profile::mail(), KeyAlgorithm::P256);
    let tbs = Certificate::parse(&mail[0]).unwrap().tbs().without_transparency();
    let with = |id: const_oid::ObjectIdentifier, change: &dyn Fn(&str) -> String| {
        let mut parts = tbs.to_parts();
        let extension = parts.extensions.iter_mut().find(|e| e.extn_id == id).unwrap();
        // One byte of Latin-1 for each character, so that lengths stay.
        let text: String = extension.extn_value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
        let changed = change(&text).chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<_>>();
        extension.extn_value = OctetString::new(changed).unwrap();
        lint(&Tbs::from_parts(parts).unwrap(), Profile::mail())
    };
    assert_eq!(with(extension::AUTHORITY_INFO_ACCESS, &str::to_owned), []);
    let rules = |findings: Vec<Finding>| findings.iter().map(|f| f.rule).collect::<Vec<_>>();
    let https = |text: &str| text.replace("http://ca.", "https://a.");
    assert!(ISSUER_URL.starts_with("http://ca."));
    assert_eq!(rules(with(extension::AUTHORITY_INFO_ACCESS, &https)), [Rule::ProfileExtensions]);
    assert_eq!(rules(with(extension::CRL_DISTRIBUTION_POINTS, &https)), [Rule::ProfileCrl]);
    // OCSP, 1.3.6.1.5.5.7.48.1: an authority that answers who asks about whom.
    let ocsp = |text: &str| text.replace("\u{30}\u{2}", "\u{30}\u{1}");
    assert_eq!(rules(with(extension::AUTHORITY_INFO_ACCESS, &ocsp)), [Rule::ProfileExtensions]);
    let mut parts = tbs.to_parts();
    let access = parts.extensions.pop().unwrap();
    assert_eq!(access.extn_id, extension::AUTHORITY_INFO_ACCESS);
    let bare = Tbs::from_parts(parts).unwrap();
    assert!(rules(lint(&bare, Profile::mail())).contains(&Rule::ProfileExtensions));
    // A device says nothing of the kind.
    let device = authority.issue_person(&alice(), NOON).0;
    let mut parts = Certificate::parse(&device[0]).unwrap().tbs().to_parts();
    parts.extensions.push(access);
    assert_eq!(rules(lint(&Tbs::from_parts(parts).unwrap(), Profile::device())), [Rule::ProfileExtensions]);
}
