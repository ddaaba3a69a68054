use tlog_proof::{NoteSigner, VerifierKey};

use super::*;
use crate::{
    testing::{Authority, NOON, ORIGIN},
    transparency::VrfSecretKey,
    trust::Trust,
};

const NEXT: &str = "log.example.org/2027";
const DAY: u64 = 86_400;

fn later(seconds: u64) -> UnixTime {
    at(NOON.as_secs() + seconds)
}

fn next_key() -> VerifierKey {
    NoteSigner::new(NEXT, ed25519_dalek::SigningKey::from_bytes(&[9; 32])).unwrap().vkey()
}

fn label_key() -> VrfSecretKey {
    VrfSecretKey::from_bytes(&[9; 32])
}

/// A policy, and the one after it with a second log from `begins` on.
fn announced(begins: UnixTime) -> (TrustPolicy, TrustPolicy) {
    let policy = Authority::new(1, NOON).policy();
    let next = policy.with_next_log(&next_key(), "https://log.example.org/2027", label_key().public(), begins).unwrap();
    (policy, next)
}

#[test]
fn the_next_log_takes_over_and_the_old_one_closes_when_all_must_have_been_logged() {
    let begins = later(30 * DAY);
    let (policy, next) = announced(begins);
    assert_eq!((next.number, next.previous), (2, Some(policy.fingerprint())));
    assert!(Trust::new(vec![next.clone()]).is_ok());
    let shards = next.shards(&next.authorities[0]).unwrap();
    let [old, new] = &shards[..] else { panic!("{shards:?}") };
    assert_eq!((old.origin.as_str(), new.origin.as_str()), (ORIGIN, NEXT));
    assert_eq!(old.window, LogWindow { opens: None, closes: Some(begins.as_secs() + 25 * 3600) });
    assert_eq!(new.window, LogWindow { opens: Some(begins.as_secs() - 300), closes: None });
    assert_eq!(new.window.takes_from(), begins);
    assert_eq!(new.vrf_key, *label_key().public());
    assert!(!new.window.has_begun(later(0)) && new.window.has_begun(begins));
    assert_eq!(
        (old.window.judged_at(later(0)), old.window.judged_at(later(90 * DAY))),
        (later(0), later(30 * DAY + 90_000))
    );
}

#[test]
fn labels_are_needed_as_long_as_a_certificate_under_them_can_live() {
    let window = LogWindow { opens: None, closes: Some(2_900 * PERIOD.as_secs() + 5) };
    assert_eq!(window.periods(), (0, 2_900));
    let retires = window.retires().unwrap();
    // The last period in which an owner still asks for period 2900 is 2913.
    assert_eq!(period_of(at(retires.as_secs() - LAST_PROOFS)), 2_914);
    assert_eq!(period_of(at(retires.as_secs() - LAST_PROOFS - 1)) - periods_back(), 2_900);
    assert_eq!(LogWindow::default().retires(), None);
    let opens = LogWindow { opens: Some(2_900 * PERIOD.as_secs() + DAY - 1), closes: None };
    assert_eq!(opens.periods(), (2_899, u32::MAX), "logged a day after its beginning");
}

#[test]
fn what_cannot_follow_is_refused() {
    let (_, next) = announced(later(30 * DAY));
    let vrf = label_key();
    let again = |begins| next.with_next_log(&next_key(), "https://log.example.org/x", vrf.public(), begins);
    assert!(again(later(90 * DAY)).unwrap_err().to_string().contains("another origin"));
    let other =
        NoteSigner::new("log.example.org/2028", ed25519_dalek::SigningKey::from_bytes(&[8; 32])).unwrap().vkey();
    let soon = next.with_next_log(&other, "https://log.example.org/2028", vrf.public(), later(30 * DAY));
    assert!(soon.unwrap_err().to_string().contains("a time after"));
    let third = next.with_next_log(&other, "https://log.example.org/2028", vrf.public(), later(400 * DAY)).unwrap();
    let shards = third.shards(&third.authorities[0]).unwrap();
    assert_eq!(
        shards.iter().map(|shard| shard.origin.as_str()).collect::<Vec<_>>(),
        [ORIGIN, NEXT, "log.example.org/2028"]
    );
}

#[test]
fn a_closed_log_is_judged_by_its_own_key_and_the_witnesses_of_its_end() {
    let (_, next) = announced(later(30 * DAY));
    let after = later(90 * DAY);
    assert!(next.log_policy_at(after).unwrap().logs.iter().all(|log| log.vkey.name() != ORIGIN));
    let closed = next.log_policy_of(ORIGIN, after).unwrap();
    assert_eq!(closed.logs.iter().map(|log| log.vkey.name()).collect::<Vec<_>>(), [ORIGIN]);
    assert_eq!((closed.witnesses.len(), &closed.quorum), (1, &next.log_policy().unwrap().quorum));
}
