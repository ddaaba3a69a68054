//! Round trips, and malformed texts named by their fault.
#![allow(clippy::unwrap_used, missing_docs)]

use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use tlog_proof::{
    BundlePath, Checkpoint, CheckpointError, Cosigner, Entry, EntryError, LogPolicy, NoteError, NoteSigner, ObjectKind,
    Proof, TileError, TilePath, TilePyramid, UnverifiedCheckpoint, UnverifiedNote, VerifierKey, decode_bundle,
    encode_bundle, leaf_hash, node_hash, sign_checkpoint,
};

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new("log.example/2026", SigningKey::from_bytes(&[seed; 32])).unwrap()
}

fn cosigner(name: &str, seed: u8) -> Cosigner {
    Cosigner::new(name, SigningKey::from_bytes(&[seed; 32])).unwrap()
}

fn checkpoint() -> Checkpoint {
    let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
    Checkpoint { origin: "log.example/2026".into(), size: 2, root: node_hash(&left, &right) }
}

#[test]
fn note_faults() {
    let good = sign_checkpoint(&checkpoint(), &signer(1));
    let (text, line) = good.split_once("\n\n").unwrap();
    let many = format!("{text}\n\n{}", line.repeat(65));
    let most = format!("{text}\n\n{}", line.repeat(64));
    UnverifiedNote::parse(most).unwrap().verify(&signer(1).vkey()).unwrap();
    let faults: [(&str, String); 13] = [
        ("empty", String::new()),
        ("without_signatures", format!("{text}\n\n")),
        ("without_blank_line", format!("{text}\n{line}")),
        ("without_final_newline", good.trim_end().to_owned()),
        ("carriage_return", good.replace('\n', "\r\n")),
        ("control_character", good.replace("log.example", "log\u{1}example")),
        ("hyphen_for_dash", good.replace('—', "-")),
        ("two_spaces", good.replace("— log", "—  log")),
        ("name_with_plus", good.replace("— log", "— l+og")),
        ("base64_without_padding", good.replace("=\n", "\n")),
        ("key_id_only", format!("{text}\n\n— log.example/2026 AAAAAA==\n")),
        ("line_after_signatures", format!("{good}trailing\n")),
        ("too_many_signatures", many),
    ];
    for (fault, text) in faults {
        assert!(UnverifiedNote::parse(&text).is_err(), "{fault}");
    }
    assert_eq!(UnverifiedNote::parse([0xff, b'\n', b'\n']), Err(NoteError::Characters));
    let large = format!("{}\n\n{line}", "a".repeat(128 * 1024));
    assert!(matches!(UnverifiedNote::parse(large), Err(NoteError::TooLarge { .. })));
}

#[test]
fn checkpoint_faults() {
    let body = checkpoint().to_body();
    assert_eq!(Checkpoint::parse_body(&body).unwrap(), checkpoint());
    let faults = [
        ("extension_line", format!("{body}extension\n")),
        ("empty_line", format!("{body}\n")),
        ("two_lines", "log.example/2026\n2\n".to_owned()),
        ("without_final_newline", body.trim_end().to_owned()),
        ("empty_origin", body.replace("log.example/2026", "")),
        ("leading_zero", body.replace("\n2\n", "\n02\n")),
        ("signed_size", body.replace("\n2\n", "\n+2\n")),
        ("size_of_65_bits", body.replace("\n2\n", "\n18446744073709551616\n")),
        ("root_too_short", body.replace("=\n", "\n")),
    ];
    for (fault, body) in faults {
        assert!(Checkpoint::parse_body(&body).is_err(), "{fault}");
    }
}

#[test]
fn known_keys_that_fail_spoil_the_note_and_unknown_ones_are_ignored() {
    let witness = cosigner("witness.example", 2);
    let stranger = cosigner("stranger.example", 3);
    let signed = sign_checkpoint(&checkpoint(), &signer(1));
    let body = checkpoint().to_body();
    let cosigned = format!("{signed}{}{}", stranger.cosign(&body, 9), witness.cosign(&body, 1_700_000_000));
    let parsed = UnverifiedCheckpoint::parse(&cosigned).unwrap();
    let by = parsed.verify_cosignature(&witness.vkey()).unwrap();
    assert_eq!((by.name.as_str(), by.key_id, by.time), ("witness.example", witness.vkey().id(), 1_700_000_000));

    // A second, altered line of the same key: good and bad together are bad.
    let other = cosigner("witness.example", 2).cosign(&body.replace("\n2\n", "\n3\n"), 1_700_000_000);
    let spoiled = UnverifiedCheckpoint::parse(format!("{cosigned}{other}")).unwrap();
    let refused = spoiled.verify_cosignature(&witness.vkey());
    assert!(matches!(refused, Err(CheckpointError::Note(NoteError::BadSignature { .. }))));

    // The time is signed with the rest, and stays below 2^63.
    let late = UnverifiedCheckpoint::parse(format!("{signed}{}", witness.cosign(&body, 1 << 63))).unwrap();
    assert!(late.verify_cosignature(&witness.vkey()).is_err());

    // Keys of one kind are not taken for the other.
    assert!(matches!(
        parsed.verify_log(&cosigner("log.example/2026", 1).vkey()),
        Err(CheckpointError::Note(NoteError::KeyKind { .. }))
    ));
    assert!(parsed.verify_cosignature(&signer(1).vkey()).is_err());
    let elsewhere = NoteSigner::new("log.example/2027", SigningKey::from_bytes(&[1; 32])).unwrap();
    assert!(matches!(parsed.verify_log(&elsewhere.vkey()), Err(CheckpointError::WrongOrigin { .. })));
}

