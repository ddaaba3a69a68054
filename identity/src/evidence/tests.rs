//! Evidence of real misbehaviour, and of what only looks like it.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};
use tlog_proof::{Checkpoint, Cosigner, Frontier, Hash, NoteSigner, sign_checkpoint};

use super::*;
use crate::{
    certificate::Certificate,
    profile::{KeyAlgorithm, Profile},
    testing::{Authority, NOON, ORIGIN, mail_key},
    trust::TrustPolicy,
    verify::{verify_mail, verify_person},
};

fn alice() -> Identifier {
    Identifier::parse("alice@example.org").unwrap()
}

fn policies(policy: &TrustPolicy) -> Vec<String> {
    vec![String::from_utf8(policy.canonical()).unwrap()]
}

/// There and back, then judged.
fn judge(policy: &TrustPolicy, claim: Claim) -> Result<Judgement, EvidenceError> {
    let evidence = Evidence::new(policies(policy), claim, NOON);
    let read = Evidence::parse(&evidence.to_bytes()).unwrap();
    assert_eq!(read, evidence);
    read.judge()
}

fn claim(chain: &[crate::CertificateDer], at: u64, refused: Option<&VerifyError>) -> Claim {
    let chain = chain.iter().map(|der| der.to_vec().into()).collect();
    Claim::Certificate { at, chain, purpose: None, refused: refused.map(Refusal::from) }
}

/// The same of a certificate that is judged for mail.
fn for_mail(chain: &[crate::CertificateDer], refused: Option<&VerifyError>) -> Claim {
    match claim(chain, NOON.as_secs(), refused) {
        Claim::Certificate { at, chain, refused, .. } => {
            Claim::Certificate { at, chain, purpose: Some(Purpose::Mail), refused }
        }
        other => other,
    }
}

#[test]
fn a_certificate_speaks_for_itself_but_not_for_her() {
    let authority = Authority::new(1, NOON);
    let (chain, key) = authority.issue_person(&alice(), NOON);
    let judgement = judge(&authority.policy(), claim(&chain, NOON.as_secs(), None)).unwrap();
    assert_eq!(judgement.culprit, None);
    assert_eq!(judgement.genesis, authority.policy().fingerprint());
    assert!(judgement.proven[0].contains(&hex::encode(key.verifying_key())), "{judgement:?}");
    assert!(judgement.open[0].contains("only she can say"), "{judgement:?}");
}

#[test]
fn a_certificate_for_mail_speaks_for_itself_too() {
    let authority = Authority::new(1, NOON);
    let policy = authority.policy();
    let key = mail_key(KeyAlgorithm::P256);
    let chain = authority.issue_mail(Profile::mail(), &alice(), &key, NOON);
    let judgement = judge(&policy, for_mail(&chain, None)).unwrap();
    assert!(judgement.culprit.is_none() && judgement.open[0].contains("only she can say"), "{judgement:?}");
    let proven = &judgement.proven[0];
    assert!(proven.contains("alice@example.org for mail") && proven.contains(&hex::encode(Sha256::digest(&key))));
    // For live conversation it is none, and a device's is none for mail: that is nobody's fault.
    let error = verify_person(&chain, &authority.trust(), NOON).unwrap_err();
    assert_eq!(judge(&policy, claim(&chain, NOON.as_secs(), Some(&error))).unwrap().culprit, None);
    let (device, _) = authority.issue_person(&alice(), NOON);
    let error = verify_mail(&device, &authority.trust(), NOON).unwrap_err();
    assert_eq!(judge(&policy, for_mail(&device, Some(&error))).unwrap().culprit, None);
    judge(&policy, for_mail(&device, None)).unwrap_err();
    judge(&policy, for_mail(&chain, Some(&error))).unwrap_err();
    // One that is in no log is misbehaviour, whatever it is for.
    let tbs = Certificate::parse(&chain[0]).unwrap().tbs().clone();
    let unlogged = authority.chain(&tbs.without_transparency(), &authority.people);
    let error = verify_mail(&unlogged, &authority.trust(), NOON).unwrap_err();
    let judgement = judge(&policy, for_mail(&unlogged, Some(&error))).unwrap();
    assert_eq!(judgement.culprit, Some(Culprit::Authority("Test authority 1".to_owned())), "{error}");
}

