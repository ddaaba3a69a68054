//! A policy that changes in time: updates, windows, bindings.

use super::*;
use crate::{Identifier, testing::ORIGIN, verify::verify_person};

fn alice() -> Identifier {
    Identifier::parse("alice@example.org").unwrap()
}

/// The version after this one, with a change.
fn next(current: &TrustPolicy, change: impl FnOnce(&mut TrustPolicy)) -> TrustPolicy {
    let mut next = TrustPolicy { number: current.number + 1, previous: Some(current.fingerprint()), ..current.clone() };
    change(&mut next);
    next
}

/// The key in `tlog_policy` whose line begins so.
fn key(policy: &TrustPolicy, begins: &str) -> String {
    let line = policy.tlog_policy.lines().find(|line| line.starts_with(begins)).unwrap();
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn an_update_is_followed_version_by_version() {
    let authority = TestAuthority::new(1, NOON);
    let first = authority.policy();
    let second = next(&first, |p| p.name = "Another name".to_owned());
    let third = next(&second, |p| p.authorities[0].domains = vec!["example.org".to_owned()]);
    let updates = [&second, &third].map(|policy| authority.update(policy, NOON));
    let read = PolicyUpdate::parse(&updates[0].to_bytes()).unwrap();
    let verified = read.verify(&first).unwrap();
    assert_eq!((verified.number(), verified.logged_at()), (2, NOON));
    // A new name needs nobody's word; another permission does.
    let taken = verified.take().unwrap();
    assert_eq!(taken, second);
    let verified = updates[1].verify(&taken).unwrap();
    let grave = verified.clone().take().unwrap_err();
    assert_eq!(
        grave[0].to_string(),
        "permission of Test authority 1: was email and phone; domains *; numbers *, \
         becomes email and phone; domains example.org; numbers *"
    );
    assert_eq!(verified.take_confirmed(), third);
}

#[test]
fn updates_break_one_rule_at_a_time() {
    let (authority, stranger) = (TestAuthority::new(1, NOON), TestAuthority::new(2, NOON));
    let first = authority.policy();
    let second = next(&first, |p| p.name = "Another name".to_owned());
    let good = authority.update(&second, NOON);
    good.verify(&first).unwrap();

    let mut bytes = good.to_bytes();
    bytes.push(b' ');
    breaks("TRUST-07", PolicyUpdate::parse(&bytes));
    breaks("TRUST-07", PolicyUpdate::parse(b"{}"));
    breaks("TRUST-07", PolicyUpdate::parse(&vec![b' '; MAX_UPDATE_BYTES + 1]));
    let broken = next(&first, |p| p.authorities.clear());
    breaks("TRUST-07", authority.update(&broken, NOON).verify(&first));

    let third = next(&second, |_| {});
    breaks("TRUST-08", authority.update(&third, NOON).verify(&first));
    breaks("TRUST-08", good.verify(&second));
    let same = TrustPolicy { name: "The first once more".to_owned(), ..first.clone() };
    breaks("TRUST-08", authority.update(&same, NOON).verify(&first));

    let fork = next(&first, |p| p.previous = Some(stranger.policy().fingerprint()));
    breaks("TRUST-09", authority.update(&fork, NOON).verify(&first));

    let by_stranger = PolicyUpdate { signature: stranger.update(&second, NOON).signature, ..good.clone() };
    breaks("TRUST-10", by_stranger.verify(&first));
    let mut altered = good.clone();
    *altered.signature.0.last_mut().unwrap() ^= 1;
    breaks("TRUST-10", altered.verify(&first));

    let elsewhere = PolicyUpdate { proof: stranger.update(&second, NOON).proof, ..good.clone() };
    breaks("TRUST-11", elsewhere.verify(&first));
    let of_another = PolicyUpdate { proof: authority.update(&third, NOON).proof, ..good.clone() };
    breaks("TRUST-11", of_another.verify(&first));
    breaks("TRUST-11", PolicyUpdate { proof: "none".to_owned(), ..good.clone() }.verify(&first));
    // The log signed it, but nobody has seen it.
    let (unseen, _) = good.proof.rsplit_once("— witness").unwrap();
    breaks("TRUST-11", PolicyUpdate { proof: unseen.to_owned(), ..good.clone() }.verify(&first));
    breaks("TRUST-11", authority.update(&second, UnixTime::since_unix_epoch(Duration::ZERO)).verify(&first));
}

#[test]
fn a_new_root_is_signed_by_the_old_one() {
    let (old, new) = (TestAuthority::new(1, NOON), TestAuthority::new(2, NOON));
    let first = old.policy();
    let second = next(&first, |p| p.authorities[0].root = new.policy().authorities[0].root.clone());
    let verified = old.update(&second, NOON).verify(&first).unwrap();
    assert!(verified.changes().iter().any(|change| change.kind == ChangeKind::Root));
    assert!(verified.clone().take().is_err(), "a new root is shown first");
    let second = verified.take_confirmed();
    let third = next(&second, |_| {});
    breaks("TRUST-10", old.update(&third, NOON).verify(&second));
}

#[test]
fn every_change_of_whom_one_trusts_needs_the_persons_word() {
    let authority = TestAuthority::new(1, NOON);
    let first = authority.policy();
    let other = TestAuthority::new(2, NOON).policy();
    let kinds = |change: &dyn Fn(&mut TrustPolicy)| {
        let policy = next(&first, change);
        let update = authority.update(&policy, NOON).verify(&first).unwrap();
        let kinds: Vec<_> = update.changes().iter().map(|change| change.kind).collect();
        assert_eq!(update.take().is_err(), kinds.iter().any(|kind| kind.needs_confirmation()));
        kinds
    };
    assert_eq!(kinds(&|_| {}), []);
    let witness = key(&first, "witness");
    let window = Window { key: witness, not_before: None, not_after: Some(1) };
    assert_eq!(kinds(&|p| p.windows = vec![window.clone()]), [ChangeKind::Window]);
    assert_eq!(kinds(&|p| p.operator_witnesses = vec![crate::testing::WITNESS.to_owned()]), [ChangeKind::Witness]);
    assert_eq!(kinds(&|p| p.authorities[0].vrf_key = other.authorities[0].vrf_key.clone()), [ChangeKind::LabelKey]);
    assert_eq!(kinds(&|p| p.authorities[0].acme = "https://elsewhere.example.org".to_owned()), [ChangeKind::Address]);
    assert_eq!(kinds(&|p| p.updates = Some("https://ca.example.org/policy".to_owned())), [ChangeKind::Address]);
    assert!(kinds(&|p| p.authorities.extend(other.authorities.clone())).contains(&ChangeKind::Authority));
    assert!(kinds(&|p| p.tlog_policy = other.tlog_policy.clone()).contains(&ChangeKind::Witness));
    assert!(
        kinds(&|p| p.tlog_policy = p.tlog_policy.replace("quorum w1", "group all 1 w1\nquorum all"))
            .contains(&ChangeKind::Quorum)
    );
}

#[test]
fn contradictions_in_later_versions_are_refused() {
    let policy = TestAuthority::new(1, NOON).policy();
    let refused = |change: &dyn Fn(&mut TrustPolicy)| {
        let mut policy = policy.clone();
        change(&mut policy);
        assert!(TrustPolicy::parse(&policy.canonical()).is_err());
    };
    let window = |key: &str, not_before, not_after| Window { key: key.to_owned(), not_before, not_after };
    let known = key(&policy, "witness");
    refused(&|p| p.number = 2);
    refused(&|p| p.previous = Some(policy.fingerprint()));
    refused(&|p| p.updates = Some("http://ca.example.org/policy".to_owned()));
    refused(&|p| p.windows = vec![window("nobody", None, Some(1))]);
    refused(&|p| p.windows = vec![window(&known, None, None)]);
    refused(&|p| p.windows = vec![window(&known, Some(2), Some(1))]);
    refused(&|p| p.windows = vec![window(&known, Some(1), None), window(&known, None, Some(2))]);
    refused(&|p| p.windows = vec![window(&known, None, Some(u64::MAX))]);
    let earlier = |log: &str| EarlierLog { log: log.to_owned(), vrf_key: policy.authorities[0].vrf_key.clone() };
    refused(&|p| p.authorities[0].earlier_logs = vec![earlier(ORIGIN)]);
    refused(&|p| p.authorities[0].earlier_logs = vec![earlier("log.example.org/2025")]);
}

/// Alice's certificate, logged and cosigned at noon, under a policy that was changed afterwards.
fn verified_with(windows: &dyn Fn(&TrustPolicy) -> Vec<Window>) -> Result<String, VerifyError> {
    let authority = TestAuthority::new(1, NOON);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    let mut policy = authority.policy();
    policy.windows = windows(&policy);
    let trust = Trust::new(vec![policy]).unwrap();
    verify_person(&chain, &trust, later(3600)).map(|person| person.origin().to_owned())
}

#[test]
fn what_was_signed_within_a_window_outlives_it() {
    let noon = NOON.as_secs();
    let window = |begins: &'static str, not_before, not_after| {
        move |policy: &TrustPolicy| vec![Window { key: key(policy, begins), not_before, not_after }]
    };
    // Retired at the very second, or half an hour later: both verify an hour later.
    for end in [noon, noon + 1800] {
        verified_with(&window("log", None, Some(end))).unwrap();
        verified_with(&window("witness", Some(noon), Some(end))).unwrap();
    }
    breaks("TRUST-04", verified_with(&window("log", None, Some(noon - 1))));
    breaks("TRUST-04", verified_with(&window("log", Some(noon + 1), None)));
    breaks("TRUST-05", verified_with(&window("witness", None, Some(noon - 1))));
    breaks("TRUST-05", verified_with(&window("witness", Some(noon + 1), None)));
}

