mod updates;

use std::time::Duration;

use super::*;
use crate::{
    plan::{CrlPlan, RevocationReason, RevokedEntry},
    testing::{Authority as TestAuthority, CRL_URL, NOON},
};

fn later(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() + seconds))
}

#[track_caller]
fn breaks<T: std::fmt::Debug>(id: &str, result: Result<T, VerifyError>) {
    assert_eq!(result.unwrap_err().rule.id(), id);
}

#[test]
fn a_policy_goes_there_and_back() {
    let policy = TestAuthority::new(1, NOON).policy_with_directory("localhost", "127.0.0.1:8444");
    let bytes = policy.canonical();
    assert_eq!(TrustPolicy::parse(&bytes).unwrap(), policy);
    assert_eq!(policy.fingerprint(), TrustPolicy::parse(&bytes).unwrap().fingerprint());
}

#[test]
fn only_canonical_bytes_are_read() {
    let policy = TestAuthority::new(1, NOON).policy();
    let text = String::from_utf8(policy.canonical()).unwrap();
    assert!(text.starts_with("{\"authorities\":[{\"acme\":"), "{text}");
    let refused = |text: String| TrustPolicy::parse(text.as_bytes()).unwrap_err();
    assert!(matches!(refused(format!("{text}\n")), PolicyError::NotCanonical));
    assert!(matches!(refused(text.replacen(':', ": ", 1)), PolicyError::NotCanonical));
    assert!(matches!(refused(text.replacen("{\"a", "{\"unknown\":1,\"a", 1)), PolicyError::Json(_)));
    assert!(matches!(refused(" ".repeat(MAX_POLICY_BYTES + 1)), PolicyError::TooLarge { .. }));
}

#[test]
fn contradictions_are_refused() {
    let authority = TestAuthority::new(1, NOON);
    let refused = |change: &dyn Fn(&mut TrustPolicy)| {
        let mut policy = authority.policy();
        change(&mut policy);
        let error = TrustPolicy::parse(&policy.canonical()).unwrap_err();
        assert!(Trust::new(vec![policy]).is_err());
        error.to_string()
    };
    assert_eq!(refused(&|p| p.version = 2), "version: expected 1, found 2");
    refused(&|p| p.number = 0);
    refused(&|p| p.authorities.clear());
    refused(&|p| p.authorities[0].issuers.clear());
    refused(&|p| p.authorities[0].root.0.truncate(100));
    refused(&|p| p.authorities[0].vrf_key.0.truncate(31));
    refused(&|p| p.authorities[0].vrf_key.0.fill(0xff));
    refused(&|p| p.authorities[0].log = "log.example.org/2027".to_owned());
    refused(&|p| p.authorities[0].domains = vec!["Example.org".to_owned()]);
    refused(&|p| p.authorities[0].phone_prefixes = vec!["49".to_owned()]);
    let directory = |name: &str, address: &str| DirectoryEntry { name: name.to_owned(), address: address.to_owned() };
    refused(&|p| p.directories = vec![directory("127.0.0.1", "127.0.0.1:8444")]);
    refused(&|p| p.directories = vec![directory("localhost", "localhost")]);
    refused(&|p| p.directories = vec![directory("localhost", "localhost:0")]);
    refused(&|p| p.operator_witnesses = vec!["nobody".to_owned()]);
    refused(&|p| p.tlog_policy = "nonsense\n".to_owned());
    let none = refused(&|p| p.tlog_policy = p.tlog_policy.replace("quorum w1", "quorum none"));
    assert_eq!(none, "tlog_policy: expected a quorum of at least one witness, found quorum none");
}

#[test]
fn a_leaf_is_no_issuer() {
    let authority = TestAuthority::new(1, NOON);
    let (chain, _) = authority.issue_person(&Identifier::parse("alice@example.org").unwrap(), NOON);
    let mut policy = authority.policy();
    policy.authorities[0].issuers = vec![chain[0].to_vec().into()];
    assert!(Trust::new(vec![policy]).is_err());
}

