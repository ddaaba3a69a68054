use tlog_proof::Proof;

use super::*;

fn sample() -> TransparencyExtension {
    TransparencyExtension {
        origin: "log.example/2026".into(),
        period: 2967,
        slot: 31,
        vrf_proof: Some(VrfProof::from_bytes([1; 80])),
        opening: Opening::new([2; 32]),
        index: 5,
        tree_size: 8,
        path: vec![Hash([3; 32]), Hash([4; 32]), Hash([5; 32])],
        log_key_id: [6; 4],
        log_signature: [7; 64],
        cosignatures: vec![ExtCosignature {
            name: "witness.example/w".into(),
            key_id: [8; 4],
            time: 1_795_000_000,
            signature: [9; 64],
        }],
    }
}

#[test]
fn der_goes_there_and_back() {
    let service = TransparencyExtension { vrf_proof: None, slot: 0, cosignatures: vec![], ..sample() };
    for extension in [sample(), service] {
        assert_eq!(TransparencyExtension::from_der(&extension.to_der()), Ok(extension));
    }
}

#[test]
fn a_tlog_proof_goes_there_and_back() {
    let root = Hash([10; 32]);
    let service = TransparencyExtension { vrf_proof: None, slot: 0, ..sample() };
    for extension in [sample(), service] {
        let text = extension.to_proof(&root).to_string();
        let proof = Proof::parse(&text).unwrap();
        assert_eq!(TransparencyExtension::from_proof(&proof), Ok(extension));
    }
}

#[test]
fn three_witnesses_at_a_billion_entries_stay_under_two_kilobytes() {
    let cosignature = sample().cosignatures.remove(0);
    let cosignatures = (0..3).map(|n| ExtCosignature { name: format!("witness.example/w{n}"), ..cosignature.clone() });
    let extension = TransparencyExtension {
        index: (1 << 30) - 1,
        tree_size: 1 << 30,
        path: vec![Hash([3; 32]); 30],
        cosignatures: cosignatures.collect(),
        ..sample()
    };
    assert!(extension.to_der().len() < 2048, "{}", extension.to_der().len());
}

#[test]
fn bounds_are_kept() {
    let refused = |extension: TransparencyExtension| TransparencyExtension::from_der(&extension.to_der()).unwrap_err();
    refused(TransparencyExtension { path: vec![Hash([0; 32]); 64], ..sample() });
    refused(TransparencyExtension { index: 8, ..sample() });
    refused(TransparencyExtension { tree_size: 1 << 63, ..sample() });
    refused(TransparencyExtension { origin: "o".repeat(256), ..sample() });
    let twice = vec![sample().cosignatures.remove(0); 2];
    refused(TransparencyExtension { cosignatures: twice, ..sample() });
    let many = (0..16).map(|n| ExtCosignature { name: format!("w{n}"), ..sample().cosignatures.remove(0) });
    refused(TransparencyExtension { cosignatures: many.collect(), ..sample() });
    let mut trailing = sample().to_der();
    trailing.push(0);
    assert!(TransparencyExtension::from_der(&trailing).is_err());
    assert!(TransparencyExtension::from_der(&[0x30; 20_000]).is_err());
}

#[test]
fn only_a_quorum_is_kept() {
    use tlog_proof::{Cosigner, LogPolicy, NoteSigner};
    let key = |byte| ed25519_dalek::SigningKey::from_bytes(&[byte; 32]);
    let log = NoteSigner::new("log.example/2026", key(1)).unwrap().vkey();
    let vkeys: Vec<_> =
        (2..5).map(|n| Cosigner::new(&format!("witness.example/w{n}"), key(n)).unwrap().vkey()).collect();
    let witnesses: String = vkeys.iter().enumerate().map(|(n, vkey)| format!("witness w{n} {vkey}\n")).collect();
    let policy = LogPolicy::parse(&format!("log {log}\n{witnesses}group g 2 w0 w1 w2\nquorum g\n")).unwrap();
    let unknown = sample().cosignatures.remove(0);
    let by = |vkey: &tlog_proof::VerifierKey| ExtCosignature {
        name: vkey.name().to_owned(),
        key_id: vkey.id(),
        ..unknown.clone()
    };
    let mut extension = sample();
    extension.cosignatures.extend(vkeys.iter().map(by));
    extension.keep_quorum(&policy);
    let names: Vec<_> = extension.cosignatures.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["witness.example/w2", "witness.example/w3"]);
}
