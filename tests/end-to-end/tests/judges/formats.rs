//! Notes, cosignatures, policies and proofs as texts: what we make they take, what they make we take.

use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use identity::certificate::Certificate;
use identity::testing::{Authority, NOON};
use serde_json::json;
use story::person::Person;
use tlog_proof::{
    Checkpoint, Cosigner, LogPolicy, NoteSignature, NoteSigner, Proof, Subtree, SubtreeCosigner, UnverifiedCheckpoint,
    leaf_hash, node_hash, sign_checkpoint,
};

use crate::tools::Judges;

const TIME: u64 = 1_767_225_600;

fn log() -> NoteSigner {
    NoteSigner::new("log.example/2026", SigningKey::from_bytes(&[1; 32])).unwrap()
}

fn ed25519(name: &str, seed: u8) -> Cosigner {
    Cosigner::new(name, SigningKey::from_bytes(&[seed; 32])).unwrap()
}

fn ml_dsa(name: &str, seed: u8) -> SubtreeCosigner {
    SubtreeCosigner::new(name, &[seed; 32]).unwrap()
}

/// Two entries.
fn checkpoint() -> Checkpoint {
    let root = node_hash(&leaf_hash(b"first"), &leaf_hash(b"second"));
    Checkpoint { origin: "log.example/2026".into(), size: 2, root }
}

/// Signed by the log and cosigned with a key of each kind.
fn cosigned() -> String {
    let v1 = ed25519("w1.example", 2).cosign(&checkpoint().to_body(), TIME);
    let subtree = ml_dsa("w1.example", 3).cosign(&checkpoint(), TIME).unwrap();
    format!("{}{v1}{subtree}", sign_checkpoint(&checkpoint(), &log()))
}

fn policy(quorum: &str) -> String {
    let (log, a, b) = (log().vkey(), ed25519("w1.example", 2).vkey(), ml_dsa("w1.example", 3).vkey());
    let absent = ed25519("w3.example", 4).vkey();
    format!(
        "# Whom to trust.\nlog {log} https://log.example/\nwitness a {a}\nwitness b\t{b}\nwitness c {absent}\n{quorum}\n"
    )
}

