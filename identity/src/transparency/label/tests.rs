use super::*;

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// RFC 9381 appendix B.3, examples 16 to 18: secret key, public key, input, proof, output.
const VECTORS: [[&str; 5]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d9727d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
        "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
        "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
        "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c452118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
    ],
];

#[test]
fn rfc_9381_appendix_b_3() {
    for [secret, public, input, proof, output] in VECTORS {
        let input = hex::decode(input).unwrap();
        let secret = VrfSecretKey::from_bytes(&array(secret));
        assert_eq!(hex::encode(secret.public().to_bytes()), public);
        assert_eq!(hex::encode(secret.key.prove(&input).unwrap().encode_to_pi()), proof);
        let decoded = VrfProof::from_bytes(array(proof)).decode().unwrap();
        let hash = secret.public().key.verify(&input, decoded).unwrap();
        assert_eq!(hex::encode(hash), output);
    }
}

fn input(identifier: &Identifier, slot: u8) -> LabelInput<'_> {
    LabelInput { origin: "log.example/2026", identifier, period: 2967, slot }
}

#[test]
fn an_input_is_encoded_field_by_field() {
    let alice = Identifier::parse("a@example.org").unwrap();
    let expected = [
        b"inperson-label-v1".as_slice(),
        &[0],
        &[0, 16],
        b"log.example/2026",
        &[1], // e-mail
        &[0, 13],
        b"a@example.org",
        &[0, 0, 0x0b, 0x97], // period 2967
        &[5],                // slot
    ]
    .concat();
    assert_eq!(input(&alice, 5).encode(), expected);
}

#[test]
fn a_label_belongs_to_its_input_and_key() {
    let (alice, bob) = (Identifier::parse("alice@example.org").unwrap(), Identifier::parse("bob@example.org").unwrap());
    let secret = VrfSecretKey::from_bytes(&[1; 32]);
    let (label, proof) = secret.evaluate(&input(&alice, 3));
    assert_eq!(secret.public().verify(&input(&alice, 3), &proof), Ok(label));
    assert_eq!(secret.public().verify(&input(&alice, 4), &proof), Err(VrfError::Proof));
    assert_eq!(secret.public().verify(&input(&bob, 3), &proof), Err(VrfError::Proof));
    let other = VrfSecretKey::from_bytes(&[2; 32]);
    assert_eq!(other.public().verify(&input(&alice, 3), &proof), Err(VrfError::Proof));
}

#[test]
fn a_proof_has_one_encoding() {
    let alice = Identifier::parse("alice@example.org").unwrap();
    let secret = VrfSecretKey::from_bytes(&[1; 32]);
    let mut bytes = *secret.prove(&input(&alice, 3)).as_bytes();
    // s + q, which is s again modulo q = 2^252 + 27742317777372353535851937790883648493.
    let q: [u8; 32] = array("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0;
    for (byte, q) in bytes[48..].iter_mut().zip(q) {
        let sum = u16::from(*byte) + u16::from(q) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(secret.public().verify(&input(&alice, 3), &VrfProof(bytes)), Err(VrfError::ProofEncoding));
    assert_eq!(secret.public().verify(&input(&alice, 3), &VrfProof([0xff; 80])), Err(VrfError::ProofEncoding));
}

#[test]
fn keys_are_validated() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(VrfPublicKey::from_bytes(&identity), Err(VrfError::Key));
    let mut beyond = [0xff; 32];
    beyond[31] = 0x7f;
    beyond[0] = 0xf0;
    assert_eq!(VrfPublicKey::from_bytes(&beyond), Err(VrfError::Key));
}

#[test]
fn a_secret_key_is_not_shown() {
    let shown = format!("{:?}", VrfSecretKey::from_bytes(&[7; 32]));
    assert!(!shown.contains("0707") && !shown.contains("7, 7"), "{shown}");
}

/// A second implementation, by other people over another version of the curve library.
#[test]
fn akd_core_agrees() {
    use akd_core::ecvrf::{Proof, VRFExpandedPrivateKey, VRFPrivateKey, VRFPublicKey};
    for seed in 0..16u8 {
        let alice = Identifier::parse(&format!("alice{seed}@example.org")).unwrap();
        let ours = VrfSecretKey::from_bytes(&[seed; 32]);
        let proof = ours.prove(&input(&alice, seed));
        let theirs = VRFPrivateKey::try_from([seed; 32].as_slice()).unwrap();
        let public = VRFPublicKey::from(&theirs);
        assert_eq!(*public.as_bytes(), ours.public().to_bytes());
        let their_proof = VRFExpandedPrivateKey::from(&theirs).prove(&public, &input(&alice, seed).encode());
        assert_eq!(their_proof.to_bytes(), *proof.as_bytes());
        let parsed = Proof::try_from(proof.as_bytes().as_slice()).unwrap();
        public.verify(&parsed, &input(&alice, seed).encode()).unwrap();
    }
}
