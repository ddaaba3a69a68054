//! Published examples and public data, read to the byte.
#![allow(clippy::unwrap_used, missing_docs)]

use ed25519_dalek::SigningKey;
use tlog_proof::{
    BundlePath, Checkpoint, CheckpointError, NoteError, NoteSigner, TilePath, UnverifiedCheckpoint, UnverifiedNote,
    VerifierKey,
};

/// C2SP signed-note, the example note and its key.
#[test]
fn signed_note_example() {
    let key = VerifierKey::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").unwrap();
    let text = "This is an example message.\n\n\
        — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let note = UnverifiedNote::parse(text).unwrap();
    note.verify(&key).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.to_string(), text);
}

/// C2SP signed-note, the first example: its text has an empty line. (Its key is not published.)
#[test]
fn signed_note_with_an_empty_line_in_the_text() {
    let text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\
        — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    let note = UnverifiedNote::parse(text).unwrap();
    assert!(note.text().ends_with("\n\ned è subito sera.\n"));
    assert_eq!(note.to_string(), text);
}

const PETER: &str =
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
const ENOCH: &str =
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=";
const QUIP: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";

/// golang.org/x/mod/sumdb/note, its tests: the private key signs to the very bytes.
#[test]
fn go_sumdb_note() {
    let secret = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        // PRIVATE+KEY+PeterNeumann+c74f20a3+…
        "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
    )
    .unwrap();
    let key = SigningKey::from_bytes(secret[1..].try_into().unwrap());
    let signer = NoteSigner::new("PeterNeumann", key).unwrap();
    assert_eq!(signer.vkey().to_string(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    assert_eq!(signer.sign(QUIP).to_string(), PETER);

    let enoch = VerifierKey::parse("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop").unwrap();
    let note = UnverifiedNote::parse(format!("{QUIP}\n{PETER}\n{ENOCH}\n")).unwrap();
    note.verify(&signer.vkey()).unwrap();
    note.verify(&enoch).unwrap();
    let alone = UnverifiedNote::parse(format!("{QUIP}\n{PETER}\n")).unwrap();
    assert_eq!(alone.verify(&enoch), Err(NoteError::Unsigned { expected: "EnochRoot".into() }));
}

/// Every substring and every altered byte of a verifier key is refused (as in Go's tests).
#[test]
fn verifier_key_has_one_spelling() {
    let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    for start in 0..text.len() {
        for end in start + 1..=text.len() {
            assert_eq!(VerifierKey::parse(&text[start..end]).is_ok(), end - start == text.len());
        }
    }
    for position in 0..text.len() {
        let mut altered = text.as_bytes().to_vec();
        altered[position] += 1;
        assert!(VerifierKey::parse(std::str::from_utf8(&altered).unwrap()).is_err(), "byte {position}");
    }
}

/// A staging Certificate Transparency log of 2026, cosigned by four public witnesses. It also carries an
/// RFC 6962 signature of the same name, of a type we do not know.
const ARCHE: &str = "arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
";

const ARCHE_KEY: &str = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";

const WITNESSES: [&str; 4] = [
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
];

#[test]
fn checkpoint_of_a_public_log_with_public_witnesses() {
    let checkpoint = UnverifiedCheckpoint::parse(ARCHE).unwrap();
    let verified = checkpoint.verify_log(&VerifierKey::parse(ARCHE_KEY).unwrap()).unwrap();
    assert_eq!(verified.size, 1_432_088_532);
    assert_eq!(verified.text(), ARCHE);
    for witness in WITNESSES {
        let key = VerifierKey::parse(witness).unwrap();
        let cosigned = checkpoint.verify_cosignature(&key).unwrap();
        assert_eq!((cosigned.name.as_str(), cosigned.time), (key.name(), 0x6a12_2120));
    }
}

#[test]
fn altered_checkpoint_is_refused_by_every_key() {
    let checkpoint = UnverifiedCheckpoint::parse(ARCHE.replace("1432088532", "1432088533")).unwrap();
    let log = checkpoint.verify_log(&VerifierKey::parse(ARCHE_KEY).unwrap());
    assert!(matches!(log, Err(CheckpointError::Note(NoteError::BadSignature { .. }))));
    for witness in WITNESSES {
        let refused = checkpoint.verify_cosignature(&VerifierKey::parse(witness).unwrap());
        assert!(matches!(refused, Err(CheckpointError::Note(NoteError::BadSignature { .. }))));
    }
}

/// C2SP tlog-cosignature, its example (the keys are not published): lines, IDs and timestamp.
#[test]
fn cosignature_example() {
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let checkpoint = UnverifiedCheckpoint::parse(text).unwrap();
    let expected = Checkpoint {
        origin: "example.com/behind-the-sofa".into(),
        size: 20_852_163,
        root: "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=".parse().unwrap(),
    };
    assert_eq!(checkpoint.claimed(), &expected);
    assert!(text.starts_with(&expected.to_body()));
    let [log, witness] = checkpoint.note().signatures() else { panic!("expected two signatures") };
    assert_eq!((log.key_id, log.signature.len()), ([0x03, 0x3d, 0xe0, 0xae], 64));
    assert_eq!((witness.name.as_str(), witness.key_id), ("witness.example.com/w1", [0x8d, 0x66, 0xcf, 0x3f]));
    assert_eq!(witness.signature[..8], 1_679_315_147u64.to_be_bytes(), "the time in the signed message of the example");
    assert_eq!(witness.signature.len(), 8 + 64);
}

/// C2SP tlog-tiles: index 1234067, and the tiles of a tree of 70,000 and of 256.
#[test]
fn tile_examples() {
    let tile = TilePath { level: 0, index: 1_234_067, width: 256 };
    assert_eq!(tile.to_string(), "tile/0/x001/x234/067");
    let widths = |size| TilePath::partials(size).map(|path| path.to_string()).collect::<Vec<_>>();
    assert_eq!(widths(70_000), ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert_eq!(widths(256), ["tile/1/000.p/1"]);
    assert_eq!(TilePath::holding(0, 272, 70_000).unwrap().to_string(), "tile/0/001");
    assert_eq!(BundlePath::holding(69_999, 70_000).unwrap().to_string(), "tile/entries/273.p/112");
    assert_eq!(BundlePath::holding(70_000, 70_000), None);
}