#[test]
fn a_retired_witness_makes_no_quorum_of_today() {
    let mut policy = TestAuthority::new(1, NOON).policy();
    policy.windows = vec![Window { key: key(&policy, "witness"), not_before: None, not_after: Some(NOON.as_secs()) }];
    let count = |time| policy.log_policy_at(time).unwrap().witnesses.len();
    assert_eq!((count(NOON), count(later(1))), (1, 0));
    // An update that only a retired witness has seen is not taken either.
    let authority = TestAuthority::new(1, NOON);
    let second = next(&policy, |_| {});
    authority.update(&second, NOON).verify(&policy).unwrap();
    breaks("TRUST-11", authority.update(&second, later(1)).verify(&policy));
}

#[test]
fn certificates_of_an_earlier_log_verify_under_its_own_label_key() {
    let (authority, other) = (TestAuthority::new(1, NOON), TestAuthority::new(2, NOON));
    let (chain, _) = authority.issue_person(&alice(), NOON);
    let mut policy = authority.policy();
    let log = "log.example.org/2027";
    let vkey = tlog_proof::NoteSigner::new(log, ed25519_dalek::SigningKey::from_bytes(&[9; 32])).unwrap().vkey();
    policy.tlog_policy = format!("log {vkey}\n{}", policy.tlog_policy);
    let first = &mut policy.authorities[0];
    first.earlier_logs = vec![EarlierLog { log: ORIGIN.to_owned(), vrf_key: first.vrf_key.clone() }];
    first.vrf_key = other.policy().authorities[0].vrf_key.clone();
    first.log = log.to_owned();
    let trust = Trust::new(vec![TrustPolicy::parse(&policy.canonical()).unwrap()]).unwrap();
    assert_eq!(verify_person(&chain, &trust, NOON).unwrap().origin(), ORIGIN);
    policy.authorities[0].earlier_logs.clear();
    breaks("LOG-03", verify_person(&chain, &Trust::new(vec![policy]).unwrap(), NOON));
}

