//! ML-DSA-44 cosignatures: published ones, a second implementation's opinion, and texts named by their fault.
#![allow(clippy::unwrap_used, missing_docs)]

use aws_lc_rs::signature::{KeyPair as _, ML_DSA_44, ML_DSA_44_SIGNING, PqdsaKeyPair, UnparsedPublicKey};
use ed25519_dalek::SigningKey;
use tlog_proof::{
    Checkpoint, CheckpointError, Cosigner, Hash, KeyKind, LogPolicy, NoteError, NoteSignature, NoteSigner, PolicyError,
    Subtree, SubtreeCosigner, UnverifiedCheckpoint, VerifierKey, VkeyError, leaf_hash, sign_checkpoint,
    verify_subtree_cosignature,
};

const SEED: [u8; 32] = [6; 32];
const TIME: u64 = 1_700_000_000;

fn log() -> NoteSigner {
    NoteSigner::new("log.example/2026", SigningKey::from_bytes(&[1; 32])).unwrap()
}

fn witness() -> SubtreeCosigner {
    SubtreeCosigner::new("witness.example", &SEED).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: "log.example/2026".into(), size: 1, root: leaf_hash(b"entry") }
}

fn read(text: impl AsRef<[u8]>) -> UnverifiedCheckpoint {
    UnverifiedCheckpoint::parse(text).unwrap()
}

/// filippo.io/torchwood v0.10.0, cmd/litewitness: a log that signs with ML-DSA-44, without a time.
#[test]
fn checkpoint_of_a_log_with_ml_dsa() {
    let key = VerifierKey::parse(include_str!("data/litewitness-mldsa.vkey").trim_end()).unwrap();
    assert_eq!((key.kind(), key.public_key().len()), (KeyKind::SubtreeV1, 1312));
    let text = include_str!("data/litewitness-mldsa.checkpoint");
    let verified = read(text).verify_log(&key).unwrap();
    assert_eq!((verified.origin.as_str(), verified.size), ("example.com/mldsa-log", 1));
    assert_eq!(read(text).verify_cosignature(&key).unwrap().time, 0);
    let altered = read(text.replace("\n1\n", "\n2\n")).verify_log(&key);
    assert!(matches!(altered, Err(CheckpointError::Note(NoteError::BadSignature { .. }))));
    let policy = LogPolicy::parse(&format!("log {key}\nquorum none\n")).unwrap();
    assert_eq!(policy.check(&read(text)).unwrap().checkpoint.size, 1);
}

/// The message of C2SP tlog-cosignature, field by field, verified by AWS-LC; and a signature of AWS-LC's.
#[test]
fn a_second_implementation_agrees() {
    let other = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, &SEED).unwrap();
    let key = witness().vkey();
    assert_eq!(key.public_key(), other.public_key().as_ref());
    let root = leaf_hash(b"entry");
    let message = [
        b"subtree/v1\n\0".as_slice(),
        &[15], // length of the cosigner's name
        b"witness.example",
        &TIME.to_be_bytes(),
        &[16], // length of the log's origin
        b"log.example/2026",
        &0u64.to_be_bytes(), // start
        &1u64.to_be_bytes(), // end
        root.as_bytes(),
    ]
    .concat();
    let line = witness().cosign(&checkpoint(), TIME).unwrap();
    let ours = NoteSignature::parse_line(line.trim_end()).unwrap();
    assert_eq!(ours.signature[..8], TIME.to_be_bytes());
    assert_eq!(ours.signature.len(), 8 + 2420);
    UnparsedPublicKey::new(&ML_DSA_44, key.public_key()).verify(&message, &ours.signature[8..]).unwrap();

    let mut theirs = [&TIME.to_be_bytes()[..], &[0; 2420]].concat();
    other.sign(&message, &mut theirs[8..]).unwrap();
    let theirs = NoteSignature { signature: theirs, ..ours };
    let signed = sign_checkpoint(&checkpoint(), &log());
    let cosigned = read(format!("{signed}{theirs}\n")).verify_cosignature(&key).unwrap();
    assert_eq!((cosigned.name.as_str(), cosigned.key_id, cosigned.time), ("witness.example", key.id(), TIME));
}

#[test]
fn every_field_is_signed() {
    let signed = sign_checkpoint(&checkpoint(), &log());
    let line = witness().cosign(&checkpoint(), TIME).unwrap();
    let good = NoteSignature::parse_line(line.trim_end()).unwrap();
    read(format!("{signed}{line}")).verify_cosignature(&witness().vkey()).unwrap();
    assert_eq!(witness().cosign(&checkpoint(), TIME).unwrap(), line, "asked twice, said twice the same");

    let altered = |at: usize| {
        let mut signature = good.signature.clone();
        signature[at] ^= 1;
        NoteSignature { signature, ..good.clone() }
    };
    let other = |checkpoint: &Checkpoint, by: &SubtreeCosigner| NoteSignature {
        key_id: good.key_id,
        ..parsed(&by.cosign(checkpoint, TIME).unwrap())
    };
    let elsewhere = SubtreeCosigner::new("witness.example/2", &SEED).unwrap();
    let faults = [
        ("other_time", altered(7)),
        ("time_of_64_bits", altered(0)),
        ("first_byte", altered(8)),
        ("last_byte", altered(8 + 2419)),
        ("without_time", NoteSignature { signature: good.signature[8..].to_vec(), ..good.clone() }),
        ("too_long", NoteSignature { signature: [&good.signature[..], &[0]].concat(), ..good.clone() }),
        ("other_origin", other(&Checkpoint { origin: "log.example/2027".into(), ..checkpoint() }, &witness())),
        ("other_size", other(&Checkpoint { size: 2, ..checkpoint() }, &witness())),
        ("other_root", other(&Checkpoint { root: leaf_hash(b""), ..checkpoint() }, &witness())),
        ("other_cosigner", NoteSignature { name: good.name.clone(), ..other(&checkpoint(), &elsewhere) }),
    ];
    for (fault, line) in faults {
        let refused = read(format!("{signed}{line}\n")).verify_cosignature(&witness().vkey());
        let expected = CheckpointError::Note(NoteError::BadSignature { name: "witness.example".into() });
        assert_eq!(refused, Err(expected), "{fault}");
    }
    let long = Checkpoint { origin: "o".repeat(256), ..checkpoint() };
    assert_eq!(witness().cosign(&long, TIME), Err(CheckpointError::OriginLength { found: 256 }));
}

