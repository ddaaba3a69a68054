//! The key of a session: names, proofs, and what is none. The values stand in docs/spec/peer.md.

use crate::session::{Exported, SessionKey};

const ALICE: [u8; 32] = [0xa1; 32];
const BOB: [u8; 32] = [0xb0; 32];

fn exported(session: u8, resumption: u8) -> Exported {
    Exported { session: [session; 32], resumption: [resumption; 32] }
}

#[test]
fn both_sides_prove_the_same_session_to_each_other() {
    let first = exported(1, 2);
    let (alice, bob) = (SessionKey::new(&first, ALICE, BOB), SessionKey::new(&first, BOB, ALICE));
    assert_eq!(alice.name(), bob.name());
    let second = exported(3, 4);
    assert!(bob.is_proven(&alice.prove(&second), &second));
    assert!(alice.is_proven(&bob.prove(&second), &second));
}

#[test]
fn what_proves_nothing() {
    let first = exported(1, 2);
    let (alice, bob) = (SessionKey::new(&first, ALICE, BOB), SessionKey::new(&first, BOB, ALICE));
    let second = exported(3, 4);
    let proof = alice.prove(&second);
    assert!(!bob.is_proven(&proof, &exported(3, 5)), "on another connection");
    assert!(!alice.is_proven(&proof, &second), "her own, sent back");
    assert!(!SessionKey::new(&exported(9, 2), BOB, ALICE).is_proven(&proof, &second), "of another session");
    assert!(!SessionKey::new(&first, BOB, [0xc0; 32]).is_proven(&proof, &second), "of another device");
    assert!(!SessionKey::new(&first, [0xc0; 32], ALICE).is_proven(&proof, &second), "to another device");
    for bit in 0..256 {
        let mut wrong = proof;
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(!bob.is_proven(&wrong, &second), "{bit}");
    }
}

#[test]
fn the_vectors_of_the_specification() {
    let page = include_str!("../../../../../docs/spec/peer.md");
    let key = SessionKey::new(&exported(0x5e, 0), ALICE, BOB);
    let (name, proof) = (hex::encode(key.name()), hex::encode(key.prove(&exported(0, 0xc2))));
    assert!(page.contains(&format!("name    {name}")), "expected {name}");
    assert!(page.contains(&format!("proof   {proof}")), "expected {proof}");
}

#[test]
fn nothing_secret_is_printed() {
    let first = exported(0x5e, 0xc2);
    let printed = format!("{first:?} {:?}", SessionKey::new(&first, ALICE, BOB));
    assert!(!printed.contains("5e5e") && !printed.contains("94, 94"), "{printed}");
}
