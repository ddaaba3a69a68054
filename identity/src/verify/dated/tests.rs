use sha2::{Digest, Sha256};
use std::time::Duration;

use super::*;
use crate::{
    Identifier,
    plan::{CrlPlan, RevokedEntry},
    profile::{KeyAlgorithm, Profile},
    testing::{Authority, NOON, WITNESS, mail_key},
    trust::{TrustPolicy, Window},
};

const DAY: u64 = 86_400;
const OPENING: [u8; 32] = [7; 32];
const LABEL: [u8; 32] = [9; 32];

fn later(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() + seconds))
}

fn digest() -> [u8; 32] {
    Sha256::digest(b"a signature").into()
}

/// The signature, dated so many seconds after noon.
fn dated(authority: &Authority, seconds: u64) -> UnverifiedDate {
    let opening = Opening::new(OPENING);
    let entry = Entry::Signature { label: LABEL, digest: signature_commitment(&opening, &digest()) };
    let proof = authority.log().append(&entry, later(seconds).as_secs());
    UnverifiedDate::new(LABEL, opening, proof)
}

/// A certificate for mail that begins at noon, and its serial number.
fn certificate(authority: &Authority) -> (Vec<CertificateDer>, Vec<u8>) {
    let alice = Identifier::parse("alice@example.org").unwrap();
    let chain = authority.issue_mail(Profile::mail(), &alice, &mail_key(KeyAlgorithm::P256), NOON);
    let leaf = crate::certificate::Certificate::parse(&chain[0]).unwrap();
    (chain, leaf.tbs().serial().to_vec())
}

fn check(chain: &[CertificateDer], date: &UnverifiedDate, trust: &Trust) -> Result<DatedSigner, VerifyError> {
    verify_dated(chain, SignerKind::Mailbox, &digest(), date, trust)
}

/// A list made so many seconds after noon, in which the certificate stands since another time.
fn list(authority: &Authority, made: u64, revoked: Option<(&[u8], u64)>) -> Vec<u8> {
    let revoked: Vec<_> = revoked
        .map(|(serial, time)| RevokedEntry { serial: serial.to_vec(), time: later(time), reason: None })
        .into_iter()
        .collect();
    authority.sign_crl(&CrlPlan {
        issuer: &authority.people.certificate,
        this_update: later(made),
        next_update: later(made + 7 * DAY),
        number: made + 1,
        place: None,
        revoked: &revoked,
    })
}

#[test]
fn a_signature_dated_in_the_life_of_the_certificate_stays_good() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = certificate(&authority);
    let date = dated(&authority, 3600);
    let text = date.to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra AQkJ"), "{text}");
    assert_eq!(UnverifiedDate::parse(&text).unwrap(), date);
    let signed = check(&chain, &date, &authority.trust()).unwrap();
    assert_eq!(signed.signer.identifier().as_str(), "alice@example.org");
    assert_eq!((signed.date.time, signed.date.index, signed.revoked_later), (later(3600), 1, None));
    assert_eq!(
        (signed.date.witnesses.as_slice(), signed.date.witnessed_only_by_operator),
        (&[WITNESS.to_owned()][..], false)
    );
    // A mail program's certificate is none of a device, at any time.
    let error = verify_dated(&chain, SignerKind::Device, &digest(), &date, &authority.trust()).unwrap_err();
    assert_ne!(error.rule, Rule::DateLife);
}

#[test]
fn what_is_no_proof_of_a_date_is_refused() {
    let authority = Authority::new(1, NOON);
    let date = dated(&authority, 0);
    let with = |extra: Option<Vec<u8>>| Proof { extra, ..date.proof.clone() }.to_string();
    let long = "x".repeat(MAX_DATE_PROOF_BYTES + 1);
    for text in [String::new(), long, with(None), with(Some(vec![1; 64])), with(Some(vec![2; 65]))] {
        assert_eq!(UnverifiedDate::parse(&text).unwrap_err().rule.id(), "DATE-01");
    }
}