fn parsed(line: &str) -> NoteSignature {
    NoteSignature::parse_line(line.strip_suffix('\n').unwrap()).unwrap()
}

#[test]
fn subtrees_are_signed_without_a_time() {
    let (subtree, hash) = (Subtree::new(8, 13).unwrap(), leaf_hash(b"subtree"));
    let line = parsed(&witness().cosign_subtree("log.example/2026", subtree, &hash).unwrap());
    let key = witness().vkey();
    let verify = |origin: &str, subtree, hash: &Hash, line: &NoteSignature| {
        verify_subtree_cosignature(&key, origin, subtree, hash, line)
    };
    assert_eq!(verify("log.example/2026", subtree, &hash, &line).unwrap().time, 0);
    assert!(verify("log.example/2027", subtree, &hash, &line).is_err());
    assert!(verify("log.example/2026", Subtree::new(8, 14).unwrap(), &hash, &line).is_err());
    assert!(verify("log.example/2026", subtree, &leaf_hash(b""), &line).is_err());
    let ed25519 = Cosigner::new("witness.example", SigningKey::from_bytes(&[2; 32])).unwrap().vkey();
    let refused = verify_subtree_cosignature(&ed25519, "log.example/2026", subtree, &hash, &line);
    assert!(matches!(refused, Err(NoteError::KeyKind { .. })));

    // A checkpoint's cosignature is one of the subtree from 0, with its time.
    let whole = parsed(&witness().cosign(&checkpoint(), TIME).unwrap());
    let root = Subtree::new(0, 1).unwrap();
    assert_eq!(verify("log.example/2026", root, &leaf_hash(b"entry"), &whole).unwrap().time, TIME);
}

#[test]
fn key_faults() {
    let good = witness().vkey().to_string();
    assert_eq!(good.parse(), Ok(witness().vkey()));
    assert!(good.starts_with("witness.example+") && good.len() > 1312 * 4 / 3);
    let long = VerifierKey::new("w", KeyKind::SubtreeV1, &[0; 1313]);
    assert_eq!(long, Err(VkeyError::Length { expected: 1312, found: 1313 }));
    let short = VerifierKey::new("w", KeyKind::CosignatureV1, &[1; 31]);
    assert_eq!(short, Err(VkeyError::Length { expected: 32, found: 31 }));
    assert!(!format!("{:?}", witness()).contains('='), "no key in Debug");
}

/// A witness with a key of each kind, as a homeserver's own: each line of the policy is a witness of its own.
#[test]
fn policies_take_both_kinds() {
    let ed25519 = Cosigner::new("witness.example", SigningKey::from_bytes(&[2; 32])).unwrap();
    let (log_key, v1, subtree) = (log().vkey(), ed25519.vkey(), witness().vkey());
    let policy = |quorum: &str| {
        let text = format!("log {log_key}\nwitness v1 {v1}\nwitness pq {subtree}\n{quorum}\n");
        LogPolicy::parse(&text).unwrap()
    };
    let signed = sign_checkpoint(&checkpoint(), &log());
    let by_v1 = ed25519.cosign(&checkpoint().to_body(), TIME);
    let by_pq = witness().cosign(&checkpoint(), TIME).unwrap();
    let both = read(format!("{signed}{by_pq}{by_v1}"));
    let strict = policy("group both all v1 pq\nquorum both");
    let times: Vec<u64> = strict.check(&both).unwrap().cosigned.iter().map(|by| by.time).collect();
    assert_eq!(times, [TIME, TIME]);
    assert!(matches!(strict.check(&read(format!("{signed}{by_v1}"))), Err(PolicyError::Quorum { .. })));
    policy("quorum pq").check(&read(format!("{signed}{by_pq}"))).unwrap();
    assert_eq!(LogPolicy::parse(&strict.to_string()), Ok(strict));

    let twice = format!("log {log_key}\nwitness a {subtree}\nwitness b {subtree}\nquorum a\n");
    assert!(LogPolicy::parse(&twice).is_err(), "the same key twice");
    assert!(LogPolicy::parse(&format!("log {log_key}\nwitness w {log_key}\nquorum w\n")).is_err(), "a log's key");
    assert!(LogPolicy::parse(&format!("log {log_key}\r\nquorum none\r\n")).is_err(), "carriage returns");
}

/// C2SP signed-note: at least 16 signatures, each of nearly 5 kB.
#[test]
fn sixteen_large_signatures_of_strangers_are_read() {
    let signed = sign_checkpoint(&checkpoint(), &log());
    let large = NoteSignature { name: "stranger.example".into(), key_id: [9; 4], signature: vec![7; 4627 + 8] };
    let note = format!("{signed}{}", format!("{large}\n").repeat(15));
    assert_eq!(read(&note).verify_log(&log().vkey()).unwrap().size, 1);
    assert!(note.len() > 64 * 1024);
}