#[test]
fn a_contact_stays_with_the_authority_first_seen() {
    let (firm, public) = (TestAuthority::new(1, NOON), TestAuthority::new(2, NOON));
    let trust = Trust::new(vec![firm.policy(), public.policy()]).unwrap();
    let [(first, _), (second, _)] = [&firm, &public].map(|authority| authority.issue_person(&alice(), NOON));
    let person = verify_person(&first, &trust, NOON).unwrap();
    verify_person(&second, &trust, NOON).expect("nobody is bound yet");
    assert!(trust.bind(&person, NOON));
    assert!(!trust.bind(&verify_person(&first, &trust, NOON).unwrap(), NOON), "once");
    verify_person(&first, &trust, NOON).unwrap();
    let error = verify_person(&second, &trust, NOON).unwrap_err();
    assert!(error.expected.contains("Test authority 1") && error.found.contains("Test authority 2"), "{error}");
    breaks("TRUST-06", Err::<(), _>(error));
    // What is bound survives on disk; it is let go of by name.
    let mut stored = Bindings::from_json(&trust.bindings().to_json()).unwrap();
    assert_eq!(stored, trust.bindings());
    stored.release(&alice());
    trust.set_bindings(stored);
    verify_person(&second, &trust, NOON).unwrap();
}

#[test]
fn a_binding_follows_a_confirmed_new_root() {
    let (old, new) = (TestAuthority::new(1, NOON), TestAuthority::new(2, NOON));
    let first = old.policy();
    let second = next(&first, |p| p.authorities[0].root = new.policy().authorities[0].root.clone());
    let person = |authority: &TestAuthority| {
        let (chain, _) = authority.issue_person(&alice(), NOON);
        verify_person(&chain, &authority.trust(), NOON).unwrap()
    };
    let (before, after) = (*person(&old).authority_root(), *person(&new).authority_root());
    let mut bindings = Bindings::default();
    assert!(bindings.bind(&alice(), "Test authority 1", &before, NOON));
    bindings.follow(&first, &second);
    bindings.check(&alice(), "Test authority 1", &after).unwrap();
    breaks("TRUST-06", bindings.check(&alice(), "Test authority 1", &before));
}

