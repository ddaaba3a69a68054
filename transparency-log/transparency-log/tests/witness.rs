//! The witness's answers, case by case as C2SP tlog-witness lists them.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{Numbers, ORIGIN, clock};
use tlog_proof::{
    Checkpoint, Cosigner, Hash, KeyKind, NoteSigner, SubtreeCosigner, UnverifiedCheckpoint, VerifierKey, empty_root,
    prove_consistency, root, sign_checkpoint,
};
use transparency_log::storage::{Fault, MemoryStorage};
use transparency_log::testing::key;
use transparency_log::{Witness, WitnessError, WitnessKeys};

fn signed(tree: &mut Numbers, size: u64) -> String {
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size, root: root(tree, size).unwrap() };
    sign_checkpoint(&checkpoint, &NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap())
}

fn witness(storage: &Arc<MemoryStorage>) -> Witness {
    let cosigner = Cosigner::new("witness.example", key(ORIGIN, "witness")).unwrap();
    let log = NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap().vkey();
    Witness::open_on(Arc::<MemoryStorage>::clone(storage), cosigner, vec![log], clock())
}

#[test]
fn cosigns_what_extends_what_it_saw() {
    let storage = Arc::new(MemoryStorage::new());
    let tree = &mut Numbers(0);
    let mut old = 0;
    for new in [0, 0, 5, 5, 6, 300, 1000] {
        // Opened anew each time: what it knows is what it persisted.
        let witness = witness(&storage);
        let checkpoint = signed(tree, new);
        let proof = prove_consistency(tree, old, new).unwrap();
        let line = witness.add_checkpoint_blocking(old, &proof, &checkpoint).unwrap();
        let cosigned = UnverifiedCheckpoint::parse(format!("{checkpoint}{line}")).unwrap();
        assert_eq!(cosigned.verify_cosignature(&witness.vkey()).unwrap().time, clock()());
        old = new;
    }
}

#[test]
fn a_witness_with_a_key_of_each_kind_cosigns_with_both() {
    let ed25519 = Cosigner::new("witness.example", key(ORIGIN, "witness")).unwrap();
    let ml_dsa_44 = SubtreeCosigner::new("witness.example", &[5; 32]).unwrap();
    let log = NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap().vkey();
    let keys = WitnessKeys::both(ed25519, ml_dsa_44);
    let witness = Witness::open_on(Arc::new(MemoryStorage::new()), keys, vec![log], clock());
    let checkpoint = signed(&mut Numbers(0), 5);
    let lines = witness.add_checkpoint_blocking(0, &[], &checkpoint).unwrap();
    let cosigned = UnverifiedCheckpoint::parse(format!("{checkpoint}{lines}")).unwrap();
    let vkeys = witness.vkeys();
    assert_eq!(vkeys.iter().map(VerifierKey::kind).collect::<Vec<_>>(), [KeyKind::CosignatureV1, KeyKind::SubtreeV1]);
    for key in vkeys {
        assert_eq!(cosigned.verify_cosignature(&key).unwrap().time, clock()());
    }
}

#[test]
fn refuses_everything_else() {
    let storage = Arc::new(MemoryStorage::new());
    let witness = witness(&storage);
    let tree = &mut Numbers(0);
    let five = signed(tree, 5);
    witness.add_checkpoint_blocking(0, &[], &five).unwrap();
    let (eight, proof) = (signed(tree, 8), prove_consistency(tree, 5, 8).unwrap());
    let ask =
        |old, proof: &[Hash], checkpoint: &str| witness.add_checkpoint_blocking(old, proof, checkpoint).unwrap_err();

    assert!(matches!(ask(9, &proof, &eight), WitnessError::OldSize { old: 9, size: 8 }));
    assert!(matches!(ask(0, &[], &eight), WitnessError::Conflict { size: 5 }));
    assert!(matches!(ask(4, &proof, &eight), WitnessError::Conflict { size: 5 }));
    assert!(matches!(ask(0, &[], &signed(tree, 3)), WitnessError::Conflict { size: 5 }), "no way back");
    assert!(matches!(ask(5, &[], &eight), WitnessError::Proof(_)));
    assert!(matches!(ask(5, &proof[1..], &eight), WitnessError::Proof(_)));
    assert!(matches!(ask(5, &[empty_root(); 64], &eight), WitnessError::Malformed(_)));
    assert!(matches!(ask(5, &proof, "garbage"), WitnessError::Malformed(_)));
    let rewritten = &mut Numbers(1);
    assert!(matches!(ask(5, &[], &signed(rewritten, 5)), WitnessError::Forked { size: 5, .. }));
    let forged = prove_consistency(rewritten, 5, 8).unwrap();
    assert!(matches!(ask(5, &forged, &signed(rewritten, 8)), WitnessError::Proof(_)));

    let stranger = NoteSigner::new(ORIGIN, key(ORIGIN, "stranger")).unwrap();
    let checkpoint = UnverifiedCheckpoint::parse(&eight).unwrap().claimed().clone();
    assert!(matches!(ask(5, &proof, &sign_checkpoint(&checkpoint, &stranger)), WitnessError::Unsigned(_)));
    let altered = eight.replace("\n8\n", "\n9\n");
    assert!(matches!(ask(5, &proof, &altered), WitnessError::Unsigned(_)));
    let foreign = Checkpoint { origin: "other.example".into(), ..checkpoint };
    let other = NoteSigner::new("other.example", key(ORIGIN, "log")).unwrap();
    assert!(matches!(ask(5, &proof, &sign_checkpoint(&foreign, &other)), WitnessError::UnknownLog { .. }));

    witness.add_checkpoint_blocking(5, &proof, &eight).unwrap();
}

#[test]
fn signs_nothing_that_it_could_not_persist() {
    for fault in Fault::ALL {
        let storage = Arc::new(MemoryStorage::new());
        let witness = witness(&storage);
        let checkpoint = signed(&mut Numbers(0), 5);
        storage.fail_write(0, fault);
        let refused = witness.add_checkpoint_blocking(0, &[], &checkpoint);
        assert!(matches!(refused, Err(WitnessError::Storage(_))));
        // Persisted or not, the log can go on: from what the witness says it knows.
        match witness.add_checkpoint_blocking(0, &[], &checkpoint) {
            Ok(_) => assert_eq!(fault, Fault::NotPersisted),
            Err(WitnessError::Conflict { size: 5 }) => {
                witness.add_checkpoint_blocking(5, &[], &checkpoint).unwrap();
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn does_not_start_from_nothing_when_its_state_is_damaged() {
    let storage = Arc::new(MemoryStorage::new());
    let witness = witness(&storage);
    witness.add_checkpoint_blocking(0, &[], &signed(&mut Numbers(0), 5)).unwrap();
    let path = storage.paths().pop().unwrap();
    storage.tamper(&path, |bytes| bytes[30] ^= 1);
    let refused = witness.add_checkpoint_blocking(0, &[], &signed(&mut Numbers(1), 5));
    assert!(matches!(refused, Err(WitnessError::Storage(_))));
}