#[test]
fn an_entry_for_another_signature_or_in_another_log_is_none() {
    let authority = Authority::new(1, NOON);
    let date = dated(&authority, 0);
    let rule = |result: Result<VerifiedDate, VerifyError>| result.unwrap_err().rule.id();
    let trust = authority.trust();
    assert_eq!(rule(date.verify(&[0; 32], &trust)), "DATE-02");
    let other = |label, opening| UnverifiedDate::new(label, Opening::new(opening), date.proof.clone());
    assert_eq!(rule(other([0; 32], OPENING).verify(&digest(), &trust)), "DATE-02");
    assert_eq!(rule(other(LABEL, [0; 32]).verify(&digest(), &trust)), "DATE-02");
    assert_eq!(rule(date.verify(&digest(), &Authority::new(2, NOON).trust())), "DATE-02");
    assert_eq!(rule(date.verify(&digest(), &Trust::new(Vec::new()).unwrap())), "DATE-02");
    // A witness that had retired by then.
    let mut policy: TrustPolicy = authority.policy();
    let key = policy.log_policy().unwrap().witnesses[0].vkey.to_string();
    let ended = |at: u64| Window { key: key.clone(), not_before: None, not_after: Some(at) };
    policy.windows = vec![ended(NOON.as_secs() - 1)];
    assert_eq!(rule(date.verify(&digest(), &Trust::new(vec![policy.clone()]).unwrap())), "DATE-02");
    policy.windows = vec![ended(NOON.as_secs())];
    assert_eq!(date.verify(&digest(), &Trust::new(vec![policy]).unwrap()).unwrap().time, NOON);
}

#[test]
fn a_signature_dated_outside_of_the_certificates_life_is_refused() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = certificate(&authority);
    let trust = authority.trust();
    let end = Profile::mail().lifetime().as_secs();
    for (seconds, good) in [(0, true), (end - 1, true), (end, false), (end + 400 * DAY, false)] {
        let checked = check(&chain, &dated(&authority, seconds), &trust);
        assert_eq!(checked.map(|_| ()).map_err(|error| error.rule.id()), if good { Ok(()) } else { Err("DATE-03") });
    }
    let early = Authority::new(1, later(0));
    let before = UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() - 1));
    let opening = Opening::new(OPENING);
    let entry = Entry::Signature { label: LABEL, digest: signature_commitment(&opening, &digest()) };
    let date = UnverifiedDate::new(LABEL, opening, early.log().append(&entry, before.as_secs()));
    assert_eq!(check(&chain, &date, &trust).unwrap_err().rule.id(), "DATE-03");
}

#[test]
fn a_revocation_ends_what_was_dated_after_it_and_nothing_before() {
    let authority = Authority::new(1, NOON);
    let (chain, serial) = certificate(&authority);
    let trust = authority.trust();
    trust.install_crl(&list(&authority, 3 * DAY, Some((&serial, 2 * DAY))), later(3 * DAY)).unwrap();
    let checked = |seconds| check(&chain, &dated(&authority, seconds), &trust);
    assert_eq!(checked(2 * DAY - 1).unwrap().revoked_later, Some(later(2 * DAY)));
    for seconds in [2 * DAY, 4 * DAY] {
        assert_eq!(checked(seconds).unwrap_err().rule.id(), "DATE-04");
    }
    // It is refused now all the same.
    assert_eq!(super::super::verify_mail(&chain, &trust, later(2 * DAY - 1)).unwrap_err().rule.id(), "REV-01");
}

#[test]
fn what_a_list_says_depends_on_when_it_was_made() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = certificate(&authority);
    let end = Profile::mail().lifetime().as_secs();
    let checked = |made: u64, seconds: u64| {
        let trust = authority.trust();
        trust.install_crl(&list(&authority, made, None), later(made)).unwrap();
        check(&chain, &dated(&authority, seconds), &trust).map(|signed| signed.signer.revocation())
    };
    assert_eq!(checked(DAY, 3600).unwrap(), Revocation::Good { as_of: later(DAY) });
    assert_eq!(checked(DAY, 8 * DAY).unwrap(), Revocation::Good { as_of: later(DAY) });
    assert_eq!(checked(DAY, 8 * DAY + 1).unwrap_err().rule.id(), "REV-02");
    assert_eq!(checked(end + DAY, 3600).unwrap(), Revocation::Unknown, "the list may have dropped it");
}

#[test]
fn the_commitment_hides_and_binds() {
    let one = signature_commitment(&Opening::new(OPENING), &digest());
    assert_ne!(one, signature_commitment(&Opening::new([8; 32]), &digest()));
    assert_ne!(one, signature_commitment(&Opening::new(OPENING), &[0; 32]));
}