#[test]
fn fingerprints_are_read_as_people_write_them() {
    let fingerprint = Fingerprint([0xab; 32]);
    let text = fingerprint.to_string();
    assert_eq!(text, "ab".repeat(32));
    for spelling in
        [text.clone(), text.to_uppercase(), "AB:".repeat(31) + "ab", "abab ".repeat(16), format!("\n{text}\n")]
    {
        assert_eq!(spelling.parse(), Ok(fingerprint), "{spelling:?}");
    }
    for wrong in ["", "ab", &text[1..], &format!("{text}ab"), &text.replace('a', "g")] {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong:?}");
    }
}

#[test]
fn a_kept_revocation_list_that_has_grown_old_is_not_forgotten() {
    let authority = TestAuthority::new(1, NOON);
    let (alice, _) = authority.issue_person(&"alice@example.org".parse().unwrap(), NOON);
    let serial = crate::certificate::Certificate::parse(&alice[0]).unwrap().tbs().serial().to_vec();
    let week = later(7 * 86_400 + 1);
    for (revoked, rule) in [(vec![&*serial], "REV-01"), (vec![], "REV-02")] {
        let trust = authority.trust();
        let list = authority.people_crl(1, NOON, &revoked);
        breaks("REV-02", trust.install_crl(&list, week));
        trust.install_kept_crl(&list, week).unwrap();
        breaks(rule, crate::verify::verify_person(&alice, &trust, week));
    }
}

#[test]
fn revocation_lists_are_checked() {
    let authority = TestAuthority::new(1, NOON);
    let trust = authority.trust();
    let list = authority.people_crl(5, NOON, &[&[1, 2, 3]]);
    breaks("REV-03", trust.install_crl(&[], NOON));
    breaks("REV-03", trust.install_crl(&list[..list.len() - 1], NOON));
    breaks("REV-03", trust.install_crl(&vec![0x30; 4 * 1024 * 1024 + 1], NOON));
    breaks("REV-04", TestAuthority::new(2, NOON).trust().install_crl(&list, NOON));
    let mut altered = list.clone();
    *altered.last_mut().unwrap() ^= 1;
    breaks("REV-04", trust.install_crl(&altered, NOON));
    // Five minutes of clock skew are nothing.
    let before = UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() - 301));
    breaks("REV-05", trust.install_crl(&list, before));
    breaks("REV-02", trust.install_crl(&list, later(7 * 86_400 + 1)));
    let installed = trust.install_crl(&list, NOON).unwrap();
    assert_eq!((installed.revoked, installed.this_update), (1, NOON));
    // The same list again is no harm; an older one would bring revoked certificates back.
    trust.install_crl(&list, NOON).unwrap();
    breaks("REV-05", trust.install_crl(&authority.people_crl(4, later(60), &[]), later(60)));
    breaks("REV-05", trust.install_crl(&authority.people_crl(6, before, &[]), NOON));
    // Numbers are numbers, not texts.
    trust.install_crl(&authority.people_crl(256, later(60), &[]), later(60)).unwrap();
    breaks("REV-05", trust.install_crl(&authority.people_crl(255, later(120), &[]), later(120)));
}

#[test]
fn revocation_lists_carry_reasons() {
    let authority = TestAuthority::new(1, NOON);
    let entry = |serial: u8, reason| RevokedEntry { serial: vec![serial; 16], time: NOON, reason };
    let revoked = [entry(1, Some(RevocationReason::KeyCompromise)), entry(2, None)];
    let issuer = &authority.people.certificate;
    let list = authority.sign_crl(&CrlPlan {
        issuer,
        this_update: NOON,
        next_update: later(86_400),
        number: 1,
        revoked: &revoked,
        place: None,
    });
    assert_eq!(authority.trust().install_crl(&list, NOON).unwrap().revoked, 2);
    let too_long =
        CrlPlan { issuer, this_update: NOON, next_update: later(11 * 86_400), number: 1, revoked: &[], place: None };
    assert!(crate::plan::crl(&too_long).is_err());
}