#[test]
fn what_it_is_judged_for_is_written_only_where_it_is_mail() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    let text = |claim| String::from_utf8(Evidence::new(policies(&authority.policy()), claim, NOON).to_bytes()).unwrap();
    assert!(!text(claim(&chain, NOON.as_secs(), None)).contains("\"for\""));
    let mail = text(for_mail(&chain, None));
    assert!(mail.contains("\"for\":\"mail\""), "{mail}");
    Evidence::parse(mail.replace("\"for\":\"mail\"", "\"for\":\"live\"").as_bytes()).unwrap_err();
}

#[test]
fn a_signed_certificate_without_its_place_in_the_log_is_misbehaviour() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    let tbs = Certificate::parse(&chain[0]).unwrap().tbs().clone();
    let unlogged = authority.chain(&tbs.without_transparency(), &authority.people);
    let error = verify_person(&unlogged, &authority.trust(), NOON).unwrap_err();
    let judgement = judge(&authority.policy(), claim(&unlogged, NOON.as_secs(), Some(&error))).unwrap();
    assert_eq!(judgement.culprit, Some(Culprit::Authority("Test authority 1".to_owned())), "{error}");
}

#[test]
fn what_anybody_can_have_made_accuses_nobody() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    let mut altered = chain.clone();
    let mut leaf = altered[0].to_vec();
    *leaf.last_mut().unwrap() ^= 1;
    altered[0] = leaf.into();
    let refused = |chain: &[crate::CertificateDer], at: u64| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(at));
        let error = verify_person(chain, &authority.trust(), time).unwrap_err();
        judge(&authority.policy(), claim(chain, at, Some(&error))).unwrap()
    };
    let forged = refused(&altered, NOON.as_secs());
    assert!(forged.culprit.is_none() && forged.open[0].contains("anybody"), "{forged:?}");
    let ended = refused(&chain, NOON.as_secs() + 400 * 86_400);
    assert!(ended.culprit.is_none() && ended.open[0].contains("no misbehaviour"), "{ended:?}");
}

#[test]
fn a_false_accusation_is_refused() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    let error = VerifyError::new(Rule::LogSignature, "x", "y");
    let error = judge(&authority.policy(), claim(&chain, NOON.as_secs(), Some(&error))).unwrap_err();
    assert!(error.to_string().contains("keeps every rule"), "{error}");
    let stranger = Authority::new(2, NOON);
    assert!(judge(&stranger.policy(), claim(&chain, NOON.as_secs(), None)).is_err());
}

/// An entry with the label's slot, as the authority can log it at any time.
fn logged(authority: &Authority, slot: u8, opened: bool, who: &str) -> (Label, LoggedEntry) {
    use tlog_proof::Entry;

    use crate::transparency::{LabelInput, Opening, commitment, period_of};
    let period = period_of(NOON);
    let identifier = alice();
    let input = LabelInput { origin: ORIGIN, identifier: &identifier, period, slot };
    let (label, proof) = authority.vrf().evaluate(&input);
    let who = Identifier::parse(who).unwrap();
    let tbs = authority.plan_person(&who, &SigningKey::from_bytes(&[3; 32]), NOON).encode();
    let opening = [slot; 32];
    let entry = Entry::Certificate { label, commitment: commitment(&Opening::new(opening), &tbs) };
    let logged = LoggedEntry {
        entry: entry.encode().into(),
        proof: authority.log().append(&entry, NOON.as_secs()).to_string(),
        opened: opened.then(|| Opened { opening: opening.to_vec().into(), tbs: tbs.into() }),
    };
    let label =
        Label { origin: ORIGIN.to_owned(), identifier, period, slot, vrf_proof: proof.as_bytes().to_vec().into() };
    (label, logged)
}

