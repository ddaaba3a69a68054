//! A real PKCS#11 token: SoftHSM, in a folder of its own. One test, as the library is initialized once for a process.
#![allow(clippy::unwrap_used)]

use key_store::testing::{PIN, module, pin_file, uri, with_token};
use key_store::{TokenAlgorithm, TokenError, TokenKey};
use p256::ecdsa::signature::Verifier as _;
use p256::elliptic_curve::point::AffineCoordinates as _;
use p256::pkcs8::DecodePublicKey as _;

#[test]
fn keys_in_a_token_sign_and_sessions_recover() {
    let folder = tempfile::tempdir().unwrap();
    let keys = [("people", "EC:prime256v1"), ("root", "EC:secp384r1"), ("device", "EC:edwards25519")];
    if !with_token(folder.path(), "keys_in_a_token_sign_and_sessions_recover", &keys) {
        return;
    }
    let right = pin_file(folder.path(), PIN);
    let people = TokenKey::open(uri("people", &right).parse().unwrap()).unwrap();
    assert_eq!(people.algorithm(), TokenAlgorithm::EcdsaP256);
    let verifier = p256::ecdsa::VerifyingKey::from_public_key_der(people.spki_der()).unwrap();
    let check = |message: &[u8]| {
        let signature = people.sign(message).unwrap();
        verifier.verify(message, &p256::ecdsa::DerSignature::from_bytes(&signature).unwrap()).unwrap();
    };
    check(b"first");

    // Logged out behind its back: handles of private keys are no good any more.
    let module = cryptoki::context::Pkcs11::new(module()).unwrap();
    let log_out = || {
        for slot in module.get_slots_with_initialized_token().unwrap() {
            module.open_ro_session(slot).unwrap().logout().unwrap();
        }
    };
    log_out();
    check(b"second");

    let root = TokenKey::open(uri("root", &right).parse().unwrap()).unwrap();
    assert_eq!((root.algorithm(), root.spki_der().len()), (TokenAlgorithm::EcdsaP384, 120));
    assert!(root.sign(b"third").unwrap().len() > 90);
    let device = TokenKey::open(uri("device", &right).parse().unwrap()).unwrap();
    assert_eq!(device.algorithm(), TokenAlgorithm::Ed25519);
    let key = ed25519_dalek::VerifyingKey::from_public_key_der(device.spki_der()).unwrap();
    key.verify_strict(b"fourth", &ed25519_dalek::Signature::from_slice(&device.sign(b"fourth").unwrap()).unwrap())
        .unwrap();

    // A key that is not there is made in the token, once; one of another kind is not taken for it.
    let made =
        |label: &str, algorithm| TokenKey::open_or_make(uri(label, &right).parse().unwrap(), algorithm, [7; 16], true);
    for (label, algorithm) in [
        ("new", TokenAlgorithm::Ed25519),
        ("new 256", TokenAlgorithm::EcdsaP256),
        ("new 384", TokenAlgorithm::EcdsaP384),
    ] {
        let label = &label.replace(' ', "%20");
        let (first, new) = made(label, algorithm).unwrap();
        assert!(new && first.algorithm() == algorithm && !first.sign(b"x").unwrap().is_empty());
        let (again, new) = made(label, algorithm).unwrap();
        assert!(!new && again.spki_der() == first.spki_der());
    }
    // One that opens messages agrees with a point of another's.
    let (ours, _) = made("new%20256", TokenAlgorithm::EcdsaP256).unwrap();
    let theirs = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let public = p256::PublicKey::from_public_key_der(ours.spki_der()).unwrap();
    let shared = (public.to_projective() * *theirs.to_nonzero_scalar()).to_affine();
    let point = theirs.public_key().to_sec1_bytes();
    assert_eq!((point.len(), &ours.agree(&point).unwrap()[..]), (65, &shared.x()[..]));
    log_out();
    assert_eq!(ours.agree(&point).unwrap()[..], shared.x()[..]);
    assert!(ours.agree(b"no point").is_err());
    let other = made("people", TokenAlgorithm::Ed25519).unwrap_err();
    assert!(matches!(other, TokenError::Found { expected: "a key on edwards25519", .. }), "{other}");

    let error = TokenKey::open(uri("nobody", &right).parse().unwrap()).unwrap_err();
    assert!(matches!(&error, TokenError::Found { expected: "one private key", .. }), "{error}");
    let elsewhere = uri("people", &right).replace("token=CA", "token=Other");
    assert!(matches!(TokenKey::open(elsewhere.parse().unwrap()), Err(TokenError::Found { .. })));
    let no_module = "pkcs11:object=people?module-path=/nonexistent.so";
    assert!(matches!(TokenKey::open(no_module.parse().unwrap()), Err(TokenError::Module { .. })));

    // A wrong PIN is tried once: tokens lock themselves.
    log_out();
    let wrong = pin_file(folder.path(), "000000");
    let refused = TokenKey::open(uri("people", &wrong).parse().unwrap()).unwrap_err();
    assert!(matches!(refused, TokenError::PinRefused { .. }), "{refused}");
    // A PIN is read once: who signs does not depend on where it came from.
    std::fs::write(&right, "000000").unwrap();
    check(b"fifth");
    assert!(root.sign(b"sixth").is_ok());
    let pin = |text: &str| cryptoki::types::AuthPin::new(text.into());
    for slot in module.get_slots_with_initialized_token().unwrap() {
        module.open_rw_session(slot).unwrap().set_pin(&pin(PIN), &pin("8765-4321")).unwrap();
    }
    log_out();
    for _ in 0..20 {
        assert!(matches!(root.sign(b"x"), Err(TokenError::PinRefused { .. })));
    }
    // Twenty would have locked it.
    std::fs::write(&right, "8765-4321").unwrap();
    TokenKey::open(uri("people", &right).parse().unwrap()).unwrap().sign(b"seventh").unwrap();
}