#[test]
fn no_authority_fills_the_place_of_anothers_wanted_lists() {
    let mut lists = revocation::Lists::default();
    let mut want = |root: &[u8; 32], url: &str| {
        lists.want(&Issued { root, issuer_key: &[0; 32], serial: &[1], list_url: url });
    };
    (0..1_000).for_each(|number| want(&[1; 32], &format!("https://ca.beta.example/{number}")));
    want(&[2; 32], "https://ca.gamma.example/crl");
    let wanted = lists.take_wanted();
    assert_eq!(wanted[&[1; 32]].len(), 256);
    assert_eq!(wanted[&[2; 32]].iter().collect::<Vec<_>>(), ["https://ca.gamma.example/crl"]);
    assert!(lists.take_wanted().is_empty());
}

#[test]
fn a_part_speaks_for_its_place_and_is_wanted_until_it_is_there() {
    let elsewhere = "http://ca.example.org/crl/7";
    let authority = TestAuthority::new(1, NOON);
    let (alice, _) = authority.issue_person(&"alice@example.org".parse().unwrap(), NOON);
    let serial = crate::certificate::Certificate::parse(&alice[0]).unwrap().tbs().serial().to_vec();
    let trust = authority.trust();
    let status = |now| crate::verify::verify_person(&alice, &trust, now).map(|person| person.revocation());
    assert_eq!(status(NOON), Ok(Revocation::Unknown));
    assert_eq!(trust.take_wanted_lists().into_iter().collect::<Vec<_>>(), [CRL_URL]);
    assert!(trust.take_wanted_lists().is_empty());
    assert_eq!(status(NOON), Ok(Revocation::Unknown));
    let root = trust.policies()[0].authorities[0].root_digest().unwrap();
    assert_eq!(trust.take_wanted_lists_by_root().into_keys().collect::<Vec<_>>(), [root]);

    // Whoever keeps the list back cannot serve the one of another place in its stead.
    let other = authority.people_crl_at(Some(elsewhere), 9, NOON, &[&serial]);
    breaks("REV-06", trust.install_crl_of(CRL_URL, &other, NOON));
    assert_eq!(trust.install_crl_of(elsewhere, &other, NOON).unwrap().place.as_deref(), Some(elsewhere));
    assert_eq!(status(NOON), Ok(Revocation::Unknown));

    trust.install_crl_of(CRL_URL, &authority.people_crl_at(Some(CRL_URL), 1, NOON, &[]), NOON).unwrap();
    trust.take_wanted_lists();
    assert_eq!(status(later(4199)), Ok(Revocation::Good { as_of: NOON }));
    assert!(trust.take_wanted_lists().is_empty());
    assert_eq!(status(later(4200)), Ok(Revocation::Good { as_of: NOON }));
    assert_eq!(trust.take_wanted_lists().len(), 1);
    // Each device may let it grow older by a time of its own, to a bound; one that is not there is wanted at once.
    for (longer, age) in [(300, 4500), (1200, 5400), (u64::MAX, 5400)] {
        trust.spread_wanted_lists(Duration::from_secs(longer));
        assert_eq!(status(later(age - 1)), Ok(Revocation::Good { as_of: NOON }));
        assert!(trust.take_wanted_lists().is_empty(), "{longer}");
        assert_eq!(status(later(age)), Ok(Revocation::Good { as_of: NOON }));
        assert_eq!(trust.take_wanted_lists().len(), 1, "{longer}");
    }
    // Fresh lists of other places do not make up for an old one, and of a refused certificate a new one is wanted as well.
    let week = later(7 * 86_400 + 1);
    trust.install_crl(&authority.people_crl_at(Some(elsewhere), 10, week, &[]), week).unwrap();
    breaks("REV-02", status(week));
    assert_eq!(trust.take_wanted_lists().len(), 1);
    // A complete list does, and what it revokes is revoked.
    trust.install_crl(&authority.people_crl(3, week, &[]), week).unwrap();
    assert_eq!(status(week), Ok(Revocation::Good { as_of: week }));
    trust.install_crl(&authority.people_crl(4, week, &[&serial]), week).unwrap();
    breaks("REV-01", status(week));
}