#[test]
fn a_remembered_person_is_checked_against_bindings_too() {
    let (firm, public) = (TestAuthority::new(1, NOON), TestAuthority::new(2, NOON));
    let trust = std::sync::Arc::new(Trust::new(vec![firm.policy(), public.policy()]).unwrap());
    let verifier = crate::tls::PersonVerifier::new(trust.clone());
    let [(first, _), (second, _)] = [&firm, &public].map(|authority| authority.issue_person(&alice(), NOON));
    verifier.person(&second, NOON).unwrap();
    trust.bind(&verifier.person(&first, NOON).unwrap(), NOON);
    breaks("TRUST-06", verifier.person(&second, NOON));
}

#[test]
fn what_changed_in_a_stored_list_is_adopted() {
    let (one, two) = ([1; 32], [2; 32]);
    let people =
        ["alice", "bob", "carol", "dave"].map(|name| Identifier::parse(&format!("{name}@example.org")).unwrap());
    let [alice, bob, carol, dave] = &people;
    let list = |bound: &[(&Identifier, &[u8; 32])]| {
        let mut list = Bindings::default();
        bound.iter().for_each(|(who, root)| assert!(list.bind(who, "an authority", root, NOON)));
        list
    };
    // In memory dave was met a moment ago; on disk alice was let go of, bob bound anew, carol met by another program.
    let mut memory = list(&[(alice, &one), (bob, &one), (dave, &one)]);
    let (before, now) = (list(&[(alice, &one), (bob, &one)]), list(&[(bob, &two), (carol, &two)]));
    memory.adopt(&before, &now);
    assert_eq!(memory, list(&[(bob, &two), (carol, &two), (dave, &one)]));
    memory.adopt(&now, &now);
    assert_eq!(memory, list(&[(bob, &two), (carol, &two), (dave, &one)]));
}
