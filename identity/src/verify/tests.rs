//! Each rule, broken by itself in a certificate that is otherwise right: planned, changed, logged and signed again.

mod altered;
mod constrained;
mod faults;
mod uses;

use std::time::Duration;

use super::*;
use crate::{
    Identifier,
    testing::{Authority, NOON, ORIGIN, WITNESS},
    trust::TrustPolicy,
};

pub(super) fn alice() -> Identifier {
    Identifier::parse("alice@example.org").unwrap()
}

pub(super) fn later(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() + seconds))
}

/// Trust in a policy that a test has changed.
pub(super) fn trust_in(authority: &Authority, change: impl FnOnce(&mut TrustPolicy)) -> Trust {
    let mut policy = authority.policy();
    change(&mut policy);
    Trust::new(vec![policy]).unwrap()
}

#[test]
fn a_person_is_verified() {
    let authority = Authority::new(1, NOON);
    for text in ["alice@example.org", "jürgen@xn--bcher-kva.example", "+14155552671"] {
        let identifier = Identifier::parse(text).unwrap();
        let (chain, key) = authority.issue_person(&identifier, NOON);
        let person = verify_person(&chain, &authority.trust(), later(60)).unwrap();
        assert_eq!(person.identifier(), &identifier);
        assert_eq!(person.device_key(), key.verifying_key().as_bytes());
        assert_eq!(person.authority(), "Test authority 1");
        assert_eq!(person.origin(), ORIGIN);
        assert_eq!(person.witnesses(), [WITNESS]);
        assert_eq!((person.not_before(), person.not_after()), (NOON, later(14 * 86_400 - 1)));
        assert_eq!(person.logged_at(), NOON);
        assert_eq!(person.revocation(), Revocation::Unknown);
        assert!(!person.witnessed_only_by_operator());
    }
}

#[test]
fn a_leaf_alone_is_enough() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    assert!(verify_person(&chain[..1], &authority.trust(), NOON).is_ok());
}

#[test]
fn a_name_too_long_for_the_subject_stands_in_a_critical_san() {
    let authority = Authority::new(1, NOON);
    let long = Identifier::parse(&format!("{}@example.org", "a".repeat(60))).unwrap();
    let (chain, _) = authority.issue_person(&long, NOON);
    let person = verify_person(&chain, &authority.trust(), NOON).unwrap();
    assert_eq!(person.identifier(), &long);
    assert!(Certificate::parse(&chain[0]).unwrap().tbs().subject().is_empty());
}

#[test]
fn a_service_is_verified() {
    let authority = Authority::new(1, NOON);
    for name in ["localhost", "directory.example.org"] {
        let (chain, _) = authority.issue_service(name, NOON);
        let service = verify_service(&chain, name, &authority.trust(), NOON).unwrap();
        assert_eq!(service.name(), name);
        assert!(verify_service(&chain[..1], &name.to_uppercase(), &authority.trust(), NOON).is_ok());
    }
}

#[test]
fn several_policies_are_tried() {
    let (one, two) = (Authority::new(1, NOON), Authority::new(2, NOON));
    let mut narrow = two.policy();
    narrow.authorities[0].domains = vec!["example.com".to_owned()];
    let (chain, _) = two.issue_person(&alice(), NOON);
    let both = Trust::new(vec![one.policy(), narrow.clone(), two.policy()]).unwrap();
    assert_eq!(verify_person(&chain, &both, NOON).unwrap().authority(), "Test authority 2");
    // The error of the authority that certified says more than that of another.
    let narrow = Trust::new(vec![one.policy(), narrow]).unwrap();
    assert_eq!(verify_person(&chain, &narrow, NOON).unwrap_err().rule, Rule::TrustDomain);
    let nobody = Trust::new(vec![]).unwrap();
    assert_eq!(verify_person(&chain, &nobody, NOON).unwrap_err().rule, Rule::ChainPath);
}

#[test]
fn many_certificates_have_paths_of_all_lengths() {
    let authority = Authority::new(1, NOON);
    let trust = authority.trust();
    for n in 0..40 {
        let identifier = Identifier::parse(&format!("person{n}@example.org")).unwrap();
        let (chain, _) = authority.issue_person(&identifier, NOON);
        assert_eq!(verify_person(&chain, &trust, NOON).unwrap().index(), n);
    }
}

#[test]
fn the_year_2050_changes_the_encoding_of_times_only() {
    // 2049-12-30 00:00:00 UTC: begins in UTCTime, ends in GeneralizedTime (RFC 5280 section 4.1.2.5).
    let begin = UnixTime::since_unix_epoch(Duration::from_secs(2_524_435_200));
    let authority = Authority::new(1, begin);
    let (chain, _) = authority.issue_person(&alice(), begin);
    let person = verify_person(&chain, &authority.trust(), begin).unwrap();
    assert_eq!(date(person.not_before()), "2049-12-30T00:00:00Z");
    assert_eq!(date(person.not_after()), "2050-01-12T23:59:59Z");
}

#[test]
fn the_operator_alone_is_told() {
    let authority = Authority::new(1, NOON);
    let trust = trust_in(&authority, |policy| policy.operator_witnesses = vec![WITNESS.to_owned()]);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    assert!(verify_person(&chain, &trust, NOON).unwrap().witnessed_only_by_operator());
}

#[test]
fn an_error_names_rule_expected_and_found() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    let error = verify_person(&chain, &authority.trust(), later(400 * 86_400)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "CHAIN-07: expected certificates that last beyond 2027-12-28T12:00:00Z, \
         found one that ended 2026-12-07T11:59:59Z"
    );
}

/// `policies/rules.md`, [`Rule`] and these tests name the same rules.
#[test]
fn prose_code_and_tests_name_the_same_rules() {
    let in_code: Vec<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    let prose = include_str!("../../../policies/rules.md");
    let in_prose: Vec<&str> =
        prose.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(id, _)| id)).collect();
    assert_eq!(in_prose, in_code, "policies/rules.md and identity::rules");
    let tests = [
        include_str!("tests/faults.rs"),
        include_str!("../trust/tests.rs"),
        include_str!("../trust/tests/updates.rs"),
        include_str!("dated/tests.rs"),
    ]
    .concat();
    for rule in in_code {
        assert!(tests.contains(&format!("\"{rule}\"")), "no test breaks {rule}");
    }
}