#[test]
fn one_entry_is_a_statement_and_two_are_misbehaviour() {
    let authority = Authority::new(1, NOON);
    let policy = authority.policy();
    let culprit = Some(Culprit::Authority("Test authority 1".to_owned()));
    let (label, closed) = logged(&authority, 3, false, "alice@example.org");
    let (_, hers) = logged(&authority, 3, true, "alice@example.org");
    let entries = |entries: &[&LoggedEntry]| Claim::Entries {
        label: Some(label.clone()),
        entries: entries.iter().map(|&entry| entry.clone()).collect(),
    };
    let one = judge(&policy, entries(&[&closed])).unwrap();
    assert!(one.culprit.is_none() && one.open.len() == 2, "{one:?}");
    let opened = judge(&policy, entries(&[&hers])).unwrap();
    assert!(opened.culprit.is_none() && opened.proven[1].contains("a certificate for alice@example.org"), "{opened:?}");
    assert_eq!(judge(&policy, entries(&[&closed, &hers])).unwrap().culprit, culprit);
    // Whose label it is, need not be known.
    let nobodys = |second: &LoggedEntry| Claim::Entries { label: None, entries: vec![closed.clone(), second.clone()] };
    assert_eq!(judge(&policy, nobodys(&hers)).unwrap().culprit, culprit);
    judge(&policy, Claim::Entries { label: None, entries: vec![hers.clone()] }).unwrap_err();
    judge(&policy, nobodys(&logged(&authority, 4, true, "alice@example.org").1)).unwrap_err();
    // A certificate for somebody else hides under her label.
    let (_, hidden) = logged(&authority, 3, true, "mallory@example.org");
    assert_eq!(judge(&policy, entries(&[&hidden])).unwrap().culprit, culprit);

    judge(&policy, entries(&[])).unwrap_err();
    judge(&policy, entries(&[&closed, &closed])).unwrap_err();
    judge(&policy, entries(&[&closed, &hers, &closed])).unwrap_err();
    let (_, other) = logged(&authority, 4, true, "alice@example.org");
    judge(&policy, entries(&[&other])).unwrap_err();
    let swapped = LoggedEntry { opened: other.opened.clone(), ..hers.clone() };
    judge(&policy, entries(&[&swapped])).unwrap_err();
    let elsewhere = LoggedEntry { proof: other.proof.clone(), ..hers.clone() };
    judge(&policy, entries(&[&elsewhere])).unwrap_err();
    judge(&Authority::new(2, NOON).policy(), entries(&[&hers])).unwrap_err();
}

#[test]
fn the_labels_of_another_are_not_hers() {
    let authority = Authority::new(1, NOON);
    let (label, entry) = logged(&authority, 3, true, "alice@example.org");
    let bob = Label { identifier: Identifier::parse("bob@example.org").unwrap(), ..label.clone() };
    for label in [bob, Label { slot: 4, ..label.clone() }, Label { origin: "elsewhere".to_owned(), ..label }] {
        judge(&authority.policy(), Claim::Entries { label: Some(label), entries: vec![entry.clone()] }).unwrap_err();
    }
}

/// A log whose key is known, so that it can be made to lie, and its policy.
struct Liar {
    log: NoteSigner,
    witness: Cosigner,
    policy: TrustPolicy,
}

impl Liar {
    fn new() -> Self {
        let log = NoteSigner::new(ORIGIN, SigningKey::from_bytes(&[5; 32])).unwrap();
        let witness = Cosigner::new("witness.example.org/w1", SigningKey::from_bytes(&[6; 32])).unwrap();
        let mut policy = Authority::new(1, NOON).policy();
        policy.tlog_policy = format!("log {}\nwitness w1 {}\nquorum w1\n", log.vkey(), witness.vkey());
        Self { log, witness, policy }
    }

    /// A checkpoint over so many leaves that begin with `first`.
    fn checkpoint(&self, size: u8, first: u8, cosigned: bool) -> String {
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: size.into(), root: tree(size, first).root() };
        let mut text = sign_checkpoint(&checkpoint, &self.log);
        if cosigned {
            text.push_str(&self.witness.cosign(&checkpoint.to_body(), NOON.as_secs()));
        }
        text
    }
}

fn leaf(n: u8, first: u8) -> Hash {
    tlog_proof::leaf_hash(&[if n == 0 { first } else { n }])
}