#[test]
fn vkey_faults() {
    let good = signer(1).vkey().to_string();
    let (name, rest) = good.split_once('+').unwrap();
    let (id, key) = rest.split_once('+').unwrap();
    let faults = [
        ("empty_name", format!("+{id}+{key}")),
        ("space_in_name", format!("log example+{id}+{key}")),
        ("id_of_another", format!("{name}+00000000+{key}")),
        ("upper_case_id", format!("{name}+{}+{key}", id.to_uppercase())),
        ("sign_in_id", format!("{name}++{}+{key}", &id[1..])),
        ("short_key", format!("{name}+{id}+{}", &key[4..])),
        ("unknown_kind", format!("{name}+{id}+Ag{}", &key[2..])),
        ("small_order_key", format!("{name}+{id}+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
    ];
    for (fault, text) in faults {
        assert!(VerifierKey::parse(&text).is_err(), "{fault}");
    }
}

#[test]
fn tile_paths_have_one_spelling() {
    for path in ["tile/0/000", "tile/63/x001/000", "tile/1/x999/x999/999.p/255", "tile/0/000.p/1"] {
        assert_eq!(path.parse::<TilePath>().unwrap().to_string(), path);
    }
    for path in ["tile/entries/000", "tile/entries/x018/x446/x744/x073/x709/x551/615.p/3"] {
        assert_eq!(path.parse::<BundlePath>().unwrap().to_string(), path);
    }
    let faults = [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x001/x000",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/0/001.p",
        "tile/0/x001.p/5/000",
        "/tile/0/000",
        "tile/0/000/",
        "tile/entries/x018/x446/x744/x073/x709/x551/616",
        "tile/0/٠٠٠",
        "tile/0/x+01/000",
        "tile/0/000.p/1.p/1",
    ];
    for path in faults {
        assert!(path.parse::<TilePath>().is_err(), "{path:?}");
        assert!(path.replacen("tile/0", "tile/entries", 1).parse::<BundlePath>().is_err(), "{path:?}");
    }
}

#[test]
fn bundle_bytes() {
    let bundle = encode_bundle(&[b"one".as_slice(), b"", b"three"]).unwrap();
    let expected = [
        [0, 3].as_slice(),
        b"one",  // first entry
        &[0, 0], // an empty entry
        &[0, 5],
        b"three", // third entry
    ];
    assert_eq!(bundle, expected.concat());
    assert_eq!(decode_bundle(&bundle, 3).unwrap(), [b"one".as_slice(), b"", b"three"]);
    assert_eq!(decode_bundle(&bundle, 2), Err(TileError::Count { expected: 2, found: 3 }));
    assert_eq!(decode_bundle(&bundle, 4), Err(TileError::Count { expected: 4, found: 3 }));
    assert_eq!(decode_bundle(&bundle[..bundle.len() - 1], 3), Err(TileError::Truncated { entry: 2 }));
    assert_eq!(decode_bundle(&bundle[..1], 3), Err(TileError::Truncated { entry: 0 }));
    assert!(encode_bundle(&[vec![0; 65_536]]).is_err());
}

#[test]
fn tile_pyramid_reads_every_complete_subtree() {
    let hashes: Vec<_> = (0..256u16).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    let full = TilePyramid::new(hashes.clone());
    let mut frontier = tlog_proof::Frontier::new();
    hashes.iter().for_each(|leaf| frontier.push(*leaf));
    assert_eq!(full.parent(), Some(frontier.root()));
    assert_eq!(full.get(1, 127), Some(node_hash(&hashes[254], &hashes[255])));
    let partial = TilePyramid::new(hashes[..5].to_vec());
    assert_eq!((partial.get(0, 4), partial.get(0, 5)), (Some(hashes[4]), None));
    assert_eq!((partial.get(2, 0).is_some(), partial.get(2, 1), partial.parent()), (true, None, None));
    assert!(TilePyramid::from_bytes(&[0; 33], 1).is_err());
}

#[test]
fn entry_bytes() {
    let certificate = Entry::Certificate { label: [0xaa; 32], commitment: [0xbb; 32] };
    let expected = [
        [1].as_slice(), // version
        &[1],           // kind: certificate
        &[0xaa; 32],    // label
        &[0xbb; 32],    // commitment
    ];
    assert_eq!(certificate.encode(), expected.concat());
    let others = [
        Entry::Signature { label: [1; 32], digest: [2; 32] },
        Entry::Service { name_digest: [3; 32], commitment: [4; 32] },
    ];
    let objects = ObjectKind::ALL.map(|kind| Entry::Object { kind, hash: [5; 32] });
    for entry in others.iter().chain(&objects) {
        let bytes = entry.encode();
        assert!(bytes.len() <= tlog_proof::MAX_ENTRY_BYTES);
        assert_eq!(&Entry::decode(&bytes).unwrap(), entry);
        assert!(matches!(Entry::decode(&bytes[..bytes.len() - 1]), Err(EntryError::Length { .. })));
        assert!(matches!(Entry::decode(&[bytes, vec![0; 32]].concat()), Err(EntryError::Length { .. })));
    }
    assert_eq!(Entry::decode(&[2, 1]), Err(EntryError::Version { found: 2 }));
    assert_eq!(Entry::decode(&[&[1, 0x14][..], &[0; 32]].concat()), Err(EntryError::Kind { found: 0x14 }));
    assert_eq!(Entry::decode(&[1]), Err(EntryError::Length { expected: 2, found: 1 }));
}

#[test]
fn proof_text_as_specified() {
    let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
    let signed = sign_checkpoint(&checkpoint(), &signer(1));
    let text = format!("c2sp.org/tlog-proof@v1\nextra aGVsbG8=\nindex 1\n{left}\n\n{signed}");
    let proof = Proof::parse(&text).unwrap();
    assert_eq!((proof.extra.as_deref(), proof.index, &proof.path), (Some(b"hello".as_slice()), 1, &vec![left]));
    assert_eq!(proof.to_string(), text);
    let policy = LogPolicy::parse(&format!("log {}\nquorum none\n", signer(1).vkey())).unwrap();
    assert_eq!(proof.verify(&right, &policy).unwrap().checkpoint.size, 2);
    assert!(proof.verify(&left, &policy).is_err(), "another entry");
    let faults = [
        ("other_version", text.replace("@v1", "@v2")),
        ("without_index", text.replace("index 1\n", "")),
        ("leading_zero", text.replace("index 1", "index 01")),
        ("index_before_extra", text.replace("extra aGVsbG8=\nindex 1\n", "index 1\nextra aGVsbG8=\n")),
        ("extra_not_base64", text.replace("aGVsbG8=", "aGVsbG8")),
        ("hash_of_31_bytes", text.replace(&left.to_string(), &left.to_string()[4..])),
        ("without_blank_line", text.replace("=\n\nlog", "=\nlog")),
        ("empty", String::new()),
    ];
    for (fault, text) in faults {
        let refused = Proof::parse(&text).map(|proof| proof.verify(&right, &policy));
        assert!(!matches!(refused, Ok(Ok(_))), "{fault}");
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), width: u16) {
        let text = String::from_utf8_lossy(&bytes);
        let _refused = UnverifiedCheckpoint::parse(&bytes);
        let _refused = VerifierKey::parse(&text);
        let _refused = LogPolicy::parse(&text);
        let _refused = Proof::parse(&text);
        let _refused = text.parse::<TilePath>();
        let _refused = text.parse::<BundlePath>();
        let _refused = decode_bundle(&bytes, width);
        let _refused = TilePyramid::from_bytes(&bytes, width);
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert_eq!(entry.encode(), bytes);
        }
    }

    #[test]
    fn altered_checkpoints_are_refused_or_the_same(position in 0usize..400, bit in 0u8..8) {
        let body = checkpoint().to_body();
        let good = format!("{}{}", sign_checkpoint(&checkpoint(), &signer(1)), cosigner("w", 2).cosign(&body, 1));
        let mut bytes = good.clone().into_bytes();
        let position = position % bytes.len();
        bytes[position] ^= 1 << bit;
        let text = format!("log {}\nwitness w {}\nquorum w\n", signer(1).vkey(), cosigner("w", 2).vkey());
        let policy = LogPolicy::parse(&text).unwrap();
        policy.check(&UnverifiedCheckpoint::parse(&good).unwrap()).unwrap();
        let altered = UnverifiedCheckpoint::parse(&bytes).map(|altered| policy.check(&altered));
        prop_assert!(!matches!(altered, Ok(Ok(_))), "byte {} altered and accepted", position);
    }

    #[test]
    fn tile_paths_round_trip(level in 0u8..64, index: u64, width in 1u16..=256) {
        let tile = TilePath { level, index, width };
        prop_assert_eq!(tile.to_string().parse::<TilePath>(), Ok(tile));
        let bundle = BundlePath { index, width };
        prop_assert_eq!(bundle.to_string().parse::<BundlePath>(), Ok(bundle));
    }
}
