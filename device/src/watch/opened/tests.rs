//! What the judge says of a log that an authority filled, honestly and not.

use identity::UnixTime;
use identity::certificate::Certificate;
use identity::testing::{Authority, NOON};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::Home;
use crate::watch::state::confirm_key;

/// A certificate as it stands in the log, with what opens it.
struct Issued {
    hit: Hit,
    entry: OpenedEntry,
    key: [u8; 32],
}

fn issue(authority: &Authority, who: &str) -> Issued {
    let (chain, key) = authority.issue_person(&Identifier::parse(who).unwrap(), NOON);
    issued(&chain, key.verifying_key().to_bytes())
}

fn issued(chain: &[CertificateDer<'static>], key: [u8; 32]) -> Issued {
    let leaf = Certificate::parse(&chain[0]).unwrap();
    let extension = leaf.tbs().transparency().unwrap().unwrap();
    let tbs = leaf.tbs().without_transparency().encode();
    let (index, period, slot) = (extension.index, extension.period, extension.slot);
    let commitment = commitment(&extension.opening, &tbs);
    let entry = OpenedEntry {
        index: Some(index),
        period,
        slot,
        opening: URL_SAFE_NO_PAD.encode(extension.opening.as_bytes()),
        tbs: URL_SAFE_NO_PAD.encode(tbs),
        given_up: false,
    };
    Issued { hit: Hit { index, period, slot, commitment }, entry, key }
}

fn alice() -> Identifier {
    Identifier::parse("alice@example.org").unwrap()
}

fn state(keys: &[[u8; 32]]) -> State {
    let temp = tempfile::tempdir().unwrap();
    let home = Home::at(temp.path()).unwrap();
    for key in keys {
        confirm_key(&home, &alice(), key, UnixTime::now()).unwrap();
    }
    State::read(&home, &alice()).unwrap()
}

fn found(hits: &[&Issued]) -> Found {
    Found { hits: hits.iter().map(|issued| issued.hit.clone()).collect(), own_missing: None }
}

fn answer(entries: &[&Issued]) -> WatchAnswer {
    let entries = entries.iter().map(|issued| issued.entry.clone()).collect();
    WatchAnswer { origin: "log".to_owned(), labels: Vec::new(), entries, erased: Vec::new() }
}

#[test]
fn a_certificate_for_a_known_key_is_clean() {
    let mine = issue(&Authority::new(1, NOON), "alice@example.org");
    let Judged { certificates, alarms, .. } = judge(&alice(), &found(&[&mine]), &answer(&[&mine]), &state(&[mine.key]));
    assert_eq!(alarms, []);
    assert_eq!(certificates[0].1.key, mine.key);
}

#[test]
fn a_certificate_for_an_unknown_key_is_an_alarm() {
    let authority = Authority::new(1, NOON);
    let (mine, rogue) = (issue(&authority, "alice@example.org"), issue(&authority, "alice@example.org"));
    let (found, answer) = (found(&[&mine, &rogue]), answer(&[&mine, &rogue]));
    let Judged { certificates, alarms, .. } = judge(&alice(), &found, &answer, &state(&[mine.key]));
    assert_eq!(certificates.len(), 1);
    assert!(matches!(&alarms[..], [Alarm::UnknownKey(certificate)] if certificate.key == rogue.key), "{alarms:?}");
}

#[test]
fn an_entry_that_stays_closed_is_an_alarm() {
    let rogue = issue(&Authority::new(1, NOON), "alice@example.org");
    let Judged { alarms, .. } = judge(&alice(), &found(&[&rogue]), &answer(&[]), &state(&[rogue.key]));
    assert!(matches!(&alarms[..], [Alarm::NotOpened { index, .. }] if *index == rogue.hit.index), "{alarms:?}");
}

#[test]
fn an_entry_opened_to_something_else_is_an_alarm() {
    let authority = Authority::new(1, NOON);
    let (mine, rogue) = (issue(&authority, "alice@example.org"), issue(&authority, "alice@example.org"));
    // The authority shows a harmless certificate in place of the one it logged.
    let harmless = OpenedEntry { period: rogue.hit.period, slot: rogue.hit.slot, ..mine.entry.clone() };
    let answer = WatchAnswer { entries: vec![mine.entry.clone(), harmless], ..answer(&[]) };
    let Judged { alarms, .. } = judge(&alice(), &found(&[&mine, &rogue]), &answer, &state(&[mine.key]));
    let Alarm::NotOpened { reason, .. } = &alarms[0] else { panic!("{alarms:?}") };
    assert!(reason.contains("another certificate"), "{reason}");
}

#[test]
fn somebody_elses_certificate_under_her_label_is_an_alarm() {
    let bobs = issue(&Authority::new(1, NOON), "bob@example.org");
    let Judged { alarms, .. } = judge(&alice(), &found(&[&bobs]), &answer(&[&bobs]), &state(&[bobs.key]));
    let Alarm::NotOpened { reason, .. } = &alarms[0] else { panic!("{alarms:?}") };
    assert!(reason.contains("bob@example.org"), "{reason}");
}

#[test]
fn one_label_twice_and_a_missing_own_entry_are_alarms() {
    let mine = issue(&Authority::new(1, NOON), "alice@example.org");
    let mut found = found(&[&mine, &mine]);
    found.hits[1].index += 1;
    found.own_missing = Some((9, "no entry".to_owned()));
    let Judged { alarms, .. } = judge(&alice(), &found, &answer(&[&mine]), &state(&[mine.key]));
    assert!(matches!(&alarms[..], [Alarm::Duplicate { .. }, Alarm::OwnMissing { index: 9, .. }]), "{alarms:?}");
}

#[test]
fn no_answer_of_an_authority_makes_the_judge_panic() {
    let mine = issue(&Authority::new(1, NOON), "alice@example.org");
    for (opening, tbs) in [("", ""), ("!!", "!!"), ("AAAA", "AAAA"), (mine.entry.opening.as_str(), "AAAA")] {
        let entry = OpenedEntry { opening: opening.to_owned(), tbs: tbs.to_owned(), ..mine.entry.clone() };
        let answer = WatchAnswer { entries: vec![entry], ..answer(&[]) };
        let Judged { alarms, .. } = judge(&alice(), &found(&[&mine]), &answer, &state(&[mine.key]));
        assert_eq!(alarms.len(), 1);
    }
}

#[test]
fn what_was_opened_once_stays_open_when_the_authority_has_forgotten_it() {
    let authority = Authority::new(1, NOON);
    let (mine, late) = (issue(&authority, "alice@example.org"), issue(&authority, "alice@example.org"));
    let temp = tempfile::tempdir().unwrap();
    let home = Home::at(temp.path()).unwrap();
    confirm_key(&home, &alice(), &mine.key, UnixTime::now()).unwrap();
    let first = judge(&alice(), &found(&[&mine]), &answer(&[&mine]), &State::read(&home, &alice()).unwrap());
    State::settle(&home, &alice(), "log", &first.new).unwrap();

    let state = State::read(&home, &alice()).unwrap();
    let later = judge(&alice(), &found(&[&mine]), &answer(&[]), &state);
    assert_eq!((later.alarms, later.new.len()), (Vec::new(), 0));
    assert_eq!(later.certificates[0].1, first.certificates[0].1);
    // One that was never opened is an alarm, however old its period is; so is another entry in the place of a known one.
    let other = judge(&alice(), &found(&[&mine, &late]), &answer(&[]), &state);
    assert!(matches!(&other.alarms[..], [Alarm::NotOpened { .. }]), "{:?}", other.alarms);
    let mut swapped = found(&[&mine]);
    swapped.hits[0].commitment = [0; 32];
    assert!(!judge(&alice(), &swapped, &answer(&[]), &state).alarms.is_empty());
    // And a key that she does not know stays unknown, though opened.
    let stranger = State::read(&Home::at(temp.path().join("other")).unwrap(), &alice()).unwrap();
    assert!(!judge(&alice(), &found(&[&mine]), &answer(&[&mine]), &stranger).alarms.is_empty());
}

#[test]
fn an_entry_said_to_be_erased_is_an_alarm_unless_it_was_seen_open() {
    let rogue = issue(&Authority::new(1, NOON), "alice@example.org");
    let erased = vec![crate::acme::messages::ErasedEntry { period: rogue.hit.period, slot: rogue.hit.slot }];
    let answer = WatchAnswer { erased, ..answer(&[]) };
    let Judged { alarms, .. } = judge(&alice(), &found(&[&rogue]), &answer, &state(&[rogue.key]));
    let [Alarm::NotOpened { reason, .. }] = &alarms[..] else { panic!("{alarms:?}") };
    assert!(reason.contains("erased"), "{reason}");
}