fn tree(size: u8, first: u8) -> Frontier {
    let mut tree = Frontier::new();
    (0..size).for_each(|n| tree.push(leaf(n, first)));
    tree
}

#[test]
fn two_roots_of_one_size_are_a_split_view() {
    let liar = Liar::new();
    let claim = |newer: String| Claim::SplitView {
        older: liar.checkpoint(2, 0, true),
        newer,
        beginning: tree(2, 9).root().to_string(),
        proof: Vec::new(),
    };
    let judgement = judge(&liar.policy, claim(liar.checkpoint(2, 9, true))).unwrap();
    assert_eq!(judgement.culprit, Some(Culprit::Log(ORIGIN.to_owned())));
    assert!(judgement.proven[2].contains("witness.example.org/w1"), "{judgement:?}");
    let alone = judge(&liar.policy, claim(liar.checkpoint(2, 9, false))).unwrap();
    assert_eq!(alone.proven.len(), 2, "the witness saw one of them only: {alone:?}");
    judge(&liar.policy, claim(liar.checkpoint(2, 0, true))).unwrap_err();
    judge(&Authority::new(1, NOON).policy(), claim(liar.checkpoint(2, 9, true))).unwrap_err();
}

#[test]
fn a_rewritten_beginning_is_a_split_view() {
    let liar = Liar::new();
    // Of three leaves, after the first two: the proof from 2 to 3 is the third leaf alone.
    let claim = |first: u8, beginning: Hash| Claim::SplitView {
        older: liar.checkpoint(2, 0, true),
        newer: liar.checkpoint(3, first, true),
        beginning: beginning.to_string(),
        proof: vec![leaf(2, 0).to_string()],
    };
    let judgement = judge(&liar.policy, claim(9, tree(2, 9).root())).unwrap();
    assert_eq!(judgement.culprit, Some(Culprit::Log(ORIGIN.to_owned())));
    let error = judge(&liar.policy, claim(0, tree(2, 0).root())).unwrap_err();
    assert!(error.to_string().contains("of one tree"), "{error}");
    let error = judge(&liar.policy, claim(0, tree(2, 9).root())).unwrap_err();
    assert!(matches!(error, EvidenceError::Consistency(_)), "{error}");
}

#[test]
fn an_updated_policy_is_followed_from_the_pinned_one() {
    let authority = Authority::new(1, NOON);
    let first = authority.policy();
    let second =
        TrustPolicy { number: 2, previous: Some(first.fingerprint()), name: "Renamed".to_owned(), ..first.clone() };
    let update = authority.update(&second, NOON);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    let mut texts = policies(&first);
    texts.push(String::from_utf8(update.to_bytes()).unwrap());
    let evidence = Evidence::new(texts, claim(&chain, NOON.as_secs(), None), NOON);
    let judgement = evidence.judge().unwrap();
    assert_eq!((judgement.genesis, judgement.policy.number), (first.fingerprint(), 2));
    let mut wrong = evidence.clone();
    wrong.policies.swap(0, 1);
    wrong.judge().unwrap_err();
    wrong.policies.clear();
    wrong.judge().unwrap_err();
    assert!(Evidence { version: 2, ..evidence }.judge().is_err());
}

#[test]
fn only_canonical_evidence_within_bounds_is_read() {
    let authority = Authority::new(1, NOON);
    let (chain, _) = authority.issue_person(&alice(), NOON);
    let evidence = Evidence::new(policies(&authority.policy()), claim(&chain, NOON.as_secs(), None), NOON);
    let text = String::from_utf8(evidence.to_bytes()).unwrap();
    for wrong in [
        format!("{text} "),
        text.replacen("\"version\":1", "\"version\":1,\"more\":1", 1),
        text.replacen("\"kind\":\"certificate\"", "\"kind\":\"certificate\",\"more\":1", 1),
        text.replacen("certificate\"", "gossip\"", 1),
        "x".repeat(MAX_EVIDENCE_BYTES + 1),
        String::new(),
    ] {
        assert!(Evidence::parse(wrong.as_bytes()).is_err(), "{}", &wrong[..wrong.len().min(80)]);
    }
}