fn file(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_note_opens_in_go() {
    let Some(judges) = Judges::find() else { return };
    let place = tempfile::tempdir().unwrap();
    let vkey = log().vkey().to_string();
    let open = |text: String| {
        let note = file(place.path(), "note", text);
        judges.ask(&["open", &vkey, note.to_str().unwrap()])
    };
    assert_eq!(open(cosigned()), Ok(json!({"text": checkpoint().to_body(), "unverified": 2})));
    open(cosigned().replace("\n2\n", "\n3\n")).unwrap_err();
}

#[test]
fn policies_and_both_kinds_of_cosignature_mean_the_same() {
    let Some(judges) = Judges::find() else { return };
    let place = tempfile::tempdir().unwrap();
    let text = cosigned();
    let ours = |policy: &str, text: &str| {
        UnverifiedCheckpoint::parse(text).is_ok_and(|read| LogPolicy::parse(policy).unwrap().check(&read).is_ok())
    };
    let theirs = |policy: &str, text: &str| {
        let (policy, text) = (file(place.path(), "policy", policy), file(place.path(), "checkpoint", text));
        judges.ask(&[Path::new("checkpoint"), &policy, &text])
    };
    let quorums = [
        ("quorum none", true),
        ("quorum a", true),
        ("quorum b", true),
        ("quorum c", false),
        ("group g all a b\nquorum g", true),
        ("group g 2 a b c\nquorum g", true),
        ("group g 3 a b c\nquorum g", false),
        ("group g any b c\ngroup h all a g\nquorum h", true),
        ("group g all b c\ngroup h any a g\nquorum h", true),
        ("group g all b c\ngroup h all a g\nquorum h", false),
    ];
    for (quorum, expected) in quorums {
        let policy = policy(quorum);
        assert_eq!(ours(&policy, &text), expected, "{quorum}");
        let found = theirs(&policy, &text);
        assert_eq!(found.is_ok(), expected, "{quorum}: {found:?}");
        // Our canonical spelling says the same.
        let canonical = LogPolicy::parse(&policy).unwrap().to_string();
        assert_eq!(theirs(&canonical, &text).is_ok(), expected, "{canonical}");
    }
    // One bit of either cosignature, and neither of us takes the checkpoint.
    let strict = policy("group g all a b\nquorum g");
    for line in 0..3 {
        let altered = altered(&text, line);
        assert!(!ours(&strict, &altered) && theirs(&strict, &altered).is_err(), "signature {line}");
    }
}

/// The same text with one bit of the given signature flipped.
fn altered(text: &str, position: usize) -> String {
    let read = UnverifiedCheckpoint::parse(text).unwrap();
    let mut signatures = read.note().signatures().to_vec();
    let last = signatures[position].signature.last_mut().unwrap();
    *last ^= 1;
    let lines: String = signatures.iter().map(|line| format!("{line}\n")).collect();
    format!("{}\n{lines}", read.note().text())
}

#[test]
fn cosignatures_made_by_torchwood_verify() {
    let Some(judges) = Judges::find() else { return };
    let place = tempfile::tempdir().unwrap();
    let signed = sign_checkpoint(&checkpoint(), &log());
    let text = file(place.path(), "checkpoint", &signed);
    let kinds = [("ed25519", ed25519("w.example", 7).vkey()), ("ml-dsa-44", ml_dsa("w.example", 7).vkey())];
    for (kind, key) in kinds {
        let made = judges.ask(&["cosign", kind, "w.example", &"07".repeat(32), text.to_str().unwrap()]).unwrap();
        assert_eq!(made["vkey"], key.to_string(), "{kind}");
        let cosigned = format!("{signed}{}", made["line"].as_str().unwrap());
        let by = UnverifiedCheckpoint::parse(cosigned).unwrap().verify_cosignature(&key).unwrap();
        assert!(by.name == "w.example" && by.time > TIME - 365 * 86_400, "{kind}: {by:?}");
    }
}

#[test]
fn a_cosigned_subtree_is_one_for_torchwood() {
    let Some(judges) = Judges::find() else { return };
    let place = tempfile::tempdir().unwrap();
    let (witness, hash) = (ml_dsa("w.example", 5), leaf_hash(b"subtree"));
    let line = witness.cosign_subtree("log.example/2026", Subtree::new(256, 300).unwrap(), &hash).unwrap();
    let line = file(place.path(), "line", line);
    let (key, hash, line) = (witness.vkey().to_string(), hash.to_string(), line.to_str().unwrap());
    let ask = |end| judges.ask(&["subtree", &key, "log.example/2026", "256", end, &hash, line]).unwrap();
    assert_eq!((ask("300"), ask("301")), (json!({"valid": true}), json!({"valid": false})));
}

#[test]
fn a_tlog_proof_is_one_for_torchwood() {
    let Some(judges) = Judges::find() else { return };
    let place = tempfile::tempdir().unwrap();
    let policy = file(place.path(), "policy", policy("group g all a b\nquorum g"));
    let ask = |proof: &Proof, entry: &[u8]| {
        let proof = file(place.path(), "proof", proof.to_string());
        judges.ask(&["proof", policy.to_str().unwrap(), proof.to_str().unwrap(), &hex::encode(entry)])
    };
    let proof =
        Proof { extra: Some(b"extra".to_vec()), index: 1, path: vec![leaf_hash(b"first")], checkpoint: cosigned() };
    assert_eq!(ask(&proof, b"second"), Ok(json!({"extra": hex::encode("extra")})));
    assert_eq!(ask(&Proof { extra: None, ..proof.clone() }, b"second"), Ok(json!({"extra": ""})));
    ask(&proof, b"third").unwrap_err();
    ask(&Proof { index: 0, ..proof.clone() }, b"second").unwrap_err();
    let stranger = NoteSignature { name: "x".into(), key_id: [0; 4], signature: vec![1; 64] };
    let more = format!("{}{stranger}\n", proof.checkpoint);
    ask(&Proof { checkpoint: more, ..proof }, b"second").unwrap();
}

/// What `certtool proof export` makes of a certificate: the person's own tool, other people's judge.
#[test]
fn the_proof_in_a_certificate_is_one_for_torchwood() {
    let Some(judges) = Judges::find() else { return };
    let place = tempfile::tempdir().unwrap();
    let authority = Authority::new(1, NOON);
    // Others before and after her, so that her proof has a path.
    let [_, alice, _] = ["bob", "alice", "carol"]
        .map(|name| authority.issue_person(&format!("{name}@example.org").parse().unwrap(), NOON).0);
    let trusted = file(place.path(), "policy.json", authority.policy().canonical());
    let certificate = file(place.path(), "alice.der", &alice[0]);
    let [proof, entry, extension] = ["proof", "entry", "extension.der"].map(|name| place.path().join(name));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let person = Person::new(place.path(), "alice@example.org");
    let certtool = |arguments: &[&str]| person.certtool(arguments).unwrap();
    let fingerprint = authority.policy().fingerprint().to_string();
    certtool(&["trust", "add", &path(&trusted), "--fingerprint", &fingerprint]).expect(0, "trust add").unwrap();
    let export = ["proof", "export", &path(&certificate), "-o", &path(&proof), "--entry", &path(&entry)];
    certtool(&export).expect(0, "proof export").unwrap();

    let policy = file(place.path(), "policy", authority.policy().tlog_policy);
    let judge = |entry: &[u8]| judges.ask(&["proof", &path(&policy), &path(&proof), &hex::encode(entry)]);
    let entry = fs::read(entry).unwrap();
    let found = judge(&entry).unwrap();
    let held = Certificate::parse(&alice[0]).unwrap().tbs().transparency().unwrap().unwrap();
    let extra = found["extra"].as_str().unwrap();
    assert!(extra.contains(&hex::encode(held.opening.as_bytes())), "{extra}");
    judge(b"another entry").unwrap_err();

    // Back again, and nothing is lost.
    certtool(&["proof", "import", &path(&proof), "-o", &path(&extension)]).expect(0, "proof import").unwrap();
    assert_eq!(fs::read(extension).unwrap(), held.to_der());
}
